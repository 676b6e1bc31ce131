"""A tape: rows of one instrument's market in the order they were received, in columns for the compiled loop.

In: rows one by one, or columns. Out: a `Tape`. A row has its kind and two times; what it tells stands in the table of
its kind, in the same order, so that no row needs to say where. Prices and sizes of books are whole ticks and steps.
"""

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats
from perpscope.trading.layout import DEPTH, NS

Times = NDArray[np.int64]
#: Levels of a side: (tick, steps).
Steps = Sequence[tuple[int, int]]

# Kinds of rows.
CANDLE: Final = 0
TRADE: Final = 1
BOOK: Final = 2  #: the best levels, whole
LEVEL: Final = 3  #: one level of a delta, with more to come
LAST_LEVEL: Final = 4  #: the last level of a delta
CLEAR: Final = 5  #: no level is known any more
MARK: Final = 6
FUNDING: Final = 7
SECOND: Final = 8
LIQUIDATION: Final = 9
OPEN_INTEREST: Final = 10
CLUSTERS: Final = 11
FORECAST: Final = 12
GAP: Final = 13
KINDS: Final = 14

#: Ticks a ladder may have: 256 MB of them.
MOST_TICKS: Final = 1 << 24


class Tables(NamedTuple):
    """What the rows tell, by kind; each in the order of its rows."""

    candles: Floats  #: (n, 6): open, high, low, close, volume, taker_buy
    opens: Times  #: ns UTC, starts of the candles
    trades: Floats  #: (n, 2): price, size with the taker's sign
    books: Times  #: (n, 4, DEPTH): bid ticks, bid steps, ask ticks, ask steps
    depths: Times  #: (n, 2): levels of bids, of asks
    levels: Times  #: (n, 2): tick, below 0 for an ask; steps
    marks: Floats  #: (n, 3): mark, index, funding rate
    next_fundings: Times  #: ns UTC; 0 = not told
    fundings: Floats  #: (n, 2): rate, mark
    liquidations: Floats  #: (n, 2): position side, dollars
    open_interests: Floats  #: (n,): base units
    clusters: Floats  #: (n, 5): above price and dollars, below price and dollars, pull
    forecasts: Floats  #: (n, 4): up, down, edge, is_promoted
    forecasts_for: Times  #: ns UTC
    gaps: NDArray[np.uint8]  #: 1 = begins, 0 = ends


_SHAPES: Final = {
    **{"candles": (6,), "trades": (2,), "books": (4, DEPTH), "depths": (2,), "levels": (2,), "marks": (3,)},
    **{"fundings": (2,), "liquidations": (2,), "clusters": (5,), "forecasts": (4,)},
}
_CODES: Final = dict.fromkeys(("opens", "books", "depths", "levels", "next_fundings", "forecasts_for"), "q") | {
    "gaps": "B"
}
_DTYPES: Final = {"q": np.int64, "d": np.float64, "B": np.uint8}


