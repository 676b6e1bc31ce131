"""A desk begins where it was left, obeys whoever may stop it, and books whatever the exchange did with its position."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.unit.desk_histories import BTC, COIN, START, UNITS, desk_of
from tests.unit.test_trading_kernel import FREE_COSTS, scripted
from tests.unit.test_trading_trader import MINUTE, closed, unheard

from perpscope.engine.gateway import REFUSED, ObligingGateway
from perpscope.engine.telling import Told
from perpscope.engine.trader import Trader
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import MarkPrice, PositionSide, Side, Tick
from perpscope.model.order import (
    Fill,
    FundingCharged,
    OrderClosed,
    OrderKind,
    OrderRequest,
    Resumed,
    Role,
    Signal,
    Standing,
    WorkingOrder,
)
from perpscope.settings import Risk
from perpscope.trading.account import is_sound
from perpscope.trading.desk import Desk
from perpscope.trading.layout import EXIT, LONG, MONEY, NS, PROTECT, SHORT
from perpscope.trading.refusals import DRAWDOWN, KILL_SWITCH, REFUSALS
from perpscope.trading.resuming import remembered, resumed

NOW = START + 60 * MINUTE
STOP = WorkingOrder(
    number=7,
    kind=OrderKind.STOP,
    role=Role.PROTECT,
    side=Side.SELL,
    size=Decimal("0.02"),
    filled=Decimal(0),
    price=Decimal(59_000),
)
#: A long of 0.02 at 60,000, with 120 of margin, and its stop.
LEFT = Resumed(
    instrument=BTC.id,
    ts_recv=NOW,
    candles=[closed(minute) for minute in range(60)],
    wallet=Decimal(10_000),
    position=Decimal("0.02"),
    entry_price=Decimal(60_000),
    margin=Decimal(120),
    ts_opened=NOW - 10 * MINUTE,
    orders=[STOP],
    orders_made=9,
)


def live(
    answers: list[int],
    *,
    told: list[Told] | None = None,
    stop: float = 0.0,
    limits: Risk | None = None,
    asked: float = 0.01,
) -> tuple[Trader, Desk, ObligingGateway]:
    """A trader on an exchange that is not the desk's own."""
    gateway = ObligingGateway(BTC.id)
    strategy = replace(COIN, rule=scripted(answers, asked))
    desk = desk_of(strategy, is_simulated=False, costs=FREE_COSTS, limits=limits)
    desk["risk"]["stop"] = stop
    return Trader(strategy, BTC, desk, unheard if told is None else told.append, gateway), desk, gateway


def fill(
    size: str, price: float = 60_000.0, *, side: Side = Side.SELL, order: str = "", role: Role = Role.LEAVE
) -> Fill:
    """Something the exchange did."""
    return Fill(
        order=order,
        instrument=BTC.id,
        ts_event=NOW,
        ts_recv=NOW,
        side=side,
        price=Decimal(repr(price)),
        size=Decimal(size),
        fee=Decimal("0.25"),
        is_maker=False,
        role=role,
    )


def stood(now: int = NOW, **changes: Any) -> Standing:  # noqa: ANN401 -- any field
    """How far decisions go."""
    return replace(Standing(ts_recv=now, mode=2), **changes)


def mark(now: int, price: float = 60_000.0) -> MarkPrice:
    """A mark."""
    return MarkPrice(BTC.id, now, now, price, price, 0.0001, None)


def test_a_desk_begins_with_what_was_left() -> None:
    """Candles, money, position and orders stand; nobody was asked and nothing is told."""
    told: list[Told] = []
    trader, desk, gateway = live([LONG] * 60, told=told)
    assert trader.process(LEFT) == 0
    d = desk[0]
    assert (told, gateway.working, d.decisions, d.fills, d.points) == ([], {}, 0, 0, 0)
    assert (d.watch.bars, d.watch.bar_at, d.watch.now) == (60, NOW, NOW)
    a = d.account
    assert (a.size, a.entry, a.deposit, a.margin, a.cash) == (20, 60_000.0, 10_000 * MONEY, 120 * MONEY, 9_880 * MONEY)
    assert (a.opened_at, a.opened_bar, is_sound(a)) == (NOW - 10 * MINUTE, 50, True)
    assert (a.best, a.worst) == (60_000.0, 60_000.0)
    position = trader.position
    assert (position.side, position.entry_price) == (PositionSide.LONG, Decimal("60000.0"))
    (stop,) = trader.view.requests()
    assert (stop.id, stop.role, stop.price) == ("run-coin-7", Role.PROTECT, Decimal("59000.0"))
    assert d.orders_made == 9


