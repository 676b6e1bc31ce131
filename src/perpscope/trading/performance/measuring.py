"""All figures of a run by name, and what they are made of: trades, the course of equity, and what nulls need."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.margin_arrays import Floats
from perpscope.model.run import RunCurve, RunTrade
from perpscope.trading.performance import concentration, costs, ratios, returns
from perpscope.trading.performance.capacity import Impact, capacity
from perpscope.trading.performance.course import Course
from perpscope.trading.performance.drawdown import drawdown
from perpscope.trading.performance.trades import Figures, of_trades
from perpscope.trading.significance import bootstrap, deflated
from perpscope.trading.significance.overfitting import overfitting
from perpscope.trading.significance.placebo import Prices, placebo

#: Days below which luck is judged by trades instead of days.
FEW_DAYS: Final = 20
_DAY_MS: Final = 86_400_000


class Grounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a run alone does not know, as far as it is known."""

    trials: int = 1  #: parameter sets tried on this data, this one among them: from the trial register
    sharpes: Sequence[float] = ()  #: of the trials, a year: what their spread is taken from
    daily: Floats | None = None  #: (days, trials) daily returns of each trial, for PBO
    prices: Prices | None = None  #: of the instrument, for the placebo
    impact: Impact | None = None  #: of the cost model, for capacity
    seed: int = 0


def measure(
    trades: Sequence[RunTrade],
    course: Course | RunCurve,
    deposit: float,
    *,
    from_ms: int,
    to_ms: int,
    grounds: Grounds | None = None,
) -> Figures:
    """Every figure of METHOD 12.6 by its name; None where it cannot be said.

    Args:
        trades: closed, in order of time.
        course: equity, whole where there is a whole one: a thinned curve gives other days' ends.
        deposit: equity at the begin, quote units, > 0.
        from_ms: begin of the run, ms UTC.
        to_ms: its end.
        grounds: what nulls and capacity need.

    Raises:
        ValueError: the run ends before it begins, or without a deposit.
    """
    if deposit <= 0.0:
        raise ValueError(f"a run cannot be measured on a deposit of {deposit:g}")
    known = grounds or Grounds()
    whole = Course.of(course) if isinstance(course, RunCurve) else course
    ends = returns.day_ends(whole, deposit, from_ms, to_ms)
    daily = returns.of_ends(ends)
    return {
        **of_trades(trades),
        **costs.of_costs(trades),
        **_of_equity(whole, deposit, (from_ms, to_ms)),
        **_of_days(daily, known.seed),
        **_of_each(trades, known.seed),
        **_of_use(trades, whole, deposit, (from_ms, to_ms)),
        **_of_few(trades, np.diff(ends)),
        **_of_luck(trades, daily, known),
        **_of_capacity(trades, known.impact),
        **_of_placebo(trades, known),
    }


def _of_equity(course: Course, deposit: float, span: tuple[int, int]) -> Figures:
    last = float(course.equity[-1]) if course.equity.size else deposit
    fall = drawdown(course.at_ms, course.equity, deposit, span[0])
    days = (span[1] - span[0]) / _DAY_MS
    return {
        "days": days,
        "return": last / deposit - 1.0,
        "annual_return": ratios.annual_return(last / deposit, days),
        "max_drawdown": fall.depth,
        "max_drawdown_days": fall.days,
        "is_recovered": float(fall.is_recovered),
        "longest_drawdown_days": fall.longest_days,
        "calmar": ratios.calmar(last / deposit, days, fall.depth),
    }


def _of_days(daily: Floats, seed: int) -> Figures:
    low, high = bootstrap.daily_interval(daily, ratios.sharpe, seed)
    return {
        "sharpe": ratios.sharpe(daily),
        "sharpe_low": low,
        "sharpe_high": high,
        "sharpe_days": float(daily.size),
        "sortino": ratios.sortino(daily),
        "es95": ratios.expected_shortfall(daily),
        "worst_day": float(daily.min()),
        "best_day": float(daily.max()),
        "days_won": float((daily > 0.0).mean()),
    }


