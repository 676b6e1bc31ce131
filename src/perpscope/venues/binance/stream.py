"""Frames of one connection in, events out.

A frame is tried as a message of a combined stream, then as a raw one. What is neither is explained on a slower path:
an answer to a control message, a book snapshot without a symbol, another product's message, or a `FrameError`.
The decoder lives exactly as long as its connection, and remembers only which books it has seen change.
"""

from collections.abc import Mapping

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import Quote, Trade
from perpscope.model.stream import Control, Ignored
from perpscope.ports import Decoded
from perpscope.venues.binance import rest
from perpscope.venues.binance.symbols import DOLLAR_QUOTES, VENUE, instrument_named, is_coin_m
from perpscope.venues.binance.wire import (
    BUY,
    LISTED,
    MS,
    SELL,
    AggTrade,
    BookTicker,
    ContractInfo,
    DepthUpdate,
    OneSidedTicker,
    read_combined,
    read_raw,
)

#: What msgspec raises on hostile input besides its own errors: bad UTF-8 (a ValueError), absurd nesting or numbers.
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
_MOST_NAMES = 5_000  #: names remembered without a catalogue
_SHOWN = 120  #: bytes of a frame, or characters of the venue's words, that go into a message
_ST_COIN_M = 2  #: `st` of a COIN-M contract's message
#: Endings of streams that recorders make themselves, out of REST replies.
_MADE_BY_RECORDERS = ("@depthSnapshot", "@openInterest")

_COIN_M = Ignored("coin-m")
_EMPTY_BOOK = Ignored("empty-book")
_UNLISTED = Ignored("unlisted-channel")
_PARTIAL_DEPTH = Ignored("partial-depth")
_PSEUDO_STREAM = Ignored("pseudo-stream")
_SHUTDOWN = Control(None, error="server shutdown", is_closing=True)


class Decoder:
    """Turns one connection's frames into events.

    Args:
        catalogue: symbol → instrument; empty = every symbol whose name can be read is accepted.
    """

    def __init__(self, catalogue: Mapping[str, Instrument]) -> None:
        self._catalogue = catalogue
        self._ids = {symbol: known.id for symbol, known in catalogue.items() if known.quote in DOLLAR_QUOTES}
        self._books: set[InstrumentId] = set()
        self._named: dict[str, Instrument] = {}

    @property
    def named(self) -> Mapping[str, Instrument]:
        """Instruments read off their symbols so far: all where there is no catalogue, else the newly listed."""
        return self._named

    def decode(self, raw: bytes | memoryview, ts_recv: int) -> Decoded:
        """Decode one frame received at `ts_recv` (ns UTC).

        Raises:
            FrameError: the frame is not what Binance documents.
        """
        try:
            message = read_combined(raw).data
        except _UNREADABLE as as_combined:
            try:
                message = read_raw(raw)
            except _UNREADABLE as as_raw:
                return self._unusual(raw, ts_recv, as_combined, as_raw)
        instrument = self._ids.get(message.s)
        if instrument is None:
            named = self._identify(message.s, is_news=type(message) is ContractInfo)
            if isinstance(named, Ignored):
                return named
            instrument = named
        # Four frames of five are of these two kinds. Written out: a call costs a twentieth of the whole.
        if type(message) is BookTicker:
            ts = message.T * MS
            return [Quote(instrument, ts, ts_recv, message.u, message.b, message.B, message.a, message.A)]
        if type(message) is AggTrade:
            ts, side = message.T * MS, SELL if message.m else BUY
            return [Trade(instrument, ts, ts_recv, message.a, message.p, message.q, side, True)]
        if type(message) is DepthUpdate:
            if _is_partial_depth(raw):
                return _PARTIAL_DEPTH
            if instrument not in self._books:
                self._books.add(instrument)
        return message.events(instrument, ts_recv)

    def _identify(self, symbol: str, *, is_news: bool = False) -> InstrumentId | Ignored:
        """Name an instrument not met before, or say why it is none of ours.

        News of a contract may be of one that was listed after the catalogue was read: its name has to do, but its
        other messages stay unknown until a catalogue tells its steps.
        """
        if is_coin_m(symbol):
            return _COIN_M
        if symbol in self._catalogue:
            return Ignored("quote-not-dollars")  # e.g. ETHBTC: its notional is not in dollars
        named = instrument_named(symbol) if is_news or not self._catalogue else None
        if named is None:
            return Ignored("unknown-symbol")
        if len(self._named) < _MOST_NAMES:
            self._named[symbol] = named
            if not self._catalogue:
                self._ids[symbol] = named.id
        return named.id

    def _unusual(self, raw: bytes | memoryview, ts_recv: int, as_combined: Exception, as_raw: Exception) -> Decoded:
        """Explain a frame that is none of the messages we listen to."""
        try:
            frame: object = msgspec.json.decode(raw)
        except _UNREADABLE as error:
            raise _frame_error(str(error), raw) from error
        if isinstance(frame, list):
            return _UNLISTED
        if not isinstance(frame, dict):
            raise _frame_error(f"expected an object, got {type(frame).__name__}", raw)
        if "data" in frame:
            explained, reason = _explain(frame["data"], frame), str(as_combined)
        elif "e" in frame:
            explained, reason = _explain(frame, frame), str(as_raw)
        elif "lastUpdateId" in frame:
            return self._snapshot(bytes(raw), frame.get("symbol"), ts_recv)
        else:
            explained, reason = _control(frame), "neither a message nor an answer to one of ours"
        if explained is None:
            raise _frame_error(reason, raw)
        return explained

    def _snapshot(self, raw: bytes, symbol: object, ts_recv: int) -> Decoded:
        """Place a REST book snapshot found among the frames of a recording; only COIN-M ones carry a symbol."""
        if isinstance(symbol, str):
            named = self._identify(symbol)
            if isinstance(named, Ignored):
                return named
            return [rest.snapshot(raw, named, ts_recv)]
        if len(self._books) != 1:
            return Ignored("snapshot-without-symbol")
        (instrument,) = self._books
        return [rest.snapshot(raw, instrument, ts_recv)]


