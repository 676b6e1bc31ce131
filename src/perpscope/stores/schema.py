"""The tables, as a list of migrations that only grows; `PRAGMA user_version` counts those a file has been through.

The names and columns of `liquidation_events`, `liquidation_aggregates`, `candles_*` and `premium_index`, and the names
`open_interest` and `long_short_ratio`, are promised to people who query them; ours are added to the right. Times are
int ns UTC (`ts_…`) beside UTC text. A file of the older collector, which had only the promised columns, is adopted with
its rows (`legacy`).
"""

import sqlite3
from collections.abc import Callable

from perpscope.stores import legacy
from perpscope.stores.rows import MINUTE_NS
from perpscope.stores.schema_coverage import add_sources
from perpscope.stores.schema_signals import add_signals
from perpscope.stores.schema_venues import add_venues

#: `PRAGMA application_id` of our files: "pscp" in ASCII.
APPLICATION_ID = 0x70736370

_CANDLES = """CREATE TABLE {table} (
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    instrument TEXT NOT NULL,
    timestamp DATETIME NOT NULL,            -- of ts_open
    ts_open INTEGER NOT NULL,
    open REAL NOT NULL, high REAL NOT NULL, low REAL NOT NULL, close REAL NOT NULL,
    volume REAL NOT NULL,                   -- base units
    quote_volume REAL NOT NULL,
    trades INTEGER NOT NULL,
    taker_buy_volume REAL NOT NULL,
    taker_buy_quote_volume REAL NOT NULL,
    ts_event INTEGER NOT NULL,
    ts_recv INTEGER NOT NULL,
    PRIMARY KEY (venue, symbol, ts_open)
) WITHOUT ROWID"""

_TABLES = (
    """CREATE TABLE liquidation_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,                     -- of the order: BUY = a short was liquidated, SELL = a long
    size REAL NOT NULL,                     -- base units
    price REAL NOT NULL,                    -- fill price, else bankruptcy price
    lpi REAL,
    timestamp DATETIME NOT NULL,            -- of ts_event
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    venue TEXT NOT NULL,
    instrument TEXT NOT NULL,
    position_side TEXT NOT NULL,
    ts_event INTEGER NOT NULL,
    ts_recv INTEGER NOT NULL,
    fill_price REAL,
    bankruptcy_price REAL,
    completeness TEXT NOT NULL,
    sampling TEXT NOT NULL,
    lpi_bps REAL,
    venue_key TEXT NOT NULL
)""",
    "CREATE UNIQUE INDEX liquidation_events_key ON liquidation_events (venue, venue_key)",
    "CREATE INDEX liquidation_events_time ON liquidation_events (ts_event)",
    "CREATE INDEX liquidation_events_symbol ON liquidation_events (symbol, ts_event)",
    "CREATE INDEX liquidation_events_group ON liquidation_events (venue, symbol, side, ts_event)",
    """CREATE TABLE liquidation_aggregates (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,                     -- of the order
    total_size REAL NOT NULL,               -- base units
    avg_price REAL NOT NULL,                -- weighted by size
    avg_lpi REAL,
    event_count INTEGER NOT NULL,
    period_start DATETIME NOT NULL,         -- of ts_start
    period_end DATETIME NOT NULL,           -- one minute later; not included
    venue TEXT NOT NULL,
    ts_start INTEGER NOT NULL,
    total_notional_usd REAL NOT NULL
)""",
    "CREATE UNIQUE INDEX liquidation_aggregates_key ON liquidation_aggregates (venue, symbol, side, ts_start)",
    "CREATE INDEX liquidation_aggregates_time ON liquidation_aggregates (ts_start)",
    _CANDLES.format(table="candles_1m"),
    _CANDLES.format(table="candles_15m"),
    _CANDLES.format(table="candles_1h"),
    """CREATE TABLE premium_index (
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    instrument TEXT NOT NULL,
    timestamp DATETIME NOT NULL,            -- of ts_minute
    ts_minute INTEGER NOT NULL,
    mark_price REAL NOT NULL,
    index_price REAL,
    funding_rate REAL,                      -- fraction per interval
    next_funding_time INTEGER,              -- ns UTC
    ts_event INTEGER NOT NULL,
    ts_recv INTEGER NOT NULL,
    PRIMARY KEY (venue, symbol, ts_minute)
) WITHOUT ROWID""",
    """CREATE TABLE coverage (
    id INTEGER PRIMARY KEY,
    venue TEXT NOT NULL,
    channel TEXT NOT NULL,
    instrument TEXT,                        -- NULL = every instrument
    kind TEXT NOT NULL CHECK (kind IN ('covered', 'gap')),
    ts_from INTEGER NOT NULL,
    ts_to INTEGER,                          -- NULL = a gap that lasts
    is_open INTEGER NOT NULL,
    connection TEXT,
    cause TEXT
)""",
    "CREATE UNIQUE INDEX coverage_key ON coverage (venue, channel, coalesce(instrument, ''), kind, ts_from)",
    "CREATE INDEX coverage_open ON coverage (kind) WHERE is_open",
    """CREATE TABLE feeds (
    venue TEXT NOT NULL,
    channel TEXT NOT NULL,
    state TEXT NOT NULL,
    ts_last INTEGER,
    events INTEGER NOT NULL,
    gaps INTEGER NOT NULL,
    PRIMARY KEY (venue, channel)
) WITHOUT ROWID""",
    """CREATE TABLE heart (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    pid INTEGER NOT NULL,
    ts_market INTEGER NOT NULL,
    ts_wall INTEGER NOT NULL,
    rate REAL NOT NULL,
    is_running INTEGER NOT NULL
)""",
    """CREATE TABLE instruments (
    id TEXT PRIMARY KEY,
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,
    base TEXT NOT NULL,
    quote TEXT NOT NULL,
    expiry TEXT,
    contract TEXT NOT NULL
) WITHOUT ROWID""",
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)


