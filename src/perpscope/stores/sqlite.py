"""The default store: one SQLite file, one writer, any number of readers in any process.

Events come in through `sink().accept` on the event loop, which only prepares rows; the writer thread commits them at
each `Tick`. `SqliteReader` reads what was committed, and never disturbs the writer.
"""

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Self, TypeVar

from perpscope.errors import StoreError
from perpscope.model.instrument import Instrument, InstrumentId, MarginTier
from perpscope.model.order import Signal
from perpscope.model.stream import Channel, Stream
from perpscope.ports import Sink
from perpscope.stores.access import BUSY_TIMEOUT_MS, StoreLock, check_writable, open_for_writing, trusting
from perpscope.stores.aggregates import rebuild
from perpscope.stores.chores import Chore
from perpscope.stores.filling import BackfillSink
from perpscope.stores.intake import Intake
from perpscope.stores.legacy import is_legacy
from perpscope.stores.reader import SqliteReader
from perpscope.stores.schema import migrate
from perpscope.stores.statements import CLOSE_COVERED, CLOSE_GAPS, LAST_COVERED
from perpscope.stores.status import FeedStatus, HeartStatus, StoreKind, Trouble
from perpscope.stores.writer import QUEUE_BATCHES, BatchWriter

__all__ = ["SqliteReader", "SqliteStore", "StoreKind", "open_reader", "open_writer"]

T = TypeVar("T")

BATCH_ROWS = 2_000  #: chosen by hand: larger batches are no faster
MAX_PENDING_ROWS = 500_000  #: chosen by hand: about 400 MB of rows
FLUSH_TIMEOUT_S = 60.0
REBUILD_TIMEOUT_S = 600.0


