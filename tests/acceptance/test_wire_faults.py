"""What goes wrong on each venue's wire: found, reported, recovered; and a planned change that loses nothing."""

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perpscope.app import venues
from perpscope.feeds.recording import Header, Recorder
from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab
from perpscope.model.market import Gap, Subscribed
from perpscope.model.stream import Channel

from .listening import QUICK, Listener, listening

Wait = Callable[[Callable[[], bool]], Awaitable[None]]
START = 1_790_000_040_000_000_000
#: Market seconds per real second.
RATE = 5.0


@pytest.fixture(params=venues.names())
def name(request: pytest.FixtureRequest) -> str:
    """Each venue in turn."""
    return str(request.param)


async def heard(listener: Listener, eventually: Wait) -> None:
    """Wait until everything is subscribed, books are whole, and data flows."""
    await eventually(lambda: listener.books_live and listener.count("trade") > 5 and listener.count("mark_price") > 5)
    connections = listener.feed.connections
    await eventually(lambda: all(connection.subscribed and connection.is_settled for connection in connections))


def closed(listener: Listener, *causes: str) -> list[Gap]:
    """Gaps of these causes that are over."""
    return [gap for gap in listener.gaps if gap.ts_to is not None and gap.cause in causes]


#: How each venue writes a trade: (id, time in ms) of every one in a frame as the lab sent it.
TRADES: dict[str, Callable[[Any], list[tuple[str, int]]]] = {
    "binance": lambda frame: [(str(frame["a"]), frame["T"])] if frame.get("e") == "aggTrade" else [],
    "bybit": lambda frame: [(row["i"], row["T"]) for row in frame["data"]],
    "okx": lambda frame: [(row["tradeId"], int(row["ts"])) for row in frame["data"]],
    "bitget": lambda frame: [(row["i"], int(row["T"])) for row in frame["data"]],
    "hyperliquid": lambda frame: [(str(row["tid"]), row["time"]) for row in frame["data"]],
}


def told(lab: Lab, name: str, after_ms: int) -> set[tuple[str, int]]:
    """Trades the lab has told anybody, later than a moment of its own time."""
    frames = [json.loads(row.payload) for row in lab.ledger.rows if "rade" in row.stream]
    return {trade for frame in frames for trade in TRADES[name](frame) if trade[1] > after_ms}


async def quiet(lab: Lab, listener: Listener) -> int:
    """Hold the market until everything sent has arrived; returns its time, ms."""
    lab.clock.hold()
    before = -1
    while before != (now := len(listener.trades)):
        before = now
        await asyncio.sleep(0.3)
    return lab.clock.now_ns() // 1_000_000


async def test_a_half_open_socket_is_given_up(name: str, eventually: Wait) -> None:
    """TCP stays, nothing comes and nothing is read: replaced after the bound, and the time is a gap. RELIABILITY A6."""
    async with (
        await serve_market(1, RATE, venue=name, symbols=("BTC", "ETH"), ts_start=START) as lab,
        listening(lab, name) as listener,
    ):
        await heard(listener, eventually)
        lab.server.stall()
        stalled = time.monotonic()
        await eventually(lambda: bool(closed(listener, "silent", "no-pong")))
        print(f"{name}: half-open socket replaced and heard again after {time.monotonic() - stalled:.1f} s")
        await eventually(lambda: listener.books_live)


async def test_a_venue_that_refuses_for_a_minute_is_joined_again(name: str, eventually: Wait) -> None:
    """Every connection cut and every handshake refused for a market minute; then all is heard again. RELIABILITY A2."""
    async with (
        await serve_market(2, 30.0, venue=name, symbols=("BTC", "ETH"), ts_start=START) as lab,
        listening(lab, name) as listener,
    ):
        await heard(listener, eventually)
        cut_at = lab.clock.now_ns()
        lab.server.refuse(math.inf)
        lab.server.drop_connections()
        await eventually(lambda: lab.clock.now_ns() > cut_at + 60 * 10**9)
        lab.server.refuse(0)
        await eventually(lambda: bool(closed(listener, "disconnect")) and listener.books_live)
        gap = closed(listener, "disconnect")[0]
        assert gap.ts_to is not None
        assert gap.ts_from <= cut_at
        assert gap.ts_to >= cut_at + 60 * 10**9
        assert max(connection.failures for connection in listener.feed.connections) <= 40


