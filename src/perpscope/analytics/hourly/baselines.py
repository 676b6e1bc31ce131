"""What others would say of an hour, in dollars a side: to stand beside the map, never mixed into it (METHOD 14b)."""

from typing import Final

import numpy as np

from perpscope.analytics.hourly.grid import Grid
from perpscope.analytics.hourly.tables import PER_HOUR
from perpscope.analytics.liqmap import public_rule
from perpscope.analytics.liqmap.ladder import Ladder
from perpscope.analytics.liqmap.seed import seed_factors
from perpscope.analytics.margin_arrays import Floats

#: Hours of entries: of the ladder; of the public rule (14 days), and how many it needs.
_LADDER_H: Final = 72
_RULE_H: Final = 336
_LEAST_H: Final = 48


def interest_drop(at: Grid) -> Floats:
    """Open interest that vanished in an hour which fell (longs) or rose (shorts), dollars: OI-drop × return, (n, 2)."""
    told = held(at)
    gone = np.maximum(told[:-1:PER_HOUR] - told[PER_HOUR::PER_HOUR], 0.0) * np.exp(at.close)
    fell = np.maximum(at.opened - at.close, 0.0)
    rose = np.maximum(at.close - at.opened, 0.0)
    return np.column_stack([gone * fell, gone * rose]) / 0.01


def held(at: Grid) -> Floats:
    """(12n + 1,) open interest in base units, the last told where none is."""
    known = np.maximum.accumulate(np.where(np.isnan(at.interest), 0, np.arange(at.interest.size)))
    found = at.interest[known]
    first = at.interest[np.flatnonzero(~np.isnan(at.interest))[0]]
    return np.where(np.isnan(found), first, found)


def static_ladder(at: Grid, ladder: Ladder) -> Floats:
    """Open interest spread over the closes of 72 hours, all levels there anew each hour: dollars passed, (n, 2)."""
    lows, highs = at.hourly(at.low).min(axis=1), at.hourly(at.high).max(axis=1)
    worth = held(at)[:-1:PER_HOUR] * np.exp(at.opened)
    found = np.zeros((at.hours.size, 2))
    offsets, weights = ladder.offsets[:, :-1], ladder.weights[:, :-1]
    for hour in range(at.hours.size):
        entries = np.sort(at.path[max(0, PER_HOUR * (hour - _LADDER_H)) : PER_HOUR * hour + 1])
        for side, (low, high) in enumerate(((lows[hour], at.opened[hour]), (at.opened[hour], highs[hour]))):
            passed = np.searchsorted(entries, high - offsets[side]) - np.searchsorted(entries, low - offsets[side])
            found[hour, side] = (weights[side] * passed).sum() / entries.size * worth[hour]
    return found


def public(at: Grid) -> Floats:
    """The public rule (ANCHORS 7) over the 14 days before each hour: dollars of active levels it passed, (n, 2).

    Where no volume is told every hour counts alike.
    """
    found = np.zeros((at.hours.size, 2))
    volume = np.nan_to_num(at.hourly(at.volume).sum(axis=1), nan=1.0) * np.exp(at.close)
    worth = held(at)[PER_HOUR::PER_HOUR] * np.exp(at.close)
    low, high = np.exp(at.hourly(at.low).min(axis=1)), np.exp(at.hourly(at.high).max(axis=1))
    opened, close = np.exp(at.opened), np.exp(at.close)
    leverages, weights = public_rule.leverage_ladder("neutral")
    for hour in range(_LEAST_H, at.hours.size):
        window = slice(max(0, hour - _RULE_H), hour)
        told = public_rule.Hours(
            open=opened[window],
            high=high[window],
            low=low[window],
            close=close[window],
            volume_usd=volume[window],
            open_interest_usd=worth[window],
        )
        entries = public_rule.entries(told)
        long, short = entries.prices[:, None] * seed_factors(leverages, public_rule.BUFFER)[:, None, :]
        after = entries.at + 1
        lowest = np.append(np.minimum.accumulate(told.low[::-1])[::-1], np.inf)[after]
        highest = np.append(np.maximum.accumulate(told.high[::-1])[::-1], -np.inf)[after]
        fallen = (long < np.minimum(lowest, opened[hour])[:, None]) & (long >= low[hour])
        risen = (short > np.maximum(highest, opened[hour])[:, None]) & (short <= high[hour])
        money = entries.shares * worth[hour - 1]
        found[hour] = (money * entries.long) @ (fallen @ weights), (money * (1.0 - entries.long)) @ (risen @ weights)
    return found
