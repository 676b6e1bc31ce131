"""`kernel` and `seed` as compiled loops: the same figures to the last bit, many times quicker.

Every sum is taken in the order the twins take it, and nothing is compiled with liberties (no fastmath), so that it does
not matter which of the two a process uses.
"""

from math import ceil, exp, floor, inf, isfinite
from typing import TypeAlias

import numpy as np

from perpscope.analytics.liqmap.arithmetic import Arithmetic
from perpscope.analytics.liqmap.bars import Setting
from perpscope.analytics.liqmap.compiled_learning import lesson
from perpscope.analytics.liqmap.compiling import loops
from perpscope.analytics.liqmap.kernel import Done, Flow, Grid, Opening, Rules, Rungs
from perpscope.analytics.liqmap.learning import Learnt
from perpscope.analytics.liqmap.seed import Pair, Scale
from perpscope.analytics.margin_arrays import Floats

#: Of the zones: below, near and above the price.
Three: TypeAlias = tuple[float, float, float]


@loops
def _sweep(
    mass: Floats, cleared: Floats, offsets: Floats, grid: Grid, reached: float, side: int, swept: Floats
) -> None:
    """One side of `kernel.sweep`."""
    left, step = grid
    classes, bins = mass.shape
    for rung in range(classes):
        at = (reached - offsets[rung] - left) / step
        if not isfinite(at):
            continue
        first = min(max(floor(at), 0), bins) if side == 0 else 0
        last = bins if side == 0 else min(max(floor(at) + 1, 0), bins)
        moved = offsets[rung] / step
        whole = floor(moved)
        part = moved - whole
        total = before = 0.0
        for place in range(first, last):
            gone = mass[rung, place]
            if gone > 0.0:
                covered = place + 1.0 - at if side == 0 else at - place
                gone *= min(max(covered, 0.0), 1.0)
                mass[rung, place] -= gone
                total += gone
            if (gone > 0.0 or before > 0.0) and 0 <= place + whole < bins:
                cleared[place + whole] += (1.0 - part) * gone
                cleared[place + whole] += part * before
            before = gone
        if before > 0.0 and 0 <= last + whole < bins:
            cleared[last + whole] += part * before
        swept[rung] = total


@loops
def _zones(mass: Floats, lower: int, upper: int) -> tuple[float, float, float]:
    """One side of `kernel.zones`."""
    classes, bins = mass.shape
    of_bins = np.zeros(bins)
    for rung in range(classes):
        for place in range(bins):
            of_bins[place] += mass[rung, place]
    below = around = above = 0.0
    for place in range(lower):
        below += of_bins[place]
    for place in range(lower, upper):
        around += of_bins[place]
    for place in range(upper, bins):
        above += of_bins[place]
    return below, around, above


@loops
def _survivors(held: Three, rates: Three, amount: float) -> Three:
    """`kernel.survivors` of three zones."""
    left = held[0] + held[1] + held[2] - amount
    if left <= 1e-12 * (held[0] + held[1] + held[2]):
        return 0.0, 0.0, 0.0
    theta = gone = 0.0
    slope = held[0] * rates[0] + held[1] * rates[1] + held[2] * rates[2]
    while amount - gone > 1e-13 * amount:
        theta += (amount - gone) / slope
        gone = slope = 0.0
        for zone in range(3):
            stays = held[zone] * exp(-theta * rates[zone])
            gone += held[zone] - stays
            slope += rates[zone] * stays
    below, around, above = exp(-theta * rates[0]), exp(-theta * rates[1]), exp(-theta * rates[2])
    scale = left / (held[0] * below + held[1] * around + held[2] * above)
    return below * scale, around * scale, above * scale


@loops
def _thin(mass: Floats, lower: int, upper: int, kept: Three) -> None:
    """Multiply the zones of one side."""
    classes, bins = mass.shape
    for rung in range(classes):
        for place in range(lower):
            mass[rung, place] *= kept[0]
        for place in range(lower, upper):
            mass[rung, place] *= kept[1]
        for place in range(upper, bins):
            mass[rung, place] *= kept[2]


@loops
def _place(
    mass: Floats, offsets: Floats, opened: Floats, opening: Opening, grid: Grid, price: float, instant: Floats
) -> None:
    """One side of `kernel.place`; which side the offsets' sign says."""
    (left, step), (start, share) = grid, opening
    classes, bins = mass.shape
    here = min(max(floor((price - left) / step), 0), bins - 1)
    for rung in range(classes):
        is_long = offsets[rung] < 0.0
        first, last = share.size, share.size
        if isfinite(offsets[rung]):  # only there anything can be beyond; a bin to spare on either side
            border = floor((price - left - offsets[rung]) / step) - start
            first = min(max(border - 2, 0), share.size) if is_long else 0
            last = share.size if is_long else min(max(border + 2, 0), share.size)
        total = 0.0
        for at in range(first):
            mass[rung, start + at] += opened[rung] * share[at]
        for at in range(first, last):
            level = left + step * (start + at) + offsets[rung]
            beyond = level + step - price if is_long else price - level
            laid = opened[rung] * share[at]
            gone = laid * min(max(beyond / step, 0.0), 1.0)
            total += gone
            mass[rung, start + at] += laid - gone
        for at in range(last, share.size):
            mass[rung, start + at] += opened[rung] * share[at]
        mass[rung, here] += total
        instant[rung] = total


