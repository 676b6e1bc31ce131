"""Liquidation at risk judged afterwards: a right forecast holds, a wrong one is refuted."""

import numpy as np
import pytest

from perpscope.analytics.cascade import Levels
from perpscope.analytics.cascade_backtest import WARM, Case, backtest, forecasts
from perpscope.analytics.cascade_depth import power_law
from perpscope.analytics.cascade_risk import liquidation_at_risk

DISTANCES = np.arange(0.001, 0.08, 0.0005)
BOOK = power_law(400e6)


def cases(count: int, *, said: float = 1.0, scale: float = 1.0) -> list[Case]:
    """Moments of maps of many sizes; what happens is drawn from the forecast's own law, moves `said` times as told."""
    rng = np.random.default_rng(8)
    found = []
    for number in range(count):
        levels = Levels(distances=DISTANCES, notional=rng.gamma(0.5, 2e5, DISTANCES.size) * rng.lognormal(0.0, 1.0))
        moves = np.abs(rng.normal(0.0, 0.01, 400))
        one = np.abs(rng.normal(0.0, 0.01, 1))
        realised = liquidation_at_risk(levels, BOOK, one, seed=1_000 + number, alphas=(0.5,)).forced_usd[0]
        found.append(Case(levels=levels, depth=BOOK, moves=moves * said, realised_usd=float(realised) * scale))
    return found


def test_a_right_forecast_holds() -> None:
    """Exceeded as often as it says, without runs, and better than the quantile that knows no map. Keeps B9."""
    found = backtest(cases(420), seed=3, alphas=(0.5, 0.9))
    for told in found:
        print(f"{told.alpha}: {told.coverage}, {told.independence}, {told.pinball_usd:.3g} of {told.plain_usd:.3g}")
        assert told.holds
        assert told.coverage.steps == 400
        assert told.pinball_usd < told.plain_usd


@pytest.mark.parametrize(
    ("said", "scale"), [pytest.param(0.4, 1.0, id="moves-too-small"), pytest.param(1.0, 4.0, id="map-too-small")]
)
def test_a_wrong_forecast_is_refuted(said: float, scale: float) -> None:
    """Volatility two and a half times, or a map four times as small as it should be."""
    told = backtest(cases(220, said=said, scale=scale), seed=3, alphas=(0.9,))[0]
    assert not told.holds
    assert told.coverage.hits > 2 * told.coverage.steps * told.coverage.expected


def test_a_forecast_is_of_its_moment_alone() -> None:
    """The same seed gives the same figures; later moments change nothing; too few are refused."""
    some = cases(30)
    whole = forecasts(some, seed=5, alphas=(0.5, 0.9))
    assert np.array_equal(forecasts(some[:10], seed=5, alphas=(0.5, 0.9)), whole[:10])
    assert whole.shape == (30, 2)
    with pytest.raises(ValueError, match="needs 22 moments"):
        backtest(some[: WARM + 1], seed=1)
