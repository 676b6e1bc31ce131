"""What is written without waiting, and the one disk that an order and the fill before it wait for."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.unit.journal_made import held_journal, order, trade

from perpscope.errors import StoreError
from perpscope.execution.scribe import Scribe
from perpscope.stores.journal_at_once import AtOnce

Wait = Callable[[Callable[[], bool]], Awaitable[None]]


def ignored(error: StoreError) -> None:
    """Nothing is lost here."""
    raise AssertionError(error)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often the disk was waited for, beside the waiting itself."""
    found: list[int] = []
    sync = AtOnce.sync

    def counted(self: AtOnce) -> None:
        sync(self)
        found.append(1)

    monkeypatch.setattr(AtOnce, "sync", counted)
    return found


async def test_an_order_takes_the_fill_before_it_to_the_disk(tmp_path: Path, synced: list[int]) -> None:
    """A fill is known at once; the stop that answers it waits for the disk once, for both."""
    with held_journal(tmp_path / "m.db") as journal:
        scribe = Scribe(journal, ignored)
        assert scribe.at_once(lambda quick: quick.filled("7f3a", "7f3a-burst-1", trade(1))) is True
        await scribe.begin(lambda quick: quick.intend("7f3a", order()), lambda usual: usual.intend("7f3a", order()))
        await scribe.aclose()
        assert len(synced) == 1
        assert [fill.trade for fill in journal.fills("7f3a")] == [trade(1)]


async def test_a_fill_that_nothing_answers_comes_to_the_disk(
    tmp_path: Path, synced: list[int], eventually: Wait
) -> None:
    """Soon, by itself; and at the end at the latest."""
    with held_journal(tmp_path / "m.db") as journal:
        scribe = Scribe(journal, ignored)
        scribe.at_once(lambda quick: quick.filled("7f3a", "7f3a-burst-1", trade(1)))
        scribe.at_once(lambda quick: quick.filled("7f3a", "7f3a-burst-1", trade(2)))
        await eventually(lambda: bool(synced))
        await eventually(lambda: scribe.is_idle)
        assert len(synced) == 1
        scribe.at_once(lambda quick: quick.filled("7f3a", "7f3a-burst-1", trade(3)))
        await scribe.aclose()
        assert len(synced) == 2


async def test_what_cannot_be_written_at_once_is_said_so(tmp_path: Path, synced: list[int]) -> None:
    """Then it takes its turn: nothing waits for a disk that has nothing new."""
    with held_journal(tmp_path / "m.db") as journal:
        scribe = Scribe(journal, ignored)
        assert scribe.at_once(lambda _: None) is None
        assert scribe.is_idle
        journal.release()
        assert scribe.at_once(lambda quick: quick.filled("7f3a", "7f3a-burst-1", trade(1))) is None
        await scribe.aclose()
        assert synced == []