def test_a_run_goes_on_under_its_own_numbers() -> None:
    """The next order has the next number; the stop of before, filled, closes the position under its own."""
    told: list[Told] = []
    trader, desk, gateway = live([EXIT], told=told)
    trader.process(LEFT)
    trader.process(closed(60))
    assert [one.id for one in told if isinstance(one, OrderRequest)] == ["run-coin-10"]
    trader.process(fill("0.02", 59_000.0, order="run-coin-7", role=Role.PROTECT))
    (filled,) = (one for one in told if isinstance(one, Fill))
    assert (filled.order, filled.role) == ("run-coin-7", Role.PROTECT)
    assert desk[0].account.realised == -20 * MONEY
    assert gateway.cancelled == ["run-coin-10"]
    assert trader.position.side is None


def test_what_is_not_told_is_worked_out() -> None:
    """Without a margin it is what opening locks up; without a time, now; a short is as good as a long."""
    trader, desk, _ = live([])
    left = replace(LEFT, position=Decimal("-0.02"), margin=Decimal(0), ts_opened=0, candles=[], orders=[])
    trader.process(left)
    a = desk[0].account
    assert (a.size, a.margin, a.opened_at, a.opened_bar) == (-20, 120 * MONEY, NOW, 0)
    flat, other, _ = live([])
    flat.process(replace(left, position=Decimal(0), entry_price=None))
    assert (other[0].account.cash, other[0].account.size) == (10_000 * MONEY, 0)
    assert flat.position.entry_price is None


def test_an_entry_that_was_working_gets_the_run_s_stop() -> None:
    """Filled after a restart it is not naked; its part that was filled before is known."""
    entry = replace(STOP, kind=OrderKind.LIMIT, role=Role.ENTRY, side=Side.BUY, filled=Decimal("0.01"), number=12)
    trader, desk, gateway = live([], stop=0.1)
    trader.process(replace(LEFT, position=Decimal(0), entry_price=None, orders=[entry]))
    assert desk[0].orders_made == 12
    trader.process(fill("0.01", side=Side.BUY, order="run-coin-12", role=Role.ENTRY))
    (stop,) = gateway.working.values()
    assert (stop.id, stop.role, stop.price) == ("run-coin-13", Role.PROTECT, Decimal("54000.0"))


def test_another_s_beginning_is_passed_over() -> None:
    """And more orders than there are slots are refused in words."""
    trader, desk, _ = live([])
    before = desk.tobytes()
    trader.process(replace(LEFT, instrument=InstrumentId("ETH-USDT-PERP.BINANCE")))
    assert desk.tobytes() == before
    with pytest.raises(ValueError, match="9 orders are working, a desk holds 8"):
        resumed(desk, replace(LEFT, orders=[STOP] * 9), UNITS)


