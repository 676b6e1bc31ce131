"""The arithmetic of one bar in one book, on plain arrays: sweep, close, open.

State is `mass[side, class, entry bin]`, base units; side 0 long, 1 short. A bin is `step` wide in log price, bin `e`
begins at `left + e·step`; a class is liquidated `offset` away from its entry, so its liquidation levels are the entry
bins moved by `offset`. All is float64 and in place. `compiled` says the same in loops, to the last bit: what is summed
here is summed in one stated order (classes first, then bins rising), and exponentials are those of `math`.
"""

from collections.abc import Callable
from math import ceil, exp, floor
from typing import Protocol, TypeAlias

import numpy as np

from perpscope.analytics.margin_arrays import Floats

#: Log price at which bin 0 begins, width of a bin.
Grid: TypeAlias = tuple[float, float]
#: Offsets and shares of what is opened, (2, classes) each.
Rungs: TypeAlias = tuple[Floats, Floats]
#: Bin of the first share, shares by entry bin, summing to 1.
Opening: TypeAlias = tuple[int, Floats]
#: Logs of the lowest and highest mark and of the close; factor for what was cleared before; base units: open interest
#: at the end, turnover beyond what it shows, volume (infinite where not known).
Flow: TypeAlias = tuple[float, float, float, float, float, float, float]
#: Share of a side that turnover may close; |log return| near an entry; hazards near, in loss, in gain.
Rules: TypeAlias = tuple[float, float, float, float, float]
#: What the price passed: all, and what was held before, (2, classes) each; opened and closed, (2,) each; base units.
Done: TypeAlias = tuple[Floats, Floats, Floats, Floats]
LONG, SHORT = 0, 1


class Minute(Protocol):
    """One bar in one book; `mass` (2, classes, bins) and `cleared` (2, bins) are changed."""

    def __call__(
        self, mass: Floats, cleared: Floats, rungs: Rungs, opening: Opening, grid: Grid, flow: Flow, rules: Rules
    ) -> Done:
        """METHOD 6.3: sweep, close, open."""


def minute(mass: Floats, cleared: Floats, rungs: Rungs, opening: Opening, grid: Grid, flow: Flow, rules: Rules) -> Done:
    """One bar in one book; see `Minute`."""
    return watched_minute(mass, cleared, rungs, opening, grid, flow, rules, kept=lambda: None)


def watched_minute(
    mass: Floats,
    cleared: Floats,
    rungs: Rungs,
    opening: Opening,
    grid: Grid,
    flow: Flow,
    rules: Rules,
    *,
    kept: Callable[[], None],
) -> Done:
    """As `minute`; `kept` is called between the closes and what is opened."""
    offsets, weights = rungs
    low, high, price, fade, open_interest, turnover, volume = flow
    cleared *= fade
    swept = sweep(mass, cleared, grid, offsets, low, high)
    borders, held = zones(mass, grid, price, rules[1])
    sides = held[:, 0] + held[:, 1] + held[:, 2]
    opened, closed = amounts(sides, open_interest, turnover, volume, rules[0])
    thin(mass, borders, held, closed, rules[2:])
    kept()
    instant = place(mass, grid, offsets, opened[:, None] * weights, opening, price)
    return swept + instant, swept, opened, closed


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
        swept[side] = np.add.accumulate(gone, axis=1)[:, -1]
        for rung in np.flatnonzero(swept[side]):
            _deposit(cleared[side], gone[rung], first, offsets[side, rung] / step)
    return swept


def _deposit(cleared: Floats, gone: Floats, first: int, moved: float) -> None:
    """Add bins from the first that are moved by a fraction, by overlap."""
    whole = floor(moved)
    part = moved - whole
    for shift, share in ((first + whole, 1.0 - part), (first + whole + 1, part)):
        lower, upper = max(shift, 0), min(shift + gone.size, cleared.size)
        if lower < upper:
            cleared[lower:upper] += share * gone[lower - shift : upper - shift]


def zones(mass: Floats, grid: Grid, price: float, near: float) -> tuple[tuple[int, int], Floats]:
    """What is held by where it was opened: below, near and above a price.

    Args:
        mass: (2, classes, bins).
        grid: log price at which bin 0 begins, width of a bin.
        price: log price.
        near: |log return| below which a position is near its entry.

    Returns:
        First bin that is near and the first above; (2, 3) base units.
    """
    left, step = grid
    bins = mass.shape[2]
    lower = min(max(ceil((price - near - left) / step - 0.5), 0), bins)
    upper = min(max(ceil((price + near - left) / step - 0.5), lower), bins)
    of_bins = np.add.reduce(mass, axis=1)
    held = np.zeros((2, 3))
    for zone, (start, end) in enumerate(((0, lower), (lower, upper), (upper, bins))):
        if start < end:
            held[:, zone] = np.add.accumulate(of_bins[:, start:end], axis=1)[:, -1]
    return (lower, upper), held


