"""One server of `bench_http`, in a process of its own: `python http_servers.py bare|dict|ours`. Prints its port.

All run under the settings of uvicorn that `perpscope serve` uses, and tell their own CPU time at `/cpu`.
"""

import math
import socket
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from perpscope.settings import Settings, Web
from perpscope.web.app import create_app
from perpscope.web.endpoint import Endpoint
from perpscope.web.meta import Meta, meta
from perpscope.web.serve import Server, configured
from perpscope.web.sources import Sources

#: Rows of a body of about 1 kB, and of about 100 kB.
ROWS = {"1k": 8, "100k": 1000}


class Row(msgspec.Struct):
    """A bin of a map, as large as ours are."""

    low: float
    high: float
    long_usd: float
    short_usd: float
    state: str


class Query(msgspec.Struct, frozen=True):
    """How many of them."""

    rows: Annotated[int, msgspec.Meta(ge=1, le=5000)] = ROWS["100k"]


class Body(msgspec.Struct):
    """A map's."""

    meta: Meta
    bins: list[Row]


def rows(count: int) -> list[Row]:
    """Some that do not pack too well."""
    found = []
    for number in range(count):
        usd = [round(1e6 * (1.5 + math.sin(number * factor)), 2) for factor in (0.7, 1.3)]
        found.append(Row(60_000.5 + number, 60_001.5 + number, usd[0], usd[1], "active"))
    return found


def _make(sources: Sources, query: Query) -> Body:
    return Body(meta(sources, kind="model", as_of_ms=None), rows(query.rows))


def ours() -> ASGIApp:
    """The whole application, guard and all, with one endpoint."""
    endpoint = Endpoint(
        name="bins", paths=("/bins",), tag="t", summary="Bins.", query=Query, body=Body, make=_make, fresh_s=3600.0
    )
    settings = Settings(web=Web(requests_per_min=1_000_000_000))
    return create_app(settings, Path("/nowhere/market.db"), endpoints=[endpoint])


def bare() -> ASGIApp:
    """Starlette and the same bytes."""
    kept = {size: msgspec.json.encode(rows(count)) for size, count in ROWS.items()}

    async def small(_: Request) -> Response:
        return Response(kept["1k"], media_type="application/json")

    async def large(_: Request) -> Response:
        return Response(kept["100k"], media_type="application/json")

    return Starlette(routes=[Route("/1k", small), Route("/100k", large)])


def dict_() -> ASGIApp:
    """FastAPI and a dict, as its tutorial has it."""
    app = FastAPI()
    kept = {size: msgspec.to_builtins(rows(count)) for size, count in ROWS.items()}

    @app.get("/100k", response_model=None)
    async def large() -> object:
        return {"bins": kept["100k"]}

    return app


class Clocked:
    """Tells at `/cpu` what CPU time the process took so far, ns."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] == "/cpu":
            await Response(str(time.process_time_ns()))(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def main() -> None:
    """Serve until killed."""
    app = {"ours": ours, "bare": bare, "dict": dict_}[sys.argv[1]]()
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    server = Server(configured(Clocked(app), Web()), lambda _: None)
    server.run(sockets=[listening])


if __name__ == "__main__":
    main()
