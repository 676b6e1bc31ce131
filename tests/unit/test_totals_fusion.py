"""Estimates joined by their worth, ratios between venues, hard bounds, and which print a venue publishes."""

import math

import numpy as np
import pytest
from tests.unit.sampled_days import DAY_S, hawkes_day
from tests.unit.test_totals_bands import INF, bands

from perpscope.analytics.totals.bands import Z, observed_bands
from perpscope.analytics.totals.fusion import Rival, cross_ratio, fuse, fused, most_possible
from perpscope.analytics.totals.kernels import Watchtime
from perpscope.analytics.totals.mode import size_slope, tell_mode
from perpscope.analytics.totals.prints import nothing, prints, thinned
from perpscope.model.market import Sampling

DAY = Watchtime(0, DAY_S)


def test_estimates_are_weighted_by_what_they_are_worth() -> None:
    """Half the doubt weighs four times; what says nothing weighs nothing; of nothing comes nothing."""
    usd = np.array([[100.0, 100.0, math.nan], [400.0, 0.0, 0.0]])
    total, sigma, weights = fuse(usd, np.array([[0.1] * 3, [0.2] * 3]))
    assert total[0] == pytest.approx(math.exp(0.8 * math.log(100) + 0.2 * math.log(400)))
    assert sigma[0] == pytest.approx(1 / math.sqrt(100 + 25))
    assert weights[:, 0].tolist() == pytest.approx([0.8, 0.2])
    assert total[1] == pytest.approx(100)
    assert math.isnan(total[2])
    assert sigma[2] == INF


def test_a_rival_moves_an_estimate_by_its_weight() -> None:
    """A band of σ = .3 and a rival of σ = .3 meet in the middle, with less doubt than either."""
    half = math.exp(Z * 0.3)
    own = bands((0, 50, 100 / half, 100, 100 * half))
    found, weights = fused(own, [Rival("venues", np.array([400.0]), 0.3)])
    assert weights[:, 0].tolist() == pytest.approx([0.5, 0.5])
    assert found.estimated_usd[0] == pytest.approx(200)
    assert found.high[0] == pytest.approx(200 * math.exp(Z * 0.3 / math.sqrt(2)))
    assert found.low[0] == pytest.approx(200 / math.exp(Z * 0.3 / math.sqrt(2)))


def test_rivals_alone_are_believed_where_a_venue_cannot_tell() -> None:
    """Open above means worth nothing: the rival's amount and doubt, never below what was observed."""
    own = bands((0, 50, 50, 60, INF), (60, 50, 50, 60, INF))
    found, weights = fused(own, [Rival("venues", np.array([500.0, 20.0]), 0.2)])
    assert weights[0].tolist() == [0, 0]
    assert found.estimated_usd.tolist() == pytest.approx([500, 50])
    assert found.high[0] == pytest.approx(500 * math.exp(Z * 0.2))
    assert found.low[1] == 50


def test_a_band_stays_where_rivals_say_little() -> None:
    """Below five percent of the weight, or without a word, nothing changes: also where the band is open."""
    own = bands((0, 99, 99, 100, 101), (60, 50, 50, 60, INF))
    found, weights = fused(own, [Rival("venues", np.array([900.0, math.nan]), 1.0)])
    for name in ("low", "estimated_usd", "high"):
        assert getattr(found, name).tolist() == getattr(own, name).tolist()
    assert weights[0].tolist() == [1, 1]
    assert fused(own, [])[1].tolist() == [[1, 1]]


def test_a_floor_that_was_likely_stays_in_the_band() -> None:
    """Where a band reached down to what was observed it still does when a rival joins."""
    own = bands((0, 90, 90, 100, 130))
    found, weights = fused(own, [Rival("venues", np.array([150.0]), 0.3)])
    assert weights[1, 0] > 0.05
    assert found.low.tolist() == [90]


def test_venues_are_compared_where_both_tell() -> None:
    """The median ratio and its spread, over unsaturated stretches in which both had liquidations."""
    rng = np.random.default_rng(1)
    reference = rng.lognormal(10, 1, 500)
    estimated = 2.5 * reference * rng.lognormal(0, 0.4, 500)
    estimated[:100] *= 1000
    usable = np.arange(500) >= 100
    found = cross_ratio(estimated, reference, usable)
    assert found is not None
    assert found.factor == pytest.approx(2.5, rel=0.06)
    assert found.sigma == pytest.approx(0.4, rel=0.1)
    assert found.pairs == 400
    assert cross_ratio(estimated[:119], np.r_[reference[:118], math.nan], usable[:119]) is None


