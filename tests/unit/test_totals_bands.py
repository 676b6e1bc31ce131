"""Amounts with intervals: quantiles, sums, doubts, bounds, and amounts as they are published."""

import math
from statistics import NormalDist

import msgspec
import numpy as np
import pytest

from perpscope.analytics.totals.amounts import Amount, amount, hours_of, summed, within
from perpscope.analytics.totals.bands import (
    Bands,
    Z,
    capped,
    estimated_bands,
    floor_bands,
    gathered,
    halves,
    joined,
    observed_bands,
    quantile,
    rescaled,
    widened,
)
from perpscope.analytics.totals.kernels import Watchtime
from perpscope.analytics.totals.prints import nothing, prints
from perpscope.analytics.totals.sizes import sizes_of
from perpscope.analytics.totals.unseen import unseen
from perpscope.model.market import Sampling

INF = math.inf


def bands(*rows: tuple[int, float, float, float, float]) -> Bands:
    """Minutes of (start, observed, low, estimated, high); one event observed in each, two estimated."""
    start, observed, low, estimated, high = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    n = len(rows)
    return Bands(
        start.astype(np.int64),
        np.ones(n, np.int64),
        observed,
        np.full(n, 2.0),
        estimated,
        low,
        high,
        np.isinf(high),
    )


def test_quantiles_are_those_of_a_zero_or_a_lognormal() -> None:
    """Beyond the zero's probability the quantile is a lognormal's, with mean and variance of the whole."""
    events, mean, variance = np.array([0.5]), np.array([100.0]), np.array([40_000.0])
    some = 1 - math.exp(-0.5)
    centre, second = 100 / some, (40_000 + 100**2) / some
    spread = math.log(second / centre**2)
    score = NormalDist().inv_cdf((0.95 - (1 - some)) / some)
    expected = centre * math.exp(score * math.sqrt(spread) - spread / 2)
    assert quantile(0.95, events, mean, variance)[0] == pytest.approx(expected)
    assert quantile(0.05, events, mean, variance)[0] == 0.0


def test_quantiles_agree_with_draws() -> None:
    """A Poisson number of exponential sizes: the closed form is within a tenth of a hundred thousand draws."""
    rng = np.random.default_rng(4)
    n = rng.poisson(20, 100_000)
    draws = rng.gamma(np.maximum(n, 1e-9), 1000.0)
    for level in (0.05, 0.5, 0.95):
        found = quantile(level, np.array([20.0]), np.array([20_000.0]), np.array([20 * 2e6]))[0]
        assert found == pytest.approx(float(np.quantile(draws, level)), rel=0.1)


def test_minutes_of_a_complete_feed_are_points() -> None:
    """What was observed is what was; a feed that cannot be estimated from is open above."""
    tape = prints(np.array([5, 59, 60]), np.array([1.0, 2.0, 4.0]), np.array([True, False, True]))
    found = observed_bands(tape)
    assert found.start.tolist() == [0, 60]
    assert found.observed_usd.tolist() == found.low.tolist() == found.high.tolist() == [3, 4]
    assert floor_bands(tape).high.tolist() == [INF, INF]
    assert len(observed_bands(nothing())) == 0


def test_sides_of_a_minute_add_up_to_it() -> None:
    """Estimated dollars and events of longs and shorts are together those of both."""
    rng = np.random.default_rng(5)
    told = prints(np.arange(0, 400, 2), rng.exponential(3000, 200), rng.random(200) < 0.3)
    left_out = unseen(told, Watchtime(0, 600), Sampling.LARGEST_1S, sizes_of(rng.exponential(1000, 5000)))
    both, long, short = (estimated_bands(told, left_out, of_longs=side) for side in (None, True, False))
    sides = gathered([long, short], 60)
    assert sides.start.tolist() == both.start.tolist()
    for name in ("observed_events", "observed_usd", "estimated_events", "estimated_usd"):
        assert getattr(sides, name).tolist() == pytest.approx(getattr(both, name).tolist())
    assert (both.observed_usd <= both.low).all()
    assert (both.low <= both.estimated_usd).all()
    assert (both.estimated_usd <= both.high).all()


