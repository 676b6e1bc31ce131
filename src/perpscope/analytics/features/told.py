"""What features are made of: one row a minute of what was known when its candle closed, and how old each part was.

A row holds the newest word of each source that had come by then, never a later one. NaN = not told. Rows are one
minute apart: a minute without a candle is a row of NaN (see `grid`).
"""

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats

Stamps = NDArray[np.int64]
MINUTE_NS: Final = 60_000_000_000

#: Source of what is told → seconds after which its word counts as too old to be used (chosen by hand: a few times its
#: usual distance; ratios come every five minutes).
SOURCES: Final[Mapping[str, float]] = {
    "candle": 60.0,
    "book": 10.0,
    "interest": 600.0,
    "mark": 30.0,
    "funding": 90_000.0,
    "ratio": 1200.0,
    "liquidations": 120.0,
    "map": 1200.0,
    "lead": 90.0,
}

#: Column → its source. Prices are quote per base, volumes base units, rates fractions.
INPUTS: Final[Mapping[str, str]] = {
    "close": "candle",
    "high": "candle",
    "low": "candle",
    "volume": "candle",
    "taker_buy": "candle",  # base units bought by takers
    "imbalance_1": "book",  # (bids − asks) ÷ (bids + asks) of the best level, mean of the last ten seconds
    "imbalance_5": "book",
    "imbalance_10": "book",
    "spread_bps": "book",
    "depth_10": "book",  # dollars within 10 bps of the mid, both sides
    "depth_50": "book",
    "micro_bps": "book",  # micro-price − mid
    "order_flow": "book",  # best-level order-flow imbalance of the minute ÷ mean depth of the best level
    "open_interest": "interest",  # base units
    "funding": "mark",  # rate of the interval that runs, as for eight hours
    "to_funding": "mark",  # minutes
    "funding_paid": "funding",  # the last rate that was paid, as for eight hours
    "mark": "mark",
    "index": "mark",
    "accounts": "ratio",  # ln(long ÷ short accounts)
    "top": "ratio",  # ln(long ÷ short positions of top traders)
    "liquidated_long": "liquidations",  # dollars of the minute
    "liquidated_short": "liquidations",
    "above": "map",  # nearest top-decile cluster above, quote per base
    "above_usd": "map",
    "below": "map",
    "below_usd": "map",
    "pull": "map",  # (force above − force below) ÷ their sum
    "near_usd": "map",  # dollars within one standard deviation of an hour
    "lead_close": "lead",  # of bitcoin, for every other coin
}
COLUMN: Final = {name: place for place, name in enumerate(INPUTS)}
SOURCE: Final = {name: place for place, name in enumerate(SOURCES)}
_LIMITS: Final = np.array([*SOURCES.values()])
_OF: Final = np.array([SOURCE[source] for source in INPUTS.values()])


class Told(msgspec.Struct, frozen=True):
    """Minutes of one instrument, oldest first.

    Args:
        ts: (n,) closes of the minutes, ns UTC, one minute apart.
        values: (n, columns) by `COLUMN`.
        ages: (n, sources) by `SOURCE`: seconds since the source spoke, at the close; NaN = never.
    """

    ts: Stamps
    values: Floats
    ages: Floats

    def column(self, name: str) -> Floats:
        """(n,) One column, NaN where it was not told or its word was too old."""
        values, ages = self.values[:, COLUMN[name]], self.ages[:, _OF[COLUMN[name]]]
        found: Floats = np.where(ages <= SOURCES[INPUTS[name]], values, np.nan)
        return found

    def until(self, count: int) -> "Told":
        """The first so many minutes."""
        return Told(self.ts[:count], self.values[:count], self.ages[:count])


def grid(ts: Stamps, columns: Mapping[str, Floats], ages: Mapping[str, Floats] | None = None) -> Told:
    """Rows in order of time as minutes without a hole.

    Args:
        ts: (rows,) closes, ns UTC, ascending, whole minutes.
        columns: (rows,) each, by name of `INPUTS`; one that is missing was never told.
        ages: (rows,) seconds each, by name of `SOURCES`; the source of a column without an age has just spoken.

    >>> grid(np.array([60, 180]) * 1_000_000_000, {"close": np.array([1.0, 2.0])}).column("close")
    array([ 1., nan,  2.])
    """
    place = (ts - ts[0]) // MINUTE_NS
    count = int(place[-1]) + 1
    values, aged = np.full((count, len(INPUTS)), np.nan), np.full((count, len(SOURCES)), np.nan)
    for name, column in columns.items():
        values[place, COLUMN[name]] = column
        aged[place, SOURCE[INPUTS[name]]] = 0.0
    for source, age in (ages or {}).items():
        aged[place, SOURCE[source]] = age
    return Told(ts[0] + np.arange(count) * MINUTE_NS, values, aged)


def stale(ages: Floats) -> list[str]:
    """Names of the sources that spoke once and whose word is too old now, of one row of ages.

    >>> stale(np.array([0.0, 11.0, *[np.nan] * 7]))
    ['book']
    """
    with np.errstate(invalid="ignore"):
        return [name for name, is_old in zip(SOURCES, ages > _LIMITS, strict=True) if is_old]
