"""The seeded market told the way Bybit tells a market.

In: events at engine grain. Out: trades gathered per 10 ms, books of four depths at four speeds, tickers each 100 ms,
candles as they form, every liquidation in batches of 500 ms. A new subscriber of a book or ticker gets a snapshot
first: what the other subscribers know, so that the next delta fits.
"""

from collections.abc import Sequence
from typing import assert_never

from perpscope.lab.book import ToldDepth
from perpscope.lab.dialect import Outlet
from perpscope.lab.happening import Happening
from perpscope.lab.quotations import Quotations, Stand
from perpscope.lab.wire.bybit import payloads, tickers
from perpscope.lab.wire.bybit.payloads import DEPTHS, INTERVALS
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
_TICKER_MS, _LIQUIDATION_MS, _REPUSH_MS = 100, 500, 3000


class Desk:
    """What the teller knows of one symbol: what its subscribers have been told, and what waits to be told."""

    __slots__ = ("day", "direction", "liquidations", "repush_ms", "stand", "ticker", "trades")

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        stand.told.update({depth: ToldDepth(depth) for depth in DEPTHS})
        self.trades: list[str] = []
        self.liquidations: list[Liquidation] = []
        self.ticker: dict[str, str] = {}  # as told; empty if nobody listens
        self.day: tickers.Day | None = None
        self.direction = "ZeroPlusTick"
        self.repush_ms = 0  # when the best prices were told last

    def turned(self, trade: Trade, previous: Trade | None) -> str:
        """How a trade moved the price."""
        if previous is not None and trade.price != previous.price:
            self.direction = "PlusTick" if trade.price > previous.price else "MinusTick"
        elif not self.direction.startswith("Zero"):
            self.direction = f"Zero{self.direction}"
        return self.direction


