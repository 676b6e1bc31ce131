"""Candles in columns: put in order, counted, and told as events.

Duplicates and rows that contradict themselves are dropped and counted, rows out of order are sorted and said; nothing
is filled in. A candle's `ts_event` is its close, and it is taken as received then.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Candle, Interval

Times = NDArray[np.int64]
_MINUTE: Final = 60_000_000_000
#: Candles that are made into Python's numbers together: few, so that they stay near.
_AT_ONCE: Final = 512
_COLUMNS: Final = ("open", "high", "low", "close", "volume", "taker_buy")


class Bars(msgspec.Struct, frozen=True, kw_only=True):
    """Closed candles of one interval, in order of time; columns of one length."""

    ts_open: Times  #: ns UTC
    open: Floats  #: quote per base
    high: Floats
    low: Floats
    close: Floats
    volume: Floats  #: base units
    taker_buy: Floats  #: base units; NaN where not told
    interval_ns: int

    def __len__(self) -> int:
        """How many there are."""
        return self.ts_open.size

    def between(self, from_ns: int | None, to_ns: int | None) -> "Bars":
        """Those that begin at or after one moment and close at or before another."""
        first = 0 if from_ns is None else int(np.searchsorted(self.ts_open, from_ns))
        closes = self.ts_open + self.interval_ns
        last = len(self) if to_ns is None else int(np.searchsorted(closes, to_ns, side="right"))
        return self.taken(slice(first, max(first, last)))

    def taken(self, rows: "slice | Times") -> "Bars":
        """Some of them."""
        columns = {name: getattr(self, name)[rows] for name in ("ts_open", *_COLUMNS)}
        return Bars(interval_ns=self.interval_ns, **columns)

    @property
    def coverage(self) -> float:
        """Fraction of the intervals between the first and the last that are there."""
        if not len(self):
            return 0.0
        expected = (int(self.ts_open[-1]) - int(self.ts_open[0])) // self.interval_ns + 1
        return len(self) / expected

    @property
    def holes(self) -> list[tuple[int, int]]:
        """Stretches without a candle: from, to, ns UTC."""
        jumps = np.flatnonzero(np.diff(self.ts_open) > self.interval_ns)
        return [(int(self.ts_open[at]) + self.interval_ns, int(self.ts_open[at + 1])) for at in jumps]

    def candles(self, instrument: InstrumentId) -> Iterator[Candle]:
        """As events. `interval` is the longest the model knows that is not longer: the two times tell the truth."""
        kind = next(i for i in (Interval.H1, Interval.M15, Interval.M1) if i.ns <= self.interval_ns or i is Interval.M1)
        begins = range(0, len(self), _AT_ONCE)
        return chain.from_iterable(
            self.taken(slice(begin, begin + _AT_ONCE))._candles(instrument, kind) for begin in begins
        )

    def _candles(self, instrument: InstrumentId, kind: Interval) -> Iterator[Candle]:
        """As `candles`, of all of them together."""
        opens, closes = self.ts_open.tolist(), (self.ts_open + self.interval_ns).tolist()
        prices = [getattr(self, name).tolist() for name in _COLUMNS[:5]]
        nothing, unknown = repeat(None), np.isnan(self.taker_buy)
        bought: Iterable[float | None] = nothing
        if not unknown.all():
            told = self.taker_buy.astype(object)
            told[unknown] = None
            bought = told.tolist()
        return map(
            Candle,
            repeat(instrument),
            closes,
            closes,
            repeat(kind),
            opens,
            *prices,
            nothing,
            nothing,
            bought,
            nothing,
            repeat(True),
        )


def ordered(ts: Times, columns: dict[str, Floats], name: str) -> tuple[Bars, list[str]]:
    """Candles of a file's columns, and what was done to them, in words.

    Args:
        ts: starts, ns UTC, in the order of the file.
        columns: `open high low close volume`, and `taker_buy` where told.
        name: of the file, for the words.
    """
    notes: list[str] = []
    bought = columns.get("taker_buy", np.full(ts.size, np.nan))
    table = np.column_stack([*(columns[key] for key in _COLUMNS[:5]), bought])
    steps = np.diff(ts)
    if back := int(np.count_nonzero(steps < 0)):
        notes.append(f"{name}: {back:,} rows out of order, sorted by time")
    order = np.argsort(ts, kind="stable")
    ts, table = ts[order], table[order]
    is_first = np.concatenate([[True], np.diff(ts) > 0]) if ts.size else np.zeros(0, bool)
    if doubled := int(ts.size - np.count_nonzero(is_first)):
        notes.append(f"{name}: {doubled:,} candles twice, the first of each taken")
    ts, table = ts[is_first], table[is_first]
    is_sound = _sound(table)
    if broken := int(ts.size - np.count_nonzero(is_sound)):
        notes.append(f"{name}: {broken:,} candles contradict themselves (a price missing, or high below low), left out")
    ts, table = ts[is_sound], table[is_sound]
    made = dict(zip(_COLUMNS, table.T.copy(), strict=True))
    return Bars(ts_open=ts, interval_ns=interval_of(ts), **made), notes


def joined(pieces: list[Bars], name: str) -> tuple[Bars, list[str]]:
    """Several files' candles of one interval as one; where they overlap the first named is taken."""
    if len(pieces) == 1:
        return pieces[0], []
    columns = {key: np.concatenate([getattr(piece, key) for piece in pieces]) for key in _COLUMNS}
    ts = np.concatenate([piece.ts_open for piece in pieces])
    whole, notes = ordered(ts, columns, name)
    return msgspec.structs.replace(whole, interval_ns=pieces[0].interval_ns), notes


def interval_of(ts: Times) -> int:
    """The commonest distance of neighbours, ns; a minute for one candle alone."""
    if ts.size < 2:
        return _MINUTE
    found, counts = np.unique(np.diff(np.unique(ts)), return_counts=True)
    return int(found[int(np.argmax(counts))]) if found.size else _MINUTE


def _sound(table: Floats) -> NDArray[np.bool_]:
    first, high, low, last, volume = table[:, :5].T
    inside = (low > 0.0) & (high >= np.maximum(first, last)) & (low <= np.minimum(first, last)) & (volume >= 0.0)
    sound: NDArray[np.bool_] = inside & np.isfinite(table[:, :5]).all(axis=1)
    return sound
