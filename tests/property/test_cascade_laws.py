"""Cascades for all maps and books: a least fixed point, conserved dollars, and nothing known before it happened."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perpscope.analytics.cascade import Levels, branching, least_fixed_point, simulate
from perpscope.analytics.cascade_depth import Depth, of_book, power_law
from perpscope.analytics.cascade_events import Forced, Rule, Steps, detect

rows = st.lists(st.tuples(st.floats(1e-4, 0.3), st.floats(0.0, 1e8), st.floats(0.0, 0.05)), max_size=25)
books = st.one_of(
    st.builds(power_law, st.floats(1e5, 1e9), st.floats(0.6, 2.0)),
    st.builds(
        lambda steps, sizes: of_book(100.0, 100.0 * np.exp(-np.cumsum(steps)), sizes[: len(steps)]),
        st.lists(st.floats(1e-4, 0.01), min_size=1, max_size=12),
        st.lists(st.floats(1.0, 1e5), min_size=12, max_size=12),
    ),
)
shocks = st.floats(1e-4, 0.2)


def levels(told: list[tuple[float, float, float]], *, limited: bool = False) -> Levels:
    """A map's side of these rows."""
    ordered = sorted(told)
    columns = np.array(ordered, np.float64).reshape(-1, 3)
    limits = columns[:, 0] + columns[:, 2] if limited else None
    return Levels(distances=columns[:, 0], notional=columns[:, 1], limits=limits)


def forced_within(given_levels: Levels, x: float) -> float:
    """L(x)."""
    return float(given_levels.notional[given_levels.distances <= x * (1 + 1e-12)].sum())


@settings(deadline=None)
@given(rows, books, shocks, st.floats(0.05, 1.0))
def test_the_stop_is_the_least_fixed_point(
    told: list[tuple[float, float, float]], book: Depth, shock: float, share: float
) -> None:
    """At the stop depth equals what was taken; just before each level on the way it did not. Keeps B9."""
    ladder, depth = levels(told), book.surviving(share)
    stop = float(least_fixed_point(ladder, depth, shock))
    before = float(depth.within(shock))
    assert stop >= shock
    assert float(depth.within(stop)) == pytest.approx(before + forced_within(ladder, stop), rel=1e-6)
    for at in ladder.distances[(ladder.distances > shock) & (ladder.distances <= stop)].tolist():
        below = float(ladder.notional[ladder.distances < at].sum())
        assert before + below >= float(depth.within(at)) * (1 - 1e-6), "nothing carried the price here"


@settings(deadline=None)
@given(rows, books, shocks)
def test_level_by_level_is_the_same_without_limits(
    told: list[tuple[float, float, float]], book: Depth, shock: float
) -> None:
    """Two ways to the same stop; and every dollar forced is filled or inherited."""
    free = simulate(levels(told), book, shock)
    assert free.stop == pytest.approx(float(least_fixed_point(levels(told), book, shock)), rel=1e-9)
    kept = simulate(levels(told, limited=True), book, shock)
    assert kept.filled_usd + kept.inherited_usd == pytest.approx(kept.forced_usd, abs=1e-3)
    assert shock <= kept.stop <= free.stop * (1 + 1e-9)
    assert kept.stop_after_unwind == pytest.approx(free.stop, rel=1e-9)
    assert kept.amplification >= 1.0


@settings(deadline=None)
@given(rows, books, shocks, st.floats(1.0, 3.0))
def test_a_larger_shock_or_thinner_book_never_stops_earlier(
    told: list[tuple[float, float, float]], book: Depth, shock: float, more: float
) -> None:
    """Monotone in the shock, in what is forced, and in the quotes that are gone."""
    ladder = levels(told)
    stop = float(least_fixed_point(ladder, book, shock))
    worse = [
        least_fixed_point(ladder, book, shock * more),
        least_fixed_point(ladder, book.surviving(1.0 / more), shock),
        least_fixed_point(Levels(distances=ladder.distances, notional=ladder.notional * more), book, shock),
    ]
    assert min(map(float, worse)) >= stop * (1 - 1e-9)


