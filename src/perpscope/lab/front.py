"""One port for REST and WebSocket: looks at a connection's first request and joins it to the right server behind.

In: TCP connections. Out: the same bytes, either way, until one end is gone; then both are. Clients that know only one
address (the Hyperliquid SDK) need it; whoever wants frames without the detour uses the WebSocket server's own port.
"""

import asyncio
import contextlib

_CHUNK = 65_536
_HEAD_DEADLINE_S = 10.0
_FLUSH_DEADLINE_S = 0.5  # for the last bytes to an end that may have stopped reading


class Front:
    """A listener before two others on loopback.

    Args:
        websocket_port: where requests to upgrade go.
        http_port: where all others go.
    """

    def __init__(self, websocket_port: int, http_port: int) -> None:
        self._websocket_port = websocket_port
        self._http_port = http_port
        self._host = "127.0.0.1"
        self._server: asyncio.Server | None = None
        self._joined: set[asyncio.Task[None]] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; returns the port.

        Raises:
            OSError: the port is taken.
        """
        self._host = host
        self._server = await asyncio.start_server(self._arrived, host, port)
        bound: tuple[str, int] = self._server.sockets[0].getsockname()
        return bound[1]

    async def aclose(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is None:
            return
        self._server.close()
        for task in self._joined:
            task.cancel()
        await asyncio.gather(*self._joined, return_exceptions=True)
        await self._server.wait_closed()

    def _arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._join(reader, writer))
        self._joined.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._joined.discard(task)
            writer.close()  # a task cancelled before its first step has closed nothing

        task.add_done_callback(ended)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEAD_DEADLINE_S):
                asked = await reader.readuntil(b"\r\n\r\n")
            if not _is_upgrade(asked):
                asked = await self._behind(self._http_port, asked, reader, writer)
            if asked:  # at once, or after requests on the same connection
                await self._behind(self._websocket_port, asked, reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever hangs up, is too slow or talks nonsense is no longer served
        finally:
            await _closed(writer)

    async def _behind(
        self, port: int, asked: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes:
        """Join a client to a server until either is gone; a request to upgrade ends it too, and is returned."""
        back_reader, back = await asyncio.open_connection(self._host, port)
        is_http = port == self._http_port
        back.write(asked)
        tasks = [
            asyncio.ensure_future(_pump(reader, back, until_upgrade=is_http)),
            asyncio.ensure_future(_pump(back_reader, writer)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            back.close()
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            await _closed(back)
        return ends[0] if isinstance(ends[0], bytes) else b""


async def _closed(end: asyncio.StreamWriter) -> None:
    """Say the last words, or cut the connection if they are not listened to."""
    end.close()
    try:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_FLUSH_DEADLINE_S):
                await end.wait_closed()
    finally:
        end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, until_upgrade: bool = False) -> bytes:
    """Hand on what is read until there is no more, or a new request asks for a WebSocket: that is returned."""
    while chunk := await reader.read(_CHUNK):
        if until_upgrade and chunk.startswith(b"GET ") and _is_upgrade(chunk):
            return chunk
        writer.write(chunk)
        await writer.drain()
    return b""


def _is_upgrade(head: bytes) -> bool:
    """True if a request asks for a WebSocket."""
    return any(
        name.strip().lower() == b"upgrade" and value.strip().lower() == b"websocket"
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    )
