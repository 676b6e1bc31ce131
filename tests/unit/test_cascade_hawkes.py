"""Self-excitation: recovered where it is known, distorted as METHOD says where the feed is not whole."""

import numpy as np
import pytest

from perpscope.analytics.cascade_hawkes import LEAST_EVENTS, Hawkes, fit, merged
from perpscope.analytics.sentiment_scale import Floats
from perpscope.model.market import PositionSide

END_S = 20_000.0


def drawn(ratio: float, seed: int, base: float = 0.03, decay: float = 0.25) -> Floats:
    """Times of a Hawkes process, family by family: each event has Poisson(n) children, exponentially later."""
    rng = np.random.default_rng(seed)
    fresh = rng.uniform(0.0, END_S, rng.poisson(base * END_S))
    found = [fresh]
    while fresh.size:
        fresh = np.repeat(fresh, rng.poisson(ratio, fresh.size))
        fresh = fresh + rng.exponential(1.0 / decay, fresh.size)
        fresh = fresh[fresh < END_S]
        found.append(fresh)
    return np.sort(np.concatenate(found))


def fitted(times: Floats) -> Hawkes:
    """The fit of enough events."""
    found = fit(times, END_S)
    assert found is not None
    return found


def test_a_known_process_is_recovered() -> None:
    """n, μ and β of a drawn process, and its residuals pass."""
    found = fitted(drawn(0.5, 1))
    assert found.ratio == pytest.approx(0.5, abs=0.08)
    assert found.baseline == pytest.approx(0.03, rel=0.2)
    assert found.decay == pytest.approx(0.25, rel=0.35)
    assert found.branching_ratio == found.ratio


def test_events_of_chance_call_nothing_forth() -> None:
    """A Poisson process has hardly any n."""
    assert fitted(np.sort(np.random.default_rng(2).uniform(0.0, END_S, 1000))).ratio < 0.1


def test_what_does_not_fit_is_not_told() -> None:
    """Events on a clock are no Hawkes process: n is withheld."""
    found = fitted(np.arange(0.0, END_S, 20.0))
    assert found.p < 0.001
    assert found.branching_ratio is None


@pytest.mark.soak
@pytest.mark.parametrize(("ratio", "throttled", "split"), [(0.8, 0.75, 0.72), (0.5, 0.44, 0.54)], ids=["0.8", "0.5"])
def test_a_feed_that_is_not_whole_distorts(ratio: float, throttled: float, split: float) -> None:
    """METHOD §7: true .8 → .75 throttled, .72 with prints; true .5 → .44 and .54; mean of four seeds."""
    rows = []
    for seed in range(4):
        times = drawn(ratio, seed)
        rng = np.random.default_rng(100 + seed)
        last = times[np.r_[np.diff(times.astype(np.int64)) > 0, True]]
        prints = [times[rng.random(times.size) < 0.5] + rng.uniform(0.0, 0.2) for _ in range(2)]
        rows.append([fitted(t).ratio for t in (times, last, np.sort(np.concatenate([times, *prints])).clip(0, END_S))])
    whole, sampled, printed = np.mean(rows, axis=0)
    assert whole == pytest.approx(ratio, abs=0.04)
    assert sampled == pytest.approx(throttled, abs=0.05)
    assert printed == pytest.approx(split, abs=0.06)


def test_prints_of_one_liquidation_are_merged() -> None:
    """Same side and price within a quarter second, also in a chain; another side or price is another."""
    long, short = PositionSide.LONG, PositionSide.SHORT
    assert merged([1.0, 1.2, 1.4, 1.7], [long] * 4, [5.0] * 4) == [1.0, 1.7]
    assert merged([1.0, 1.1], [long, short], [5.0, 5.0]) == [1.0, 1.1]
    assert merged([1.0, 1.1], [long, long], [5.0, 5.1]) == [1.0, 1.1]


def test_too_few_events_are_not_fitted() -> None:
    """Nothing is said of fewer than fifty, or of none."""
    assert fit([], 10.0) is None
    assert fit(np.arange(LEAST_EVENTS - 1.0), 100.0) is None


@pytest.mark.parametrize("times", [[2.0, 1.0], [-1.0, 1.0], [1.0, 11.0]], ids=["order", "before", "after"])
def test_times_outside_of_what_was_watched_are_refused(times: list[float]) -> None:
    """A hole in what was watched would be read as calm."""
    with pytest.raises(ValueError, match="must rise from 0 to 10"):
        fit(times, 10.0)


def test_a_fit_ends_after_its_rounds() -> None:
    """However slowly it settles, it ends."""
    times = drawn(0.5, 1)
    early = fit(times, END_S, rounds=2)
    assert early is not None
    assert early.ratio != fitted(times).ratio


def test_events_at_one_moment() -> None:
    """Sixty at once, at the very end: nothing was seen to follow, and nothing breaks."""
    found = fit(np.full(60, 10.0), 10.0)
    assert found is not None
    assert 0.0 <= found.ratio < 1.0
