"""LPI: its two parts, its window, and what is null; by hand, and against a count over the whole sample."""

import random

import pytest

from perpscope.analytics.lpi import MIN_SAMPLE, LpiSample, displacement
from perpscope.model.market import PositionSide

DAY = 86_400 * 10**9


def shuffled(count: int, seed: int) -> list[tuple[int, float, float]]:
    """Liquidations without any order in time: heavy-tailed sizes, a few repeated prices."""
    rng = random.Random(seed)
    figures = [(rng.lognormvariate(7, 2), round(rng.gauss(0, 0.004), 3)) for _ in range(count)]
    rng.shuffle(figures)
    return [(number * 10**9, notional, moved) for number, (notional, moved) in enumerate(figures)]


@pytest.mark.parametrize(
    ("side", "price", "reference", "moved"),
    [
        pytest.param(PositionSide.LONG, 99.5, 100.0, 0.005, id="a long sold below the reference"),
        pytest.param(PositionSide.LONG, 101.0, 100.0, -0.01, id="a long sold above it"),
        pytest.param(PositionSide.SHORT, 100.5, 100.0, 0.005, id="a short bought above it"),
        pytest.param(PositionSide.SHORT, 99.0, 100.0, -0.01, id="a short bought below it"),
        pytest.param(PositionSide.SHORT, 100.0, 100.0, 0.0, id="at the reference"),
    ],
)
def test_displacement_is_the_holders_loss(side: PositionSide, price: float, reference: float, moved: float) -> None:
    """Positive is against whoever was liquidated, for both sides alike. Keeps S1-46."""
    assert displacement(side, price, reference) == pytest.approx(moved, abs=1e-15)


def test_the_average_is_fifty() -> None:
    """Where sizes and prices come in no order, LPI is 50 on average, within 1. Keeps S1-46."""
    values = []
    for seed in (1, 2, 3):
        sample = LpiSample()
        for event in shuffled(6_000, seed):
            sample.update(*event)
            values.append(sample.value)
    known = [value for value in values if value is not None]
    assert len(known) == 3 * (6_000 - MIN_SAMPLE)
    assert sum(known) / len(known) == pytest.approx(50.0, abs=1.0)
    assert 0.0 <= min(known) < 5.0
    assert 95.0 < max(known) <= 100.0


def test_a_hundred_before_it_or_none() -> None:
    """The hundredth and first liquidation is the first that has an LPI. Keeps S1-46."""
    sample = LpiSample()
    for number in range(MIN_SAMPLE):
        sample.update(number, float(number), 0.0)
        assert (sample.value, sample.count) == (None, number)
    sample.update(MIN_SAMPLE, 1e9, 0.0)
    assert (sample.value, sample.count) == (75.0, MIN_SAMPLE)  # larger than all, displaced like all


@pytest.mark.parametrize(
    ("before", "event", "count", "value"),
    [
        pytest.param([(1, 1.0, 1.0)], (1, 9.0, 9.0), 0, None, id="one of the same instant is not before it"),
        pytest.param([(1, 1.0, 1.0)], (1 + 7 * DAY, 9.0, 9.0), 1, 100.0, id="seven days old to the instant"),
        pytest.param([(1, 1.0, 1.0)], (2 + 7 * DAY, 9.0, 9.0), 0, None, id="an instant older"),
        pytest.param([(1, 2.0, 2.0), (5, 1.0, 1.0)], (3, 1.5, 3.0), 1, 50.0, id="late: those after it do not count"),
        pytest.param([(5, 1.0, 1.0)], (3, 9.0, 9.0), 0, None, id="late, before everything"),
        pytest.param([(1, 2.0, 1.0), (2, 2.0, 3.0)], (3, 2.0, 2.0), 2, 50.0, id="equal counts half"),
    ],
)
def test_what_counts_as_before(
    before: list[tuple[int, float, float]], event: tuple[int, float, float], count: int, value: float | None
) -> None:
    """Strictly earlier, and of the last seven days."""
    sample = LpiSample(min_sample=1)
    for other in before:
        sample.update(*other)
    sample.update(*event)
    assert (sample.count, sample.value) == (count, value)


def test_a_late_one_counts_for_those_that_follow() -> None:
    """It takes its place in time: it leaves the window when its own week is over."""
    sample = LpiSample(window_ns=10, min_sample=1)
    for ts_event in (5, 8, 6):
        sample.update(ts_event, 1.0, 1.0)
    sample.update(16, 2.0, 2.0)
    assert (sample.count, len(sample)) == (2, 3)
    sample.update(17, 0.5, 2.0)
    assert (sample.count, sample.value, len(sample)) == (2, 37.5, 3)
    sample.update(1, 1.0, 1.0)  # older than the whole window
    assert (sample.count, sample.value, len(sample)) == (0, None, 3)


def test_memory_is_bounded() -> None:
    """When the sample is full the oldest go first; one older than all of them does not come in."""
    sample = LpiSample(min_sample=1, max_sample=3)
    for ts_event in (10, 11, 12, 13):
        sample.update(ts_event, float(ts_event), 0.0)
    sample.update(9, 1.0, 0.0)
    assert len(sample) == 3
    sample.update(14, 10.5, 0.0)  # smaller than 11, 12 and 13; 10 is gone
    assert (sample.count, sample.value) == (3, 25.0)


@pytest.mark.parametrize("figures", [(float("nan"), 0.0), (1.0, float("inf"))])
def test_figures_must_be_finite(figures: tuple[float, float]) -> None:
    """What has no place in an order is refused, and spoils nothing."""
    sample = LpiSample(min_sample=1)
    sample.update(1, 1.0, 1.0)
    with pytest.raises(ValueError, match="finite"):
        sample.update(2, *figures)
    sample.update(3, 2.0, 2.0)
    assert (sample.count, sample.value) == (1, 100.0)
