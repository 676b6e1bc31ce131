"""Playing a tape through the lab's sockets. The tape is made by hand after the venue's documentation."""

import gzip
import json
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import pytest
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from perpscope.errors import DataError
from perpscope.lab.clock import NS_PER_MS
from perpscope.lab.dialect import SessionRules
from perpscope.lab.playback import Playback
from perpscope.lab.run import serve_playback
from perpscope.lab.running import Lab
from perpscope.lab.tape import TapedFrame

Eventually: TypeAlias = Callable[[Callable[[], bool]], Awaitable[None]]
_START = 1_723_161_255_000_000_000
_DEADLINE_S = 60.0


def _diff(number: int) -> str:
    return (
        f'{{"e":"depthUpdate","E":{number},"T":{number},"s":"BTCUSDT","U":{number * 10 + 1},"u":{number * 10 + 9},'
        f'"pu":{number * 10 - 1},"b":[["61800.20","{number}.000"]],"a":[["61800.30","1.000"]]}}'
    )


def _tape(diffs: int = 20) -> list[TapedFrame]:
    """Diffs each 10 ms, a trade and a stray acknowledgement on another connection, the snapshot in the middle."""
    frames: list[TapedFrame] = [("market", _START, b'{"result":null,"id":1}')]
    for number in range(1, diffs + 1):
        ts = _START + number * 10 * NS_PER_MS
        frames.append(("public", ts, f'{{"stream":"btcusdt@depth@0ms","data":{_diff(number)}}}'.encode()))
        if number == diffs // 2:
            trade = b'{"e":"aggTrade","s":"BTCUSDT","a":5,  "p":"61800.20","q":"0.010"}'
            frames.append(("market", ts + 1, trade))
            levels = '"bids":[["61800.20","3"]],"asks":[["61800.30","1"]]'
            reply = f'{{"lastUpdateId":{(number - 2) * 10 + 5},"E":9,"T":9,{levels}}}'
            frames.append(("rest", ts + 2, reply.encode()))
    return frames


async def _depth(http: aiohttp.ClientSession, lab: Lab) -> tuple[int, Any]:
    async with http.get(f"{lab.rest_url}/fapi/v1/depth?symbol=BTCUSDT&limit=5") as reply:
        return reply.status, json.loads(await reply.read())


@pytest.mark.parametrize("rate", [1.0, 60.0, math.inf])
async def test_tape_is_played_to_its_subscribers_at_any_rate(rate: float) -> None:
    """Protects playback: recorded names serve today's, payload bytes are untouched, in order, none lost."""
    async with await serve_playback(_tape(), rate, start_when=2) as lab, aiohttp.ClientSession() as http:
        assert not lab.clock.is_running
        assert lab.clock.now_ns() == _START
        assert await _depth(http, lab) == (
            503,
            {"code": -1001, "msg": "Internal error; unable to process your request. Please try again."},
        )
        combined = await http.ws_connect(f"{lab.websocket_url}/public/stream?streams=btcusdt@depth@100ms")
        raw = await http.ws_connect(f"{lab.websocket_url}/market/ws/btcusdt@aggTrade")
        await lab.finished()
        heard = [(await combined.receive(_DEADLINE_S)).data for _ in range(20)]
        assert heard == [f'{{"stream":"btcusdt@depth@100ms","data":{_diff(number)}}}' for number in range(1, 21)]
        trade = (await raw.receive(_DEADLINE_S)).data
        assert trade == '{"e":"aggTrade","s":"BTCUSDT","a":5,  "p":"61800.20","q":"0.010"}'
        status, book = await _depth(http, lab)
        assert (status, book["lastUpdateId"]) == (200, 209)
        assert (book["bids"], book["asks"]) == ([["61800.20", "20.000"]], [["61800.30", "1.000"]])
        assert isinstance(lab.source, Playback)
        assert lab.source.played == Counter(stream=21, snapshot=1, skipped=1)
        assert lab.clock.now_ns() >= _START + 200 * NS_PER_MS
        await combined.close()
        await raw.close()


async def test_tape_waits_until_it_is_told_to_start() -> None:
    """Protects tests that prepare first: only `start` begins, and time is held till then."""
    async with (
        await serve_playback(_tape(2), 60.0) as lab,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{lab.websocket_url}/public/ws/btcusdt@depth") as client,
    ):
        async with http.get(f"{lab.rest_url}/lab/clock") as reply:
            anchor = json.loads(await reply.read())
        assert (anchor["market_ns"], anchor["is_running"]) == (_START, False)
        lab.start()
        assert (await client.receive(_DEADLINE_S)).data == _diff(1)


