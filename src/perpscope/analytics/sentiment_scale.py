"""How unusual a figure is: robust z against a trailing history, the worth of a short history, and of an old figure.

Medians and not means, so that one liquidation cascade does not decide what is usual for a month. Every z comes with
the number of points it was judged against; METHOD's conventions and §9.
"""

from bisect import bisect_left, insort
from math import isfinite
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]

MAD_TO_SIGMA: Final = 1.4826  #: median absolute deviation → standard deviation of a normal law
#: A history of so many points is worth its full weight (METHOD, conventions).
FULL_POINTS: Final = 200
#: Fewer say nothing at all: the median deviation of so few is off by a third (chosen by hand).
LEAST_POINTS: Final = 20
#: A figure older than so many of its own periods counts for nothing (METHOD §9).
DEAD_PERIODS: Final = 4.0


def robust_z(value: float, history: ArrayLike, least_scale: float = 1e-12) -> tuple[float, int]:
    """How many robust standard deviations a figure lies from the median of its past.

    rz = (x − med(H)) ÷ max(1.4826 · MAD(H), ε); METHOD, conventions.

    Args:
        value: the figure.
        history: (n,) those before it; NaN where there was none.
        least_scale: ε, > 0, in the figure's unit: what counts as a small change where the past stood still, as
            funding does at its clamp.

    Returns:
        z, and how many points of history it is judged against; NaN without any.

    >>> robust_z(14.0, [10.0, 11.0, 12.0, 9.0, 8.0])  # median 10, MAD 1
    (2.697..., 5)
    >>> robust_z(2e-4, [1e-4] * 8, least_scale=5e-5)[0]
    2.0
    """
    past = np.asarray(history, np.float64)
    past = past[np.isfinite(past)]
    if not past.size:
        return float("nan"), 0
    middle = float(np.median(past))
    scale = max(MAD_TO_SIGMA * float(np.median(np.abs(past - middle))), least_scale)
    return (value - middle) / scale, int(past.size)


def trailing_z(values: Floats, window: int, least_scale: float = 1e-12, first: int = 0) -> tuple[Floats, Counts]:
    """The robust z of each figure of a regular series against those of the window before it.

    The window is kept in order, so that a step costs microseconds however long it is.

    Args:
        values: (steps,) NaN where there is none.
        window: steps before, the figure itself not included; > 0.
        least_scale: as for `robust_z`.
        first: step of the first z that is wanted; those before it are left out.

    Returns:
        (steps,) z, NaN where there is no figure or no history; and (steps,) points of history.

    >>> z, points = trailing_z(np.array([1.0, 2.0, 3.0, 9.0]), 2, least_scale=0.5)
    >>> z.round(3).tolist(), points.tolist()
    ([nan, 2.0, 2.023, 8.768], [0, 1, 2, 2])
    """
    z, points = np.full(values.shape, np.nan), np.zeros(values.shape, np.int64)
    ordered: list[float] = []
    told = values.tolist()
    for at in range(max(0, first - window), len(told)):
        if at >= first:
            points[at] = len(ordered)
            if ordered and isfinite(told[at]):
                middle, deviation = _spread(ordered)
                z[at] = (told[at] - middle) / max(MAD_TO_SIGMA * deviation, least_scale)
        if isfinite(told[at]):
            insort(ordered, told[at])
        gone = at - window
        if gone >= max(0, first - window) and isfinite(told[gone]):
            del ordered[bisect_left(ordered, told[gone])]
    return z, points


def _spread(ordered: list[float]) -> tuple[float, float]:
    """Median, and median distance from it, of numbers in order."""
    count, half = len(ordered), len(ordered) // 2
    middle = ordered[half] if count % 2 else (ordered[half - 1] + ordered[half]) / 2.0
    split = bisect_left(ordered, middle)
    upper = _nearest(ordered, middle, split, half)
    return middle, upper if count % 2 else (_nearest(ordered, middle, split, half - 1) + upper) / 2.0


def _nearest(ordered: list[float], middle: float, split: int, rank: int) -> float:
    """The distance from the middle that so many others are not beyond: a search between both arms, outwards."""
    low, high = max(0, rank + 1 - (len(ordered) - split)), min(rank + 1, split)
    while low < high:
        below = (low + high) // 2
        if ordered[split + rank - below] - middle > middle - ordered[split - 1 - below]:
            low = below + 1
        else:
            high = below
    above = rank + 1 - low
    left = middle - ordered[split - low] if low else 0.0
    return max(left, ordered[split + above - 1] - middle) if above else left


def evidence(points: ArrayLike, capacity: float) -> Floats:
    """What a history of so many points is worth, in [0, 1].

    METHOD wants 200 points or nothing. A funding rate paid thrice a day has 90 in 30 days and would never count, and
    a collector's first days would show nothing: so a history counts in proportion to the points it has, of 200 or of
    as many as its window can hold, from 20 on; and the number is told beside it.

    Args:
        points: how many there are.
        capacity: how many its window can hold at most, > 0.

    >>> evidence([10, 45, 90, 1000], 90).tolist(), evidence([50, 200], 8640).tolist()
    ([0.0, 0.5, 1.0, 1.0], [0.25, 1.0])
    """
    counted = np.asarray(points, np.float64)
    whole = min(float(FULL_POINTS), max(capacity, 1.0))
    return np.where(counted >= min(LEAST_POINTS, whole), np.minimum(1.0, counted / whole), 0.0)


def freshness(age_s: ArrayLike, period_s: ArrayLike) -> Floats:
    """What an old figure is worth, in [0, 1]: all within its period, half for each period more, nothing after four.

    a = 2^(−max(0, age − T) ÷ T), and 0 where age > 4 T; METHOD §9.

    Args:
        age_s: seconds since it was true; infinite or NaN where there is none.
        period_s: T, seconds between two of it, > 0.

    >>> freshness([0.0, 300.0, 600.0, 1200.0, 1201.0, float("inf")], 300.0).tolist()
    [1.0, 1.0, 0.5, 0.125, 0.0, 0.0]
    """
    periods = np.asarray(age_s, np.float64) / np.asarray(period_s, np.float64)
    known = np.where(np.isfinite(periods), periods, DEAD_PERIODS + 1.0)
    return np.where(known > DEAD_PERIODS, 0.0, np.exp2(-np.maximum(0.0, known - 1.0)))


def ages(values: Floats, step_s: float) -> Floats:
    """How old the newest figure is at each step, seconds: 0 where there is one, infinite before the first.

    Args:
        values: (steps,) NaN where there is none.
        step_s: seconds between two steps.

    >>> ages(np.array([np.nan, 1.0, np.nan, np.nan, 2.0]), 60.0).tolist()
    [inf, 0.0, 60.0, 120.0, 0.0]
    """
    at = np.arange(values.size)
    newest = np.maximum.accumulate(np.where(np.isfinite(values), at, -1))
    return np.where(newest >= 0, (at - newest) * step_s, np.inf)


def carried(values: Floats, most: int) -> Floats:
    """Holes filled with the figure before them, over so many steps at most.

    >>> carried(np.array([1.0, np.nan, np.nan, np.nan, 5.0]), 2).tolist()
    [1.0, 1.0, 1.0, nan, 5.0]
    """
    at = np.arange(values.size)
    newest = np.maximum.accumulate(np.where(np.isfinite(values), at, -1))
    return np.where((newest >= 0) & (at - newest <= most), values[np.maximum(newest, 0)], np.nan)
