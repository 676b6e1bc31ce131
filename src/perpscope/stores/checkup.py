"""Is this file in order? What SQLite says of it, what is in it that is not ours, who may touch it; and making it small.

`check` only reads, and works beside whoever writes the store. `vacuum` takes the store's lock.
"""

import contextlib
import os
import sqlite3
import stat
from pathlib import Path

import msgspec

from perpscope.stores.access import open_for_reading, owning
from perpscope.stores.backup import refuse_lack_of_room, size_of
from perpscope.stores.schema import migrate

#: First release without the WAL-reset bug: https://www.sqlite.org/wal.html#walresetbug
WAL_RESET_FIXED = (3, 51, 3)
_MOST_MESSAGES = 100


class Finding(msgspec.Struct, frozen=True):
    """Something to know about a store."""

    name: str  #: kebab-case
    is_fault: bool  #: False: a note only
    what: str
    hint: str


class Checkup(msgspec.Struct, frozen=True):
    """The state of a store."""

    path: str
    ok: bool  #: no fault was found
    integrity: list[str]  #: SQLite's own words: ["ok"], or what is wrong
    mode: str  #: permissions, e.g. "0644"
    sqlite: str  #: version of the library
    findings: list[Finding]


def check(path: Path) -> Checkup:
    """Examine a store from end to end.

    Raises:
        DataError: there is none.
        StoreError: it cannot even be opened.
    """
    with contextlib.closing(open_for_reading(path)) as connection:
        integrity = _integrity(connection)
        findings = [*_damage(integrity), *_permissions(path), *_library()]
        if integrity == ["ok"]:
            findings += [*_objects(connection), *_coverage(connection)]
    mode = f"{stat.S_IMODE(path.stat().st_mode):04o}"
    ok = not any(finding.is_fault for finding in findings)
    return Checkup(str(path), ok, integrity, mode, sqlite3.sqlite_version, findings)


def vacuum(path: Path) -> tuple[int, int]:
    """Write a store anew without the room that deleted rows left; bytes before and after.

    Raises:
        DataError: there is none.
        StoreError: somebody writes it, there is no room for a second copy, or it failed; it is as it was.
    """
    before = size_of(path) if path.is_file() else 0
    with owning(path) as connection:
        refuse_lack_of_room(path.parent, before)
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return before, size_of(path)


def _integrity(connection: sqlite3.Connection) -> list[str]:
    try:
        return [words for (words,) in connection.execute(f"PRAGMA integrity_check({_MOST_MESSAGES})")]
    except sqlite3.DatabaseError as error:
        return [str(error)]


def _damage(integrity: list[str]) -> list[Finding]:
    if integrity == ["ok"]:
        return []
    what = f"SQLite finds {len(integrity)} faults, the first: {integrity[0]}"
    return [Finding("damaged", True, what, "move it aside and restore a backup: perpscope restore FILE")]


def _permissions(path: Path) -> list[Finding]:
    found = []
    status = path.stat()
    if status.st_mode & stat.S_IWOTH:
        found.append(Finding("writable-by-all", True, f"every user may write {path}", f"chmod o-w {path}"))
    if not os.access(path, os.W_OK):
        found.append(Finding("read-only", True, f"{path} cannot be written by this user", f"chmod u+w {path}"))
    if not os.access(path.parent, os.W_OK):
        what = f"{path.parent} cannot be written by this user: the write-ahead log lies there"
        found.append(Finding("folder-read-only", True, what, f"chmod u+w {path.parent}"))
    return found


def _library() -> list[Finding]:
    if sqlite3.sqlite_version_info >= WAL_RESET_FIXED:
        return []
    what = f"SQLite {sqlite3.sqlite_version} can damage a database that two connections write or checkpoint at once"
    hint = "perpscope lets only one do so: let no other program write the file; 3.51.3 has it mended"
    return [Finding("sqlite-wal-reset", False, what, hint)]


def _objects(connection: sqlite3.Connection) -> list[Finding]:
    """Compare the names in the file with those our migrations make."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        migrate(fresh)
        ours = _names(fresh)
    theirs = _names(connection)
    found = [
        Finding("foreign", False, f"{kind} {name} is not perpscope's", "leave it if it is yours")
        for kind, name in sorted(theirs - ours)
    ]
    found += [
        Finding("missing", True, f"{kind} {name} is missing", "restore a backup: perpscope restore FILE")
        for kind, name in sorted(ours - theirs)
    ]
    return found


def _names(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(connection.execute(r"SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\'"))


def _coverage(connection: sqlite3.Connection) -> list[Finding]:
    (wrong,) = connection.execute("SELECT count(*) FROM coverage WHERE ts_to < ts_from").fetchone()
    if not wrong:
        return []
    return [Finding("coverage-backwards", True, f"{wrong} intervals end before they begin", "please report it")]
