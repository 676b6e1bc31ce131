"""A copy of a store in one file, made while it is written, and the manifest that proves it.

A backup is one snapshot: what was committed when it began. It appears under its name when it is whole, checked and on
disk, and its manifest (rows per table, SHA-256) after it: a file without a manifest is not a backup.
"""

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from perpscope.errors import DataError, StoreError
from perpscope.stores.access import check_header, check_ours, corrupt, open_for_reading, trusting
from perpscope.stores.schema import version_of
from perpscope.stores.status import StoreKind

MANIFEST = ".json"  #: added to the backup's name
_CHUNK = 1 << 20
_SQL_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY 1"


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds."""

    file: str  #: name of the backup beside it
    source: str  #: the store it was made of
    made: str  #: UTC
    kind: StoreKind
    schema: int  #: `PRAGMA user_version`
    bytes: int
    sha256: str
    rows: dict[str, int]  #: per table


def make_backup(source: Path, target: Path, *, made: str) -> Manifest:
    """Copy a store as it is now into one file; whoever writes it goes on meanwhile.

    Args:
        source: a store.
        target: must not exist; its folder must.
        made: UTC, for the manifest.

    Raises:
        DataError: "store-missing", or "backup-exists".
        StoreError: the store cannot be trusted or read, or the copy cannot be written or is not what it should be;
            nothing is left behind.
    """
    if target.exists():
        raise DataError("backup-exists", f"{target} exists and is left as it is", hint="name another file with --to")
    with contextlib.closing(open_for_reading(source)) as connection, part_of(target) as part:
        refuse_lack_of_room(target.parent, size_of(source))
        with trusting(source):
            connection.execute("BEGIN")  # one snapshot for the counts and the copy
            rows = count_rows(connection)
            kind, schema = kind_of(connection), version_of(connection)
        _copy_pages(connection, part, source)
        _refuse_other_rows(part, rows)
        sync(part)
        manifest = Manifest(
            target.name, str(source.resolve()), made, kind, schema, part.stat().st_size, sha256_of(part), rows
        )
        put_in_place(part, target)
    _write_manifest(target, manifest)
    return manifest


def check_backup(path: Path) -> Manifest:
    """Prove that a backup is what its manifest says: size, SHA-256, structure, rows.

    Raises:
        DataError: "backup-missing".
        StoreError: "backup-manifest" or "backup-damaged", or it is newer than this program.
    """
    manifest = read_manifest(path)
    size = path.stat().st_size
    if size != manifest.bytes:
        raise damaged(path, f"has {size} bytes, its manifest says {manifest.bytes}")
    if sha256_of(path) != manifest.sha256:
        raise damaged(path, "has another SHA-256 than its manifest says")
    _refuse_other_rows(path, manifest.rows)
    return manifest


def read_manifest(path: Path) -> Manifest:
    """The manifest of a backup.

    Raises:
        DataError: there is no such backup.
        StoreError: it has no manifest, or one that cannot be read.
    """
    if not path.is_file():
        raise DataError("backup-missing", f"there is no backup at {path}", hint="perpscope backup makes one")
    try:
        return msgspec.json.decode(manifest_of(path).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise StoreError(
            "backup-manifest",
            f"{path} has no manifest that can be read ({manifest_of(path).name}: {error})",
            hint="take a backup made by perpscope backup; a mere copy of a database lacks what was in its -wal file",
        ) from error


def backups_of(source: Path, folder: Path) -> list[Path]:
    """Backups of a store in a folder, oldest first; a file without a manifest is no backup."""
    found = []
    for path in folder.glob("*.db"):
        with contextlib.suppress(StoreError):
            manifest = read_manifest(path)
            if manifest.source == str(source.resolve()):
                found.append((manifest.made, path))
    return [path for _, path in sorted(found)]


def remove_backup(path: Path) -> None:
    """Take a backup away, its manifest first: what is left of it by a crash is no backup."""
    manifest_of(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def manifest_of(path: Path) -> Path:
    """Where the manifest of a backup lies."""
    return path.with_name(path.name + MANIFEST)


@contextlib.contextmanager
def part_of(target: Path) -> Iterator[Path]:
    """A private file beside `target` to be filled and put in its place; gone afterwards, whatever happens.

    Raises:
        StoreError: "backup-folder".
    """
    part = target.with_name(f".{target.name}.part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise StoreError(
            "backup-folder",
            f"no file can be made in {target.parent}: {error.strerror}",
            hint="make the folder or its permissions right, or name another place",
        ) from error
    try:
        with writing(target):
            yield part
    finally:
        for leftover in (part, part.with_name(part.name + "-journal")):
            leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn what goes wrong while a copy is written into our own error.

    Raises:
        StoreError: "backup-unwritten".
    """
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        raise StoreError(
            "backup-unwritten",
            f"{target} could not be written: {what}",
            hint="free the disk, or name another place with --to",
        ) from error


