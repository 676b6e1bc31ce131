"""Whether this machine can collect from these venues, found out by doing it once: `perpscope doctor`.

In: settings. Out: `Findings`, one `Check` for each contract with a venue that may have changed: is it reached, does its
clock agree, does it list what is wanted, does every call and every stream bring what its page says; and what to change
where one does not. Venues are examined at once; each finding names its venue first.
"""

import asyncio
import enum
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TypeAlias

import msgspec

from perpscope.app import catalogue, doctor_machine, venues
from perpscope.app.catalogue import Listed
from perpscope.app.doctor_streams import Hearing, listen
from perpscope.errors import FrameError, PerpscopeError, RateLimited, VenueError
from perpscope.feeds import skew
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.rest import RestClient, market_clock
from perpscope.model.instrument import Instrument
from perpscope.model.stream import Channel, HttpRequest
from perpscope.ports import Historic, Stretch, Timed, Venue
from perpscope.settings import Settings

#: What is looked at where nobody names anything: every venue trades it, and it is never quiet.
_PROBE = ("BTC",)
_MS_NS, _HOUR_NS = 1_000_000, 3_600_000_000_000
#: Clock differences, beyond what the way there and back explains: an order is refused from a second on.
_SKEW_WARN_NS, _SKEW_FAIL_NS = 500 * _MS_NS, 1_000 * _MS_NS
_PAST_NS = 2 * _HOUR_NS
_Read: TypeAlias = Callable[[bytes], object]
_Question: TypeAlias = tuple[str, HttpRequest, _Read]  #: name, call, how its answer is read


