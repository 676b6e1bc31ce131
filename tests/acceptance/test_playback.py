"""Frames through the lab's real sockets into the live feed: the same events as a replay of the same frames.

With the recordings, a real session of Binance; without them, frames a lab's own market has sent. Both are played
unpaced, as fast as the client takes them.
"""

import asyncio
import gzip
import math
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from perpscope.engine.engine import Engine
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.governor import Governor
from perpscope.feeds.live import Listening, LiveFeed
from perpscope.feeds.replay import ReplayFeed
from perpscope.feeds.rest import RestClient
from perpscope.feeds.socket import PicowsConnector
from perpscope.feeds.tape import Tape
from perpscope.lab.run import serve_market, serve_playback
from perpscope.lab.tape import TapedFrame
from perpscope.model.instrument import Instrument
from perpscope.model.market import BookDelta, BookSnapshot, Candle, Liquidation, MarkPrice, Quote, Trade
from perpscope.model.order import Arrival
from perpscope.model.stream import Channel
from perpscope.ports import Venue
from perpscope.settings import Feed
from perpscope.venues.binance import VENUE, Binance

Wait = Callable[[Callable[[], bool]], Awaitable[None]]

SESSION = "wire/binance/usdm_btcusdt_20240808.gz"
#: What a venue says; the rest of the events are ours.
_SAID = Quote | Trade | BookDelta | Candle | MarkPrice | Liquidation
#: A second in the life of an unpaced tape is long: snapshots are asked for at Ticks.
_TICK_S = 0.01


class HastyClock(MarketClock):
    """Real time, with a Tick each hundredth of a second."""

    @property
    def tick_s(self) -> float:
        return _TICK_S


def named(*symbols: str) -> list[Instrument]:
    """Instruments by their symbols alone."""
    return [instrument for symbol in symbols if (instrument := VENUE.instrument_named(symbol)) is not None]


