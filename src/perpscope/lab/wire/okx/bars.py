"""Bars of every length OKX has and the lab can make, from those of a minute: where they begin, and what is in them.

Bars of six hours and more begin at midnight of UTC+8; those whose name ends in `utc` at midnight UTC.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from perpscope.lab.quotations import Bar, Quotations
from perpscope.model.market import Candle, Interval

MINUTE_NS = 60_000_000_000
_HOUR_NS = 60 * MINUTE_NS
HONG_KONG_NS = 8 * _HOUR_NS  #: ahead of UTC
DAY_NS = 24 * _HOUR_NS


class Span(NamedTuple):
    """Length of a bar, and how far its grid is from UTC's."""

    length_ns: int
    offset_ns: int

    def begins(self, ts: int) -> int:
        """Start of the bar that `ts` is in, ns UTC."""
        return ts - (ts + self.offset_ns) % self.length_ns

    def is_edge(self, ts: int) -> bool:
        """True if one bar ends and the next begins at `ts`."""
        return (ts + self.offset_ns) % self.length_ns == 0


#: by the venue's names
SPANS = {f"{minutes}m": Span(minutes * MINUTE_NS, 0) for minutes in (1, 3, 5, 15, 30)}
SPANS |= {f"{hours}H": Span(hours * _HOUR_NS, 0) for hours in (1, 2, 4)}
SPANS |= {
    f"{name}{zone}": Span(hours * _HOUR_NS, offset)
    for name, hours in (("6H", 6), ("12H", 12), ("1D", 24))
    for zone, offset in (("", HONG_KONG_NS), ("utc", 0))
}
_MADE_BY_THE_MARKET = {"1m": Interval.M1, "15m": Interval.M15, "1H": Interval.H1}


class Row(msgspec.Struct, frozen=True, gc=False):
    """One bar."""

    ts_open: int  #: ns UTC
    open: float  #: quote per base
    high: float
    low: float
    close: float
    volume: float = 0.0  #: base units
    quote_volume: float = 0.0
    is_closed: bool = False


def candles(quotations: Quotations, symbol: str, bar: str) -> list[Row]:
    """Of trades since the start; oldest first, the forming one last."""
    interval = _MADE_BY_THE_MARKET.get(bar)
    rows = [_of_candle(candle) for candle in quotations.candles(symbol, interval or Interval.M1)]
    return rows if interval else grouped(rows, SPANS[bar])


def old_candles(quotations: Quotations, symbol: str, bar: str, ts_from: int, ts_to: int) -> list[Row]:
    """Of trades, those that began in [ts_from, ts_to), ns UTC, before the start as well; oldest first."""
    span = SPANS[bar]
    part = max((kept for kept in Interval if span.length_ns % kept.ns == 0), key=lambda kept: kept.ns)
    first = -(-(ts_from + span.offset_ns) // span.length_ns) * span.length_ns - span.offset_ns
    last = span.begins(ts_to - 1) + span.length_ns
    rows = [_of_candle(candle) for candle in quotations.candles(symbol, part, first, last)]
    return rows if bar in _MADE_BY_THE_MARKET else grouped(rows, span, part.ns)


def references(quotations: Quotations, symbol: str, which: str, bar: str) -> list[Row]:
    """Of the "mark" or "index" price; oldest first, the forming one last."""
    minutes = quotations.reference_bars(symbol, which, MINUTE_NS)
    return grouped([_of_bar(minute, is_closed=minute is not minutes[-1]) for minute in minutes], SPANS[bar])


def grouped(minutes: Iterable[Row], span: Span, part_ns: int = MINUTE_NS) -> list[Row]:
    """Longer bars; one is closed when the last of its minutes (or parts of another length) is."""
    rows: list[Row] = []
    for minute in minutes:
        ts_open = span.begins(minute.ts_open)
        is_closed = minute.is_closed and span.is_edge(minute.ts_open + part_ns)
        if rows and rows[-1].ts_open == ts_open:
            row = rows.pop()
            high, low = max(row.high, minute.high), min(row.low, minute.low)
            volumes = row.volume + minute.volume, row.quote_volume + minute.quote_volume
            rows.append(Row(ts_open, row.open, high, low, minute.close, *volumes, is_closed))
        else:
            rows.append(msgspec.structs.replace(minute, ts_open=ts_open, is_closed=is_closed))
    return rows


def _of_candle(candle: Candle) -> Row:
    prices = candle.open, candle.high, candle.low, candle.close
    return Row(candle.ts_open, *prices, candle.volume, candle.quote_volume or 0.0, candle.is_closed)


def _of_bar(bar: Bar, *, is_closed: bool) -> Row:
    return Row(bar.ts_open, bar.open, bar.high, bar.low, bar.close, is_closed=is_closed)


class Day:
    """The last 24 hours, as of the newest closed minute.

    Args:
        minutes: bars of a minute, oldest first, the forming one last; at least one.
    """

    def __init__(self, minutes: Sequence[Row]) -> None:
        now = minutes[-1].ts_open
        day = [row for row in minutes if row.ts_open > now - DAY_NS]
        closed = day[:-1]
        self.ts = now  #: ns UTC, start of the forming minute
        self.open = day[0].open
        self.high = max(row.high for row in day)
        self.low = min(row.low for row in day)
        self.volume = sum(row.volume for row in closed)  #: base units, without the forming minute
        self.open_utc = _open_since(day, Span(DAY_NS, 0).begins(now))
        self.open_hong_kong = _open_since(day, Span(DAY_NS, HONG_KONG_NS).begins(now))


def _open_since(day: Sequence[Row], midnight: int) -> float:
    return next(row.open for row in day if row.ts_open >= midnight)
