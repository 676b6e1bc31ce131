"""A feed and an engine in the test's own process, listening to a lab: what a heart is made of, without its store."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from perpscope.app import venues
from perpscope.engine.engine import Engine
from perpscope.engine.watched import FLOOR_S
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.governor import Governor
from perpscope.feeds.live import Listening, LiveFeed
from perpscope.feeds.recording import Recorder
from perpscope.feeds.rest import RestClient, market_clock
from perpscope.feeds.socket import PicowsConnector
from perpscope.lab.running import Lab
from perpscope.model.instrument import Instrument
from perpscope.model.market import Gap, MarketEvent, Trade
from perpscope.ports import Metered, Venue
from perpscope.settings import Feed

#: Impatient, so that a test is over before a real market would have noticed.
QUICK = Feed(
    ack_timeout_s=1.0,
    refused_retry_s=1.0,
    silent_after_s=1.5,
    backoff_first_s=0.05,
    backoff_max_s=0.2,
    healthy_after_s=0.0,
)


class Listener:
    """A sink that keeps everything, and the parts that feed it."""

    def __init__(
        self, venue: Venue, instruments: list[Instrument], feed: LiveFeed, silent_after_s: float = FLOOR_S
    ) -> None:
        self.venue = venue
        self.governor: Governor
        self.instruments = instruments
        self.feed = feed
        self.told: list[MarketEvent] = []
        self.trades: list[Trade] = []  #: every one that came in
        known = [instrument.id for instrument in instruments]
        self.engine = Engine(sinks=[self], instruments=known, silent_after_s=silent_after_s)
        feed.snapshots_wanted = self.engine.snapshots_wanted
        feed.depth_wanted = self.engine.depth_wanted
        feed.silent_streams = lambda: self.engine.silent_streams

    def accept(self, event: MarketEvent) -> None:
        """Keep it."""
        self.told.append(event)

    async def run(self) -> None:
        """Process what comes until the feed ends."""
        async for batch in self.feed.batches():
            for event in batch:
                self.engine.process(event)
                if isinstance(event, Trade):
                    self.trades.append(event)

    @property
    def gaps(self) -> list[Gap]:
        """Every gap told, open and closed states apart."""
        return [event for event in self.told if isinstance(event, Gap)]

    def count(self, kind: str) -> int:
        """Events of a kind so far."""
        return self.engine.counts[kind]

    @property
    def books_live(self) -> bool:
        """True if every book can be read."""
        return all(
            (state := self.engine.market.get(instrument.id)) is not None and state.book.is_readable
            for instrument in self.instruments
        )


@asynccontextmanager
async def listening(
    lab: Lab,
    name: str,
    symbols: tuple[str, ...] = ("BTC", "ETH"),
    *,
    settings: Feed = QUICK,
    recorder: Recorder | None = None,
    per_minute: float = 1e9,
) -> AsyncIterator[Listener]:
    """Every channel of these coins, from a lab's catalogue on; stopped at the end."""
    venue = venues.find(name)
    metered = venue if per_minute < 1e9 and isinstance(venue, Metered) else None
    clock = MarketClock()
    clock.follow(await market_clock(f"{lab.rest_url}/lab/clock"))
    async with AsyncExitStack() as stack:
        governor = Governor(name, per_minute, metered=metered)
        http = await stack.enter_async_context(RestClient(name, lab.rest_url, governor))
        listed = venue.instruments(await http.get(venue.catalogue_request())).instruments
        chosen = [instrument for instrument in listed if instrument.asset in symbols and instrument.is_perpetual]
        feed = LiveFeed(
            clock=clock,
            connector=PicowsConnector(clock, timeout_s=2.0, max_frame_bytes=4_000_000),
            settings=settings,
            recorder=recorder,
            rng=random.Random(1),
        )
        listener = Listener(venue, chosen, feed, settings.silent_after_s * clock.rate)
        listener.governor = governor
        channels = sorted(venue.channels, key=lambda channel: channel.value)
        plans = tuple(venue.plan(chosen, channels))
        polls = tuple(venue.polls(chosen, sorted(venue.polled, key=lambda channel: channel.value)))
        running = asyncio.create_task(listener.run())
        feed.add(Listening(venue, lab.websocket_url, http, tuple(chosen), plans, polls))
        try:
            yield listener
        finally:
            feed.stop()
            await running
