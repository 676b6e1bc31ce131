"""Whether there should be more or less money behind a strategy: what was earned, against the documents' goals.

In: runs of one strategy, one after another. Out: `Review`: each goal of S4-64…67 measured with its interval, and a
proposal with its evidence. The goals are the documents' and nobody's promise; the rules of the proposal are `UP` and
`DOWN`, chosen by hand, and ask more of going up than of going down.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Literal

import msgspec
import numpy as np

from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.scorecard.chance import wilson
from perpscope.model.run import Run
from perpscope.trading.honesty import Condition, gate
from perpscope.trading.performance.course import Course
from perpscope.trading.performance.returns import day_ends, of_ends
from perpscope.trading.significance.bootstrap import daily_interval, expectancy_interval

_DAY_MS: Final = 86_400_000
_MONTH: Final = 30.0  #: days
#: What a review can propose at most, either way: more money comes slowly.
UP: Final = 1.5
DOWN: Final = 0.5
#: Drawdown above which less is proposed, and above which no more is.
TOO_DEEP: Final = 0.15
CALM: Final = 0.075

Way = Literal["up", "hold", "down"]


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """One goal of the documents, measured."""

    name: str
    promise: str  #: its number, S4-64 …
    wanted: str
    least: float  #: what is wanted, as a figure
    figure: float | None
    low: float | None  #: 95 %
    high: float | None
    days_wanted: float  #: over which the documents mean it
    state: Literal["met", "missed", "open", "too-short"]  #: open = its interval holds both


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """What a period says about capital."""

    runs: list[str]  #: ids
    kinds: list[str]
    from_ms: int
    to_ms: int
    days: float
    trades: int
    goals: list[Goal]
    capacity: float | None  #: notional of a trade that earned most, quote units; None = not known
    trade_notional: float | None  #: typical, quote units
    way: Way
    factor: float  #: of capital as it is
    evidence: list[str]  #: why, one sentence each
    gate: list[Condition]  #: METHOD 12.8


def reviewed(
    runs: Sequence[Run], *, modelled_slippage: float | None = None, incidents: int | None = None, seed: int = 1
) -> Review:
    """Review the runs of a period.

    Args:
        runs: of one strategy and instrument, in any order; none may begin before another has ended.
        modelled_slippage: as `honesty.gate` takes it.
        incidents: as `honesty.gate` takes it.
        seed: of what is drawn.

    Raises:
        ValueError: there is none, or two overlap: the same time cannot count twice.
    """
    if not runs:
        raise ValueError("a review needs at least one run")
    ordered = sorted(runs, key=lambda run: run.summary.from_ms)
    for before, after in pairwise(ordered):
        if after.summary.from_ms < before.summary.to_ms:
            raise ValueError(f"runs {before.summary.id} and {after.summary.id} overlap")
    daily = np.concatenate([_daily(run) for run in ordered])
    days = sum(run.summary.to_ms - run.summary.from_ms for run in ordered) / _DAY_MS
    met = gate(ordered, modelled_slippage=modelled_slippage, incidents=incidents, seed=seed)
    capacity, typical = (_last(ordered, name) for name in ("capacity_best", "trade_notional"))
    depth = deepest(ordered)
    way, factor, evidence = _proposed(ordered, depth, capacity, typical, met, seed)
    return Review(
        runs=[run.summary.id for run in ordered],
        kinds=sorted({run.summary.kind.value for run in ordered}),
        from_ms=ordered[0].summary.from_ms,
        to_ms=ordered[-1].summary.to_ms,
        days=days,
        trades=sum(len(run.trades) for run in ordered),
        goals=_goals(ordered, daily, days, depth, seed),
        capacity=capacity,
        trade_notional=typical,
        way=way,
        factor=factor,
        evidence=evidence,
        gate=met,
    )


def deepest(runs: Sequence[Run]) -> float:
    """Largest fall from a peak over runs one after another, each beginning with what the last left: fraction."""
    growth, peak, found = 1.0, 1.0, 0.0
    for run in runs:
        deposit = run.summary.deposit
        for equity in [deposit, *run.curve.equity, deposit + run.summary.net]:
            now = growth * equity / deposit
            peak = max(peak, now)
            found = max(found, 1.0 - now / peak)
        growth *= 1.0 + run.summary.net / deposit
    return found


def _goals(runs: Sequence[Run], daily: Floats, days: float, depth: float, seed: int) -> list[Goal]:
    nets = [trade.net for run in runs for trade in run.trades]
    rate = sum(net > 0.0 for net in nets) / len(nets) if nets else None
    win = (None, None) if rate is None else wilson(rate, len(nets))
    growth = float(np.prod([1.0 + run.summary.net / run.summary.deposit for run in runs])) - 1.0
    earned = daily_interval(daily, _growth, seed)
    fallen = daily_interval(daily, _fall, seed)
    month = _a_month(growth, days)
    monthly = (_a_month(earned[0], days), _a_month(earned[1], days))
    rows = [
        ("win-rate", "S4-64", "at least 50 %", 90.0, rate, win, 0.5),
        ("return", "S4-65", "at least +30 %", 90.0, growth, earned, 0.3),
        ("drawdown", "S4-66", "at most 30 %", 90.0, -depth, (_minus(fallen[1]), _minus(fallen[0])), -0.3),
        ("month", "S4-67", "+10 % a month", 180.0, month, monthly, 0.1),
    ]
    return [
        Goal(
            name=name,
            promise=promise,
            wanted=wanted,
            least=least,
            figure=figure,
            low=span[0],
            high=span[1],
            days_wanted=over,
            state=_state(figure, span, least, days >= over),
        )
        for name, promise, wanted, over, figure, span, least in rows
    ]


def _state(
    figure: float | None, span: tuple[float | None, float | None], least: float, is_long: bool
) -> Literal["met", "missed", "open", "too-short"]:
    """Met or missed where the whole interval is, open where it holds both."""
    if not is_long or figure is None:
        return "too-short"
    low, high = span
    if high is not None and high < least:
        return "missed"
    if low is not None and low >= least:
        return "met"
    return "open"


def _proposed(
    runs: Sequence[Run],
    depth: float,
    capacity: float | None,
    typical: float | None,
    met: Sequence[Condition],
    seed: int,
) -> tuple[Way, float, list[str]]:
    trades = [trade for run in runs for trade in run.trades]
    low, high = expectancy_interval(trades, seed)
    against: list[str] = []
    if depth >= TOO_DEEP:
        against.append(f"equity fell {depth:.1%} from its peak, {TOO_DEEP:.0%} is the limit")
    if high is not None and high < 0.0:
        against.append(f"a trade loses on average: the 95 % interval ends at {high:,.4g}")
    if capacity is not None and typical is not None and capacity < typical:
        against.append(f"a trade is {typical:,.0f}, and more than {capacity:,.0f} earned less")
    if against:
        return "down", DOWN, against
    lacking = [f"{one.name}: {_said(one.figure)}, wanted {one.wanted}" for one in met if not one.is_met]
    if depth > CALM:
        lacking.append(f"drawdown: {depth:.1%}, wanted at most {CALM:.1%}")
    if capacity is None or typical is None:
        lacking.append("capacity: not known")
    elif capacity < UP * typical:
        lacking.append(f"capacity: {capacity:,.0f} a trade, wanted {UP * typical:,.0f}")
    if lacking:
        return "hold", 1.0, lacking
    return "up", UP, [f"every condition of the gate is met, a trade earns at least {low:,.4g}, drawdown {depth:.1%}"]


def _said(figure: float | None) -> str:
    return "not known" if figure is None else f"{figure:,.4g}"


def _daily(run: Run) -> Floats:
    span = run.summary.from_ms, run.summary.to_ms
    return of_ends(day_ends(Course.of(run.curve), run.summary.deposit, *span))


def _last(runs: Sequence[Run], name: str) -> float | None:
    """The newest run's figure, where one has it."""
    return next((found for run in reversed(runs) if (found := run.performance.get(name)) is not None), None)


def _growth(daily: Floats) -> float:
    return float(np.prod(1.0 + daily)) - 1.0


def _fall(daily: Floats) -> float:
    equity = np.concatenate([[1.0], np.cumprod(1.0 + daily)])
    return float((1.0 - equity / np.maximum.accumulate(equity)).max())


def _a_month(growth: float | None, days: float) -> float | None:
    if growth is None or days <= 0.0:
        return None
    return -1.0 if growth <= -1.0 else (1.0 + growth) ** (_MONTH / days) - 1.0


def _minus(value: float | None) -> float | None:
    return None if value is None else -value
