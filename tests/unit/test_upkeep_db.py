"""`db check|vacuum|info`, `export`, and the commands of upkeep as a person or a program meets them."""

import csv
import io
import json
import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.contract.store_events import (
    BTC,
    ETH,
    HOUR,
    TIERS,
    at,
    candle,
    covered,
    heart,
    liquidation,
    mark,
    open_interest,
    position,
    ratio,
    taker_volume,
    tick,
)

from perpscope.cli.main import run
from perpscope.errors import PerpscopeError, StoreError
from perpscope.stores import access, checkup, export, footprint
from perpscope.stores.checkup import check, vacuum
from perpscope.stores.export import TABLES, rows_of
from perpscope.stores.footprint import LARGE_ROWS, bytes_by_table, estimated_bytes, measure
from perpscope.stores.reader import SqliteReader
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

#: How each table is to be ordered.
ORDERS = {
    "liquidation_events": "ts_event, id",
    "liquidation_aggregates": "ts_start, id",
    "liquidation_intensity": "ts_start, venue, symbol, side",
    "candles_1m": "venue, symbol, ts_open",
    "candles_15m": "venue, symbol, ts_open",
    "candles_1h": "venue, symbol, ts_open",
    "premium_index": "venue, symbol, ts_minute",
    "open_interest": "venue, symbol, ts_minute",
    "long_short_ratio": "venue, symbol, ts_event, kind, period_s",
    "taker_volume": "venue, symbol, ts_event, period_s",
    "funding_rates": "venue, symbol, ts_event",
    "public_positions": "venue, symbol, account",
    "public_position_history": "venue, symbol, ts_minute, account",
    "margin_tiers": "instrument, source, ts_from, tier",
    "signals": "ts_event, id",
    "coverage": "id",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A demo store with something in every table, whose market stands four hours after noon."""
    path = tmp_path / "market.db"
    fill(path)
    return path


def fill(path: Path, seconds: int = 4 * 3600, step: int = 60) -> None:
    """A liquidation each `step` seconds, a candle and a mark each minute of the first ten."""
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        store.register([BTC, ETH])
        for second in range(0, seconds, step):
            store.sink().accept(liquidation(second, of=ETH.id if second % 3600 else BTC.id))
        for minute in range(10):
            store.sink().accept(candle(minute))
            store.sink().accept(mark(60 * minute))
        store.sink().accept(covered(0, seconds))
        store.report([], heart(seconds))
        store.sink().accept(tick(seconds))


def tell(path: Path) -> None:
    """What is told of traders and contracts, each minute of the first ten."""
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        store.register_tiers({BTC.id: TIERS}, source="venue", ts_from=at(0))
        for minute in range(10):
            for told in (open_interest, ratio, taker_volume, position):
                store.sink().accept(told(60 * minute))


def alter(path: Path, *statements: str) -> None:
    """Do something to a file behind the store's back."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def code_of(act: Callable[[], object]) -> str:
    """The code of the error an act ends with."""
    with pytest.raises(PerpscopeError) as caught:
        act()
    return caught.value.code


def test_a_store_in_order(path: Path) -> None:
    """Integrity, permissions and the library are told; the known fault of older libraries is a note. Keeps S1-68."""
    found = check(path)
    assert (found.ok, found.integrity, found.sqlite) == (True, ["ok"], sqlite3.sqlite_version)
    notes = [] if sqlite3.sqlite_version_info >= (3, 51, 3) else ["sqlite-wal-reset"]
    assert [finding.name for finding in found.findings] == notes
    assert found.mode == f"{path.stat().st_mode & 0o777:04o}"


@pytest.mark.parametrize(
    ("statement", "name", "is_fault"),
    [
        ("CREATE TABLE mine (a)", "foreign", False),
        ("CREATE TRIGGER spy AFTER INSERT ON meta BEGIN DELETE FROM heart; END", "foreign", False),
        ("DROP INDEX liquidation_events_time", "missing", True),
        ("UPDATE coverage SET ts_to = ts_from - 1", "coverage-backwards", True),
    ],
)
def test_what_is_not_as_it_should_be(statement: str, name: str, is_fault: bool, path: Path) -> None:
    """What is not ours is named, what is missing or wrong is a fault."""
    alter(path, statement)
    found = check(path)
    assert (name, is_fault) in [(finding.name, finding.is_fault) for finding in found.findings]
    assert found.ok is not is_fault


def test_permissions(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that all may write, or that we may not, is a fault. Keeps S1-69."""
    path.chmod(0o666)
    assert [finding.name for finding in check(path).findings if finding.is_fault] == ["writable-by-all"]
    path.chmod(0o444)
    monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)
    assert [f.name for f in check(path).findings if f.is_fault] == ["read-only", "folder-read-only"]


def test_a_library_without_the_fault(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a mended SQLite there is nothing to say."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    assert check(path).findings == []


def test_vacuum_gives_room_back(path: Path) -> None:
    """Deleted rows leave room in the file; vacuum makes it small and changes no row."""
    fill(path, 40_000, step=5)
    alter(path, "DELETE FROM liquidation_events WHERE id > 100")
    with SqliteReader.open(path) as reader:
        rows = reader.liquidations(limit=10**6)
    before, after = vacuum(path)
    assert after < before / 2
    assert path.stat().st_size == after
    with SqliteReader.open(path) as reader:
        assert reader.liquidations(limit=10**6) == rows
    assert measure(path, at(0)).reusable_bytes == 0


def test_vacuum_leaves_others_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is written, is not there, is too large for the disk or of an older version is not touched."""
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)):
        assert code_of(lambda: vacuum(path)) == "store-locked"
    assert code_of(lambda: vacuum(path.with_name("other.db"))) == "store-missing"
    with monkeypatch.context() as patch:
        patch.setattr(checkup, "size_of", lambda _: 2**62)
        assert code_of(lambda: vacuum(path)) == "disk-full"
    alter(path, "PRAGMA user_version = 1")
    assert code_of(lambda: vacuum(path)) == "store-older"


