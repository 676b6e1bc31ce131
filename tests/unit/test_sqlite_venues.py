"""The migration for several venues, and what becomes of its tables in upkeep."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.contract.store_events import (
    BTC,
    ETH,
    KPEPE,
    MINUTE,
    NOON,
    TIERS,
    at,
    candle,
    contract,
    liquidation,
    mark,
    open_interest,
    position,
    ratio,
    taker_volume,
    tick,
)

from perpscope.model.market import Interval
from perpscope.stores import schema
from perpscope.stores.export import TABLES, rows_of
from perpscope.stores.footprint import measure
from perpscope.stores.known import KnownLiquidations, without_prices
from perpscope.stores.retention import count_older, sweep
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import StoreKind

VERSION_BEFORE = 2
TOLD = ("open_interest", "long_short_ratio", "taker_volume", "public_positions", "public_position_history")


def open_store(path: Path) -> SqliteStore:
    """Open for writing."""
    return SqliteStore.open(path, kind=StoreKind.OBSERVED)


def make_before(path: Path) -> None:
    """A store as the version for one venue left it: a candle of each interval, a mark price, an instrument."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for migration in schema.MIGRATIONS[:VERSION_BEFORE]:
            migration(connection)
        connection.execute(f"PRAGMA user_version = {VERSION_BEFORE}")
        connection.execute("INSERT INTO meta VALUES ('kind', 'observed')")
        named = ("binance", "BTCUSDT", BTC.id, "2024-08-08 12:00:00.000", NOON)
        for interval in Interval:
            ts = NOON + interval.ns
            figures = (1.0, 3.0, 0.5, 2.0, 10.0, 20.0, 7, 4.0, 8.0, ts, ts + 1)
            connection.execute(f"INSERT INTO candles_{interval.value} VALUES ({'?, ' * 15}?)", (*named, *figures))
        prices = (60_000.0, 60_001.0, 0.0001, at(4 * 3600), NOON, NOON + 1)
        connection.execute(f"INSERT INTO premium_index VALUES ({'?, ' * 10}?)", (*named, *prices))
        terms = (BTC.id, "binance", "BTCUSDT", "BTC", "USDT", None, "linear")
        connection.execute(f"INSERT INTO instruments VALUES ({'?, ' * 6}?)", terms)


def fill(path: Path, minutes: int) -> None:
    """Something of everything venues tell of their traders and contracts, for each of some minutes after noon."""
    with closing(open_store(path)) as store:
        store.register([BTC, ETH, KPEPE], at(0))
        store.register_tiers({BTC.id: TIERS}, source="venue", ts_from=at(0))
        for minute in range(minutes):
            for event in (open_interest, ratio, taker_volume, position):
                store.sink().accept(event(60.0 * minute))
        store.sink().accept(position(5, account="0xb2", price=None))
        store.sink().accept(ratio(6, 1.0))
        store.sink().accept(tick(60.0 * minutes))


def test_a_store_of_one_venue_is_brought_up_to_date(tmp_path: Path) -> None:
    """Every row stays what it was; the next one need not have everything."""
    path = tmp_path / "market.db"
    make_before(path)
    bare = msgspec.structs.replace(candle(60), quote_volume=None, trades=None, taker_buy_volume=None)
    with closing(open_store(path)) as store:
        with SqliteReader.open(path) as reader:
            assert reader.instruments() == [BTC]
            assert reader.instrument_versions(BTC.id) == []  # nobody said since when
        store.register([msgspec.structs.replace(BTC, max_leverage=125.0)], at(1))
        store.sink().accept(bare)
    with SqliteReader.open(path) as reader:
        for interval in (Interval.M15, Interval.H1):
            assert reader.candles(BTC.id, interval) == [candle(0, interval=interval)]
        assert reader.candles(BTC.id, Interval.M1) == [candle(0), bare]
        assert reader.marks(BTC.id) == [mark(0)]
        assert [told.max_leverage for told in reader.instruments()] == [125.0]
        assert [version.ts_from for version in reader.instrument_versions(BTC.id)] == [at(1)]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        names = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info('candles_1m')")]
        assert names[:5] == ["venue", "symbol", "instrument", "timestamp", "ts_open"]


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """All of it or nothing: a table that is in the way is found with everything else in its place."""
    path = tmp_path / "market.db"
    make_before(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE instrument_versions (id TEXT)")
        connection.commit()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="already exists"):
            schema.migrate(connection)
        assert schema.version_of(connection) == VERSION_BEFORE
        assert connection.execute("SELECT count(*) FROM candles_1m").fetchone() == (1,)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        assert not tables & {"open_interest", "candles_rebuilt"}


