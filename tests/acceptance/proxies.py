"""A proxy on loopback, as small as can be: HTTP (CONNECT, whole URLs), SOCKS4 and SOCKS5, told apart by a byte."""

import asyncio
import base64
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Proxy:
    """Passes bytes on, and remembers for whom."""

    def __init__(self, user: str, password: str) -> None:
        self.port = 0
        self.asked: list[str] = []  #: "CONNECT host:port", "SOCKS5 host:port", …
        self._user, self._password = user, password
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            first = await reader.readexactly(1)
            if first == b"\x05":
                await self._socks5(reader, writer)
            elif first == b"\x04":
                await self._socks4(reader, writer)
            else:
                await self._http(first, reader, writer)
        writer.close()
        self._tasks.discard(task)

    def cut(self) -> None:
        """End every connection."""
        for task in list(self._tasks):
            task.cancel()

    async def _http(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split("\r\n", 1)[0].split(" ")
        credentials = base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        if self._user and f"proxy-authorization: basic {credentials}".lower() not in head.lower():
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        where = target if method == "CONNECT" else urlsplit(target).netloc
        self.asked.append(f"{method} {where}")
        host, port = where.split(":")
        if method == "CONNECT":
            await self._join(host, int(port), reader, writer, b"HTTP/1.1 200 Connection established\r\n\r\n", b"")
        else:
            await self._join(host, int(port), reader, writer, b"", head.replace(f"http://{where}", "", 1).encode())

    async def _socks5(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly((await reader.readexactly(1))[0])
        writer.write(b"\x05\x02" if self._user else b"\x05\x00")
        if self._user:
            await reader.readexactly(1)
            user = await reader.readexactly((await reader.readexactly(1))[0])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            is_right = (user.decode(), password.decode()) == (self._user, self._password)
            writer.write(b"\x01\x00" if is_right else b"\x01\x01")
            if not is_right:
                return
        _, _, _, kind = await reader.readexactly(4)
        if kind == 1:
            host = socket.inet_ntoa(await reader.readexactly(4))
        else:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        (port,) = struct.unpack(">H", await reader.readexactly(2))
        self.asked.append(f"SOCKS5 {host}:{port}")
        await self._join(host, port, reader, writer, b"\x05\x00\x00\x01" + bytes(6), b"")

    async def _socks4(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, port, address = struct.unpack(">BH4s", await reader.readexactly(7))
        await reader.readuntil(b"\0")
        self.asked.append(f"SOCKS4 {socket.inet_ntoa(address)}:{port}")
        await self._join(socket.inet_ntoa(address), port, reader, writer, b"\x00\x5a" + bytes(6), b"")

    async def _join(
        self,
        host: str,
        port: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answer: bytes,
        ahead: bytes,
    ) -> None:
        there, back = await asyncio.open_connection(host, port)
        writer.write(answer)
        back.write(ahead)
        try:
            await asyncio.gather(_pour(reader, back), _pour(there, writer))
        finally:
            back.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while some := await reader.read(65_536):
            writer.write(some)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def proxy(user: str = "", password: str = "") -> AsyncIterator[Proxy]:
    """A running proxy, which lets in nobody but this user if one is named."""
    it = Proxy(user, password)
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        it.cut()
        await server.wait_closed()
