"""Frames of one connection in, events out.

Trades, best prices, book changes and candles are recognised by the first bytes of a frame and decoded once. Everything
else, and any frame written in another order, goes by way of its envelope: data of a channel, an answer to one of our
messages, a word about the connection, or a `FrameError`. The decoder lives exactly as long as its connection, and
remembers only what mark price, index and funding it was told of each instrument.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Contract, Instrument
from perpscope.model.market import MarketEvent, Trade
from perpscope.model.stream import Control, Ignored
from perpscope.ports import Decoded
from perpscope.venues.okx import public_data, trading_data
from perpscope.venues.okx.marks import Marking
from perpscope.venues.okx.public_data import Rows, Told
from perpscope.venues.okx.symbols import DOLLAR_QUOTES, VENUE, instrument_named, other_product, pair_of
from perpscope.venues.okx.trading_data import BUY, SELL, BookChange, BookStart, Candles, Tops, Trades
from perpscope.venues.okx.wire import MS, Envelope, Measure, read_envelope

#: What msgspec raises on hostile input besides its own errors: bad UTF-8 (a ValueError), absurd nesting or numbers.
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
SHOWN = 120  #: bytes of a frame, or characters of the venue's words, that go into a message

_OfOne: TypeAlias = Trades | Tops | BookStart | BookChange | Candles

#: By the fifth letter of the channel in `{"arg":{"channel":"trades",…`, as OKX writes it; the typed decoder checks the
#: rest. A slice would cost an eighth of a frame, since it has to be made into bytes before it can be looked up.
_HOT: dict[int, Callable[[bytes | memoryview], _OfOne]] = {
    ord("e"): trading_data.read_trades,
    ord("t"): trading_data.read_tops,
    ord("s"): trading_data.read_books,
    ord("l"): trading_data.read_candles,
}
_FIFTH_LETTER = 23
_LISTED: dict[str, Callable[[bytes | memoryview], _OfOne | Told]] = {
    "trades": trading_data.read_trades,
    "bbo-tbt": trading_data.read_tops,
    "books": trading_data.read_books,
    "candle1m": trading_data.read_candles,
    "candle15m": trading_data.read_candles,
    "candle1H": trading_data.read_candles,
    "mark-price": public_data.read_marks,
    "index-tickers": public_data.read_indices,
    "funding-rate": public_data.read_fundings,
    "open-interest": public_data.read_interests,
    "liquidation-orders": public_data.read_liquidations,
    "instruments": public_data.read_contracts,
}
_UPGRADE = "64008"  #: code of the notice that the connection ends in about a minute
_LONGEST_ID = 18  #: digits of an id of ours

_PONG = Control(None, None)
_RETIRED = Ignored("retired-api")
_UNLISTED = Ignored("unlisted-channel")
_UNKNOWN_SYMBOL = Ignored("unknown-symbol")
_SIZE_UNKNOWN = Ignored("contract-size-unknown")
_MARK_UNKNOWN = Ignored("mark-price-unknown")


class Decoder:
    """Turns one connection's frames into events.

    Args:
        catalogue: symbol → instrument; empty = the few instruments whose contract sizes are known without one.
    """

    def __init__(self, catalogue: Mapping[str, Instrument]) -> None:
        self._has_catalogue = bool(catalogue)
        self._measures = {symbol: Measure.of(known) for symbol, known in catalogue.items() if _is_ours(known)}
        self._named: dict[str, Instrument] = {}
        self._marking = Marking()

    @property
    def named(self) -> Mapping[str, Instrument]:
        """Instruments read off their symbols so far, where there is no catalogue."""
        return self._named

    def decode(self, raw: bytes | memoryview, ts_recv: int) -> Decoded:
        """Decode one frame received at `ts_recv` (ns UTC).

        Raises:
            FrameError: the frame is not what OKX documents.
        """
        message: _OfOne | None = None
        try:
            read = _HOT.get(raw[_FIFTH_LETTER])
            if read is not None:
                message = read(raw)
        except (IndexError, *UNREADABLE):
            message = None  # short, broken, or written in another order: the envelope tells
        if message is None:
            listed = _unhurried(raw)
            if isinstance(listed, Control | Ignored):
                return listed
            if isinstance(listed, Rows):
                return self._rows(listed, ts_recv)
            message = listed
        measure = self._measures.get(message.arg.instId)
        if measure is None:
            identified = self._identify(message.arg.instId)
            if isinstance(identified, Ignored):
                return identified
            measure = identified
        if type(message) is Trades and len(message.data) == 1:
            # Written out: the commonest frame by far, and a call costs a twentieth of the whole.
            instrument, numerator, denominator = measure
            row = message.data[0]
            size, side = row.sz * numerator / denominator, BUY if row.side == "buy" else SELL
            return [Trade(instrument, row.ts * MS, ts_recv, row.tradeId, row.px, size, side, True)]
        return message.events(measure, ts_recv)

    def _rows(self, message: Told, ts_recv: int) -> Decoded:
        """The events of all rows whose instruments are ours; without any, why there are none."""
        events: list[MarketEvent] = []
        passed: Ignored | None = None
        for row in message.data:
            measure = self._identify(row.symbol)
            if isinstance(measure, Ignored):
                passed = passed or measure
            else:
                events += row.events(measure, self._marking, ts_recv)
                passed = passed or (None if self._marking.has(measure.instrument) else _MARK_UNKNOWN)
        return events or passed or []

    def _identify(self, symbol: str) -> Measure | Ignored:
        """How an instrument's contracts are measured, or why it is none of ours."""
        measure = self._measures.get(symbol)
        if measure is not None:
            return measure
        product = other_product(symbol)
        if product is not None:
            return Ignored(product)
        if self._has_catalogue or pair_of(symbol) is None:
            return _UNKNOWN_SYMBOL
        named = instrument_named(symbol)
        if named is None:
            return _SIZE_UNKNOWN
        self._named[symbol] = named  # as many as have known contract sizes, no more
        self._measures[symbol] = Measure.of(named)
        return self._measures[symbol]


