"""Exchanges beyond the five, asked through ccxt: open interest, funding and candles, labelled as such everywhere.

In: `[ccxt]` of the settings. Out: a `Listening` without sockets for each on the feed, and its instruments in the store.
ccxt is imported when the first exchange is made, and not at all without `[ccxt] venues`. An exchange that does not
answer is named and asked again for as long as the heart beats; nothing that happens here ends it.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

import msgspec

from perpscope.app import catalogue, venues
from perpscope.app.symbols import take_coins
from perpscope.config import convert
from perpscope.errors import ConfigError, VenueError
from perpscope.feeds import way_out
from perpscope.feeds.ccxt_calls import CcxtCalls, refuse_unknown
from perpscope.feeds.ccxt_dialect import CcxtVenue, exchange_of
from perpscope.feeds.ccxt_units import UNITS, Unit, Units
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.connection import full_jitter
from perpscope.feeds.live import Listening, LiveFeed
from perpscope.model.instrument import Instrument
from perpscope.model.stream import Channel
from perpscope.ports import Venue
from perpscope.settings import Settings, Table
from perpscope.stores.sqlite import SqliteStore

#: ccxt's other names for exchanges that have a folder of their own.
_ALIASES = {"binanceusdm": "binance", "binancecoinm": "binance"}


class OtherSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[ccxt.options.<exchange>]`."""

    rest_url: str = ""  #: base URL that takes the place of the exchange's hosts; empty = ccxt's own
    clock_url: str = ""  #: a lab's market clock; what is collected is then DEMO DATA, and the five may be named
    open_interest_unit: Unit | None = None  #: what `openInterestAmount` counts, where we do not know
    candle_volume_unit: Unit | None = None  #: what a candle's volume counts, where we do not know
    settings: Table = {}  #: handed to ccxt as they are


class Others:
    """Every exchange of `[ccxt]`, and its way onto the feed.

    Args:
        settings: the whole tree.
        clock: market time.
        announce: told what a person should know, one line at a time.
        rng: jitter.

    Raises:
        ConfigError: an exchange nobody knows or that has a folder of its own, a wrong option, or no ccxt.
    """

    def __init__(
        self, settings: Settings, *, clock: MarketClock, announce: Callable[[str], None], rng: random.Random
    ) -> None:
        self.unreachable: dict[str, str] = {}  #: venue → why, while it does not answer
        self.wanted: dict[str, frozenset[Channel]] = {}  #: venue → what is asked of it, from `run` on
        self._settings = settings
        self._clock = clock
        self._announce = announce
        self._rng = rng
        named = dict.fromkeys(settings.ccxt.venues)
        _refuse_unasked(settings.ccxt.options, named)
        self._own = {exchange: _own(exchange, settings.ccxt.options) for exchange in named}

    @property
    def labs(self) -> set[str]:
        """Market clocks of labs that stand in for exchanges."""
        return {own.clock_url for own in self._own.values() if own.clock_url}

    async def run(self, feed: LiveFeed, store: SqliteStore, stack: AsyncExitStack) -> None:
        """Bring every exchange onto the feed; returns when all are.

        Raises:
            StoreError: the store cannot take their instruments.
        """
        joining = [
            asyncio.create_task(self._join(exchange, own, feed, store, stack), name=f"ccxt-{exchange}")
            for exchange, own in self._own.items()
        ]
        try:
            await asyncio.gather(*joining)
        finally:
            for task in joining:
                task.cancel()
            await asyncio.gather(*joining, return_exceptions=True)

    async def _join(
        self, exchange: str, own: OtherSettings, feed: LiveFeed, store: SqliteStore, stack: AsyncExitStack
    ) -> None:
        settings = way_out.for_ccxt(way_out.chosen("", self._settings.proxy.url), own.settings)
        calls = await stack.enter_async_context(
            CcxtCalls(exchange, rest_url=own.rest_url, settings=settings, rng=self._rng, now_ns=self._clock.now_ns)
        )
        venue = CcxtVenue(exchange, has=calls.has, units=_units(exchange, own), every_s=self._settings.ccxt.every_s)
        self.wanted[venue.name] = venue.polled
        listed = await self._ask(venue, calls)
        found = take_coins(self._settings.ccxt.symbols, {venue.name: listed})
        for note in found.notes:
            self._announce(note)
        instruments = found.instruments[venue.name]
        polls = venue.polls(instruments, [channel for channel in Channel if channel in venue.polled])
        if venue.unit_unknown:
            left = ", ".join(sorted(channel.value for channel in venue.unit_unknown))
            self._announce(
                f"{venue.name}: {len(venue.unit_unknown)} channels left out, unit-unknown: {left} "
                f"(say the unit in [ccxt.options.{exchange}], docs/ccxt.md)"
            )
        if not polls:
            self._announce(f"{venue.name}: nothing to ask")
            return
        store.register(instruments, self._clock.now_ns())
        self._announce(f"{venue.name}: {len(instruments)} instruments, {len(polls)} polls, by ccxt {calls.version}")
        feed.add(Listening(venue, "", calls, tuple(instruments), (), tuple(polls)))

    async def _ask(self, venue: Venue, calls: CcxtCalls) -> list[Instrument]:
        """What an exchange lists, however long it takes to tell."""
        attempt = 0
        while True:
            try:
                listed = await catalogue.ask(venue, calls, turnover=False)
            except VenueError as error:
                feed = self._settings.feed
                wait_s = full_jitter(attempt, feed.backoff_first_s, feed.backoff_max_s, self._rng)
                self.unreachable[venue.name] = error.message
                self._announce(f"{error.message}; trying again in {wait_s:.1f} s")
                attempt += 1
                await asyncio.sleep(wait_s)
            else:
                self.unreachable.pop(venue.name, None)
                return listed.instruments


def venue_named(name: str) -> Venue | None:
    """The venue of a `ccxt-…` name, to read a recording with; None if it is none. ccxt itself is not needed."""
    exchange = exchange_of(name)
    return None if exchange is None else CcxtVenue(exchange)


def _own(exchange: str, raw: Mapping[str, Table]) -> OtherSettings:
    own = convert(raw.get(exchange, {}), OtherSettings, f"ccxt.options.{exchange}")
    venue = _ALIASES.get(exchange, exchange)
    if venue in venues.names() and not own.clock_url:
        raise ConfigError(
            "config-value",
            f"ccxt.venues: {exchange!r} has a folder of its own, which hears far more of it",
            hint=f"use collect.venues = [{venue!r}]",
        )
    refuse_unknown(exchange)
    return own


def _units(exchange: str, own: OtherSettings) -> Units:
    """What a person says of the units, else what is known."""
    known = UNITS.get(exchange, Units())
    return Units(
        open_interest=own.open_interest_unit or known.open_interest,
        candles=own.candle_volume_unit or known.candles,
    )


def _refuse_unasked(options: Mapping[str, Table], named: Mapping[str, None]) -> None:
    """Refuse options of an exchange that is not asked: a misspelt name would go unnoticed."""
    for exchange in options:
        if exchange not in named:
            raise ConfigError(
                "config-value",
                f"ccxt.options.{exchange}: {exchange!r} is not among ccxt.venues",
                hint="name it there, or take the options out",
            )