def _of_each(trades: Sequence[RunTrade], seed: int) -> Figures:
    """How sure the mean net of a trade is."""
    low, high = bootstrap.expectancy_interval(trades, seed)
    return {"expectancy_low": low, "expectancy_high": high}


def _of_use(trades: Sequence[RunTrade], course: Course, deposit: float, span: tuple[int, int]) -> Figures:
    """How much of the time and of the money was at work."""
    lasted = span[1] - span[0]
    held = sum(trade.closed_ms - trade.opened_ms for trade in trades)
    equity = float(course.equity.mean()) if course.equity.size else deposit
    with_room = [np.abs(room) for room in (_room(course),) if room is not None and room.size]
    return {
        "exposure": min(held / lasted, 1.0) if lasted else None,
        "turnover": costs.traded(trades) / equity / (lasted / _DAY_MS) if lasted and equity > 0.0 else None,
        "max_leverage": _most_leverage(course),
        "nearest_liquidation": float(with_room[0].min()) if with_room else None,
    }


def _room(course: Course) -> Floats | None:
    """Distance of the mark from liquidation, fraction, while something is held."""
    if course.price is None or course.liquidation is None:
        return None
    held = ~np.isnan(course.liquidation)
    found: Floats = course.liquidation[held] / course.price[held] - 1.0
    return found


def _most_leverage(course: Course) -> float | None:
    """Largest |position| · price ÷ equity; rows without equity do not count."""
    if course.price is None:
        return None
    alive = course.equity > 0.0
    return float((np.abs(course.position[alive]) * course.price[alive] / course.equity[alive]).max(initial=0.0))


def _of_few(trades: Sequence[RunTrade], by_day: Floats) -> Figures:
    nets = np.array([trade.net for trade in trades])
    rests = concentration.rests_on_few(nets)
    return {
        "top1_share": concentration.top_share(nets, concentration.of_trades(nets.size, 0.01)),
        "top5_share": concentration.top_share(nets, concentration.of_trades(nets.size, 0.05)),
        "top10_days_share": concentration.top_share(by_day, 10),
        "rests_on_few": None if rests is None else float(rests),
    }


def _of_luck(trades: Sequence[RunTrade], daily: Floats, known: Grounds) -> Figures:
    """DSR of days, or of trades where there are few days; PBO where the trials' days are known."""
    by_trade = np.array([trade.net / (trade.size * trade.entry) for trade in trades])
    is_daily = daily.size >= FEW_DAYS
    found = deflated.shape(daily if is_daily else by_trade)
    spread = float(np.var(known.sharpes, ddof=1)) / ratios.YEAR if is_daily and len(known.sharpes) > 1 else None
    return {
        "trials": float(known.trials),
        "skew": found.skew if found else None,
        "kurtosis": found.kurtosis if found else None,
        "dsr": deflated.deflated(found, known.trials, spread) if found else None,
        "dsr_of_days": float(is_daily) if found else None,
        "pbo": None if known.daily is None else overfitting(known.daily),
    }


def _of_capacity(trades: Sequence[RunTrade], impact: Impact | None) -> Figures:
    if impact is None or not trades:
        return {"capacity_best": None, "capacity_best_net": None, "capacity_zero": None, "trade_notional": None}
    found = capacity(trades, impact)
    typical = float(np.mean([trade.size * trade.entry for trade in trades]))
    return {
        **{f"capacity_net_x{multiple:g}": net for multiple, net in found.net.items()},
        "capacity_best": None if found.best_multiple is None else found.best_multiple * typical,
        "capacity_best_net": found.best_net,
        "capacity_zero": None if found.zero_multiple is None else found.zero_multiple * typical,
        "trade_notional": typical,
    }


def _of_placebo(trades: Sequence[RunTrade], known: Grounds) -> Figures:
    found = None if known.prices is None else placebo(trades, known.prices, known.seed)
    return {
        "placebo_p": found.p if found else None,
        "placebo_net": found.net if found else None,
        "placebo_mean": found.mean if found else None,
        "placebo_low": found.low if found else None,
        "placebo_high": found.high if found else None,
        "placebo_trades": float(found.trades) if found else None,
    }
