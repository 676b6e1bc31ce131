"""Candles: the one forming now, and each closed one exactly once.

In: every state of every candle, as often as the venue cares to send it. Out: a candle the first time it is seen closed,
and never again for the same instrument, interval and opening time.
"""

from typing import Final

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Candle, Interval

#: Closed candles remembered per instrument and interval. One that opens before all of them is taken for a repeat.
_REMEMBERED: Final = 64


class _Series:
    __slots__ = ("closed", "current", "floor")

    def __init__(self) -> None:
        self.current: Candle | None = None
        self.closed: set[int] = set()  # ts_open
        self.floor = -1  # everything up to this ts_open counts as closed

    def is_closed(self, ts_open: int) -> bool:
        return ts_open <= self.floor or ts_open in self.closed

    def close(self, ts_open: int, remembered: int) -> None:
        self.closed.add(ts_open)
        if len(self.closed) > remembered:
            self.floor = min(self.closed)
            self.closed.remove(self.floor)


class CandleBook:
    """Candles of any number of instruments and intervals.

    Args:
        remembered: closed candles kept in mind per instrument and interval, >= 1.
    """

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._series: dict[tuple[InstrumentId, Interval], _Series] = {}

    def accept(self, candle: Candle) -> Candle | None:
        """Take one state of a candle; returns it if it is closed and had not been seen so."""
        key = (candle.instrument, candle.interval)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series()
        if series.is_closed(candle.ts_open):
            return None
        if series.current is None or candle.ts_open >= series.current.ts_open:
            series.current = candle
        if not candle.is_closed:
            return None
        series.close(candle.ts_open, self._remembered)
        return candle

    def current(self, instrument: InstrumentId, interval: Interval) -> Candle | None:
        """The newest candle as it was last seen, forming or just closed; None before the first."""
        series = self._series.get((instrument, interval))
        return None if series is None else series.current
