"""The least numba can do for a liquidation map: the same sums in bare loops over plain arrays, with fastmath.

No struct, no check, no growing grid, nothing about what a bar may be: what stands around the loops is what ours adds.
"""

from collections.abc import Callable
from math import ceil, exp, floor
from typing import ParamSpec, TypeVar, cast

import numba  # type: ignore[import-untyped,unused-ignore]  # it ships no types
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_P = ParamSpec("_P")
_R = TypeVar("_R")


def _bare(function: Callable[_P, _R]) -> Callable[_P, _R]:
    return cast("Callable[_P, _R]", numba.njit(fastmath=True, nogil=True)(function))


@_bare
def documents_map(
    entries: Floats,
    candles: tuple[Floats, Floats],
    weights: Floats,
    ladder: tuple[Floats, Floats, Floats],
    grid: tuple[float, float, int],
) -> Floats:
    """One pass backwards: (4 × bins) active longs and shorts, cleared longs and shorts."""
    lows, highs = candles
    long_factors, short_factors, shares = ladder
    begin, per_unit, bins = grid
    sums = np.zeros(4 * bins)
    lowest, highest = np.inf, -np.inf
    for at in range(entries.size - 1, -1, -1):
        for rung in range(shares.size):
            amount = weights[at] * shares[rung]
            price = entries[at] * long_factors[rung]
            place = int((price - begin) * per_unit)
            sums[place + (2 * bins if lowest <= price else 0)] += amount
            price = entries[at] * short_factors[rung]
            place = int((price - begin) * per_unit) + bins
            sums[place + (2 * bins if highest >= price else 0)] += amount
        lowest, highest = min(lowest, lows[at]), max(highest, highs[at])
    return sums


@_bare
def _swept(
    mass: Floats, cleared: Floats, offsets: Floats, left: float, step: float, border: float, exposure: Floats
) -> None:
    """Every cell of one side is looked at."""
    classes, bins = mass.shape
    for rung in range(classes):
        offset = offsets[rung]
        if abs(offset) > 1e9:
            continue
        whole = floor(offset / step)
        part = offset / step - whole
        for place in range(bins):
            level = left + step * place + offset
            beyond = (level + step - border) / step if offset < 0.0 else (border - level) / step
            if mass[rung, place] > 0.0 and beyond > 0.0:
                gone = mass[rung, place] * min(beyond, 1.0)
                mass[rung, place] -= gone
                exposure[rung] += gone
                if 0 <= place + whole < bins:
                    cleared[place + whole] += (1.0 - part) * gone
                if 0 <= place + whole + 1 < bins:
                    cleared[place + whole + 1] += part * gone


@_bare
def _closed(mass: Floats, borders: tuple[int, int], flow: tuple[float, float, float, float], rates: Floats) -> float:
    """What is held by zones, what is closed of it by Newton, every cell made smaller; what is opened is returned."""
    open_interest, turnover, volume, most_closed = flow
    classes, bins = mass.shape
    held, kept = np.zeros(3), np.empty(3)
    for rung in range(classes):
        for place in range(bins):
            held[0 if place < borders[0] else 1 if place < borders[1] else 2] += mass[rung, place]
    total = held.sum()
    grown, shrunk = max(open_interest - total, 0.0), max(total - open_interest, 0.0)
    extra = min(turnover, max(volume - grown, 0.0), max(most_closed * total - shrunk, 0.0))
    closed = shrunk + extra
    theta = gone = 0.0
    slope = (held * rates).sum()
    while closed - gone > 1e-13 * closed:
        theta += (closed - gone) / slope
        gone = slope = 0.0
        for zone in range(3):
            stays = held[zone] * exp(-theta * rates[zone])
            gone += held[zone] - stays
            slope += rates[zone] * stays
    for zone in range(3):
        kept[zone] = exp(-theta * rates[zone])
    kept *= (total - closed) / max((held * kept).sum(), 1e-300)
    for rung in range(classes):
        for place in range(bins):
            mass[rung, place] *= kept[0 if place < borders[0] else 1 if place < borders[1] else 2]
    return float(grown + extra)


@_bare
def minute(
    mass: Floats,
    cleared: Floats,
    rungs: tuple[Floats, Floats],
    opening: tuple[int, Floats],
    grid: tuple[float, float],
    flow: tuple[float, float, float, float, float, float, float],
    rules: tuple[float, float, float, float, float],
) -> Floats:
    """One bar of one book: sweep, close, open. Returns what was passed, (2, classes)."""
    offsets, weights = rungs
    start, share = opening
    left, step = grid
    low, high, price, fade, open_interest, turnover, volume = flow
    most_closed, near, near_rate, loss_rate, gain_rate = rules
    exposure = np.zeros((2, mass.shape[1]))
    lower, upper = ceil((price - near - left) / step - 0.5), ceil((price + near - left) / step - 0.5)
    here = floor((price - left) / step)
    told = (open_interest, turnover, volume, most_closed)
    for side in range(2):
        cleared[side] *= fade
        border = low if side == 0 else high
        _swept(mass[side], cleared[side], offsets[side], left, step, border, exposure[side])
        rates = np.array([gain_rate, near_rate, loss_rate] if side == 0 else [loss_rate, near_rate, gain_rate])
        opened = _closed(mass[side], (lower, upper), told, rates)
        for rung in range(mass.shape[1]):
            instant = 0.0
            for at in range(share.size):
                level = left + step * (start + at) + offsets[side, rung]
                beyond = (level + step - price) / step if side == 0 else (price - level) / step
                laid = opened * weights[side, rung] * share[at]
                gone = laid * min(max(beyond, 0.0), 1.0)
                instant += gone
                mass[side, rung, start + at] += laid - gone
            mass[side, rung, here] += instant
            exposure[side, rung] += instant
    return exposure
