"""Whose market a face shows: that of its database, or, where nobody ever collected into it, that of a trader beside it.

A trader listens to its market by itself, into a store beside its recording. In: a database, whose journals tell of
traders. Out: the store that is read, the heart that is listened to, and what is to be said of it. Looked at once a
second, so that a collector or a trader that begins later is found.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app.answers.trade import RunNow, label_words, run_now
from perpscope.errors import PerpscopeError
from perpscope.feeds.clock import wall_ns
from perpscope.model.bulletin import BusHealth, Message
from perpscope.model.run import RunKind
from perpscope.ports import Subscriber
from perpscope.stores.journal import JournalReader, place

_AGAIN_S: Final = 1.0
_MS_NS: Final = 1_000_000


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One look."""

    store: Path  #: that is read; it need not be there yet
    note: str  #: who trades beside the database, in a sentence; empty = nobody, or what is shown is his market


class ShownMarket:
    """Looks, and remembers for a second. From any thread.

    Args:
        database: that the face was named.
        monotonic: real seconds.
    """

    def __init__(self, database: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.database = database
        self._monotonic = monotonic
        self._lately: tuple[float, Shown] | None = None

    def look(self) -> Shown:
        """How it stands."""
        now = self._monotonic()
        if self._lately is None or now - self._lately[0] >= _AGAIN_S:
            self._lately = now, self._look()
        return self._lately[1]

    def _look(self) -> Shown:
        runs = [run for run in _runs(self.database) if run.status.recording]
        trading = next((run for run in runs if run.is_running), None)
        if self.database.is_file():
            return Shown(store=self.database, note="" if trading is None else _words(trading))
        with_market = [run for run in runs if _market(run).is_file()]
        return Shown(store=_market(with_market[0]) if with_market else self.database, note="")


class Following:
    """A subscriber that goes where the market that is shown is told.

    Args:
        market: which is shown.
        make: the subscriber of a store's heart.
    """

    def __init__(self, market: ShownMarket, make: Callable[[Path], Subscriber]) -> None:
        self._market = market
        self._make = make
        self._inner: Subscriber | None = None
        self._is_closed = False

    async def messages(self) -> AsyncIterator[list[Message]]:
        """As `Subscriber.messages`, of one heart after another; ends when this end is closed."""
        while not self._is_closed:
            store = (await asyncio.to_thread(self._market.look)).store
            inner = self._inner = self._make(store)
            leaving = asyncio.create_task(self._leave(inner, store))
            try:
                async for messages in inner.messages():
                    yield messages
            finally:
                leaving.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await leaving
                await inner.aclose()

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """In a group: these are done with."""
        if self._inner is not None:
            await self._inner.acknowledge(messages)

    def health(self) -> BusHealth:
        """How it is doing."""
        return BusHealth(is_connected=False, why="not connected yet") if self._inner is None else self._inner.health()

    async def aclose(self) -> None:
        """Let go."""
        self._is_closed = True
        if self._inner is not None:
            await self._inner.aclose()

    async def _leave(self, inner: Subscriber, store: Path) -> None:
        """End a heart's messages once another market is shown."""
        while (await asyncio.to_thread(self._market.look)).store == store:
            await asyncio.sleep(_AGAIN_S)
        await inner.aclose()


def _runs(database: Path) -> list[RunNow]:
    """The runs of the journals beside a database, those that run first, then the newest; none that cannot be read."""
    found: list[RunNow] = []
    now_ms = wall_ns() // _MS_NS
    for kind in (RunKind.LIVE, RunKind.PAPER):
        with contextlib.suppress(PerpscopeError), JournalReader(place(database, kind)) as reader:
            found += [run_now(status, now_ms) for status in reader.statuses()]
    return sorted(found, key=lambda run: (not run.is_running, -run.status.at_ms))


def _market(run: RunNow) -> Path:
    """The store of what a run has heard."""
    return Path(run.status.recording).with_suffix(".db")


def _words(run: RunNow) -> str:
    told = run.status
    what = f"{label_words(told.kind, told.data)}: {told.strategy} trades {told.instrument}"
    return f"{what}, on a market of its own: perpscope serve --db {_market(run)}"
