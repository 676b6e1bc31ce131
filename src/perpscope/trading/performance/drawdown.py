"""How far equity fell below its peak, and for how long."""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats

_DAY_MS: Final = 86_400_000


class Drawdown(msgspec.Struct, frozen=True):
    """The deepest fall, and the longest wait for a new peak."""

    depth: float  #: fraction of the peak, >= 0
    days: float  #: of the deepest: from its peak until equity was there again, or until the end
    is_recovered: bool
    longest_days: float  #: below a peak, whatever the depth


def underwater(equity: Floats, deposit: float) -> Floats:
    """Fraction below the highest so far, in [-1, 0] while equity is not negative; the deposit is the first peak.

    >>> underwater(np.array([100.0, 90.0, 120.0]), 100.0)
    array([ 0. , -0.1,  0. ])
    """
    peaks = np.maximum.accumulate(np.maximum(equity, deposit))
    found: Floats = equity / peaks - 1.0
    return found


def drawdown(at_ms: NDArray[np.int64], equity: Floats, deposit: float, from_ms: int) -> Drawdown:
    """The deepest and the longest.

    Args:
        at_ms: of each row.
        equity: of each row, quote units.
        deposit: what it began with, > 0; the first peak, at `from_ms`.
        from_ms: begin of the run.
    """
    times = np.concatenate([[from_ms], at_ms])
    below = np.concatenate([[0.0], underwater(equity, deposit)])
    tops = np.flatnonzero(below >= 0.0)
    lowest = int(below.argmin())
    peak = int(tops[np.searchsorted(tops, lowest, side="right") - 1])
    after = np.searchsorted(tops, lowest)
    is_recovered = bool(after < tops.size)
    end = int(tops[after]) if is_recovered else below.size - 1
    waits = np.diff(times[tops])[np.diff(tops) > 1]
    return Drawdown(
        depth=abs(float(below[lowest])),
        days=float(times[end] - times[peak]) / _DAY_MS,
        is_recovered=is_recovered,
        longest_days=float(max(waits.max(initial=0), times[-1] - times[tops[-1]])) / _DAY_MS,
    )
