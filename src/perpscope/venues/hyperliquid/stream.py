"""Frames of one connection in, events out.

A frame is decoded once, by its `channel`. The decoder lives exactly as long as its connection, and remembers what the
venue does not mark: which trades came before a subscription, and the last state of each candle, which is closed when
the next one begins. Asset contexts and candles carry no time of their own: theirs is the receipt.
"""

from collections.abc import Mapping, Sequence

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import (
    BookSnapshot,
    Candle,
    Completeness,
    Interval,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Quote,
    Sampling,
    Side,
    Trade,
)
from perpscope.model.stream import Control, Ignored
from perpscope.ports import Decoded
from perpscope.venues.hyperliquid.symbols import FUNDING_INTERVAL_H, VENUE, instrument_named, why_not
from perpscope.venues.hyperliquid.wire import (
    GREETING,
    LISTED,
    MS,
    NOT_IN_ORDER,
    UNREADABLE,
    ActiveAssetCtx,
    Answer,
    Bar,
    Bbo,
    Candles,
    L2Book,
    Message,
    Refusal,
    TradeRow,
    Trades,
    UserFills,
    in_order,
    read,
    topic_in,
)

_MOST_NAMES = 5_000  #: names remembered without a catalogue
_SHOWN = 120  #: bytes of a frame, or characters of the venue's words, that go into a message
_EXPLAINED = 300  #: characters of the reason, which may repeat the frame
_INTERVALS = {interval.value: interval for interval in Interval}
#: Members by name cost 80 ns each time they are looked up on their enum (Python 3.11), a third of an event.
_BUY, _SELL = Side.BUY, Side.SELL
_WATCHLIST, _UNSAMPLED = Completeness.WATCHLIST, Sampling.NONE

_ADL = Ignored("adl")
_EMPTY_BOOK = Ignored("empty-book")
_HISTORY = Ignored("history")
_AHEAD_NS = 300_000_000_000  #: by which a candle may begin after our receipt
_NO_LIQUIDATION = Ignored("no-liquidation")
_NO_TRADES = Ignored("no-trades")
_UNLISTED = Ignored("unlisted-channel")
_UNPRICED = Ignored("unpriced")
_HEARD = Control(None, None)


