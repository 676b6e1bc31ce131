"""What was liquidated of a coin's instruments, minute by minute, as it could be told at the time.

In: a reader and a stretch of time. Out: for each instrument an `Estimated`: what was observed where a feed is complete,
the estimate with its interval where it is sampled, the floor where nothing can be estimated yet.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from math import expm1
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.totals import causal
from perpscope.analytics.totals.bands import Bands
from perpscope.analytics.totals.calibration import Calibration
from perpscope.analytics.totals.causal import LEARN_S, Lesson, Tapes
from perpscope.analytics.totals.kernels import Watchtime
from perpscope.analytics.totals.prints import Floats, Ints, nothing, summed_by
from perpscope.analytics.totals.venue import Minutes
from perpscope.app.totals.feeds import PER_SIDE, coin_of, prints_of
from perpscope.model.market import Completeness, Sampling
from perpscope.model.stream import Channel
from perpscope.stores.ledger import Vouching
from perpscope.stores.prints import StoredPrints, first_print, named, stored_prints
from perpscope.stores.reader import SqliteReader

_SECOND_NS: Final = 1_000_000_000
_MOST_LESSONS: Final = 256
#: How far a floor is believed: METHOD's 1 ÷ (1 + cv²) with a coefficient of variation of 1, and of 2 (by hand).
FLOOR_TRUST: Final = {Completeness.COMPLETE: 1.0, Completeness.SAMPLED: 0.5, Completeness.WATCHLIST: 0.2}


class Side(msgspec.Struct, frozen=True):
    """Longs that were liquidated, or shorts; arrays (k,) by minute."""

    observed: Floats  #: dollars
    usd: Floats  #: dollars, best estimate
    low: Floats  #: dollars, 5 %
    high: Floats  #: dollars, 95 %; inf = not bounded
    size: Floats  #: base units, best estimate


class Estimated(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument's minutes with liquidations, and how far those of each stretch can be told."""

    start: Ints  #: (k,) s UTC, ascending
    long: Side
    short: Side
    variance: Floats  #: (k,) dollars squared, of both sides together
    is_unsure: NDArray[np.bool_]  #: (k,) more came than the feed can tell
    stretches: list[
        tuple[int, int, bool, float]
    ]  #: from, to (s UTC), more than a floor is told, trust of a usual minute


