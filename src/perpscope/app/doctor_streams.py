"""The first message of every stream: connect as a collection would, and hear whether what was acknowledged comes.

In: what to listen to at each venue. Out: a `Told` for each channel of each connection. A socket that is open and
acknowledges is no proof: a venue that has moved its streams answers on the old path too, and sends nothing.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

import msgspec

from perpscope.app.doctor_machine import Told
from perpscope.engine.engine import Engine
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.live import Listening, LiveFeed
from perpscope.feeds.socket import PicowsConnector
from perpscope.model.instrument import Instrument
from perpscope.model.market import Subscribed, Unheard
from perpscope.model.order import Arrival
from perpscope.model.stream import Channel, ConnectionPlan, Stream
from perpscope.ports import Http, Venue
from perpscope.settings import Feed

#: What speaks within seconds in any market; of the others nothing may have happened yet.
_BUSY = frozenset({Channel.TRADES, Channel.QUOTES, Channel.BOOK, Channel.MARK_PRICES})
_LOOK_S = 0.1


class Hearing(msgspec.Struct, frozen=True):
    """One venue and what to hear of it."""

    venue: Venue
    http: Http
    websocket_url: str
    instruments: tuple[Instrument, ...]
    plans: tuple[ConnectionPlan, ...]


class _Ear:
    """Notes when each channel was first heard, what was acknowledged, what was refused."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.first_s: dict[tuple[str, Channel], float] = {}  #: real seconds from the start
        self.acknowledged: set[tuple[str, Stream]] = set()
        self.refused: dict[tuple[str, Stream], str] = {}
        self._engine = Engine(sinks=[])

    def take(self, batch: Sequence[Arrival]) -> None:
        """Hear a batch."""
        for event in batch:
            match event:
                case Subscribed():
                    self.acknowledged.update((event.venue, stream) for stream in event.streams)
                case Unheard():
                    self.refused.update({(event.venue, stream): event.cause for stream in event.streams})
            self._engine.process(event)
        after_s = time.monotonic() - self.began
        for heard in self._engine.events_by_channel:
            self.first_s.setdefault(heard, after_s)


async def listen(
    hearings: Sequence[Hearing], settings: Feed, clock: MarketClock, listen_s: float, proxies: Mapping[str, str]
) -> list[Told]:
    """Listen until every busy channel was heard, for `listen_s` real seconds at most.

    Args:
        hearings: by venue.
        settings: timeouts and backoff.
        clock: market time.
        listen_s: patience.
        proxies: the way to each base URL; see `venues.proxies`.
    """
    if not hearings:
        return []
    connector = PicowsConnector(
        clock, timeout_s=settings.connect_timeout_s, max_frame_bytes=settings.max_frame_bytes, proxies=proxies
    )
    feed = LiveFeed(clock=clock, connector=connector, settings=settings)
    for at in hearings:
        feed.add(Listening(at.venue, at.websocket_url, at.http, at.instruments, at.plans))
    ear = _Ear()
    awaited = {(at.venue.name, s.channel) for at in hearings for plan in at.plans for s in plan.streams} & {
        (at.venue.name, channel) for at in hearings for channel in _BUSY
    }
    ending = asyncio.create_task(_end(feed, ear, awaited, listen_s))
    try:
        async for batch in feed.batches():
            ear.take(batch)
    finally:
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
    errors = {connection.plan.name: connection.last_error for connection in feed.connections}
    return [
        told
        for at in hearings
        for plan in at.plans
        for told in _told(at.venue.name, plan, ear, errors.get(plan.name), listen_s)
    ]


async def _end(feed: LiveFeed, ear: _Ear, awaited: set[tuple[str, Channel]], listen_s: float) -> None:
    """Stop the feed when there is nothing to wait for, or the time is up."""
    while time.monotonic() - ear.began < listen_s and not awaited <= ear.first_s.keys():
        await asyncio.sleep(_LOOK_S)
    feed.stop()


def _told(venue: str, plan: ConnectionPlan, ear: _Ear, error: str | None, listen_s: float) -> list[Told]:
    """What to say of each channel of one connection."""
    told = []
    for channel in dict.fromkeys(stream.channel for stream in plan.streams):
        streams = [stream for stream in plan.streams if stream.channel is channel]
        told.append(
            _judged(f"{plan.name.replace('/', '.')}.{channel.value}", venue, channel, streams, ear, error, listen_s)
        )
    return told


def _judged(
    name: str,
    venue: str,
    channel: Channel,
    streams: Sequence[Stream],
    ear: _Ear,
    error: str | None,
    listen_s: float,
) -> Told:
    first_s = ear.first_s.get((venue, channel))
    refused = [(stream, ear.refused[venue, stream]) for stream in streams if (venue, stream) in ear.refused]
    if refused:
        stream, cause = refused[0]
        fix = f"look up {stream.instrument or 'the channel'} with perpscope symbols, or leave it out"
        return Told(
            name, "fail", f"{len(refused)} of {len(streams)} streams {cause}, e.g. {stream.instrument or '*'}", fix
        )
    if first_s is not None:
        return Told(name, "ok", f"first message after {first_s:.1f} s")
    if not any((venue, stream) in ear.acknowledged for stream in streams):
        why = error or f"no answer within {listen_s:g} s"
        return Told(
            name, "fail", f"not connected: {why}", f"check [venue.{venue}] websocket_url, the network and any proxy"
        )
    if channel in _BUSY:
        return Told(
            name,
            "fail",
            f"acknowledged, and silent for {listen_s:g} s",
            f"{venue} answers here but sends nothing: its streams may have moved; look for a newer perpscope",
        )
    return Told(name, "ok", f"acknowledged; nothing within {listen_s:g} s, which may be so")
