"""The past beside the live feed: at the first start, after each gap, every hour, and when another process asks for it.

In: venues as they join, gaps as they close, errands as they are laid beside the store. Out, into the store: what the
venues tell, through the same door as everything else, and behind it. One call per venue is under way at most; nothing
here can end the heart.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence

import structlog

from perpscope.app import backfill_errand
from perpscope.app.archiving import Archiving
from perpscope.app.backfill_errand import Errand, Told, report_of
from perpscope.app.backfill_plan import Plan, Scope, in_words, merged, plan, recent
from perpscope.errors import StoreError
from perpscope.feeds.backfill import Backfill, Filled, channels_of
from perpscope.feeds.clock import SECOND_NS, MarketClock
from perpscope.model.instrument import Instrument
from perpscope.model.market import Covered, Gap, MarketEvent, Trade
from perpscope.model.stream import Channel
from perpscope.ports import Historic, Http, Sink, Venue
from perpscope.settings import Settings
from perpscope.stores.sqlite import SqliteStore

#: Events handed over at once, and rows that may wait for the writer before more are.
_PORTION, _MOST_WAITING_ROWS = 100, 20_000
_LOOK_EVERY_S = 0.05
#: Market seconds until the store is looked at again, and after the first look, when streams have begun meanwhile.
_AGAIN_S, _FIRST_AGAIN_S = 3600.0, 60.0
#: Real seconds between two looks at least, and after one that failed.
_LEAST_REST_S, _FAILED_REST_S = 1.0, 30.0
_TELL_EVERY_S = 0.5
_HINT_ROWS = 1_000  #: fewer rows are not worth a word

_log = structlog.get_logger()


class Pantry:
    """Puts what was told of the past into the store, when there is room behind what happens now.

    Args:
        store: opened for writing.
        sinks: who else keeps it.
    """

    def __init__(self, store: SqliteStore, sinks: Sequence[Sink] = ()) -> None:
        self._store = store
        self._sinks = tuple(sinks)

    async def keep(self, events: Sequence[MarketEvent], covered: Sequence[Covered]) -> None:
        """Keep events in portions, then what they make whole; what was dropped is handed in again."""
        for start in range(0, len(events), _PORTION):
            await self._put(events[start : start + _PORTION])
        await self._put(covered)

    async def _put(self, events: Sequence[MarketEvent]) -> None:
        while True:
            while self._store.trouble is not None or self._store.pending_rows > _MOST_WAITING_ROWS:
                await asyncio.sleep(_LOOK_EVERY_S)
            dropped, sinks = self._store.dropped, (self._store.backfill_sink(), *self._sinks)
            for event in events:
                for sink in sinks:
                    sink.accept(event)
            await asyncio.sleep(0)
            if self._store.dropped == dropped:
                return
            await asyncio.sleep(_LOOK_EVERY_S)


class PastTicks:
    """A `Sink` that lets trades of the past into an archive, and what they make whole; it keeps no other past.

    Args:
        archive: beside the store.
    """

    def __init__(self, archive: Archiving) -> None:
        self._archive = archive

    def accept(self, event: MarketEvent) -> None:
        """Take one event."""
        if isinstance(event, Trade):
            self._archive.take_past((event,))
        elif isinstance(event, Covered) and event.streams[0].channel is Channel.TRADES:
            self._archive.accept(event)


class _VenuePast:
    """One venue's past, for as long as the heart beats."""

    def __init__(
        self,
        venue: Venue,
        backfill: Backfill,
        instruments: Sequence[Instrument],
        store: SqliteStore,
        clock: MarketClock,
        scope: Callable[[int], Scope],
        announce: Callable[[str], None],
    ) -> None:
        self.venue = venue
        self.backfill = backfill
        self.instruments = instruments
        self.errand: Errand | None = None
        self.channels = channels_of(venue).keys() if isinstance(venue, Historic) else frozenset[Channel]()
        self._store = store
        self._clock = clock
        self._scope = scope
        self._announce = announce
        self._woken = asyncio.Event()
        self._errand_scope: Scope | None = None
        self._said_rows = 0

    def wake(self) -> None:
        """Look at the store again: a gap has closed, or an errand has come or gone."""
        self._woken.set()

    def begin(self, errand: Errand, scope: Scope) -> None:
        """Do this too, from now on."""
        self.backfill.filled.clear()
        self._said_rows = 0
        self.errand, self._errand_scope = errand, scope
        self.wake()

    def forget(self) -> None:
        """The errand was withdrawn."""
        self.errand = None
        self.wake()

    def filled(self, errand: Errand) -> list[Filled]:
        """What became of an errand so far."""
        return [
            each
            for each in self.backfill.filled.values()
            if errand.holds(each.instrument) and (not errand.series or each.channel in errand.series)
        ]

    async def run(self) -> None:
        """Plan and ask until cancelled."""
        again_s = _FIRST_AGAIN_S
        while self._store.committed is None:
            await asyncio.sleep(_LOOK_EVERY_S)
        while True:
            self._woken.clear()
            try:
                await self._store.aflush()
                found = await self._plan()
            except StoreError as error:
                _log.warning("the past waits for the store", venue=self.venue.name, error=error.message)
                await asyncio.sleep(_FAILED_REST_S)
                continue
            self.backfill.want(found.wanted)
            await self.backfill.run(self._woken.is_set)
            if not self._woken.is_set():
                self.errand = None
                self._say(found)
                await self._rest(found.again_at, again_s)
                again_s = _AGAIN_S
            await asyncio.sleep(_LEAST_REST_S)

    async def _plan(self) -> Plan:
        now_ns, path = self._clock.now_ns(), self._store.path
        own = await asyncio.to_thread(plan, path, self.venue, self.instruments, self._scope(now_ns), now_ns)
        errand, scope = self.errand, self._errand_scope
        if errand is None or scope is None:
            return own
        chosen = [instrument for instrument in self.instruments if errand.holds(instrument)]
        return merged(own, await asyncio.to_thread(plan, path, self.venue, chosen, scope, now_ns))

    async def _rest(self, again_at: int | None, again_s: float) -> None:
        """Wait until there may be something to ask for."""
        now_ns = self._clock.now_ns()
        until = min(now_ns + int(again_s * SECOND_NS), again_at or 2**63)
        try:
            await asyncio.wait_for(self._woken.wait(), max(0.0, (until - now_ns) / SECOND_NS / self._clock.rate))
        except TimeoutError:
            return

    def _say(self, found: Plan) -> None:
        """What has come since the last word."""
        told = sum(filled.rows for filled in self.backfill.filled.values())
        rows, self._said_rows = told - self._said_rows, told
        asked = sum(bool(each.stretches) for each in found.wanted)
        _log.info("past asked for", venue=self.venue.name, series=asked, rows=rows)
        if rows >= _HINT_ROWS:
            self._announce(f"{self.venue.name}: the past is here, {rows:,} rows")
            for line in in_words([self.venue]):
                self._announce(line)


