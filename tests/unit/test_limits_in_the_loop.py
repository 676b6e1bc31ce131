"""Limits where they bind: a rule that always wants to be long, in the loop every path walks, and faults put in."""

from collections.abc import Callable
from math import nan
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.made_desk import made

from perpscope.settings import Risk
from perpscope.trading import halting, risk, steps
from perpscope.trading.compiling import blank, loops
from perpscope.trading.kernel import kernel
from perpscope.trading.layout import DESK, ENTRY, FLATTEN, LONG, MONEY, NOTE_STOP, NS, STAY
from perpscope.trading.refusals import KILL_SWITCH, REFUSALS
from perpscope.trading.strategy import Numbers, Record

NOON = 1_782_043_200 * NS  #: 2026-06-21 12:00 UTC
MINUTE = 60 * NS


@loops
def _always(_watch: Record, account: Record, _parameters: Numbers, notes: Numbers) -> int:
    """Long whenever flat, with a stop 2 % away."""
    notes[NOTE_STOP] = 0.02
    return LONG if account.size == 0 else STAY


class Floor:
    """A desk with this rule on it, and a market of candles that moves as it is told."""

    def __init__(self, *, is_strict: bool = True, mode: int = 1) -> None:
        self.desk: NDArray[Any] = blank(DESK)
        self.desk[0] = made()
        self.d: Record = self.desk[0]
        self.d.watch.has_candles = 1
        risk.limited(self.desk, Risk(), mode=mode, is_paced=True, is_strict=is_strict)
        self._kernel = kernel(_always)
        self.ts, self.price = NOON, 100.0

    def minute(self, price: float | None = None, *, missing: int = 0) -> None:
        """A candle that goes from the last price to another, after so many that never came."""
        self.ts += (1 + missing) * MINUTE
        to = self.price if price is None else price
        low, high = min(self.price, to), max(self.price, to)
        recv = self.ts + NS // 10
        began = self.ts - MINUTE
        steps.candle(self._kernel.asked, self.desk, self.ts, recv, began, self.price, high, low, to, 1e6, nan)
        self.price = to

    def gap(self, *, is_open: bool) -> None:
        """Something is not seen any more, or is seen again."""
        steps.gap(self.desk, self.ts, 1 if is_open else 0)

    def entries(self) -> int:
        """Entries ordered so far."""
        rows = self.d.kept_decisions[: min(self.d.decisions, 16)]
        return int(np.sum((rows["answer"] == LONG) & (rows["order"] > 0)))

    def opened(self) -> "Floor":
        """Two quiet candles later: a position is open."""
        self.minute()
        self.minute()
        assert self.d.account.size > 0
        return self


def test_a_position_opens_where_nothing_speaks_against_it() -> None:
    """One per cent of equity at a stop of two: 4,717 of 10,000; its stop stands at the exchange. Keeps S4-13."""
    floor = Floor().opened()
    assert floor.d.account.cost / MONEY == pytest.approx(10_000 * 0.01 / (0.02 + 0.001 + 0.0002), rel=0.01)
    assert not floor.d.risk.refused.any()


def test_observing_orders_nothing_in_the_loop() -> None:
    """Every wish is written down as refused, and no order is made. Keeps S2-62."""
    floor = Floor(mode=0)
    for _ in range(5):
        floor.minute()
    assert floor.d.orders_made == 0
    assert floor.d.risk.refused[REFUSALS.index("observing")] == 5


def _kill(floor: Floor) -> None:
    halting.halt(floor.d, KILL_SWITCH)
    floor.minute()


def _lose_a_day(floor: Floor) -> None:
    floor.d.account.cash -= 600 * MONEY
    floor.d.account.deposit -= 600 * MONEY
    floor.minute()


def _lose_much(floor: Floor) -> None:
    floor.d.account.cash -= 1_600 * MONEY
    floor.d.account.deposit -= 1_600 * MONEY
    floor.minute()


def _miss_candles(floor: Floor) -> None:
    floor.minute(missing=5)


