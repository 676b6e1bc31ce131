"""Orders and fills on their way into a journal, and a hand that writes them without waiting for anybody.

Whoever decides cannot wait for a lock or a disk, and has it written all the same before he goes on: rows first, by a
connection of its own that is refused at once where somebody else writes; then, by whoever can wait, the disk. Only an
order that both are true of may be sent. A fill may be told before the disk has it: the exchange tells it again.
"""

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from perpscope.errors import StoreError
from perpscope.model.exchange import TradeReport
from perpscope.model.order import OrderRequest
from perpscope.stores import journal_acts, journal_lease
from perpscope.stores.journal_file import telling, unwritten
from perpscope.stores.journal_rows import packed

_MS: Final = 1_000_000
#: Bytes the log is made long beforehand, where the disk has a hundred times as much: that a file grows has to be put on
#: the disk too, with whatever else the file system has to say by then.
_LOG_BYTES: Final = 4 << 20
_PLENTY: Final = 100
#: Puts a file's content on the disk; some systems know no more than the whole of it.
_to_disk: Final = getattr(os, "fdatasync", os.fsync)


def intend(connection: sqlite3.Connection, run: str, order: OrderRequest) -> bool:
    """Write an order within the transaction that is open; False: the same is there already.

    Raises:
        StoreError: "intent-differs".
    """
    body, crc = packed(order)
    added = connection.execute(
        "INSERT INTO orders (id, run, body, crc) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (order.id, run, body, crc),
    )
    if added.rowcount:
        journal_acts.add(connection, run, "order", body.decode(), order.ts_recv // _MS)
        return True
    row = connection.execute("SELECT body FROM orders WHERE id = ?", (order.id,)).fetchone()
    if row[0] != body:
        raise StoreError(
            "intent-differs",
            f"order {order.id} is in the journal with another content",
            hint="an id is of one order for ever; this is a bug, please report it",
        )
    return False


def book(connection: sqlite3.Connection, account: str, run: str, order: str, trade: TradeReport) -> bool:
    """Write a fill within the transaction that is open; False: it is there already."""
    added = connection.execute(
        "INSERT INTO fills (account, symbol, trade_id, run, id, size, ts, body, crc)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account, symbol, trade_id) DO NOTHING",
        (account, trade.symbol, trade.trade_id, run, order, str(trade.size), trade.ts_event, *packed(trade)),
    )
    return added.rowcount > 0


class AtOnce:
    """A second connection to a journal that another has opened, and keeps open. For one thread, but for `sync`.

    Args:
        path: the journal.
        account: that is held.
        token: shown with each order.

    Raises:
        StoreError: it cannot be opened.
    """

    def __init__(self, path: Path, account: str, token: int) -> None:
        self._path = path
        self._account = account
        self._token = token
        self._waiting = threading.Lock()  # for the disk: a number that is let go of meanwhile may be another file's
        self._is_closed = False
        with telling(path):
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.0)
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.execute("PRAGMA wal_autocheckpoint = 0")
            self._connection.execute("PRAGMA synchronous = NORMAL")  # the disk is `sync`'s
        try:
            self._log = os.open(path.with_name(f"{path.name}-wal"), os.O_RDWR)
            self._lengthen()
        except OSError as error:
            self._connection.close()
            raise unwritten(path, error) from error

    def intend(self, run: str, order: OrderRequest) -> bool:
        """Write an order down without waiting for anybody, and not for the disk either: it may be sent after `sync`.

        Returns:
            False = not written: somebody else writes, or it cannot be; `Journal.intend` says why.
        """
        return self._written(lambda connection: intend(connection, run, order)) is not None

    def filled(self, run: str, order: str, trade: TradeReport) -> bool | None:
        """Write a fill down likewise; the next `sync` has it, too.

        Returns:
            Whether it is new; None = not written.
        """
        return self._written(lambda connection: book(connection, self._account, run, order, trade))

    def _written(self, work: Callable[[sqlite3.Connection], bool]) -> bool | None:
        connection = self._connection
        try:
            with telling(self._path):
                connection.execute("BEGIN IMMEDIATE")
                try:
                    journal_lease.refuse_fenced(connection, self._account, self._token)
                    done = work(connection)
                    connection.execute("COMMIT")
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
        except StoreError:
            return None
        return done

    def sync(self) -> None:
        """Wait until the disk has what was written. SQLite's log is one file as long as anybody has the journal open.

        Raises:
            StoreError: "journal-unwritten"; "trader-fenced": the account was left before the disk was asked.
        """
        with self._waiting:
            if self._is_closed:
                raise StoreError(
                    "trader-fenced", f"{self._account} was left: what was begun is not sent", hint="take it again"
                )
            try:
                _to_disk(self._log)
            except OSError as error:
                raise unwritten(self._path, error) from error

    def close(self) -> None:
        """Let go of it, once whoever waits for the disk has it. Once only."""
        with self._waiting:
            self._is_closed = True
            self._connection.close()
            os.close(self._log)

    def _lengthen(self) -> None:
        """Make room at the end of the log, while nobody writes there; one that is in use stays as it is.

        Zeros are no frames: the log ends before them (https://www.sqlite.org/fileformat2.html#walread, a frame counts
        if its salts and checksum are the header's).
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return
        try:
            size, disk = os.fstat(self._log).st_size, os.fstatvfs(self._log)
            if 0 < size < _LOG_BYTES and disk.f_bavail * disk.f_frsize > _PLENTY * _LOG_BYTES:
                os.pwrite(self._log, bytes(_LOG_BYTES - size), size)
                os.fsync(self._log)
        finally:
            self._connection.execute("ROLLBACK")
