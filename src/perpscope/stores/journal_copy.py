"""Copies of the traders' journals beside a backup of their store: `<backup>.paper` and `<backup>.live`.

They are made while a trader goes on writing. Nothing puts them back by itself: whoever restores a journal moves the
file there by hand, and the trader asks the exchange what has happened since.
"""

import contextlib
import sqlite3
from pathlib import Path

from perpscope.model.run import RunKind
from perpscope.stores import journal_query
from perpscope.stores.backup import part_of, put_in_place, sync
from perpscope.stores.journal_file import damaged, opened_to_read, telling
from perpscope.stores.journal_rows import place

_KINDS = (RunKind.PAPER, RunKind.LIVE)


def copy_journals(store: Path, backup: Path) -> list[Path]:
    """Copy the journals of a store as they are now, whole or not at all.

    Args:
        store: whose.
        backup: beside which they go.

    Returns:
        What was made.

    Raises:
        StoreError: a journal is damaged, or a copy cannot be written.
    """
    made = []
    for kind in _KINDS:
        source, target = place(store, kind), place(backup, kind)
        connection = opened_to_read(source)
        if connection is None:
            continue
        with contextlib.closing(connection), part_of(target) as part:
            with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as copy:
                with telling(source):
                    connection.backup(copy)
                    what = journal_query.fault(copy)
                if what is not None:
                    raise damaged(source, what)
                copy.execute("PRAGMA journal_mode = DELETE")
            sync(part)
            put_in_place(part, target)
        made.append(target)
    return made


def remove_journals(backup: Path) -> None:
    """Take the copies beside a backup away, where there are any."""
    for kind in _KINDS:
        place(backup, kind).unlink(missing_ok=True)
