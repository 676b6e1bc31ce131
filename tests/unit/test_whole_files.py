"""Files that appear whole: several write one at the same moment, threads and processes, and no reader sees a piece."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from perpscope.app import backfill_errand
from perpscope.app.study import map_kept
from perpscope.stores import handover
from perpscope.stores.whole import replace_file

THREADS, TIMES = 4, 150
MS = 1_795_219_200_000


class Result(msgspec.Struct):
    """Of so many letters that a piece of it would be seen."""

    letters: str


def told(number: int) -> str:
    """What one writer writes: its own letter, more of them the higher its number."""
    return chr(ord("a") + number) * (10_000 * (number + 1))


def by_function(folder: Path, number: int) -> Path:
    """The function itself."""
    path = folder / "file"
    replace_file(path, msgspec.json.encode(Result(told(number))))
    return path


def by_handover(folder: Path, number: int) -> Path:
    """An answer about a cleanup."""
    handover.tell(folder / "store.db", handover.Answer(told(number), None, None))
    return folder / "store.db.cleaned"


def by_errand(folder: Path, number: int) -> Path:
    """A word about a backfill."""
    backfill_errand.tell(
        folder / "store.db", backfill_errand.Told(told(number), False, backfill_errand.Report([], {}, 0, 0, 0.0))
    )
    return folder / "store.db.backfilled"


def by_score(_: Path, number: int) -> Path:
    """A result of `study map-score`, of one second."""
    return map_kept.keep(Result(told(number)), "lab", MS)


@pytest.mark.parametrize("write", [by_function, by_handover, by_errand, by_score])
def test_threads_that_write_one_file_leave_one_of_their_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, int], Path]
) -> None:
    """Protects whoever reads: no writer fails for another's sake, each look finds one content whole."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    path, failed = write(tmp_path, 0), list[BaseException]()
    begins = threading.Barrier(THREADS)

    def work(number: int) -> None:
        begins.wait()
        try:
            for _ in range(TIMES):
                write(tmp_path, number)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    seen = set()
    while any(thread.is_alive() for thread in threads):
        seen.add(path.read_bytes())
    for thread in threads:
        thread.join()
    whole = {write(tmp_path, number).read_bytes() for number in range(THREADS)}
    assert failed == []
    assert seen <= whole
    assert [one.name for one in path.parent.iterdir() if one.is_file()] == [path.name]


def test_processes_that_write_one_file_leave_one_of_their_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects results that two commands keep in the same second: both say that they were kept, and one is."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    words, root = "from tests.unit.test_whole_files import keep_many; keep_many()", Path(__file__).parents[2]
    running = [subprocess.Popen([sys.executable, "-c", words, str(number)], cwd=root) for number in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    (kept,) = (tmp_path / "perpscope" / "scores").iterdir()
    assert msgspec.json.decode(kept.read_bytes(), type=Result).letters in (told(0), told(1))


def keep_many() -> None:
    """What each of the processes does."""
    for _ in range(TIMES):
        by_score(Path(), int(sys.argv[1]))


def test_a_file_that_cannot_be_put_there_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    """Protects what was there: its place is a folder, or there is no place at all."""
    (tmp_path / "file").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "file", b"new")
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "nowhere" / "file", b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_leaves_the_old_one_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects what was there where its bytes cannot be had on the disk."""
    path = tmp_path / "file"
    replace_file(path, b"old", mode=0o600)

    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("perpscope.stores.whole.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    replace_file(path, b"new", mode=0o600, is_synced=False)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o600)


def test_a_name_as_long_as_any_may_be_is_written(tmp_path: Path) -> None:
    """Protects long names: the one beside it is no longer."""
    path = tmp_path / ("ä" * 127)
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
