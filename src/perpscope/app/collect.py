"""The heart: venues' catalogues, the live feed, the engine and the store, joined; and what it says of itself.

In: settings and the venues to hear. Out: rows in the store, and an `Outcome`. It runs until its time is up or it is
told to stop; a venue that cannot be reached is named and tried again, the others go on.
"""

import asyncio
import contextlib
import os
import random
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app import buses, places, venues
from perpscope.app.archiving import Archiving
from perpscope.app.backfill import Backfilling, PastTicks
from perpscope.app.connections import links
from perpscope.app.joining import Joining
from perpscope.app.liqmap.keeping import MapKeeping
from perpscope.app.market_time import MarketTime
from perpscope.app.others import Others
from perpscope.app.signalling import Signalling
from perpscope.app.status import Status, judge_feeds, read_status
from perpscope.app.status_reading import StatusReading
from perpscope.app.telling import Telling
from perpscope.app.trade.trading import Trading
from perpscope.app.turns import calm_collector, short_turns
from perpscope.app.upkeep import Upkeep
from perpscope.engine.engine import Engine
from perpscope.errors import StoreError
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.counts import FrameCounts
from perpscope.feeds.live import LiveFeed
from perpscope.feeds.recording import Header, Recorder
from perpscope.feeds.rest import market_clock
from perpscope.feeds.socket import PicowsConnector
from perpscope.model.instrument import Instrument
from perpscope.model.market import Tick
from perpscope.model.order import Arrival
from perpscope.model.stream import Channel
from perpscope.ports import Http, Publisher, Sink, Venue
from perpscope.settings import Settings
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import FeedStatus, HeartStatus, StoreKind, Trouble

#: Events processed at once: an order's answer waits for no more of them (by hand, about a third of a millisecond).
_AT_ONCE: Final = 32


