"""What is older than an instant is taken out of a store, in small transactions.

A liquidation is older if it happened before the instant; a minute, an hour or a candle if all of it lies before. A
minute or hour of liquidations that the instant divides is reckoned anew from those that stay, so it remains the sum of
its events. Coverage is cut at the instant first: it never vouches for rows that are gone. The last covered interval of
a stream shrinks to its end instead of going: the next run tells the gap since from it.
"""

import contextlib
import sqlite3
from collections.abc import Iterator

import msgspec

from perpscope.stores.aggregates import AGGREGATE_SPAN, HOURS, MINUTES
from perpscope.stores.rows import HOUR_NS, MINUTE_NS
from perpscope.stores.statements import KEEP_FROM

SLICE_ROWS = 10_000  #: rows of one transaction; another may wait as long as it takes (chosen by hand)
#: Each slice touches pages all over the indexes; bringing them home seldom spares a third of the time.
_PAGES_IN_LOG = 8_000


class Aged(msgspec.Struct, frozen=True):
    """A table whose rows grow old."""

    name: str
    column: str  #: ns UTC, when the row's time begins
    period_ns: int  #: how long it lasts; 0 = an instant

    def bound(self, cutoff_ns: int) -> int:
        """Rows before this (ns UTC, of `column`) are older than the cutoff."""
        return cutoff_ns - self.period_ns + 1 if self.period_ns else cutoff_ns


EVENTS = Aged("liquidation_events", "ts_event", 0)
#: Sums of liquidations; swept together with them.
SUMS = (Aged(MINUTES, "ts_start", MINUTE_NS), Aged(HOURS, "ts_start", HOUR_NS))
#: Keyed by venue, symbol and time.
SERIES = (
    Aged("candles_1m", "ts_open", MINUTE_NS),
    Aged("candles_15m", "ts_open", 15 * MINUTE_NS),
    Aged("candles_1h", "ts_open", HOUR_NS),
    Aged("premium_index", "ts_minute", MINUTE_NS),
    Aged("open_interest", "ts_minute", MINUTE_NS),
    Aged("long_short_ratio", "ts_event", 0),
    Aged("taker_volume", "ts_event", 0),
    Aged("funding_rates", "ts_event", 0),
    Aged("signals", "ts_event", 0),
    Aged("public_position_history", "ts_minute", MINUTE_NS),
    Aged("public_positions", "ts_event", 0),  # one seen no more
)


class Swept(msgspec.Struct):
    """Rows older than an instant, per table, and the intervals of coverage it divides."""

    rows: dict[str, int]
    cut: int = 0

    @property
    def total(self) -> int:
        """Rows of all tables."""
        return sum(self.rows.values())

    def add(self, table: str, count: int) -> None:
        """Count rows."""
        self.rows[table] = self.rows.get(table, 0) + count


_STRADDLES = "(ts_to IS NULL OR ts_to > :cutoff)"
_STREAM = "venue, channel, coalesce(instrument, ''), kind, source"
#: Of intervals of one stream, kind and source that all reach beyond the cutoff, the longest stays.
_OVERLAPPED = f"""
SELECT id FROM (
    SELECT id, row_number() OVER (PARTITION BY {_STREAM} ORDER BY ts_to IS NULL DESC, ts_to DESC, id DESC) AS place
    FROM coverage WHERE ts_from <= :cutoff AND {_STRADDLES}
) WHERE place > 1
"""  # noqa: S608 -- ours
_PAST = f"""
SELECT id FROM (
    SELECT id, kind, source, ts_to, row_number() OVER (PARTITION BY {_STREAM} ORDER BY ts_to DESC, id DESC) AS place
    FROM coverage
) WHERE ts_to <= :cutoff AND (kind = 'gap' OR source NOT IN ('stream', 'poll') OR place > 1)
"""  # noqa: S608 -- ours
_DIVIDED = f"ts_from < :cutoff AND {_STRADDLES}"
_SHRUNK = "kind = 'covered' AND ts_to <= :cutoff AND ts_from < ts_to"


