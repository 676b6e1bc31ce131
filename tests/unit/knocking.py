"""A request at the guard's door without a socket, and the room behind it."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from starlette import types as asgi

from perpscope.app import api_keys, key_file
from perpscope.app.api_keys import ApiKeys, Scope
from perpscope.feeds.clock import wall_ns
from perpscope.settings import Web
from perpscope.web.guard import Demand, Guard
from perpscope.web.tickets import Tickets

HOST = ("host", "127.0.0.1:8000")
#: A service that others reach, through a proxy that ends TLS; and what that proxy adds.
OPEN = Web(host="0.0.0.0", behind_proxy=True, hosts=("desk.example",), proxies=("10.0.0.1",))
BY_PROXY = (("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https"))


class Told(msgspec.Struct):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Of the problem."""
        assert self.headers["content-type"] == "application/problem+json"
        return str(json.loads(self.body)["code"])


class Room:
    """Behind the guard: answers 200, reads what it is sent, and remembers who came."""

    def __init__(self) -> None:
        self.scopes: list[asgi.Scope] = []
        self.messages: list[asgi.Message] = []

    @property
    def grant(self) -> api_keys.Grant | None:
        """Of who came last."""
        grant: api_keys.Grant | None = self.scopes[-1]["state"]["grant"]
        return grant

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer."""
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            self.messages.append(await receive())
            await send({"type": "websocket.accept"})
            return
        while (message := await receive()).get("more_body"):
            self.messages.append(message)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"in"})


class Door:
    """A guard, its keys, its tickets and the room behind it.

    Args:
        folder: for the file of keys.
        web: settings.
        demands: of paths.
    """

    def __init__(self, folder: Path, web: Web | None = None, demands: dict[str, Demand] | None = None) -> None:
        self.now = 1000.0
        self.path = folder / "api-keys.json"
        self.keys = ApiKeys(self.path, monotonic=lambda: self.now)
        self.tickets = Tickets(monotonic=lambda: self.now)
        self.room = Room()
        web = web or Web()
        self.guard = Guard(self.room, web, self.keys, tickets=self.tickets, demands=demands, monotonic=lambda: self.now)

    def key(self, *scopes: Scope, days: float | None = None) -> tuple[str, str]:
        """A new key: its id and text."""
        made, text = key_file.add(self.path, label="", scopes=scopes, days=days, now_ns=wall_ns())
        self.now += 1.0
        return made.id, text

    def through(
        self,
        path: str = "/api/status",
        *headers: tuple[str, str],
        method: str = "GET",
        query: str = "",
        websocket: bool = False,
    ) -> Told:
        """One request through the proxy that is believed."""
        return self.knock(
            path,
            *BY_PROXY,
            *headers,
            method=method,
            query=query,
            client="10.0.0.1",
            host=("host", "desk.example"),
            websocket=websocket,
        )

    def knock(
        self,
        path: str = "/api/status",
        *headers: tuple[str, str],
        method: str = "GET",
        query: str = "",
        client: str | None = "127.0.0.1",
        scheme: str = "http",
        host: tuple[str, str] | None = HOST,
        body: Sequence[bytes] = (b"",),
        websocket: bool = False,
        frame: dict[str, Any] | None = None,
    ) -> Told:
        """One request; without a socket, a refused WebSocket is answered as HTTP is, an accepted one with 101."""
        said = [*([] if host is None else [host]), *headers]
        scope: asgi.Scope = {
            "type": "websocket" if websocket else "http",
            "method": method,
            "scheme": scheme.replace("http", "ws") if websocket else scheme,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in said],
            "client": None if client is None else (client, 40_000),
            "state": {},
            "extensions": {"websocket.http.response": {}} if websocket else {},
        }
        sent: list[asgi.Message] = []
        pieces = iter(body)

        async def receive() -> asgi.Message:
            if websocket:
                return frame or {"type": "websocket.connect"}
            piece = next(pieces, None)
            return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

        async def send(message: asgi.Message) -> None:
            sent.append(message)

        asyncio.run(self.guard(scope, receive, send))
        if sent[0]["type"] == "websocket.accept":
            return Told(101, {}, b"")
        names = [name.decode() for name, _ in sent[0]["headers"]]
        assert len(set(names)) == len(names), "a header stands there twice"
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Told(sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent[1:]))
