"""The trading part of a heart: one strategy on one instrument, decided on the very path its events come by.

In: every event, once the engine has seen it; what concerns the run itself comes by the same door. Out: orders to the
exchange (on paper: the desk's own), the journal, and once a second a page for faces. It never waits: what nobody waits
for is written by a thread, in order.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec
import structlog

from perpscope.app.trade import pages
from perpscope.app.trade.hearing import RunHearing
from perpscope.app.trade.latency import Latency
from perpscope.app.trade.paper import PaperBook
from perpscope.app.trade.setup import RunSetup, trader_of
from perpscope.app.trade.standing import Watcher
from perpscope.app.trade.witness import Witness, decisions_of
from perpscope.app.trade.writing import Writing
from perpscope.engine.telling import Told
from perpscope.errors import PerpscopeError
from perpscope.execution.live import LiveExchange
from perpscope.feeds.clock import wall_ns
from perpscope.feeds.live import LiveFeed
from perpscope.model.market import MarketEvent, MarkPrice, PositionSide, Side, Trade
from perpscope.model.order import Arrival, Fill, FundingCharged, OrderRequest, Resumed, Signal
from perpscope.model.trade_status import Contact, Held, TradeStatus, WorkingNow
from perpscope.stores.journal import Journal
from perpscope.trading.resuming import remembered
from perpscope.trading.strategy import Strategy

_log = structlog.get_logger()
_MS_NS: Final = 1_000_000
_EVERY_S: Final = 1.0  # real seconds between two pages
#: Events whose way from the exchange is measured: they come often, and at once.
_TIMED: Final = frozenset({Trade, MarkPrice})


class TradingPart:
    """See above; everything is called on the event loop.

    Args:
        setup: all that decides.
        strategy: the setup's.
        journal: that the run is begun in.
        feed: whose front door everything about the run comes by.
        watcher: how far decisions go.
        exchange: started; None on paper.
        recording: what the feed is recorded to.
        fail: told what the run cannot go on with, once.
        latency: how long everything takes; the exchange tells it of orders.
        now_ns: market time, ns UTC.
        warnings: to be shown with the run.
        monotonic: real seconds.
    """

    def __init__(  # noqa: PLR0913 (what a run is made of, by name)
        self,
        setup: RunSetup,
        strategy: Strategy,
        *,
        journal: Journal,
        feed: LiveFeed,
        watcher: Watcher,
        exchange: LiveExchange | None,
        recording: Path,
        fail: Callable[[Exception], None],
        latency: Latency,
        now_ns: Callable[[], int],
        warnings: Sequence[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.setup = setup
        self.watcher = watcher
        self.exchange = exchange
        self.witness = Witness(decisions_of(recording))
        self.trader, self.desk = trader_of(setup, strategy, self._told, exchange)
        self._fills = 0
        self._journal = journal
        self._feed = feed
        self._recording = recording
        self._fail = fail
        self._latency = latency
        self._now_ns = now_ns
        self._warnings = list(warnings)
        self._taking: tuple[int, int] = (0, 0)  # ts_event and ts_recv of the event that is taken
        self._monotonic = monotonic
        self._hearing = RunHearing(setup.instrument)
        self._writing = Writing(setup.run)
        self._book: PaperBook | None = None
        if exchange is None:
            self._book = PaperBook(self._writing, journal, setup.run, setup.instrument, self.trader, self.desk)
        self._market_ns = 0
        self._page_at = float("-inf")
        self._life: asyncio.Task[None] | None = None
        self._adopting: asyncio.Task[None] | None = None
        self._stood = ""
        self._last_contact: Contact | None = None  # once it was let go of
        self._left: tuple[Held, list[WorkingNow]] | None = None  # likewise: what stands at the exchange from then on
        self.accept: Callable[[MarketEvent], None] = self._hearing.accept

    def begin(self, resumed: Resumed) -> None:
        """Tell the desk what it begins with, and how far it may go; from here on it trades.

        Args:
            resumed: as the exchange, or the journal, has it; with candles.
        """
        self._feed.tell(resumed)
        self._stand(self._now_ns())
        if self.exchange is not None:
            self._life = asyncio.create_task(self.exchange.run(), name="exchange")
            self._life.add_done_callback(self._ended)

    def process(self, event: Arrival) -> None:
        """Take one event of the feed's, once the engine has."""
        for one in self._hearing.heard(event):
            ts_recv = one.ts_recv
            ts_event = getattr(one, "ts_event", ts_recv)
            self._taking = (ts_event, ts_recv)
            if type(one) in _TIMED:
                self._latency.received(ts_event, ts_recv)
            bits = self.trader.process(one)
            if self.exchange is not None:
                if type(one) is MarkPrice:
                    self.exchange.mark(one)
            elif self._book is not None and (bits or type(one) is Resumed):
                if type(one) is Resumed:
                    self._book.resumed()
                self._book.after(bits, one.ts_recv)

    def tick(self, now_ns: int) -> None:
        """At each Tick (ns UTC, market time): once a real second what holds is looked at, and told."""
        self._market_ns = now_ns
        now = self._monotonic()
        if now - self._page_at < _EVERY_S:
            return
        self._page_at = now
        self._hear_writing()
        self._stand(now_ns)
        self._feed.keep()
        if self._book is not None:
            self._book.look(now_ns)
            self._book.remember()
        if not self._writing.is_behind:
            self._write_page(is_over=False)

    def status(self, *, is_over: bool = False) -> TradeStatus:
        """The run as it stands."""
        exchange = self.exchange
        setup = self.setup
        desk_halted = pages.halted(self.desk)
        own = "" if exchange is None else exchange.halted
        held, working = self._left or self._standing
        return TradeStatus(
            run=setup.run,
            kind=setup.kind,
            strategy=setup.strategy,
            instrument=setup.instrument.id,
            data=setup.data,
            pid=os.getpid(),
            begun_ms=setup.begun_ms,
            at_ms=wall_ns() // _MS_NS,
            market_ms=self._market_ns // _MS_NS,
            is_over=is_over,
            mode=self.watcher.mode.word,
            halted=self.watcher.halted or own or desk_halted,
            armed_until_ms=self.watcher.armed_until_ms,
            decisions=self.witness.decisions,
            orders=self.witness.orders,
            fills=self._fills,
            refused=pages.refused(self.desk),
            duplicate_orders=0 if exchange is None else exchange.duplicates,
            naked_seconds_now=0.0 if exchange is None else exchange.naked_seconds_now,
            naked_seconds_max=0.0 if exchange is None else exchange.naked_seconds_max,
            held=held,
            money=pages.money(self.desk, exchange),
            working=working,
            latency_ms=self._latency.spreads,
            contact=self._contact,
            decision_hash=self.witness.hash,
            recording=str(self._recording),
            warnings=[*self._warnings, *(() if exchange is None else exchange.notices)],
        )

    @property
    def _contact(self) -> Contact | None:
        """How the exchange answers, or answered when this run let go of it."""
        return self._last_contact or (None if self.exchange is None else self.exchange.contact())

    async def let_go(self) -> None:
        """Send nothing more: what the exchange last said stays as it is."""
        if self.exchange is not None:
            self._last_contact, self._left = self.exchange.contact(), self._standing
            await self.exchange.aclose()

    @property
    def _standing(self) -> tuple[Held, list[WorkingNow]]:
        """What is held, with its confirmed stop, and the orders that stand."""
        return pages.held(self.trader, self.desk, self.exchange), pages.working(self.trader, self.exchange)

    @property
    def position(self) -> Decimal:
        """What the desk holds: base units, signed."""
        held = self.trader.position
        return -held.size if held.side is PositionSide.SHORT else held.size

    @property
    def booked(self) -> Decimal:
        """What the journal's fills come to: base units, signed."""
        fills = self._journal.fills(self.setup.run)
        return sum((one.trade.size * (1 if one.trade.side is Side.BUY else -1) for one in fills), Decimal(0))

    @property
    def intents(self) -> dict[str, int]:
        """Every order that was written down: its id, and when it was decided, ns UTC."""
        return {one.request.id: one.request.ts_recv for one in self._journal.orders(self.setup.run)}

    @property
    def is_flat(self) -> bool:
        """Nothing is held, and nothing is working."""
        return self.trader.position.side is None and not self.trader.view.requests()

    def close_all(self, why: str, now_ns: int) -> None:
        """Open nothing from now on, and close what is held: the desk is told as if the kill switch were pulled."""
        self.watcher.ending = why
        self._stand(now_ns)

    async def aclose(self) -> None:
        """Stop, and have everything written down.

        Raises:
            StoreError: it could not be.
        """
        tasks = [task for task in (self._life, self._adopting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._last_contact is None:
            await self.let_go()
        if self._book is not None:
            self._book.look(self._market_ns)
            self._book.remember()
        self._write_page(is_over=True)
        self.witness.close()
        await self._writing.aclose()

    def _stand(self, now_ns: int) -> None:
        contact = None if self.exchange is None else self.exchange.contact()
        wall_ms = wall_ns() // _MS_NS
        standing = self.watcher.look(now_ns, wall_ms, contact)
        if standing is None:
            return
        self._feed.tell(standing)
        words = self.watcher.words
        if words != self._stood:
            self._stood = words
            self._writing.put(self._journal.act, "trader", "standing", words, wall_ms)
        if standing.is_reset and self.exchange is not None:
            self._reset(self.exchange)

    def _reset(self, exchange: LiveExchange) -> None:
        """Somebody lifts what halted it; where positions differ, what the exchange holds is ours from now on."""
        exchange.resume()
        if exchange.contact().is_mismatched and (self._adopting is None or self._adopting.done()):
            self._adopting = asyncio.create_task(self._adopt(exchange), name="adopt")

    async def _adopt(self, exchange: LiveExchange) -> None:
        try:
            resumed = await exchange.adopt()
        except PerpscopeError as error:
            _log.warning("not taken over", error=error.message)
            return
        made = max(resumed.orders_made, self.trader.view.order_count)
        self._feed.tell(msgspec.structs.replace(resumed, risk=remembered(self.desk), orders_made=made))
        self._writing.put(self._journal.act, "trader", "adopt", f"holds {resumed.position:f}", wall_ns() // _MS_NS)

    def _told(self, told: Told) -> None:
        """What the desk has come to."""
        self.witness.saw(told)
        if isinstance(told, Signal | OrderRequest):
            order = told.id if isinstance(told, OrderRequest) else ""
            self._latency.decided(*self._taking, self._now_ns(), order)
        elif isinstance(told, Fill):
            self._fills += 1
        elif isinstance(told, FundingCharged) and self._book is not None:
            self._book.funded(told)

    def _write_page(self, *, is_over: bool) -> None:
        status, memory = self.status(is_over=is_over), None if self._book is not None else remembered(self.desk)

        def write() -> None:
            with self._journal.together():
                self._journal.renew(wall_ns() / 1e9)
                if memory is not None:
                    self._journal.remember(status.run, memory)
                self._journal.report(status)

        self._writing.put(write)

    def _hear_writing(self) -> None:
        """A journal that is another's now ends the run; one that cannot be written lets nothing be opened."""
        self.watcher.is_journal_sick = self._writing.trouble is not None
        if self._writing.fenced is not None:
            self._fail(self._writing.fenced)

    def _ended(self, life: "asyncio.Task[None]") -> None:
        if not life.cancelled() and (error := life.exception()) is not None and isinstance(error, Exception):
            self._fail(error)
