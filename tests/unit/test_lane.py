"""A lane of jobs: whoever asks never waits, too many are let go and counted, one that hangs costs itself alone."""

import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

from perpscope.app.lane import Job, Lane

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]
T = TypeVar("T")


def taken(lane: Lane[T], found: list[T]) -> int:
    """How many results there are, with those that have come."""
    found += lane.results()
    return len(found)


async def test_jobs_are_done_in_order_and_fetched_later(eventually: Eventually) -> None:
    """What was made is there at a later look, in the order it was asked for; a job that fails costs itself alone."""
    lane: Lane[int] = Lane("test", 10, 60.0)
    assert (lane.results(), lane.waiting, lane.failed, lane.is_idle) == ([], 0, 0, True)
    for number in range(4):
        lane.put(Job(str(number), lambda number=number: 12 // number))  # type: ignore[misc]  # bound now
    found: list[int] = []
    await eventually(lambda: taken(lane, found) == 3)
    assert found == [12, 6, 4]
    assert lane.failed == 1
    await eventually(lambda: lane.is_idle)
    lane.close()
    assert (lane.failed, lane.is_idle, lane.results()) == (1, True, [])
    lane.close()


async def test_the_oldest_is_let_go_when_too_many_wait(eventually: Eventually) -> None:
    """The queue is bounded and says how many it lost."""
    gate = threading.Event()
    lane: Lane[int] = Lane("test", 2, 60.0)
    lane.put(Job("first", lambda: int(gate.wait(30))))
    await eventually(lambda: lane.waiting == 0)
    for number in range(5):
        lane.put(Job(str(number), lambda number=number: 10 + number))  # type: ignore[misc]  # bound now
    assert (lane.waiting, lane.dropped) == (2, 3)
    gate.set()
    found: list[int] = []
    await eventually(lambda: taken(lane, found) == 3)
    assert found[0] == 1
    assert found[1:] == [13, 14]
    lane.close()


async def test_a_job_that_hangs_is_left_to_itself(eventually: Eventually) -> None:
    """Its result never comes, the ones behind it do, and its name is told. Keeps S2-54."""
    gate, now = threading.Event(), [0.0]
    lane: Lane[str] = Lane("test", 5, 10.0, lambda: now[0])
    lane.put(Job("hangs", lambda: f"late {gate.wait(30)}"))
    await eventually(lambda: lane.waiting == 0)
    lane.put(Job("next", lambda: "made"))
    assert lane.results() == []
    now[0] = 11.0
    lane.results()
    assert lane.hung == ["hangs"]
    found: list[str] = []
    await eventually(lambda: taken(lane, found) == 1)
    assert found == ["made"]
    gate.set()
    lane.put(Job("after", lambda: "after"))
    await eventually(lambda: taken(lane, found) == 2)
    assert found == ["made", "after"]
    lane.close()
