"""One venue's minutes from prints to amounts: modes, calibrations, cross-venue totals, ceilings."""

import math
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from tests.unit.sampled_days import DAY_S, hawkes_day
from tests.unit.test_totals_bands import bands

from perpscope.analytics.totals.bands import Bands, gathered, observed_bands
from perpscope.analytics.totals.calibration import Calibration, calibrate, needed_sigma
from perpscope.analytics.totals.kernels import Watchtime
from perpscope.analytics.totals.prints import Prints, nothing, prints, thinned
from perpscope.analytics.totals.venue import (
    PRIOR_SIGMA,
    Beside,
    Ceilings,
    aligned,
    complete_minutes,
    floor_minutes,
    hour_sigma,
    sampled_minutes,
)
from perpscope.model.market import Sampling

LARGEST, LATEST, UNKNOWN = Sampling.LARGEST_1S, Sampling.LATEST_1S, Sampling.UNKNOWN
DAY = Watchtime(0, DAY_S)


@pytest.fixture(scope="module")
def two() -> tuple[Prints, Prints]:
    """A day at two venues that share their bursts: three in five here, the others there."""
    rng = np.random.default_rng(11)
    both = hawkes_day(rng, branching=0.8, kind="logn", mu=0.03)
    here = rng.random(len(both)) < 0.6
    return both.only(here), both.only(~here)


@pytest.fixture(scope="module")
def learnt(two: tuple[Prints, Prints]) -> dict[Sampling, Calibration]:
    """Both modes' calibrations on the complete venue."""
    found = {mode: calibrate(two[1], DAY, mode) for mode in (LARGEST, LATEST)}
    return {mode: each for mode, each in found.items() if each is not None}


def is_ordered(of: Bands) -> bool:
    """Floor, lower end, estimate and upper end do not cross."""
    ends = (of.observed_usd, of.low, of.estimated_usd, of.high)
    return all(bool((one <= other * (1 + 1e-12)).all()) for one, other in pairwise(ends))


def test_a_complete_feed_is_its_own_total(two: tuple[Prints, Prints]) -> None:
    """Nothing is estimated of a complete feed, and its sides add up."""
    minutes, how = complete_minutes(two[1])
    assert not how.is_estimated
    assert minutes.both.high.sum() == pytest.approx(two[1].usd.sum())
    assert minutes.long.observed_usd.sum() + minutes.short.observed_usd.sum() == pytest.approx(two[1].usd.sum())
    assert hour_sigma(how, {}) == 0


@pytest.mark.parametrize("mode", [LARGEST, LATEST, UNKNOWN], ids=["largest", "latest", "undecided"])
@pytest.mark.parametrize("per_side", [False, True], ids=["pooled", "per-side"])
def test_totals_come_nearer_to_the_truth(
    two: tuple[Prints, Prints], learnt: dict[Sampling, Calibration], mode: Sampling, per_side: bool
) -> None:
    """Whatever the mode, the estimate is nearer than the observed, in order, and its sides add up to both."""
    tape, other = two
    told = thinned(tape, LARGEST if mode is UNKNOWN else mode, per_side=per_side)
    minutes, how = sampled_minutes(told, DAY, mode, beside=Beside(other), calibrations=learnt, per_side=per_side)
    true, observed, estimated = tape.usd.sum(), told.usd.sum(), minutes.both.estimated_usd.sum()
    assert abs(estimated / true - 1) < abs(observed / true - 1)
    assert all(is_ordered(each) for each in (minutes.long, minutes.short, minutes.both))
    sides = gathered([minutes.long, minutes.short], 60)
    assert aligned(sides.estimated_usd, sides.start, minutes.both.start) == pytest.approx(minutes.both.estimated_usd)
    assert (how.sampling, how.is_estimated, how.sizes, how.calibration) == (mode, True, "complete", "own")
    assert how.ratio is not None
    print(f"{mode.value} per side {per_side}: naive {observed / true - 1:+.3f}, estimated {estimated / true - 1:+.3f}")


