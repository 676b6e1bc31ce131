"""What a run writes down while nobody waits for it: one thread, in order, bounded by whoever asks how far it is.

In: calls of a journal. Out: nothing but trouble, for the run to hear of: a journal that cannot be written at the
moment, or one that is another trader's by now.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, ParamSpec

from perpscope.errors import StoreError

_FENCED: Final = "trader-fenced"
#: Calls that wait; beyond, pages are left out.
_MOST_WAITING: Final = 16

P = ParamSpec("P")


class Writing:
    """One thread that writes.

    Args:
        name: of the run.
    """

    def __init__(self, name: str) -> None:
        self.trouble: StoreError | None = None  #: why the last call could not be done; None = it could
        self.fenced: StoreError | None = None  #: the account is another trader's: nothing can be written any more
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"journal-{name}")
        self._waiting = 0

    @property
    def is_behind(self) -> bool:
        """More waits than should."""
        return self._waiting > _MOST_WAITING

    def put(self, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Have something written, after all that was put before; never waits."""
        self._waiting += 1
        self._thread.submit(call, *args, **kwargs).add_done_callback(self._done)

    async def aclose(self) -> None:
        """Write what waits.

        Raises:
            StoreError: the last of it could not be.
        """
        await asyncio.to_thread(self._thread.shutdown)
        if self.trouble is not None:
            raise self.trouble

    def _done(self, call: "Future[object]") -> None:
        self._waiting -= 1
        error = call.exception()
        self.trouble = error if isinstance(error, StoreError) else None
        if self.trouble is not None and self.trouble.code == _FENCED:
            self.fenced = self.trouble
        if error is not None and self.trouble is None:
            raise error  # our own bug: logged by the thread
