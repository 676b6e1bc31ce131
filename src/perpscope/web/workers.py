"""Threads that make answers beside the event loop, and that never hold up the end of the process.

The executors of the standard library wait at the end for whatever is still being made; a face is to end in seconds.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeAlias, TypeVar

T = TypeVar("T")
P = ParamSpec("P")
_Work: TypeAlias = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]]


class Workers:
    """A few threads, started as they are needed.

    Args:
        count: threads at most.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        self._waiting: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the work returns, or raises; it waits for a thread. Who gives up waiting does not end the work."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.put((loop, future, lambda: work(*args, **kwargs)))
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._count:
            thread = threading.Thread(target=self._serve, name=f"answers-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return await future

    def close(self) -> None:
        """Begin nothing more; what is being made ends with its thread, or with the process."""
        for _ in self._threads:
            self._waiting.put(None)

    def _serve(self) -> None:
        while (asked := self._waiting.get()) is not None:
            loop, future, work = asked
            try:
                result, error = work(), None
            except BaseException as raised:  # it is the asker's
                result, error = None, raised
            self._idle.release()
            try:
                loop.call_soon_threadsafe(_settle, future, result, error)
            except RuntimeError:  # the loop has ended meanwhile
                return
            del asked, work, future, result, error


def _settle(future: "asyncio.Future[Any]", result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