def test_the_undecided_take_the_lower_and_hold_both(
    two: tuple[Prints, Prints], learnt: dict[Sampling, Calibration]
) -> None:
    """Where the mode is unknown the lower of both estimates is given, with a band around both."""
    told = thinned(two[0], LARGEST)
    both, one, other = (
        sampled_minutes(told, DAY, mode, calibrations=learnt)[0].both for mode in (UNKNOWN, LARGEST, LATEST)
    )
    assert both.estimated_usd.tolist() == np.minimum(one.estimated_usd, other.estimated_usd).tolist()
    assert (both.low <= np.minimum(one.low, other.low)).all()
    assert (both.high >= np.maximum(one.high, other.high)).all()


def test_without_a_complete_feed_doubts_are_the_largest_known(two: tuple[Prints, Prints]) -> None:
    """Neither calibration nor other venue: an estimate from its own sizes, with the doubts stated before."""
    told = thinned(two[0], LARGEST)
    minutes, how = sampled_minutes(told, DAY, LARGEST)
    assert (how.sizes, how.calibration, how.ratio) == ("quiet", "prior", None)
    assert hour_sigma(how, {}) == PRIOR_SIGMA[LARGEST][1]
    assert is_ordered(minutes.both)


def test_the_doubt_of_an_hour_is_the_worst_of_its_modes(
    two: tuple[Prints, Prints], learnt: dict[Sampling, Calibration]
) -> None:
    """An hour of a known mode has that calibration's doubt, of an unknown one the larger."""
    told = thinned(two[0], LARGEST)
    known, unknown = (sampled_minutes(told, DAY, mode, calibrations=learnt)[1] for mode in (LARGEST, UNKNOWN))
    assert hour_sigma(known, learnt) == learnt[LARGEST].hour_sigma
    assert hour_sigma(unknown, learnt) == max(each.hour_sigma for each in learnt.values())


def test_a_failed_calibration_leaves_the_floor(two: tuple[Prints, Prints], learnt: dict[Sampling, Calibration]) -> None:
    """An estimator that fails its own score is not shown: the observed, open above, and the word "failed"."""
    failed = {LARGEST: msgspec.structs.replace(learnt[LARGEST], top_bias=-0.5)}
    minutes, how = sampled_minutes(thinned(two[0], LARGEST), DAY, LARGEST, calibrations=failed)
    assert (how.is_estimated, how.calibration) == (False, "failed")
    assert np.isinf(minutes.both.high).all()
    assert minutes.both.estimated_usd.tolist() == minutes.both.observed_usd.tolist()
    assert not floor_minutes(nothing(), UNKNOWN)[1].is_estimated


def test_a_venue_that_says_too_little_of_the_other_is_left_out(two: tuple[Prints, Prints]) -> None:
    """With fewer than twenty minutes in common the complete feed gives sizes, but no rival amount."""
    few = two[1].only(np.arange(len(two[1])) < 15)
    _, how = sampled_minutes(thinned(two[0], LATEST), DAY, LATEST, beside=Beside(few))
    assert how.ratio is None


def test_open_interest_scales_the_other_venue(two: tuple[Prints, Prints], learnt: dict[Sampling, Calibration]) -> None:
    """The ratio of open interest and the learnt factor compensate: only their product counts."""
    told = thinned(two[0], LATEST)
    plain, scaled = (
        sampled_minutes(told, DAY, LATEST, beside=Beside(two[1], ratio), calibrations=learnt) for ratio in (None, 4.0)
    )
    assert plain[0].both.estimated_usd == pytest.approx(scaled[0].both.estimated_usd)
    assert plain[1].ratio is not None
    assert scaled[1].ratio is not None
    assert plain[1].ratio.factor == pytest.approx(4 * scaled[1].ratio.factor)


def test_no_more_is_estimated_than_was_traded(two: tuple[Prints, Prints]) -> None:
    """A minute's estimate ends at what takers traded on the forced side, and never below what was observed."""
    told = thinned(two[0], LARGEST)
    free, _ = sampled_minutes(told, DAY, LARGEST)
    start = free.both.start
    most = aligned(free.long.observed_usd, free.long.start, start) * 1.01
    ceilings = Ceilings(start, most, np.full(len(start), math.nan))
    found, _ = sampled_minutes(told, DAY, LARGEST, ceilings=ceilings)
    assert (found.long.high <= found.long.observed_usd * 1.0101).all()
    assert found.short.high.tolist() == free.short.high.tolist()
    assert found.both.estimated_usd.sum() == pytest.approx(
        found.long.estimated_usd.sum() + found.short.estimated_usd.sum()
    )
    assert is_ordered(found.both)


