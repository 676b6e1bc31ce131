"""The runs of a journal: begun or taken up again, and ended, within a transaction that is open."""

import sqlite3

import msgspec

from perpscope.errors import StoreError
from perpscope.stores import journal_acts, journal_query
from perpscope.stores.journal_rows import JournalRun

_SAME = ("kind", "account", "strategy", "instrument")


def begin(connection: sqlite3.Connection, holder: str, run: JournalRun) -> None:
    """Begin a run, or take it up again.

    Raises:
        StoreError: "run-differs": a run of that id is another's.
    """
    found = journal_query.run(connection, run.id)
    if found is not None and any(getattr(found, name) != getattr(run, name) for name in _SAME):
        raise StoreError(
            "run-differs",
            f"run {run.id} is {found.strategy} on {found.instrument} of {found.account}, not this one",
            hint="a run id is taken once",
        )
    parameters = msgspec.json.encode(run.parameters, order="sorted").decode()
    connection.execute(
        "INSERT INTO runs (id, kind, account, strategy, instrument, parameters, begun_ms, data)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET ended_ms = NULL, parameters = excluded.parameters",
        (run.id, run.kind.value, run.account, run.strategy, run.instrument, parameters, run.begun_ms, run.data),
    )
    words = f"{run.id}: {run.strategy} on {run.instrument} {parameters}"
    journal_acts.add(connection, holder, "begin" if found is None else "resume", words, run.begun_ms)


def of_holder(connection: sqlite3.Connection, account: str, holder: str) -> str:
    """What a holder of an account began or took up last, in words after a comma; empty = nothing yet."""
    row = connection.execute(
        "SELECT r.strategy, r.instrument, r.id FROM runs AS r JOIN acts AS a ON a.why LIKE r.id || ': %'"
        " WHERE r.account = ? AND r.ended_ms IS NULL AND a.who = ? AND a.what IN ('begin', 'resume')"
        " ORDER BY a.seq DESC LIMIT 1",
        (account, holder),
    ).fetchone()
    return "" if row is None else f", for {row[0]} on {row[1]} (run {row[2]})"


def end(connection: sqlite3.Connection, holder: str, run: str, at_ms: int) -> None:
    """End a run: it is not taken up again."""
    connection.execute("UPDATE runs SET ended_ms = ? WHERE id = ?", (at_ms, run))
    journal_acts.add(connection, holder, "end", run, at_ms)
