"""A backfill on demand: by the collector that writes the store, if there is one, else here and now.

In: settings, the store's file, what is wanted. Out: a `Report`. What was told stays told: whoever interrupts it and
asks again goes on where it stood.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from perpscope.app import backfill_errand, catalogue, places, venues
from perpscope.app.backfill import Pantry
from perpscope.app.backfill_errand import Errand, Report, report_of
from perpscope.app.backfill_plan import plan
from perpscope.app.catalogue import Listed
from perpscope.app.venues import VenueSettings
from perpscope.errors import ConfigError, StoreError, VenueError
from perpscope.feeds.backfill import Backfill, channels_of
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.rest import RestClient, market_clock
from perpscope.model.instrument import Instrument
from perpscope.model.stream import Channel
from perpscope.ports import Historic, Venue
from perpscope.settings import Settings
from perpscope.stores.access import StoreLock
from perpscope.stores.sqlite import SqliteStore, StoreKind

#: Longest real seconds a venue that asks to be left alone is waited for.
_PATIENCE_S = 120.0
#: Real seconds between two commits, and between two words of how far it is.
_COMMIT_EVERY_S = 0.5


class Asked(msgspec.Struct, frozen=True):
    """One venue, ready to be asked."""

    venue: Venue
    instruments: list[Instrument]
    backfill: Backfill


def channels_named(names: Sequence[str]) -> tuple[Channel, ...]:
    """Series by name, of those that any venue can be asked for.

    Raises:
        ConfigError: there is none of that name.
    """
    every = (venues.find(name) for name in venues.names())
    known = {c.value: c for venue in every if isinstance(venue, Historic) for c in channels_of(venue)}
    for name in names:
        if name not in known:
            raise ConfigError(
                "option-value", f"--series {name!r} cannot be asked for", hint=f"one of {', '.join(sorted(known))}"
            )
    return tuple(known[name] for name in names)


async def fill(
    settings: Settings,
    database: Path,
    errand: Errand,
    *,
    announce: Callable[[str], None],
    on_progress: Callable[[Report], None],
    is_stopping: Callable[[], bool],
) -> Report:
    """Ask the venues in `settings` for what the store does not have; returns early when `is_stopping`.

    Raises:
        PerpscopeError: settings, store or symbols are wrong, or no venue answers.
    """
    places.make_own_folder(database)
    own = {name: venues.settings(name, settings.venue) for name in dict.fromkeys(settings.collect.venues)}
    clock = MarketClock()
    labs = sorted({each.clock_url for each in own.values() if each.clock_url})
    for url in labs:
        clock.follow(await market_clock(url))
    kind = StoreKind.DEMO if labs else StoreKind.OBSERVED
    try:
        store = SqliteStore.open(database, kind=kind, batch_rows=settings.database.batch_rows)
    except StoreError as error:
        if error.code != "store-locked":
            raise
        announce("the collector that writes the database is asked to do it")
        return await asyncio.to_thread(_by_collector, database, errand, error, on_progress, is_stopping)
    try:
        async with AsyncExitStack() as stack:
            once = _Once(settings, own, store, clock, errand, announce)
            report = await once.run(stack, on_progress, is_stopping)
            await store.aflush()
            return report
    finally:
        store.close()


def _by_collector(
    database: Path,
    errand: Errand,
    locked: StoreError,
    on_progress: Callable[[Report], None],
    is_stopping: Callable[[], bool],
) -> Report:
    """Have it done; whoever stops it gets the last word there was.

    Raises:
        StoreError: nobody took it up, or the collector went away.
    """
    told: list[Report] = []

    def on_told(report: Report) -> None:
        told[:] = [report]
        on_progress(report)

    report = backfill_errand.hand_over(
        database, errand, is_owned=lambda: not is_stopping() and _is_owned(database), on_told=on_told
    )
    if report is None and is_stopping():
        return told[0] if told else report_of((), (), 0.0, by_collector=True, notes=())
    if report is None:
        raise locked
    return report


def _is_owned(path: Path) -> bool:
    try:
        StoreLock(path).release()
    except StoreError:
        return True
    return False


class _Once:
    """One backfill into a store that nobody else writes."""

    def __init__(
        self,
        settings: Settings,
        own: dict[str, VenueSettings],
        store: SqliteStore,
        clock: MarketClock,
        errand: Errand,
        announce: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._own = own
        self._store = store
        self._clock = clock
        self._errand = errand
        self._announce = announce
        self._rng = random.Random()  # noqa: S311  # jitter, not secrets
        self._notes: list[str] = []

    async def run(
        self, stack: AsyncExitStack, on_progress: Callable[[Report], None], is_stopping: Callable[[], bool]
    ) -> Report:
        asked = await self._ask_catalogues(stack)
        now_ns = self._clock.now_ns()
        scope = self._errand.scope(
            now_ns, kept_days=self._settings.retention.days, is_archived=bool(self._settings.archive.folder)
        )
        for each in asked:
            self._store.register(each.instruments, now_ns)
        await self._store.aflush()
        for each in asked:
            found = await asyncio.to_thread(plan, self._store.path, each.venue, each.instruments, scope, now_ns)
            each.backfill.want(found.wanted)
        running = asyncio.gather(*(each.backfill.run(is_stopping) for each in asked))
        try:
            while not running.done() and not is_stopping():
                await asyncio.wait([running], timeout=_COMMIT_EVERY_S)
                await self._store.aflush()
                on_progress(self._report(asked))
            if running.done():
                await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return self._report(asked)

    async def _ask_catalogues(self, stack: AsyncExitStack) -> list[Asked]:
        """Every venue that answers and tells a past, with what is wanted of it."""
        listed: dict[str, Listed] = {}
        clients: dict[str, RestClient] = {}
        why: VenueError | None = None
        for name, own in self._own.items():
            venue = venues.configured(name, own)
            client = await stack.enter_async_context(venues.rest_client(venue, own, self._settings))
            if not isinstance(venue, Historic):
                self._note(f"{name} tells nothing of its past")
                continue
            try:
                listed[name] = await catalogue.ask(venue, client, turnover=not self._settings.collect.symbols)
                clients[name] = client
            except VenueError as error:
                why = error
                self._note(f"{name} was not reached: {error.message}")
        if why is not None and not listed:
            raise why
        choice = catalogue.choose(self._settings.collect.symbols, listed)
        for note in choice.notes:
            self._note(note)
        return [
            self._asked(name, clients[name], instruments)
            for name, instruments in choice.instruments.items()
            if instruments
        ]

    def _asked(self, name: str, http: RestClient, instruments: list[Instrument]) -> Asked:
        venue = venues.configured(name, self._own[name])
        assert isinstance(venue, Historic)  # noqa: S101  # those without a past were left out
        backfill = Backfill(
            name,
            venue,
            http=http,
            clock=self._clock,
            keep=Pantry(self._store).keep,
            rng=self._rng,
            patience_s=_PATIENCE_S,
            announce=self._announce,
        )
        return Asked(venue, instruments, backfill)

    def _report(self, asked: Sequence[Asked]) -> Report:
        filled = [line for each in asked for line in each.backfill.filled.values()]
        share = sum(each.backfill.share_done for each in asked) / len(asked) if asked else 1.0
        return report_of(filled, [each.venue for each in asked], share, notes=self._notes)

    def _note(self, line: str) -> None:
        self._notes.append(line)
        self._announce(line)
