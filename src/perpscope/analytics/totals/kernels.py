"""Averages around each second that has a print: weights that fall off exponentially, to both sides or into the past.

Quiet stretches are shortened to the reach of the weights, so that the work grows with the prints and not with time.
"""

import msgspec
import numpy as np

from perpscope.analytics.totals.prints import Floats, Ints

#: Weights further out than so many time constants are left out: e⁻¹⁰ of the one at the centre.
REACH = 10.0


class Watchtime(msgspec.Struct, frozen=True):
    """The stretch a feed was to be watched in, seconds UTC, and what of it was missed."""

    start: int
    end: int  #: not included
    missed: tuple[tuple[int, int], ...] = ()  #: from, to (not included); apart from one another

    @property
    def seconds(self) -> int:
        """How many seconds were watched."""
        lost = sum(max(0, min(end, self.end) - max(start, self.start)) for start, end in self.missed)
        return self.end - self.start - lost

    def holds(self, second: Ints) -> Floats:
        """1 for each second that was watched, 0 for others; the shape of `second`."""
        inside = (second >= self.start) & (second < self.end)
        for start, end in self.missed:
            inside &= (second < start) | (second >= end)
        return inside.astype(np.float64)


class Surroundings:
    """The seconds around those that have a print.

    Args:
        second: (n,) that have one, ascending, none twice, n > 0.
        watch: what was watched; a second with a print always counts as watched.
        longest_s: largest time constant that will be asked for.
    """

    def __init__(self, second: Ints, watch: Watchtime, longest_s: float) -> None:
        reach = int(np.ceil(REACH * longest_s))
        gaps = np.diff(second)
        steps = np.minimum(gaps, 2 * reach + 1)
        self._at = reach + np.concatenate([np.zeros(1, np.int64), np.cumsum(steps)])
        length = int(self._at[-1]) + reach + 1
        place = np.arange(length)
        nearest = np.searchsorted((self._at[1:] + self._at[:-1]) // 2, place, side="left")
        self._watched = watch.holds(second[nearest] + place - self._at[nearest])
        self._watched[self._at] = 1.0

    def smoothed(self, here: Floats, elsewhere: float, tau_s: float, *, is_causal: bool = False) -> Floats:
        """Weighted mean over all seconds around each print, those not watched counting as 0.

        Args:
            here: (n,) value at each second that has a print.
            elsewhere: value at the other seconds that were watched.
            tau_s: time constant of the weights, s, > 0.
            is_causal: only seconds that are not later.

        Returns:
            (n,)
        """
        values = self._watched * elsewhere
        values[self._at] = here
        reach = min(int(np.ceil(REACH * tau_s)), len(values) - 1)
        lag = np.arange(-reach, reach + 1)
        weights = np.exp(-np.abs(lag) / tau_s)
        if is_causal:
            weights[lag < 0] = 0.0
        smooth = np.convolve(values, weights / weights.sum())[reach : reach + len(values)]
        found: Floats = smooth[self._at]
        return found

    def occupied(self, tau_s: float, *, is_causal: bool = False) -> Floats:
        """(n,) Weighted share of the watched seconds around each print that have one, in (0, 1]."""
        ones = np.ones(len(self._at))
        watched = self.smoothed(ones, 1.0, tau_s, is_causal=is_causal)
        return self.smoothed(ones, 0.0, tau_s, is_causal=is_causal) / watched
