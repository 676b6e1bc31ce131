"""Push as clients meet it: real sockets, a real server, with our hands on the transport and without."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from perpscope.model.bulletin import Topic
from perpscope.model.market import Candle, Gap, Interval
from perpscope.model.stream import Channel, Stream
from perpscope.settings import Web
from perpscope.web.push import client as pushed_client
from perpscope.web.push.wire import UVICORN
from tests.pushing import BTC, ETH, NOW, STATUS, STOCK, Follower, Heart, line, pushing

Wait = Callable[[Callable[[], bool]], Awaitable[None]]
EITHER = pytest.mark.parametrize("how", [UVICORN, STOCK], ids=["ours", "any-server"])

HANDSHAKE = (
    "GET /api/v1/stream?channels=liquidations HTTP/1.1\r\nHost: {where}\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Reader(Follower):
    """A client that reads all the time."""

    def __init__(self, connection: ClientConnection) -> None:
        super().__init__()
        self.connection = connection
        self.reading = asyncio.create_task(self._read())
        self.closed: tuple[int | None, str] | None = None

    async def _read(self) -> None:
        try:
            while True:
                self.take(await self.connection.recv())
        except ConnectionClosed as closed:
            self.closed = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (None, "")

    async def says(self, op: str, *channels: str) -> None:
        """Send a message."""
        await self.connection.send(msgspec.json.encode({"op": op, "channels": list(channels)}).decode())


@asynccontextmanager
async def reading(where: str, channels: str, path: str = "/api/v1/stream") -> AsyncIterator[Reader]:
    """A client of these channels."""
    async with connect(f"ws://{where}{path}?channels={channels}" if channels else f"ws://{where}{path}") as connection:
        reader = Reader(connection)
        try:
            yield reader
        finally:
            reader.reading.cancel()
            await asyncio.gather(reader.reading, return_exceptions=True)
    assert reader.wrong == []


@EITHER
async def test_a_client_is_told_the_whole_and_then_what_changes(how: Mapping[str, object], eventually: Wait) -> None:
    """One snapshot for each channel, then deltas; a state by its members, events as rows with their label.

    Keeps S0-39, S0-43.
    """
    heart = Heart()
    async with pushing(heart, how) as (_, where):
        heart.tells(Topic.STATUS, STATUS, "heart")
        heart.tells(Topic.MARKET, line(1), BTC)
        await eventually(lambda: heart.live.version == 2)
        async with reading(where, "status,market:BTC,market,liquidations,candles:BTC-USDT-PERP.BINANCE,gaps") as told:
            await eventually(lambda: len(told.seq) == 6)
            assert told.state["market"] == told.state["market:BTC"]
            assert told.state["market:BTC"][BTC]["mark"] == 1.0
            assert told.state["status"]["heart_state"] == "live"
            assert told.state["status"]["data"] == "demo"
            assert "database" not in told.state["status"]
            heart.tells(Topic.MARKET, line(2), BTC)
            heart.tells(Topic.MARKET, line(3, ETH), ETH)
            heart.liquidations([1, 2])
            await eventually(lambda: told.seq["liquidations"] == 2 and len(told.state["market"]) == 2)
            assert set(told.state["market:BTC"]) == {BTC}
            assert told.state["market:BTC"][BTC]["mark"] == 2.0
            first = told.rows["liquidations"][0]
            assert (first["coin"], first["size"], first["usd"]) == ("BTC", 1.0, 60_000.0)
            assert (first["completeness"], first["sampling"], first["data"]) == ("sampled", "largest_1s", "demo")
            assert (first["time_ms"], first["side"]) == (NOW // 1_000_000 + 1, "LONG")


async def test_candles_and_gaps_are_told(eventually: Wait) -> None:
    """The candle that forms, the newest that is closed, and what was not seen."""
    heart = Heart()
    forming = Candle(BTC, NOW, NOW, Interval.M1, NOW, 1, 3, 1, 2, 5, None, None, None, None, is_closed=False)
    gap = Gap("bybit", (Stream(Channel.TRADES, ETH),), NOW, None, "disconnect", NOW)
    async with pushing(heart) as (_, where), reading(where, f"candles:{BTC},gaps") as told:
        await eventually(lambda: len(told.seq) == 2)
        heart.tells(Topic.MARKET, msgspec.structs.replace(line(1), candle=forming), BTC)
        heart.tells(Topic.EVENTS, [msgspec.structs.replace(forming, is_closed=True), gap])
        await eventually(lambda: "1m_closed" in told.state[f"candles:{BTC}"] and bool(told.rows["gaps"]))
        assert told.state[f"candles:{BTC}"]["1m"]["close"] == 2
        assert told.rows["gaps"][0]["streams"] == [f"trades {ETH}"]
        assert told.rows["gaps"][0]["to_ms"] is None


async def test_liquidations_can_be_asked_for_by_size_and_symbol(eventually: Wait) -> None:
    """A channel of its own for each, with numbers of its own; what was before comes with the snapshot."""
    heart = Heart()
    async with pushing(heart) as (hub, where):
        heart.liquidations([1], usd=1_000.0)
        heart.liquidations([2], usd=90_000.0)
        heart.liquidations([3], ETH, 90_000.0)
        await eventually(lambda: hub.tape.seq == 3)
        async with reading(where, "liquidations@50000,liquidations:btc,liquidations:BTC@50000.0") as told:
            await eventually(lambda: len(told.seq) == 3)
            assert [row["size"] for row in told.rows["liquidations@50000"]] == [2.0, 3.0]
            assert [row["size"] for row in told.rows["liquidations:BTC"]] == [1.0, 2.0]
            assert [row["size"] for row in told.rows["liquidations:BTC@50000"]] == [2.0]
            heart.liquidations([4], usd=60_000.0)
            await eventually(lambda: all(rows[-1]["size"] == 4.0 for rows in told.rows.values()))
            assert set(told.seq.values()) == {1}


@EITHER
async def test_what_there_is_not_is_answered_by_name(how: Mapping[str, object], eventually: Wait) -> None:
    """An unknown channel, a message that is none, too many channels: told as errors, and the stream goes on."""
    heart = Heart()
    async with pushing(heart, how) as (_, where), reading(where, "nonsense,gaps") as told:
        await eventually(lambda: len(told.errors) == 1)
        assert told.errors[0]["code"] == "channel-unknown"
        assert told.errors[0]["channel"] == "nonsense"
        for name in ("candles:BTC", "map:BTC", "market@5", "status:BTC", "gaps:x y", "a" * 3000):
            await told.says("subscribe", name)
        await told.connection.send("{")
        await told.connection.send('{"op":"shout","channels":[]}')
        await eventually(lambda: len(told.errors) == 9)
        assert [error["code"] for error in told.errors[1:]] == ["channel-unknown"] * 6 + ["message-invalid"] * 2
        await told.says("subscribe", *(f"market:C{n}" for n in range(70)))
        await eventually(lambda: told.errors[-1]["code"] == "channels-too-many")
        await eventually(lambda: len(told.seq) == 64)


async def test_a_client_may_leave_a_channel_and_ask_for_the_whole_again(eventually: Wait) -> None:
    """After unsubscribing nothing more comes; subscribing again brings a snapshot."""
    heart = Heart()
    async with pushing(heart) as (hub, where), reading(where, "market:BTC,liquidations") as told:
        await eventually(lambda: len(told.seq) == 2)
        await told.says("unsubscribe", "market:btc")
        heart.tells(Topic.MARKET, line(1), BTC)
        heart.liquidations([1])
        await eventually(lambda: told.seq["liquidations"] == 1)
        assert told.state["market:BTC"] == {}
        told.rows["liquidations"] = []
        await told.says("subscribe", "liquidations", "market:BTC")
        await eventually(lambda: bool(told.rows["liquidations"]) and bool(told.state["market:BTC"]))
        assert hub.connections == 1


@EITHER
async def test_updates_are_coalesced_to_the_newest(how: Mapping[str, object], eventually: Wait) -> None:
    """A thousand changes within a moment are a few messages, and the last is the newest."""
    heart = Heart()
    async with pushing(heart, how, Web(updates_per_s=5.0)) as (_, where), reading(where, "market:BTC") as told:
        await eventually(lambda: bool(told.seq))
        began = time.monotonic()
        for number in range(1, 1001):
            heart.tells(Topic.MARKET, line(number), BTC)
            if number % 100 == 0:
                await asyncio.sleep(0)
        await eventually(lambda: bool(told.state["market:BTC"]) and told.state["market:BTC"][BTC]["mark"] == 1000.0)
        assert told.seq["market:BTC"] <= 2 + 5 * (time.monotonic() - began)


async def test_a_silent_heart_is_told_by_the_status(eventually: Wait) -> None:
    """Gone with its bus, and back with it: the channel says so by itself, nobody has to ask. Keeps G5."""
    heart = Heart()
    async with pushing(heart) as (_, where):
        heart.tells(Topic.STATUS, STATUS, "heart")
        await eventually(lambda: heart.live.status is not None)
        async with reading(where, "status") as told:
            await eventually(lambda: bool(told.state))
            heart.is_connected = False
            await eventually(lambda: told.state["status"]["heart_state"] == "gone")
            heart.is_connected = True
            heart.tells(Topic.STATUS, STATUS, "heart")
            await eventually(lambda: told.state["status"]["heart_state"] == "live")


@EITHER
async def test_a_client_that_reads_nothing_is_closed_and_others_go_on(
    how: Mapping[str, object], eventually: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for it is bounded, then it is cut off; a neighbour gets every row meanwhile. Keeps G1."""
    monkeypatch.setattr(pushed_client, "STALLED_S", 1.0)
    monkeypatch.setattr("perpscope.web.push.websocket.STALLED_S", 1.0)
    monkeypatch.setattr("perpscope.web.push.websocket._GRACE_S", 0.5)
    heart = Heart()
    async with pushing(heart, how, Web(backlog_kb=64, updates_per_s=50.0)) as (hub, where), AsyncExitStack() as stack:
        told = await stack.enter_async_context(reading(where, "liquidations"))
        host, port = where.split(":")
        silent = socket.socket()
        stack.callback(silent.close)
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.connect((host, int(port)))
        silent.sendall(HANDSHAKE.format(where=where).encode())
        await eventually(lambda: hub.connections == 2)
        number, deadline = 1, time.monotonic() + 60
        while hub.connections == 2 and time.monotonic() < deadline:
            heart.liquidations(range(number, number + 50))
            number += 50
            await asyncio.sleep(0.01)
        assert hub.connections == 1
        assert hub.closed_slow == 1
        await eventually(lambda: told.seq.get("liquidations") == number - 1)
        assert told.dropped["liquidations"] == 0


