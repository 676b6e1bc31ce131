"""An exchange that is running, and several of them on one clock: to be pointed at by URL, held, made to suffer, closed.

`lab.run` opens them. What a test or a demo asks of the lab while it runs, it asks here.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

import msgspec

from perpscope.lab.accounts.desk import Accounts
from perpscope.lab.agents.crowd import Crowd
from perpscope.lab.clock import LabClock
from perpscope.lab.dialect import PrivateSide
from perpscope.lab.faults import FaultScript
from perpscope.lab.fingerprint import Witness, complete, frames_hash
from perpscope.lab.front import Front
from perpscope.lab.ledger import Ledger
from perpscope.lab.nemesis import Nemesis
from perpscope.lab.pacing import Pacing
from perpscope.lab.publisher import Publisher
from perpscope.lab.rest import LabRest
from perpscope.lab.server import LabServer

_LOOK_S = 0.1  # between two looks at the witnesses


class Source(Protocol):
    """Where the exchange's market comes from: a seed or a tape."""

    def start(self) -> None:
        """Let it begin, if it waits."""
        ...

    async def run(self) -> None:
        """Publish until there is no more."""
        ...


class Lab:
    """A running exchange. Use it as an async context manager, or call `aclose`."""

    def __init__(
        self,
        source: Source,
        server: LabServer,
        rest: LabRest,
        front: Front,
        urls: tuple[str, str],
        private: PrivateSide | None = None,
    ) -> None:
        self.private = private  #: accounts, where the venue has any
        self.source = source
        self.server = server
        self.rest = rest
        #: base URLs, without a route or path; REST's port takes WebSocket connections too
        self.websocket_url, self.rest_url = urls
        self._front = front
        self._running = asyncio.get_running_loop().create_task(source.run())
        self._misfortunes: list[asyncio.Task[None]] = []

    @property
    def clock(self) -> LabClock:
        """Market time."""
        return self.server.clock

    @property
    def accounts(self) -> Accounts:
        """Whoever trades here with a key: to open some, and to let things go wrong between them and the exchange.

        Raises:
            LookupError: nobody does: only a seeded market has accounts, and only where the venue's private side is.
        """
        if self.private is None:
            raise LookupError(f"the lab's {self.server.venue} has no accounts")
        return self.private.accounts

    @property
    def crowds(self) -> Mapping[str, Crowd]:
        """The people who trade a coin, by base, and with them the truth; empty where chance or a tape does."""
        return self.source.crowds if isinstance(self.source, Publisher) else {}

    @property
    def ledger(self) -> Ledger:
        """What was sent to whom."""
        return self.server.ledger

    def start(self) -> None:
        """Let market time run, if it is held."""
        self.source.start()

    def keep_legacy_routes(self) -> None:
        """Let paths without a route carry everything, as Binance's did before 2026-04-23; nothing at other venues."""
        self.server.rules = msgspec.structs.replace(self.server.rules, legacy_routes=True)

    def halt(self) -> None:
        """Tell nothing more as time passes, and nobody."""
        self._running.cancel()
        self.server.drop_connections("lab-halted")

    def suffer(self, script: FaultScript) -> Nemesis:
        """Let a fault script happen, counted from now in market time; nothing of it begins while the clock is held."""
        nemesis = Nemesis(script, self.server, self.rest)
        self._misfortunes.append(asyncio.get_running_loop().create_task(nemesis.run()))
        return nemesis

    async def finished(self) -> None:
        """Wait for the end of the tape; a seeded market has none.

        Raises:
            Exception: whatever ended it early.
        """
        await asyncio.shield(self._running)

    async def aclose(self) -> None:
        """Cut every connection and stop listening.

        Raises:
            Exception: whatever ended the market early.
        """
        tasks = [*self._misfortunes, self._running]
        for task in tasks:
            task.cancel()
        await self.server.aclose()
        await self._front.aclose()
        await self.rest.aclose()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class Labs:
    """Several exchanges on one clock; an async context manager. `labs["okx"]` is one of them."""

    def __init__(self, labs: dict[str, Lab], clock: LabClock, witnesses: Sequence[Witness] = ()) -> None:
        self.by_venue = labs
        self.clock = clock
        self.witnesses = witnesses  #: of what is told first; one a venue, if it was asked for

    def __getitem__(self, venue: str) -> Lab:
        return self.by_venue[venue]

    def start(self) -> None:
        """Let market time run, if it is held."""
        self.clock.start()

    @property
    def crowds(self) -> Mapping[str, Crowd]:
        """The people who trade a coin, by base, and with them the truth; the same on all venues."""
        return next(iter(self.by_venue.values())).crowds

    @property
    def publishers(self) -> list[Publisher]:
        """Who tells the markets, the leading one first."""
        return [lab.source for lab in self.by_venue.values() if isinstance(lab.source, Publisher)]

    def pacing(self) -> Pacing:
        """What slows the clock where these exchanges do not keep up with it; let it `run`.

        From now on limits of requests count market time: whoever asks in market time asks so often.
        """
        for lab in self.by_venue.values():
            lab.rest.haste = max(1.0, self.clock.asked_rate)
        return Pacing(self.clock, lambda: min(publisher.ts_reached for publisher in self.publishers))

    async def fingerprint(self, hurry: asyncio.Event) -> str:
        """Wait until what is witnessed has been told, for its hash.

        Args:
            hurry: once set, the rest is told at once, and nothing after it.
        """
        while not all(witness.is_done for witness in self.witnesses):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(hurry.wait(), _LOOK_S)
                for lab in self.by_venue.values():
                    lab.halt()
                await complete(self.witnesses, self.publishers)
        return frames_hash(self.witnesses)

    def suffer(self, script: FaultScript) -> None:
        """Let a fault script happen on each exchange it names, counted from now in market time."""
        for lab in self.by_venue.values():
            lab.suffer(script)

    async def aclose(self) -> None:
        """Close all of them.

        Raises:
            Exception: whatever ended a market early.
        """
        async with contextlib.AsyncExitStack() as stack:
            for lab in self.by_venue.values():
                stack.push_async_callback(lab.aclose)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
