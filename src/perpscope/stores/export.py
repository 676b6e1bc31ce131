"""The rows of a table as people and other programs read them: in pages, with times as ISO 8601 UTC.

A page is read and let go before the next, so an export of any length never holds up the writer's log.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from perpscope.errors import ConfigError
from perpscope.stores.access import open_for_reading, trusting
from perpscope.stores.ledger import Sums
from perpscope.stores.retention import SUMS
from perpscope.stores.rows import SECOND_NS, text_of

Value: TypeAlias = str | int | float | None

PAGE_ROWS = 10_000
#: Sums of liquidations, and how long each is of; written with what they are worth.
_LENGTHS = {table.name: table.period_ns for table in SUMS}
_WORTH = ("coverage", "completeness")
#: Text written as "2024-08-08 12:00:00.123".
_TEXT_TIMES = frozenset({"timestamp", "created_at", "period_start", "period_end"})
_NS_TIMES = frozenset({"next_funding_time"})


class Exportable(msgspec.Struct, frozen=True):
    """A table, and what its rows can be chosen and ordered by."""

    time: str  #: compared with the begin of the window, ns UTC
    is_by_time: bool = True  #: else in the order of its key
    has_symbols: bool = True


TABLES = {
    "liquidation_events": Exportable("ts_event"),
    "liquidation_aggregates": Exportable("ts_start"),
    "liquidation_intensity": Exportable("ts_start"),
    "candles_1m": Exportable("ts_open", is_by_time=False),
    "candles_15m": Exportable("ts_open", is_by_time=False),
    "candles_1h": Exportable("ts_open", is_by_time=False),
    "premium_index": Exportable("ts_minute", is_by_time=False),
    "open_interest": Exportable("ts_minute", is_by_time=False),
    "long_short_ratio": Exportable("ts_event", is_by_time=False),
    "taker_volume": Exportable("ts_event", is_by_time=False),
    "funding_rates": Exportable("ts_event", is_by_time=False),
    "signals": Exportable("ts_event"),
    "public_positions": Exportable("ts_event", is_by_time=False),
    "public_position_history": Exportable("ts_minute", is_by_time=False),
    "margin_tiers": Exportable("ts_from", is_by_time=False),
    "coverage": Exportable("coalesce(ts_to, 9223372036854775807)", is_by_time=False, has_symbols=False),
}


def rows_of(
    path: Path, table: str, *, symbol: str | None = None, since_ns: int | None = None
) -> tuple[list[str], Iterator[list[Value]]]:
    """Names of the columns, and the rows, read as they are asked for.

    Args:
        path: the store.
        table: one of `TABLES`.
        symbol: the venue's own, e.g. BTCUSDT; None = all.
        since_ns: rows of this time (ns UTC) or later; None = all. Coverage: intervals that end later.

    Raises:
        DataError: there is no such store.
        ConfigError: the table has no symbols.
        StoreError: the store cannot be trusted or read.
    """
    form = TABLES[table]
    if symbol is not None and not form.has_symbols:
        raise ConfigError("option-value", f"--symbol {symbol!r} says nothing to {table}, which has no symbols")
    filters: dict[str, Value] = {"symbol = ?": symbol, f"{form.time} >= ?": since_ns}
    given = {condition: value for condition, value in filters.items() if value is not None}
    connection = open_for_reading(path)
    with trusting(path):
        columns = connection.execute("SELECT name, pk FROM pragma_table_info(?)", (table,)).fetchall()
    key = [name for name, place in sorted(columns, key=lambda column: column[1]) if place]
    names = [name for name, _ in columns]
    first = [form.time] if form.is_by_time else []
    rows = _walk(connection, path, table, names, list(dict.fromkeys([*first, *key])), given)
    return [*names, *(_WORTH if table in _LENGTHS else ())], rows


def _walk(
    connection: sqlite3.Connection, path: Path, table: str, names: list[str], key: list[str], given: Mapping[str, Value]
) -> Iterator[list[Value]]:
    """Page after page along the key."""
    at = [names.index(column) for column in key]
    keys, marks = ", ".join(key), ", ".join("?" * len(key))
    times = [name in _TEXT_TIMES for name in names], [name.startswith("ts_") or name in _NS_TIMES for name in names]
    last: list[Value] = []
    with contextlib.closing(connection):
        while True:
            conditions = [*given, *([f"({keys}) > ({marks})"] if last else [])]
            where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
            query = f"SELECT * FROM {table} {where} ORDER BY {keys} LIMIT {PAGE_ROWS}"  # noqa: S608 -- ours
            with trusting(path):
                page = connection.execute(query, [*given.values(), *last]).fetchall()
            worth = _worth(connection, path, names, page, _LENGTHS[table]) if table in _LENGTHS else [()] * len(page)
            for row, more in zip(page, worth, strict=True):
                yield [*(_told(*cell) for cell in zip(row, *times, strict=True)), *more]
            if len(page) < PAGE_ROWS:
                return
            last = [page[-1][place] for place in at]


def _worth(
    connection: sqlite3.Connection, path: Path, names: list[str], page: Sequence[tuple[Value, ...]], length_ns: int
) -> list[tuple[Value, ...]]:
    """What each sum of a page is worth: the share of its time that was seen, and what the venue publishes."""
    keys = [tuple(row[names.index(name)] for name in ("venue", "symbol", "side", "ts_start")) for row in page]
    starts = [ts for *_, ts in keys if isinstance(ts, int)]
    found: list[tuple[Value, ...]] = []
    with trusting(path):
        sums = Sums(connection, min(starts, default=0), max(starts, default=0) + length_ns)
        for (venue, symbol, side), start in zip((key[:3] for key in keys), starts, strict=True):
            share, published = sums.worth(str(venue), str(symbol), str(side), start, start + length_ns)
            found.append((share, None if published is None else published.value))
    return found


def _told(value: Value, is_text_time: bool, is_ns_time: bool) -> Value:
    if is_text_time and isinstance(value, str):
        return value.replace(" ", "T") + "Z"
    if is_ns_time and isinstance(value, int):
        return iso_of(value)
    return value


def iso_of(ts: int) -> str:
    """A time (ns UTC) as ISO 8601, to the millisecond, or to the nanosecond if it has any.

    >>> iso_of(1_723_118_400_123_000_000), iso_of(1_723_118_400_123_456_789)
    ('2024-08-08T12:00:00.123Z', '2024-08-08T12:00:00.123456789Z')
    """
    text = text_of(ts).replace(" ", "T")
    return f"{text}Z" if ts % 1_000_000 == 0 else f"{text[:-4]}.{ts % SECOND_NS:09d}Z"
