"""The grid sentiment is reckoned on: steps of equal length that end now, and rows of a store put into them."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.sentiment_scale import Floats

#: A quarter hour, seconds.
STEP_S: Final = 900.0


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """Steps of equal length, the last one ending now."""

    now_ns: int
    steps: int
    step_s: float = STEP_S

    @property
    def step_ns(self) -> int:
        """Length of a step."""
        return round(self.step_s * 1e9)

    @property
    def start_ns(self) -> int:
        """Start of the first step, ns UTC."""
        return self.now_ns - self.steps * self.step_ns

    def places(self, ts: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """The step each moment (ns UTC) is in; a step's end belongs to it. Below 0 or `steps` and more: outside."""
        since = np.asarray(ts, np.int64) - self.start_ns
        return -(-since // self.step_ns) - 1

    def last(self, ts: Sequence[int] | NDArray[np.int64], values: Sequence[float] | Floats) -> Floats:
        """(steps,) the last value of each step; rows oldest first."""
        at = self.places(ts)
        inside = (at >= 0) & (at < self.steps)
        found = np.full(self.steps, np.nan)
        found[at[inside]] = np.asarray(values, np.float64)[inside]  # of several in one step the last stays
        return found

    def total(self, ts: Sequence[int] | NDArray[np.int64], values: Sequence[float] | Floats) -> Floats:
        """(steps,) the sum of each step; NaN where there is no row."""
        at = self.places(ts)
        inside = (at >= 0) & (at < self.steps)
        told = np.asarray(values, np.float64)[inside]
        sums = np.bincount(at[inside], weights=told, minlength=self.steps)
        return np.where(np.bincount(at[inside], minlength=self.steps) > 0, sums, np.nan)
