"""What an alert is meant to precede: `move_pct >= 1 in 15m`, judged on minutes that came after it.

In: the price at the end of a minute, and the minutes after it. Out: the outcome's measures, and whether it came true.
The same arithmetic judges the minutes of alerts and all others: that is what makes the others a measure of chance.
"""

import re
from collections.abc import Mapping
from math import sqrt
from typing import Final

import msgspec

from perpscope.analytics.alerts.alert import Side
from perpscope.analytics.alerts.expression import Node, Value, names
from perpscope.analytics.alerts.grammar import Mistake, Unit, parse

#: What an expectation can name, with what it means.
OUTCOMES: Final[Mapping[str, tuple[Unit, str]]] = {
    "move_pct": ("pct", "largest move of the price either way"),
    "rise_pct": ("pct", "largest rise of the price; 0 where it only fell"),
    "fall_pct": ("pct", "largest fall of the price, above 0"),
    "follow_pct": ("pct", "fall after longs were liquidated, rise after shorts; the larger where both are meant"),
    "move_sigma": ("", "largest move either way in standard deviations of the hour before, scaled to the time"),
    "liq_usd": ("usd", "liquidated, both sides"),
    "long_liq_usd": ("usd", "liquidated, longs"),
    "short_liq_usd": ("usd", "liquidated, shorts"),
    "follow_liq_usd": ("usd", "liquidated of the side that the alert is about; of both where it is about none"),
}
_UNITS: Final[Mapping[str, Unit]] = {name: unit for name, (unit, _) in OUTCOMES.items()}
_DIRECTED: Final = frozenset({"follow_pct", "follow_liq_usd"})
_TIME: Final = re.compile(r"^(.*)\sin\s+(\d{1,4})\s*(m|min|h)\s*$", re.DOTALL)
#: Minutes.
MOST_MIN: Final = 480


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """A condition on what comes after, and how long it has."""

    text: str
    condition: Node
    horizon_min: int
    is_directed: bool  #: it asks which side an alert was about


class Ahead(msgspec.Struct, frozen=True, kw_only=True):
    """The minutes after one, summed up."""

    base: float  #: price at the end of the minute, quote per base
    high: float
    low: float
    long_usd: float | None  #: None = nobody watched
    short_usd: float | None
    sigma: float | None  #: of one-minute log returns in the hour before; None where not known


def read(text: str) -> Expectation:
    """Read an expectation.

    Raises:
        Mistake: it means nothing.

    >>> read("move_pct >= 1 in 2h").horizon_min
    120
    """
    matched = _TIME.match(text)
    if matched is None:
        raise Mistake("it says no time", len(text.rstrip()), 'it ends in a time, e.g. "move_pct >= 1 in 15m"')
    horizon = int(matched[2]) * (60 if matched[3] == "h" else 1)
    if not 1 <= horizon <= MOST_MIN:
        raise Mistake(f"{horizon} minutes: 1 to {MOST_MIN} can be judged", matched.start(2))
    condition = parse(matched[1], _UNITS)
    is_directed = bool(_DIRECTED & set(names(condition)))
    return Expectation(text=text, condition=condition, horizon_min=horizon, is_directed=is_directed)


def measured(ahead: Ahead, side: Side | None, horizon_min: int) -> dict[str, Value]:
    """The measures of an outcome; see `OUTCOMES`.

    >>> ahead = Ahead(base=100.0, high=101.0, low=97.0, long_usd=5.0, short_usd=1.0, sigma=None)
    >>> found = measured(ahead, "short", 15)
    >>> round(found["move_pct"], 6), round(found["follow_pct"], 6), found["follow_liq_usd"], found["move_sigma"]
    (3.0, 1.0, 1.0, None)
    """
    rise, fall = max(ahead.high / ahead.base - 1.0, 0.0), max(1.0 - ahead.low / ahead.base, 0.0)
    both = None if ahead.long_usd is None or ahead.short_usd is None else ahead.long_usd + ahead.short_usd
    move = max(rise, fall)
    scale = ahead.sigma * sqrt(horizon_min) if ahead.sigma else None
    return {
        "move_pct": 100.0 * move,
        "rise_pct": 100.0 * rise,
        "fall_pct": 100.0 * fall,
        "follow_pct": 100.0 * {"long": fall, "short": rise, None: move}[side],
        "move_sigma": None if scale is None else move / scale,
        "liq_usd": both,
        "long_liq_usd": ahead.long_usd,
        "short_liq_usd": ahead.short_usd,
        "follow_liq_usd": {"long": ahead.long_usd, "short": ahead.short_usd, None: both}[side],
    }
