"""Streams that are acknowledged and say nothing: found, subscribed anew, healed; and the mute time is a gap."""

import asyncio
import os
import re
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from perpscope.app.venues import names
from perpscope.lab.ledger import Moment
from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab
from perpscope.model.market import Gap
from perpscope.model.stream import Channel, Stream
from perpscope.settings import Feed
from perpscope.stores.sqlite import SqliteReader

from .laboratory import connected, heart
from .listening import QUICK, Listener, listening

Wait = Callable[..., Awaitable[None]]

#: The lab's name of Bitcoin's trades.
TRADES = {
    "binance": "btcusdt@aggTrade",
    "bybit": "publicTrade.BTCUSDT",
    "okx": "trades:BTC-USDT-SWAP",
    "bitget": "v3:publicTrade:BTCUSDT",
    "hyperliquid": "trades:BTC",
}
#: One with a socket for each kind of data, and one where all share one: the others come with the soak.
_DAILY = ("hyperliquid",)
RATE = 5.0
#: Market time a frame may take to arrive: what was sent just before the mute is received just after it.
ON_ITS_WAY_NS = 250_000_000


def silences(listener: Listener, channel: Channel, coin: str = "BTC") -> list[Gap]:
    """What was told of a stream's silence, open and closed states apart."""
    streams = {Stream(channel, i.id) for i in listener.instruments if i.asset == coin}
    return [gap for gap in listener.gaps if gap.cause == "silent" and not streams.isdisjoint(gap.streams)]


def asked(lab: Lab, moment: Moment, words: str) -> int:
    """How often clients subscribed, or left, something."""
    return sum(mark.moment is moment and words in mark.detail for mark in lab.ledger.marks)


async def acquainted(lab: Lab, topic: str, eventually: Wait) -> None:
    """Wait until a topic has been heard for half a market minute."""
    await eventually(lambda: lab.ledger.frames_by_stream[topic] > 0)
    began = lab.clock.now_ns()
    await eventually(lambda: lab.clock.now_ns() > began + 30_000_000_000)


async def test_a_misrouted_socket_is_found_within_seven_seconds(eventually: Wait) -> None:
    """Acknowledged on the wrong route, pings answered, no data: found by the streams of BTC and ETH, then routed anew.

    Keeps B5.
    """
    async with await serve_market(11, 1.0, symbols=("BTC", "ETH", "SOL")) as lab:
        lab.server.misroute(lambda path: "public" in path)
        coins = ("BTC", "ETH", "SOL")
        async with listening(lab, "binance", coins, settings=Feed(backoff_first_s=0.05)) as listener:
            await eventually(lambda: all(silences(listener, Channel.QUOTES, coin) for coin in coins), 90.0)
            lab.server.misroute(None)
            for coin in coins:
                found = silences(listener, Channel.QUOTES, coin)[0]
                after_s = (found.ts_recv - found.ts_from) / 1e9
                print(f"misrouted: quotes of {coin} found after {after_s:.1f} market s")
                assert after_s <= (7.0 if coin in ("BTC", "ETH") else 60.0)
            await eventually(lambda: listener.count("quote") > 10)
            await eventually(lambda: silences(listener, Channel.QUOTES)[-1].ts_to is not None)
            assert not silences(listener, Channel.TRADES)


@pytest.mark.parametrize(
    "venue", [name if name in _DAILY else pytest.param(name, marks=pytest.mark.soak) for name in TRADES]
)
async def test_one_mute_topic_of_many_is_found_and_healed(eventually: Wait, venue: str) -> None:
    """One topic says nothing while its connection goes on: subscribed anew, and all it did not say lies in the gap.

    Keeps B5.
    """
    topic = TRADES[venue]
    async with await serve_market(12, RATE, venue=venue, symbols=("BTC", "ETH"), activity=20.0) as lab:
        lab.ledger.keep_truth = lambda name: name == topic
        async with listening(lab, venue) as listener:
            await acquainted(lab, topic, eventually)
            opened, left = connected(lab), asked(lab, Moment.UNSUBSCRIBE, "rade")
            muted_at = lab.clock.now_ns()
            lab.server.mute_topic(topic)
            await eventually(lambda: bool(silences(listener, Channel.TRADES)))
            found = silences(listener, Channel.TRADES)[0]
            assert [(s.channel, s.instrument) for s in found.streams] == [(Channel.TRADES, listener.instruments[0].id)]
            await eventually(lambda: asked(lab, Moment.UNSUBSCRIBE, "rade") > left)
            unmuted_at = lab.clock.now_ns()
            lab.server.unmute_topic(topic)
            await eventually(lambda: silences(listener, Channel.TRADES)[-1].ts_to is not None)
            healed = silences(listener, Channel.TRADES)[-1]
            assert connected(lab) == opened, "the connection was to stay"
            assert listener.engine.silent_streams == []
    assert healed.ts_to is not None
    lost = [told.market_ns for told in lab.ledger.truth if muted_at <= told.market_ns < unmuted_at]
    outside = [ts for ts in lost if not healed.ts_from - ON_ITS_WAY_NS <= ts <= healed.ts_to]
    early_s, late_s = (muted_at - healed.ts_from) / 1e9, (healed.ts_to - unmuted_at) / 1e9
    print(
        f"{venue}: found {(found.ts_recv - muted_at) / 1e9:.1f} market s after the mute; {len(lost)} frames were sent "
        f"to nobody, {len(outside)} outside the gap; it begins {early_s:.2f} s before the mute and ends {late_s:.2f} s "
        "after it"
    )
    assert lost
    assert not outside
    assert early_s < 5.0
    assert late_s < 10.0
    assert len(silences(listener, Channel.TRADES)) == 2  # once open, once closed
    assert listener.engine.alarms == {venue: 1}


