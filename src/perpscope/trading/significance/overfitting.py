"""The probability of backtest overfitting, by combinatorially symmetric cross-validation.

Bailey, Borwein, López de Prado & Zhu (2017), doi 10.21314/JCF.2016.322: time is cut into blocks, and each half of the
blocks chooses the best trial, which is then ranked in the other half.
"""

from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats

BLOCKS: Final = 16
#: Halves reckoned at once.
_AT_ONCE: Final = 1024
_NOTHING: Final = 1e-30


def overfitting(returns: Floats, parts: int = BLOCKS) -> float | None:
    """PBO: share of halvings whose best trial is in the lower half of the other half (its logit is not above 0).

    Args:
        returns: (periods, trials), each column a trial over the same periods.
        parts: blocks of time, even.

    Returns:
        In [0, 1]; None of fewer than two trials or of fewer than two periods a block.

    Raises:
        ValueError: the blocks cannot be halved.
    """
    if parts < 2 or parts % 2:
        raise ValueError(f"{parts} blocks cannot be halved: take an even number")
    periods, trials = returns.shape
    if trials < 2 or periods < 2 * parts:
        return None
    groups = np.array_split(np.arange(periods), parts)
    sums = np.array([returns[rows].sum(axis=0) for rows in groups])
    squares = np.array([(returns[rows] ** 2).sum(axis=0) for rows in groups])
    counts = np.array([rows.size for rows in groups], np.float64)
    halves = _halves(parts)
    low = 0
    for first in range(0, len(halves), _AT_ONCE):
        chosen = halves[first : first + _AT_ONCE]
        inside, outside = (_ratios(mask, sums, squares, counts) for mask in (chosen, 1.0 - chosen))
        best = inside.argmax(axis=1)
        theirs = outside[np.arange(best.size), best][:, None]
        ranks = (outside < theirs).sum(axis=1) + 0.5 * ((outside == theirs).sum(axis=1) + 1)
        low += int((ranks / (trials + 1) <= 0.5).sum())
    return low / len(halves)


def _halves(parts: int) -> Floats:
    """(halvings, parts) of 0 and 1."""
    rows = np.array(list(combinations(range(parts), parts // 2)))
    found = np.zeros((rows.shape[0], parts))
    np.put_along_axis(found, rows, 1.0, axis=1)
    return found


def _ratios(mask: Floats, sums: Floats, squares: Floats, counts: Floats) -> NDArray[np.float64]:
    """(halvings, trials) Sharpe per period of the blocks in each mask; 0 of what does not move."""
    many = (mask @ counts)[:, None]
    means = (mask @ sums) / many
    variances = np.maximum((mask @ squares) / many - means**2, 0.0)
    return np.divide(means, np.sqrt(variances), out=np.zeros(means.shape), where=variances > _NOTHING)
