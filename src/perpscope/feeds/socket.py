"""The WebSocket transport: picows behind the `Connector` port.

Frames come in, whole text messages go out with the market time of the read they came in. Pings are answered by
picows itself. Fragments are joined; a message over the limit ends the connection.
"""

import asyncio
from collections.abc import Callable, Mapping

import picows
from picows import WSFrame, WSListener, WSMsgType, WSTransport
from python_socks import ProxyError

from perpscope.feeds import way_out
from perpscope.feeds.redaction import redacted
from perpscope.ports import Clock, OnFrame, Socket

# Looked up once: a member of an enum costs more than the rest of the dispatch.
_TEXT, _BINARY, _CONTINUATION, _CLOSE = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION, WSMsgType.CLOSE


class _Listener(WSListener):
    """Joins fragments and stamps each read once: frames of one read were received together."""

    __slots__ = ("_fragments", "_is_over", "_max_bytes", "_now", "_on_burst", "_on_frame", "_ts_recv")

    def __init__(self, clock: Clock, on_frame: OnFrame, on_burst: Callable[[], None], max_bytes: int) -> None:
        self._now = clock.now_ns
        self._on_frame = on_frame
        self._on_burst = on_burst
        self._max_bytes = max_bytes
        self._fragments = bytearray()
        self._is_over = False
        self._ts_recv = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        ts_recv = self._ts_recv
        if ts_recv == 0:
            ts_recv = self._ts_recv = self._now()
        payload = frame.get_payload_as_bytes()
        if payload[:1] == b"{" and frame.fin and not self._fragments:
            self._on_frame(payload, ts_recv)  # JSON in one piece: asking for its kind would cost more than all of this
        elif self._is_over:
            return
        else:
            self._unusual(transport, frame, payload)
        if frame.last_in_buffer:
            self._ts_recv = 0
            self._on_burst()

    def _unusual(self, transport: WSTransport, frame: WSFrame, payload: bytes) -> None:
        kind = frame.msg_type
        if kind is _CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif kind is _TEXT and frame.fin:
            self._on_frame(payload, self._ts_recv)
        elif kind in (_TEXT, _BINARY, _CONTINUATION):
            self._join(transport, frame)

    def _join(self, transport: WSTransport, frame: WSFrame) -> None:
        self._fragments += frame.get_payload_as_memoryview()
        if len(self._fragments) > self._max_bytes:
            self._fragments.clear()
            self._is_over = True  # what else this read holds belongs to a message nobody will have whole
            transport.disconnect()
        elif frame.fin:
            message = bytes(self._fragments)
            self._fragments.clear()
            self._on_frame(message, self._ts_recv)


class PicowsSocket:
    """A `Socket` over a picows transport."""

    def __init__(self, transport: WSTransport) -> None:
        self._transport = transport

    def send(self, payload: bytes) -> None:
        """Send one text message."""
        self._transport.send(WSMsgType.TEXT, payload)

    def close(self) -> None:
        """Give the connection up at once."""
        self._transport.disconnect(graceful=False)

    async def wait_closed(self) -> None:
        """Return when the connection is gone, whoever ended it."""
        try:
            await self._transport.wait_disconnected()
        except (OSError, picows.WSError):
            return  # how it ended makes no difference: it is gone


class PicowsConnector:
    """A `Connector` over picows.

    Args:
        clock: stamps frames.
        timeout_s: seconds a connection may take to open.
        max_frame_bytes: longer messages end the connection.
        proxies: base URL → proxy for what begins with it, "" for none; the longest counts, "" is of all others.
    """

    def __init__(
        self, clock: Clock, *, timeout_s: float, max_frame_bytes: int, proxies: Mapping[str, str] | None = None
    ) -> None:
        self._proxies = {"": "", **(proxies or {})}
        self._clock = clock
        self._timeout_s = timeout_s
        self._max_frame_bytes = max_frame_bytes

    async def __call__(self, url: str, on_frame: OnFrame, on_burst: Callable[[], None]) -> Socket:
        """Connect.

        Raises:
            OSError: no connection, or no WebSocket at the other end.
            TimeoutError: neither in time.
        """

        def listener() -> _Listener:
            return _Listener(self._clock, on_frame, on_burst, self._max_frame_bytes)

        proxy = self._proxies[max((base for base in self._proxies if url.startswith(base)), key=len)]
        try:
            async with asyncio.timeout(self._timeout_s):
                transport, _ = await picows.ws_connect(
                    listener,
                    url,
                    max_frame_size=self._max_frame_bytes,
                    websocket_handshake_timeout=self._timeout_s,
                    proxy=way_out.for_sockets(proxy),
                )
        except (picows.WSError, ProxyError) as error:
            raise OSError(redacted(f"no WebSocket at {url}: {error}")) from error
        if transport.response is None:  # picows takes a hang-up before the handshake for a connection
            raise ConnectionResetError(redacted(f"{url} hung up before the handshake"))
        return PicowsSocket(transport)