async def test_the_close_after_a_day_loses_nothing(name: str, eventually: Wait, tmp_path: Path) -> None:
    """Each socket is replaced before its time: as many trades heard as happened, none twice, no gap. RELIABILITY A3."""
    settings = msgspec.structs.replace(QUICK, rotate_after_s=1.0)
    recorder = Recorder(tmp_path / f"{name}.perpscope", Header(venue=name, data="demo"))
    async with (
        await serve_market(3, RATE, venue=name, symbols=("BTC", "ETH"), ts_start=START, keep_rows=100_000) as lab,
        listening(lab, name, settings=settings, recorder=recorder) as listener,
    ):
        await heard(listener, eventually)
        began_ms = await quiet(lab, listener)
        lab.clock.start()
        attempts = sum(connection.attempts for connection in listener.feed.connections)
        plans = len(listener.feed.connections)
        await eventually(
            lambda: sum(connection.attempts for connection in listener.feed.connections) >= attempts + 3 * plans
        )
        await quiet(lab, listener)
        sent = told(lab, name, began_ms)
        heard_of = [(str(trade.trade_id), trade.ts_event // 1_000_000) for trade in listener.trades]
        since = [trade for trade in heard_of if trade[1] > began_ms]
        assert len(sent) > 50
        assert sent == set(since)
        assert len(since) == len(set(since))
        # while the market is held nothing is said, and that is noticed
        assert [gap for gap in listener.gaps if gap.cause != "silent"] == []
        print(f"{name}: {len(sent)} trades over {3 * plans} planned changes, lost 0, twice 0")
    recorder.close()


async def test_one_refused_topic_costs_only_itself(name: str, eventually: Wait) -> None:
    """One topic refused in the venue's own words: named, kept apart, tried again and heard at last. RELIABILITY A7."""
    async with await serve_market(4, RATE, venue=name, symbols=("BTC", "ETH"), ts_start=START) as lab:
        async with listening(lab, name) as before:
            await heard(before, eventually)
            topic = _trades_of_eth(lab)
        lab.server.refuse_topic(topic)
        async with listening(lab, name) as listener:
            await eventually(lambda: any(gap.cause == "refused" for gap in listener.gaps))
            refused = next(gap for gap in listener.gaps if gap.cause == "refused")
            assert {stream.channel for stream in refused.streams} == {Channel.TRADES}
            assert all("ETH" in str(stream.instrument) for stream in refused.streams)
            await eventually(lambda: listener.count("mark_price") > 10 and listener.count("trade") > 10)
            await eventually(lambda: listener.books_live)
            lab.server.accept_topic(topic)
            await eventually(lambda: bool(closed(listener, "refused")))
            assert {gap.cause for gap in listener.gaps} == {"refused"}


async def test_an_acknowledged_and_mute_socket_is_replaced(name: str, eventually: Wait) -> None:
    """Acknowledged, answering pings, and without data: found by its silence, reported as a gap. RELIABILITY A5."""
    async with (
        await serve_market(5, RATE, venue=name, symbols=("BTC", "ETH"), ts_start=START) as lab,
        listening(lab, name) as listener,
    ):
        await heard(listener, eventually)
        paths = {session.path for session in lab.server.sessions}
        for path in paths:
            lab.server.mute(path)
        await eventually(lambda: any(gap.cause == "silent" for gap in listener.gaps))
        for path in paths:
            lab.server.unmute(path)
        await eventually(lambda: bool(closed(listener, "silent")) and listener.books_live)
        assert any(isinstance(event, Gap) for event in listener.told)
        assert not any(isinstance(event, Subscribed) for event in listener.told)


def _trades_of_eth(lab: Lab) -> str:
    """The topic that carries ETH's trades, as this venue's lab names it."""
    topics = [topic for session in lab.server.sessions for topic in session.topics]
    found = {topic for topic in topics if "rade" in topic and "ETH" in topic.upper()}
    assert len(found) == 1, sorted(topics)
    return found.pop()