@pytest.mark.parametrize("kind", ["logn", "pareto"])
@pytest.mark.parametrize("sampling", [Sampling.LARGEST_1S, Sampling.LATEST_1S], ids=["largest", "latest"])
@pytest.mark.parametrize("growth", [0.0, 0.3], ids=["even", "growing"])
def test_the_print_a_venue_publishes_is_told_from_a_day(kind: str, sampling: Sampling, growth: float) -> None:
    """One day beside a complete feed tells `largest` from `latest`, also where bursts are larger (METHOD p8)."""
    rng = np.random.default_rng(8)
    both = hawkes_day(rng, branching=0.8, kind=kind, growth=growth, mu=0.03)
    here = rng.random(len(both)) < 0.6
    found = tell_mode(thinned(both.only(here), sampling), both.only(~here), DAY)
    assert found.sampling is sampling
    assert found.repeated == 0
    assert found.corrected is not None
    print(f"{kind} growth {growth} {sampling.value}: corrected slope {found.corrected[0]:+.2f} sd of ln(size)")


def test_too_little_is_not_decided() -> None:
    """Without a complete feed, without prints, or with few minutes of them, the mode stays unknown."""
    few = prints(np.arange(0, 3000, 30), np.arange(1.0, 101.0), np.ones(100, np.bool_))
    alike = prints(np.arange(0, 86_400, 120), np.full(720, 5.0), np.ones(720, np.bool_))
    assert tell_mode(few, None, DAY).sampling is Sampling.UNKNOWN
    assert tell_mode(few, few, DAY).slope is None
    assert tell_mode(nothing(), nothing(), DAY).sampling is Sampling.UNKNOWN
    assert size_slope(alike, DAY) is None
    rng = np.random.default_rng(9)
    sparse = prints(np.sort(rng.choice(DAY_S, 60, replace=False)), rng.lognormal(7, 1.6, 60), np.ones(60, np.bool_))
    assert tell_mode(sparse, sparse, DAY).sampling in {Sampling.UNKNOWN, Sampling.LATEST_1S}


def test_an_interval_that_reaches_both_decides_nothing() -> None:
    """Where the corrected slope could be either mode's, neither is named."""
    rng = np.random.default_rng(3)
    both = hawkes_day(rng, branching=0.3, kind="pareto", mu=0.01)
    here = rng.random(len(both)) < 0.5
    found = tell_mode(thinned(both.only(here), Sampling.LARGEST_1S), both.only(~here), DAY)
    assert found.corrected is not None
    assert found.sampling is Sampling.UNKNOWN


def test_many_prints_in_one_second_contradict_the_cap() -> None:
    """A feed that tells several in a second has no cap of one a second; each side may have one of its own."""
    tape = hawkes_day(np.random.default_rng(4), branching=0.8, kind="logn")
    assert tell_mode(tape, tape, DAY).sampling is Sampling.NONE
    sides = thinned(tape, Sampling.LARGEST_1S, per_side=True)
    assert tell_mode(sides, tape, DAY).sampling is Sampling.NONE
    assert tell_mode(sides, tape, DAY, per_side=True).repeated == 0


def test_the_least_of_what_is_known_bounds_a_minute() -> None:
    """Takers of the forced side, or what was opened and closed, whichever is known and less."""
    nan = math.nan
    found = most_possible(
        np.array([50.0, nan, 90.0, nan]), np.array([70.0, 40.0, 60.0, 40.0]), np.array([5.0, 5.0, 5.0, nan])
    )
    assert [None if math.isnan(value) else value for value in found] == [50, 45, 65, None]


def test_an_observed_band_has_no_doubt_to_trade() -> None:
    """What is exact is not moved by anybody."""
    exact = observed_bands(prints(np.array([1]), np.array([70.0]), np.array([True])))
    found, _ = fused(exact, [Rival("venues", np.array([7000.0]), 0.1)])
    assert found.estimated_usd.tolist() == [70]
