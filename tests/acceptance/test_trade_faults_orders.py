"""RELIABILITY D and C, orders: what the exchange answers wrongly, late or not at all makes no second order and no hole.

Each fault is brought about at the lab's exchange; `trading_run.judged` holds its books against the journal. What a
single stop suffers stands in `test_live_protection`, what comparing finds in `test_live_exchange`.
"""

import math
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest

from perpscope.execution.phases import ABSENT, Phase
from perpscope.feeds.clock import Anchor
from perpscope.lab.accounts.misfortunes import Misfortune, Mishap
from perpscope.lab.accounts.orders import Ask, Kind
from perpscope.lab.faults import Fault, FaultKind
from perpscope.lab.running import Lab
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, OrderRequest, Role
from tests.acceptance.trader import LOT, Live, lab_of, trader
from tests.acceptance.trading_run import (
    DONE_UNTOLD,
    NAKED_S,
    NOT_DONE,
    PLACE,
    SYMBOL,
    Eventually,
    intents_of,
    is_settled,
    rates_of,
    settled,
    suffering,
    watched,
)

SEEDS = (1,)
MANY = [pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 21)]
Kinds = TypeVar("Kinds")
seeded = pytest.mark.parametrize("seed", [*SEEDS, *MANY])


@pytest.fixture
def no_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test wish more within a second than the caps let a desk."""
    monkeypatch.setattr("perpscope.execution.caps.PER_SECOND", 100)


def rotated(kinds: Sequence[Kinds], seed: int) -> list[Kinds]:
    """All of them, beginning elsewhere with each seed."""
    at = seed % len(kinds)
    return [*kinds[at:], *kinds[:at]]


def strike(lab: Lab, kind: Mishap, of: str = PLACE, times: float = 1, code: int = 0, for_ms: int = 0) -> None:
    """Let something go wrong."""
    lab.accounts.suffer(Misfortune(kind, of=of, times=times, code=code, for_ms=for_ms))


async def working(live: Live, eventually: Eventually, order: OrderRequest) -> None:
    """Wait until an order stands, as far as the run knows."""

    def stands() -> bool:
        found = live.exchange.orders.find(order.id)
        return found is not None and found.phase is Phase.WORKING

    await eventually(stands)


async def held(live: Live, eventually: Eventually) -> None:
    """A long of one lot with its stop."""
    live.buy()
    stop = live.stop()
    await eventually(lambda: live.exchange.position == LOT and live.conditions == [stop.id])
    await eventually(lambda: not live.exchange.orders.in_flight)


# D1 to D5: what is not known -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_haste")
@seeded
async def test_d1_replies_lost_orders_live(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """They are there and nobody says so: found by their ids, filled once, within ten seconds, and never sent again."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live, watched(live.account) as eye:
        live.stop()
        for kind in rotated(DONE_UNTOLD, seed):
            strike(lab, kind)
        bought = [live.buy() for _ in DONE_UNTOLD]
        await eventually(lambda: live.exchange.position == len(bought) * LOT, within_s=10.0)
        await eventually(lambda: not live.exchange.contact().is_mismatched)  # until then nothing may be opened
        strike(lab, DONE_UNTOLD[seed % len(DONE_UNTOLD)])
        await working(live, eventually, live.rest())
        await settled(live, eventually)
        assert {one.order for one in live.desk.fills} == {one.id for one in bought}
        assert len(lab.accounts.misfortunes.struck) == len(DONE_UNTOLD) + 1
        assert eye.longest_s < NAKED_S


