"""What is told goes out by here: written into the log first, then put before every sink.

In: sayings and alerts, each with what is to be written down before it goes. Out: rows of the log, messages in the
outbox of each sink, and a row for each delivery. Market alerts and messages about own orders share it, and neither
waits for the other.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

import structlog

from perpscope.analytics.alerts.alert import Alert
from perpscope.analytics.alerts.saying import Saying
from perpscope.app.alerts.beside import Beside
from perpscope.app.alerts.ledger import Ledger
from perpscope.app.alerts.outbox import Message, Outbox
from perpscope.app.alerts.sink import Delivery, Sink
from perpscope.errors import PerpscopeError

_log = structlog.get_logger()
T = TypeVar("T")


class Post:
    """See above; everything is called on the event loop.

    Args:
        ledger: written by `writing` alone.
        writing: the thread that writes.
    """

    def __init__(self, ledger: Ledger, writing: Beside) -> None:
        self.ledger = ledger
        self.outboxes: list[Outbox] = []
        self._writing = writing
        self._todo: asyncio.Queue[tuple[Callable[[], None], Sequence[Message]]] = asyncio.Queue()

    def open(
        self, sinks: Sequence[Sink], delivered: Sequence[Delivery], critical: Sequence[tuple[int, Alert]] = ()
    ) -> None:
        """Take the sinks, and remind them of what an earlier life told; see `Outbox.recall`."""
        self.outboxes = [Outbox(sink, self._delivered) for sink in sinks]
        for outbox in self.outboxes:
            outbox.recall(delivered, critical)

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """What runs until cancelled: the writing, and each sink's sending."""
        return [
            self._writes(),
            *(work for outbox in self.outboxes for work in (outbox.run(), outbox.serve())),
        ]

    async def written(self, work: Callable[[], T]) -> T:
        """What some work on the log gives.

        Raises:
            StoreError: the log cannot be read or written.
        """
        return await self._writing.run(work)

    def say(self, sayings: Sequence[Saying], work: Callable[[], None]) -> None:
        """Let others be told, once what they are told is written down."""
        self.do(work, sayings)

    def do(self, work: Callable[[], None], then: Sequence[Message] = ()) -> None:
        """Have something written, after all that came before; then let this go out."""
        self._todo.put_nowait((work, then))

    async def catch_up(self) -> None:
        """Write what still waits."""
        while not self._todo.empty():
            await self._write(*self._todo.get_nowait())

    async def aclose(self) -> None:
        """Write everything down, and let go of the sinks."""
        for outbox in self.outboxes:
            await outbox.aclose()
        await self.catch_up()

    async def _writes(self) -> None:
        while True:
            await self._write(*await self._todo.get())

    async def _write(self, work: Callable[[], None], then: Sequence[Message] = ()) -> None:
        """Write one thing; what is to go out goes out, whatever the disk does."""
        try:
            await self._writing.run(work)
        except PerpscopeError as error:
            _log.warning("the log of alerts was not written", code=error.code, why=error.message)
        for message in then:
            for outbox in self.outboxes:
                outbox.put(message)

    def _delivered(self, delivery: Delivery) -> None:
        self.do(partial(self.ledger.delivered, delivery))
