"""Minutes and hours of liquidations: sums that grow by the rows that were really new, and each hour's rank in a month.

Ids only grow, and an event that came twice has but one: so whatever comes late or again, and however it is divided into
batches, a minute or an hour is the sum of its events. `rebuild` reckons a span anew from the events that are there.
"""

import sqlite3
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterator

from perpscope.stores.rows import HOUR_NS, MINUTE_NS

_DAY_NS = 24 * HOUR_NS
INTENSITY_WINDOW_NS = 30 * _DAY_NS  #: an hour is compared with those of the thirty days before it
MIN_HOURS = 24  #: with fewer it has no intensity

MINUTES, HOURS = "liquidation_aggregates", "liquidation_intensity"
_PERIODS_NS = {MINUTES: MINUTE_NS, HOURS: HOUR_NS}

#: Rows whose LPI is ours; an older collector's has no sample, and nobody knows what it meant.
_RANKED = "FILTER (WHERE lpi IS NOT NULL AND lpi_sample IS NOT NULL)"


def _sums(table: str) -> str:
    """What a table says of the events of each venue, symbol, side and period."""
    length = _PERIODS_NS[table]
    start, seconds = f"ts_event / {length} * {length}", length // 1_000_000_000
    return f"""
INSERT INTO {table} (venue, symbol, side, ts_start, period_start, period_end, event_count, total_size,
    total_notional_usd, avg_price, avg_lpi, mean_lpi, lpi_count, lpi_notional_usd)
SELECT venue, symbol, side, {start}, strftime('%Y-%m-%d %H:%M:%S.000', ts_event / {length} * {seconds}, 'unixepoch'),
    strftime('%Y-%m-%d %H:%M:%S.000', ts_event / {length} * {seconds} + {seconds}, 'unixepoch'), count(*), sum(size),
    sum(size * price), coalesce(sum(size * price) / nullif(sum(size), 0), avg(price)),
    coalesce(sum(size * price * lpi) {_RANKED} / nullif(sum(size * price) {_RANKED}, 0), avg(lpi) {_RANKED}),
    avg(lpi) {_RANKED}, count(*) {_RANKED}, coalesce(sum(size * price) {_RANKED}, 0)
FROM liquidation_events
"""  # noqa: S608 -- names and numbers of ours


def _groups(table: str) -> str:
    return f"GROUP BY venue, symbol, side, ts_event / {_PERIODS_NS[table]}"


#: A row's averages take in those of new events, each with its weight.
_MERGE = """
ON CONFLICT (venue, symbol, side, ts_start) DO UPDATE SET
    avg_price = coalesce((total_notional_usd + excluded.total_notional_usd)
        / nullif(total_size + excluded.total_size, 0), avg_price),
    total_size = total_size + excluded.total_size, event_count = event_count + excluded.event_count,
    total_notional_usd = total_notional_usd + excluded.total_notional_usd,
    avg_lpi = CASE WHEN excluded.lpi_count = 0 THEN avg_lpi WHEN lpi_count = 0 THEN excluded.avg_lpi
        ELSE coalesce((avg_lpi * lpi_notional_usd + excluded.avg_lpi * excluded.lpi_notional_usd)
            / nullif(lpi_notional_usd + excluded.lpi_notional_usd, 0), avg_lpi) END,
    mean_lpi = CASE WHEN excluded.lpi_count = 0 THEN mean_lpi WHEN lpi_count = 0 THEN excluded.mean_lpi
        ELSE (mean_lpi * lpi_count + excluded.mean_lpi * excluded.lpi_count) / (lpi_count + excluded.lpi_count) END,
    lpi_count = lpi_count + excluded.lpi_count, lpi_notional_usd = lpi_notional_usd + excluded.lpi_notional_usd
"""
#: Adds the events after an id. NOT INDEXED: by id, not along the index that is in GROUP BY order.
_ADD = {table: f"{_sums(table)} NOT INDEXED WHERE id > ? {_groups(table)} {_MERGE}" for table in _PERIODS_NS}
#: Reckons the sums of the events of a span (from, to) anew, where they are missing; by table.
AGGREGATE_SPAN = {
    table: f"{_sums(table)} WHERE ts_event >= ? AND ts_event < ? {_groups(table)}"
    " ON CONFLICT (venue, symbol, side, ts_start) DO NOTHING"
    for table in _PERIODS_NS
}

