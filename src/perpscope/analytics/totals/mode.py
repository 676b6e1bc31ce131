"""Which print of a second a venue publishes, told from the data (METHOD §2, "auto mode test").

The largest of N grows with N, the last does not: so where seconds are crowded, prints of `largest` are larger. That
bursts bring larger liquidations anyway is taken off by the same slope on a complete feed.
"""

import msgspec
import numpy as np

from perpscope.analytics.totals.kernels import Surroundings, Watchtime
from perpscope.analytics.totals.prints import Prints, heads, summed_by
from perpscope.model.market import Sampling

TAU_S = 30.0  #: time constant of the occupancy (METHOD §2)
#: Corrected slope between the two, in standard deviations of ln(size): METHOD §2's +.5 was found with sizes of 1.6.
THRESHOLD = 0.5 / 1.6
_TOO_STEEP = 0.5  #: `largest` gives .65 … 1 whatever the sizes; with an interval up to here it is ruled out
_BLOCK_S = 600  #: residuals of one block are not independent (chosen by hand)
_FEWEST_BLOCKS = 10  #: for an interval (chosen by hand)
_Z = 1.96
_REPEATED = 0.02  #: share of seconds with two prints, above which no cap of one a second is believed (chosen by hand)


class Slope(msgspec.Struct, frozen=True):
    """How ln(size) grows with local occupancy."""

    value: float  #: per whole occupancy
    error: float  #: standard error, with residuals of ten minutes taken together
    spread: float  #: standard deviation of ln(size)
    prints: int
    blocks: int


class ModeTest(msgspec.Struct, frozen=True):
    """What a venue seems to publish, and the evidence."""

    sampling: Sampling  #: UNKNOWN where the data do not decide; NONE where they contradict one print each second
    slope: Slope | None  #: of the venue's own prints
    complete: Slope | None  #: of the complete feed
    #: Difference of the two and its 95 % interval, in standard deviations of the complete feed's ln(size).
    corrected: tuple[float, float, float] | None
    repeated: float  #: share of occupied seconds with more than one print (of a side, where each has its own)


def size_slope(prints: Prints, watch: Watchtime, tau_s: float = TAU_S) -> Slope | None:
    """Slope of ln(dollars) on local occupancy; None where there is too little to tell.

    Args:
        prints: of one symbol; of a complete feed all of them.
        watch: when it was watched.
        tau_s: time constant of the occupancy, s.
    """
    by_second = heads(prints)
    blocks, of_block = np.unique(prints.second // _BLOCK_S, return_inverse=True)
    if len(blocks) < _FEWEST_BLOCKS:
        return None
    occupied = Surroundings(by_second.second, watch, tau_s).occupied(tau_s)
    x = occupied[np.searchsorted(by_second.second, prints.second)]
    y = np.log(prints.usd)
    x, y = x - float(x.mean()), y - float(y.mean())
    square = float(x @ x)
    if square <= 1e-12 * len(x) or float(y.std()) < 1e-9:
        return None
    value = float(x @ y) / square
    scores = summed_by(of_block, x * (y - value * x), len(blocks))
    return Slope(value, float(np.sqrt(scores @ scores)) / square, float(y.std()), len(x), len(blocks))


def tell_mode(own: Prints, complete: Prints | None, watch: Watchtime, *, per_side: bool = False) -> ModeTest:
    """Tell `largest` from `latest`.

    Args:
        own: prints of the venue, of one symbol.
        complete: a complete feed's prints of the same coin in the same time; None = there is none.
        watch: when both were watched.
        per_side: one print of each side each second.

    Returns:
        LARGEST_1S where the corrected slope's interval lies above 0 and the slope above the threshold, LATEST_1S where
        the slope lies below it and the interval reaches no slope of `largest`; else UNKNOWN.
    """
    repeated = _repeated(own, per_side=per_side)
    slope = size_slope(own, watch) if len(own) else None
    reference = size_slope(complete, watch) if complete is not None and len(complete) else None
    if repeated > _REPEATED:
        return ModeTest(Sampling.NONE, slope, reference, None, repeated)
    if slope is None or reference is None:
        return ModeTest(Sampling.UNKNOWN, slope, reference, None, repeated)
    unit = reference.spread
    value = (slope.value - reference.value) / unit
    reach = _Z * float(np.hypot(slope.error, reference.error)) / unit
    low, high = value - reach, value + reach
    if low > 0 and value > THRESHOLD:
        sampling = Sampling.LARGEST_1S
    elif value < THRESHOLD and high < _TOO_STEEP:
        sampling = Sampling.LATEST_1S
    else:
        sampling = Sampling.UNKNOWN
    return ModeTest(sampling, slope, reference, (value, low, high), repeated)


def _repeated(own: Prints, *, per_side: bool) -> float:
    """Share of occupied seconds in which more than one print came."""
    cells = own.second * 2 + (own.is_long if per_side else 0)
    _, counts = np.unique(cells, return_counts=True)
    return float((counts > 1).mean()) if len(counts) else 0.0
