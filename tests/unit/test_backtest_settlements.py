"""Funding that nobody tells: when it falls due, and at what."""

from perpscope.app.backtest.settlements import due_of, settled
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import MarkPrice

NAME = InstrumentId("BTC-USDT-PERP.BINANCE")
MINUTE = 60_000_000_000
HOUR = 60 * MINUTE


def mark(ts: int, rate: float | None, due: int | None = None, price: float = 100.0) -> MarkPrice:
    """A mark price."""
    return MarkPrice(NAME, ts, ts, price, None, rate, due)


def test_a_settlement_the_marks_name_is_paid_once() -> None:
    """At the rate and mark told before it, though the next mark names the next. Keeps B23."""
    marks = [
        mark(HOUR, 1e-4, 8 * HOUR),
        mark(8 * HOUR - MINUTE, 2e-4, 8 * HOUR, 101.0),
        mark(8 * HOUR, 3e-4, 16 * HOUR),
    ]
    paid = list(settled([*marks, mark(9 * HOUR, 3e-4, 16 * HOUR)], NAME, 8.0))
    assert [(p.ts_event, p.funding_rate, p.mark) for p in paid] == [(8 * HOUR, 2e-4, 101.0)]


def test_a_name_that_is_over_is_no_settlement() -> None:
    """A venue that still names the last one has not named the next."""
    marks = [mark(9 * HOUR, 1e-4, 8 * HOUR), mark(10 * HOUR, 1e-4, 8 * HOUR)]
    assert list(settled(marks, NAME, 8.0)) == []


def test_without_names_they_fall_on_the_interval() -> None:
    """Whole multiples of the contract's interval since midnight; eight hours where it is not known."""
    marks = [mark(HOUR // 2 + at * HOUR, 1e-5) for at in range(4)]
    assert [p.ts_event for p in settled(marks, NAME, 1.0)] == [HOUR, 2 * HOUR, 3 * HOUR]
    assert [p.ts_event for p in settled(marks, NAME, None)] == []


def test_without_a_rate_nothing_is_paid() -> None:
    """A dated contract tells no rate, and pays none."""
    assert list(settled([mark(0, None, HOUR), mark(2 * HOUR, None, 3 * HOUR)], NAME, 8.0)) == []


def test_time_alone_brings_a_payment() -> None:
    """A trade after the settlement finds it paid, before any further mark; once."""
    due = due_of(NAME, 1.0)
    assert due.before(HOUR // 2, mark(HOUR // 2, 1e-5)) is None
    assert due.before(HOUR - 1) is None
    paid = due.before(HOUR + 5)
    assert paid is not None
    assert (paid.ts_event, paid.ts_recv) == (HOUR, HOUR + 5)
    assert due.before(HOUR + 6) is None