def refuse_lack_of_room(folder: Path, needed: int) -> None:
    """Look whether a file of that many bytes has room.

    Raises:
        StoreError: "disk-full".
    """
    stat = os.statvfs(folder)
    free = stat.f_bavail * stat.f_frsize
    if free < needed:
        raise StoreError(
            "disk-full",
            f"{needed:,} bytes are needed in {folder}, {free:,} are free",
            hint="free the disk, or name another place",
        )


def sync(path: Path) -> None:
    """Return when a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_in_place(part: Path, target: Path) -> None:
    """Give a finished file its name, for good."""
    os.replace(part, target)
    sync(target.parent)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_of(store: Path) -> int:
    """Bytes of a store with its write-ahead log."""
    wal = store.with_name(store.name + "-wal")
    return store.stat().st_size + (wal.stat().st_size if wal.exists() else 0)


def kind_of(connection: sqlite3.Connection) -> StoreKind:
    """Where a store's data came from."""
    (kind,) = connection.execute("SELECT value FROM meta WHERE key = 'kind'").fetchone()
    return StoreKind(kind)


def count_rows(connection: sqlite3.Connection) -> dict[str, int]:
    """Rows of every table."""
    names = [name for (name,) in connection.execute(_SQL_TABLES)]
    quoted = {name: name.replace('"', '""') for name in names}
    return {n: connection.execute(f'SELECT count(*) FROM "{q}"').fetchone()[0] for n, q in quoted.items()}  # noqa: S608


def damaged(path: Path, what: str) -> StoreError:
    """The error for a backup that is not what it should be."""
    return StoreError("backup-damaged", f"{path} {what}", hint="take an older backup")


def _copy_pages(connection: sqlite3.Connection, part: Path, source: Path) -> None:
    """Copy every page of the source's snapshot; the copy needs no other file."""
    with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = OFF")  # it is synced when it is whole
        try:
            connection.backup(copy)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            raise corrupt(source, f"is damaged: {error}") from error
        copy.execute("PRAGMA journal_mode = DELETE")


def _refuse_other_rows(path: Path, rows: dict[str, int]) -> None:
    """Look into a copy: structure and counts.

    Raises:
        StoreError: "backup-damaged", or it is not ours or newer than this program.
    """
    check_header(path)
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as copy:
        try:
            check_ours(copy, path)
            (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            counted = count_rows(copy) if found == "ok" else {}
        except sqlite3.DatabaseError as error:
            raise damaged(path, f"is damaged: {error}") from error
    if found != "ok":
        raise damaged(path, f"is damaged: {found}")
    if counted != rows:
        raise damaged(path, f"has other rows than it should: {counted}, not {rows}")


def _write_manifest(target: Path, manifest: Manifest) -> None:
    path = manifest_of(target)
    with part_of(path) as part:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        sync(part)
        put_in_place(part, path)
