"""Logs of a run: memory is handed on to the next run once nobody shows it, and rings are copied whole. Keeps B23."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from perpscope.trading import logs
from perpscope.trading.compiling import LINE, blank
from perpscope.trading.layout import DECISION, DESK, POINT
from perpscope.trading.logs import rooms, told

#: What a process with a compiler is to do: rows of a ring of eight that goes round, and of one that does not.
SCRIPT = """
import numpy as np
from perpscope.trading.compiling import loops
from perpscope.trading.layout import POINT
from perpscope.trading.logs import told

RING = np.dtype([("before", "i8"), ("kept", POINT, (8,))])

@loops
def copied(desk, log, seen, newest, to):
    return told(desk[0].kept, 8, seen, newest, log, to)

desk, log = np.zeros(1, RING), np.zeros(12, POINT)
desk["kept"]["ts"], desk["kept"]["equity"] = np.arange(8), -np.arange(8)
print(copied(desk, log, 6, 11, 2), *log["ts"], *log["equity"])
print(copied(desk, log, 1, 4, 9), *log["ts"][8:], *log["position"])
"""
SAID = "7 0 0 6 7 0 1 2 0 0 0 0 0 0 0 -6 -7 0 -1 -2 0 0 0 0 0\n12 0 1 2 3 0 0 0 0 0 0 0 0 0 0 0 0\n"


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> Iterator[None]:
    logs._kept.clear()
    yield
    logs._kept.clear()


def test_memory_is_handed_on_once_nothing_shows_it() -> None:
    """A part of one log holds all of them; the next run has its own memory until that part is gone. Keeps B23."""
    points, decisions = rooms((POINT, 100), (DECISION, 10))
    assert (points.size, decisions.size) == (100, 10)
    points["ts"], decisions["ts"] = 7, 9
    place, shown = points.ctypes.data, decisions[2:5]["ts"]
    del points, decisions
    (other,) = rooms((POINT, 100))
    other["ts"] = 8
    assert (logs._kept, shown.tolist()) == ([], [9, 9, 9])
    del shown, other
    (again,) = rooms((POINT, 130))
    assert again.ctypes.data == place
    assert again.size == 130


def test_the_larger_memory_is_kept_and_none_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two runs at once one's memory stays; a longer run has new memory, and that is kept instead. Keeps B23."""
    monkeypatch.setattr(logs, "MOST_KEPT", 300 * POINT.itemsize)
    one, other = rooms((POINT, 200)), rooms((POINT, 100))
    del one, other
    assert [there.size for there in logs._kept] == [200 * POINT.itemsize]
    longer = rooms((POINT, 250))
    assert logs._kept == []
    del longer
    assert [there.size for there in logs._kept] == [250 * POINT.itemsize]
    longest = rooms((POINT, 301))
    del longest
    assert logs._kept == []


def test_rows_of_a_ring_that_goes_round_come_in_their_order() -> None:
    """Rows 6 to 10 of a ring of eight, then 1 to 3, without and with a compiler. Keeps B23."""
    ring, log = np.zeros(8, POINT), np.zeros(12, POINT)
    ring["ts"] = np.arange(8)
    assert told(ring, 8, 6, 11, log, 2) == 7
    assert log["ts"].tolist() == [0, 0, 6, 7, 0, 1, 2, 0, 0, 0, 0, 0]
    assert told(ring, 8, 1, 4, log, 9) == 12
    assert log["ts"][8:].tolist() == [0, 1, 2, 3]


def test_compiled_rings_are_copied_alike(tmp_path: Path) -> None:
    """At an address within a record, past other fields of it. Keeps B23."""
    script = tmp_path / "copied.py"
    script.write_text(SCRIPT)
    wanted = {**os.environ, "NUMBA_DISABLE_JIT": "0", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, script], env=wanted, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == SAID


def test_what_is_emptied_at_every_bar_fills_whole_lines() -> None:
    """Every desk begins with a line, and its notes are at its begin. Keeps B23."""
    desks = [blank(DESK) for _ in range(5)]
    assert {desk.ctypes.data % LINE for desk in desks} == {0}
    assert DESK.fields is not None
    assert DESK.fields["notes"][1] % LINE == 0
