"""A day of one contract in a few rows: prices by a coarse grid, and single figures as they stood at a moment.

Made for tables of every coin: each question reads along a primary key, and a day of minutes becomes some fifty rows.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from perpscope.stores.access import open_for_reading, trusting

#: Series with prices of minutes → time, highest, lowest, last.
_PRICES: Final = {
    "candles_1m": ("ts_open", "high", "low", "close"),
    "premium_index": ("ts_minute", "mark_price", "mark_price", "mark_price"),
}
_MINUTE_NS: Final = 60_000_000_000


class Step(msgspec.Struct, frozen=True, array_like=True):
    """A step of the grid."""

    start: int  #: ns UTC
    end: int  #: ns UTC, of its newest minute
    high: float  #: quote per base
    low: float
    close: float


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """A mark price with what its venue says beside it."""

    ts: int  #: ns UTC
    mark: float
    funding_rate: float | None  #: fraction per interval


class Held(msgspec.Struct, frozen=True, array_like=True):
    """Open interest."""

    ts: int  #: ns UTC
    open_interest: float  #: base units
    usd: float | None  #: as the venue reckons it, where published


class DayRows:
    """Asks one store, in one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._ask = connection.execute

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path) -> Iterator["DayRows"]:
        """Open an existing store for a while.

        Raises:
            DataError: there is none ("store-missing").
            StoreError: it cannot be trusted or read.
        """
        with contextlib.closing(open_for_reading(path)) as connection, trusting(path):
            yield cls(connection)

    def steps(self, series: str, of: tuple[str, str], start: int, end: int, step: int) -> list[Step]:
        """Prices of minutes from one moment on and before another, by steps of the grid, oldest first.

        Args:
            series: "candles_1m" or "premium_index".
            of: venue and symbol.
            start: ns UTC, a whole step.
            end: ns UTC.
            step: ns.
        """
        time, high, low, close = _PRICES[series]
        query = f"""SELECT ({time} - ?) / ?, max({time}), max({high}), min({low}) FROM {series}
            WHERE venue = ? AND symbol = ? AND {time} >= ? AND {time} < ? GROUP BY 1 ORDER BY 1"""  # noqa: S608 -- ours
        last = f"SELECT {close} FROM {series} WHERE venue = ? AND symbol = ? AND {time} = ?"  # noqa: S608 -- ours
        found = self._ask(query, (start, step, *of, start, end)).fetchall()
        return [
            Step(start + at * step, newest + _MINUTE_NS, most, least, self._ask(last, (*of, newest)).fetchone()[0])
            for at, newest, most, least in found
        ]

    def close(self, series: str, of: tuple[str, str], at: int, within: int) -> float | None:
        """The price at the end of the last minute before a moment (ns UTC), if that is no older than `within` ns."""
        time, _, _, close = _PRICES[series]
        query = f"""SELECT {close} FROM {series} WHERE venue = ? AND symbol = ? AND {time} >= ? AND {time} <= ?
            ORDER BY {time} DESC LIMIT 1"""  # noqa: S608 -- ours
        row = self._ask(query, (*of, at - within, at - _MINUTE_NS)).fetchone()
        return None if row is None else float(row[0])

    def first(self, series: str, of: tuple[str, str]) -> int | None:
        """When the oldest minute begins, ns UTC; None = there is none."""
        time = _PRICES[series][0]
        query = f"SELECT {time} FROM {series} WHERE venue = ? AND symbol = ? ORDER BY {time} LIMIT 1"  # noqa: S608 -- ours
        row = self._ask(query, of).fetchone()
        return None if row is None else int(row[0])

    def mark(self, of: tuple[str, str], since: int) -> Mark | None:
        """The newest mark price of minutes since a moment (ns UTC)."""
        query = """SELECT ts_event, mark_price, funding_rate FROM premium_index
            WHERE venue = ? AND symbol = ? AND ts_minute >= ? ORDER BY ts_minute DESC LIMIT 1"""
        row = self._ask(query, (*of, since)).fetchone()
        return None if row is None else Mark(*row)

    def held(self, of: tuple[str, str], until: int, within: int) -> Held | None:
        """Open interest as it stood at a moment (ns UTC), if it was told no longer than `within` ns before."""
        query = """SELECT ts_event, open_interest, open_interest_usd FROM open_interest
            WHERE venue = ? AND symbol = ? AND ts_minute >= ? AND ts_minute <= ? ORDER BY ts_minute DESC LIMIT 1"""
        row = self._ask(query, (*of, until - within, until)).fetchone()
        return None if row is None else Held(*row)
