"""What a store holds, in a few rows however large it is: each instrument's first and last liquidation, and totals.

Reckoned by SQLite, so that choosing a symbol and a window does not read a million rows into memory.
"""

import contextlib
from pathlib import Path

import msgspec

from perpscope.analytics.liquidation_figures import Share
from perpscope.model.market import Completeness
from perpscope.stores.access import open_for_reading, trusting

_EXTENTS = """
SELECT venue, symbol, instrument, count(*), min(ts_event), max(ts_event) FROM liquidation_events
GROUP BY venue, symbol, instrument ORDER BY count(*) DESC, symbol, venue
"""
_TOTALS = """
SELECT venue, symbol, instrument,
    sum(side = 'SELL'), total(size * (side = 'SELL')), total(size * price * (side = 'SELL')),
    sum(side = 'BUY'), total(size * (side = 'BUY')), total(size * price * (side = 'BUY')),
    CASE min(CASE completeness WHEN 'sampled' THEN 0 WHEN 'watchlist' THEN 1 ELSE 2 END)
        WHEN 0 THEN 'sampled' WHEN 1 THEN 'watchlist' ELSE 'complete' END
FROM liquidation_events WHERE ts_event >= ? AND ts_event < ?
GROUP BY venue, symbol, instrument ORDER BY total(size * price) DESC, symbol, venue
"""


class Extent(msgspec.Struct, frozen=True):
    """What is stored of one instrument's liquidations."""

    venue: str
    symbol: str
    instrument: str
    events: int
    ts_first: int  #: ns UTC, `ts_event`
    ts_last: int  #: ns UTC, `ts_event`


class SymbolTotals(msgspec.Struct, frozen=True):
    """One instrument's liquidations in a span of time; long = longs were liquidated."""

    venue: str
    symbol: str
    instrument: str
    long_events: int
    long_size: float  #: base units
    long_usd: float
    short_events: int
    short_size: float  #: base units
    short_usd: float
    completeness: Completeness  #: the least of these events: not all there were, unless COMPLETE
    covered: Share | None = None  #: share of the span that was watched; None if nothing is known


def extents(path: Path) -> list[Extent]:
    """Each instrument that has liquidations, the one with most events first.

    Raises:
        DataError: there is no such store.
        StoreError: it cannot be trusted or read.
    """
    with contextlib.closing(open_for_reading(path)) as connection, trusting(path):
        return [Extent(*row) for row in connection.execute(_EXTENTS)]


def totals(path: Path, from_ns: int, to_ns: int) -> list[SymbolTotals]:
    """Totals of each instrument from one moment (ns UTC) to another, not included; most dollars first.

    Raises:
        DataError: there is no such store.
        StoreError: it cannot be trusted or read.
    """
    with contextlib.closing(open_for_reading(path)) as connection, trusting(path):
        names = SymbolTotals.__struct_fields__
        rows = [dict(zip(names, row, strict=False)) for row in connection.execute(_TOTALS, (from_ns, to_ns))]
    return msgspec.convert(rows, list[SymbolTotals], strict=False)
