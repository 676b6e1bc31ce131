"""Closed candles exactly once, and the one that is forming."""

import msgspec

from perpscope.engine.candles import CandleBook
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Candle, Interval

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
ETH = InstrumentId("ETH-USDT-PERP.BINANCE")


def candle(minute: int, *, is_closed: bool, close: float = 100.0, interval: Interval = Interval.M1) -> Candle:
    """One state of a candle."""
    ts_open = minute * interval.ns
    return Candle(
        BTC, ts_open, ts_open, interval, ts_open, 99.0, 101.0, 98.0, close, 1.0, 99.0, 3, 0.4, 40.0, is_closed
    )


def test_only_closed_candles_come_out() -> None:
    """A forming candle is state, not an event. Keeps S2-24."""
    candles = CandleBook()
    assert candles.accept(candle(5, is_closed=False)) is None
    closed = candle(5, is_closed=True)
    assert candles.accept(closed) is closed
    assert candles.current(BTC, Interval.M1) is closed


def test_a_closed_candle_comes_out_once() -> None:
    """Repeats, and forming frames that come after the close, are dropped. Keeps S2-25."""
    candles = CandleBook()
    assert candles.accept(candle(5, is_closed=True)) is not None
    assert candles.accept(candle(5, is_closed=True)) is None
    assert candles.accept(candle(5, is_closed=False, close=7.0)) is None
    current = candles.current(BTC, Interval.M1)
    assert current is not None
    assert current.close == 100.0


def test_a_candle_closed_late_is_not_lost() -> None:
    """Out of order, each still comes out once, and the newest stays current."""
    candles = CandleBook()
    assert candles.accept(candle(6, is_closed=True)) is not None
    assert candles.accept(candle(5, is_closed=True)) is not None
    assert candles.accept(candle(5, is_closed=True)) is None
    current = candles.current(BTC, Interval.M1)
    assert current is not None
    assert current.ts_open == 6 * Interval.M1.ns


def test_intervals_and_instruments_are_apart() -> None:
    """The same opening time of another series is another candle."""
    candles = CandleBook()
    minute, hour = candle(60, is_closed=True), candle(1, is_closed=True, interval=Interval.H1)
    assert minute.ts_open == hour.ts_open
    other = msgspec.structs.replace(minute, instrument=ETH)
    assert [candles.accept(c) for c in (minute, hour, other)] == [minute, hour, other]
    assert candles.current(ETH, Interval.H1) is None


def test_memory_is_bounded() -> None:
    """Only so many closed candles are remembered; what opens before them counts as a repeat."""
    candles = CandleBook(remembered=3)
    assert all(candles.accept(candle(minute, is_closed=True)) for minute in (2, 3, 4, 5, 6))
    assert candles.accept(candle(4, is_closed=True)) is None
    assert candles.accept(candle(3, is_closed=True)) is None
    assert candles.accept(candle(1, is_closed=True)) is None
    assert candles.accept(candle(7, is_closed=True)) is not None
