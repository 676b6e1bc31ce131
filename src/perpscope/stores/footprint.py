"""How large a store is, table by table, how fast it grows, and what to do when it has grown large.

Bytes are counted page by page where SQLite was built with `dbstat`; elsewhere the file is shared out among the tables
by their rows and columns, and called an estimate.
"""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import msgspec

from perpscope.stores.access import open_for_reading, trusting
from perpscope.stores.backup import count_rows, size_of
from perpscope.stores.retention import aged_tables

#: Liquidations beyond which a store had better be divided (docs/upkeep.md tells how that was measured).
LARGE_ROWS = 10_000_000
_DAY_NS = 86_400_000_000_000
_WINDOW_NS = 7 * _DAY_NS
_LEAST_SPAN_NS = _DAY_NS // 24  #: growth of a shorter time says nothing of a day


class TableSize(msgspec.Struct, frozen=True):
    """One table with its indexes."""

    name: str
    rows: int
    bytes: int
    rows_per_day: float | None  #: of the last seven days of market time; None if its rows do not grow old


class Footprint(msgspec.Struct, frozen=True):
    """The room a store takes."""

    path: str
    bytes: int  #: with the write-ahead log
    reusable_bytes: int  #: left by deleted rows; new rows fill it, `vacuum` gives it back
    is_estimate: bool  #: the bytes of tables
    tables: list[TableSize]
    free_bytes: int  #: of the disk
    growth_bytes_per_day: float | None  #: None if there is less than an hour of data
    days_until_full: float | None  #: None if it does not grow
    advice: str | None  #: for large stores


def measure(path: Path, now_ns: int) -> Footprint:
    """Measure a store beside whoever writes it.

    Args:
        path: the file.
        now_ns: market time, ns UTC.

    Raises:
        DataError: there is none.
        StoreError: it cannot be trusted or read.
    """
    with contextlib.closing(open_for_reading(path)) as connection, trusting(path):
        connection.execute("BEGIN")
        rows = count_rows(connection)
        (page,) = connection.execute("PRAGMA page_size").fetchone()
        (unused,) = connection.execute("PRAGMA freelist_count").fetchone()
        exact = bytes_by_table(connection)
        sizes = estimated_bytes(connection, rows) if exact is None else exact
        daily = _rows_per_day(connection, now_ns)
    tables = [TableSize(name, n, sizes.get(name, 0), daily.get(name)) for name, n in rows.items()]
    growth = _growth(tables) if daily else None
    free = shutil.disk_usage(path.parent).free
    return Footprint(
        str(path),
        size_of(path),
        unused * page,
        exact is None,
        tables,
        free,
        growth,
        free / growth if growth else None,
        _advice(rows.get("liquidation_events", 0)),
    )


def bytes_by_table(connection: sqlite3.Connection) -> dict[str, int] | None:
    """Bytes of each table and its indexes, counted; None if this SQLite cannot."""
    query = """SELECT coalesce(tbl_name, stat.name), sum(pgsize)
        FROM (SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE) AS stat
        LEFT JOIN sqlite_schema AS object ON object.name = stat.name GROUP BY 1"""
    try:
        return dict(connection.execute(query))
    except sqlite3.OperationalError:
        return None


def estimated_bytes(connection: sqlite3.Connection, rows: dict[str, int]) -> dict[str, int]:
    """Bytes of each table if all values took the same room."""
    (total,) = connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()
    columns = "SELECT count(*) FROM pragma_table_info(?)"
    values = {name: n * connection.execute(columns, (name,)).fetchone()[0] for name, n in rows.items()}
    return {name: total * n // max(1, sum(values.values())) for name, n in values.items()}


def _rows_per_day(connection: sqlite3.Connection, now_ns: int) -> dict[str, float]:
    """Rows a day of each table that grows, over the last seven days or what there is of them."""
    found, first = {}, now_ns
    for table in aged_tables(connection):
        query = f"SELECT count(*), min({table.column}) FROM {table.name} WHERE {table.column} BETWEEN ? AND ?"  # noqa: S608
        count, oldest = connection.execute(query, (now_ns - _WINDOW_NS, now_ns)).fetchone()
        found[table.name] = count
        first = min(first, oldest or now_ns)
    span = now_ns - first
    return {name: n * _DAY_NS / span for name, n in found.items()} if span >= _LEAST_SPAN_NS else {}


def _growth(tables: list[TableSize]) -> float:
    return sum(table.rows_per_day * table.bytes / table.rows for table in tables if table.rows_per_day and table.rows)


def _advice(events: int) -> str | None:
    if events <= LARGE_ROWS:
        return None
    return (
        f"{events:,} liquidations are more than {LARGE_ROWS:,}: status, backup and vacuum take long, the last 24 h do"
        " not. Keep less (perpscope cleanup --older-than 90d, or [retention] days), or begin a new file with --db"
    )
