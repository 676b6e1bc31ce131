"""Normalised rows of one instrument: somebody else's reading of a venue's trades, books and contexts.

In: `{ts, px, sz, side}` (a trade), `{ts, bids, asks}` (a whole book) or `{ts, funding, oi, mark, oracle}` (a context),
one JSON object a line, times in ms. Out: events. A row names neither venue nor instrument: whoever makes the decoder
knows. Rows carry no ids: a trade's is its time and its number in the file, the same whenever the file is read again.
Of two equal rows both count: equal trades within a millisecond are real as often as not, and nothing tells them apart.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal, TypeAlias

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument
from perpscope.model.market import BookSnapshot, Level, MarketEvent, MarkPrice, OpenInterest, Side, Trade
from perpscope.model.stream import Ignored
from perpscope.ports import Decoded

MS = 1_000_000  #: ns in a millisecond
_SHOWN = 120  #: bytes of a row that go into a message

#: ms UTC from 2017-01-01 to 2100-01-01.
_Millis = Annotated[int, msgspec.Meta(ge=1_483_228_800_000, lt=4_102_444_800_000)]
_Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e15)]
_NotNegative = Annotated[float, msgspec.Meta(ge=0, lt=1e15)]
_Rate = Annotated[float, msgspec.Meta(gt=-1, lt=1)]


class _TradeRow(msgspec.Struct, gc=False):
    ts: _Millis
    px: _Positive
    sz: _Positive  #: base units
    side: Literal["A", "B"]  #: "B" = the taker bought, "A" = the taker sold, as Hyperliquid writes it


class _BookRow(msgspec.Struct, gc=False):
    ts: _Millis
    bids: list[tuple[_Positive, _Positive]]
    asks: list[tuple[_Positive, _Positive]]

    def __post_init__(self) -> None:
        """Best levels come first."""
        bids, asks = [price for price, _ in self.bids], [price for price, _ in self.asks]
        if bids != sorted(bids, reverse=True) or asks != sorted(asks):
            raise ValueError("Expected `bids` falling and `asks` rising")


class _ContextRow(msgspec.Struct, gc=False):
    ts: _Millis
    funding: _Rate  #: of one interval
    oi: _NotNegative  #: base units, one side
    mark: _NotNegative
    oracle: _NotNegative


class _Stamp(msgspec.Struct, gc=False):
    ts: _Millis


_Row: TypeAlias = _TradeRow | _BookRow | _ContextRow

_Reader: TypeAlias = Callable[[bytes | memoryview], _Row]

_READERS: tuple[_Reader, ...] = (
    msgspec.json.Decoder(_TradeRow).decode,
    msgspec.json.Decoder(_BookRow).decode,
    msgspec.json.Decoder(_ContextRow).decode,
)
_read_stamp = msgspec.json.Decoder(_Stamp).decode
#: What msgspec raises on hostile input besides its own errors.
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)


def is_row(line: bytes) -> bool:
    """True if a line is a trade, a book or a context."""
    return _read(line, _READERS) is not None


def row_ms(line: bytes) -> int:
    """When a row is of, ms UTC; 0 if it does not tell."""
    try:
        return _read_stamp(line).ts
    except _UNREADABLE:
        return 0


class RowDecoder:
    """Turns the rows of one file into events.

    Args:
        instrument: whose rows they are; its `funding_interval_h` is what the funding of a context is for.
    """

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._readers = _READERS  # the shape met last first
        self._rows = 0

    @property
    def named(self) -> Mapping[str, Instrument]:
        """The one instrument."""
        return {self._instrument.symbol: self._instrument}

    def decode(self, raw: bytes | memoryview, ts_recv: int) -> Decoded:
        """Decode one row, taken as received at `ts_recv` (ns UTC).

        Raises:
            FrameError: it is neither a trade, nor a book, nor a context.
        """
        self._rows += 1
        found = _read(raw, self._readers)
        if found is None:
            what = f"no trade, book or context; the row begins {bytes(raw[:_SHOWN])!r}"
            raise FrameError(f"{self._instrument.id}: {what}", venue=self._instrument.venue)
        row, at = found
        if at:
            self._readers = (self._readers[at], *self._readers[:at], *self._readers[at + 1 :])
        return self._events(row, ts_recv)

    def _events(self, row: _Row, ts_recv: int) -> list[MarketEvent] | Ignored:
        instrument, ts = self._instrument.id, row.ts * MS
        match row:
            case _TradeRow():
                side = Side.BUY if row.side == "B" else Side.SELL
                return [Trade(instrument, ts, ts_recv, f"{row.ts}-{self._rows}", row.px, row.sz, side, False)]
            case _BookRow():
                bids: list[Level] = [*row.bids]
                asks: list[Level] = [*row.asks]
                return [BookSnapshot(instrument, ts, ts_recv, row.ts, bids, asks, is_stream=True)]
            case _ContextRow():
                if not row.mark:
                    return Ignored("unpriced")
                hours = self._instrument.funding_interval_h
                return [
                    MarkPrice(instrument, ts, ts_recv, row.mark, row.oracle or None, row.funding, None, hours),
                    OpenInterest(instrument, ts, ts_recv, row.oi, None),
                ]


def _read(raw: bytes | memoryview, readers: tuple[_Reader, ...]) -> tuple[_Row, int] | None:
    """The row, and which of the readers could read it."""
    for at, read in enumerate(readers):
        try:
            return read(raw), at
        except _UNREADABLE:
            continue
    return None
