"""Where a bin's mass came from: every cell that reaches into it is watched while the map is made again (B17).

What is removed from a cell is removed from all that was ever opened there in proportion, as the map itself does; what
is added is a new entry. So the entries sum to the cell, and by the cells' overlaps to the bin.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from perpscope.analytics.liqmap.book import Book

#: Side (0 long, 1 short), class, number of the entry bin.
Cell = tuple[int, int, int]


class Entry(msgspec.Struct):
    """Positions opened in one bar in one cell; what is left of them."""

    ts: int  #: ns UTC, end of the bar
    growth: float  #: change of open interest in it, base units; all of it for the first bar
    opened: float  #: base units put there
    left: float  #: base units still there


class Tracer:
    """Watches cells of some books.

    Args:
        cells: by place of the book.
    """

    def __init__(self, cells: Mapping[int, Sequence[Cell]]) -> None:
        self._cells = cells
        self.entries: dict[tuple[int, Cell], list[Entry]] = {
            (at, cell): [] for at, watched in cells.items() for cell in watched
        }
        self._before: dict[tuple[int, Cell], float] = {}

    def added(self, books: Sequence[Book], ts: int, open_interest: float) -> None:
        """The first open interest was placed."""
        for at, book in enumerate(books):
            self.opened(at, book, ts, open_interest)

    def watch(self, at: int, book: Book) -> None:
        """A book is about to change."""
        for cell in self._cells.get(at, ()):
            self._before[at, cell] = _mass(book, cell)

    def kept(self, at: int, book: Book) -> None:
        """What was swept and closed is gone."""
        for cell in self._cells.get(at, ()):
            before, now = self._before[at, cell], _mass(book, cell)
            factor = now / before if before > 0.0 else 0.0
            kept = self.entries[at, cell]
            for entry in kept:
                entry.left *= factor
            self.entries[at, cell] = [entry for entry in kept if entry.left > 0.0]
            self._before[at, cell] = now

    def opened(self, at: int, book: Book, ts: int, growth: float) -> None:
        """New positions are in."""
        for cell in self._cells.get(at, ()):
            more = _mass(book, cell) - self._before.get((at, cell), 0.0)
            if more > 0.0:
                self.entries[at, cell].append(Entry(ts, growth, more, more))


def _mass(book: Book, cell: Cell) -> float:
    side, rung, number = cell
    column = number - book.first
    if not 0 <= column < book.mass.shape[2]:
        return 0.0
    return float(np.float64(book.mass[side, rung, column]))
