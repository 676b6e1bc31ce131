"""What nobody waits for is written in order, and trouble is heard of."""

import threading

import pytest

from perpscope.app.trade.writing import Writing
from perpscope.errors import StoreError


async def test_everything_is_written_in_order() -> None:
    """One thread, one call after the other, all of it by the end."""
    writing, done = Writing("r"), list[int]()
    for number in range(50):
        writing.put(done.append, number)
    await writing.aclose()
    assert done == list(range(50))
    assert writing.trouble is None


async def test_it_says_when_it_is_behind() -> None:
    """A disk that stands still: pages are left out by whoever asks."""
    writing, gate = Writing("r"), threading.Event()
    for _ in range(20):
        writing.put(gate.wait)
    assert writing.is_behind
    gate.set()
    await writing.aclose()
    assert not writing.is_behind


@pytest.mark.parametrize("code", ["journal-unwritten", "trader-fenced"])
async def test_trouble_is_kept_until_the_next_call_succeeds(code: str) -> None:
    """A full disk may have room again; a lost account stays lost."""
    writing = Writing("r")

    def fail() -> None:
        raise StoreError(code, "no")

    writing.put(fail)
    with pytest.raises(StoreError):
        await writing.aclose()
    assert writing.trouble is not None
    assert (writing.fenced is not None) is (code == "trader-fenced")
