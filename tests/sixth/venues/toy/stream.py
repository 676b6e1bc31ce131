"""What is said on the toy exchange's one socket, and what its frames mean."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, assert_never

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
    PositionSide,
    Sampling,
    Side,
    Trade,
)
from perpscope.model.stream import Channel, ConnectionPlan, Control, Ignored, Stream, Topic
from perpscope.ports import Decoded, Dialogue

from . import wire
from .symbols import LOT, VENUE, instrument_named

MS: Final = 1_000_000
_LOT: Final = float(LOT)
_TOPICS: Final = {
    Channel.TRADES: wire.Trades.channel,
    Channel.BOOK: wire.Book.channel,
    Channel.MARK_PRICES: wire.Mark.channel,
    Channel.LIQUIDATIONS: wire.Liquidated.channel,
    Channel.CANDLES_1M: wire.Bar.channel,
}
CHANNELS: Final = frozenset(_TOPICS)
_SIDES: Final = {"b": Side.BUY, "s": Side.SELL}
_POSITIONS: Final = {"long": PositionSide.LONG, "short": PositionSide.SHORT}


def plan(instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[ConnectionPlan]:
    """One socket."""
    topics = tuple(
        Topic(f"{_TOPICS[channel]}:{instrument.symbol}", (Stream(channel, instrument.id),))
        for instrument in instruments
        for channel in channels
        if channel in CHANNELS
    )
    return [ConnectionPlan(f"{VENUE}/feed/0", "/feed", topics)] if topics else []


def _say(word: str, topics: Sequence[str], number: int) -> bytes:
    return msgspec.json.encode({"do": word, "what": [*topics], "no": number})


DIALOGUE = Dialogue(
    subscribe=lambda topics, number: _say("join", topics, number),
    unsubscribe=lambda topics, number: _say("leave", topics, number),
    topics_per_request=5,
    between_requests_s=0.02,
    ping=b'{"do":"ping"}',
    ping_every_s=20.0,
)


class Decoder:
    """Frames of one connection in, events out; an empty catalogue = every name that can be read."""

    def __init__(self, catalogue: Mapping[str, Instrument]) -> None:
        self._catalogue = catalogue
        self._named: dict[str, Instrument] = {}

    @property
    def named(self) -> Mapping[str, Instrument]:
        """Instruments read off their names so far."""
        return self._named

    def decode(self, raw: bytes | memoryview, ts_recv: int) -> Decoded:
        """Decode one frame; raises FrameError."""
        try:
            message = wire.read(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise FrameError(f"toy: {str(error)[:200]}: {bytes(raw[:80])!r}", venue=VENUE) from error
        if isinstance(message, wire.Answer):
            return Control(message.no, None if message.ok else message.why, message.what)
        if isinstance(message, wire.Advert):
            return Ignored("unlisted-channel")
        instrument = self._instrument(message.m)
        if instrument is None:
            return Ignored("unknown-symbol")
        return [*_events(message, instrument.id, ts_recv)]

    def _instrument(self, symbol: str) -> Instrument | None:
        if self._catalogue:
            return self._catalogue.get(symbol)
        known = self._named.get(symbol) or instrument_named(symbol)
        if known is not None:
            self._named[symbol] = known
        return known


def _events(
    message: wire.Trades | wire.Book | wire.Mark | wire.Liquidated | wire.Bar, of: InstrumentId, ts_recv: int
) -> Iterator[MarketEvent]:
    ts = message.t * MS
    match message:
        case wire.Trades():
            for identity, taker, price, lots in message.x:
                yield Trade(of, ts, ts_recv, identity, price, lots * _LOT, _SIDES[taker], False)
        case wire.Book():
            bids, asks = _levels(message.bid), _levels(message.ask)
            if message.whole:
                yield BookSnapshot(of, ts, ts_recv, message.n, bids, asks, is_stream=True)
            else:
                yield BookDelta(of, ts, ts_recv, message.n, message.n, message.n - 1, bids, asks)
        case wire.Mark():
            due = message.due * MS
            yield MarkPrice(of, ts, ts_recv, message.mark, message.index, message.fund, due, message.hours)
        case wire.Liquidated():
            whose, size = _POSITIONS[message.pos], message.lots * _LOT
            kept = (Completeness.COMPLETE, Sampling.NONE, None, message.id)
            yield Liquidation(of, ts, ts_recv, whose, size, None, message.at, *kept)
        case wire.Bar():
            prices = (message.o, message.h, message.l, message.c)
            since, volume = message.since * MS, message.lots * _LOT
            yield Candle(
                of, ts, ts_recv, Interval.M1, since, *prices, volume, None, None, None, None, is_closed=message.over
            )
        case _:
            assert_never(message)


def _levels(levels: list[tuple[float, float]]) -> list[Level]:
    return [(price, lots * _LOT) for price, lots in levels]
