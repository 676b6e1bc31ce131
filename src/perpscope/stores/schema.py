"""The tables, as a list of migrations that only grows; `PRAGMA user_version` counts those a file has been through.

The names and columns of `liquidation_events`, `liquidation_aggregates`, `candles_*` and `premium_index` are promised to
people who query them; ours are added to the right. Times are int ns UTC (`ts_…`) beside UTC text. A file of the older
collector, which had only the promised columns, is adopted with its rows.
"""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from perpscope.errors import StoreError
from perpscope.model.instrument import instrument_id
from perpscope.model.market import Completeness, PositionSide, Sampling
from perpscope.stores.rows import MINUTE_NS, Row, text_of
from perpscope.stores.statements import AGGREGATE_ALL

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

_LEGACY_EVENTS = {"id", "symbol", "side", "size", "price", "lpi", "timestamp", "created_at"}
_LEGACY_AGGREGATES = {
    "symbol",
    "side",
    "total_size",
    "avg_price",
    "avg_lpi",
    "event_count",
    "period_start",
    "period_end",
}
_LEGACY_QUOTES = ("USDT", "USDC", "BUSD")
_LEGACY_POSITION = {"SELL": PositionSide.LONG, "BUY": PositionSide.SHORT}
_LEGACY_VENUE = "binance"


def is_legacy(connection: sqlite3.Connection) -> bool:
    """True for a file of the older collector: its table, with its columns and none of ours."""
    return _columns(connection, "liquidation_events") == _LEGACY_EVENTS


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def _create(connection: sqlite3.Connection) -> None:
    """Make the tables, and bring over what an older collector left.

    Raises:
        StoreError: a row of the older collector cannot be read; nothing was changed.
    """
    adopted = is_legacy(connection)
    has_aggregates = False
    if adopted:
        connection.execute("ALTER TABLE liquidation_events RENAME TO legacy_events")
        has_aggregates = _columns(connection, "liquidation_aggregates") >= _LEGACY_AGGREGATES
    if has_aggregates:
        connection.execute("ALTER TABLE liquidation_aggregates RENAME TO legacy_aggregates")
    for statement in _TABLES:
        connection.execute(statement)
    if adopted:
        _adopt_events(connection)
    if has_aggregates:
        _adopt_aggregates(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _adopt_events(connection: sqlite3.Connection) -> None:
    """Bring over liquidations. Which of an order's prices `price` was is not known; it is read as the fill price."""
    connection.executemany(
        "INSERT INTO liquidation_events (id, symbol, side, size, price, lpi, timestamp, created_at, venue, instrument,"
        " position_side, ts_event, ts_recv, fill_price, completeness, sampling, venue_key)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        _legacy_events(connection),
    )
    connection.execute("DROP TABLE legacy_events")
    connection.execute(AGGREGATE_ALL)


def _legacy_events(connection: sqlite3.Connection) -> Iterator[Row]:
    rows = connection.execute("SELECT id, symbol, side, size, price, lpi, timestamp, created_at FROM legacy_events")
    for number, symbol, side, size, price, lpi, timestamp, created_at in rows:
        ts_event = _legacy_time("liquidation_events", number, timestamp)
        if side not in _LEGACY_POSITION:
            raise _unreadable("liquidation_events", number, "side", side)
        yield (
            number,
            symbol,
            side,
            size,
            price,
            lpi,
            text_of(ts_event),
            created_at,
            _LEGACY_VENUE,
            _legacy_instrument(symbol),
            _LEGACY_POSITION[side].value,
            ts_event,
            ts_event,
            price,
            Completeness.SAMPLED.value,
            Sampling.UNKNOWN.value,
            f"legacy|{number}",
        )


def _adopt_aggregates(connection: sqlite3.Connection) -> None:
    """Bring over minutes whose events are gone; the others were reckoned anew."""
    connection.executemany(
        "INSERT INTO liquidation_aggregates (symbol, side, total_size, avg_price, avg_lpi, event_count, period_start,"
        " period_end, venue, ts_start, total_notional_usd) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (venue, symbol, side, ts_start) DO NOTHING",
        _legacy_aggregates(connection),
    )
    connection.execute("DROP TABLE legacy_aggregates")


def _legacy_aggregates(connection: sqlite3.Connection) -> Iterator[Row]:
    rows = connection.execute(
        "SELECT rowid, symbol, side, total_size, avg_price, avg_lpi, event_count, period_start FROM legacy_aggregates"
    )
    for number, symbol, side, total_size, avg_price, avg_lpi, event_count, period_start in rows:
        ts = _legacy_time("liquidation_aggregates", number, period_start)
        ts_start = ts - ts % MINUTE_NS
        period = (text_of(ts_start), text_of(ts_start + MINUTE_NS))
        notional = total_size * avg_price
        yield (symbol, side, total_size, avg_price, avg_lpi, event_count, *period, _LEGACY_VENUE, ts_start, notional)


def _legacy_time(table: str, number: int, text: object) -> int:
    """Read a time as Python's adapters and SQLite write it; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise _unreadable(table, number, "time", text) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole_seconds = int(moment.replace(microsecond=0).timestamp())
    return (whole_seconds * 1_000_000 + moment.microsecond) * 1000


def _legacy_instrument(symbol: str) -> str:
    """Name an instrument as Binance's USD-M symbols spell it: BTCUSDT, or BTCUSDT_251226 for a dated contract."""
    pair, _, expiry = symbol.partition("_")
    for quote in _LEGACY_QUOTES:
        if pair.endswith(quote):
            return instrument_id(_LEGACY_VENUE, pair.removesuffix(quote), quote, expiry or None)
    return f"{symbol}.{_LEGACY_VENUE.upper()}"


def _unreadable(table: str, number: int, what: str, value: object) -> StoreError:
    return StoreError(
        "store-corrupt",
        f"row {number} of {table} has {what} {value!r}, so this older database cannot be taken over",
        hint="mend or delete that row, or choose another file with --db",
    )


#: In order; a file with `user_version` n has been through the first n. Never edit one that was released: add another.
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_create,)


def version_of(connection: sqlite3.Connection) -> int:
    """How many migrations a file has been through."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file up to date, each migration in a transaction of its own.

    Raises:
        StoreError: the file holds what cannot be taken over; it is as it was.
    """
    for version in range(version_of(connection), len(MIGRATIONS)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            MIGRATIONS[version](connection)
            connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
