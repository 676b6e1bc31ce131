"""Backup while it is written, restore whole or not at all."""

import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.contract.store_events import BTC, at, covered, liquidation, tick

from perpscope.app import backups
from perpscope.errors import DataError, PerpscopeError, StoreError
from perpscope.stores import access, schema
from perpscope.stores import backup as backup_module
from perpscope.stores import restore as restore_module
from perpscope.stores.backup import backups_of, check_backup, make_backup, manifest_of, read_manifest
from perpscope.stores.checkup import check
from perpscope.stores.reader import SqliteReader
from perpscope.stores.restore import restore
from perpscope.stores.schema import MIGRATIONS
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

ROOT = Path(__file__).resolve().parents[2]
NOW = 1_790_000_000_000_000_000
#: Restores and dies at the step named, by the signal that cannot be caught.
DYING = """
import os, signal, sys
from pathlib import Path
from perpscope.stores import restore as module
step, backup, target = sys.argv[1:]
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if step != "done":
    setattr(module, step, die)
module.restore(Path(backup), Path(target), stamp="x")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store goes."""
    return tmp_path / "market.db"


def fill(path: Path, begin: int, end: int, kind: StoreKind = StoreKind.OBSERVED) -> None:
    """A liquidation for each of these seconds, all covered."""
    with closing(SqliteStore.open(path, kind=kind)) as store:
        store.register([BTC])
        for second in range(begin, end):
            store.sink().accept(liquidation(second))
        store.sink().accept(covered(begin, end))
        store.sink().accept(tick(end))


