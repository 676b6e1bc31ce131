"""A request to a face without a socket, and a small endpoint to ask."""

import asyncio
import gzip
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from starlette.types import ASGIApp, Message

from perpscope.app.face import Live
from perpscope.bus.memory import MemoryCache
from perpscope.ports import Cache
from perpscope.settings import Settings
from perpscope.web.endpoint import Endpoint
from perpscope.web.meta import Meta
from perpscope.web.query import Cursor, Moment, Span
from perpscope.web.sources import Sources


class Told(msgspec.Struct):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 -- whatever JSON it is
        """The body, unpacked where it is packed."""
        packed = self.headers.get("content-encoding") == "gzip"
        return json.loads(gzip.decompress(self.body) if packed else self.body)


async def ask(
    app: ASGIApp,
    target: str,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    server: str = "127.0.0.1",
    content: bytes = b"",
) -> Told:
    """One request from this machine.

    Args:
        app: is asked.
        target: path and query, as they stand in a request line.
        headers: besides Host.
        method: of the request.
        server: address the connection was made to.
        content: body of the request.
    """
    path, _, query = target.partition("?")
    sent: list[Message] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8000"), *((k.encode(), v.encode()) for k, v in (headers or {}).items())],
        "client": ("127.0.0.1", 40_000),
        "server": (server, 8000),
        "state": {},
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Told(sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent[1:]))


class GridQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One field of each kind."""

    symbol: Annotated[str, msgspec.Meta(min_length=1, max_length=20, description="coin")] = "BTC"
    rows: Annotated[int, msgspec.Meta(ge=0, le=1000, description="rows of the grid")] = 1
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    names: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=8)], ...], msgspec.Meta(max_length=3)
    ] = ()
    is_wide: bool = False
    since: Moment | None = None
    span: Span = "1h"
    cursor: Cursor | None = None


class Grid(msgspec.Struct):
    """A body."""

    meta: Meta
    rows: list[list[float]]


class Maker:
    """Makes grids, counts them, and can be held up."""

    def __init__(self) -> None:
        self.made = 0
        self.fails: Exception | None = None
        self.go = threading.Event()
        self.go.set()
        self._lock = threading.Lock()

    def __call__(self, _: Sources, query: GridQuery) -> Grid:
        """A grid, once it may go."""
        with self._lock:
            self.made += 1
        assert self.go.wait(30)
        if self.fails is not None:
            raise self.fails
        told = Meta(kind="model", data=None, as_of_ms=1, age_ms=0, stale=False, heart="none")
        return Grid(told, [[float(row), 0.5] for row in range(query.rows)])


def endpoint(make: Callable[[Sources, Any], Any], *, fresh_s: float = 1.0, name: str = "grid") -> Endpoint:
    """An endpoint for a maker."""
    return Endpoint(
        name=name,
        paths=(f"/api/{name}", f"/api/v1/{name}", f"/api/{name}/of/{{symbol}}"),
        tag="test",
        summary="A grid.",
        query=GridQuery,
        body=Grid,
        make=make,
        fresh_s=fresh_s,
    )


def sources(database: Path | None = None, settings: Settings | None = None, cache: Cache | None = None) -> Sources:
    """Of a face that never heard a heart."""
    return Sources(settings or Settings(), database, Live(None), cache or MemoryCache())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.002)
