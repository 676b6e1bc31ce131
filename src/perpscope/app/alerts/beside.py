"""One thread beside the event loop, for what reads or writes files; it never holds up the end of the process."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class Beside:
    """Does one thing after another.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._waiting: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the work returns, or raises. Who gives up waiting does not end the work."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(end: Callable[[], None]) -> None:
            if not future.done():
                end()

        def job() -> None:
            try:
                end = partial(future.set_result, work(*args, **kwargs))
            except BaseException as raised:  # it is the asker's
                end = partial(future.set_exception, raised)
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, end)

        self._waiting.put(job)
        return await future

    def close(self, timeout_s: float = 2.0) -> None:
        """Finish what was begun, as far as that takes no longer."""
        self._waiting.put(None)
        self._thread.join(timeout_s)

    def _serve(self) -> None:
        while (job := self._waiting.get()) is not None:
            job()
