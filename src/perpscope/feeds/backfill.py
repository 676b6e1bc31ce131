"""Asks one venue for its past: newest first, one call at a time, and never before what is happening now.

In: what is wanted of each series. Out, to whoever keeps it: each reply's events, and with them a `Covered` for exactly
what is whole by then, so that whoever goes on after a crash goes on where this one stood. Every instrument has the
newest part of a series before any has an older one.
"""

import asyncio
import heapq
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec
import structlog

from perpscope.errors import FrameError, RateLimited, VenueError
from perpscope.feeds.clock import SECOND_NS, MarketClock
from perpscope.feeds.connection import full_jitter
from perpscope.feeds.stretches import Span, common, length, union, without
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import Covered, MarketEvent, Source
from perpscope.model.stream import Channel, Stream
from perpscope.ports import Historic, Http, Past, Series, Stretch

#: What is asked for first, of parts equally old.
ORDER: Final = (
    *(Channel.LIQUIDATIONS, Channel.CANDLES_1M, Channel.CANDLES_1H, Channel.CANDLES_15M, Channel.OPEN_INTEREST),
    *(Channel.FUNDING, Channel.ACCOUNT_RATIOS, Channel.TAKER_VOLUME, Channel.MARK_PRICES, Channel.TRADES),
)
_DAY_NS: Final = 86_400 * SECOND_NS
#: Days of candles for each day of everything else (by hand): they are looked at first, and a month of long ones is
#: a few calls.
_DAYS_AHEAD: Final[Mapping[Channel, int]] = {Channel.CANDLES_1M: 6, Channel.CANDLES_15M: 40, Channel.CANDLES_1H: 40}
#: Failures in a row after which a series is set aside, and after which the whole venue is.
_MOST_FAILURES, _MOST_VENUE_FAILURES = 5, 8
_BACKOFF_FIRST_S, _BACKOFF_MAX_S = 0.5, 30.0
#: A venue's past ends so much later than it did when we looked, until we ask.
_DEPTH_MARGIN_NS: Final = 60 * SECOND_NS
CONNECTION: Final = "backfill"  #: the name that filled intervals go by

_log = structlog.get_logger()


class Wanted(msgspec.Struct, frozen=True):
    """What is to be asked for of one channel of one instrument."""

    channel: Channel
    series: tuple[Series, ...]  #: what the channel is made of: a stretch is whole when it is in all of them
    instrument: Instrument
    stretches: tuple[Span, ...]  #: ns UTC, oldest first, as venues are asked (`stretches.to_ask`)
    depth_s: float | None  #: how far back the venue tells; None = since the contract was listed
    lost_before: int | None = None  #: ns UTC, what is missing before it is older than the venue tells


class Filled(msgspec.Struct):
    """What became of one channel of one instrument."""

    instrument: Instrument
    channel: Channel
    calls: int = 0
    rows: int = 0
    ts_from: int | None = None  #: ns UTC, oldest moment vouched for
    ts_to: int | None = None  #: ns UTC, newest, not included
    is_whole: bool = False  #: nothing that can be asked for is missing
    lost_before: int | None = None  #: ns UTC; what is missing before it, the venue no longer tells
    failed: str | None = None  #: why it was set aside


class Keep(Protocol):
    """Whoever keeps what was told."""

    async def __call__(self, events: Sequence[MarketEvent], covered: Sequence[Covered]) -> None:
        """Keep events and what they make whole, in this order; returns when there was room for all of it."""
        ...


