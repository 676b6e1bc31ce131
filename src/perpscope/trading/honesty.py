"""The honesty gate (B20): what a configuration costs, how likely it ruins, whether its wins are luck, and the gate.

In: a plan and a run's trades. Out: `Honesty`, every figure with what it is made of, and `gate`, METHOD 12.8 condition
by condition. Nothing here is a promise: S4-64…67 are measured against, never assumed.
"""

from collections.abc import Sequence
from math import exp, lgamma, log, log1p
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.scorecard.chance import wilson
from perpscope.model.run import Run, RunKind, RunTrade
from perpscope.trading import ruin
from perpscope.trading.economics import Plan, break_even_move, largest
from perpscope.trading.significance.bootstrap import expectancy_interval
from perpscope.trading.significance.deflated import deflated, shape

_DAY_MS: Final = 86_400_000
#: Trades ahead that ruin is reckoned over, unless the run's own pace for a year is less.
AHEAD: Final = 1000

# METHOD 12.8.
DAYS: Final = 60.0
TRADES: Final = 300
DSR: Final = 0.95
SLIPPAGE: Final = 1.25


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One condition of the gate."""

    name: str  #: kebab-case
    wanted: str  #: in words
    figure: float | None  #: None = not known, and not met
    is_met: bool


class Honesty(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be known before money is put behind a configuration."""

    trades: int
    days: float
    break_even_move: float  #: fraction of price until nothing is lost, of the plan
    fee_drag: float | None  #: fees, fraction of capital a year at this pace
    funding_drag: float | None  #: funding paid, fraction of capital a year
    slippage_drag: float | None
    net_a_year: float | None  #: net, fraction of capital a year, not compounded
    win_rate: float | None
    win_low: float | None  #: Wilson, 95 %
    win_high: float | None
    needed_win_rate: float | None  #: at which these wins and losses, after costs, come to nothing
    luck: float | None  #: chance of so many wins, or more, for somebody who wins just as often as is needed
    expectancy: float | None  #: net of a trade, quote units
    expectancy_low: float | None  #: 95 %, days drawn again
    expectancy_high: float | None
    ruin_floor: float  #: share of capital at which it is ruin: the smallest order cannot be opened any more
    ruin_trades: int  #: trades ahead it is reckoned over
    ruin_closed: float | None
    ruin_drawn: float | None
    half_closed: float | None  #: chance that half is gone on the way
    half_drawn: float | None
    is_agreed: bool | None  #: both ways within 0.01; where not, single trades are too large for the closed form


def honest(run: Run, plan: Plan, smallest: float, *, seed: int = 1) -> Honesty:
    """What a run says about its configuration.

    Args:
        run: whole.
        plan: what it was traded by; its capital is the run's deposit.
        smallest: notional of the smallest order, quote units.
        seed: of what is drawn.
    """
    trades, days = run.trades, (run.summary.to_ms - run.summary.from_ms) / _DAY_MS
    told = {
        **_drags(trades, days, plan.capital),
        **_luck(trades),
        **_ruin(trades, days, plan, smallest, seed),
    }
    low, high = expectancy_interval(trades, seed)
    return msgspec.convert(
        {
            **told,
            "trades": len(trades),
            "days": days,
            "break_even_move": break_even_move(plan),
            "expectancy": _sum(trades, "net") / len(trades) if trades else None,
            "expectancy_low": low,
            "expectancy_high": high,
        },
        Honesty,
    )


def _drags(trades: Sequence[RunTrade], days: float, capital: float) -> dict[str, float | None]:
    yearly = 365.0 / days / capital if days > 0.0 else None
    names = {"fee_drag": "fees", "funding_drag": "funding", "slippage_drag": "slippage", "net_a_year": "net"}
    return {name: None if yearly is None else _sum(trades, of) * yearly for name, of in names.items()}


def _luck(trades: Sequence[RunTrade]) -> dict[str, float | None]:
    won = sum(trade.net > 0.0 for trade in trades)
    needed = needed_win_rate([trade.net for trade in trades])
    rate = won / len(trades) if trades else None
    low, high = (None, None) if rate is None else wilson(rate, len(trades))
    return {
        "win_rate": rate,
        "win_low": low,
        "win_high": high,
        "needed_win_rate": needed,
        "luck": None if needed is None else at_least(won, len(trades), needed),
    }


