"""Frames of one connection in, events out.

The venue writes `action` and `arg` first, so the topic stands at a fixed place and the frame is decoded once, by that
topic's reader. What does not begin so, or does not decode, takes a slower path: keys in another order, an answer to
one of our messages, another product, the retired v1 and v2 APIs, or a `FrameError`. The decoder lives as long as its
connection, and remembers the last state of each candle and what liquidations told of the unit they count in.
"""

from collections.abc import Callable, Mapping

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Completeness,
    Interval,
    Level,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    PositionSide,
    Quote,
    Sampling,
    Side,
    Trade,
)
from perpscope.model.stream import Control, Ignored
from perpscope.ports import Decoded
from perpscope.venues.bitget import wire
from perpscope.venues.bitget.amount import DOCUMENTED, AmountJudge, AmountUnit
from perpscope.venues.bitget.answers import answer
from perpscope.venues.bitget.symbols import VENUE, instrument_named
from perpscope.venues.bitget.wire import (
    MS,
    Bar,
    Books,
    Books1,
    Klines,
    LiquidationRow,
    Liquidations,
    Message,
    Tickers,
    Trades,
)

#: What msgspec raises on hostile input besides its own errors: bad UTF-8 (a ValueError), absurd nesting or numbers.
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
_NOT_STRAIGHT = (KeyError, *_UNREADABLE)
_MOST_NAMES = 5_000  #: names, and bars of them, remembered without a catalogue
_MOST = 1e15  #: base units
_EARLY_MS = 60_000  #: by which a bar may begin after the message that tells of it
_AHEAD_MS = 300_000  #: by which it may begin after our receipt
_SHOWN = 120  #: bytes of a frame that go into a message

_READERS: dict[str, Callable[[bytes | memoryview], Message]] = {
    "publicTrade": wire.read_trades,
    "books": wire.read_books,
    "books1": wire.read_books1,
    "kline": wire.read_klines,
    "ticker": wire.read_tickers,
    "liquidation": wire.read_liquidations,
}
#: Where a frame of ours, keys in the venue's order, says its topic; enough bytes to tell each from all others.
_PLACE = slice(58, 70)
#: What stands there → reader of that topic. The reader itself checks that it is the topic, and the product ours.
_PLACES = {
    f'{{"action":"{action}","arg":{{"instType":"usdt-futures","topic":"{topic}","symbol":"'.encode()[_PLACE]: read
    for action in ("snapshot", "update")
    for topic, read in _READERS.items()
}
_INTERVALS = {"1m": Interval.M1, "15m": Interval.M15, "1H": Interval.H1}

#: Members by name cost 80 ns each time they are looked up on their enum (Python 3.11).
_BUY, _SELL = Side.BUY, Side.SELL
_LONG, _SHORT = PositionSide.LONG, PositionSide.SHORT
_SAMPLED, _LARGEST_1S = Completeness.SAMPLED, Sampling.LARGEST_1S
_QUOTE_UNITS = AmountUnit.QUOTE

_HISTORY = Ignored("history")
_EMPTY = Ignored("empty")
_EMPTY_BOOK = Ignored("empty-book")
_UNLISTED = Ignored("unlisted-channel")
_UNKNOWN_SYMBOL = Ignored("unknown-symbol")
_RETIRED = Ignored("retired-api")
_COIN_M = Ignored("coin-m")
_OTHER_PRODUCT = Ignored("other-product")
_TRADFI = Ignored("tradfi")
_DATED = Ignored("dated")
_UNPRICED = Ignored("no-mark-price")
_PONG = Control(None, error=None)


