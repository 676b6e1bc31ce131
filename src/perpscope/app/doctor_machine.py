"""What of this machine decides whether a collection will do well: disk, open files, SQLite, the database itself."""

import os
import resource
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from perpscope.app import dashboard
from perpscope.errors import ConfigError, PerpscopeError
from perpscope.settings import Settings
from perpscope.stores.access import too_few_open_files
from perpscope.stores.shared_objects import open_objects
from perpscope.stores.sqlite import SqliteReader

#: Sockets, files and pipes of a collection of five venues, with room for reconnects.
_OPEN_FILES = 256
#: Below, not even the event loop, the database and one socket fit (tried with `ulimit -n`).
_LEAST_OPEN_FILES = 32
_DISK_WARN, _DISK_FAIL = 0.10, 0.05
#: Before it, two connections that write or checkpoint at once may damage the log (sqlite.org/wal.html#walresetbug).
_SQLITE_MENDED = (3, 51, 3)


class Told(msgspec.Struct, frozen=True):
    """One finding: its name, "ok", "warn" or "fail", what was found, and what to change."""

    name: str
    state: str
    detail: str
    fix: str | None = None


def look(database: Path, settings: Settings) -> Iterator[Told]:
    """Everything about this machine.

    Args:
        database: the file a collection would write.
        settings: whose folders are looked at.
    """
    yield _open_files()
    folders = {"disk": database.parent}
    if settings.archive.folder:
        folders["archive-disk"] = Path(settings.archive.folder).expanduser()
    for name, folder in folders.items():
        yield _disk(name, folder)
    if settings.map.enabled and settings.map.share:
        yield _share(settings.map.share)
    yield _sqlite()
    if database.exists():
        yield _database(database)
    yield of_dashboard(dashboard.FOLDER)


def refuse_too_few_open_files() -> None:
    """Say so before anything is opened, where a collection cannot even begin.

    Raises:
        StoreError: "open-files".
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < _LEAST_OPEN_FILES:
        raise too_few_open_files(f"a process may open {most} files here, a collection needs {_LEAST_OPEN_FILES}")


def _open_files() -> Told:
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    detail = f"a process may open {most}"
    if most >= _OPEN_FILES:
        return Told("open-files", "ok", detail)
    return Told("open-files", "fail", detail, f"raise the limit: ulimit -n {4 * _OPEN_FILES}")


def _disk(name: str, folder: Path) -> Told:
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    usage = shutil.disk_usage(there)
    free = usage.free / usage.total
    detail = f"{usage.free / 1e9:.1f} GB free of {usage.total / 1e9:.1f} GB for {folder}"
    if not os.access(there, os.W_OK):
        return Told(name, "fail", f"{there} cannot be written to", "name another place: --db, or archive.folder")
    if free < _DISK_FAIL:
        return Told(name, "fail", detail, "free some, or set retention.days and archive.quota_gb")
    if free < _DISK_WARN:
        return Told(name, "warn", detail, "set retention.days and archive.quota_gb before it is full")
    return Told(name, "ok", detail)


def _share(share: str) -> Told:
    """Whether maps can be shared there: something is put there, read, and taken away."""
    name, content = f"doctor-{secrets.token_hex(8)}", b"perpscope doctor"
    try:
        objects = open_objects(share)
        objects.put(name, content)
        is_same = objects.get(name) == content
        objects.delete(name)
    except PerpscopeError as error:
        fix = "look at map.share, the bucket's permissions, and the GOOGLE_… or AWS_… variables"
        return Told("map-share", "fail", error.message, error.hint if isinstance(error, ConfigError) else fix)
    if not is_same:
        return Told("map-share", "fail", f"{share} does not give back what was put there", "name another place")
    return Told("map-share", "ok", f"maps can be shared at {share}")


def _sqlite() -> Told:
    is_mended = sqlite3.sqlite_version_info >= _SQLITE_MENDED
    why = "" if is_mended else ": older than 3.51.3, safe here because one process alone writes a database"
    return Told("sqlite", "ok", f"SQLite {sqlite3.sqlite_version}{why}")


def of_dashboard(folder: Path) -> Told:
    """Whether the dashboard is built in a folder."""
    if not dashboard.is_built(folder):
        return Told("dashboard", "warn", "not built: the simple viewer is shown instead", dashboard.remedy())
    return Told("dashboard", "ok", f"built, {dashboard.script_bytes(folder) / 1e3:.0f} kB of scripts")


def _database(path: Path) -> Told:
    try:
        with SqliteReader.open(path) as reader:
            return Told("database", "ok", f"{path}: {reader.kind.value} data, {reader.bytes / 1e6:.1f} MB")
    except PerpscopeError as error:
        return Told("database", "fail", error.message, error.hint)
