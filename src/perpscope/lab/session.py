"""One client's WebSocket connection to the lab: the venue's session rules, around the dialogue of its dialect.

In: a client's frames. Out: what the dialogue answers, pings, and whatever the server publishes on its topics.
Rules a client feels in its own time (pings, message rate, silence, lifetime) count real seconds whatever the market's
rate.
"""

import asyncio
import logging
from typing import Protocol

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from perpscope.lab.allowance import Allowance
from perpscope.lab.clock import real_seconds
from perpscope.lab.dialect import Dialogue, Frame, Goodbye, Idle, SessionRules
from perpscope.lab.ledger import Ledger, Moment

#: picows speaks of every dropped client; here that is the game, and the ledger has it
LOGGER = logging.getLogger("picows.lab")


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

    def topics_changed(self, session: "Session") -> None:
        """It subscribed or unsubscribed."""
        ...

    def is_muted(self, topic: str) -> bool:
        """True if nothing of this topic is sent to anybody."""
        ...

    def backed_up(self, session: "Session") -> None:
        """It does not read as fast as it is written to."""
        ...

    def drained(self, session: "Session") -> None:
        """It has caught up."""
        ...


class Session(WSListener):
    """One connection. `send` is the only way data gets to it."""

    def __init__(self, exchange: Exchange, number: int, dialogue: Dialogue) -> None:
        rules = exchange.rules
        self._exchange = exchange
        self.dialogue = dialogue
        self.path = dialogue.path
        self.name = f"{dialogue.path or 'unrouted'}/{number}"
        self.is_muted = False
        self.is_deaf = False  #: nothing a client says is answered, nor heard
        self._is_stalled = False
        self._transport: WSTransport
        self._is_open = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        is_free = rules.messages is None or dialogue.path in rules.unmetered
        self._messages = None if is_free or rules.messages is None else Allowance(rules.messages)
        self._ponged_s = self._received_s = self._sent_s = 0.0
        self._cause = "client"

    @property
    def topics(self) -> dict[str, None]:
        """Subscribed now, oldest first."""
        return self.dialogue.topics

    # what picows calls ---------------------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        rules = self._exchange.rules
        self._transport = transport
        self._is_open = True
        self._ponged_s = self._received_s = self._sent_s = real_seconds()
        transport.underlying_transport.set_write_buffer_limits(high=rules.buffer_bytes)
        self._exchange.ledger.mark(self.name, Moment.OPEN)
        self._exchange.session_opened(self)
        if self.topics:
            self._exchange.ledger.mark(self.name, Moment.SUBSCRIBE, " ".join(self.topics))
            self._exchange.topics_changed(self)
        if rules.ping_interval_s is not None:
            self._after(rules.ping_interval_s, "ping")
        if rules.idle_timeout_s is not None:
            self._after(rules.idle_timeout_s, "idle")
        if rules.lifetime_s is not None:
            self._after(max(0.0, rules.lifetime_s - rules.notice_s), "life")

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """The client sent something."""
        if self._is_stalled:
            return
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
            return
        now = self._received_s = real_seconds()
        if self._messages is not None and not self._messages.take(now):
            self.end("too-many-messages")
            return
        match frame.msg_type:
            case WSMsgType.PING:
                self._sent_s = now
                transport.send_pong(frame.get_payload_as_bytes())
            case WSMsgType.PONG:
                self._ponged_s = now
            case WSMsgType.TEXT if self.is_deaf:
                pass
            case WSMsgType.TEXT:
                self._hear(frame.get_payload_as_bytes(), now)
            case _:
                self.end("unsupported-frame")

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 (picows' signature)
        """The connection is gone."""
        self._stop(self._cause)
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
        """Write one frame of data; False if the connection is mute, stalled or gone."""
        if self.is_muted or self._is_stalled or not self._is_open:
            return False
        self._sent_s = real_seconds()
        self._transport.send(WSMsgType.TEXT, payload)
        return True

    def expire(self) -> None:
        """Come to the end of the connection's life: at once, or after the venue's notice."""
        notice = self.dialogue.notice()
        if notice is None or not self._is_open or self._is_stalled:
            self.end("lifetime")
            return
        self._transport.send(WSMsgType.TEXT, notice)
        self._after(self._exchange.rules.notice_s, "end")

    def end(self, cause: str) -> None:
        """Close for a cause, as the venue does."""
        self._close(cause, self.dialogue.goodbye(cause))

    def stall(self) -> None:
        """Leave the TCP connection half open: nothing is read or written any more, no rule ends it."""
        if self._is_open:
            self._is_stalled = True
            self._cancel_timers()
            self._transport.underlying_transport.pause_reading()

    def abort(self, cause: str) -> None:
        """Cut the TCP connection without a word, also one that is being closed and whose client does not read."""
        self._stop(cause)
        self._transport.underlying_transport.abort()

    def cut(self, payload: bytes, cause: str) -> None:
        """End the TCP connection after half a frame of this payload; one that is half open stays so."""
        if not self._is_stalled and self._stop(cause):
            head = bytes((0x81, 126)) + len(payload).to_bytes(2, "big")  # final text frame, length in two bytes
            self._transport.underlying_transport.write(head + payload[: len(payload) // 2])
            self._transport.underlying_transport.close()

    def _close(self, cause: str, goodbye: Goodbye) -> None:
        if not self._is_stalled and self._stop(cause):
            self._transport.send_close(WSCloseCode(goodbye.code), goodbye.reason)
            self._transport.disconnect()

    def _stop(self, cause: str) -> bool:
        """Send and expect nothing more; False if that was so already, and then the first cause counts."""
        if not self._is_open:
            return False
        self._is_open = False
        self._cause = cause
        self._cancel_timers()
        return True

    # the dialogue and the rules ------------------------------------------------------------------------------------

    def _hear(self, message: bytes, now_s: float) -> None:
        heard = self.dialogue.hear(message, now_s)
        for frame in heard.frames:
            self._write(frame)
        ledger = self._exchange.ledger
        if heard.subscribed:
            self.topics.update(dict.fromkeys(heard.subscribed))
            ledger.mark(self.name, Moment.SUBSCRIBE, " ".join(heard.subscribed))
        if heard.unsubscribed:
            for topic in heard.unsubscribed:
                self.topics.pop(topic, None)
            ledger.mark(self.name, Moment.UNSUBSCRIBE, " ".join(heard.unsubscribed))
        if heard.subscribed or heard.unsubscribed:
            self._exchange.topics_changed(self)
        if heard.goodbye is not None:
            self._close("dialogue", heard.goodbye)

    def _write(self, frame: Frame) -> None:
        """An answer, or data that follows one."""
        if not frame.topic:
            self._sent_s = real_seconds()
            self._transport.send(WSMsgType.TEXT, frame.payload)
        elif not self._exchange.is_muted(frame.topic) and self.send(frame.payload):
            self._exchange.ledger.sent(frame.topic, frame.payload, [self.name])

    def _after(self, delay_s: float, rule: str) -> None:
        act = {"ping": self._ping, "idle": self._idle, "life": self.expire, "end": self._expired}[rule]
        self._timers[rule] = asyncio.get_running_loop().call_later(delay_s, act)

    def _cancel_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()

    def _expired(self) -> None:
        self.end("lifetime")

    def _ping(self) -> None:
        rules = self._exchange.rules
        if real_seconds() - self._ponged_s > rules.pong_timeout_s:
            self.end("no-pong")
            return
        self._transport.send_ping(b"%d" % int(self._ponged_s * 1000))
        self._after(rules.ping_interval_s or rules.pong_timeout_s, "ping")

    def _idle(self) -> None:
        """The silence may have been broken since: then wait for the rest of a new one."""
        rules = self._exchange.rules
        match rules.idle:
            case Idle.RECEIVED:
                since = self._received_s
            case Idle.SENT:
                since = self._sent_s
            case _:
                since = max(self._received_s, self._sent_s)
        left = since + (rules.idle_timeout_s or 0.0) - real_seconds()
        if left <= 0:
            self.end("idle")
        else:
            self._after(left, "idle")
