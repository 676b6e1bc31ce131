"""The SQL by which a batch becomes rows: every statement may be repeated without harm.

One transaction holds the rows, the minutes and hours they change (`aggregates`) and the coverage that vouches for them,
so that a covered interval never ends later than the rows in it.
"""

import sqlite3
from collections.abc import Sequence
from itertools import chain

from perpscope.model.market import Interval
from perpscope.stores.aggregates import add_events_after
from perpscope.stores.listings import write_listings
from perpscope.stores.rows import (
    Batch,
    covered_rows,
    feed_row,
    gap_rows,
    heart_row,
)
from perpscope.stores.signals import INSERT_SIGNAL
from perpscope.stores.traders import INSERT_TRADERS

INSERT_LIQUIDATION = """
INSERT INTO liquidation_events (symbol, side, size, price, timestamp, venue, instrument, position_side, ts_event,
    ts_recv, fill_price, bankruptcy_price, completeness, sampling, lpi, lpi_bps, lpi_reference_price, lpi_sample,
    venue_key)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (venue, venue_key) DO NOTHING
"""

_LAST_DIGITS = 1e-9
LAST_ID = "SELECT coalesce(max(id), 0) FROM liquidation_events"

#: A bar of less volume was not heard to its end, e.g. one that closed within a gap: the fuller one stays. Otherwise the
#: first word does; but what came live takes the place of what was asked for afterwards, which lends it what it does not
#: tell. The last digits of a sum are the venue's own.
INSERT_CANDLE = {
    interval: f"""
INSERT INTO candles_{interval.value} (venue, symbol, instrument, timestamp, ts_open, open, high, low, close, volume,
    quote_volume, trades, taker_buy_volume, taker_buy_quote_volume, ts_event, ts_recv, is_backfilled)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (venue, symbol, ts_open) DO UPDATE SET open = excluded.open, high = excluded.high, low = excluded.low,
    close = excluded.close, volume = excluded.volume,
    quote_volume = coalesce(excluded.quote_volume, iif(is_backfilled, quote_volume, NULL)),
    trades = coalesce(excluded.trades, iif(is_backfilled, trades, NULL)),
    taker_buy_volume = coalesce(excluded.taker_buy_volume, iif(is_backfilled, taker_buy_volume, NULL)),
    taker_buy_quote_volume = coalesce(excluded.taker_buy_quote_volume,
        iif(is_backfilled, taker_buy_quote_volume, NULL)),
    ts_event = excluded.ts_event, ts_recv = excluded.ts_recv, is_backfilled = excluded.is_backfilled
WHERE iif(is_backfilled, NOT excluded.is_backfilled AND excluded.volume >= volume * (1 - {_LAST_DIGITS}),
    excluded.is_backfilled AND excluded.volume > volume * (1 + {_LAST_DIGITS}))
"""  # noqa: S608 -- the tables are ours
    for interval in Interval
}

INSERT_MARK = """
INSERT INTO premium_index (venue, symbol, instrument, timestamp, ts_minute, mark_price, index_price, funding_rate,
    next_funding_time, ts_event, ts_recv, funding_interval_h)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (venue, symbol, ts_minute) DO UPDATE SET mark_price = excluded.mark_price,
    index_price = excluded.index_price, funding_rate = excluded.funding_rate,
    next_funding_time = excluded.next_funding_time, ts_event = excluded.ts_event, ts_recv = excluded.ts_recv,
    funding_interval_h = excluded.funding_interval_h
WHERE excluded.ts_event > ts_event
"""
#: By table: the statements that keep each of its rows.
INSERT_SERIES = {"premium_index": (INSERT_MARK,), "signals": (INSERT_SIGNAL,), **INSERT_TRADERS}

