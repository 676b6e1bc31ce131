"""LPI and hours in the SQLite file: older files brought up to date, and sums reckoned anew."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.contract.store_events import BTC, ETH, HOUR, MINUTE, NOON, at, liquidation, tick

from perpscope.errors import StoreError
from perpscope.model.market import Liquidation, Lpi, PositionSide
from perpscope.stores import aggregates, schema
from perpscope.stores.rows import text_of
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import StoreKind

#: What version 1 wrote for a liquidation and for its minute.
_EVENT = """INSERT INTO liquidation_events (symbol, side, size, price, timestamp, venue, instrument, position_side,
    ts_event, ts_recv, fill_price, bankruptcy_price, completeness, sampling, venue_key)
    VALUES (?, 'SELL', ?, ?, ?, 'binance', ?, 'LONG', ?, ?, ?, NULL, 'sampled', 'unknown', ?)"""
_MINUTE = """INSERT INTO liquidation_aggregates (symbol, side, total_size, avg_price, event_count, period_start,
    period_end, venue, ts_start, total_notional_usd) VALUES (?, 'SELL', ?, ?, 1, ?, ?, 'binance', ?, ?)"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store goes."""
    return tmp_path / "market.db"


def open_store(path: Path) -> SqliteStore:
    """Open for writing."""
    store = SqliteStore.open(path, kind=StoreKind.OBSERVED)
    store.register([BTC, ETH])
    return store


def write(path: Path, *events: Liquidation) -> None:
    """One run."""
    with closing(open_store(path)) as store:
        for event in events:
            store.sink().accept(event)


def version_1(path: Path, hours: int) -> None:
    """A file of version 1 with a liquidation of BTC in each of so many hours, each larger than the one before."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        schema.MIGRATIONS[0](connection)
        connection.execute("PRAGMA user_version = 1")
        connection.execute("INSERT INTO meta VALUES ('kind', 'observed')")
        for hour in range(hours):
            ts, size = at(3600 * hour + 1), 1.0 + hour
            key = f"{ts}|BTCUSDT|SELL|{size!r}|2.0|None"
            connection.execute(_EVENT, ("BTCUSDT", size, 2.0, text_of(ts), BTC.id, ts, ts, 2.0, key))
            start = at(3600 * hour)
            period = (text_of(start), text_of(start + MINUTE))
            connection.execute(_MINUTE, ("BTCUSDT", size, 2.0, *period, start, 2.0 * size))


def dump(path: Path) -> list[str]:
    """Everything in a file."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_a_file_of_version_1_is_brought_up_to_date(path: Path) -> None:
    """Its rows stay as they were, its hours are the sums of its minutes, it takes new rows. Keeps S1-45, S1-46."""
    version_1(path, 30)
    with pytest.raises(StoreError) as caught:
        SqliteReader.open(path)
    assert caught.value.code == "store-older"
    open_store(path).close()
    with SqliteReader.open(path) as reader:
        assert [event.lpi for event in reader.liquidations()] == [None] * 30
        assert [(row.avg_lpi, row.lpi_count) for row in reader.aggregates()] == [(None, 0)] * 30
        hours = reader.intensity()
        assert [(row.ts_start, row.total_size, row.total_notional_usd, row.avg_price) for row in hours] == [
            (at(3600 * hour), 1.0 + hour, 2.0 + 2 * hour, 2.0) for hour in range(30)
        ]
        assert [(row.hours_known, row.intensity) for row in hours] == [
            (hour, 100.0 if hour >= 24 else None) for hour in range(30)
        ]
    newer = msgspec.structs.replace(liquidation(3600 * 29 + 5, 1.0, 4.0), lpi=Lpi(80.0, 5.0, 4.1, 100))
    write(path, newer)
    with SqliteReader.open(path) as reader:
        assert reader.liquidations()[-1] == newer
        last = reader.intensity()[-1]
        assert (last.event_count, last.total_notional_usd, last.avg_lpi, last.lpi_count) == (2, 64.0, 80.0, 1)


