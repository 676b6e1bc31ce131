"""One planned socket, kept alive: connect, listen, give up, wait, begin anew; and replaced before its time is over.

Start, reconnect and recovery are this one path; each attempt is a `Session` with a fresh decoder. In: a
`ConnectionPlan`. Out, into the inbox: events, `Connected`, `Subscribed`, `Unheard`, `Disconnected` with its cause.
A venue that ends connections after a day is left before: a second connection is opened beside the first, and the first
is closed when the second hears what it hears; what both bring counts once (`overlap`).
"""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from functools import partial

import structlog

from perpscope.feeds.counts import FrameCounts
from perpscope.feeds.inbox import Inbox
from perpscope.feeds.overlap import Overlap, successor
from perpscope.feeds.recording import Recorder
from perpscope.feeds.session import Session
from perpscope.model.instrument import Instrument
from perpscope.model.market import Alive, Connected, Disconnected, Gap, MarketEvent, Subscribed, Unheard
from perpscope.model.stream import Channel, ConnectionPlan, Stream
from perpscope.ports import Clock, Connector, Venue
from perpscope.settings import Feed

#: Channels that speak at least once a second in any healthy market; the others may be quiet for long.
_BUSY = frozenset({Channel.QUOTES, Channel.BOOK, Channel.TRADES, Channel.MARK_PRICES})
#: A connection of quiet channels only is given this many times longer before it counts as silent (chosen by hand).
_QUIET_FACTOR = 12.0
#: Share of its lifetime after which a connection is replaced: between 22.1 and 23 of 24 hours, not all at once.
_ROTATE_SHARE = (0.92, 0.96)
#: Connections lost at the same topic after which it is set aside, and tried again later by itself.
_SUSPICIOUS = 2
#: Real seconds between two looks at a connection and at the one that is to take its place.
_LOOK_S = 0.1
#: A successor on which everything is acknowledged but nothing is said takes over after so many real seconds.
_QUIET_HANDOVER_S = 60.0
#: Ticks whose lag is kept.
_LAGS_KEPT = 600

_log = structlog.get_logger()


def full_jitter(attempt: int, first_s: float, max_s: float, rng: random.Random) -> float:
    """Seconds to wait before attempt `attempt` (0, 1, …): uniform in [0, min(first × 2^attempt, max)].

    "Full jitter" keeps many clients from returning in step.
    """
    return rng.uniform(0.0, min(first_s * 2.0 ** min(attempt, 30), max_s))