class _Job:
    """One channel of one instrument on its way."""

    def __init__(self, wanted: Wanted, filled: Filled) -> None:
        self.wanted = wanted
        self.filled = filled
        self.failures = 0
        self._spans = list(wanted.stretches)
        self._rest: dict[Series, Stretch] = {}
        self._whole: dict[Series, list[Span]] = {}
        self._claimed: list[Span] = []
        self._next_span()

    @property
    def is_done(self) -> bool:
        return not self._rest

    @property
    def remaining(self) -> int:
        """How much is still to be asked for, ns."""
        here = max((rest.ts_to - rest.ts_from for rest in self._rest.values()), default=0)
        return here + length(self._spans)

    @property
    def newest(self) -> int:
        """The end of what is asked next, ns UTC."""
        return max(rest.ts_to for rest in self._rest.values())

    def due(self, now_ns: int) -> tuple[Series, Stretch] | None:
        """What to ask next, no older than the venue tells; None where nothing of it is left."""
        depth_s = self.wanted.depth_s
        oldest = 0 if depth_s is None else now_ns - int(depth_s * SECOND_NS) + _DEPTH_MARGIN_NS
        while self._rest:
            series = max(self._rest, key=lambda series: self._rest[series].ts_to)
            rest = self._rest[series]
            if rest.ts_from >= oldest:
                return series, rest
            self._lose(max(oldest, rest.ts_from))
            if rest.ts_to > oldest:
                self._rest[series] = msgspec.structs.replace(rest, ts_from=oldest)
            else:
                self._end(series)
        return None

    def take(self, series: Series, asked: Stretch, past: Past) -> list[Span]:
        """Note a reply; what is whole by it that was not before.

        Raises:
            FrameError: asking for the rest would be asking the same again.
        """
        if past.rest is not None and (past.rest == asked or past.rest.ts_to > asked.ts_to):
            raise FrameError(
                f"no end of {series.channel.value}: the rest of the reply is what was asked",
                venue=self.wanted.instrument.venue,
            )
        whole = self._whole.setdefault(series, [])
        whole.append((past.ts_from, past.ts_to))
        mine = [self._whole.get(each, []) for each in self.wanted.series]
        fresh = union(mine[0])
        for others in mine[1:]:
            fresh = common(fresh, others)
        fresh = without(fresh, self._claimed)
        self._claimed = union([*self._claimed, *fresh])
        if past.rest is not None:
            self._rest[series] = past.rest
        else:
            told = union(whole)
            if told and told[0][0] > asked.ts_from:
                self._lose(told[0][0])
            self._end(series)
        return fresh

    def _lose(self, ts: int) -> None:
        self.filled.lost_before = max(ts, self.filled.lost_before or 0)

    def _end(self, series: Series) -> None:
        del self._rest[series]
        if not self._rest:
            self._next_span()

    def _next_span(self) -> None:
        self._whole.clear()
        if self._spans:
            ts_from, ts_to = self._spans.pop()
            self._rest = {series: Stretch(ts_from, ts_to) for series in self.wanted.series}