class Decoder:
    """Turns one connection's frames into events.

    Args:
        catalogue: symbol → instrument; empty = every symbol whose name can be read is accepted.
        assumed_unit: what liquidations are taken to count in until their rows have told, see `amount`.
    """

    def __init__(self, catalogue: Mapping[str, Instrument], assumed_unit: AmountUnit = DOCUMENTED) -> None:
        self._catalogue = catalogue
        self._ids = {symbol: known.id for symbol, known in catalogue.items() if known.is_crypto}
        self._named: dict[str, Instrument] = {}
        self._bars: dict[tuple[InstrumentId, str], Bar] = {}  # by interval as written: enums are slow to hash
        self._judge = AmountJudge(assumed_unit)

    @property
    def named(self) -> Mapping[str, Instrument]:
        """Instruments read off their symbols so far, where there is no catalogue."""
        return self._named

    @property
    def amount_unit(self) -> AmountUnit:
        """What the `amount` of liquidations is read in now."""
        return self._judge.unit

    @property
    def is_amount_unit_proven(self) -> bool:
        """True if this connection's own rows told the unit; False while it is assumed, or in dispute."""
        return self._judge.is_proven

    def decode(self, raw: bytes | memoryview, ts_recv: int) -> Decoded:
        """Decode one frame received at `ts_recv` (ns UTC).

        Raises:
            FrameError: the frame is not what Bitget documents.
        """
        message: Message
        try:
            message = _PLACES[raw[_PLACE] if type(raw) is bytes else bytes(raw[_PLACE])](raw)
        except _NOT_STRAIGHT:
            found = _unusual(raw)
            if isinstance(found, Control | Ignored):
                return found
            message = found
        instrument = self._ids.get(message.arg.symbol)
        if instrument is None:
            if type(message) is Liquidations:
                return self._liquidations(message.data, raw, ts_recv)
            named = self._identify(message.arg.symbol)
            if isinstance(named, Ignored):
                return named
            instrument = named
        # Nine frames of ten are of these three kinds. Written out: a call costs a twentieth of the whole.
        if type(message) is Books1:
            top = message.data[0]
            if top.b and top.a:
                (bid, bid_size), (ask, ask_size) = top.b[0], top.a[0]
                return [Quote(instrument, top.ts * MS, ts_recv, top.seq, bid, bid_size, ask, ask_size)]
        elif type(message) is Trades:
            if len(message.data) == 1 and message.action == "update":
                row = message.data[0]
                side = _BUY if row.S == "buy" else _SELL
                return [Trade(instrument, row.T * MS, ts_recv, row.i, row.p, row.v, side, False)]
        elif type(message) is Books and message.action == "update":
            change = message.data[0]
            bids: list[Level] = change.b
            asks: list[Level] = change.a
            seq = change.seq
            return [BookDelta(instrument, change.ts * MS, ts_recv, seq, seq, change.pseq, bids, asks)]
        return self._seldom(message, instrument, raw, ts_recv)

    def _seldom(self, message: Message, instrument: InstrumentId, raw: bytes | memoryview, ts_recv: int) -> Decoded:
        """What comes a few times a second at most."""
        match message:
            case Trades():
                return _trades(message, instrument, ts_recv)
            case Books():
                return _snapshot(message, instrument, raw, ts_recv)
            case Books1():
                return _EMPTY_BOOK
            case Klines():
                return self._candles(message, instrument, raw, ts_recv)
            case Tickers():
                return _ticker(message, instrument, ts_recv)
            case Liquidations():
                return self._liquidations(message.data, raw, ts_recv)

    def _identify(self, symbol: str) -> InstrumentId | Ignored:
        """Name an instrument not met before, or say why it is none of ours."""
        if symbol in self._catalogue:
            return _TRADFI
        named = None if self._catalogue else instrument_named(symbol)
        if named is None:
            return _UNKNOWN_SYMBOL
        if len(self._ids) < _MOST_NAMES:
            self._ids[symbol], self._named[symbol] = named.id, named
        return named.id

    def _candles(self, message: Klines, instrument: InstrumentId, raw: bytes | memoryview, ts_recv: int) -> Decoded:
        """Candles as they stand. A bar is closed by the next one's start, and then told once more; never again."""
        interval = _INTERVALS.get(message.arg.interval)
        if interval is None:
            return _UNLISTED
        ts, place = message.ts * MS, (instrument, message.arg.interval)
        last = known = self._bars.get(place)
        events: list[MarketEvent] = []
        for bar in sorted(message.data, key=_start):
            latest_ms = min(message.ts + _EARLY_MS, ts_recv // MS + _AHEAD_MS)
            if bar.start > latest_ms:  # taken for true, it would make history of all that follow
                raise _frame_error(f"Expected `start` <= `ts` and receipt, got {bar.start} > {message.ts}", raw)
            if last is not None and bar.start < last.start:
                continue
            if last is not None and bar.start > last.start:
                events.append(_candle(last, instrument, interval, ts, ts_recv, is_closed=True))
            last = bar
        if last is None or last is known:
            return _HISTORY
        if known is not None or len(self._bars) < _MOST_NAMES:
            self._bars[place] = last
        return [*events, _candle(last, instrument, interval, ts, ts_recv, is_closed=False)]

    def _liquidations(self, rows: list[LiquidationRow], raw: bytes | memoryview, ts_recv: int) -> Decoded:
        """Forced closes of known instruments. Rows of all others are heard too on what `amount` counts."""
        try:
            unit = self._judge.judge(rows)
        except ValueError as error:
            raise _frame_error(str(error), raw) from error
        events: list[MarketEvent] = []
        seen: dict[LiquidationRow, int] = {}
        reason = _EMPTY
        for row in rows:
            instrument = self._ids.get(row.symbol) or self._identify(row.symbol)
            if isinstance(instrument, Ignored):
                reason = instrument
                continue
            alike = seen[row] = seen.get(row, 0) + 1
            side = _LONG if row.side == "buy" else _SHORT
            size = row.amount / row.price if unit is _QUOTE_UNITS else row.amount
            if not 0 < size < _MOST:
                raise _frame_error(f"Expected a size > 0 and < {_MOST:.0e}, got {row.amount} at {row.price}", raw)
            venue_id = "" if alike == 1 else str(alike)
            ts, price = row.ts * MS, row.price
            events.append(
                Liquidation(instrument, ts, ts_recv, side, size, None, price, _SAMPLED, _LARGEST_1S, venue_id=venue_id)
            )
        return events or reason


def _unusual(raw: bytes | memoryview) -> Message | Control | Ignored:
    """Read a frame that does not begin as data does, or does not decode as it begins."""
    if raw == b"pong":
        return _PONG
    try:
        envelope = wire.read_envelope(raw)
    except _UNREADABLE as error:
        raise _frame_error(str(error), raw) from error
    arg = envelope.arg
    if arg is not None and arg.channel:
        return _RETIRED
    if envelope.event is not None:
        return answer(envelope) or _UNLISTED
    if arg is None:
        raise _frame_error("Object missing required field `arg`", raw)
    if arg.instType != wire.USDT_FUTURES:
        return _COIN_M if arg.instType == wire.COIN_FUTURES else _OTHER_PRODUCT
    read = _READERS.get(arg.topic)
    if read is None or (arg.topic == "kline" and arg.interval not in _INTERVALS):
        return _UNLISTED
    try:
        return read(raw)
    except _UNREADABLE as error:
        raise _frame_error(str(error), raw) from error


def _trades(message: Trades, instrument: InstrumentId, ts_recv: int) -> Decoded:
    """Several fills, oldest first. The venue lists the newest first; should it ever turn round, the ids tell."""
    if message.action == "snapshot":
        return _HISTORY
    rows = message.data
    if rows and _place(rows[0]) > _place(rows[-1]):
        rows.reverse()
    return [
        Trade(instrument, row.T * MS, ts_recv, row.i, row.p, row.v, _BUY if row.S == "buy" else _SELL, False)
        for row in rows
    ] or _EMPTY


def _place(row: wire.TradeRow) -> tuple[int, int, str]:
    """Where a fill stands in time; ids are numbers written as text."""
    return row.T, len(row.i), row.i


def _snapshot(message: Books, instrument: InstrumentId, raw: bytes | memoryview, ts_recv: int) -> Decoded:
    """A whole book in its place among the changes.

    Ids, here and in changes, are the venue's own: each `pseq` equals the `seq` before it, and the first after a
    snapshot brackets the snapshot's. A `pseq` of 0 in a change says that numbers begin anew: it chains to nothing,
    which is a hole.
    """
    whole = message.data[0]
    bids, asks = [price for price, _ in whole.b], [price for price, _ in whole.a]
    if bids != sorted(bids, reverse=True) or asks != sorted(asks):
        raise _frame_error("Expected `b` falling and `a` rising", raw)
    return [BookSnapshot(instrument, whole.ts * MS, ts_recv, whole.seq, [*whole.b], [*whole.a], is_stream=True)]


def _start(bar: Bar) -> int:
    return bar.start


def _candle(
    bar: Bar, instrument: InstrumentId, interval: Interval, ts: int, ts_recv: int, *, is_closed: bool
) -> Candle:
    ts_open, o, h, low, c = bar.start * MS, bar.open, bar.high, bar.low, bar.close
    base, quote = bar.volume, bar.turnover
    return Candle(instrument, ts, ts_recv, interval, ts_open, o, h, low, c, base, quote, None, None, None, is_closed)


def _ticker(message: Tickers, instrument: InstrumentId, ts_recv: int) -> Decoded:
    """Mark price with index and funding, and open interest; each only if it was told."""
    (row,) = message.data
    if row.deliveryTime not in ("", "0"):
        return _DATED
    ts, events = message.ts * MS, list[MarketEvent]()
    if row.markPrice:
        rate = row.fundingRate if isinstance(row.fundingRate, float) else None
        ts_next = row.nextFundingTime * MS if row.nextFundingTime else None
        events.append(MarkPrice(instrument, ts, ts_recv, row.markPrice, row.indexPrice or None, rate, ts_next))
    if isinstance(row.openInterest, float):
        events.append(OpenInterest(instrument, ts, ts_recv, row.openInterest, None))
    return events or _UNPRICED


def _frame_error(reason: str, raw: bytes | memoryview) -> FrameError:
    return FrameError(f"bitget sent a frame we cannot read: {reason}; it begins {bytes(raw[:_SHOWN])!r}", venue=VENUE)
