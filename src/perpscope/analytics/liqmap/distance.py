"""The baseline that matters, distance alone: how much is liquidated by how far the price had to go (METHOD 10.3).

Learnt hour by hour: where the hour began, how far it went each way, what was liquidated on the way. And the blend that
is published: a share of the map, the rest of this (METHOD 10.6).
"""

from math import log
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.liqmap.bars import HOUR_NS, Bar
from perpscope.analytics.margin_arrays import Floats

#: Width of a class of distances, log price, and how many there are; beyond the last all are as the last.
WIDTH: Final = 1e-3
COUNT: Final = 60
#: Before anything was seen: half of it within .7 %; chosen by hand.
_SCALE: Final = 0.01
_SMOOTH: Final = np.array([0.25, 0.5, 0.25])
#: Share of the map in the blend up to an hour, METHOD 10.6, and the horizon in minutes from which it is 0.
MAP_SHARE: Final = 0.6
_HOUR_MIN, _LAST_MIN = 60.0, 720.0


class Kernel(msgspec.Struct):
    """Running sums; changed in place."""

    realised: Floats  #: (COUNT,) base units liquidated
    visits: Floats  #: (COUNT,) hours and sides that came so far
    ts_from: int = 0  #: ns UTC, when the hour began
    price: float = 0.0  #: log price it began at
    low: float = 0.0  #: log, of the hour so far
    high: float = 0.0


def begin() -> Kernel:
    """Nothing seen."""
    return Kernel(np.zeros(COUNT), np.zeros(COUNT))


def take(kernel: Kernel, bar: Bar) -> None:
    """Take in a bar: its liquidations at the distance of its extremes from the hour's beginning."""
    low, high = log(bar.low), log(bar.high)
    if kernel.ts_from == 0:
        kernel.ts_from, kernel.price = bar.ts, log(bar.close)
        kernel.low = kernel.high = kernel.price
        return
    for distance, amount in ((kernel.price - low, bar.liquidated_long), (high - kernel.price, bar.liquidated_short)):
        if amount > 0.0 and distance > 0.0:
            kernel.realised[min(int(distance / WIDTH), COUNT - 1)] += amount
    kernel.low, kernel.high = min(kernel.low, low), max(kernel.high, high)
    if bar.ts - kernel.ts_from >= HOUR_NS:
        for reached in (kernel.price - kernel.low, kernel.high - kernel.price):
            kernel.visits[: min(int(reached / WIDTH) + 1, COUNT)] += 1.0
        kernel.ts_from, kernel.price = bar.ts, log(bar.close)
        kernel.low = kernel.high = kernel.price


def density(kernel: Kernel, distances: Floats) -> Floats:
    """Relative amount a level yields when it is passed, by its log distance; any unit, > 0."""
    middle = (np.arange(COUNT) + 0.5) * WIDTH
    usual = float(kernel.realised.sum()) / max(float(kernel.visits.sum()), 1.0)
    if usual <= 0.0:
        return np.exp(-np.maximum(distances, 0.0) / _SCALE)
    rate = (kernel.realised + 0.5 * usual) / (kernel.visits + 0.5)
    smooth = np.convolve(np.concatenate([rate[:1], rate, rate[-1:]]), _SMOOTH, "valid")
    return np.interp(distances, middle, smooth)


def map_share(horizon_min: float) -> float:
    """The share of the map: .6 up to an hour, falling to 0 at 12 hours with the logarithm of the horizon (METHOD 10.6).

    >>> map_share(15.0), round(map_share(240.0), 3), map_share(720.0)
    (0.6, 0.265, 0.0)
    """
    late = log(max(horizon_min, _HOUR_MIN) / _HOUR_MIN) / log(_LAST_MIN / _HOUR_MIN)
    return MAP_SHARE * max(0.0, 1.0 - late)


def blend(amounts: Floats, kernel: Floats, share: float) -> Floats:
    """Mix a map with distance, p ∝ s M ÷ ΣM + (1 − s) g ÷ Σg, keeping the sum of the map (METHOD 10.6).

    Args:
        amounts: (levels,) of one side, >= 0.
        kernel: (levels,) `density` at their distances.
        share: s, in [0, 1].
    """
    total, weight = float(amounts.sum()), float(kernel.sum())
    if total <= 0.0 or weight <= 0.0:
        return amounts
    mixed: Floats = share * amounts + (1.0 - share) * total * kernel / weight
    return mixed