class Backfilling:
    """The heart's share in the past. A `Sink`, so that it hears of gaps that close.

    Args:
        settings: the whole tree.
        store: opened for writing.
        clock: market time.
        announce: told what a person should know, one line at a time; the same line once.
        rng: jitter.
        sinks: who else keeps what is told, e.g. an archive.
    """

    def __init__(
        self,
        settings: Settings,
        store: SqliteStore,
        *,
        clock: MarketClock,
        announce: Callable[[str], None],
        rng: random.Random,
        sinks: Sequence[Sink] = (),
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._announce = announce
        self._rng = rng
        self._pantry = Pantry(store, sinks)
        self._venues: dict[str, _VenuePast] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._errand: Errand | None = None
        self._told_at = 0.0
        self._said: set[str] = set()

    def joined(self, venue: Venue, http: Http, instruments: Sequence[Instrument]) -> None:
        """A venue is listened to: ask for its past as well, if it tells any."""
        if not isinstance(venue, Historic):
            return
        backfill = Backfill(
            venue.name,
            venue,
            http=http,
            clock=self._clock,
            keep=self._pantry.keep,
            rng=self._rng,
            announce=self._say,
        )
        past = _VenuePast(venue, backfill, instruments, self._store, self._clock, self._own_scope, self._say)
        self._venues[venue.name] = past
        self._tasks.append(asyncio.create_task(self._guarded(past), name=f"{venue.name}/past"))

    def accept(self, event: MarketEvent) -> None:
        """Ask again when a gap has closed."""
        if isinstance(event, Gap) and event.ts_to is not None and self._settings.backfill.gaps:
            past = self._venues.get(event.venue)
            if past is not None and any(stream.channel in past.channels for stream in event.streams):
                past.wake()

    def tick(self) -> None:
        """Look for errands, and tell how far the one in hand is. Never waits."""
        now_s = time.monotonic()
        laid = backfill_errand.waiting(self._store.path)
        if self._errand is not None and (laid is None or laid.id != self._errand.id):
            for past in self._venues.values():
                past.forget()
            self._errand = None
        if laid is not None and self._errand is None:
            self._begin(laid)
        elif self._errand is not None and now_s - self._told_at >= _TELL_EVERY_S:
            self._told_at = now_s
            self._tell(self._errand)

    async def aclose(self) -> None:
        """Ask for no more; what was told is in the store."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, errand: Errand) -> None:
        self._errand, self._told_at = errand, 0.0
        scope = errand.scope(
            self._clock.now_ns(),
            kept_days=self._settings.retention.days,
            is_archived=bool(self._settings.archive.folder),
        )
        for past in self._asked(errand):
            past.begin(errand, scope)

    def _asked(self, errand: Errand) -> list[_VenuePast]:
        return [past for name, past in self._venues.items() if not errand.venues or name in errand.venues]

    def _tell(self, errand: Errand) -> None:
        asked = self._asked(errand)
        is_done = all(past.errand is None for past in asked)
        filled = [each for past in asked for each in past.filled(errand)]
        share = sum(past.backfill.share_done for past in asked) / len(asked) if asked and not is_done else 1.0
        absent = [name for name in errand.venues if name not in self._venues]
        notes = [f"{name} is not collected here, or tells no past" for name in absent]
        if is_done and asked and not filled:
            notes.append(f"none of {', '.join(errand.symbols)} is collected here")
        report = report_of(filled, [past.venue for past in asked], share, by_collector=True, notes=notes)
        backfill_errand.tell(self._store.path, Told(errand.id, is_done, report))
        if is_done:
            self._errand = None

    def _own_scope(self, now_ns: int) -> Scope:
        return recent(
            now_ns,
            self._settings.backfill.days,
            gaps=self._settings.backfill.gaps,
            kept_days=self._settings.retention.days,
            is_archived=bool(self._settings.archive.folder),
        )

    async def _guarded(self, past: _VenuePast) -> None:
        """A fault in asking for the past costs the past."""
        try:
            await past.run()
        except Exception as error:
            _log.exception("the past was given up", venue=past.venue.name)
            self._say(f"{past.venue.name}: the past is not asked for any more: {type(error).__name__}: {error}")

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._announce(line)
