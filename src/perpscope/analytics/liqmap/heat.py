"""The heatmap: expected forced dollars by time and price, kept small.

A column is one moment's bins, both sides together, as 16-bit logarithmic codes of what is not empty (METHOD 6.9). Codes
are 2 % apart, so that a value comes back within 1 %.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats

#: Ratio of neighbouring codes, and the dollars of code 1; less is kept as nothing.
RATIO: Final = 1.02
_LEAST: Final = 1.0
#: Beyond this no code is needed: 10^300 dollars.
_MOST_CODE: Final = 34_000


class Column(msgspec.Struct, frozen=True):
    """One moment of a heatmap."""

    ts: int  #: ns UTC
    at: NDArray[np.uint32]  #: places of the bins that hold something, rising
    codes: NDArray[np.uint16]  #: of each


class Heatmap(msgspec.Struct, frozen=True, kw_only=True):
    """Columns over common bins, oldest first."""

    edges: Floats  #: (bins + 1,) quote per base
    columns: list[Column]

    @property
    def times(self) -> NDArray[np.int64]:
        """(columns,) ns UTC."""
        return np.array([column.ts for column in self.columns], np.int64)

    @property
    def usd(self) -> Floats:
        """(columns, bins) dollars, within 1 %."""
        found = np.zeros((len(self.columns), self.edges.size - 1))
        for row, column in zip(found, self.columns, strict=True):
            row[column.at] = decoded(column.codes)
        return found

    @property
    def bytes(self) -> int:
        """What the columns take in memory."""
        return sum(column.at.nbytes + column.codes.nbytes for column in self.columns)


def column(ts: int, usd: Floats) -> Column:
    """A column of (bins,) dollars at a moment (ns UTC)."""
    codes = encoded(usd)
    at = np.flatnonzero(codes)
    return Column(ts, at.astype(np.uint32), codes[at])


def heatmap(edges: Floats, columns: Sequence[Column]) -> Heatmap:
    """Columns that were made over the same edges, put in order of time.

    Raises:
        ValueError: a column reaches beyond the edges.
    """
    for one in columns:
        if one.at.size and int(one.at[-1]) >= edges.size - 1:
            raise ValueError(f"a column has bin {int(one.at[-1])} of {edges.size - 1}")
    return Heatmap(edges=edges, columns=sorted(columns, key=lambda one: one.ts))


def encoded(usd: Floats) -> NDArray[np.uint16]:
    """Dollars as codes; 0 = less than a dollar.

    >>> encoded(np.array([0.0, 0.4, 1.0, 1e6])).tolist()
    [0, 0, 1, 699]
    """
    something = usd >= _LEAST
    logs = np.log(np.where(something, usd, _LEAST) / _LEAST) / np.log(RATIO)
    codes = np.where(something, np.minimum(np.rint(logs) + 1.0, _MOST_CODE), 0.0)
    return codes.astype(np.uint16)


def decoded(codes: NDArray[np.uint16]) -> Floats:
    """Codes as dollars."""
    found: Floats = np.where(codes > 0, _LEAST * RATIO ** (codes.astype(float) - 1.0), 0.0)
    return found
