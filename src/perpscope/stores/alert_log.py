"""What was alerted, what became of it and who was told: a small SQLite file of its own beside the store.

One process writes alerts and deliveries and holds `AlertLock`; any may read, and anybody may mute. Rows older than the
days that are kept go. Times are ms UTC: of alerts market time, of deliveries and mutes real time.
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, Self, TypeVar

import msgspec

from perpscope.errors import StoreError
from perpscope.stores.wal import write_ahead

_BUSY_MS: Final = 3000
#: Tables of this file, by version.
_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS alerts (
    id TEXT PRIMARY KEY, rule TEXT NOT NULL, coin TEXT NOT NULL, started_ms INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    phase TEXT NOT NULL, severity TEXT NOT NULL, held_back TEXT, hit INTEGER, lead_s REAL, is_judged INTEGER NOT NULL
    DEFAULT 0, logged_ms INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS alerts_by_time ON alerts (started_ms);
CREATE TABLE IF NOT EXISTS deliveries (
    number INTEGER PRIMARY KEY, sink TEXT NOT NULL, alert_id TEXT NOT NULL, phase TEXT NOT NULL, at_ms INTEGER NOT NULL,
    is_sent INTEGER NOT NULL, why TEXT, reference TEXT
);
CREATE INDEX IF NOT EXISTS deliveries_by_time ON deliveries (at_ms);
CREATE TABLE IF NOT EXISTS mutes (
    rule TEXT NOT NULL, kind TEXT NOT NULL, until_ms INTEGER, at_ms INTEGER NOT NULL, PRIMARY KEY (rule, kind)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
"""
#: "user": asked for, until a time; "score": by the score, until it is taken back; "heard": a user wants it heard
#: whatever its score says.
MuteKind = Literal["user", "score", "heard"]
R = TypeVar("R", bound=msgspec.Struct)


class LoggedAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it stands in the log: its newest phase."""

    id: str
    rule: str
    coin: str
    started_ms: int
    at_ms: int
    phase: str
    severity: str
    held_back: str | None  #: why nobody was told: "muted", "muted by its score", "quiet hours", "too late"
    hit: bool | None  #: whether what it was to precede came; None = not known yet, or never seen
    lead_s: float | None
    is_judged: bool
    logged_ms: int
    body: bytes  #: JSON of the alert


class LoggedDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message at one sink."""

    sink: str
    alert_id: str
    phase: str
    at_ms: int
    is_sent: bool
    why: str | None = None
    reference: str | None = None


class Mute(msgspec.Struct, frozen=True, kw_only=True):
    """A rule is held back, or heard in spite of its score."""

    rule: str  #: "*" = all
    kind: MuteKind
    until_ms: int | None  #: real time; None = until it is taken back
    at_ms: int


def path_of(store: Path) -> Path:
    """Where the log of a store is."""
    return store.with_name(store.name + ".alerts")


