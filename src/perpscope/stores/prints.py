"""Liquidations of a stretch of time as columns: what totals are reckoned from, without an object for each.

One `StoredPrints` for each instrument and kind of feed, so that what is sampled and what is complete never mix.
"""

import contextlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.model.market import Completeness, Sampling
from perpscope.stores.access import open_for_reading, trusting

_PRINTS = """
SELECT venue, symbol, instrument, completeness, sampling, ts_event, position_side = 'LONG', size, price,
    iif(lpi_sample IS NULL, NULL, lpi)
FROM liquidation_events WHERE ts_event >= ? AND ts_event < ? AND size > 0 AND price > 0
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


def stored_prints(path: Path, from_ns: int, to_ns: int) -> list[StoredPrints]:
    """What is stored from one moment (ns UTC) to another, not included; most liquidations first.

    Raises:
        DataError: there is no such store.
        StoreError: it cannot be trusted or read.
    """
    feeds: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    with contextlib.closing(open_for_reading(path)) as connection, trusting(path):
        for row in connection.execute(_PRINTS, (from_ns, to_ns)):
            feeds.setdefault(row[:_KEYS], []).append(row[_KEYS:])
    found = [_columns(key, rows) for key, rows in feeds.items()]
    return sorted(found, key=lambda feed: (-len(feed.size), feed.symbol, feed.venue, feed.sampling.value))


def _columns(key: tuple[str, ...], rows: list[tuple[Any, ...]]) -> StoredPrints:
    ts_event, is_long, size, price, lpi = zip(*rows, strict=True)
    venue, symbol, instrument, completeness, sampling = key
    return StoredPrints(
        venue,
        symbol,
        instrument,
        Completeness(completeness),
        Sampling(sampling),
        np.array(ts_event, np.int64),
        np.array(is_long, np.bool_),
        np.array(size, np.float64),
        np.array(price, np.float64),
        np.array(lpi, np.float64),
    )
