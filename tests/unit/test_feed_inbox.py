"""The inbox keeps order, wakes once, and ends when told."""

from perpscope.feeds.inbox import Inbox
from perpscope.model.market import Tick
from perpscope.model.order import Arrival


async def test_batches_hold_what_came_in_order() -> None:
    """Events put and extended come out in the order they went in."""
    inbox = Inbox()
    inbox.extend([Tick(1), Tick(2)])
    inbox.wake()
    inbox.put(Tick(3))
    seen: list[Arrival] = []
    async for batch in inbox.batches():
        seen.extend(batch)
        if Tick(4) not in seen:
            inbox.extend([Tick(4)])
            inbox.wake()
        inbox.end()
    assert seen == [Tick(1), Tick(2), Tick(3), Tick(4)]


async def test_an_ended_empty_inbox_stops() -> None:
    """Nothing in, nothing out, no waiting."""
    inbox = Inbox()
    inbox.wake()
    inbox.end()
    assert [batch async for batch in inbox.batches()] == []
