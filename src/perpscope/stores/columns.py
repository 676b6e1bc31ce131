"""Months of one symbol's rows as columns: what is reckoned on a grid needs no object for each of them."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: Series that can be asked for → the column their rows are in order of, and found by.
_ORDER: Final = {
    "premium_index": "ts_minute",
    "open_interest": "ts_minute",
    "long_short_ratio": "ts_event",
    "taker_volume": "ts_event",
    "funding_rates": "ts_event",
    "candles_1m": "ts_open",
}
_INTEGERS: Final = ("ts_", "period_s")
_ALWAYS: Final = 2**62
_NOTHING: Final = "9e999"  #: stands for NULL on its way out: infinite, as no figure of a store is


class Columns:
    """Columns of a series, oldest row first.

    Args:
        rows: (n,) a record of all of them.
    """

    def __init__(self, rows: NDArray[Any]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return int(self._rows.size)

    def times(self, name: str) -> NDArray[np.int64]:
        """(n,) A column of times (ns UTC), or of lengths of time."""
        return np.asarray(self._rows[name], np.int64)

    def figures(self, name: str) -> NDArray[np.float64]:
        """(n,) A column of figures, NaN where the store has none."""
        found = np.asarray(self._rows[name], np.float64)
        return np.where(np.isfinite(found), found, np.nan)


def read_columns(
    connection: sqlite3.Connection,
    series: str,
    names: Sequence[str],
    of: tuple[str, str],
    since_ns: int,
    kind: str | None = None,
    until_ns: int = _ALWAYS,
) -> Columns:
    """Columns of one symbol from a moment on.

    Args:
        connection: to a store of today's schema.
        series: one of the tables above.
        names: columns of it.
        of: venue and symbol.
        since_ns: ns UTC.
        kind: of ratios; None where there are no kinds.
        until_ns: ns UTC, not included.
    """
    order = _ORDER[series]
    told = [name if name.startswith(_INTEGERS) else f"ifnull({name}, {_NOTHING})" for name in names]
    more, values = ("", ()) if kind is None else ("AND kind = ?", (kind,))
    query = f"""SELECT {", ".join(told)} FROM {series}
        WHERE venue = ? AND symbol = ? AND {order} >= ? AND {order} < ? {more} ORDER BY {order}"""  # noqa: S608 -- ours
    record = np.dtype([(name, "i8" if name.startswith(_INTEGERS) else "f8") for name in names])
    return Columns(np.fromiter(connection.execute(query, (*of, since_ns, until_ns, *values)), record))
