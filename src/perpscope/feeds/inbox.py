"""Where every inbound event is put, in the order of receipt, until the engine takes the lot.

Sockets put events synchronously while reading; one consumer takes whole batches, so the cost of waking it is
shared by all events of a read. The list can only grow while the consumer is busy, and then nothing reads sockets
either: it is bounded by what one pass of the event loop can receive.
"""

import asyncio
from collections.abc import AsyncIterator

from perpscope.model.order import Arrival


class Inbox:
    """Many producers on one event loop, one consumer."""

    def __init__(self) -> None:
        self._events: list[Arrival] = []
        self._ready = asyncio.Event()
        self._ended = False
        self.extend = self._events.extend  #: the hot path: add decoded events, then `wake()` once per read

    def put(self, event: Arrival) -> None:
        """Add one event and wake the consumer."""
        self._events.append(event)
        self._ready.set()

    def wake(self) -> None:
        """Tell the consumer there may be something."""
        if self._events:
            self._ready.set()

    @property
    def has_any(self) -> bool:
        """Something waits to be taken."""
        return bool(self._events)

    def end(self) -> None:
        """Let the consumer finish what is there and stop."""
        self._ended = True
        self._ready.set()

    async def batches(self) -> AsyncIterator[list[Arrival]]:
        """Everything that has come since the last batch, as soon as there is anything."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            if self._events:
                batch = self._events.copy()
                self._events.clear()
                yield batch
            elif self._ended:
                return
            if self._ended:
                self._ready.set()
