"""What is scored: of one side and one stretch of time, the cells the price reached and what was closed by force there.

A cell is 5 bps of log distance from the mark at the moment the maps were frozen. In: windows of many markets. Out:
`Rows`, all of them end to end, so that a score is a sum over slices; and why some windows are left out.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats

#: Width of a cell, log price, and how many there are on a side: 10 % either way.
CELL: Final = 5e-4
CELLS: Final = 200
#: A window is scored if so many cells were reached, so that a fifth of them can be chosen (METHOD 10.3, Lift@20 %).
LEAST_CELLS: Final = 5
#: And if so many were closed by force in it; ANCHORS 4.1.
LEAST_EVENTS: Final = 10
NOT_REACHED, NOTHING_FORCED, TOO_FEW = (
    f"fewer than {LEAST_CELLS} cells reached",
    "nothing closed by force in what was reached",
    f"fewer than {LEAST_EVENTS} closed by force",
)


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """One side of one market and stretch of time; arrays are of the cells that were reached, nearest first."""

    market: int  #: seed or symbol, numbered
    ts: int  #: ns UTC, when everything but `cover`, `realised` and `events` was known
    side: int  #: 0 long, 1 short
    sigma: float  #: forecast standard deviation of the log return over the window
    events: int  #: closings by force, both sides
    cover: Floats  #: in (0, 1]: how much of the cell was reached, over venues by open interest
    realised: Floats  #: dollars closed by force in it
    found: Mapping[str, Floats]  #: dollars each map expects of what was reached


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """Windows end to end: `starts[i]:starts[i + 1]` of the flat arrays are row i's cells."""

    starts: NDArray[np.int64]  #: (rows + 1,)
    market: NDArray[np.int64]  #: (rows,)
    ts: NDArray[np.int64]  #: (rows,) ns UTC
    side: NDArray[np.int64]  #: (rows,)
    sigma: Floats  #: (rows,)
    cell: NDArray[np.int64]  #: (cells,) number from the mark
    cover: Floats  #: (cells,)
    realised: Floats  #: (cells,)
    found: dict[str, Floats]  #: (cells,) each

    @property
    def count(self) -> int:
        """How many windows."""
        return int(self.market.size)

    @property
    def row(self) -> NDArray[np.int64]:
        """(cells,) which row a cell is of."""
        return np.repeat(np.arange(self.count), np.diff(self.starts))

    def sums(self, values: Floats) -> Floats:
        """(rows,) sums of flat values; no row is empty."""
        found: Floats = np.add.reduceat(values, self.starts[:-1])
        return found

    def shares(self, values: Floats) -> Floats:
        """Flat values made to sum to 1 in each row; those of a row of nothing stay 0."""
        totals = self.sums(values)
        shares: Floats = values / np.where(totals > 0.0, totals, 1.0)[self.row]
        return shares

    def where(self, wanted: NDArray[np.bool_]) -> "Rows | None":
        """Some of the windows, (rows,) told which; None if it is none of them."""
        if not wanted.any():
            return None
        cells = wanted[self.row]
        return Rows(
            starts=np.concatenate(([0], np.cumsum(np.diff(self.starts)[wanted]))).astype(np.int64),
            market=self.market[wanted],
            ts=self.ts[wanted],
            side=self.side[wanted],
            sigma=self.sigma[wanted],
            cell=self.cell[cells],
            cover=self.cover[cells],
            realised=self.realised[cells],
            found={name: values[cells] for name, values in self.found.items()},
        )


def reason_against(window: Window) -> str | None:
    """Why a window is not scored; None if it is."""
    if window.cover.size < LEAST_CELLS:
        return NOT_REACHED
    if not window.realised.any():
        return NOTHING_FORCED
    return TOO_FEW if window.events < LEAST_EVENTS else None


def flat(windows: Iterable[Window]) -> Rows:
    """Windows end to end, those of no cell left out.

    Raises:
        ValueError: there is no window with a cell.
    """
    taken = [window for window in windows if window.cover.size]
    if not taken:
        raise ValueError("no window in which the price moved")
    sizes = [window.cover.size for window in taken]
    return Rows(
        starts=np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        market=np.array([window.market for window in taken], np.int64),
        ts=np.array([window.ts for window in taken], np.int64),
        side=np.array([window.side for window in taken], np.int64),
        sigma=np.array([window.sigma for window in taken]),
        cell=np.concatenate([np.arange(size) for size in sizes]),
        cover=np.concatenate([window.cover for window in taken]),
        realised=np.concatenate([window.realised for window in taken]),
        found={name: np.concatenate([window.found[name] for window in taken]) for name in taken[0].found},
    )


def reached(distance: Floats) -> Floats:
    """How much of each cell a price reached that went so far, log distance: (..., CELLS) in [0, 1].

    >>> reached(np.array([0.0012]))[0, :4].round(2)
    array([1. , 1. , 0.4, 0. ])
    """
    covered: Floats = np.clip(np.asarray(distance)[..., None] / CELL - np.arange(CELLS), 0.0, 1.0)
    return covered


def split_at(stamps_ns: NDArray[np.int64], share: float, horizon_ns: int) -> int:
    """The moment (ns UTC) that parts training from test: the first `share` of the time; see `is_training`."""
    first, last = int(stamps_ns.min()), int(stamps_ns.max()) + horizon_ns
    return first + round(share * (last - first))


def is_training(window: Window, split_ns: int, horizon_ns: int) -> bool:
    """It is over at the split."""
    return window.ts + horizon_ns <= split_ns


def is_test(window: Window, split_ns: int, embargo_ns: int) -> bool:
    """It begins an embargo after the split."""
    return window.ts >= split_ns + embargo_ns