@pytest.mark.usefixtures("no_haste")
@seeded
async def test_d2_requests_lost_orders_absent(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """They never came: closed once that is sure, not sent again, and the next one is another intent."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        for kind in rotated(NOT_DONE, seed):
            strike(lab, kind)
        lost = {live.buy().id for _ in NOT_DONE}
        await eventually(lambda: {one.order for one in live.desk.closed} == lost)
        assert {one.why for one in live.desk.closed} <= {ABSENT, "refused"}
        assert live.account.orders == {}
        await eventually(lambda: is_settled(live))
        live.stop()
        live.buy()
        await eventually(lambda: live.exchange.position == LOT)
        await settled(live, eventually)


@seeded
async def test_d3_order_that_is_not_seen_for_a_while_is_not_given_up(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """Placed, its reply lost, and for three seconds questions find nothing: it is ours all the same."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        strike(lab, Mishap.UNSEEN, for_ms=3000)
        strike(lab, Mishap.LOST_REPLY)
        seen, order = live.rest(), live.rest(-0.011)
        await suffering(lab, Fault(FaultKind.DROP, 0.0, 1e6, target="topic:*@ORDER_TRADE_UPDATE"))
        for one in (seen, order):
            await working(live, eventually, one)
        assert live.desk.closed == []
        await settled(live, eventually)


@seeded
async def test_d4_an_id_that_is_there_already_is_our_order(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """-4116 says that an earlier request got through: the order is taken up, not given up."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        order = live.desk.order(OrderKind.LIMIT, Side.BUY, Role.ENTRY, live.price(-0.01))
        stop = live.desk.order(OrderKind.STOP, Side.SELL, Role.PROTECT, live.price(-0.03))
        first = Ask(symbol=SYMBOL, side=Side.BUY, kind=Kind.LIMIT, size=LOT, price=order.price, client_id=order.id)
        lab.accounts.matching.place(live.account, first)
        condition = Ask(
            symbol=SYMBOL,
            side=Side.SELL,
            kind=Kind.STOP_MARKET,
            trigger=stop.price,
            closes=True,
            by_mark=True,
            client_id=stop.id,
        )
        lab.accounts.waiting.place(live.account, condition)
        live.exchange.submit(order)
        live.exchange.submit(stop)
        for one in (order, stop):
            await working(live, eventually, one)
        assert live.desk.closed == []
        await settled(live, eventually)


@seeded
async def test_d5_a_network_that_fails_loses_no_order(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """Nothing is answered for seconds while orders stand and fill: they stay tracked, and all is found afterwards."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live, watched(live.account) as eye:
        await held(live, eventually)
        order = live.rest()
        await working(live, eventually, order)
        strike(lab, Mishap.LOST_REQUEST, "*", math.inf)
        await suffering(lab, Fault(FaultKind.REFUSE, 0.0, 4.0, target="path:private"))
        await eventually(lambda: not live.exchange.contact().is_streaming)
        (resting,) = live.account.opens(SYMBOL)
        lab.accounts.matching.fill(live.account, resting, resting.price, resting.left, is_maker=True)
        live.exchange.cancel(order.id)
        errors = live.exchange.contact().errors
        await eventually(lambda: live.exchange.contact().errors > errors + 5)
        assert order.id not in {one.order for one in live.desk.closed}, "errors of the network are no answer"
        lab.accounts.misfortunes.clear()
        await settled(live, eventually)
        assert live.held == 2 * LOT
        assert eye.longest_s < NAKED_S


# D7, D8, D12: parts, twice, orphans ----------------------------------------------------------------------------------


@seeded
async def test_d7_parts_are_filled_while_the_rest_is_cancelled(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """Filled in parts, cancelled meanwhile, the cancel's reply lost: size and fees are exact, the rest is gone."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live, watched(live.account) as eye:
        order = live.rest(size=5 * LOT)
        stop = live.stop(-0.04)
        await working(live, eventually, order)
        await working(live, eventually, stop)
        (resting,) = live.account.opens(SYMBOL)
        lab.accounts.matching.fill(live.account, resting, resting.price, LOT, is_maker=True)
        strike(lab, DONE_UNTOLD[seed % len(DONE_UNTOLD)], "DELETE /fapi/v1/order")
        live.exchange.cancel(order.id)
        if resting.is_open:
            lab.accounts.matching.fill(live.account, resting, resting.price, LOT, is_maker=True)
        await eventually(lambda: [one.order for one in live.desk.closed] == [order.id])
        await settled(live, eventually)
        assert sum(one.size for one in live.desk.fills) == resting.filled == live.held
        assert eye.longest_s < NAKED_S


@seeded
async def test_d8_events_told_twice_and_again_after_a_restart(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """Every frame twice or three times, shuffled, then a restart: each fill is booked and told once."""
    async with lab_of(seed) as lab:
        async with trader(lab, tmp_path) as live:
            faults = [
                Fault(FaultKind.DUPLICATE, 0.0, 1e6, target="path:private"),
                Fault(FaultKind.REORDER, 0.0, 1e6, target="path:private", amount=0.2),
            ]
            await suffering(lab, *faults)
            for _ in range(3):
                live.buy()
            live.stop()
            await eventually(lambda: live.exchange.position == 3 * LOT)
            await settled(live, eventually)
            fills = len(live.account.fills)
            assert len(live.desk.fills) == fills
        async with trader(lab, tmp_path) as live:
            live.leave(3 * LOT)
            await eventually(lambda: live.held == 0 == live.exchange.position)
            await settled(live, eventually, began=3 * LOT)


@pytest.mark.usefixtures("no_haste")
@seeded
async def test_d9_many_orders_over_many_restarts(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """A position, its stop, and a dozen resting orders: after every restart the same stand, and none twice."""
    async with lab_of(seed) as lab:
        async with trader(lab, tmp_path) as live:
            await held(live, eventually)
            orders = [live.rest(-0.01 - number / 1000) for number in range(12)]
            for order in orders:
                await working(live, eventually, order)
            await settled(live, eventually)
        for _ in range(3):
            async with trader(lab, tmp_path) as live:
                await settled(live, eventually, began=LOT)
                assert {one.client_id for one in live.account.opens(SYMBOL)} == {order.id for order in orders}
                assert live.resumed is not None
                assert len(live.resumed.orders) == 13
                assert live.desk.events == []


@seeded
async def test_d12_orphans_go_though_their_cancel_fails(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """The position is gone, the stop's cancel fails again and again: it is taken back all the same, and never flips."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        await held(live, eventually)
        for kind in (NOT_DONE[seed % len(NOT_DONE)], Mishap.UNAVAILABLE):
            strike(lab, kind, "DELETE /fapi/v1/algoOrder", times=2)
        live.leave()
        await eventually(lambda: live.held == 0)
        await eventually(lambda: live.conditions == [])
        await settled(live, eventually)


# D15, D17, D18: quotas, cancels, force (D14: test_trade_faults_rules) ------------------------------------------------


@seeded
async def test_d15_the_way_out_is_not_kept_by_what_waits(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """Stop and take-profit close the position, not a size, so that a market exit passes beside them; twice is once."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        await held(live, eventually)
        live.exchange.submit(live.desk.order(OrderKind.TAKE, Side.SELL, Role.PROFIT, live.price(0.03)))
        await eventually(lambda: len(live.conditions) == 2)
        live.leave()
        live.leave()
        await eventually(lambda: live.held == 0 == live.exchange.position)
        await settled(live, eventually)
        assert len(live.account.fills) == len(live.desk.fills)
        await eventually(lambda: live.conditions == [])


@seeded
async def test_d15_a_reduction_by_hand_keeps_ours_out_and_the_stop_stays(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """Somebody's resting exit has reduced everything already (-4118): ours is refused and told, nothing is bare."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live, watched(live.account) as eye:
        await held(live, eventually)
        price = live.price(0.02)
        by_hand = Ask(
            symbol=SYMBOL, side=Side.SELL, kind=Kind.LIMIT, size=LOT, price=price, reduces=True, client_id="web_1"
        )
        resting, _ = lab.accounts.matching.place(live.account, by_hand)
        order = live.leave()
        await eventually(lambda: [one.order for one in live.desk.closed] == [order.id])
        assert live.held == LOT
        lab.accounts.matching.cancel(live.account, live.account.orders[resting.id])
        live.leave()
        await eventually(lambda: live.held == 0 == live.exchange.position)
        await settled(live, eventually)
        assert eye.longest_s < NAKED_S


@seeded
async def test_d17_a_cancel_that_is_refused_is_not_repeated_without_end(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """-2011 to a cancel is a reason to ask, not to cancel again: a handful of calls, and the order ends as it does."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        order = live.rest()
        await working(live, eventually, order)
        strike(lab, Mishap.REFUSED, "DELETE /fapi/v1/order", math.inf, code=-2011)
        before = rates_of(live)
        live.exchange.cancel(order.id)
        for _ in range(50):
            live.exchange.cancel(order.id)
        await eventually(lambda: len(lab.accounts.misfortunes.struck) >= 3)
        assert (rates_of(live) - before)["/fapi/v1/order"] <= 8
        lab.accounts.misfortunes.clear()
        await eventually(lambda: [one.order for one in live.desk.closed] == [order.id], within_s=30.0)
        await settled(live, eventually)


@seeded
async def test_d18_after_a_forced_close_nothing_of_ours_stands(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """The exchange closes a position while a take-profit, a stop and an exit stand: all go, and nothing is reopened."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        await held(live, eventually)
        live.exchange.submit(live.desk.order(OrderKind.TAKE, Side.SELL, Role.PROFIT, live.price(0.03)))
        await eventually(lambda: len(live.conditions) == 2)
        lab.accounts.deleverage(live.account, SYMBOL)
        await eventually(lambda: live.exchange.position == 0 and live.conditions == [])
        await settled(live, eventually)
        assert live.desk.fills[-1].role is Role.LIQUIDATED


# D20, D23, C1, C2, C8, C9: what is too much, too slow or nonsense ---------------------------------------------------


@seeded
async def test_d20_maintenance_ends_and_the_way_out_is_found(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """Every order fails for seconds: the stop that stands is kept, the desk hears the end of its exit, then it goes."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live, watched(live.account) as eye:
        await held(live, eventually)
        strike(lab, (Mishap.UNAVAILABLE, Mishap.UNKNOWN_NOT_DONE, Mishap.INTERNAL)[seed % 3], "POST *", math.inf)
        entry, way_out = live.buy(), live.leave()
        await eventually(lambda: {one.order for one in live.desk.closed} == {entry.id, way_out.id})
        assert live.held == LOT
        lab.accounts.misfortunes.clear()
        live.leave()
        await eventually(lambda: live.held == 0 == live.exchange.position)
        await settled(live, eventually)
        assert eye.longest_s < NAKED_S


@seeded
async def test_d23_a_runaway_desk_is_stopped(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """A hundred entries in a loop: a handful pass, entries are halted, and the way out stays open."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        live.stop()
        orders = [live.buy(Decimal("0.002")) for _ in range(100)]
        await eventually(lambda: len(live.desk.closed) >= 90)
        assert live.exchange.halted.startswith("runaway")
        await eventually(lambda: not live.exchange.orders.in_flight)
        entries = [one for one in live.account.orders.values() if one.client_id in {order.id for order in orders}]
        assert 0 < len(entries) <= 5
        assert live.exchange.position == live.held > 0
        live.leave(live.exchange.position)
        await eventually(lambda: live.held == 0)
        await settled(live, eventually)


@seeded
async def test_a_desk_that_asks_again_and_again_does_not_keep_us_blind(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """Nothing could be compared for a while; wishes that are refused are no events at the exchange, and it is again."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        strike(lab, Mishap.LOST_REQUEST, "GET *", math.inf)
        await eventually(lambda: live.exchange.contact().is_mismatched)
        lab.accounts.misfortunes.clear()

        def is_seen() -> bool:
            if live.exchange.contact().is_mismatched:
                live.rest()
                return False
            return True

        await eventually(is_seen, within_s=20.0)
        assert {one.why for one in live.desk.closed} == {"refused"}
        await working(live, eventually, live.rest())
        await settled(live, eventually)


@seeded
async def test_c1_nothing_is_asked_while_the_venue_wants_peace(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """429 with Retry-After: not one request reaches the venue until it is over; the order goes out then, once."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live, watched(live.account) as eye:
        await held(live, eventually)
        lab.rest.throttle(1)
        await eventually(lambda: live.exchange.contact().errors > 0)
        quiet = rates_of(live)
        order = live.leave()
        await eventually(lambda: live.exchange.orders.find(order.id) is not None)
        assert (rates_of(live) - quiet)["/fapi/v1/order"] == 0
        await eventually(lambda: live.held == 0, within_s=30.0)
        await settled(live, eventually)
        assert len([one for one in live.account.orders.values() if one.client_id == order.id]) == 1
        assert eye.longest_s < NAKED_S


@seeded
async def test_c8_c9_answers_that_are_none_leave_it_open(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """200 with a web page or nothing, no answer, an old answer: nothing is believed, sent twice, or stuck for long."""
    kinds = rotated((FaultKind.HTML, FaultKind.EMPTY, FaultKind.HANG, FaultKind.STALE), seed)
    paths = ("/fapi/v1/order", "/fapi/v1/*Orders", "/fapi/v1/userTrades", "/fapi/v3/*")
    faults = [
        Fault(kind, 0.0, 1.0, target=f"rest:{path}", amount=30.0 if kind is FaultKind.HANG else 0.0)
        for kind, path in zip(kinds, paths, strict=True)
    ]
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live, watched(live.account) as eye:
        await held(live, eventually)
        before = rates_of(live)
        await suffering(lab, *faults)
        entry = live.rest()
        await eventually(lambda: (rates_of(live) - before)["/fapi/v1/order"] > 0)
        await settled(live, eventually)
        found = live.exchange.orders.find(entry.id)
        assert found is not None
        assert found.phase in (Phase.WORKING, Phase.OVER)
        assert eye.longest_s < NAKED_S
        assert len(intents_of(live.journal)) == 3


@seeded
async def test_c2_a_ban_stops_everything_and_nothing_is_opened(
    tmp_path: Path, eventually: Eventually, seed: int
) -> None:
    """418: from then on not one request, orders among them; entries are refused, and the stop at the exchange stays."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live:
        await held(live, eventually)
        await suffering(lab, Fault(FaultKind.STATUS, 0.0, 1e6, target="rest:*", amount=418))
        errors = live.exchange.contact().errors
        await eventually(lambda: live.exchange.contact().errors > errors)
        quiet = rates_of(live)
        way_out = live.leave()
        await eventually(lambda: live.exchange.contact().is_mismatched)
        entry = live.buy()
        await eventually(lambda: entry.id in {one.order for one in live.desk.closed})
        assert rates_of(live) == quiet
        assert way_out.id not in {one.order for one in live.desk.closed} or live.held == LOT
        assert (live.held, len(live.conditions)) == (LOT, 1)


@seeded
async def test_c3_a_clock_that_jumps_costs_one_try(tmp_path: Path, eventually: Eventually, seed: int) -> None:
    """Our clock steps ahead by a minute and a half: measured anew at the first -1021, and the order goes out."""
    async with lab_of(seed) as lab, trader(lab, tmp_path) as live, watched(live.account) as eye:
        await held(live, eventually)
        clock = live.desk._clock
        clock.follow(Anchor(clock.now_ns() + 90_000_000_000, clock.wall_ns(), 1.0))
        live.leave()
        await eventually(lambda: live.held == 0 == live.exchange.position)
        skew_ms = live.exchange.contact().skew_ms
        assert skew_ms is not None
        assert round(skew_ms, -3) == -90_000
        assert len([one for one in live.account.orders.values() if one.ask.side is Side.SELL]) == 1
        await settled(live, eventually)
        assert eye.longest_s < NAKED_S
