"""The documents' map, as a formula to compare with: every candle is an entry, nothing is ever closed but by a wick.

`formula="seed"`: an entry's liquidation prices are E·(1 − 1/L) + m·E for longs and E·(1 + 1/L) − m·E for shorts; a
level is CLEARED once a later low, or high, has passed it. Amounts are shares that need not add up to open interest:
that is what the other map is for.
"""

from typing import Protocol, TypeAlias

import msgspec
import numpy as np

from perpscope.analytics.margin_arrays import Floats

#: Of longs and shorts, or lows and highs.
Pair: TypeAlias = tuple[Floats, Floats]
#: Where bin 0 begins, bins in a unit of price, bins.
Scale: TypeAlias = tuple[float, float, int]


class SeedMap(msgspec.Struct, frozen=True):
    """Both sides in bins; side 0 long, 1 short."""

    edges: Floats  #: (bins + 1,) quote per base
    active: Floats  #: (2, bins) in the unit of the entries' weights
    cleared: Floats  #: (2, bins)
    outside: Floats  #: (2,) in no bin


class Filling(Protocol):
    """Sums of all entries' levels by bin, from the last candle to the first, class by class."""

    def __call__(
        self, entries: Floats, amounts: Pair, candles: Pair, factors: Floats, shares: Floats, scale: Scale
    ) -> Floats:
        """Entries (n,); amounts of both sides, lows and highs (n,) each; level ÷ entry (2, classes); shares (classes,).

        Returns:
            (2, 2·bins + 1): active bins, cleared bins, and what is in none.
        """


def seed_factors(leverages: Floats, buffer: float) -> Floats:
    """Liquidation price ÷ entry of longs and shorts, (2, leverages): 1 ∓ 1/L ± buffer.

    Args:
        leverages: multiples.
        buffer: fraction of the entry: the maintenance rate.
    """
    return np.array([1.0 - 1.0 / leverages + buffer, 1.0 + 1.0 / leverages - buffer])


def passed_later(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Lowest low and highest high after each candle; infinite after the last."""
    lowest = np.minimum.accumulate(np.append(low[1:], np.inf)[::-1])[::-1]
    highest = np.maximum.accumulate(np.append(high[1:], -np.inf)[::-1])[::-1]
    return lowest, highest


def filled(entries: Floats, amounts: Pair, candles: Pair, factors: Floats, shares: Floats, scale: Scale) -> Floats:
    """The levels' sums by bin; see `Filling`."""
    begin, per_unit, bins = scale
    lowest, highest = (extremes[::-1, None] for extremes in passed_later(*candles))
    sums = np.empty((2, 2 * bins + 1))
    for side in (0, 1):
        prices = entries[::-1, None] * factors[side]
        gone = lowest <= prices if side == 0 else highest >= prices
        places = np.floor((prices - begin) * per_unit)
        inside = (places >= 0.0) & (places < bins)
        codes = np.where(inside, places + gone * bins, 2.0 * bins).astype(np.int64)
        sums[side] = np.bincount(codes.ravel(), (amounts[side][::-1, None] * shares).ravel(), 2 * bins + 1)
    return sums


def seed_map(
    entries: Floats,
    weights: Floats,
    candles: Pair,
    ladder: Pair,
    edges: Floats,
    *,
    buffer: float = 0.005,
    sides: Pair | None = None,
    filling: Filling = filled,
) -> SeedMap:
    """The documents' map.

    Args:
        entries: (candles,) price of what was opened in each.
        weights: (candles,) how much, any unit.
        candles: lows and highs, (candles,) each.
        ladder: leverages and the share of each, (classes,) each.
        edges: (bins + 1,) of one width, quote per base.
        buffer: maintenance rate, fraction of the entry.
        sides: shares of `weights` that are long and short, (candles,) each; None = all of it on both.
        filling: numpy's or the compiled one, which give the same.

    Raises:
        ValueError: fewer than two edges.
    """
    if edges.size < 2:
        raise ValueError("a map needs two edges or more")
    bins = edges.size - 1
    amounts = (weights, weights) if sides is None else (weights * sides[0], weights * sides[1])
    scale = (float(edges[0]), bins / float(edges[-1] - edges[0]), bins)
    sums = filling(entries, amounts, candles, seed_factors(ladder[0], buffer), ladder[1], scale)
    return SeedMap(edges, sums[:, :bins], sums[:, bins : 2 * bins], sums[:, -1])
