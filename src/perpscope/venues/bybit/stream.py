"""Frames of one connection in, events out.

A frame begins `{"topic":"`, and the letter after that tells its kind, so that it is decoded once, by its own type. Any
other frame (a first of its topic, another order of keys, an answer, nonsense) is looked at more closely first.
The decoder lives exactly as long as its connection. Book updates are numbered without holes (seen over 100,000 of
September 2026; "a sequence" on the page), so a delta follows `u - 1`. A snapshot, or `u` = 1 after a restart of the
service, replaces the book.
"""

from collections.abc import Mapping
from typing import assert_never

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Completeness,
    Level,
    Liquidation,
    MarketEvent,
    PositionSide,
    Quote,
    Sampling,
    Side,
    Trade,
)
from perpscope.model.stream import Control, Ignored
from perpscope.ports import Decoded
from perpscope.venues.bybit import wire
from perpscope.venues.bybit.answers import control
from perpscope.venues.bybit.symbols import VENUE
from perpscope.venues.bybit.topics import Read, Subject, Topics
from perpscope.venues.bybit.wire import (
    MS,
    Bars,
    Book,
    Fill,
    Levels,
    Liquidations,
    Message,
    Ticker,
    Trades,
    in_order,
)

#: What msgspec raises on hostile input besides its own errors: bad UTF-8 (a ValueError), absurd nesting or numbers.
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
_NOT_FAST = (*_UNREADABLE, IndexError, KeyError)
_SHOWN = 120  #: bytes of a frame that go into a message
_REASON = 300  #: characters of what is wrong with it; a value we did not expect is quoted there
_KIND_AT = len('{"topic":"')
#: First letter of the topic → how such a frame is read.
_READERS: dict[int, Read] = {
    ord("o"): wire.read_book,
    ord("p"): wire.read_trades,
    ord("t"): wire.read_ticker,
    ord("k"): wire.read_bars,
    ord("a"): wire.read_liquidations,
}
#: Members by name cost 80 ns each time they are looked up on their enum (Python 3.11), a third of an event.
_BUY, _SELL = Side.BUY, Side.SELL
SIDES = {"Buy": _BUY, "Sell": _SELL}
_UNNUMBERED = 0  #: `u` of the one-level topic counts that topic's own messages: no book is compared by it
_POSITION = {"Buy": PositionSide.LONG, "Sell": PositionSide.SHORT}
_COMPLETE, _NO_SAMPLING = Completeness.COMPLETE, Sampling.NONE

_BLOCK_TRADE = Ignored("block-trade")
_EMPTY_BOOK = Ignored("empty-book")
_UNCHANGED = Ignored("unchanged")


class Decoder:
    """Turns one connection's frames into events.

    Args:
        catalogue: symbol → instrument; empty = every symbol whose name can be read is accepted.
    """

    def __init__(self, catalogue: Mapping[str, Instrument]) -> None:
        self._topics = Topics(catalogue)
        self._known = self._topics.known

    @property
    def named(self) -> Mapping[str, Instrument]:
        """Instruments read off their symbols so far, where there is no catalogue."""
        return self._topics.named

    def decode(self, raw: bytes | memoryview, ts_recv: int) -> Decoded:
        """Decode one frame received at `ts_recv` (ns UTC).

        Raises:
            FrameError: the frame is not what Bybit documents.
        """
        try:
            message = _READERS[raw[_KIND_AT]](raw)
            subject = self._known[message.topic]
        except _NOT_FAST:
            closer = self._look_closer(raw)
            if not isinstance(closer, tuple):
                return closer
            message, subject = closer
        if type(message) is not subject.shape:  # the letter was not the topic's
            message = _read_as(subject, raw)
        # Most frames are quotes. Written out: a call costs a twentieth of the whole.
        if type(message) is Book:
            data = message.data
            if not subject.is_top:
                return _book(message, data, subject, ts_recv)
            if message.type == "delta" and data.u > 1:
                raise _frame_error("expected whole best prices at depth 1, got what changed", raw)
            if not (data.b and data.a):
                return _EMPTY_BOOK
            (bid, bid_size), (ask, ask_size) = data.b[0], data.a[0]
            if not (bid_size and ask_size):
                return _EMPTY_BOOK
            return [Quote(subject.instrument, message.cts * MS, ts_recv, _UNNUMBERED, bid, bid_size, ask, ask_size)]
        if type(message) is Trades:
            return _trades(message.data, subject.instrument, ts_recv) or _BLOCK_TRADE
        return _rarer(message, subject, ts_recv)

    def _look_closer(self, raw: bytes | memoryview) -> tuple[Message, Subject] | Control | Ignored:
        """Read a frame that is no message of a known topic in the usual order, or say what it is."""
        try:
            frame: object = msgspec.json.decode(raw)
        except _UNREADABLE as error:
            raise _frame_error(str(error), raw) from error
        if not isinstance(frame, dict):
            raise _frame_error(f"expected an object, got {type(frame).__name__}", raw)
        if "topic" not in frame:
            answer = control(frame)
            if answer is None:
                raise _frame_error("neither a message nor an answer to one of ours", raw)
            return answer
        topic = frame["topic"]
        if not isinstance(topic, str):
            raise _frame_error(f"expected `topic` a string, got {type(topic).__name__}", raw)
        subject = self._topics.subject(topic)
        if isinstance(subject, Ignored):
            return subject
        return _read_as(subject, raw), subject