#: The instant before which rows were taken out; it only moves forward.
KEEP_FROM = """
INSERT INTO meta VALUES ('kept_from', ?)
ON CONFLICT (key) DO UPDATE SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))
"""
_KEPT_FROM = "(SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'kept_from')"
#: An interval that reaches over `kept_from` begins there: whoever still tells of it does not know what was taken out.
_INSERT_COVERAGE = f"""
INSERT INTO coverage (venue, channel, instrument, kind, ts_from, ts_to, is_open, connection, cause, source)
VALUES (?1, ?2, ?3, ?4, iif(?6 <= {_KEPT_FROM}, ?5, max(?5, coalesce({_KEPT_FROM}, ?5))), ?6, ?7, ?8, ?9, ?10)
ON CONFLICT (venue, channel, coalesce(instrument, ''), kind, ts_from, source) DO UPDATE SET
"""  # noqa: S608 -- ours
UPSERT_COVERED = f"""{_INSERT_COVERAGE}
    ts_to = excluded.ts_to, is_open = excluded.is_open, connection = excluded.connection, cause = NULL
WHERE excluded.ts_to >= ts_to
"""
UPSERT_GAP = f"""{_INSERT_COVERAGE}
    ts_to = max(coalesce(ts_to, excluded.ts_to), excluded.ts_to), is_open = 0
WHERE excluded.ts_to IS NOT NULL
"""

#: At opening: what a crash left open is closed where it stood, and remembered as cut off.
CLOSE_COVERED = "UPDATE coverage SET is_open = 0, cause = 'restart' WHERE is_open AND kind = 'covered'"
#: At opening: a gap that lasted (of a book, whose stream went on) ends where its stream's coverage does; the gap of the
#: restart follows. One that began there is left open, and that gap will close it.
CLOSE_GAPS = """
UPDATE coverage AS gap SET is_open = 0, ts_to = stream.ts_to
FROM (
    SELECT venue, channel, coalesce(instrument, '') AS instrument, max(ts_to) AS ts_to
    FROM coverage WHERE kind = 'covered' AND source IN ('stream', 'poll') GROUP BY 1, 2, 3
) AS stream
WHERE gap.kind = 'gap' AND gap.is_open AND gap.ts_from < stream.ts_to
    AND (gap.venue, gap.channel, coalesce(gap.instrument, '')) = (stream.venue, stream.channel, stream.instrument)
"""
#: The end of what was seen of each stream as it happened, and why it ended.
LAST_COVERED = """
SELECT venue, channel, instrument, max(ts_to), coalesce(cause, 'stopped') FROM coverage
WHERE kind = 'covered' AND source IN ('stream', 'poll') GROUP BY venue, channel, instrument
"""

UPSERT_FEED = """
INSERT INTO feeds (venue, channel, state, ts_last, events, gaps) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (venue, channel) DO UPDATE SET state = excluded.state, ts_last = excluded.ts_last,
    events = excluded.events, gaps = excluded.gaps
"""
REPLACE_HEART = "REPLACE INTO heart (id, pid, ts_market, ts_wall, rate, is_running) VALUES (?, ?, ?, ?, ?, ?)"
STOP_HEART = "UPDATE heart SET is_running = 0"


def write(connection: sqlite3.Connection, batches: Sequence[Batch]) -> None:
    """Commit batches, oldest first, in one transaction.

    Raises:
        sqlite3.Error: nothing was committed; the transaction may still be open.
    """
    connection.execute("BEGIN IMMEDIATE")
    (last_id,) = connection.execute(LAST_ID).fetchone()
    for batch in batches:
        _write_rows(connection, batch)
    add_events_after(connection, last_id)
    _write_coverage(connection, batches)
    for batch in batches:
        connection.executemany(UPSERT_FEED, map(feed_row, batch.feeds.values()))
        if batch.heart is not None:
            connection.execute(REPLACE_HEART, heart_row(batch.heart))
    connection.execute("COMMIT")


def _write_rows(connection: sqlite3.Connection, batch: Batch) -> None:
    write_listings(connection, batch)
    connection.executemany(INSERT_LIQUIDATION, batch.liquidations)
    for interval, candles in batch.candles.items():
        connection.executemany(INSERT_CANDLE[interval], candles)
    for table, rows in batch.series.items():
        for statement in INSERT_SERIES[table]:
            connection.executemany(statement, rows)


def _write_coverage(connection: sqlite3.Connection, batches: Sequence[Batch]) -> None:
    """Each interval once, however often it grew."""
    merged = Batch()
    for event in chain.from_iterable(batch.covered.values() for batch in batches):
        merged.cover(event)
    connection.executemany(UPSERT_COVERED, chain.from_iterable(map(covered_rows, merged.covered.values())))
    gaps = chain.from_iterable(batch.gaps.values() for batch in batches)
    connection.executemany(UPSERT_GAP, chain.from_iterable(map(gap_rows, gaps)))