def test_a_migration_is_whole_or_not_at_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails on the way leaves the file of version 1 as it was."""
    version_1(path, 3)
    before = dump(path)
    monkeypatch.setattr(schema, "_RANK_HOURS", "no SQL")
    with pytest.raises(StoreError, match="syntax"):
        open_store(path)
    assert dump(path) == before
    monkeypatch.undo()
    open_store(path).close()
    assert len(dump(path)) > len(before)


def older_collector(path: Path, *hours: str) -> None:
    """A file of the older collector with one liquidation at noon and hours of its own."""
    columns = "symbol TEXT NOT NULL, side TEXT NOT NULL, total_size REAL NOT NULL, avg_lpi REAL, event_count INTEGER"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TABLE liquidation_events (id INTEGER PRIMARY KEY AUTOINCREMENT, symbol TEXT NOT NULL, side TEXT NOT"
            " NULL, size REAL NOT NULL, price REAL NOT NULL, lpi REAL, timestamp DATETIME NOT NULL,"
            " created_at DATETIME DEFAULT CURRENT_TIMESTAMP)"
        )
        connection.execute(
            f"CREATE TABLE liquidation_intensity (id INTEGER PRIMARY KEY, {columns}, period_start, period_end)"
        )
        connection.execute(
            "INSERT INTO liquidation_events (symbol, side, size, price, lpi, timestamp)"
            " VALUES ('BTCUSDT', 'SELL', 2.0, 5.0, 1.5, '2024-08-08 12:00:00')"
        )
        for hour in hours:
            connection.execute(
                "INSERT INTO liquidation_intensity (symbol, side, total_size, avg_lpi, event_count, period_start,"
                f" period_end) VALUES ({hour}, NULL)"
            )
        connection.commit()


@pytest.mark.parametrize("few", [0, 12])
def test_hours_of_the_older_collector(few: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of which nothing else is left stay, without dollars; its LPI is kept and never mixed with ours."""
    monkeypatch.setattr(aggregates, "_FEW_HOURS", few)
    older_collector(
        path,
        "'BTCUSDT', 'SELL', 9.0, 1.5, 9, '2024-08-08 12:00:00'",
        "'BTCUSDT', 'SELL', 3.0, 1.5, 4, '2024-08-08 11:00:00'",
    )
    open_store(path).close()
    write(path, liquidation(3600), liquidation(-1800, 1.0))
    with SqliteReader.open(path) as reader:
        assert reader.liquidations()[1].lpi is None
        rows = [
            (row.ts_start, row.total_size, row.event_count, row.total_notional_usd, row.avg_lpi, row.lpi_count)
            for row in reader.intensity()
        ]
        minutes = [(row.avg_lpi, row.lpi_count) for row in reader.aggregates()]
    assert rows == [
        (NOON - HOUR, 4.0, 5, None, None, 0),
        (NOON, 2.0, 1, 10.0, None, 0),
        (NOON + HOUR, 1.0, 1, 60_000.0, None, 0),
    ]
    assert minutes == [(None, 0)] * 3
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT lpi FROM liquidation_events ORDER BY id").fetchone() == (1.5,)
        kept = connection.execute("SELECT avg_lpi, intensity FROM liquidation_intensity ORDER BY ts_start").fetchall()
        assert kept == [(1.5, None), (None, None), (None, None)]
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        assert "legacy_intensity" not in tables


def test_an_hour_that_cannot_be_understood(path: Path) -> None:
    """The row is named; the events are in, the file still waits for its next version."""
    older_collector(path, "'BTCUSDT', 'SELL', 9.0, NULL, 9, 'noon'")
    with pytest.raises(StoreError, match="row 1 of liquidation_intensity has time 'noon'"):
        open_store(path)
    with closing(sqlite3.connect(path)) as connection:
        assert schema.version_of(connection) == 1
        assert connection.execute("SELECT total_size FROM liquidation_intensity").fetchall() == [(9.0,)]


def hourly(count: int) -> Iterator[Liquidation]:
    """A liquidation of each side in each of so many hours, of varying size."""
    for hour in range(count):
        for side in PositionSide:
            lpi = Lpi(float(hour % 100), 1.0, 2.0, 100) if hour % 3 else None
            event = liquidation(3600 * hour + 59, 1.0 + hour * 7 % 11, 2.0, side=side)
            yield msgspec.structs.replace(event, lpi=lpi)


def everything(path: Path) -> list[object]:
    """Minutes and hours, up to the order of summation."""
    with SqliteReader.open(path) as reader:
        return [reader.aggregates(limit=10_000), reader.intensity(limit=10_000)]


@pytest.mark.parametrize(
    ("ts_from", "ts_to"),
    [
        pytest.param(0, 2**62, id="everything"),
        pytest.param(at(3600 * 5 + 1), at(3600 * 5 + 2), id="a second: the hour it lies in"),
        pytest.param(at(-1e6), at(-1e5), id="before everything"),
        pytest.param(at(1e6), at(1e7), id="after everything"),
        pytest.param(at(3600 * 9), at(3600 * 9), id="nothing"),
    ],
)
def test_rebuilding_what_is_right_changes_nothing(path: Path, ts_from: int, ts_to: int) -> None:
    """Sums reckoned anew are those that grew. Keeps S1-44, S1-45."""
    write(path, *hourly(60))
    before = everything(path)
    with closing(open_store(path)) as store:
        store.sink().accept(tick(1))
        store.rebuild_aggregates(ts_from, ts_to)
    assert everything(path) == before


def test_rebuilding_an_empty_store(path: Path) -> None:
    """There is nothing to do."""
    with closing(open_store(path)) as store:
        store.rebuild_aggregates(0, 2**62)


def test_rebuilding_after_events_were_taken_out(path: Path) -> None:
    """Sums and ranks follow the events that are there; a replay of what was taken out counts once. Keeps S1-45."""
    events = list(hourly(60))
    write(path, *events)
    before = everything(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM liquidation_events WHERE ts_event < ?", (at(3600 * 30),))
        connection.commit()
    with closing(open_store(path)) as store:
        store.rebuild_aggregates(0, at(3600 * 30))
    with SqliteReader.open(path) as reader:
        hours = reader.intensity("BTCUSDT")
    assert [row.hours_known for row in hours[::2]] == list(range(30))
    write(path, *events)
    assert everything(path) == before


def test_a_rebuild_that_fails_is_told(path: Path) -> None:
    """What went wrong is an error of ours, and nothing is left half done."""
    write(path, *hourly(3))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE liquidation_intensity RENAME TO hidden")
    before = dump(path)
    with closing(open_store(path)) as store, pytest.raises(StoreError, match="no such table: liquidation_intensity"):
        store.rebuild_aggregates(0, 2**62)
    assert dump(path) == before


def test_late_hours_are_ranked_both_ways(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One statement for few hours, one pass for many: the same ranks."""
    early, *later = hourly(80)
    for file, few in ((path, 10_000), (path.with_name("other.db"), 0)):
        monkeypatch.setattr(aggregates, "_FEW_HOURS", few)
        write(file, *later)
        write(file, early)
    assert everything(path) == everything(path.with_name("other.db"))
