"""One port for REST and WebSocket: looks at a connection's first request and joins it to the right server behind.

In: TCP connections, with TLS or without. Out: the same bytes, either way, until one end is gone; then both are. Clients
that know only one address (the Hyperliquid SDK) need it; whoever wants frames without the detour uses the WebSocket
server's own port.
"""

import asyncio
import ssl

from perpscope.lab.pipes import LOOPBACK, Listener, head, joined


class Front:
    """A listener before two others on loopback.

    Args:
        websocket_port: where requests to upgrade go.
        http_port: where all others go.
    """

    def __init__(self, websocket_port: int, http_port: int) -> None:
        self._websocket_port = websocket_port
        self._http_port = http_port
        self._listener = Listener(self._join)

    async def start(self, host: str = LOOPBACK, port: int = 0, tls: ssl.SSLContext | None = None) -> int:
        """Listen, under TLS if a context is given; returns the port.

        Raises:
            OSError: the port is taken.
        """
        return await self._listener.start(host, port, tls)

    async def aclose(self) -> None:
        """Stop listening and cut every connection."""
        await self._listener.aclose()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await head(reader)
        if not _is_upgrade(asked):
            asked = await joined((reader, writer), self._http_port, asked, _is_websocket)
        if asked:  # at once, or after requests on the same connection
            await joined((reader, writer), self._websocket_port, asked)


def _is_websocket(chunk: bytes) -> bool:
    return chunk.startswith(b"GET ") and _is_upgrade(chunk)


def _is_upgrade(asked: bytes) -> bool:
    """True if a request asks for a WebSocket."""
    return any(
        name.strip().lower() == b"upgrade" and value.strip().lower() == b"websocket"
        for name, _, value in (line.partition(b":") for line in asked.split(b"\r\n")[1:])
    )
