"""Trades, best prices, books and candles: what OKX tells of one instrument at a time.

https://www.okx.com/docs-v5/en/#order-book-trading-market-data
`arg` names the instrument, the rows only sometimes do. Unused fields are not read.
"""

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal, TypeAlias, final

import msgspec

from perpscope.model.market import BookDelta, BookSnapshot, Candle, Interval, Level, MarketEvent, Quote, Side, Trade
from perpscope.model.stream import Ignored
from perpscope.ports import Decoded
from perpscope.venues.okx.wire import MS, Contracts, Count, Measure, Millis, NotNegative, OrderSide, Positive

BUY, SELL = Side.BUY, Side.SELL  #: a look-up on the enum costs 80 ns (Python 3.11)
_EMPTY_BOOK = Ignored("empty-book")
_RETIRED = Ignored("retired-api")


@final
class WireLevel(msgspec.Struct, array_like=True, gc=False):
    """`[price, contracts, "0", number of orders]`: four, so that none can be taken for another."""

    price: Positive
    size: NotNegative
    retired: object  #: once of liquidated orders, "0" today
    orders: object


class _TopLevel(msgspec.Struct, array_like=True, gc=False):
    """The same, of a best price: there is something to be had at it."""

    price: Positive
    size: Contracts
    retired: object
    orders: object


class _TradeRow(msgspec.Struct, gc=False):
    tradeId: Count  #: the last of those merged
    px: Positive
    sz: Contracts
    side: OrderSide  #: of the taker
    ts: Millis


class _TradesArg(msgspec.Struct, gc=False):
    channel: Literal["trades"]
    instId: str


@final
class Trades(msgspec.Struct, gc=False):
    """Matches of one taker order at one price and source, merged: `count` says how many. In 2022 each was told."""

    arg: _TradesArg
    data: Annotated[list[_TradeRow], msgspec.Meta(min_length=1)]

    def events(self, measure: Measure, ts_recv: int) -> Decoded:
        """The trades; `stream` writes the commonest case, of one, out."""
        trades: list[MarketEvent] = []
        for row in self.data:
            size, side = measure.base(row.sz), BUY if row.side == "buy" else SELL
            trades.append(Trade(measure.instrument, row.ts * MS, ts_recv, row.tradeId, row.px, size, side, True))
        return trades


class _TopRow(msgspec.Struct, gc=False):
    asks: list[_TopLevel]
    bids: list[_TopLevel]
    ts: Millis
    seqId: Count | None = None  #: numbered as the book's changes are; absent in 2022


class _TopsArg(msgspec.Struct, gc=False):
    channel: Literal["bbo-tbt"]
    instId: str


@final
class Tops(msgspec.Struct, gc=False):
    """Best bid and ask, every 10 ms; a side without orders is empty. One row: it has no history."""

    arg: _TopsArg
    data: Annotated[list[_TopRow], msgspec.Meta(min_length=1, max_length=1)]

    def events(self, measure: Measure, ts_recv: int) -> Decoded:
        """The quote, or why there is none."""
        row = self.data[0]
        if row.seqId is None:
            return _RETIRED
        if not (row.bids and row.asks):
            return _EMPTY_BOOK
        bid, ask = row.bids[0], row.asks[0]
        instrument, numerator, denominator = measure
        bid_size, ask_size = bid.size * numerator / denominator, ask.size * numerator / denominator
        return [Quote(instrument, row.ts * MS, ts_recv, row.seqId, bid.price, bid_size, ask.price, ask_size)]


class _BooksArg(msgspec.Struct, gc=False):
    channel: Literal["books"]
    instId: str


class _SnapshotRow(msgspec.Struct, gc=False):
    asks: list[WireLevel]
    bids: list[WireLevel]
    ts: Millis
    seqId: Count | None = None  #: absent in 2022

    def __post_init__(self) -> None:
        """Best levels come first."""
        bids, asks = [row.price for row in self.bids], [row.price for row in self.asks]
        if bids != sorted(bids, reverse=True) or asks != sorted(asks):
            raise ValueError("Expected `bids` falling and `asks` rising")


@final
class BookStart(msgspec.Struct, tag_field="action", tag="snapshot", gc=False):
    """400 levels, on subscription only."""

    arg: _BooksArg
    data: Annotated[list[_SnapshotRow], msgspec.Meta(min_length=1)]

    def events(self, measure: Measure, ts_recv: int) -> Decoded:
        """The whole book, in its place among the changes."""
        books: list[MarketEvent] = []
        for row in self.data:
            if row.seqId is None:
                return _RETIRED
            bids, asks = levels(row.bids, measure), levels(row.asks, measure)
            books.append(BookSnapshot(measure.instrument, row.ts * MS, ts_recv, row.seqId, bids, asks, is_stream=True))
        return books