class Backfill:
    """One venue's past.

    Args:
        venue: its name.
        historic: how it is asked.
        http: makes the calls, within the venue's limits.
        clock: market time.
        keep: takes what was told.
        rng: jitter.
        patience_s: longest real seconds a venue that asks to be left alone is waited for; None = any.
        announce: told what a person should know, one line at a time.
    """

    def __init__(
        self,
        venue: str,
        historic: Historic,
        *,
        http: Http,
        clock: MarketClock,
        keep: Keep,
        rng: random.Random,
        patience_s: float | None = None,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.venue = venue
        self.filled: dict[tuple[Channel, InstrumentId], Filled] = {}  #: since it was made
        self._historic = historic
        self._http = http
        self._clock = clock
        self._keep = keep
        self._rng = rng
        self._patience_s = patience_s
        self._announce = announce
        self._jobs: list[tuple[tuple[int, int, int], _Job]] = []
        self._wanted_ns = 0
        self._failures = 0

    @property
    def share_done(self) -> float:
        """How much of what was wanted has been asked for, in [0, 1]."""
        remaining = sum(job.remaining for _, job in self._jobs)
        return 1.0 - min(1.0, remaining / self._wanted_ns) if self._wanted_ns else 1.0

    def want(self, wanted: Sequence[Wanted]) -> None:
        """Ask for this from now on, and for nothing that was wanted before."""
        self._jobs.clear()
        self._failures = 0
        for place, each in enumerate(wanted):
            key = (each.channel, each.instrument.id)
            filled = self.filled.setdefault(key, Filled(each.instrument, each.channel))
            filled.failed, filled.is_whole = None, not each.stretches
            if each.lost_before is not None:
                filled.lost_before = max(each.lost_before, filled.lost_before or 0)
            self._queue(place, _Job(each, filled))
        self._wanted_ns = sum(job.remaining for _, job in self._jobs)

    async def run(self, is_interrupted: Callable[[], bool] = lambda: False) -> None:
        """Ask until all that was wanted is there, set aside, or `is_interrupted` says so between two calls."""
        while self._jobs and not is_interrupted():
            (_, _, place), job = heapq.heappop(self._jobs)
            try:
                await self._step(job)
            except FrameError as error:
                self._set_aside(job, error.message)
            except RateLimited as error:
                if self._patience_s is not None and error.retry_after_s > self._patience_s:
                    self._give_up(job, error.message)
                else:
                    self._queue(place, job)
                    await _pause(error.retry_after_s, is_interrupted)
            except VenueError as error:
                await _pause(self._failed(place, job, error), is_interrupted)
            else:
                self._failures = job.failures = 0
                self._queue(place, job)

    async def _step(self, job: _Job) -> None:
        due = job.due(self._clock.now_ns())
        if due is None:
            return
        series, stretch = due
        instrument, channel = job.wanted.instrument, job.wanted.channel
        job.filled.calls += 1
        body = await self._http.get(self._historic.past_request(series, instrument, stretch))
        now_ns = self._clock.now_ns()
        past = self._historic.past(series, body, instrument, stretch, now_ns)
        spans = job.take(series, stretch, past)
        streams = (Stream(channel, instrument.id),)
        covered = [
            Covered(self.venue, CONNECTION, streams, start, end, False, now_ns, Source.BACKFILL) for start, end in spans
        ]
        await self._keep(past.events, covered)
        filled = job.filled
        filled.rows += len(past.events)
        for start, end in spans:
            filled.ts_from = start if filled.ts_from is None else min(start, filled.ts_from)
            filled.ts_to = end if filled.ts_to is None else max(end, filled.ts_to)

    def _queue(self, place: int, job: _Job) -> None:
        if job.is_done:
            job.filled.is_whole = job.filled.failed is None
            return
        channel = job.wanted.channel
        rank = ORDER.index(channel) if channel in ORDER else len(ORDER)
        age_days = max(0, self._clock.now_ns() - job.newest) // _DAY_NS
        turn = age_days // _DAYS_AHEAD.get(channel, 1)
        heapq.heappush(self._jobs, ((turn, rank, place), job))

    def _failed(self, place: int, job: _Job, error: VenueError) -> float:
        """Note a call that failed; real seconds to wait before the next."""
        job.failures += 1
        self._failures += 1
        _log.info("past not told", venue=self.venue, error=error.message, failures=self._failures)
        if self._failures >= _MOST_VENUE_FAILURES:
            self._give_up(job, error.message)
            return 0.0
        if job.failures >= _MOST_FAILURES:
            self._set_aside(job, error.message)
        else:
            self._queue(place, job)
        return full_jitter(self._failures, _BACKOFF_FIRST_S, _BACKOFF_MAX_S, self._rng)

    def _set_aside(self, job: _Job, why: str) -> None:
        job.filled.failed = why
        _log.warning("past set aside", venue=self.venue, series=job.wanted.channel.value, error=why)
        self._announce(f"{job.wanted.instrument.symbol} {job.wanted.channel.value}: the past was set aside: {why}")

    def _give_up(self, job: _Job, why: str) -> None:
        """The venue does not answer: leave all of it."""
        for _, each in (((0, 0, 0), job), *self._jobs):
            each.filled.failed = why
        self._jobs.clear()
        self._announce(f"{self.venue}: the past was left alone: {why}")


async def _pause(seconds: float, is_interrupted: Callable[[], bool]) -> None:
    """Wait so many real seconds, or until `is_interrupted`, which is looked at twice a second."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0.0 and not is_interrupted():
        await asyncio.sleep(min(left, 0.5))


def channels_of(historic: Historic) -> Mapping[Channel, tuple[tuple[Series, ...], float | None]]:
    """What a venue can be asked for by channel: its series, and the seconds back that all of them reach."""
    found: dict[Channel, tuple[tuple[Series, ...], float | None]] = {}
    for series, depth_s in historic.series.items():
        others, depth = found.get(series.channel, ((), None))
        depths = [each for each in (depth, depth_s) if each is not None]
        found[series.channel] = ((*others, series), min(depths) if depths else None)
    return found
