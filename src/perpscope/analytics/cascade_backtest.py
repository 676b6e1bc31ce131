"""Whether liquidation at risk held: forecasts made one after another, judged by what was forced afterwards (B9).

In: for each moment the map, the book and the excursions that were known then, and what came of it. Out: for each level
how often it was exceeded (Kupiec), whether exceedances come together (Christoffersen), and the pinball loss beside that
of a forecast that knows no map: the quantile of what was forced so far.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.cascade import Levels
from perpscope.analytics.cascade_depth import Depth
from perpscope.analytics.cascade_risk import ALPHAS, Kept, christoffersen, kupiec, liquidation_at_risk, pinball
from perpscope.analytics.sentiment_scale import Floats

#: Moments whose outcome is known before one is judged: the plain quantile needs some. Chosen by hand.
WARM: Final = 20
#: p below which a forecast does not hold.
REFUTED: Final = 0.05


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One side at one moment, with what was known then, and what came of it."""

    levels: Levels
    depth: Depth
    moves: Floats  #: (paths,) log distances against the side within the horizon; see `cascade_risk.excursions`
    realised_usd: float  #: forced within the horizon, quote units


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One level over all moments."""

    alpha: float
    coverage: Kept  #: Kupiec
    independence: Kept  #: Christoffersen
    pinball_usd: float  #: mean loss, quote units
    plain_usd: float  #: of the forecast that knows no map
    holds: bool  #: neither test refutes it


def forecasts(cases: Sequence[Case], *, seed: int, alphas: tuple[float, ...] = ALPHAS) -> Floats:
    """(cases, alphas) Quantiles of what is forced, each from its own moment alone; seeded."""
    found = [
        liquidation_at_risk(case.levels, case.depth, case.moves, seed=seed + at, alphas=alphas).forced_usd
        for at, case in enumerate(cases)
    ]
    return np.array(found).reshape(len(cases), len(alphas))


def backtest(cases: Sequence[Case], *, seed: int, alphas: tuple[float, ...] = ALPHAS) -> list[Judged]:
    """Forecast every moment and judge all but the first twenty.

    Args:
        cases: in order of time; their horizons should not overlap, else exceedances come together by themselves.
        seed: of the drawn survival of quotes.
        alphas: levels, in (0, 1).

    Raises:
        ValueError: fewer than two moments are left to judge.
    """
    if len(cases) < WARM + 2:
        raise ValueError(f"a backtest needs {WARM + 2} moments or more, were {len(cases)}")
    realised = np.array([case.realised_usd for case in cases])
    quantiles = forecasts(cases, seed=seed, alphas=alphas)[WARM:]
    plain = np.array([np.quantile(realised[:at], alphas) for at in range(WARM, len(cases))])
    return [_judged(alpha, realised[WARM:], quantiles[:, at], plain[:, at]) for at, alpha in enumerate(alphas)]


def _judged(alpha: float, realised: Floats, quantile: Floats, plain: Floats) -> Judged:
    exceeded = realised > quantile
    coverage, independence = kupiec(exceeded, alpha), christoffersen(exceeded)
    return Judged(
        alpha=alpha,
        coverage=coverage,
        independence=independence,
        pinball_usd=pinball(realised, quantile, alpha),
        plain_usd=pinball(realised, plain, alpha),
        holds=min(coverage.p, independence.p) >= REFUTED,
    )