def _is_ours(instrument: Instrument) -> bool:
    """True for a linear perpetual quoted in dollars."""
    linear = instrument.contract is Contract.LINEAR and instrument.is_perpetual
    return linear and instrument.quote in DOLLAR_QUOTES


def _unhurried(raw: bytes | memoryview) -> _OfOne | Told | Control | Ignored:
    """Read a frame by way of its envelope."""
    if raw == b"pong":
        return _PONG
    try:
        envelope = read_envelope(raw)
    except UNREADABLE as error:
        raise _frame_error(str(error), raw) from error
    if envelope.event is not None:
        answer = _answer(envelope, envelope.event)
        if answer is None:
            raise _frame_error(f"a {envelope.event[:SHOWN]} without its `arg`", raw)
        return answer
    if envelope.table is not None:
        return _RETIRED
    arg = envelope.arg
    if arg is None or not envelope.data:
        raise _frame_error("neither data of a channel nor an answer to one of ours", raw)
    read = _LISTED.get(arg.channel)
    if read is None:
        return _UNLISTED
    try:
        return read(raw)
    except UNREADABLE as error:
        product = other_product(arg.symbol)
        if product is not None:
            return Ignored(product)
        raise _frame_error(str(error), raw) from error


def _answer(envelope: Envelope, event: str) -> Control | Ignored | None:
    """What an `event` says; None if it does not say what about."""
    name = envelope.id or ""
    request_id = int(name) if name.isascii() and name.isdecimal() and len(name) <= _LONGEST_ID else envelope.id
    topic = None if envelope.arg is None else envelope.arg.topic
    words = f"{envelope.code}: {envelope.msg}"[:SHOWN]
    match event:
        case "subscribe":
            return None if topic is None else Control(request_id, None, topic)
        case "unsubscribe":
            return Control(request_id, None)  # without its topic: not to be taken for an acknowledged subscription
        case "error":
            return Control(request_id, words, topic)
        case "notice":
            return Control(None, words, is_closing=envelope.code == _UPGRADE)
        case _:
            return _UNLISTED


def _frame_error(reason: str, raw: bytes | memoryview) -> FrameError:
    return FrameError(f"okx sent a frame we cannot read: {reason}; it begins {bytes(raw[:SHOWN])!r}", venue=VENUE)
