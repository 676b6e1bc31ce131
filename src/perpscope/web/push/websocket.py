"""`/api/v1/stream`: one WebSocket, any number of channels. Also the liquidations' own path, opened as a WebSocket."""

import asyncio
from contextlib import suppress
from typing import Annotated, Final, cast

import msgspec
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from perpscope.feeds.clock import wall_ns
from perpscope.web.problem import Refused, refuse
from perpscope.web.push.client import SLOW, STALLED_S, Client
from perpscope.web.push.hub import HEARTBEAT_S, Hub
from perpscope.web.push.wire import MOST_INCOMING, connection_of, unframed
from perpscope.web.query import Questions

#: Real seconds a client that is closed has to take what waits for it, and to answer.
_GRACE_S: Final = 5.0
_TOO_LONG: Final = 1009  # RFC 6455 §7.4.1
_UNREAD_BYTES: Final = 65_536


class StreamQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may stand in the URL of the stream."""

    channels: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=100)], ...],
        msgspec.Meta(max_length=64, description="channels to begin with, separated by commas"),
    ] = ()
    ticket: Annotated[str, msgspec.Meta(max_length=128, description="in place of a key, once")] = ""


_QUESTIONS: Final = Questions(StreamQuery)


class Stream:
    """The WebSocket of the hub's channels: an ASGI application."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        try:
            found = cast(StreamQuery, _QUESTIONS.read(scope["query_string"]))
            await serve(self._hub, WebSocket(scope, receive, send), found.channels)
        except Refused as refused:
            await refuse(refused, scope, receive, send)


async def serve(hub: Hub, websocket: WebSocket, channels: tuple[str, ...]) -> None:
    """Let a WebSocket in and tell it these channels, and those it asks for, until either side ends it.

    Raises:
        Refused: no more connections are allowed; nothing was accepted.
    """
    client = hub.join(connection_of(websocket.scope), websocket.scope.get("state", {}).get("grant"))
    try:
        await websocket.accept()
        async with asyncio.timeout(None) as leash:
            client.on_end = lambda: leash.reschedule(0)
            hub.subscribe(client, channels)
            await _talk(hub, websocket, client)
    except TimeoutError:
        hub.leave(client)
        await _close(websocket, client)
    except (WebSocketDisconnect, OSError):
        return
    finally:
        client.on_end = None
        hub.leave(client)


async def _talk(hub: Hub, websocket: WebSocket, client: Client) -> None:
    """Hear what a client says until it leaves; where its transport cannot be seen, tell it from here too."""
    if client.is_pushed:
        hub.tell(client)
        await _hear(hub, websocket, client)
        return
    telling = asyncio.create_task(_tell(hub, websocket, client))
    try:
        await _hear(hub, websocket, client)
    finally:
        telling.cancel()


async def _hear(hub: Hub, websocket: WebSocket, client: Client) -> None:
    while True:
        said = await websocket.receive()
        if said["type"] == "websocket.disconnect":
            return
        text = said.get("text") or said.get("bytes") or ""
        if len(text) > MOST_INCOMING:
            client.end(_TOO_LONG, f"a message may have {MOST_INCOMING} bytes")
        else:
            hub.hear(client, text)


async def _tell(hub: Hub, websocket: WebSocket, client: Client) -> None:
    """Send what is owed through the server's own hands, which hold back while the client takes nothing."""
    try:
        while True:
            turned = hub.turned
            frames = client.due(wall_ns() // 1_000_000, _UNREAD_BYTES)
            for frame in frames:
                async with asyncio.timeout(STALLED_S):
                    await websocket.send_text(unframed(frame).decode())
            if not frames:
                with suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT_S):
                        await turned.wait()
    except TimeoutError:
        client.end(SLOW, f"nothing was taken for {STALLED_S:.0f} s")
    except (WebSocketDisconnect, RuntimeError, OSError):
        return


async def _close(websocket: WebSocket, client: Client) -> None:
    """Say why, and cut the connection off if that is not taken."""
    code, reason = client.ended or (1000, "")
    asyncio.get_running_loop().call_later(_GRACE_S * 2, client.cut)
    with suppress(TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
        async with asyncio.timeout(_GRACE_S):
            await websocket.close(code, reason)
            return
    client.cut()
