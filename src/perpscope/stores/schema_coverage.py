"""The migration for what was asked for afterwards: where coverage came from, which rows are later fillings, funding.

Only columns with a default are added and one index is made anew, so that a file of a million intervals takes seconds.
"""

import sqlite3

#: Tables whose rows may be asked for afterwards.
FILLED = ("candles_1m", "candles_15m", "candles_1h", "open_interest", "long_short_ratio", "taker_volume")

_STATEMENTS = (
    # stream, poll, backfill or import; of a gap it says nothing
    "ALTER TABLE coverage ADD COLUMN source TEXT NOT NULL DEFAULT 'stream'",
    "DROP INDEX coverage_key",
    "CREATE UNIQUE INDEX coverage_key ON coverage (venue, channel, coalesce(instrument, ''), kind, ts_from, source)",
    # what ended after an instant; an open interval is not in it, so that it costs nothing each second
    "CREATE INDEX coverage_ended ON coverage (ts_to) WHERE NOT is_open",
    *(f"ALTER TABLE {table} ADD COLUMN is_backfilled INTEGER NOT NULL DEFAULT 0" for table in FILLED),
    """CREATE TABLE funding_rates (
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    instrument TEXT NOT NULL,
    timestamp DATETIME NOT NULL,            -- of ts_event
    ts_event INTEGER NOT NULL,              -- of the payment
    funding_rate REAL NOT NULL,             -- fraction, for the interval that ended
    ts_recv INTEGER NOT NULL,
    is_backfilled INTEGER NOT NULL DEFAULT 0,
    mark_price REAL,                        -- that it was reckoned at, where published
    PRIMARY KEY (venue, symbol, ts_event)
) WITHOUT ROWID""",
)


def add_sources(connection: sqlite3.Connection) -> None:
    """Make room for it; every row stays, and counts as seen when it happened."""
    for statement in _STATEMENTS:
        connection.execute(statement)
