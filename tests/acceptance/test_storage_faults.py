"""The store on bad days, with the real thing: full and read-only disks, locks, damage, lost logs, power failure.

Each fault has one clear error; nothing that was committed is lost; what was seen is never told for more than is there;
and where the fault passes, collecting goes on. Faults that need root skip without it, and say so.
"""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from perpscope.cli.main import run
from perpscope.errors import PerpscopeError
from perpscope.stores import schema
from perpscope.stores.backup import make_backup
from perpscope.stores.checkup import check
from perpscope.stores.reader import SqliteReader
from perpscope.stores.restore import restore
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind
from tests.contract.store_events import BTC, NOON, SECOND, at, covered, liquidation, tick

ROOT = Path(__file__).resolve().parents[2]
PER_SECOND = 20
#: What every program under a fault begins with. `fill` writes a second of market time and says when it is committed.
PRELUDE = f"""
import json, os, subprocess, sys, threading, time
from pathlib import Path
from tests.contract.store_events import BTC, LIQUIDATIONS, at, covered, liquidation, tick
from perpscope.errors import PerpscopeError
from perpscope.stores import access
from perpscope.stores.backup import make_backup
from perpscope.stores.checkup import check, vacuum
from perpscope.stores.reader import SqliteReader
from perpscope.stores.retention import sweep
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

def fill(store, second, padding=1):
    for number in range({PER_SECOND} * padding):
        store.sink().accept(liquidation(second + number / ({PER_SECOND} * padding)))
    store.sink().accept(covered(0, second + 1))
    store.sink().accept(tick(second + 1))

def wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "too long"
        threading.Event().wait(0.002)

def count(path):
    with SqliteReader.open(path) as reader:
        return reader.counts(0).total

def code_of(act):
    try:
        act()
    except PerpscopeError as error:
        return error.code

def mount(*words):
    subprocess.run(["mount", *words], check=True)

folder = Path(sys.argv[1])
path = folder / "market.db"
"""


def environment(**more: str) -> dict[str, str]:
    """For a program that imports our tests."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), **more}


def told_by(program: str, folder: Path, *before: str, **more: str) -> dict[str, object]:
    """Run a program in a process of its own; what it printed."""
    command = [*before, sys.executable, "-c", PRELUDE + program, str(folder)]
    ended = subprocess.run(command, env=environment(**more), capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    told: dict[str, object] = json.loads(ended.stdout.splitlines()[-1])
    return told


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store goes."""
    return tmp_path / "market.db"


def fill(path: Path, seconds: int, begin: int = 0) -> None:
    """A store with rows in each second, all covered."""
    with closing(SqliteStore.open(path, kind=StoreKind.OBSERVED)) as store:
        write(store, seconds, begin)


def write(store: SqliteStore, seconds: int, begin: int = 0) -> None:
    """Rows in each of these seconds, and the coverage that vouches for them."""
    store.register([BTC])
    for second in range(begin, begin + seconds):
        for number in range(PER_SECOND):
            store.sink().accept(liquidation(second + number / PER_SECOND))
        store.sink().accept(covered(0, second + 1))
        store.sink().accept(tick(second + 1))


def total(path: Path) -> int:
    """Liquidations that can be read."""
    with SqliteReader.open(path) as reader:
        return reader.counts(0).total


def assert_vouched(path: Path) -> int:
    """What coverage vouches for is there; says how many seconds that is."""
    with SqliteReader.open(path) as reader:
        ends = [row.ts_to for row in reader.coverage(kind="covered")]
        times = [event.ts_event for event in reader.liquidations(limit=10**7)]
    seconds = ((ends[0] or NOON) - NOON) // SECOND if ends else 0
    assert sum(ts < at(seconds) for ts in times) == seconds * PER_SECOND
    return seconds


def refused(act: Callable[[], object]) -> PerpscopeError:
    """The error an act ends with; it always says what to do."""
    with pytest.raises(PerpscopeError) as caught:
        act()
    assert caught.value.hint
    return caught.value


def is_found_by_check(path: Path) -> bool:
    """Whether `db check` sees that a store is damaged."""
    try:
        return not check(path).ok
    except PerpscopeError as told:
        return told.code == "store-corrupt"


def opening(path: Path) -> Callable[[], object]:
    """Opening a store for writing."""
    return lambda: SqliteStore.open(path, kind=StoreKind.OBSERVED).close()


FULL_DISK = """
mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder))
store = SqliteStore.open(path, kind=StoreKind.OBSERVED, busy_timeout_ms=50)
store.register([BTC])
second = 0
while store.trouble is None:
    fill(store, second, padding=10)
    second += 1
    wait_for(lambda: store.trouble is not None or store.pending_rows < 2000)
for _ in range(5):
    fill(store, second, padding=10)
    second += 1
trouble, readable = store.trouble, count(path)
with SqliteReader.open(path) as reader:
    (vouched,) = [row.ts_to for row in reader.coverage()]
backup = code_of(lambda: make_backup(path, folder / "b.db", made="now"))
left = sorted(found.name for found in folder.iterdir())
mount("-o", "remount,size=64m", str(folder))
store.flush()
recovered = store.trouble
store.close()
print(json.dumps({
    "code": trouble.code, "what": trouble.what, "readable": readable, "vouched": (vouched - at(0)) // 10**9,
    "backup": backup, "left": left, "recovered": recovered, "stored": count(path), "given": second * 200,
    "dropped": store.dropped, "ok": check(path).ok,
}))
"""


def test_f1_a_full_disk(own_mounts: list[str], tmp_path: Path) -> None:
    """F1: told as full, readable meanwhile, nothing lost, goes on when there is room; a backup leaves no half file."""
    told = told_by(FULL_DISK, tmp_path, *own_mounts)
    assert (told["code"], told["what"]) == ("store-full", "database or disk is full")
    assert (told["recovered"], told["dropped"], told["ok"]) == (None, 0, True)
    assert told["stored"] == told["given"]
    assert isinstance(told["vouched"], int)
    assert told["vouched"] * 200 <= told["readable"]  # type: ignore[operator]  # a number
    assert told["backup"] == "disk-full"
    assert not [name for name in told["left"] if "b.db" in name]  # type: ignore[attr-defined]  # names


FULL_AT_START = """
mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder))
(folder / "ballast").write_bytes(bytes(48 * 1024))
first = code_of(lambda: SqliteStore.open(path, kind=StoreKind.OBSERVED))
(folder / "ballast").unlink()
mount("-o", "remount,size=16m", str(folder))
store = SqliteStore.open(path, kind=StoreKind.OBSERVED)
fill(store, 0)
store.close()
print(json.dumps({"first": first, "stored": count(path)}))
"""


def test_f1_a_full_disk_at_start(own_mounts: list[str], tmp_path: Path) -> None:
    """F1: a store that finds no room to begin says so, and begins when there is."""
    assert told_by(FULL_AT_START, tmp_path, *own_mounts) == {"first": "disk-full", "stored": PER_SECOND}


FULL_TEMP = """
temp = folder / "temp"
temp.mkdir()
mount("-t", "tmpfs", "-o", "size=16k", "tmpfs", str(temp))
(temp / "ballast").write_bytes(bytes(16 * 1024))
store = SqliteStore.open(path, kind=StoreKind.OBSERVED)
store.register([BTC])
for second in range(200):
    fill(store, second, padding=5)
store.flush()
swept = store.ask(lambda connection: sweep(connection, at(100))).result(60)
store.close()
before = count(path)
access.CACHE_KIB = 64
code = code_of(lambda: vacuum(path))
print(json.dumps({"code": code, "before": before, "after": count(path), "ok": check(path).ok}))
"""


def test_f2_a_full_folder_for_temporary_files(own_mounts: list[str], tmp_path: Path) -> None:
    """F2: collecting and cleaning up need none; what does says that the disk is full and changes nothing."""
    told = told_by(FULL_TEMP, tmp_path, *own_mounts, SQLITE_TMPDIR=str(tmp_path / "temp"))
    assert told == {"code": "disk-full", "before": 10_000, "after": 10_000, "ok": True}


READ_ONLY = """
mount("-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder))
store = SqliteStore.open(path, kind=StoreKind.OBSERVED)
fill(store, 0)
store.close()
path.with_name(path.name + ".lock").unlink()
mount("-o", "remount,ro", str(folder))
codes = [code_of(lambda: SqliteStore.open(path, kind=StoreKind.OBSERVED)), code_of(lambda: vacuum(path))]
readable, findings = count(path), [finding.name for finding in check(path).findings if finding.is_fault]
mount("-o", "remount,rw", str(folder))
store = SqliteStore.open(path, kind=StoreKind.OBSERVED)
fill(store, 1)
store.close()
print(json.dumps({"codes": codes, "readable": readable, "findings": findings, "stored": count(path)}))
"""


def test_f3_a_read_only_disk(own_mounts: list[str], tmp_path: Path) -> None:
    """F3: it is named before anything is tried, reading goes on, and so does writing when it may. Keeps S1-69."""
    told = told_by(READ_ONLY, tmp_path, *own_mounts)
    assert told["codes"] == ["store-folder", "store-folder"]
    assert told["findings"] == ["read-only", "folder-read-only"]
    assert (told["readable"], told["stored"]) == (PER_SECOND, 2 * PER_SECOND)


def test_f3_a_read_only_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F3: a file that may only be read is left alone. Keeps S1-69."""
    fill(path, 1)
    path.chmod(0o444)
    if os.geteuid() == 0:
        really = os.access
        monkeypatch.setattr(
            os, "access", lambda name, mode: really(name, mode) and not (name == path and mode & os.W_OK)
        )
    assert refused(opening(path)).code == "store-readonly"
    assert [finding.name for finding in check(path).findings if finding.is_fault] == ["read-only"]
    assert total(path) == PER_SECOND


HOLDING = """
import sqlite3
connection = sqlite3.connect(path, isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""


@pytest.fixture
def holder(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another program in the middle of a transaction on the store, until its stdin is closed."""
    fill(path, 1)
    command = [sys.executable, "-c", PRELUDE + HOLDING, str(path.parent)]
    with subprocess.Popen(
        command, env=environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_f4_a_foreign_lock(path: Path) -> None:
    """F4: rows wait while somebody else holds the file, readers do not, and nothing is dropped."""
    fill(path, 1)
    store = SqliteStore.open(path, kind=StoreKind.OBSERVED, busy_timeout_ms=20)
    command = [sys.executable, "-c", PRELUDE + HOLDING, str(path.parent)]
    with subprocess.Popen(
        command, env=environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        write(store, 100, begin=1)
        with pytest.raises(PerpscopeError, match="database is locked"):
            store.flush(0.3)
        trouble = store.trouble
        assert trouble is not None
        assert trouble.code == "store-busy"
        assert total(path) == PER_SECOND
        process.communicate("")
    store.flush()
    assert (store.trouble, store.dropped) == (None, 0)
    store.close()
    assert assert_vouched(path) == 101


def test_f4_a_foreign_lock_at_start(path: Path, holder: "subprocess.Popen[str]") -> None:
    """F4: opening waits for as long as it was told, then says who is in the way of what."""
    act = lambda: SqliteStore.open(path, kind=StoreKind.OBSERVED, busy_timeout_ms=20)  # noqa: E731 -- one line
    assert refused(act).code == "store-busy"
    assert total(path) == PER_SECOND
    holder.communicate("")
    fill(path, 1, begin=1)


@pytest.mark.parametrize("seed", range(12))
def test_f5_flipped_bits(seed: int, path: Path) -> None:
    """F5: damage to a page's structure is refused by name at opening and found by `db check`. Keeps S1-68."""
    fill(path, 100)
    rng = random.Random(seed)
    page = rng.randrange(1, path.stat().st_size // 4096)
    with path.open("r+b") as file:
        file.seek(4096 * page)
        file.write(rng.randbytes(64))
    error = refused(opening(path))
    assert error.code == "store-corrupt"
    assert "restore" in (error.hint or "")
    assert is_found_by_check(path)
    path.unlink()
    fill(path, 1)
    assert total(path) == PER_SECOND


@pytest.mark.parametrize("kept", [1, 15, 16, 99, 100, 4095, 4096, 5000, 40_960, 0.5, 0.9])
def test_a_truncated_file(kept: float, path: Path) -> None:
    """A file that was cut short anywhere is refused, by writers and readers, and stays for whoever can mend it."""
    fill(path, 100)
    size = int(kept if kept >= 1 else path.stat().st_size * kept)
    os.truncate(path, size)
    assert refused(opening(path)).code == "store-corrupt"
    assert path.stat().st_size == size
    assert is_found_by_check(path)


KILLED = """
store = SqliteStore.open(path, kind=StoreKind.OBSERVED)
store.register([BTC])
for second in range(100):
    fill(store, second)
store.flush()
os.kill(os.getpid(), 9)
"""


def killed(path: Path) -> None:
    """A store whose writer was killed with rows in its log."""
    command = [sys.executable, "-c", PRELUDE + KILLED, str(path.parent)]
    assert subprocess.run(command, env=environment(), check=False).returncode == -9
    assert path.with_name("market.db-wal").stat().st_size > 0


@pytest.mark.parametrize(
    ("lost", "seconds"), [((), 100), (("-shm",), 100), (("-wal",), 0), (("-wal", "-shm"), 0)], ids=str
)
def test_f7_a_log_that_is_gone(lost: tuple[str, ...], seconds: int, path: Path) -> None:
    """F7: without its log a store is what it was before; it vouches for nothing more, and is whole."""
    fill(path, 1, begin=1000)
    killed(path)
    for ending in lost:
        path.with_name(path.name + ending).unlink()
    with closing(SqliteStore.open(path, kind=StoreKind.OBSERVED)) as store:
        ((ended, _),) = store.last_covered().values()
    assert total(path) == (seconds + 1) * PER_SECOND
    assert ended >= at(seconds)
    assert check(path).ok


def test_f7_a_copy_without_the_log(path: Path, tmp_path: Path) -> None:
    """F7: a mere copy of the file lacks the log's rows and is refused as a backup; `perpscope backup` has them."""
    fill(path, 1)
    with closing(SqliteStore.open(path, kind=StoreKind.OBSERVED)) as store:
        write(store, 10, begin=1)
        store.flush()
        copied = tmp_path / "copied.db"
        shutil.copyfile(path, copied)
        made = make_backup(path, tmp_path / "made.db", made="now")
    assert refused(lambda: restore(copied, path, stamp="x")).code == "backup-manifest"
    assert made.rows["liquidation_events"] == 11 * PER_SECOND
    assert total(copied) < made.rows["liquidation_events"]


SLOW_SYNC = """
#define _GNU_SOURCE
#include <unistd.h>
int fsync(int fd) { (void)fd; usleep(300000); return 0; }
int fdatasync(int fd) { (void)fd; usleep(300000); return 0; }
"""
SLOWLY = """
store = SqliteStore.open(path, kind=StoreKind.OBSERVED)
store.register([BTC])
worst = 0.0
for second in range(300):
    started = time.perf_counter()
    fill(store, second, padding=10)
    worst = max(worst, time.perf_counter() - started)
store.flush()
store.close()
print(json.dumps({"worst_ms": 1000 * worst, "dropped": store.dropped, "stored": count(path), "ok": check(path).ok}))
"""


def test_f10_a_slow_disk(tmp_path: Path) -> None:
    """F10: where each sync takes 0.3 s, whoever hands rows in does not wait for it, and none is lost."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler for the library that makes syncing slow")
    source, library = tmp_path / "slow.c", tmp_path / "slow.so"
    source.write_text(SLOW_SYNC)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    told = told_by(SLOWLY, tmp_path, LD_PRELOAD=str(library))
    assert (told["dropped"], told["stored"], told["ok"]) == (0, 60_000, True)
    assert isinstance(told["worst_ms"], float)
    assert told["worst_ms"] < 250


@pytest.mark.parametrize("seed", [1, 2, 3, pytest.param(tuple(range(4, 60)), marks=pytest.mark.soak)])
def test_f11_power_failure(seed: int | tuple[int, ...], path: Path, tmp_path: Path) -> None:
    """F11: whatever part of the log reached the disk, the store is whole and a beginning of what was committed."""
    fill(path, 20)
    with closing(SqliteStore.open(path, kind=StoreKind.OBSERVED)) as store:
        for second in range(20, 50):
            write(store, 1, begin=second)
            store.flush()
        main, log = path.read_bytes(), path.with_name("market.db-wal").read_bytes()
    found = []
    for number in (seed,) if isinstance(seed, int) else seed:
        rng = random.Random(number)
        frame = 24 + 4096
        cuts = [
            0,
            32,
            len(log),
            *(32 + frame * rng.randrange(len(log) // frame) + rng.randrange(frame) for _ in range(8)),
        ]
        for cut in sorted(cuts):
            after = tmp_path / f"after-{number}-{cut}.db"
            after.write_bytes(main)
            torn = rng.randbytes(min(512, cut // 2)) if rng.random() < 0.5 and cut < len(log) else b""
            after.with_name(f"{after.name}-wal").write_bytes(log[: cut - len(torn)] + torn)
            with closing(SqliteStore.open(after, kind=StoreKind.OBSERVED)):
                assert check(after).integrity == ["ok"]
            found.append(assert_vouched(after))
            assert total(after) >= found[-1] * PER_SECOND
    assert min(found) == 20
    assert max(found) == 50


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("[feed]\nsilent_after = 3\n", (), "did you mean 'feed.silent_after_s'"),
        ("[feed]\nsilent_after_s = -1\n", (), "feed.silent_after_s"),
        ("[feed\n", (), "line 1"),
        ("[retention]\ndays = -1\n", (), "retention.days"),
        ("[log]\nmax_bytes = 1\n", (), "log.max_bytes"),
        ("[collect]\nvenues = ['binanse']\n", (), "binanse"),
        (None, (), "does not exist"),
        ("", ("--symbls", "BTC"), "--symbls"),
    ],
)
def test_e10_a_wrong_setting_at_start(
    text: str | None, words: tuple[str, ...], said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """E10: the file, the key and the rule are named, the exit code is 2, and no database was made."""
    file, database = tmp_path / "perpscope.toml", tmp_path / "market.db"
    if text is not None:
        file.write_text(text)
    assert run(["collect", "--config", str(file), "--db", str(database), "--duration", "0", *words]) == 2
    shown = capfd.readouterr()
    assert said in shown.err
    assert "Traceback" not in shown.err
    assert not database.exists()


def of_version(number: int, path: Path) -> None:
    """A store as the release with so many migrations left it, with a liquidation and its minute."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for version in range(number):
            schema.MIGRATIONS[version](connection)
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("INSERT INTO meta VALUES ('kind', 'observed')")
        connection.execute(
            "INSERT INTO liquidation_events (symbol, side, size, price, timestamp, venue, instrument, position_side,"
            " ts_event, ts_recv, fill_price, completeness, sampling, venue_key)"
            " VALUES ('BTCUSDT', 'SELL', 2.0, 60000.0, '2024-08-08 12:00:00.000', 'binance', ?, 'LONG', ?, ?, 60000.0,"
            " 'sampled', 'largest_1s', 'k')",
            (BTC.id, NOON, NOON),
        )
        connection.execute(
            "INSERT INTO liquidation_aggregates (symbol, side, total_size, avg_price, event_count, period_start,"
            " period_end, venue, ts_start, total_notional_usd) VALUES ('BTCUSDT', 'SELL', 2.0, 60000.0, 1,"
            " '2024-08-08 12:00:00.000', '2024-08-08 12:01:00.000', 'binance', ?, 120000.0)",
            (NOON,),
        )


@pytest.mark.parametrize("version", range(1, len(schema.MIGRATIONS) + 1))
def test_e11_every_earlier_schema_is_taken_over(version: int, path: Path) -> None:
    """E11: a file of each release is brought up to date with its rows; reading alone never changes it."""
    of_version(version, path)
    before = path.read_bytes()
    if version < len(schema.MIGRATIONS):
        assert refused(lambda: SqliteReader.open(path)).code == "store-older"
        assert path.read_bytes() == before
    fill(path, 1, begin=60)
    assert total(path) == 1 + PER_SECOND
    with SqliteReader.open(path) as reader:
        assert [(row.ts_start, row.event_count) for row in reader.aggregates()] == [(NOON, 1), (at(60), PER_SECOND)]
    assert check(path).ok


@pytest.mark.parametrize("version", range(1, len(schema.MIGRATIONS) + 1))
def test_e11_an_interrupted_upgrade(version: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """E11: an upgrade that fails half way leaves the file as it was, and the next one succeeds."""
    of_version(version, path)

    def fails(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (a)")
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS[:version], fails))
        assert refused(opening(path)).code == "store-io"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (version,)
        assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").fetchone() == (0,)
    fill(path, 1, begin=60)
    assert total(path) == 1 + PER_SECOND


def test_e11_a_newer_schema(path: Path) -> None:
    """E11, reverse: an older program refuses a newer file for reading, writing and restoring, and leaves it alone."""
    fill(path, 1)
    copy = path.with_name("copy.db")
    make_backup(path, copy, made="now")
    for file in (path, copy):
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    before = path.read_bytes()
    assert refused(opening(path)).code == "store-newer"
    assert refused(lambda: SqliteReader.open(path)).code == "store-newer"
    assert refused(lambda: check(path)).code == "store-newer"
    assert path.read_bytes() == before
