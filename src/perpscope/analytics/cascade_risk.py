"""Liquidation at risk: what is forced within a horizon in the worst of a hundred cases, and whether that held.

Excursions are drawn from what returns were, in blocks, at today's volatility (filtered historical simulation), each
with a share of the quotes that survives; every pair goes through the cascade. METHOD §7. Seeded: the same input gives
the same figures.
"""

from math import erfc, log, sqrt
from typing import Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from perpscope.analytics.cascade import Levels, least_fixed_point
from perpscope.analytics.cascade_depth import Depth
from perpscope.analytics.sentiment_scale import Floats

PATHS, BLOCK = 5_000, 30  #: METHOD §7
ALPHAS: Final = (0.5, 0.9, 0.95, 0.99)
HORIZONS_MIN: Final = (60, 240, 1440)
#: Quotes that survive a liquidation event: median 1/3.4, and 1/17 in the worst tenth (METHOD §7, [E1]).
MEDIAN_SURVIVAL, WORST_TENTH_SURVIVAL = 1 / 3.4, 1 / 17
_AT_ONCE: Final = 500  #: paths; bounds the memory


class Excursions(msgspec.Struct, frozen=True, kw_only=True):
    """How far the price went against each side, path by path; log distances, >= 0."""

    down: Floats  #: (paths,) against longs
    up: Floats  #: (paths,) against shorts


class AtRisk(msgspec.Struct, frozen=True, kw_only=True):
    """What is forced with a chance of 1 − alpha within the horizon."""

    alphas: tuple[float, ...]
    forced_usd: Floats  #: (alphas,) quote units, L(x*)
    stop: Floats  #: (alphas,) log distance, quantile of x*
    mean_usd: float


class Kept(msgspec.Struct, frozen=True):
    """How often a quantile was exceeded, against how often it should be; p below 0.05: it does not hold."""

    hits: int
    steps: int
    expected: float  #: share
    statistic: float  #: likelihood ratio, χ² with one degree of freedom
    p: float


