"""Servers that send one message to all their clients, again and again: ours, starlette's WebSocket, a bare picows.

python push_fan.py WAY CLIENTS: says its port, then CPU per delivery as JSON once all clients have come.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import structlog
import uvloop
from picows import WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

sys.path.append(str(Path(__file__).resolve().parents[2]))

from tests.push_load import BTC, cpu_s, line, rss_mb, say, served

from perpscope.app.face import Live
from perpscope.model.bulletin import Topic
from perpscope.settings import Web
from perpscope.web.push import Hub, routes
from perpscope.web.push.channels import message
from perpscope.web.push.wire import UVICORN

_BROADCASTS, _PER_S = 60, 20


async def fan(way: str, clients: int) -> None:
    """One message to all, `_BROADCASTS` times: CPU per delivery of one way to serve them."""
    senders: dict[str, Callable[[int], contextlib.AbstractAsyncContextManager[tuple[int, Any, Callable[[], int]]]]] = {
        "ours": _ours,
        "starlette": _starlette,
        "picows": _picows,
    }
    async with senders[way](clients) as (port, send, connected):
        say(port=port)
        while connected() < clients:
            await asyncio.sleep(0.02)
        await asyncio.sleep(1.0)
        used = cpu_s()
        for _ in range(_BROADCASTS):
            send()
            await asyncio.sleep(1 / _PER_S)
        await asyncio.sleep(0.3)
        say(us=(cpu_s() - used) / (_BROADCASTS * clients) * 1e6, rss=rss_mb())
        os._exit(0)  # a task that waits for its queue would be waited for


def _text() -> bytes:
    row = {"instrument": BTC, "mark": time.monotonic(), "padding": "x" * 230}
    return message("market:BTC", 1, 1, "delta", msgspec.json.encode({BTC: row}))


@contextlib.asynccontextmanager
async def _ours(clients: int) -> AsyncIterator[tuple[int, Callable[[], None], Callable[[], int]]]:
    live = Live(None)
    hub = Hub(Web(updates_per_s=100.0, streams=clients), live)
    task = asyncio.create_task(hub.run())
    await asyncio.sleep(0)
    (told,) = live._followers  # what a bus would call

    async with served(Starlette(routes=routes(hub)), dict(UVICORN)) as port:
        yield port, lambda: told(Topic.MARKET, BTC, line(), b""), lambda: hub.connections
    task.cancel()


@contextlib.asynccontextmanager
async def _starlette(clients: int) -> AsyncIterator[tuple[int, Callable[[], None], Callable[[], int]]]:
    """A queue and a task for each client, as it is usually done; backpressure by the server's own."""
    queues: set[asyncio.Queue[str]] = set()

    async def stream(websocket: WebSocket) -> None:
        await websocket.accept()
        queue: asyncio.Queue[str] = asyncio.Queue(64)
        queues.add(queue)
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                await websocket.send_text(await queue.get())
        queues.discard(queue)

    def send() -> None:
        text = _text().decode()
        for queue in queues:
            queue.put_nowait(text)

    app = Starlette(routes=[WebSocketRoute("/api/v1/stream", stream)])
    async with served(app, {"ws": "websockets-sansio", "ws_per_message_deflate": False}) as port:
        yield port, send, lambda: len(queues)
    del clients


@contextlib.asynccontextmanager
async def _picows(clients: int) -> AsyncIterator[tuple[int, Callable[[], None], Callable[[], int]]]:
    """A bare server: no bound on what waits, no snapshot, nothing but the frame."""
    connected: set[WSTransport] = set()

    class Server(WSListener):
        def on_ws_connected(self, transport: WSTransport) -> None:
            connected.add(transport)

        def on_ws_disconnected(self, transport: WSTransport) -> None:
            connected.discard(transport)

    def listener(request: WSUpgradeRequest) -> WSListener:
        del request
        return Server()

    def send() -> None:
        text = _text()
        for transport in connected:
            transport.send(WSMsgType.TEXT, text)

    server = await ws_create_server(listener, "127.0.0.1", 0, backlog=1024)
    async with server:
        yield server.sockets[0].getsockname()[1], send, lambda: len(connected)
        for transport in tuple(connected):
            transport.disconnect()
    del clients


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    uvloop.run(fan(sys.argv[1], int(sys.argv[2])))
