"""How sure a figure is: days, or blocks of them, are drawn again whole, since neighbours are not independent."""

from collections.abc import Callable, Sequence
from math import cbrt
from typing import Final

import numpy as np

from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.resampling import Rows, blocks, interval, resampled
from perpscope.model.run import RunTrade

TIMES: Final = 1000
_FEWEST_DAYS: Final = 10
_DAY_MS: Final = 86_400_000


def block_days(days: int) -> int:
    """Days that stay together: the cube root of their number, rounded, 1 at least (Hall, Horowitz & Jing 1995).

    >>> block_days(5), block_days(1250)
    (2, 11)
    """
    return max(1, round(cbrt(days)))


def daily_interval(
    returns: Floats, statistic: Callable[[Floats], float | None], seed: int
) -> tuple[float | None, float | None]:
    """95 % interval of a statistic of daily returns; None, None under 10 days or where it cannot be said of most draws.

    Args:
        returns: a day each, in order.
        statistic: of returns drawn.
        seed: the same seed gives the same interval.
    """
    if returns.size < _FEWEST_DAYS:
        return None, None
    groups = blocks(np.arange(returns.size), block_days(returns.size))

    def one(rows: Rows) -> float:
        found = statistic(returns[rows])
        return np.nan if found is None else found

    drawn = resampled(groups, one, TIMES, np.random.default_rng(seed))
    if np.isnan(drawn).mean() > 0.5:
        return None, None
    return interval(drawn)


def expectancy_interval(trades: Sequence[RunTrade], seed: int) -> tuple[float | None, float | None]:
    """95 % interval of the mean net of a trade, quote units: days are drawn again whole; None of fewer than 10 days."""
    days = blocks(np.array([trade.closed_ms for trade in trades], np.int64), _DAY_MS)
    if len(days) < _FEWEST_DAYS:
        return None, None
    nets = np.array([trade.net for trade in trades])
    return interval(resampled(days, lambda rows: float(nets[rows].mean()), TIMES, np.random.default_rng(seed)))
