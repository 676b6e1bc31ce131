"""Connections that are handed on: a listener on loopback, a task for each client, bytes from one end to the other.

`Front` chooses a server by the first request, `ConnectProxy` by the name that was asked for; both do it with these.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable

LOOPBACK = "127.0.0.1"
#: whoever hangs up, is too slow or talks nonsense is no longer served
GONE = (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
_CHUNK = 65_536
_HEAD_DEADLINE_S = 10.0
_FLUSH_DEADLINE_S = 0.5  # for the last bytes to an end that may have stopped reading


class Listener:
    """Accepts clients and serves each in a task of its own; their connections end with the task.

    Args:
        serve: what is done with a client.
    """

    def __init__(self, serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> None:
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._served: set[asyncio.Task[None]] = set()

    async def start(self, host: str = LOOPBACK, port: int = 0, tls: ssl.SSLContext | None = None) -> int:
        """Listen; returns the port.

        Raises:
            OSError: the port is taken.
        """
        patience_s = None if tls is None else _HEAD_DEADLINE_S
        self._server = await asyncio.start_server(self._arrived, host, port, ssl=tls, ssl_handshake_timeout=patience_s)
        bound: tuple[str, int] = self._server.sockets[0].getsockname()
        return bound[1]

    async def aclose(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is None:
            return
        self._server.close()
        for task in self._served:
            task.cancel()
        await asyncio.gather(*self._served, return_exceptions=True)
        await self._server.wait_closed()

    def _arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._until_gone(reader, writer))
        self._served.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._served.discard(task)
            writer.close()  # a task cancelled before its first step has closed nothing

        task.add_done_callback(ended)

    async def _until_gone(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except GONE:
            pass
        finally:
            await closed(writer)


async def head(reader: asyncio.StreamReader) -> bytes:
    """The head of a request, with the empty line that ends it.

    Raises:
        TimeoutError: it does not come.
        asyncio.IncompleteReadError: the client hangs up before.
        asyncio.LimitOverrunError: it does not end.
    """
    async with asyncio.timeout(_HEAD_DEADLINE_S):
        return await reader.readuntil(b"\r\n\r\n")


async def closed(end: asyncio.StreamWriter) -> None:
    """Say the last words, or cut the connection if they are not listened to."""
    end.close()
    try:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_FLUSH_DEADLINE_S):
                await end.wait_closed()
    finally:
        end.transport.abort()


async def pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, until: Callable[[bytes], bool] | None = None
) -> bytes:
    """Hand on what is read until there is no more, or what is read must not be handed on: that is returned."""
    while chunk := await reader.read(_CHUNK):
        if until is not None and until(chunk):
            return chunk
        writer.write(chunk)
        await writer.drain()
    return b""


async def joined(
    client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    port: int,
    first: bytes = b"",
    until: Callable[[bytes], bool] | None = None,
) -> bytes:
    """Join a client to a server on loopback until either is gone.

    Args:
        client: what is read from it and written to it.
        port: where the server listens.
        first: what the server is told before all else.
        until: what of the client's ends it too, and is returned.

    Raises:
        OSError: nobody listens there.
    """
    reader, writer = client
    back_reader, back = await asyncio.open_connection(LOOPBACK, port)
    back.write(first)
    tasks = [asyncio.ensure_future(pump(reader, back, until)), asyncio.ensure_future(pump(back_reader, writer))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        back.close()
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await closed(back)
    return ends[0] if isinstance(ends[0], bytes) else b""
