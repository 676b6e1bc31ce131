"""Files of SQLite that several begin at the same moment."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perpscope.errors import PerpscopeError
from perpscope.stores import access, journal_file, runs
from perpscope.stores.alert_log import AlertLog
from perpscope.stores.archive.manifest import Manifest
from perpscope.stores.sqlite import StoreKind, open_reader, open_writer
from perpscope.stores.wal import write_ahead

_WRITERS = 3


@pytest.mark.parametrize(
    "opened",
    [
        pytest.param(runs.opened, id="runs"),
        pytest.param(journal_file.opened, id="journal"),
        pytest.param(AlertLog.open, id="alerts"),
        pytest.param(lambda path: access.open_for_writing(path, 60_000), id="store"),
    ],
)
def test_a_new_file_may_be_begun_by_several_at_once(tmp_path: Path, opened: Callable[[Path], Any]) -> None:
    """Whoever comes second waits: nobody is told that the file is locked, or somebody else's."""
    faults: list[BaseException] = []

    def begin(path: Path, start: threading.Barrier) -> None:
        start.wait()
        try:
            opened(path).close()
        except BaseException as error:
            faults.append(error)

    for number in range(20):
        start = threading.Barrier(_WRITERS)
        path = tmp_path / f"{number}.db"
        threads = [threading.Thread(target=begin, args=(path, start)) for _ in range(_WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        made = min(tmp_path.glob(f"{number}.db*"))  # its log may still stand beside it
        connection = sqlite3.connect(made)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.close()
    assert faults == []


@pytest.mark.parametrize(
    ("begin", "look", "absent"),
    [
        pytest.param(
            lambda path: open_writer(str(path), kind=StoreKind.OBSERVED),
            lambda path: open_reader(str(path)),
            "store-missing",
            id="store",
        ),
        pytest.param(
            lambda path: Manifest.writing(path, StoreKind.OBSERVED), Manifest.reading, "archive-missing", id="archive"
        ),
    ],
)
def test_who_reads_what_is_being_begun_finds_none_or_all_of_it(
    tmp_path: Path, begin: Callable[[Path], Any], look: Callable[[Path], Any], absent: str
) -> None:
    """Never a file that is too old, or nobody's: it is there as soon as its tables are."""
    said: set[str] = set()

    def reads(path: Path, start: threading.Barrier) -> None:
        start.wait()
        while True:
            try:
                look(path).close()
            except PerpscopeError as error:
                said.add(error.code)
            else:
                return

    for number in range(20):
        start, path = threading.Barrier(2), tmp_path / f"{number}.db"
        reader = threading.Thread(target=reads, args=(path, start))
        reader.start()
        start.wait()
        begin(path).close()
        reader.join()
    assert said <= {absent}


def test_a_file_that_stays_held_is_given_up(tmp_path: Path) -> None:
    """Waiting ends with the busy timeout, and says what it was that stood in the way."""
    holder = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None, timeout=0.03)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        write_ahead(other)
    holder.execute("ROLLBACK")
    write_ahead(other)
    other.close()
    holder.close()


def test_a_file_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    """Only a held file is waited for."""
    sqlite3.connect(tmp_path / "a.db").execute("CREATE TABLE t (x)").connection.close()
    reader = sqlite3.connect(f"file:{tmp_path / 'a.db'}?mode=ro", uri=True, isolation_level=None, timeout=3600)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        write_ahead(reader)
    reader.close()