def test_risk_remembers_over_a_restart() -> None:
    """Day, peak, pauses, counts and the run's money so far are what they were; no candle counts twice."""
    trader, desk, _ = live([LONG, EXIT])
    for minute in range(2):
        trader.process(closed(minute))
    d = desk[0]
    d.risk.paused_until, d.risk.stops, d.risk.refused[6] = NOW + MINUTE, 2, 5
    d.account.realised, d.account.fees, d.account.trades = -30 * MONEY, 3 * MONEY, 4
    kept = remembered(desk)
    assert (kept["refused.cooldown"], kept["deposit"], "best" in kept) == (5.0, 10_000.0 * MONEY, False)
    again, other, _ = live([])
    candles = [*LEFT.candles, LEFT.candles[3]]
    again.process(replace(LEFT, wallet=Decimal(9_967), position=Decimal(0), candles=candles, orders=[], risk=kept))
    o = other[0]
    assert o.watch.bars == 60
    assert (o.account.deposit, o.account.realised, o.account.fees) == (10_000 * MONEY, -30 * MONEY, 3 * MONEY)
    assert (o.account.trades, o.risk.stops, o.risk.day_equity, is_sound(o.account)) == (4, 2, d.risk.day_equity, True)
    assert abs(int(o.risk.paused_until) - (NOW + MINUTE)) <= 256
    assert remembered(other)["refused.cooldown"] == 5.0


def test_what_happened_while_nobody_looked_is_booked() -> None:
    """A stop filled meanwhile is a loss, a closed trade and one of the streak; excursions of what is held stay."""
    trader, desk, _ = live([])
    trader.process(LEFT)
    desk[0].account.best = 61_000.0
    kept = remembered(desk)
    gone, other, _ = live([], limits=Risk(leverage=10.0, streak=2))
    gone.process(replace(LEFT, wallet=Decimal(9_979), position=Decimal(0), entry_price=None, orders=[], risk=kept))
    a = other[0].account
    assert (a.realised, a.deposit, a.trades, a.closed_at) == (-21 * MONEY, 10_000 * MONEY, 1, NOW)
    assert (other[0].risk.stops, is_sound(a)) == (1, True)
    (row,) = other[0].kept_fills[:1]
    assert (row.role, row.side, row.size, row.price, row.realised) == (PROTECT, -1, 20, 589_500, -21 * MONEY)
    held, third, _ = live([])
    held.process(replace(LEFT, risk=kept))
    assert (third[0].account.best, third[0].account.realised) == (61_000.0, 0)


def test_a_pulled_kill_switch_closes_all_at_once_and_lifted_lets_trade() -> None:
    """Halted: an order to be flat, told once, no entry; lifted: the day and the peak begin anew. Keeps S2-62."""
    told: list[Told] = []
    trader, desk, gateway = live([LONG, LONG, LONG], told=told)
    trader.process(LEFT)
    trader.process(stood(halted="by hand"))
    assert desk[0].risk.halted == KILL_SWITCH
    assert [(one.role, one.side) for one in gateway.working.values()] == [(Role.FLATTEN, Side.SELL)]
    halted_at = int(desk[0].risk.halted_at)
    trader.process(stood(NOW + NS, halted="by hand"))
    assert (desk[0].risk.halted_at, len(gateway.working)) == (halted_at, 1)
    trader.process(fill("0.02", 59_900.0, order="run-coin-10", role=Role.FLATTEN))
    trader.process(closed(61))
    assert not [one for one in told if isinstance(one, Signal) and one.side is PositionSide.LONG]
    trader.process(stood(NOW + 2 * MINUTE))
    risk = desk[0].risk
    assert (risk.halted, risk.peak, risk.day_equity) == (0, 9_997.75 * MONEY, 9_997.75 * MONEY)
    trader.process(closed(62))
    assert told[-1].role is Role.ENTRY if isinstance(told[-1], OrderRequest) else False


def test_a_position_that_was_left_is_not_given_up_before_the_first_mark() -> None:
    """The newest candle is two minutes old, and no mark was told yet: its age counts from the beginning on."""
    trader, desk, gateway = live([])
    trader.process(replace(LEFT, candles=LEFT.candles[:58]))
    trader.process(stood())
    trader.process(Tick(ts_recv=NOW + NS))
    assert (gateway.working, desk[0].account.size) == ({}, 20)