def _read_as(subject: Subject, raw: bytes | memoryview) -> Message:
    """Read a frame as what its topic says; a broken one is told by its field."""
    try:
        return subject.read(raw)
    except _UNREADABLE as error:
        raise _frame_error(str(error), raw) from error


def _rarer(message: Ticker | Bars | Liquidations, subject: Subject, ts_recv: int) -> Decoded:
    """What the rarer messages mean."""
    if type(message) is Ticker:
        return subject.ticker.take(message, subject.instrument, ts_recv) or _UNCHANGED
    if type(message) is Bars:
        return _candles(message, subject, ts_recv)
    if type(message) is Liquidations:
        return _liquidations(message, subject.instrument, ts_recv)
    assert_never(message)


def _trades(fills: list[Fill], instrument: InstrumentId, ts_recv: int) -> list[MarketEvent]:
    """Trades of the book; what was agreed off it moved no price. A comprehension would cost a tenth more."""
    trades: list[MarketEvent] = []
    for fill in fills:
        if not fill.BT:
            side = _BUY if fill.S == "Buy" else _SELL
            trades.append(Trade(instrument, fill.T * MS, ts_recv, fill.i, fill.p, fill.v, side, False))
    return trades


def _book(message: Book, data: Levels, subject: Subject, ts_recv: int) -> Decoded:
    """A whole book, or what changed in it."""
    ts, u = message.cts * MS, data.u
    bids: list[Level] = data.b
    asks: list[Level] = data.a
    if message.type == "delta" and u > 1:
        return [BookDelta(subject.instrument, ts, ts_recv, u, u, u - 1, bids, asks)]
    if not in_order(data.b, data.a):
        raise FrameError(f"bybit sent a book of {subject.instrument} whose best levels are not first", venue=VENUE)
    return [BookSnapshot(subject.instrument, ts, ts_recv, u, bids, asks, is_stream=True)]


def _candles(message: Bars, subject: Subject, ts_recv: int) -> Decoded:
    """Candles, forming or closed; how much of them takers bought is not published."""
    instrument, interval, ts = subject.instrument, subject.interval, message.ts * MS
    events: list[MarketEvent] = []
    for bar in message.data:
        ts_open, o, h, low, c = bar.start * MS, bar.open, bar.high, bar.low, bar.close
        volume, turnover, is_closed = bar.volume, bar.turnover, bar.confirm
        events.append(
            Candle(
                instrument, ts, ts_recv, interval, ts_open, o, h, low, c, volume, turnover, None, None, None, is_closed
            )
        )
    return events


def _liquidations(message: Liquidations, instrument: InstrumentId, ts_recv: int) -> Decoded:
    """Every liquidation of half a second. Two alike are two: the second is called "2", whenever the frame comes."""
    seen: dict[tuple[int, str, float, float], int] = {}
    events: list[MarketEvent] = []
    complete, no_sampling = _COMPLETE, _NO_SAMPLING
    for row in message.data:
        ms, side, size, price = key = (row.T, row.S, row.v, row.p)
        number = seen[key] = seen.get(key, 0) + 1
        name, whose = "" if number == 1 else str(number), _POSITION[side]
        events.append(
            Liquidation(instrument, ms * MS, ts_recv, whose, size, None, price, complete, no_sampling, None, name)
        )
    return events


def _frame_error(reason: str, raw: bytes | memoryview) -> FrameError:
    begins = bytes(raw[:_SHOWN])
    return FrameError(f"bybit sent a frame we cannot read: {reason[:_REASON]}; it begins {begins!r}", venue=VENUE)
