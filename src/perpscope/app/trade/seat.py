"""The place of a trading part in a heart: empty until the contract is known, left in order before the feed ends."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from perpscope.app.trade.account import Account, Verdict
from perpscope.app.trade.opening import Opening, the_one
from perpscope.app.trade.part import TradingPart
from perpscope.app.turns import LoopFirst
from perpscope.errors import ConfigError, PerpscopeError
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.live import LiveFeed
from perpscope.model.instrument import Instrument
from perpscope.model.market import MarketEvent
from perpscope.model.order import Arrival
from perpscope.ports import Http, Venue

#: Real seconds an orderly end may take (RELIABILITY E9), and between two looks.
_LEAVE_S: Final = 10.0
_LOOK_S: Final = 0.02
#: Real seconds in which what we know of and what the exchange says may still come to agree.
_AGREE_S: Final = 3.0
#: How far back orders are asked for: Binance tells of seven days.
_ASKED_NS: Final = 6 * 86_400_000_000_000

_log = structlog.get_logger()


class Seat:
    """See `app.collect.Trading`.

    Args:
        recording: what the feed is recorded to.
        opening: begins the run.
        policy: of its end: "leave" or "flatten".
        account: at the exchange; None on paper.
        clock: market time.
    """

    def __init__(
        self, recording: Path, opening: Opening, policy: str, account: Account | None, clock: MarketClock
    ) -> None:
        self.recording = recording
        self.is_ready = asyncio.Event()
        self.part: TradingPart | None = None
        self.verdict: Verdict | None = None  #: what the exchange said at the end
        self._opening = opening
        self._policy = policy
        self._account = account
        self._clock = clock
        self._leaving: asyncio.Task[None] | None = None
        self._is_left = False
        self._turns: LoopFirst | None = None

    @property
    def begun(self) -> TradingPart:
        """The part.

        Raises:
            ConfigError: nothing was traded: the venue did not answer.
        """
        if self.part is None:
            raise ConfigError("trade-not-begun", "the run ended before it began", hint="is the venue reachable?")
        return self.part

    async def begin(self, venue: Venue, http: Http, instruments: Sequence[Instrument], feed: LiveFeed) -> None:
        """Be ready before the venue's sockets are opened; errors as of `Opening`."""
        self.part = await self._opening(venue, http, the_one(instruments), feed)
        self.is_ready.set()

    def accept(self, event: MarketEvent) -> None:
        """Take one event of the engine's."""
        if self.part is not None:
            self.part.accept(event)

    def process(self, event: Arrival) -> None:
        """Take one event of the feed's."""
        if self.part is not None:
            self.part.process(event)

    def tick(self, now_ns: int) -> None:
        """At each Tick."""
        if self.part is None:
            return
        if self.part.exchange is not None:
            self._turns = self._turns or LoopFirst()
            self._turns.tell()
        self.part.tick(now_ns)

    @property
    def is_sending(self) -> bool:
        """An order was just made and is not on the wire yet."""
        exchange = None if self.part is None else self.part.exchange
        return exchange is not None and exchange.orders.departures.is_any

    async def sent(self) -> None:
        """Return when it is, or after some milliseconds."""
        if self.part is not None and self.part.exchange is not None:
            await self.part.exchange.orders.departures.wait()

    def hurry(self) -> None:
        """End what is ending: what was not done by now is not done."""
        if self._leaving is not None:
            self._leaving.cancel()

    async def leave(self) -> None:
        """End in order, while the feed still runs; never raises, and takes no longer than it may."""
        part = self.part
        if part is None or self._is_left:
            return
        self._is_left = True
        if part.exchange is not None:
            part.exchange.orders.departures.close()
        self._leaving = asyncio.create_task(self._leave(part))
        await asyncio.wait([self._leaving], timeout=_LEAVE_S)
        self._leaving.cancel()
        await asyncio.gather(self._leaving, return_exceptions=True)
        if part.exchange is not None:
            await self._ask(part)
            await part.let_go()

    async def aclose(self) -> None:
        """Stop; have everything written down.

        Raises:
            StoreError: it could not be.
        """
        if self._turns is not None:
            self._turns.end()
        if self.part is not None:
            await self.part.aclose()

    async def _leave(self, part: TradingPart) -> None:
        if self._policy == "flatten":
            part.close_all("the run ends", self._clock.now_ns())
        if part.exchange is not None:
            await part.exchange.on_exit(self._policy)
        elif self._policy == "flatten":
            while not part.is_flat:
                await asyncio.sleep(_LOOK_S)

    async def _ask(self, part: TradingPart) -> None:
        """Let the exchange itself say what is held, and which orders it has; what is under way may arrive meanwhile."""
        assert self._account is not None  # noqa: S101  # where an exchange is
        setup, intents = part.setup, part.intents
        ts_from = min(intents.values(), default=self._clock.now_ns())
        ts_from = max(ts_from, self._clock.now_ns() - _ASKED_NS)
        until = time.monotonic() + _AGREE_S
        try:
            while True:
                self.verdict = await self._account.verdict(setup.instrument, setup.run, ts_from, intents)
                if self.verdict.position == part.position or time.monotonic() > until:
                    break
                await asyncio.sleep(_LOOK_S)
        except PerpscopeError as error:
            _log.warning("the exchange does not say what is held", error=error.message)
        finally:
            await self._account.aclose()