def test_what_the_desk_halted_itself_is_lifted_by_a_reset_alone() -> None:
    """A mode that changes does not lift a drawdown's halt; somebody who resets does. Keeps S2-62."""
    trader, desk, _ = live([])
    desk[0].risk.halted = DRAWDOWN
    trader.process(stood(mode=1))
    assert (desk[0].risk.halted, desk[0].risk.mode) == (DRAWDOWN, 1)
    trader.process(stood(is_reset=True))
    assert (desk[0].risk.halted, desk[0].risk.mode) == (0, 2)
    trader.process(stood(is_reset=True, halted="again"))
    assert desk[0].risk.halted == KILL_SWITCH


@pytest.mark.parametrize(
    ("standing", "refusal"),
    [
        ({"mode": 0}, "observing"),
        ({"is_mismatched": True}, "position-mismatch"),
        ({"skew_ns": 5 * NS}, "clock-skew"),
        ({"calls": 10, "errors": 9}, "exchange-errors"),
    ],
)
def test_how_the_exchange_stands_bars_entries(standing: dict[str, Any], refusal: str) -> None:
    """Each is a refusal with its own name, counted."""
    told: list[Told] = []
    trader, _, _ = live([LONG], told=told)
    trader.process(replace(LEFT, position=Decimal(0), entry_price=None, orders=[]))
    trader.process(stood(**standing))
    trader.process(closed(60))
    (signal,) = (one for one in told if isinstance(one, Signal))
    assert signal.refusal == refusal


@pytest.mark.parametrize(("asked", "expected"), [(0.0, 58_800), (0.01, 59_400)])
def test_a_strategy_without_a_stop_gets_the_run_s(asked: float, expected: int) -> None:
    """The distance is told with the decision, sizes it, and the stop is placed behind the fill. Keeps B15."""
    told: list[Told] = []
    trader, desk, gateway = live([LONG], told=told, stop=0.02, asked=asked)
    trader.process(closed(0))
    (signal,) = (one for one in told if isinstance(one, Signal))
    assert signal.values["stop"] == (asked or 0.02)
    (entry,) = gateway.working.values()
    trader.process(gateway.fill(entry, NOW, Decimal(60_000)))
    (stop,) = gateway.working.values()
    assert (stop.role, stop.price) == (Role.PROTECT, Decimal(expected))
    assert desk[0].account.size == UNITS.steps(stop.size)


def test_a_closed_stop_stays_wished_while_the_position_is_held() -> None:
    """Refused or expired it keeps slot, number and trigger, and its fill is booked; flat, nothing of it is left."""
    trader, desk, gateway = live([])
    trader.process(LEFT)
    gone = OrderClosed(order="run-coin-7", instrument=BTC.id, ts_event=NOW, ts_recv=NOW, why=REFUSED)
    trader.process(gone)
    assert [request.id for request in trader.view.requests()] == ["run-coin-7"]
    assert desk[0].risk.rejected == 1
    trader.process(fill("0.02", order="run-coin-7", role=Role.PROTECT))
    assert trader.view.requests() == []
    assert desk[0].account.size == 0
    trader.process(gone)
    assert gateway.cancelled == []


def test_a_position_the_exchange_liquidated_is_gone() -> None:
    """Without an order of ours it is booked as what it was, counted, and the stop is taken back."""
    told: list[Told] = []
    trader, desk, gateway = live([], told=told)
    trader.process(LEFT)
    trader.process(fill("0.02", 54_300.0, role=Role.LIQUIDATED))
    (filled,) = (one for one in told if isinstance(one, Fill))
    assert (filled.role, filled.order, filled.size) == (Role.LIQUIDATED, "", Decimal("0.020"))
    a = desk[0].account
    assert (a.size, a.liquidations, a.trades, a.realised, is_sound(a)) == (0, 1, 1, -114 * MONEY, True)
    assert gateway.cancelled == ["run-coin-7"]