def _is_partial_depth(raw: bytes | memoryview) -> bool:
    """True for `<symbol>@depth5`, 10 or 20: its top levels look like a diff, and only the stream's name tells."""
    frame = bytes(raw)
    at = frame.find(b"@depth")
    return at >= 0 and frame[at + 6 : at + 7].isdigit()


def _explain(message: object, frame: dict[str, object]) -> Decoded | None:
    """Say what a message is that did not decode; None if it is one of ours, and broken."""
    if isinstance(message, list):
        return _UNLISTED
    if not isinstance(message, dict):
        return None
    explained: Decoded | None = None
    match message.get("e"):
        case _ if _of_coin_m(message) or _of_coin_m(message.get("o")):
            explained = _COIN_M
        case "serverShutdown":
            explained = _SHUTDOWN
        case "bookTicker" if _is_one_sided(message):
            explained = _EMPTY_BOOK
        case str(kind) if kind not in LISTED:
            explained = _UNLISTED
        case None if str(frame.get("stream")).endswith(_MADE_BY_RECORDERS):
            explained = _PSEUDO_STREAM
    return explained


def _of_coin_m(message: object) -> bool:
    """True if a message, or the order within it, says or shows that it is COIN-M's."""
    if not isinstance(message, dict):
        return False
    symbol = message.get("s")
    return message.get("st") == _ST_COIN_M or (isinstance(symbol, str) and is_coin_m(symbol))


def _is_one_sided(message: dict[str, object]) -> bool:
    try:
        msgspec.convert(message, OneSidedTicker, strict=False)
    except msgspec.ValidationError:
        return False
    return True


def _control(frame: dict[str, object]) -> Control | None:
    """Read an answer to a control message; ids come back as they were sent, numbers or strings."""
    request_id = frame.get("id")
    if request_id is not None and (isinstance(request_id, bool) or not isinstance(request_id, int | str)):
        return None
    if "result" in frame:
        return Control(request_id, error=None)
    error = frame.get("error", frame)
    if isinstance(error, dict) and "code" in error and "msg" in error:
        return Control(request_id, error=f"{error['code']}: {error['msg']}"[:_SHOWN])
    return None


def _frame_error(reason: str, raw: bytes | memoryview) -> FrameError:
    return FrameError(f"binance sent a frame we cannot read: {reason}; it begins {bytes(raw[:_SHOWN])!r}", venue=VENUE)
