"""Liquidation at risk: against the closed form of a Brownian motion, and the tests of a quantile."""

import numpy as np
import pytest

from perpscope.analytics.cascade import Levels
from perpscope.analytics.cascade_depth import power_law
from perpscope.analytics.cascade_risk import (
    brownian_exceedance,
    christoffersen,
    excursions,
    kupiec,
    liquidation_at_risk,
    pinball,
    survivals,
)

LEVELS = Levels(distances=np.array([0.004, 0.02]), notional=np.array([8e6, 92e6]))
DEEP = power_law(1e12)


def test_the_closed_form_of_the_method() -> None:
    """METHOD §7: σ = 1 %: .6171, .3173 and .0455 at .5, 1 and 2 %."""
    assert [round(brownian_exceedance(x, 0.01), 4) for x in (0.005, 0.01, 0.02)] == [0.6171, 0.3173, 0.0455]


def test_drawn_excursions_follow_the_closed_form() -> None:
    """Normal residuals: both ways go as far as a driftless Brownian motion does, but for what a minute's steps hide."""
    residuals = np.random.default_rng(1).standard_normal(60_000)
    residuals -= residuals.mean()
    found = excursions(residuals, 0.01 / 240**0.5, 240, seed=4)
    hidden = 0.5826 * 0.01 / 240**0.5  # Broadie, Glasserman and Kou 1997: a walk's maximum falls short by so much
    for way in (found.down, found.up):
        for x in (0.005, 0.01, 0.02):
            assert (way > x).mean() == pytest.approx(brownian_exceedance(x + hidden, 0.01), abs=0.03)
        assert way.min() >= 0.0


def test_the_same_seed_gives_the_same_figures() -> None:
    """A figure that is shown can be had again; and one block is enough."""
    residuals = np.r_[np.random.default_rng(1).standard_normal(30), np.nan]
    first, again = (excursions(residuals, 0.001, 45, seed=9, paths=700) for _ in range(2))
    assert np.array_equal(first.down, again.down)
    assert first.up.size == 700


@pytest.mark.parametrize(
    ("count", "sigma", "minutes", "paths"),
    [(29, 0.01, 60, 10), (30, 0.0, 60, 10), (30, 0.01, 0, 10), (30, 0.01, 60, 0)],
    ids=["residuals", "sigma", "minutes", "paths"],
)
def test_what_cannot_be_drawn_is_refused(count: int, sigma: float, minutes: int, paths: int) -> None:
    """At least one block of residuals, a volatility, a horizon and a path."""
    with pytest.raises(ValueError, match="must be 30 and above 0"):
        excursions(np.ones(count), sigma, minutes, seed=1, paths=paths)


def test_survival_of_quotes() -> None:
    """Median 1/3.4 and worst tenth 1/17 of liquidation events, METHOD §7; all of them at best."""
    assert survivals([0.0, 0.5, 0.9]).tolist() == pytest.approx([1.0, 1 / 3.4, 1 / 17])
    assert 0.03 < survivals(1.0) < 1 / 17


def test_liquidation_at_risk_of_a_deep_book() -> None:
    """Where depth swallows everything, the quantile is that of L at the move itself."""
    moves = np.repeat([0.001, 0.01, 0.03], [60, 36, 4])
    found = liquidation_at_risk(LEVELS, DEEP, moves, seed=2)
    assert found.forced_usd.tolist() == [0.0, 8e6, 8e6, 100e6]
    assert found.stop[0] == pytest.approx(0.001)
    assert found.mean_usd == pytest.approx(0.36 * 8e6 + 0.04 * 100e6)
    thin = liquidation_at_risk(LEVELS, power_law(10e6), moves, seed=2, alphas=(0.9,))
    assert thin.forced_usd[0] == 100e6, "a thin book carries the price to the next level"
    with pytest.raises(ValueError, match="at least one move"):
        liquidation_at_risk(LEVELS, DEEP, [], seed=2)


def test_kupiec() -> None:
    """By hand: 2·(8 ln(.08/.05) + 92 ln(.92/.95)) = 1.6158; none at all of 100 is too few to be 5 %."""
    found = kupiec([True] * 8 + [False] * 92, 0.95)
    assert (found.hits, found.steps) == (8, 100)
    assert found.statistic == pytest.approx(1.6158, abs=5e-5)
    assert kupiec([False] * 100, 0.95).p < 0.01
    assert kupiec([True] * 3, 0.95).p < 0.001
    with pytest.raises(ValueError, match="no step"):
        kupiec([], 0.95)


def test_christoffersen() -> None:
    """Exceedances that come together are told from those that come alone."""
    together = [True] * 5 + [False] * 95
    alone = ([True] + [False] * 19) * 5
    assert christoffersen(together).p < 0.001
    assert christoffersen(alone).p > 0.4
    assert (christoffersen(together).hits, christoffersen(together).steps) == (4, 99)
    assert christoffersen([False, False]).statistic == 0.0
    assert christoffersen([True, True]).statistic == 0.0
    with pytest.raises(ValueError, match="two steps"):
        christoffersen([True])


def test_pinball_is_least_at_the_quantile() -> None:
    """The loss of a normal law's 95 % quantile is less than that of its neighbours."""
    drawn = np.random.default_rng(0).standard_normal(20_000)
    losses = [pinball(drawn, np.full(drawn.shape, q), 0.95) for q in (1.4, 1.645, 1.9)]
    assert losses[1] == min(losses)
