"""A backup takes the place of a store: whole, or not at all.

Under the store's lock: the backup is proved, copied beside the store, brought up to date, and renamed onto it in one
step. Until then the store is as it was; after it the old file is still there as `….before-restore-<time>`.
"""

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

import msgspec

from perpscope.errors import StoreError
from perpscope.stores.access import StoreLock, check_ours, check_writable, trusting
from perpscope.stores.backup import (
    check_backup,
    count_rows,
    damaged,
    kind_of,
    part_of,
    put_in_place,
    refuse_lack_of_room,
    sha256_of,
    sync,
)
from perpscope.stores.legacy import is_legacy
from perpscope.stores.schema import migrate
from perpscope.stores.status import StoreKind

_BUSY_TIMEOUT_MS = 5000
_WAL_HEADER, _IN_WAL_MODE = slice(18, 20), b"\x02\x02"  # https://www.sqlite.org/fileformat.html#the_database_header


class Restored(msgspec.Struct, frozen=True):
    """What a restore did."""

    rows: dict[str, int]  #: per table, now in the store
    kept: str | None  #: the old file; None if there was none


def restore(backup: Path, target: Path, *, stamp: str) -> Restored:
    """Put a backup in a store's place.

    Args:
        backup: made by `make_backup`.
        target: the store; need not exist, its folder must.
        stamp: for the name under which the old file stays.

    Raises:
        DataError: "backup-missing".
        StoreError: the backup is no good ("backup-manifest", "backup-damaged", "store-newer"), the store is being
            written ("store-locked") or read at length ("store-busy"), holds data of another kind ("store-kind"), or the
            copy cannot be written. The store is as it was.
    """
    manifest = check_backup(backup)
    check_writable(target, create=True)
    lock = StoreLock(target)
    try:
        _refuse_other_kind(target, manifest.kind)
        with part_of(target) as part:
            refuse_lack_of_room(target.parent, manifest.bytes)
            shutil.copyfile(backup, part)
            if sha256_of(part) != manifest.sha256:
                raise damaged(backup, "changed while it was copied")
            rows = _bring_up_to_date(part)
            _like(target, part)
            sync(part)
            kept = _set_aside(target, f"before-restore-{stamp}")
            put_in_place(part, target)
        return Restored(rows, None if kept is None else str(kept))
    finally:
        lock.release()


def _refuse_other_kind(target: Path, kind: StoreKind) -> None:
    found = _kind_held(target)
    if found is not None and found is not kind:
        raise StoreError(
            "store-kind",
            f"{target} holds {found.value} data, the backup {kind.value} data",
            hint="restore it into another file with --db",
        )


def _kind_held(target: Path) -> StoreKind | None:
    """What a store holds; None for one that is not there or cannot be read: it is replaced all the same."""
    try:
        with contextlib.closing(sqlite3.connect(f"{target.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return StoreKind.OBSERVED if is_legacy(connection) else kind_of(connection)
    except (sqlite3.Error, TypeError, ValueError):
        return None


def _bring_up_to_date(part: Path) -> dict[str, int]:
    with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as connection, trusting(part):
        check_ours(connection, part)
        migrate(connection)
        return count_rows(connection)


def _set_aside(target: Path, suffix: str) -> Path | None:
    """Give the old file a second name, with everything that is still in its write-ahead log.

    Raises:
        StoreError: "store-busy".
    """
    if not target.exists():
        return None
    is_whole = _empty_wal(target)
    kept = target.with_name(f"{target.name}.{suffix}")
    while kept.exists():
        kept = kept.with_name(f"{kept.name}+")
    _name_again(target, kept)
    for ending in ("-wal", "-shm"):  # a log left there would be taken for the new file's
        side = _side(target, ending)
        if side.exists():
            if not is_whole:
                _name_again(side, _side(kept, ending))
            side.unlink()
    sync(target.parent)
    return kept


def _empty_wal(target: Path) -> bool:
    """Bring the write-ahead log home; False if the file is too damaged for that.

    SQLite would throw a log away that lies beside a file whose header is no longer that of a database with one.
    """
    with target.open("rb") as file:
        head = file.read(_WAL_HEADER.stop)
    if _side(target, "-wal").exists() and head[_WAL_HEADER] != _IN_WAL_MODE:
        return False
    try:
        with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
            (is_busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_BUSY:
            return False
        is_busy = 1
    if is_busy:
        raise StoreError(
            "store-busy", f"{target} is held by another program", hint="end what reads or writes it, then try again"
        )
    return True


def _side(file: Path, ending: str) -> Path:
    return file.with_name(file.name + ending)


def _name_again(path: Path, name: Path) -> None:
    """A second name for a file, or a copy of it where the file system knows no such thing."""
    try:
        os.link(path, name)
    except OSError:
        shutil.copy2(path, name)


def _like(target: Path, part: Path) -> None:
    """The new file belongs to whom the old one did, and may be read by the same."""
    if target.exists():
        shutil.copymode(target, part)
        with contextlib.suppress(OSError):
            os.chown(part, target.stat().st_uid, target.stat().st_gid)
