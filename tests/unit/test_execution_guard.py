"""How long a position may be without a stop, and what a mark price says of conditions that stand."""

from decimal import Decimal

import pytest

from perpscope.execution.guard import Care, NakedWatch, closing_side
from perpscope.execution.watched_marks import Condition, WatchedMarks
from perpscope.model.market import Side
from perpscope.model.order import OrderKind

_LOT = Decimal("0.01")
_STOP = Condition("r1-burst-2", OrderKind.STOP, Side.SELL, 99.0)
_TAKE = Condition("r1-burst-3", OrderKind.TAKE, Side.SELL, 103.0)


def looks(watch: NakedWatch, *times: float, position: Decimal = _LOT, is_protected: bool = False) -> list[Care]:
    """What is said at each of these times."""
    return [watch.look(position, is_protected=is_protected, now_s=now_s) for now_s in times]


def test_a_naked_position_is_closed_before_the_time_is_over() -> None:
    """The stop is sent again at half of it, once; at four fifths the position is closed. Keeps B15."""
    watch = NakedWatch(5.0)
    assert looks(watch, 100.0, 102.4, 102.5, 103.0) == [Care.NOTHING, Care.NOTHING, Care.RESEND, Care.NOTHING]
    assert looks(watch, 103.9, 104.0, 104.1) == [Care.NOTHING, Care.FLATTEN, Care.FLATTEN]
    assert (watch.now_s, watch.longest_s) == pytest.approx((4.1, 4.1))


def test_a_stop_that_is_confirmed_ends_it() -> None:
    """What was naked is remembered; the next time it counts from the beginning. Keeps B15."""
    watch = NakedWatch(5.0)
    looks(watch, 10.0, 13.0)
    assert looks(watch, 13.5, is_protected=True) == [Care.NOTHING]
    assert (watch.now_s, watch.longest_s) == (0.0, 3.5)
    assert looks(watch, 20.0, 22.5) == [Care.NOTHING, Care.RESEND]
    assert looks(watch, 23.0, position=Decimal(0)) == [Care.NOTHING]
    assert (watch.now_s, watch.longest_s) == (0.0, 3.5)


def test_a_refused_stop_is_sent_again_at_once_and_once() -> None:
    """The second refusal closes the position, and so does the first where the price is past it. Keeps B15."""
    watch = NakedWatch(5.0)
    looks(watch, 0.0)
    watch.refused(is_hopeless=False)
    assert looks(watch, 0.1, 0.2) == [Care.RESEND, Care.NOTHING]
    watch.refused(is_hopeless=False)
    assert looks(watch, 0.3) == [Care.FLATTEN]
    other = NakedWatch(5.0)
    looks(other, 0.0)
    other.refused(is_hopeless=True)
    assert looks(other, 0.1) == [Care.FLATTEN]
    assert looks(other, 0.2, position=Decimal(0)) == [Care.NOTHING]
    assert looks(other, 0.3) == [Care.NOTHING]


def test_whoever_holds_long_closes_by_selling() -> None:
    """The side of an order that closes."""
    assert (closing_side(_LOT), closing_side(-_LOT)) == (Side.SELL, Side.BUY)


@pytest.mark.parametrize(
    ("kind", "side", "mark", "is_met"),
    [
        pytest.param(OrderKind.STOP, Side.SELL, 100.0, True, id="a long's stop at its price"),
        pytest.param(OrderKind.STOP, Side.SELL, 100.1, False, id="a long's stop above it"),
        pytest.param(OrderKind.STOP, Side.BUY, 100.1, True, id="a short's stop above it"),
        pytest.param(OrderKind.STOP, Side.BUY, 99.9, False, id="a short's stop below it"),
        pytest.param(OrderKind.TAKE, Side.SELL, 100.0, True, id="a long's profit at its price"),
        pytest.param(OrderKind.TAKE, Side.SELL, 99.9, False, id="a long's profit below it"),
        pytest.param(OrderKind.TAKE, Side.BUY, 99.9, True, id="a short's profit below it"),
        pytest.param(OrderKind.TAKE, Side.BUY, 100.1, False, id="a short's profit above it"),
    ],
)
def test_a_condition_is_met_by_the_mark(kind: OrderKind, side: Side, mark: float, *, is_met: bool) -> None:
    """Stops and take-profits of longs and shorts, at their price and on both sides of it. Keeps S2-30."""
    assert Condition("a", kind, side, 100.0).is_met(mark) is is_met


def test_a_condition_that_was_met_is_overdue_after_a_while() -> None:
    """The mark may come back: what was met once should have been acted on. Keeps S2-30, S2-61."""
    marks = WatchedMarks(1.0)
    marks.stands([_STOP, _TAKE], 1000)
    marks.mark(98.9, 2000, 10.0)
    marks.mark(100.0, 3000, 10.5)
    assert marks.overdue(_LOT, 10.9) is None
    assert marks.overdue(_LOT, 11.0) == _STOP
    assert marks.overdue(Decimal(0), 11.0) is None
    assert marks.overdue(-_LOT, 11.0) is None
    marks.stands([_TAKE], 4000)
    assert marks.overdue(_LOT, 12.0) is None
    marks.mark(103.0, 5000, 13.0)
    assert marks.overdue(_LOT, 14.0) == _TAKE


def test_a_mark_from_before_a_condition_does_not_meet_it() -> None:
    """What was published before the exchange took the order says nothing of it. Keeps S2-30."""
    marks = WatchedMarks(1.0)
    marks.stands([_STOP], 1000)
    marks.mark(98.0, 1000, 10.0)
    assert marks.overdue(_LOT, 20.0) is None


def test_the_exchange_may_say_itself_that_a_condition_was_met() -> None:
    """Triggered there and not filled: the same time is given it."""
    marks = WatchedMarks(1.0)
    marks.stands([_STOP], 1000)
    marks.met(_STOP, 10.0)
    assert marks.overdue(_LOT, 10.5) is None
    assert marks.overdue(_LOT, 11.0) == _STOP
