"""Liquidations of a stretch of time as columns: what totals are reckoned from, without an object for each.

One `StoredPrints` for each instrument and kind of feed, so that what is sampled and what is complete never mix.
"""

import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.model.market import Completeness, Sampling
from perpscope.stores.access import open_for_reading, trusting
from perpscope.stores.rows import never_written

_PRINTS = """
SELECT venue, symbol, instrument, completeness, sampling, ts_event, position_side = 'LONG', size, price,
    iif(lpi_sample IS NULL, NULL, lpi)
FROM liquidation_events WHERE ts_event >= ? AND ts_event < ? AND size > 0 AND price > 0 {of}
ORDER BY ts_event, id
"""
_KEYS = 5


class StoredPrints(msgspec.Struct, frozen=True):
    """Liquidations of one instrument and one kind of feed, oldest first; arrays (n,), n > 0."""

    venue: str
    symbol: str
    instrument: str
    completeness: Completeness
    sampling: Sampling
    ts_event: NDArray[np.int64]  #: ns UTC
    is_long: NDArray[np.bool_]  #: a long was liquidated
    size: NDArray[np.float64]  #: base units
    price: NDArray[np.float64]  #: quote per base
    lpi: NDArray[np.float64]  #: 0–100, NaN where there is none


def stored_prints(path: Path, from_ns: int, to_ns: int, symbols: Collection[str] | None = None) -> list[StoredPrints]:
    """What is stored from one moment (ns UTC) to another, not included; most liquidations first.

    Args:
        path: the store.
        from_ns: ns UTC.
        to_ns: ns UTC.
        symbols: the venues' own; None = all.

    Raises:
        DataError: there is no such store.
        StoreError: it cannot be trusted or read.
    """
    feeds: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    with contextlib.closing(open_for_reading(path)) as connection, trusting(path):
        named = tuple(symbols or ())
        of = "" if symbols is None else f"AND symbol IN ({', '.join('?' * len(named))})"
        for row in connection.execute(_PRINTS.format(of=of), (from_ns, to_ns, *named)):
            feeds.setdefault(row[:_KEYS], []).append(row[_KEYS:])
        found = [_columns(key, rows) for key, rows in feeds.items()]
    return sorted(found, key=lambda feed: (-len(feed.size), feed.symbol, feed.venue, feed.sampling.value))


def named(path: Path, part: str) -> list[tuple[str, str]]:
    """Id and the venue's symbol of each instrument whose id contains some text.

    Raises:
        DataError: there is no such store.
        StoreError: it cannot be trusted or read.
    """
    with contextlib.closing(open_for_reading(path)) as connection, trusting(path):
        return connection.execute("SELECT id, symbol FROM instruments WHERE instr(id, ?) > 0", (part,)).fetchall()


def first_print(path: Path, symbols: Collection[str]) -> int:
    """When the first of the venues' symbols was told of a liquidation that is stored, ns UTC; 0 where none was.

    Raises:
        DataError: there is no such store.
        StoreError: it cannot be trusted or read.
    """
    first = "SELECT min(ts_event) FROM liquidation_events WHERE symbol = ?"
    with contextlib.closing(open_for_reading(path)) as connection, trusting(path):
        found = [connection.execute(first, (symbol,)).fetchone()[0] for symbol in symbols]
    return min((ts for ts in found if ts is not None), default=0)


def _columns(key: tuple[str, ...], rows: list[tuple[Any, ...]]) -> StoredPrints:
    ts_event, is_long, size, price, lpi = zip(*rows, strict=True)
    venue, symbol, instrument, completeness, sampling = key
    try:
        complete, sampled = Completeness(completeness), Sampling(sampling)
    except ValueError as error:
        raise never_written(error) from error
    return StoredPrints(
        venue,
        symbol,
        instrument,
        complete,
        sampled,
        np.array(ts_event, np.int64),
        np.array(is_long, np.bool_),
        np.array(size, np.float64),
        np.array(price, np.float64),
        np.array(lpi, np.float64),
    )