@EITHER
async def test_a_thousand_connections_that_come_and_go_leave_nothing(
    how: Mapping[str, object], eventually: Wait
) -> None:
    """No task, no client, no channel, no descriptor stays. Keeps G2."""
    await come_and_go(1_000, how, eventually)


async def come_and_go(times: int, how: Mapping[str, object], eventually: Wait) -> None:
    """Connect and leave so often, in every way there is: a goodbye, a slammed door, an event stream."""
    heart = Heart()
    async with pushing(heart, how) as (hub, where):
        host, port = where.split(":")

        async def once(number: int) -> None:
            if number % 3 == 2:
                stream, writer = await asyncio.open_connection(host, int(port))
                writer.write(f"GET /api/liquidations/real-time HTTP/1.1\r\nHost: {where}\r\n\r\n".encode())
                await stream.readuntil(b"retry")
                writer.close()
                return
            connection = await connect(f"ws://{where}/api/v1/stream?channels=market:C{number},status,liquidations")
            await connection.recv()
            if number % 3:
                connection.transport.abort()
            else:
                await connection.close()

        await asyncio.gather(*(once(number) for number in range(12)))
        await eventually(lambda: hub.connections == 0)
        tasks, files = len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd")) if Path("/proc").exists() else 0
        for start in range(0, times, 20):
            heart.liquidations([1])
            await asyncio.gather(*(once(start + number) for number in range(20)))
        await eventually(lambda: hub.connections == 0)
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks)
        if files:
            await eventually(lambda: len(os.listdir("/proc/self/fd")) <= files)
        assert hub.channels == ["liquidations", "gaps", "signals"]


