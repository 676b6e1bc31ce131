"""May this file be opened? One lock per store for whoever writes it, and one clear error for each way it can go wrong.

A path comes in; a connection that is known to be to one of our files, intact and not newer than this program, goes out.
"""

import contextlib
import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from perpscope.errors import DataError, StoreError
from perpscope.stores.legacy import is_legacy
from perpscope.stores.schema import APPLICATION_ID, MIGRATIONS, version_of
from perpscope.stores.wal import write_ahead

BUSY_TIMEOUT_MS = 5000  #: wait as long for another connection's lock before it counts as trouble
QUICK_CHECK_BYTES = 256 * 1024 * 1024  #: larger files are not checked at opening: about 2 s per GiB
CACHE_KIB = 64 * 1024  #: of the writer; keeps the indexes' pages at hand
_MAGIC = b"SQLite format 3\x00"  # https://www.sqlite.org/fileformat.html#the_database_header
_LEAST_FREE_BYTES = 65_536  #: below, a write-ahead log and its index cannot even begin
_PRIMARY_CODE = 0xFF  # the low byte of an extended result code, https://www.sqlite.org/rescode.html
#: A text that is none (Python's own, without a code), or tables that are not as they were made: nobody holds those.
_NOT_OURS = (0, sqlite3.SQLITE_ERROR)
_DATABASE_FILES = 4  # the file, its log, the log's index, and a folder to sync
#: Stores this process writes. SQLite's locks on a file go with the first descriptor of it that the process closes,
#: whoever opened that (https://www.sqlite.org/howtocorrupt.html, 2.2).
_WRITTEN_HERE: set[Path] = set()
_HINT_OTHER = "choose another file with --db"


class StoreLock:
    """Held by the one process that writes a store; the system lets go of it when that process dies.

    Raises:
        StoreError: another writer holds it, or the lock file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            _refuse_if_out_of_files(path)
            raise _bad_folder(path, f"{self._path.name} cannot be made there: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid = os.read(self._file, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise StoreError(
                "store-locked",
                f"process {pid} is already writing {path}",
                hint=f"stop it (kill {pid}), or {_HINT_OTHER}",
            ) from error
        os.truncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        self._store = path.resolve()

    def note_open(self) -> None:
        """The store is open for writing: from here on its bytes are SQLite's alone to look at in this process."""
        _WRITTEN_HERE.add(self._store)

    def release(self) -> None:
        """Let others write. Once only."""
        _WRITTEN_HERE.discard(self._store)
        os.close(self._file)


def check_writable(path: Path, *, create: bool) -> None:
    """Look at the path before anything is opened.

    Raises:
        DataError: there is no such file, and none is to be made.
        StoreError: the folder or the file cannot be written.
    """
    if not path.parent.is_dir():
        raise _bad_folder(path, f"{path.parent} is not a folder")
    if path.is_dir():
        raise _bad_folder(path, "it is a folder, not a file")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise _bad_folder(path, f"{path.parent} is not writable")
    if not path.exists():
        if not create:
            raise missing(path)
    elif not os.access(path, os.W_OK):
        raise StoreError(
            "store-readonly", f"{path} is read-only", hint=f"make it writable (chmod u+w {path}), or {_HINT_OTHER}"
        )


def missing(path: Path) -> DataError:
    """The error for a store that is not there."""
    return DataError(
        "store-missing",
        f"there is no database at {path}",
        hint="collect something first: perpscope collect, perpscope demo or perpscope replay; or name a file with --db",
    )


