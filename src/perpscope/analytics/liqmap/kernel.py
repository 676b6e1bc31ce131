"""The arithmetic of one step of the map, on plain arrays: sweep, close, place.

State is `mass[side, class, entry bin]`, base units; side 0 long, 1 short. A bin is `step` wide in log price, bin `e`
begins at `left + e·step`; a class is liquidated `offset` away from its entry, so its liquidation levels are the entry
bins moved by `offset` and nothing has to be stored beside the mass. Everything here is float64 and in place; no object
crosses the border, so that compiled twins can take the same arguments.
"""

from math import ceil, exp, floor
from typing import TypeAlias

import numpy as np

from perpscope.analytics.margin_arrays import Floats

Grid: TypeAlias = tuple[float, float]
LONG, SHORT = 0, 1


def sweep(mass: Floats, cleared: Floats, grid: Grid, offsets: Floats, low: float, high: float) -> Floats:
    """Remove what lies beyond the extremes: long mass above `low`, short mass below `high` (METHOD 6.6).

    The bin on the border goes by the fraction of it that was covered. What was removed is added to `cleared` at its
    liquidation price.

    Args:
        mass: (2, classes, bins), changed.
        cleared: (2, bins) by liquidation price on the same grid, changed; what falls off its ends is not kept.
        grid: log price at which bin 0 begins, width of a bin.
        offsets: (2, classes).
        low: log of the lowest mark price.
        high: log of the highest.

    Returns:
        (2, classes) base units swept.
    """
    left, step = grid
    bins = mass.shape[2]
    swept = np.zeros(mass.shape[:2])
    for side, reached in ((LONG, low), (SHORT, high)):
        at = (reached - offsets[side] - left) / step  # the place in each class' entries that is just reached
        finite = at[np.isfinite(at)]
        first, last = 0, bins
        if side == LONG:
            first = min(max(floor(finite.min(initial=bins)), 0), bins)
        else:
            last = min(max(floor(finite.max(initial=-1.0)) + 1, 0), bins)
        held = mass[side, :, first:last]
        if not held.any():
            continue
        places = np.arange(first, last)
        covered = np.clip(places + 1.0 - at[:, None] if side == LONG else at[:, None] - places, 0.0, 1.0)
        gone = held * covered
        held -= gone
        gone.sum(axis=1, out=swept[side])
        for rung in np.flatnonzero(swept[side]):
            _deposit(cleared[side], gone[rung], first + offsets[side, rung] / step)
    return swept


def _deposit(cleared: Floats, gone: Floats, start: float) -> None:
    """Add bins that begin at a fractional place, by overlap."""
    whole = floor(start)
    for shift, part in ((whole, 1.0 - (start - whole)), (whole + 1, start - whole)):
        lower, upper = max(shift, 0), min(shift + gone.size, cleared.size)
        if lower < upper:
            cleared[lower:upper] += part * gone[lower - shift : upper - shift]


def close(mass: Floats, grid: Grid, price: float, amounts: Floats, hazards: Floats, near: float) -> None:
    """Remove exactly so much of each side by relative hazards of positions near their entry, in loss and in gain.

    Solves Σ m_j (1 − e^{−θ r_j}) = C for θ (METHOD 6.5).

    Args:
        mass: (2, classes, bins), changed.
        grid: log price at which bin 0 begins, width of a bin.
        price: log price returns are reckoned at.
        amounts: (2,) base units to remove, at most what there is.
        hazards: (3,) relative: near, loss, gain; > 0.
        near: |log return| below which a position is near its entry.
    """
    left, step = grid
    bins = mass.shape[2]
    lower = min(max(ceil((price - near - left) / step - 0.5), 0), bins)
    upper = min(max(ceil((price + near - left) / step - 0.5), lower), bins)
    for side in (LONG, SHORT):
        if amounts[side] <= 0.0:
            continue
        below, above = (2, 1) if side == LONG else (1, 2)
        zones = ((0, lower, below), (lower, upper, 0), (upper, bins, above))
        held = np.array([mass[side, :, start:end].sum() for start, end, _ in zones])
        rates = np.array([hazards[zone] for _, _, zone in zones])
        kept = survivors(held, rates, float(amounts[side]))
        for (start, end, _), factor in zip(zones, kept, strict=True):
            mass[side, :, start:end] *= factor


def survivors(held: Floats, rates: Floats, amount: float) -> Floats:
    """Shares that stay when `amount` of `held` is removed by relative hazards: e^{−θ r}, summing up exactly.

    >>> np.round(survivors(np.array([40.0, 30.0, 30.0]), np.array([0.58, 0.90, 1.34]), 4.0), 6)
    array([0.974086, 0.960077, 0.941143])
    """
    total = float(held.sum())
    left = total - amount
    if left <= 1e-12 * total:
        return np.zeros(held.size)
    theta = closing_rate(held, rates, amount)
    factors = np.exp(-theta * rates)
    exact: Floats = factors * (left / float(held @ factors))
    return exact


def closing_rate(held: Floats, rates: Floats, amount: float) -> float:
    """θ of Σ m_j (1 − e^{−θ r_j}) = C, by Newton from 0: the sum is concave, so it comes from below.

    Five steps at usual closes, thirty where next to nothing is left. Σ m_j must be above C.

    >>> round(closing_rate(np.array([40.0, 30.0, 30.0]), np.array([0.58, 0.90, 1.34]), 4.0), 7)
    0.0452691
    """
    theta = gone = 0.0
    masses, speeds = held.tolist(), rates.tolist()
    slope = float(held @ rates)
    while amount - gone > 1e-13 * amount:
        theta += (amount - gone) / slope
        gone = slope = 0.0
        for m, r in zip(masses, speeds, strict=True):
            stays = m * exp(-theta * r)
            gone += m - stays
            slope += r * stays
    return theta


def place(mass: Floats, grid: Grid, offsets: Floats, opened: Floats, start: int, share: Floats, price: float) -> Floats:
    """Add new positions over entry bins; what would be liquidated at `price` at once is opened there instead.

    METHOD 6.3: new mass whose liquidation price is beyond the close counts as instantly liquidated. Open interest says
    that it was replaced.

    Args:
        mass: (2, classes, bins), changed.
        grid: log price at which bin 0 begins, width of a bin.
        offsets: (2, classes).
        opened: (2, classes) base units.
        start: bin of the first share.
        share: (n,) by entry bin from `start`, summing to 1.
        price: log of the close; its bin is on the grid.

    Returns:
        (2, classes) base units that were liquidated at once.
    """
    left, step = grid
    end = start + share.size
    here = min(max(floor((price - left) / step), 0), mass.shape[2] - 1)
    begins = left + step * np.arange(start, end)
    levels = begins + offsets[:, :, None]
    covered = np.empty_like(levels)
    np.clip((levels[LONG] + step - price) / step, 0.0, 1.0, out=covered[LONG])
    np.clip((price - levels[SHORT]) / step, 0.0, 1.0, out=covered[SHORT])
    laid = opened[:, :, None] * share
    gone = laid * covered
    instant: Floats = gone.sum(axis=2)
    mass[:, :, start:end] += laid - gone
    mass[:, :, here] += instant
    return instant