def _lose_sight(floor: Floor) -> None:
    floor.gap(is_open=True)
    floor.minute()


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (_kill, "kill-switch"),
        (_lose_a_day, "daily-loss"),
        (_lose_much, "drawdown"),
        (_miss_candles, "data-old"),
        (_lose_sight, "data-old"),
    ],
    ids=["kill", "day", "drawdown", "candles", "gap"],
)
def test_what_demands_to_be_flat_closes_the_position(fault: Callable[[Floor], None], word: str) -> None:
    """The fault is put in while a position is open: it is closed at the next candle, and the word is written down."""
    floor = Floor().opened()
    entries = floor.entries()
    fault(floor)
    rows = [floor.d.kept_decisions[k] for k in range(floor.d.decisions)]
    assert REFUSALS[rows[-1].refusal] == word
    assert any(order.state and order.role == FLATTEN for order in floor.d.orders)
    floor.minute()
    assert floor.d.account.size == 0
    assert not any(order.state and order.role == ENTRY for order in floor.d.orders)
    if word != "data-old":
        for _ in range(5):
            floor.minute()
        assert floor.entries() == entries


def test_three_stops_pause_the_rule_for_four_hours() -> None:
    """It buys, is stopped out, and buys again: after the third stop nothing for four hours, then again. Keeps S4-70."""
    floor = Floor()
    floor.d.risk.daily_loss = floor.d.risk.drawdown = 1.0
    for _ in range(40):
        floor.minute(floor.price * 0.985 if floor.d.account.size else None)
        if floor.d.risk.paused_until:
            break
    assert floor.d.account.trades == 3
    since = floor.d.account.closed_at
    while floor.d.account.size == 0:
        floor.minute()
    assert 0 <= floor.d.account.opened_at - since - 4 * 3600 * NS < 3 * MINUTE
    assert floor.d.risk.refused[REFUSALS.index("loss-streak")] > 200


def test_after_a_halt_nothing_opens_for_a_month() -> None:
    """Halted by a drawdown: thirty days of candles later there is no entry; reset lets it buy again. Keeps S4-74."""
    floor = Floor().opened()
    _lose_much(floor)
    entries = floor.entries()
    for _ in range(30):
        floor.ts += 1439 * MINUTE
        floor.minute()
    assert (floor.entries(), floor.d.account.size) == (entries, 0)
    floor.minute()
    halting.reset(floor.d)
    floor.minute()
    floor.minute()
    assert floor.d.account.size > 0


def test_the_documents_numbers_are_not_stopped_in_the_loop() -> None:
    """With limits told only, the same loss closes nothing, and is counted. Keeps S4-12."""
    floor = Floor(is_strict=False)
    floor.minute()
    floor.d.account.cash -= 1_600 * MONEY
    floor.d.account.deposit -= 1_600 * MONEY
    floor.minute()
    assert floor.d.account.size > 0
    assert floor.d.risk.halted == 0


def _without_quiet(desk: NDArray[Any]) -> bytes:
    """All a desk holds but how long nothing has to be looked at."""
    found = desk.view(np.ndarray).copy()
    for name in ("quiet_until", "quiet_bar", "quiet_age", "quiet_above"):
        found["risk"][name] = 0
    return found.tobytes()


@pytest.mark.unmeasured
@pytest.mark.parametrize("is_strict", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_a_candle_that_limits_pass_over_would_have_changed_nothing(seed: int, is_strict: bool) -> None:
    """Beside a desk whose limits are all looked at, at every candle: losses, gaps and missing candles."""
    rng = np.random.default_rng(seed)
    quick, whole = Floor(is_strict=is_strict), Floor(is_strict=is_strict)
    passed = 0
    for number in range(1_500):
        missing, gap = int(rng.random() < 0.005), rng.random()
        to = quick.price * float(np.exp(rng.normal(-2e-4, 0.02 if number % 400 > 380 else 0.001)))
        for floor in (quick, whole):
            if gap < 0.01:
                floor.gap(is_open=gap < 0.005)
        passed += int(quick.d.risk.quiet_until > 0)
        whole.d.risk.quiet_until = 0
        for floor in (quick, whole):
            floor.minute(to, missing=missing)
        assert _without_quiet(quick.desk) == _without_quiet(whole.desk), number
    assert passed > 200