def open_for_writing(path: Path, busy_timeout_ms: int) -> sqlite3.Connection:
    """Connect, for one thread at a time, in autocommit mode.

    Raises:
        StoreError: the file is no database, damaged, not ours, newer than this program, or held by another.
    """
    check_header(path)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        with trusting(path):
            connection.execute(f"PRAGMA busy_timeout = {busy_timeout_ms}")
            _check_whole(connection, path)
            check_ours(connection, path)
            write_ahead(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            connection.execute("PRAGMA journal_size_limit = 67108864")
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Connect without ever writing or checkpointing; usable from one thread at a time.

    Raises:
        DataError: there is no such file.
        StoreError: it is no database, damaged, not ours, older or newer than this program.
    """
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        raise missing(path)
    check_header(path)
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    if os.statvfs(path).f_flag & os.ST_RDONLY and not path.with_name(path.name + "-wal").exists():
        uri += "&immutable=1"  # no log can be made beside it, and nobody can change it
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        with trusting(path):
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            check_ours(connection, path)
            if (
                not version_of(connection)
                and not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            ):
                raise missing(path)  # it is being made at this moment
            refuse_older(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def owning(path: Path) -> Iterator[sqlite3.Connection]:
    """Connect for upkeep, with the store's lock; a store of today's schema, in autocommit mode.

    Raises:
        DataError: there is no such file.
        StoreError: somebody else writes it, it cannot be trusted or written, or the work on it failed.
    """
    check_writable(path, create=False)
    lock = StoreLock(path)
    try:
        connection = open_for_writing(path, BUSY_TIMEOUT_MS)
        try:
            with trusting(path):
                refuse_older(connection, path)
                yield connection
        finally:
            connection.close()
    finally:
        lock.release()


def refuse_older(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that has not been through every migration.

    Raises:
        StoreError: "store-older".
    """
    if version_of(connection) < len(MIGRATIONS):
        raise StoreError(
            "store-older",
            f"{path} was made by an older version and has not been brought up to date",
            hint=f"perpscope collect --db {path} does so as it starts, and keeps its rows",
        )


def check_header(path: Path) -> None:
    """Tell a database by its first bytes; an absent or empty file may become one.

    Raises:
        StoreError: it is something else, or cannot be read.
    """
    if path.exists() and not path.is_file():
        raise corrupt(path, "is not a regular file")
    if path.resolve() in _WRITTEN_HERE:
        return
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except FileNotFoundError:
        return
    except OSError as error:
        _refuse_if_out_of_files(path)
        raise corrupt(path, f"cannot be read: {error.strerror}") from error
    if head not in (b"", _MAGIC):
        raise corrupt(path, "is not a SQLite database")


def check_ours(connection: sqlite3.Connection, path: Path) -> None:
    """Accept an empty file, one of the older collector, or one of ours.

    Raises:
        StoreError: it is somebody else's, or newer than this program.
    """
    version = version_of(connection)
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()  # last: another may be making it just now
    if application != APPLICATION_ID and (version or (tables and not is_legacy(connection))):
        raise StoreError(
            "store-foreign", f"{path} is another program's database", hint=f"leave it be and {_HINT_OTHER}"
        )
    if version > len(MIGRATIONS):
        raise StoreError(
            "store-newer",
            f"{path} has schema {version}, this program knows up to {len(MIGRATIONS)}",
            hint=f"use the newer perpscope that wrote it, or {_HINT_OTHER}",
        )


def _check_whole(connection: sqlite3.Connection, path: Path) -> None:
    if path.stat().st_size < QUICK_CHECK_BYTES:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise corrupt(path, f"is damaged: {found}")


@contextlib.contextmanager
def trusting(path: Path) -> Iterator[None]:
    """Turn what SQLite says about a file into our own errors.

    Raises:
        StoreError: the file is held by another, cannot be read or written ("store-busy"), has no room ("disk-full"),
            may not be written ("store-readonly"), its disk fails ("store-io"), no more files may be opened
            ("open-files"), or it is damaged.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
        if code in _NOT_OURS:
            raise corrupt(path, f"is damaged: {error}") from error
        if code == sqlite3.SQLITE_FULL or _is_full(path):
            raise StoreError(
                "disk-full", f"{path} cannot grow: {error}", hint="free the disk; perpscope db info tells what is used"
            ) from error
        if code == sqlite3.SQLITE_READONLY:
            raise StoreError(
                "store-readonly",
                f"{path} cannot be written: {error}",
                hint=f"make its file system and folder writable, or {_HINT_OTHER}",
            ) from error
        if code == sqlite3.SQLITE_IOERR:
            raise StoreError(
                "store-io",
                f"{path}: the disk fails: {error}",
                hint="look at the system's log; back up what can be read",
            ) from error
        _refuse_if_out_of_files(path)
        raise StoreError(
            "store-busy", f"{path} cannot be used: {error}", hint=f"end what holds it open, or {_HINT_OTHER}"
        ) from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite's words quote what is damaged
        raise corrupt(path, f"is damaged: {error}") from error


def too_few_open_files(why: str) -> StoreError:
    """The error for a process that may open too few files."""
    return StoreError("open-files", why, hint="raise the limit: ulimit -n 1024, or LimitNOFILE of its service")


def _refuse_if_out_of_files(path: Path) -> None:
    """Opening a database takes a few descriptors at once; SQLite says no more than that it could not.

    Raises:
        StoreError: "open-files".
    """
    opened: list[int] = []
    try:
        while len(opened) < _DATABASE_FILES:
            opened.append(os.open(path.parent, os.O_RDONLY))
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise too_few_open_files(f"{path} cannot be opened: {error.strerror}") from error
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _is_full(path: Path) -> bool:
    """A disk without room makes SQLite fail in several ways."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _LEAST_FREE_BYTES


def corrupt(path: Path, what: str) -> StoreError:
    """The error for a file that cannot be trusted; `what` follows its name."""
    return StoreError("store-corrupt", f"{path} {what}", hint=f"move it aside and restore a backup, or {_HINT_OTHER}")


def _bad_folder(path: Path, why: str) -> StoreError:
    return StoreError(
        "store-folder",
        f"no database can be kept at {path}: {why}",
        hint=f"make the folder (mkdir -p {path.parent}) or its permissions right, or {_HINT_OTHER}",
    )
