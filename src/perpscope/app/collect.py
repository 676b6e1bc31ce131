"""The heart: venues' catalogues, the live feed, the engine and the store, joined; and what it says of itself.

In: settings and the venues to hear. Out: rows in the store, and an `Outcome`. It runs until its time is up or it is
told to stop; a venue that cannot be reached is named and tried again, the others go on.
"""

import asyncio
import contextlib
import gc
import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import structlog

from perpscope.app import places, venues
from perpscope.app.status import Status, judge_feeds, read_status
from perpscope.app.upkeep import Upkeep
from perpscope.config import Settings
from perpscope.engine.engine import Engine
from perpscope.errors import VenueError
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.connection import full_jitter
from perpscope.feeds.counts import FrameCounts
from perpscope.feeds.limits import WeightLimiter
from perpscope.feeds.live import Listening, LiveFeed
from perpscope.feeds.recording import Header, Recorder
from perpscope.feeds.rest import RestClient, market_clock
from perpscope.feeds.socket import PicowsConnector
from perpscope.model.instrument import Instrument
from perpscope.model.market import Tick
from perpscope.model.stream import Channel
from perpscope.ports import Venue
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import HeartStatus, StoreKind, Trouble

_log = structlog.get_logger()


def calm_collector() -> None:
    """Let the garbage collector look less often: events are born and gone by the hundred thousand, without cycles.

    Python's default looks after 700 new objects, which costs the path from socket to event a sixth of its time.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


class Outcome(msgspec.Struct, frozen=True):
    """How a collection ended."""

    market_events: int  #: events decoded, of every kind
    frames: FrameCounts  #: what became of every frame
    unreachable: tuple[str, ...]  #: venues that never answered, with the reason


class Collector:
    """One collection from start to stop.

    Args:
        settings: the whole tree.
        database: file to write.
        clock: market time.
        announce: told what a person should know, one line at a time.
        rng: jitter.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        database: Path,
        clock: MarketClock | None = None,
        announce: Callable[[str], None] = lambda _: None,
        rng: random.Random | None = None,
    ) -> None:
        self.database = database
        self._settings = settings
        self._clock = clock or MarketClock()
        self._announce = announce
        self._rng = rng or random.Random()  # noqa: S311  # jitter, not secrets
        self._stopping = asyncio.Event()
        self._venues = [venues.find(name) for name in settings.collect.venues]
        venues.refuse_unknown(settings.venue)
        self._own = {venue.name: venues.settings(venue.name, settings.venue) for venue in self._venues}
        self._labs = sorted({own.clock_url for own in self._own.values() if own.clock_url})
        self._kind = StoreKind.DEMO if self._labs else StoreKind.OBSERVED
        self._unreachable: dict[str, str] = {}
        self._trouble: str | None = None
        self._awaited = {venue.name for venue in self._venues}
        self._ready = asyncio.Event()

    def status(self) -> Status:
        """What is stored and how the feeds are doing, as any reader of the store would see it."""
        return read_status(self.database)

    def stop(self) -> None:
        """Finish what has been received and return from `run`."""
        self._stopping.set()

    async def run(
        self,
        duration_s: float | None = None,
        *,
        on_tick: Callable[["Collector"], None] | None = None,
        before_close: Callable[["Collector"], None] | None = None,
    ) -> Outcome:
        """Collect until `duration_s` real seconds after everything is ready, or until `stop()`.

        Args:
            duration_s: None = until stopped.
            on_tick: called after each Tick, e.g. to redraw.
            before_close: called when all is committed and the store is still open.

        Raises:
            PerpscopeError: settings, store or symbols are wrong.
        """
        calm_collector()
        places.make_own_folder(self.database)
        for url in self._labs:
            self._clock.follow(await market_clock(url))
        store = SqliteStore.open(self.database, kind=self._kind, batch_rows=self._settings.database.batch_rows)
        try:
            async with contextlib.AsyncExitStack() as stack:
                outcome = await self._run(store, stack, duration_s, on_tick)
                await asyncio.to_thread(store.flush)
                if before_close is not None:
                    before_close(self)
                return outcome
        finally:
            store.close()

    async def _run(
        self,
        store: SqliteStore,
        stack: contextlib.AsyncExitStack,
        duration_s: float | None,
        on_tick: Callable[["Collector"], None] | None,
    ) -> Outcome:
        engine = self._engine(store)
        recorder = stack.enter_context(self._recorder())
        feed = LiveFeed(
            clock=self._clock,
            connector=PicowsConnector(
                self._clock,
                timeout_s=self._settings.feed.connect_timeout_s,
                max_frame_bytes=self._settings.feed.max_frame_bytes,
            ),
            settings=self._settings.feed,
            recorder=recorder,
            rng=self._rng,
        )
        feed.snapshots_wanted = engine.snapshots_wanted
        upkeep = Upkeep(store, self._settings.retention.days)
        joining = [asyncio.create_task(self._join(venue, feed, store, stack)) for venue in self._venues]
        ending = asyncio.create_task(self._end_after(duration_s, feed, joining))
        market_events = 0
        try:
            async for batch in feed.batches():
                for event in batch:
                    engine.process(event)
                    if type(event) is Tick:
                        self._tick(event.ts_recv, engine, feed, store)
                        upkeep.tick(event.ts_recv)
                        if on_tick is not None:
                            on_tick(self)
            market_events = sum(engine.counts.values())
        finally:
            for task in (*joining, ending):
                task.cancel()
            results = await asyncio.gather(*joining, ending, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        return Outcome(market_events, feed.counts, tuple(why for _, why in sorted(self._unreachable.items())))

    def _engine(self, store: SqliteStore) -> Engine:
        """An engine that goes on where the store ends."""
        with SqliteReader.open(store.path) as reader:
            history = reader.lpi_history(self._clock.now_ns())
            return Engine(sinks=[store.sink()], resume=store.last_covered(), lpi_history=history)

    async def _end_after(
        self, duration_s: float | None, feed: LiveFeed, joining: Sequence["asyncio.Task[None]"]
    ) -> None:
        """Stop the feed when the time is up, when told to, or when a venue's settings prove wrong."""
        stopped = asyncio.create_task(self._stopping.wait())
        timed = asyncio.create_task(self._time_up(duration_s))
        watched: set[asyncio.Task[None] | asyncio.Task[bool]] = {stopped, timed, *joining}
        ends = {stopped, timed}
        try:
            while True:
                done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                if ends & done or any(task.exception() is not None for task in done):
                    break
                watched -= done
        finally:
            stopped.cancel()
            timed.cancel()
        feed.stop()

    async def _time_up(self, duration_s: float | None) -> bool:
        """Return when the time is up; it counts from when every venue has answered, or has once failed to."""
        await self._ready.wait()
        if duration_s is None:
            return await asyncio.Event().wait()
        await asyncio.sleep(duration_s)
        return True

    def _answered(self, venue: str) -> None:
        self._awaited.discard(venue)
        if not self._awaited:
            self._ready.set()

    async def _join(self, venue: Venue, feed: LiveFeed, store: SqliteStore, stack: contextlib.AsyncExitStack) -> None:
        """Learn what a venue lists, then listen to it."""
        own = self._own[venue.name]
        limiter = WeightLimiter(own.weight_per_minute, own.weight_per_minute / 4)
        http = await stack.enter_async_context(RestClient(venue.name, own.rest_url or venue.rest_url, limiter))
        catalogue = await self._catalogue(venue, http)
        instruments, left_out = venues.choose(self._settings.collect.symbols, catalogue, venue.name)
        if left_out:
            self._announce(f"{venue.name}: not listed or not trading, left out: {', '.join(left_out)}")
        plans = tuple(venue.plan(instruments, self._channels(venue)))
        store.register(instruments)
        streams = sum(len(plan.streams) for plan in plans)
        self._announce(f"{venue.name}: {len(instruments)} instruments, {streams} streams on {len(plans)} connections")
        feed.add(Listening(venue, own.websocket_url or venue.websocket_url, http, tuple(instruments), plans))
        self._answered(venue.name)

    async def _catalogue(self, venue: Venue, http: RestClient) -> list[Instrument]:
        attempt = 0
        while True:
            try:
                found = venue.instruments(await http.get(venue.catalogue_request()))
            except VenueError as error:
                wait_s = full_jitter(
                    attempt, self._settings.feed.backoff_first_s, self._settings.feed.backoff_max_s, self._rng
                )
                self._unreachable[venue.name] = error.message
                self._answered(venue.name)
                self._announce(f"{error.message}; trying again in {wait_s:.1f} s")
                attempt += 1
                await asyncio.sleep(wait_s)
            else:
                self._unreachable.pop(venue.name, None)
                return found

    def _tick(self, now_ns: int, engine: Engine, feed: LiveFeed, store: SqliteStore) -> None:
        store.check()
        self._tell_trouble(store.trouble)
        wanted = {venue.name: self._channels(venue) for venue in self._venues}
        feeds = judge_feeds(wanted, feed.connections, engine, now_ns, self._clock.rate)
        store.report(feeds, HeartStatus(os.getpid(), now_ns, self._clock.wall_ns(), self._clock.rate, True))

    def _tell_trouble(self, trouble: Trouble | None) -> None:
        """Say once when nothing can be written, and once when it can again."""
        code = None if trouble is None else trouble.code
        if code != self._trouble:
            self._trouble = code
            told = (
                "the database takes rows again" if trouble is None else f"{trouble.code}: {trouble.what}; rows are kept"
            )
            self._announce(told)

    def _channels(self, venue: Venue) -> list[Channel]:
        return [c for c in Channel if c in venue.channels and (c is not Channel.BOOK or self._settings.collect.books)]

    @contextlib.contextmanager
    def _recorder(self) -> Iterator[Recorder | None]:
        folder = self._settings.recording.folder
        if not folder:
            yield None
            return
        name = f"{'-'.join(v.name for v in self._venues)}-{self._clock.now_ns()}.perpscope"
        header = Header(venue=self._venues[0].name, data=self._kind.value)
        recorder = Recorder(Path(folder).expanduser() / name, header)
        self._announce(f"recording raw frames to {recorder.path}")
        try:
            yield recorder
        finally:
            recorder.close()
            if recorder.dropped:
                self._announce(f"the recording {recorder.path} is not whole: the disk did not take all of it")
