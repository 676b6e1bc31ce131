"""The migration for several venues: what they tell of their traders, what they list, and what not all of them publish.

Candles and mark prices came first, from a venue that publishes all of their columns; here those are made optional.
Keys stand before all columns that may be NULL: SQLite 3.40 takes a whole table without rowids for damaged otherwise.
"""

import sqlite3

_CANDLES = """CREATE TABLE candles_rebuilt (
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    instrument TEXT NOT NULL,
    timestamp DATETIME NOT NULL,            -- of ts_open
    ts_open INTEGER NOT NULL,
    open REAL NOT NULL, high REAL NOT NULL, low REAL NOT NULL, close REAL NOT NULL,
    volume REAL NOT NULL,                   -- base units
    quote_volume REAL,                      -- this and the next three where published
    trades INTEGER,
    taker_buy_volume REAL,
    taker_buy_quote_volume REAL,
    ts_event INTEGER NOT NULL,
    ts_recv INTEGER NOT NULL,
    PRIMARY KEY (venue, symbol, ts_open)
) WITHOUT ROWID"""

_POSITION = """
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    instrument TEXT NOT NULL,
    timestamp DATETIME NOT NULL,            -- of ts_event
    {more}account TEXT NOT NULL,                  -- the venue's public name for the holder
    position_side TEXT NOT NULL,
    size REAL NOT NULL,                     -- base units
    entry_price REAL NOT NULL,
    leverage REAL NOT NULL,
    is_cross INTEGER NOT NULL,
    margin_usd REAL NOT NULL,
    liquidation_price REAL,                 -- as the venue reckons it; NULL where no price would
    ts_event INTEGER NOT NULL,
    ts_recv INTEGER NOT NULL"""

#: What an instrument is, in `instruments` and in each of its versions, beside its name.
_TERMS = (
    "coin TEXT NOT NULL DEFAULT ''",  # what it is on any venue
    "multiplier INTEGER NOT NULL DEFAULT 1",  # coins in one base unit
    "tick_size TEXT",  # decimal fractions as text, so that they stay what they are
    "step_size TEXT",
    "contract_size TEXT NOT NULL DEFAULT '1'",
    "min_notional TEXT",
    "funding_interval_h REAL",
    "max_leverage REAL",
    "is_trading INTEGER NOT NULL DEFAULT 1",
    "is_crypto INTEGER NOT NULL DEFAULT 1",
)

_TABLES = (
    """CREATE INDEX liquidation_events_watchlist ON liquidation_events (venue, symbol, side, ts_event)
    WHERE completeness = 'watchlist'""",
    """CREATE TABLE open_interest (
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    instrument TEXT NOT NULL,
    timestamp DATETIME NOT NULL,            -- of ts_minute
    ts_minute INTEGER NOT NULL,
    open_interest REAL NOT NULL,            -- base units, one side
    open_interest_usd REAL,                 -- as the venue reckons it, where published
    ts_event INTEGER NOT NULL,
    ts_recv INTEGER NOT NULL,
    PRIMARY KEY (venue, symbol, ts_minute)
) WITHOUT ROWID""",
    """CREATE TABLE long_short_ratio (
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    instrument TEXT NOT NULL,
    timestamp DATETIME NOT NULL,            -- of ts_event
    ts_event INTEGER NOT NULL,              -- end of the period
    kind TEXT NOT NULL,                     -- all_accounts, top_accounts, top_positions or all_positions
    period_s INTEGER NOT NULL,
    long_fraction REAL NOT NULL,            -- in [0, 1]
    long_short_ratio REAL,                  -- longs / shorts; NULL if there is no short
    ts_recv INTEGER NOT NULL,
    PRIMARY KEY (venue, symbol, ts_event, kind, period_s)
) WITHOUT ROWID""",
    """CREATE TABLE taker_volume (
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    instrument TEXT NOT NULL,
    timestamp DATETIME NOT NULL,            -- of ts_event
    ts_event INTEGER NOT NULL,              -- end of the period
    period_s INTEGER NOT NULL,
    buy_volume REAL NOT NULL,               -- base units
    sell_volume REAL NOT NULL,
    ts_recv INTEGER NOT NULL,
    PRIMARY KEY (venue, symbol, ts_event, period_s)
) WITHOUT ROWID""",
    f"""CREATE TABLE public_positions ({_POSITION.format(more="")},
    PRIMARY KEY (venue, symbol, account)
) WITHOUT ROWID""",
    f"""CREATE TABLE public_position_history ({_POSITION.format(more="ts_minute INTEGER NOT NULL, ")},
    PRIMARY KEY (venue, symbol, ts_minute, account)
) WITHOUT ROWID""",
    "CREATE INDEX public_position_history_account ON public_position_history (account, ts_minute)",
    """CREATE TABLE margin_tiers (
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    instrument TEXT NOT NULL,
    timestamp DATETIME NOT NULL,            -- of ts_from
    source TEXT NOT NULL,                   -- who says so; each has versions of its own
    ts_from INTEGER NOT NULL,               -- a version holds until the next one of its source
    tier INTEGER NOT NULL,                  -- from 1, lowest first
    floor REAL NOT NULL,
    cap REAL,                               -- NULL for the last
    mmr REAL NOT NULL,                      -- maintenance margin, fraction of notional
    max_leverage REAL NOT NULL,
    deduction REAL NOT NULL,                -- quote units
    basis TEXT NOT NULL,                    -- notional (quote units) or size (base units): what floor and cap count
    PRIMARY KEY (instrument, source, ts_from, tier)
) WITHOUT ROWID""",
    f"""CREATE TABLE instrument_versions (
    id TEXT NOT NULL,
    ts_from INTEGER NOT NULL,               -- a version holds until the next one; 0 = since nobody knows when
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    base TEXT NOT NULL,
    quote TEXT NOT NULL,
    expiry TEXT,
    contract TEXT NOT NULL,
    {", ".join(_TERMS)},
    PRIMARY KEY (id, ts_from)
) WITHOUT ROWID""",
)


def add_venues(connection: sqlite3.Connection) -> None:
    """Make the tables, and make room in those there are; every row stays."""
    for statement in _TABLES:
        connection.execute(statement)
    for term in _TERMS:
        connection.execute(f"ALTER TABLE instruments ADD COLUMN {term}")
    connection.execute("UPDATE instruments SET coin = base")
    connection.execute("ALTER TABLE premium_index ADD COLUMN funding_interval_h REAL")  # hours the rate is for
    for table in ("candles_1m", "candles_15m", "candles_1h"):
        connection.execute(_CANDLES)
        connection.execute(f"INSERT INTO candles_rebuilt SELECT * FROM {table}")  # noqa: S608 -- ours
        connection.execute(f"DROP TABLE {table}")
        connection.execute(f"ALTER TABLE candles_rebuilt RENAME TO {table}")
