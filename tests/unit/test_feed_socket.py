"""The WebSocket transport against a real server on loopback: frames, fragments, limits, pings, closes, time-outs."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import picows
import pytest
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest

from perpscope.feeds.socket import PicowsConnector
from perpscope.ports import Socket

Wait = Callable[[Callable[[], bool]], Awaitable[None]]

MAX_BYTES = 1000


class Server(WSListener):
    """The venue's end of one connection."""

    def __init__(self) -> None:
        self.heard: list[tuple[WSMsgType, bytes]] = []
        self.transport: WSTransport | None = None
        self.is_gone = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.heard.append((frame.msg_type, frame.get_payload_as_bytes()))
        if frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002  # picows' signature
        self.is_gone = True

    def write(self, *frames: bytes) -> None:
        """Several frames in one write, so that they are one read."""
        assert self.transport is not None
        self.transport.underlying_transport.write(b"".join(frames))


class CountingClock:
    """Tells another time whenever it is asked."""

    def __init__(self) -> None:
        self._times = itertools.count(1)

    def now_ns(self) -> int:
        return next(self._times)


class Client:
    """What a connection has received."""

    def __init__(self, timeout_s: float = 5.0) -> None:
        self.frames: list[tuple[bytes, int]] = []
        self.bursts = 0
        self.connect = PicowsConnector(CountingClock(), timeout_s=timeout_s, max_frame_bytes=MAX_BYTES)

    def on_frame(self, raw: bytes | memoryview, ts_recv: int) -> None:
        self.frames.append((bytes(raw), ts_recv))

    def on_burst(self) -> None:
        self.bursts += 1

    async def opened(self, url: str) -> Socket:
        """Connect."""
        return await self.connect(url, self.on_frame, self.on_burst)


def text(payload: bytes) -> bytes:
    """One short unmasked text frame, RFC 6455 §5.2."""
    assert len(payload) < 126
    return bytes((0x81, len(payload))) + payload


@asynccontextmanager
async def connected(eventually: Wait) -> AsyncIterator[tuple[Server, Client, Socket]]:
    """A server and a client, connected."""
    server, client = Server(), Client()

    def welcome(_: WSUpgradeRequest) -> WSListener:
        return server

    listening = await picows.ws_create_server(welcome, "127.0.0.1", 0)
    socket = await client.opened(url_of(listening))
    await eventually(lambda: server.transport is not None)
    try:
        yield server, client, socket
    finally:
        socket.close()
        await socket.wait_closed()
        assert server.transport is not None
        server.transport.disconnect(graceful=False)
        await eventually(lambda: server.is_gone)
        listening.close()
        await listening.wait_closed()


def url_of(listening: asyncio.Server) -> str:
    """Where a server listens."""
    return f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/market/stream"


@asynccontextmanager
async def answering(raw: bytes | None) -> AsyncIterator[str]:
    """A TCP server that says something and hangs up, or takes the call and says nothing; yields its URL."""
    over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if raw is None:
            await over.wait()
        else:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(raw)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield url_of(listening)
    finally:
        over.set()
        listening.close()
        await listening.wait_closed()


async def test_text_frames_come_in_and_go_out(eventually: Wait) -> None:
    """Messages arrive whole and in order; what is sent is text."""
    async with connected(eventually) as (server, client, socket):
        socket.send(b'{"method":"SUBSCRIBE"}')
        await eventually(lambda: server.heard == [(WSMsgType.TEXT, b'{"method":"SUBSCRIBE"}')])
        server.write(text(b"one"), text(b""), text(b"two"))
        await eventually(lambda: len(client.frames) == 3)
        assert [raw for raw, _ in client.frames] == [b"one", b"", b"two"]


async def test_frames_of_one_read_are_stamped_alike(eventually: Wait) -> None:
    """They were received together: one time for all, and one wake-up; the next read has a later time."""
    async with connected(eventually) as (server, client, _):
        server.write(text(b"a"), text(b"b"), text(b"c"))
        await eventually(lambda: client.bursts == 1)
        server.write(text(b"d"))
        await eventually(lambda: client.bursts == 2)
        stamps = [ts_recv for _, ts_recv in client.frames]
        assert stamps[0] == stamps[1] == stamps[2] < stamps[3]


