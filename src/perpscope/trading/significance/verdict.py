"""The verdict: what may be said of a strategy on this data, and the sentence that says it with its figures.

The first of these that is so: too few trades; it loses after costs; it fails a null (random entries, or luck among all
trials); what it earned, it earned where its parameters were chosen; else it holds. A null that could not be put to the
test has not been passed.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from perpscope.model.run import RunTrade, Verdict

#: Trades below which nothing can be said.
FEWEST: Final = 30
#: Chance of random entries above which the entries have shown nothing.
PLACEBO_MOST: Final = 0.05
#: Deflated Sharpe a result has to be above (METHOD 11.3, 12.8).
DSR_LEAST: Final = 0.95


def judged(
    trades: Sequence[RunTrade], figures: Mapping[str, float | None], *, chosen_until_ms: int | None = None
) -> tuple[Verdict, str]:
    """The verdict and why.

    Args:
        trades: of the run, closed.
        figures: what `performance.measure` made of them.
        chosen_until_ms: end of the data the parameters were chosen on, where they were chosen on some of this data:
            only trades opened later can show that it holds. None = they were fixed before, or each was chosen on
            earlier data alone (walk-forward).
    """
    if len(trades) < FEWEST:
        plural = "" if len(trades) == 1 else "s"
        return Verdict.TOO_FEW, f"{len(trades)} trade{plural}: below {FEWEST} nothing can be said."
    net, gross = sum(trade.net for trade in trades), sum(trade.gross for trade in trades)
    if net <= 0.0:
        return Verdict.LOSES, _loses(len(trades), net, gross)
    failed = _failed(figures)
    if failed:
        return Verdict.FAILS_NULLS, f"It earned {net:,.2f} in {len(trades):,} trades, but {'; and '.join(failed)}."
    if chosen_until_ms is not None:
        later = [trade.net for trade in trades if trade.opened_ms >= chosen_until_ms]
        if len(later) < FEWEST or sum(later) <= 0.0:
            return Verdict.IN_SAMPLE, f"It earned {net:,.2f} in all; {_since(later)}."
    return Verdict.HOLDS, _holds(len(trades), net, figures)


def _loses(count: int, net: float, gross: float) -> str:
    lost = f"{count:,} trades lost {-net:,.2f} after costs, {-net / count:,.4g} each"
    if gross > 0.0:
        return f"{lost}: {gross:,.2f} gross did not pay them."
    return f"{lost}, and {-gross:,.2f} of it before fees and funding."


def _failed(figures: Mapping[str, float | None]) -> list[str]:
    """What speaks against it, in words."""
    found = []
    chance, luck = figures.get("placebo_p"), figures.get("dsr")
    if chance is None:
        found.append("it was not put beside random entries")
    elif chance > PLACEBO_MOST:
        found.append(
            f"random entries of the same days did as well in {chance:.1%} of draws (at most {PLACEBO_MOST:.0%})"
        )
    if luck is None:
        found.append("its luck cannot be judged")
    elif luck <= DSR_LEAST:
        found.append(f"its deflated Sharpe is {luck:.3f} over {_trials(figures)} (above {DSR_LEAST:g} is asked)")
    return found


def _since(later: Sequence[float]) -> str:
    """What came after the parameters were chosen, too little or too bad."""
    if not later:
        return "no trade after the data its parameters were chosen on"
    way = "lost" if sum(later) < 0.0 else "earned"
    return f"{way} {abs(sum(later)):,.2f} in {len(later):,} trades after the data its parameters were chosen on"


def _holds(count: int, net: float, figures: Mapping[str, float | None]) -> str:
    words = (
        f"{count:,} trades earned {net:,.2f}; random entries did as well in {figures['placebo_p']:.1%} of draws, "
        f"deflated Sharpe {figures['dsr']:.3f} over {_trials(figures)}."
    )
    if figures.get("rests_on_few"):
        words += " It rests on few: without the best 5 % of trades nothing is left."
    return words


def _trials(figures: Mapping[str, float | None]) -> str:
    count = int(figures.get("trials") or 1)
    return "1 trial" if count == 1 else f"{count:,} trials"