def _create(connection: sqlite3.Connection) -> None:
    """Make the tables, and bring over what an older collector left.

    Raises:
        StoreError: a row of the older collector cannot be read; nothing was changed.
    """
    adopted = legacy.is_legacy(connection)
    has_aggregates = adopted and legacy.set_aside(connection)
    for statement in _TABLES:
        connection.execute(statement)
    if adopted:
        legacy.adopt_events(connection)
    if has_aggregates:
        legacy.adopt_aggregates(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


#: LPI of each liquidation, of each minute (weighted by dollars, plain, and over how many and how much), and hours.
_LPI = (
    "ALTER TABLE liquidation_events ADD COLUMN lpi_reference_price REAL",
    "ALTER TABLE liquidation_events ADD COLUMN lpi_sample INTEGER",
    "ALTER TABLE liquidation_aggregates ADD COLUMN mean_lpi REAL",
    "ALTER TABLE liquidation_aggregates ADD COLUMN lpi_count INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE liquidation_aggregates ADD COLUMN lpi_notional_usd REAL NOT NULL DEFAULT 0",
    """CREATE TABLE liquidation_intensity (
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,                     -- of the order
    total_size REAL NOT NULL,               -- base units
    avg_lpi REAL,                           -- weighted by dollars, over events that have one
    event_count INTEGER NOT NULL,
    period_start DATETIME NOT NULL,         -- of ts_start
    period_end DATETIME NOT NULL,           -- one hour later; not included
    venue TEXT NOT NULL,
    ts_start INTEGER NOT NULL,
    avg_price REAL,                         -- weighted by size
    total_notional_usd REAL,                -- observed; NULL only for hours of the older collector
    mean_lpi REAL,
    lpi_count INTEGER NOT NULL DEFAULT 0,   -- events with an LPI
    lpi_notional_usd REAL NOT NULL DEFAULT 0,
    intensity REAL,                         -- percentile of total_notional_usd among the hours before, 0-100
    hours_known INTEGER NOT NULL DEFAULT 0, -- among how many
    PRIMARY KEY (venue, symbol, side, ts_start)
) WITHOUT ROWID""",
    "CREATE INDEX liquidation_intensity_time ON liquidation_intensity (ts_start)",
)
_HOUR_NS = 60 * MINUTE_NS
_HOURS_OF_MINUTES = f"""
INSERT INTO liquidation_intensity (symbol, side, total_size, event_count, period_start, period_end, venue, ts_start,
    avg_price, total_notional_usd)
SELECT symbol, side, sum(total_size), sum(event_count),
    strftime('%Y-%m-%d %H:%M:%S.000', ts_start / {_HOUR_NS} * 3600, 'unixepoch'),
    strftime('%Y-%m-%d %H:%M:%S.000', ts_start / {_HOUR_NS} * 3600 + 3600, 'unixepoch'),
    venue, ts_start / {_HOUR_NS} * {_HOUR_NS},
    coalesce(sum(total_notional_usd) / nullif(sum(total_size), 0), avg(avg_price)), sum(total_notional_usd)
FROM liquidation_aggregates GROUP BY venue, symbol, side, ts_start / {_HOUR_NS}
"""  # noqa: S608 -- numbers only
_RANK_HOURS = f"""
UPDATE liquidation_intensity AS hour SET (hours_known, intensity) = (
    SELECT count(*), iif(count(*) >= 24, 100.0 * (sum(past.total_notional_usd < hour.total_notional_usd)
        + 0.5 * sum(past.total_notional_usd = hour.total_notional_usd)) / count(*), NULL)
    FROM liquidation_intensity AS past
    WHERE past.venue = hour.venue AND past.symbol = hour.symbol AND past.side = hour.side
        AND past.ts_start >= hour.ts_start - {720 * _HOUR_NS} AND past.ts_start < hour.ts_start
        AND past.total_notional_usd IS NOT NULL)
"""  # noqa: S608 -- numbers only


def _add_lpi(connection: sqlite3.Connection) -> None:
    """Columns for LPI, and the hours of what is there; an older collector's own hours stay where nothing else is left.

    Raises:
        StoreError: a row of the older collector cannot be read; nothing was changed.
    """
    has_hours = legacy.set_hours_aside(connection)
    for statement in _LPI:
        connection.execute(statement)
    connection.execute(_HOURS_OF_MINUTES)
    if has_hours:
        legacy.adopt_hours(connection)
    connection.execute(_RANK_HOURS)


#: In order; a file with `user_version` n has been through the first n. Never edit one that was released: add another.
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    *(_create, _add_lpi, add_venues, add_sources, add_signals),
)


def version_of(connection: sqlite3.Connection) -> int:
    """How many migrations a file has been through."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file up to date, each migration in a transaction of its own.

    A new file is made in one: whoever reads it meanwhile finds nothing, or all of it.

    Raises:
        StoreError: the file holds what cannot be taken over; it is as it was.
    """
    version = version_of(connection)
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    while version < len(MIGRATIONS):
        reached = version + 1 if tables else len(MIGRATIONS)
        connection.execute("BEGIN IMMEDIATE")
        try:
            for migration in MIGRATIONS[version:reached]:
                migration(connection)
            connection.execute(f"PRAGMA user_version = {reached}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        version = reached
