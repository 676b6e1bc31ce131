"""The seeded market told the way Bitget tells a market, in both generations.

In: events at engine grain. Out: trades as they come, books as a snapshot and updates (v3 each 50 ms, v2 each 150 ms) or
whole each time, tickers each 300 ms if they changed, candles as they form, liquidations once a second: per symbol the
largest long and the largest short. A new subscriber gets what the others know: the book, the ticker, the last trades
and candles. Cadences are the documented ones; v2's on the wire were nearer 100 ms in 2026.
"""

from collections.abc import Sequence
from typing import NamedTuple, assert_never

from perpscope.lab.book import ToldDepth
from perpscope.lab.dialect import Outlet
from perpscope.lab.happening import Happening
from perpscope.lab.quotations import Quotations, Stand
from perpscope.lab.wire.bitget import bars, payloads, tickers
from perpscope.lab.wire.bitget.payloads import Levels
from perpscope.lab.wire.bitget.topics import (
    CLASSIC,
    CLASSIC_INTERVALS,
    INTERVALS,
    LIQUIDATION,
    UNIFIED,
    Span,
    Topic,
    parsed,
)
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Interval,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Quote,
    Trade,
)

_NS_PER_MS = 1_000_000
_TICK_NS = 10 * _NS_PER_MS
_TICKER_MS, _LIQUIDATION_MS = 300, 1000
_OPENING_TRADES, _OPENING_CANDLES = 50, 500
_TRADES = ((UNIFIED, "publicTrade"), (CLASSIC, "trade"))
_SPANS = {(UNIFIED, "kline", name): span for name, span in INTERVALS.items()} | {
    (CLASSIC, f"candle{name}", ""): span for name, span in CLASSIC_INTERVALS.items()
}
_OWN = {
    interval: {key: span for key, span in _SPANS.items() if span.ns == interval.ns} for interval in Interval
}  # told from the lab's own candles
_RECKONED = {key: span for key, span in _SPANS.items() if all(span.ns != interval.ns for interval in Interval)}
_WHOLE_MARKET = Topic(UNIFIED, LIQUIDATION)


class Pace(NamedTuple):
    """How a book channel is told."""

    depth: int
    speed_ms: int  #: between two frames; 0 for at once


#: a snapshot, then what changed
UPDATES = {(UNIFIED, "books"): Pace(1000, 50), (CLASSIC, "books"): Pace(500, 150)}
#: the whole of it each time
WHOLE = {
    (UNIFIED, "books1"): Pace(1, 0),
    (UNIFIED, "books5"): Pace(5, 10),
    (UNIFIED, "books50"): Pace(50, 20),
    (CLASSIC, "books1"): Pace(1, 10),
    (CLASSIC, "books5"): Pace(5, 150),
    (CLASSIC, "books15"): Pace(15, 150),
}
_PACES = UPDATES | WHOLE


class Desk:
    """What the teller knows of one symbol: what its subscribers have been told, and what waits to be told."""

    __slots__ = ("day", "liquidations", "restarted", "stand", "tickers", "trades", "whole")

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        stand.told.update({pace.depth: ToldDepth(pace.depth) for pace in UPDATES.values()})
        self.trades: list[Trade] = []
        self.liquidations: list[Liquidation] = []
        self.whole: dict[Topic, Levels] = {}  # as told last
        self.tickers: dict[str, dict[str, str]] = {}  # as told last, by generation, without their time
        self.day: tickers.Day | None = None
        self.restarted: set[Topic] = set()  # whose next update begins a new sequence