def excursions(residuals: ArrayLike, sigma: float, minutes: int, *, seed: int, paths: int = PATHS) -> Excursions:
    """Largest moves down and up within a horizon, from blocks of past residuals at one forecast volatility.

    Args:
        residuals: (n,) one-minute log returns over the volatility forecast for them; at least one block of `BLOCK`.
        sigma: forecast volatility of one minute, fraction, > 0; it is held over the horizon.
        minutes: horizon, > 0.
        seed: of the draws.
        paths: how many.

    Raises:
        ValueError: too few residuals, or a figure that is not above 0.
    """
    past = np.asarray(residuals, np.float64)
    past = past[np.isfinite(past)]
    if past.size < BLOCK or not (sigma > 0.0 and minutes > 0 and paths > 0):
        raise ValueError(f"{past.size} residuals, volatility {sigma}, {minutes} minutes: must be {BLOCK} and above 0")
    rng = np.random.default_rng(seed)
    blocks = -(-minutes // BLOCK)
    down, up = np.empty(paths), np.empty(paths)
    for at in range(0, paths, _AT_ONCE):
        end = min(paths, at + _AT_ONCE)
        starts = rng.integers(0, past.size - BLOCK + 1, (end - at, blocks))
        drawn = past[starts[:, :, None] + np.arange(BLOCK)].reshape(end - at, -1)[:, :minutes]
        path = np.cumsum(sigma * drawn, axis=1)
        down[at:end], up[at:end] = np.maximum(0.0, -path.min(axis=1)), np.maximum(0.0, path.max(axis=1))
    return Excursions(down=down, up=up)


def survivals(ranks: ArrayLike) -> Floats:
    """Share of the quotes that survives, as a quantile function, log-linear through what liquidation events showed.

    All of them at rank 0, the median at .5, the worst tenth at .9, and on along the same line to 1 (by hand).

    Args:
        ranks: in [0, 1].

    >>> survivals([0.0, 0.5, 0.9, 1.0]).round(3).tolist()
    [1.0, 0.294, 0.059, 0.039]
    """
    middle, worst = log(MEDIAN_SURVIVAL), log(WORST_TENTH_SURVIVAL)
    last = worst + (worst - middle) / 0.4 * 0.1
    return np.exp(np.interp(np.asarray(ranks, np.float64), [0.0, 0.5, 0.9, 1.0], [0.0, middle, worst, last]))


def liquidation_at_risk(
    levels: Levels, depth: Depth, moves: ArrayLike, *, seed: int, alphas: tuple[float, ...] = ALPHAS
) -> AtRisk:
    """Quantiles of what is forced, over drawn moves and drawn survival of quotes.

    Args:
        levels: of one side.
        depth: of the side of the book it is sold into, as it stands.
        moves: (paths,) how far the price goes against it from outside, log distances >= 0.
        seed: of the draws of survival.
        alphas: quantiles, in (0, 1).

    Raises:
        ValueError: there is no move.
    """
    x0 = np.asarray(moves, np.float64)
    if not x0.size:
        raise ValueError("liquidation at risk needs at least one move")
    left = survivals(np.random.default_rng(seed).random(x0.size))
    stops = least_fixed_point(levels, depth, x0, left)
    sums = np.r_[0.0, levels.cumulative]
    forced = sums[np.searchsorted(levels.distances, stops * (1.0 + 1e-12), "right")]
    return AtRisk(
        alphas=alphas,
        forced_usd=np.quantile(forced, alphas),
        stop=np.quantile(stops, alphas),
        mean_usd=float(forced.mean()),
    )


def brownian_exceedance(distance: float, sigma: float) -> float:
    """Chance that a driftless Brownian motion goes at least so far one way: 2 (1 − Φ(x ÷ σ)); METHOD §7's sanity check.

    >>> [round(brownian_exceedance(x, 0.01), 4) for x in (0.005, 0.01, 0.02)]
    [0.6171, 0.3173, 0.0455]
    """
    return erfc(distance / (sigma * sqrt(2.0)))


def kupiec(exceeded: ArrayLike, alpha: float) -> Kept:
    """Whether a quantile was exceeded as often as it should be (Kupiec 1995, unconditional coverage).

    Args:
        exceeded: (steps,) whether what happened was above the quantile.
        alpha: of the quantile, in (0, 1).

    Raises:
        ValueError: there is no step.

    >>> found = kupiec([True] * 8 + [False] * 92, 0.95)
    >>> found.hits, round(found.statistic, 3), round(found.p, 3)
    (8, 1.616, 0.204)
    """
    hits = np.asarray(exceeded, np.bool_)
    if not hits.size:
        raise ValueError("no step to judge a quantile by")
    n, x, p = int(hits.size), int(hits.sum()), 1.0 - alpha
    ratio = 2.0 * (_likelihood(x, n, x / n) - _likelihood(x, n, p))
    return Kept(x, n, p, max(0.0, ratio), _tail(ratio))


def christoffersen(exceeded: ArrayLike) -> Kept:
    """Whether exceedances come alone: independence of the step before (Christoffersen 1998).

    Args:
        exceeded: (steps,) in order of time, at least two.

    Returns:
        `expected` is the share after a step that was not exceeded, `hits` how many followed one that was.

    Raises:
        ValueError: there are less than two steps.
    """
    hits: NDArray[np.bool_] = np.asarray(exceeded, np.bool_)
    if hits.size < 2:
        raise ValueError("independence needs at least two steps")
    before, after = hits[:-1], hits[1:]
    n1, x1 = int(before.sum()), int(after[before].sum())
    n0, x0 = int(before.size) - n1, int(after[~before].sum())
    pooled = (x0 + x1) / before.size
    apart = _likelihood(x0, n0, x0 / n0 if n0 else 0.0) + _likelihood(x1, n1, x1 / n1 if n1 else 0.0)
    ratio = 2.0 * (apart - _likelihood(x0 + x1, int(before.size), pooled))
    return Kept(x1, int(before.size), x0 / n0 if n0 else 0.0, max(0.0, ratio), _tail(ratio))


def pinball(realised: ArrayLike, quantile: ArrayLike, alpha: float) -> float:
    """Mean pinball loss of a quantile forecast: the lower, the better; least for the true quantile.

    >>> pinball([1.0, 3.0], [2.0, 2.0], 0.9)
    0.5
    """
    apart = np.asarray(realised, np.float64) - np.asarray(quantile, np.float64)
    return float(np.mean(np.maximum(alpha * apart, (alpha - 1.0) * apart)))


def _likelihood(x: int, n: int, p: float) -> float:
    """Log likelihood of x hits of n at probability p, with 0 · ln 0 = 0."""
    return (x * log(p) if x else 0.0) + ((n - x) * log(1.0 - p) if n > x else 0.0)


def _tail(statistic: float) -> float:
    """Upper tail of χ² with one degree of freedom."""
    return erfc(sqrt(max(0.0, statistic) / 2.0))
