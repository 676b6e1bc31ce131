"""Files of the older collector, which had only the promised columns: taken over with their rows.

Rows go from its tables, renamed out of the way, into ours; a row that cannot be understood ends it, and nothing is
changed. The statements are those of the schema's first versions and stay as they are.
"""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime

from perpscope.errors import StoreError
from perpscope.model.instrument import instrument_id
from perpscope.model.market import Completeness, PositionSide, Sampling
from perpscope.stores.rows import HOUR_NS, MINUTE_NS, Row, text_of

_EVENTS = {"id", "symbol", "side", "size", "price", "lpi", "timestamp", "created_at"}
_INTENSITY = {"symbol", "side", "total_size", "avg_lpi", "event_count", "period_start", "period_end"}
_AGGREGATES = _INTENSITY | {"avg_price"}
_QUOTES = ("USDT", "USDC", "BUSD")
_POSITION = {"SELL": PositionSide.LONG, "BUY": PositionSide.SHORT}
_VENUE = "binance"

_AGGREGATE_ALL = f"""
INSERT INTO liquidation_aggregates (symbol, side, total_size, avg_price, avg_lpi, event_count, period_start, period_end,
    venue, ts_start, total_notional_usd)
SELECT symbol, side, sum(size), coalesce(sum(size * price) / nullif(sum(size), 0), avg(price)), avg(lpi), count(*),
    strftime('%Y-%m-%d %H:%M:%S.000', ts_event / {MINUTE_NS} * 60, 'unixepoch'),
    strftime('%Y-%m-%d %H:%M:%S.000', ts_event / {MINUTE_NS} * 60 + 60, 'unixepoch'),
    venue, ts_event / {MINUTE_NS} * {MINUTE_NS}, sum(size * price)
FROM liquidation_events GROUP BY venue, symbol, side, ts_event / {MINUTE_NS}
"""  # noqa: S608 -- numbers only


def is_legacy(connection: sqlite3.Connection) -> bool:
    """True for a file of the older collector: its table, with its columns and none of ours."""
    return columns(connection, "liquidation_events") == _EVENTS


def columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """The names of a table's columns; none if there is no such table."""
    return {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def set_aside(connection: sqlite3.Connection) -> bool:
    """Rename the tables of version 1 out of the way; True if there were minutes among them."""
    connection.execute("ALTER TABLE liquidation_events RENAME TO legacy_events")
    has_aggregates = columns(connection, "liquidation_aggregates") >= _AGGREGATES
    if has_aggregates:
        connection.execute("ALTER TABLE liquidation_aggregates RENAME TO legacy_aggregates")
    return has_aggregates


def set_hours_aside(connection: sqlite3.Connection) -> bool:
    """Rename the older collector's table of hours out of the way; True if there is one."""
    found = columns(connection, "liquidation_intensity") >= _INTENSITY
    if found:
        connection.execute("ALTER TABLE liquidation_intensity RENAME TO legacy_intensity")
    return found


def adopt_events(connection: sqlite3.Connection) -> None:
    """Bring over liquidations. Which of an order's prices `price` was is not known; it is read as the fill price.

    Raises:
        StoreError: a row cannot be read.
    """
    connection.executemany(
        "INSERT INTO liquidation_events (id, symbol, side, size, price, lpi, timestamp, created_at, venue, instrument,"
        " position_side, ts_event, ts_recv, fill_price, completeness, sampling, venue_key)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        _events(connection),
    )
    connection.execute("DROP TABLE legacy_events")
    connection.execute(_AGGREGATE_ALL)


def _events(connection: sqlite3.Connection) -> Iterator[Row]:
    rows = connection.execute("SELECT id, symbol, side, size, price, lpi, timestamp, created_at FROM legacy_events")
    for number, symbol, side, size, price, lpi, timestamp, created_at in rows:
        ts_event = _time("liquidation_events", number, timestamp)
        if side not in _POSITION:
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
            _VENUE,
            _instrument(symbol),
            _POSITION[side].value,
            ts_event,
            ts_event,
            price,
            Completeness.SAMPLED.value,
            Sampling.UNKNOWN.value,
            f"legacy|{number}",
        )


def adopt_aggregates(connection: sqlite3.Connection) -> None:
    """Bring over minutes whose events are gone; the others were reckoned anew.

    Raises:
        StoreError: a row cannot be read.
    """
    connection.executemany(
        "INSERT INTO liquidation_aggregates (symbol, side, total_size, avg_price, avg_lpi, event_count, period_start,"
        " period_end, venue, ts_start, total_notional_usd) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (venue, symbol, side, ts_start) DO NOTHING",
        _aggregates(connection),
    )
    connection.execute("DROP TABLE legacy_aggregates")


def _aggregates(connection: sqlite3.Connection) -> Iterator[Row]:
    rows = connection.execute(
        "SELECT rowid, symbol, side, total_size, avg_price, avg_lpi, event_count, period_start FROM legacy_aggregates"
    )
    for number, symbol, side, total_size, avg_price, avg_lpi, event_count, period_start in rows:
        ts = _time("liquidation_aggregates", number, period_start)
        ts_start = ts - ts % MINUTE_NS
        period = (text_of(ts_start), text_of(ts_start + MINUTE_NS))
        notional = total_size * avg_price
        yield (symbol, side, total_size, avg_price, avg_lpi, event_count, *period, _VENUE, ts_start, notional)


def adopt_hours(connection: sqlite3.Connection) -> None:
    """Bring over hours of which neither events nor minutes are left; without a price, they have no dollars.

    Raises:
        StoreError: a row cannot be read.
    """
    connection.executemany(
        "INSERT INTO liquidation_intensity (symbol, side, total_size, avg_lpi, event_count, period_start, period_end,"
        " venue, ts_start) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (venue, symbol, side, ts_start) DO NOTHING",
        _hours(connection),
    )
    connection.execute("DROP TABLE legacy_intensity")


def _hours(connection: sqlite3.Connection) -> Iterator[Row]:
    rows = connection.execute(
        "SELECT rowid, symbol, side, total_size, avg_lpi, event_count, period_start FROM legacy_intensity"
    )
    for number, symbol, side, total_size, avg_lpi, event_count, period_start in rows:
        ts = _time("liquidation_intensity", number, period_start)
        ts_start = ts - ts % HOUR_NS
        period = (text_of(ts_start), text_of(ts_start + HOUR_NS))
        yield (symbol, side, total_size, avg_lpi, event_count, *period, _VENUE, ts_start)


def _time(table: str, number: int, text: object) -> int:
    """Read a time as Python's adapters and SQLite write it; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise _unreadable(table, number, "time", text) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole_seconds = int(moment.replace(microsecond=0).timestamp())
    return (whole_seconds * 1_000_000 + moment.microsecond) * 1000


def _instrument(symbol: str) -> str:
    """Name an instrument as Binance's USD-M symbols spell it: BTCUSDT, or BTCUSDT_251226 for a dated contract."""
    pair, _, expiry = symbol.partition("_")
    for quote in _QUOTES:
        if pair.endswith(quote):
            return instrument_id(_VENUE, pair.removesuffix(quote), quote, expiry or None)
    return f"{symbol}.{_VENUE.upper()}"


def _unreadable(table: str, number: int, what: str, value: object) -> StoreError:
    return StoreError(
        "store-corrupt",
        f"row {number} of {table} has {what} {value!r}, so this older database cannot be taken over",
        hint="mend or delete that row, or choose another file with --db",
    )
