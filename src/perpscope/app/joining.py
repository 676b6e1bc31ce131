"""Bringing venues in: what each lists, what of it is listened to, and its place on the feed and in the store.

In: settings and a venue. Out: a `Listening` on the feed, instruments and margin tiers in the store, and a word for
people. A venue that does not answer is named and asked again; the others do not wait for it longer than for its first
failure, and a default set once chosen is kept for those who come late.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack

import structlog
from msgspec.structs import replace

from perpscope.app import catalogue, venues
from perpscope.app.catalogue import Choice, Listed
from perpscope.app.default_set import DefaultSet
from perpscope.app.venues import VenueSettings
from perpscope.errors import RateLimited, VenueError
from perpscope.feeds import skew
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.connection import full_jitter
from perpscope.feeds.governor import Governor
from perpscope.feeds.live import Listening, LiveFeed
from perpscope.feeds.rest import RestClient
from perpscope.model.instrument import Instrument
from perpscope.model.stream import Channel
from perpscope.ports import Http, Timed, Venue
from perpscope.settings import Settings
from perpscope.stores.sqlite import SqliteReader, SqliteStore

#: A clock that is further off than this is spoken of (chosen by hand: an order would be refused).
_SKEW_TOLD_NS = 1_000_000_000

_log = structlog.get_logger()


class Joining:
    """Every venue's way onto the feed.

    Args:
        settings: the whole tree.
        own: each venue's part of it.
        clock: market time.
        announce: told what a person should know, one line at a time.
        rng: jitter.
    """

    def __init__(
        self,
        settings: Settings,
        own: Mapping[str, VenueSettings],
        *,
        clock: MarketClock,
        announce: Callable[[str], None],
        rng: random.Random,
    ) -> None:
        self.unreachable: dict[str, str] = {}  #: venue → why, while it does not answer
        self.is_ready = asyncio.Event()  #: set once every venue has answered, or failed to
        #: told of each venue that is on the feed, how it is asked, and what of it is listened to
        self.joined: Callable[[Venue, Http, Sequence[Instrument]], None] = lambda *_: None
        #: awaited before a venue's sockets are opened: how it is asked, what of it will be listened to, and where
        self.prepare: Callable[[Venue, Http, Sequence[Instrument], LiveFeed], Awaitable[None]] = _unprepared
        self._settings = settings
        self._own = own
        self._clock = clock
        self._announce = announce
        self._rng = rng
        self._heard_from: set[str] = set()
        self._listed: dict[str, Listed] = {}
        self._default: DefaultSet | None = None
        self._said: set[str] = set()
        self._governors: dict[str, Governor] = {}
        self._closed: dict[str, str] = {}

    async def join(self, venue: Venue, feed: LiveFeed, store: SqliteStore, stack: AsyncExitStack) -> None:
        """Learn what a venue lists, then listen to it; returns when its margin tiers are kept as well.

        Raises:
            ConfigError: a symbol was named that nobody lists.
        """
        own = self._own[venue.name]
        http = await stack.enter_async_context(venues.rest_client(venue, own, self._settings))
        self._governors[venue.name] = http.governor
        self._listed[venue.name] = await self._ask(venue, http)
        self._answered(venue.name)
        await self.is_ready.wait()
        self._note_what_ended(venue.name, store)
        instruments = self._choose(venue.name)
        if not instruments:
            self._say(f"{venue.name}: nothing to listen to")
            return
        plans = tuple(venue.plan(instruments, self._channels(venue.channels)))
        polls = tuple(venue.polls(instruments, self._channels(venue.polled)))
        store.register(instruments, self._clock.now_ns())
        streams = sum(len(plan.streams) for plan in plans)
        polled = f", {len(polls)} polls" if polls else ""
        self._say(
            f"{venue.name}: {len(instruments)} instruments, {streams} streams on {len(plans)} connections{polled}"
        )
        url = own.websocket_url or venue.websocket_url
        lead_ns = await self._lead(venue, http)
        await self.prepare(venue, http, instruments, feed)
        feed.add(Listening(venue, url, http, tuple(instruments), plans, polls, lead_ns))
        self.joined(venue, http, instruments)
        await self._keep_tiers(venue, http, instruments, store)

    async def _lead(self, venue: Venue, http: RestClient) -> int:
        """How far the venue's clock is ahead of ours, ns; 0 where it does not tell."""
        if not isinstance(venue, Timed):
            return 0
        try:
            found = await skew.measure(venue, http, self._clock)
        except VenueError as error:
            _log.warning("clocks not compared", venue=venue.name, error=error.message)
            return 0
        if found.surely_ns > _SKEW_TOLD_NS:
            self._say(f"this machine's clock is {found} {venue.name}'s: set it by NTP; rows keep the venue's times")
        return found.lead_ns

    def tell_closed(self) -> None:
        """Say once until when a venue refuses this address, and once that it is asked again."""
        for name, governor in self._governors.items():
            closed = governor.closed
            if closed is not None and closed.why != self._closed.get(name):
                self._closed[name] = closed.why
                self._announce(f"{name}: {closed}")
            elif closed is None and self._closed.pop(name, None) is not None:
                self._announce(f"{name}: is asked again")

    def channels(self, venue: Venue) -> list[Channel]:
        """What is wanted of a venue, streamed or polled."""
        return self._channels(venue.channels | venue.polled)

    def _channels(self, offered: Collection[Channel]) -> list[Channel]:
        return [c for c in Channel if c in offered and (c is not Channel.BOOK or self._settings.collect.books)]

    async def _ask(self, venue: Venue, http: RestClient) -> Listed:
        attempt = 0
        while True:
            try:
                listed = await catalogue.ask(venue, http, turnover=not self._settings.collect.symbols)
            except VenueError as error:
                feed = self._settings.feed
                wait_s = full_jitter(attempt, feed.backoff_first_s, feed.backoff_max_s, self._rng)
                if isinstance(error, RateLimited):  # it said when
                    wait_s = max(wait_s, error.retry_after_s)
                self.unreachable[venue.name] = error.message
                self._answered(venue.name)
                self._announce(f"{error.message}; trying again in {wait_s:.1f} s")
                attempt += 1
                await asyncio.sleep(wait_s)
            else:
                self.unreachable.pop(venue.name, None)
                return listed

    def _answered(self, venue: str) -> None:
        self._heard_from.add(venue)
        if self._heard_from >= self._own.keys():
            self.is_ready.set()

    def _choose(self, venue: str) -> list[Instrument]:
        """A venue's share of what is wanted, with regard to what all that have answered list."""
        unheard = [name for name in self._own if name not in self._listed]
        choice: Choice = catalogue.choose(self._settings.collect.symbols, self._listed, unheard, self._default)
        self._default = choice.default or self._default
        for note in choice.notes:
            self._say(note)
        return choice.instruments.get(venue, [])

    def _note_what_ended(self, venue: str, store: SqliteStore) -> None:
        """Keep, as a new version, that an instrument of earlier runs is halted or no longer listed."""
        listed = {instrument.id: instrument for instrument in self._listed[venue].instruments}
        with SqliteReader.open(store.path) as reader:
            known = [instrument for instrument in reader.instruments(venue) if instrument.is_trading]
        ended = [
            listed.get(instrument.id) or replace(instrument, is_trading=False)
            for instrument in known
            if instrument.id not in listed or not listed[instrument.id].is_trading
        ]
        if ended:
            store.register(ended, self._clock.now_ns())
            self._say(f"{venue}: no longer trading: {', '.join(instrument.symbol for instrument in ended)}")

    def _say(self, line: str) -> None:
        """Announce, once."""
        if line not in self._said:
            self._said.add(line)
            self._announce(line)

    async def _keep_tiers(
        self, venue: Venue, http: RestClient, instruments: list[Instrument], store: SqliteStore
    ) -> None:
        tables = await catalogue.margin_tables(venue, http, instruments)
        now_ns = self._clock.now_ns()
        for instrument, table in tables.items():
            store.register_tiers({instrument: table.tiers}, source=table.quality.value, ts_from=now_ns)
        counted = Counter(table.quality.value for table in tables.values())
        _log.info("margin tiers kept", venue=venue.name, by_quality=dict(counted))


async def _unprepared(*_: object) -> None:
    """Nobody has to be ready before a venue's sockets are opened."""
