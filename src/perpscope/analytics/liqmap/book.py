"""One ledger of positions: a family of classes under one guess of where positions are opened.

In: a bar and where its new positions go. Out: what was passed by the price, class by class. After every bar each side
holds exactly the open interest. Nothing here knows the time or the other books.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from perpscope.analytics.liqmap import kernel, learning
from perpscope.analytics.liqmap.bars import Setting
from perpscope.analytics.liqmap.inflow import Share
from perpscope.analytics.liqmap.kernel import Done, Flow, Minute, Rungs
from perpscope.analytics.liqmap.ladder import Ladder
from perpscope.analytics.liqmap.learning import Learnt
from perpscope.analytics.margin_arrays import Floats

#: Bins a grid grows by, beyond what is needed.
_SPARE = 64


class Book(msgspec.Struct):
    """State; arrays are changed in place. Bins are counted from the map's anchor."""

    first: int  #: number of the first bin
    mass: Floats  #: (2, classes, bins) base units by entry price; side 0 long, 1 short
    cleared: Floats  #: (2, bins) base units swept, by liquidation price, fading
    learnt: Learnt


class Passed(msgspec.Struct, frozen=True):
    """What one bar did to a book: open interest before − swept − closed + opened = after, on each side."""

    exposure: Floats  #: (2, classes) base units the price passed: swept, and opened and passed in the same bar
    swept: Floats  #: (2, classes) base units, of what was held before
    conversion: Floats  #: (2, classes) β before the bar
    opened: Floats  #: (2,) base units
    closed: Floats  #: (2,) base units, voluntarily

    @property
    def expected(self) -> Floats:
        """(2,) μ = Σ β A: base units expected to have been closed by force, long and short."""
        found: Floats = (self.conversion * self.exposure).sum(axis=1)
        return found


def begin(ladder: Ladder, bin_number: int, setting: Setting) -> Book:
    """An empty book around one bin.

    Raises:
        ValueError: a class lies nearer to its entry than a bin is wide.
    """
    if (np.abs(ladder.offsets) < setting.step).any():
        raise ValueError(f"classes must be at least {setting.step:g} away from their entries")
    classes, bins = ladder.offsets.shape[1], 2 * _SPARE
    return Book(
        bin_number - _SPARE, np.zeros((2, classes, bins)), np.zeros((2, bins)), learning.begin(classes, setting)
    )


def reach(book: Book, first: int, last: int) -> None:
    """Make room for bins `first` to `last`, both included, and a little more."""
    end = book.first + book.mass.shape[2]
    if first - 2 >= book.first and last + 2 < end:
        return
    before = book.first - (first - _SPARE) if first - 2 < book.first else 0
    after = last + _SPARE + 1 - end if last + 2 >= end else 0
    book.mass = np.pad(book.mass, ((0, 0), (0, 0), (before, after)))
    book.cleared = np.pad(book.cleared, ((0, 0), (before, after)))
    book.first -= before


def minute(book: Book, rungs: Rungs, share: Share, anchor: float, flow: Flow, setting: Setting, run: Minute) -> Done:
    """One bar: what the price passed goes, some is closed, the rest of the balance is opened (METHOD 6.3).

    Args:
        book: changed; reaches over the share and the bar's prices.
        rungs: offsets and shares of what is opened, (2, classes) each.
        share: where it is opened.
        anchor: log price at which bin 0 begins.
        flow: the bar; see `kernel.Flow`.
        setting: width of a bin, and of closing.
        run: the arithmetic.

    Returns:
        See `kernel.Done`.
    """
    grid = (anchor + book.first * setting.step, setting.step)
    rules = (setting.most_closed, setting.near, *setting.hazards)
    return run(book.mass, book.cleared, rungs, (share.first - book.first, share.parts), grid, flow, rules)


def fill(book: Book, ladder: Ladder, price: float, anchor: float, opened: Floats, share: Share, step: float) -> None:
    """The first positions.

    Args:
        book: changed; reaches over the share.
        ladder: its classes.
        price: log price now.
        anchor: log price at which bin 0 begins.
        opened: (2, classes) base units.
        share: where.
        step: width of a bin.
    """
    grid = (anchor + book.first * step, step)
    kernel.place(book.mass, grid, ladder.offsets, opened, (share.first - book.first, share.parts), price)


def laid_out(book: Book, ladder: Ladder, first: int, count: int, setting: Setting) -> Floats:
    """Mass by liquidation price: (2, classes, count) base units, from bin `first`; what lies outside is left out.

    Entry bins moved by a class' offset fall between two bins and are split by overlap.
    """
    found = np.zeros((2, ladder.offsets.shape[1], count))
    bins = book.mass.shape[2]
    for side in (0, 1):
        for rung in range(ladder.offsets.shape[1] - 1):
            place = book.first + ladder.offsets[side, rung] / setting.step - first
            whole = int(np.floor(place))
            for shift, part in ((whole, 1.0 - (place - whole)), (whole + 1, place - whole)):
                lower, upper = max(shift, 0), min(shift + bins, count)
                if lower < upper:
                    found[side, rung, lower:upper] += part * book.mass[side, rung, lower - shift : upper - shift]
    return found


def summed(weighed: Sequence[tuple[Book, Floats]], ladder: Ladder, first: int, count: int, setting: Setting) -> Floats:
    """Mass by liquidation price times each class' factor, summed over books and classes: (2, count) base units.

    Args:
        weighed: books of the ladder, each with (2, classes) factors.
        ladder: its classes.
        first: bin that is told first; what lies outside is left out.
        count: of bins.
        setting: width of a bin.
    """
    lowest = min(book.first for book, _ in weighed)
    bins = max(book.first + book.mass.shape[2] for book, _ in weighed) - lowest
    mass = np.zeros((2, ladder.offsets.shape[1] - 1, bins))
    for book, factors in weighed:
        start = book.first - lowest
        mass[:, :, start : start + book.mass.shape[2]] += book.mass[:, :-1] * factors[:, :-1, None]
    places = lowest + ladder.offsets[:, :-1] / setting.step - first
    wholes = np.floor(places)
    over = mass * (places - wholes)[:, :, None]
    moved = np.zeros((*mass.shape[:2], bins + 1))
    moved[:, :, :-1] = mass - over
    moved[:, :, 1:] += over
    found = np.zeros((2, count))
    for side, rung in np.argwhere((wholes < count) & (wholes >= -bins)).tolist():
        whole = int(wholes[side, rung])
        lower, upper = max(whole, 0), min(whole + bins + 1, count)
        found[side, lower:upper] += moved[side, rung, lower - whole : upper - whole]
    return found
