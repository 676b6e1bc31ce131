"""A past that is known beforehand, into the store at once: columns in, rows out, one transaction for each portion.

For days that were made, not collected. The rows are those the intake would make of the same events, marked as what did
not come live; events take ten times as long.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple, TypeAlias

from perpscope.model.market import Interval, RatioKind
from perpscope.stores.chores import Chore
from perpscope.stores.rows import Row, text_of
from perpscope.stores.statements import INSERT_CANDLE, INSERT_MARK
from perpscope.stores.traders import INSERT_TRADERS

#: A value a row; or one for all of them.
Column: TypeAlias = Sequence[float] | Sequence[int] | float | None
#: By table.
Portion: TypeAlias = Mapping[str, Iterable[Row]]

_STATEMENTS = {
    **{f"candles_{interval.value}": statement for interval, statement in INSERT_CANDLE.items()},
    "premium_index": INSERT_MARK,
    **{table: statements[0] for table, statements in INSERT_TRADERS.items()},
}


class Names(NamedTuple):
    """Whose rows these are."""

    venue: str
    symbol: str  #: the venue's own name
    instrument: str


class Times(NamedTuple):
    """Moments, with their text: many tables share them."""

    ns: list[int]  #: ns UTC
    text: list[str]

    @classmethod
    def of(cls, moments: Sequence[int]) -> "Times":
        """Written as the tables promise."""
        return cls(list(moments), [text_of(ts) for ts in moments])


def put(portions: Iterable[Portion]) -> Chore[int]:
    """A chore that keeps rows, a transaction for each portion; tells how many it was given."""

    def chore(connection: sqlite3.Connection) -> Iterator[int]:
        given = 0
        for portion in portions:
            connection.execute("BEGIN IMMEDIATE")
            for table, rows in portion.items():
                given += connection.executemany(_STATEMENTS[table], rows).rowcount
            connection.execute("COMMIT")
            yield given

    return chore


def candles(names: Names, interval: Interval, opened: Times, *figures: Column) -> Iterator[Row]:
    """Rows of closed candles.

    Args:
        names: whose.
        interval: their length.
        opened: when each opened.
        figures: open, high, low, close, volume, quote volume, trades, taker buy volume, taker buy quote volume.
    """
    closed = [ts + interval.ns for ts in opened.ns]
    return _rows(names, opened.text, opened.ns, *figures, closed, closed, True)


def marks(
    names: Names, minutes: Times, mark: Column, index: Column, rate: Column, due: Column, interval_h: float
) -> Iterator[Row]:
    """Rows of mark prices, each as of the last millisecond of its minute.

    Args:
        names: whose.
        minutes: when each minute began.
        mark: quote per base.
        index: quote per base.
        rate: of funding, fraction of the interval.
        due: when it is paid, ns UTC; None where the venue does not tell.
        interval_h: hours.
    """
    last = [ts + Interval.M1.ns - 1_000_000 for ts in minutes.ns]
    return _rows(names, minutes.text, minutes.ns, mark, index, rate, due, last, last, interval_h)


def open_interest(names: Names, times: Times, held: Column, held_usd: Column) -> Iterator[Row]:
    """Rows of open interest (base units, one side; dollars, where told), of whole minutes."""
    return _rows(names, times.text, times.ns, held, held_usd, times.ns, times.ns, True)


def ratios(names: Names, times: Times, kind: RatioKind, period_s: int, longs: Sequence[float]) -> Iterator[Row]:
    """Rows of ratios, by the end of their periods; `longs` is the fraction that is long."""
    ratio = [share / (1.0 - share) if share < 1.0 else None for share in longs]
    told = (kind.value, period_s, longs, ratio)
    return _rows(names, times.text, *told, times.ns, times.ns, True)


def taker_volume(names: Names, times: Times, period_s: int, bought: Column, sold: Column) -> Iterator[Row]:
    """Rows of what takers bought and sold (base units), by the end of their periods."""
    return _rows(names, times.text, period_s, bought, sold, times.ns, times.ns, True)


def fundings(names: Names, times: Times, rate: Column, mark: Column) -> Iterator[Row]:
    """Rows of what was paid: a fraction of the notional at the mark price, where told."""
    return _rows(names, times.text, times.ns, rate, mark, times.ns, True)


def _rows(names: Names, *columns: Sequence[object] | float | str | None) -> Iterator[Row]:
    """Columns turned to rows; what is no list is the same in each.

    Raises:
        ValueError: columns of several lengths.
    """
    lengths = {len(each) for each in columns if isinstance(each, list)}
    if len(lengths) != 1:
        raise ValueError(f"columns must be of one length, were of {sorted(lengths)}")
    parts = (each if isinstance(each, list) else repeat(each) for each in columns)
    return zip(*map(repeat, names), *parts, strict=False)
