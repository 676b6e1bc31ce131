"""How likely an account is ruined: in closed form, exactly for trades of two outcomes, and by drawing trades again.

Ruin is equity at or below a share of what it was, at any time within so many trades: what is left cannot open the
smallest position, or half is gone. The ways agree where their assumptions hold; docs/risk.md says which is believed.
"""

from math import exp, inf, log, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np

from perpscope.analytics.margin_arrays import Floats

_NORMAL: Final = NormalDist()
#: What looking after each trade, and not all the time, moves a barrier by, in deviations of a trade: -ζ(½)/√(2π)
#: (Broadie, Glasserman & Kou 1997).
_BETWEEN: Final = 0.5825971579390106
#: Accounts drawn at once, so that memory stays small.
_AT_ONCE: Final = 500


def of_stakes(win: float, units: int) -> float:
    """Ruin ever, with stakes that stay the same and win as much as they lose: ((1 - p)/p)^units (gambler's ruin).

    Args:
        win: chance to win, in [0, 1].
        units: losses in a row that take everything, at least 1.

    >>> of_stakes(0.5, 2), round(of_stakes(0.6, 2), 4)
    (1.0, 0.4444)
    """
    return 1.0 if win <= 0.5 else ((1.0 - win) / win) ** units


def of_outcomes(win: float, gain: float, loss: float, floor: float, trades: int) -> float:
    """Ruin within so many trades that gain or lose a fixed fraction of equity each: exact, trade by trade.

    Args:
        win: chance to win.
        gain: fraction of equity, > 0.
        loss: fraction of equity, in (0, 1).
        floor: share of equity at which it is ruin, in (0, 1).
        trades: how many.
    """
    up, down, wall = log(1.0 + gain), log(1.0 - loss), log(floor)
    chances = np.ones(1)  # by number of wins
    ruined = 0.0
    for done in range(1, trades + 1):
        after = np.zeros(done + 1)
        after[1:] = chances * win
        after[:-1] += chances * (1.0 - win)
        wins = np.arange(done + 1)
        is_gone = wins * up + (done - wins) * down <= wall + 1e-12
        ruined += float(after[is_gone].sum())
        after[is_gone] = 0.0
        chances = after
    return ruined


def closed(mean: float, deviation: float, floor: float, trades: int) -> float:
    """Ruin within so many trades of a walk in the logarithm of equity: the inverse Gaussian's closed form.

    Φ((-b - μn)/(σ√n)) + exp(-2μb/σ²)·Φ((-b + μn)/(σ√n)), b = -ln(floor) + 0.5826 σ since equity is looked at after
    each trade. Good where one trade is small beside b.

    Args:
        mean: of ln(1 + return) of a trade.
        deviation: of the same.
        floor: share of equity at which it is ruin, in (0, 1).
        trades: how many.

    >>> closed(0.0, 0.0, 0.5, 100), closed(-0.01, 0.0, 0.5, 100)
    (0.0, 1.0)
    """
    away = -log(floor)
    if deviation <= 0.0:
        return float(mean * trades <= -away)
    barrier = away + _BETWEEN * deviation
    spread = deviation * sqrt(trades)
    reached = _NORMAL.cdf((-barrier - mean * trades) / spread)
    back = _NORMAL.cdf((-barrier + mean * trades) / spread)
    bend = -2.0 * mean * barrier / deviation**2
    return min(1.0, reached + (exp(bend) * back if back > 0.0 and bend < 700.0 else 0.0))


def of_returns(returns: Floats, floor: float, trades: int) -> float | None:
    """`closed` of measured trades; None of fewer than two that left anything.

    Args:
        returns: of equity, a trade each, fractions; one of -1 and below is ruin by itself, and makes it certain enough.
        floor: share of equity at which it is ruin.
        trades: how many are to come.
    """
    if returns.size > 0 and float(returns.min()) <= -1.0:
        return 1.0 - (1.0 - float((returns <= -1.0).mean())) ** trades
    if returns.size < 2:
        return None
    steps = np.log1p(returns)
    return closed(float(steps.mean()), float(steps.std(ddof=1)), floor, trades)


def drawn(returns: Floats, floor: float, trades: int, seed: int, accounts: int = 20_000) -> float | None:
    """Ruin of accounts whose trades are drawn, with return, from those measured; None of fewer than two that left some.

    Args:
        returns: of equity, a trade each, fractions.
        floor: share of equity at which it is ruin.
        trades: how many each account makes.
        seed: the same seed gives the same answer.
        accounts: how many are drawn.
    """
    if returns.size < 2 and not (returns <= -1.0).any():
        return None
    with np.errstate(divide="ignore"):
        steps = np.where(returns > -1.0, np.log1p(np.maximum(returns, -1.0)), -inf)
    wall = log(floor) + 1e-12
    dice = np.random.default_rng(seed)
    ruined = 0
    for begin in range(0, accounts, _AT_ONCE):
        rows = min(_AT_ONCE, accounts - begin)
        equity, alive = np.zeros(rows), np.ones(rows, dtype=bool)
        for done in range(0, trades, _AT_ONCE):
            picked = dice.integers(0, steps.size, (rows, min(_AT_ONCE, trades - done)))
            path = equity[:, None] + np.cumsum(steps[picked], axis=1)
            alive &= (path > wall).all(axis=1)
            equity = path[:, -1]
        ruined += int((~alive).sum())
    return ruined / accounts