class BybitTeller:
    """Bybit's cadences.

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
        self._previous: dict[str, Trade] = {}
        self._moved: dict[int, dict[str, Desk]] = {depth: {} for depth in DEPTHS}  # books that changed, by depth
        self._traded: dict[str, Desk] = {}
        self._liquidated: dict[str, Desk] = {}

    def tell(self, stand: Stand, event: Happening) -> None:
        """Tell one event; what gathers in windows comes out when a tick closes them."""
        symbol = stand.listing.symbol
        desk = self._desks[symbol]
        match event:
            case BookDelta():
                for moved in self._moved.values():
                    moved[symbol] = desk
            case Trade():
                self._trade(symbol, desk, event)
            case Candle():
                self._candle(symbol, desk, event)
            case Liquidation():
                desk.liquidations.append(event)
                self._liquidated[symbol] = desk
            case BookSnapshot():
                desk.repush_ms = self._quotations.now_ms
                for depth in DEPTHS:
                    for frame in self._book_opening(depth, symbol):
                        self._outlet.publish(f"orderbook.{depth}.{symbol}", frame)
            case Quote() | MarkPrice() | OpenInterest():
                pass  # seen in the stand when the books and tickers are told
            case _:  # pragma: no cover
                assert_never(event)

    def pass_tick(self, ts_ns: int) -> None:
        """Close every window that ends at a tick."""
        now_ms = ts_ns // _NS_PER_MS
        for symbol, desk in self._traded.items():
            topic = f"publicTrade.{symbol}"
            self._outlet.publish(topic, payloads.trades(topic, desk.trades, now_ms))
            desk.trades.clear()
        self._traded.clear()
        for depth, speed_ms in DEPTHS.items():
            moved = self._moved[depth]
            if moved and now_ms % speed_ms == 0:
                for symbol, desk in moved.items():
                    self._tell_book(depth, symbol, desk, now_ms)
                moved.clear()
        if now_ms % _LIQUIDATION_MS == 0:
            self._tell_liquidations(now_ms)
            self._repush(now_ms)
        if now_ms % _TICKER_MS == 0:
            for symbol, desk in self._desks.items():
                self._tell_ticker(symbol, desk, now_ms)

    def opening(self, topic: str) -> Sequence[bytes]:
        """A snapshot of the book or ticker; nothing on the other topics."""
        channel, _, rest = topic.partition(".")
        if channel == "tickers" and rest in self._desks:
            desk = self._desks[rest]
            desk.ticker = desk.ticker or self._ticker(rest, desk)
            sequence = desk.stand.book.last_update_id
            now_ms = self._quotations.now_ms
            return [payloads.ticker(topic, "snapshot", rest, desk.ticker, sequence, now_ms)] if desk.ticker else ()
        depth, _, symbol = rest.partition(".")
        if channel == "orderbook" and depth.isdecimal() and int(depth) in DEPTHS and symbol in self._desks:
            return self._book_opening(int(depth), symbol)
        return ()

    # books ---------------------------------------------------------------------------------------------------------

    def _book_opening(self, depth: int, symbol: str) -> Sequence[bytes]:
        """The snapshot that fits the next delta; none before there is a book."""
        desk = self._desks[symbol]
        if not desk.stand.book.last_update_id:
            return ()
        desk.stand.told[depth].begin(desk.stand.book)
        return [self._snapshot(depth, symbol, desk, self._quotations.now_ms)]

    def _snapshot(self, depth: int, symbol: str, desk: Desk, now_ms: int) -> bytes:
        told = desk.stand.told[depth]
        levels = told.bids, told.asks
        return payloads.book(f"orderbook.{depth}.{symbol}", "snapshot", desk.stand.listing, told, levels, now_ms)

    def _tell_book(self, depth: int, symbol: str, desk: Desk, now_ms: int) -> None:
        topic, told = f"orderbook.{depth}.{symbol}", desk.stand.told[depth]
        if not self._outlet.is_wanted(topic):
            told.forget()
            return
        is_begun, changed = told.is_begun, told.advance(desk.stand.book)
        told.begin(desk.stand.book)
        if is_begun and changed is None:
            return
        if depth == 1:
            desk.repush_ms = now_ms
        if depth == 1 or changed is None:
            self._outlet.publish(topic, self._snapshot(depth, symbol, desk, now_ms))
        else:
            self._outlet.publish(topic, payloads.book(topic, "delta", desk.stand.listing, told, changed, now_ms))

    def _repush(self, now_ms: int) -> None:
        """Best prices that have not changed for three seconds are told again, with the same `u`."""
        for symbol, desk in self._desks.items():
            topic = f"orderbook.1.{symbol}"
            is_due = now_ms - desk.repush_ms >= _REPUSH_MS
            if is_due and desk.stand.told[1].is_begun and self._outlet.is_wanted(topic):
                desk.repush_ms = now_ms
                self._outlet.publish(topic, self._snapshot(1, symbol, desk, now_ms))

    # the rest ------------------------------------------------------------------------------------------------------

    def _trade(self, symbol: str, desk: Desk, trade: Trade) -> None:
        direction = desk.turned(trade, self._previous.get(symbol))
        self._previous[symbol] = trade
        if self._outlet.is_wanted(f"publicTrade.{symbol}"):
            sequence = desk.stand.book.last_update_id
            desk.trades.append(payloads.trade_row(desk.stand.listing, trade, direction, sequence))
            self._traded[symbol] = desk

    def _candle(self, symbol: str, desk: Desk, candle: Candle) -> None:
        if candle.interval is Interval.M1 and candle.is_closed:
            desk.day = None
        topic = f"kline.{INTERVALS[candle.interval]}.{symbol}"
        if self._outlet.is_wanted(topic):
            now_ms = candle.ts_event // _NS_PER_MS
            self._outlet.publish(topic, payloads.kline(topic, desk.stand.listing, candle, now_ms))

    def _tell_liquidations(self, now_ms: int) -> None:
        for symbol, desk in self._liquidated.items():
            for _ in desk.liquidations:
                self._outlet.count("LiquidationPublished")
            topic = f"allLiquidation.{symbol}"
            if self._outlet.is_wanted(topic):
                frame = payloads.liquidations(topic, desk.stand.listing, desk.liquidations, now_ms)
                self._outlet.publish(topic, frame)
            desk.liquidations.clear()
        self._liquidated.clear()

    def _ticker(self, symbol: str, desk: Desk) -> dict[str, str]:
        if desk.day is None:
            desk.day = tickers.Day(self._quotations.candles(symbol, Interval.M1))
        return tickers.fields(desk.stand, desk.day, desk.direction)

    def _tell_ticker(self, symbol: str, desk: Desk, now_ms: int) -> None:
        topic = f"tickers.{symbol}"
        if not self._outlet.is_wanted(topic):
            desk.ticker = {}
            return
        now = self._ticker(symbol, desk)
        changed = {name: value for name, value in now.items() if desk.ticker.get(name) != value}
        if changed:
            kind = "delta" if desk.ticker else "snapshot"
            desk.ticker = now
            sequence = desk.stand.book.last_update_id
            self._outlet.publish(topic, payloads.ticker(topic, kind, symbol, changed, sequence, now_ms))
