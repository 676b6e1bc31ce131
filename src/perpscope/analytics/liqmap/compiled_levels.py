"""`levels` without its classes: what is expected to be closed by force at each level near the mark, and nothing else.

For whoever wants it thousands of times over: a history of a map. In compiled loops and in numpy, with every sum in the
same order, so that both give the same to the last bit.
"""

from collections.abc import Callable
from math import ceil, floor, isfinite, log
from typing import TypeAlias

import numpy as np

from perpscope.analytics.liqmap.compiling import loops
from perpscope.analytics.liqmap.levels import REACH
from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.analytics.margin_arrays import Floats

#: `lay(mass, offsets, factors, moved, step, found)`, one of the two below.
Lay: TypeAlias = Callable[[Floats, Floats, Floats, int, float, Floats], None]


def forced_near(venue: VenueMap, lay: Lay, reach: float = REACH) -> tuple[float, Floats]:
    """Log price at which the first level begins, and (levels,) base units expected to be closed by force, both sides.

    Args:
        venue: with at least one bar.
        lay: `lay_compiled`, or `lay_numpy` where numba is switched off.
        reach: log price either side of the mark.

    Raises:
        ValueError: there is no map yet.
    """
    state, step = venue.state, venue.setting.step
    if state is None:
        raise ValueError("no map yet: open interest was never told")
    first = floor((log(state.mark) - state.anchor) / step) - ceil(reach / step)
    found = np.zeros(2 * ceil(reach / step) + 1)
    for weight, model, book in zip(venue.weights.tolist(), venue.models, state.books, strict=True):
        if weight > 0.0:
            factors = weight * book.learnt.conversion
            lay(book.mass, model.ladder.offsets, factors, book.first - first, step, found)
    return state.anchor + first * step, found


@loops
def lay_compiled(mass: Floats, offsets: Floats, factors: Floats, moved: int, step: float, found: Floats) -> None:
    """Add a book: entry bins moved by each class' offset, split by overlap; what lies outside is left out.

    Args:
        mass: (2, classes, bins) base units.
        offsets: (2, classes) log of liquidation price ÷ entry.
        factors: (2, classes) of mass into forced orders.
        moved: level at which its first bin would be.
        step: width of a level.
        found: (levels,) changed.
    """
    sides, classes, bins = mass.shape
    for side in range(sides):
        for rung in range(classes):
            if not isfinite(offsets[side, rung]):
                continue
            place = moved + offsets[side, rung] / step
            whole = floor(place)
            part = place - whole
            for at in range(max(0, -whole - 1), min(bins, found.size - whole)):
                amount = factors[side, rung] * mass[side, rung, at]
                if whole + at >= 0:
                    found[whole + at] += (1.0 - part) * amount
                if whole + at + 1 < found.size:
                    found[whole + at + 1] += part * amount


def lay_numpy(mass: Floats, offsets: Floats, factors: Floats, moved: int, step: float, found: Floats) -> None:
    """As `lay_compiled`: a level is given the upper part of one bin before the lower part of the next."""
    bins = mass.shape[2]
    for side, rung in np.argwhere(np.isfinite(offsets)).tolist():
        place = moved + offsets[side, rung] / step
        whole = floor(place)
        part = place - whole
        amounts = factors[side, rung] * mass[side, rung]
        for shift, share in ((whole + 1, part), (whole, 1.0 - part)):
            lower, upper = max(shift, 0), min(shift + bins, found.size)
            if lower < upper:
                found[lower:upper] += share * amounts[lower - shift : upper - shift]
