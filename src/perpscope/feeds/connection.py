"""One planned socket, kept alive: connect, subscribe, watch the data, give up, wait, begin anew.

Start, reconnect and recovery are this one path; each attempt has a fresh decoder. In: a `ConnectionPlan`. Out, into
the inbox: events, `Subscribed` for each acknowledgement, `Disconnected` with its cause. Silence is judged by data,
never by pings: a socket that is acknowledged and mute is replaced.
"""

import asyncio
import random
import time
from collections.abc import Callable

import structlog

from perpscope.config import Feed
from perpscope.errors import FrameError
from perpscope.feeds.counts import FrameCounts
from perpscope.feeds.inbox import Inbox
from perpscope.feeds.recording import Recorder
from perpscope.model.market import Alive, Disconnected, Subscribed
from perpscope.model.stream import Channel, ConnectionPlan, Control, Ignored, SubscribeRequest
from perpscope.ports import Clock, Connector, Decoder, Socket

#: Channels that speak at least once a second in any healthy market; the others may be quiet for long.
_BUSY = frozenset({Channel.QUOTES, Channel.BOOK, Channel.TRADES, Channel.MARK_PRICES})
#: A connection of quiet channels only is given this many times longer before it counts as silent (chosen by hand).
_QUIET_FACTOR = 12.0
#: Seconds between two control messages; Binance takes 10 a second, pongs included.
_BETWEEN_REQUESTS_S = 0.25

_log = structlog.get_logger()


def full_jitter(attempt: int, first_s: float, max_s: float, rng: random.Random) -> float:
    """Seconds to wait before attempt `attempt` (0, 1, …): uniform in [0, min(first × 2^attempt, max)].

    "Full jitter" keeps many clients from returning in step.
    """
    return rng.uniform(0.0, min(first_s * 2.0 ** min(attempt, 30), max_s))


class Connection:
    """Runs one `ConnectionPlan` for ever.

    Args:
        venue: name, for events and the log.
        plan: where to connect and what to send.
        url: full URL of the plan.
        decoder: makes a fresh decoder for each connection.
        connector: opens sockets.
        inbox: takes the events.
        clock: market time.
        settings: timeouts and backoff.
        recorder: keeps raw frames, if any.
        rng: for jitter.
    """

    def __init__(
        self,
        venue: str,
        plan: ConnectionPlan,
        url: str,
        *,
        decoder: Callable[[], Decoder],
        connector: Connector,
        inbox: Inbox,
        clock: Clock,
        settings: Feed,
        recorder: Recorder | None,
        rng: random.Random,
    ) -> None:
        self.venue = venue
        self.plan = plan
        self.url = url
        self.counts = FrameCounts()
        self.attempts = 0  #: connection attempts so far
        self.failures = 0  #: in a row, since the last healthy spell
        self.last_error: str | None = None  #: why the last attempt ended
        self.is_open = False
        self._decoder = decoder
        self._connector = connector
        self._inbox = inbox
        self._clock = clock
        self._settings = settings
        self._recorder = recorder
        self._rng = rng
        self._session: _Session | None = None
        busy = any(stream.channel in _BUSY for stream in plan.streams)
        self.silent_after_s = settings.silent_after_s * (1.0 if busy else _QUIET_FACTOR)  #: of real time

    async def run(self) -> None:
        """Connect and reconnect until cancelled."""
        while True:
            self.attempts += 1
            cause, healthy_s = await self._attempt()
            if healthy_s >= self._settings.healthy_after_s:
                self.failures = 0
            wait_s = full_jitter(self.failures, self._settings.backoff_first_s, self._settings.backoff_max_s, self._rng)
            self.failures += 1
            _log.warning(
                "connection lost",
                connection=self.plan.name,
                cause=cause,
                error=self.last_error,
                retry_in_s=round(wait_s, 2),
            )
            await asyncio.sleep(wait_s)

    def pulse(self, now_ns: int) -> Alive | None:
        """What to tell the engine before a Tick: that data has come since the last one, if it has."""
        session = self._session
        if session is None or session.ts_last == session.ts_pulsed:
            return None
        session.ts_pulsed = session.ts_last
        return Alive(self.plan.name, session.ts_last, session.frames, now_ns)

    @property
    def is_acknowledged(self) -> bool:
        """True if the venue has acknowledged streams on the connection that is open now."""
        return self._session is not None and self._session.acknowledged

    @property
    def has_data(self) -> bool:
        """True if data has come on the connection that is open now."""
        return self._session is not None and self._session.frames > 0

    @property
    def silent_s(self) -> float | None:
        """Real seconds since the last data; None if not connected."""
        return None if self._session is None else time.monotonic() - self._session.heard_at

    async def _attempt(self) -> tuple[str, float]:
        """One connection from opening to its end: why it ended, and for how long it had brought data."""
        session = _Session(self, self._decoder())
        try:
            socket = await self._connector(self.url, session.on_frame, self._inbox.wake)
        except (OSError, TimeoutError) as error:
            self.last_error = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return "unreachable", 0.0
        self._session, self.is_open = session, True
        try:
            cause = await session.serve(socket)
        finally:
            socket.close()
            self._session, self.is_open = None, False
        self.last_error = cause
        if session.acknowledged:
            self._put(Disconnected(self.plan.name, cause, self._clock.now_ns()))
        return cause, session.healthy_s

    def _put(self, event: Subscribed | Disconnected) -> None:
        if self._recorder is not None:
            self._recorder.event(event)
        self._inbox.put(event)