class AlertLock:
    """Held by the one process that tells people of a store's alerts; the system lets go of it when that one dies."""

    def __init__(self, store: Path) -> None:
        self._path = path_of(store).with_name(path_of(store).name + ".lock")
        self._file: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether it is ours."""
        return self._file is not None

    def take(self) -> bool:
        """Whether it is ours now. Nobody is waited for.

        Raises:
            StoreError: the lock file cannot be made ("store-folder").
        """
        if self._file is not None:
            return True
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreError("store-folder", f"{self._path} cannot be made: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Let others tell. Harmless when repeated."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class AlertLog:
    """The log of a store's alerts; for one thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, store: Path) -> Self:
        """Open the log of a store, making it if need be.

        Raises:
            StoreError: it cannot be made or read ("store-folder", "alert-log"), or a newer perpscope made it.
        """
        path = path_of(store)
        if not path.parent.is_dir():
            raise StoreError("store-folder", f"{path.parent} is not a folder", hint="name a file with --db")
        with _telling(path):
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_MS / 1e3)
            try:
                version = int(connection.execute("PRAGMA user_version").fetchone()[0])
                if version > _VERSION:
                    raise StoreError("alert-log", f"{path} is of a newer perpscope", hint="use that one")
                write_ahead(connection)
                connection.execute("PRAGMA synchronous = NORMAL")
                if version < _VERSION:
                    connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
            except BaseException:
                connection.close()
                raise
        return cls(path, connection)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What is written within is there whole, or not at all.

        Raises:
            StoreError: it could not be written.
        """
        with _telling(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def put_alert(self, alert: LoggedAlert) -> None:
        """An alert, or its next phase: what became of it stays as it was."""
        with _telling(self.path):
            self._connection.execute(
                "INSERT INTO alerts (id, rule, coin, started_ms, at_ms, phase, severity, held_back, logged_ms, body)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms,"
                " phase = excluded.phase, body = excluded.body",
                (
                    *(alert.id, alert.rule, alert.coin, alert.started_ms, alert.at_ms, alert.phase, alert.severity),
                    *(alert.held_back, alert.logged_ms, alert.body),
                ),
            )

    def judge(self, alert_id: str, hit: bool | None, lead_s: float | None) -> None:
        """What became of an alert; None = nobody saw."""
        with _telling(self.path):
            query = "UPDATE alerts SET hit = ?, lead_s = ?, is_judged = 1 WHERE id = ?"
            self._connection.execute(query, (hit, lead_s, alert_id))

    def put_delivery(self, delivery: LoggedDelivery) -> None:
        """What became of a message."""
        with _telling(self.path):
            self._connection.execute(
                "INSERT INTO deliveries (sink, alert_id, phase, at_ms, is_sent, why, reference)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                msgspec.structs.astuple(delivery),
            )

    def mute(self, mute: Mute) -> None:
        """Hold a rule back, or let it be heard; replaces what was asked before in the same way."""
        with _telling(self.path):
            query = "INSERT OR REPLACE INTO mutes (rule, kind, until_ms, at_ms) VALUES (?, ?, ?, ?)"
            self._connection.execute(query, (mute.rule, mute.kind, mute.until_ms, mute.at_ms))

    def unmute(self, rule: str, kind: MuteKind) -> bool:
        """Take one back; whether there was one."""
        with _telling(self.path):
            done = self._connection.execute("DELETE FROM mutes WHERE rule = ? AND kind = ?", (rule, kind))
            return done.rowcount > 0

    def mutes(self) -> list[Mute]:
        """All of them, those that are over too."""
        return self._read(Mute, "SELECT * FROM mutes ORDER BY rule, kind")

    def put(self, name: str, body: bytes) -> None:
        """Keep something by name."""
        with _telling(self.path):
            self._connection.execute("INSERT OR REPLACE INTO kept (name, body) VALUES (?, ?)", (name, body))

    def get(self, name: str) -> bytes | None:
        """What is kept by a name."""
        with _telling(self.path):
            row = self._connection.execute("SELECT body FROM kept WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def alerts(self, limit: int, rule: str | None = None, coin: str | None = None) -> list[LoggedAlert]:
        """The newest alerts, newest first."""
        query = (
            "SELECT * FROM alerts WHERE (?1 IS NULL OR rule = ?1) AND (?2 IS NULL OR coin = ?2)"
            " ORDER BY started_ms DESC, id DESC LIMIT ?3"
        )
        return self._read(LoggedAlert, query, (rule, coin, limit))

    def since(self, started_ms: int) -> list[LoggedAlert]:
        """Alerts that began after a moment, oldest first."""
        query = "SELECT * FROM alerts WHERE started_ms > ? ORDER BY started_ms, id"
        return self._read(LoggedAlert, query, (started_ms,))

    def deliveries(self, limit: int, sink: str | None = None) -> list[LoggedDelivery]:
        """The newest messages, newest first."""
        query = "SELECT * FROM deliveries WHERE (?1 IS NULL OR sink = ?1) ORDER BY number DESC LIMIT ?2"
        return self._read(LoggedDelivery, query, (sink, limit))

    def counts(self, since_ms: int) -> dict[str, tuple[int, int]]:
        """Alerts that began after a moment by rule: all of them, and those nobody was told of."""
        query = "SELECT rule, COUNT(*), COUNT(held_back) FROM alerts WHERE started_ms > ? GROUP BY rule"
        with _telling(self.path):
            return {str(rule): (int(n), int(held)) for rule, n, held in self._connection.execute(query, (since_ms,))}

    def drop_before(self, market_ms: int, real_ms: int) -> None:
        """Let go of alerts and messages before these moments."""
        with _telling(self.path):
            self._connection.execute("DELETE FROM alerts WHERE at_ms < ?", (market_ms,))
            self._connection.execute("DELETE FROM deliveries WHERE at_ms < ?", (real_ms,))

    def _read(self, record: type[R], query: str, values: Sequence[object] = ()) -> list[R]:
        with _telling(self.path):
            cursor = self._connection.execute(query, values)
            columns = [column[0] for column in cursor.description]
            rows = [dict(zip(columns, row, strict=True)) for row in cursor]
        wanted = record.__struct_fields__
        return [msgspec.convert({k: v for k, v in row.items() if k in wanted}, record, strict=False) for row in rows]


@contextlib.contextmanager
def _telling(path: Path) -> Iterator[None]:
    """SQLite's errors as ours.

    Raises:
        StoreError: "alert-log".
    """
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(
            "alert-log",
            f"the log of alerts at {path}: {error}",
            hint=f"is the disk full, or the file damaged? move {path.name} aside: a new one is begun",
        ) from error
