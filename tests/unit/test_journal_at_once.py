"""Orders written down by whoever cannot wait: whole, shown to everybody, and only while the account is held."""

import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.unit.journal_made import ACCOUNT, NOON_MS, held_journal, order, run_named, status, trade

from perpscope.errors import StoreError
from perpscope.model.run import RunKind
from perpscope.stores.journal import Journal, JournalReader, place
from perpscope.stores.journal_at_once import AtOnce


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The store the journal lies beside."""
    return tmp_path / "market.db"


def quick(journal: Journal) -> AtOnce:
    """The hand of a trader that holds the account."""
    assert journal.at_once is not None
    return journal.at_once


def test_an_order_is_written_at_once(database: Path) -> None:
    """It stands beside those written in the usual way, as a line of the same unbroken audit; again is no news."""
    with held_journal(database) as journal, JournalReader(journal.path) as reader:
        journal.intend("7f3a", order("7f3a-burst-1"))
        assert quick(journal).intend("7f3a", order("7f3a-burst-2"))
        assert quick(journal).intend("7f3a", order("7f3a-burst-2"))
        quick(journal).sync()
        journal.intend("7f3a", order("7f3a-burst-2"))
        journal.intend("7f3a", order("7f3a-burst-3"))
        assert [found.request.id for found in reader.orders("7f3a")] == [f"7f3a-burst-{n}" for n in (1, 2, 3)]
        assert journal.verify() is None


def test_a_fill_is_written_at_once(database: Path) -> None:
    """Once, whichever way it comes; whether it was news is told each time."""
    with held_journal(database) as journal:
        assert quick(journal).intend("7f3a", order())
        assert quick(journal).filled("7f3a", "7f3a-burst-1", trade(1)) is True
        assert quick(journal).filled("7f3a", "7f3a-burst-1", trade(1)) is False
        quick(journal).sync()
        assert not journal.filled("7f3a", "7f3a-burst-1", trade(1))
        assert [fill.trade for fill in journal.fills("7f3a")] == [trade(1)]


def test_another_order_of_the_same_id_is_not_written(database: Path) -> None:
    """It is left to the usual way, which says that this is a bug."""
    with held_journal(database) as journal:
        assert quick(journal).intend("7f3a", order())
        assert not quick(journal).intend("7f3a", msgspec.structs.replace(order(), why="another"))
        (found,) = journal.orders("7f3a")
        assert found.request == order()


def test_nobody_is_waited_for(database: Path) -> None:
    """Where somebody else writes at this moment nothing is written, and nothing is left open behind it."""
    with held_journal(database) as journal:
        with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert not quick(journal).intend("7f3a", order())
            assert quick(journal).filled("7f3a", "7f3a-burst-1", trade()) is None
            other.execute("ROLLBACK")
        assert journal.orders("7f3a") == []
        assert quick(journal).intend("7f3a", order())


def test_whoever_was_overtaken_writes_nothing(database: Path) -> None:
    """The token is shown here as well, within the same transaction (RELIABILITY D22)."""
    with held_journal(database) as one, Journal.open(place(database, RunKind.LIVE), holder="two") as two:
        late = quick(one)
        assert two.take(ACCOUNT, 1e12, 10.0) == 2
        assert not late.intend("7f3a", order())
        assert two.orders("7f3a") == []
        assert quick(two).intend("7f3a", order())


def test_there_is_no_hand_without_an_account(database: Path) -> None:
    """Before it is taken, and once it is left."""
    with Journal.open(place(database, RunKind.LIVE), holder="one") as journal:
        assert journal.at_once is None
        journal.take(ACCOUNT, 1000.0, 10.0)
        first = quick(journal)
        journal.take(ACCOUNT, 1020.0, 10.0)
        assert quick(journal) is not first
        journal.release()
        assert journal.at_once is None


def test_the_disk_that_is_waited_for_is_that_of_the_log(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What SQLite writes into is what is put on the disk; a disk that fails is told as such."""
    with held_journal(database) as journal:
        synced: list[int] = []
        monkeypatch.setattr(
            "perpscope.stores.journal_at_once._to_disk", lambda file: synced.append(os.fstat(file).st_ino)
        )
        assert quick(journal).intend("7f3a", order())
        quick(journal).sync()
        assert synced == [journal.path.with_name(f"{journal.path.name}-wal").stat().st_ino]

        def failing(_: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr("perpscope.stores.journal_at_once._to_disk", failing)
        with pytest.raises(StoreError) as caught:
            quick(journal).sync()
        assert caught.value.code == "journal-unwritten"


def test_an_account_that_is_left_waits_for_the_disk(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is not closed under whoever waits for it; who comes later is told that he has no account (D22)."""
    is_asked, may_go_on = threading.Event(), threading.Event()
    lengths: list[int] = []

    def slow(file: int) -> None:
        is_asked.set()
        assert may_go_on.wait(60)
        lengths.append(os.fstat(file).st_size)

    monkeypatch.setattr("perpscope.stores.journal_at_once._to_disk", slow)
    with held_journal(database) as journal, ThreadPoolExecutor(2) as threads:
        hand = quick(journal)
        assert hand.intend("7f3a", order())
        written = threads.submit(hand.sync)
        assert is_asked.wait(60)
        left = threads.submit(journal.release)
        with pytest.raises(TimeoutError):
            left.result(0.05)
        may_go_on.set()
        written.result(60)
        left.result(60)
        assert lengths[0] > 0
        with pytest.raises(StoreError) as caught:
            hand.sync()
        assert caught.value.code == "trader-fenced"
        assert len(lengths) == 1


def test_what_is_told_each_second_is_one_transaction(database: Path) -> None:
    """The lease, what risk has to know and the page stand together or not at all; others see nothing until then."""
    with held_journal(database) as journal, JournalReader(journal.path) as reader:
        with journal.together():
            journal.renew(1009.0)
            journal.remember("7f3a", {"losses": 2.0})
            journal.report(status(at_ms=NOON_MS))
            assert reader.statuses() == []
        assert [page.at_ms for page in reader.statuses()] == [NOON_MS]
        assert journal.remembered("7f3a") == {"losses": 2.0}
        with pytest.raises(ZeroDivisionError), journal.together():  # noqa: PT012 -- it breaks halfway
            journal.remember("7f3a", {"losses": 3.0})
            raise ZeroDivisionError
        assert journal.remembered("7f3a") == {"losses": 2.0}
        journal.begin(run_named("8e2b"))
        for second in range(130):
            with journal.together():
                journal.report(status("8e2b", at_ms=NOON_MS + second))
        assert journal.verify() is None
