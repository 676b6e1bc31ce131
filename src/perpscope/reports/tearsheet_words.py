"""What the figures of a run are called and how they are written: labels, units, verdicts and the tags of its data.

docs/backtest-figures.md gives each figure's formula and source.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from perpscope.model.run import RunKind, RunSummary, Verdict
from perpscope.reports import numerals

KINDS: Final = {RunKind.BACKTEST: "BACKTEST", RunKind.PAPER: "PAPER", RunKind.LIVE: "LIVE"}
DATA: Final = {"observed": "OBSERVED", "demo": "DEMO DATA", "replay": "REPLAY"}

#: The verdict as a heading, and what it means for somebody who would trade it.
VERDICTS: Final = {
    Verdict.TOO_FEW: ("Too few trades", "It needs more data before it is good or bad."),
    Verdict.LOSES: ("Loses after costs", "On this data it gives money away."),
    Verdict.FAILS_NULLS: ("No better than chance", "What it earned, luck explains as well."),
    Verdict.IN_SAMPLE: (
        "In-sample only",
        "It earned where its parameters were chosen, and has not shown it elsewhere.",
    ),
    Verdict.HOLDS: ("Holds on this data", "It passed every test here; that is evidence, not a promise."),
}


class Named(msgspec.Struct, frozen=True):
    """A figure as people read it."""

    group: str
    label: str
    unit: str  #: money, share, bps, ratio, count, days, minutes, chance or yes


_RESULT, _COSTS, _TRADES = "Result", "Costs", "Trades"
_RISK, _USE, _FEW, _LUCK, _SIZE = (
    "Risk and reward",
    "Time and money at work",
    "Concentration",
    "Significance",
    "Capacity",
)

#: Of `performance.measure`, in the order they are shown.
FIGURES: Final[Mapping[str, Named]] = {
    "net": Named(_RESULT, "net PnL", "money"),
    "return": Named(_RESULT, "return on the deposit", "share"),
    "annual_return": Named(_RESULT, "return a year, compound", "share"),
    "days": Named(_RESULT, "length of the run", "days"),
    "days_won": Named(_RESULT, "days that gained", "share"),
    "best_day": Named(_RESULT, "best day", "share"),
    "worst_day": Named(_RESULT, "worst day", "share"),
    "before_costs": Named(_COSTS, "PnL before every cost", "money"),
    "slippage": Named(_COSTS, "slippage against the mid at the decision", "money"),
    "gross": Named(_COSTS, "gross PnL: slippage is in it", "money"),
    "fees": Named(_COSTS, "fees", "money"),
    "funding": Named(_COSTS, "funding paid (below 0: received)", "money"),
    "traded": Named(_COSTS, "notional traded", "money"),
    "fee_share": Named(_COSTS, "fees ÷ gross PnL", "share"),
    "fee_share_of_gains": Named(_COSTS, "fees ÷ gross of the trades that gained", "share"),
    "fees_bps": Named(_COSTS, "fees ÷ notional traded", "bps"),
    "slippage_bps": Named(_COSTS, "slippage ÷ notional traded", "bps"),
    "trades": Named(_TRADES, "trades", "count"),
    "wins": Named(_TRADES, "trades that won", "count"),
    "hit_rate": Named(_TRADES, "hit rate", "share"),
    "hit_low": Named(_TRADES, "hit rate, 95 % from", "share"),
    "hit_high": Named(_TRADES, "hit rate, 95 % to", "share"),
    "mean_win": Named(_TRADES, "mean win", "money"),
    "mean_loss": Named(_TRADES, "mean loss", "money"),
    "payoff": Named(_TRADES, "payoff: mean win ÷ mean loss", "ratio"),
    "profit_factor": Named(_TRADES, "profit factor: wins ÷ losses", "ratio"),
    "expectancy": Named(_TRADES, "net of a trade, mean", "money"),
    "expectancy_low": Named(_TRADES, "net of a trade, 95 % from", "money"),
    "expectancy_high": Named(_TRADES, "net of a trade, 95 % to", "money"),
    "expectancy_bps": Named(_TRADES, "net ÷ notional opened", "bps"),
    "mae_mean": Named(_TRADES, "adverse excursion (MAE), mean", "share"),
    "mae_worst": Named(_TRADES, "adverse excursion, worst", "share"),
    "mfe_mean": Named(_TRADES, "favourable excursion (MFE), mean", "share"),
    "mfe_best": Named(_TRADES, "favourable excursion, best", "share"),
    "minutes_held": Named(_TRADES, "held, mean", "minutes"),
    "longest_losing_streak": Named(_TRADES, "losses in a row, most", "count"),
    "liquidations": Named(_TRADES, "positions liquidated", "count"),
    "max_drawdown": Named(_RISK, "maximum drawdown", "share"),
    "max_drawdown_days": Named(_RISK, "its length, peak to recovery or end", "days"),
    "is_recovered": Named(_RISK, "recovered from it", "yes"),
    "longest_drawdown_days": Named(_RISK, "longest time under water", "days"),
    "sharpe": Named(_RISK, "Sharpe, daily, a year", "ratio"),
    "sharpe_low": Named(_RISK, "Sharpe, 95 % from", "ratio"),
    "sharpe_high": Named(_RISK, "Sharpe, 95 % to", "ratio"),
    "sharpe_days": Named(_RISK, "days it is made of", "count"),
    "sortino": Named(_RISK, "Sortino", "ratio"),
    "calmar": Named(_RISK, "Calmar", "ratio"),
    "es95": Named(_RISK, "expected shortfall of a day, 95 %", "share"),
    "exposure": Named(_USE, "time with a position", "share"),
    "turnover": Named(_USE, "turnover, equities a day", "ratio"),
    "max_leverage": Named(_USE, "leverage, most", "ratio"),
    "nearest_liquidation": Named(_USE, "distance to liquidation, least", "share"),
    "top1_share": Named(_FEW, "net of the best 1 % of trades", "share"),
    "top5_share": Named(_FEW, "net of the best 5 % of trades", "share"),
    "top10_days_share": Named(_FEW, "net of the best ten days", "share"),
    "rests_on_few": Named(_FEW, "nothing is left without the best 5 %", "yes"),
    "trials": Named(_LUCK, "parameter sets tried", "count"),
    "dsr": Named(_LUCK, "deflated Sharpe ratio", "chance"),
    "dsr_of_days": Named(_LUCK, "made of days (else of trades)", "yes"),
    "skew": Named(_LUCK, "skew of its returns", "ratio"),
    "kurtosis": Named(_LUCK, "kurtosis of its returns", "ratio"),
    "pbo": Named(_LUCK, "probability of overfitting (PBO)", "chance"),
    "placebo_p": Named(_LUCK, "random entries do as well", "chance"),
    "placebo_trades": Named(_LUCK, "trades drawn again", "count"),
    "placebo_net": Named(_LUCK, "their own net", "money"),
    "placebo_mean": Named(_LUCK, "net of random entries, mean", "money"),
    "placebo_low": Named(_LUCK, "net of random entries, 2.5 %", "money"),
    "placebo_high": Named(_LUCK, "net of random entries, 97.5 %", "money"),
    "trade_notional": Named(_SIZE, "notional of a trade, mean", "money"),
    "capacity_best": Named(_SIZE, "notional at which net is largest", "money"),
    "capacity_best_net": Named(_SIZE, "net there", "money"),
    "capacity_zero": Named(_SIZE, "notional beyond which it loses", "money"),
}
CAPACITY: Final = "capacity_net_x"


def named(name: str) -> Named:
    """Of a figure; one that is not known here is shown by its own name."""
    if name.startswith(CAPACITY):
        return Named(_SIZE, f"net at {name.removeprefix(CAPACITY)} × the size", "money")
    return FIGURES.get(name, Named(_RESULT, name.replace("_", " "), "ratio"))


def written(value: float | None, unit: str) -> str:
    """A figure with its unit.

    >>> written(0.5, "share"), written(-1234.5, "money"), written(3.0, "count"), written(None, "ratio")
    ('50.00\u2009%', '−1,234.50', '3', '—')
    """
    if value is None:
        return numerals.UNKNOWN
    match unit:
        case "money":
            return money(value)
        case "share":
            return numerals.percent(value)
        case "count":
            return f"{value:,.0f}"
        case "yes":
            return "yes" if value else "no"
        case "chance":
            return f"{value:.3f}"
        case "ratio":
            return f"{value:,.2f}".replace("-", "−")
        case _:
            short = {"days": "d", "minutes": "min"}.get(unit, unit)
            return f"{value:,.2f} {short}".replace("-", "−")


def money(value: float, *, signed: bool = False, places: int | None = None) -> str:
    """Quote units to the hundredth, or four digits of what is smaller; or to as many places as are asked for.

    >>> money(1234.567), money(-0.00123456), money(5, signed=True), money(-0.5, places=4)
    ('1,234.57', '−0.001235', '+5.00', '−0.5000')
    """
    size = abs(value)
    whole = size >= 1.0 or size == 0.0
    text = f"{size:,.{places}f}" if places is not None else f"{size:,.2f}" if whole else f"{size:.4g}"
    sign = "−" if value < 0.0 else "+" if signed and value else ""
    return f"{sign}{text}"


def counted(trades: int) -> str:
    """How many trades.

    >>> counted(1), counted(1200)
    ('1 trade', '1,200 trades')
    """
    return "1 trade" if trades == 1 else f"{trades:,} trades"


def places_of(summary: RunSummary) -> int:
    """Places its trades are told to: a small account's cents need more."""
    return 2 if summary.deposit >= 1000.0 else 4


def tags(summary: RunSummary) -> tuple[str, str]:
    """What it met, and what its data are."""
    return KINDS[summary.kind], DATA.get(summary.data, summary.data.upper())


def quote_of(summary: RunSummary) -> str:
    """What its money is counted in, e.g. "USDT"."""
    parts = summary.instrument.partition(".")[0].split("-")
    return parts[1] if len(parts) > 1 else "quote units"


def base_of(summary: RunSummary) -> str:
    """What its sizes are counted in, e.g. "BTC"."""
    return summary.instrument.partition(".")[0].split("-")[0]
