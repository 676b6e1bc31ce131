"""The triple barrier: what came of a trade after costs, the adverse barrier first, the entry candle counted."""

from collections.abc import Sequence

import numpy as np
import pytest

from perpscope.analytics.margin_arrays import Floats
from perpscope.trading.labels import HORIZON, Costs, Labels, labels, uniqueness

COSTS = Costs(taker=0.0005, spread=0.0001, slippage=0.0001)
COST = 0.0012
WIDTH = 3 * COST  # the floor binds while volatility is small


def _market(count: int = 40) -> list[Floats]:
    """A market that stands at 100: open, high, low, close, volatility of a minute."""
    return [*(np.full(count, 100.0) for _ in range(4)), np.full(count, 1e-4)]


def _of(market: Sequence[Floats]) -> Labels:
    open_, high, low, close, sigma = market
    return labels(open_, high, low, close, sigma, COSTS)


def test_a_market_that_stands_costs_what_trading_costs() -> None:
    """Neither side gains, both lose the cost, and the trade lasts the horizon."""
    found = _of(_market(100))
    assert found.long[0] == found.short[0] == pytest.approx(-COST)
    assert (found.outcome[:-HORIZON] == 0).all()
    assert found.life[0] == HORIZON
    assert found.is_known.sum() == 100 - HORIZON
    assert np.isnan(found.long[-1])
    assert found.weight[40] == pytest.approx(1.0 / HORIZON)


@pytest.mark.parametrize(
    ("high", "low", "outcome", "long", "short"),
    [
        pytest.param(101.0, 100.0, 1, WIDTH - COST, -WIDTH - COST, id="up: a long wins, a short is stopped"),
        pytest.param(100.0, 99.0, -1, -WIDTH - COST, WIDTH - COST, id="down: the other way round"),
        pytest.param(101.0, 99.0, 0, -WIDTH - COST, -WIDTH - COST, id="both in one candle: the adverse came first"),
        pytest.param(100.1, 99.9, 0, -COST, -COST, id="neither: over at the close"),
    ],
)
def test_the_candle_of_the_entry_counts(high: float, low: float, outcome: int, long: float, short: float) -> None:
    """The first minute after the decision may end the trade, adverse first: leaving it out fakes gains."""
    market = _market()
    market[1][1], market[2][1] = high, low
    found = _of(market)
    assert found.outcome[0] == outcome
    assert found.long[0] == pytest.approx(long)
    assert found.short[0] == pytest.approx(short)
    assert found.life[0] == (1 if (high, low) != (100.1, 99.9) else HORIZON)


def test_a_gap_beyond_the_stop_fills_at_the_open_and_one_beyond_the_take_at_the_take() -> None:
    """No price is given that was not to be had."""
    market = _market()
    for column in market[:4]:
        column[5:] = 98.0
    found = _of(market)
    assert found.long[0] == pytest.approx(-0.02 - COST)
    assert found.short[0] == pytest.approx(WIDTH - COST)
    assert found.life[0] == 5


def test_a_gain_smaller_than_half_the_cost_is_none() -> None:
    """At the vertical barrier what is left after costs has to be worth it."""
    market = _market()
    for gain, outcome in ((1.4 * COST, 0), (1.6 * COST, 1)):
        market[1][15], market[3][15] = 100.0 * (1 + gain), 100.0 * (1 + gain)
        assert _of(market).outcome[0] == outcome


def test_barriers_widen_with_volatility_as_it_was_known() -> None:
    """1.5 σ of fifteen minutes where that is more than three costs."""
    market = _market()
    market[4][:] = 2e-3
    market[1][1] = 101.0
    assert _of(market).outcome[0] == 0
    market[1][1] = 100.0 * (1 + 1.5 * 2e-3 * np.sqrt(15)) + 1e-9
    assert _of(market).outcome[0] == 1


def test_what_is_not_known_has_no_outcome() -> None:
    """A missing candle within the horizon, an unknown volatility, or too short a history: no label, no weight."""
    market = _market()
    market[3][20] = np.nan
    market[4][0] = np.nan
    found = _of(market)
    assert not found.is_known[0]
    assert not found.is_known[5:20].any()
    assert found.is_known[1:5].all()
    assert found.weight[10] == 0.0
    short = _of([column[:HORIZON] for column in _market()])
    assert not short.is_known.any()


def test_an_outcome_rests_on_its_horizon_and_on_nothing_after_it() -> None:
    """Other candles after the horizon change nothing; and none before the entry do. Keeps S2-53."""
    rng = np.random.default_rng(5)
    close = 100 * np.exp((1e-3 * rng.standard_normal(300)).cumsum())
    open_ = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(open_, close) * 1.0005, np.minimum(open_, close) * 0.9995
    sigma = np.full(300, 1e-3)
    whole = labels(open_, high, low, close, sigma, COSTS)
    cut = labels(open_[:200], high[:200], low[:200], close[:200], sigma[:200], COSTS)
    for name in ("long", "short", "outcome", "life"):
        assert np.array_equal(getattr(whole, name)[: 200 - HORIZON], getattr(cut, name)[: 200 - HORIZON]), name
    late = labels(open_[100:], high[100:], low[100:], close[100:], sigma[100:], COSTS)
    assert np.array_equal(whole.long[100:-HORIZON], late.long[:-HORIZON])


def test_chance_has_no_edge_but_costs() -> None:
    """On a driftless market either side loses what trading costs, within two standard errors."""
    rng = np.random.default_rng(6)
    steps = 4e-4 * rng.standard_normal((20_000, 8))
    path = 100 * np.exp(steps.cumsum().reshape(20_000, 8))
    open_ = np.concatenate([[100.0], path[:-1, -1]])
    found = labels(
        open_,
        np.maximum(open_, path.max(1)),
        np.minimum(open_, path.min(1)),
        path[:, -1],
        np.full(20_000, 1.1e-3),
        COSTS,
    )
    apart = slice(0, -HORIZON, HORIZON)
    for net in (found.long[apart], found.short[apart]):
        assert abs(net.mean() + COST) < 3.0 * net.std() / np.sqrt(net.size) + 3e-4


def test_uniqueness_is_one_for_a_trade_alone() -> None:
    """Trades that do not overlap are their own; of two that do each counts for what is its own."""
    assert uniqueness(np.array([1, 1, 1])) == pytest.approx([1.0, 1.0, 1.0])
    assert uniqueness(np.array([2, 2, 0])) == pytest.approx([0.75, 0.75, 0.0])