class _Parts(msgspec.Struct, frozen=True):
    """What a collection consists of while it runs."""

    engine: Engine
    feed: LiveFeed
    store: SqliteStore
    archive: Archiving
    past: Backfilling
    upkeep: Upkeep
    maps: MapKeeping
    telling: Telling
    signalling: Signalling


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
        trading: trades on what is collected; None = nobody does.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        database: Path,
        clock: MarketClock | None = None,
        announce: Callable[[str], None] = lambda _: None,
        rng: random.Random | None = None,
        trading: Trading | None = None,
    ) -> None:
        self.database = database
        self._trading = trading
        self._settings = settings
        self._clock = clock or MarketClock()
        self._announce = announce
        self._rng = rng or random.Random()  # noqa: S311  # jitter, not secrets
        self._stopping = asyncio.Event()
        venues.refuse_unknown(settings.venue)
        self._own = {name: venues.settings(name, settings.venue) for name in dict.fromkeys(settings.collect.venues)}
        self._venues = [venues.configured(name, own) for name, own in self._own.items()]
        self._others = Others(settings, clock=self._clock, announce=announce, rng=self._rng)
        self._labs = sorted({own.clock_url for own in self._own.values() if own.clock_url} | self._others.labs)
        self._kind = StoreKind.DEMO if self._labs else StoreKind.OBSERVED
        self._trouble: str | None = None
        self._telling: Telling | None = None
        self._joining = Joining(settings, self._own, clock=self._clock, announce=announce, rng=self._rng)
        if trading is not None:
            self._joining.prepare = trading.begin

    def status(self) -> Status:
        """What is stored and how the feeds are doing, as any reader of the store would see it, and the bus."""
        status = read_status(self.database, self._settings)
        return status if self._telling is None else msgspec.structs.replace(status, bus=self._telling.health())

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
        short_turns()
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
        archive = Archiving(self._settings.archive, self._kind, self._announce)
        stack.push_async_callback(archive.aclose)
        telling = self._telling = await self._opened_bus(store)
        maps = MapKeeping(self._settings.map, store.path, self._announce, telling.map_made)
        stack.push_async_callback(maps.aclose)
        stack.push_async_callback(telling.aclose)
        signalling = Signalling(self._settings, store, telling.signals, self._announce)
        stack.callback(signalling.close)
        past = self._past(store, archive, signalling, maps)
        engine = self._engine(store, past, archive, telling, signalling=signalling)
        recorder = stack.enter_context(self._recorder())
        feed = LiveFeed(
            clock=self._clock,
            connector=self._connector(),
            settings=self._settings.feed,
            recorder=recorder,
            rng=self._rng,
        )
        feed.snapshots_wanted = engine.snapshots_wanted
        feed.depth_wanted = engine.depth_wanted
        feed.silent_streams = lambda: engine.silent_streams
        upkeep = Upkeep(store, self._settings.retention.days)
        parts = _Parts(engine, feed, store, archive, past, upkeep, maps, telling, signalling)
        joining = [asyncio.create_task(self._joining.join(venue, feed, store, stack)) for venue in self._venues]
        joining.append(asyncio.create_task(self._others.run(feed, store, stack)))
        joining += [asyncio.create_task(MarketTime(url, self._clock, self._announce).run()) for url in self._labs[-1:]]
        ending = asyncio.create_task(self._end_after(duration_s, feed, joining))
        try:
            await self._process(parts, on_tick)
        finally:
            for task in (*joining, ending):
                task.cancel()
            await past.aclose()
            results = await asyncio.gather(*joining, ending, return_exceptions=True)
        return self._outcome(sum(engine.counts.values()), feed, results)

    async def _process(self, parts: "_Parts", on_tick: Callable[["Collector"], None] | None) -> None:
        """Every event through the engine, until the feed is over; and what is due at each Tick, bit by bit.

        Whatever else the loop has to do gets its turn in between: sockets are read, orders are sent and answered. What
        is due waits for the events, and both wait for an order that was just made. Not once the feed is to stop: what
        is left then is judged while its connections stand.
        """
        process, feed, trading = self._processing(parts.engine), parts.feed, self._trading
        due: Iterator[None] = iter(())
        async for batch in feed.batches():
            parts.archive.take(batch)
            for number, event in enumerate(batch, start=1):
                process(event)
                if type(event) is Tick:
                    deque(due, maxlen=0)  # what is left of the last one
                    due = self._due(event.ts_recv, parts, on_tick)
                if type(event) is Tick or not number % _AT_ONCE or (trading is not None and trading.is_sending):
                    await self._breathe(feed)
            parts.telling.batch_over()
            for _ in due:
                await self._breathe(feed)
                if feed.has_more and not feed.is_stopping:
                    break

    async def _breathe(self, feed: LiveFeed) -> None:
        """Let others have their turn, and an order that was just made go."""
        if feed.is_stopping:
            return
        if self._trading is not None:
            await self._trading.sent()
        await asyncio.sleep(0)

    def _due(self, now_ns: int, parts: "_Parts", on_tick: Callable[["Collector"], None] | None) -> Iterator[None]:
        """What is due at a Tick, bit by bit."""
        feeds = self._feeds(now_ns, parts)
        yield
        self._tell_status(now_ns, parts, feeds)
        yield
        parts.upkeep.tick(now_ns)
        parts.archive.tick(now_ns, parts.engine.market)
        parts.past.tick()
        yield
        near = parts.maps.tick(now_ns)
        for made in parts.signalling.tick(now_ns, parts.engine.market, near):
            parts.feed.tell(made)
        yield
        if self._trading is not None:
            self._trading.tick(now_ns)
            yield
        if on_tick is not None:
            on_tick(self)

    def _processing(self, engine: Engine) -> Callable[[Arrival], None]:
        """What takes each event: the engine, and then whoever trades on it."""
        if self._trading is None:
            return engine.process
        see, trade = engine.process, self._trading.process

        def both(event: Arrival) -> None:
            see(event)
            trade(event)

        return both

    async def _opened_bus(self, store: SqliteStore) -> Telling:
        """What tells faces; where no bus can be opened it tells nobody, and the heart goes on."""
        bus: Publisher | None = None
        try:
            bus = await buses.publisher(self._settings, store.path, self._announce)
        except StoreError as error:
            self._announce(f"faces are not told anything: {error.code}: {error.message}")
        return Telling(bus, StatusReading(store.path, self._settings), self._announce)

    def _outcome(self, market_events: int, feed: LiveFeed, results: Sequence[object]) -> Outcome:
        """How it ended; raises what a task ended with."""
        for result in results:
            if isinstance(result, Exception):
                raise result
        unreachable = self._joining.unreachable | self._others.unreachable
        return Outcome(market_events, feed.counts, tuple(why for _, why in sorted(unreachable.items())))

    def _past(self, store: SqliteStore, archive: Archiving, signalling: Signalling, maps: MapKeeping) -> Backfilling:
        """Asks each venue that joins for its past."""
        past = Backfilling(
            self._settings,
            store,
            clock=self._clock,
            announce=self._announce,
            rng=self._rng,
            sinks=[PastTicks(archive)],
        )

        def joined(venue: Venue, http: Http, instruments: Sequence[Instrument]) -> None:
            past.joined(venue, http, instruments)
            signalling.know(instruments)
            maps.look_at(signalling.instruments)
            if self._trading is not None:
                maps.look_at(instrument.id for instrument in instruments)

        self._joining.joined = joined
        return past

    def _connector(self) -> PicowsConnector:
        """Opens sockets, each venue's by its own way out."""
        return PicowsConnector(
            self._clock,
            timeout_s=self._settings.feed.connect_timeout_s,
            max_frame_bytes=self._settings.feed.max_frame_bytes,
            proxies=venues.proxies(self._own, self._settings),
        )

    def _engine(self, store: SqliteStore, *sinks: Sink, signalling: Signalling) -> Engine:
        """An engine that goes on where the store ends."""
        with SqliteReader.open(store.path) as reader:
            history = reader.lpi_history(self._clock.now_ns())
            trading = [] if self._trading is None else [self._trading]
            return Engine(
                sinks=[store.sink(), *sinks, signalling, *trading],
                on_1m_candle_close=signalling.closed,
                resume=store.last_covered(),
                lpi_history=history,
                silent_after_s=self._settings.feed.silent_after_s * self._clock.rate,
            )

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
        if self._trading is not None:
            await self._trading.leave()
        feed.stop()

    async def _time_up(self, duration_s: float | None) -> bool:
        """Return when the time is up; it counts from when every venue has answered, or has once failed to."""
        await self._joining.is_ready.wait()
        if self._trading is not None:
            await self._trading.is_ready.wait()
            calm_collector()
        if duration_s is None:
            return await asyncio.Event().wait()
        await asyncio.sleep(duration_s)
        return True

    def _feeds(self, now_ns: int, parts: "_Parts") -> list[FeedStatus]:
        """How the feeds are doing; people are told of what has changed."""
        parts.store.check()
        self._tell_trouble(parts.store.trouble)
        self._joining.tell_closed()
        wanted: dict[str, Collection[Channel]] = {venue.name: self._joining.channels(venue) for venue in self._venues}
        wanted.update(self._others.wanted)
        feed = parts.feed
        return judge_feeds(wanted, feed.connections, parts.engine, now_ns, self._clock.rate, feed.pollers)

    def _tell_status(self, now_ns: int, parts: "_Parts", feeds: list[FeedStatus]) -> None:
        feed = parts.feed
        heart = HeartStatus(os.getpid(), now_ns, self._clock.wall_ns(), self._clock.rate, True)
        parts.store.report(feeds, heart)
        parts.telling.tick(parts.engine.market, feeds, heart, lambda: links(feed.connections, feed.pollers))

    def _tell_trouble(self, trouble: Trouble | None) -> None:
        """Say once when nothing can be written, and once when it can again."""
        code = None if trouble is None else trouble.code
        if code != self._trouble:
            self._trouble = code
            told = (
                "the database takes rows again" if trouble is None else f"{trouble.code}: {trouble.what}; rows are kept"
            )
            self._announce(told)

    @contextlib.contextmanager
    def _recorder(self) -> Iterator[Recorder | None]:
        folder = self._settings.recording.folder
        if not folder and self._trading is None:
            yield None
            return
        name = f"{'-'.join(v.name for v in self._venues)}-{self._clock.now_ns()}.perpscope"
        path = Path(folder).expanduser() / name if self._trading is None else self._trading.recording
        recorder = Recorder(path, Header(venue=self._venues[0].name, data=self._kind.value))
        self._announce(f"recording raw frames to {recorder.path}")
        try:
            yield recorder
        finally:
            recorder.close()
            if recorder.dropped:
                self._announce(f"the recording {recorder.path} is not whole: the disk did not take all of it")