def test_a_side_without_a_print_has_no_minutes() -> None:
    """Where only longs were liquidated nothing is estimated of shorts."""
    told = prints(np.array([10, 12]), np.array([9.0, 8.0]), np.ones(2, np.bool_))
    left_out = unseen(told, Watchtime(0, 60), Sampling.LATEST_1S, sizes_of(np.ones(5)))
    assert len(estimated_bands(told, left_out, of_longs=False)) == 0
    assert len(estimated_bands(told, left_out, of_longs=True)) == 1


def test_a_saturated_minute_of_the_latest_is_open_above() -> None:
    """Once nearly every second has a print the last of each bounds nothing; the largest does."""
    full = prints(np.arange(600, 660), np.full(60, 9000.0), np.ones(60, np.bool_))
    sizes = sizes_of(np.random.default_rng(6).exponential(1000, 5000))
    latest, largest = (
        estimated_bands(full, unseen(full, Watchtime(0, 3600), mode, sizes))
        for mode in (Sampling.LATEST_1S, Sampling.LARGEST_1S)
    )
    assert latest.saturated.tolist() == largest.saturated.tolist() == [True]
    assert latest.high.tolist() == [INF]
    assert np.isfinite(largest.high).all()


def test_doubt_is_added_in_quadrature() -> None:
    """Each half of a band and 1.645 σ make the hypotenuse, in logarithms; the floor holds."""
    found = widened(bands((0, 50, 80, 100, 125)), np.array([0.1]))
    reach = math.hypot(math.log(1.25), Z * 0.1)
    assert found.high[0] == pytest.approx(100 * math.exp(reach))
    assert found.low[0] == pytest.approx(100 * math.exp(-reach))
    assert widened(bands((0, 99, 99, 100, 101)), np.array([1.0])).low.tolist() == [99]
    nothing_there = widened(bands((0, 0, 0, 0, 0)), np.array([1.0]))
    assert (nothing_there.low[0], nothing_there.high[0]) == (0, 0)


def test_halves_say_where_a_band_is_open() -> None:
    """An end at zero or at infinity is infinitely far, in logarithms."""
    below, above = halves(bands((0, 0, 0, 10, 20), (60, 5, 5, 10, INF)))
    assert below.tolist() == [INF, pytest.approx(math.log(2))]
    assert above.tolist() == [pytest.approx(math.log(2)), INF]


def test_rescaling_leaves_what_was_observed() -> None:
    """Only what was not seen is multiplied; an open band stays open."""
    found = rescaled(bands((0, 50, 60, 100, 140), (60, 50, 60, 100, INF)), np.array([2.0, 0.5]))
    assert found.observed_usd.tolist() == [50, 50]
    assert found.estimated_usd.tolist() == [150, 75]
    assert found.low.tolist() == [70, 55]
    assert found.high.tolist() == [230, INF]
    assert found.estimated_events.tolist() == [3, 1.5]


def test_hours_are_sums_of_minutes() -> None:
    """Observed and estimated add up, doubts in quadrature; one open minute leaves the hour open."""
    parts = [bands((0, 10, 17, 20, 24), (60, 10, 16, 20, 23)), bands((3600, 5, 5, 5, INF))]
    found = gathered(parts, 3600)
    assert found.start.tolist() == [0, 3600]
    assert found.estimated_usd.tolist() == [40, 5]
    assert found.low.tolist() == [40 - 5, 5]
    assert found.high.tolist() == [40 + 5, INF]
    assert found.observed_events.tolist() == [2, 1]
    assert found.saturated.tolist() == [False, True]
    assert len(joined(parts)) == 3
    assert found.expansion.tolist() == [2, 2]
    assert msgspec.structs.replace(found, observed_events=np.zeros(2, np.int64)).expansion.tolist() == [INF, INF]


def test_a_ceiling_bounds_what_was_not_observed() -> None:
    """Estimate and band end at the ceiling, at what was observed where that is more, nowhere where it is not known."""
    three = bands((0, 10, 15, 20, 30), (60, 10, 15, 20, 30), (120, 10, 15, 20, 30), (180, 10, 15, 20, INF))
    found = capped(three, np.array([18.0, 5.0, math.nan, 25.0]))
    assert found.estimated_usd.tolist() == [18, 10, 20, 20]
    assert found.low.tolist() == [15, 10, 15, 15]
    assert found.high.tolist() == [18, 10, 30, 25]


