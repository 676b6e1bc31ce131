"""How much money a strategy could carry: its net against size, by the cost model (METHOD 12.4).

What a run earned at its own size is known. At another size everything grows along but impact, which the model says
grows with the square root of size: Y·σ_day·√(notional ÷ daily volume) of the price, each way.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.margin_arrays import Floats
from perpscope.model.run import RunTrade

#: Multiples of the size that was traded.
MULTIPLES: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


class Impact(msgspec.Struct, frozen=True):
    """Price a market order moves: y·sigma·√(notional ÷ volume), a fraction."""

    y: float  #: of the cost model, about 1
    sigma: float  #: of daily returns, fraction
    volume: float  #: quote units a day, > 0

    def cost(self, notional: float) -> float:
        """Quote units, of one order."""
        return self.y * self.sigma * sqrt(notional / self.volume) * notional


def impact_of(y: float, price: Floats, traded: Floats, days: float) -> Impact | None:
    """The cost model's impact in a market as it was, on the whole, during a run; None where that cannot be said.

    Args:
        y: of the cost model.
        price: quote per base, at equal steps.
        traded: quote units, in each of some parts of the run.
        days: length of the run.
    """
    moved = np.diff(price) / price[:-1]
    if moved.size < 2 or days <= 0.0 or not float(traded.sum()) > 0.0 or not np.isfinite(moved).all():
        return None
    return Impact(y=y, sigma=sqrt(float((moved**2).sum()) / days), volume=float(traded.sum()) / days)


class Capacity(msgspec.Struct, frozen=True):
    """Net by size, and where it ends."""

    net: dict[float, float]  #: by multiple of the size that was traded
    best_multiple: float | None  #: at which net is largest; None of a run that lost, or where impact costs nothing
    best_net: float | None
    zero_multiple: float | None  #: beyond which it loses


def capacity(trades: Sequence[RunTrade], impact: Impact) -> Capacity:
    """The curve net(k) = k·net - (k^1.5 - k)·impact of all orders at k = 1.

    Impact at k = 1 is in the trades' slippage already, so the curve goes through the run itself. For a gain it has its
    top at √k = 2(net + I) ÷ 3I and its end at √k = (net + I) ÷ I; beneath the run's own size it says less than
    nothing was lost to impact, never more.
    """
    net = sum(trade.net for trade in trades)
    moved = sum(impact.cost(trade.size * trade.entry) + impact.cost(trade.size * trade.exit) for trade in trades)
    curve = {k: k * net - (k**1.5 - k) * moved for k in MULTIPLES}
    if moved <= 0.0 or net + moved <= 0.0:
        return Capacity(curve, None, None, None)
    best, zero = (2.0 * (net + moved) / (3.0 * moved)) ** 2, ((net + moved) / moved) ** 2
    return Capacity(curve, best, best * (net + moved) - best**1.5 * moved, zero)
