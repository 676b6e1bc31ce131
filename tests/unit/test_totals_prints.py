"""Prints, how sampling thins them, the seconds around them, and how large they are."""

import math

import numpy as np
import pytest

from perpscope.analytics.totals.kernels import Surroundings, Watchtime
from perpscope.analytics.totals.prints import Prints, heads, nothing, prints, thinned
from perpscope.analytics.totals.sizes import choose_sizes, isolated, quiet, sizes_of
from perpscope.model.market import Sampling

TAPE = prints(
    np.array([10, 10, 10, 11, 13, 13]),
    np.array([5.0, 9.0, 2.0, 4.0, 1.0, 6.0]),
    np.array([True, False, True, True, False, False]),
)


def spaced(usd: list[float], every_s: int = 60, start: int = 0) -> Prints:
    """Prints of longs at even distances."""
    n = len(usd)
    return prints(start + np.arange(n) * every_s, np.array(usd), np.ones(n, np.bool_))


def test_prints_come_in_order_of_time() -> None:
    """Rows in any order are put in order; those of one second stay as they came."""
    found = prints(np.array([7, 3, 7]), np.array([1.0, 2.0, 3.0]), np.array([True, False, True]))
    assert found.second.tolist() == [3, 7, 7]
    assert found.usd.tolist() == [2.0, 1.0, 3.0]
    assert len(found) == 3
    assert found.between(3, 7).usd.tolist() == [2.0]


@pytest.mark.parametrize(
    ("usd", "is_long", "says"),
    [
        ([1.0], [True, False], "one length"),
        ([1.0, 0.0], [True, False], "above 0"),
        ([1.0, math.nan], [True, False], "above 0"),
        ([math.inf, 1.0], [True, False], "above 0"),
    ],
    ids=["lengths", "zero", "nan", "inf"],
)
def test_prints_that_are_none_are_refused(usd: list[float], is_long: list[bool], says: str) -> None:
    """Dollars must be above zero and finite, and the columns of one length."""
    with pytest.raises(ValueError, match=says):
        prints(np.array([1, 2]), np.array(usd), np.array(is_long))


@pytest.mark.parametrize(
    ("sampling", "per_side", "expected"),
    [
        (Sampling.NONE, False, [5, 9, 2, 4, 1, 6]),
        (Sampling.LARGEST_1S, False, [9, 4, 6]),
        (Sampling.LATEST_1S, False, [2, 4, 6]),
        (Sampling.LARGEST_1S, True, [5, 9, 4, 6]),
        (Sampling.LATEST_1S, True, [9, 2, 4, 6]),
    ],
    ids=["complete", "largest", "latest", "largest-per-side", "latest-per-side"],
)
def test_a_tape_is_thinned_as_the_venue_does(sampling: Sampling, per_side: bool, expected: list[float]) -> None:
    """One print of each second is left, or one of each side: the largest, or the last."""
    assert thinned(TAPE, sampling, per_side=per_side).usd.tolist() == expected


def test_an_unknown_rule_thins_nothing() -> None:
    """Thinning by a rule that is not known is an error, never a guess."""
    with pytest.raises(ValueError, match="unknown"):
        thinned(TAPE, Sampling.UNKNOWN)


def test_nothing_stays_nothing() -> None:
    """Without prints there is nothing to thin or to gather."""
    assert len(thinned(nothing(), Sampling.LARGEST_1S)) == 0
    assert heads(nothing()).usd.tolist() == []


def test_prints_are_gathered_by_second() -> None:
    """A second's largest, its sum, and what of it was longs'."""
    found = heads(TAPE)
    assert found.second.tolist() == [10, 11, 13]
    assert found.largest.tolist() == [9, 4, 6]
    assert found.usd.tolist() == [16, 4, 7]
    assert found.long_usd.tolist() == [7, 4, 0]


