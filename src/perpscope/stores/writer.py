"""The writer thread: the one connection that writes a store lives in it.

Batches come in through a bounded queue and stay there until they are committed; whatever has piled up is committed
together. What passes (a lock, a full disk, an I/O error) is tried again and told in `trouble`; anything else ends the
thread and is raised again by `check`, `flush` and `close`. Chores of upkeep are done between two commits, step by step.
"""

import sqlite3
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from threading import Condition, Thread
from typing import TypeVar

from perpscope.errors import StoreError
from perpscope.stores.chores import Chore, Chores
from perpscope.stores.rows import Batch
from perpscope.stores.statements import STOP_HEART, write
from perpscope.stores.status import Trouble

T = TypeVar("T")

QUEUE_BATCHES = 64  #: chosen by hand: a minute of Ticks
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_PRIMARY_CODE = 0xFF  # the low byte of an extended result code, https://www.sqlite.org/rescode.html
_PASSING = {
    sqlite3.SQLITE_BUSY: "store-busy",
    sqlite3.SQLITE_LOCKED: "store-busy",
    sqlite3.SQLITE_PROTOCOL: "store-busy",
    sqlite3.SQLITE_FULL: "store-full",
    sqlite3.SQLITE_IOERR: "store-io",
    sqlite3.SQLITE_READONLY: "store-io",
    sqlite3.SQLITE_CANTOPEN: "store-io",
}


class BatchWriter:
    """Commits batches in the order they were put. Closes the connection when it ends.

    Args:
        connection: in autocommit mode, usable from another thread; not to be used by anyone else from here on.
        queue_batches: `has_room` is False while as many wait.
    """

    def __init__(self, connection: sqlite3.Connection, *, queue_batches: int = QUEUE_BATCHES) -> None:
        self._connection = connection
        self._queue_batches = queue_batches
        self._queue: deque[Batch] = deque()
        self._chores = Chores()
        self._changed = Condition()
        self._is_stopping = False
        self._error: BaseException | None = None
        self.trouble: Trouble | None = None  #: why nothing is written at the moment
        self.committed: int | None = None  #: ns UTC, newest `Tick` whose rows are on disk
        self._thread = Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def waiting_rows(self) -> int:
        """Rows queued and not committed yet."""
        with self._changed:
            return sum(batch.rows for batch in self._queue)

    def has_room(self) -> bool:
        """False while the queue is at its limit."""
        return len(self._queue) < self._queue_batches

    def put(self, batch: Batch) -> None:
        """Queue a batch; never blocks."""
        with self._changed:
            self._queue.append(batch)
            self._changed.notify_all()

    def ask(self, chore: Chore[T]) -> "Future[T | None]":
        """Have a chore done between commits; the answer is cancelled if the thread ends before."""
        with self._changed:
            answer = self._chores.ask(chore)
            self._changed.notify_all()
        return answer

    def check(self) -> None:
        """Tell whether the thread has failed.

        Raises:
            StoreError: it has; nothing more will be written.
        """
        if isinstance(self._error, StoreError):
            raise self._error
        if self._error is not None:
            raise StoreError(
                "store-failed",
                f"the store's writer stopped: {type(self._error).__name__}: {self._error}",
                hint="start again: what was not written will be recorded as a gap",
            ) from self._error

    def flush(self, timeout_s: float) -> None:
        """Return when everything queued is committed.

        Raises:
            StoreError: the thread has failed, or it is not done in time.
        """
        with self._changed:
            is_done = self._changed.wait_for(lambda: not self._queue or self._error is not None, timeout_s)
        self.check()
        if not is_done:
            raise self._unwritten(f"not written after {timeout_s:g} s")

    def close(self) -> None:
        """Commit what is queued, say that the heart has stopped, and end. In trouble it is tried once more only.

        Raises:
            StoreError: the thread has failed, or something could not be written.
        """
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        self._thread.join()
        self.check()

    def _run(self) -> None:
        try:
            while (batches := self._wait()) is not None:
                if batches:
                    self._commit(batches)
                    self._done(batches)
                self._chores.step(self._connection)
            with suppress(sqlite3.OperationalError):  # a reader will see that the process is gone
                self._connection.execute(STOP_HEART)
        except BaseException as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()
        finally:
            self._chores.give_up()
            with suppress(sqlite3.Error):
                self._connection.close()

    def _wait(self) -> list[Batch] | None:
        """Everything queued, as soon as there is that or a chore to do; None when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._chores or self._is_stopping)
            return list(self._queue) if self._queue or not self._is_stopping else None

    def _done(self, batches: list[Batch]) -> None:
        with self._changed:
            for batch in batches:
                self._queue.popleft()
                self.committed = batch.ts_tick or self.committed
            self._changed.notify_all()

    def _commit(self, batches: list[Batch]) -> None:
        """Write until it is written, waiting longer after each failure."""
        pause_s = _FIRST_PAUSE_S
        while True:
            is_last_try = self._is_stopping
            try:
                write(self._connection, batches)
            except sqlite3.Error as error:
                self._rollback()
                self._note(error, batches)
                if is_last_try:
                    raise self._unwritten("could not be written before the end") from error
            else:
                self.trouble = None
                return
            with self._changed:
                self._changed.wait_for(lambda: self._is_stopping, pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _rollback(self) -> None:
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def _note(self, error: sqlite3.Error, batches: list[Batch]) -> None:
        """Remember what keeps us from writing, or raise it if it will not pass."""
        code = _PASSING.get(getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE)
        if code is None:
            raise error
        ts_tick = next((batch.ts_tick for batch in reversed(batches) if batch.ts_tick is not None), self.committed)
        before = self.trouble
        since, tries = (before.ts_since, before.tries) if before else (ts_tick, 0)
        self.trouble = Trouble(code, str(error), since, tries + 1)

    def _unwritten(self, what: str) -> StoreError:
        trouble = self.trouble
        reason = f": {trouble.what}" if trouble else ""
        return StoreError(
            "store-unwritten",
            f"{self.waiting_rows} rows {what}{reason}",
            hint="free the disk or end what holds the database; the missing time will be recorded as a gap",
        )