async def test_tape_knows_what_it_trades() -> None:
    """Protects clients that read the catalogue first: symbols and ticks come off the tape; it has no history."""
    async with await serve_playback(_tape(), 60.0) as lab, aiohttp.ClientSession() as http:
        async with http.get(f"{lab.rest_url}/fapi/v1/exchangeInfo") as reply:
            (symbol,) = json.loads(await reply.read())["symbols"]
        assert (symbol["symbol"], symbol["filters"][0]["tickSize"]) == ("BTCUSDT", "0.01")
        async with http.get(f"{lab.rest_url}/fapi/v1/klines?symbol=BTCUSDT&interval=1m") as reply:
            assert await reply.read() == b"[]"
        for path in ("premiumIndex", "ticker/24hr"):
            async with http.get(f"{lab.rest_url}/fapi/v1/{path}") as reply:
                assert await reply.read() == b"[]"
            async with http.get(f"{lab.rest_url}/fapi/v1/{path}?symbol=BTCUSDT") as reply:
                assert reply.status == 503


async def test_empty_tape_is_refused() -> None:
    """Protects the user from a playback that never begins."""
    with pytest.raises(DataError, match="no frames"):
        await serve_playback([])


class _Sleepy(WSListener):
    """A client that reads only when told."""

    def __init__(self) -> None:
        self.frames = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002 (picows' signature)
        self.frames += frame.msg_type is WSMsgType.TEXT


async def _connected(url: str) -> tuple[WSTransport, _Sleepy]:
    client = _Sleepy()
    transport, _ = await ws_connect(lambda: client, url)
    return transport, client


async def test_unpaced_tape_waits_for_slow_clients(eventually: Eventually) -> None:
    """Protects playbacks at full speed: clients that stop reading stop the tape, and nothing is lost."""
    big = b'{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","x":"' + b"x" * 10_000 + b'"}}'
    taken = 0

    def frames() -> Iterator[TapedFrame]:
        nonlocal taken
        for number in range(6_000):
            taken = number
            yield "public", _START + number, big

    rules = SessionRules(buffer_bytes=500_000)
    async with await serve_playback(frames(), math.inf, start_when=2, rules=rules) as lab:
        first, one = await _connected(f"{lab.websocket_url}/public/ws/btcusdt@bookTicker")
        second, other = await _connected(f"{lab.websocket_url}/public/ws/btcusdt@bookTicker")
        for transport in (first, second):
            transport.underlying_transport.pause_reading()
        await eventually(lambda: lab.server.slow == 2)
        first.underlying_transport.resume_reading()
        await eventually(lambda: lab.server.slow == 1)
        assert taken < 5_999
        second.underlying_transport.resume_reading()
        await lab.finished()
        await eventually(lambda: one.frames == other.frames == 6_000)
        assert lab.ledger.closed["slow-client"] == 0


@pytest.mark.soak
async def test_recorded_session_is_played_whole(recordings: Path, eventually: Eventually) -> None:
    """Protects playback of a real session: 93,953 frames reach their subscribers; the book is known."""

    def tape() -> Iterator[TapedFrame]:
        with gzip.open(recordings / "wire" / "binance" / "usdm_btcusdt_20240808.gz") as lines:
            for line in lines:
                ts, _, frame = line.rstrip(b"\n").partition(b" ")
                yield "recorded", int(ts), frame

    async with await serve_playback(tape(), math.inf, start_when=3) as lab, aiohttp.ClientSession() as http:
        streams = "btcusdt@bookTicker/btcusdt@trade/btcusdt@depth@100ms"
        transport, client = await _connected(f"{lab.websocket_url}/public/stream?streams={streams}")
        await lab.finished()
        await eventually(lambda: client.frames == 93_953)
        assert isinstance(lab.source, Playback)
        assert lab.source.played == Counter(stream=93_953, snapshot=1)
        status, book = await _depth(http, lab)
        assert status == 200
        assert float(book["bids"][0][0]) < float(book["asks"][0][0])
        transport.disconnect()
        await transport.wait_disconnected()