class SqliteStore:
    """A store opened for writing; it is locked against other writers until closed.

    `accept`, `register`, `report`, `flush` and `close` are called from one thread, that of the event loop.
    """

    def __init__(
        self,
        path: Path,
        kind: StoreKind,
        lock: StoreLock,
        writer: BatchWriter,
        intake: Intake,
        last_covered: dict[tuple[str, Stream], tuple[int, str]],
    ) -> None:
        self.path = path
        self.kind = kind
        self._lock = lock
        self._writer = writer
        self._intake = intake
        self._last_covered = last_covered
        self._is_closed = False

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        kind: StoreKind,
        create: bool = True,
        batch_rows: int = BATCH_ROWS,
        max_pending_rows: int = MAX_PENDING_ROWS,
        queue_batches: int = QUEUE_BATCHES,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    ) -> Self:
        """Open a store, making it or bringing it up to date if need be; coverage left open by a crash is closed.

        Args:
            path: the file; its folder must exist.
            kind: where the data comes from; a store of another kind is refused.
            create: whether to make a file that is not there.
            batch_rows: rows that are handed to the writer without waiting for a `Tick`.
            max_pending_rows: rows that may wait while the writer is behind; beyond, they become a gap.
            queue_batches: batches the writer may have before it.
            busy_timeout_ms: how long another connection's lock is waited for before it counts as trouble.

        Raises:
            DataError: "store-missing".
            StoreError: "store-folder", "store-readonly", "store-locked", "store-corrupt", "store-foreign",
                "store-newer", "store-kind" or "store-busy".
        """
        check_writable(path, create=create)
        lock = StoreLock(path)
        try:
            connection = open_for_writing(path, busy_timeout_ms)
            try:
                with trusting(path):
                    _check_kind(connection, path, kind)
                    last_covered = _prepare(connection, kind)
                lock.note_open()
            except BaseException:
                connection.close()
                raise
        except BaseException:
            lock.release()
            raise
        writer = BatchWriter(connection, queue_batches=queue_batches)
        intake = Intake(writer, batch_rows=batch_rows, max_pending_rows=max_pending_rows)
        return cls(path, kind, lock, writer, intake, last_covered)

    @property
    def dropped(self) -> int:
        """Rows lost because the writer was behind; the time they are missing from is recorded as a gap."""
        return self._intake.dropped

    @property
    def pending_rows(self) -> int:
        """Rows accepted and not committed yet. A feed that can wait (a replay) should, before it grows large."""
        return self._intake.waiting_rows + self._writer.waiting_rows

    @property
    def trouble(self) -> Trouble | None:
        """Why nothing can be written at the moment; None if all is well."""
        return self._writer.trouble

    @property
    def committed(self) -> int | None:
        """The newest `Tick` (ns UTC) before which everything is on disk; None before the first."""
        return self._writer.committed

    def sink(self) -> Sink:
        """Where events are handed in."""
        return self._intake

    def backfill_sink(self) -> Sink:
        """Where events are handed in that were asked for afterwards; see `BackfillSink`."""
        return BackfillSink(self._intake)

    def register(self, instruments: Iterable[Instrument], ts_from: int | None = None) -> None:
        """Make instruments known by the venue's symbol; before their events.

        Args:
            instruments: as the catalogue has them. What differs from the version in force becomes a new one.
            ts_from: since when they are so, ns UTC; None = nobody knows, and the newest version is corrected.
        """
        self._intake.register(instruments, ts_from)

    def register_tiers(self, tiers: Mapping[InstrumentId, Sequence[MarginTier]], *, source: str, ts_from: int) -> None:
        """Keep margin tiers as a new version, where they differ from those in force.

        Args:
            tiers: of each instrument, lowest first; none at all says nothing.
            source: who says so, e.g. "venue"; each source has versions of its own.
            ts_from: since when they hold, ns UTC.
        """
        self._intake.register_tiers(tiers, source=source, ts_from=ts_from)

    def keep_signals(self, signals: Iterable[Signal]) -> None:
        """Keep what strategies and models thought, at the next `Tick`; one of the same moment and strategy stays."""
        self._intake.keep_signals(signals)

    def report(self, feeds: Sequence[FeedStatus], heart: HeartStatus) -> None:
        """Store how the feeds and the heart are doing, at the next `Tick`."""
        self._intake.report(feeds, heart)

    def last_covered(self) -> dict[tuple[str, Stream], tuple[int, str]]:
        """Per venue and stream: the end (ns UTC) of what earlier runs saw, and the cause of the gap since.

        The cause is "restart" if a crash cut the interval off, else "stopped".
        """
        return dict(self._last_covered)

    def ask(self, chore: Chore[T]) -> "Future[T | None]":
        """Have the writer thread do a chore of upkeep between two commits; the answer is what its last step yields."""
        return self._writer.ask(chore)

    def check(self) -> None:
        """Tell whether the writer still lives.

        Raises:
            StoreError: it does not.
        """
        self._writer.check()

    def flush(self, timeout_s: float = FLUSH_TIMEOUT_S) -> None:
        """Return when everything accepted so far is committed. Blocks.

        Raises:
            StoreError: the writer has failed, or is not done in time.
        """
        self._intake.hand_over()
        self._writer.flush(timeout_s)

    async def aflush(self, timeout_s: float = FLUSH_TIMEOUT_S) -> None:
        """`flush` without holding up the event loop."""
        self._intake.hand_over()
        await asyncio.to_thread(self._writer.flush, timeout_s)

    def rebuild_aggregates(self, ts_from: int, ts_to: int, timeout_s: float = REBUILD_TIMEOUT_S) -> None:
        """Reckon minutes and hours anew from the events that are there. Blocks; see `aggregates.rebuild`.

        Args:
            ts_from: ns UTC; the whole hour it lies in is reckoned anew.
            ts_to: ns UTC, not included; the rest of its hour is.
            timeout_s: how long to wait; the writer goes on beyond it.

        Raises:
            StoreError: the writer has failed, or the file cannot be used.
            TimeoutError: it takes longer; it is done all the same.
        """
        self.flush()
        with trusting(self.path):
            self.ask(lambda connection: rebuild(connection, ts_from, ts_to)).result(timeout_s)

    def close(self) -> None:
        """Commit everything, say that the heart has stopped, release the lock. Harmless when repeated.

        Raises:
            StoreError: the writer has failed, or something could not be written.
        """
        if self._is_closed:
            return
        self._is_closed = True
        self._intake.hand_over()
        try:
            self._writer.close()
        finally:
            self._lock.release()


def _check_kind(connection: sqlite3.Connection, path: Path, kind: StoreKind) -> None:
    """Refuse a file of another kind, before anything in it is changed."""
    found = StoreKind.OBSERVED.value if is_legacy(connection) else None
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").fetchone():
        (found,) = connection.execute("SELECT max(value) FROM meta WHERE key = 'kind'").fetchone()
    if found not in (None, kind.value):
        raise StoreError(
            "store-kind",
            f"{path} holds {found} data, which {kind.value} data must not be mixed with",
            hint="choose another file with --db",
        )


def _prepare(connection: sqlite3.Connection, kind: StoreKind) -> dict[tuple[str, Stream], tuple[int, str]]:
    """Bring the tables up to date, close what a crash left open, and look up where coverage ended."""
    migrate(connection)
    connection.execute("INSERT INTO meta VALUES ('kind', ?) ON CONFLICT DO NOTHING", (kind.value,))
    connection.execute(CLOSE_COVERED)
    connection.execute(CLOSE_GAPS)
    return {
        (venue, Stream(Channel(channel), instrument and InstrumentId(instrument))): (ts_to, cause)
        for venue, channel, instrument, ts_to, cause in connection.execute(LAST_COVERED)
    }


def open_writer(location: str, *, kind: StoreKind) -> SqliteStore:
    """Open the store in the file `location` for writing; see `SqliteStore.open`."""
    return SqliteStore.open(Path(location), kind=kind)


def open_reader(location: str) -> SqliteReader:
    """Open the store in the file `location` for reading; see `SqliteReader.open`."""
    return SqliteReader.open(Path(location))
