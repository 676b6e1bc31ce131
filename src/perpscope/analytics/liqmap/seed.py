"""The documents' map, as a formula to compare with: every candle is an entry, nothing is ever closed but by a wick.

`formula="seed"`: an entry's liquidation prices are E·(1 − 1/L) + m·E for longs and E·(1 + 1/L) − m·E for shorts; a
level is CLEARED once a later low, or high, has passed it. Amounts are shares that need not add up to open interest:
that is what the other map is for.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats


class SeedMap(msgspec.Struct, frozen=True):
    """Both sides in bins; side 0 long, 1 short."""

    edges: Floats  #: (bins + 1,) quote per base
    active: Floats  #: (2, bins) in the unit of the entries' weights
    cleared: Floats  #: (2, bins)
    outside: Floats  #: (2,) in no bin


def seed_prices(entries: Floats, leverages: Floats, buffer: float) -> tuple[Floats, Floats]:
    """Liquidation prices of longs and shorts, (entries, leverages) each: E·(1 ∓ 1/L) ± buffer·E.

    Args:
        entries: (entries,) quote per base.
        leverages: (leverages,) multiples.
        buffer: fraction of the entry: the maintenance rate.
    """
    one = entries[:, None]
    return one * (1.0 - 1.0 / leverages + buffer), one * (1.0 + 1.0 / leverages - buffer)


def passed_later(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Lowest low and highest high after each candle; infinite after the last."""
    lowest = np.minimum.accumulate(np.append(low[1:], np.inf)[::-1])[::-1]
    highest = np.maximum.accumulate(np.append(high[1:], -np.inf)[::-1])[::-1]
    return lowest, highest


def seed_map(
    entries: Floats,
    weights: Floats,
    candles: tuple[Floats, Floats],
    ladder: tuple[Floats, Floats],
    edges: Floats,
    *,
    buffer: float = 0.005,
    sides: tuple[Floats, Floats] | None = None,
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

    Raises:
        ValueError: fewer than two edges.
    """
    if edges.size < 2:
        raise ValueError("a map needs two edges or more")
    prices = seed_prices(entries, ladder[0], buffer)
    later = passed_later(*candles)
    active, cleared = (np.zeros((2, edges.size - 1)) for _ in range(2))
    left = np.zeros(2)
    shares = (np.ones(entries.size), np.ones(entries.size)) if sides is None else sides
    for side in (0, 1):
        amounts = (weights * shares[side])[:, None] * ladder[1]
        gone = later[0][:, None] <= prices[0] if side == 0 else later[1][:, None] >= prices[1]
        inside, places = _places(prices[side], edges)
        left[side] = amounts[~inside].sum()
        codes = places[inside] + gone[inside] * (edges.size - 1)
        sums = np.bincount(codes, amounts[inside], 2 * (edges.size - 1))
        active[side], cleared[side] = sums[: edges.size - 1], sums[edges.size - 1 :]
    return SeedMap(edges, active, cleared, left)


def _places(prices: Floats, edges: Floats) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which prices are within the edges, and in which bin."""
    places = np.floor((prices - edges[0]) / (edges[1] - edges[0])).astype(np.int64)
    return (places >= 0) & (places < edges.size - 1), places
