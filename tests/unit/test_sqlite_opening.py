"""Opening a store: every way it can go wrong has one clear error, and older files are taken over."""

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.contract.store_events import BTC, NOON, at, liquidation, tick

from perpscope.errors import DataError, PerpscopeError, StoreError
from perpscope.model.market import Completeness, Liquidation, PositionSide, Sampling
from perpscope.stores import legacy, schema
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import Aggregate, StoreKind

#: The schema the older collector's documentation promises, word for word in names and types.
LEGACY = (
    """CREATE TABLE liquidation_events (id INTEGER PRIMARY KEY AUTOINCREMENT, symbol TEXT NOT NULL, side TEXT NOT NULL,
    size REAL NOT NULL, price REAL NOT NULL, lpi REAL, timestamp DATETIME NOT NULL,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP)""",
    """CREATE TABLE liquidation_aggregates (id INTEGER PRIMARY KEY AUTOINCREMENT, symbol TEXT NOT NULL,
    side TEXT NOT NULL, total_size REAL NOT NULL, avg_price REAL NOT NULL, avg_lpi REAL, event_count INTEGER NOT NULL,
    period_start DATETIME NOT NULL, period_end DATETIME NOT NULL)""",
    """CREATE TABLE liquidation_intensity (id INTEGER PRIMARY KEY AUTOINCREMENT, symbol TEXT NOT NULL,
    side TEXT NOT NULL, total_size REAL NOT NULL, avg_lpi REAL, event_count INTEGER NOT NULL,
    period_start DATETIME NOT NULL, period_end DATETIME NOT NULL)""",
)


def open_store(path: Path, kind: StoreKind = StoreKind.OBSERVED) -> SqliteStore:
    """Open for writing."""
    return SqliteStore.open(path, kind=kind)


def run_sql(path: Path, *statements: str) -> None:
    """Do something to a file behind the store's back."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def refused(path: Path, *, create: bool = True) -> PerpscopeError:
    """The error a writer gets."""
    with pytest.raises(PerpscopeError) as caught:
        SqliteStore.open(path, kind=StoreKind.OBSERVED, create=create)
    assert caught.value.hint
    assert str(path) in caught.value.message
    return caught.value


def is_root() -> bool:
    """Whether permissions mean nothing to us."""
    return os.geteuid() == 0


def garbage(path: Path) -> None:
    """No database at all."""
    path.write_text("timestamp,symbol,side\n" * 100)


def newer(path: Path) -> None:
    """A store of a later version of this program."""
    open_store(path).close()
    run_sql(path, f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")


def foreign(path: Path) -> None:
    """Another program's database."""
    run_sql(path, "CREATE TABLE bookmarks (url TEXT)")


def foreign_versioned(path: Path) -> None:
    """Another program's database that counts its own versions."""
    run_sql(path, "CREATE TABLE bookmarks (url TEXT)", "PRAGMA user_version = 1")


def flipped(path: Path) -> None:
    """A store with a page overwritten."""
    with closing(open_store(path)) as store:
        for number in range(2000):
            store.sink().accept(liquidation(number))
    content = bytearray(path.read_bytes())
    for page in range(40, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = bytes(range(64))
    path.write_bytes(content)


def test_a_flipped_bit_of_the_schema_is_damage(tmp_path: Path) -> None:
    """Words of the schema that no longer are what they were: nobody "holds" such a file, and no raw error comes out."""
    path = tmp_path / "market.db"
    open_store(path).close()
    whole, said = path.read_bytes(), set()
    used = [place for place in range(100, len(whole)) if whole[place]]
    rng = random.Random(5)
    for _ in range(80):
        place = rng.choice(used)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << rng.randrange(8)]) + whole[place + 1 :])
        try:
            with SqliteReader.open(path) as reader:
                reader.counts(0)
        except PerpscopeError as error:
            said.add(error.code)
    assert said == {"store-corrupt"}


def cut_header(path: Path) -> None:
    """The right first bytes and nonsense behind them."""
    path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (garbage, "store-corrupt"),
        (cut_header, "store-corrupt"),
        (flipped, "store-corrupt"),
        (newer, "store-newer"),
        (foreign, "store-foreign"),
        (foreign_versioned, "store-foreign"),
        (Path.mkdir, "store-folder"),
    ],
)
def test_files_that_are_refused(make: Callable[[Path], None], code: str, tmp_path: Path) -> None:
    """Each is named, with what to do about it, and is left as it was; the lock is let go of."""
    path = tmp_path / "market.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    for _ in range(2):
        assert refused(path).code == code
    assert before is None or path.read_bytes() == before


