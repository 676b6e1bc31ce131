"""Where the map leans: expected forced orders above and below the mark, weighed by distance (METHOD 6.10).

"Magnetism" is a hypothesis: public evidence is that such maps say where liquidations are, not where the price goes. Who
shows a bias shows the measured skill beside it.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.liqmap.levels import Levels
from perpscope.analytics.margin_arrays import Floats

#: METHOD 6.10.
EPSILON: Final = 0.25
FAR: Final = 6.0
F0: Final = 1e-3
ENTER, LEAVE = 0.15, 0.10


class Bias(Enum):
    """Which way the map leans."""

    UP = "UP"
    DOWN = "DOWN"
    UNBIASED = "UNBIASED"


class Force(msgspec.Struct, frozen=True, kw_only=True):
    """Both pulls and what follows."""

    up: float  #: F₊, no unit
    down: float  #: F₋
    balance: float  #: B, in (−1, 1)
    low: float  #: 5 % of its posterior; the balance itself where there is none
    high: float  #: 95 %
    bias: Bias


def pulls(distances: Floats, amounts: Floats, sigma: float) -> tuple[Floats, Floats]:
    """F₊ and F₋: Σ amount ÷ ((d ÷ σ)² + ε²) over |d| ≤ 6σ, on each side of the mark.

    Args:
        distances: (levels,) log distance from the mark, above it > 0.
        amounts: (…, levels) expected forced orders as a share of open interest.
        sigma: standard deviation of the log return over four hours, > 0.

    Returns:
        (…,) each.

    >>> d = np.log(np.array([101.0, 103.0, 98.5, 96.0]) / 100.0)
    >>> up, down = pulls(d, np.array([2.0, 1.0, 3.0, 4.0]) / 100.0, 0.02)
    >>> bool(abs(up - 0.0689622) < 5e-4 and abs(down - 0.0568113) < 5e-4)
    True
    """
    weight = np.where(np.abs(distances) <= FAR * sigma, 1.0 / ((distances / sigma) ** 2 + EPSILON**2), 0.0)
    up: Floats = (amounts * (weight * (distances > 0.0))).sum(axis=-1)
    down: Floats = (amounts * (weight * (distances < 0.0))).sum(axis=-1)
    return up, down


def balance_of(up: Floats | float, down: Floats | float, f0: float = F0) -> Floats:
    """B = (F₊ − F₋) ÷ (F₊ + F₋ + F₀); 0 where nothing pulls."""
    total = np.asarray(up) + down + f0
    found: Floats = np.where(total > 0.0, (np.asarray(up) - down) / np.where(total > 0.0, total, 1.0), 0.0)
    return found


def bias_of(balance: float, low: float, high: float, before: Bias = Bias.UNBIASED) -> Bias:
    """UP beyond +.15, DOWN beyond −.15, left again within .10; UNBIASED where the interval includes 0.

    >>> bias_of(0.2, 0.1, 0.3).value, bias_of(0.12, 0.1, 0.3, Bias.UP).value, bias_of(0.2, -0.1, 0.3).value
    ('UP', 'UP', 'UNBIASED')
    """
    if low <= 0.0 <= high:
        return Bias.UNBIASED
    if balance > (LEAVE if before is Bias.UP else ENTER):
        return Bias.UP
    if balance < -(LEAVE if before is Bias.DOWN else ENTER):
        return Bias.DOWN
    return Bias.UNBIASED


def force(
    found: Sequence[Levels], sigma: float, drawn: Sequence[Floats] | None = None, before: Bias = Bias.UNBIASED
) -> Force:
    """The pulls of the maps of some venues together, as they are: without what was mixed in of distance.

    Args:
        found: laid out, each with the classes `levels` gives it.
        sigma: standard deviation of the log return over four hours; nan or 0 = no force can be told.
        drawn: conversions of the posterior, (draws, 2, classes of all books) of each venue; None = no interval.
        before: the bias before this one.
    """
    total = sum(one.open_interest for one in found)
    if not (sigma > 0.0 and total > 0.0):
        return Force(up=0.0, down=0.0, balance=0.0, low=0.0, high=0.0, bias=Bias.UNBIASED)
    up = down = 0.0
    ups, downs = np.zeros(1), np.zeros(1)
    for place, one in enumerate(found):
        classes = pulls(np.log(one.prices / one.mark), one.parts / total, sigma)
        up += float((one.conversions * classes[0]).sum())
        down += float((one.conversions * classes[1]).sum())
        if drawn is not None:
            ups = ups + np.einsum("nsc,sc->n", drawn[place], classes[0])
            downs = downs + np.einsum("nsc,sc->n", drawn[place], classes[1])
    balance = float(balance_of(up, down))
    low = high = balance
    if drawn is not None:
        low, high = (float(q) for q in np.quantile(balance_of(ups, downs), (0.05, 0.95)))
    return Force(up=up, down=down, balance=balance, low=low, high=high, bias=bias_of(balance, low, high, before))


def seed_pulls(
    middles: Floats, usd: Floats, mark: float, width: float, active: NDArray[np.bool_]
) -> tuple[float, float]:
    """The documents' force: Σ USD ÷ distance², in dollars per squared quote unit, over active bins.

    Args:
        middles: (bins,) quote per base.
        usd: (bins,) dollars, both sides.
        mark: quote per base.
        width: of a bin, quote units; half of it is the least distance, where the documents divide by 0.
        active: (bins,) bins that count.

    Returns:
        Above and below.
    """
    away = middles - mark
    each = np.where(active, usd / np.maximum(np.abs(away), 0.5 * width) ** 2, 0.0)
    return float(each[away > 0.0].sum()), float(each[away < 0.0].sum())
