"""A WebSocket client that hides nothing: every frame as bytes, pongs, goodbyes, and what is left of one that broke off.

In: a path of a lab. Out: what came over TCP, in order. It answers pings, says what it is told, and does nothing else.
"""

import asyncio
import contextlib
from collections.abc import Callable

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_MASK = bytes(4)  # all zeros: a mask that changes nothing
_KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


class Refused(Exception):
    """The handshake was answered with another status than 101."""

    def __init__(self, status: int) -> None:
        super().__init__(f"handshake answered {status}")
        self.status = status


class RawSocket:
    """One connection; use `connect`.

    Args:
        reader: of the TCP connection, after the handshake.
        writer: likewise.
        now: market time, ns, read when a frame has come.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, now: Callable[[], int] = lambda: 0
    ) -> None:
        self.heard: list[bytes] = []  #: payloads of text frames
        self.heard_at: list[int] = []  #: market time of each, ns
        self.pongs = 0
        self.goodbye: int | None = None  #: code of the close frame, if one came
        self.is_over = False  #: the TCP connection has ended
        self.rest = b""  #: of a frame that broke off
        self._reader = reader
        self._writer = writer
        self._now = now
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, url: str, path: str, now: Callable[[], int] = lambda: 0) -> "RawSocket":
        """Shake hands.

        Raises:
            Refused: with which status.
        """
        host, _, port = url.rpartition("/")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = b"GET %b HTTP/1.1\r\nHost: %b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" % (
            path.encode(),
            host.encode(),
        )
        writer.write(head + b"Sec-WebSocket-Key: %b\r\nSec-WebSocket-Version: 13\r\n\r\n" % _KEY)
        answer = await reader.readuntil(b"\r\n\r\n")
        status = int(answer.split(maxsplit=2)[1])
        if status != 101:
            writer.close()
            raise Refused(status)
        return cls(reader, writer, now)

    def say(self, text: bytes) -> None:
        """Send a text frame."""
        self._send(_TEXT, text)

    def ping(self) -> None:
        """Send a ping frame; `pongs` counts the answers. What was sent before a pong has come when it comes."""
        self._send(_PING, b"")

    async def aclose(self) -> None:
        """Let go."""
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    def _send(self, kind: int, payload: bytes) -> None:
        length = len(payload)
        head = bytes((0x80 | kind, 0x80 | length)) if length < 126 else bytes((0x80 | kind, 0xFE)) + length.to_bytes(2)
        self._writer.write(head + _MASK + payload)

    async def _read(self) -> None:
        unread = b""
        with contextlib.suppress(ConnectionError):
            while chunk := await self._reader.read(1 << 20):
                unread = self._taken(unread + chunk)
                self.rest = unread
        self.is_over = True

    def _taken(self, unread: bytes) -> bytes:
        """Take whole frames off; returns the rest."""
        while len(unread) >= 2:
            begin, length = 2, unread[1] & 0x7F
            if length >= 126:
                begin = 4 if length == 126 else 10
                length = int.from_bytes(unread[2:begin])
            if len(unread) < max(begin, begin + length):
                break
            self._take(unread[0] & 0x0F, unread[begin : begin + length])
            unread = unread[begin + length :]
        return unread

    def _take(self, kind: int, payload: bytes) -> None:
        match kind:
            case 1:
                self.heard.append(payload)
                self.heard_at.append(self._now())
            case 8:
                self.goodbye = int.from_bytes(payload[:2])
            case 9:
                self._send(_PONG, payload)
            case 10:
                self.pongs += 1
            case _:
                raise AssertionError(f"no lab sends frames of kind {kind}")
