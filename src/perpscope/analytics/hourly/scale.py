"""Is the map's number right as it stands, in dollars and in order, with nothing fitted to it (METHOD 14b, e, f)."""

from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.hourly.tables import Stamps
from perpscope.analytics.liqmap.bars import DAY_NS
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.resampling import blocks

#: Dollars added before the logarithm.
UNIT: Final = 100_000.0
#: Hours an interval is learnt from, by likeness of the number; hours needed.
_ALIKE: Final = 200
_TAIL: Final = 0.1
_TOP: Final = 0.01
#: Largest hours that are taken to have been right before any was seen.
_RIGHT: Final = 10.0


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """Number ÷ what was realised."""

    long: float  #: total foretold ÷ total realised
    short: float
    daily_sd_ln: float  #: standard deviation of the log of that ratio by day, both sides together
    coverage80: float  #: share of side-hours within the 80 % interval learnt from earlier hours with a like number
    lower_half: float  #: realised ÷ foretold in the half of side-hours with the smallest numbers
    top1pct: float  #: realised ÷ foretold in the hundredth of side-hours with the largest numbers
    top1pct_with_tail: float  #: the same with the factor that earlier hours' largest hundredth had


def ranks(values: Floats) -> Floats:
    """Ranks from 1, ties at their mean.

    >>> ranks(np.array([5.0, 1.0, 5.0]))
    array([2.5, 1. , 2.5])
    """
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    found: Floats = (last - 0.5 * (counts - 1))[at]
    return found


def spearman(foretold: Floats, realised: Floats) -> float:
    """Rank correlation of the pairs both of which are known; nan where one of them never changes."""
    known = ~(np.isnan(foretold) | np.isnan(realised))
    first, second = ranks(foretold[known]), ranks(realised[known])
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / size if size > 0.0 else float("nan")


def scale(foretold: Floats, realised: Floats, hours: Stamps, split: int) -> Scale:
    """Judge the number from the split on.

    Args:
        foretold: (n, 2) dollars.
        realised: (n, 2) dollars; nan = not known.
        hours: (n,) ns UTC.
        split: first hour that is judged.
    """
    rows = np.arange(split, hours.size)
    rows = rows[~np.isnan(realised[rows]).any(axis=1)]
    said, was = foretold[rows], realised[rows]
    ratio = said.sum(axis=0) / was.sum(axis=0)
    days = blocks(hours[rows], DAY_NS)
    daily = np.array([np.log(said[day].sum() / was[day].sum()) for day in days if was[day].sum() > 0.0])
    top, calm = said >= np.quantile(said, 1.0 - _TOP), said <= np.median(said)
    inside = np.concatenate([_covered(foretold[:, side], realised[:, side], rows) for side in (0, 1)])
    return Scale(
        long=float(ratio[0]),
        short=float(ratio[1]),
        daily_sd_ln=float(daily.std()),
        coverage80=float(inside.mean()),
        lower_half=float(was[calm].sum() / said[calm].sum()),
        top1pct=float(was[top].sum() / said[top].sum()),
        top1pct_with_tail=float(was[top].sum() / (said * tail(foretold, realised)[rows])[top].sum()),
    )


def tail(foretold: Floats, realised: Floats) -> Floats:
    """What a number would have to be multiplied with where it is among the largest hundredth so far; 1 elsewhere.

    Realised ÷ foretold of the largest hundredth of all earlier side-hours, as if ten more of them had been right.

    Args:
        foretold: (n, 2) dollars.
        realised: (n, 2) dollars; nan = not known.
    """
    found = np.ones(foretold.shape)
    for hour in range(_ALIKE, len(foretold)):
        known = ~np.isnan(realised[:hour])
        said, was = foretold[:hour][known], realised[:hour][known]
        limit = float(np.quantile(said, 1.0 - _TOP))
        largest = said >= limit
        prior = _RIGHT * limit
        factor = (was[largest].sum() + prior) / (said[largest].sum() + prior) if limit > 0.0 else 1.0
        found[hour] = np.where(foretold[hour] > limit, factor, 1.0)
    return found


def _covered(foretold: Floats, realised: Floats, rows: Stamps) -> Floats:
    """Whether each hour fell within the 80 % interval of ln(realised ÷ number) of earlier hours with a like number."""
    said, was = np.log(foretold + UNIT), np.log(realised + UNIT)
    found = np.empty(rows.size)
    for place, row in enumerate(rows):
        before = np.flatnonzero(~np.isnan(was[:row]))
        alike = before[np.argsort(np.abs(said[before] - said[row]), kind="stable")[:_ALIKE]]
        low, high = np.quantile(was[alike] - said[alike], (_TAIL, 1.0 - _TAIL))
        found[place] = low <= was[row] - said[row] <= high
    return found
