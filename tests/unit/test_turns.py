"""Whose turn it is: the loop's thread before those that nobody waits for."""

import gc
import os
import sys
import threading

import pytest

from perpscope.app.turns import LoopFirst, calm_collector, short_turns


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux alone")
def test_others_give_way_to_the_loop() -> None:
    """Threads that pack and write give way to the caller's own and to the journal's, which an order waits for."""
    end, own = threading.Event(), threading.get_native_id()
    packing = threading.Thread(target=end.wait, name="packing")
    journal = threading.Thread(target=end.wait, name="journal-disk_0")
    before = os.getpriority(os.PRIO_PROCESS, own)
    turns = LoopFirst()
    for thread in (packing, journal):
        thread.start()
    try:
        turns.tell()
        assert packing.native_id is not None
        assert journal.native_id is not None
        first = os.getpriority(os.PRIO_PROCESS, own)
        assert first <= before < os.getpriority(os.PRIO_PROCESS, packing.native_id)
        assert os.getpriority(os.PRIO_PROCESS, journal.native_id) == first
    finally:
        turns.end()
        end.set()
        for thread in (packing, journal):
            thread.join()
    assert os.getpriority(os.PRIO_PROCESS, own) == before


def test_turns_are_short_and_garbage_is_looked_for_seldom() -> None:
    """Shorter than Python's own, and less often."""
    turn_s, thresholds = sys.getswitchinterval(), gc.get_threshold()
    try:
        short_turns()
        calm_collector()
        assert sys.getswitchinterval() < 0.005
        assert gc.get_threshold() > (700, 10, 10)
    finally:
        sys.setswitchinterval(turn_s)
        gc.set_threshold(*thresholds)
        gc.unfreeze()
