"""What an archive holds, in one small SQLite file: its files with their checksums, and what was seen when.

Readers trust it alone: a file it does not name is not there for them. Every step (files added, files that take the
place of others, coverage that goes with rows) is one transaction, synced. Coverage is kept by *tape*: who recorded it.
Within a tape a gap wins over what was covered; what several tapes hold together is the union.
"""

import contextlib
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from perpscope.errors import DataError, StoreError
from perpscope.model.market import Source
from perpscope.model.stream import Channel, Stream
from perpscope.stores.access import StoreLock
from perpscope.stores.archive.files import Entry, Place
from perpscope.stores.status import StoreKind

NAME: Final = "manifest.db"
VERSION: Final = 1
_APPLICATION_ID = 0x70735041  # "psPA"
_BUSY_MS = 10_000
_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
    path TEXT PRIMARY KEY, venue TEXT NOT NULL, channel TEXT NOT NULL, symbol TEXT NOT NULL, day TEXT NOT NULL,
    quarantined INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL,
    ts_min INTEGER NOT NULL, ts_max INTEGER NOT NULL, compact INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX files_day ON files (day, venue, channel, symbol);
CREATE TABLE gone (path TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE gone_days (day TEXT PRIMARY KEY, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, reason TEXT NOT NULL)
    WITHOUT ROWID;
CREATE TABLE covered (
    tape TEXT, venue TEXT, channel TEXT, instrument TEXT, source TEXT, ts_from INTEGER, ts_to INTEGER NOT NULL,
    PRIMARY KEY (tape, venue, channel, instrument, source, ts_from)) WITHOUT ROWID;
CREATE TABLE gaps (
    tape TEXT, venue TEXT, channel TEXT, instrument TEXT, ts_from INTEGER, cause TEXT, ts_to INTEGER,
    PRIMARY KEY (tape, venue, channel, instrument, ts_from, cause)) WITHOUT ROWID;
"""
_ENTRY = "path, venue, channel, symbol, day, quarantined, rows, bytes, sha256, ts_min, ts_max, compact"
_INSERT = f"INSERT OR REPLACE INTO files ({_ENTRY}) VALUES ({', '.join('?' * 12)})"  # noqa: S608  # names are ours


class CoveredRow(msgspec.Struct, frozen=True):
    """An interval one tape vouches for."""

    tape: str
    venue: str
    stream: Stream
    source: Source
    ts_from: int  #: ns UTC
    ts_to: int  #: ns UTC


class GapRow(msgspec.Struct, frozen=True):
    """An interval one tape missed."""

    tape: str
    venue: str
    stream: Stream
    ts_from: int  #: ns UTC
    ts_to: int | None  #: ns UTC; None while it lasts
    cause: str


class Manifest:
    """An open manifest. `writing` takes the archive's lock; `reading` takes none."""

    def __init__(self, root: Path, connection: sqlite3.Connection, lock: StoreLock | None) -> None:
        self.root = root
        self._connection = connection
        self._lock = lock
        about = dict(connection.execute("SELECT name, value FROM about"))
        self.tape = about["tape"]  #: who this archive's own recordings are by
        self.kind = StoreKind(about["kind"])

    @classmethod
    def writing(cls, root: Path, kind: StoreKind | None, *, make: bool = True) -> "Manifest":
        """Open for the one process that may change the archive.

        Raises:
            StoreError: another process holds it, it is of another kind, or its manifest cannot be read or made.
            DataError: there is none, and none is to be made.
        """
        path = root / NAME
        if not path.exists() and not make:
            raise missing(root)
        lock = None
        try:
            root.mkdir(parents=True, exist_ok=True)
            lock = _lock(path)
            with _telling(root):
                connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
                _prepare(connection, kind or StoreKind.OBSERVED)
                found = cls(root, connection, lock)
        except OSError as error:
            raise StoreError(
                "archive-folder", f"no archive can be made at {root}: {error.strerror}", hint="choose another folder"
            ) from error
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        if kind is not None and found.kind is not kind:
            found.close()
            raise StoreError(
                "archive-kind",
                f"{root} holds {found.kind.value} data, not {kind.value}",
                hint="name another folder with archive.folder: kinds are never mixed",
            )
        return found

    @classmethod
    def reading(cls, root: Path) -> "Manifest":
        """Open without changing anything.

        A change that a writer's death left half done is taken back, which a connection for reading alone may not do.

        Raises:
            DataError: there is no archive.
            StoreError: its manifest cannot be read.
        """
        path = root / NAME
        if not path.exists():
            raise missing(root)
        with _telling(root):
            uri = f"file:{quote(str(path.absolute()))}?mode=rw"  # of a file that is write-protected SQLite makes ro
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            connection.execute("PRAGMA query_only = ON")
            is_blank = not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            if is_blank and not any(one.is_dir() for one in root.iterdir()):
                connection.close()
                raise missing(root)  # it is being made at this moment
            _check(connection)
            return cls(root, connection, None)

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def about(self, name: str) -> str | None:
        """A word the archive keeps about itself."""
        row = self._connection.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def note(self, name: str, value: str) -> None:
        """Keep a word."""
        self._connection.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        """All or nothing of what is done inside.

        Raises:
            sqlite3.Error: nothing of it was done.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            raise

    def add(self, entries: Iterable[Entry]) -> None:
        """Name files; within a `step`."""
        rows = [
            (
                *(e.path, e.place.venue, e.place.channel.value, e.place.symbol, e.place.day, e.place.is_quarantined),
                *(e.rows, e.bytes, e.sha256, e.ts_min, e.ts_max, e.is_compact),
            )
            for e in entries
        ]
        self._connection.executemany(_INSERT, rows)

    def drop(self, paths: Sequence[str], reason: str) -> None:
        """Name files no more, and remember that they are to be deleted; within a `step`."""
        self._connection.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in paths])
        self._connection.executemany("INSERT OR REPLACE INTO gone VALUES (?, ?)", [(path, reason) for path in paths])

    def forget_gone(self, paths: Sequence[str]) -> None:
        """They are deleted."""
        self._connection.executemany("DELETE FROM gone WHERE path = ?", [(path,) for path in paths])

    @property
    def gone(self) -> dict[str, str]:
        """Files that are to be deleted, and why."""
        return dict(self._connection.execute("SELECT path, reason FROM gone"))

    def drop_day(self, day: str, reason: str) -> list[Entry]:
        """Let a whole day go, and keep that it went; within a `step`."""
        entries = self.entries(day=day)
        self.drop([entry.path for entry in entries], reason)
        row = (day, sum(e.rows for e in entries), sum(e.bytes for e in entries), reason)
        self._connection.execute(
            "INSERT INTO gone_days VALUES (?, ?, ?, ?) ON CONFLICT (day) DO UPDATE SET rows = rows + excluded.rows, "
            "bytes = bytes + excluded.bytes, reason = excluded.reason",
            row,
        )
        return entries

    @property
    def gone_days(self) -> dict[str, tuple[int, int, str]]:
        """Days that went: `(rows, bytes, reason)`."""
        found = self._connection.execute("SELECT day, rows, bytes, reason FROM gone_days ORDER BY day")
        return {day: (rows, size, reason) for day, rows, size, reason in found}

    def entries(
        self,
        *,
        day: str | None = None,
        channel: Channel | None = None,
        venue: str | None = None,
        symbol: str | None = None,
        ts_from: int | None = None,
        ts_to: int | None = None,
        quarantined: bool | None = None,
    ) -> list[Entry]:
        """Files, oldest first; those that can hold rows between two moments (ns UTC, the second not included)."""
        asked: Mapping[str, object] = {
            "day = ?": day,
            "channel = ?": None if channel is None else channel.value,
            "venue = ?": venue,
            "symbol = ?": symbol,
            "ts_max >= ?": ts_from,
            "ts_min < ?": ts_to,
            "quarantined = ?": quarantined,
        }
        given = {rule: value for rule, value in asked.items() if value is not None}
        where = f"WHERE {' AND '.join(given)}" if given else ""
        query = f"SELECT {_ENTRY} FROM files {where} ORDER BY day, ts_min, path"  # noqa: S608  # rules are ours
        return [
            Entry(path, Place(v, Channel(c), s, d, bool(q)), rows, size, sha, low, high, bool(compact))
            for path, v, c, s, d, q, rows, size, sha, low, high, compact in self._connection.execute(
                query, tuple(given.values())
            )
        ]

    def lists(self, path: str) -> bool:
        """Whether a file is named; one that was merged into another is not, from then on."""
        found = self._connection.execute("SELECT 1 FROM files WHERE path = ?", (path,)).fetchone()
        return found is not None

    def cover(self, rows: Iterable[CoveredRow]) -> None:
        """Extend coverage; within a `step`."""
        self._connection.executemany(
            "INSERT INTO covered VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET ts_to = max(ts_to, excluded.ts_to)",
            [(r.tape, r.venue, *_words(r.stream), r.source.value, r.ts_from, r.ts_to) for r in rows],
        )

    def miss(self, rows: Iterable[GapRow]) -> None:
        """Keep gaps; one told again with another end takes the place of the first; within a `step`."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(r.tape, r.venue, *_words(r.stream), r.ts_from, r.cause, r.ts_to) for r in rows],
        )

    def end_gaps(self, venue: str, stream: Stream, ts: int) -> None:
        """What this archive's own tape was still missing ends; within a `step`."""
        self._connection.execute(
            "UPDATE gaps SET ts_to = max(ts_from, ?) WHERE ts_to IS NULL AND tape = ? AND venue = ? AND channel = ? "
            "AND instrument = ?",
            (ts, self.tape, venue, *_words(stream)),
        )

    def covered(self) -> list[CoveredRow]:
        """All coverage, tape by tape, in order."""
        rows = self._connection.execute("SELECT * FROM covered ORDER BY tape, venue, channel, instrument, ts_from")
        return [
            CoveredRow(tape, venue, _stream(channel, instrument), Source(source), low, high)
            for tape, venue, channel, instrument, source, low, high in rows
        ]

    def gaps(self) -> list[GapRow]:
        """All gaps, tape by tape, in order."""
        rows = self._connection.execute("SELECT * FROM gaps ORDER BY tape, venue, channel, instrument, ts_from")
        return [
            GapRow(tape, venue, _stream(channel, instrument), low, high, cause)
            for tape, venue, channel, instrument, low, cause, high in rows
        ]


