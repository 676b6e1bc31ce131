"""Bytes on the way out: WebSocket frames made once for everybody, and the connection that takes them.

uvicorn with `http=Protocol` lets the app see the transport of its connection: a frame is handed over without a task
or a copy per client, what waits can be measured, and who takes nothing can be cut off. Under any other server the
streams work too, each message through the server's own hands.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Name in a scope's `state` under which the connection is found.
_CONNECTION: Final = "perpscope.connection"
#: Bytes a client's message may have.
MOST_INCOMING: Final = 4096
#: What the kernel may hold for a stream, bytes: what waits beyond is seen and bounded by us (by hand).
_KERNEL_BYTES: Final = 65_536
_TEXT_FRAME: Final = 0x81  # RFC 6455 §5.2: FIN, opcode 1; a server's frames are not masked
_TWO_BYTES, _EIGHT_BYTES = 126, 127


class Connection(msgspec.Struct, eq=False):
    """What a request came in by."""

    transport: asyncio.Transport
    on_ending: Callable[[], None] | None = None  #: called when the service wants to end: it waits for requests


class Protocol(HttpToolsProtocol):
    """uvicorn's own, with the `Connection` in each request's `state`; a WebSocket inherits it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self._connection = Connection(transport)
        self.app_state = {**self.app_state, _CONNECTION: self._connection}

    def shutdown(self) -> None:
        """The service ends: a stream is to end by itself, since it would be waited for."""
        super().shutdown()
        if self._connection.on_ending is not None:
            self._connection.on_ending()


#: Settings of uvicorn the streams are made for: `uvicorn.Config(app, **UVICORN)`.
UVICORN: Final[Mapping[str, Any]] = {
    "http": Protocol,
    "ws": "websockets-sansio",
    "ws_per_message_deflate": False,
    "ws_max_size": MOST_INCOMING,
}


def connection_of(scope: Mapping[str, Any]) -> Connection | None:
    """What a request came in by, for a stream; None under a server that does not show it."""
    found: Connection | None = scope.get("state", {}).get(_CONNECTION)
    if found is not None:
        raw: socket.socket | None = found.transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
    return found


def framed(text: bytes) -> bytes:
    r"""A text message as one frame (RFC 6455 §5.2).

    >>> framed(b"hello")
    b'\x81\x05hello'
    """
    size = len(text)
    if size < _TWO_BYTES:
        return bytes((_TEXT_FRAME, size)) + text
    if size < 1 << 16:
        return bytes((_TEXT_FRAME, _TWO_BYTES)) + size.to_bytes(2, "big") + text
    return bytes((_TEXT_FRAME, _EIGHT_BYTES)) + size.to_bytes(8, "big") + text


def unframed(frame: bytes) -> bytes:
    """The text of a frame made by `framed`."""
    return frame[{_TWO_BYTES: 4, _EIGHT_BYTES: 10}.get(frame[1], 2) :]