@pytest.mark.soak
async def test_a_topic_that_stays_silent_costs_its_connection_once(eventually: Wait) -> None:
    """Subscribing anew did not help: another connection takes over without a gap, and then no more are spent on it.

    Keeps B5.
    """
    topic = TRADES["binance"]
    async with (
        await serve_market(13, RATE, symbols=("BTC", "ETH"), activity=20.0) as lab,
        listening(lab, "binance") as listener,
    ):
        await acquainted(lab, topic, eventually)
        opened = connected(lab)
        lab.server.mute_topic(topic)
        await eventually(lambda: connected(lab) == opened + 1)
        await eventually(lambda: lab.ledger.closed["client"] + lab.ledger.closed["closed by client"] > 0)
        asks = asked(lab, Moment.SUBSCRIBE, "aggTrade")
        began = time.monotonic()
        await eventually(lambda: time.monotonic() > began + 3 * QUICK.silent_after_s)
        assert (connected(lab), asked(lab, Moment.SUBSCRIBE, "aggTrade")) == (opened + 1, asks)
        lab.server.unmute_topic(topic)
        await eventually(lambda: silences(listener, Channel.TRADES)[-1].ts_to is not None)
    assert {gap.cause for gap in listener.gaps} == {"silent", "renewed"}
    assert len(silences(listener, Channel.TRADES)) == 2
    assert {stream.channel for gap in listener.gaps for stream in gap.streams} == {Channel.TRADES}


async def test_a_half_open_connection_is_found_within_ten_seconds(eventually: Wait) -> None:
    """The other end has vanished without a word: given up, replaced, and a gap for every stream of it."""
    async with (
        await serve_market(14, 1.0, symbols=("BTC",)) as lab,
        listening(lab, "binance", ("BTC",), settings=Feed(backoff_first_s=0.05)) as listener,
    ):
        await eventually(lambda: listener.books_live and listener.count("mark_price") > 1)
        opened, began = connected(lab), time.monotonic()
        lab.server.stall()
        await eventually(lambda: connected(lab) >= opened + 2)
        after_s = time.monotonic() - began
        print(f"half-open connections replaced after {after_s:.1f} s")
        assert after_s <= 10.0
        await eventually(lambda: listener.books_live)
    lost = {stream for gap in listener.gaps for stream in gap.streams}
    assert {Channel.TRADES, Channel.QUOTES, Channel.LIQUIDATIONS, Channel.CANDLES_1M} <= {s.channel for s in lost}


@pytest.mark.soak
@pytest.mark.parametrize("stopped_s", [7.0, 30.0])
async def test_a_program_that_was_stopped_blames_nobody(tmp_path: Path, eventually: Wait, stopped_s: float) -> None:
    """SIGSTOP for longer than any bound, then SIGCONT: no connection is given up, no stream called silent."""
    async with await serve_market(15, 1.0, symbols=("BTCUSDT",)) as lab:
        async with heart(lab, tmp_path / "d.db") as process:
            await eventually(lambda: lab.ledger.frames > 100)
            opened = connected(lab)
            os.kill(process.pid, signal.SIGSTOP)
            await asyncio.sleep(stopped_s)  # the fault itself, not a wait for its outcome
            os.kill(process.pid, signal.SIGCONT)
            frames = lab.ledger.frames
            await eventually(lambda: lab.ledger.frames > frames + 100)
            assert connected(lab) == opened
            process.terminate()
            await process.wait()
        with SqliteReader.open(tmp_path / "d.db") as reader:
            gaps = [row for row in reader.coverage() if row.kind == "gap"]
    log = (tmp_path / "d.log").read_text()
    lag = re.search(r"the program stood still.*?lag_s\W+([\d.]+)", log)
    assert lag is not None, log
    print(f"stopped for {stopped_s:g} s: {len(gaps)} gaps, noticed {lag.group(1)} s of standing still")
    assert float(lag.group(1)) > stopped_s - 2.0
    assert [gap for gap in gaps if gap.cause == "silent"] == []


def test_every_venue_is_tried() -> None:
    """A venue that is added gets its silent stream here as well."""
    assert set(TRADES) == set(names())
