"""The first and the last event per instrument and minute."""

from perpscope.engine.minutes import OncePerMinute
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import MarkPrice, OpenInterest

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
ETH = InstrumentId("ETH-USDT-PERP.BINANCE")
S = 1_000_000_000


def mark(second: float, price: float = 1.0, instrument: InstrumentId = BTC) -> MarkPrice:
    """A mark price at a second of the epoch."""
    ts = int(second * S)
    return MarkPrice(instrument, ts, ts, price, None, None, None)


def test_the_first_of_a_minute_comes_at_once_and_the_last_when_the_next_begins() -> None:
    """However many there were, a minute keeps one: the first until the last is known. Keeps S2-31."""
    marks = OncePerMinute[MarkPrice]()
    assert [marks.accept(mark(s)) for s in (1, 30, 59)] == [[mark(1)], [], []]
    assert marks.accept(mark(60)) == [mark(59), mark(60)]
    assert marks.accept(mark(61)) == []


def test_a_quiet_feed_is_flushed_two_seconds_after_the_minute() -> None:
    """No later mark is needed, and the minute comes out once."""
    marks = OncePerMinute[MarkPrice]()
    marks.accept(mark(30))
    marks.accept(mark(65, instrument=ETH))
    assert marks.flush(int(61.9 * S)) == []
    assert marks.flush(62 * S) == [mark(30)]
    assert marks.flush(63 * S) == []
    assert marks.accept(mark(59)) == []  # too late: its minute has been told
    assert marks.flush(90 * S) == []
    assert marks.flush(122 * S) == [mark(65, instrument=ETH)]


def test_marks_out_of_order_do_not_replace_later_ones() -> None:
    """The last by the venue's time counts, also when an earlier one arrives after it."""
    marks = OncePerMinute[MarkPrice]()
    marks.accept(mark(50))
    assert marks.accept(mark(40, 9.0)) == []
    assert marks.accept(mark(60)) == [mark(50), mark(60)]
    assert marks.accept(mark(58)) == []
    assert marks.accept(mark(120)) == [mark(60), mark(120)]


def test_open_interest_is_thinned_alike() -> None:
    """What is polled or pushed many times a minute keeps its first and its last."""
    first, middle, last, later = (OpenInterest(BTC, s * S, s * S, float(s), None) for s in (1, 2, 59, 61))
    counts = OncePerMinute[OpenInterest]()
    assert [counts.accept(event) for event in (first, middle, last, later)] == [[first], [], [], [last, later]]
    assert counts.flush(122 * S) == [later]
