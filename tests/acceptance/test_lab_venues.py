"""What the lab does for every venue alike, met by real clients: one port, faults, lifetimes, several venues at once."""

import asyncio
import contextlib
import json
import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import aiohttp
import msgspec
import pytest

from perpscope.errors import ConfigError
from perpscope.lab.allowance import Rate
from perpscope.lab.clock import LabClock
from perpscope.lab.dialect import Goodbye, Heard, Idle, SessionRules, dialect
from perpscope.lab.ledger import Ledger
from perpscope.lab.run import serve_market, serve_markets
from perpscope.lab.running import Lab
from perpscope.lab.server import LabServer
from perpscope.lab.wire.bybit.dialogue import BybitDialogue

Eventually: TypeAlias = Callable[[Callable[[], bool]], Awaitable[None]]
Client: TypeAlias = aiohttp.ClientWebSocketResponse
Json: TypeAlias = Any  # decoded; the shape is what the test is about
_START = 1_795_219_200_000_000_000
_DEADLINE_S = 60.0
_BOOK, _TRADES = "orderbook.50.BTCUSDT", "publicTrade.BTCUSDT"


async def _bybit(**options: Json) -> Lab:
    settings: dict[str, Any] = {"symbols": ("BTC",), "ts_start": _START, "activity": 20.0, "venue": "bybit"} | options
    return await serve_market(7, 60.0, **settings)


async def _heard(client: Client) -> Json:
    return json.loads((await client.receive(_DEADLINE_S)).data)


async def _subscribed(client: Client, *topics: str) -> Json:
    await client.send_str(json.dumps({"op": "subscribe", "args": topics}))
    while "success" not in (answer := await _heard(client)):
        pass
    return answer


async def _until_silent(client: Client) -> list[Json]:
    """What had been sent before it fell silent."""
    heard = []
    with contextlib.suppress(TimeoutError):
        while True:
            heard.append(json.loads((await client.receive(0.3)).data))
    return heard


async def _closed(client: Client) -> int | None:
    while (await client.receive(_DEADLINE_S)).type is not aiohttp.WSMsgType.CLOSE:
        pass
    return client.close_code


async def test_one_port_takes_requests_and_sockets() -> None:
    """Protects clients that know one address: REST, the market clock and WebSocket on the REST port."""
    async with await _bybit() as lab, aiohttp.ClientSession() as http:
        async with http.get(f"{lab.rest_url}/v5/market/time") as reply:
            assert json.loads(await reply.read())["retCode"] == 0
        async with http.get(f"{lab.rest_url}/lab/clock") as reply:
            assert json.loads(await reply.read())["rate"] == 60.0
        async with http.ws_connect(lab.rest_url.replace("http", "ws") + "/v5/public/linear") as client:
            assert (await _subscribed(client, _BOOK))["success"]
            assert (await _heard(client))["type"] == "snapshot"
            lab.server.drop_connections()
            while (await client.receive(_DEADLINE_S)).type is aiohttp.WSMsgType.TEXT:
                pass
            assert client.close_code == 1006


async def test_nonsense_on_the_port_is_hung_up_on() -> None:
    """Protects the one port: who is no HTTP client, or says nothing at all, harms nobody."""
    async with await _bybit(is_held=True) as lab, aiohttp.ClientSession() as http:
        port = int(lab.rest_url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 100_000)
        assert await reader.read() == b""
        writer.close()
        _, silent = await asyncio.open_connection("127.0.0.1", port)
        async with http.get(f"{lab.rest_url}/v5/market/time") as reply:
            assert reply.status == 200
        silent.close()


async def test_stalled_connections_stay_open_and_say_nothing(eventually: Eventually) -> None:
    """Protects the half-open test bench: TCP stays, no data, no pong, no answer; a new connection is served."""
    async with await _bybit() as lab, aiohttp.ClientSession() as http:
        client = await http.ws_connect(f"{lab.websocket_url}/v5/public/linear")
        await _subscribed(client, _TRADES)
        await _heard(client)
        lab.server.stall()
        sent = lab.ledger.frames
        other = await http.ws_connect(f"{lab.websocket_url}/v5/public/linear")
        await _subscribed(other, _TRADES)
        await client.send_str('{"op":"ping"}')
        await eventually(lambda: lab.ledger.frames > sent + 50)
        assert lab.ledger.closed == {}
        heard = await _until_silent(client)
        assert all("success" not in frame for frame in heard)
        assert lab.server.connections == 2
        lab.server.drop_connections()
        await client.close()
        await other.close()


