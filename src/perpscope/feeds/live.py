"""The live feed: every planned connection of every venue, polls, books made whole, and a Tick each market second.

In: venues with what to listen to. Out: one stream of events in the order of receipt. The engine says which books
await a snapshot; start, reconnect and a hole in the numbering are all healed alike: by a REST call where the venue
wants one (of few levels first where many books wait), else by subscribing the book anew. It says as well which streams
are silent; see `remedies`.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial

import msgspec
import structlog

from perpscope.engine.silence import Silent
from perpscope.errors import PerpscopeError
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.connection import Connection
from perpscope.feeds.counts import FrameCounts
from perpscope.feeds.inbox import Inbox
from perpscope.feeds.limits import PacedConnector
from perpscope.feeds.poll import Poller
from perpscope.feeds.recording import Recorder
from perpscope.feeds.remedies import Remedies
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import Alive, Disconnected, Tick
from perpscope.model.order import Arrival, ReturnedEvent
from perpscope.model.stream import Channel, ConnectionPlan, HttpRequest, Poll, Stream, Urgency
from perpscope.ports import Connector, Http, TellsTops, Venue
from perpscope.settings import Feed

#: REST snapshots under way at once, and the real seconds between two tries for one book.
_SNAPSHOTS_AT_ONCE = 4
_RETRY_FIRST_S, _RETRY_MAX_S = 1.0, 30.0
#: Where more books of a venue than this wait for a snapshot, all get one of few levels first (chosen by hand).
_MANY = 10
#: Real seconds a Tick may be late before that is worth a word.
_LAG_S = 1.0

_log = structlog.get_logger()


class Listening(msgspec.Struct, frozen=True):
    """One venue and what to hear from it."""

    venue: Venue
    websocket_url: str  #: base URL
    http: Http
    instruments: tuple[Instrument, ...]
    plans: tuple[ConnectionPlan, ...]
    polls: tuple[Poll, ...] = ()
    lead_ns: int = 0  #: how far the venue's clock is ahead of ours


class LiveFeed:
    """A `Feed` over live connections.

    Args:
        clock: market time.
        connector: opens sockets.
        settings: timeouts and backoff.
        recorder: keeps raw frames, if any.
        rng: jitter; a seeded one makes waits repeatable.
    """

    def __init__(
        self,
        *,
        clock: MarketClock,
        connector: Connector,
        settings: Feed,
        recorder: Recorder | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.snapshots_wanted: Callable[[], list[InstrumentId]] = list
        self.depth_wanted: Callable[[], list[InstrumentId]] = list
        self.silent_streams: Callable[[], list[Silent]] = list
        self.connections: list[Connection] = []
        self.pollers: list[Poller] = []
        self._clock = clock
        self._connector = connector
        self._settings = settings
        self._recorder = recorder
        self._rng = rng or random.Random()  # noqa: S311  # jitter, not secrets
        self._inbox = Inbox()
        self.is_stopping = False  #: from `stop()` on
        self._is_over = False  # True once its tasks have been ended: a venue that joins late finds nobody
        self._books: dict[InstrumentId, tuple[Listening, Instrument]] = {}
        self._retry_at: dict[InstrumentId, tuple[float, float]] = {}  # (not before, next wait), real seconds
        self._fetching: dict[InstrumentId, asyncio.Task[None]] = {}
        self._deepening: InstrumentId | None = None  # of these, the one that only makes a readable book whole
        self._hasty: set[str] = set()  # venues of which many books wait, until none does
        self._remedies = Remedies(clock.rate)
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, at: Listening) -> None:
        """Listen to a venue from now on; the event loop must be running. Nothing happens once the feed is over."""
        if self._is_over:
            return
        if self._recorder is not None:
            self._recorder.instruments(at.venue.name, self._clock.now_ns(), at.instruments)
        self._books.update({instrument.id: (at, instrument) for instrument in at.instruments})
        catalogue = {instrument.symbol: instrument for instrument in at.instruments}
        connector = PacedConnector(self._connector, at.venue.dialogue.between_connects_s, at.http)
        for plan in at.plans:
            connection = Connection(
                at.venue,
                catalogue,
                plan,
                at.websocket_url.rstrip("/") + plan.path,
                connector=connector,
                inbox=self._inbox,
                clock=self._clock,
                settings=self._settings,
                recorder=self._recorder,
                rng=self._rng,
            )
            connection.lead_ns = at.lead_ns
            self.connections.append(connection)
            self._start(connection.run(), plan.name)
        if at.polls:
            poller = Poller(
                at.venue,
                at.polls,
                catalogue,
                http=at.http,
                inbox=self._inbox,
                clock=self._clock,
                recorder=self._recorder,
                rng=self._rng,
            )
            self.pollers.append(poller)
            self._start(poller.run(), f"{at.venue.name}/polls")

    @property
    def counts(self) -> FrameCounts:
        """Frame counters of all connections together."""
        total = FrameCounts()
        for connection in self.connections:
            total.add(connection.counts)
        return total

    async def batches(self) -> AsyncIterator[list[Arrival]]:
        """Events as they come, until `stop()`.

        Raises:
            BaseException: whatever ended one of the feed's own tasks; none may die unseen.
        """
        self._start(self._tick(), "tick")
        try:
            async for batch in self._inbox.batches():
                yield batch
        finally:
            self._is_over = True
            await self._cancel()
        self._inbox.end()
        async for batch in self._inbox.batches():
            yield batch  # what came, and was recorded, while the sockets were being closed
        for task in self._tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    @property
    def has_more(self) -> bool:
        """Events have come that nobody has taken yet."""
        return self._inbox.has_any

    def tell(self, event: ReturnedEvent) -> None:
        """The front door of what concerns ourselves: recorded, then processed in its turn.

        Whatever changes a desk comes this way, so that the order of a recording is the order things were decided in.
        On the event loop; nobody is told once the feed is over.
        """
        if self._is_over:
            return
        if self._recorder is not None:
            self._recorder.own(event)
        self._inbox.put(event)

    def keep(self) -> None:
        """Have what was recorded so far made safe against a crash of this process; never waits."""
        if self._recorder is not None:
            self._recorder.keep()

    def stop(self) -> None:
        """Let the consumer finish what has been received, then end."""
        self.is_stopping = True
        for task in self._tasks:
            task.cancel()
        now_ns = self._clock.now_ns()
        open_ones = [name for connection in self.connections for name in connection.subscribed]
        for name in (*open_ones, *(name for poller in self.pollers for name in poller.subscribed)):
            self._mark(Disconnected(name, "stopped", now_ns))
        self._mark(Tick(now_ns))
        self._inbox.end()

    def _start(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            self._inbox.end()

    async def _cancel(self) -> None:
        everything = [*self._tasks, *self._fetching.values()]
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)

    async def _tick(self) -> None:
        async for now_ns in self._clock.ticks():
            for connection in self.connections:
                for alive in connection.pulses(now_ns):
                    self._mark(alive)
            self._mark(Tick(now_ns))
            self._mend_books()
            self._remedies.look(self.silent_streams(), self.connections, time.monotonic())
            if self._clock.lag_s > _LAG_S:
                _log.warning("the program stood still", lag_s=round(self._clock.lag_s, 1))

    def _mark(self, event: Alive | Disconnected | Tick) -> None:
        if self._recorder is not None:
            self._recorder.event(event)
        self._inbox.put(event)

    def _mend_books(self) -> None:
        """Ask for the snapshots that are wanted, in the order the instruments were named: majors come first.

        What there is room for besides makes books whole of which few levels are known.
        Each failure doubles the wait for the next try; a book that was readable in between has waited enough.
        """
        now = time.monotonic()
        wanted, shallow = set(self.snapshots_wanted()), set(self.depth_wanted())
        for instrument in self._retry_at.keys() - wanted - shallow - self._fetching.keys():
            not_before, _ = self._retry_at[instrument]
            self._retry_at[instrument] = (min(not_before, now + _RETRY_FIRST_S), _RETRY_FIRST_S)
        waiting = [known for known in self._books if known in wanted]
        many = Counter(self._books[instrument][0].venue.name for instrument in waiting)
        self._hasty = {name for name, count in many.items() if count > _MANY or name in self._hasty}
        for instrument in waiting:
            at, record = self._books[instrument]
            request = at.venue.snapshot_request(record)
            if request is not None and at.venue.name in self._hasty and isinstance(at.venue, TellsTops):
                request = at.venue.top_request(record)
            if instrument == self._deepening:
                self._fetching[instrument].cancel()  # it is in no hurry, and this is
            elif request is None or len(self._fetching) - (self._deepening is not None) < _SNAPSHOTS_AT_ONCE:
                self._mend(instrument, request, now)
        for instrument in [known for known in self._books if known in shallow]:
            at, record = self._books[instrument]
            request = at.venue.snapshot_request(record)
            if request is not None and self._deepening is None:
                self._mend(instrument, msgspec.structs.replace(request, urgency=Urgency.PAST), now)
                self._deepening = instrument if instrument in self._fetching else None

    def _mend(self, instrument: InstrumentId, request: HttpRequest | None, now: float) -> None:
        """Do something about one book, if it is time."""
        not_before, wait_s = self._retry_at.get(instrument, (0.0, _RETRY_FIRST_S))
        if instrument in self._fetching or now < not_before:
            return
        if request is None:
            self._renew(Stream(Channel.BOOK, instrument))
        else:
            at, record = self._books[instrument]
            task = asyncio.create_task(self._fetch(at, record, request), name=f"snapshot {instrument}")
            self._fetching[instrument] = task
            task.add_done_callback(partial(self._fetched, instrument))
        self._retry_at[instrument] = (now + wait_s, min(2 * wait_s, _RETRY_MAX_S))

    def _renew(self, stream: Stream) -> None:
        for connection in self.connections:
            connection.renew(stream)

    def _fetched(self, instrument: InstrumentId, _: "asyncio.Task[None]") -> None:
        """The next one's turn comes at once: the venue's budget sets the pace, not the Ticks."""
        self._fetching.pop(instrument, None)
        if instrument == self._deepening:
            self._deepening = None
        if not self._is_over:
            self._mend_books()

    async def _fetch(self, at: Listening, record: Instrument, request: HttpRequest) -> None:
        try:
            body = await at.http.get(request)
            ts_recv = self._clock.now_ns()
            snapshot = at.venue.snapshot(body, record, ts_recv)
        except PerpscopeError as error:
            _log.warning("no book snapshot", instrument=record.id, error=error.message)
            return
        if self._recorder is not None:
            self._recorder.reply(record.id, ts_recv, body)
        self._inbox.put(snapshot)
        self._retry_at[record.id] = (time.monotonic() + _RETRY_FIRST_S, _RETRY_FIRST_S)
