"""Rare streams beside their sisters: the Poisson chance of a silence, and when it means something."""

import math

import pytest

from perpscope.engine.sisters import Sisters


def acquainted(hits: int, minutes: int) -> Sisters:
    """A stream that spoke in `hits` of `minutes` minutes of its sisters, and has just spoken."""
    sisters = Sisters()
    for number in range(minutes):
        sisters.minute(spoke=number % (minutes // hits) == minutes // hits - 1, sisters_spoke=True)
    return sisters


def test_the_chance_is_that_of_a_poisson_count_of_zero() -> None:
    """Half of 200 minutes, then 30 missed: exp(-30 × 0.5 ÷ 3) by hand."""
    sisters = acquainted(100, 200)
    assert sisters.ratio == 0.5
    for _ in range(30):
        sisters.minute(spoke=False, sisters_spoke=True)
    assert sisters.chance == pytest.approx(math.exp(-5.0))
    assert sisters.missed == 30


def test_a_quiet_market_is_no_evidence() -> None:
    """Days without a word from anybody leave the chance at one."""
    sisters = acquainted(100, 200)
    for _ in range(5_000):
        sisters.minute(spoke=False, sisters_spoke=False)
    assert sisters.chance == 1.0


def test_too_little_is_known_of_a_stream_that_has_hardly_spoken() -> None:
    """Nineteen minutes in common are too few for a ratio; twenty will do."""
    few, enough = acquainted(19, 190), acquainted(20, 200)
    assert (few.ratio, few.chance) == (None, 1.0)
    assert enough.ratio == pytest.approx(0.1)


def test_a_stream_that_never_spoke_is_judged_by_its_prior_alone() -> None:
    """Without a prior it is never suspected; a tenth of 500 minutes is exp(-50 ÷ 3)."""
    unknown, expected = Sisters(), Sisters(prior=0.1)
    for sisters in (unknown, expected):
        for _ in range(500):
            sisters.minute(spoke=False, sisters_spoke=True)
    assert unknown.chance == 1.0
    assert expected.chance == pytest.approx(math.exp(-50 / 3))
    expected.begin()
    assert (expected.missed, expected.chance) == (0, 1.0)


def test_its_own_words_alone_are_no_ratio_and_the_past_is_bounded() -> None:
    """What it says when no sister does is not held against them; 2,000 minutes are looked back on, no more."""
    sisters = Sisters()
    for _ in range(100):
        sisters.minute(spoke=True, sisters_spoke=False)
    assert sisters.ratio is None
    for _ in range(3_000):
        sisters.minute(spoke=True, sisters_spoke=True)
    for _ in range(2_000):
        sisters.minute(spoke=False, sisters_spoke=True)
    sisters.minute(spoke=True, sisters_spoke=True)
    assert sisters.ratio == pytest.approx(2_001 / 4_001, rel=0.01)