@pytest.mark.parametrize(
    ("make", "code"), [(garbage, "store-corrupt"), (cut_header, "store-corrupt"), (newer, "store-newer")]
)
def test_files_a_reader_refuses(make: Callable[[Path], None], code: str, tmp_path: Path) -> None:
    """A reader trusts no more than a writer does."""
    path = tmp_path / "market.db"
    make(path)
    with pytest.raises(StoreError) as caught:
        SqliteReader.open(path)
    assert caught.value.code == code


def test_folders_that_cannot_hold_a_store(tmp_path: Path) -> None:
    """A missing folder, and a file where a folder should be."""
    file = tmp_path / "file"
    file.touch()
    for path in (tmp_path / "missing" / "market.db", file / "market.db"):
        assert refused(path).code == "store-folder"


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    """Something else of that name is in the way."""
    (tmp_path / "market.db.lock").mkdir()
    assert refused(tmp_path / "market.db").code == "store-folder"


@pytest.mark.skipif(is_root(), reason="root may write anywhere")
def test_folders_and_files_without_permission(tmp_path: Path) -> None:
    """A folder that may not be written, a file that may only be read, a file that may not even be read."""
    path = tmp_path / "market.db"
    open_store(path).close()
    path.chmod(0o000)
    with pytest.raises(StoreError) as caught:
        SqliteReader.open(path)
    assert caught.value.code == "store-corrupt"
    path.chmod(0o444)
    assert refused(path).code == "store-readonly"
    tmp_path.chmod(0o555)
    assert refused(path).code == "store-folder"
    tmp_path.chmod(0o755)


@pytest.mark.parametrize(
    ("forbidden", "code"), [("{parent}", "store-folder"), ("{path}", "store-readonly")], ids=["folder", "file"]
)
def test_permissions_as_the_system_tells_them(
    forbidden: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same two refusals where the tests run as root: only the system's answer is replaced."""
    path = tmp_path / "market.db"
    path.touch()
    denied = forbidden.format(parent=tmp_path, path=path)
    monkeypatch.setattr(os, "access", lambda asked, _mode: str(asked) != denied)
    assert refused(path).code == code


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An I/O error on the very first bytes is told with the system's words."""

    def failing(*_: object) -> None:
        raise OSError(5, "Input/output error")

    path = tmp_path / "market.db"
    path.touch()
    monkeypatch.setattr(Path, "open", failing)
    error = refused(path)
    assert (error.code, "Input/output error" in error.message) == ("store-corrupt", True)


def test_something_that_is_no_file(tmp_path: Path) -> None:
    """A pipe or a device is refused before anything waits for it."""
    os.mkfifo(tmp_path / "market.db")
    assert refused(tmp_path / "market.db").code == "store-corrupt"


def test_missing_files(tmp_path: Path) -> None:
    """A reader never makes a file, nor does a writer that was told not to: exit 3, with the command that helps."""
    path = tmp_path / "market.db"
    errors = [refused(path, create=False)]
    with pytest.raises(DataError) as caught:
        SqliteReader.open(path)
    errors.append(caught.value)
    assert [(error.code, error.exit_code) for error in errors] == [("store-missing", 3)] * 2
    assert list(tmp_path.iterdir()) == []


def test_another_process_holds_the_lock(tmp_path: Path) -> None:
    """A second collector is refused by the number of the first; when that is killed the lock is free."""
    path = tmp_path / "market.db"
    program = (
        "import sys; from pathlib import Path; from perpscope.stores.sqlite import *;"
        "store = SqliteStore.open(Path(sys.argv[1]), kind=StoreKind.OBSERVED); print('open', flush=True);"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=child_environment()) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        error = refused(path)
        assert (error.code, f"process {other.pid} " in error.message) == ("store-locked", True)
        SqliteReader.open(path).close()
        other.kill()
    open_store(path).close()


def child_environment() -> dict[str, str]:
    """Lets a process of ours find the package where pytest found it."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_a_database_held_by_another_program(tmp_path: Path) -> None:
    """Somebody's exclusive lock is waited for, then told."""
    path = tmp_path / "market.db"
    path.touch()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE meta (key TEXT)")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError) as caught:
            SqliteStore.open(path, kind=StoreKind.OBSERVED, busy_timeout_ms=1)
    assert caught.value.code == "store-busy"


def test_pragmas_and_what_is_on_disk(tmp_path: Path) -> None:
    """Keeps S1-05, S1-39. One local file with a write-ahead log; readers do not checkpoint, and their size is true."""
    path = tmp_path / "market.db"
    with closing(open_store(path)) as store:
        store.sink().accept(liquidation(0))
        store.flush()
        with SqliteReader.open(path) as reader:
            assert reader.bytes == sum((tmp_path / name).stat().st_size for name in ("market.db", "market.db-wal"))
            assert reader.path == path
            assert reader._connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader._connection.execute("DELETE FROM meta")
    assert sorted(os.listdir(tmp_path)) == ["market.db", "market.db.lock"]
    with SqliteReader.open(path) as reader:
        assert reader.bytes == path.stat().st_size
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_promised_columns(tmp_path: Path) -> None:
    """Keeps S1-43, S1-44, S1-45, S2-58. The names and the order that queries written to the documents rely on."""
    path = tmp_path / "market.db"
    with closing(open_store(path)) as store:
        store.register([BTC])
        store.sink().accept(liquidation(0.25, 2.0, 50_000.0))
    with closing(sqlite3.connect(path)) as connection:
        row = connection.execute(
            "SELECT id, symbol, side, size, price, lpi, timestamp, created_at IS NOT NULL FROM liquidation_events"
        ).fetchone()
        assert row == (1, "BTCUSDT", "SELL", 2.0, 50_000.0, None, "2024-08-08 12:00:00.250", 1)
        row = connection.execute(
            "SELECT symbol, side, total_size, avg_price, avg_lpi, event_count, period_start, period_end"
            " FROM liquidation_aggregates"
        ).fetchone()
        minute = ("2024-08-08 12:00:00.000", "2024-08-08 12:01:00.000")
        assert row == ("BTCUSDT", "SELL", 2.0, 50_000.0, None, 1, *minute)
        row = connection.execute(
            "SELECT symbol, side, total_size, avg_lpi, event_count, period_start, period_end FROM liquidation_intensity"
        ).fetchone()
        assert row == ("BTCUSDT", "SELL", 2.0, None, 1, minute[0], "2024-08-08 13:00:00.000")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert tables >= {"candles_1m", "candles_15m", "candles_1h", "premium_index"}


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT count(*) FROM liquidation_events WHERE ts_event > 5", "COVERING INDEX liquidation_events_time"),
        (
            "SELECT symbol, side, count(*) FROM liquidation_events GROUP BY venue, symbol, side",
            "COVERING INDEX liquidation_events_group",
        ),
        (
            "SELECT * FROM liquidation_events WHERE symbol = 'B' AND ts_event >= 5 ORDER BY ts_event DESC LIMIT 9",
            "INDEX liquidation_events_symbol",
        ),
        ("SELECT * FROM liquidation_events ORDER BY ts_event DESC, id DESC LIMIT 9", "INDEX liquidation_events_time"),
    ],
)
def test_reading_uses_the_indexes(query: str, index: str, tmp_path: Path) -> None:
    """Keeps S1-06. Counting a day or finding a symbol's newest events never walks through the table."""
    open_store(tmp_path / "market.db").close()
    with closing(sqlite3.connect(tmp_path / "market.db")) as connection:
        plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
    assert f"USING {index}" in plan
    assert "TEMP B-TREE" not in plan