def taped(path: Path) -> Iterator[TapedFrame]:
    """A recording as the lab reads it."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        for line in lines:
            stamp, _, frame = line.rstrip(b"\n").partition(b" ")
            yield "recorded", int(stamp), frame


async def played(
    frames: Iterable[TapedFrame],
    venue: Venue,
    instruments: Sequence[Instrument],
    channels: Sequence[Channel],
    eventually: Wait,
) -> tuple[Engine, LiveFeed, list[Arrival]]:
    """Every event of a tape, received over sockets by the live feed and processed by the engine."""
    engine = Engine(sinks=[], check_books=True)
    clock = HastyClock()
    connector = PicowsConnector(clock, timeout_s=10.0, max_frame_bytes=4_000_000)
    feed = LiveFeed(clock=clock, connector=connector, settings=Feed(), rng=random.Random(1))
    feed.snapshots_wanted = engine.snapshots_wanted
    plans = tuple(venue.plan(instruments, channels))
    streams = sum(len(plan.streams) for plan in plans)
    events: list[Arrival] = []
    async with (
        await serve_playback(frames, math.inf, start_when=streams, instruments=instruments) as lab,
        RestClient("binance", lab.rest_url, Governor("binance", 1e9)) as http,
    ):
        lead_ns = lab.clock.now_ns() - clock.now_ns() + 600 * 10**9  # the session is of another year, and runs ahead
        feed.add(Listening(venue, lab.websocket_url, http, tuple(instruments), plans, lead_ns=lead_ns))

        async def end() -> None:
            await lab.finished()
            await eventually(lambda: feed.counts.data == lab.ledger.frames)
            feed.stop()

        ending = asyncio.create_task(end())
        async for batch in feed.batches():
            for event in batch:
                engine.process(event)
            events += batch
        await ending
    return engine, feed, events


async def replayed(path: Path, venue: Venue) -> tuple[ReplayFeed, list[Arrival]]:
    """Every event of a tape, read from its file."""
    feed = ReplayFeed(Tape(path), venue, {})
    return feed, [event async for batch in feed.batches() for event in batch]


def said(events: Iterable[Arrival]) -> list[Arrival]:
    """What the venue said, in order, without the time we heard it."""
    return [msgspec.structs.replace(event, ts_recv=0) for event in events if isinstance(event, _SAID)]


async def test_a_real_session_over_sockets_gives_the_events_of_its_file(recordings: Path, eventually: Wait) -> None:
    """93,953 frames through sockets, unpaced: equal events in equal order, no gap, the book equal each time.

    Keeps S2-49, S4-15.
    """
    venue = Binance(trade_stream="trade")
    channels = [Channel.QUOTES, Channel.BOOK, Channel.TRADES]
    engine, live, events = await played(taped(recordings / SESSION), venue, named("BTCUSDT"), channels, eventually)
    replay, expected = await replayed(recordings / SESSION, venue)
    assert said(events) == said(expected)
    assert (live.counts.decoded, live.counts.rejected, live.counts.ignored) == (93_953, 0, {})
    assert replay.counts.decoded == 93_954  # and the snapshot, which the live feed asks for by REST
    assert any(isinstance(event, BookSnapshot) for event in events)
    assert engine.gaps == 0
    compared, equal = engine.book_check()
    assert compared == equal > 100


def wire(sent: Iterable[tuple[int, str, bytes]], path: Path) -> Path:
    """Write what a lab has sent as a recording of `<ns> <frame>` lines, in the combined envelope."""
    with path.open("wb") as file:
        for market_ns, stream, payload in sent:
            file.write(b'%d {"stream":"%b","data":%b}\n' % (market_ns, stream.encode(), payload))
    return path


@pytest.fixture
async def generated(tmp_path: Path, eventually: Wait) -> Path:
    """A few market minutes of a lab, as it sent them, on one tape."""
    symbols = ("BTCUSDT", "ETHUSDT")
    engine = Engine(sinks=[])
    async with (
        await serve_market(11, 60.0, symbols=symbols, keep_rows=1_000_000) as lab,
        RestClient("binance", lab.rest_url, Governor("binance", 1e9)) as http,
    ):
        clock = HastyClock()
        connector = PicowsConnector(clock, timeout_s=10.0, max_frame_bytes=4_000_000)
        feed = LiveFeed(clock=clock, connector=connector, settings=Feed(), rng=random.Random(1))
        instruments = named(*symbols)
        plans = tuple(VENUE.plan(instruments, list(Channel)))
        feed.add(Listening(VENUE, lab.websocket_url, http, tuple(instruments), plans))

        async def end() -> None:
            await eventually(lambda: engine.counts["liquidation"] > 0 and engine.counts["candle"] > 100)
            feed.stop()

        ending = asyncio.create_task(end())
        async for batch in feed.batches():
            for event in batch:
                engine.process(event)
        await ending
        rows = sorted(lab.ledger.rows, key=lambda row: row.market_ns)
    return wire(((row.market_ns, row.stream, row.payload) for row in rows), tmp_path / "generated")


def by_route(events: Iterable[Arrival]) -> list[list[Arrival]]:
    """Events of either socket: order is kept within a connection, not between two."""
    both: list[list[Arrival]] = [[], []]
    for event in said(events):
        both[isinstance(event, Quote | BookDelta)].append(event)
    return both


async def test_generated_frames_over_sockets_give_the_events_of_their_file(generated: Path, eventually: Wait) -> None:
    """Every kind of event there is, two instruments, two sockets: equal events in equal order on each."""
    engine, live, events = await played(taped(generated), VENUE, named("BTCUSDT", "ETHUSDT"), list(Channel), eventually)
    replay, expected = await replayed(generated, VENUE)
    assert by_route(events) == by_route(expected)
    assert {type(event) for event in said(events)} == set(get_args(_SAID))
    assert live.counts.decoded == replay.counts.decoded
    assert (live.counts.rejected, replay.counts.rejected) == (0, 0)
    assert engine.gaps == 0
