"""Other ways to say where positions will be closed, to be scored beside the map: each gives (2, CELLS) of any unit.

They see quarter-hour candles that were over at the moment, and no more. Nothing here is a recommendation: most are
rules that other people publish (ANCHORS 4.1, 7).
"""

from math import log
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.liqmap.bars import DAY_NS, HOUR_NS
from perpscope.analytics.liqmap.ladder import LEVERAGES, PROFILES, Ladder
from perpscope.analytics.liqmap.levels import rebinned
from perpscope.analytics.liqmap.public_rule import Hours, public_map
from perpscope.analytics.liqmap.seed import SeedMap, seed_map
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.scorecard.windows import CELL, CELLS

CANDLE_NS: Final = 15 * 60_000_000_000
_PER_HOUR: Final = HOUR_NS // CANDLE_NS
#: Days of the volume profile, METHOD 10.3; and of the histogram of what was liquidated.
_PROFILE_NS, _YESTERDAY_NS = 3 * DAY_NS, DAY_NS
#: Cells over which points are spread either way, so that they are ranges: 20 bps (METHOD 10.3).
_SPREAD: Final = 4
#: Hours either side that a swing must stand out from, and how far back swings are looked for; by hand.
_SWING_H, _SWINGS_H = 2, 72
#: A static ladder's entries: ± 1 % of the mark, nearer ones more; by hand, after METHOD 6.1.
_ENTRIES: Final = 0.01
_HYBLOCK: Final = (25.0, 50.0, 100.0)
_PY: Final = (100.0, 50.0, 25.0, 10.0)
_EDGES: Final = 2 * CELLS


class Candles(msgspec.Struct, frozen=True, kw_only=True):
    """A market of all its venues by quarter hours, oldest first; (candles,) each."""

    ts: NDArray[np.int64]  #: ns UTC, end
    low: Floats  #: quote per base
    high: Floats
    close: Floats
    volume_usd: Floats
    bought: Floats  #: share of the volume that takers bought; .5 where not known
    open_interest_usd: Floats
    funding_8h: Floats  #: fraction, 0 where not known

    def until(self, ts: int) -> "Candles":
        """Those that are over at a moment (ns UTC)."""
        end = int(np.searchsorted(self.ts, ts, side="right"))
        return Candles(**{name: getattr(self, name)[:end] for name in self.__struct_fields__})


def cell_edges(mark: float) -> Floats:
    """(2 CELLS + 1,) log prices of the cells, both sides, rising."""
    return np.asarray(log(mark) + CELL * np.arange(-CELLS, CELLS + 1), np.float64)


def by_side(amounts: Floats) -> Floats:
    """(2 CELLS,) by rising price as (2, CELLS) from the mark outwards: longs below, shorts above."""
    return np.stack([amounts[:CELLS][::-1], amounts[CELLS:]])


def points(prices: Floats, amounts: Floats, mark: float) -> Floats:
    """(2 CELLS,) amounts at prices, spread over 20 bps either way."""
    places = np.floor((np.log(prices) - log(mark)) / CELL).astype(np.int64) + CELLS
    inside = (places >= 0) & (places < 2 * CELLS)
    found = np.bincount(places[inside], amounts[inside], 2 * CELLS)
    return np.convolve(found, np.full(2 * _SPREAD + 1, 1.0 / (2 * _SPREAD + 1)), "same")


def uniform() -> Floats:
    """The same everywhere."""
    return np.ones((2, CELLS))


def volume_profile(past: Candles, mark: float) -> Floats:
    """Volume of three days by price, each candle's evenly over its range."""
    recent = past.ts > past.ts[-1] - _PROFILE_NS
    low, high = np.log(past.low[recent]), np.log(past.high[recent])
    edges = cell_edges(mark)
    width = np.maximum(high - low, 1e-9)
    covered = np.clip((edges[None, :] - low[:, None]) / width[:, None], 0.0, 1.0)
    return by_side(past.volume_usd[recent] @ np.diff(covered, axis=1))


def swings(past: Candles, mark: float) -> Floats:
    """Hourly lows and highs of three days that stand out from two hours either side: levels are said to lie there."""
    hours = past.low.size // _PER_HOUR
    low = past.low[past.low.size - hours * _PER_HOUR :].reshape(-1, _PER_HOUR).min(axis=1)[-_SWINGS_H:]
    high = past.high[past.high.size - hours * _PER_HOUR :].reshape(-1, _PER_HOUR).max(axis=1)[-_SWINGS_H:]
    span = 2 * _SWING_H + 1
    if low.size < span:
        return np.zeros((2, CELLS))
    lows = np.lib.stride_tricks.sliding_window_view(low, span)
    highs = np.lib.stride_tricks.sliding_window_view(high, span)
    bottoms = lows[lows.argmin(axis=1) == _SWING_H, _SWING_H]
    tops = highs[highs.argmax(axis=1) == _SWING_H, _SWING_H]
    below, above = (by_side(points(prices, np.ones(prices.size), mark)) for prices in (bottoms, tops))
    return np.stack([below[0], above[1]])


