"""The lab's sockets as real clients meet them: acknowledgements, routes, limits, pings, lifetimes and faults."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import aiohttp
import pytest
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from perpscope.lab.allowance import Rate
from perpscope.lab.dialect import SessionRules
from perpscope.lab.ledger import Moment
from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab
from perpscope.lab.wire.binance.streams import Route

Eventually: TypeAlias = Callable[[Callable[[], bool]], Awaitable[None]]
Client: TypeAlias = aiohttp.ClientWebSocketResponse
Json: TypeAlias = Any  # decoded; the shape is what the test is about
_START = 1_795_219_200_000_000_000
_DEADLINE_S = 60.0


async def _market(**options: Json) -> Lab:
    settings: dict[str, Any] = {"symbols": ("BTCUSDT", "ETHUSDT"), "ts_start": _START, "activity": 20.0} | options
    return await serve_market(7, 60.0, **settings)


async def _heard(client: Client) -> Json:
    return json.loads((await client.receive(_DEADLINE_S)).data)


async def _until(client: Client, wanted: Callable[[Json], bool]) -> Json:
    while not wanted(heard := await _heard(client)):
        pass
    return heard


async def _ask(client: Client, **request: Json) -> Json:
    """Send a control message and read its answer, whatever data comes in between."""
    await client.send_str(json.dumps(request))
    return await _until(client, lambda frame: isinstance(frame, dict) and "e" not in frame and "stream" not in frame)


async def _closed(client: Client) -> int | None:
    """Read until the server closes; its close code."""
    while (await client.receive(_DEADLINE_S)).type is not aiohttp.WSMsgType.CLOSE:
        pass
    return client.close_code


async def test_requests_are_acknowledged_with_the_id_they_came_with() -> None:
    """Protects third-party clients: integer and string ids are echoed, for every method."""
    async with (
        await _market(is_held=True) as lab,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{lab.websocket_url}/market/stream") as client,
    ):
        assert await _ask(client, method="SUBSCRIBE", params=["btcusdt@aggTrade"], id=1) == {
            "result": None,
            "id": 1,
        }
        uuid = "7c4e6e1e-33a3-4bd2-9f42-0d1f0c0b5a11"
        assert await _ask(client, method="SUBSCRIBE", params=["x@y", "ethusdt@aggTrade"], id=uuid) == {
            "result": None,
            "id": uuid,
        }
        listed = await _ask(client, method="LIST_SUBSCRIPTIONS", id=2)
        assert listed == {"result": ["btcusdt@aggTrade", "x@y", "ethusdt@aggTrade"], "id": 2}
        await _ask(client, method="UNSUBSCRIBE", params=["x@y", "never@was"], id=3)
        assert lab.server.subscribed == 2
        assert await _ask(client, method="GET_PROPERTY", params=["combined"], id=4) == {"result": True, "id": 4}
        assert await _ask(client, method="SET_PROPERTY", params=["combined", False], id=5) == {
            "result": None,
            "id": 5,
        }
        assert await _ask(client, method="GET_PROPERTY", params=["combined"], id=6) == {"result": False, "id": 6}
        assert (await _ask(client, method="DANCE", id=7))["code"] == 2
        await client.send_str("{")
        assert (await _heard(client))["code"] == 3


async def test_payloads_come_raw_or_in_the_envelope() -> None:
    """Protects both URL forms and the `combined` property, on one stream at once."""
    async with await _market() as lab, aiohttp.ClientSession() as http:
        raw = await http.ws_connect(f"{lab.websocket_url}/public/ws/btcusdt@bookTicker/ethusdt@bookTicker")
        combined = await http.ws_connect(f"{lab.websocket_url}/public/stream?streams=btcusdt@bookTicker")
        first = await _heard(combined)
        assert first["stream"] == "btcusdt@bookTicker"
        assert first["data"] == await _until(raw, lambda frame: frame["u"] == first["data"]["u"])
        await _until(raw, lambda frame: frame["s"] == "ETHUSDT")
        await raw.send_str('{"method":"SET_PROPERTY","params":["combined",true],"id":1}')
        await _until(raw, lambda frame: "stream" in frame)
        await raw.close()
        await combined.close()


async def test_wrong_route_is_acknowledged_and_silent(eventually: Eventually) -> None:
    """Protects the trap of 2026: market streams on /public, on the un-routed socket, or unknown, never say a word."""
    async with await _market(keep_rows=10_000) as lab, aiohttp.ClientSession() as http:
        clients = []
        for path in ("/public/stream", "/stream", "/market/stream"):
            client = await http.ws_connect(lab.websocket_url + path)
            streams = ["btcusdt@aggTrade", "btcusdt@bookTicker", "btcusdt@nonsense"]
            assert (await _ask(client, method="SUBSCRIBE", params=streams, id=1))["result"] is None
            clients.append(client)
        await eventually(lambda: lab.ledger.frames_by_stream["btcusdt@aggTrade"] > 50)
        heard = {(row.connection.partition("/")[0], row.stream) for row in lab.ledger.rows}
        assert heard == {
            ("public", "btcusdt@bookTicker"),
            ("unrouted", "btcusdt@bookTicker"),
            ("market", "btcusdt@aggTrade"),
        }
        for client in clients:
            await client.close()


async def test_liquidations_carry_st_and_ps_within_the_order() -> None:
    """Protects the frame of 2026: `ps` and `st` stand inside `o`, on the all-market stream too. Keeps S1-22."""
    async with (
        await _market(activity=6.0) as lab,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{lab.websocket_url}/market/ws/!forceOrder@arr") as client,
    ):
        frame = await _heard(client)
        assert frame["e"] == "forceOrder"
        assert (frame["o"]["st"], frame["o"]["ps"]) == (1, frame["o"]["s"])
        assert frame["o"]["S"] in ("BUY", "SELL")
        assert frame["E"] - frame["o"]["T"] >= 1000


async def test_unicode_symbols_are_decoded_from_the_url() -> None:
    """Protects symbols such as 币安人生USDT: percent-encoded in the URL, plain in SUBSCRIBE."""
    async with await _market(is_held=True) as lab, aiohttp.ClientSession() as http:
        path = "/market/stream?streams=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9Fusdt@aggTrade"
        async with http.ws_connect(lab.websocket_url + path) as client:
            await _ask(client, method="SUBSCRIBE", params=["币安usdt@aggTrade"], id=1)
            listed = await _ask(client, method="LIST_SUBSCRIPTIONS", id=2)
            assert listed["result"] == ["币安人生usdt@aggTrade", "币安usdt@aggTrade"]
            assert lab.server.is_wanted("币安人生usdt@aggTrade")


async def test_eleventh_message_within_a_second_ends_the_connection(eventually: Eventually) -> None:
    """Protects the venue's limit: ten messages a second are answered, the next one costs the connection."""
    async with (
        await _market(is_held=True) as lab,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{lab.websocket_url}/market/ws") as client,
    ):
        for number in range(15):
            await client.send_str(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
        answers = [await _heard(client) for _ in range(10)]
        assert [answer["id"] for answer in answers] == list(range(10))
        assert await _closed(client) == 1008
        await eventually(lambda: lab.ledger.closed["too-many-messages"] == 1)


async def test_ten_messages_in_every_second_are_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects clients that keep to the limit: a second later ten more are answered."""
    now = [1000.0]
    monkeypatch.setattr("perpscope.lab.session.real_seconds", lambda: now[0])
    async with (
        await _market(is_held=True) as lab,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{lab.websocket_url}/market/ws") as client,
    ):
        for number in range(30):
            now[0] += 0.1
            assert (await _ask(client, method="LIST_SUBSCRIPTIONS", id=number))["id"] == number


async def test_too_many_streams_are_refused() -> None:
    """Protects the limit of streams per connection, by request and by URL."""
    async with (
        await _market(is_held=True, rules=SessionRules(topics=2)) as lab,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{lab.websocket_url}/market/ws/a@aggTrade/b@aggTrade") as client,
    ):
        refused = await _ask(client, method="SUBSCRIBE", params=["c@aggTrade"], id=1)
        assert (refused["code"], refused["id"]) == (2, 1)
        assert (await _ask(client, method="SUBSCRIBE", params=["a@aggTrade"], id=2))["result"] is None
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await http.ws_connect(f"{lab.websocket_url}/market/ws/a@trade/b@trade/c@trade")
        assert refusal.value.status == 404


class _Deaf(WSListener):
    """A client that answers no ping."""

    def __init__(self) -> None:
        self.pings = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002 (picows' signature)
        self.pings += frame.msg_type is WSMsgType.PING


async def test_pings_come_and_want_an_answer(eventually: Eventually) -> None:
    """Protects keep-alive: who answers pings stays, who does not is disconnected."""
    rules = SessionRules(ping_interval_s=0.05, pong_timeout_s=0.3, messages=Rate(100, 1.0))
    async with await _market(is_held=True, rules=rules) as lab, aiohttp.ClientSession() as http:
        polite = await http.ws_connect(f"{lab.websocket_url}/market/ws")
        reading = asyncio.ensure_future(polite.receive())
        deaf = _Deaf()
        await ws_connect(lambda: deaf, f"{lab.websocket_url}/market/ws", enable_auto_pong=False)
        await eventually(lambda: lab.ledger.closed["no-pong"] == 1)
        assert deaf.pings > 1
        assert [session.path for session in lab.server.sessions] == [Route.MARKET]
        reading.cancel()
        await polite.close()


async def test_pings_of_the_client_are_answered() -> None:
    """Protects clients that ping: the payload comes back."""
    async with await _market(is_held=True) as lab:
        transport, _ = await ws_connect(_Deaf, f"{lab.websocket_url}/market/ws", enable_auto_pong=False)
        (round_trip,) = await transport.measure_roundtrip_time(1)
        assert round_trip > 0
        transport.disconnect()
        await transport.wait_disconnected()


async def test_connection_ends_after_its_lifetime() -> None:
    """Protects the 24 h rule, made short: the server says goodbye and closes (A3)."""
    async with await _market(is_held=True, rules=SessionRules(lifetime_s=0.1)) as lab, aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{lab.websocket_url}/market/ws") as client:
            assert await _closed(client) == 1001
        assert lab.ledger.closed["lifetime"] == 1


async def test_binary_frames_are_not_understood() -> None:
    """Protects the session from what the venue does not take."""
    async with (
        await _market(is_held=True) as lab,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{lab.websocket_url}/market/ws") as client,
    ):
        await client.send_bytes(b"\x00")
        assert await _closed(client) == 1003


async def test_slow_client_is_dropped_and_counted(eventually: Eventually) -> None:
    """Protects the exchange from a client that does not read: bounded buffer, then cut, the others unharmed."""
    rules = SessionRules(buffer_bytes=200_000)
    async with await _market(rules=rules, activity=200.0) as lab, aiohttp.ClientSession() as http:
        good = await http.ws_connect(f"{lab.websocket_url}/market/ws/btcusdt@aggTrade")
        streams = "btcusdt@bookTicker/btcusdt@depth@100ms/btcusdt@depth20@100ms/btcusdt@trade"
        transport, _ = await ws_connect(_Deaf, f"{lab.websocket_url}/public/stream?streams={streams}")
        transport.underlying_transport.pause_reading()
        await eventually(lambda: lab.ledger.closed["slow-client"] == 1)
        assert (await _heard(good))["e"] == "aggTrade"
        transport.underlying_transport.abort()
        await transport.wait_disconnected()
        await good.close()


async def test_muted_connections_acknowledge_and_say_nothing(eventually: Eventually) -> None:
    """Protects the watchdog's test bench (A1): data stops, acknowledgements and pongs go on, for new sockets too."""
    async with await _market(keep_rows=1000) as lab, aiohttp.ClientSession() as http:
        lab.server.mute(Route.MARKET)
        muted = await http.ws_connect(f"{lab.websocket_url}/market/ws/btcusdt@aggTrade")
        public = await http.ws_connect(f"{lab.websocket_url}/public/ws/btcusdt@bookTicker")
        assert (await _ask(muted, method="SUBSCRIBE", params=["ethusdt@aggTrade"], id=9))["id"] == 9
        await eventually(lambda: lab.ledger.frames_by_stream["btcusdt@bookTicker"] > 20)
        assert lab.ledger.frames_by_stream["btcusdt@aggTrade"] == 0
        lab.server.unmute(Route.MARKET)
        assert (await _heard(muted))["e"] == "aggTrade"
        session = next(session for session in lab.server.sessions if session.path == Route.PUBLIC)
        lab.server.mute(session)
        before = lab.ledger.frames_by_stream["btcusdt@bookTicker"]
        trades = lab.ledger.frames_by_stream["btcusdt@aggTrade"]
        await eventually(lambda: lab.ledger.frames_by_stream["btcusdt@aggTrade"] > trades + 20)
        assert lab.ledger.frames_by_stream["btcusdt@bookTicker"] == before
        lab.server.unmute(session)
        await eventually(lambda: lab.ledger.frames_by_stream["btcusdt@bookTicker"] > before)
        await muted.close()
        await public.close()


async def test_connections_are_dropped_and_refused_on_request(eventually: Eventually) -> None:
    """Protects the reconnection's test bench (A4, A5): TCP cut without a word, handshakes refused, then welcome."""
    async with await _market(is_held=True) as lab, aiohttp.ClientSession() as http:
        client = await http.ws_connect(f"{lab.websocket_url}/market/ws")
        for _ in range(2):
            lab.server.drop_connections()
        await client.receive(_DEADLINE_S)
        assert client.close_code == 1006
        await eventually(lambda: lab.ledger.closed["dropped"] == 1)
        lab.server.refuse(2)
        for _ in range(2):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await http.ws_connect(f"{lab.websocket_url}/market/ws")
            assert refusal.value.status == 503
        lab.server.refuse(math.inf)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(f"{lab.websocket_url}/market/ws")
        lab.server.refuse(0)
        again = await http.ws_connect(f"{lab.websocket_url}/market/ws")
        assert lab.ledger.closed["refused"] == 3
        await again.close()


async def test_frames_are_lost_and_forged_on_request() -> None:
    """Protects the gap's test bench: one diff lost breaks the chain once, and any bytes can be sent."""
    async with (
        await _market() as lab,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{lab.websocket_url}/public/ws/btcusdt@depth@100ms") as client,
    ):
        last = (await _heard(client))["u"]
        lab.server.drop_next("btcusdt@depth@100ms")
        holes = 0
        for _ in range(20):
            diff = await _heard(client)
            holes += diff["pu"] != last
            last = diff["u"]
        assert holes == 1
        lab.server.send_raw("btcusdt@depth@100ms", b"\xff{garbage")
        lab.server.send_raw("nobody@listens", b"")
        while (message := await client.receive(_DEADLINE_S)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.type in (aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE)


async def test_ledger_marks_each_connections_life_in_market_time(eventually: Eventually) -> None:
    """Protects coverage checks: opening, subscribing and closing are known to the market's nanosecond."""
    async with await _market() as lab, aiohttp.ClientSession() as http:
        before = lab.clock.now_ns()
        client = await http.ws_connect(f"{lab.websocket_url}/market/ws/btcusdt@aggTrade")
        await _heard(client)
        await client.close()
        await eventually(lambda: lab.ledger.closed["client"] == 1)
        marks = list(lab.ledger.marks)
        assert [mark.moment for mark in marks] == [Moment.OPEN, Moment.SUBSCRIBE, Moment.CLOSE]
        assert marks[1].detail == "btcusdt@aggTrade"
        times = [before, *(mark.market_ns for mark in marks), lab.clock.now_ns()]
        assert times == sorted(times)
        assert not lab.server.is_wanted("btcusdt@aggTrade")


async def test_unknown_paths_are_not_found() -> None:
    """Protects clients from a socket that means nothing."""
    async with await _market(is_held=True) as lab, aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await http.ws_connect(f"{lab.websocket_url}/elsewhere")
        assert refusal.value.status == 404
