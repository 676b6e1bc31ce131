"""One open socket from its first message to its end: its decoder, what is subscribed on it, its silence.

In: frames. Out: events to the inbox, `Subscribed` and `Unheard` as the venue answers, and the cause of its end. Silence
is judged by data, never by pings: a socket that is acknowledged and mute is given up. Where a venue wants pings of its
own they are sent, and a socket on which not even those are answered is given up too, however quiet its channels.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Protocol

import structlog

from perpscope.errors import FrameError
from perpscope.feeds.counts import FrameCounts
from perpscope.feeds.plausible import AHEAD_NS, BEHIND_NS, Spoilt, implausible
from perpscope.feeds.recording import Recorder
from perpscope.feeds.subscriptions import Subscriptions
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Gap,
    MarketEvent,
    MarkPrice,
    Quote,
    Subscribed,
    Trade,
    Unheard,
)
from perpscope.model.stream import Channel, ConnectionPlan, Control, Ignored, Stream
from perpscope.ports import Decoder, Dialogue, Socket
from perpscope.settings import Feed

#: Real seconds between two looks for something to send.
_IDLE_S = 0.05
#: A look at a connection that comes so many real seconds late means that the program stood still, not the venue.
_OVERSLEPT_S = 1.0
#: A stamp further from its receipt says nothing about the way: it is old news, or a clock that is wrong altogether.
_MOST_LAG_NS = 60_000_000_000
#: What is stamped when it happens, and told at once.
_STAMPED = (Trade, Quote, BookDelta, BookSnapshot, MarkPrice)

#: Cause of the gap of a stream that is left and joined anew.
_RENEWED = "renewed"

_log = structlog.get_logger()


class Owner(Protocol):
    """What a session needs of the connection it belongs to."""

    plan: ConnectionPlan
    dialogue: Dialogue
    settings: Feed
    silent_after_s: float
    recorder: Recorder | None
    lead_ns: int  #: how far the venue's clock is ahead of ours

    @property
    def suspects(self) -> Collection[str]:
        """Topics that seem to cost the connection."""
        ...

    def tell(self, event: Subscribed | Unheard | Gap) -> None:
        """Pass on what was learnt of the subscriptions, and what was in frames that could not be used."""
        ...


class Session:
    """One open socket.

    Args:
        name: of this connection, e.g. "binance/market/0".
        venue: whose it is.
        owner: the plan, the rules and the counters.
        decoder: fresh, for this session alone.
        extend: takes events at once, without a second look (the hot path).
        now_ns: market time.
    """

    __slots__ = (
        *("_ahead", "_bad", "_bad_since", "_behind", "_decode", "_fault", "_first_heard_at", "_now_ns", "_of"),
        *(
            "_away",
            "_newest",
            "_ping_due",
            "_pinged_at",
            "_recorder",
            "_spoilt",
            "_subscriptions",
            "_ts_answered",
            "_ts_stamped",
        ),
        *("_venue", "answered_at", "counts"),
        *("extend", "heard_at", "is_leaving", "is_subscribed", "name", "opened_at", "ticks", "ts_last"),
        *("ts_pulsed", "ts_reached", "ts_subscribed"),
    )

    def __init__(
        self,
        name: str,
        venue: str,
        owner: Owner,
        decoder: Decoder,
        extend: Callable[[list[MarketEvent]], None],
        now_ns: Callable[[], int],
    ) -> None:
        now = time.monotonic()
        self.name = name
        self.counts = FrameCounts()
        self.extend = extend  #: takes the events of a frame; may be changed at any time
        self.is_subscribed = False  #: True once `Subscribed` was told
        self.is_leaving = False  #: True once the venue has said that it will end the connection
        self.ts_last = 0  #: ns UTC, of the last data frame
        self.ts_pulsed = 0
        self.ts_reached = 0  #: ns UTC, up to which the ledger vouches for it, as of the last Tick with data
        self.ts_subscribed = 0  #: ns UTC, of the newest acknowledgement told
        self.ticks = 0  #: with data, since the newest acknowledgement told
        self.opened_at = now  #: real seconds
        self.heard_at = now  #: real time of the last data, or of the opening
        self.answered_at = now  #: real time of the last frame of any kind, or of the opening
        self._first_heard_at: float | None = None
        self._venue = venue
        self._of = owner
        self._decode = decoder.decode
        self._recorder = owner.recorder
        self._now_ns = now_ns
        self._subscriptions = _subscriptions(owner, now)
        self._ahead, self._behind = owner.lead_ns + AHEAD_NS, owner.lead_ns - BEHIND_NS
        self._newest: list[MarketEvent] = []
        self._ts_stamped = 0
        self._away: dict[Stream, int] = {}  # left to be joined anew: since when, ns UTC
        self._spoilt = Spoilt(venue, owner.plan.topics)
        self._ts_answered = 0
        self._ping_due = now + owner.dialogue.ping_every_s
        self._pinged_at = now  # of the first ping since anything came
        self._bad_since = now
        self._bad = 0
        self._fault: str | None = None

    @property
    def frames(self) -> int:
        """Data frames: decoded or passed over, not answers to us."""
        return self.counts.data

    @property
    def healthy_s(self) -> float:
        """Real seconds between the first and the last data."""
        return 0.0 if self._first_heard_at is None else self.heard_at - self._first_heard_at

    @property
    def is_settled(self) -> bool:
        """True if every topic has been answered about."""
        return self._subscriptions.is_answered

    @property
    def unanswered(self) -> list[str]:
        """Topics that were asked for and not answered about, where others had been acknowledged."""
        return self._subscriptions.unanswered if self._subscriptions.has_any else []

    def on_frame(self, raw: bytes | memoryview, ts_recv: int) -> None:
        """Decode one frame and pass on what it holds."""
        if self._recorder is not None:
            self._recorder.frame(self.name, ts_recv, raw)
        try:
            decoded = self._decode(raw, ts_recv)
        except FrameError as error:
            self._reject(str(error), raw, ts_recv)
            return
        if type(decoded) is list:
            if (
                len(decoded) != 1 or not self._behind <= decoded[0].ts_event - ts_recv <= self._ahead  # type: ignore[union-attr]  # of instruments
            ) and (why := implausible(decoded, ts_recv + self._of.lead_ns)) is not None:
                self._reject(why, raw, ts_recv)
                return
            self.counts.decoded += 1
            self.ts_last = ts_recv
            self._newest = decoded
            self.extend(decoded)
        elif isinstance(decoded, Control):
            self.counts.control += 1
            self._answer(decoded, ts_recv)
        elif isinstance(decoded, Ignored):
            self.counts.ignored[decoded.reason] += 1
            self.ts_last = ts_recv

    def lag(self) -> int:
        """From the venue's stamp to the last receipt, ns: what was stamped later may be on its way. 0 if none is.

        By the newest event, if its kind is stamped when it happens; else the stamp before stands, and is older by now.
        What the venue does not stamp has the time of its receipt, and tells nothing.
        """
        event = self._newest[-1] if self._newest else None
        if isinstance(event, _STAMPED) and 0 < abs(event.ts_recv - event.ts_event) <= _MOST_LAG_NS:
            self._ts_stamped = event.ts_event
        return self.ts_last - self._ts_stamped if self._ts_stamped else 0

    async def serve(self, socket: Socket) -> str:
        """Subscribe, then watch until something is wrong; returns the cause."""
        closed = asyncio.ensure_future(socket.wait_closed())
        talking = asyncio.ensure_future(self._talk(socket))
        try:
            return await self._watch(closed)
        finally:
            talking.cancel()
            closed.cancel()
            await asyncio.gather(talking, closed, return_exceptions=True)
            self._tell_spoilt()
            self._tell_rejoined(set(self._away))

    def retire(self, cause: str = "rotated") -> None:
        """End it: another connection has taken its place."""
        self._fault = cause

    def renew(self, stream: Stream) -> bool:
        """Subscribe a stream's topics anew; False if they are not subscribed here."""
        return self._subscriptions.renew(stream)

    async def _talk(self, socket: Socket) -> None:
        """Send what there is to be sent, no faster than the venue allows."""
        dialogue = self._of.dialogue
        while True:
            now = time.monotonic()
            message = self._subscriptions.next_message(now)
            if message is None and dialogue.ping is not None and now >= self._ping_due:
                message = dialogue.ping
                self._ping_due = now + dialogue.ping_every_s
                if self._pinged_at <= self.answered_at:
                    self._pinged_at = now
            if message is not None:
                socket.send(message)
                for stream in self._subscriptions.away:
                    self._away.setdefault(stream, self._now_ns())
            await asyncio.sleep(_IDLE_S if message is None else dialogue.between_requests_s)

    async def _watch(self, closed: "asyncio.Future[None]") -> str:
        settings, subscriptions = self._of.settings, self._subscriptions
        look_s = min(self._of.silent_after_s, settings.ack_timeout_s, settings.refused_retry_s) / 10
        seen = (0, 0)
        looked_at = time.monotonic()
        while True:
            await asyncio.wait([closed], timeout=look_s)
            now = time.monotonic()
            if (late_s := now - looked_at - look_s) > _OVERSLEPT_S:
                self._excuse(late_s)
            looked_at = now
            heard = (self.frames, self.counts.frames)
            if heard[1] != seen[1]:
                self.answered_at = now
            if heard[0] != seen[0]:
                self.heard_at = now
                self._first_heard_at = self._first_heard_at or now
            seen = heard
            if closed.done() and self._fault is None:
                closed.result()  # a bug of ours in `on_frame` comes out here, and must not pass for a lost connection
                return "server-shutdown" if self.is_leaving else "disconnect"
            if subscriptions.is_overdue(now):
                return "unacknowledged"
            subscriptions.look(now)
            self._tell()
            if (cause := self._fault or subscriptions.hopeless or self._silence(now)) is not None:
                return cause

    def _excuse(self, late_s: float) -> None:
        """Do not blame the venue for the time this program stood still: what it said may wait in the socket."""
        self.heard_at += late_s
        self.answered_at += late_s
        self._pinged_at += late_s
        self._subscriptions.excuse(late_s)

    def _silence(self, now: float) -> str | None:
        """Why nothing comes any more, if that is so."""
        if now - self.heard_at > self._of.silent_after_s:
            return "silent"
        dialogue = self._of.dialogue
        if dialogue.ping is None or self._pinged_at <= self.answered_at:
            return None
        return "no-pong" if now - self._pinged_at > self._of.settings.silent_after_s else None

    def _answer(self, control: Control, ts_recv: int) -> None:
        if control.is_closing:
            _log.warning("venue is about to end the connection", connection=self.name, words=control.error)
            self.is_leaving = True
            return
        if control.request_id is None and control.topic is None and control.error is None:
            return  # a pong
        known = self._subscriptions.answered(control, time.monotonic())
        if control.error is not None:
            _log.error(
                "venue refused a message",
                connection=self.name,
                id=control.request_id,
                topic=control.topic,
                error=control.error,
                asked=known,
            )
        if known:
            self._ts_answered = ts_recv
            if self._subscriptions.is_answered:
                self._tell()

    def _tell(self) -> None:
        """Pass on what has been acknowledged, and what has been set aside."""
        if heard := self._subscriptions.take_heard():
            self.is_subscribed = True
            self.ts_subscribed, self.ticks = self._ts_answered, 0
            self._of.tell(Subscribed(self._venue, self.name, heard, self._ts_answered))
        for lost in self._subscriptions.take_lost():
            _log.error(
                "not listened to",
                connection=self.name,
                cause=lost.cause,
                why=lost.why,
                streams=[f"{stream.channel.value} {stream.instrument or '*'}" for stream in lost.streams[:5]],
                count=len(lost.streams),
            )
            self._of.tell(Unheard(self._venue, self.name, lost.streams, lost.cause, self._now_ns()))
        self._tell_spoilt()
        self._tell_rejoined(self._away.keys() - self._subscriptions.away)

    def _tell_spoilt(self) -> None:
        """What was in frames that could not be used is missing."""
        for gap in self._spoilt.gaps(self._now_ns()):
            self._of.tell(gap)

    def _tell_rejoined(self, streams: Collection[Stream]) -> None:
        """What was said between leaving a topic and joining it anew is missing; a book's own snapshot says so."""
        lead_ns, now_ns = self._of.lead_ns, self._now_ns()
        for stream in streams:
            ts_from = self._away.pop(stream)
            if stream.channel is not Channel.BOOK:
                span = ts_from + min(0, lead_ns), now_ns + max(0, lead_ns)
                self._of.tell(Gap(self._venue, (stream,), *span, _RENEWED, now_ns))

    def _reject(self, why: str, raw: bytes | memoryview, ts_recv: int) -> None:
        self.counts.reject(why, raw)
        self._spoilt.note(raw, min(self.ts_pulsed, self.ts_last - max(0, self.lag())), ts_recv)
        now = time.monotonic()
        if now - self._bad_since > 60.0:
            self._bad_since, self._bad = now, 0
        self._bad += 1
        if self._bad > self._of.settings.max_bad_frames_per_minute:
            self._fault = "bad-frames"


def _subscriptions(owner: Owner, now: float) -> Subscriptions:
    """What a connection is to ask for, by its owner's rules."""
    return Subscriptions(
        owner.plan.topics,
        owner.dialogue,
        ack_timeout_s=owner.settings.ack_timeout_s,
        retry_s=owner.settings.refused_retry_s,
        suspects=owner.suspects,
        now=now,
    )
