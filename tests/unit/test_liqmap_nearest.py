"""The nearest clusters of a map, on levels laid out by hand."""

from math import exp, log

import numpy as np
import pytest
from tests.unit.map_histories import COARSE, FEW, LEVERAGED, history

from perpscope.analytics.liqmap.compiled_levels import forced_near, lay_compiled, lay_numpy
from perpscope.analytics.liqmap.levels import levels
from perpscope.analytics.liqmap.nearest import Near, nearest
from perpscope.analytics.liqmap.venue_map import VenueMap, rebuilt

STEP = 0.001


def laid(amounts: dict[float, float], mark: float = 100.0, open_interest: float = 100.0) -> Near:
    """Levels of 10 bps over ±12 %; base units expected at the level that each price falls into."""
    start = log(mark) - 120.5 * STEP
    forced = np.zeros(241)
    for price, amount in amounts.items():
        forced[int((log(price) - start) / STEP)] += amount
    prices = np.exp(start + STEP * (np.arange(241) + 0.5))
    return Near(prices=prices, forced=forced, mark=mark, open_interest=open_interest)


@pytest.mark.parametrize("reach", [0.35, 0.02, 0.003], ids=["far", "near", "nearest"])
def test_loops_lay_out_what_levels_do(reach: float) -> None:
    """Summed over sides and classes they have the same at the same levels; loops and numpy to the last bit."""
    grown = rebuilt((FEW, LEVERAGED), history(3, 40), COARSE)
    start, forced = forced_near(grown, lay_compiled, reach)
    assert np.array_equal(forced, forced_near(grown, lay_numpy, reach)[1])
    wanted = levels(grown, reach=reach)
    assert start == wanted.start
    assert forced == pytest.approx(wanted.forced.sum(axis=0), rel=1e-9, abs=1e-12)
    with pytest.raises(ValueError, match="no map yet"):
        forced_near(VenueMap((FEW,), COARSE), lay_numpy)


def test_nearest_runs_of_large_levels_are_found() -> None:
    """The first run of a side's levels that hold more than nine tenths do; its price is its middle by dollars."""
    found = nearest(laid({101.0: 2.0, 101.1: 1.0, 103.0: 9.0, 98.5: 3.0, 96.0: 4.0}), 0.02)
    assert found.above_price is not None
    assert found.below_price is not None
    assert found.above_price == pytest.approx(101.03, abs=0.05)
    assert found.above_usd == pytest.approx(303.1, rel=1e-3)
    assert found.below_price == pytest.approx(98.5, abs=0.05)
    assert found.below_usd == pytest.approx(295.5, rel=1e-3)


def test_pull_is_the_methods() -> None:
    """METHOD 6.10's vector: 2 at 101, 1 at 103, 3 at 98.5, 4 at 96 balance at .0959 (levels are 10 bps wide)."""
    found = nearest(laid({101.0: 2.0, 103.0: 1.0, 98.5: 3.0, 96.0: 4.0}), 0.02)
    assert found.pull == pytest.approx(0.09585, abs=0.02)


def test_small_levels_make_no_cluster() -> None:
    """A crumb near the price is passed over where a tenth of the levels hold more."""
    crumbs = {100.0 * exp(-0.001 * k): 1e-3 for k in range(1, 100)}
    large = {100.0 * exp(-0.03 - 0.001 * k): 5.0 for k in range(30)}
    found = nearest(laid({**crumbs, **large}), 0.02)
    assert found.above_price is None
    assert found.above_usd == 0.0
    assert found.below_price is not None
    assert 95.0 < found.below_price < 97.1
    assert 20 * 5.0 * 95.0 < found.below_usd < 30 * 5.0 * 97.1
    assert found.pull < -0.9


@pytest.mark.parametrize("sigma", [0.0, float("nan")], ids=["zero", "unknown"])
def test_without_a_deviation_nothing_is_told(sigma: float) -> None:
    """How far the price may go is what near means; nor is anything told of a map that holds nothing."""
    found = nearest(laid({101.0: 2.0}), sigma)
    assert (found.above_price, found.below_price, found.pull) == (None, None, 0.0)
    assert nearest(laid({}, open_interest=0.0), 0.02).pull == 0.0


def test_what_is_out_of_reach_does_not_count() -> None:
    """Beyond six deviations there is nothing; where nothing at all is held there is no cluster and no pull."""
    found = nearest(laid({110.0: 50.0}), 0.01)
    assert (found.above_price, found.pull) == (None, 0.0)
