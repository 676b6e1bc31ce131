"""What trades were like one by one: how often they won, how much, and how far they went either way."""

from collections.abc import Sequence

import numpy as np

from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.scorecard.chance import wilson
from perpscope.model.run import RunTrade

Figures = dict[str, float | None]


def of_trades(trades: Sequence[RunTrade]) -> Figures:
    """Hit rate with its Wilson interval, payoff, profit factor, expectancy, MAE and MFE, and how long they lasted.

    A trade wins when its net is above 0; one of exactly 0 neither wins nor loses, and counts in the hit rate's base.
    """
    nets = np.array([trade.net for trade in trades])
    won, lost = nets[nets > 0.0], nets[nets < 0.0]
    rate = won.size / nets.size if nets.size else None
    low, high = (None, None) if rate is None else _within(wilson(rate, nets.size))
    mean_win, mean_loss = mean(won), mean(lost)
    opened = sum(trade.size * trade.entry for trade in trades)
    return {
        "trades": float(nets.size),
        "wins": float(won.size),
        "hit_rate": rate,
        "hit_low": low,
        "hit_high": high,
        "mean_win": mean_win,
        "mean_loss": mean_loss,
        "payoff": None if mean_win is None or mean_loss is None else mean_win / -mean_loss,
        "profit_factor": float(won.sum() / -lost.sum()) if lost.size else None,
        "expectancy": mean(nets),
        "expectancy_bps": float(nets.sum()) / opened * 1e4 if opened else None,
        "mae_mean": mean(np.array([trade.worst for trade in trades])),
        "mae_worst": min((trade.worst for trade in trades), default=None),
        "mfe_mean": mean(np.array([trade.best for trade in trades])),
        "mfe_best": max((trade.best for trade in trades), default=None),
        "minutes_held": mean(np.array([(trade.closed_ms - trade.opened_ms) / 60_000 for trade in trades])),
        "longest_losing_streak": float(losing_streak(nets)),
        "liquidations": float(sum(trade.is_liquidated for trade in trades)),
    }


def mean(values: Floats) -> float | None:
    """None of nothing."""
    return float(values.mean()) if values.size else None


def losing_streak(nets: Floats) -> int:
    """Most trades in a row whose net was below 0.

    >>> losing_streak(np.array([-1.0, -1.0, 2.0, -1.0]))
    2
    """
    longest = running = 0
    for net in nets.tolist():
        running = running + 1 if net < 0.0 else 0
        longest = max(longest, running)
    return longest


def _within(edges: tuple[float, float]) -> tuple[float, float]:
    """An interval of a share, its rounding errors beyond 0 and 1 cut off."""
    low, high = edges
    return max(0.0, low), min(1.0, high)