def static_ladder(ladder: Ladder) -> Floats:
    """Open interest × leverage around the price as it stands: no history at all."""
    away = np.arange(-round(_ENTRIES / CELL), round(_ENTRIES / CELL) + 1)
    near = 1.0 - np.abs(away) * CELL / (_ENTRIES + CELL)
    found = np.zeros((2, CELLS))
    for side in (0, 1):
        for offset, weight in zip(np.abs(ladder.offsets[side, :-1]), ladder.weights[side, :-1], strict=True):
            places = int(offset / CELL) + away
            inside = (places >= 0) & (places < CELLS)
            np.add.at(found[side], places[inside], weight * near[inside])
    return found


def yesterday(
    stamps_ns: NDArray[np.int64], forced: tuple[NDArray[np.int64], Floats, Floats], ts: int, mark: float
) -> Floats:
    """Histogram of what was told as closed by force in the last 24 hours, by price and side.

    Args:
        stamps_ns: (events,) ns UTC they were received, rising.
        forced: side (0 long, 1 short), price (quote per base) and dollars of each.
        ts: ns UTC, now.
        mark: quote per base.
    """
    first, last = np.searchsorted(stamps_ns, (ts - _YESTERDAY_NS, ts), side="right")
    side, price, usd = (column[first:last] for column in forced)
    return np.stack([by_side(points(price[side == s], usd[side == s], mark))[s] for s in (0, 1)])


def seed_formula(past: Candles, mark: float) -> Floats:
    """The first documents' map: every candle an entry that never closes but by a wick."""
    ladder = (np.array(LEVERAGES), np.array(PROFILES["neutral"]))
    return _laid(seed_map(past.close, past.volume_usd, (past.low, past.high), ladder, _edges(mark)), mark)


def three_leverages(past: Candles, mark: float) -> Floats:
    """25×, 50× and 100× alike, at every candle; cleared by wicks."""
    ladder = (np.array(_HYBLOCK), np.full(len(_HYBLOCK), 1.0 / len(_HYBLOCK)))
    return _laid(seed_map(past.close, past.volume_usd, (past.low, past.high), ladder, _edges(mark)), mark)


def py_liquidation_map(past: Candles, mark: float) -> Floats:
    """What is bought opens longs, what is sold shorts, at 100, 50, 25 and 10×; nothing is ever cleared (METHOD 6.1)."""
    ladder = (np.array(_PY), np.ones(len(_PY)))
    never = (np.full(past.close.size, np.inf), np.full(past.close.size, -np.inf))
    sides = (past.bought, 1.0 - past.bought)
    made = seed_map(past.close, past.volume_usd, never, ladder, _edges(mark), buffer=0.0, sides=sides)
    return _laid(made, mark)


def public(past: Candles) -> SeedMap | None:
    """A public implementation's rule on whole hours; None before it has two, or where nothing was traded."""
    hours = past.low.size // _PER_HOUR
    if hours < 2 or not past.volume_usd.any():
        return None
    whole = slice(past.low.size - hours * _PER_HOUR, None)
    close = past.close[whole].reshape(-1, _PER_HOUR)[:, -1]
    return public_map(
        Hours(
            open=np.concatenate((close[:1], close[:-1])),
            high=past.high[whole].reshape(-1, _PER_HOUR).max(axis=1),
            low=past.low[whole].reshape(-1, _PER_HOUR).min(axis=1),
            close=close,
            volume_usd=past.volume_usd[whole].reshape(-1, _PER_HOUR).sum(axis=1),
            open_interest_usd=past.open_interest_usd[whole].reshape(-1, _PER_HOUR)[:, -1],
            funding=float(past.funding_8h[-1]),
        )
    ).map


def public_cells(made: SeedMap | None, mark: float) -> Floats:
    """The public rule's map in cells."""
    return np.zeros((2, CELLS)) if made is None else _laid(made, mark)


def _edges(mark: float) -> Floats:
    """Even edges over the cells' reach, about as wide as they are."""
    ends = np.exp(cell_edges(mark)[[0, -1]])
    return np.linspace(ends[0], ends[1], _EDGES + 1)


def _laid(made: SeedMap, mark: float) -> Floats:
    amounts = rebinned(made.active, np.log(np.maximum(made.edges, 1e-300)), cell_edges(mark))
    return np.stack([by_side(amounts[0])[0], by_side(amounts[1])[1]])
