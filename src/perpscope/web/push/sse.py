"""`/api/liquidations/real-time`: liquidations as they happen, as an event stream; a WebSocket at the same path.

Each reader goes through the hub's tape at its own pace. The number of a row is its event's id: a reader that comes
back with `Last-Event-ID` goes on from there, and is told how many rows are no longer kept.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Final, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from perpscope.web.problem import Refused, refuse
from perpscope.web.push.client import Client
from perpscope.web.push.hub import GOING_AWAY, HEARTBEAT_S, Hub
from perpscope.web.push.tape import TapeRow, Wanted
from perpscope.web.push.websocket import serve
from perpscope.web.push.wire import connection_of
from perpscope.web.query import Questions

_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}
_MEDIA_TYPE: Final = "text/event-stream"
_BEGIN: Final = b"retry: 2000\n\n"
_BEAT: Final = b": heartbeat\n\n"
_ROWS_PER_WRITE: Final = 200
_LONGEST: Final = 16  # digits of a number of ours


class LiquidationsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which liquidations."""

    symbol: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[A-Za-z0-9._-]{0,64}$",
            description="coin, symbol or id; empty = of every instrument",
            examples=["BTC", "BTC-USDT-PERP.BINANCE"],
        ),
    ] = ""
    min_usd: Annotated[float, msgspec.Meta(ge=0, le=1e11, description="dollars at least")] = 0.0
    recent: Annotated[int, msgspec.Meta(ge=0, le=500, description="rows of before to begin with")] = 20
    ticket: Annotated[str, msgspec.Meta(max_length=128, description="in place of a key, once")] = ""


_QUESTIONS: Final = Questions(LiquidationsQuery)


class Liquidations:
    """The event stream and the WebSocket: an ASGI application for both."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream to one reader until it leaves."""
        try:
            found = cast(LiquidationsQuery, _QUESTIONS.read(scope["query_string"]))
            if scope["type"] == "websocket":
                await serve(self._hub, WebSocket(scope, receive, send), (_channel(found),))
            elif scope["method"] == "HEAD":
                await Response(headers=_HEADERS, media_type=_MEDIA_TYPE)(scope, receive, send)
            else:
                await self._stream(found, scope, receive, send)
        except Refused as refused:
            await refuse(refused, scope, receive, send)

    async def _stream(self, query: LiquidationsQuery, scope: Scope, receive: Receive, send: Send) -> None:
        connection = connection_of(scope)
        client = self._hub.join(connection, scope.get("state", {}).get("grant"), takes_frames=False)
        if connection is not None:
            connection.on_ending = lambda: client.end(GOING_AWAY, "the service ends")
        try:
            last = Request(scope).headers.get("last-event-id", "")
            chunks = self._chunks(client, query, last)
            await StreamingResponse(chunks, headers=_HEADERS, media_type=_MEDIA_TYPE)(scope, receive, send)
        finally:
            if connection is not None:
                connection.on_ending = None
            self._hub.leave(client)

    async def _chunks(self, client: Client, query: LiquidationsQuery, last: str) -> AsyncIterator[bytes]:
        """Bytes of the stream."""
        tape, wanted = self._hub.tape, Wanted(query.symbol.upper() or None, query.min_usd)
        yield _BEGIN
        at = self._resumed(last)
        if at is None:
            if last:
                yield _gap(None)
            at = tape.seq
            if rows := tape.recent(query.recent, wanted):
                yield self._events(rows)
        quiet_since = time.monotonic()
        while client.ended is None:
            added, found = tape.added, tape.since(at, wanted)
            if found.missed:
                yield _gap(found.missed)
            for start in range(0, len(found.rows), _ROWS_PER_WRITE):
                yield self._events(found.rows[start : start + _ROWS_PER_WRITE])
                quiet_since = time.monotonic()
            if found.at == at:
                await _wait(added, client, quiet_since + HEARTBEAT_S - time.monotonic())
            if time.monotonic() - quiet_since >= HEARTBEAT_S:
                yield _BEAT
                quiet_since = time.monotonic()
            at = found.at

    def _resumed(self, last: str) -> int | None:
        """The number to go on from; None if the id is none of this face's."""
        life, _, number = last.partition("-")
        is_ours = life == self._hub.life and number.isascii() and number.isdigit() and len(number) < _LONGEST
        return min(int(number), self._hub.tape.seq) if is_ours else None

    def _events(self, rows: Sequence[TapeRow]) -> bytes:
        life = self._hub.life.encode()
        return b"".join(b"id: %b-%d\ndata: %b\n\n" % (life, row.seq, row.text) for row in rows)


def _channel(query: LiquidationsQuery) -> str:
    symbol = f":{query.symbol}" if query.symbol else ""
    return f"liquidations{symbol}" + (f"@{query.min_usd:f}" if query.min_usd else "")


def _gap(missed: int | None) -> bytes:
    """Rows are no longer kept: so many of all instruments, or nobody knows how many."""
    return b'event: gap\ndata: {"missed":%b}\n\n' % (b"null" if missed is None else b"%d" % missed)


async def _wait(added: asyncio.Event, client: Client, most_s: float) -> None:
    """Wait for rows, so many seconds at most, or until the client is to be closed."""
    try:
        async with asyncio.timeout(most_s) as leash:
            client.on_end = lambda: leash.reschedule(0)
            await added.wait()
    except TimeoutError:
        return
    finally:
        client.on_end = client.cut