def test_promised_columns_of_what_is_told_of_traders(tmp_path: Path) -> None:
    """Keeps S2-47, S2-48, S2-58. The promised tables, with the names every other table has."""
    path = tmp_path / "market.db"
    fill(path, 1)
    with closing(sqlite3.connect(path)) as connection:
        row = connection.execute(
            "SELECT venue, symbol, instrument, timestamp, open_interest, open_interest_usd, ts_event FROM open_interest"
        ).fetchone()
        assert row == ("binance", "BTCUSDT", BTC.id, "2024-08-08 12:00:00.000", 5.0, 10.0, NOON)
        rows = connection.execute(
            "SELECT timestamp, kind, period_s, long_fraction, long_short_ratio FROM long_short_ratio ORDER BY ts_event"
        ).fetchall()
        assert rows[0][:4] == ("2024-08-08 12:00:00.000", "all_accounts", 300, 0.6)
        assert rows[0][4] == pytest.approx(1.5)  # 0.6 / 0.4
        assert rows[1][3:] == (1.0, None)
        row = connection.execute("SELECT buy_volume, sell_volume FROM taker_volume").fetchone()
        assert row == (7.0, 6.0)
        row = connection.execute(
            "SELECT tick_size, step_size, coin FROM instruments WHERE venue <> 'binance'"
        ).fetchone()
        assert row == ("0.0000001", "10", "PEPE")


def test_reading_a_symbol_uses_the_key(tmp_path: Path) -> None:
    """A venue's symbol and an account's history are found without walking through the table."""
    open_store(tmp_path / "market.db").close()
    of_symbol = "WHERE venue = 'v' AND symbol = 's'"
    queries = [
        f"SELECT * FROM open_interest {of_symbol} AND ts_minute >= 5 ORDER BY ts_minute DESC LIMIT 9",
        f"SELECT * FROM long_short_ratio {of_symbol} AND ts_event >= 5 LIMIT 9",
        f"SELECT * FROM taker_volume {of_symbol} AND ts_event >= 5 LIMIT 9",
        "SELECT * FROM public_position_history WHERE account = 'a' ORDER BY ts_minute DESC LIMIT 9",
    ]
    with closing(sqlite3.connect(tmp_path / "market.db")) as connection:
        for query in queries:
            plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
            assert "SEARCH" in plan
            assert "TEMP B-TREE" not in plan


def test_what_traders_held_grows_old(tmp_path: Path) -> None:
    """Minutes that lie before the instant go, and what ended before it; a position seen no more goes too."""
    path = tmp_path / "market.db"
    fill(path, 10)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        cutoff = at(300)
        counted = count_older(connection, cutoff)
        *_, swept = sweep(connection, cutoff)
        assert [counted.rows[table] for table in TOLD] == [swept.rows[table] for table in TOLD] == [5, 6, 5, 1, 6]
        assert connection.execute("SELECT min(ts_minute) FROM open_interest").fetchone() == (cutoff,)
        assert connection.execute("SELECT min(ts_event) FROM long_short_ratio").fetchone() == (cutoff,)
        assert connection.execute("SELECT count(*) FROM margin_tiers").fetchone() == (len(TIERS),)
    with SqliteReader.open(path) as reader:
        assert [held.account for held in reader.public_positions()] == ["0xa1"]


