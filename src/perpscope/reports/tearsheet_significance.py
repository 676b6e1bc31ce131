"""The tests a run is put to, as rows: what was found, what is asked, and whether it is met, in words."""

from collections.abc import Mapping

import msgspec

from perpscope.model.run import Run
from perpscope.reports.tearsheet_words import money, written
from perpscope.trading.significance.verdict import DSR_LEAST, FEWEST, PLACEBO_MOST

_PBO_MOST = 0.3


class Test(msgspec.Struct, frozen=True):
    """One row."""

    __test__ = False

    name: str
    found: str
    asks: str
    verdict: str  #: met, not met, or cannot be said


def tests_of(run: Run) -> list[Test]:
    """In the order the verdict asks them; those after it are told, and do not decide."""
    found, summary = run.performance, run.summary
    p, dsr, pbo, low = (found.get(name) for name in ("placebo_p", "dsr", "pbo", "sharpe_low"))
    tried = f"{run.trials:,} trial{'' if run.trials == 1 else 's'}"
    share = found.get("top5_share")
    return [
        Test("trades", f"{summary.trades:,}", f"{FEWEST} or more", _met(summary.trades >= FEWEST)),
        Test("net after every cost", money(summary.net, signed=True), "above 0", _met(summary.net > 0.0)),
        Test(
            _random(found),
            written(p, "chance"),
            f"at most {PLACEBO_MOST:g}",
            _met(None if p is None else p <= PLACEBO_MOST),
        ),
        Test(
            f"deflated Sharpe over {tried}",
            written(dsr, "chance"),
            f"above {DSR_LEAST:g}",
            _met(None if dsr is None else dsr > DSR_LEAST),
        ),
        Test("Sharpe, lower end of 95 %", written(low, "ratio"), "above 0", _met(None if low is None else low > 0.0)),
        Test(
            "probability of overfitting",
            written(pbo, "chance"),
            f"below {_PBO_MOST:g}",
            _met(None if pbo is None else pbo < _PBO_MOST),
        ),
        Test(
            "net of the best 5 % of trades",
            written(share, "share"),
            "below 100 %",
            _met(None if share is None else share < 1.0),
        ),
    ]


def _random(found: Mapping[str, float | None]) -> str:
    mean = found.get("placebo_mean")
    came = "" if mean is None else f"; they came to {money(mean, signed=True)} on average"
    return f"random entries of the same days do as well{came}"


def _met(is_met: bool | None) -> str:
    if is_met is None:
        return "— cannot be said"
    return "✓ met" if is_met else "✕ not met"
