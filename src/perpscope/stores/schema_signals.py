"""The migration for signals: what strategies and models thought, near misses among them. Opinions, no orders."""

import sqlite3

_TABLES = (
    """CREATE TABLE signals (
    id INTEGER PRIMARY KEY,
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    instrument TEXT NOT NULL,
    timestamp DATETIME NOT NULL,            -- of ts_event
    strategy TEXT NOT NULL,                 -- 'forecast' = a model's own word
    side TEXT NOT NULL,                     -- LONG, SHORT or FLAT; of a near miss the side looked at
    p_up REAL,                              -- probability of a net gain held long, where a model says
    p_down REAL,                            -- of one held short
    edge TEXT,                              -- of a model: none (it has not shown any) or promoted
    edge_bps REAL,                          -- expected net return of the better side
    confidence REAL,                        -- in [0, 1]
    why TEXT NOT NULL,
    failed TEXT NOT NULL,                   -- JSON: entry rules that were not met; exactly one = a near miss
    refusal TEXT NOT NULL,                  -- why risk did not let it pass; empty = it did, or nothing was wished
    "values" TEXT NOT NULL,                 -- JSON: what the rules looked at, by name
    ts_event INTEGER NOT NULL,              -- close of the candle, or the second, it is of
    ts_recv INTEGER NOT NULL                -- when it was thought
)""",
    "CREATE UNIQUE INDEX signals_key ON signals (venue, symbol, ts_event, strategy, instrument)",
    "CREATE INDEX signals_time ON signals (ts_event)",
)


def add_signals(connection: sqlite3.Connection) -> None:
    """Make the table."""
    for statement in _TABLES:
        connection.execute(statement)