def test_watched_seconds_are_counted_without_what_was_missed() -> None:
    """What was missed inside the stretch is taken off, what lies outside is not."""
    watch = Watchtime(100, 200, ((90, 110), (150, 160), (300, 400)))
    assert watch.seconds == 80
    assert watch.holds(np.array([99, 100, 110, 150, 159, 160, 199, 200])).tolist() == [0, 0, 1, 0, 0, 1, 1, 0]


@pytest.mark.parametrize("is_causal", [False, True], ids=["two-sided", "causal"])
def test_seconds_around_are_weighted_exponentially(is_causal: bool) -> None:
    """The share of occupied seconds is as summed one by one, also over long quiet stretches and what was missed."""
    second = np.array([20, 21, 25, 400, 402, 5000])
    watch = Watchtime(0, 6000, ((22, 24), (401, 402)))
    found = Surroundings(second, watch, 3.0).occupied(3.0, is_causal=is_causal)
    for at, share in zip(second.tolist(), found.tolist(), strict=True):
        weight = whole = 0.0
        for other in range(6000):
            if (is_causal and other > at) or (22 <= other < 24) or other == 401:
                continue
            w = math.exp(-abs(other - at) / 3.0)
            whole += w
            weight += w * (other in second)
        assert share == pytest.approx(weight / whole, abs=3e-4)


def test_sizes_know_what_is_below_a_print() -> None:
    """F, G and the second moment of an empirical distribution are as counted by hand."""
    sizes = sizes_of(np.array([30.0, 10.0, 20.0]))
    at = np.array([5.0, 10.0, 25.0, 99.0])
    assert sizes.below(at).tolist() == [0, 0.25, 0.5, 0.75]
    assert sizes.partial_mean(at).tolist() == pytest.approx([0, 10 / 3, 10, 20])
    assert sizes.partial_square(at).tolist() == pytest.approx([0, 100 / 3, 500 / 3, 1400 / 3])


def test_sizes_need_one() -> None:
    """A distribution of nothing is refused."""
    with pytest.raises(ValueError, match="at least one"):
        sizes_of(np.empty(0))


def test_isolated_prints_have_no_neighbour() -> None:
    """A print within five seconds of another is not isolated."""
    found = isolated(prints(np.array([0, 5, 20, 26, 32]), np.ones(5), np.ones(5, np.bool_)))
    assert found.tolist() == [False, False, True, True, True]
    assert isolated(nothing()).tolist() == []


def test_quiet_minutes_have_few_prints() -> None:
    """Up to six occupied seconds of a minute are quiet."""
    busy = prints(np.concatenate([np.arange(7), 60 + np.arange(6)]), np.ones(13), np.ones(13, np.bool_))
    assert quiet(busy).tolist() == [False] * 7 + [True] * 6


def test_a_complete_feed_tells_sizes_after_rescaling() -> None:
    """With enough isolated prints of both, the complete feed's sizes are used, in the sampled venue's scale."""
    own, complete = spaced([30.0] * 40), spaced([5.0, 10.0, 15.0] * 20)
    found = choose_sizes(own, complete)
    assert (found.source, found.scale) == ("complete", 3.0)
    assert found.usd[0] == 15.0


@pytest.mark.parametrize(
    ("own", "complete", "source"),
    [
        (spaced([1.0] * 40), None, "quiet"),
        (spaced([1.0] * 40), spaced([1.0] * 10), "quiet"),
        (spaced([1.0] * 40), spaced([1.0] * 40, every_s=2), "quiet"),
        (spaced([1.0] * 10), spaced([1.0] * 40), "own"),
    ],
    ids=["no-complete-feed", "too-few", "never-isolated", "too-few-of-its-own"],
)
def test_sizes_of_its_own_where_no_complete_feed_tells(own: Prints, complete: Prints | None, source: str) -> None:
    """Without a usable complete feed the venue's quiet minutes tell, or all its prints where those are too few."""
    assert choose_sizes(own, complete).source == source