def make_legacy(path: Path, *rows: str, tables: tuple[str, ...] = LEGACY) -> None:
    """A file of the older collector."""
    events = "INSERT INTO liquidation_events (symbol, side, size, price, lpi, timestamp) VALUES "
    run_sql(path, *tables, *(events + row for row in rows))


def test_an_older_file_is_taken_over(tmp_path: Path) -> None:
    """Every row stays, with its id, its own time and what it means; minutes without events stay too."""
    path = tmp_path / "liquidations.db"
    make_legacy(
        path,
        "('BTCUSDT', 'SELL', 2.0, 50000.0, 1.5, '2024-08-08 12:00:00.250000')",
        "('BTCUSDT', 'SELL', 2.0, 50000.0, 1.5, '2024-08-08T14:00:00.250+02:00')",
        "('ETHUSDC_240927', 'BUY', 1.0, 2400.0, NULL, '2024-08-08 12:00:01')",
        "('ODD', 'BUY', 0.0, 3.0, NULL, '2024-08-08 12:00:02Z')",
    )
    columns = "symbol, side, total_size, avg_price, event_count, period_start, period_end"
    minute = f"INSERT INTO liquidation_aggregates ({columns})"
    run_sql(
        path,
        f"{minute} VALUES ('BTCUSDT', 'SELL', 9.0, 1.0, 9, '2024-08-08 12:00:00', '2024-08-08 12:01:00')",
        f"{minute} VALUES ('BTCUSDT', 'BUY', 3.0, 2.0, 5, '2024-01-01 00:00:00', '2024-01-01 00:01:00')",
    )
    with pytest.raises(StoreError, match="older") as caught:
        SqliteReader.open(path)
    assert caught.value.code == "store-older"
    with closing(open_store(path)) as store:
        assert store.last_covered() == {}
        store.sink().accept(liquidation(0))
    with SqliteReader.open(path) as reader:
        found = reader.liquidations()
        assert [event.instrument for event in found] == [
            BTC.id,
            BTC.id,
            BTC.id,
            "ETH-USDC-240927.BINANCE",
            "ODD.BINANCE",
        ]
        kinds = (Completeness.SAMPLED, Sampling.UNKNOWN)
        first = Liquidation(BTC.id, at(0.25), at(0.25), PositionSide.LONG, 2.0, 50_000.0, None, *kinds)
        assert found[1:3] == [first, first]
        assert [event.position_side for event in found[3:]] == [PositionSide.SHORT] * 2
        assert reader.aggregates("BTCUSDT")[0].total_notional_usd == 6.0
        assert reader.aggregates("BTCUSDT", NOON)[-1] == Aggregate(
            "binance", "BTCUSDT", "SELL", NOON, 4.0, 50_000.0, 2, 200_000.0, completeness=Completeness.SAMPLED
        )
        assert reader.aggregates("ODD")[0].avg_price == 3.0
        assert (reader.coverage(), reader.kind) == ([], StoreKind.OBSERVED)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id, lpi FROM liquidation_events ORDER BY id LIMIT 2").fetchall() == [
            (1, 1.5),
            (2, 1.5),
        ]
        assert connection.execute("SELECT count(*) FROM liquidation_intensity").fetchone() == (5,)


