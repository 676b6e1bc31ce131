"""What was liquidated of one instrument on a grid of steps, estimated where its feed is a sample.

In: a reader, an instrument, the steps that were watched. Out: dollars of each side with their doubt, as they could be
told at the time. Where only the end of a grid is estimated, before it stands what was observed.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.sentiment_scale import Floats
from perpscope.app.sentiment.grid import Grid
from perpscope.app.totals.causal import Estimated, Estimator, Side
from perpscope.app.totals.feeds import coin_of
from perpscope.model.instrument import Instrument
from perpscope.model.market import Interval
from perpscope.reports import numerals
from perpscope.stores.reader import SqliteReader

#: Estimated: the day that is shown, and what its first figures look back to.
ESTIMATED_NS: Final = 2 * 86_400_000_000_000
_EVERYTHING: Final = 2**62
_SECOND_NS, _MINUTE_S = 1_000_000_000, 60


class Stepped(msgspec.Struct, frozen=True):
    """Longs liquidated, or shorts; arrays (steps,), NaN where nobody watched or nobody can tell."""

    usd: Floats  #: dollars, best estimate
    observed: Floats  #: dollars
    below: Floats  #: dollars squared, of the estimate down to 5 %: doubts of steps add up
    above: Floats  #: likewise up to 95 %; inf = not bounded

    @property
    def low(self) -> Floats:
        """(steps,) dollars, 5 %."""
        found: Floats = np.maximum(self.usd - np.sqrt(self.below), self.observed)
        return found

    @property
    def high(self) -> Floats:
        """(steps,) dollars, 95 %."""
        found: Floats = self.usd + np.sqrt(self.above)
        return found


class SideTold(msgspec.Struct, frozen=True, kw_only=True):
    """What was liquidated of one side within some hours, all venues together."""

    side: str  #: "long" or "short": whose positions were closed
    hours: float
    observed_usd: float  #: a floor
    estimated_usd: float
    low_usd: float  #: 5 %
    high_usd: float | None  #: 95 %; None = a feed's part is a floor, so nothing bounds it


def estimators_of(
    reader: SqliteReader, instruments: Sequence[Instrument], grid: Grid, length_ns: int = ESTIMATED_NS
) -> dict[str, Estimator]:
    """One for each coin, of so much of the end of a grid."""
    start = max(grid.now_ns - length_ns, grid.start_ns)
    coins = {coin_of(instrument.id) for instrument in instruments}
    return {coin: Estimator(reader, coin, start, grid.now_ns) for coin in coins}


def liquidated(
    instrument: Instrument,
    reader: SqliteReader,
    grid: Grid,
    watched: NDArray[np.bool_],
    estimators: dict[str, Estimator],
) -> tuple[Stepped, Stepped]:
    """Longs and shorts by step; zero where a step was watched without an event.

    Args:
        instrument: whose.
        reader: the store.
        grid: the steps.
        watched: (steps,) whether enough of a step was seen.
        estimators: by coin.
    """
    rows = reader.aggregates(instrument.symbol, grid.start_ns, _EVERYTHING)
    rows = [row for row in rows if row.venue == instrument.venue]
    estimator = estimators[coin_of(instrument.id)]
    told = estimator.estimated(instrument.id)
    first = -(-(estimator.start_ns - grid.start_ns) // grid.step_ns)
    found = []
    for order_side, is_long in (("SELL", True), ("BUY", False)):
        mine = [row for row in rows if row.side == order_side]
        ends = [row.ts_start + Interval.M1.ns for row in mine]
        observed = np.nan_to_num(grid.total(ends, [row.total_notional_usd for row in mine]))
        usd, below, above = observed.copy(), np.zeros(grid.steps), np.zeros(grid.steps)
        usd[first:] = 0.0
        for of_feed in told:
            part = _stepped(of_feed, of_feed.long if is_long else of_feed.short, grid)
            usd[first:] += part[0][first:]
            below[first:] += part[1][first:]
            above[first:] += part[2][first:]
        usd = np.maximum(usd, observed)
        columns = (np.where(watched, column, np.nan) for column in (usd, observed, below, above))
        found.append(Stepped(*columns))
    return found[0], found[1]


def _stepped(found: Estimated, side: Side, grid: Grid) -> tuple[Floats, Floats, Floats]:
    """(steps,) estimate, and the squares of its reach down and up; NaN where more came than the feed can tell."""
    ends = ((found.start + _MINUTE_S) * _SECOND_NS).tolist()
    usd = np.where(found.is_unsure, np.nan, side.usd)
    reach_down, reach_up = (side.usd - side.low) ** 2, (side.high - side.usd) ** 2
    at = grid.places(ends)
    inside = (at >= 0) & (at < grid.steps)
    sums = []
    for values in (usd, reach_down, np.where(side.usd > 0.0, reach_up, 0.0)):
        total = np.zeros(grid.steps)
        np.add.at(total, at[inside], values[inside])
        sums.append(total)
    return sums[0], sums[1], sums[2]


def summed(parts: Sequence[Stepped], steps: int) -> Stepped:
    """Several instruments as one: a hole only where nobody told anything; doubts are taken as independent."""
    if not parts:
        return Stepped(*(np.full(steps, np.nan) for _ in Stepped.__struct_fields__))
    known = np.isfinite(np.vstack([part.usd for part in parts])).any(axis=0)
    columns = (np.vstack([getattr(part, name) for part in parts]) for name in Stepped.__struct_fields__)
    return Stepped(*(np.where(known, np.nansum(column, axis=0), np.nan) for column in columns))


def side_told(name: str, found: Stepped, hours: float, step_s: float) -> SideTold:
    """The last hours of a side in one."""
    steps = max(1, round(hours * 3600.0 / step_s))
    usd, observed, below, above = (
        float(np.nansum(column[-steps:])) for column in (found.usd, found.observed, found.below, found.above)
    )
    return SideTold(
        side=name,
        hours=hours,
        observed_usd=observed,
        estimated_usd=usd,
        low_usd=max(usd - float(np.sqrt(below)), observed),
        high_usd=usd + float(np.sqrt(above)) if np.isfinite(above) else None,
    )


def described(of: SideTold) -> str:
    """An amount with its interval."""
    high = "more" if of.high_usd is None else numerals.usd(of.high_usd)
    return f"{numerals.usd(of.estimated_usd)} ({numerals.usd(of.low_usd)} – {high})"
