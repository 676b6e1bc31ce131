"""How far the price may go: forecast standard deviation of log returns (METHOD, conventions).

EWMA of squared one-minute returns with a half-life of 60 minutes, not below a quarter of its median of seven days.
"""

from math import log, sqrt
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.margin_arrays import Floats

HALF_LIFE_MIN: Final = 60.0
FLOOR: Final = 0.25
#: Hours of which the median is taken.
_HOURS: Final = 168


class Moves(msgspec.Struct):
    """Running state; changed in place."""

    hourly: Floats = msgspec.field(default_factory=lambda: np.zeros(_HOURS))  #: variance a minute, a ring
    variance: float = 0.0  #: a minute
    minutes: float = 0.0  #: seen
    last: float = 0.0  #: close of the bar before, quote per base; 0 before the first


def take(moves: Moves, close: float, minutes: float) -> None:
    """Take in a bar's close, quote per base, and its length in minutes."""
    if moves.last > 0.0:
        squared = log(close / moves.last) ** 2 / minutes
        before = int(moves.minutes // 60.0)
        moves.minutes += minutes
        started = min(1.0, minutes / moves.minutes)
        weight = max(1.0 - 0.5 ** (minutes / HALF_LIFE_MIN), started)
        moves.variance += weight * (squared - moves.variance)
        if int(moves.minutes // 60.0) > before:
            moves.hourly[before % _HOURS] = moves.variance
    moves.last = close


def deviation(moves: Moves, horizon_min: float) -> float:
    """Standard deviation of the log return over a horizon in minutes; nan before two bars.

    >>> state = Moves()
    >>> for close in (100.0, 101.0, 100.0): take(state, close, 1.0)
    >>> round(deviation(state, 240.0), 4)
    0.1541
    """
    if moves.minutes <= 0.0:
        return float("nan")
    known = moves.hourly[: min(int(moves.minutes // 60.0), _HOURS)]
    known = known[known > 0.0]
    usual = float(np.median(np.sqrt(known))) if known.size else 0.0
    return max(sqrt(moves.variance), FLOOR * usual) * sqrt(horizon_min)
