"""Pushing a price through a liquidation map and a book: where it stops, what is forced, where a cascade feeds itself.

In: forced orders by distance, depth by distance, a shock. Out: the least fixed point of METHOD §7, found exactly by
walking the levels outwards, and R(x), the forced dollars per dollar of depth (B9). Quotes are not refilled within one
cascade, which is conservative.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from perpscope.analytics.cascade_depth import Depth
from perpscope.analytics.sentiment_scale import Floats
from perpscope.model.market import PositionSide

UNWIND_S: Final = 600.0  #: an insurance fund sells what it took over in so long, METHOD §7
#: Share of the quotes that survive, METHOD §7: calm; the median of liquidation events; their worst tenth.
SURVIVALS: Final = (1.0, 0.3, 0.06)
_ULP: Final = 1e-15  #: a level that is reached to the last digit is reached


class Levels(msgspec.Struct, frozen=True, kw_only=True):
    """Forced orders of one side, by how far the price has to go."""

    distances: Floats  #: (levels,) log distance at which they are triggered, rising, > 0
    notional: Floats  #: (levels,) quote units, >= 0
    limits: Floats | None = None  #: (levels,) distance beyond which they are not filled; None = at any price

    @property
    def cumulative(self) -> Floats:
        """(levels,) L(x): quote units triggered up to there."""
        return np.cumsum(self.notional)


class Cascade(msgspec.Struct, frozen=True, kw_only=True):
    """What a shock leads to. Distances are log distances from the price before it."""

    shock: float  #: x₀
    stop: float  #: x*, where the price stops while forced orders stay within their limits
    stop_after_unwind: float  #: where it stops if an insurance fund sells the rest into the same book
    amplification: float  #: x* ÷ x₀
    slippage: float  #: x* − x₀: what forced orders added
    forced_usd: float  #: triggered, in quote units
    filled_usd: float  #: of them, filled by the book
    inherited_usd: float  #: of them, beyond their limit: taken over by an insurance fund
    unwind_usd_per_s: float  #: at which a fund sells what it took over, within `UNWIND_S`
    levels: int  #: that were triggered
    beyond_book: bool  #: the stop lies where depth is extrapolated


class Branching(msgspec.Struct, frozen=True, kw_only=True):
    """R(x): forced quote units per quote unit of depth, bin by bin."""

    edges: Floats  #: (bins + 1,) log distance, rising
    ratio: Floats  #: (bins,)
    zones: list[tuple[float, float]]  #: stretches with R >= 1, from and to: there a cascade feeds itself


def levels_of(
    mark: float,
    prices: ArrayLike,
    long_usd: ArrayLike,
    short_usd: ArrayLike,
    side: PositionSide,
    limit_gap: ArrayLike | None = None,
) -> Levels:
    """The side of a liquidation map that a falling price (longs) or a rising one (shorts) runs into.

    Args:
        mark: price now, quote per base, > 0.
        prices: (bins,) in any order, quote per base, > 0.
        long_usd: (bins,) longs that are liquidated there, quote units, >= 0.
        short_usd: (bins,) shorts likewise.
        side: whose.
        limit_gap: (bins,) or one number: log distance from liquidation to bankruptcy price, >= 0; None = no limit.

    Raises:
        ValueError: a figure is not as said.

    >>> found = levels_of(100.0, [99.0, 98.0, 101.0], [5.0, 7.0, 0.0], [0.0, 0.0, 9.0], PositionSide.LONG)
    >>> found.distances.round(5).tolist(), found.notional.tolist()
    ([0.01005, 0.0202], [5.0, 7.0])
    """
    price = np.asarray(prices, np.float64)
    usd = np.asarray(long_usd if side is PositionSide.LONG else short_usd, np.float64)
    gap = None if limit_gap is None else np.broadcast_to(np.asarray(limit_gap, np.float64), price.shape)
    wrong = price.shape != usd.shape or not (mark > 0.0 and np.all(price > 0.0) and np.all(usd >= 0.0))
    if wrong or (gap is not None and not np.all(gap >= 0.0)):
        raise ValueError("a map needs a price above 0 and a notional of at least 0 for each bin")
    distance = np.log(price / mark) * (-1.0 if side is PositionSide.LONG else 1.0)
    order = np.argsort(distance, kind="stable")
    order = order[(distance[order] > 0.0) & (usd[order] > 0.0)]
    limits = None if gap is None else distance[order] + gap[order]
    return Levels(distances=distance[order], notional=usd[order], limits=limits)


def least_fixed_point(levels: Levels, depth: Depth, shock: ArrayLike, survival: ArrayLike = 1.0) -> Floats:
    """Where the price stops, if forced orders are filled at any price: the least x with x = D⁻¹(D(x₀) + L(x)).

    The right side rises with x, so iterating from x₀ climbs to the least solution; each turn reaches at least one more
    level, so that there are at most as many turns as levels. METHOD §7.

    Args:
        levels: what is forced.
        depth: what takes it.
        shock: x₀, one or many, log distances > 0.
        survival: share of the quotes that is left, for each shock, beyond what `depth` itself says; in (0, 1].

    Returns:
        x*, >= x₀, of the shape of `shock`.

    >>> from perpscope.analytics.cascade_depth import power_law
    >>> steps = Levels(distances=np.array([0.004, 0.006]), notional=np.array([8e6, 12e6]))
    >>> least_fixed_point(steps, power_law(40e6), [0.003, 0.005]).round(5).tolist()
    [0.003, 0.00955]
    """
    start = np.asarray(shock, np.float64)
    before = depth.within(start)
    sums, left = np.r_[0.0, levels.cumulative], np.asarray(survival, np.float64)
    x, reached = start, np.full(start.shape, -1)
    while True:
        further = np.searchsorted(levels.distances, x * (1.0 + _ULP) + _ULP, "right")
        if np.array_equal(further, reached):
            return x
        reached = further
        x = np.where(reached > 0, np.maximum(start, depth.distance(before + sums[reached] / left)), start)


def simulate(levels: Levels, depth: Depth, shock: float) -> Cascade:
    """What a shock leads to, level by level.

    A forced order is a limit order at its bankruptcy price. One that the shock itself passes finds the book from its
    own level on; one that the cascade reaches finds what is left between the price there and its limit. The rest goes
    to an insurance fund, which sells it within `UNWIND_S`; with a book that is not refilled meanwhile that leads to
    the fixed point without limits, so the two stops bound what happens.

    Args:
        levels: what is forced.
        depth: what takes it.
        shock: x₀, how far the price is moved from outside, log distance > 0.

    Raises:
        ValueError: the shock is not above 0.
    """
    if not 0.0 < shock < np.inf:
        raise ValueError(f"a shock must be above 0, was {shock}")
    stop, filled, triggered = _walk(levels, depth, shock)
    forced = float(levels.notional[:triggered].sum())
    inherited = max(0.0, forced - filled)
    return Cascade(
        shock=shock,
        stop=stop,
        stop_after_unwind=max(stop, float(least_fixed_point(levels, depth, shock))),
        amplification=stop / shock,
        slippage=stop - shock,
        forced_usd=forced,
        filled_usd=filled,
        inherited_usd=inherited,
        unwind_usd_per_s=inherited / UNWIND_S,
        levels=triggered,
        beyond_book=bool(depth.distances.size) and stop > depth.reach,
    )


def _walk(levels: Levels, depth: Depth, shock: float) -> tuple[float, float, int]:
    """Where the price stops within the limits, what is filled, and how many levels are triggered."""
    stop, filled, triggered = shock, 0.0, 0
    before = float(depth.within(shock))
    limits = levels.limits if levels.limits is not None else np.full(levels.distances.shape, np.inf)
    rows = zip(levels.distances.tolist(), levels.notional.tolist(), limits.tolist(), strict=True)
    for distance, notional, limit in rows:
        if distance > stop * (1.0 + _ULP) + _ULP:
            break
        triggered += 1
        at = distance if distance <= shock else stop
        room = float(depth.within(limit)) - float(depth.within(at)) if np.isfinite(limit) else np.inf
        filled += min(notional, max(0.0, room))
        stop = max(stop, float(depth.distance(before + filled))) if filled else stop
    return stop, filled, triggered


def amplification(move: float, forced: float, depth: Depth) -> float | None:
    """How much further the price went for its forced orders: x* ÷ x₀, with x₀ = D⁻¹(D(x*) − forced); METHOD §5, §7.

    Args:
        move: x*, log distance that it went, > 0.
        forced: quote units that were forced on the way, >= 0.
        depth: what took them.

    Returns:
        1 or more; None where the forced orders alone would have moved it as far: then nothing is left for a shock.

    >>> from perpscope.analytics.cascade_depth import power_law
    >>> round(amplification(0.02, 30e6, power_law(40e6, kappa=1.0)), 6), amplification(0.02, 90e6, power_law(40e6))
    (1.6, None)
    """
    rest = float(depth.within(move)) - forced
    return move / float(depth.distance(rest)) if rest > 0.0 else None


def branching(levels: Levels, depth: Depth, edges: ArrayLike) -> Branching:
    """R(x) bin by bin: what is forced within a bin over the depth across it; METHOD §7, B9.

    Args:
        levels: what is forced.
        depth: what takes it.
        edges: (bins + 1,) log distances, rising, from 0 or above.

    Raises:
        ValueError: the edges do not rise, or begin below 0.

    >>> from perpscope.analytics.cascade_depth import power_law
    >>> steps = Levels(distances=np.array([0.004, 0.006]), notional=np.array([8e6, 12e6]))
    >>> found = branching(steps, power_law(40e6, kappa=1.0), [0.0, 0.005, 0.007, 0.01])
    >>> found.ratio.round(2).tolist(), found.zones
    ([0.4, 1.5, 0.0], [(0.005, 0.007)])
    """
    bounds = np.asarray(edges, np.float64)
    if bounds.size < 2 or bounds[0] < 0.0 or not np.all(np.diff(bounds) > 0.0):
        raise ValueError("edges must rise, from 0 or above")
    forced = np.histogram(levels.distances, bounds, weights=levels.notional)[0]
    ratio = forced / np.diff(depth.within(bounds))
    hot = np.flatnonzero(np.diff(np.r_[0, (ratio >= 1.0).astype(np.int64), 0]))
    zones = [(float(bounds[start]), float(bounds[end])) for start, end in hot.reshape(-1, 2).tolist()]
    return Branching(edges=bounds, ratio=ratio, zones=zones)
