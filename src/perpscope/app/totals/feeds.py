"""Each stored feed's minutes: which sampling it is, whose complete feed stands beside it, what bounds it.

A coin's complete feed (Bybit's) gives sizes, the correction of the mode test, calibrations and the cross-venue amount
to the coin's sampled feeds. A coin whose own tape is too short borrows the calibration of the busiest.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.totals.calibration import Calibration, calibrate
from perpscope.analytics.totals.fusion import most_possible
from perpscope.analytics.totals.kernels import Watchtime
from perpscope.analytics.totals.mode import ModeTest, tell_mode
from perpscope.analytics.totals.prints import Prints, prints
from perpscope.analytics.totals.venue import (
    Beside,
    Ceilings,
    How,
    Minutes,
    aligned,
    complete_minutes,
    floor_minutes,
    hour_sigma,
    sampled_minutes,
)
from perpscope.app.analysis_window import base_and_quote
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Completeness, Interval, Sampling
from perpscope.model.stream import Channel
from perpscope.stores.ledger import Vouching
from perpscope.stores.prints import StoredPrints
from perpscope.stores.sqlite import SqliteReader

#: What is learnt from reaches back so far from the window's end, or to its begin where that is earlier (METHOD §3.5).
LEARN_S = 7 * 86_400
#: Venues whose cap is one print of each *side* each second (docs/venues, Bitget since 2026-06-23).
PER_SIDE = frozenset({"bitget"})
#: Newest prints of a complete feed that a calibration rests on: METHOD §3.1 keeps as many sizes.
_MOST_PRINTS = 20_000
_MODES = (Sampling.LARGEST_1S, Sampling.LATEST_1S)
_SECOND_NS = 1_000_000_000
_EVERYTHING = 2**62
_MULTIPLE = re.compile(r"^10+(?=[A-Z])")


class Told(msgspec.Struct, frozen=True):
    """A feed with its minutes."""

    feed: StoredPrints
    minutes: Minutes
    how: How
    told_by: str  #: "documented", "detected", "undecided" or "contradicted"
    mode: ModeTest | None
    sigma: float  #: doubt of an hour or more, beyond its minutes'

    @property
    def is_told(self) -> bool:
        """Whether there is more than a floor."""
        return self.how.is_estimated or self.feed.completeness is Completeness.COMPLETE


def coin_of(instrument: str) -> str:
    """The coin of an instrument, by its id: multiples (`1000PEPE`) are their coin's.

    >>> coin_of("BTC-USDT-PERP.BINANCE"), coin_of("1000PEPE-USDT-PERP.BYBIT"), coin_of("1INCH-USDT-PERP.OKX")
    ('BTC', 'PEPE', '1INCH')
    """
    base, _ = base_and_quote(instrument)
    return _MULTIPLE.sub("", base)


class Reckoner:
    """Reckons feeds one by one, and keeps what several have in common.

    Args:
        reader: the store.
        feeds: all feeds of the coins asked about, with most prints first.
        vouching: what was watched.
        window: the stretch asked about, s UTC; hard bounds are sought in it alone.
    """

    def __init__(
        self, reader: SqliteReader, feeds: Sequence[StoredPrints], vouching: Vouching, window: tuple[int, int]
    ) -> None:
        self._reader, self._vouching, self._window = reader, vouching, window
        self._complete: dict[str, StoredPrints] = {}
        for feed in feeds:
            if feed.completeness is Completeness.COMPLETE:
                self._complete.setdefault(coin_of(feed.instrument), feed)
        self._start = min((int(feed.ts_event[0]) // _SECOND_NS for feed in feeds), default=0)
        self._known: dict[tuple[str, bool, Sampling], Calibration | None] = {}

    def told(self, feed: StoredPrints) -> Told:
        """A feed's minutes, by what it is."""
        own = prints_of(feed)
        if feed.completeness is Completeness.COMPLETE:
            minutes, how = complete_minutes(own)
            return Told(feed, minutes, how, "documented", None, 0.0)
        if feed.completeness is Completeness.WATCHLIST:
            minutes, how = floor_minutes(own, Sampling.NONE)
            return Told(feed, minutes, how, "documented", None, 0.0)
        return self._sampled(feed, own)

    def calibrations(self) -> Iterator[tuple[tuple[str, bool], Calibration]]:
        """Those that were learnt, by coin and whether by side."""
        for (coin, per_side, _), found in self._known.items():
            if found is not None:
                yield (coin, per_side), found

    def _sampled(self, feed: StoredPrints, own: Prints) -> Told:
        coin, per_side = coin_of(feed.instrument), feed.venue in PER_SIDE
        complete = self._complete.get(coin)
        beside = None if complete is None else Beside(prints_of(complete), self._open_interest_ratio(feed, complete))
        watch = self._watch(feed)
        sampling, told_by, mode = feed.sampling, "documented", None
        if sampling not in _MODES:
            mode = tell_mode(own, None if beside is None else beside.prints, watch, per_side=per_side)
            sampling = mode.sampling
            told_by = {Sampling.UNKNOWN: "undecided", Sampling.NONE: "contradicted"}.get(sampling, "detected")
        if sampling is Sampling.NONE:
            minutes, how = floor_minutes(own, sampling)
            return Told(feed, minutes, how, told_by, mode, 0.0)
        known, calibrated_by = self._learnt(coin, per_side, _MODES if sampling is Sampling.UNKNOWN else (sampling,))
        minutes, how = sampled_minutes(
            own,
            watch,
            sampling,
            beside=beside,
            calibrations=known,
            calibrated_by=calibrated_by,
            ceilings=self._ceilings(feed),
            per_side=per_side,
        )
        return Told(feed, minutes, how, told_by, mode, hour_sigma(how, known))

    def _learnt(self, coin: str, per_side: bool, modes: Sequence[Sampling]) -> tuple[dict[Sampling, Calibration], str]:
        """Calibrations by mode, of the coin's own complete feed, or of the one with most prints."""
        own = {mode: self._calibration(coin, per_side, mode) for mode in modes}
        if all(found is not None for found in own.values()):
            return {mode: found for mode, found in own.items() if found is not None}, "own"
        busiest = next(iter(self._complete), coin)
        lent = {mode: self._calibration(busiest, per_side, mode) for mode in modes}
        return {mode: found for mode, found in lent.items() if found is not None}, "borrowed"

    def _calibration(self, coin: str, per_side: bool, mode: Sampling) -> Calibration | None:
        key = (coin, per_side, mode)
        if key not in self._known:
            feed = self._complete.get(coin)
            self._known[key] = None if feed is None else self._calibrated(feed, per_side, mode)
        return self._known[key]

    def _calibrated(self, feed: StoredPrints, per_side: bool, mode: Sampling) -> Calibration | None:
        tape, watch = prints_of(feed), self._watch(feed)
        if len(tape) > _MOST_PRINTS:
            start = int(tape.second[-_MOST_PRINTS])
            tape, watch = tape.between(start, watch.end), msgspec.structs.replace(watch, start=start)
        return calibrate(tape, watch, mode, per_side=per_side)

    def _watch(self, feed: StoredPrints) -> Watchtime:
        """When a feed was watched: what nobody vouches for or misses counts as watched."""
        missed = [
            (span.start // _SECOND_NS, -(-span.end // _SECOND_NS))
            for span in self._vouching.spans((feed.venue, Channel.LIQUIDATIONS, feed.instrument))
            if not span.is_whole
        ]
        return Watchtime(min(self._start, self._window[0]), self._window[1], tuple(missed))

    def _open_interest_ratio(self, feed: StoredPrints, complete: StoredPrints) -> float | None:
        """Newest counts, base units over base units; None where either is not stored."""
        end = self._window[1] * _SECOND_NS
        counts = [
            self._reader.open_interest(each.venue, each.symbol, until_ns=end, limit=1) for each in (feed, complete)
        ]
        held = [rows[0].open_interest for rows in counts if rows]
        return held[0] / held[1] if len(held) == len(counts) and min(held) > 0 else None

    def _ceilings(self, feed: StoredPrints) -> Ceilings | None:
        """What may have been liquidated in each minute of the window, by its candle and the fall of open interest."""
        since = (self._window[0] - 60) * _SECOND_NS
        candles = self._reader.candles(InstrumentId(feed.instrument), Interval.M1, since, _EVERYTHING)
        if not candles:
            return None
        start = np.array([candle.ts_open // _SECOND_NS for candle in candles], np.int64)
        price, volume = (np.array([getattr(c, name) for c in candles], np.float64) for name in ("close", "volume"))
        bought = np.array([c.taker_buy_volume for c in candles], np.float64)
        fell = self._fall(feed, since, start)
        sold = volume - bought
        return Ceilings(
            start,
            most_possible(sold * price, volume * price, fell * price),
            most_possible(bought * price, volume * price, fell * price),
        )

    def _fall(self, feed: StoredPrints, since: int, start: NDArray[np.int64]) -> NDArray[np.float64]:
        """(k,) How much open interest fell in each minute, base units; NaN where two counts in a row are not stored."""
        rows = self._reader.open_interest(feed.venue, feed.symbol, since - 60 * _SECOND_NS, limit=_EVERYTHING)
        minute = np.array([row.ts_event // _SECOND_NS // 60 * 60 for row in rows], np.int64)
        held = np.array([row.open_interest for row in rows], np.float64)
        return np.maximum(aligned(held, minute, start - 60) - aligned(held, minute, start), 0.0)


def prints_of(feed: StoredPrints) -> Prints:
    """Stored liquidations as the estimator takes them."""
    return prints(feed.ts_event // _SECOND_NS, feed.size * feed.price, feed.is_long)