class _Lessons:
    """What was learnt of feeds, the newest few; a lesson of a moment that is past does not change."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ...], Lesson] = OrderedDict()

    def get(self, key: tuple[str, ...], made: Callable[[], Lesson]) -> Lesson:
        """The lesson of a store, a feed and a moment; made where it is not kept."""
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = made()
            while len(self._kept) > _MOST_LESSONS:
                self._kept.popitem(last=False)
        return found


_LESSONS: Final = _Lessons()


class Estimator:
    """Reckons a coin's instruments one by one, and keeps what they have in common.

    Args:
        reader: the store.
        coin: e.g. "BTC".
        start: ns UTC.
        end: ns UTC, not included.
    """

    def __init__(self, reader: SqliteReader, coin: str, start: int, end: int) -> None:
        self._reader, self._coin = reader, coin
        self._start, self._end = start // _SECOND_NS // 60 * 60, end // _SECOND_NS // 60 * 60
        self._symbols = {symbol for name, symbol in named(reader.path, coin) if coin_of(name) == coin}
        self._feeds = self._read(self._start - causal.LEAD_S, self._end)
        self._learnt: dict[tuple[int, bool], Mapping[Sampling, Calibration]] = {}

    @property
    def start_ns(self) -> int:
        """The first minute that is told, ns UTC."""
        return self._start * _SECOND_NS

    def estimated(self, instrument: str) -> list[Estimated]:
        """An instrument's feeds: one as a rule, none where nothing came, more where its venue changed its rule."""
        return [self._feed(feed) for feed in self._feeds if feed.instrument == instrument]

    def _feed(self, feed: StoredPrints) -> Estimated:
        own = prints_of(feed)
        if feed.completeness is Completeness.COMPLETE:
            told = [causal.whole(own, self._start, self._end)]
        elif feed.completeness is Completeness.WATCHLIST:
            told = [causal.floors(own, self._start, self._end)]
        else:
            watch = self._watch(feed, self._start - causal.LEAD_S, self._end)
            per_side = feed.venue in PER_SIDE
            told = [
                causal.stretch(own, watch, self._lesson(feed, at), (max(at, self._start), end), per_side=per_side)
                for at, end in pairwise(causal.borders(self._first, self._start, self._end))
            ]
        return _estimated(feed, causal.chained(told), told, self._start, self._end)

    @cached_property
    def _first(self) -> int:
        """The coin's first print that is stored, s UTC."""
        return first_print(self._reader.path, self._symbols) // _SECOND_NS

    @cached_property
    def _past(self) -> list[StoredPrints]:
        """Everything that may be learnt from."""
        return self._read(self._start // causal.DAY_S * causal.DAY_S - LEARN_S - causal.DAY_S, self._end)

    def _read(self, start: int, end: int) -> list[StoredPrints]:
        found = stored_prints(self._reader.path, start * _SECOND_NS, end * _SECOND_NS, self._symbols)
        return [feed for feed in found if coin_of(feed.instrument) == self._coin]

    def _lesson(self, feed: StoredPrints, at: int) -> Lesson:
        """What was known of a feed at a moment (s UTC)."""
        kind = (feed.venue, feed.symbol, feed.instrument, feed.completeness.value, feed.sampling.value)
        return _LESSONS.get((str(self._reader.path), *kind, str(at)), lambda: self._learn(feed, at))

    def _learn(self, feed: StoredPrints, at: int) -> Lesson:
        same = [each for each in self._past if each.instrument == feed.instrument and each.sampling is feed.sampling]
        own = prints_of(same[0]) if same else nothing()
        per_side = feed.venue in PER_SIDE
        complete = self._complete
        tapes = Tapes(
            own=own,
            watch=self._watch(feed, at - LEARN_S, at),
            stated=feed.sampling,
            complete=None if complete is None else prints_of(complete),
            per_side=per_side,
        )
        midnight = at // causal.DAY_S * causal.DAY_S
        key = (midnight, per_side)
        if complete is not None and key not in self._learnt:
            watch = self._watch(complete, midnight - LEARN_S, midnight)
            self._learnt[key] = causal.learn(prints_of(complete), watch, midnight, per_side=per_side)
        return causal.lesson(tapes, at, self._learnt.get(key, {}))

    @cached_property
    def _complete(self) -> StoredPrints | None:
        return next((feed for feed in self._past if feed.completeness is Completeness.COMPLETE), None)

    def _watch(self, feed: StoredPrints, start: int, end: int) -> Watchtime:
        """When a feed was watched (s UTC): what nobody vouches for or misses counts as watched."""
        begin_ns, end_ns = start * _SECOND_NS, end * _SECOND_NS
        rows = self._reader.coverage(feed.venue, channel=Channel.LIQUIDATIONS, since_ns=begin_ns, until_ns=end_ns)
        spans = Vouching(rows, begin_ns, end_ns).spans((feed.venue, Channel.LIQUIDATIONS, feed.instrument))
        missed = [(span.start // _SECOND_NS, -(-span.end // _SECOND_NS)) for span in spans if not span.is_whole]
        return Watchtime(start, end, tuple(missed))


def _estimated(feed: StoredPrints, minutes: Minutes, told: Sequence[causal.Told], start: int, end: int) -> Estimated:
    """Minutes of a stretch (s UTC), in dollars and in base units by the feed's own prices."""
    both = minutes.both.only((minutes.both.start >= start) & (minutes.both.start < end))
    minute = feed.ts_event // (60 * _SECOND_NS) * 60
    at = np.searchsorted(both.start, minute)
    inside = (at < len(both)) & (minute >= start) & (minute < end)
    sides = []
    for bands, is_long in ((minutes.long, True), (minutes.short, False)):
        mine = inside & (feed.is_long == is_long)
        prices = [_price(feed, which, at, len(both)) for which in (mine, inside)]
        sides.append(_side(bands, both.start, np.where(np.isnan(prices[0]), prices[1], prices[0])))
    floor = FLOOR_TRUST[feed.completeness]
    return Estimated(
        start=both.start,
        long=sides[0],
        short=sides[1],
        variance=causal.variance(both),
        is_unsure=both.saturated & np.isinf(both.high),
        stretches=[
            (
                max(part.start, start),
                part.end,
                part.is_told,
                1.0 / (1.0 + expm1(part.sigma**2)) if part.is_told else floor,
            )
            for part in told
        ],
    )


def _price(feed: StoredPrints, which: NDArray[np.bool_], at: NDArray[np.int64], k: int) -> Floats:
    """(k,) Mean price of some prints by minute, weighted by size; nan where there are none."""
    size = summed_by(at[which], feed.size[which], k)
    usd = summed_by(at[which], feed.size[which] * feed.price[which], k)
    found: Floats = np.where(size > 0.0, usd / np.where(size > 0.0, size, 1.0), np.nan)
    return found


def _side(bands: Bands, start: Ints, price: Floats) -> Side:
    """A side's minutes at the minutes of both; 0 where it has none."""
    at, has = np.searchsorted(start, bands.start), np.isin(bands.start, start)
    columns = []
    for values in (bands.observed_usd, bands.estimated_usd, bands.low, bands.high):
        column = np.zeros(len(start))
        column[at[has]] = values[has]
        columns.append(column)
    observed, usd, low, high = columns
    return Side(observed, usd, low, high, np.where(usd > 0.0, usd / price, 0.0))