class _Session:
    """One open socket: its decoder, its acknowledgements, its silence."""

    __slots__ = (
        *("_bad", "_bad_since", "_counted", "_counts", "_decode", "_extend", "_fault", "_first_heard_at", "_of"),
        *("_recorder", "_sent_at", "_waiting", "acknowledged", "heard_at", "ts_last", "ts_pulsed"),
    )

    def __init__(self, connection: Connection, decoder: Decoder) -> None:
        self.acknowledged = False
        self.ts_last = 0  #: ns UTC, of the last data frame
        self.ts_pulsed = 0
        self.heard_at = time.monotonic()  #: real time of the last data, or of the opening
        self._first_heard_at: float | None = None
        self._of = connection
        self._decode = decoder.decode
        self._counts = connection.counts
        self._counted = self._counts.data
        self._extend = connection._inbox.extend
        self._recorder = connection._recorder
        self._waiting: dict[int | str, SubscribeRequest] = {r.id: r for r in connection.plan.requests}
        self._sent_at: dict[int | str, float] = {}
        self._bad_since = time.monotonic()
        self._bad = 0
        self._fault: str | None = None

    @property
    def frames(self) -> int:
        """Data frames: decoded or passed over, not answers to us."""
        return self._counts.data - self._counted

    @property
    def healthy_s(self) -> float:
        """Real seconds between the first and the last data."""
        return 0.0 if self._first_heard_at is None else self.heard_at - self._first_heard_at

    def on_frame(self, raw: bytes | memoryview, ts_recv: int) -> None:
        """Decode one frame and pass on what it holds."""
        if self._recorder is not None:
            self._recorder.frame(self._of.plan.name, ts_recv, raw)
        try:
            decoded = self._decode(raw, ts_recv)
        except FrameError as error:
            self._reject(error, raw)
            return
        if type(decoded) is list:
            self._counts.decoded += 1
            self._extend(decoded)
            self.ts_last = ts_recv
        elif isinstance(decoded, Control):
            self._counts.control += 1
            self._answer(decoded, ts_recv)
        elif isinstance(decoded, Ignored):
            self._counts.ignored[decoded.reason] += 1
            self.ts_last = ts_recv

    async def serve(self, socket: Socket) -> str:
        """Subscribe, then watch until something is wrong; returns the cause."""
        closed = asyncio.ensure_future(socket.wait_closed())
        subscribing = asyncio.ensure_future(self._subscribe(socket))
        try:
            return await self._watch(closed)
        finally:
            subscribing.cancel()
            closed.cancel()
            await asyncio.gather(subscribing, closed, return_exceptions=True)

    async def _subscribe(self, socket: Socket) -> None:
        for request in self._of.plan.requests:
            self._sent_at[request.id] = time.monotonic()
            socket.send(request.payload)
            await asyncio.sleep(_BETWEEN_REQUESTS_S)

    async def _watch(self, closed: "asyncio.Future[None]") -> str:
        settings = self._of._settings
        look_s = min(self._of.silent_after_s, settings.ack_timeout_s) / 10
        seen = 0
        while True:
            await asyncio.wait([closed], timeout=look_s)
            now = time.monotonic()
            if self.frames != seen:
                seen, self.heard_at = self.frames, now
                self._first_heard_at = self._first_heard_at or now
            if self._fault is not None:
                return self._fault
            if closed.done():
                closed.result()  # a bug of ours in `on_frame` comes out here, and must not pass for a lost connection
                return "disconnect"
            if any(now - self._sent_at.get(i, now) > settings.ack_timeout_s for i in self._waiting):
                return "unacknowledged"
            if now - self.heard_at > self._of.silent_after_s:
                return "silent"

    def _answer(self, control: Control, ts_recv: int) -> None:
        if control.error is not None:
            _log.error(
                "venue refused a message", connection=self._of.plan.name, id=control.request_id, error=control.error
            )
            self._fault = "refused" if control.request_id in self._waiting else "server-shutdown"
            return
        request = self._waiting.pop(control.request_id, None) if control.request_id is not None else None
        if request is not None:
            self.acknowledged = True
            self._of._put(Subscribed(self._of.venue, self._of.plan.name, request.streams, ts_recv))

    def _reject(self, error: FrameError, raw: bytes | memoryview) -> None:
        self._of.counts.reject(str(error), raw)
        now = time.monotonic()
        if now - self._bad_since > 60.0:
            self._bad_since, self._bad = now, 0
        self._bad += 1
        if self._bad > self._of._settings.max_bad_frames_per_minute:
            self._fault = "bad-frames"
