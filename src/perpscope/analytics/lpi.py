"""LPI, the liquidation price index: how large a liquidation is, and how stretched its price, among a week of others.

In: of each liquidation of one venue, symbol and kind of price its time, its notional and its displacement. Out: a
number from 0 to 100, on average 50, without a unit, and so comparable between symbols and venues. `docs/methods.md`
has the definition and how to read it.
"""

from array import array
from bisect import bisect_left, bisect_right, insort
from math import isfinite
from typing import Final

from perpscope.model.market import PositionSide

_SECOND_NS: Final = 1_000_000_000
WINDOW_NS: Final = 7 * 86_400 * _SECOND_NS  #: a liquidation is compared with those of the seven days before it
MIN_SAMPLE: Final = 100  #: with fewer there is no LPI
#: Kept at most; beyond it the oldest go first. 40 bytes each, so 8 MB. Chosen by hand: one every three seconds.
MAX_SAMPLE: Final = 200_000
REFERENCE_LAG_NS: Final = 60 * _SECOND_NS  #: the reference is the mark price so long before the liquidation
REFERENCE_AGE_NS: Final = 120 * _SECOND_NS  #: a mark price so much older still is none. Chosen by hand


def displacement(side: PositionSide, price: float, reference: float) -> float:
    """How far beyond the reference price a position was closed, to its holder's loss.

    δ = s · (reference − price) ÷ reference, with s = +1 for a long and −1 for a short.

    Args:
        side: of the position that was closed.
        price: at which it was closed, quote per base.
        reference: mark price before it, quote per base, > 0.

    Returns:
        Fraction of the reference; negative where the price had moved in the position's favour.

    >>> displacement(PositionSide.LONG, 99.0, 100.0)
    0.01
    >>> displacement(PositionSide.SHORT, 99.0, 100.0)
    -0.01
    """
    moved = (reference - price) / reference
    return moved if side is PositionSide.LONG else -moved


class LpiSample:
    """The LPI of each liquidation of one venue, symbol and kind of price, against those before it.

    LPI = 100 · ½ (U_N + U_δ). U is the mid-rank, as a fraction of n, among the n liquidations of the trailing window
    that are strictly earlier. One that comes late is ranked among those before its own time as far as they are still
    held, and from then on counts for others; one older than the whole window does neither.

    Args:
        window_ns: length of the trailing window, ns.
        min_sample: with fewer liquidations before it one has no value.
        max_sample: kept at most; bounds the memory.

    >>> sample = LpiSample(min_sample=2)
    >>> for second, notional_usd, displaced in [(1, 100.0, 0.001), (2, 300.0, 0.003), (3, 200.0, 0.005)]:
    ...     sample.update(second * 10**9, notional_usd, displaced)
    >>> sample.count, sample.value  # larger than one of two, more displaced than both: ½ (50 + 100)
    (2, 75.0)
    """

    def __init__(
        self, *, window_ns: int = WINDOW_NS, min_sample: int = MIN_SAMPLE, max_sample: int = MAX_SAMPLE
    ) -> None:
        self._window, self._min, self._max = window_ns, min_sample, max_sample
        self._times, self._notionals, self._moves = array("q"), array("d"), array("d")  # in order of time
        self._by_notional, self._by_move = array("d"), array("d")  # the same, in order of size
        self.value: float | None = None  #: 0–100, of the last update; None if there were too few before it
        self.count = 0  #: how many it was ranked among

    def __len__(self) -> int:
        return len(self._times)

    def update(self, ts_event: int, notional_usd: float, displaced: float) -> None:
        """Rank one liquidation, then take it into the sample.

        Args:
            ts_event: ns UTC.
            notional_usd: dollars.
            displaced: see `displacement`.

        Raises:
            ValueError: a figure that is not finite.
        """
        if not (isfinite(notional_usd) and isfinite(displaced)):
            raise ValueError(f"figures must be finite, were {notional_usd} and {displaced}")
        self._expire(ts_event)
        self._rank(ts_event, notional_usd, displaced)
        self.add(ts_event, notional_usd, displaced)

    def add(self, ts_event: int, notional_usd: float, displaced: float) -> None:
        """Take one liquidation into the sample unranked, as one read back from a store."""
        self._expire(ts_event)
        if self._times and ts_event < self._times[-1] - self._window:
            return
        if len(self._times) >= self._max:
            if ts_event < self._times[0]:
                return
            self._drop(1)
        place = bisect_right(self._times, ts_event)
        self._times.insert(place, ts_event)
        self._notionals.insert(place, notional_usd)
        self._moves.insert(place, displaced)
        insort(self._by_notional, notional_usd)
        insort(self._by_move, displaced)

    def _rank(self, ts_event: int, notional_usd: float, displaced: float) -> None:
        earlier = self.count = bisect_left(self._times, ts_event)
        self.value = None
        if earlier >= max(self._min, 1):
            by_notional = _mid_rank(self._by_notional, self._notionals[earlier:], notional_usd)
            by_move = _mid_rank(self._by_move, self._moves[earlier:], displaced)
            self.value = 50.0 * (by_notional + by_move) / earlier

    def _expire(self, ts_event: int) -> None:
        self._drop(bisect_left(self._times, ts_event - self._window))

    def _drop(self, oldest: int) -> None:
        for notional_usd, displaced in zip(self._notionals[:oldest], self._moves[:oldest], strict=True):
            del self._by_notional[bisect_left(self._by_notional, notional_usd)]
            del self._by_move[bisect_left(self._by_move, displaced)]
        for column in (self._times, self._notionals, self._moves):
            del column[:oldest]


def _mid_rank(ordered: "array[float]", later: "array[float]", value: float) -> float:
    """How many are smaller, those that are equal counting half; without those of `later`."""
    rank = (bisect_left(ordered, value) + bisect_right(ordered, value)) / 2
    return rank - sum(1.0 if other < value else 0.5 for other in later if other <= value)
