"""Normalised rows of trades, books and contexts in columns: deduplicated, in order of time, with what was not seen.

A row that is equal to another in time and everything it tells is counted and left out. A row that stands in its file
after later ones came late: it is put in its place, and the time until then counts as not seen, since whoever recorded
it did not see it then. What is silent for much longer than it ever is was not seen either.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats
from perpscope.app.backtest.bars import Times
from perpscope.errors import FrameError
from perpscope.feeds.rows import RowDecoder
from perpscope.feeds.tape import Tape
from perpscope.model.instrument import Instrument
from perpscope.model.market import BookSnapshot, MarkPrice, OpenInterest, Side, Trade
from perpscope.trading.layout import DEPTH

_S: Final = 1_000_000_000
#: A kind is silent after six times the 99th percentile of its distances, and after so many seconds at least (by hand).
_FACTOR: Final = 6.0
_FLOOR_S: Final = {"trades": 60.0, "books": 10.0, "contexts": 150.0}
KINDS: Final = tuple(_FLOOR_S)


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one kind, in order of time."""

    kind: str  #: "trades", "books" or "contexts"
    ts: Times  #: ns UTC
    #: trades: price, size with the taker's sign; contexts: mark, index, funding rate, open interest;
    #: books: (n, 4, DEPTH): bid prices, bid sizes, ask prices, ask sizes, NaN where there is no level
    values: Floats
    holes: list[tuple[int, int]]  #: not seen: from, to, ns UTC
    notes: list[str]

    def between(self, from_ns: int | None, to_ns: int | None) -> "Rows":
        """Those of a stretch of time."""
        first = 0 if from_ns is None else int(np.searchsorted(self.ts, from_ns))
        last = self.ts.size if to_ns is None else int(np.searchsorted(self.ts, to_ns, side="right"))
        holes = [hole for hole in self.holes if hole[1] > (from_ns or 0) and (to_ns is None or hole[0] < to_ns)]
        return msgspec.structs.replace(self, ts=self.ts[first:last], values=self.values[first:last], holes=holes)

    def seen(self, from_ns: int, to_ns: int) -> float:
        """Fraction of a stretch of time in which they were heard."""
        return 1.0 - sum(end - start for start, end in self.missed(from_ns, to_ns)) / max(1, to_ns - from_ns)

    def missed(self, from_ns: int, to_ns: int) -> list[tuple[int, int]]:
        """What was not seen of a stretch of time, its ends among it."""
        if not self.ts.size:
            return [(from_ns, to_ns)]
        edges = [(from_ns, int(self.ts[0])), (int(self.ts[-1]), to_ns)]
        bound = bound_ns(self.ts, self.kind)
        far = [edge for edge in edges if edge[1] - edge[0] > bound]
        return sorted([*far, *((max(a, from_ns), min(b, to_ns)) for a, b in self.holes)])


class _Gathered:
    """Rows as they are read, by kind."""

    def __init__(self) -> None:
        self.ts: dict[str, list[int]] = {kind: [] for kind in KINDS}
        self.values: dict[str, list[list[float] | Floats]] = {kind: [] for kind in KINDS}
        self.rejected = 0

    def add(self, kind: str, ts: int, values: "list[float] | Floats") -> None:
        self.ts[kind].append(ts)
        self.values[kind].append(values)


def read_rows(tapes: Iterable[Tape], instrument: Instrument) -> list[Rows]:
    """Rows of an instrument by kind, of files whose spans follow each other or overlap.

    Args:
        tapes: of form "rows".
        instrument: whose they are.
    """
    pieces = sorted((_gathered(tape, instrument) for tape in tapes), key=_first)
    found = []
    for kind in KINDS:
        ts = np.array([at for piece in pieces for at in piece.ts[kind]], np.int64)
        if ts.size:
            values = np.array([row for piece in pieces for row in piece.values[kind]], np.float64)
            found.append(_ordered(kind, ts, values))
    if (rejected := sum(piece.rejected for piece in pieces)) and found:
        found[0].notes.append(f"{rejected:,} lines are no trade, book or context, left out")
    return found


def bound_ns(ts: Times, kind: str) -> float:
    """How long a kind may be silent until it counts as not seen, ns."""
    usual = float(np.quantile(np.diff(np.sort(ts)), 0.99)) if ts.size > 1 else 0.0
    return max(_FLOOR_S[kind] * _S, _FACTOR * usual)


def _gathered(tape: Tape, instrument: Instrument) -> _Gathered:
    gathered, decoder = _Gathered(), RowDecoder(instrument)
    for record in tape.records():
        try:
            decoded = decoder.decode(record.payload, record.ts_recv)
        except FrameError:
            gathered.rejected += 1
            continue
        match decoded:
            case [Trade() as trade]:
                signed = trade.size if trade.side is Side.BUY else -trade.size
                gathered.add("trades", trade.ts_event, [trade.price, signed])
            case [BookSnapshot() as book]:
                gathered.add("books", book.ts_event, _levels(book))
            case [MarkPrice() as mark, OpenInterest() as held]:
                rate = np.nan if mark.funding_rate is None else mark.funding_rate
                index = np.nan if mark.index is None else mark.index
                gathered.add("contexts", mark.ts_event, [mark.mark, index, rate, held.open_interest])
            case _:
                gathered.rejected += 1
    return gathered


def _levels(book: BookSnapshot) -> Floats:
    table = np.full((4, DEPTH), np.nan)
    for row, side in ((0, book.bids[:DEPTH]), (2, book.asks[:DEPTH])):
        if side:
            table[row : row + 2, : len(side)] = np.array(side).T
    return table


def _first(piece: _Gathered) -> int:
    return min((min(ts) for ts in piece.ts.values() if ts), default=0)


def _ordered(kind: str, ts: Times, values: Floats) -> Rows:
    """Equal rows once, in order of time, with the holes of what was seen when it happened."""
    notes: list[str] = []
    flat = values.reshape(ts.size, -1)
    keep = _firsts(ts, flat)
    if doubled := int(ts.size - keep.size):
        notes.append(f"{doubled:,} of {ts.size:,} rows of {kind} twice (same time, same figures), one of each taken")
    ts, values = ts[keep], values[keep]
    newest = np.maximum.accumulate(ts)
    on_time = ts[ts == newest]
    late = int(ts.size - on_time.size)
    bound = bound_ns(ts, kind)
    at = np.flatnonzero(np.diff(on_time) > bound)
    holes = [(int(on_time[i]), int(on_time[i + 1])) for i in at]
    if late:
        back = float((newest - ts).max()) / _S
        notes.append(
            f"{late:,} rows of {kind} stand up to {back:,.0f} s too late in their file: sorted by time; the time until "
            "they came counts as not seen"
        )
    order = np.argsort(ts, kind="stable")
    return Rows(kind=kind, ts=ts[order], values=values[order], holes=holes, notes=notes)


def _firsts(ts: Times, flat: Floats) -> NDArray[np.int64]:
    """Where each different row stands first, in the order of the file."""
    keys = np.column_stack([ts, np.nan_to_num(flat, nan=-1.0).view(np.int64)])
    seen = np.ascontiguousarray(keys).view([("", np.int64)] * keys.shape[1]).ravel()
    _, first = np.unique(seen, return_index=True)
    return np.sort(first)