class Tape(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument's market over a time."""

    kind: NDArray[np.uint8]
    ts_event: Times  #: ns UTC, the exchange's
    ts_recv: Times  #: ns UTC, ours; never falls
    tables: Tables
    lowest: int = 0  #: lowest tick of `levels`
    ticks: int = 0  #: how many ticks they span

    def __len__(self) -> int:
        """Rows."""
        return self.kind.size

    @property
    def sha256(self) -> str:
        """Of every row and all it tells, hexadecimal."""
        digest = hashlib.sha256(b"perpscope tape 1")
        for column in (self.kind, self.ts_event, self.ts_recv, *self.tables):
            digest.update(str(column.shape).encode())
            digest.update(np.ascontiguousarray(column).data)
        return digest.hexdigest()


def tape_of_candles(ts_open: Times, bars: Floats, interval_ns: int, delay_ns: int = 0) -> Tape:
    """A tape of closed candles.

    Args:
        ts_open: ns UTC, rising.
        bars: (n, 6): open, high, low, close (quote per base), volume, taker_buy (base units; NaN where not told).
        interval_ns: length of each; it is closed, and told, at its end.
        delay_ns: from its end to our receipt.
    """
    ts_event = ts_open + interval_ns
    tables = _tables()._replace(candles=np.ascontiguousarray(bars, np.float64), opens=np.ascontiguousarray(ts_open))
    return Tape(
        kind=np.full(ts_open.size, CANDLE, np.uint8), ts_event=ts_event, ts_recv=ts_event + delay_ns, tables=tables
    )


def tape_of_levels(ts_event: Times, ts_recv: Times, trades: Floats, levels: Times, is_trade: NDArray[np.bool_]) -> Tape:
    """A tape of trades and single levels of deltas, with a second after each second of receipts.

    Args:
        ts_event: ns UTC, of each row.
        ts_recv: ns UTC, never falling.
        trades: (rows that are trades, 2): price, size with the taker's sign.
        levels: (the other rows, 2): tick, below 0 for an ask; steps.
        is_trade: by row.
    """
    begin = int(ts_recv[0]) // NS + 1
    seconds = np.arange(begin, int(ts_recv[-1]) // NS + 1, dtype=np.int64) * NS
    at = np.searchsorted(ts_recv, seconds)
    kind = np.insert(np.where(is_trade, TRADE, LAST_LEVEL).astype(np.uint8), at, SECOND)
    lowest, ticks = _span(levels)
    return Tape(
        kind=kind,
        ts_event=np.insert(ts_event, at, seconds),
        ts_recv=np.insert(ts_recv, at, seconds),
        tables=_tables()._replace(trades=trades, levels=levels),
        lowest=lowest,
        ticks=ticks,
    )


class TapeWriter:
    """Takes rows one by one, in the order they were received."""

    def __init__(self) -> None:
        self._kind = array("B")
        self._ts_event = array("q")
        self._ts_recv = array("q")
        self._columns = {name: array(_CODES.get(name, "d")) for name in Tables._fields}

    def row(self, kind: int, ts_event: int, ts_recv: int, **told: Iterable[float]) -> None:
        """Add a row.

        Args:
            kind: one of the constants above.
            ts_event: ns UTC, the exchange's.
            ts_recv: ns UTC, ours.
            told: what stands in its row of each of its tables, by the table's name.
        """
        self._kind.append(kind)
        self._ts_event.append(ts_event)
        self._ts_recv.append(ts_recv)
        for name, values in told.items():
            self._columns[name].extend(values)  # type: ignore[arg-type]  # whole numbers where the table has them

    def book(self, ts_event: int, ts_recv: int, bids: Steps, asks: Steps) -> None:
        """Add the best levels, (tick, steps), best first; no more than `DEPTH` of a side are kept."""
        levels = np.zeros((4, DEPTH), np.int64)
        for side, told in enumerate((bids[:DEPTH], asks[:DEPTH])):
            for at, level in enumerate(told):
                levels[2 * side : 2 * side + 2, at] = level
        self.row(
            BOOK,
            ts_event,
            ts_recv,
            books=levels.ravel().tolist(),
            depths=(min(len(bids), DEPTH), min(len(asks), DEPTH)),
        )

    def levels(self, ts_event: int, ts_recv: int, bids: Steps, asks: Steps) -> None:
        """Add a delta: levels that changed, (tick, steps); 0 steps removes one."""
        told = [*bids, *((-tick, steps) for tick, steps in asks)]
        for at, level in enumerate(told, 1):
            self.row(LAST_LEVEL if at == len(told) else LEVEL, ts_event, ts_recv, levels=level)

    def tape(self) -> Tape:
        """The tape so far."""
        shaped = {
            name: np.frombuffer(column, _DTYPES[column.typecode]).reshape(-1, *_SHAPES.get(name, ())).copy()
            for name, column in self._columns.items()
        }
        lowest, ticks = _span(shaped["levels"])
        return Tape(
            kind=np.frombuffer(self._kind, np.uint8).copy(),
            ts_event=np.frombuffer(self._ts_event, np.int64).copy(),
            ts_recv=np.frombuffer(self._ts_recv, np.int64).copy(),
            tables=Tables(**shaped),
            lowest=lowest,
            ticks=ticks,
        )


def _tables() -> Tables:
    """Tables without rows."""
    return TapeWriter().tape().tables


def _span(levels: Times) -> tuple[int, int]:
    """Lowest tick, and how many ticks there are up to the highest.

    Raises:
        ValueError: more than a ladder may have.
    """
    if not levels.size:
        return 0, 0
    ticks = np.abs(levels[:, 0])
    lowest, highest = int(ticks.min()), int(ticks.max())
    if highest - lowest >= MOST_TICKS:
        raise ValueError(f"levels from tick {lowest} to {highest}: a ladder has {MOST_TICKS} at most")
    return lowest, highest - lowest + 1