def seconds(path: Path) -> list[int]:
    """Seconds for which there is a liquidation."""
    with SqliteReader.open(path) as reader:
        return [(event.ts_event - at(0)) // 10**9 for event in reader.liquidations(limit=10**6)]


def code_of(act: Callable[[], object]) -> str:
    """The code of the error an act ends with."""
    with pytest.raises(PerpscopeError) as caught:
        act()
    assert caught.value.hint
    return caught.value.code


def left(folder: Path) -> set[str]:
    """Files in a folder, locks apart."""
    return {found.name for found in folder.iterdir() if not found.name.endswith((".lock", "-wal", "-shm"))}


def test_a_backup_is_what_was_committed(path: Path) -> None:
    """Rows still in the write-ahead log are in it; one private file with a manifest that proves it. Keeps S1-08."""
    with closing(SqliteStore.open(path, kind=StoreKind.OBSERVED)) as store:
        for second in range(100):
            store.sink().accept(liquidation(second))
        store.sink().accept(tick(100))
        store.flush()
        target = path.with_name("copy.db")
        made = make_backup(path, target, made="2026-11-21T12:00:00Z")
    assert (made.rows["liquidation_events"], made.kind, made.schema) == (100, StoreKind.OBSERVED, len(MIGRATIONS))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert stat.S_IMODE(manifest_of(target).stat().st_mode) == 0o600
    assert check_backup(target) == made == read_manifest(target)
    assert left(path.parent) == {"market.db", "copy.db", "copy.db.json"}
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_backups_of_a_store_that_is_written_fast(path: Path) -> None:
    """Each backup is a beginning of what was written, covered no further than its rows.

    Keeps S1-08, S1-09.
    """
    stop, wrote = threading.Event(), threading.Event()

    def write() -> None:
        with closing(SqliteStore.open(path, kind=StoreKind.OBSERVED)) as store:
            store.register([BTC])
            second = 0
            while not stop.is_set():
                for number in range(40):
                    store.sink().accept(liquidation(second + number / 40))
                second += 1
                store.sink().accept(covered(0, second))
                store.sink().accept(tick(second))
                if store.pending_rows > 2000:
                    store.flush()
                    wrote.set()

    writing = threading.Thread(target=write)
    writing.start()
    try:
        assert wrote.wait(30)
        counts = []
        for number in range(5):
            target = path.with_name(f"copy{number}.db")
            counts.append(make_backup(path, target, made=str(number)).rows["liquidation_events"])
            restored = path.with_name(f"restored{number}.db")
            restore(target, restored, stamp="x")
            with SqliteReader.open(restored) as reader:
                ((_, ts_to),) = [(row.ts_from, row.ts_to) for row in reader.coverage()]
                times = {event.ts_event for event in reader.liquidations(limit=10**6)}
            assert ts_to is not None
            vouched = (ts_to - at(0)) // 10**9
            assert times >= {at(second + n / 40) for second in range(vouched) for n in range(40)}
            assert len(times) == counts[-1]
    finally:
        stop.set()
        writing.join()
    assert counts == sorted(counts)


def test_names_places_and_rotation(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default folder is the user's own; `keep` lets the oldest of this store go, and no other file."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    fill(path, 0, 3)
    other = tmp_path / "other" / "market.db"
    other.parent.mkdir()
    fill(other, 0, 1)
    folder = tmp_path / "share" / "perpscope" / "backups"
    backups.backup(other, now_ns=NOW)
    stranger = folder / "market-of-mine.db"
    stranger.write_bytes(b"mine")
    made = [backups.backup(path, now_ns=NOW + number * 10**9, keep=2) for number in (0, 0, 1, 2)]
    assert Path(made[0].path) == folder / "market-20260921T141320Z-2.db"
    assert [len(one.removed) for one in made] == [0, 0, 1, 1]
    assert backups_of(path, folder) == [Path(made[2].path), Path(made[3].path)]
    assert len(backups_of(other, folder)) == 1
    assert stranger.exists()
    assert code_of(lambda: backups.backup(path, stranger, now_ns=NOW)) == "backup-exists"


def test_the_drill(path: Path, tmp_path: Path) -> None:
    """The newest backup is restored for a test, compared and thrown away; without one that is an error. Keeps S1-09."""
    fill(path, 0, 50)
    folder = tmp_path / "backups"
    assert code_of(lambda: backups.drill(path, folder)) == "backup-missing"
    folder.mkdir()
    backups.backup(path, folder, now_ns=NOW)
    newest = backups.backup(path, folder, now_ns=NOW + 10**9)
    before = left(folder)
    tried = backups.drill(path, folder)
    assert (tried.ok, tried.path, tried.rows["liquidation_events"]) == (True, newest.path, 50)
    assert left(folder) == before


@pytest.mark.parametrize("target", ["missing-folder/copy.db", "market.db/copy.db"])
def test_no_place_for_a_backup(target: str, path: Path) -> None:
    """A folder that is not there is told; nothing is left behind."""
    fill(path, 0, 3)
    assert code_of(lambda: make_backup(path, path.parent / target, made="now")) == "backup-folder"
    assert left(path.parent) == {"market.db"}


def test_no_room_for_a_backup(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is too small is told before anything is written, one that fills up after: nothing is left behind."""
    fill(path, 0, 3)
    target = path.with_name("copy.db")
    with monkeypatch.context() as patch:
        patch.setattr(backup_module, "size_of", lambda _: 2**62)
        assert code_of(lambda: make_backup(path, target, made="now")) == "disk-full"

    def fails(_: Path) -> str:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(backup_module, "sha256_of", fails)
        assert code_of(lambda: make_backup(path, target, made="now")) == "backup-unwritten"
    assert left(path.parent) == {"market.db"}


def test_a_damaged_store_is_not_backed_up(path: Path) -> None:
    """Damage that opening does not see is found in the copy: no backup is better than a bad one."""
    fill(path, 0, 3000)
    with path.open("r+b") as file:
        file.seek(4096 * 40)
        file.write(b"\xff" * 4096 * 30)
    assert code_of(lambda: make_backup(path, path.with_name("copy.db"), made="now")) in {
        "backup-damaged",
        "store-corrupt",
    }
    assert left(path.parent) == {"market.db"}


def _cut(backup: Path) -> None:
    os.truncate(backup, backup.stat().st_size // 2)


def _flip(backup: Path) -> None:
    with backup.open("r+b") as file:
        file.seek(5000)
        file.write(b"\xa5" * 64)


def _forget(backup: Path) -> None:
    manifest_of(backup).unlink()


def _spoil(backup: Path) -> None:
    manifest_of(backup).write_text("{}")


def _miscount(backup: Path) -> None:
    told = json.loads(manifest_of(backup).read_text())
    told["rows"]["liquidation_events"] += 1
    manifest_of(backup).write_text(json.dumps(told))


def _rewrite(backup: Path, *statements: str) -> None:
    """Change a backup, and its manifest with it."""
    with closing(sqlite3.connect(backup)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    told = read_manifest(backup)
    size, digest = backup.stat().st_size, backup_module.sha256_of(backup)
    manifest_of(backup).write_bytes(msgspec.json.encode(msgspec.structs.replace(told, bytes=size, sha256=digest)))


def _rot(backup: Path, at_byte: int) -> None:
    """Damage a backup before its manifest was made."""
    with backup.open("r+b") as file:
        file.seek(at_byte)
        file.write(b"\x5a" * 200)
    _rewrite(backup)


def _rot_schema(backup: Path) -> None:
    _rot(backup, 100)


def _rot_page(backup: Path) -> None:
    _rot(backup, 4096 * 30)


def _newer(backup: Path) -> None:
    _rewrite(backup, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")


def _foreign(backup: Path) -> None:
    _rewrite(backup, "PRAGMA application_id = 7")


def _unlisted(backup: Path) -> None:
    backup.rename(backup.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_cut, "backup-damaged"),
        (_flip, "backup-damaged"),
        (_forget, "backup-manifest"),
        (_spoil, "backup-manifest"),
        (_miscount, "backup-damaged"),
        (_rot_schema, "backup-damaged"),
        (_rot_page, "backup-damaged"),
        (_newer, "store-newer"),
        (_foreign, "store-foreign"),
        (_unlisted, "backup-missing"),
    ],
)
def test_a_bad_backup_changes_nothing(spoil: Callable[[Path], None], code: str, path: Path) -> None:
    """Cut, damaged, without a manifest, miscounted, newer, foreign or gone: refused by name; the store is as it was."""
    fill(path, 0, 500)
    copy = path.with_name("copy.db")
    make_backup(path, copy, made="now")
    fill(path, 500, 600)
    spoil(copy)
    assert code_of(lambda: restore(copy, path, stamp="x")) == code
    assert seconds(path) == list(range(600))
    assert not list(path.parent.glob("*before*"))


def test_restore_puts_the_old_file_aside(path: Path) -> None:
    """The store is the backup again and can be written on; the old file is whole, with its log. Keeps S1-09."""
    fill(path, 0, 100)
    path.chmod(0o640)
    copy = path.with_name("copy.db")
    make_backup(path, copy, made="now")
    fill(path, 100, 200)
    first, second = restore(copy, path, stamp="x"), restore(copy, path, stamp="x")
    assert first.rows["liquidation_events"] == 100
    assert seconds(path) == list(range(100))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert first.kept is not None
    assert second.kept == f"{first.kept}+"
    assert seconds(Path(first.kept)) == list(range(200))
    assert check(path).ok
    fill(path, 100, 110)
    assert seconds(path) == list(range(110))


def test_restore_where_nothing_was(path: Path) -> None:
    """A new machine has only the backup."""
    fill(path, 0, 10)
    copy = path.with_name("copy.db")
    make_backup(path, copy, made="now")
    elsewhere = path.with_name("elsewhere.db")
    assert restore(copy, elsewhere, stamp="x").kept is None
    assert seconds(elsewhere) == list(range(10))


def test_an_older_backup_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup of an earlier version is of today's schema when it is restored."""
    fill(path, 0, 10)
    copy = path.with_name("copy.db")
    make_backup(path, copy, made="now")
    with closing(sqlite3.connect(copy)) as connection:
        before = connection.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall()
    more = (*MIGRATIONS, lambda connection: connection.execute("CREATE TABLE tomorrow (a)"))
    monkeypatch.setattr(schema, "MIGRATIONS", more)
    monkeypatch.setattr(access, "MIGRATIONS", more)
    assert restore(copy, path, stamp="x").rows["tomorrow"] == 0
    assert seconds(path) == list(range(10))
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall() == before


def test_a_live_collector_keeps_its_store(path: Path) -> None:
    """Restoring under a writer is refused; it goes on, and nothing it was given is lost."""
    fill(path, 0, 10)
    copy = path.with_name("copy.db")
    make_backup(path, copy, made="now")
    with closing(SqliteStore.open(path, kind=StoreKind.OBSERVED)) as store:
        assert code_of(lambda: restore(copy, path, stamp="x")) == "store-locked"
        store.sink().accept(liquidation(10))
    assert seconds(path) == list(range(11))


def test_kinds_do_not_mix_in_a_restore(path: Path) -> None:
    """A demo's backup never takes the place of observed data."""
    fill(path, 0, 10, StoreKind.DEMO)
    copy = path.with_name("copy.db")
    make_backup(path, copy, made="now")
    observed = path.with_name("observed.db")
    fill(observed, 0, 5)
    assert code_of(lambda: restore(copy, observed, stamp="x")) == "store-kind"
    assert seconds(observed) == list(range(5))


def test_a_reader_at_length_is_not_torn(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader in the middle of its work holds a restore back; a reader at rest sees the old file to the end."""
    monkeypatch.setattr(restore_module, "_BUSY_TIMEOUT_MS", 1)
    fill(path, 0, 10)
    copy = path.with_name("copy.db")
    make_backup(path, copy, made="now")
    with closing(SqliteStore.open(path, kind=StoreKind.OBSERVED)) as store, SqliteReader.open(path) as reader:
        reader._connection.execute("BEGIN")
        assert reader.counts(0).total == 10
        store.sink().accept(liquidation(10))
        store.close()
        assert code_of(lambda: restore(copy, path, stamp="x")) == "store-busy"
        reader._connection.execute("COMMIT")
        restore(copy, path, stamp="x")
        assert reader.counts(0).total == 11
    assert seconds(path) == list(range(10))


@pytest.mark.parametrize("damage", ["header", "schema", "middle"])
def test_a_damaged_store_is_replaced_and_kept(damage: str, path: Path) -> None:
    """Restore is for the day the store is broken: the broken file is kept as it was, with its log."""
    fill(path, 0, 2000)
    copy = path.with_name("copy.db")
    make_backup(path, copy, made="now")
    with path.open("r+b") as file:
        file.seek({"header": 0, "schema": 100, "middle": 4096 * 3}[damage])
        file.write(b"\x5a" * 20_000)
    broken = path.read_bytes()
    path.with_name("market.db-wal").write_bytes(b"what was not yet brought home")
    done = restore(copy, path, stamp="x")
    assert seconds(path) == list(range(2000))
    assert done.kept is not None
    assert Path(done.kept).read_bytes() == broken
    if damage == "header":
        assert Path(f"{done.kept}-wal").read_bytes() == b"what was not yet brought home"


@pytest.mark.parametrize("fault", ["copyfile", "link"])
def test_a_file_system_without_links(fault: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file cannot have two names, the old one is copied; where it cannot be copied, nothing was changed."""
    fill(path, 0, 10)
    copy = path.with_name("copy.db")
    make_backup(path, copy, made="now")
    fill(path, 10, 20)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if fault == "link":
        monkeypatch.setattr(os, "link", refuse)
        kept = restore(copy, path, stamp="x").kept
        assert kept is not None
        assert seconds(Path(kept)) == list(range(20))
    else:
        monkeypatch.setattr(shutil, "copyfile", refuse)
        assert code_of(lambda: restore(copy, path, stamp="x")) == "backup-unwritten"
        assert seconds(path) == list(range(20))


@pytest.mark.parametrize(
    "step",
    [
        "refuse_lack_of_room",
        "sha256_of",
        "_bring_up_to_date",
        "sync",
        "_set_aside",
        "_name_again",
        "put_in_place",
        "done",
    ],
)
def test_a_killed_restore_leaves_one_whole_store(step: str, path: Path) -> None:
    """Killed at any step, the store is the old one or the new one, complete; the next restore succeeds. Keeps S1-09."""
    fill(path, 0, 100)
    copy = path.with_name("copy.db")
    make_backup(path, copy, made="now")
    fill(path, 100, 150)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", DYING, step, str(copy), str(path)]
    ended = subprocess.run(command, env=environment, cwd=ROOT, check=False)
    assert ended.returncode == (0 if step == "done" else -signal.SIGKILL)
    assert seconds(path) == list(range(100 if step == "done" else 150))
    assert check(path).ok
    restore(copy, path, stamp="y")
    assert seconds(path) == list(range(100))
    assert not list(path.parent.glob(".*.part"))


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (sqlite3.OperationalError("database or disk is full"), "backup-unwritten"),
        (sqlite3.DatabaseError("database disk image is malformed"), "store-corrupt"),
    ],
)
def test_a_copy_that_fails_half_way(
    failure: sqlite3.Error, code: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the disk or the store is to blame is told apart; nothing is left behind."""
    fill(path, 0, 10)

    class Failing:
        """A connection whose backup fails."""

        def __init__(self, connection: sqlite3.Connection) -> None:
            self.execute = connection.execute
            self.close = connection.close

        def backup(self, _: sqlite3.Connection) -> None:
            raise failure

    really = access.open_for_reading
    monkeypatch.setattr(backup_module, "open_for_reading", lambda source: Failing(really(source)))
    assert code_of(lambda: make_backup(path, path.with_name("copy.db"), made="now")) == code
    assert left(path.parent) == {"market.db"}


def test_a_backup_that_changes_under_way(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was proved must be what is put in place."""
    fill(path, 0, 10)
    copy = path.with_name("copy.db")
    make_backup(path, copy, made="now")
    fill(path, 10, 20)
    monkeypatch.setattr(restore_module, "sha256_of", lambda _: "another")
    assert code_of(lambda: restore(copy, path, stamp="x")) == "backup-damaged"
    assert seconds(path) == list(range(20))


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_program_that_locks_the_store(mode: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A foreign program in the middle of writing holds a restore back."""
    monkeypatch.setattr(restore_module, "_BUSY_TIMEOUT_MS", 1)
    fill(path, 0, 10)
    copy = path.with_name("copy.db")
    make_backup(path, copy, made="now")
    with closing(sqlite3.connect(path, isolation_level=None)) as intruder:
        intruder.execute(f"PRAGMA journal_mode = {mode}")
        intruder.execute("BEGIN EXCLUSIVE")
        intruder.execute("DELETE FROM meta")
        assert code_of(lambda: restore(copy, path, stamp="x")) == "store-busy"
        intruder.execute("ROLLBACK")
    assert seconds(path) == list(range(10))


def test_errors_name_the_backup(path: Path) -> None:
    """What is missing is told by its name."""
    with pytest.raises(DataError, match=r"nothing\.db"):
        check_backup(path.with_name("nothing.db"))
    path.with_name("copy.db").write_bytes(b"")
    with pytest.raises(StoreError, match=r"copy\.db"):
        check_backup(path.with_name("copy.db"))
