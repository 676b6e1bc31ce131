"""The deflated Sharpe ratio: how likely a result beats the best that luck alone finds in so many trials.

Bailey & López de Prado (2014), doi 10.3905/jpm.2014.40.5.094. Ratios are per period of the returns, not a year.
"""

from math import e, sqrt
from statistics import NormalDist
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.margin_arrays import Floats

_EULER: Final = 0.5772156649015329
_NORMAL: Final = NormalDist()
_NOTHING: Final = 1e-15


class Shape(msgspec.Struct, frozen=True):
    """What the deflated ratio takes of returns."""

    ratio: float  #: Sharpe per period, n - 1
    count: int
    skew: float
    kurtosis: float  #: of a normal 3


def shape(returns: Floats) -> Shape | None:
    """Moments of returns; None of fewer than three, or of a constant."""
    if returns.size < 3 or float(returns.std()) <= _NOTHING:
        return None
    away = returns - returns.mean()
    spread = float(np.sqrt((away**2).mean()))
    return Shape(
        ratio=float(returns.mean() / returns.std(ddof=1)),
        count=int(returns.size),
        skew=float((away**3).mean() / spread**3),
        kurtosis=float((away**4).mean() / spread**4),
    )


def luck(trials: int, variance: float) -> float:
    """Ratio the best of `trials` without any skill is expected to have: SR0; 0 of a single trial.

    Args:
        trials: how many parameter sets were tried, 1 or more.
        variance: of the trials' ratios, per period.

    >>> round(luck(100, 0.5), 4)
    1.7894
    """
    if trials < 2:
        return 0.0
    best = (1.0 - _EULER) * _NORMAL.inv_cdf(1.0 - 1.0 / trials) + _EULER * _NORMAL.inv_cdf(1.0 - 1.0 / (trials * e))
    return sqrt(variance) * best


def deflated(found: Shape, trials: int, variance: float | None = None) -> float:
    """DSR: probability that the true ratio is above what luck explains.

    Args:
        found: of the run's returns.
        trials: all that were tried, 1 or more, this one among them.
        variance: of the trials' ratios, per period; None = what ratios of no skill vary by, 1 ÷ (count - 1).
    """
    beaten = luck(trials, 1.0 / (found.count - 1) if variance is None else variance)
    bend = 1.0 - found.skew * found.ratio + (found.kurtosis - 1.0) / 4.0 * found.ratio**2
    return _NORMAL.cdf((found.ratio - beaten) * sqrt(found.count - 1) / sqrt(max(bend, _NOTHING)))
