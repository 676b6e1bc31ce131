"""Times between events: quantiles that are never too small, and a past that fades."""

import random

import numpy as np
import pytest

from perpscope.engine.interarrival import InterArrivals


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_quantiles_are_rounded_up_by_less_than_a_fourth_of_an_octave(share: float) -> None:
    """Against numpy on the same numbers: never below, and at most 2^¼ above."""
    rng = random.Random(5)
    gaps = [rng.lognormvariate(2.5, 1.0) + 1.0 for _ in range(5_000)]
    usual = InterArrivals()
    for gap_s in gaps:
        usual.add(gap_s)
    exact = float(np.quantile(gaps, share, method="higher"))
    assert exact <= usual.quantile(share) * 1.001 <= exact * 2**0.25 * 1.01


def test_nothing_noted_means_nothing_known() -> None:
    """Without a single time there is no quantile and no longest."""
    usual = InterArrivals()
    assert (usual.quantile(0.99), usual.longest, usual.count) == (0.0, 0.0, 0.0)


def test_the_past_fades_and_is_forgotten() -> None:
    """Halved seven times, one event counts for less than a hundredth, and is gone; many are still there."""
    usual = InterArrivals()
    usual.add(1e9)  # longer than any bin: kept in the last
    assert usual.longest == 2.0**17
    for _ in range(1_000):
        usual.add(3.0)
    for _ in range(7):
        usual.fade(0.5)
    assert usual.longest == pytest.approx(2.0**1.75)  # 3.36 s, the bin of three seconds
    assert usual.count == pytest.approx(1_000 / 2**7)
