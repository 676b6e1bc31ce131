"""Blocks of time are drawn whole, and an interval covers what it says. Keeps B1."""

from functools import partial
from math import isnan

import numpy as np
import pytest

from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.resampling import Rows, blocks, interval, resampled

DAY_NS = 86_400_000_000_000


def test_blocks_are_days_of_utc() -> None:
    """Two hours of one day stay together, whatever their order; an empty day is left out."""
    stamps = np.array([3 * DAY_NS + 1, DAY_NS, 2 * DAY_NS - 1, 3 * DAY_NS])
    assert [rows.tolist() for rows in blocks(stamps, DAY_NS)] == [[1, 2], [0, 3]]
    assert blocks(np.zeros(0, np.int64), DAY_NS) == []


def test_groups_are_drawn_whole() -> None:
    """A group is in a draw with all of its rows or with none, and there are as many groups as before."""
    groups = [np.array([0, 1]), np.array([2, 3]), np.array([4, 5])]
    seen: list[list[int]] = []

    def note(rows: Rows) -> float:
        seen.append(rows.tolist())
        return float(rows.size)

    draws = resampled(groups, note, 50, np.random.default_rng(1))
    assert draws.tolist() == [6.0] * 50
    assert all(rows[at] % 2 == 0 and rows[at + 1] == rows[at] + 1 for rows in seen for at in (0, 2, 4))
    assert len({tuple(rows) for rows in seen}) > 10


def test_the_same_seed_gives_the_same_interval() -> None:
    """An interval is a fact of data and seed."""
    values = np.random.default_rng(5).normal(size=60)
    groups = blocks(np.arange(60) * DAY_NS // 3, DAY_NS)

    def drawn(seed: int) -> tuple[float, float]:
        generator = np.random.default_rng(seed)
        return interval(resampled(groups, lambda rows: float(values[rows].mean()), 200, generator))

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_an_interval_covers_what_it_says() -> None:
    """Of 200 samples whose days share a shock, the 90 % interval of the mean holds the truth in 80 to 97 of a hundred.

    Drawing single rows would make it hold in about a third of them.
    """
    generator = np.random.default_rng(11)
    groups = [np.arange(20 * day, 20 * day + 20) for day in range(30)]
    held = alone = 0
    for _ in range(200):
        values = np.repeat(generator.normal(size=30), 20) + 0.1 * generator.normal(size=600)
        days = np.array([values[rows].mean() for rows in groups])
        singles = [np.array([day]) for day in range(30)]
        low, high = interval(resampled(singles, partial(_mean, days), 100, generator), 0.9)
        held += low <= 0.0 <= high
        single = 1.645 * values.std() / np.sqrt(600)
        alone += abs(values.mean()) <= single
    assert 160 <= held <= 194
    assert alone < 100


def _mean(values: Floats, rows: Rows) -> float:
    return float(values[rows].mean())


def test_what_cannot_be_is_refused() -> None:
    """Blocks of no length, nothing to draw from, a level beyond 1; draws that are all unknown give no interval."""
    with pytest.raises(ValueError, match="0 ns must be longer"):
        blocks([1], 0)
    with pytest.raises(ValueError, match="0 groups"):
        resampled([], lambda _: 0.0, 1, np.random.default_rng(1))
    with pytest.raises(ValueError, match="level 1 must lie"):
        interval(np.zeros(3), 1.0)
    assert all(isnan(end) for end in interval(np.array([np.nan])))
    assert interval(np.array([np.nan, 2.0, 2.0])) == (2.0, 2.0)