def test_what_traders_held_is_measured_and_exported(tmp_path: Path) -> None:
    """Every table that grows is in the footprint with its growth, and can be written out."""
    path = tmp_path / "market.db"
    fill(path, 61)
    sizes = {table.name: table for table in measure(path, at(61 * 60)).tables}
    assert all(sizes[table].rows_per_day for table in TOLD)
    assert sizes["margin_tiers"].rows_per_day is None
    assert {*TOLD, "margin_tiers"} <= set(TABLES)
    columns, rows = rows_of(path, "margin_tiers", symbol="BTCUSDT")
    told = [dict(zip(columns, row, strict=True)) for row in rows]
    assert [(row["tier"], row["ts_from"], row["cap"], row["basis"]) for row in told] == [
        (1, "2024-08-08T12:00:00.000Z", 50_000.0, "notional"),
        (2, "2024-08-08T12:00:00.000Z", None, "size"),
    ]
    _, rows = rows_of(path, "long_short_ratio", since_ns=at(60 * 60))
    assert len(list(rows)) == 1


def test_the_venues_id_ends_the_key_and_old_keys_stay(tmp_path: Path) -> None:
    """Without an id the key is what it was; an import that tells no id still knows the liquidation again."""
    path = tmp_path / "market.db"
    named = msgspec.structs.replace(liquidation(1), venue_id="77")
    with closing(open_store(path)) as store:
        store.register([BTC])
        store.sink().accept(liquidation(0))
        store.sink().accept(named)
    with closing(sqlite3.connect(path)) as connection:
        keys = [key for (key,) in connection.execute("SELECT venue_key FROM liquidation_events ORDER BY ts_event")]
    values = "BTCUSDT|SELL|1.0|60000.0|59999.0"
    assert keys == [f"{at(0)}|{values}", f"{at(1)}|{values}|77"]
    with closing(KnownLiquidations.open(path)) as known:
        assert known.prices_of(without_prices(liquidation(1), "binance", "BTCUSDT")) == [(60_000.0, 59_999.0)]


@pytest.mark.parametrize(
    "say",
    [
        pytest.param(lambda store: store.register([BTC], at(1)), id="catalogue"),
        pytest.param(lambda store: store.register_tiers({BTC.id: TIERS}, source="venue", ts_from=at(1)), id="tiers"),
        pytest.param(lambda store: store.sink().accept(contract(1, is_trading=True, tiers=TIERS)), id="stream"),
    ],
)
def test_a_word_that_is_in_force_writes_nothing(say: Callable[[SqliteStore], None], tmp_path: Path) -> None:
    """However often a catalogue is fetched, the file does not grow by it."""
    path = tmp_path / "market.db"
    with closing(open_store(path)) as store:
        store.register([BTC], at(0))
        for source in ("venue", "stream"):
            store.register_tiers({BTC.id: TIERS}, source=source, ts_from=at(0))
    with closing(open_store(path)) as store:
        say(store)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM instrument_versions").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM margin_tiers").fetchone() == (2 * len(TIERS),)


def test_the_newest_of_a_minute_stays_across_batches(tmp_path: Path) -> None:
    """One row a minute, whatever is committed when; the history of a position is by its own time."""
    path = tmp_path / "market.db"
    with closing(open_store(path)) as store:
        for number in range(6):
            store.sink().accept(position(59 + number, 1.0 + number))
            store.sink().accept(tick(70 + number))
            store.flush()
    with SqliteReader.open(path) as reader:
        assert [held.ts_event for held in reader.position_history("0xa1")] == [at(59), at(64)]
    with closing(sqlite3.connect(path)) as connection:
        minutes = connection.execute("SELECT ts_minute FROM public_position_history ORDER BY 1").fetchall()
    assert minutes == [(NOON,), (NOON + MINUTE,)]