class Decoder:
    """Turns one connection's frames into events.

    Args:
        catalogue: coin → instrument; empty = every coin whose name can be read is accepted.
    """

    def __init__(self, catalogue: Mapping[str, Instrument]) -> None:
        self._catalogue = catalogue
        self._ids = {symbol: known.id for symbol, known in catalogue.items()}
        self._named: dict[str, Instrument] = {}
        self._flowing: set[str] = set()  # coins whose trades are live from here on
        self._bars: dict[tuple[str, str], Candle] = {}  # by coin and interval as written: enums are slow to hash

    @property
    def named(self) -> Mapping[str, Instrument]:
        """Instruments read off their symbols so far, where there is no catalogue."""
        return self._named

    def decode(self, raw: bytes | memoryview, ts_recv: int) -> Decoded:
        """Decode one frame received at `ts_recv` (ns UTC).

        Raises:
            FrameError: the frame is not what Hyperliquid documents.
        """
        try:
            message = read(raw)
        except UNREADABLE as error:
            return _unusual(raw, error)
        # The two commonest are written out: calls and checks cost half as much as the decoding.
        if type(message) is Bbo:
            offers = message.data
            instrument = self._ids.get(offers.coin)
            if instrument is None:
                named = self._identify(offers.coin)
                if isinstance(named, Ignored):
                    return named
                instrument = named
            bid, ask = offers.bbo
            if bid is None or ask is None:
                return _EMPTY_BOOK
            ms = offers.time
            return [Quote(instrument, ms * MS, ts_recv, ms, bid.px, bid.sz, ask.px, ask.sz)]
        if type(message) is Trades:
            rows = message.data
            if len(rows) == 1 and (row := rows[0]).coin in self._flowing:
                side = _BUY if row.side == "B" else _SELL
                ts_event = row.time * MS
                return [Trade(self._ids[row.coin], ts_event, ts_recv, row.tid, row.px, row.sz, side, False)]
            return self._trades(rows, ts_recv, raw)
        return self._rarer(message, ts_recv, raw)

    # channels ------------------------------------------------------------------------------------------------------

    def _rarer(self, message: Message, ts_recv: int, raw: bytes | memoryview) -> Decoded:
        if type(message) is L2Book:
            return self._book(message, ts_recv, raw)
        if type(message) is Candles:
            bars = message.data
            return self._candles(bars, ts_recv) if isinstance(bars, list) else self._candle(bars, ts_recv)
        if type(message) is ActiveAssetCtx:
            return self._context(message, ts_recv)
        if isinstance(message, UserFills):
            return self._fills(message, ts_recv, raw)
        if isinstance(message, Answer):
            return self._acknowledged(message)
        return _refused(message.data) if isinstance(message, Refusal) else _HEARD

    def _trades(self, rows: Sequence[TradeRow], ts_recv: int, raw: bytes | memoryview) -> Decoded:
        if not rows:
            return _NO_TRADES
        coin = rows[0].coin
        instrument = self._ids.get(coin) or self._identify(coin)
        if isinstance(instrument, Ignored):
            return instrument
        if coin not in self._flowing and self._is_history(coin, rows):
            return _HISTORY
        events: list[MarketEvent] = []
        for row in rows:
            if row.coin != coin:
                raise _frame_error(f"trades of both {coin:.20} and {row.coin:.20}", raw)
            side = _BUY if row.side == "B" else _SELL
            events.append(Trade(instrument, row.time * MS, ts_recv, row.tid, row.px, row.sz, side, False))
        return events

    def _is_history(self, coin: str, rows: Sequence[TradeRow]) -> bool:
        """True for the last trades before a subscription, which come after its acknowledgement, unmarked.

        They span blocks, whose times differ; a live frame is one block's. Their times are not compared with our
        receipt: a clock that is ahead of the venue's would make live trades history, and lose them.
        """
        if rows[0].time != rows[-1].time:
            return True
        if coin in self._ids:
            self._flowing.add(coin)
        return False

    def _book(self, message: L2Book, ts_recv: int, raw: bytes | memoryview) -> Decoded:
        book = message.data
        bids, asks = book.bids, book.asks
        if not in_order(bids, asks):
            raise _frame_error(NOT_IN_ORDER, raw)
        instrument = self._ids.get(book.coin) or self._identify(book.coin)
        if isinstance(instrument, Ignored):
            return instrument
        return [BookSnapshot(instrument, book.time * MS, ts_recv, book.time, bids, asks, True)]

    def _context(self, message: ActiveAssetCtx, ts_recv: int) -> Decoded:
        coin, ctx = message.data.coin, message.data.ctx
        instrument = self._ids.get(coin) or self._identify(coin)
        if isinstance(instrument, Ignored):
            return instrument
        if not ctx.markPx:
            return _UNPRICED
        index, hours = ctx.oraclePx or None, FUNDING_INTERVAL_H
        return [
            MarkPrice(instrument, ts_recv, ts_recv, ctx.markPx, index, ctx.funding, None, hours),
            OpenInterest(instrument, ts_recv, ts_recv, ctx.openInterest, None),
        ]

    def _candles(self, bars: list[Bar], ts_recv: int) -> Decoded:
        events: list[MarketEvent] = []
        reason = _NO_TRADES
        for bar in bars:
            decoded = self._candle(bar, ts_recv)
            if isinstance(decoded, Ignored):
                reason = decoded
            else:
                events.extend(decoded)
        return events or reason

    def _candle(self, bar: Bar, ts_recv: int) -> list[MarketEvent] | Ignored:
        """The state of a candle, after the last state of the one before it, which is closed by this."""
        instrument = self._ids.get(bar.s) or self._identify(bar.s)
        if isinstance(instrument, Ignored):
            return instrument
        interval = _INTERVALS.get(bar.i)
        if interval is None:
            return _UNLISTED
        ts_open, ts_end = bar.t * MS, bar.T * MS
        ts = ts_end if ts_end < ts_recv else ts_recv
        o, h, low, c = bar.o, bar.h, bar.l, bar.c
        candle = Candle(instrument, ts, ts_recv, interval, ts_open, o, h, low, c, bar.v, None, bar.n, None, None, False)
        place = (bar.s, bar.i)
        if ts_open > ts_recv + _AHEAD_NS:  # taken for true, it would make history of all that follow
            raise FrameError(f"Expected `t` <= receipt, got {bar.t} > {ts_recv // MS}", venue=VENUE)
        last = self._bars.get(place)
        if last is not None and ts_open < last.ts_open:
            return _HISTORY  # it has been closed already
        if bar.s in self._ids:
            self._bars[place] = candle
        if last is None or ts_open == last.ts_open:
            return [candle]
        return [msgspec.structs.replace(last, ts_recv=ts_recv, is_closed=True), candle]

    def _fills(self, message: UserFills, ts_recv: int, raw: bytes | memoryview) -> Decoded:
        if message.data.isSnapshot:
            return _HISTORY
        events: list[MarketEvent] = []
        reason = _NO_LIQUIDATION
        for fill in message.data.fills:
            if fill.liquidation is None:
                continue
            instrument = self._ids.get(fill.coin) or self._identify(fill.coin)
            if isinstance(instrument, Ignored):
                reason = instrument
                continue
            if fill.is_unwinding:
                reason = _ADL
                continue
            position_side = fill.position_side(message.data.user)
            if position_side is None:
                raise _frame_error("a `liquidation` without `liquidatedUser`", raw)
            ts_event, venue_id = fill.time * MS, str(fill.tid)
            price = (fill.px, None)
            told = (position_side, fill.sz, *price, _WATCHLIST, _UNSAMPLED)
            events.append(Liquidation(instrument, ts_event, ts_recv, *told, venue_id=venue_id))
        return events or reason

    # answers -------------------------------------------------------------------------------------------------------

    def _acknowledged(self, message: Answer) -> Control:
        """An acknowledgement; one of leaving names no topic, because nothing is listened to by it."""
        asked = message.data
        if asked.method != "subscribe":
            return _HEARD
        coin = asked.subscription.coin
        if asked.subscription.type == "trades" and coin is not None:
            self._flowing.discard(coin)
        return Control(None, None, topic=asked.subscription.name)

    def _identify(self, symbol: str) -> InstrumentId | Ignored:
        """Name an instrument not met before, or say why it is none of ours."""
        named = None if self._catalogue else instrument_named(symbol)
        if named is None:
            return why_not(symbol)
        if len(self._ids) < _MOST_NAMES:
            self._ids[symbol], self._named[symbol] = named.id, named
        return named.id