class BitgetTeller:
    """Bitget's cadences.

    Args:
        quotations: what happens.
        outlet: where it is told.
    """

    def __init__(self, quotations: Quotations, outlet: Outlet) -> None:
        self.tick_ns = _TICK_NS
        self._quotations = quotations
        self._outlet = outlet
        symbols = [listing.symbol for listing in quotations.listings]
        self._desks = {symbol: Desk(quotations.stand(symbol)) for symbol in symbols}
        self._moved: dict[tuple[str, str], dict[str, Desk]] = {channel: {} for channel in _PACES}

    def tell(self, stand: Stand, event: Happening) -> None:
        """Tell one event; what gathers in windows comes out when a tick closes them."""
        symbol = stand.listing.symbol
        desk = self._desks[symbol]
        match event:
            case BookDelta():
                for moved in self._moved.values():
                    moved[symbol] = desk
                self._tell_whole((UNIFIED, "books1"), symbol, desk, event.ts_event // _NS_PER_MS)
            case Trade():
                if any(self._outlet.is_wanted(Topic(*channel, symbol).name) for channel in _TRADES):
                    desk.trades.append(event)
            case Candle():
                self._tell_candles(symbol, desk, event)
            case Liquidation():
                desk.liquidations.append(event)
            case BookSnapshot():
                for channel in _PACES:
                    topic = Topic(*channel, symbol)
                    for frame in self._book_opening(topic):
                        self._outlet.publish(topic.name, frame)
            case Quote() | MarkPrice() | OpenInterest():
                pass  # seen in the stand when the books and tickers are told
            case _:  # pragma: no cover
                assert_never(event)

    def pass_tick(self, ts_ns: int) -> None:
        """Close every window that ends at a tick."""
        now_ms = ts_ns // _NS_PER_MS
        for symbol, desk in self._desks.items():
            if desk.trades:
                self._tell_trades(symbol, desk, now_ms)
        for channel, pace in _PACES.items():
            if self._moved[channel] and pace.speed_ms and now_ms % pace.speed_ms == 0:
                tell = self._tell_updates if channel in UPDATES else self._tell_whole
                for symbol, desk in self._moved[channel].items():
                    tell(channel, symbol, desk, now_ms)
                self._moved[channel].clear()
        if now_ms % _TICKER_MS == 0:
            for symbol, desk in self._desks.items():
                self._tell_ticker(UNIFIED, symbol, desk, now_ms)
                self._tell_ticker(CLASSIC, symbol, desk, now_ms)
        if now_ms % _LIQUIDATION_MS == 0:
            self._tell_liquidations(now_ms)

    def opening(self, topic: str) -> Sequence[bytes]:
        """The book, the ticker, the last trades or candles, as the other subscribers know them."""
        found = parsed(topic)
        desk = self._desks.get(found.symbol) if found else None
        if found is None or desk is None:
            return ()
        channel = found.generation, found.channel
        if channel in _PACES:
            return self._book_opening(found)
        if channel in _TRADES:
            return self._trades_opening(found, desk)
        if found.channel == "ticker":
            return self._ticker_opening(found, desk)
        symbol, listing = found.symbol, desk.stand.listing
        rows = bars.candles(self._quotations, symbol, _SPANS[(*channel, found.interval)])[-_OPENING_CANDLES:]
        written = [payloads.candle(found.generation, listing, row) for row in rows]
        return [payloads.pushed(found, "snapshot", written, self._quotations.now_ms)]

    def restart(self, symbol: str) -> None:
        """Let the matching engine of a symbol restart: the next update of its books begins a new sequence, `pseq` 0."""
        self._desks[symbol].restarted.update(Topic(*channel, symbol) for channel in UPDATES)

    # books ---------------------------------------------------------------------------------------------------------

    def _book_opening(self, topic: Topic) -> Sequence[bytes]:
        """The snapshot that fits the next update; none before there is a book."""
        desk = self._desks[topic.symbol]
        book = desk.stand.book
        if not book.last_update_id:
            return ()
        channel = topic.generation, topic.channel
        told = desk.stand.told.get(_PACES[channel].depth) if channel in UPDATES else None
        if told is None:
            levels: Levels = book.top(_PACES[channel].depth)
            row = payloads.book(topic, levels, (book.last_update_id, 0), book.ts_event)
        else:
            told.begin(book)
            row = payloads.book(topic, (told.bids, told.asks), (told.update_id, 0), told.ts_event)
        return [payloads.pushed(topic, "snapshot", [row], self._quotations.now_ms)]

    def _tell_updates(self, channel: tuple[str, str], symbol: str, desk: Desk, now_ms: int) -> None:
        topic, told = Topic(*channel, symbol), desk.stand.told[_PACES[channel].depth]
        if not self._outlet.is_wanted(topic.name):
            told.forget()
            desk.restarted.discard(topic)
            return
        changed = told.advance(desk.stand.book)
        if changed is None:
            return
        previous = 0 if topic in desk.restarted else told.previous_id
        desk.restarted.discard(topic)
        whole = told.bids, told.asks
        row = payloads.book(topic, changed, (told.update_id, previous), told.ts_event, whole)
        self._outlet.publish(topic.name, payloads.pushed(topic, "update", [row], now_ms))

    def _tell_whole(self, channel: tuple[str, str], symbol: str, desk: Desk, now_ms: int) -> None:
        topic, book = Topic(*channel, symbol), desk.stand.book
        if not self._outlet.is_wanted(topic.name):
            return
        levels: Levels = book.top(_PACES[channel].depth)
        if desk.whole.get(topic) == levels:
            return
        desk.whole[topic] = levels
        row = payloads.book(topic, levels, (book.last_update_id, 0), book.ts_event)
        self._outlet.publish(topic.name, payloads.pushed(topic, "snapshot", [row], now_ms))

    # trades and candles --------------------------------------------------------------------------------------------

    def _tell_trades(self, symbol: str, desk: Desk, now_ms: int) -> None:
        newest_first, listing = desk.trades[::-1], desk.stand.listing
        desk.trades.clear()
        for channel in _TRADES:
            topic = Topic(*channel, symbol)
            if self._outlet.is_wanted(topic.name):
                rows = [payloads.trade(topic.generation, listing, event) for event in newest_first]
                self._outlet.publish(topic.name, payloads.pushed(topic, "update", rows, now_ms))

    def _trades_opening(self, topic: Topic, desk: Desk) -> Sequence[bytes]:
        """The last trades that were told, newest first: history, which a client must not count as new."""
        told = list(desk.stand.trades)[: -len(desk.trades) or None]
        rows = [
            payloads.trade(topic.generation, desk.stand.listing, event) for event in told[: -_OPENING_TRADES - 1 : -1]
        ]
        return [payloads.pushed(topic, "snapshot", rows, self._quotations.now_ms)] if rows else ()

    def _tell_candles(self, symbol: str, desk: Desk, event: Candle) -> None:
        """The lab's own three intervals as they are; the others are reckoned when the minute has moved."""
        for (generation, channel, interval), span in _OWN[event.interval].items():
            self._tell_candle(Topic(generation, channel, symbol, interval), desk, event, span)
        if event.interval is Interval.M1:
            desk.day = None if event.is_closed else desk.day
            for (generation, channel, interval), span in _RECKONED.items():
                self._tell_candle(Topic(generation, channel, symbol, interval), desk, event, span)

    def _tell_candle(self, topic: Topic, desk: Desk, event: Candle, span: Span) -> None:
        if self._outlet.is_wanted(topic.name):
            row = event if span.ns == event.interval.ns else self._holding(topic.symbol, span, event.ts_open)
            written = payloads.candle(topic.generation, desk.stand.listing, row)
            self._outlet.publish(topic.name, payloads.pushed(topic, "update", [written], event.ts_event // _NS_PER_MS))

    def _holding(self, symbol: str, span: Span, ts: int) -> Candle:
        """The candle that a moment lies in, which has not long passed."""
        newest_first = reversed(bars.candles(self._quotations, symbol, span))
        return next(row for row in newest_first if row.ts_open <= ts)

    # the rest ------------------------------------------------------------------------------------------------------

    def _ticker(self, generation: str, symbol: str, desk: Desk, now_ms: int) -> dict[str, str]:
        """Every field; none before the first mark price."""
        mark = desk.stand.mark
        if mark is None:
            return {}
        if desk.day is None:
            desk.day = tickers.Day(self._quotations.candles(symbol, Interval.M1))
        figures = tickers.Figures(desk.stand, mark, desk.day)
        return tickers.unified(figures) if generation == UNIFIED else tickers.classic(figures, now_ms)

    def _ticker_opening(self, topic: Topic, desk: Desk) -> Sequence[bytes]:
        now_ms = self._quotations.now_ms
        fields = self._ticker(topic.generation, topic.symbol, desk, now_ms)
        return [payloads.pushed(topic, "snapshot", [payloads.ticker(fields)], now_ms)] if fields else ()

    def _tell_ticker(self, generation: str, symbol: str, desk: Desk, now_ms: int) -> None:
        topic = Topic(generation, "ticker", symbol)
        if not self._outlet.is_wanted(topic.name):
            return
        fields = self._ticker(generation, symbol, desk, now_ms)
        timeless = {name: value for name, value in fields.items() if name != "ts"}
        if timeless and desk.tickers.get(generation) != timeless:
            desk.tickers[generation] = timeless
            self._outlet.publish(topic.name, payloads.pushed(topic, "snapshot", [payloads.ticker(fields)], now_ms))

    def _tell_liquidations(self, now_ms: int) -> None:
        rows: list[str] = []
        for desk in self._desks.values():
            for event in payloads.largest(desk.liquidations):
                self._outlet.count("LiquidationPublished")
                rows.append(payloads.ticker(payloads.liquidation(desk.stand.listing, event)))
            desk.liquidations.clear()
        if rows and self._outlet.is_wanted(_WHOLE_MARKET.name):
            self._outlet.publish(_WHOLE_MARKET.name, payloads.pushed(_WHOLE_MARKET, "snapshot", rows, now_ms))