async def test_fragments_are_joined(eventually: Wait) -> None:
    """A message in pieces, with a ping between them, is one message."""
    async with connected(eventually) as (server, client, _):
        assert server.transport is not None
        server.transport.send(WSMsgType.TEXT, b'{"a"', fin=False)
        server.transport.send(WSMsgType.CONTINUATION, b":", fin=False)
        server.transport.send_ping(b"between")
        server.transport.send(WSMsgType.CONTINUATION, b"1}")
        server.transport.send(WSMsgType.TEXT, b"next")
        await eventually(lambda: len(client.frames) == 2)
        assert [raw for raw, _ in client.frames] == [b'{"a":1}', b"next"]


async def test_binary_messages_are_messages(eventually: Wait) -> None:
    """Some venues send JSON in binary frames."""
    async with connected(eventually) as (server, client, _):
        assert server.transport is not None
        server.transport.send(WSMsgType.BINARY, b"{}")
        await eventually(lambda: [raw for raw, _ in client.frames] == [b"{}"])


@pytest.mark.parametrize(
    "pieces",
    [1, 4],
)
async def test_a_message_over_the_limit_ends_the_connection(eventually: Wait, pieces: int) -> None:
    """In one frame or in many: memory is bounded, and nothing of it is handed over. Keeps S4-44."""
    async with connected(eventually) as (server, client, socket):
        assert server.transport is not None
        part = b"x" * (2 * MAX_BYTES // pieces)
        for number in range(pieces):
            kind = WSMsgType.TEXT if number == 0 else WSMsgType.CONTINUATION
            server.transport.send(kind, part, fin=number == pieces - 1)
        await socket.wait_closed()
        assert client.frames == []
        await eventually(lambda: server.is_gone)


async def test_pings_are_answered(eventually: Wait) -> None:
    """The venue sees a PONG with its own payload, and no frame is made of it. Keeps S2-19."""
    async with connected(eventually) as (server, client, _):
        assert server.transport is not None
        server.transport.send_ping(b"1790757203")
        await eventually(lambda: (WSMsgType.PONG, b"1790757203") in server.heard)
        assert client.frames == []


async def test_a_close_is_answered_with_its_own_code(eventually: Wait) -> None:
    """The venue says goodbye, as it does every 24 hours: the handshake is finished, and the socket is gone."""
    async with connected(eventually) as (server, _, socket):
        assert server.transport is not None
        server.transport.send_close(WSCloseCode.GOING_AWAY)
        await socket.wait_closed()
        await eventually(lambda: server.is_gone)
        assert [kind for kind, _ in server.heard] == [WSMsgType.CLOSE]
        assert server.heard[0][1][:2] == WSCloseCode.GOING_AWAY.value.to_bytes(2, "big")


async def test_a_lost_connection_is_noticed(eventually: Wait) -> None:
    """TCP cut without a word."""
    async with connected(eventually) as (server, _, socket):
        assert server.transport is not None
        server.transport.underlying_transport.abort()
        await socket.wait_closed()


async def test_a_socket_can_be_given_up(eventually: Wait) -> None:
    """`close` ends it at once, and is harmless when repeated."""
    async with connected(eventually) as (server, _, socket):
        socket.close()
        socket.close()
        await socket.wait_closed()
        await eventually(lambda: server.is_gone)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
        b"",
    ],
)
async def test_no_websocket_at_the_other_end_is_an_os_error(raw: bytes) -> None:
    """A web page, a half-made handshake, another protocol or a hang-up: all are one kind of failure."""
    async with answering(raw) as url:
        with pytest.raises(OSError, match=r"."):
            await Client().opened(url)


async def test_nobody_there_is_an_os_error() -> None:
    """A closed port refuses."""
    with pytest.raises(OSError, match=r"."):
        await Client().opened("ws://127.0.0.1:1/market/stream")


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    """The handshake has a deadline."""
    async with answering(None) as url:
        with pytest.raises(TimeoutError):
            await Client(timeout_s=0.05).opened(url)
