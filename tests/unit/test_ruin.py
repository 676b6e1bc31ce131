"""Risk of ruin: the closed forms, the exact count and drawn accounts tell the same to one percent. Keeps B20."""

from math import log1p

import numpy as np
import pytest

from perpscope.trading import ruin

WITHIN = 0.01


def test_gamblers_ruin() -> None:
    """((1 - p)/p)^units; without an edge it is certain (Feller, XIV.2). Keeps S4-74."""
    assert ruin.of_stakes(0.55, 10) == pytest.approx((0.45 / 0.55) ** 10)
    assert ruin.of_stakes(0.5, 100) == ruin.of_stakes(0.3, 3) == 1.0
    assert ruin.of_stakes(1.0, 1) == 0.0


def test_gamblers_ruin_as_drawn_accounts_find_it() -> None:
    """A walk of ±1 from 3 at p = 0.55, 2,000 steps, 20,000 accounts: within one percent of (9/11)³. Keeps B20."""
    dice = np.random.default_rng(3)
    lowest = np.zeros(20_000, dtype=np.int64)
    for rows in range(0, 20_000, 1_000):
        walk = np.cumsum(np.where(dice.random((1_000, 2_000)) < 0.55, 1, -1), axis=1)
        lowest[rows : rows + 1_000] = walk.min(axis=1)
    assert float((lowest <= -3).mean()) == pytest.approx(ruin.of_stakes(0.55, 3), abs=WITHIN)


@pytest.mark.parametrize(
    ("win", "gain", "loss", "floor", "trades"),
    [
        (0.5, 0.495, 0.505, 0.14, 20),
        (0.55, 0.02, 0.02, 0.5, 300),
        (0.4, 0.03, 0.015, 0.8, 100),
        (0.9, 0.01, 0.2, 0.5, 50),
    ],
    ids=["seed", "even", "skewed", "rare-loss"],
)
def test_exact_and_drawn_agree(win: float, gain: float, loss: float, floor: float, trades: int) -> None:
    """Two outcomes, counted exactly and drawn: within one percent, the documents' plan among them. Keeps B20, S4-74."""
    wins = round(win * 1_000)
    returns = np.array([gain] * wins + [-loss] * (1_000 - wins))
    drawn = ruin.drawn(returns, floor, trades, seed=5)
    assert drawn == pytest.approx(ruin.of_outcomes(win, gain, loss, floor, trades), abs=WITHIN)


@pytest.mark.parametrize(
    ("mean", "deviation", "floor", "trades"),
    [(0.0005, 0.01, 0.9, 300), (0.0, 0.01, 0.85, 200), (-0.001, 0.01, 0.7, 200), (0.002, 0.02, 0.7, 500)],
    ids=["edge", "none", "loses", "wide"],
)
def test_closed_form_and_drawn_agree(mean: float, deviation: float, floor: float, trades: int) -> None:
    """Many small trades: the inverse Gaussian's closed form and drawn accounts, within one percent. Keeps B20."""
    returns = np.random.default_rng(11).normal(mean, deviation, 5_000)
    drawn = ruin.drawn(returns, floor, trades, seed=7)
    closed = ruin.of_returns(returns, floor, trades)
    assert closed is not None
    assert 0.01 < closed < 0.99
    assert drawn == pytest.approx(closed, abs=WITHIN)


def test_ruin_is_certain_where_one_trade_takes_all() -> None:
    """A trade that loses everything ruins whoever meets it: 1 - (1 - p)^n at least."""
    returns = np.array([0.1] * 9 + [-1.2])
    assert ruin.of_returns(returns, 0.5, 10) == pytest.approx(1.0 - 0.9**10)
    assert ruin.drawn(returns, 0.01, 10, seed=1) == pytest.approx(1.0 - 0.9**10, abs=WITHIN)


def test_what_does_not_vary_is_known() -> None:
    """Without deviation the account goes where the mean goes; an edge without bound never reaches the wall."""
    assert ruin.closed(log1p(-0.01), 0.0, 0.5, 100) == 1.0
    assert ruin.closed(0.001, 0.0, 0.5, 100) == 0.0
    assert ruin.closed(5.0, 0.1, 0.5, 10) == 0.0
    assert ruin.closed(-5.0, 0.1, 0.5, 10) == 1.0


def test_too_few_trades_say_nothing() -> None:
    """One trade has no deviation, unless it was the last: then the account is gone."""
    assert ruin.of_returns(np.array([-1.2]), 0.5, 10) == ruin.drawn(np.array([-1.2]), 0.5, 10, seed=1) == 1.0
    assert ruin.drawn(np.array([]), 0.5, 10, seed=1) is None
    assert ruin.of_returns(np.array([0.1]), 0.5, 10) is None
    assert ruin.drawn(np.array([0.1]), 0.5, 10, seed=1) is None


def test_the_same_seed_gives_the_same_figure() -> None:
    """Drawn figures can be checked again, over more trades than are drawn at once, too."""
    returns = np.random.default_rng(1).normal(0.0, 0.02, 50)
    assert ruin.drawn(returns, 0.5, 700, 3, accounts=1_200) == ruin.drawn(returns, 0.5, 700, 3, accounts=1_200)
