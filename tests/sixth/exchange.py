"""The toy exchange itself, on loopback: a list, a day, what is held, and one socket with the wire of `venues/toy`.

Written after `venues/toy/wire.py`'s docstrings, not with its structs. What it sent is kept in `sent`, to be compared.
"""

import asyncio
import itertools
import json
import time
from collections import defaultdict
from typing import Any

from aiohttp import WSMsgType, web

COINS = {"BTC~": 80_000.0, "ETH~": 3_000.0}


def now_ms() -> int:
    """Milliseconds UTC."""
    return time.time_ns() // 1_000_000


class ToyExchange:
    """Opened and closed as an async context manager."""

    def __init__(self) -> None:
        self.url = ""
        self.sent: dict[str, list[dict[str, Any]]] = defaultdict(list)  #: by topic
        self._ids = itertools.count(1)
        self._books = dict.fromkeys(COINS, 0)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "ToyExchange":
        app = web.Application()
        for path, answer in (("/list", self._list), ("/day", self._day), ("/held", self._held), ("/feed", self._feed)):
            app.router.add_get(path, answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response({"contracts": [{"name": m, "tick": "0.5", "live": True} for m in COINS]})

    async def _day(self, _: web.Request) -> web.Response:
        return web.json_response({"day": {"BTC~": 5e9, "ETH~": 2e9}})

    async def _held(self, request: web.Request) -> web.Response:
        return web.json_response({"name": request.query["name"], "t": now_ms(), "lots": 1_250_000})

    async def _feed(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        topics: dict[str, None] = {}
        telling = asyncio.create_task(self._tell(socket, topics))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._hear(socket, json.loads(message.data), topics)
        finally:
            telling.cancel()
        return socket

    async def _hear(self, socket: web.WebSocketResponse, said: dict[str, Any], topics: dict[str, None]) -> None:
        for topic in said.get("what", []):
            await socket.send_json({"k": "re", "no": said["no"], "ok": True, "what": topic})
            topics.pop(topic, None)
            kind, _, name = topic.partition(":")
            if said["do"] == "join":
                topics[topic] = None
                if kind == "book":
                    await self._send(socket, topic, self._book(name, whole=True))

    async def _tell(self, socket: web.WebSocketResponse, topics: dict[str, None]) -> None:
        while True:
            for topic in list(topics):
                kind, _, name = topic.partition(":")
                await self._send(socket, topic, getattr(self, f"_{kind}")(name))
            await asyncio.sleep(0.05)

    async def _send(self, socket: web.WebSocketResponse, topic: str, told: dict[str, Any]) -> None:
        self.sent[topic].append(told)
        await socket.send_json(told)

    def _trades(self, name: str) -> dict[str, Any]:
        row = [f"x{next(self._ids)}", "b", COINS[name], 10]
        return {"k": "t", "m": name, "t": now_ms(), "x": [row]}

    def _book(self, name: str, *, whole: bool = False) -> dict[str, Any]:
        self._books[name] += 0 if whole and self._books[name] else 1
        price, lots = COINS[name], self._books[name]
        bid, ask = [[price - 0.5, lots]], [[price + 0.5, 100]]
        told = {"k": "b", "m": name, "t": now_ms(), "n": self._books[name], "whole": whole}
        return told | ({"bid": bid, "ask": ask} if whole else {"bid": bid, "ask": []})

    def _mark(self, name: str) -> dict[str, Any]:
        price, due = COINS[name], now_ms() + 3_600_000
        return {"k": "m", "m": name, "t": now_ms(), "mark": price, "index": price, "fund": 1e-4, "due": due, "hours": 8}

    def _liquidations(self, name: str) -> dict[str, Any]:
        identity = next(self._ids)
        pos = "long" if identity % 2 else "short"
        return {"k": "l", "m": name, "t": now_ms(), "id": f"z{identity}", "pos": pos, "lots": 3, "at": COINS[name]}

    def _minutes(self, name: str) -> dict[str, Any]:
        """The last whole minute, over: told again and again, to be kept once."""
        price, since = COINS[name], now_ms() // 60_000 * 60_000 - 60_000
        bar = {"o": price, "h": price + 1, "l": price - 1, "c": price, "lots": 700, "over": True}
        return {"k": "c", "m": name, "t": now_ms(), "since": since} | bar
