"""Laws of the chain: any one change to any byte, row or file of it is found."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perpscope.stores.snapshot_check import check
from perpscope.stores.snapshot_rows import Snapshot
from perpscope.stores.snapshots import SnapshotStore

DAY = 86_400_000_000_000
ROWS = 7


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven snapshots over three days."""
    folder = tmp_path_factory.mktemp("laws") / "x.maps"
    with SnapshotStore.open(folder) as store:
        for at in range(ROWS):
            payload = bytes(range(at, at + 40))
            store.append(
                Snapshot(
                    ts=20_000 * DAY + at * DAY // 3,
                    symbol="BTC",
                    data="demo",
                    venues=("bybit",),
                    formula="method",
                    profile="calibrated",
                    parameters="ab" * 32,
                    payload=payload,
                )
            )
    assert check(folder)[0].ok
    return folder


def _files(place: Path) -> list[Path]:
    return sorted(file for file in place.iterdir() if file.suffix in {".chain", ".maps"} or file.name == "head")


@st.composite
def byte_changes(draw: st.DrawFn) -> tuple[int, int, str, int]:
    """Which file, where, what is done there, and by what byte."""
    kind = draw(st.sampled_from(["flip", "delete", "insert", "cut"]))
    return draw(st.integers(0, 63)), draw(st.integers(0, 1 << 20)), kind, draw(st.integers(1, 255))


@given(change=byte_changes())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_byte_is_found(chain: Path, change: tuple[int, int, str, int]) -> None:
    """Of the rows, the payloads or the head: changed, taken out, put in, or all after it cut off. Keeps B10."""
    which, where, kind, byte = change
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "x.maps"
        shutil.copytree(chain, folder)
        files = _files(folder / "BTC")
        file = files[which % len(files)]
        content = bytearray(file.read_bytes())
        at = where % len(content)
        if kind == "flip":
            content[at] ^= byte
        elif kind == "delete":
            del content[at]
        elif kind == "insert":
            content.insert(at, byte)
        else:
            del content[at:]
        file.write_bytes(bytes(content))
        (told,) = check(folder)
        assert not told.ok, (file.name, at, kind, byte)
        assert told.faults[0].what


@given(data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_row_is_found(chain: Path, data: st.DataObject) -> None:
    """A row taken out, repeated elsewhere, or moved, across days too; a file taken away or put in another's place."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "x.maps"
        shutil.copytree(chain, folder)
        chains = sorted((folder / "BTC").glob("*.chain"))
        days = [file.read_bytes().splitlines(keepends=True) for file in chains]
        day = data.draw(st.integers(0, len(days) - 1))
        row = data.draw(st.integers(0, len(days[day]) - 1))
        to_day = data.draw(st.integers(0, len(days) - 1))
        kind = data.draw(st.sampled_from(["remove", "repeat", "move", "file-gone", "file-over"]))
        if kind == "file-gone":
            _files(folder / "BTC")[data.draw(st.integers(0, 6))].unlink()
        elif kind == "file-over":
            if day == to_day:
                return
            chains[day].write_bytes(chains[to_day].read_bytes())
        else:
            line = days[day][row] if kind == "repeat" else days[day].pop(row)
            place = data.draw(st.integers(0, len(days[to_day])))
            if kind == "move" and (to_day, place) == (day, row):
                return
            if kind != "remove":
                days[to_day].insert(place, line)
            for file, lines in zip(chains, days, strict=True):
                file.write_bytes(b"".join(lines))
        (told,) = check(folder)
        assert not told.ok, (kind, day, row, to_day)