async def test_one_topic_is_muted_and_the_rest_goes_on() -> None:
    """Protects the topic watchdog's test bench: one topic is silent on a connection that is lively."""
    async with (
        await _bybit() as lab,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{lab.websocket_url}/v5/public/linear") as client,
    ):
        lab.server.mute_topic(_BOOK)
        assert (await _subscribed(client, _BOOK, _TRADES))["success"]
        topics = [(await _heard(client))["topic"] for _ in range(50)]
        assert set(topics) == {_TRADES}
        lab.server.unmute_topic(_BOOK)
        while (await _heard(client))["topic"] != _BOOK:
            pass


async def test_a_refused_topic_is_refused_in_the_venues_words() -> None:
    """Protects the refusal's test bench: the venue's own error, until it is taken back."""
    async with (
        await _bybit(is_held=True) as lab,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{lab.websocket_url}/v5/public/linear") as client,
    ):
        lab.server.refuse_topic(_BOOK)
        refused = await _subscribed(client, _BOOK)
        assert (refused["success"], refused["ret_msg"]) == (False, f"error:handler not found,topic:{_BOOK}")
        lab.server.accept_topic(_BOOK)
        assert (await _subscribed(client, _BOOK))["success"]


@pytest.mark.parametrize(
    ("venue", "path", "code"), [("binance", "/market/ws", 1001), ("bybit", "/v5/public/linear", 1000)]
)
async def test_connections_expire_on_request(venue: str, path: str, code: int) -> None:
    """Protects the rotation's test bench: each venue's goodbye, now; only where asked for."""
    async with (
        await serve_market(7, venue=venue, ts_start=_START, is_held=True) as lab,
        aiohttp.ClientSession() as http,
    ):
        client = await http.ws_connect(lab.websocket_url + path)
        lab.server.expire("elsewhere")
        assert lab.server.connections == 1
        lab.server.expire()
        assert await _closed(client) == code
        assert lab.ledger.closed["lifetime"] == 1


@pytest.mark.parametrize("idle", list(Idle), ids=[idle.value for idle in Idle])
async def test_silence_ends_a_connection(idle: Idle) -> None:
    """Protects the venues' rules of silence: whoever keeps it is closed, a client that pings stays."""
    rules = SessionRules(idle_timeout_s=0.4, idle=idle)
    async with await _bybit(is_held=True, rules=rules) as lab, aiohttp.ClientSession() as http:
        polite = await http.ws_connect(f"{lab.websocket_url}/v5/public/linear")
        silent = await http.ws_connect(f"{lab.websocket_url}/v5/public/linear")
        gone = asyncio.ensure_future(_closed(silent))
        while not gone.done():
            await polite.send_str('{"op":"ping"}')
            assert (await _heard(polite))["ret_msg"] == "pong"
        assert lab.server.connections == 1
        assert lab.ledger.closed["idle"] == 1
        await polite.close()