class State(enum.Enum):
    """What came of a check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    name: str  #: "<venue>.<what>", or what it is of this machine
    state: State
    detail: str  #: what was found
    fix: str | None = None  #: what to change; None where nothing need be


class Findings(msgspec.Struct, frozen=True):
    """What `perpscope doctor --json` prints."""

    checks: list[Check]

    @property
    def has_failed(self) -> bool:
        """True if something has to be changed before this works."""
        return any(check.state is State.FAIL for check in self.checks)


async def examine(
    settings: Settings,
    *,
    database: Path,
    listen_s: float,
    clock: MarketClock | None = None,
    on_check: Callable[[Check], None] = lambda _: None,
) -> Findings:
    """Look at this machine and at the venues of the settings.

    Args:
        settings: the whole tree; of the symbols named, or of BTC, everything is tried.
        database: the file a collection would write.
        listen_s: real seconds a stream is given for its first message.
        clock: market time.
        on_check: told each finding as it is made.

    Raises:
        ConfigError: a venue or setting is wrong.
    """
    venues.refuse_unknown(settings.venue)
    clock = clock or MarketClock()
    checks: list[Check] = []

    def found(check: Check) -> None:
        checks.append(check)
        on_check(check)

    for told in doctor_machine.look(database, settings):
        found(Check(told.name, State(told.state), told.detail, told.fix))
    names = list(dict.fromkeys(settings.collect.venues))
    own = {name: venues.settings(name, settings.venue) for name in names}
    for url in sorted({its.clock_url for its in own.values() if its.clock_url}):
        clock.follow(await market_clock(url))
    async with AsyncExitStack() as stack:
        patients = [await _patient(name, own[name], settings, clock, found, stack) for name in names]
        await asyncio.gather(*(patient.ask() for patient in patients))
        hearings = [patient.hearing for patient in patients if patient.hearing is not None]
        heard = await listen(hearings, settings.feed, clock, listen_s, venues.proxies(own, settings))
    for told in heard:
        found(Check(told.name, State(told.state), told.detail, told.fix))
    order = {name: place for place, name in enumerate(("", *names))}
    checks.sort(key=lambda check: order.get(check.name.partition(".")[0], 0))
    return Findings(checks)


async def _patient(
    name: str,
    own: venues.VenueSettings,
    settings: Settings,
    clock: MarketClock,
    found: Callable[[Check], None],
    stack: AsyncExitStack,
) -> "_Patient":
    venue = venues.configured(name, own)
    http = await stack.enter_async_context(venues.rest_client(venue, own, settings))
    url = own.websocket_url or venue.websocket_url
    return _Patient(venue, http, url, settings, clock, found)


class _Patient:
    """One venue under examination."""

    def __init__(
        self,
        venue: Venue,
        http: RestClient,
        websocket_url: str,
        settings: Settings,
        clock: MarketClock,
        found: Callable[[Check], None],
    ) -> None:
        self.hearing: Hearing | None = None  #: what to listen to, once its catalogue is known
        self._venue = venue
        self._http = http
        self._websocket_url = websocket_url
        self._settings = settings
        self._clock = clock
        self._found = found

    async def ask(self) -> None:
        """Everything that is asked for by REST; a venue that does not answer at all is asked nothing more."""
        try:
            listed = await catalogue.ask(self._venue, self._http, turnover=False)
        except VenueError as error:
            self._note("rest", State.FAIL, error.message, _mend(error, self._venue.name))
            return
        self._note("rest", State.OK, f"answers at {self._http.base_url}")
        await self._compare_clocks()
        self._look_at_weight()
        instruments = self._look_up(listed)
        for name, request, read in self._questions(instruments):
            await self._try(name, request, read)
        if instruments:
            plans = tuple(self._venue.plan(instruments, [c for c in Channel if c in self._venue.channels]))
            self.hearing = Hearing(self._venue, self._http, self._websocket_url, tuple(instruments), plans)

    async def _compare_clocks(self) -> None:
        """The venue's clock against ours, as exactly as the time of the call allows."""
        venue = self._venue
        if not isinstance(venue, Timed):
            return
        try:
            found = await skew.measure(venue, self._http, self._clock)
        except VenueError as error:
            self._note("clock", State.FAIL, error.message, _mend(error, venue.name))
            return
        surely = found.surely_ns
        state = State.FAIL if surely > _SKEW_FAIL_NS else State.WARN if surely > _SKEW_WARN_NS else State.OK
        detail = f"this machine is {found} {venue.name}"
        self._note(
            "clock", state, detail, None if state is State.OK else "set the clock by NTP: timedatectl set-ntp true"
        )

    def _look_at_weight(self) -> None:
        used, limit = self._http.used_weight, self._venue.weight_per_minute
        if used is None:
            return
        detail = f"{used:g} of {limit:g} a minute used by this address"
        if used <= limit:
            self._note("weight", State.OK, detail)
        else:
            name = self._venue.name
            fix = f"other programs ask {name} from this address too: lower [venue.{name}] weight_per_minute"
            self._note("weight", State.WARN, detail, fix)

    def _look_up(self, listed: Listed) -> list[Instrument]:
        """What the named symbols are here, and whether they trade."""
        name = self._venue.name
        trading = sum(instrument.is_trading for instrument in listed.instruments)
        self._note(
            "symbols",
            State.OK if trading else State.FAIL,
            f"{trading} of {len(listed.instruments)} contracts trade",
            None if trading else f"{name} lists nothing that trades: is it under maintenance?",
        )
        wanted = self._settings.collect.symbols or _PROBE
        try:
            instruments = catalogue.choose(wanted, {name: listed}).instruments.get(name, [])
        except PerpscopeError as error:
            self._note("symbols", State.WARN, error.message, "perpscope symbols NAME says what trades where")
            return []
        for instrument in instruments:
            if not instrument.is_trading:
                self._note("symbols", State.WARN, f"{instrument.symbol} is halted or delisted", "leave it out")
        return instruments

    def _questions(self, instruments: Sequence[Instrument]) -> Iterator[_Question]:
        """Every kind of call a collection would make of one instrument, each once, with how its answer is read."""
        venue, now_ns = self._venue, self._clock.now_ns()
        by_symbol = {instrument.symbol: instrument for instrument in instruments}
        for instrument in instruments[:1]:
            for poll in venue.polls([instrument], [channel for channel in Channel if channel in venue.polled]):
                read: _Read = partial(venue.polled_events, poll.name, ts_recv=now_ns, catalogue=by_symbol)
                yield f"poll.{poll.name.partition('/')[2]}", poll.request, read
            if (request := venue.snapshot_request(instrument)) is not None:
                yield "book", request, partial(venue.snapshot, instrument=instrument, ts_recv=now_ns)
            for request in venue.tier_requests([instrument]):
                yield "margin-tiers", request, partial(venue.tiers, catalogue=by_symbol)
            if isinstance(venue, Historic):
                yield from _past_questions(venue, instrument, now_ns)

    async def _try(self, name: str, request: HttpRequest, read: Callable[[bytes], object]) -> None:
        """Make one call and read its answer."""
        try:
            read(await self._http.get(request))
        except VenueError as error:
            self._note(name, State.FAIL, f"{request.path}: {error.message}", _mend(error, self._venue.name))
        else:
            self._note(name, State.OK, request.path)

    def _note(self, name: str, state: State, detail: str, fix: str | None = None) -> None:
        self._found(Check(f"{self._venue.name}.{name}", state, detail, fix))


def _past_questions(venue: Historic, instrument: Instrument, now_ns: int) -> Iterator[_Question]:
    """One small call for each kind of past the venue tells."""
    for series, depth_s in venue.series.items():
        span_ns = _PAST_NS if depth_s is None else min(_PAST_NS, round(depth_s * 1e9))
        stretch = Stretch(now_ns - span_ns, now_ns)
        kind = "" if series.kind is None else f".{series.kind.value}"
        read = partial(venue.past, series, instrument=instrument, stretch=stretch, ts_recv=now_ns)
        yield f"past.{series.channel.value}{kind}", venue.past_request(series, instrument, stretch), read


def _mend(error: VenueError, venue: str) -> str:
    """What to change after a venue's refusal."""
    if isinstance(error, FrameError):
        return f"{venue} may have changed this call: look for a newer perpscope, or report it with this line"
    if isinstance(error, RateLimited):
        wait = f"wait {error.retry_after_s:.0f} s"
        return f"{wait}; lower [venue.{venue}] weight_per_minute if other programs share this address"
    return error.hint or "check the network"