@loops
def _minute(state: Pair, done: Pair, rungs: Rungs, opening: Opening, grid: Grid, flow: Flow, rules: Rules) -> None:
    """`kernel.minute` into arrays that are there: handing one back costs more than making it outside."""
    (mass, cleared), (passed, traded), (offsets, weights) = state, done, rungs
    low, high, price, fade, open_interest, turnover, volume = flow
    bins = mass.shape[2]
    lower = min(max(ceil((price - rules[1] - grid[0]) / grid[1] - 0.5), 0), bins)
    upper = min(max(ceil((price + rules[1] - grid[0]) / grid[1] - 0.5), lower), bins)
    for side in range(2):
        for place in range(bins):
            cleared[side, place] *= fade
        exposure, swept = passed[0, side], passed[1, side]
        _sweep(mass[side], cleared[side], offsets[side], grid, low if side == 0 else high, side, swept)
        held = _zones(mass[side], lower, upper)
        total = held[0] + held[1] + held[2]
        grown, shrunk = max(open_interest - total, 0.0), max(total - open_interest, 0.0)
        extra = min(turnover, max(volume - grown, 0.0), max(rules[0] * total - shrunk, 0.0))
        opened, closed = grown + extra, shrunk + extra
        if closed > 0.0:
            loss, gain = (rules[3], rules[4]) if side == 0 else (rules[4], rules[3])
            _thin(mass[side], lower, upper, _survivors(held, (gain, rules[2], loss), closed))
        _place(mass[side], offsets[side], opened * weights[side], opening, grid, price, exposure)
        for rung in range(swept.size):
            exposure[rung] = swept[rung] + exposure[rung]
        traded[0, side], traded[1, side] = opened, closed


def minute(mass: Floats, cleared: Floats, rungs: Rungs, opening: Opening, grid: Grid, flow: Flow, rules: Rules) -> Done:
    """One bar in one book; see `kernel.Minute`.

    Raises:
        ValueError: the book does not reach over what is opened: compiled loops would write elsewhere.
    """
    if not 0 <= opening[0] <= mass.shape[2] - opening[1].size:
        raise ValueError(f"{opening[1].size} bins from {opening[0]} are not in a book of {mass.shape[2]}")
    passed, traded = np.zeros((2, *mass.shape[:2])), np.zeros((2, 2))
    _minute((mass, cleared), (passed, traded), rungs, opening, grid, flow, rules)
    return passed[0], passed[1], traded[0], traded[1]


@loops
def _fill(
    sums: Floats, entry: float, amount: float, factors: Floats, shares: Floats, scale: Scale, later: tuple[float, float]
) -> None:
    """One side of one candle some of whose levels are in no bin; `later` is 1 and the low, or −1 and minus the high."""
    begin, per_unit, bins = scale
    for rung in range(shares.size):
        price = entry * factors[rung]
        place = (price - begin) * per_unit
        code = 2 * bins
        if 0.0 <= place < bins:
            code = int(place) + (bins if later[1] <= later[0] * price else 0)
        sums[code] += amount * shares[rung]


@loops
def filled(entries: Floats, amounts: Pair, candles: Pair, factors: Floats, shares: Floats, scale: Scale) -> Floats:
    """The sums of `seed.Filling`, from the last candle to the first; bounds are looked at once a candle if they can."""
    begin, per_unit, bins = scale
    (longs, shorts), (lows, highs) = amounts, candles
    sums = np.zeros((2, 2 * bins + 1))
    long_sums, short_sums, long_factors, short_factors = sums[0], sums[1], factors[0], factors[1]
    least, most = factors.min(), factors.max()
    low, high = inf, -inf
    for at in range(entries.size - 1, -1, -1):
        entry = entries[at]
        if (entry * least - begin) * per_unit >= 0.0 and (entry * most - begin) * per_unit < bins:
            for rung in range(shares.size):
                price = entry * long_factors[rung]
                code = int((price - begin) * per_unit) + (bins if low <= price else 0)
                long_sums[code] += longs[at] * shares[rung]
                price = entry * short_factors[rung]
                code = int((price - begin) * per_unit) + (bins if high >= price else 0)
                short_sums[code] += shorts[at] * shares[rung]
        else:  # nan too
            _fill(long_sums, entry, longs[at], long_factors, shares, scale, (1.0, low))
            _fill(short_sums, entry, shorts[at], short_factors, shares, scale, (-1.0, -high))
        low, high = min(low, lows[at]), max(high, highs[at])
    return sums


def warm() -> None:
    """Load what a map needs, or compile it where nothing is kept: errors come now, not in the middle of a map."""
    one, side = np.ones((2, 1)), np.ones(1)
    minute(np.zeros((2, 1, 1)), np.zeros((2, 1)), (one, one), (0, side), (0.0, 1.0), (1.0,) * 7, (1.0,) * 5)
    learnt = Learnt(one.copy(), one.copy(), np.ones(2), one.copy(), one.copy())
    lesson(learnt, one, one, (1.0, 1.0, 1.0, 1.0, 1.0), Setting())


COMPILED = Arithmetic(minute, lesson, filled)
