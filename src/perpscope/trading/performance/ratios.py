"""Reward for risk, of daily returns; a year has 365 days, since these markets never close.

Each is None where it cannot be said: too few days, or no risk to divide by.
"""

from math import ceil, sqrt
from typing import Final

import numpy as np

from perpscope.analytics.margin_arrays import Floats

#: Days of a year.
YEAR: Final = 365
#: Days below which a year's return and a tail are not spoken of.
_FEW_FOR_YEAR, _FEW_FOR_TAIL = 28, 20
_TAIL: Final = 0.05
#: Deviations below this are a constant's rounding errors.
_NOTHING: Final = 1e-15


def sharpe(returns: Floats) -> float | None:
    """Mean ÷ standard deviation (n - 1), a year; the rate free of risk is 0.

    >>> round(sharpe(np.array([0.01, -0.005, 0.01])), 4)
    11.0303
    """
    if returns.size < 2:
        return None
    spread = float(returns.std(ddof=1))
    return None if spread <= _NOTHING else float(returns.mean()) / spread * sqrt(YEAR)


def sortino(returns: Floats) -> float | None:
    """Mean ÷ √mean(min(r, 0)²), a year; None without a losing day."""
    if returns.size < 2:
        return None
    below = sqrt(float((np.minimum(returns, 0.0) ** 2).mean()))
    return None if below <= _NOTHING else float(returns.mean()) / below * sqrt(YEAR)


def annual_return(growth: float, days: float) -> float | None:
    """Compound return a year, fraction, of a growth over days; None under 28 days; -1 when everything is lost."""
    if days < _FEW_FOR_YEAR:
        return None
    return -1.0 if growth <= 0.0 else growth ** (YEAR / days) - 1.0


def calmar(growth: float, days: float, depth: float) -> float | None:
    """Return a year ÷ largest drawdown; None under 28 days or without a drawdown."""
    yearly = annual_return(growth, days)
    return None if yearly is None or depth <= 0.0 else yearly / depth


def expected_shortfall(returns: Floats) -> float | None:
    """ES95: mean of the worst twentieth of days, fraction (a loss is below 0); None under 20 days.

    >>> expected_shortfall(np.linspace(-0.1, 0.1, 21))
    -0.095
    """
    if returns.size < _FEW_FOR_TAIL:
        return None
    return float(np.sort(returns)[: ceil(_TAIL * returns.size)].mean())