class Connection:
    """Runs one `ConnectionPlan` for ever.

    Args:
        venue: whose it is.
        catalogue: symbol → instrument; what each decoder knows.
        plan: where to connect and what to subscribe to.
        url: full URL of the plan.
        connector: opens sockets.
        inbox: takes the events.
        clock: market time.
        settings: timeouts and backoff.
        recorder: keeps raw frames, if any.
        rng: for jitter.
    """

    def __init__(
        self,
        venue: Venue,
        catalogue: Mapping[str, Instrument],
        plan: ConnectionPlan,
        url: str,
        *,
        connector: Connector,
        inbox: Inbox,
        clock: Clock,
        settings: Feed,
        recorder: Recorder | None,
        rng: random.Random,
    ) -> None:
        self.lead_ns = 0  #: how far the venue's clock is ahead of ours; to be set before `run`
        self.venue = venue.name
        self.plan = plan
        self.url = url
        self.dialogue = venue.dialogue
        self.settings = settings
        self.recorder = recorder
        self.attempts = 0  #: connection attempts so far
        self.failures = 0  #: in a row, since the last healthy spell
        self.last_error: str | None = None  #: why the last attempt ended
        self.lags: deque[int] = deque(maxlen=_LAGS_KEPT)  #: ns, from the venue's stamp to our receipt, one of each Tick
        self._speaker = venue
        self._catalogue = catalogue
        self._connector = connector
        self._inbox = inbox
        self._clock = clock
        self._rng = rng
        self._ts_pulse = 0  # ns UTC, of the last look before a Tick
        self._past = FrameCounts()
        self._sessions: list[Session] = []  # open ones; two while the younger takes the elder's place
        self._overlap = Overlap()
        self._ended_at: Counter[str] = Counter()  # topic → connections that ended while it alone was being asked for
        self._current = plan.name
        self._unfit: str | None = None  # why the open connection is to be replaced
        self.streams = frozenset(plan.streams)
        self.channels = frozenset(stream.channel for stream in plan.streams)
        busy = any(stream.channel in _BUSY for stream in plan.streams)
        self.silent_after_s = settings.silent_after_s * (1.0 if busy else _QUIET_FACTOR)  #: of real time

    async def run(self) -> None:
        """Connect and reconnect until cancelled."""
        attempt = asyncio.create_task(self._attempt(self._current), name=self._current)
        try:
            while True:
                replacement = await self._until_over(attempt)
                if replacement is not None:
                    attempt = replacement
                    continue
                cause, healthy_s = attempt.result()
                await self._wait(cause, healthy_s)
                attempt = asyncio.create_task(self._attempt(self._current), name=self._current)
        finally:
            attempt.cancel()
            await asyncio.gather(attempt, return_exceptions=True)

    # what others ask -----------------------------------------------------------------------------------------------

    def pulses(self, now_ns: int) -> Iterator[Alive]:
        """What to tell the engine before a Tick: on which open connections data has come since the last one."""
        for session in self._sessions:
            session.ticks += session.ts_last > 0
            if session.ts_last != session.ts_pulsed:
                session.ts_pulsed = session.ts_last
                lag = session.lag()
                if lag:
                    self.lags.append(lag)
                session.ts_reached = min(self._ts_pulse, session.ts_last) - max(0, lag)
                yield Alive(session.name, session.ts_last, session.frames, now_ns, lag)
        self._ts_pulse = now_ns

    def renew(self, stream: Stream) -> bool:
        """Subscribe a stream anew, so that the venue begins it from the start; False if it is not listened to here."""
        return bool(self._sessions) and self._sessions[-1].renew(stream)

    def replace(self, cause: str) -> bool:
        """Open another connection, and let go of this one when that hears; False if none is open and settled."""
        if not self.is_settled or self._unfit is not None:
            return False
        self._unfit = cause
        return True

    @property
    def counts(self) -> FrameCounts:
        """What became of every frame so far."""
        total = FrameCounts()
        total.add(self._past)
        for session in self._sessions:
            total.add(session.counts)
        return total

    @property
    def suspects(self) -> list[str]:
        """Topics that have cost two connections: some venues hang up on a name they do not know, without a word."""
        return [topic for topic, ended in self._ended_at.items() if ended >= _SUSPICIOUS]

    @property
    def is_open(self) -> bool:
        """True while a socket is open."""
        return bool(self._sessions)

    @property
    def subscribed(self) -> list[str]:
        """Names of the open connections on which the venue has acknowledged something."""
        return [session.name for session in self._sessions if session.is_subscribed]

    @property
    def is_settled(self) -> bool:
        """True while a socket is open on which every topic has been answered about."""
        return bool(self._sessions) and self._sessions[-1].is_settled

    @property
    def has_data(self) -> bool:
        """True if data has come on a connection that is open now."""
        return any(session.frames > 0 for session in self._sessions)

    @property
    def silent_s(self) -> float | None:
        """Real seconds since the last data; None if not connected."""
        return min((time.monotonic() - session.heard_at for session in self._sessions), default=None)

    def tell(self, event: Connected | Subscribed | Unheard | Disconnected | Gap) -> None:
        """Pass on, and record, what happened to a connection."""
        if self.recorder is not None:
            self.recorder.event(event)
        self._inbox.put(event)

    # life ----------------------------------------------------------------------------------------------------------

    async def _wait(self, cause: str, healthy_s: float) -> None:
        if healthy_s >= self.settings.healthy_after_s:
            self.failures = 0
        wait_s = full_jitter(self.failures, self.settings.backoff_first_s, self.settings.backoff_max_s, self._rng)
        self.failures += 1
        _log.warning(
            "connection lost", connection=self._current, cause=cause, error=self.last_error, retry_in_s=round(wait_s, 2)
        )
        await asyncio.sleep(wait_s)

    async def _until_over(self, attempt: "asyncio.Task[tuple[str, float]]") -> "asyncio.Task[tuple[str, float]] | None":
        """Wait for the end of a connection; returns the attempt that has taken its place, if one was asked to."""
        lasts_s = self._rotate_after_s()
        while True:
            await asyncio.wait([attempt], timeout=_LOOK_S)
            if attempt.done():
                return None
            session = self._session_of(self._current)
            if session is None:
                continue
            if (
                self._unfit is not None
                or session.is_leaving
                or (lasts_s is not None and time.monotonic() - session.opened_at > lasts_s)
            ):
                return await self._replace(attempt, session)

    def _rotate_after_s(self) -> float | None:
        """Real seconds after which a connection is replaced; None if it may last for ever."""
        asked = self.settings.rotate_after_s
        if asked > 0:
            return asked
        lifetime_s = self.dialogue.lifetime_s
        return None if lifetime_s is None else lifetime_s * self._rng.uniform(*_ROTATE_SHARE)

    async def _replace(
        self, elder: "asyncio.Task[tuple[str, float]]", session: Session
    ) -> "asyncio.Task[tuple[str, float]]":
        """Open a second connection, and let go of the first when the second hears; go on with whichever is left."""
        name, failed = successor(self._current), 0
        while True:
            younger = asyncio.create_task(self._attempt(name), name=name)
            try:
                while not (elder.done() or younger.done() or self._has_taken_over(name, session)):
                    await asyncio.wait([elder, younger], timeout=_LOOK_S)
                if not younger.done():
                    self._current = name
                    session.retire(self._unfit or "rotated")
                    self._unfit = None
                    await asyncio.wait([elder])
                    return younger
            except asyncio.CancelledError:
                younger.cancel()
                elder.cancel()
                await asyncio.gather(younger, elder, return_exceptions=True)
                raise
            if elder.done():
                return elder
            failed += 1
            wait_s = full_jitter(failed, self.settings.backoff_first_s, self.settings.backoff_max_s, self._rng)
            await asyncio.wait([elder], timeout=wait_s)
            if elder.done():
                return elder

    def _has_taken_over(self, name: str, elder: Session) -> bool:
        """True if the younger connection's coverage has begun, and the elder's reaches beyond that beginning.

        The ledger vouches for a connection up to the Tick before the last, so it takes two of them.
        """
        session = self._session_of(name)
        if session is None or not (session.is_settled and session.is_subscribed):
            return False
        if time.monotonic() - session.opened_at > _QUIET_HANDOVER_S:
            return True
        return session.ticks > 2 and elder.ts_reached >= session.ts_subscribed + max(0, -session.lag())

    def _session_of(self, name: str) -> Session | None:
        return next((session for session in self._sessions if session.name == name), None)

    async def _attempt(self, name: str) -> tuple[str, float]:
        """One connection from opening to its end: why it ended, and for how long it had brought data."""
        self.attempts += 1
        session = Session(
            name, self.venue, self, self._speaker.decoder(self._catalogue), self._inbox.extend, self._clock.now_ns
        )
        try:
            socket = await self._connector(self.url, session.on_frame, self._inbox.wake)
        except (OSError, TimeoutError) as error:
            self.last_error = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return "unreachable", 0.0
        self._opened(session)
        try:
            cause = await session.serve(socket)
        finally:
            socket.close()
            self._sessions.remove(session)
            self._past.add(session.counts)
        if cause == "disconnect" and len(session.unanswered) == 1:
            self._ended_at.update(session.unanswered)
        self.last_error = cause
        self._closed(session, cause)
        return cause, session.healthy_s

    def _opened(self, session: Session) -> None:
        if not self._sessions:
            self._unfit = None  # what was to be replaced is gone already
        self._sessions.append(session)
        self._overlap.connected(session.name)
        if self._overlap.is_on:
            for one in self._sessions:
                one.extend = partial(self._take, one)
        self.tell(Connected(self.venue, session.name, self._clock.now_ns(), self.lead_ns))

    def _closed(self, session: Session, cause: str) -> None:
        now_ns = self._clock.now_ns()
        self._overlap.disconnected(session.name, now_ns)
        self.tell(Disconnected(session.name, cause, now_ns))

    def _take(self, session: Session, events: list[MarketEvent]) -> None:
        """Events of one of two connections: each once. Goes out of the way when the overlap is over."""
        self._inbox.extend(self._overlap.fresh(events, session.ts_last))
        if not self._overlap.is_on:
            for one in self._sessions:
                one.extend = self._inbox.extend