def amounts(
    held: Floats, open_interest: float, turnover: float, volume: float, most_closed: float
) -> tuple[Floats, Floats]:
    """What is opened and what is closed on each side so that it ends at the open interest (METHOD 6.3, 6.5).

    Opened = max(OI − held, 0) + turnover, at most the volume unless open interest itself asks for more; closed is the
    rest of the balance.

    Args:
        held: (2,) base units after the sweep.
        open_interest: base units, at the bar's end.
        turnover: base units opened and closed beside what open interest shows.
        volume: base units traded; infinite where not known.
        most_closed: share of a side that turnover may close.

    Returns:
        Opened and closed, (2,) base units each.

    >>> amounts(np.array([99.0, 100.0]), 98.0, 3.0, np.inf, 0.98)
    (array([3., 3.]), array([4., 5.]))
    """
    need = open_interest - held
    grown, shrunk = np.maximum(need, 0.0), np.maximum(-need, 0.0)
    room = np.minimum(np.maximum(volume - grown, 0.0), np.maximum(most_closed * held - shrunk, 0.0))
    extra = np.minimum(turnover, room)
    return grown + extra, shrunk + extra


def thin(
    mass: Floats, borders: tuple[int, int], held: Floats, closed: Floats, hazards: tuple[float, float, float]
) -> None:
    """Remove exactly so much of each side by relative hazards of positions near their entry, in loss and in gain.

    Solves Σ m_j (1 − e^{−θ r_j}) = C for θ (METHOD 6.5).

    Args:
        mass: (2, classes, bins), changed.
        borders: of the zones.
        held: (2, 3) base units in each.
        closed: (2,) base units to remove, at most what there is.
        hazards: relative: near, loss, gain; > 0.
    """
    near, loss, gain = hazards
    lower, upper = borders
    for side, rates in ((LONG, (gain, near, loss)), (SHORT, (loss, near, gain))):
        if closed[side] <= 0.0:
            continue
        kept = survivors(held[side], np.array(rates), float(closed[side]))
        for (start, end), factor in zip(((0, lower), (lower, upper), (upper, mass.shape[2])), kept, strict=True):
            mass[side, :, start:end] *= factor


def survivors(held: Floats, rates: Floats, amount: float) -> Floats:
    """Shares that stay when `amount` of `held` is removed by relative hazards: e^{−θ r}, summing up exactly.

    >>> np.round(survivors(np.array([40.0, 30.0, 30.0]), np.array([0.58, 0.90, 1.34]), 4.0), 6)
    array([0.974086, 0.960077, 0.941143])
    """
    masses, speeds = held.tolist(), rates.tolist()
    total = 0.0
    for m in masses:
        total += m
    left = total - amount
    if left <= 1e-12 * total:
        return np.zeros(held.size)
    theta = closing_rate(held, rates, amount)
    factors = [exp(-theta * r) for r in speeds]
    stays = 0.0
    for m, factor in zip(masses, factors, strict=True):
        stays += m * factor
    return np.array(factors) * (left / stays)


def closing_rate(held: Floats, rates: Floats, amount: float) -> float:
    """θ of Σ m_j (1 − e^{−θ r_j}) = C, by Newton from 0: the sum is concave, so it comes from below.

    Five steps at usual closes, thirty where next to nothing is left. Σ m_j must be above C.

    >>> round(closing_rate(np.array([40.0, 30.0, 30.0]), np.array([0.58, 0.90, 1.34]), 4.0), 7)
    0.0452691
    """
    theta = gone = slope = 0.0
    masses, speeds = held.tolist(), rates.tolist()
    for m, r in zip(masses, speeds, strict=True):
        slope += m * r
    while amount - gone > 1e-13 * amount:
        theta += (amount - gone) / slope
        gone = slope = 0.0
        for m, r in zip(masses, speeds, strict=True):
            stays = m * exp(-theta * r)
            gone += m - stays
            slope += r * stays
    return theta


def place(mass: Floats, grid: Grid, offsets: Floats, opened: Floats, opening: Opening, price: float) -> Floats:
    """Add new positions over entry bins; what would be liquidated at `price` at once is opened there instead.

    METHOD 6.3: new mass whose liquidation price is beyond the close counts as instantly liquidated. Open interest says
    that it was replaced.

    Args:
        mass: (2, classes, bins), changed.
        grid: log price at which bin 0 begins, width of a bin.
        offsets: (2, classes).
        opened: (2, classes) base units.
        opening: bin of the first share, shares by entry bin, summing to 1.
        price: log of the close; its bin is on the grid.

    Returns:
        (2, classes) base units that were liquidated at once.
    """
    (left, step), (start, share) = grid, opening
    end = start + share.size
    here = min(max(floor((price - left) / step), 0), mass.shape[2] - 1)
    begins = left + step * np.arange(start, end)
    levels = begins + offsets[:, :, None]
    covered = np.empty_like(levels)
    np.clip((levels[LONG] + step - price) / step, 0.0, 1.0, out=covered[LONG])
    np.clip((price - levels[SHORT]) / step, 0.0, 1.0, out=covered[SHORT])
    laid = opened[:, :, None] * share
    gone = laid * covered
    instant = np.add.accumulate(gone, axis=2)[:, :, -1]
    mass[:, :, start:end] += laid - gone
    mass[:, :, here] += instant
    return instant
