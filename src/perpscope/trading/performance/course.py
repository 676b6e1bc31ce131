"""How equity went: one row for each moment it was looked at, whole for measuring and thinned for keeping.

Thinning keeps the first and last row of each stretch of time and its highest and lowest, so that no drawdown and no
peak is lost; figures are made of the whole course, pictures of the thinned one.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats
from perpscope.model.run import RunCurve

#: Rows a stretch of time leaves at most: its first, its last, its highest and its lowest.
_ROWS: Final = 4


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of equal length, in order of time; two rows or more at one moment are allowed."""

    at_ms: NDArray[np.int64]
    equity: Floats  #: quote units, unrealised PnL in it
    position: Floats  #: base units, signed
    price: Floats | None = None  #: the mark, quote per base
    liquidation: Floats | None = None  #: quote per base; NaN while flat

    @classmethod
    def of(cls, curve: RunCurve) -> "Course":
        """A kept curve as columns."""
        held = [np.nan if price is None else price for price in curve.liquidation]
        return cls(
            at_ms=np.array(curve.at_ms, np.int64),
            equity=np.array(curve.equity, np.float64),
            position=np.array(curve.position, np.float64),
            price=np.array(curve.price, np.float64) if curve.price else None,
            liquidation=np.array(held, np.float64) if curve.liquidation else None,
        )


def thinned(course: Course, most: int = 4000) -> RunCurve:
    """The course in at most about `most` rows, each extreme of equity among them.

    Args:
        course: of any length.
        most: rows wanted at most, 4 or more; a course that is no longer is kept whole.

    Raises:
        ValueError: fewer than 4 rows are asked for.
    """
    if most < _ROWS:
        raise ValueError(f"{most} rows cannot keep first, last, highest and lowest: ask for {_ROWS} or more")
    rows = _kept(course.equity, most)
    price, liquidation = course.price, course.liquidation
    return RunCurve(
        at_ms=course.at_ms[rows].tolist(),
        equity=course.equity[rows].tolist(),
        position=course.position[rows].tolist(),
        price=[] if price is None else price[rows].tolist(),
        liquidation=[] if liquidation is None else _known(liquidation[rows].tolist()),
    )


def _kept(equity: Floats, most: int) -> NDArray[np.int64]:
    """Rows to keep, rising."""
    if equity.size <= most:
        return np.arange(equity.size)
    edges = np.linspace(0, equity.size, most // _ROWS + 1).astype(np.int64)
    kept: list[int] = []
    for first, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = equity[first:end]
        kept += [first, first + int(part.argmax()), first + int(part.argmin()), end - 1]
    return np.unique(np.array(kept, np.int64))


def _known(values: Sequence[float]) -> list[float | None]:
    """NaN as None."""
    return [None if value != value else value for value in values]  # noqa: PLR0124 -- NaN alone differs from itself
