"""Venues of which only open interest is stored: their share of the map, in the shape of one that moves alike.

In: a reader and an instrument without prices. Out: a `Borrower`, which says whose map is lent to it and why.
"""

from collections.abc import Sequence
from math import isfinite
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.liqmap.bars import DAY_NS, HOUR_NS
from perpscope.analytics.liqmap.lending import Likeness, most_alike
from perpscope.analytics.margin_arrays import Floats
from perpscope.model.instrument import Instrument
from perpscope.stores.reader import SqliteReader

#: Changes of open interest are compared over so long, by the hour (METHOD 6.8).
_DAYS: Final = 30
_EVERYTHING: Final = 2**40
#: Open interest of nobody's prices is believed for so long (chosen by hand: a poll comes each minute, a backfill less).
_OLDEST_NS: Final = 3 * HOUR_NS


class Borrower(msgspec.Struct, frozen=True, kw_only=True):
    """A venue without prices of its own in the store."""

    instrument: Instrument
    open_interest: float  #: base units, newest
    ts: int  #: ns UTC, of it
    lender: Likeness  #: whose map


class BorrowedTold(msgspec.Struct, frozen=True, kw_only=True):
    """A venue's part of the map that is another's, scaled to its open interest."""

    venue: str
    instrument: str
    open_interest: float  #: base units
    shape_of: str  #: instrument
    correlation: float  #: of hourly changes of open interest
    changes: int
    age_ms: int  #: of its open interest


def find_lender(
    reader: SqliteReader, instrument: Instrument, lenders: Sequence[Instrument], now: int
) -> Borrower | None:
    """Whose map an instrument borrows at a moment (ns UTC); None where its open interest is old, or none is alike.

    Raises:
        StoreError: the store cannot be read.
    """
    mine, newest = _hourly(reader, instrument, now)
    if newest is None or now - newest[0] > _OLDEST_NS:
        return None
    others = {str(lender.id): _hourly(reader, lender, now)[0] for lender in lenders}
    found = most_alike(mine, others)
    if found is None:
        return None
    return Borrower(instrument=instrument, open_interest=newest[1], ts=newest[0], lender=found)


def told(borrower: Borrower, now: int) -> BorrowedTold:
    """What is said of it at a moment (ns UTC)."""
    return BorrowedTold(
        venue=borrower.instrument.venue,
        instrument=borrower.instrument.id,
        open_interest=borrower.open_interest,
        shape_of=borrower.lender.name,
        correlation=borrower.lender.correlation,
        changes=borrower.lender.changes,
        age_ms=max(now - borrower.ts, 0) // 1_000_000,
    )


def described(of: BorrowedTold) -> str:
    """Whose shape it is, in one sentence."""
    return (
        f"{of.venue}: no prices are stored, so the map of {of.shape_of} is scaled to its open interest "
        f"(their changes correlate {of.correlation:.2f} over {of.changes:,} h)"
    )


def _hourly(reader: SqliteReader, instrument: Instrument, now: int) -> tuple[Floats, tuple[int, float] | None]:
    """The last count of each hour, nan without one; and the newest with its moment."""
    start = now - _DAYS * DAY_NS
    rows = reader.open_interest(instrument.venue, instrument.symbol, max(start, 0), now, _EVERYTHING)
    rows = [row for row in rows if isfinite(row.open_interest) and row.open_interest > 0.0]
    found = np.full(_DAYS * DAY_NS // HOUR_NS, np.nan)
    for row in rows:
        place = (row.ts_event - start) // HOUR_NS
        if 0 <= place < found.size:
            found[place] = row.open_interest
    return found, (rows[-1].ts_event, rows[-1].open_interest) if rows else None