def test_an_older_file_without_minutes(tmp_path: Path) -> None:
    """The events alone are enough."""
    path = tmp_path / "liquidations.db"
    make_legacy(path, "('BTCUSDT', 'BUY', 2.0, 5.0, NULL, '2024-08-08 12:00:00')", tables=LEGACY[:1])
    open_store(path).close()
    with SqliteReader.open(path) as reader:
        assert reader.counts(NOON).by_side == {"BUY": 1, "SELL": 0}
        assert len(reader.aggregates()) == 1


@pytest.mark.parametrize(
    "row",
    [
        "('BTCUSDT', 'SELL', 2.0, 5.0, NULL, 'yesterday')",
        "('BTCUSDT', 'LONG', 2.0, 5.0, NULL, '2024-08-08 12:00:00')",
    ],
)
def test_an_older_file_that_cannot_be_understood(row: str, tmp_path: Path) -> None:
    """Nothing is guessed: the row is named, and the file is as it was."""
    path = tmp_path / "liquidations.db"
    make_legacy(path, "('BTCUSDT', 'BUY', 2.0, 5.0, NULL, '2024-08-08 12:00:00')", row)
    with pytest.raises(StoreError, match="row 2 of liquidation_events") as caught:
        open_store(path)
    assert caught.value.code == "store-corrupt"
    with closing(sqlite3.connect(path)) as connection:
        assert legacy.is_legacy(connection)
        assert connection.execute("SELECT count(*) FROM liquidation_events").fetchone() == (2,)
        assert schema.version_of(connection) == 0


def test_an_older_file_is_never_made_a_demo(tmp_path: Path) -> None:
    """It holds observed data, and stays untouched by who wants something else."""
    path = tmp_path / "liquidations.db"
    make_legacy(path)
    with pytest.raises(StoreError) as caught:
        open_store(path, StoreKind.DEMO)
    assert caught.value.code == "store-kind"
    with closing(sqlite3.connect(path)) as connection:
        assert legacy.is_legacy(connection)


def test_migrations_run_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening again changes nothing; a later migration runs on its own; one that fails leaves the file as it was."""
    path = tmp_path / "market.db"
    for _ in range(2):
        with closing(open_store(path)) as store:
            store.sink().accept(tick(1))

    def add_a_table(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE later (id INTEGER)")

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE later")
        connection.execute("no SQL")

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, add_a_table, fail))
    with pytest.raises(StoreError, match="syntax"):
        open_store(path)
    with closing(sqlite3.connect(path)) as connection:
        assert schema.version_of(connection) == len(schema.MIGRATIONS) - 1
        assert connection.execute("SELECT count(*) FROM later").fetchone() == (0,)


def test_large_files_are_not_walked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a size a file is trusted until a damaged page is read; that is then told as clearly."""
    path = tmp_path / "market.db"
    flipped(path)
    monkeypatch.setattr("perpscope.stores.access.QUICK_CHECK_BYTES", 1)
    with SqliteReader.open(path) as reader, pytest.raises(StoreError) as caught:
        reader.liquidations(limit=10_000)
    assert caught.value.code == "store-corrupt"
    store = open_store(path)
    with pytest.raises(StoreError, match="malformed") as caught:
        store.flush()
    assert caught.value.code == "store-failed"
    for told_again in (store.check, store.close):
        with pytest.raises(StoreError, match="malformed"):
            told_again()
    store.close()