def _ruin(
    trades: Sequence[RunTrade], days: float, plan: Plan, smallest: float, seed: int
) -> dict[str, float | int | bool | None]:
    floor = min(0.95, max(1e-6, smallest / largest(plan, is_closing_fee_kept=True)))
    ahead = AHEAD if days <= 0.0 else max(1, min(AHEAD, round(len(trades) * 365.0 / days)))
    returns = of_equity(trades, plan.capital)
    closed, drawn = ruin.of_returns(returns, floor, ahead), ruin.drawn(returns, floor, ahead, seed)
    return {
        "ruin_floor": floor,
        "ruin_trades": ahead,
        "ruin_closed": closed,
        "ruin_drawn": drawn,
        "half_closed": ruin.of_returns(returns, 0.5, ahead),
        "half_drawn": ruin.drawn(returns, 0.5, ahead, seed),
        "is_agreed": None if closed is None or drawn is None else abs(closed - drawn) <= 0.01,
    }


def of_equity(trades: Sequence[RunTrade], capital: float) -> Floats:
    """What each trade brought as a fraction of the equity it began with; trades after nothing was left do not count."""
    equity = capital
    found: list[float] = []
    for trade in trades:
        if equity <= 0.0:
            break
        found.append(trade.net / equity)
        equity += trade.net
    return np.array(found)


def needed_win_rate(nets: Sequence[float]) -> float | None:
    """Win rate at which wins and losses of this size come to nothing: L/(W + L); None without both.

    >>> needed_win_rate([3.0, -1.0, -1.0])
    0.25
    """
    won, lost = [net for net in nets if net > 0.0], [-net for net in nets if net <= 0.0]
    if not won or sum(lost) <= 0.0:
        return None
    mean_loss = sum(lost) / len(lost)
    return mean_loss / (sum(won) / len(won) + mean_loss)


def at_least(wins: int, trades: int, rate: float) -> float:
    """Chance of so many wins or more in independent trades that win at a rate: the binomial tail, exact.

    >>> round(at_least(8, 10, 0.5), 6)
    0.054688
    """
    found = 0.0
    for k in range(wins, trades + 1):
        ways = lgamma(trades + 1) - lgamma(k + 1) - lgamma(trades - k + 1)
        found += exp(ways + k * log(rate) + (trades - k) * log1p(-rate))
    return min(1.0, found)


def gate(
    runs: Sequence[Run], *, modelled_slippage: float | None = None, incidents: int | None = None, seed: int = 1
) -> list[Condition]:
    """METHOD 12.8: what paper has to have shown before the real exchange, condition by condition.

    Runs that are not on paper do not count. What is not known is not met.

    Args:
        runs: of one strategy with one set of parameters.
        modelled_slippage: what the cost model expected of the same fills, quote units; paper and live tell it.
        incidents: differences between the exchange and us that nobody has settled; None = nobody counted.
        seed: of what is drawn.
    """
    paper = [run for run in runs if run.summary.kind is RunKind.PAPER]
    trades = [trade for run in paper for trade in run.trades]
    seen = sum((run.summary.to_ms - run.summary.from_ms) * run.summary.coverage for run in paper) / _DAY_MS
    low, _ = expectancy_interval(trades, seed)
    dsr = _dsr(paper)
    ratio = None
    if trades and modelled_slippage is not None and modelled_slippage > 0.0:
        ratio = _sum(trades, "slippage") / modelled_slippage
    return [
        Condition(name="days-on-paper", wanted=f"at least {DAYS:g}", figure=seen, is_met=seen >= DAYS),
        Condition(name="trades", wanted=f"at least {TRADES}", figure=float(len(trades)), is_met=len(trades) >= TRADES),
        Condition(name="deflated-sharpe", wanted=f"above {DSR:g}", figure=dsr, is_met=dsr is not None and dsr > DSR),
        Condition(
            name="expectancy", wanted="its 95 % interval above 0", figure=low, is_met=low is not None and low > 0.0
        ),
        Condition(
            name="slippage",
            wanted=f"at most {SLIPPAGE:g} times the model's",
            figure=ratio,
            is_met=ratio is not None and ratio <= SLIPPAGE,
        ),
        Condition(
            name="incidents",
            wanted="none unsettled",
            figure=None if incidents is None else float(incidents),
            is_met=incidents == 0,
        ),
    ]


def _dsr(paper: Sequence[Run]) -> float | None:
    """Of one run that of its days, as it was measured; of several that of their trades together."""
    if len(paper) == 1:
        return paper[0].performance.get("dsr")
    moments = shape(np.array([trade.net / (trade.size * trade.entry) for run in paper for trade in run.trades]))
    return None if moments is None else deflated(moments, max(run.trials for run in paper))


def _sum(trades: Sequence[RunTrade], name: str) -> float:
    return float(sum(getattr(trade, name) for trade in trades))