def _refused(words: str) -> Control:
    """Read an error: the topic it is about, if it shows one.

    "Already subscribed" is no refusal of the topic: it is listened to. "Already unsubscribed" is about nothing we have.
    """
    if words.startswith("Already unsubscribed"):
        return _HEARD
    topic = topic_in(words)
    if topic is not None and words.startswith("Already subscribed"):
        return Control(None, None, topic=topic)
    return Control(None, words[:_SHOWN], topic=topic)


def _unusual(raw: bytes | memoryview, error: Exception) -> Decoded:
    """Explain a frame that is none of the messages we know, or raise FrameError if it is one of ours, and broken."""
    if raw[: len(GREETING)] == GREETING:
        return _HEARD
    try:
        frame: object = msgspec.json.decode(raw)
    except UNREADABLE as broken:
        raise _frame_error(str(broken), raw) from broken
    channel = frame.get("channel") if isinstance(frame, dict) else None
    if isinstance(channel, str) and channel not in LISTED:
        return _UNLISTED
    raise _frame_error(str(error), raw) from error


def _frame_error(reason: str, raw: bytes | memoryview) -> FrameError:
    words = f"hyperliquid sent a frame we cannot read: {reason[:_EXPLAINED]}; it begins {bytes(raw[:_SHOWN])!r}"
    return FrameError(words, venue=VENUE)