MINUTES = bands((0, 10, 17, 20, 24), (60, 10, 16, 20, 23))


def test_an_amount_has_its_interval_and_its_coverage() -> None:
    """The sum of minutes, floor and band and coverage together; watched whole, nothing is scaled."""
    found = amount(MINUTES, 1.0, is_told=True)
    assert found == Amount(
        observed_events=2,
        observed_usd=20,
        estimated_events=4,
        estimated_usd=40,
        low_usd=35,
        high_usd=45,
        covered=1.0,
        is_scaled=False,
        is_saturated=False,
    )


def test_what_was_not_watched_scales_only_the_estimate() -> None:
    """Half watched: the estimate and the upper end double, the floor and the lower end do not."""
    found = amount(MINUTES, 0.5, is_told=True)
    assert (found.observed_usd, found.low_usd) == (20, 35)
    assert (found.estimated_usd, found.high_usd, found.estimated_events, found.is_scaled) == (80, 90, 8, True)


def test_a_floor_has_no_estimate() -> None:
    """Where nothing can be estimated there is the observed and no more, also where little was watched."""
    found = amount(bands((0, 10, 10, 10, INF)), 0.5, is_told=False)
    assert (found.observed_usd, found.estimated_usd, found.estimated_events, found.high_usd) == (10, None, None, None)
    assert (found.low_usd, found.is_scaled) == (10, False)
    assert amount(bands((0, 10, 10, 10, INF)), 1.0, is_told=True).high_usd is None


@pytest.mark.parametrize(
    ("covered", "is_told", "estimated", "high"),
    [
        (1.0, True, 0.0, 0.0),
        (0.5, True, 0.0, None),
        (0.0, True, None, None),
        (None, True, None, None),
        (1.0, False, None, None),
    ],
    ids=["watched", "half-watched", "not-watched", "unknown", "floor"],
)
def test_nothing_is_zero_only_where_it_was_watched(
    covered: float | None, is_told: bool, estimated: float | None, high: float | None
) -> None:
    """No liquidation observed means none happened only as far as somebody looked."""
    found = amount(bands((0, 1, 1, 1, 1)).only(np.zeros(1, np.bool_)), covered, is_told=is_told)
    assert (found.observed_usd, found.estimated_usd, found.high_usd) == (0, estimated, high)


def test_a_doubt_in_common_widens_the_sum() -> None:
    """What the minutes have in common is added to the whole, not averaged away."""
    assert amount(MINUTES, 1.0, is_told=True, sigma=0.3).high_usd == pytest.approx(
        40 * math.exp(math.hypot(math.log(45 / 40), Z * 0.3))
    )


def test_amounts_of_venues_add_up() -> None:
    """Estimates add up with doubts in quadrature; a venue that gives only a floor leaves the sum open above."""
    one = amount(MINUTES, 1.0, is_told=True)
    floor = amount(bands((0, 10, 10, 10, INF)), 0.5, is_told=False)
    two = summed([one, one], 1.0)
    assert (two.estimated_usd, two.observed_usd, two.estimated_events) == (80, 40, 8)
    assert two.low_usd == pytest.approx(80 - math.hypot(5, 5))
    assert two.high_usd == pytest.approx(80 + math.hypot(5, 5))
    mixed = summed([one, floor], None)
    assert (mixed.estimated_usd, mixed.high_usd, mixed.covered) == (50, None, None)
    floors = summed([floor, floor], 0.5)
    assert (floors.estimated_usd, floors.low_usd, floors.high_usd) == (None, 20, None)
    assert summed([], 1.0).estimated_usd is None


def test_minutes_of_an_hour_are_found() -> None:
    """A minute belongs to the stretch it begins in."""
    assert within(MINUTES, 60, 3600).start.tolist() == [60]
    assert hours_of(0, 3600) == [(0, 3600)]
