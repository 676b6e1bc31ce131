"""The nearest clusters of a map: where the tenth of levels begins that hold the most, above the mark and below.

This is what a strategy and a model are told of a map (METHOD 11.1). In: dollars by level. Out: two prices, what is
expected to be closed by force at each, and which way all of it pulls (METHOD 6.10). Nothing is claimed about where the
price goes.
"""

from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.liqmap.force import FAR, balance_of, pulls
from perpscope.analytics.margin_arrays import Floats

#: Levels with more dollars than so many of all in reach make clusters; METHOD 11.1.
DECILE: Final = 0.9


class Nearest(msgspec.Struct, frozen=True, kw_only=True):
    """The nearest cluster of each side."""

    above_price: float | None  #: quote per base, its middle by dollars; None = there is none
    above_usd: float  #: dollars expected to be closed by force in it
    below_price: float | None
    below_usd: float
    pull: float  #: (F₊ − F₋) ÷ (F₊ + F₋ + F₀), in (−1, 1)


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """What a map expects near its mark."""

    prices: Floats  #: (levels,) quote per base, rising
    forced: Floats  #: (levels,) base units expected to be closed by force, both sides
    mark: float  #: quote per base
    open_interest: float  #: base units


def nearest(found: Near, sigma: float) -> Nearest:
    """The nearest clusters of a map.

    Args:
        found: laid out at least six `sigma` either side of its mark.
        sigma: standard deviation of the log return over four hours; nan or 0 = nothing can be told.
    """
    if not (sigma > 0.0 and found.open_interest > 0.0):
        return Nearest(above_price=None, above_usd=0.0, below_price=None, below_usd=0.0, pull=0.0)
    away = np.log(found.prices / found.mark)
    inside = np.abs(away) <= FAR * sigma
    away, prices, forced = away[inside], found.prices[inside], found.forced[inside]
    up, down = pulls(away, forced / found.open_interest, sigma)
    usd = forced * prices
    least = float(np.quantile(usd, DECILE)) if usd.size else 0.0
    middle = int(np.searchsorted(away, 0.0))
    first = int(np.searchsorted(away, 0.0, side="right"))
    above_price, above_usd = _first(prices[first:], usd[first:], least)
    below_price, below_usd = _first(prices[:middle][::-1], usd[:middle][::-1], least)
    return Nearest(
        above_price=above_price,
        above_usd=above_usd,
        below_price=below_price,
        below_usd=below_usd,
        pull=float(balance_of(up, down)),
    )


def _first(prices: Floats, usd: Floats, least: float) -> tuple[float | None, float]:
    """The first run of levels that hold more than the least: its price by dollars, its dollars."""
    large = np.flatnonzero(usd > least)
    if not large.size:
        return None, 0.0
    first = int(large[0])
    ends = np.flatnonzero(usd[first:] <= least)
    last = first + int(ends[0]) if ends.size else usd.size
    total = float(usd[first:last].sum())
    return float((prices[first:last] * usd[first:last]).sum() / total), total
