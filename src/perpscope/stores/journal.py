"""The journal of a trader: what it meant to do, before it did it, and what came of it.

A SQLite file of its own beside the store, `<db>.paper` or `<db>.live`, with one writer. Every write is one transaction
that shows the lease's token first (`journal_lease`), so that whoever was overtaken sends nothing. An order, a fill and
a funding are on the disk when the call returns: an order that is not in here was never sent. Rows are only added, but
for what is remembered between runs and the page that faces show (`report`). Others read it through `JournalReader`.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Self

import msgspec

from perpscope.errors import StoreError
from perpscope.model.exchange import FundingReport, TradeReport
from perpscope.model.instrument import InstrumentId
from perpscope.model.order import OrderRequest
from perpscope.model.trade_status import TradeStatus
from perpscope.stores import journal_acts, journal_at_once, journal_lease, journal_query, journal_runs
from perpscope.stores.journal_at_once import AtOnce
from perpscope.stores.journal_file import damaged, opened, telling
from perpscope.stores.journal_lease import HolderLock
from perpscope.stores.journal_reader import JournalReader
from perpscope.stores.journal_rows import JournalAct, JournalFill, JournalOrder, JournalRun, packed, place

__all__ = ["Journal", "JournalAct", "JournalFill", "JournalOrder", "JournalReader", "JournalRun", "place"]

#: Pages of status after which the write-ahead log is moved into the file, where no order waits for it.
_REPORTS_A_CHECKPOINT: Final = 10
_MS: Final = 1_000_000


class Journal:
    """A journal opened for writing; calls may come from any thread, one after another."""

    def __init__(self, path: Path, connection: sqlite3.Connection, holder: str) -> None:
        self.path = path
        self.holder = holder
        self._connection = connection
        self._guard = threading.RLock()
        self._account: str | None = None
        self._token = 0
        self._lock: HolderLock | None = None
        self.at_once: AtOnce | None = None  #: writes orders without waiting, while the account is held
        self._noted: sqlite3.Connection | None = None  # within `together`
        self._reports = 0

    @classmethod
    def open(cls, path: Path, *, holder: str) -> Self:
        """Open a journal, making it if need be. It is looked through: one that is damaged is refused.

        Args:
            path: see `place`; its folder must be there.
            holder: who writes, as others will read it, e.g. "trader 4711 on host".

        Raises:
            StoreError: "store-folder", "journal-damaged", "journal-foreign", "journal-newer", "journal-busy" or
                "journal-unwritten".
        """
        connection = opened(path)
        try:
            with telling(path):
                what = journal_query.fault(connection)
            if what is not None:
                raise damaged(path, what)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, holder)

    def take(self, account: str, now_s: float, ttl_s: float) -> int:
        """Become the one trader of an account.

        Args:
            account: its name.
            now_s: wall clock, epoch seconds.
            ttl_s: how long it lasts unless renewed.

        Returns:
            The fencing token: higher than any before it.

        Raises:
            StoreError: "trader-elsewhere": another's lease holds.
        """
        lock = HolderLock(self.path, account)
        with self._guard:
            is_locked = lock.take()
            try:
                with self._transaction() as connection:
                    token, before = journal_lease.take(
                        connection, account, self.holder, now_s, ttl_s, is_locked=is_locked
                    )
                    if token:
                        words = f"{account}: token {token}{f', before: {before}' if before else ''}"
                        journal_acts.add(connection, self.holder, "lease", words, round(now_s * 1000))
                    doing = "" if token else journal_runs.of_holder(connection, account, before)
            except BaseException:
                lock.release()
                raise
            if not token:
                lock.release()
                raise StoreError(
                    "trader-elsewhere",
                    f"{before} has the account already{doing}: one trader at a time, whatever it trades",
                    hint=f"end that one, or wait for its end; one that hangs loses the account after {ttl_s:g} s",
                )
            self._account, self._token, self._lock = account, token, lock
            self._leave_off()
            self.at_once = AtOnce(self.path, account, token)
            return token

    def renew(self, now_s: float) -> None:
        """Keep the account for another time to live.

        Raises:
            StoreError: "trader-fenced".
        """
        with self._noting() as connection:
            is_locked = self._lock is not None and self._lock.take()
            journal_lease.renew(connection, str(self._account), now_s, is_locked=is_locked)

    def release(self) -> None:
        """Leave the account to others, at once. Harmless when repeated, or when it is lost already."""
        with self._guard:
            self._leave_off()
            if self._account is not None:
                with contextlib.suppress(StoreError), self._holding() as connection:
                    journal_lease.give_up(connection, self._account)
            if self._lock is not None:
                self._lock.release()
            self._account, self._lock = None, None

    def begin(self, run: JournalRun) -> None:
        """Begin a run, or take it up again.

        Raises:
            StoreError: "run-differs": a run of that id is another's; "trader-fenced".
        """
        with self._holding() as connection:
            journal_runs.begin(connection, self.holder, run)

    def unfinished(self, account: str, instrument: InstrumentId, strategy: str) -> JournalRun | None:
        """The newest such run, unless it was ended."""
        with self._reading() as connection:
            return journal_query.unfinished(connection, account, instrument, strategy)

    def intend(self, run: str, order: OrderRequest) -> None:
        """Write an order down before it is sent. The same again is no news.

        Raises:
            StoreError: "intent-differs": another order has this id; "trader-fenced"; "journal-unwritten".
        """
        with self._holding() as connection:
            journal_at_once.intend(connection, run, order)

    def note(self, order: str, state: str, ts: int, *, venue_id: str = "", why: str = "") -> None:
        """Write down what has become of an order. What stands there already is no news.

        Args:
            order: its id.
            state: a word of the order's life.
            ts: ns UTC.
            venue_id: the exchange's name for it, once known; empty = as before.
            why: in words.

        Raises:
            StoreError: "intent-unknown": no such order was written down; "trader-fenced"; "journal-unwritten".
        """
        with self._noting() as connection:
            if connection.execute("SELECT 1 FROM orders WHERE id = ?", (order,)).fetchone() is None:
                raise StoreError("intent-unknown", f"order {order} is not in the journal", hint="please report it")
            last = connection.execute(
                "SELECT state, venue_id, why FROM notes WHERE id = ? ORDER BY number DESC LIMIT 1", (order,)
            ).fetchone()
            venue_id = venue_id or (last[1] if last is not None else "")
            if last != (state, venue_id, why):
                connection.execute(
                    "INSERT INTO notes (id, state, ts, venue_id, why) VALUES (?, ?, ?, ?, ?)",
                    (order, state, ts, venue_id, why),
                )

    def filled(self, run: str, order: str, trade: TradeReport) -> bool:
        """Write a fill down, once, whoever tells it.

        Args:
            run: whose.
            order: its id; empty where none of ours explains it.
            trade: the fill.

        Returns:
            False = it was known already.

        Raises:
            StoreError: "trader-fenced"; "journal-unwritten".
        """
        with self._holding() as connection:
            return journal_at_once.book(connection, str(self._account), run, order, trade)

    def funded(self, run: str, funding: FundingReport) -> bool:
        """Write a funding down, once; False = it was known already.

        Raises:
            StoreError: "trader-fenced"; "journal-unwritten".
        """
        body, crc = packed(funding)
        with self._holding() as connection:
            added = connection.execute(
                "INSERT INTO fundings (account, id, run, body, crc) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (account, id) DO NOTHING",
                (self._account, funding.id, run, body, crc),
            )
            return added.rowcount > 0

    def orders(self, run: str) -> list[JournalOrder]:
        """Orders of a run, oldest first."""
        with self._reading() as connection:
            return journal_query.orders(connection, run)

    def fills(self, run: str) -> list[JournalFill]:
        """Fills of a run, in the order they became known."""
        with self._reading() as connection:
            return journal_query.fills(connection, run)

    def fundings(self, run: str) -> list[FundingReport]:
        """Fundings of a run, in the order they became known."""
        with self._reading() as connection:
            return journal_query.fundings(connection, run)

    def last_number(self, run: str, prefix: str = "") -> int:
        """The highest number that an order's id of this run has used up; 0 = none.

        Args:
            run: its id.
            prefix: "x" for orders that the gateway made by itself.
        """
        with self._reading() as connection:
            return journal_query.last_number(connection, run, prefix)

    def last_trade_id(self, run: str) -> int | None:
        """The highest trade id among a run's fills; None without any."""
        with self._reading() as connection:
            return journal_query.last_trade_id(connection, run)

    def remember(self, run: str, risk: Mapping[str, float]) -> None:
        """Keep what risk has to know when the run is taken up again, in place of what was kept before.

        Raises:
            StoreError: "trader-fenced"; "journal-unwritten".
        """
        with self._noting() as connection:
            body = msgspec.json.encode(dict(risk), order="sorted").decode()
            connection.execute("INSERT OR REPLACE INTO memory (run, body) VALUES (?, ?)", (run, body))

    def remembered(self, run: str) -> dict[str, float]:
        """What was last remembered of a run."""
        with self._reading() as connection:
            return journal_query.remembered(connection, run)

    def end(self, run: str, ts: int) -> None:
        """End a run: it is not taken up again.

        Raises:
            StoreError: "trader-fenced"; "journal-unwritten".
        """
        with self._holding() as connection:
            journal_runs.end(connection, self.holder, run, ts // _MS)

    def report(self, status: TradeStatus) -> None:
        """Show faces how the run is doing.

        Raises:
            StoreError: "trader-fenced"; "journal-unwritten".
        """
        body, crc = packed(status)
        with self._noting() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO statuses (run, at_ms, body, crc) VALUES (?, ?, ?, ?)",
                (status.run, status.at_ms, body, crc),
            )
        self._reports += 1
        if self._noted is None:
            self._checkpoint()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What one thread renews, remembers and reports in here is one transaction.

        Raises:
            StoreError: "trader-fenced"; "journal-unwritten".
        """
        with self._guard:
            with self._noting() as connection:
                self._noted = connection
                try:
                    yield
                finally:
                    self._noted = None
            self._checkpoint()

    def act(self, who: str, what: str, why: str, at_ms: int) -> None:
        """Write a line of the audit; it takes no lease, but whoever had one must have it still.

        Raises:
            StoreError: "trader-fenced"; "journal-unwritten".
        """
        with self._guard, self._transaction() as connection:
            if self._account is not None:
                journal_lease.refuse_fenced(connection, self._account, self._token)
            journal_acts.add(connection, who, what, why, at_ms)

    def verify(self) -> str | None:
        """What is wrong with the journal, read from end to end; None = nothing."""
        with self._reading() as connection:
            return journal_query.fault(connection)

    def close(self) -> None:
        """Leave the account to others, and let go of the file. Harmless when repeated."""
        self.release()
        with self._guard:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _leave_off(self) -> None:
        if self.at_once is not None:
            self.at_once.close()
            self.at_once = None

    @contextlib.contextmanager
    def _holding(self) -> Iterator[sqlite3.Connection]:
        """A transaction of whoever holds the account.

        Raises:
            StoreError: "trader-fenced", or it cannot be written.
        """
        with self._guard, self._transaction() as connection:
            if self._account is None:
                raise StoreError(
                    "trader-fenced", "this trader holds no account, and may write nothing", hint="take one"
                )
            journal_lease.refuse_fenced(connection, self._account, self._token)
            yield connection

    @contextlib.contextmanager
    def _noting(self) -> Iterator[sqlite3.Connection]:
        """As `_holding`, for what the exchange can be asked again or nobody has to know: no wait for the disk.

        A killed process leaves it behind; after a power failure it may be missing, as the newest of its kind.
        """
        with self._guard, telling(self.path):
            if self._noted is not None:
                yield self._noted
                return
            self._connection.execute("PRAGMA synchronous = NORMAL")
            try:
                with self._holding() as connection:
                    yield connection
            finally:
                self._connection.execute("PRAGMA synchronous = FULL")

    def _checkpoint(self) -> None:
        """Move the write-ahead log into the file, now and then."""
        if self._reports >= _REPORTS_A_CHECKPOINT:
            self._reports = 0
            with self._reading() as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with telling(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._guard, telling(self.path):
            yield self._connection
