"""Reading a map: how much up to a price, what if it falls or rises, and the clusters in between.

In: `Bins`. Out: dollars; all are estimates of what would be closed by force on the way, nothing about whether the price
goes there.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.liqmap.levels import Bins
from perpscope.analytics.margin_arrays import Floats

#: A cluster goes on while its bins hold half of its largest; chosen by hand.
_PART: Final = 0.5
#: Levels farther away have not been shown to be worth anything, METHOD 14b.
VALIDATED: Final = 0.01


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """Neighbouring bins of one side around a largest."""

    is_long: bool
    low: float  #: quote per base
    high: float
    peak: float  #: quote per base, middle of the largest bin
    usd: float  #: dollars
    distance_pct: float  #: of the peak from the mark, signed, per cent
    distance_sigma: float | None  #: in standard deviations over four hours; None where not known
    is_validated: bool  #: within the distance at which such maps have shown skill


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """If the price goes to X."""

    price: float  #: X, quote per base
    distance_pct: float  #: signed, per cent
    is_long: bool  #: longs are closed on the way down, shorts on the way up
    usd: float  #: dollars, about
    gross_usd: float  #: dollars held at these levels
    share_of_open_interest: float  #: of `usd`, in [0, 1]
    is_covered: bool  #: X lies within the map


def cumulative(bins: Bins) -> tuple[Floats, Floats]:
    """Dollars from the mark up to each edge: longs downwards, shorts upwards; (edges,) each, 0 on the other side."""
    long, short = (np.concatenate([[0.0], bins.usd[side].cumsum()]) for side in (0, 1))
    fell = np.interp(bins.mark, bins.edges, long) - long
    rose = short - np.interp(bins.mark, bins.edges, short)
    return np.maximum(fell, 0.0), np.maximum(rose, 0.0)


def what_if(bins: Bins, price: float) -> WhatIf:
    """About how much would be closed by force if the price went to X.

    Raises:
        ValueError: X is not above 0.
    """
    if not 0.0 < price < float("inf"):
        raise ValueError(f"price {price:g} must be above 0")
    falls = bool(price < bins.mark)
    low, high = min(price, bins.mark), max(price, bins.mark)
    usd = _between(bins, 0 if falls else 1, low, high)
    return WhatIf(
        price=price,
        distance_pct=float(price / bins.mark - 1.0) * 100.0,
        is_long=falls,
        usd=usd,
        gross_usd=_between(bins, 0 if falls else 1, low, high, bins.gross_usd),
        share_of_open_interest=usd / bins.open_interest_usd if bins.open_interest_usd > 0.0 else 0.0,
        is_covered=bool(bins.edges[0] <= price <= bins.edges[-1]),
    )


def clusters(bins: Bins, sigma: float, most: int = 5) -> list[Cluster]:
    """The largest clusters of both sides, most dollars first: longs below the mark, shorts above.

    Args:
        bins: of one width, best.
        sigma: standard deviation of the log return over four hours; nan where not known.
        most: how many.
    """
    found: list[Cluster] = []
    for side in (0, 1):
        ahead = bins.edges[1:] <= bins.mark if side == 0 else bins.edges[:-1] >= bins.mark
        amounts = np.where(ahead, bins.usd[side], 0.0)
        taken = np.zeros(amounts.size, bool)
        for at in np.argsort(-amounts, kind="stable"):
            if sum(c.is_long is (side == 0) for c in found) >= most or amounts[at] <= 0.0:
                break
            if not taken[at]:
                found.append(_cluster(bins, side, int(at), amounts, taken, sigma))
    return sorted(found, key=lambda cluster: -cluster.usd)[:most]


def _cluster(bins: Bins, side: int, at: int, amounts: Floats, taken: NDArray[np.bool_], sigma: float) -> Cluster:
    """Grow from a largest bin over neighbours that hold half as much; marks them as taken."""
    first = last = at
    while first > 0 and not taken[first - 1] and amounts[first - 1] >= _PART * amounts[at]:
        first -= 1
    while last + 1 < amounts.size and not taken[last + 1] and amounts[last + 1] >= _PART * amounts[at]:
        last += 1
    taken[max(first - 1, 0) : last + 2] = True
    peak = float(bins.middles[at])
    away = float(np.log(peak / bins.mark))
    return Cluster(
        is_long=side == 0,
        low=float(bins.edges[first]),
        high=float(bins.edges[last + 1]),
        peak=peak,
        usd=float(amounts[first : last + 1].sum()),
        distance_pct=float(peak / bins.mark - 1.0) * 100.0,
        distance_sigma=away / sigma if sigma > 0.0 else None,
        is_validated=abs(away) <= VALIDATED,
    )


def _between(bins: Bins, side: int, low: float, high: float, amounts: Floats | None = None) -> float:
    """Dollars of a side between two prices, bins cut by overlap; 0 where they are in the wrong order."""
    if low >= high:
        return 0.0
    of_side = (bins.usd if amounts is None else amounts)[side]
    running = np.concatenate([[0.0], of_side.cumsum()])
    start, end = np.interp([low, high], bins.edges, running)
    return float(end - start)
