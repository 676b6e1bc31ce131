"""One trader per account: who may write, until when, and the number that keeps a late one out.

A lease has a holder and a time to live in wall seconds; every taking raises the fencing token. Whoever writes shows
his token within the same transaction: a trader that was stopped and overtaken finds another's there, and can write
nothing more. A clock that steps back lengthens no lease: one that was renewed "later" than the clock says is
watched from then on, and is over when its time to live has gone by without a renewal.
"""

import fcntl
import os
import sqlite3
import zlib
from pathlib import Path

from perpscope.errors import StoreError


class HolderLock:
    """Held by the process of a lease's holder as long as it lives; the system lets go of it when that one dies.

    Args:
        journal: the journal's file.
        account: whose lease.
    """

    def __init__(self, journal: Path, account: str) -> None:
        self._path = journal.with_name(f"{journal.name}.{zlib.crc32(account.encode()):08x}.lock")
        self._file: int | None = None

    def take(self) -> bool:
        """Whether it is ours now. Nobody is waited for; a folder that refuses means no."""
        if self._file is not None:
            return True
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Let others have it. Harmless when repeated."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def take(
    connection: sqlite3.Connection, account: str, holder: str, now_s: float, ttl_s: float, *, is_locked: bool
) -> tuple[int, str]:
    """Take a lease that is free or over, within the transaction that is open: the token, and who had it before.

    Args:
        connection: of the journal.
        account: whose.
        holder: who takes it.
        now_s: wall clock, epoch seconds.
        ttl_s: how long it lasts without being renewed.
        is_locked: we have the lock: whoever held the lease with it is gone.

    Returns:
        0 where another's holds, with his name; the sighting of a lease from the future is then written down.
    """
    row = connection.execute(
        "SELECT token, holder, renewed_s, ttl_s, sighted_s, is_locked FROM lease WHERE account = ?", (account,)
    ).fetchone()
    token, before = 0, ""
    if row is not None:
        token, before, renewed_s, held_s, sighted_s, was_locked = row
        since = renewed_s if renewed_s <= now_s else sighted_s
        if since is None or now_s < since:
            connection.execute("UPDATE lease SET sighted_s = ? WHERE account = ?", (now_s, account))
            since = now_s
        if not (is_locked and was_locked) and now_s - since < held_s:
            return 0, before
    connection.execute(
        "INSERT OR REPLACE INTO lease (account, token, holder, renewed_s, ttl_s, sighted_s, is_locked)"
        " VALUES (?, ?, ?, ?, ?, NULL, ?)",
        (account, token + 1, holder, now_s, ttl_s, is_locked),
    )
    return token + 1, before


def renew(connection: sqlite3.Connection, account: str, now_s: float, *, is_locked: bool) -> None:
    """Let it begin anew; who holds it was shown before."""
    connection.execute(
        "UPDATE lease SET renewed_s = ?, sighted_s = NULL, is_locked = ? WHERE account = ?",
        (now_s, is_locked, account),
    )


def give_up(connection: sqlite3.Connection, account: str) -> None:
    """Leave it to whoever comes; the token stays, so that the next is higher."""
    connection.execute("UPDATE lease SET ttl_s = 0 WHERE account = ?", (account,))


def refuse_fenced(connection: sqlite3.Connection, account: str, token: int) -> None:
    """Show a token.

    Raises:
        StoreError: "trader-fenced": somebody else has taken the account since.
    """
    row = connection.execute("SELECT token, holder FROM lease WHERE account = ?", (account,)).fetchone()
    if row is None or row[0] != token:
        who = "nobody" if row is None else row[1]
        raise StoreError(
            "trader-fenced",
            f"{who} trades {account} now: this trader may write nothing more, and sends nothing",
            hint="it was held up for longer than its lease; end it, and look at perpscope positions",
        )
