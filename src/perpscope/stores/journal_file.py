"""The file of a trading journal: its tables by version, its opening, and one clear error for each way it can fail.

A path comes in; a connection to a journal that is whole, ours and not newer than this program goes out. It writes with
`synchronous=FULL`, unless it is told otherwise: what was committed is on the disk before anybody acts on it.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from perpscope.errors import StoreError
from perpscope.stores.wal import write_ahead

#: `PRAGMA application_id` of journals: "pscj" in ASCII.
APPLICATION_ID: Final = 0x7073636A
BUSY_MS: Final = 5000
#: Pages of the write-ahead log after which a commit moves them into the file, if nobody did so before.
_CHECKPOINT_PAGES: Final = 4000
_PRIMARY_CODE: Final = 0xFF  # the low byte of an extended result code, https://www.sqlite.org/rescode.html
_UNWRITABLE: Final = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
)
#: A text that is none (Python's own, without a code), or tables that are not as they were made: nobody holds those.
_NOT_OURS: Final = (0, sqlite3.SQLITE_ERROR)

_FIRST: Final = (
    """CREATE TABLE lease (
    account TEXT PRIMARY KEY,
    token INTEGER NOT NULL,                 -- rises with every taking
    holder TEXT NOT NULL,
    renewed_s REAL NOT NULL,                -- wall clock of whoever renewed it
    ttl_s REAL NOT NULL,
    sighted_s REAL,                         -- when somebody first found it renewed later than his own clock says
    is_locked INTEGER NOT NULL              -- the holder's process has the lock beside the file as long as it lives
) WITHOUT ROWID""",
    """CREATE TABLE runs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, account TEXT NOT NULL, strategy TEXT NOT NULL, instrument TEXT NOT NULL,
    parameters TEXT NOT NULL, begun_ms INTEGER NOT NULL, data TEXT NOT NULL, ended_ms INTEGER
) WITHOUT ROWID""",
    "CREATE INDEX runs_by_time ON runs (begun_ms)",
    """CREATE TABLE orders (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, run TEXT NOT NULL REFERENCES runs (id), body BLOB NOT NULL,
    crc INTEGER NOT NULL
)""",
    "CREATE INDEX orders_by_run ON orders (run)",
    """CREATE TABLE notes (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL REFERENCES orders (id), state TEXT NOT NULL, ts INTEGER NOT NULL,
    venue_id TEXT NOT NULL, why TEXT NOT NULL
)""",
    "CREATE INDEX notes_by_order ON notes (id, number)",
    """CREATE TABLE fills (
    number INTEGER PRIMARY KEY, account TEXT NOT NULL, symbol TEXT NOT NULL, trade_id INTEGER NOT NULL,
    run TEXT NOT NULL REFERENCES runs (id), id TEXT NOT NULL, size TEXT NOT NULL, ts INTEGER NOT NULL,
    body BLOB NOT NULL, crc INTEGER NOT NULL, UNIQUE (account, symbol, trade_id)
)""",
    "CREATE INDEX fills_by_run ON fills (run, number)",
    """CREATE TABLE fundings (
    number INTEGER PRIMARY KEY, account TEXT NOT NULL, id TEXT NOT NULL, run TEXT NOT NULL REFERENCES runs (id),
    body BLOB NOT NULL, crc INTEGER NOT NULL, UNIQUE (account, id)
)""",
    "CREATE INDEX fundings_by_run ON fundings (run, number)",
    "CREATE TABLE memory (run TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE statuses (run TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL)",
    """CREATE TABLE acts (
    seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, why TEXT NOT NULL,
    before TEXT NOT NULL, hash TEXT NOT NULL
)""",
    *(
        f"CREATE TRIGGER {table}_never_{word} BEFORE {act} ON {table}"
        f" BEGIN SELECT RAISE(ABORT, 'a journal only grows'); END"
        for table in ("orders", "notes", "fills", "fundings", "acts")
        for word, act in (("changed", "UPDATE"), ("removed", "DELETE"))
    ),
    f"PRAGMA application_id = {APPLICATION_ID}",
)
#: In order; a file with `user_version` n has been through the first n. Never edit one that was released: add another.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_FIRST,)


def opened(path: Path) -> sqlite3.Connection:
    """A journal to be written, made if need be; found whole, or refused.

    Raises:
        StoreError: "store-folder", "journal-damaged", "journal-foreign", "journal-newer", "journal-busy" or
            "journal-unwritten".
    """
    if not path.parent.is_dir():
        raise StoreError("store-folder", f"{path.parent} is not a folder", hint="name a file with --db")
    with telling(path):
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1e3)
        try:
            _check(connection, path)
            write_ahead(connection)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            _migrate(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def opened_to_read(path: Path) -> sqlite3.Connection | None:
    """A journal to be read, without ever writing or checkpointing; None where there is none yet.

    Raises:
        StoreError: as `opened`.
    """
    if not path.exists():
        return None
    with telling(path):
        uri = f"file:{quote(str(path.absolute()))}?mode=ro"
        if os.statvfs(path).f_flag & os.ST_RDONLY and not path.with_name(path.name + "-wal").exists():
            uri += "&immutable=1"  # no log can be made beside it, and nobody can change it
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            if _version(connection, path) == 0:
                connection.close()  # it is being made at this moment
                return None
        except BaseException:
            connection.close()
            raise
    return connection


@contextlib.contextmanager
def telling(path: Path) -> Iterator[None]:
    """Turn what SQLite says about a journal into our own errors.

    Raises:
        StoreError: "journal-unwritten" (full, read-only or failing disk), "journal-busy" or "journal-damaged".
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
        if code in _NOT_OURS:
            raise damaged(path, str(error)) from error
        if code in _UNWRITABLE:
            raise unwritten(path, error) from error
        raise StoreError(
            "journal-busy", f"the journal {path} cannot be used: {error}", hint="end what holds it open"
        ) from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite's words quote what is damaged
        raise damaged(path, str(error)) from error


def unwritten(path: Path, why: Exception) -> StoreError:
    """The error for a journal that the disk does not take."""
    return StoreError(
        "journal-unwritten",
        f"the journal {path} cannot be written: {why}; no position is opened until it can",
        hint="free the disk or make it writable again; trading goes on by itself then",
    )


def damaged(path: Path, what: str) -> StoreError:
    """The error for a journal that cannot be trusted."""
    return StoreError(
        "journal-damaged",
        f"the journal {path} is damaged: {what}; nothing is traded on it",
        hint=f"restore a backup, or move it aside (mv {path} {path}.damaged, with its -wal and -shm): what stands on "
        "the exchange is then taken over from there",
    )


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raises: StoreError: it is damaged, not ours, or newer than this program."""
    _version(connection, path)
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise damaged(path, found)


def _version(connection: sqlite3.Connection, path: Path) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()  # last: another may be making it just now
    if tables and application != APPLICATION_ID:
        raise StoreError("journal-foreign", f"{path} is no journal of ours", hint="leave it be, name another --db")
    if version > len(MIGRATIONS):
        raise StoreError(
            "journal-newer",
            f"the journal {path} has schema {version}, this program knows up to {len(MIGRATIONS)}",
            hint="use the newer perpscope that wrote it; keep a copy (perpscope backup) before you go back",
        )
    return int(version)


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring a file up to date, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