_GROUP = "venue = ? AND symbol = ? AND side = ?"
#: The mid-rank of an hour's dollars among those of the same venue, symbol and side before it.
_RANK_HOURS = f"""
UPDATE {HOURS} AS hour SET (hours_known, intensity) = (
    SELECT count(*), iif(count(*) >= {MIN_HOURS}, 100.0 * (sum(past.total_notional_usd < hour.total_notional_usd)
        + 0.5 * sum(past.total_notional_usd = hour.total_notional_usd)) / count(*), NULL)
    FROM {HOURS} AS past
    WHERE past.venue = hour.venue AND past.symbol = hour.symbol AND past.side = hour.side
        AND past.ts_start >= hour.ts_start - {INTENSITY_WINDOW_NS} AND past.ts_start < hour.ts_start
        AND past.total_notional_usd IS NOT NULL)
WHERE {_GROUP} AND ts_start BETWEEN ? AND ?
"""  # noqa: S608 -- names and numbers of ours
#: The same takes the square of the time for many hours; beyond as many they slide past in `_rank_many`.
_FEW_HOURS = 12
_COUNT_HOURS = f"SELECT count(*) FROM {HOURS} WHERE {_GROUP} AND ts_start BETWEEN ? AND ?"  # noqa: S608 -- ours
_READ_HOURS = f"""
SELECT ts_start, total_notional_usd FROM {HOURS} WHERE {_GROUP} AND ts_start BETWEEN ? AND ? ORDER BY ts_start
"""  # noqa: S608 -- ours
_SET_RANK = f"UPDATE {HOURS} SET hours_known = ?, intensity = ? WHERE {_GROUP} AND ts_start = ?"  # noqa: S608 -- ours
#: The span of hours of each group that hold the events after an id.
_CHANGED_HOURS = f"""
SELECT venue, symbol, side, min(ts_event) / {HOUR_NS} * {HOUR_NS}, max(ts_event) / {HOUR_NS} * {HOUR_NS}
FROM liquidation_events NOT INDEXED WHERE id > ? GROUP BY venue, symbol, side
"""  # noqa: S608 -- numbers of ours
_GROUPS = f"SELECT DISTINCT venue, symbol, side FROM {HOURS}"  # noqa: S608 -- ours

_DELETE_SPAN = {table: f"DELETE FROM {table} WHERE ts_start >= ? AND ts_start < ?" for table in _PERIODS_NS}  # noqa: S608
_EXTENT = f"""
SELECT min(first), max(last) FROM (
    SELECT min(ts_event) AS first, max(ts_event) AS last FROM liquidation_events
    UNION ALL SELECT min(ts_start), max(ts_start) FROM {MINUTES}
    UNION ALL SELECT min(ts_start), max(ts_start) FROM {HOURS})
"""  # noqa: S608 -- names of ours


def add_events_after(connection: sqlite3.Connection, last_id: int) -> None:
    """Add the events with a greater id to their minutes and hours, within the caller's transaction."""
    if connection.execute("SELECT 1 FROM liquidation_events WHERE id > ?", (last_id,)).fetchone() is None:
        return
    for statement in _ADD.values():
        connection.execute(statement, (last_id,))
    for venue, symbol, side, first, last in connection.execute(_CHANGED_HOURS, (last_id,)).fetchall():
        _rank_hours(connection, (venue, symbol, side), first, last + INTENSITY_WINDOW_NS)


def _rank_hours(connection: sqlite3.Connection, group: tuple[str, str, str], first: int, last: int) -> None:
    """Rank the hours of a venue, symbol and side from one to another (`ts_start`, both included)."""
    (hours,) = connection.execute(_COUNT_HOURS, (*group, first, last)).fetchone()
    if hours <= _FEW_HOURS:
        connection.execute(_RANK_HOURS, (*group, first, last))
    else:
        connection.executemany(_SET_RANK, list(_rank_many(connection, group, first, last)))


def _rank_many(
    connection: sqlite3.Connection, group: tuple[str, str, str], first: int, last: int
) -> Iterator[tuple[int, float | None, str, str, str, int]]:
    """What `_RANK_HOURS` says of each hour, in one pass."""
    before: deque[tuple[int, float]] = deque()
    ordered: list[float] = []
    for ts_start, notional in connection.execute(_READ_HOURS, (*group, first - INTENSITY_WINDOW_NS, last)):
        while before and before[0][0] < ts_start - INTENSITY_WINDOW_NS:
            del ordered[bisect_left(ordered, before.popleft()[1])]
        if ts_start >= first:
            known = len(ordered)
            rank = None
            if known >= MIN_HOURS and notional is not None:
                rank = 50.0 * (bisect_left(ordered, notional) + bisect_right(ordered, notional)) / known
            yield (known, rank, *group, ts_start)
        if notional is not None:
            before.append((ts_start, notional))
            insort(ordered, notional)


def rebuild(connection: sqlite3.Connection, ts_from: int, ts_to: int) -> Iterator[int]:
    """Reckon minutes and hours anew from the events that are there, and the ranks that depend on them.

    A minute or hour of the span without any event goes. A transaction for each day, then one for all ranks; the
    connection may be used between steps.

    Args:
        connection: of the one who holds the store's lock, in autocommit mode.
        ts_from: ns UTC; the whole hour it lies in is reckoned anew.
        ts_to: ns UTC, not included; the rest of its hour is.

    Yields:
        how many days are done.

    Raises:
        sqlite3.Error: the step changed nothing; the transaction may still be open.
    """
    first, last = connection.execute(_EXTENT).fetchone()
    if first is None:
        return
    begin = max(ts_from, first) // HOUR_NS * HOUR_NS
    end = -(-min(ts_to, last + 1) // HOUR_NS) * HOUR_NS
    for done, span in enumerate(_days(begin, end), start=1):
        connection.execute("BEGIN IMMEDIATE")
        for table in _PERIODS_NS:
            connection.execute(_DELETE_SPAN[table], span)
            connection.execute(AGGREGATE_SPAN[table], span)
        connection.execute("COMMIT")
        yield done
    if begin < end:
        connection.execute("BEGIN IMMEDIATE")
        for group in connection.execute(_GROUPS).fetchall():
            _rank_hours(connection, group, begin, end + INTENSITY_WINDOW_NS)
        connection.execute("COMMIT")
        yield -(-(end - begin) // _DAY_NS)


def _days(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """A span in pieces of a day."""
    for start in range(begin, end, _DAY_NS):
        yield start, min(start + _DAY_NS, end)
