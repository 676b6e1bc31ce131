"""The scoreboard counts as it goes what anybody can count afterwards, and its windows sum what came."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perpscope.analytics.alerts import score as scoring
from perpscope.analytics.alerts.minutes import Minute, Path
from perpscope.analytics.alerts.outcomes import read
from perpscope.analytics.alerts.score import RuleScore
from perpscope.analytics.alerts.windows import WINDOWS, Liquidated

_MOVES = st.lists(st.sampled_from([-2, -1, 0, 0, 0, 1, 2]), min_size=20, max_size=120)


@settings(deadline=None)
@given(_MOVES, st.sets(st.integers(0, 119), max_size=12), st.integers(1, 9), st.sets(st.integers(0, 119), max_size=20))
def test_online_and_batch_give_the_same_score(
    moves: list[int], alerts: set[int], horizon: int, holes: set[int]
) -> None:
    """Minute by minute in market time, or all at once over the past: the same hits, and the same chance."""
    closes: list[float] = []
    for move in moves:
        closes.append((closes[-1] if closes else 100.0) * (1.0 + move / 1000.0))
    known = {at: close for at, close in enumerate(closes) if at not in holes}
    expected, score, path = read(f"move_pct >= 0.15 in {horizon}m"), RuleScore(mark="x"), Path([horizon])
    for at, close in known.items():
        if at in alerts:
            scoring.raised(score, expected, "BTC", at * 60_000, None, None)
        judged = path.take(Minute(at, close * 1.0005, close * 0.9995, close, 1.0, None)).get(horizon)
        scoring.passed(score, expected, "BTC", path, judged)
    told = scoring.told(score, expected)
    outcomes = {}
    for at, close in known.items():
        after = [known[then] for then in range(at + 1, at + horizon + 1) if then in known]
        if at + horizon in known and len(after) >= max(1.0, 0.8 * horizon):
            high, low = max(after) * 1.0005, min(after) * 0.9995
            outcomes[at] = 100.0 * max(high / close - 1.0, 1.0 - low / close) >= 0.15
    of_alerts = [hit for at, hit in outcomes.items() if at in alerts]
    others = [hit for at, hit in outcomes.items() if at not in alerts]
    assert (told.n, told.hits) == (len(of_alerts), sum(of_alerts))
    if of_alerts and others:
        assert told.chance == pytest.approx(sum(others) / len(others))
    assert all(each.n == len(others) for each in score.others.values())
    assert told.n + told.lost + told.pending == len(alerts & known.keys())


@given(
    st.lists(st.tuples(st.integers(0, 9000), st.booleans(), st.integers(1, 10**9)), min_size=1, max_size=80),
    st.integers(0, 4000),
)
def test_windows_sum_exactly_what_came(events: list[tuple[int, bool, int]], later: int) -> None:
    """In whatever order liquidations come, each window holds those of its time, to the cent."""
    sums = Liquidated()
    now = 0
    counted = []
    for at, is_long, cents in events:
        now = max(now, at)
        sums.take(at, "long" if is_long else "short", cents / 100.0, "okx")
        if at > now - 3600:
            counted.append((at, is_long, cents))
    now += later
    sums.advance(now)
    for name, length in WINDOWS.items():
        inside = [(is_long, cents) for at, is_long, cents in counted if at > now - length]
        assert sums.usd(name, "long") == sum(cents for is_long, cents in inside if is_long) / 100.0
        assert sums.usd(name, None) == sum(cents for _, cents in inside) / 100.0
        assert sums.events(name, "short") == sum(not is_long for is_long, _ in inside)
        largest = sums.largest(name)
        assert (0.0 if largest is None else largest[0]) >= max((cents for _, cents in inside), default=0) / 100.0
