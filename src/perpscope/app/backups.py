"""Backups by name and place: make one and let old ones go, put one back, and the drill that shows it would work."""

import tempfile
import time
from pathlib import Path

import msgspec

from perpscope.app import places
from perpscope.errors import DataError
from perpscope.feeds.clock import SECOND_NS
from perpscope.stores.backup import backups_of, make_backup, read_manifest, remove_backup
from perpscope.stores.journal_copy import copy_journals, remove_journals
from perpscope.stores.reader import SqliteReader
from perpscope.stores.restore import Restored, restore


class Backup(msgspec.Struct, frozen=True):
    """What `perpscope backup --json` prints."""

    path: str
    bytes: int
    sha256: str
    rows: dict[str, int]  #: per table
    journals: list[str]  #: beside it: of the traders on paper and live, where there are any
    removed: list[str]  #: older backups that `--keep` let go
    seconds: float


class Drill(msgspec.Struct, frozen=True):
    """What `perpscope backup --drill --json` prints."""

    path: str  #: the newest backup
    made: str  #: UTC
    ok: bool  #: every table came back with the rows its manifest says
    rows: dict[str, int]  #: per table, restored
    seconds: float


def backup_folder() -> Path:
    """Where backups go unless a place is named."""
    return places.data_folder() / "backups"


def backup(source: Path, to: Path | None = None, *, keep: int | None = None, now_ns: int) -> Backup:
    """Back a store up while it may be written.

    Args:
        source: the store.
        to: a folder that exists, or a file that does not; None = the user's own folder for backups.
        keep: let older backups of this store in that folder go, so that so many are left; None = all stay.
        now_ns: for the name, ns UTC.

    Raises:
        DataError: there is no such store, or the file exists.
        StoreError: it could not be made; nothing is left behind and no older backup went. A journal that is damaged
            is told after the store was backed up.
    """
    started = time.perf_counter()
    target = _target(source, to, now_ns)
    manifest = make_backup(source, target, made=_stamp(now_ns, "%Y-%m-%dT%H:%M:%S") + f".{now_ns % SECOND_NS:09d}Z")
    journals = [str(made) for made in copy_journals(source, target)]
    removed = []
    if keep is not None:
        for old in backups_of(source, target.parent)[:-keep]:
            remove_backup(old)
            remove_journals(old)
            removed.append(str(old))
    seconds = round(time.perf_counter() - started, 3)
    return Backup(str(target), manifest.bytes, manifest.sha256, manifest.rows, journals, removed, seconds)


def drill(source: Path, folder: Path | None = None) -> Drill:
    """Restore the newest backup of a store into a file that is thrown away, open it and compare every count.

    Raises:
        DataError: "backup-missing".
        StoreError: it could not be restored.
    """
    started = time.perf_counter()
    folder = backup_folder() if folder is None else folder
    known = backups_of(source, folder) if folder.is_dir() else []
    if not known:
        raise DataError(
            "backup-missing", f"there is no backup of {source} in {folder}", hint="perpscope backup makes one"
        )
    newest = known[-1]
    manifest = read_manifest(newest)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".drill-") as scratch:
        target = Path(scratch) / "restored.db"
        restored = restore(newest, target, stamp="drill")
        with SqliteReader.open(target) as reader:
            came_back = {name: restored.rows.get(name) for name in manifest.rows} == manifest.rows
            ok = came_back and reader.counts(0).total == manifest.rows["liquidation_events"]
    return Drill(str(newest), manifest.made, ok, restored.rows, round(time.perf_counter() - started, 3))


def put_back(file: Path, target: Path, *, now_ns: int) -> Restored:
    """Put a backup in a store's place; see `stores.restore.restore`."""
    places.make_own_folder(target)
    return restore(file, target, stamp=_stamp(now_ns, "%Y%m%dT%H%M%SZ"))


def _target(source: Path, to: Path | None, now_ns: int) -> Path:
    if to is not None and not to.is_dir():
        return to
    folder = backup_folder() if to is None else to
    name = f"{source.stem}-{_stamp(now_ns, '%Y%m%dT%H%M%S')}"
    places.make_own_folder(folder / name)
    target, number = folder / f"{name}Z.db", 1
    while target.exists():
        number += 1
        target = folder / f"{name}Z-{number}.db"
    return target


def _stamp(now_ns: int, form: str) -> str:
    return time.strftime(form, time.gmtime(now_ns // SECOND_NS))
