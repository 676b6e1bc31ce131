"""Runs of strategies: a small SQLite file of its own beside the store, `<db>.runs`.

One row a run: columns that lists are made of, the summary, and the whole of it packed (msgpack in zstd). Any process
may write; each waits for the other a moment. What was tried on the way stands in `trials`, in the same file.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import msgspec
import zstandard

from perpscope.errors import StoreError
from perpscope.model.run import Run, RunSummary
from perpscope.stores.wal import write_ahead

_BUSY_MS: Final = 5000
#: Tables of this file, by version.
_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, made_ms INTEGER NOT NULL, strategy TEXT NOT NULL,
    instrument TEXT NOT NULL, data TEXT NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
    hash TEXT NOT NULL, data_hash TEXT NOT NULL, net REAL NOT NULL, trades INTEGER NOT NULL,
    max_drawdown REAL NOT NULL, verdict TEXT NOT NULL, summary BLOB NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS runs_by_time ON runs (made_ms);
CREATE TABLE IF NOT EXISTS trials (
    number INTEGER PRIMARY KEY, made_ms INTEGER NOT NULL, study TEXT NOT NULL, strategy TEXT NOT NULL,
    data_hash TEXT NOT NULL, parameters TEXT NOT NULL, figures TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS trials_by_strategy ON trials (strategy, data_hash);
CREATE TRIGGER IF NOT EXISTS trials_are_never_changed BEFORE UPDATE ON trials
    BEGIN SELECT RAISE(ABORT, 'a trial is never changed'); END;
CREATE TRIGGER IF NOT EXISTS trials_are_never_removed BEFORE DELETE ON trials
    BEGIN SELECT RAISE(ABORT, 'a trial is never removed'); END;
"""
_PUT: Final = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SHORT: Final = 8  #: letters of the hash that an id is

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Run).decode
_unpack_summary = msgspec.msgpack.Decoder(RunSummary).decode


def path_of(store: Path) -> Path:
    """Where the runs of a store are."""
    return store.with_name(store.name + ".runs")


class Runs:
    """The runs kept beside a store.

    Args:
        store: the store; its folder must be there. A file that is not there yet is made by the first `add`.
    """

    def __init__(self, store: Path) -> None:
        self.path = path_of(store)
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, run: Run, named: str = "") -> str:
        """Keep a run; the same run again takes the place of the first. Its id here.

        Args:
            run: whole.
            named: the id it has already, as one on paper or live has; empty = the beginning of its hash.

        Raises:
            StoreError: it cannot be kept ("store-folder", "runs-file").
        """
        with telling(self.path):
            connection = self._writing()
            told = run.summary
            run_id = named or self._free_id(connection, told)
            told = msgspec.structs.replace(told, id=run_id)
            body = zstandard.ZstdCompressor(level=6).compress(_pack(msgspec.structs.replace(run, summary=told)))
            connection.execute(
                _PUT,
                (
                    *(told.id, told.kind.value, told.made_ms, told.strategy, told.instrument, told.data, told.from_ms),
                    *(told.to_ms, told.hash, told.data_hash, told.net, told.trades, told.max_drawdown),
                    *(told.verdict.value, _pack(told), body),
                ),
            )
        return run_id

    def list(self, limit: int = 100) -> list[RunSummary]:
        """The newest runs, newest first."""
        with telling(self.path):
            connection = self._reading()
            if connection is None:
                return []
            rows = connection.execute("SELECT summary FROM runs ORDER BY made_ms DESC, id LIMIT ?", (limit,))
            return [_unpack_summary(summary) for (summary,) in rows]

    def get(self, run_id: str) -> Run | None:
        """A run by its id, or by as much of it as no other begins with; None if there is none."""
        with telling(self.path):
            connection = self._reading()
            if connection is None:
                return None
            query = (
                "SELECT body FROM runs WHERE id = ?1 OR substr(id, 1, length(?1)) = ?1 ORDER BY id = ?1 DESC LIMIT 2"
            )
            rows = connection.execute(query, (run_id,)).fetchall() if run_id else []
            if not rows or (len(rows) > 1 and self._exact(connection, run_id) is None):
                return None
            return _unpack(zstandard.ZstdDecompressor().decompress(rows[0][0]))

    def remove(self, run_id: str) -> bool:
        """Let go of a run; what was tried stays. Whether there was one."""
        with telling(self.path):
            if self._reading() is None:
                return False
            return self._writing().execute("DELETE FROM runs WHERE id = ?", (run_id,)).rowcount > 0

    def _exact(self, connection: sqlite3.Connection, run_id: str) -> object:
        return connection.execute("SELECT 1 FROM runs WHERE id = ?", (run_id,)).fetchone()

    def _free_id(self, connection: sqlite3.Connection, told: RunSummary) -> str:
        """The first letters of the hash: more of them where another run has these."""
        for length in range(_SHORT, len(told.hash)):
            row = connection.execute("SELECT hash FROM runs WHERE id = ?", (told.hash[:length],)).fetchone()
            if row is None or row[0] == told.hash:
                return told.hash[:length]
        return told.hash

    def _reading(self) -> sqlite3.Connection | None:
        return self._writing() if self._connection is not None or self.path.exists() else None

    def _writing(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = opened(self.path)
        return self._connection


def opened(path: Path) -> sqlite3.Connection:
    """The file of runs and trials, made if need be.

    Raises:
        StoreError: its folder is missing ("store-folder"), or a newer perpscope made it ("runs-file").
    """
    if not path.parent.is_dir():
        raise StoreError("store-folder", f"{path.parent} is not a folder", hint="name a file with --db")
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_MS / 1e3)
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > _VERSION:
            raise StoreError("runs-file", f"{path} is of a newer perpscope", hint="use that one")
        write_ahead(connection)
        if version < _VERSION:
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def telling(path: Path) -> Iterator[None]:
    """SQLite's errors, and a body that cannot be read, as ours.

    Raises:
        StoreError: "runs-file".
    """
    try:
        yield
    except (sqlite3.Error, zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise StoreError(
            "runs-file",
            f"the runs at {path}: {error}",
            hint=f"is the disk full, or the file damaged? move {path.name} aside: a new one is begun",
        ) from error
