"""What one print each second leaves out: METHOD §3's vector, and the cases around it."""

import numpy as np
import pytest

from perpscope.analytics.totals.kernels import Watchtime
from perpscope.analytics.totals.prints import nothing, prints
from perpscope.analytics.totals.sizes import sizes_of
from perpscope.analytics.totals.unseen import common_rate, occupancy_rate, unseen
from perpscope.model.market import Sampling

LARGEST, LATEST = Sampling.LARGEST_1S, Sampling.LATEST_1S
#: METHOD §3: ten seconds, maxima in four of them, sizes exponential with mean 10.
MAXIMA = np.array([8.0, 15.0, 30.0, 5.0])
BELOW = 1 - np.exp(-MAXIMA / 10)
PARTIAL_MEAN = 10 * (1 - np.exp(-MAXIMA / 10) * (1 + MAXIMA / 10))
MANY = sizes_of(np.random.default_rng(1).exponential(1000, 20_000))
HOUR = Watchtime(0, 3600)


def test_largest_of_each_second_gives_the_vector() -> None:
    """Ten seconds with four maxima: λ̂ = 0.545794, T̂ = 66.3203 (naive 58)."""
    rate = common_rate(BELOW, 6)
    assert rate == pytest.approx(0.545794, abs=5e-7)
    assert MAXIMA.sum() + (rate * PARTIAL_MEAN).sum() == pytest.approx(66.3203, abs=5e-5)


def test_latest_of_each_second_gives_the_vector() -> None:
    """The same seconds by occupancy alone: λ̂ = 0.510826, times 1.277064, T̂ = 74.0697."""
    rate = float(occupancy_rate(np.array([0.4]))[0])
    assert rate == pytest.approx(0.510826, abs=5e-7)
    assert rate / 0.4 == pytest.approx(1.277064, abs=5e-7)
    assert MAXIMA.sum() * rate / 0.4 == pytest.approx(74.0697, abs=5e-5)


def test_a_gamma_prior_is_conjugate() -> None:
    """A prior of a events in b seconds adds to those that were seen."""
    assert common_rate(BELOW, 6, (2.0, 3.0)) == pytest.approx((2 + 4) / (3 + (1 - BELOW).sum() + 6))


def test_a_rate_needs_time() -> None:
    """Without a watched second there is no rate."""
    with pytest.raises(ValueError, match="watched"):
        common_rate(np.empty(0), 0)


@pytest.mark.parametrize("sampling", [Sampling.NONE, Sampling.UNKNOWN], ids=["complete", "unknown"])
def test_only_one_print_a_second_is_estimated_from(sampling: Sampling) -> None:
    """Any other feed has nothing to estimate from."""
    with pytest.raises(ValueError, match="one print a second"):
        unseen(nothing(), HOUR, sampling, MANY)


@pytest.mark.parametrize("sampling", [LARGEST, LATEST], ids=["largest", "latest"])
@pytest.mark.parametrize("per_side", [False, True], ids=["pooled", "per-side"])
def test_nothing_was_left_out_of_nothing(sampling: Sampling, per_side: bool) -> None:
    """Without prints nothing is estimated."""
    assert len(unseen(nothing(), HOUR, sampling, MANY, per_side=per_side).usd) == 0


@pytest.mark.parametrize("sampling", [LARGEST, LATEST], ids=["largest", "latest"])
def test_a_lone_print_stands_for_little_more_than_itself(sampling: Sampling) -> None:
    """A quiet hour's one print adds less than a tenth of itself."""
    lone = prints(np.array([1800]), np.array([5000.0]), np.array([True]))
    found = unseen(lone, HOUR, sampling, MANY)
    assert 0 < found.usd[0] < 500
    assert found.long_share.tolist() == [1.0]
    assert not found.saturated[0]


