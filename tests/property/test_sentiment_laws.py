"""Sentiment and risk for all inputs: bounded, in parts that sum to the whole, and never moved by what is not there."""

from math import fsum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perpscope.analytics.risk import LEVELS, WEIGHTS, level, score
from perpscope.analytics.sentiment import Reading, blend
from perpscope.analytics.sentiment_scale import robust_z, trailing_z
from perpscope.analytics.sentiment_sources import BELIEVED, Bounds, Source, pool

figures = st.floats(-1e6, 1e6)
#: Coarse, so that equal figures and holes are frequent.
coarse = st.one_of(st.integers(-8, 8).map(lambda n: n / 4.0), st.just(float("nan")))
known = st.builds(
    Reading,
    name=st.just("one"),
    weight=st.floats(0.01, 1.0),
    z=st.one_of(st.none(), figures),
    age_s=st.floats(0.0, 3000.0),
    points=st.one_of(st.none(), st.integers(0, 500)),
    capacity=st.floats(1.0, 9000.0),
)
shares = st.one_of(st.none(), st.floats(0.0, 1.0))


@settings(deadline=None)
@given(st.lists(known, min_size=1, max_size=9))
def test_the_index_is_bounded_and_its_parts_sum_to_it(readings: list[Reading]) -> None:
    """0 to 100; points sum exactly to the deviation, shares to 1 or 0; no value without enough known. Keeps S0-06."""
    found = blend(readings)
    points = fsum(part.points for part in found.contributions)
    together = sum(part.share for part in found.contributions)
    assert together == pytest.approx(1.0) or together == 0.0
    if found.value is None:
        assert found.coverage < 0.3
        assert points == 0.0
    else:
        assert 0.0 <= found.value <= 100.0
        assert (found.deviation, found.value) == (points, 50.0 + points)
        assert abs(points) <= 50.0 * found.shrink
        assert all(part.points * (part.z or 0.0) >= 0.0 for part in found.contributions)


@settings(deadline=None)
@given(st.lists(known, min_size=1, max_size=9), st.floats(0.0, 10.0))
def test_more_greed_in_one_figure_is_never_less_in_the_index(readings: list[Reading], more: float) -> None:
    """Raising one z never lowers the index."""
    first = readings[0]
    raised = Reading(
        name=first.name,
        weight=first.weight,
        z=None if first.z is None else first.z + more,
        age_s=first.age_s,
        points=first.points,
        capacity=first.capacity,
    )
    before, after = blend(readings).value, blend([raised, *readings[1:]]).value
    assert (before is None) == (after is None)
    if before is not None and after is not None:
        assert after >= before - 1e-9


@settings(deadline=None)
@given(st.lists(coarse, max_size=60), st.integers(1, 20), st.integers(0, 60))
def test_a_window_kept_in_order_says_what_the_definition_says(values: list[float], window: int, first: int) -> None:
    """Each z of a series is the one a sort of its window gives, whatever the holes and ties, from any step on."""
    array = np.array(values, np.float64)
    z, points = trailing_z(array, window, 0.1, first)
    for at in range(array.size):
        expected, count = robust_z(float(array[at]), array[max(0, at - window) : at], 0.1)
        if at < first:
            assert np.isnan(z[at])
        else:
            assert points[at] == count
            assert z[at] == pytest.approx(expected, nan_ok=True, abs=1e-12)


@settings(deadline=None)
@given(st.lists(figures, min_size=3, max_size=40), st.floats(-100.0, 100.0), st.floats(0.1, 10.0))
def test_a_robust_z_knows_no_unit(values: list[float], shift: float, scale: float) -> None:
    """Shifting or stretching everything leaves z as it is."""
    array = np.array(values)
    least = 1.0
    before = robust_z(float(array[-1]), array[:-1], least)[0]
    moved = array * scale + shift
    after = robust_z(float(moved[-1]), moved[:-1], least * scale)[0]
    assert after == pytest.approx(before, rel=1e-6, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(coarse, min_size=30, max_size=30), st.floats(0.0, 10.0), st.floats(0.0, 2000.0)),
        min_size=1,
        max_size=5,
    ),
    st.floats(-5.0, 5.0),
)
def test_a_pool_is_of_those_believed_and_of_no_level(
    told: list[tuple[list[float], float, float]], shift: float
) -> None:
    """Shares are of believed venues alone and sum to 1; a venue's own level never moves the pool."""
    bounds = Bounds(moves=False, least_scale=0.1)

    def pooled(level: float) -> list[Source]:
        return [
            Source(venue=str(at), values=np.array(values) + (level if at == 0 else 0.0), weight=weight, age_s=age_s)
            for at, (values, weight, age_s) in enumerate(told)
        ]

    found, moved = pool(pooled(0.0), bounds), pool(pooled(shift), bounds)
    whole = sum(source.share for source in found.sources)
    assert whole == pytest.approx(1.0) or whole == 0.0
    assert all(source.verdict in BELIEVED for source in found.sources if source.share)
    assert (found.level is None) == (whole == 0.0)
    assert 0.0 <= found.told_by <= 1.0 + 1e-12
    assert moved.values == pytest.approx(found.values, nan_ok=True, abs=1e-9)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(dict.fromkeys(WEIGHTS, shares)),
    st.one_of(st.none(), st.floats(-0.01, 0.01)),
    st.floats(-50.0, 50.0),
)
def test_the_sides_of_risk_sum_to_it(levels: dict[str, float | None], f8: float | None, moved: float) -> None:
    """0 to 100, in parts and in sides that sum to it; weights sum to 1. Keeps S0-32."""
    found = score(levels, f8, moved)
    if found.value is None:
        assert found.coverage < 0.5
        return
    assert -1e-9 <= found.value <= 100.0 + 1e-9
    assert sum(part.points for part in found.parts) == found.value
    assert sum(part.weight for part in found.parts) == pytest.approx(1.0)
    assert found.long is not None
    assert found.short is not None
    assert found.long + found.short == pytest.approx(found.value)
    assert min(found.long, found.short) >= -1e-9


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 100.0), max_size=20))
def test_a_level_never_flickers(values: list[float]) -> None:
    """A level is always the one reached, or one that was reached before and is less than five points away."""
    names = [name for name, _ in LEVELS]
    edges = dict(LEVELS)
    before: str | None = None
    for value in values:
        word = level(value, before)
        assert edges[word] - 5.0 <= value
        assert names.index(word) >= names.index(level(value))
        before = word
