"""Rows of a store page by page, newest first, without one being given twice or left out while others are written.

A page ends at a position: the time of its last row and, where times may be alike, its id. The next begins beyond it.
"""

import contextlib
from collections.abc import Collection, Sequence
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from perpscope.model.market import Candle, Interval, Liquidation, PositionSide
from perpscope.stores.access import open_for_reading, trusting
from perpscope.stores.rows import LIQUIDATION_COLUMNS, liquidation_of

#: `ts_event` (ns UTC) and id of the last row of a page.
Position: TypeAlias = tuple[int, int]
_LARGEST_FIRST = "size * price DESC, ts_event DESC, id DESC"
_NEWEST_FIRST = "ts_event DESC, id DESC"
_CANDLE_FIELDS: Final = tuple(name for name in Candle.__struct_fields__ if name not in ("interval", "is_closed"))


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which liquidations."""

    names: Sequence[tuple[str, str]] | None = None  #: symbol and id of each instrument; None = all
    venues: Collection[str] = ()  #: none = all
    side: PositionSide | None = None
    min_usd: float = 0.0
    from_ns: int = 0
    to_ns: int = 2**62  #: not included


class Row(msgspec.Struct, frozen=True):
    """A liquidation, and where it stands."""

    position: Position
    venue: str
    symbol: str
    event: Liquidation


def liquidations(path: Path, wanted: Wanted, limit: int, after: Position | None = None) -> list[Row]:
    """The newest liquidations before a position, newest first.

    Args:
        path: the store.
        wanted: which.
        limit: rows at most.
        after: where the page before ended; None = begin with the newest.

    Raises:
        DataError: there is no such store.
        StoreError: it cannot be read.
    """
    before = ("(ts_event, id) < (?, ?)", [*after]) if after is not None else ("1", [])
    return _rows(path, wanted, _NEWEST_FIRST, limit, before)


def largest(path: Path, wanted: Wanted, limit: int) -> list[Row]:
    """The largest liquidations by dollars, largest first. Raises as `liquidations`."""
    return _rows(path, wanted, _LARGEST_FIRST, limit, ("1", []))


def _rows(path: Path, wanted: Wanted, order: str, limit: int, before: tuple[str, list[int]]) -> list[Row]:
    """One query for each symbol, so that each reads along its own index, merged in order."""
    symbols: list[str | None] = [None]
    if wanted.names is not None:
        symbols = [*dict.fromkeys(symbol for symbol, _ in wanted.names)]
    where, values = _where(wanted)
    found: list[list[tuple[Any, ...]]] = []
    with contextlib.closing(open_for_reading(path)) as connection, trusting(path):
        for symbol in symbols:
            of = ("1", []) if symbol is None else ("symbol = ?", [symbol])
            query = f"""SELECT id, venue, symbol, size * price, {LIQUIDATION_COLUMNS} FROM liquidation_events
                WHERE {of[0]} AND {before[0]} AND {where} ORDER BY {order} LIMIT ?"""  # noqa: S608 -- ours
            found.append(connection.execute(query, (*of[1], *before[1], *values, limit)).fetchall())
        by_size = order == _LARGEST_FIRST
        ordered = merge(*found, key=lambda row: ((-row[3],) if by_size else ()) + (-row[5], -row[0]))
        return [Row((row[5], row[0]), row[1], row[2], liquidation_of(row[4:])) for row in islice(ordered, limit)]


def _where(wanted: Wanted) -> tuple[str, list[Any]]:
    conditions = ["ts_event >= ?", "ts_event < ?"]
    told: list[Any] = [wanted.from_ns, wanted.to_ns]
    if wanted.names is not None:
        conditions.append(f"instrument IN ({_marks(wanted.names)})")
        told += [name for _, name in wanted.names]
    if wanted.venues:
        conditions.append(f"venue IN ({_marks(wanted.venues)})")
        told += [*wanted.venues]
    if wanted.side is not None:
        conditions.append("position_side = ?")
        told.append(wanted.side.value)
    if wanted.min_usd > 0.0:
        conditions.append("size * price >= ?")
        told.append(wanted.min_usd)
    return " AND ".join(conditions), told


def candles(
    path: Path, venue: str, symbol: str, interval: Interval, from_ns: int, to_ns: int, limit: int
) -> list[Candle]:
    """The newest closed candles that open from one moment on and before another (ns UTC), newest first.

    Raises:
        DataError: there is no such store.
        StoreError: it cannot be read.
    """
    query = f"""SELECT {", ".join(_CANDLE_FIELDS)} FROM candles_{interval.value}
        WHERE venue = ? AND symbol = ? AND ts_open >= ? AND ts_open < ? ORDER BY ts_open DESC LIMIT ?"""  # noqa: S608
    with contextlib.closing(open_for_reading(path)) as connection, trusting(path):
        rows = connection.execute(query, (venue, symbol, from_ns, to_ns, limit)).fetchall()
    return [Candle(**dict(zip(_CANDLE_FIELDS, row, strict=True)), interval=interval, is_closed=True) for row in rows]


def _marks(values: Collection[Any]) -> str:
    return ", ".join("?" * len(values))
