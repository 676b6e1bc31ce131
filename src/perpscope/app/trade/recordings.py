"""Recordings of runs, and how much of the disk they may take: the oldest of runs that are over go first.

In: the folder runs are recorded in, the journals beside a database. Out: files removed, and which runs' are gone. What
a run has recorded belongs together: its frames, its decisions and the market it collected for itself; its setup stays,
so that it is known whose they were. A run that is not over keeps everything, as does one that no journal here knows.
"""

import shutil
from collections.abc import Callable
from glob import escape
from pathlib import Path
from typing import Final

import msgspec
import structlog

from perpscope.app.trade.setup import RunSetup, place_of, read
from perpscope.errors import DataError, StoreError
from perpscope.model.run import RunKind
from perpscope.stores.journal_reader import JournalReader
from perpscope.stores.journal_rows import JournalRun, place

SUFFIX: Final = ".perpscope"
_GB: Final = 1e9
_log = structlog.get_logger()


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """All that one process of a run has recorded."""

    setup: RunSetup
    recording: Path  #: of its frames; it may be gone
    files: list[Path]  #: that are there, the setup apart
    bytes: int

    @property
    def is_there(self) -> bool:
        """Whether it can be run again."""
        return self.recording.exists()


def recorded(folder: Path) -> list[Recorded]:
    """What runs have recorded in a folder, the oldest first; what others keep there is passed over."""
    found = []
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        recording = file.with_suffix(SUFFIX)
        try:
            setup = read(recording)
        except DataError:
            continue  # somebody else's
        files = [path for path in folder.glob(f"{escape(file.stem)}.*") if path != file]
        found.append(Recorded(setup=setup, recording=recording, files=files, bytes=sum(map(_size, files))))
    return sorted(found, key=lambda one: one.setup.begun_ms)


def of_run(folder: Path, run: str) -> list[Path]:
    """The recordings of a run, in the order its processes wrote them.

    Args:
        folder: in which runs are recorded.
        run: its id.

    Raises:
        DataError: there never was one there ("run-recordings"), or it was removed ("recording-removed").
    """
    found = [one for one in recorded(folder) if one.setup.run == run]
    if not found:
        raise DataError(
            "run-recordings",
            f"{str(folder)!r} holds no recording of run {run!r}",
            hint="it is where [recording] folder pointed when the run was made; name it with --recordings",
        )
    if gone := [one.recording.name for one in found if not one.is_there]:
        raise DataError(
            "recording-removed",
            f"run {run} cannot be run again: {len(gone)} of its {len(found)} recordings were removed, {gone[0]} first",
            hint="its figures stand: perpscope runs show; --recordings names a folder with a copy, and "
            "trade.recordings_gb is how much is kept",
        )
    return [one.recording for one in found]


def make_room(folder: Path, database: Path, most_gb: float, announce: Callable[[str], None] = lambda _: None) -> int:
    """Remove recordings of runs that are over, the oldest first, until what is left takes no more than is allowed.

    Args:
        folder: in which runs are recorded.
        database: beside which the journals are.
        most_gb: gigabytes that all of this database's runs may take; 0 = as much as there is.
        announce: told of each run whose recordings went, and of what is too much and cannot go.

    Returns:
        Bytes that were freed.
    """
    if not most_gb:
        return 0
    try:
        runs = _runs(database)
    except StoreError as error:  # whoever needs them is not known
        _log.warning("no recording is removed", code=error.code, why=error.message)
        return 0
    ours = [one for one in recorded(folder) if one.setup.run in runs]
    taken, freed = sum(one.bytes for one in ours), 0
    for run in dict.fromkeys(one.setup.run for one in ours):
        if taken - freed <= most_gb * _GB:
            return freed
        mine = [one for one in ours if one.setup.run == run]
        size = sum(one.bytes for one in mine)
        if runs[run].ended_ms is not None and size:
            for one in mine:
                _remove(one.files)
            freed += size
            _log.info("recording removed", run=run, bytes=size, most_gb=most_gb)
            announce(f"recording of run {run} removed, {size / _GB:.2f} GB: all may take {most_gb:g} GB")
    if taken - freed > most_gb * _GB:
        announce(
            f"recordings take {(taken - freed) / _GB:.2f} GB, more than trade.recordings_gb = {most_gb:g}: they are of "
            "runs that are not over"
        )
    return freed


def drop_unbegun(recording: Path) -> None:
    """Remove what a process recorded that never began its run: without a setup nobody would know whose it was."""
    if not place_of(recording).exists():
        _remove(list(recording.parent.glob(f"{escape(recording.stem)}.*")))


def gone(database: Path) -> dict[str, str]:
    """Of each run on paper or live whose recordings are not where they were: what has become of them, in words.

    Raises:
        StoreError: a journal cannot be read.
    """
    found = {}
    there: dict[Path, dict[str, bool]] = {}
    for kind in (RunKind.PAPER, RunKind.LIVE):
        with JournalReader(place(database, kind)) as reader:
            pages = reader.statuses()
        for page in (page for page in pages if page.recording):
            folder = Path(page.recording).parent
            if folder not in there:
                there[folder] = _whole(folder)
            if not there[folder].get(page.run, False):
                found[page.run] = "recording removed" if page.run in there[folder] else "recording elsewhere"
    return found


def _whole(folder: Path) -> dict[str, bool]:
    """Of each run in a folder: whether all that it recorded is there."""
    found: dict[str, bool] = {}
    for one in recorded(folder):
        found[one.setup.run] = found.get(one.setup.run, True) and one.is_there
    return found


def _runs(database: Path) -> dict[str, JournalRun]:
    """Every run of the journals beside a database."""
    found: dict[str, JournalRun] = {}
    for kind in (RunKind.PAPER, RunKind.LIVE):
        with JournalReader(place(database, kind)) as reader:
            found |= {run.id: run for run in reader.runs()}
    return found


def _remove(files: list[Path]) -> None:
    """The frames first: what cannot be run again says so from then on."""
    for file in sorted(files, key=lambda path: path.suffix != SUFFIX):
        try:
            shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("a recording cannot be removed", file=file.name, why=error.strerror)


def _size(path: Path) -> int:
    """Bytes of a file, or of all in a folder; 0 of what is gone meanwhile."""
    try:
        return sum(_size(part) for part in path.iterdir()) if path.is_dir() else path.stat().st_size
    except OSError:
        return 0