async def test_no_more_streams_are_opened_than_allowed(eventually: Wait) -> None:
    """The next one is refused with 503 and a problem that has a name."""
    heart = Heart()
    async with pushing(heart, web=Web(streams=1)) as (hub, where):
        async with reading(where, "gaps"):
            await eventually(lambda: hub.connections == 1)
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://{where}/api/v1/stream")
            response = refused.value.response
            assert response.status_code == 503
            assert response.headers["retry-after"] == "5"
            assert msgspec.json.decode(response.body or b"")["code"] == "streams-full"
        await eventually(lambda: hub.connections == 0)
        async with reading(where, "gaps") as told:
            await eventually(lambda: bool(told.seq))


@EITHER
async def test_a_client_that_says_too_much_is_closed(how: Mapping[str, object], eventually: Wait) -> None:
    """A message beyond 4 kB, or a hundred messages at once, end the connection with a code. Security S21."""
    heart = Heart()
    async with pushing(heart, how) as (_, where):
        async with reading(where, "gaps") as told:
            await told.connection.send("x" * 5_000)
            await eventually(lambda: told.closed is not None)
            assert told.closed is not None
            assert told.closed[0] == 1009
        async with reading(where, "gaps") as told:
            for _ in range(101):
                await told.says("subscribe", "gaps")
            await eventually(lambda: told.closed is not None)
            assert told.closed == (4429, "more than 100 messages in 10 s")


async def test_an_odd_url_is_refused_before_anything_is_accepted() -> None:
    """A name the stream does not know is 422, as everywhere."""
    async with pushing(Heart()) as (_, where):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{where}/api/v1/stream?channel=status")
        assert refused.value.response.status_code == 422