@pytest.mark.parametrize("is_causal", [False, True], ids=["two-sided", "causal"])
def test_a_steady_stream_is_recovered(is_causal: bool) -> None:
    """An hour at two a second: each mode tells the total within 4 %, given time to average over."""
    rng = np.random.default_rng(2)
    counts = rng.poisson(2.0, 3600)
    second = np.repeat(np.arange(3600), counts)
    usd = rng.exponential(1000, len(second))
    order = np.lexsort((usd, second))
    last_of = np.r_[np.diff(second[order]) > 0, True]
    told = prints(second[order][last_of], usd[order][last_of], np.ones(int(last_of.sum()), np.bool_))
    found = unseen(told, HOUR, LARGEST, MANY, tau_s=20.0, is_causal=is_causal)
    assert told.usd.sum() + found.usd.sum() == pytest.approx(usd.sum(), rel=0.04)
    assert len(told) + found.events.sum() == pytest.approx(len(usd), rel=0.04)
    final = np.r_[np.diff(second) > 0, True]
    latest = prints(second[final], usd[final], np.ones(int(final.sum()), np.bool_))
    found = unseen(latest, HOUR, LATEST, MANY, tau_s=20.0, is_causal=is_causal)
    assert latest.usd.sum() + found.usd.sum() == pytest.approx(usd.sum(), rel=0.04)


def test_two_prints_of_one_second_leave_less_unseen() -> None:
    """Where the venue's seconds are not the clock's, a second print was not left out; never below zero."""
    once = prints(np.arange(100, 200), np.full(100, 3000.0), np.ones(100, np.bool_))
    twice = prints(np.r_[np.arange(100, 200), 150], np.r_[np.full(100, 3000.0), 2900.0], np.ones(101, np.bool_))
    for sampling in (LARGEST, LATEST):
        one, two = (unseen(each, HOUR, sampling, MANY) for each in (once, twice))
        assert two.usd[50] == pytest.approx(max(one.usd[50] - 2900.0, 0.0))


def test_each_side_by_itself_where_each_has_a_print() -> None:
    """Where a venue publishes one of each side (Bitget), longs say nothing of shorts."""
    second = np.repeat(np.arange(100, 160), 2)
    both = prints(second, np.tile([2000.0, 500.0], 60), np.tile([True, False], 60))
    found = unseen(both, HOUR, LARGEST, MANY, per_side=True)
    alone = unseen(both.only(both.is_long), HOUR, LARGEST, MANY)
    assert sorted(set(found.long_share.tolist())) == [0.0, 1.0]
    assert found.usd[found.long_share == 1.0].tolist() == pytest.approx(alone.usd.tolist())
    assert found.second.tolist() == sorted(found.second.tolist())


def test_what_was_left_out_is_split_by_the_sides_around_it() -> None:
    """Longs before, shorts after: the split follows the prints, and the middle is shared."""
    half = prints(np.arange(100, 160), np.full(60, 1000.0), np.arange(60) < 30)
    share = unseen(half, HOUR, LARGEST, MANY).long_share
    assert share[0] > 0.999
    assert share[-1] < 0.001
    assert 0.3 < share[30] < 0.7


def test_crowded_seconds_are_called_saturated() -> None:
    """A minute with a print in every second: `latest` cannot tell any more, `largest` where the rate is over ten."""
    full = prints(np.arange(600, 660), np.full(60, 100.0), np.ones(60, np.bool_))
    latest = unseen(full, HOUR, LATEST, MANY)
    assert latest.is_open
    assert latest.saturated[30]
    largest = unseen(full, HOUR, LARGEST, MANY)
    assert not largest.is_open
    assert not largest.saturated.any()
    huge = prints(np.arange(600, 660), np.full(60, 9000.0), np.ones(60, np.bool_))
    assert unseen(huge, HOUR, LARGEST, MANY).saturated[30]


def test_what_was_missed_is_not_taken_for_quiet() -> None:
    """The seconds after a connection broke say nothing: the rate before them is not diluted."""
    rng = np.random.default_rng(3)
    told = prints(np.arange(100, 160), rng.uniform(1000, 4000, 60), np.ones(60, np.bool_))
    blind = unseen(told, Watchtime(0, 3600, ((160, 3600),)), LARGEST, MANY)
    seeing = unseen(told, HOUR, LARGEST, MANY)
    assert blind.rate[-1] > 1.3 * seeing.rate[-1]
    assert blind.rate[0] == pytest.approx(seeing.rate[0], rel=0.01)
