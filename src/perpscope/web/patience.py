"""How long the service waits for a request, and how much of one it reads: uvicorn's HTTP protocol, with bounds.

uvicorn alone waits for ever for the rest of a header, and keeps headers of any length. Here a connection that has not
said its request in time, or says too much, is answered and closed. `uvicorn --http perpscope.web.patience:PatientHttp`.
"""

import asyncio

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from perpscope.web.problem import MEDIA_TYPE, Problem

#: Real seconds for the whole header, and again for the whole body.
REQUEST_S = 10.0
#: Bytes of a request line and headers that are read at all; the guard, which answers better, allows less.
MAX_HEAD = 65_536
_PHRASES = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}


class _NotForUs(Exception):
    """Ends the reading of a request; it comes out of the parser as an error of the request."""


class PatientHttp(HttpToolsProtocol):
    """One connection, with bounds on how long and how much it may say before it is answered.

    One timer looks after a connection from beginning to end: a timer for each request would cost more than the guard.
    """

    patience_s = REQUEST_S
    _looking: asyncio.TimerHandle | None = None
    _due: float | None = None  #: the loop's time by which more must have come; None while an answer is under way
    _is_in_head = True
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()
        self._look_again(self.patience_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more will come."""
        self._stop_looking()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A piece of a request."""
        super().data_received(data)
        if not self._is_in_head:
            self._head = 0
            return
        self._head += len(data)
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self._refuse(431, "headers-too-large", f"no end of the headers in {MAX_HEAD} bytes")

    def on_message_begin(self) -> None:
        """A request begins, and with it its time."""
        self._is_in_head = True
        self._wait()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The header is whole: it is for this server, and its body has as long again."""
        self._is_in_head = False
        self._wait()
        if not self.url.startswith(b"/"):
            raise _NotForUs
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole: from here on the answer takes its time."""
        self._due = None
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """The connection is a WebSocket's from here on."""
        self._stop_looking()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """What cannot be read is answered as everything else is: by a problem."""
        self._refuse(400, "request-invalid", msg)

    def _refuse(self, status: int, code: str, detail: str) -> None:
        title, kind = code.replace("-", " ").capitalize(), f"/docs/errors#{code}"
        body = msgspec.json.encode(
            Problem(type=kind, title=title, status=status, detail=detail, instance="", code=code)
        )
        self._due = None
        self.transport.write(
            b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (status, _PHRASES[status].encode(), MEDIA_TYPE.encode(), len(body), body)
        )
        self.transport.close()

    def _wait(self) -> None:
        self._due = self.loop.time() + self.patience_s

    def _look_again(self, after_s: float) -> None:
        self._looking = self.loop.call_later(after_s, self._look)

    def _look(self) -> None:
        """See whether what must have come has come."""
        now = self.loop.time()
        if self._due is not None and now >= self._due:
            self._due = None
            self._give_up()
        if not self.transport.is_closing():
            self._look_again(self.patience_s if self._due is None else max(0.001, self._due - now))

    def _stop_looking(self) -> None:
        self._due = None
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def _give_up(self) -> None:
        """Answer where no answer is under way; close in any case."""
        if self.transport.is_closing():
            return
        if self._is_in_head and not self._is_answering():
            self._refuse(408, "request-timeout", f"no whole request came in {self.patience_s:g} s")
        else:
            self.transport.close()

    def _is_answering(self) -> bool:
        cycle: object = self.cycle  # uvicorn's annotation leaves None out
        return cycle is not None and not self.cycle.response_complete
