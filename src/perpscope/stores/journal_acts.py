"""The audit of a journal: a chain of acts that nobody can shorten or change unseen (RELIABILITY S33).

Orders before they are sent, runs, leases, arming, overrides and halts are lines of it; each holds the hash of the one
before. It works inside a transaction of the journal, so that an act stands if and only if what it tells of stands.
"""

import hashlib
import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from perpscope.stores.journal_rows import JournalAct

#: What the first line has before it.
GENESIS: Final = "0" * 64
_COLUMNS: Final = "seq, at_ms, who, what, why, before, hash"


def add(connection: sqlite3.Connection, who: str, what: str, why: str, at_ms: int) -> None:
    """Write a line after the last, within the transaction that is open."""
    last = connection.execute("SELECT seq, hash FROM acts ORDER BY seq DESC LIMIT 1").fetchone()
    seq, before = (0, GENESIS) if last is None else last
    act = (seq + 1, at_ms, who, what, why, before)
    connection.execute(
        f"INSERT INTO acts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 -- ours
        (*act, digest(act)),
    )


def newest(connection: sqlite3.Connection, limit: int) -> list[JournalAct]:
    """The last lines, newest first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM acts ORDER BY seq DESC LIMIT ?", (limit,))  # noqa: S608 -- ours
    return [_act(row) for row in rows]


def fault(connection: sqlite3.Connection) -> str | None:
    """What is wrong with the whole chain; None if every line stands as it was written."""
    before = GENESIS
    rows = connection.execute(f"SELECT {_COLUMNS} FROM acts ORDER BY seq")  # noqa: S608 -- ours
    for place, (*told, found) in enumerate(rows, start=1):
        if told[0] != place:
            return f"act {place} is missing"
        if told[5] != before or found != digest(told):
            return f"act {place} is not what was written"
        before = found
    return None


def digest(told: Sequence[object]) -> str:
    """sha256 of a line without its own hash."""
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()


def _act(row: tuple[int, int, str, str, str, str, str]) -> JournalAct:
    seq, at_ms, who, what, why, before, found = row
    return JournalAct(seq=seq, at_ms=at_ms, who=who, what=what, why=why, before=before, hash=found)
