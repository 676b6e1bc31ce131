"""The sentiment index: METHOD's vector, what is old, missing or short, and words for it."""

from math import fsum

import numpy as np
import pytest

from perpscope.analytics.sentiment import LABELS, WEIGHTS, Reading, blend, blend_many, label
from perpscope.analytics.sentiment_scale import ages, carried, evidence, freshness, robust_z, trailing_z

VECTOR = [(1.2, 0.25, 0.0), (-0.5, 0.2, 0.0), (0.8, 0.2, 1e9), (2.0, 0.2, 600.0), (0.1, 0.15, 300.0)]


def vector() -> list[Reading]:
    """METHOD §9's five figures; the ages give a = 1, 1, 0, 0.5, 1."""
    return [Reading(name=str(at), z=z, weight=w, age_s=age) for at, (z, w, age) in enumerate(VECTOR)]


def test_the_vector_of_the_method() -> None:
    """METHOD §9 to its printed digits: 62.0666, coverage .70, and five contributions. Keeps S0-06 and S0-14."""
    found = blend(vector())
    assert found.value == pytest.approx(62.0666, abs=5e-5)
    assert found.coverage == pytest.approx(0.70)
    assert found.shrink == 1.0
    assert [round(part.points, 3) for part in found.contributions] == [9.590, -3.499, 0.0, 5.440, 0.535]
    assert [part.why for part in found.contributions] == ["", "", "stale", "old", ""]
    assert found.label == "greed"


def test_the_contributions_sum_to_the_deviation() -> None:
    """Every point of the index is somebody's, also where it is shrunk."""
    readings = [*vector()[:1], Reading(name="unknown", z=None, weight=0.3)]
    found = blend(readings)
    assert found.shrink == pytest.approx(0.25 / 0.55 / 0.6)
    assert found.deviation == fsum(part.points for part in found.contributions)
    assert found.value == 50.0 + fsum(part.points for part in found.contributions)
    assert found.contributions[1].why == "missing"
    assert (found.contributions[1].t, found.contributions[1].share) == (None, 0.0)


def test_too_little_is_no_index() -> None:
    """With coverage below .3 there is no value, no label, and nobody has points."""
    found = blend([Reading(name="known", z=3.0, weight=0.29), Reading(name="unknown", z=None, weight=0.71)])
    assert (found.value, found.deviation, found.label) == (None, None, None)
    assert found.coverage == pytest.approx(0.29)
    assert [part.points for part in found.contributions] == [0.0, 0.0]


def test_a_short_history_counts_for_less_and_says_so() -> None:
    """50 points of 200 are a quarter of a weight; 10 are nothing; a funding's 90 of 90 are all."""
    whole = Reading(name="whole", z=1.0, weight=0.5, points=90, capacity=90.0)
    short = Reading(name="short", z=1.0, weight=0.25, points=50)
    none = Reading(name="none", z=1.0, weight=0.25, points=10)
    found = blend([whole, short, none])
    assert [(part.evidence, part.why) for part in found.contributions] == [
        (1.0, ""),
        (0.25, "short history"),
        (0.0, "too short"),
    ]
    assert found.coverage == pytest.approx(0.5625)
    assert [part.history for part in found.contributions] == [90, 50, 10]


def test_the_weights_of_the_method_sum_to_one() -> None:
    """Nine figures, funding the heaviest."""
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)
    assert len(WEIGHTS) == 9
    assert max(WEIGHTS, key=lambda name: WEIGHTS[name]) == "funding"


@pytest.mark.parametrize(
    ("value", "word"),
    [(0.0, 0), (19.999, 0), (20.0, 1), (39.999, 1), (40.0, 2), (60.0, 2), (60.001, 3), (80.0, 3), (80.001, 4)],
    ids=str,
)
def test_words(value: float, word: int) -> None:
    """Neutral includes both its ends, METHOD §9."""
    assert label(value) == LABELS[word]


@pytest.mark.parametrize(
    ("weights", "worth"),
    [([], []), ([0.0], [1.0]), ([-1.0], [1.0]), ([1.0], [1.5]), ([1.0], [-0.1]), ([1.0], [float("nan")])],
    ids=["nothing", "no weight", "below zero", "worth above one", "worth below zero", "worth unknown"],
)
def test_what_cannot_be_blended_is_refused(weights: list[float], worth: list[float]) -> None:
    """A weight or a worth that makes no sense is a bug of the caller, and never an index."""
    with pytest.raises(ValueError, match="weights must be above 0"):
        blend_many(np.zeros((len(weights), 1)), weights, np.array(worth).reshape(-1, 1))


def test_nothing_known_at_a_step() -> None:
    """A step without any figure has no value, and no warning."""
    found = blend_many(np.array([[1.0, np.nan], [2.0, np.nan]]), [0.5, 0.5], np.ones((2, 2)))
    assert np.isnan(found.value).tolist() == [False, True]
    assert found.share[:, 1].tolist() == [0.0, 0.0]
    assert found.coverage.tolist() == [1.0, 0.0]


def test_extremes_stay_within_the_scale() -> None:
    """However far out each figure is, the index stays between 0 and 100."""
    greedy, fearful = ([Reading(name=n, z=s * 1e6, weight=w) for n, w in WEIGHTS.items()] for s in (1.0, -1.0))
    assert 99.999 < (blend(greedy).value or 0.0) <= 100.0
    assert 0.0 <= (blend(fearful).value or 0.0) < 0.001


def test_robust_z() -> None:
    """Median and MAD by hand; ε where the past stood still; nothing to compare with is no z."""
    assert robust_z(16.0, [10.0, 12.0, 14.0, 8.0, 6.0, float("nan")]) == pytest.approx((6.0 / (1.4826 * 2.0), 5))
    assert robust_z(1.5, [1.0] * 30, least_scale=0.25) == pytest.approx((2.0, 30))
    value, points = robust_z(1.0, [float("nan")])
    assert np.isnan(value)
    assert points == 0


def test_a_trailing_z_leaves_its_own_point_out() -> None:
    """METHOD, conventions: the history excludes the current point, and goes back one window."""
    values = np.array([1.0, 2.0, 3.0, np.nan, 9.0])
    z, points = trailing_z(values, 3, least_scale=0.5)
    assert points.tolist() == [0, 1, 2, 3, 2]
    assert z[2] == pytest.approx((3.0 - 1.5) / (1.4826 * 0.5))
    assert z[4] == pytest.approx((9.0 - 2.5) / (1.4826 * 0.5))
    assert np.isnan(z[[0, 3]]).all()


def test_worth_of_age_and_length() -> None:
    """All within a period, half each further one, nothing after four; histories in proportion from 20 points on."""
    assert freshness([0, 60, 90, 120, 240, 240.1, np.nan], 60).tolist() == pytest.approx(
        [1.0, 1.0, 2**-0.5, 0.5, 0.125, 0.0, 0.0]
    )
    assert evidence([0, 19, 20, 100, 500], 1000).tolist() == pytest.approx([0.0, 0.0, 0.1, 0.5, 1.0])
    assert evidence([5, 10], 10).tolist() == [0.0, 1.0]


def test_holes_are_carried_as_far_as_told() -> None:
    """A hole is filled by what was before it, and its age grows."""
    values = np.array([np.nan, 4.0, np.nan, np.nan])
    assert carried(values, 1)[1:3].tolist() == [4.0, 4.0]
    assert np.isnan(carried(values, 1)[[0, 3]]).all()
    assert ages(values, 10.0).tolist() == [np.inf, 0.0, 10.0, 20.0]