class _ChangeRow(msgspec.Struct, gc=False):
    asks: list[WireLevel]
    bids: list[WireLevel]
    ts: Millis
    seqId: Count | None = None  #: absent in 2022
    prevSeqId: Count | None = None


@final
class BookChange(msgspec.Struct, tag_field="action", tag="update", gc=False):
    """What changed in 100 ms; `checksum` is always 0 since 2026-06-23 and is not read.

    `prevSeqId` equals the last `seqId`, or something is missing. Two cases look odd and are in order: after 60 s of
    quiet, nothing with `seqId == prevSeqId`; after maintenance, `seqId < prevSeqId`. Both chain by `prevSeqId`.
    """

    arg: _BooksArg
    data: Annotated[list[_ChangeRow], msgspec.Meta(min_length=1)]

    def events(self, measure: Measure, ts_recv: int) -> Decoded:
        """The change of the book."""
        deltas: list[MarketEvent] = []
        for row in self.data:
            last, prev = row.seqId, row.prevSeqId
            if last is None or prev is None:
                return _RETIRED
            first = prev + 1 if last > prev else last
            bids, asks = levels(row.bids, measure), levels(row.asks, measure)
            deltas.append(BookDelta(measure.instrument, row.ts * MS, ts_recv, first, last, prev, bids, asks))
        return deltas


class Bar(msgspec.Struct, array_like=True, gc=False):
    """`[ts, open, high, low, close, contracts, base units, quote units, confirm]`."""

    ts: Millis
    open: Positive
    high: Positive
    low: Positive
    close: Positive
    contracts: NotNegative
    volume: NotNegative
    quote_volume: NotNegative
    confirm: Literal["0", "1"]

    def __post_init__(self) -> None:
        """The low is the least of the four prices and the high the greatest."""
        if not (self.low <= self.open <= self.high and self.low <= self.close <= self.high):
            raise ValueError("Expected low <= open, close <= high")


class _CandlesArg(msgspec.Struct, gc=False):
    channel: Literal["candle1m", "candle15m", "candle1H"]
    instId: str


@final
class Candles(msgspec.Struct, gc=False):
    """A candle, forming or closed (`confirm` 1). No message says when it was published."""

    #: Channel → interval, and its length in ns.
    _INTERVALS: ClassVar[dict[str, tuple[Interval, int]]] = {
        "candle1m": (Interval.M1, Interval.M1.ns),
        "candle15m": (Interval.M15, Interval.M15.ns),
        "candle1H": (Interval.H1, Interval.H1.ns),
    }

    arg: _CandlesArg
    data: Annotated[list[Bar], msgspec.Meta(min_length=1)]

    def events(self, measure: Measure, ts_recv: int) -> Decoded:
        """The candles: as of their end where they are closed, else of our receipt, within the interval."""
        interval, length = self._INTERVALS[self.arg.channel]
        instrument = measure.instrument
        candles: list[MarketEvent] = []
        for bar in self.data:
            ts_open, is_closed = bar.ts * MS, bar.confirm == "1"
            ts_close = ts_open + length
            ts = ts_close if is_closed else max(ts_open, min(ts_recv, ts_close))
            o, h, low, c, base, quote = bar.open, bar.high, bar.low, bar.close, bar.volume, bar.quote_volume
            candles.append(
                Candle(
                    instrument, ts, ts_recv, interval, ts_open, o, h, low, c, base, quote, None, None, None, is_closed
                )
            )
        return candles


def levels(rows: list[WireLevel], measure: Measure) -> list[Level]:
    """Levels in base units. Most contracts are a whole fraction of a coin; written out, because it is hot."""
    _, numerator, denominator = measure
    if numerator == 1.0:
        return [(row.price, row.size / denominator) for row in rows]
    return [(row.price, row.size * numerator / denominator) for row in rows]


Books: TypeAlias = BookStart | BookChange

read_trades = msgspec.json.Decoder(Trades, strict=False).decode
read_tops = msgspec.json.Decoder(Tops, strict=False).decode
read_books: Callable[[bytes | memoryview], Books] = msgspec.json.Decoder(Books, strict=False).decode
read_candles = msgspec.json.Decoder(Candles, strict=False).decode
