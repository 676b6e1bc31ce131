"""From what happens to what is published: the seeded market told the way Binance tells a market.

In: events at engine grain. Out: payloads on the server's streams: diffs gathered per 100, 250 and 500 ms, at most one
liquidation a symbol and second, mark prices per second and per three. Also answers REST from what has been published.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import assert_never

from perpscope.lab.book import LabBook, TextLevel
from perpscope.lab.clock import NS_PER_MS, NS_PER_S
from perpscope.lab.market import Market
from perpscope.lab.pit import Happening
from perpscope.lab.server import LabServer
from perpscope.lab.wire.binance import payloads
from perpscope.lab.wire.binance.payloads import Listing
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Interval,
    Level,
    Liquidation,
    MarkPrice,
    Quote,
    Sampling,
    Trade,
)

_PACE_S = 0.004  # real seconds between two looks at the clock
_BATCH = 400  # events published before other clients get their turn
_PARTIAL_DEPTHS = (5, 10, 20)
_SPEEDS_MS = (100, 250, 500)
_DEFAULT_SPEED_MS = 250
_TICK_NS = 50 * NS_PER_MS  # every speed's window ends on one
_SLOW_MARK_MS = 3000


class DepthWindow:
    """Changes of one book gathered for one speed of its diff stream."""

    __slots__ = ("asks", "bids", "first_id", "last_id", "names", "partials", "previous_id")

    def __init__(self, listing: Listing, speed_ms: int, is_default: bool) -> None:
        base = f"{listing.lower}@depth"
        self.names = (f"{base}@{speed_ms}ms", *((base,) if is_default else ()))
        self.partials = [
            (depth, tuple(name.replace("@depth", f"@depth{depth}") for name in self.names)) for depth in _PARTIAL_DEPTHS
        ]
        self.bids: dict[str, TextLevel] = {}
        self.asks: dict[str, TextLevel] = {}
        self.first_id = 0
        self.last_id = 0
        self.previous_id = 0

    def gather(self, delta: BookDelta, bids: list[TextLevel], asks: list[TextLevel]) -> None:
        """Add one change; of a price changed twice the newer size counts."""
        self.first_id = self.first_id or delta.first_update_id
        self.last_id = delta.last_update_id
        for level in bids:
            self.bids[level[0]] = level
        for level in asks:
            self.asks[level[0]] = level

    def close(self) -> None:
        """Begin the next window."""
        self.previous_id, self.first_id = self.last_id, 0
        self.bids.clear()
        self.asks.clear()


class Desk:
    """What the publisher knows of one symbol: names, book, windows."""

    __slots__ = (
        "agg_trade",
        "book",
        "book_ticker",
        "force_order",
        "klines",
        "last_trade_id",
        "listing",
        "trade",
        "windows",
    )

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.book = LabBook()
        self.windows = {speed: DepthWindow(listing, speed, speed == _DEFAULT_SPEED_MS) for speed in _SPEEDS_MS}
        self.last_trade_id = 0
        self.agg_trade = f"{listing.lower}@aggTrade"
        self.trade = f"{listing.lower}@trade"
        self.book_ticker = f"{listing.lower}@bookTicker"
        self.force_order = f"{listing.lower}@forceOrder"
        self.klines = {interval: f"{listing.lower}@kline_{interval.value}" for interval in Interval}


class Publisher:
    """Tells the market to the server as its clock proceeds.

    Args:
        market: what happens.
        server: where it is told; its clock sets the pace.
        sampling: which of a second's liquidations is told; Binance's documents name both, by turns.
    """

    def __init__(self, market: Market, server: LabServer, sampling: Sampling = Sampling.LATEST_1S) -> None:
        self._market = market
        self._server = server
        self._sampling = sampling
        self.listings: Sequence[Listing] = market.listings
        self._desks = {listing.instrument.id: Desk(listing) for listing in self.listings}
        self._by_symbol = {desk.listing.symbol: desk for desk in self._desks.values()}
        self._next_tick_ns = market.ts_start
        self._seconds: deque[tuple[int, Desk]] = deque()  # ends of the liquidation windows that are open
        self._chosen: dict[str, Liquidation] = {}
        self._all_marks: list[bytes] = []
        self._marks_ms = 0

    # what REST asks ------------------------------------------------------------------------------------------------

    def book(self, symbol: str) -> LabBook | None:
        """The book as of the newest change published; None before the first."""
        desk = self._by_symbol[symbol]
        return desk.book if desk.book.last_update_id else None

    def candles(self, symbol: str, interval: Interval) -> Sequence[Candle]:
        """Oldest first, the forming one last."""
        return self._market.candles(symbol, interval)

    def mark(self, symbol: str) -> MarkPrice | None:
        """The newest mark price."""
        return self._market.mark(symbol)

    # pace ----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Let market time run."""
        self._server.clock.start()

    async def run(self) -> None:
        """Publish as market time passes, until cancelled. Falls behind rather than starve its clients."""
        clock = self._server.clock
        while True:
            now = clock.now_ns()
            for count, (ts, event) in enumerate(self._market.events(now), start=1):
                self.publish(ts, event)
                if count % _BATCH == 0:
                    await asyncio.sleep(0)
            self.pass_time(now)
            await asyncio.sleep(_PACE_S)

    def publish(self, ts: int, event: Happening) -> None:
        """Tell one event; what gathers in windows comes out when a later one, or time, closes them."""
        if ts >= self._next_tick_ns:
            self.pass_time(ts)
        self._server.ledger.events[type(event).__name__] += 1
        match event:
            case BookDelta():
                self._delta(self._desks[event.instrument], event)
            case Quote():
                self._quote(self._desks[event.instrument], event)
            case Trade():
                self._trade(self._desks[event.instrument], event)
            case Candle():
                self._candle(self._desks[event.instrument], event)
            case MarkPrice():
                self._mark(self._desks[event.instrument], event)
            case Liquidation():
                self._liquidation(self._desks[event.instrument], event)
            case BookSnapshot():
                self._snapshot(self._desks[event.instrument], event)
            case _:  # pragma: no cover
                assert_never(event)

    def pass_time(self, ts: int) -> None:
        """Close every window that ends at or before `ts`, in order."""
        while self._next_tick_ns <= ts:
            tick_ms = self._next_tick_ns // NS_PER_MS
            self._flush_marks(tick_ms)
            while self._seconds and self._seconds[0][0] <= self._next_tick_ns:
                self._tell_chosen(self._seconds.popleft()[1], tick_ms)
            for speed in _SPEEDS_MS:
                if tick_ms % speed == 0:
                    for desk in self._desks.values():
                        self._flush(desk, desk.windows[speed], tick_ms)
            self._next_tick_ns += _TICK_NS

    # each kind of event --------------------------------------------------------------------------------------------

    def _trade(self, desk: Desk, trade: Trade) -> None:
        desk.last_trade_id = trade.trade_id
        published_ms = trade.ts_event // NS_PER_MS
        if self._server.is_wanted(desk.agg_trade):
            self._server.publish(desk.agg_trade, payloads.agg_trade(desk.listing, trade, published_ms))
        if self._server.is_wanted(desk.trade):
            self._server.publish(desk.trade, payloads.trade(desk.listing, trade, published_ms))

    def _quote(self, desk: Desk, quote: Quote) -> None:
        for stream in (desk.book_ticker, "!bookTicker"):
            if self._server.is_wanted(stream):
                published_ms = quote.ts_event // NS_PER_MS
                self._server.publish(stream, payloads.book_ticker(desk.listing, quote, published_ms))

    def _candle(self, desk: Desk, candle: Candle) -> None:
        stream = desk.klines[candle.interval]
        if self._server.is_wanted(stream):
            published_ms = candle.ts_event // NS_PER_MS
            self._server.publish(stream, payloads.kline(desk.listing, candle, desk.last_trade_id, published_ms))

    def _mark(self, desk: Desk, mark: MarkPrice) -> None:
        published_ms = mark.ts_event // NS_PER_MS
        payload = payloads.mark_price(desk.listing, mark, published_ms)
        self._server.publish(f"{desk.listing.lower}@markPrice@1s", payload)
        if published_ms % _SLOW_MARK_MS == 0:
            self._server.publish(f"{desk.listing.lower}@markPrice", payload)
        self._all_marks.append(payload)
        self._marks_ms = published_ms

    def _flush_marks(self, tick_ms: int) -> None:
        if self._all_marks and tick_ms > self._marks_ms:
            payload = payloads.array(self._all_marks)
            self._server.publish("!markPrice@arr@1s", payload)
            if self._marks_ms % _SLOW_MARK_MS == 0:
                self._server.publish("!markPrice@arr", payload)
            self._all_marks.clear()

    def _liquidation(self, desk: Desk, liquidation: Liquidation) -> None:
        """The first of a quiet second opens a window of 1000 ms; one of the window is told when it ends."""
        chosen = self._chosen.get(desk.listing.symbol)
        if chosen is None:
            self._seconds.append((liquidation.ts_event + NS_PER_S, desk))
        if chosen is None or self._sampling is not Sampling.LARGEST_1S or liquidation.size > chosen.size:
            self._chosen[desk.listing.symbol] = liquidation

    def _tell_chosen(self, desk: Desk, tick_ms: int) -> None:
        payload = payloads.force_order(desk.listing, self._chosen.pop(desk.listing.symbol), tick_ms)
        self._server.ledger.events["LiquidationPublished"] += 1
        self._server.publish(desk.force_order, payload)
        self._server.publish("!forceOrder@arr", payload)

    def _snapshot(self, desk: Desk, snapshot: BookSnapshot) -> None:
        bids, asks = self._texts(desk, snapshot.bids), self._texts(desk, snapshot.asks)
        desk.book.replace(bids, asks, snapshot.last_update_id, snapshot.ts_event)
        for window in desk.windows.values():
            window.previous_id = window.last_id = snapshot.last_update_id

    def _delta(self, desk: Desk, delta: BookDelta) -> None:
        bids, asks = self._texts(desk, delta.bids), self._texts(desk, delta.asks)
        desk.book.apply(bids, asks, delta.last_update_id, delta.ts_event)
        for window in desk.windows.values():
            window.gather(delta, bids, asks)

    def _flush(self, desk: Desk, window: DepthWindow, tick_ms: int) -> None:
        if not window.first_id:
            return
        ids = (window.first_id, window.last_id, window.previous_id)
        times_ms = (desk.book.ts_event // NS_PER_MS, tick_ms)
        for stream in window.names:
            if self._server.is_wanted(stream):
                update = payloads.depth_update(desk.listing, ids, window.bids.values(), window.asks.values(), times_ms)
                self._server.publish(stream, update)
        for depth, streams in window.partials:
            for stream in streams:
                if self._server.is_wanted(stream):
                    self._server.publish(
                        stream, payloads.depth_update(desk.listing, ids, *desk.book.top(depth), times_ms)
                    )
        window.close()

    def _texts(self, desk: Desk, levels: Sequence[Level]) -> list[TextLevel]:
        price, size = desk.listing.price, desk.listing.size
        return [(price(level[0]), size(level[1])) for level in levels]