@settings(deadline=None)
@given(books, st.lists(st.floats(0.0, 0.5), min_size=1, max_size=20))
def test_distance_undoes_depth(book: Depth, distances: list[float]) -> None:
    """What is taken within a distance moves the price by that distance, and more never moves it less."""
    u = np.sort(np.array(distances))
    taken = book.within(u)
    assert book.distance(taken) == pytest.approx(u, rel=1e-6, abs=1e-9)
    assert np.all(np.diff(taken) >= 0.0)


@settings(deadline=None)
@given(rows, books)
def test_the_ratio_adds_up_to_what_is_forced(told: list[tuple[float, float, float]], book: Depth) -> None:
    """R times the depth of its bin, summed, is everything forced within the bins; zones are where R is 1 or more."""
    edges = np.linspace(0.0, 0.31, 32)
    found = branching(levels(told), book, edges)
    assert float((found.ratio * np.diff(book.within(edges))).sum()) == pytest.approx(
        sum(row[1] for row in told), abs=1.0
    )
    hot = [any(low <= edge < high for low, high in found.zones) for edge in edges[:-1].tolist()]
    assert hot == (found.ratio >= 1.0).tolist()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 400))
def test_no_event_knows_the_future(seed: int, cut: int) -> None:
    """What was noticed by a moment, and when it began, is the same whatever comes after."""
    whole = busy(seed)
    steps = whole.close.size - cut
    part = Steps(
        ts_first=0,
        step_s=60.0,
        close=whole.close[:steps],
        volume=whole.volume[:steps],
        open_interest=whole.open_interest[:steps],
        f8=whole.f8[:steps],
        long=Forced(usd=whole.long.usd[:steps]),
        short=Forced(usd=whole.short.usd[:steps]),
    )
    last = (steps - 1) * 60 * 10**9
    for rule in Rule:
        later, earlier = detect(whole, rule), detect(part, rule)
        told = [(e.side, e.ts_start, e.ts_detected) for e in later if e.ts_detected <= last]
        assert told == [(e.side, e.ts_start, e.ts_detected) for e in earlier]
        for event in later:
            assert event.ts_start <= event.ts_detected
            assert event.ts_end is None or event.ts_end > event.ts_start
            assert 0.0 <= event.severity <= 100.0


def busy(seed: int) -> Steps:
    """A day and a half of minutes with falls and rises in its last hours."""
    rng = np.random.default_rng(seed)
    steps = 2200
    moves = 2e-4 * rng.standard_normal(steps)
    volume, interest = np.exp(0.2 * rng.standard_normal(steps)), np.zeros(steps)
    forced = [np.where(rng.random(steps) < 0.4, 1000.0 * rng.random(steps), 0.0) for _ in range(2)]
    for start in rng.integers(1600, steps - 30, 3).tolist():
        side = int(rng.integers(0, 2))
        length = int(rng.integers(3, 25))
        moves[start : start + length] += (1 if side else -1) * rng.uniform(0.02, 0.12) / length
        volume[start : start + length] *= rng.uniform(2.0, 30.0)
        interest[start : start + length] -= rng.uniform(0.0, 0.1) / length
        forced[side][start : start + length] += 1e6 * rng.random(length)
    return Steps(
        ts_first=0,
        step_s=60.0,
        close=100.0 * np.exp(np.cumsum(moves)),
        volume=volume,
        open_interest=1000.0 * np.exp(np.cumsum(interest)),
        f8=np.full(steps, rng.choice([0.002, -0.002])),
        long=Forced(usd=forced[0]),
        short=Forced(usd=forced[1]),
    )


def test_the_busy_market_has_cascades() -> None:
    """The law above is about something."""
    assert sum(len(detect(busy(seed), rule)) for seed in range(12) for rule in Rule) >= 10
