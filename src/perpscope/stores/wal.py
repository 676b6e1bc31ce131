"""SQLite's write-ahead log, begun by whoever comes first."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

_LOOK_EVERY_S: Final = 0.01


def write_ahead(connection: sqlite3.Connection) -> None:
    """Give a file its write-ahead log, waiting as long as the connection's busy timeout for others who do the same.

    SQLite asks its busy handler only where waiting can help: a reader that would become the writer is refused at once,
    and that is what two connections are to each other when both find a new file without a log
    (https://www.sqlite.org/c3ref/busy_handler.html). Asked again, the later one finds the log made.

    Raises:
        sqlite3.OperationalError: it is still held when the time is over, or it cannot be written.
    """
    until = time.monotonic() + int(connection.execute("PRAGMA busy_timeout").fetchone()[0]) / 1e3
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
        time.sleep(_LOOK_EVERY_S)