def aged_tables(connection: sqlite3.Connection) -> list[Aged]:
    """The tables of this file whose rows grow old, coverage apart."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    return [table for table in (EVENTS, *SUMS, *SERIES) if table.name in names]


def count_older(connection: sqlite3.Connection, cutoff_ns: int) -> Swept:
    """What `sweep` would take out, counted in one snapshot."""
    found = Swept({})
    connection.execute("BEGIN")
    try:
        for table in aged_tables(connection):
            query = f"SELECT count(*) FROM {table.name} WHERE {table.column} < ?"  # noqa: S608 -- ours
            found.add(table.name, connection.execute(query, (table.bound(cutoff_ns),)).fetchone()[0])
        ids = f"SELECT count(*) FROM ({_OVERLAPPED} UNION {_PAST})"  # noqa: S608 -- ours
        found.add("coverage", connection.execute(ids, {"cutoff": cutoff_ns}).fetchone()[0])
    finally:
        connection.execute("ROLLBACK")
    return found


def sweep(connection: sqlite3.Connection, cutoff_ns: int, *, slice_rows: int = SLICE_ROWS) -> Iterator[Swept]:
    """Take out everything older than an instant, a transaction for each step of the iterator.

    Whoever holds the connection may use it between steps. A sweep that ended early is finished by the next one.

    Args:
        connection: of the one who holds the store's lock, in autocommit mode.
        cutoff_ns: ns UTC; what happened at this very instant stays.
        slice_rows: rows of one transaction, about.

    Yields:
        what has been taken out so far.

    Raises:
        sqlite3.Error: the step changed nothing.
    """
    with _long_log(connection):
        yield from _sweep(connection, cutoff_ns, slice_rows)


def _sweep(connection: sqlite3.Connection, cutoff_ns: int, slice_rows: int) -> Iterator[Swept]:
    swept = Swept({})
    tables = aged_tables(connection)
    with _transaction(connection):
        _sweep_coverage(connection, cutoff_ns, swept)
    yield swept
    sums = [table for table in SUMS if table in tables]
    swept.add(EVENTS.name, 0)
    for bound in _event_slices(connection, cutoff_ns, slice_rows):
        with _transaction(connection):
            _sweep_liquidations(connection, sums, bound, swept)
        yield swept
    for table in tables:
        if table in SERIES:
            swept.add(table.name, 0)
            yield from _sweep_series(connection, table, table.bound(cutoff_ns), slice_rows, swept)


def _sweep_coverage(connection: sqlite3.Connection, cutoff_ns: int, swept: Swept) -> None:
    cutoff = {"cutoff": cutoff_ns}
    connection.execute(KEEP_FROM, (str(cutoff_ns),))
    gone = 0
    for ids in (_OVERLAPPED, _PAST):
        gone += connection.execute(f"DELETE FROM coverage WHERE id IN ({ids})", cutoff).rowcount  # noqa: S608 -- ours
    swept.add("coverage", gone)
    divided = f"UPDATE coverage SET ts_from = :cutoff WHERE {_DIVIDED}"  # noqa: S608 -- ours
    swept.cut += connection.execute(divided, cutoff).rowcount
    swept.cut += connection.execute(f"UPDATE coverage SET ts_from = ts_to WHERE {_SHRUNK}", cutoff).rowcount  # noqa: S608


def _event_slices(connection: sqlite3.Connection, cutoff_ns: int, slice_rows: int) -> Iterator[int]:
    """Instants up to the cutoff, each about `slice_rows` liquidations after the one before; whole hours if possible."""
    first = "SELECT min(ts_event) FROM liquidation_events"
    nth = "SELECT ts_event FROM liquidation_events WHERE ts_event < ? ORDER BY ts_event LIMIT 1 OFFSET ?"
    while True:
        beyond = connection.execute(nth, (cutoff_ns, slice_rows)).fetchone()
        if beyond is None:
            yield cutoff_ns
            return
        (oldest,) = connection.execute(first).fetchone()
        hour = beyond[0] - beyond[0] % HOUR_NS
        yield hour if hour > oldest else max(beyond[0], oldest + 1)


def _sweep_liquidations(connection: sqlite3.Connection, sums: list[Aged], bound: int, swept: Swept) -> None:
    """Take out liquidations before an instant with their sums; sums it divides are reckoned anew."""
    for table in sums:
        start = bound - bound % table.period_ns
        connection.execute(
            f"""DELETE FROM {table.name} AS sums WHERE ts_start = :start AND EXISTS (
                SELECT 1 FROM liquidation_events AS event
                WHERE (event.venue, event.symbol, event.side) = (sums.venue, sums.symbol, sums.side)
                    AND event.ts_event >= :start AND event.ts_event < :bound)""",  # noqa: S608 -- ours
            {"start": start, "bound": bound},
        )
    gone = connection.execute("DELETE FROM liquidation_events WHERE ts_event < ?", (bound,)).rowcount
    swept.add(EVENTS.name, gone)
    for table in sums:
        delete = f"DELETE FROM {table.name} WHERE ts_start < ?"  # noqa: S608 -- ours
        swept.add(table.name, connection.execute(delete, (table.bound(bound),)).rowcount)
        start = bound - bound % table.period_ns
        if start < bound:
            connection.execute(AGGREGATE_SPAN[table.name], (start, start + table.period_ns))


def _sweep_series(
    connection: sqlite3.Connection, table: Aged, bound: int, slice_rows: int, swept: Swept
) -> Iterator[Swept]:
    """Along the key, since there is no index by time alone: symbol after symbol, several in one transaction."""
    column = table.column
    following = f"SELECT venue, symbol FROM {table.name} WHERE (venue, symbol) > (?, ?) ORDER BY 1, 2 LIMIT 1"  # noqa: S608
    of_symbol = f"FROM {table.name} WHERE venue = ? AND symbol = ? AND {column} < ?"
    key = connection.execute(following, ("", "")).fetchone()
    while key is not None:
        gone = 0
        with _transaction(connection):
            while key is not None and gone < slice_rows:
                nth = f"SELECT {column} {of_symbol} ORDER BY {column} LIMIT 1 OFFSET ?"
                beyond = connection.execute(nth, (*key, bound, slice_rows)).fetchone()
                until = bound if beyond is None else beyond[0]
                gone += connection.execute(f"DELETE {of_symbol}", (*key, until)).rowcount
                if beyond is None:
                    key = connection.execute(following, key).fetchone()
            swept.add(table.name, gone)
        yield swept


@contextlib.contextmanager
def _long_log(connection: sqlite3.Connection) -> Iterator[None]:
    """Let the write-ahead log grow meanwhile."""
    (before,) = connection.execute("PRAGMA wal_autocheckpoint").fetchone()
    connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_IN_LOG}")
    try:
        yield
    finally:
        with contextlib.suppress(sqlite3.Error):  # it may have been closed
            connection.execute(f"PRAGMA wal_autocheckpoint = {before}")


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise
