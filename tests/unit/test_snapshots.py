"""The chain of snapshots: what is appended is found again, a change is named, what a killed writer left mends."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from perpscope.errors import StoreError
from perpscope.stores.snapshot_check import ChainTold, check
from perpscope.stores.snapshot_rows import Snapshot, read_line
from perpscope.stores.snapshots import SnapshotReader, SnapshotStore

DAY = 86_400_000_000_000
NOON = 20_000 * DAY + DAY // 2
STEP = 300_000_000_000


def snapshot(at: int, symbol: str = "BTC", payload: bytes | None = None) -> Snapshot:
    """The snapshot of a step after noon; 144 of them reach midnight."""
    return Snapshot(
        ts=NOON + at * STEP,
        symbol=symbol,
        data="demo",
        venues=("binance", "bybit"),
        formula="method",
        profile="calibrated",
        parameters="0" * 64,
        payload=f"map {at} of {symbol}".encode() * (1 + at % 3) if payload is None else payload,
    )


def filled(folder: Path, steps: range, symbol: str = "BTC") -> Path:
    """A folder with these steps appended; its chain's folder."""
    with SnapshotStore.open(folder) as store:
        for at in steps:
            store.append(snapshot(at, symbol))
    return folder / symbol


def only(folder: Path) -> ChainTold:
    """What is told of the one chain there is."""
    (found,) = check(folder)
    return found


def kinds(folder: Path) -> list[str]:
    """Kinds of faults of the one chain there is."""
    return [fault.kind for fault in only(folder).faults]


def test_what_was_appended_is_found_again(tmp_path: Path) -> None:
    """Rows in order, each with its payload, over midnight; the chain is whole. Keeps B10."""
    folder = tmp_path / "x.maps"
    filled(folder, range(140, 150))
    filled(folder, range(150, 152))
    reader = SnapshotReader(folder)
    rows = reader.maps("BTC", 0, 2 * NOON)
    assert [row.ts for row in rows] == [NOON + at * STEP for at in range(140, 152)]
    assert [reader.payload(row) for row in rows] == [snapshot(at).payload for at in range(140, 152)]
    assert [row.row for row in rows] == list(range(12))
    assert len({row.day for row in rows}) == 2
    assert [row.ts for row in reader.maps("BTC", rows[3].ts, rows[5].ts)] == [row.ts for row in rows[3:6]]
    told = only(folder)
    assert (told.ok, told.rows, told.maps, told.dropped, told.faults) == (True, 12, 12, 0, [])
    assert told.bytes == sum(row.bytes for row in rows)
    assert reader.symbols() == ["BTC"]


def test_each_symbol_has_a_chain_of_its_own(tmp_path: Path) -> None:
    """Names that are no names of files are kept as well; asking for one tells of that one."""
    folder = tmp_path / "x.maps"
    for symbol in ("BTC", "../PEPE", "币安人生"):
        filled(folder, range(3), symbol)
    assert SnapshotReader(folder).symbols() == ["../PEPE", "BTC", "币安人生"]
    assert [told.symbol for told in check(folder, "../PEPE")] == ["../PEPE"]
    assert all(told.ok for told in check(folder))
    assert [row.symbol for row in SnapshotReader(folder).maps("币安人生", 0, 2 * NOON)] == ["币安人生"] * 3
    assert {place.parent for place in tmp_path.rglob("*.chain")} < set(folder.iterdir())


def test_another_market_in_the_same_place_is_another(tmp_path: Path) -> None:
    """Where market time goes back a demo was made anew: its rows alone are taken for its maps; all are verified."""
    folder = tmp_path / "x.maps"
    filled(folder, range(6))
    filled(folder, range(2, 5))
    rows = SnapshotReader(folder).maps("BTC", 0, 2 * NOON)
    assert [row.row for row in rows] == [6, 7, 8]
    assert only(folder).ok


def lines_of(place: Path) -> list[bytes]:
    """Rows of the newest day."""
    return sorted(place.glob("*.chain"))[-1].read_bytes().splitlines(keepends=True)


def put(place: Path, lines: list[bytes]) -> None:
    """Write the newest day anew."""
    sorted(place.glob("*.chain"))[-1].write_bytes(b"".join(lines))


