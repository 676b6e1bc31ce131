"""The journal's one thread: writing waits for the disk there, and never in the event loop.

In: what is to be written, in order. Out: its answer, when it is on the disk. A disk that is slow (RELIABILITY F10)
makes an order late and nothing else; orders and fills overtake whatever else is to be written (`begin`). A journal that
cannot be written is told to whoever waits; that it is another trader's by now is told to everybody, for nothing may be
sent from then on.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from perpscope.errors import StoreError

if TYPE_CHECKING:
    from perpscope.stores.journal import Journal
    from perpscope.stores.journal_at_once import AtOnce

#: Codes of a StoreError after which nothing may be sent: the account is another's, or an id is of another order.
FATAL: Final = frozenset({"trader-fenced", "intent-differs"})
_TRY_AGAIN: Final = frozenset({"journal-unwritten", "journal-busy"})
#: Real seconds that a fill waits for an order's disk before it has its own (by hand: an answer to it takes less).
_SETTLE_S: Final = 0.05
_LATER: Final = 10_000  # writes that failed and are kept to be tried again

T = TypeVar("T")
_log = structlog.get_logger()


class Scribe:
    """Writes one thing after another.

    Args:
        journal: what is written into.
        lost: told at once that nothing may be sent any more.
    """

    def __init__(self, journal: "Journal", lost: Callable[[StoreError], None]) -> None:
        self._journal = journal
        self._lost = lost
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="journal-disk")
        self._urgent = 0  # writes that somebody waits for
        self._soon: deque[Callable[[Journal], object]] = deque()
        self._draining: asyncio.Task[None] | None = None
        self._owed: list[Callable[[Journal], object]] = []
        self._settling: asyncio.TimerHandle | None = None  # until the disk is to have what was written at once

    @property
    def is_idle(self) -> bool:
        """Nothing waits to be written, or for the disk."""
        return not self._urgent and self._settling is None and (self._draining is None or self._draining.done())

    async def write(self, work: "Callable[[Journal], T]") -> T:
        """Write now, before whatever may wait.

        Raises:
            StoreError: it could not be.
        """
        self._urgent += 1
        try:
            return await self._made(work)
        finally:
            self._urgent -= 1

    def at_once(self, work: "Callable[[AtOnce], T | None]") -> T | None:
        """Write here and now, where nobody else is writing; None = that cannot be.

        The disk has it no later than the next order, and soon without one: what hangs on it alone is what the exchange
        tells again.
        """
        quick = self._journal.at_once
        done = None if quick is None or self._owed else work(quick)
        if done is not None and self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(_SETTLE_S, self._settle)
        return done

    def begin(self, at_once: "Callable[[AtOnce], T | None]", work: "Callable[[Journal], T]") -> "asyncio.Future[T]":
        """Begin to write, here and now where nobody else is writing: only the disk is waited for then.

        Args:
            at_once: writes it so; None = that cannot be.
            work: writes it in its turn.

        Returns:
            Done when it is on the disk, or with the StoreError that says why it is not.
        """
        self._urgent += 1
        quick = self._journal.at_once
        done = None if quick is None or self._owed else at_once(quick)
        begun: asyncio.Future[T]
        if quick is None or done is None:
            begun = asyncio.ensure_future(self._made(work))
        else:
            begun = asyncio.get_running_loop().run_in_executor(self._disk, _synced, quick, done)
            self._is_settled()
        begun.add_done_callback(self._begun)
        return begun

    def soon(self, work: "Callable[[Journal], object]") -> None:
        """Write when nobody waits for another; what fails is tried again before the next write."""
        self._soon.append(work)
        if self._draining is None or self._draining.done():
            self._draining = asyncio.get_running_loop().create_task(self._drain())

    def owe(self, work: "Callable[[Journal], object]") -> None:
        """Write it as soon as the journal can be written again."""
        if len(self._owed) < _LATER:
            self._owed.append(work)

    async def aclose(self) -> None:
        """Finish what was begun."""
        if self._draining is not None:
            await self._draining
        if self._settling is not None:
            self._settle()
        self._thread.shutdown(wait=False)
        await asyncio.to_thread(self._disk.shutdown)

    def _is_settled(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None

    def _settle(self) -> None:
        self._is_settled()
        quick = self._journal.at_once
        if quick is not None:
            self._urgent += 1
            settled = asyncio.get_running_loop().run_in_executor(self._disk, _synced, quick, None)
            settled.add_done_callback(self._begun)

    def _begun(self, done: "asyncio.Future[T]") -> None:
        self._urgent -= 1
        if not done.cancelled():
            done.exception()  # whoever began it hears of it; a run that ends at this moment need not

    async def _drain(self) -> None:
        while self._soon:
            if self._urgent:
                await self._made(_nothing)  # it goes behind those in the thread's own order
                continue
            work = self._soon.popleft()
            try:
                await self._made(work)
            except StoreError as error:
                _log.warning("not written down", code=error.code, why=error.message)
                if error.code not in FATAL:
                    self.owe(work)

    async def _made(self, work: "Callable[[Journal], T]") -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._written, work)
        except StoreError as error:
            if error.code in FATAL:
                self._lost(error)
            raise

    def _written(self, work: "Callable[[Journal], T]") -> T:
        """In the thread: what is owed, as far as it can be written now, then what was asked."""
        while self._owed:
            try:
                self._owed[0](self._journal)
            except StoreError as error:
                if error.code in _TRY_AGAIN:
                    break
                _log.error("never written down", code=error.code, why=error.message)
            del self._owed[0]
        return work(self._journal)


def _nothing(_: "Journal") -> None:
    """Write nothing."""


def _synced(at_once: "AtOnce", done: T) -> T:
    """In the disk's own thread: what was done, once the disk has it."""
    at_once.sync()
    return done