def test_growth(path: Path) -> None:
    """Rows and bytes per table, growth over what there is of the last seven days, and when the disk is full."""
    found = measure(path, at(4 * 3600))
    tables = {table.name: table for table in found.tables}
    assert tables["liquidation_events"].rows == 240
    assert tables["liquidation_events"].rows_per_day == pytest.approx(240 * 6)
    assert tables["candles_1m"].rows_per_day == pytest.approx(60)
    assert tables["coverage"].rows_per_day is None
    assert sum(table.bytes for table in found.tables) <= found.bytes
    events, per_day = tables["liquidation_events"], found.growth_bytes_per_day
    assert per_day is not None
    assert per_day >= 6 * events.bytes
    assert found.days_until_full == pytest.approx(found.free_bytes / per_day)
    assert found.advice is None


@pytest.mark.parametrize("now_s", [1800, -10, 90 * 86_400])
def test_no_growth_to_tell(now_s: int, path: Path) -> None:
    """Less than an hour of data, or none in the last week, tells nothing of a day."""
    found = measure(path, at(now_s))
    assert (found.growth_bytes_per_day, found.days_until_full) == (None, None)


def test_large_stores_are_advised(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the rows that were measured the advice is to keep less or to divide. Keeps S1-66."""
    assert LARGE_ROWS == 10_000_000
    monkeypatch.setattr(footprint, "LARGE_ROWS", 239)
    advice = measure(path, at(0)).advice
    assert advice is not None
    assert "240 liquidations are more than 239" in advice
    assert "perpscope cleanup --older-than" in advice


def test_bytes_without_dbstat(path: Path) -> None:
    """Where SQLite cannot count pages the file is shared out, and that is called an estimate."""

    class Poor:
        """A connection to a SQLite without `dbstat`."""

        def execute(self, *_: object) -> None:
            raise sqlite3.OperationalError("no such table: dbstat")

    assert bytes_by_table(Poor()) is None  # type: ignore[arg-type]  # all that is asked of it
    with closing(access.open_for_reading(path)) as connection:
        shared = estimated_bytes(connection, {"liquidation_events": 240, "coverage": 0})
    assert shared["coverage"] == 0
    assert 0 < shared["liquidation_events"] <= path.stat().st_size


def test_an_estimate_says_so(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The screen says which it is."""
    monkeypatch.setattr(footprint, "bytes_by_table", lambda _: None)
    assert measure(path, at(0)).is_estimate
    assert run(["db", "info", "--db", str(path)]) == 0
    assert "(tables: estimated)" in capsys.readouterr().out


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_exported(table: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row once, in order, whatever the page; times as ISO 8601."""
    monkeypatch.setattr(export, "PAGE_ROWS", 7)
    tell(path)
    names, rows = rows_of(path, table)
    found = list(rows)
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        ordered = connection.execute(f"SELECT * FROM {table} ORDER BY {ORDERS[table]}").fetchall()
    assert len(found) == count == len(ordered)
    for told, row in zip(found, ordered, strict=True):
        worth = len(names) - len(row)  # sums are told with what they are worth
        assert names[len(row) :] == ["coverage", "completeness"][:worth]
        for name, shown, value in zip(names, told, row, strict=False):
            if name.startswith("ts_") and value is not None:
                assert str(shown).startswith("2024-08-08T")
                assert str(shown).endswith("Z")
            elif name in {"timestamp", "period_start", "period_end"}:
                assert shown == value.replace(" ", "T") + "Z"
            elif name not in {"created_at", "next_funding_time"}:
                assert shown == value


def test_filters_of_an_export(path: Path) -> None:
    """By symbol and by time; intervals of coverage that end later belong to the window."""
    _, rows = rows_of(path, "liquidation_events", symbol="BTCUSDT", since_ns=at(3600))
    assert len(list(rows)) == 3
    assert len(list(rows_of(path, "coverage", since_ns=at(3 * 3600))[1])) == 1
    assert list(rows_of(path, "coverage", since_ns=at(5 * 3600))[1]) == []
    assert code_of(lambda: rows_of(path, "coverage", symbol="BTCUSDT")) == "option-value"


def test_an_export_does_not_hold_up_the_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two pages nothing is held: the writer's log can be brought home."""
    monkeypatch.setattr(export, "PAGE_ROWS", 10)
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        _, rows = rows_of(path, "liquidation_events")
        next(rows)
        store.sink().accept(liquidation(20_000))
        store.flush()
        bring_home = store.ask(
            lambda connection: iter(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        )
        assert bring_home.result(30) == (0, 0, 0)
        assert len(list(rows)) == 240


def csv_of(text: str) -> list[dict[str, str]]:
    """Rows of CSV text."""
    return list(csv.DictReader(io.StringIO(text)))


def test_export_on_the_command_line(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CSV on stdout, JSON lines into a file; talk goes to stderr."""
    assert run(["export", "liquidation_events", "--db", str(path), "--hours", "1"]) == 0
    shown = capsys.readouterr()
    rows = csv_of(shown.out)
    assert len(rows) == 60
    assert rows[0]["timestamp"] == "2024-08-08T15:00:00.000Z"
    assert "60 rows of liquidation_events" in shown.err
    out = tmp_path / "rows.jsonl"
    words = ["--format", "jsonl", "--symbol", "BTCUSDT", "--out", str(out), "--db", str(path)]
    assert run(["export", "liquidation_events", *words]) == 0
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["symbol"] for row in found] == ["BTCUSDT"] * 4
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["liquidation_event"], "did you mean 'liquidation_events'"),
        (["xyz"], "tables: liquidation_events"),
        (["coverage", "--symbol", "BTC"], "has no symbols"),
        (["candles_1m", "--hours", "0"], "must be above 0"),
        (["candles_1m", "--hours", "nan"], "must be above 0"),
        (["candles_1m", "--out", "no/such/folder.csv"], "cannot be written"),
        (["candles_1m", "--format", "xlsx"], "xlsx"),
    ],
)
def test_exports_that_cannot_be(words: list[str], said: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is named with its value; nothing is written."""
    assert run(["export", *words, "--db", str(path)]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_an_export_of_nothing(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A symbol nobody stored gives the header and a word on how symbols are spelt."""
    assert run(["export", "candles_1m", "--symbol", "BTC", "--db", str(path)]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0].startswith("venue,symbol")
    assert "no rows of BTC" in shown.err


def told(words: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, object]:
    """The one object a command prints with --json."""
    assert run([*words, "--json"]) == code
    (line,) = capsys.readouterr().out.splitlines()
    found: dict[str, object] = json.loads(line)
    return found


def test_the_commands_answer_programs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One JSON object on one line each, and what they did is true. Keeps S1-07, S1-08, S1-09, S1-68."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    db = ["--db", str(path)]
    assert told(["db", "check", *db], capsys)["ok"] is True
    assert told(["db", "info", *db], capsys)["is_estimate"] in {True, False}
    backup = told(["backup", "--keep", "3", *db], capsys)
    assert told(["backup", "--drill", *db], capsys)["ok"] is True
    dry = told(["cleanup", "--older-than", "2h", "--dry-run", *db], capsys)
    done = told(["cleanup", "--older-than", "2h", "--yes", *db], capsys)
    assert (dry["rows"], dry["dry_run"], done["dry_run"]) == (done["rows"], True, False)
    vacuumed = told(["db", "vacuum", *db], capsys)
    assert vacuumed["bytes"] == path.stat().st_size
    restored = told(["restore", str(backup["path"]), "--yes", *db], capsys)
    assert restored["path"] == str(path)
    with SqliteReader.open(path) as reader:
        assert reader.counts(0).total == 240
    alter(path, "DROP INDEX liquidation_events_time")
    assert told(["db", "check", *db], capsys, code=1)["ok"] is False


def test_the_commands_answer_people(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same in words, within eighty columns."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    db = ["--db", str(path)]
    for words in (["backup"], ["backup", "--keep", "1"], ["backup", "--drill"], ["db", "check"], ["db", "info"]):
        assert run([*words, *db]) == 0
    assert run(["cleanup", "--older-than", "2h", "--dry-run", *db]) == 0
    assert run(["cleanup", "--older-than", "2h", "--yes", *db]) == 0
    assert run(["db", "vacuum", *db]) == 0
    (backup,) = (tmp_path / "share" / "perpscope" / "backups").glob("*.db")
    assert run(["restore", str(backup), "--yes", *db]) == 0
    assert run(["restore", str(backup), "--db", str(tmp_path / "fresh.db")]) == 0
    monkeypatch.setattr(footprint, "LARGE_ROWS", 1)
    assert run(["db", "info", *db]) == 0
    fill(tmp_path / "young.db", seconds=60)
    assert run(["db", "info", "--db", str(tmp_path / "young.db")]) == 0
    shown = capsys.readouterr().out
    for said in (
        "restores with every row",
        "in order",
        "nothing was changed",
        "deleted",
        "rows restored",
        "the old file is",
        "removed",
        "MB a day: full in",
        "too little data",
        "! 240 liquidations are more than 1",
    ):
        assert said in shown
    assert run(["db", "check", *db]) == 0


def test_a_drill_that_fails(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A backup that does not restore is found by the drill, with an exit code for those who watch."""
    folder = tmp_path / "backups"
    folder.mkdir()
    assert run(["backup", "--to", str(folder), "--db", str(path)]) == 0
    (backup,) = folder.glob("*.db")
    with backup.open("r+b") as file:
        file.seek(9000)
        file.write(b"\xff" * 100)
    assert run(["backup", "--drill", "--to", str(folder), "--db", str(path)]) == 1
    assert "backup-damaged" in capsys.readouterr().err


class Terminal(io.StringIO):
    """A person at the keyboard."""

    def isatty(self) -> bool:
        """Somebody is there."""
        return True


@pytest.mark.parametrize(
    ("answer", "code", "left"), [("y\n", 0, 120), ("yes\n", 0, 120), ("n\n", 2, 240), ("", 2, 240)]
)
def test_deleting_asks_first(
    answer: str, code: int, left: int, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At a terminal the rows to go are told and yes is asked for; anything else changes nothing."""
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert run(["cleanup", "--older-than", "2h", "--db", str(path)]) == code
    assert "delete 2" in capsys.readouterr().err
    with SqliteReader.open(path) as reader:
        assert reader.counts(0).total == left


@pytest.mark.parametrize("words", [["cleanup", "--older-than", "2h"], ["restore", "backup.db"]])
def test_nobody_to_ask(
    words: list[str], path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal nothing is deleted or replaced unless --yes says so."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert run([*words, "--db", str(path)]) == 2
    assert "error confirmation" in capsys.readouterr().err
    with SqliteReader.open(path) as reader:
        assert reader.counts(0).total == 240


def test_a_cleanup_of_nothing_does_not_ask(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is nothing to delete there is nothing to confirm."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert run(["cleanup", "--older-than", "30d", "--db", str(path)]) == 0


def test_a_cleanup_by_the_collector_says_so(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who did it is told."""
    from perpscope.app import upkeep  # noqa: PLC0415 -- replaced where the command finds it

    done = upkeep.Cleanup("2024-08-08T14:00:00.000Z", False, {"liquidation_events": 3}, 3, 0, True)
    monkeypatch.setattr(upkeep, "cleanup", lambda *_: done)
    assert run(["cleanup", "--older-than", "2h", "--yes", "--db", str(path)]) == 0
    assert "3 rows deleted by the collector" in capsys.readouterr().out


def test_a_bounded_store_answers_as_bare_sqlite(tmp_path: Path) -> None:
    """Thirty thousand rows: status, the last 24 h and a cleanup give what plain SQL gives."""
    path = tmp_path / "large.db"
    rows, step = 30_000, 87
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        store.register([BTC, ETH])
        for number in range(rows):
            store.sink().accept(liquidation(number * step, of=ETH.id if number % 3 else BTC.id))
        store.report([], heart(rows * step))
        store.sink().accept(tick(rows * step))
    now_ns = at(rows * step)
    with SqliteReader.open(path) as reader, closing(sqlite3.connect(path)) as bare:
        counts = reader.counts(now_ns)
        day = reader.liquidations(since_ns=now_ns - 24 * HOUR, limit=10**6)
        since = "SELECT count(*) FROM liquidation_events WHERE ts_event >= ?"
        assert counts.total == rows
        assert dict(bare.execute("SELECT symbol, count(*) FROM liquidation_events GROUP BY 1")) == counts.by_symbol
        assert bare.execute(since, (now_ns - 24 * HOUR,)).fetchone() == (len(day),) == (24 * 3600 // step,)
        kept = bare.execute(since, (now_ns - 240 * HOUR,)).fetchone()
    assert run(["cleanup", "--older-than", "10d", "--yes", "--db", str(path)]) == 0
    with closing(sqlite3.connect(path)) as bare:
        assert bare.execute("SELECT count(*), sum(1) FROM liquidation_events").fetchone() == (*kept, *kept)
        for table in ("liquidation_aggregates", "liquidation_intensity"):
            assert bare.execute(f"SELECT sum(event_count) FROM {table}").fetchone() == kept
    assert check(path).ok


@pytest.mark.parametrize(
    ("code", "free", "expected"),
    [
        (sqlite3.SQLITE_FULL, 10**9, "disk-full"),
        (sqlite3.SQLITE_IOERR | 0x400, 10**9, "store-io"),
        (sqlite3.SQLITE_IOERR, 10, "disk-full"),
        (sqlite3.SQLITE_READONLY, 10**9, "store-readonly"),
        (sqlite3.SQLITE_BUSY, 10**9, "store-busy"),
    ],
)
def test_what_sqlite_says_becomes_one_error(
    code: int, free: int, expected: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is called that however SQLite puts it; each has a hint."""

    class Disk:
        """What the disk says of itself."""

        f_frsize, f_bavail = 1, free

    monkeypatch.setattr(os, "statvfs", lambda _: Disk)
    failure = sqlite3.OperationalError("as SQLite says")
    failure.sqlite_errorcode = code
    with pytest.raises(StoreError, match="as SQLite says") as caught, access.trusting(path):
        raise failure
    assert (caught.value.code, bool(caught.value.hint)) == (expected, True)


def test_a_disk_that_is_gone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even its room can be asked for, the error is what SQLite said."""

    def gone(_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(os, "statvfs", gone)
    failure = sqlite3.OperationalError("unable to open database file")
    failure.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    with pytest.raises(StoreError) as caught, access.trusting(path):
        raise failure
    assert caught.value.code == "store-busy"


def test_an_empty_file_is_no_store(tmp_path: Path) -> None:
    """A file of no bytes has nothing to read; a collector may begin in it."""
    path = tmp_path / "empty.db"
    path.touch()
    assert code_of(lambda: SqliteReader.open(path)) == "store-missing"
    SqliteStore.open(path, kind=StoreKind.OBSERVED).close()
    with SqliteReader.open(path) as reader:
        assert reader.counts(0).total == 0
