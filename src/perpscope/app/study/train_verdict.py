"""Is a model promoted? Every condition of METHOD 11.3, with what was found; a sentence for people."""

from collections.abc import Sequence
from typing import Final

import msgspec

from perpscope.app.study.train_scores import Scores

_MONTHS: Final = 4
_MONTHS_BETTER: Final = 3
_DSR: Final = 0.95
_PBO: Final = 0.3
_ECE: Final = 0.02
_ECE_ROWS: Final = 10_000


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What acting on a model came to, where nothing of it had been chosen."""

    model: str
    trades: int
    net: float  #: sum of net returns, fractions of one notional
    each_bps: float | None  #: net return a trade
    days: int
    sharpe: float | None  #: of a year of daily returns
    deflated: float | None  #: probability that the true ratio is above what luck explains, counting all trials
    trials: int
    overfitting: float | None  #: PBO over all candidates and thresholds


class Check(msgspec.Struct, frozen=True):
    """One condition."""

    asks: str
    found: str
    is_met: bool


def checks(scores: Scores, rule: Rule) -> list[Check]:
    """The conditions."""
    latest = scores.months[-_MONTHS:]
    better = [m.month for m in latest if m.brier_skill.low > 0.0 and m.log_loss_skill.low > 0.0]
    ece = max(side.ece for side in scores.sides.values())
    return [
        Check(
            f"better than climatology (90 % low of both skills > 0) in {_MONTHS_BETTER} of the {_MONTHS} latest months",
            f"{len(better)} of {len(latest)}{': ' + ', '.join(better) if better else ''}",
            len(better) >= _MONTHS_BETTER,
        ),
        Check(f"deflated Sharpe > {_DSR:g}", _told(rule.deflated), rule.deflated is not None and rule.deflated > _DSR),
        Check(
            f"probability of overfitting < {_PBO:g}",
            _told(rule.overfitting),
            rule.overfitting is not None and rule.overfitting < _PBO,
        ),
        Check(
            f"calibration error <= {_ECE:g} on {_ECE_ROWS:,} rows",
            f"{ece:.4f} on {scores.rows:,}",
            ece <= _ECE and scores.rows >= _ECE_ROWS,
        ),
    ]


def sentence(scores: Scores, rule: Rule, points: Sequence[Check]) -> str:
    """The verdict with its figures."""
    skill = scores.log_loss_skill
    told = f"{scores.model}: log loss {skill.value:+.2%} [{skill.low:+.2%}, {skill.high:+.2%}] better than climatology"
    earned = (
        "its rule never acts"
        if not rule.trades
        else f"its rule: {rule.trades:,} trades, {rule.each_bps:+.1f} bp each after costs, deflated Sharpe "
        f"{_told(rule.deflated)} over {rule.trials:,} trials"
    )
    missed = sum(not point.is_met for point in points)
    end = "promoted" if not missed else f"not promoted ({missed} of {len(points)} conditions missed): edge none"
    return f"{told}; {earned}; {end}"


def _told(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"