def missing(root: Path) -> DataError:
    """The error for an archive that is not there."""
    return DataError(
        "archive-missing",
        f"there is no archive at {root}",
        hint="archive.folder in the settings makes the collector keep one; --folder names another",
    )


def _lock(path: Path) -> StoreLock:
    try:
        return StoreLock(path)
    except StoreError as error:
        if error.code != "store-locked":
            raise
        raise StoreError(
            "archive-locked",
            f"another process writes the archive: {error.message}",
            hint="a collector compacts its archive itself; stop it for anything else",
        ) from error


@contextlib.contextmanager
def _telling(root: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, KeyError, ValueError) as error:
        raise StoreError(
            "archive-manifest",
            f"the manifest of {root} cannot be read: {error}",
            hint="move manifest.db away: the next `perpscope archive compact` makes it anew from the files",
        ) from error


def _prepare(connection: sqlite3.Connection, kind: StoreKind) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute("PRAGMA synchronous = FULL")
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        stamps = f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {VERSION};"
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} {stamps}")
        about = [("tape", uuid.uuid4().hex[:12]), ("kind", kind.value)]
        connection.executemany("INSERT INTO about VALUES (?, ?)", about)
        connection.execute("COMMIT")
    _check(connection)


def _check(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION or connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        raise ValueError(f"it is not ours, or of version {version}, not {VERSION}")


def _words(stream: Stream) -> tuple[str, str]:
    return stream.channel.value, stream.instrument or ""


def _stream(channel: str, instrument: str) -> Stream:
    return Stream(Channel(channel), instrument or None)  # type: ignore[arg-type]  # an InstrumentId was written
