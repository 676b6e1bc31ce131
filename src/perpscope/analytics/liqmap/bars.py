"""What the map is fed: one bar of one venue's instrument, and the settings of the arithmetic with their sources."""

from math import isfinite, nan
from typing import Final

import msgspec

from perpscope.analytics.margin_arrays import Floats

MINUTE_NS: Final = 60_000_000_000
HOUR_NS: Final = 60 * MINUTE_NS
DAY_NS: Final = 24 * HOUR_NS
#: Ways to guess where positions are opened, METHOD 6.3: turnover and growth of open interest at current prices; at the
#: hot zones only; at the day's average price.
INFLOWS: Final = ("oi_flow", "hot_zone", "vwap")


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Constants of a map. Those without a source are chosen by hand."""

    step: float = 5e-4  #: width of a bin, log price; METHOD 6.2
    turnover: float = 0.3  #: opened a bar beyond what open interest tells, share of volume; METHOD 14b
    assumed_turnover: float = 3e-4  #: where no volume is known: a minute of usual range, share of open interest
    most_activity: float = 20.0  #: range ÷ usual range counts for at most so much
    usual_days: float = 7.0  #: memory of what range is usual; METHOD, conventions
    most_closed: float = 0.98  #: share of a side that turnover may close in one bar; the prototype's
    near: float = 0.015  #: |log return| of a position that is near its entry; METHOD 6.5
    hazards: tuple[float, float, float] = (0.58, 0.90, 1.34)  #: of closing: near, in loss, in gain; METHOD 6.5
    start_spread: float = 0.03  #: standard deviation of the first positions' entries, log price; the prototype's
    cleared_half_life_h: float = 12.0  #: METHOD 6.9
    memory: float = 1.0 - 1e-5  #: of what was learnt, a minute; METHOD 6.7
    prior_conversion: float = 0.05  #: forced orders ÷ mass that was passed, before any was seen; METHOD 14b, 1/80–1/4
    prior_exposure: float = 0.02  #: weight of the prior of all classes together, in open interest; that of 14b
    alike_exposure: float = 10.0  #: weight in a class of what all together learnt, in open interest; METHOD 14b's hours
    side_exposure: float = 50.0  #: swept mass in open interest from which a side learns for itself; METHOD 6.7
    hot_score: float = 1.5  #: robust z of open interest's growth and of volume in a hot zone; METHOD 6.3
    hot_points: int = 200  #: bars needed before one can be hot; METHOD, conventions
    hot_half_life_h: float = 24.0  #: for how long a hot zone draws what is opened
    score_days: float = 7.0  #: memory of the models' scores; METHOD 6.3
    least_weight: float = 0.05  #: of a model in the blend; METHOD 6.3
    barred: tuple[str, ...] = ("vwap",)  #: inflows whose least weight is 0; METHOD 14b
    hold_minutes: float = 5.0  #: a longer silence makes the map stale; METHOD 6.5


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One bar of market data, complete when it is handed over. nan = not known."""

    ts: int  #: ns UTC, its end
    low: float  #: lowest mark price, quote per base
    high: float  #: highest
    close: float  #: mark price at its end
    vwap: float = nan  #: average price of its trades; the middle of the range where not known
    volume: float = nan  #: base units traded
    open_interest: float = nan  #: base units, one side, at its end
    liquidated_long: float = nan  #: base units of longs closed by force: an estimate of all there were
    liquidated_short: float = nan
    told_later: bool = False  #: its liquidations are in the two figures of the next bar of which this is not so
    trust: float = 1.0  #: of these two, in (0, 1]: 1 where the feed is complete, 1 ÷ (1 + cv²) of an estimate
    funding_8h: float = nan  #: fraction for 8 hours
    traded: tuple[Floats, Floats] | None = None  #: prices and base units of its trades, where there is a histogram


def check(bar: Bar, before: int | None) -> None:
    """Refuse a bar that cannot be one.

    Args:
        bar: to be checked.
        before: end of the bar before it, ns UTC.

    Raises:
        ValueError: its prices are out of order or not above 0, a size is below 0, or it is not later.
    """
    if not (isfinite(bar.low) and isfinite(bar.high) and 0.0 < bar.low <= bar.close <= bar.high):
        raise ValueError(f"prices must be 0 < low {bar.low:g} <= close {bar.close:g} <= high {bar.high:g}")
    for name in ("volume", "open_interest", "liquidated_long", "liquidated_short"):
        value = getattr(bar, name)
        if value < 0.0 or value == float("inf"):
            raise ValueError(f"{name} {value:g} must be 0 or more")
    if not 0.0 < bar.trust <= 1.0:
        raise ValueError(f"trust {bar.trust:g} must lie in (0, 1]")
    if before is not None and bar.ts <= before:
        raise ValueError(f"a bar that ends at {bar.ts} cannot follow one that ends at {before}")
