"""How sure a figure is: it is reckoned again on blocks of time drawn with replacement (METHOD 10.3).

Rows close in time are not independent, so whole blocks are drawn, usually days. The generator is handed in: the same
seed gives the same interval.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from perpscope.analytics.margin_arrays import Floats

Rows = NDArray[np.int64]


def blocks(stamps_ns: ArrayLike, length_ns: int) -> list[Rows]:
    """Rows of each block of time, oldest block first; blocks in which nothing is are left out.

    Args:
        stamps_ns: (rows,) ns UTC, in any order.
        length_ns: of a block; blocks begin at multiples of it, so days are days of UTC.

    Raises:
        ValueError: the length is not above 0.

    >>> blocks([5, 21, 9], 10)
    [array([0, 2]), array([1])]
    """
    if length_ns <= 0:
        raise ValueError(f"a block of {length_ns} ns must be longer than 0")
    number = np.asarray(stamps_ns, np.int64) // length_ns
    order = np.argsort(number, kind="stable")
    borders = np.flatnonzero(np.diff(number[order])) + 1
    return [rows for rows in np.split(order, borders) if rows.size]


def resampled(
    groups: Sequence[Rows], statistic: Callable[[Rows], float], times: int, generator: np.random.Generator
) -> Floats:
    """The statistic of whole groups drawn with replacement, as many as there are: (times,).

    Args:
        groups: rows that stay together, one or more.
        statistic: of the rows drawn, which repeat.
        times: how often.
        generator: seeded.

    Raises:
        ValueError: there is no group.
    """
    if not groups:
        raise ValueError("there is nothing to draw from: 0 groups")
    found = np.empty(times)
    for turn in range(times):
        drawn = generator.integers(0, len(groups), len(groups))
        found[turn] = statistic(np.concatenate([groups[one] for one in drawn]))
    return found


def interval(draws: Floats, level: float = 0.95) -> tuple[float, float]:
    """The middle `level` of the draws; what is nan counts for nothing, and nothing at all is nan.

    Args:
        draws: of one statistic.
        level: in (0, 1).

    Raises:
        ValueError: the level is not between 0 and 1.

    >>> interval(np.arange(5.0), 0.5)
    (1.0, 3.0)
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level {level:g} must lie in (0, 1)")
    known = draws[~np.isnan(draws)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, (0.5 - 0.5 * level, 0.5 + 0.5 * level))
    return float(low), float(high)
