"""Whatever the trades and the course: what figures of a run never do."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.runs_made import BEGIN_MS, DAY_MS, MINUTE_MS, course, trade

from perpscope.model.run import RunTrade
from perpscope.trading.performance import Grounds, measure, thinned
from perpscope.trading.performance.capacity import Impact
from perpscope.trading.performance.drawdown import drawdown
from perpscope.trading.significance import judged
from perpscope.trading.significance.deflated import Shape, deflated
from perpscope.trading.significance.overfitting import overfitting
from perpscope.trading.significance.placebo import Prices

_AMOUNT = st.floats(-50.0, 50.0).map(lambda value: round(value, 3))
_EQUITY = st.lists(st.floats(1.0, 1e4), min_size=1, max_size=40)
_TRADES = st.lists(
    st.builds(
        trade,
        _AMOUNT,
        at_ms=st.integers(0, 2 * 1440).map(lambda minute: BEGIN_MS + minute * MINUTE_MS),
        minutes=st.integers(0, 600),
        size=st.floats(1.0, 3.0),
        fees=st.floats(0.0, 5.0),
        funding=st.floats(-2.0, 2.0),
        slippage=st.floats(-2.0, 5.0),
        side=st.sampled_from(["LONG", "SHORT"]),
        is_liquidated=st.booleans(),
    ),
    max_size=45,
)
_PRICES = Prices(BEGIN_MS + MINUTE_MS * np.arange(3 * 1440), 100.0 + np.sin(np.arange(3 * 1440) / 100.0))


@given(made=_TRADES, equity=_EQUITY, trials=st.integers(1, 50))
def test_figures_are_finite_or_not_said(made: Sequence[RunTrade], equity: list[float], trials: int) -> None:
    """No trades, one, or many; up, down or flat: each figure is a finite number or None, and so is judged."""
    grounds = Grounds(trials=trials, prices=_PRICES, impact=Impact(1.0, 0.02, 1e6))
    end = BEGIN_MS + len(equity) * DAY_MS
    found = measure(made, course(equity), 100.0, from_ms=BEGIN_MS, to_ms=end, grounds=grounds)
    assert all(value is None or np.isfinite(value) for value in found.values())
    assert found["before_costs"] == pytest.approx(
        sum(found[name] or 0.0 for name in ("slippage", "fees", "funding", "net")), abs=1e-9
    )
    shares = ("hit_rate", "hit_low", "hit_high", "exposure", "days_won", "dsr", "placebo_p")
    assert all(0.0 <= (found[name] or 0.0) <= 1.0 for name in shares)
    if found["hit_rate"] is not None:
        assert (found["hit_low"] or 0.0) <= found["hit_rate"] + 1e-12
        assert found["hit_rate"] <= (found["hit_high"] or 0.0) + 1e-12
    _, why = judged(made, found, chosen_until_ms=BEGIN_MS + DAY_MS)
    assert why.endswith(".")


@given(_EQUITY)
def test_a_drawdown_is_the_largest_of_all_pairs(equity: list[float]) -> None:
    """Every earlier row against every later one: the same depth."""
    path = course(equity)
    found = drawdown(path.at_ms, path.equity, equity[0], BEGIN_MS)
    falls = [1.0 - later / earlier for earlier, later in combinations(equity, 2)]
    assert found.depth == pytest.approx(max([0.0, *falls]), abs=1e-12)
    assert found.days <= found.longest_days <= len(equity)


@given(st.lists(st.floats(1.0, 1e4), min_size=1, max_size=400), st.integers(4, 60))
def test_thinning_never_moves_an_extreme(equity: list[float], most: int) -> None:
    """Highest, lowest, first, last and the depth of the fall are those of the whole course."""
    path = course(equity, MINUTE_MS)
    kept = thinned(path, most)
    assert len(kept.equity) <= most
    assert (max(kept.equity), min(kept.equity)) == (max(equity), min(equity))
    assert (kept.equity[0], kept.equity[-1]) == (equity[0], equity[-1])
    assert set(kept.at_ms) <= set(path.at_ms.tolist())


@given(st.floats(-0.5, 0.5), st.integers(3, 4000), st.floats(-3.0, 3.0), st.floats(0.0, 20.0), st.integers(1, 1000))
def test_a_deflated_ratio_falls_with_trials(ratio: float, count: int, skew: float, excess: float, trials: int) -> None:
    """A probability, which no further trial raises; kurtosis is at least skew² + 1."""
    found = Shape(ratio, count, skew, skew**2 + 1.0 + excess)
    now, later = deflated(found, trials), deflated(found, trials + 1)
    assert 0.0 <= later <= now + 1e-12 <= 1.0 + 1e-12


@given(st.integers(2, 5), st.integers(0, 99))
def test_overfitting_does_not_depend_on_the_order_of_trials(trials: int, seed: int) -> None:
    """Columns turned about give the same share."""
    returns = np.random.default_rng(seed).normal(0.0, 1.0, (40, trials))
    assert overfitting(returns, 4) == overfitting(returns[:, ::-1], 4)
