"""No position without a stop, against the lab: refused, lost and unheard stops, marks nobody acts on, orderly ends."""

import math
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from perpscope.lab.accounts.misfortunes import Misfortune, Mishap
from perpscope.lab.faults import Fault, FaultKind, FaultScript
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, Role
from tests.acceptance.trader import LOT, QUICK, Live, lab_of, seeded, suffers, trader

Eventually = Callable[..., Awaitable[None]]
_PLACE_STOP = "POST /fapi/v1/algoOrder"
#: The promise, with less of a wait.
_SOON = msgspec.structs.replace(QUICK, naked_s=2.0, local_stop_s=0.3)
_NOT_DONE = (Mishap.UNAVAILABLE, Mishap.UNKNOWN_NOT_DONE, Mishap.TIMEOUT_NOT_DONE, Mishap.INTERNAL)
_DONE = (Mishap.UNKNOWN, Mishap.TIMEOUT, Mishap.UNREADABLE, Mishap.OVERLOADED_DONE)


def is_flat(live: Live) -> bool:
    """Both sides say so, and nothing is under way."""
    return live.held == 0 == live.exchange.position and not live.exchange.orders.in_flight


@seeded
async def test_a_stop_that_would_be_met_at_once_closes_the_position(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """The price is past the stop already: the position is closed at once, not after the time allowed. Keeps B15."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        live.buy()
        await eventually(lambda: live.exchange.position == LOT)
        live.stop(0.01)
        await eventually(lambda: is_flat(live))
        assert live.exchange.naked_seconds_max < 4.0
        assert live.exchange.halted == "naked"
        refused = live.buy()
        assert live.desk.closed[-1].order == refused.id
        live.exchange.resume()
        live.buy()
        await eventually(lambda: live.exchange.position == LOT)


@seeded
async def test_a_stop_refused_once_is_sent_again_at_once(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """A refusal for no reason of the price: the same stop under another id, within a second. Keeps B15."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        lab.accounts.suffer(Misfortune(Mishap.REFUSED, of=_PLACE_STOP, code=-2010, message="no"))
        live.buy()
        live.stop()
        await eventually(lambda: live.conditions == ["r1-burst-x1"] and live.exchange.position == LOT)
        await eventually(lambda: live.is_protected)
        assert live.exchange.naked_seconds_max < 2.5
        assert live.exchange.halted == ""


@seeded
async def test_a_stop_refused_twice_closes_the_position(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """Nothing is tried a third time. Keeps B15."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        lab.accounts.suffer(Misfortune(Mishap.REFUSED, of=_PLACE_STOP, times=2, code=-2010, message="no"))
        live.buy()
        live.stop()
        await eventually(lambda: live.desk.position == 0 and len(live.desk.fills) > 1)
        await eventually(lambda: is_flat(live))
        assert live.exchange.naked_seconds_max < 4.0


@pytest.mark.parametrize(
    "kind", [Mishap.LOST_REQUEST, *(pytest.param(kind, marks=pytest.mark.soak) for kind in _NOT_DONE)]
)
async def test_a_stop_that_never_arrives_closes_the_position_in_time(
    tmp_path: Path, eventually: Eventually, kind: Mishap
) -> None:
    """However the exchange loses the stop, the position is closed within the time allowed. Keeps B15."""
    async with lab_of() as lab, trader(lab, tmp_path) as live:
        lab.accounts.suffer(Misfortune(kind, of=_PLACE_STOP, times=math.inf))
        live.buy()
        live.stop()
        await eventually(lambda: live.desk.position == 0 and len(live.desk.fills) > 1)
        await eventually(lambda: is_flat(live))
        assert 0 < live.exchange.naked_seconds_max < 5.0
        assert live.exchange.halted == "naked"


@pytest.mark.parametrize("kind", [Mishap.LOST_REPLY, *(pytest.param(kind, marks=pytest.mark.soak) for kind in _DONE)])
async def test_a_stop_whose_answer_is_lost_stands_and_is_found(
    tmp_path: Path, eventually: Eventually, kind: Mishap
) -> None:
    """The stop is there, only nobody said so: it is asked for, and nothing is closed. Keeps B15."""
    async with lab_of() as lab, trader(lab, tmp_path) as live:
        await suffers(lab, Fault(FaultKind.DROP, 0.0, 1e6, target="topic:*@ALGO_UPDATE"))
        lab.accounts.suffer(Misfortune(kind, of=_PLACE_STOP))
        live.buy()
        stop = live.stop()
        await eventually(lambda: live.is_protected)
        assert live.conditions == [stop.id]
        assert live.exchange.naked_seconds_max < 5.0
        assert live.exchange.halted == ""
        assert live.exchange.duplicates == 0


@seeded
async def test_a_position_nobody_wished_a_stop_for_is_closed(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """An entry without a stop lives as long as is allowed, and no longer. Keeps B15."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        live.buy()
        await eventually(lambda: len(live.desk.fills) > 1 and is_flat(live))
        print(f"seed {seed}: naked for {live.exchange.naked_seconds_max:.2f} of 5 s")
        assert 3.5 < live.exchange.naked_seconds_max < 5.0


async def test_a_stop_that_vanishes_is_put_back(tmp_path: Path, eventually: Eventually) -> None:
    """Somebody takes the stop back by hand: it is sent again under an id of the gateway's own. Keeps B15."""
    async with lab_of() as lab, trader(lab, tmp_path, settings=_SOON) as live:
        live.buy()
        stop = live.stop()
        await eventually(lambda: live.conditions == [stop.id] and live.exchange.position == LOT)
        await eventually(lambda: not live.exchange.orders.in_flight)
        (algo,) = live.account.waits("BTCUSDT")
        lab.accounts.waiting.cancel(live.account, algo)
        await eventually(lambda: live.conditions == ["r1-burst-x1"])
        await eventually(lambda: live.is_protected)
        assert live.held == live.exchange.position == LOT


async def test_a_stop_that_vanishes_while_the_mark_is_past_it_is_not_put_back(
    tmp_path: Path, eventually: Eventually
) -> None:
    """There is nothing to wait for: the position is closed at once. Keeps B15."""
    async with lab_of() as lab, trader(lab, tmp_path) as live:
        live.buy()
        live.stop(-0.03)
        await eventually(lambda: live.is_protected and not live.exchange.orders.in_flight)
        (algo,) = live.account.waits("BTCUSDT")
        lab.accounts.waiting.cancel(live.account, algo)
        await eventually(lambda: not live.is_protected)
        live.tell_mark(float(live.price(-0.04)))
        await eventually(lambda: is_flat(live))
        assert live.exchange.naked_seconds_max < 4.0
        assert "x1" in live.journal.orders("r1")[-1].request.id
        assert live.journal.orders("r1")[-1].request.role is Role.FLATTEN


@pytest.mark.parametrize(
    ("kind", "role", "share"),
    [(OrderKind.STOP, Role.PROTECT, -0.03), (OrderKind.TAKE, Role.PROFIT, 0.03)],
    ids=["stop", "take-profit"],
)
async def test_a_condition_the_exchange_does_not_act_on_is_acted_on_here(
    tmp_path: Path, eventually: Eventually, kind: OrderKind, role: Role, share: float
) -> None:
    """The mark passes a stop or take-profit and no fill comes: closed by market, the rest taken back. Keeps S2-61."""
    async with lab_of() as lab, trader(lab, tmp_path, settings=_SOON) as live:
        live.buy()
        live.stop()
        if kind is OrderKind.TAKE:
            live.exchange.submit(live.desk.order(kind, Side.SELL, role, live.price(share)))
        await eventually(lambda: live.is_protected)
        await eventually(lambda: not live.exchange.orders.in_flight)
        live.exchange._guard.look()
        live.tell_mark(float(live.price(2 * share)))
        live.tell_mark(float(live.mark))
        await eventually(lambda: is_flat(live))
        await eventually(lambda: live.conditions == [])
        assert live.exchange.halted == ""


# the end -------------------------------------------------------------------------------------------------------------


@seeded
@pytest.mark.parametrize("policy", ["leave", "flatten"])
async def test_a_run_ends_as_it_was_told(tmp_path: Path, eventually: Eventually, policy: str, seed: int) -> None:
    """Left, a position stays with its stop; flattened, nothing does; entries are taken back either way."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        live.buy()
        stop = live.stop()
        live.exchange.submit(live.desk.order(OrderKind.LIMIT, Side.BUY, Role.ENTRY, live.price(-0.02)))
        await eventually(lambda: live.conditions == [stop.id] and len(live.account.opens("BTCUSDT")) == 1)
        await eventually(lambda: live.exchange.position == LOT)
        await live.exchange.on_exit(policy)
        assert live.account.opens("BTCUSDT") == []
        assert (live.held, live.conditions) == ((LOT, [stop.id]) if policy == "leave" else (0, []))
        late = live.buy()
        assert live.desk.closed[-1].order == late.id


# everything at once --------------------------------------------------------------------------------------------------


@seeded
async def test_whatever_goes_wrong_nothing_is_naked_for_long(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """Mishaps of all kinds on stops and entries, a user stream that stutters: never naked for 5 s, nothing twice."""
    rng = random.Random(seed)
    wrongs = [
        *(Mishap.LOST_REQUEST, Mishap.LOST_REPLY, Mishap.UNKNOWN, Mishap.UNKNOWN_NOT_DONE, Mishap.TIMEOUT),
        *(Mishap.TIMEOUT_NOT_DONE, Mishap.UNAVAILABLE, Mishap.OVERLOADED_DONE, Mishap.UNREADABLE),
    ]
    kinds = (FaultKind.CUT, FaultKind.DUPLICATE, FaultKind.REORDER, FaultKind.DELAY, FaultKind.FLIP, FaultKind.DROP)
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        script = FaultScript.seeded(
            *(seed, "binance", kinds),
            first_s=0.5,
            count=8,
            for_s=(0.5, 2.0),
            calm_s=(0.2, 1.0),
            targets={FaultKind.CUT: ("path:private",), **dict.fromkeys(kinds[1:], ("topic:*@*_UPDATE",))},
        )
        lab.suffer(script)
        for _ in range(3):
            lab.accounts.suffer(Misfortune(rng.choice(wrongs), of=_PLACE_STOP))
            lab.accounts.suffer(Misfortune(rng.choice(wrongs), of="POST /fapi/v1/order"))
            live.exchange.resume()
            live.buy()
            live.stop(-0.05)
            await eventually(lambda: not live.exchange.orders.in_flight)
            live.exchange.submit(live.desk.order(OrderKind.MARKET, Side.SELL, Role.LEAVE))
            await eventually(lambda: is_flat(live))
        await eventually(lambda: live.conditions == [])
        print(f"seed {seed}: naked for {live.exchange.naked_seconds_max:.2f} of 5 s")
        assert live.exchange.naked_seconds_max < 5.0
        assert live.exchange.duplicates == 0
        assert live.desk.position == 0
        booked = sorted(one.trade.trade_id for one in live.journal.fills("r1"))
        assert booked == sorted(one.id for one in live.account.fills)
