"""How much a book takes before the price has moved so far: a real book as far as it reaches, a power law beyond.

Distances are logarithmic and positive, away from the price on the side that is being hit; depth is in quote units,
summed from the price on. METHOD §7: D(u) = B₁ · (u ÷ 1 %)^κ.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from perpscope.analytics.sentiment_scale import Floats

ONE_PERCENT: Final = 0.01
#: Median of liquidation events, with 1.05 to 1.36 for the middle half and R² .99: METHOD §7, [E1].
KAPPA: Final = 1.16
#: Y of the square-root law, METHOD §7.
IMPACT: Final = 1.0


class Depth(msgspec.Struct, frozen=True, kw_only=True):
    """Cumulative depth of one side of a book: straight lines between its levels, a power law beyond the last."""

    distances: Floats  #: (levels,) rising, > 0; may be empty
    notional: Floats  #: (levels,) quote units up to there, rising, > 0
    at_one_percent: float  #: B₁ of the power law, quote units, > 0
    kappa: float  #: κ, > 0
    survival: float = 1.0  #: W: share of the quotes that are still there, in (0, 1]

    @property
    def reach(self) -> float:
        """How far the real book reaches; beyond it is extrapolated. 0 without one."""
        return float(self.distances[-1]) if self.distances.size else 0.0

    def surviving(self, share: float) -> "Depth":
        """The same book with that share of its quotes left.

        Raises:
            ValueError: the share is not in (0, 1].
        """
        if not 0.0 < share <= 1.0:
            raise ValueError(f"the share of quotes that survives must lie in (0, 1], was {share}")
        return msgspec.structs.replace(self, survival=share)

    def within(self, distance: ArrayLike) -> Floats:
        """Quote units that are taken before the price is so far away, D(u); NaN below 0."""
        u = np.asarray(distance, np.float64)
        beyond = self.at_one_percent * np.power(np.maximum(u, 0.0) / ONE_PERCENT, self.kappa)
        found = beyond if not self.distances.size else np.where(u <= self.reach, self._between(u), beyond)
        return np.where(u >= 0.0, self.survival * found, np.nan)

    def distance(self, notional: ArrayLike) -> Floats:
        """How far the price is once so many quote units were taken: the inverse of `within`; NaN below 0."""
        taken = np.asarray(notional, np.float64) / self.survival
        beyond = ONE_PERCENT * np.power(np.maximum(taken, 0.0) / self.at_one_percent, 1.0 / self.kappa)
        if self.distances.size:
            within = np.interp(taken, np.r_[0.0, self.notional], np.r_[0.0, self.distances])
            beyond = np.where(taken <= self.notional[-1], within, beyond)
        return np.where(taken >= 0.0, beyond, np.nan)

    def _between(self, distance: Floats) -> Floats:
        found: Floats = np.interp(distance, np.r_[0.0, self.distances], np.r_[0.0, self.notional])
        return found


def power_law(at_one_percent: float, kappa: float = KAPPA) -> Depth:
    """A book that is only known by its shape.

    Args:
        at_one_percent: quote units within 1 %, > 0.
        kappa: exponent, > 0.

    Raises:
        ValueError: either is not above 0.

    >>> book = power_law(40e6)
    >>> round(float(book.within(0.005)) / 1e6, 2), round(float(book.distance(40e6)), 4)
    (17.9, 0.01)
    """
    if not (at_one_percent > 0.0 and kappa > 0.0):
        raise ValueError(f"depth and exponent must be above 0, were {at_one_percent} and {kappa}")
    return Depth(distances=np.empty(0), notional=np.empty(0), at_one_percent=at_one_percent, kappa=kappa)


def square_root(turnover: float, sigma: float, strength: float = IMPACT) -> Depth:
    """A book that is only known by what is traded through it: impact I = Y σ √(Q ÷ V), METHOD §7's alternative.

    Args:
        turnover: V, quote units traded in a day, > 0.
        sigma: σ, standard deviation of a day's log return, > 0.
        strength: Y; 1.26 ± .40 was measured on events that destroyed open interest (METHOD §7, [E1]).

    Raises:
        ValueError: a figure is not above 0.

    >>> book = square_root(1e9, 0.02)
    >>> round(float(book.distance(1e7)), 6), round(float(book.within(0.002)) / 1e6, 6)
    (0.002, 10.0)
    """
    if not (turnover > 0.0 and sigma > 0.0 and strength > 0.0):
        raise ValueError(f"turnover, volatility and strength must be above 0, were {turnover}, {sigma}, {strength}")
    return power_law(turnover * (ONE_PERCENT / (strength * sigma)) ** 2, kappa=2.0)


def of_book(mid: float, prices: ArrayLike, sizes: ArrayLike, kappa: float | None = None) -> Depth:
    """One side of a real book, continued by a power law through its last level.

    Args:
        mid: price between best bid and ask, quote per base, > 0.
        prices: (levels,) quote per base, best first, all on one side of `mid`.
        sizes: (levels,) base units, > 0.
        kappa: exponent beyond the last level; None = fitted to the levels, or `KAPPA` where they are fewer than four.

    Raises:
        ValueError: there is no level, or they are not as said.

    >>> book = of_book(100.0, [99.9, 99.8, 99.6], [1000.0, 1000.0, 2000.0], kappa=1.0)
    >>> book.within([0.0, 0.0010005]).round(-2).tolist(), round(book.reach, 6)
    ([0.0, 99900.0], 0.004008)
    """
    price, size = np.asarray(prices, np.float64), np.asarray(sizes, np.float64)
    if not (price.size and price.shape == size.shape and mid > 0.0 and np.all(price > 0.0) and np.all(size > 0.0)):
        raise ValueError("a book needs levels, each with a price and a size above 0, and a price between its sides")
    u = np.log(price / mid) * (1.0 if price[0] > mid else -1.0)
    if not (u[0] > 0.0 and np.all(np.diff(u) > 0.0)):
        raise ValueError("levels must lie on one side of the mid price, the best first")
    notional = np.cumsum(price * size)
    _, fitted = fit(u, notional) if kappa is None and u.size >= 4 else (0.0, KAPPA if kappa is None else kappa)
    last = float(notional[-1]) / (float(u[-1]) / ONE_PERCENT) ** fitted
    return Depth(distances=u, notional=notional, at_one_percent=last, kappa=fitted)


def fit(distances: ArrayLike, notional: ArrayLike) -> tuple[float, float]:
    """B₁ and κ by least squares of ln D on ln u.

    κ is kept within 0.5 and 2.5 (by hand): a thin book's last levels must not decide what lies beyond them.

    Args:
        distances: (bands,) > 0, at least two that differ.
        notional: (bands,) quote units within each, > 0.

    >>> [round(value, 6) for value in fit([0.001, 0.002, 0.01], [1e6, 2e6, 1e7])]
    [10000000.0, 1.0]
    """
    x = np.log(np.asarray(distances, np.float64) / ONE_PERCENT)
    y = np.log(np.asarray(notional, np.float64))
    across = x - x.mean()
    kappa = float(np.clip((across * y).sum() / (across * across).sum(), 0.5, 2.5))
    return float(np.exp(y.mean() - kappa * x.mean())), kappa
