"""How long a stream is usually quiet: a histogram of the times between its events that forgets.

In: times between events, in seconds. Out: their quantiles, rounded up. Bins are a fourth of an octave wide, so that
seventy of them reach from a second to a day and a half; what is shorter than a second is of no interest here.
"""

import math
from typing import Final

_BINS_PER_OCTAVE: Final = 4
_MOST_BIN: Final = 17 * _BINS_PER_OCTAVE  # 2¹⁷ s, a day and a half
#: What has faded to less than this is forgotten: a hundredth of one event.
_FORGOTTEN: Final = 0.01


class InterArrivals:
    """A fading histogram of times between events.

    >>> usual = InterArrivals()
    >>> for gap_s in (0.2, 1.5, 8.0):
    ...     usual.add(gap_s)
    >>> usual.quantile(0.3), usual.quantile(0.6), usual.longest
    (1.0, 1.681792830507429, 8.0)
    """

    __slots__ = ("_bins", "count")

    def __init__(self) -> None:
        self.count = 0.0  #: times noted, faded ones as fractions
        self._bins: dict[int, float] = {}

    def add(self, gap_s: float) -> None:
        """Note that so many seconds passed between two events."""
        number = 0 if gap_s <= 1.0 else min(math.ceil(_BINS_PER_OCTAVE * math.log2(gap_s)), _MOST_BIN)
        self._bins[number] = self._bins.get(number, 0.0) + 1.0
        self.count += 1.0

    def fade(self, share: float) -> None:
        """Let everything so far count for this share of itself, in (0, 1)."""
        self._bins = {number: n * share for number, n in self._bins.items() if n * share >= _FORGOTTEN}
        self.count = sum(self._bins.values())

    def quantile(self, share: float) -> float:
        """The time, in seconds, that at least this share of the times noted did not exceed; 0.0 if there are none."""
        above = 0.0
        for number in sorted(self._bins, reverse=True):
            above += self._bins[number]
            if above > (1.0 - share) * self.count:
                return _upper_edge_s(number)
        return 0.0

    @property
    def longest(self) -> float:
        """The longest time still remembered, in seconds, rounded up; 0.0 if there is none."""
        return _upper_edge_s(max(self._bins)) if self._bins else 0.0


def _upper_edge_s(number: int) -> float:
    return math.exp2(number / _BINS_PER_OCTAVE)
