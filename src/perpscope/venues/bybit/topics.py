"""What a topic's name says: how its messages are read, whose they are, and what is remembered of them.

`publicTrade.BTCUSDT`, `orderbook.200.BTCUSDT`, `kline.1.BTCUSDT`, `tickers.BTCUSDT`, `allLiquidation.BTCUSDT`.
In: names. Out: a `Subject`, or why the topic is none of ours. Both are kept as long as the connection.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import Interval
from perpscope.model.stream import Ignored
from perpscope.venues.bybit import wire
from perpscope.venues.bybit.symbols import DOLLAR_QUOTES, instrument_named, is_inverse, is_option
from perpscope.venues.bybit.ticker import TickerState
from perpscope.venues.bybit.wire import Bars, Book, Liquidations, Message, Ticker, Trades

Read: TypeAlias = Callable[[bytes | memoryview], Message]

#: First part of a topic's name → shape of its messages, and how they are read.
_SHAPES: dict[str, tuple[type[Message], Read]] = {
    "publicTrade": (Trades, wire.read_trades),
    "orderbook": (Book, wire.read_book),
    "tickers": (Ticker, wire.read_ticker),
    "kline": (Bars, wire.read_bars),
    "allLiquidation": (Liquidations, wire.read_liquidations),
}
_TOP = "1"  #: depth of the topic that carries best prices only
_DEPTHS = frozenset({_TOP, "50", "200", "1000"})
_RETIRED_DEPTH = "500"  #: gone since 2025-09-11
_INTERVALS = {"1": Interval.M1, "15": Interval.M15, "60": Interval.H1}
_RETIRED = frozenset({"liquidation", "funding", "markPrice"})
_MOST_NAMES = 5_000  #: names remembered without a catalogue
_MOST_TOPICS = 8 * _MOST_NAMES

_UNLISTED = Ignored("unlisted-channel")
_RETIRED_API = Ignored("retired-api")


class Subject:
    """One topic of one connection."""

    __slots__ = ("instrument", "interval", "is_top", "read", "shape", "ticker")

    def __init__(self, shape: type[Message], read: Read, instrument: InstrumentId, detail: str) -> None:
        self.shape = shape
        self.read = read
        self.instrument = instrument
        self.is_top = shape is Book and detail == _TOP
        self.interval = _INTERVALS.get(detail, Interval.M1)  #: of candles; no matter for the rest
        self.ticker = TickerState()


class Topics:
    """The topics met on one connection.

    Args:
        catalogue: symbol → instrument; empty = every symbol whose name can be read is accepted.
    """

    def __init__(self, catalogue: Mapping[str, Instrument]) -> None:
        self.known: dict[str, Subject] = {}
        self.named: dict[str, Instrument] = {}  #: read off their symbols, where there is no catalogue
        self._catalogue = catalogue

    def subject(self, topic: str) -> Subject | Ignored:
        """What a topic carries, or why it is none of ours."""
        known = self.known.get(topic)
        if known is not None:
            return known
        kind, _, symbol = topic.partition(".")
        if kind not in _SHAPES:
            return _RETIRED_API if kind in _RETIRED else _UNLISTED
        detail = ""
        if kind in ("orderbook", "kline"):
            detail, _, symbol = symbol.partition(".")
            if detail not in (_DEPTHS if kind == "orderbook" else _INTERVALS):
                return _RETIRED_API if kind == "orderbook" and detail == _RETIRED_DEPTH else _UNLISTED
        instrument = self._identify(symbol)
        if isinstance(instrument, Ignored):
            return instrument
        subject = Subject(*_SHAPES[kind], instrument, detail)
        if len(self.known) < _MOST_TOPICS:
            self.known[topic] = subject
        return subject

    def _identify(self, symbol: str) -> InstrumentId | Ignored:
        """Name an instrument, or say why it is none of ours."""
        listed = self._catalogue.get(symbol) or self.named.get(symbol)
        if listed is not None:
            if not listed.is_crypto:
                return Ignored("not-crypto")
            return listed.id if listed.quote in DOLLAR_QUOTES else Ignored("quote-not-dollars")
        if is_inverse(symbol):
            return Ignored("inverse")
        if is_option(symbol):
            return Ignored("option")
        named = None if self._catalogue else instrument_named(symbol)
        if named is None or named.symbol != symbol:
            return Ignored("unknown-symbol")
        if len(self.named) < _MOST_NAMES:
            self.named[symbol] = named
        return named.id
