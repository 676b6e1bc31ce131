"""Somebody else's tool at a store that is being written: it must not take the log for left behind."""

import sqlite3
import subprocess
import sys
from pathlib import Path

from perpscope.model.market import Tick
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import StoreKind

_LOOK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM meta").fetchone()
connection.close()
"""


def test_a_reader_in_the_same_process_does_not_give_the_store_away(tmp_path: Path) -> None:
    """Closing any descriptor of a file drops all locks of a process on it: a header looked at on the way would do so.

    Another process, the last one as far as it could see, would then remove the write-ahead log under the writer
    (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    path = tmp_path / "market.db"
    store = SqliteStore.open(path, kind=StoreKind.DEMO)
    try:
        for second in (1, 2):
            with SqliteReader.open(path) as reader:
                assert reader.kind is StoreKind.DEMO
            subprocess.run([sys.executable, "-c", _LOOK, str(path)], check=True, timeout=60, stdout=subprocess.DEVNULL)
            assert path.with_name("market.db-wal").exists()
            store.sink().accept(Tick(second * 1_000_000_000))
            store.flush()
    finally:
        store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