def test_minutes_are_found_by_their_start() -> None:
    """A minute that is not there is not a number."""
    found = aligned(np.array([1.0, 2.0]), np.array([60, 180]), np.array([0, 60, 120, 180, 240]))
    assert [None if math.isnan(value) else value for value in found] == [None, 1, None, 2, None]
    assert np.isnan(aligned(np.empty(0), np.empty(0, np.int64), np.array([1]))).all()


@pytest.mark.parametrize(
    ("tape", "why"),
    [
        (nothing(), "empty"),
        (prints(np.arange(39), np.ones(39), np.ones(39, np.bool_)), "few"),
        (prints(np.zeros(60, np.int64), np.ones(60), np.ones(60, np.bool_)), "one second"),
    ],
    ids=["empty", "few", "one-second"],
)
def test_a_tape_too_short_gives_no_calibration(tape: Prints, why: str) -> None:
    """The score needs liquidations in both halves of the tape."""
    assert calibrate(tape, DAY, LARGEST) is None, why


def test_a_calibration_says_what_it_found(learnt: dict[Sampling, Calibration]) -> None:
    """Bias by decile and stratum, doubts that grow nowhere below zero, and whether it is accepted."""
    largest, latest = learnt[LARGEST], learnt[LATEST]
    assert largest.is_accepted
    assert largest.open_bias is None
    assert {stratum.factor for stratum in largest.strata} == {1.0}
    assert latest.naive < largest.naive < largest.bias
    assert sum(stratum.minutes for stratum in latest.strata) == latest.minutes
    assert any(stratum.coverage is None for stratum in latest.strata)
    assert all(stratum.sigma >= 0 for stratum in latest.strata)


def test_a_calibration_without_an_open_minute_says_so(two: tuple[Prints, Prints]) -> None:
    """Sparse tapes of `latest` have no minute that cannot be told."""
    sparse = two[1].only(np.arange(len(two[1])) % 40 == 0)
    found = calibrate(sparse, DAY, LATEST, taus_s=(3.0,))
    assert found is not None
    assert (found.open_bias, found.tau_s) == (None, 3.0)


@pytest.mark.parametrize("is_causal", [False, True], ids=["both-ways", "causal"])
def test_where_nothing_is_left_out_nothing_is_added(is_causal: bool) -> None:
    """A print counts itself among those around it: of lonely ones the latest added 9 % and more, and is held back."""
    rng = np.random.default_rng(4)
    second = np.sort(rng.choice(DAY_S // 300, 60, replace=False)) * 300
    lonely = prints(second.astype(np.int64), rng.lognormal(8.0, 1.5, 60), rng.random(60) < 0.5)
    found = calibrate(lonely, DAY, LATEST, taus_s=(3.0,), is_causal=is_causal)
    assert found is not None
    assert found.naive == pytest.approx(0.0, abs=1e-9)
    assert 0.0 < found.bias < 0.02
    assert found.is_accepted


def test_the_doubt_that_is_lacking_is_what_holds_the_truth() -> None:
    """Nothing where the band holds the truth or is open; else the σ that makes it reach."""
    three = bands((0, 1, 80, 100, 125), (60, 1, 80, 100, 125), (120, 1, 80, 100, math.inf), (180, 1, 80, 100, 125))
    lacking = needed_sigma(three, np.array([120.0, 200.0, 900.0, 50.0]))
    assert lacking[[0, 2]].tolist() == [0, 0]
    assert math.hypot(math.log(1.25), 1.6448536 * lacking[1]) == pytest.approx(math.log(2))
    assert math.hypot(math.log(1.25), 1.6448536 * lacking[3]) == pytest.approx(math.log(2))


def test_hours_take_the_doubt_their_minutes_share(
    learnt: dict[Sampling, Calibration], two: tuple[Prints, Prints]
) -> None:
    """An hour's band is at least as wide as its minutes' sum."""
    hours = gathered([observed_bands(two[1])], 3600)
    wide = learnt[LATEST].of_hours(hours)
    assert (wide.high >= hours.high).all()
    assert (wide.low <= hours.low).all()