def test_a_position_that_was_turned_by_hand_is_protected_anew() -> None:
    """Old stops close the wrong way and go; one of the run's distance is placed. Keeps B15."""
    trader, desk, gateway = live([], stop=0.1)
    trader.process(LEFT)
    trader.process(fill("0.03", 60_000.0))
    assert desk[0].account.size == -10
    (stop,) = gateway.working.values()
    assert (stop.role, stop.side, stop.price) == (Role.PROTECT, Side.BUY, Decimal(66_000))
    assert gateway.cancelled == ["run-coin-7"]
    trader.process(fill("0.01", 60_000.0, side=Side.BUY))
    trader.process(fill("0.01", 60_000.0, side=Side.BUY, role=Role.ENTRY))
    assert [one.price for one in trader.view.requests()] == [Decimal(54_000)]


def test_what_is_added_by_hand_stays_under_the_stop_there_is() -> None:
    """No second stop is placed beside one that works; without a distance none is."""
    for stop in (0.1, 0.0):
        trader, desk, gateway = live([], stop=stop)
        trader.process(LEFT)
        trader.process(fill("0.01", side=Side.BUY, role=Role.ENTRY))
        assert (desk[0].account.size, gateway.working) == (30, {})
        assert [int(order.role) for order in desk[0].orders if order.state] == [PROTECT]


def test_funding_is_booked_out_of_margin_or_cash() -> None:
    """What is told after the position is closed is paid all the same."""
    charged = FundingCharged(instrument=BTC.id, ts_event=NOW, ts_recv=NOW, paid=Decimal("1.5"))
    trader, desk, _ = live([])
    trader.process(LEFT)
    trader.process(charged)
    trader.process(fill("0.02"))
    trader.process(charged)
    a = desk[0].account
    assert (a.funding, a.margin, is_sound(a)) == (3 * MONEY, 0, True)


def test_an_entry_that_turns_out_filled_later_is_held_and_protected() -> None:
    """Closed as absent and then filled: nothing is lost, the position has its stop. Keeps B15."""
    trader, desk, gateway = live([SHORT], stop=0.1)
    trader.process(closed(0))
    (entry,) = list(gateway.working.values())
    trader.process(gateway.closed(entry, NOW, "absent"))
    trader.process(replace(fill(str(entry.size), order=entry.id, role=Role.ENTRY), side=Side.SELL))
    assert desk[0].account.size < 0
    assert [one.role for one in gateway.working.values()] == [Role.PROTECT]
    trader.process(mark(NOW + NS))
    trader.process(Tick(ts_recv=NOW + NS))


def test_refusals_have_their_numbers() -> None:
    """What is remembered by name finds its place again."""
    assert REFUSALS[KILL_SWITCH] == "kill-switch"
    assert len(REFUSALS) <= 32


_PROGRAM = """
import json
from tests.unit.test_trading_resuming import walked
print(json.dumps(walked()))
"""


def walked() -> list[str]:
    """A desk through all of it, as it stands after each event."""
    desk = desk_of(is_simulated=False, costs=FREE_COSTS)
    desk["risk"]["stop"] = 0.1
    trader = Trader(COIN, BTC, desk, unheard, ObligingGateway(BTC.id))
    found = []
    for event in (
        LEFT,
        stood(halted="by hand"),
        stood(NOW + NS),
        fill("0.03"),
        OrderClosed(order="run-coin-10", instrument=BTC.id, ts_event=NOW, ts_recv=NOW, why=REFUSED),
        FundingCharged(instrument=BTC.id, ts_event=NOW, ts_recv=NOW, paid=Decimal(1)),
        closed(60),
        fill("0.01", side=Side.BUY),
    ):
        trader.process(event)
        found.append(msgspec.json.encode(remembered(desk)).decode())
    return found


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_compiled_and_plain_are_taken_up_alike(tmp_path: Path) -> None:
    """With the JIT on each event leaves the same desk, to the last bit. Keeps B11."""
    root, script = Path(__file__).resolve().parents[2], tmp_path / "program.py"
    script.write_text(_PROGRAM)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA")}
    paths = os.pathsep.join([str(root / "src"), str(root)])
    environment = kept | {"PYTHONPATH": paths, "NUMBA_DISABLE_JIT": "0", "NUMBA_CACHE_DIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=550, check=False
    )
    assert run.returncode == 0, run.stderr
    assert msgspec.json.decode(run.stdout) == walked()
