"""Polls: every one in turn, at its own pace, its reply's events in the inbox; a failure costs one turn."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from perpscope.errors import VenueUnreachable
from perpscope.feeds.clock import Anchor, MarketClock, wall_ns
from perpscope.feeds.inbox import Inbox
from perpscope.feeds.poll import Poller
from perpscope.feeds.recording import Header, Kind, Recorder
from perpscope.feeds.tape import Tape
from perpscope.model.instrument import Instrument
from perpscope.model.market import MarketEvent, OpenInterest
from perpscope.model.stream import Channel, HttpRequest, Poll, Stream
from perpscope.venues.binance import VENUE, Binance

Wait = Callable[[Callable[[], bool]], Awaitable[None]]

BTC = VENUE.instrument_named("BTCUSDT")
assert BTC is not None
STREAM = Stream(Channel.OPEN_INTEREST, BTC.id)
POLLS = [
    Poll(name=f"binance/open_interest/{coin}", request=HttpRequest(path=f"/{coin}"), streams=(STREAM,), every_s=60.0)
    for coin in ("A", "B")
]


class Counting(Binance):
    """Reads a reply that is nothing but a number."""

    def polled_events(
        self, poll: str, raw: bytes, ts_recv: int, catalogue: Mapping[str, Instrument]
    ) -> list[MarketEvent]:
        assert poll.startswith("binance/open_interest/")
        assert catalogue == {}
        return [OpenInterest(STREAM.instrument or "", ts_recv, ts_recv, float(raw), None)]  # type: ignore[arg-type]  # it has one


class HandHttp:
    """Answers each path with a count of its calls; `/B` fails the first time."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def get(self, request: HttpRequest) -> bytes:
        self.asked.append(request.path)
        if request.path == "/B" and self.asked.count("/B") == 1:
            raise VenueUnreachable("no answer", venue="binance")
        return str(self.asked.count(request.path)).encode()


async def test_polls_take_turns_and_failures_cost_one(eventually: Wait, tmp_path: Path) -> None:
    """At sixty times real time each poll comes about once a second; replies are events and are recorded by name."""
    clock, inbox, http = MarketClock(), Inbox(), HandHttp()
    clock.follow(Anchor(1_790_000_000_000_000_000, wall_ns(), 60.0))
    recorder = Recorder(tmp_path / "r", Header(venue="binance", data="demo"))
    poller = Poller(Counting(), POLLS, {}, http=http, inbox=inbox, clock=clock, recorder=recorder, rng=random.Random(1))
    assert poller.channels == {Channel.OPEN_INTEREST}
    assert poller.every_s(Channel.OPEN_INTEREST) == 60.0
    events: list[MarketEvent] = []

    async def drain() -> None:
        async for batch in inbox.batches():
            events.extend(batch)

    tasks = [asyncio.create_task(poller.run()), asyncio.create_task(drain())]
    try:
        await eventually(lambda: len(events) >= 3)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    recorder.close()
    assert poller.failures == 1
    assert poller.calls == len(http.asked) >= 4
    assert poller.last_error is not None
    replies = [record for record in Tape(tmp_path / "r").records() if record.kind == Kind.REPLY]
    assert {record.source for record in replies} == {poll.name for poll in POLLS}
    assert len(replies) == len(events)