def payloads(place: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the file of payloads."""
    (file,) = place.glob("*.maps")
    file.write_bytes(change(file.read_bytes()))


MUTATIONS: dict[str, tuple[Callable[[Path], object], str, int | None]] = {
    "edited": (lambda p: put(p, [line.replace(b":2,", b":2, ", 1) for line in lines_of(p)]), "edited", 2),
    "removed": (lambda p: put(p, lines_of(p)[:3] + lines_of(p)[4:]), "missing", 3),
    "first-removed": (lambda p: put(p, lines_of(p)[1:]), "missing", 0),
    "last-removed": (lambda p: put(p, lines_of(p)[:-1]), "head", 4),
    "inserted": (lambda p: put(p, [*lines_of(p)[:4], lines_of(p)[1], *lines_of(p)[4:]]), "inserted", 1),
    "reordered": (lambda p: put(p, [lines_of(p)[at] for at in (0, 1, 3, 2, 4, 5)]), "reordered", 3),
    "torn": (lambda p: put(p, [*lines_of(p), b'{"row":6,"kind":"ma']), "torn", 6),
    "payload": (lambda p: payloads(p, lambda held: b"M" + held[1:]), "payload", 0),
    "payloads-cut": (lambda p: payloads(p, lambda held: held[:80]), "payload", 3),
    "payloads-gone": (lambda p: next(p.glob("*.maps")).unlink(), "payload", 0),
    "payloads-more": (lambda p: payloads(p, lambda held: held + b"x"), "extra", None),
    "head": (lambda p: (p / "head").write_bytes(b"6 " + b"0" * 64 + b"\n"), "head", 5),
    "head-gone": (lambda p: (p / "head").unlink(), "head", 5),
    "all-rows-gone": (lambda p: next(p.glob("*.chain")).unlink(), "missing", 0),
}  # fmt: skip


@pytest.mark.parametrize("name", list(MUTATIONS))
def test_a_change_is_found_and_named(tmp_path: Path, name: str) -> None:
    """What was done to the chain, to which row, and when that row was. Keeps B10."""
    place = filled(tmp_path / "x.maps", range(6))
    change, kind, row = MUTATIONS[name]
    change(place)
    told = only(tmp_path / "x.maps")
    assert not told.ok
    assert (told.faults[0].kind, told.faults[0].row) == (kind, row)
    if told.faults[0].ts_ms is not None:
        assert NOON // 10**6 <= told.faults[0].ts_ms <= (NOON + 5 * STEP) // 10**6


def test_a_chain_written_anew_lacks_the_hash_that_was_noted(tmp_path: Path) -> None:
    """Whoever rewrites all of it is found by a hash that was noted down elsewhere."""
    folder = tmp_path / "x.maps"
    filled(folder, range(6))
    noted = only(folder).head
    shutil.rmtree(folder / "BTC")
    with SnapshotStore.open(folder) as store:
        for at in range(8):
            store.append(snapshot(at, payload=b"another map"))
    assert only(folder).ok
    assert not check(folder, "BTC", contains=noted)[0].ok
    assert check(folder, "BTC", contains=only(folder).head)[0].ok


def test_payloads_may_go_and_the_chain_stays(tmp_path: Path) -> None:
    """Old days let go of their payloads; what went is counted, every row is still verified."""
    folder = tmp_path / "x.maps"
    filled(folder, range(140, 150))
    with SnapshotStore.open(folder) as store:
        assert store.drop_before("BTC", NOON + DAY) == 1
        assert store.drop_before("BTC", NOON + DAY) == 0
        store.append(snapshot(151))
    told = only(folder)
    assert (told.ok, told.rows, told.maps, told.dropped) == (True, 12, 11, 4)
    rows = SnapshotReader(folder).maps("BTC", 0, 2 * NOON)
    with pytest.raises(StoreError, match="row 0 cannot be read"):
        SnapshotReader(folder).payload(rows[0])
    next((folder / "BTC").glob("*.maps")).unlink()
    assert set(kinds(folder)) == {"payload"}


@pytest.mark.parametrize("left", ["row", "payload", "head", "new-day", "first-row"])
def test_what_a_killed_writer_left_mends(tmp_path: Path, left: str) -> None:
    """A torn row, a payload without one, a head one behind: the next writer goes on, and the chain says so."""
    folder = tmp_path / "x.maps"
    steps = range(0) if left == "first-row" else range(4)
    place = filled(folder, steps)
    place.mkdir(exist_ok=True)
    chain, maps = place / "2024-10-04.chain", place / "2024-10-04.maps"
    if left == "row":
        with chain.open("ab") as file:
            file.write(b'{"row":4,"kin')
    elif left == "payload":
        with maps.open("ab") as file:
            file.write(b"half a paylo")
    elif left == "head":
        last = read_line(lines_of(place)[-2][:-1])
        assert last is not None
        (place / "head").write_text(f"2 {last.chain}\n")
    elif left == "new-day":
        (place / "2024-10-05.maps").write_bytes(b"half")
        (place / "2024-10-05.chain").write_bytes(b'{"row"')
    else:
        maps.write_bytes(b"half")
        chain.write_bytes(b'{"row"')
    found = only(folder)
    assert found.ok is (left == "head"), found.faults
    with SnapshotStore.open(folder) as store:
        store.append(snapshot(5))
        assert len(store.mended) == (left != "first-row")
    told = only(folder)
    assert told.ok, told.faults
    assert [row.ts for row in SnapshotReader(folder).maps("BTC", 0, 2 * NOON)] == [
        snapshot(at).ts for at in (*steps, 5)
    ]


@pytest.mark.parametrize("name", ["edited", "removed", "reordered", "head", "payloads-gone", "all-rows-gone"])
def test_a_broken_chain_is_set_aside_and_stays_broken(tmp_path: Path, name: str) -> None:
    """The writer begins a new one and says so; the broken one is told until somebody takes it away. Keeps B10."""
    folder = tmp_path / "x.maps"
    MUTATIONS[name][0](filled(folder, range(6)))
    with SnapshotStore.open(folder) as store:
        store.append(snapshot(7))
        assert "set aside as BTC.broken-1" in store.mended[0]
    new, aside = sorted(check(folder, "BTC"), key=lambda told: told.folder)
    assert (new.folder, new.ok, new.maps) == ("BTC", True, 1)
    assert (aside.folder, aside.symbol, aside.ok) == ("BTC.broken-1", "BTC", False)
    assert SnapshotReader(folder).symbols() == ["BTC"]


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """A second is refused; a reader is not, and does not take a living writer's last row for a fault."""
    folder = tmp_path / "x.maps"
    place = filled(folder, range(3))
    with SnapshotStore.open(folder) as store:
        with pytest.raises(StoreError, match="another process is already writing"):
            SnapshotStore.open(folder)
        store.append(snapshot(3))
        with next(place.glob("*.maps")).open("ab") as file:
            file.write(b"on its way")
        assert only(folder).ok
    assert kinds(folder) == ["extra"]
    store.close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file is in its place."""
    (tmp_path / "x.maps").write_text("")
    with pytest.raises(StoreError, match="no maps can be kept"):
        SnapshotStore.open(tmp_path / "x.maps")
    assert check(tmp_path / "x.maps") == []
    assert SnapshotReader(tmp_path / "x.maps").symbols() == []


_FILL = """
import resource, sys
from pathlib import Path
from perpscope.errors import StoreError
from perpscope.stores.snapshots import SnapshotStore
sys.path.insert(0, sys.argv[2])
from tests.unit.test_snapshots import snapshot
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with SnapshotStore.open(Path(sys.argv[1])) as store:
    store.append(snapshot(0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, resource.RLIM_INFINITY))
    codes = []
    for at in (1, 2):
        try:
            store.append(snapshot(at, payload=b"x" * 400))
        except StoreError as error:
            codes.append(error.code)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.append(snapshot(3))
    print(*codes)
"""


def test_a_disk_that_takes_no_more_leaves_the_chain_whole(tmp_path: Path) -> None:
    """A row that cannot be written is refused and leaves nothing; the next one follows the last that was."""
    root = Path(__file__).parents[2]
    told = subprocess.run(
        [sys.executable, "-c", _FILL, str(tmp_path / "x.maps"), str(root)],
        capture_output=True, text=True, check=True, cwd=root,
    )  # fmt: skip
    assert told.stdout.split() == ["store-io", "store-io"]
    found = only(tmp_path / "x.maps")
    assert (found.ok, found.maps) == (True, 2), found.faults


_WRITE = """
import sys
from pathlib import Path
from perpscope.stores.snapshots import SnapshotStore
sys.path.insert(0, sys.argv[2])
from tests.unit.test_snapshots import snapshot
with SnapshotStore.open(Path(sys.argv[1])) as store:
    for at in range(int(sys.argv[3]), 100_000):
        store.append(snapshot(at, payload=bytes(range(256)) * 40))
        print(at, flush=True)
"""


def test_a_writer_that_is_killed_loses_nothing_it_said(tmp_path: Path) -> None:
    """Killed while it writes, again and again: every row it told of is there, and the chain mends. Keeps B10."""
    root, folder, told = Path(__file__).parents[2], tmp_path / "x.maps", -1
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITE, str(folder), str(root), str(told + 1)], stdout=subprocess.PIPE, cwd=root
        ) as writer:
            assert writer.stdout is not None
            for _ in range(25):
                told = int(writer.stdout.readline())
            writer.kill()
            told = max([told, *map(int, writer.stdout.read().split())])
        assert set(kinds(folder)) <= {"torn", "extra"}
    with SnapshotStore.open(folder) as store:
        store.append(snapshot(told + 1))
    found = only(folder)
    assert found.ok, found.faults
    times = [row.ts for row in SnapshotReader(folder).maps("BTC", 0, 2 * NOON)]
    assert set(times) >= {snapshot(at).ts for at in range(told + 2)}


def test_a_row_reads_as_json(tmp_path: Path) -> None:
    """Anybody can read a chain without us: a line is one JSON object, its hash is over what stands before it."""
    place = filled(tmp_path / "x.maps", range(1))
    (line,) = lines_of(place)
    row = json.loads(line)
    assert (row["row"], row["kind"], row["symbol"], row["venues"]) == (0, "map", "BTC", ["binance", "bybit"])
    assert row["previous"] == "0" * 64
    assert len(row["chain"]) == 64
