"""The file for what Redis does not take, and threads that are at it still when it is let go of."""

import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from perpscope.bus.redis.batch import Packer
from perpscope.bus.redis.spill import Spill
from perpscope.model.bulletin import Message


def test_a_file_is_not_closed_under_whoever_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was begun is whole and found by the next heart; who comes later writes into no other file."""
    is_asked, may_go_on = threading.Event(), threading.Event()
    written: Callable[[int], None] = os.fdatasync

    def slow(file: int) -> None:
        is_asked.set()
        assert may_go_on.wait(60)
        written(file)

    monkeypatch.setattr("os.fdatasync", slow)
    batches = Packer("run").batches([Message("events", b"one", 1, "run")])
    spill = Spill(tmp_path / "spill", 1_000_000)
    with ThreadPoolExecutor(2) as threads:
        kept = threads.submit(spill.append, batches)
        assert is_asked.wait(60)
        closed = threads.submit(spill.close)
        with pytest.raises(TimeoutError):
            closed.result(0.05)
        may_go_on.set()
        assert kept.result(60) == 1
        closed.result(60)
    (tmp_path / "another").touch()
    with (tmp_path / "another").open("rb+"):  # has the number that was let go of
        with pytest.raises(OSError, match="Bad file descriptor") as caught:
            spill.append(batches)
        assert caught.value.errno == errno.EBADF
    assert (tmp_path / "another").stat().st_size == 0
    again = Spill(tmp_path / "spill", 1_000_000)
    assert again.peek(1_000_000) == batches
    again.close()