async def test_connections_are_limited() -> None:
    """Protects clients' connection budgets: too many at once, or too fast, are turned away with 429."""
    rules = SessionRules(connections=2, connects=Rate(3, 60.0))
    async with await _bybit(is_held=True, rules=rules) as lab, aiohttp.ClientSession() as http:
        url = f"{lab.websocket_url}/v5/public/linear"
        clients = [await http.ws_connect(url) for _ in range(2)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await http.ws_connect(url)
        assert refusal.value.status == 429
        for client in clients:
            await client.close()
        await (await http.ws_connect(url)).close()
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(url)
        assert lab.ledger.closed["too-many-connections"] == 2


@pytest.mark.parametrize(
    ("venue", "path", "status"), [("binance", "/fapi/v1/time", 429), ("bybit", "/v5/market/time", 200)]
)
async def test_requests_are_throttled_on_request(venue: str, path: str, status: int) -> None:
    """Protects the poller's test bench: so many replies say that it is too much, then all is well."""
    async with (
        await serve_market(7, venue=venue, ts_start=_START, is_held=True) as lab,
        aiohttp.ClientSession() as http,
    ):
        lab.rest.throttle(2)
        codes = []
        for _ in range(3):
            async with http.get(lab.rest_url + path) as reply:
                codes.append((reply.status, json.loads(await reply.read())))
        assert [code for code, _ in codes] == [status, status, 200]
        assert codes[0][1].get("retCode", -1003) in (10006, -1003)
        assert codes[2][1].get("retCode", 0) == 0
        lab.rest.throttle(math.inf)


async def test_several_venues_run_on_one_clock(eventually: Eventually) -> None:
    """Protects the demo of several venues: one time, each its own wire, prices near each other."""
    async with (
        await serve_markets(
            7, 60.0, venues=("binance", "bybit"), symbols=("BTC",), ts_start=_START, is_held=True
        ) as labs,
        aiohttp.ClientSession() as http,
    ):
        assert list(labs.by_venue) == ["binance", "bybit"]
        labs.start()
        await eventually(lambda: labs["bybit"].ledger.events["MarkPrice"] > 30)
        assert abs(labs["binance"].clock.now_ns() - labs["bybit"].clock.now_ns()) < 10**9
        async with http.get(f"{labs['binance'].rest_url}/fapi/v1/premiumIndex?symbol=BTCUSDT") as reply:
            mark = float(json.loads(await reply.read())["markPrice"])
        async with http.get(f"{labs['bybit'].rest_url}/v5/market/tickers?category=linear&symbol=BTCUSDT") as reply:
            (ticker,) = json.loads(await reply.read())["result"]["list"]
        assert float(ticker["markPrice"]) == pytest.approx(mark, rel=0.005)


async def test_unknown_venues_are_named_with_the_choice() -> None:
    """Protects the user's typing, and leaves no venue open that was opened before it."""
    with pytest.raises(ConfigError, match="nowhere") as raised:
        await serve_markets(7, venues=("binance", "nowhere"))
    assert "bybit" in (raised.value.hint or "")


async def test_rules_of_a_venue_can_be_overridden() -> None:
    """Protects tests of limits: rules given are the ones dialogues see."""
    async with await serve_market(7, ts_start=_START, is_held=True) as lab:
        assert lab.server.rules.topics == 1024
    rules = msgspec.structs.replace(lab.server.rules, topics=1)
    async with await serve_market(7, ts_start=_START, is_held=True, rules=rules) as lab:
        assert lab.server.rules.topics == 1


class _Leaving(BybitDialogue):
    """A dialogue that gives notice, and that closes the connection of whoever says goodbye."""

    def notice(self) -> bytes | None:
        """As some venues do."""
        return b'{"success":true,"event":"notice"}'

    def hear(self, message: bytes, now_s: float) -> Heard:
        """Close on one word."""
        return Heard((), goodbye=Goodbye(1008, b"enough")) if message == b"bye" else super().hear(message, now_s)


async def test_notice_comes_before_the_end_of_a_connections_life() -> None:
    """Protects rotation ahead of a forced close: the notice, data until the end, and then the goodbye."""
    rules = SessionRules(lifetime_s=0.3, notice_s=0.2)
    wire = msgspec.structs.replace(dialect("bybit"), dialogue=lambda _, floor: _Leaving(floor))
    clock = LabClock(_START)
    server = LabServer(clock, Ledger(clock), wire, rules)
    url = await server.start()
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as client:
        assert (await _heard(client))["event"] == "notice"
        await client.send_str('{"op":"ping"}')
        assert (await _heard(client))["ret_msg"] == "pong"
        assert await _closed(client) == 1000
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as client:
        await client.send_str("bye")
        assert await _closed(client) == 1008
    assert dict(server.ledger.closed) == {"lifetime": 1, "dialogue": 1}
    await server.aclose()
