"""The writer thread in trouble: what passes is waited out, what does not is told, and nothing accepted is lost."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.contract.store_events import BTC, at, covered, gap, heart, liquidation, tick

from perpscope.errors import StoreError
from perpscope.stores import writer
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import StoreKind

DEADLINE_S = 30.0


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trouble is retried quickly."""
    monkeypatch.setattr(writer, "_LONGEST_PAUSE_S", 0.01)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store goes."""
    return tmp_path / "market.db"


def open_store(path: Path, *, batch_rows: int = 2000, pending: int = 500_000, queue: int = 64) -> SqliteStore:
    """A store that does not wait long for a lock."""
    store = SqliteStore.open(
        path,
        kind=StoreKind.OBSERVED,
        batch_rows=batch_rows,
        max_pending_rows=pending,
        queue_batches=queue,
        busy_timeout_ms=1,
    )
    store.register([BTC])
    return store


@pytest.fixture
def intruder(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program's connection to the same file."""
    open_store(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until a condition holds, without sleeping a fixed time."""
    pause = threading.Event()
    for _ in range(int(DEADLINE_S * 1000)):
        if condition():
            return
        pause.wait(0.001)
    pytest.fail(f"condition not met within {DEADLINE_S:g} s")


def stored(path: Path) -> int:
    """Liquidations that were committed."""
    with SqliteReader.open(path) as reader:
        return reader.counts(at(0)).total


def test_a_lock_is_waited_out(path: Path, intruder: sqlite3.Connection) -> None:
    """Somebody else's transaction delays rows and loses none; since when and how often it was tried is told."""
    with closing(open_store(path)) as store:
        intruder.execute("BEGIN IMMEDIATE")
        store.sink().accept(liquidation(0))
        store.sink().accept(tick(1))
        wait_for(lambda: store.trouble is not None and store.trouble.tries > 3)
        trouble = store.trouble
        assert trouble is not None
        assert (trouble.code, trouble.what, trouble.ts_since) == ("store-busy", "database is locked", at(1))
        with pytest.raises(StoreError, match=r"1 rows not written after 0\.01 s: database is locked") as caught:
            store.flush(0.01)
        assert caught.value.code == "store-unwritten"
        store.sink().accept(tick(2))
        store.check()
        intruder.execute("COMMIT")
        store.flush()
        assert (store.trouble, store.committed) == (None, at(2))
    assert stored(path) == 1


def test_a_lock_at_the_end(path: Path, intruder: sqlite3.Connection) -> None:
    """Closing does not wait for ever: it says how many rows are missing, and the store can be opened again."""
    store = open_store(path)
    intruder.execute("BEGIN IMMEDIATE")
    store.sink().accept(liquidation(0))
    with pytest.raises(StoreError, match="1 rows could not be written before the end") as caught:
        store.close()
    assert caught.value.code == "store-unwritten"
    store.close()
    intruder.execute("ROLLBACK")
    open_store(path).close()
    assert stored(path) == 0


def test_a_lock_only_at_the_very_end(path: Path, intruder: sqlite3.Connection) -> None:
    """The last word on the heart is not worth an error: readers see that the process is gone."""
    store = open_store(path)
    store.report([], heart(1))
    store.flush()
    wait_for(lambda: store.pending_rows == 0)
    intruder.execute("BEGIN IMMEDIATE")
    store._writer.close()
    intruder.execute("ROLLBACK")
    with SqliteReader.open(path) as reader:
        assert reader.heart() == heart(1)


def test_a_full_disk_is_waited_out(path: Path) -> None:
    """When there is no room nothing is lost, and writing goes on when there is again."""
    with closing(open_store(path)) as store:
        connection = store._writer._connection
        store.flush()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        for number in range(2000):
            store.sink().accept(liquidation(number))
        store.sink().accept(covered(0, 2000))
        store.sink().accept(tick(2000))
        wait_for(lambda: store.trouble)
        trouble = store.trouble
        assert trouble is not None
        assert (trouble.code, trouble.what) == ("store-full", "database or disk is full")
        assert stored(path) == 0
        with SqliteReader.open(path) as reader:
            assert reader.coverage() == []
        connection.execute("PRAGMA max_page_count = 1000000")
        store.flush()
        assert not store.trouble
    assert stored(path) == 2000


def test_what_does_not_pass_is_raised(path: Path) -> None:
    """A table that is gone will not come back: the thread ends, and says so to everyone who asks."""
    store = open_store(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE liquidation_events")
    store.sink().accept(liquidation(0))
    for ask in (store.flush, store.check, store.flush, store.close):
        with pytest.raises(StoreError, match=r"OperationalError: no such table: liquidation_events") as caught:
            ask()
        assert caught.value.code == "store-failed"
    store.close()


def test_loss_and_recovery_end_to_end(path: Path, intruder: sqlite3.Connection) -> None:
    """While a lock lasts the queue and the limit fill up; afterwards the ledger says exactly what is missing."""
    with closing(open_store(path, batch_rows=1, pending=2, queue=2)) as store:
        sink = store.sink()
        sink.accept(liquidation(0))
        sink.accept(covered(0, 1))
        sink.accept(tick(1))
        store.flush()
        intruder.execute("BEGIN IMMEDIATE")
        for number in range(1, 20):
            sink.accept(liquidation(1 + number / 100))
        assert store.dropped > 0
        assert store.pending_rows == 19 - store.dropped
        sink.accept(covered(0, 2))
        sink.accept(tick(2))
        intruder.execute("COMMIT")
        wait_for(store._writer.has_room)
        sink.accept(tick(3))
        sink.accept(liquidation(3.5))
        sink.accept(covered(0, 4))
        sink.accept(tick(4))
        dropped = store.dropped
    with SqliteReader.open(path) as reader:
        assert reader.counts(at(0)).total == 21 - dropped
        spans = [(row.kind, row.ts_from, row.ts_to, row.cause) for row in reader.coverage()]
    # Between the lock's end and the next Tick there may have been room: then the loss ended at 2, not at 3.
    resumed = spans[1][2]
    assert resumed in {at(2), at(3)}
    assert spans == [
        ("covered", at(0), at(1), None),
        ("gap", at(1), resumed, "store-behind"),
        ("covered", resumed, at(4), None),
    ]


def test_batches_that_piled_up_are_one_transaction(path: Path, intruder: sqlite3.Connection) -> None:
    """The order of what was said is kept: an interval that grew in several batches has its last end."""
    with closing(open_store(path)) as store:
        intruder.execute("BEGIN IMMEDIATE")
        for second in range(1, 9):
            store.sink().accept(covered(0, second, is_open=second < 8))
            store.sink().accept(gap(20, None if second < 7 else 30))
            store.sink().accept(tick(second))
        intruder.execute("COMMIT")
        store.flush()
        with SqliteReader.open(path) as reader:
            assert [(row.ts_to, row.is_open) for row in reader.coverage()] == [(at(8), False), (at(30), False)]
