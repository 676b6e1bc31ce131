"""Candles of every interval the venue has, made from the market's 1m, 15m and 1h ones.

There is no closed flag on this wire: a candle is over when one with a later `t` comes. Months and weeks begin on
multiples of 30 and 7 days of the epoch here; the lab has no such history anyway.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Quotations
from perpscope.lab.wire.hyperliquid.listings import written
from perpscope.model.market import Candle, Interval

_NS_PER_MS = 1_000_000
_MINUTE_NS = 60_000 * _NS_PER_MS
#: the venue's names → minutes
INTERVALS = {
    "1m": 1,
    "3m": 3,
    "5m": 5,
    "15m": 15,
    "30m": 30,
    "1h": 60,
    "2h": 120,
    "4h": 240,
    "8h": 480,
    "12h": 720,
    "1d": 1440,
    "3d": 4320,
    "1w": 10_080,
    "1M": 43_200,
}


class Told(NamedTuple):
    """One candle as it is told."""

    start_ms: int
    json: str


def rows(quotations: Quotations, listing: Listing, name: str) -> list[Told]:
    """Candles of an interval since the start, oldest first, the forming one last."""
    parts = quotations.candles(listing.symbol, _part(name))
    return [row(listing, name, group) for group in _groups(parts, INTERVALS[name])]


def old_rows(quotations: Quotations, listing: Listing, name: str, ts_from: int, ts_to: int) -> list[Told]:
    """Those that begin in [ts_from, ts_to), ns UTC, before the start as well."""
    length = INTERVALS[name] * _MINUTE_NS
    first, last = -(-ts_from // length) * length, -(-ts_to // length) * length
    parts = quotations.candles(listing.symbol, _part(name), first, last)
    return [row(listing, name, group) for group in _groups(parts, INTERVALS[name])]


def _part(name: str) -> Interval:
    """The longest candles of the market's own that make up these."""
    length = INTERVALS[name] * _MINUTE_NS
    return max((known for known in Interval if length % known.ns == 0), key=lambda known: known.ns)


def row(listing: Listing, name: str, parts: Sequence[Candle]) -> Told:
    """One candle, from one or more that follow each other."""
    length_ms = INTERVALS[name] * 60_000
    start_ms = parts[0].ts_open // _NS_PER_MS // length_ms * length_ms
    traded = [part for part in parts if part.trades] or parts[:1]
    price, volume = listing.price, sum(part.volume for part in parts)
    high, low = max(part.high for part in traded), min(part.low for part in traded)
    return Told(
        start_ms,
        f'{{"t":{start_ms},"T":{start_ms + length_ms - 1},"s":"{listing.symbol}","i":"{name}",'
        f'"o":"{price(traded[0].open)}","c":"{price(traded[-1].close)}","h":"{price(high)}","l":"{price(low)}",'
        f'"v":"{written(volume, listing.size_decimals)}","n":{sum(part.trades or 0 for part in parts)}}}',
    )


def _groups(candles: Sequence[Candle], minutes: int) -> Iterator[list[Candle]]:
    length = minutes * _MINUTE_NS
    group: list[Candle] = []
    for candle in candles:
        if group and candle.ts_open // length != group[0].ts_open // length:
            yield group
            group = []
        group.append(candle)
    if group:
        yield group
