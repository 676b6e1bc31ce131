"""One client's WebSocket connection to the lab: the venue's session rules, and the requests it answers.

In: control messages and pongs. Out: acknowledgements, pings, and whatever the server publishes on its streams.
Rules a client feels in its own time (pings, message rate, lifetime) count real seconds whatever the market's rate.
"""

import asyncio
import logging
from collections import deque
from typing import Protocol

import msgspec
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from perpscope.lab.clock import real_seconds
from perpscope.lab.ledger import Ledger, Moment
from perpscope.lab.wire.binance import streams as wire

#: picows speaks of every dropped client; here that is the game, and the ledger has it
LOGGER = logging.getLogger("picows.lab")


class SessionRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue demands of a connection; defaults are Binance's. Seconds are real ones."""

    ping_interval_s: float = 180.0
    pong_timeout_s: float = 600.0
    lifetime_s: float = 86_400.0
    messages_per_s: int = 10  #: control messages, pings and pongs a client may send
    streams: int = 1024  #: per connection
    buffer_bytes: int = 8 * 1024 * 1024  #: unsent bytes after which a slow client is dropped


class Exchange(Protocol):
    """What a session needs of the server it belongs to."""

    rules: SessionRules
    ledger: Ledger

    def session_opened(self, session: "Session") -> None:
        """The handshake is done."""
        ...

    def session_closed(self, session: "Session") -> None:
        """The connection is gone."""
        ...

    def streams_changed(self, session: "Session") -> None:
        """It subscribed or unsubscribed."""
        ...

    def backed_up(self, session: "Session") -> None:
        """It does not read as fast as it is written to."""
        ...

    def drained(self, session: "Session") -> None:
        """It has caught up."""
        ...


class Session(WSListener):
    """One connection. `send` is the only way data gets to it."""

    def __init__(self, exchange: Exchange, number: int, asked: wire.Opening) -> None:
        self._exchange = exchange
        self.route = asked.route
        self.name = f"{asked.route.value or 'unrouted'}/{number}"
        self.is_combined = asked.is_combined
        self.is_muted = False
        self.streams: dict[str, None] = dict.fromkeys(asked.streams)
        self._transport: WSTransport
        self._is_open = False
        self._timers: list[asyncio.TimerHandle] = []
        self._received: deque[float] = deque()
        self._heard_s = 0.0
        self._cause = "client"

    # what picows calls ---------------------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        rules = self._exchange.rules
        self._transport = transport
        self._is_open = True
        self._heard_s = real_seconds()
        transport.underlying_transport.set_write_buffer_limits(high=rules.buffer_bytes)
        self._exchange.ledger.mark(self.name, Moment.OPEN)
        self._exchange.session_opened(self)
        if self.streams:
            self._subscribed(list(self.streams))
        loop = asyncio.get_running_loop()
        self._timers = [
            loop.call_later(rules.ping_interval_s, self._ping),
            loop.call_later(rules.lifetime_s, self.close, "lifetime"),
        ]

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """The client sent something."""
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
            return
        if self._is_too_fast():
            self.close("too-many-messages", WSCloseCode.POLICY_VIOLATION, b"Too many requests")
            return
        match frame.msg_type:
            case WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
            case WSMsgType.PONG:
                self._heard_s = real_seconds()
            case WSMsgType.TEXT:
                transport.send(WSMsgType.TEXT, self._answer(frame.get_payload_as_bytes()))
            case _:
                self.close("unsupported-frame", WSCloseCode.UNSUPPORTED_DATA)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 (picows' signature)
        """The connection is gone."""
        self._end(self._cause)
        self._exchange.ledger.mark(self.name, Moment.CLOSE, self._cause)
        self._exchange.session_closed(self)

    def pause_writing(self) -> None:
        """More is unsent than the rules allow."""
        self._exchange.backed_up(self)

    def resume_writing(self) -> None:
        """What was unsent has gone out."""
        self._exchange.drained(self)

    # what the server does ------------------------------------------------------------------------------------------

    def send(self, payload: bytes) -> bool:
        """Write one frame; False if the connection is mute or gone."""
        if self.is_muted or not self._is_open:
            return False
        self._transport.send(WSMsgType.TEXT, payload)
        return True

    def close(self, cause: str, code: WSCloseCode = WSCloseCode.GOING_AWAY, reason: bytes = b"") -> None:
        """Say goodbye and close, as the venue does at the end of a connection's lifetime."""
        self._end(cause)
        self._transport.send_close(code, reason)
        self._transport.disconnect()

    def abort(self, cause: str) -> None:
        """Cut the TCP connection without a word."""
        if self._end(cause):
            self._transport.underlying_transport.abort()

    def _end(self, cause: str) -> bool:
        """Send and expect nothing more; False if that was so already, and then the first cause counts."""
        if not self._is_open:
            return False
        self._is_open = False
        self._cause = cause
        for timer in self._timers:
            timer.cancel()
        return True

    # the venue's rules ---------------------------------------------------------------------------------------------

    def _ping(self) -> None:
        rules = self._exchange.rules
        if real_seconds() - self._heard_s > rules.pong_timeout_s:
            self.close("no-pong", WSCloseCode.POLICY_VIOLATION, b"Pong timeout")
            return
        self._transport.send_ping(b"%d" % int(self._heard_s * 1000))
        self._timers[0] = asyncio.get_running_loop().call_later(rules.ping_interval_s, self._ping)

    def _is_too_fast(self) -> bool:
        now = real_seconds()
        self._received.append(now)
        while self._received[0] <= now - 1.0:
            self._received.popleft()
        return len(self._received) > self._exchange.rules.messages_per_s

    def _answer(self, raw: bytes) -> bytes:
        request = wire.read_request(raw)
        if isinstance(request, wire.Refusal):
            return wire.refusal(request)
        result: list[str] | bool | None = None
        match request.method:
            case "SUBSCRIBE":
                asked = [stream for stream in request.streams if stream not in self.streams]
                if len(self.streams) + len(asked) > self._exchange.rules.streams:
                    return wire.refusal(wire.Refusal(2, "Invalid request: too many streams", request.id))
                self.streams.update(dict.fromkeys(asked))
                self._subscribed(asked)
            case "UNSUBSCRIBE":
                self._unsubscribed(request.streams)
            case "LIST_SUBSCRIPTIONS":
                result = list(self.streams)
            case "GET_PROPERTY":
                result = self.is_combined
            case _:
                self.is_combined = bool(request.is_combined)
        return wire.answer(result, request.id)

    def _subscribed(self, streams: list[str]) -> None:
        self._exchange.ledger.mark(self.name, Moment.SUBSCRIBE, " ".join(streams))
        self._exchange.streams_changed(self)

    def _unsubscribed(self, streams: tuple[str, ...]) -> None:
        for stream in streams:
            self.streams.pop(stream, None)
        self._exchange.ledger.mark(self.name, Moment.UNSUBSCRIBE, " ".join(streams))
        self._exchange.streams_changed(self)
