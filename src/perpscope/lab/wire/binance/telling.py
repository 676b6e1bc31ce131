"""The seeded market told the way Binance tells a market.

In: events at engine grain. Out: payloads on streams: diffs gathered per 100, 250 and 500 ms, at most one liquidation a
symbol and second, mark prices per second and per three. A new subscriber gets nothing first: the book is asked by REST.
"""

from collections import deque
from collections.abc import Sequence
from typing import assert_never

from perpscope.lab.book import LabBook, TextLevel
from perpscope.lab.clock import NS_PER_MS, NS_PER_S
from perpscope.lab.dialect import Outlet
from perpscope.lab.happening import Happening
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Quotations, Stand
from perpscope.lab.wire.binance import days, payloads
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Interval,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Quote,
    Sampling,
    Trade,
)

_PARTIAL_DEPTHS = (5, 10, 20)
_SPEEDS_MS = (100, 250, 500)
_DEFAULT_SPEED_MS = 250
_TICK_NS = 50 * NS_PER_MS  # every speed's window ends on one
_SLOW_MARK_MS = 3000
_CONTRACT_INFO_MS = 3_600_000  # the lab tells its contracts anew each hour; Binance tells changes only
_CONTRACT_INFO = "!contractInfo"


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

    def gather(self, delta: BookDelta, bids: Sequence[TextLevel], asks: Sequence[TextLevel]) -> None:
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
    """What the teller knows of one symbol: names, book, windows."""

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

    def __init__(self, listing: Listing, book: LabBook) -> None:
        self.listing = listing
        self.book = book
        self.windows = {speed: DepthWindow(listing, speed, speed == _DEFAULT_SPEED_MS) for speed in _SPEEDS_MS}
        self.last_trade_id = 0
        self.agg_trade = f"{listing.lower}@aggTrade"
        self.trade = f"{listing.lower}@trade"
        self.book_ticker = f"{listing.lower}@bookTicker"
        self.force_order = f"{listing.lower}@forceOrder"
        self.klines = {interval: f"{listing.lower}@kline_{interval.value}" for interval in Interval}


class BinanceTeller:
    """Binance's cadences and sampling.

    Args:
        quotations: what happens.
        outlet: where it is told.
        sampling: which of a second's liquidations is told; Binance's documents name both, by turns.
    """

    def __init__(self, quotations: Quotations, outlet: Outlet, sampling: Sampling = Sampling.LATEST_1S) -> None:
        self.tick_ns = _TICK_NS
        self._quotations = quotations
        self._outlet = outlet
        self._sampling = sampling
        self._desks = {
            listing.symbol: Desk(listing, quotations.stand(listing.symbol).book) for listing in quotations.listings
        }
        self._seconds: deque[tuple[int, Desk]] = deque()  # ends of the liquidation windows that are open
        self._chosen: dict[str, Liquidation] = {}
        self._all_marks: list[bytes] = []
        self._marks_ms = 0

    def opening(self, topic: str) -> Sequence[bytes]:  # noqa: ARG002 (no stream begins with anything)
        """None."""
        return ()

    def tell(self, stand: Stand, event: Happening) -> None:
        """Tell one event; what gathers in windows comes out when a tick closes them."""
        desk = self._desks[stand.listing.symbol]
        match event:
            case BookDelta():
                for window in desk.windows.values():
                    window.gather(event, stand.bids, stand.asks)
            case Quote():
                self._quote(desk, event)
            case Trade():
                self._trade(desk, event)
            case Candle():
                self._candle(desk, event)
            case MarkPrice():
                self._mark(desk, event)
            case Liquidation():
                self._liquidation(desk, event)
            case BookSnapshot():
                for window in desk.windows.values():
                    window.previous_id = window.last_id = event.last_update_id
            case OpenInterest():
                pass  # no stream carries it
            case _:  # pragma: no cover
                assert_never(event)

    def pass_tick(self, ts_ns: int) -> None:
        """Close every window that ends at a tick."""
        tick_ms = ts_ns // NS_PER_MS
        self._flush_marks(tick_ms)
        while self._seconds and self._seconds[0][0] <= ts_ns:
            self._tell_chosen(self._seconds.popleft()[1], tick_ms)
        for speed in _SPEEDS_MS:
            if tick_ms % speed == 0:
                for desk in self._desks.values():
                    self._flush(desk, desk.windows[speed], tick_ms)
        if tick_ms % days.EVERY_MS == 0:
            days.tell_days(self._quotations, self._outlet, tick_ms)
        if tick_ms % _CONTRACT_INFO_MS == 0 and self._outlet.is_wanted(_CONTRACT_INFO):
            for desk in self._desks.values():
                self._outlet.publish(_CONTRACT_INFO, payloads.contract_info(desk.listing, tick_ms))

    # each kind of event --------------------------------------------------------------------------------------------

    def _trade(self, desk: Desk, trade: Trade) -> None:
        desk.last_trade_id = int(trade.trade_id)
        published_ms = trade.ts_event // NS_PER_MS
        if self._outlet.is_wanted(desk.agg_trade):
            self._outlet.publish(desk.agg_trade, payloads.agg_trade(desk.listing, trade, published_ms))
        if self._outlet.is_wanted(desk.trade):
            self._outlet.publish(desk.trade, payloads.trade(desk.listing, trade, published_ms))

    def _quote(self, desk: Desk, quote: Quote) -> None:
        for stream in (desk.book_ticker, "!bookTicker"):
            if self._outlet.is_wanted(stream):
                published_ms = quote.ts_event // NS_PER_MS
                self._outlet.publish(stream, payloads.book_ticker(desk.listing, quote, published_ms))

    def _candle(self, desk: Desk, candle: Candle) -> None:
        stream = desk.klines[candle.interval]
        if self._outlet.is_wanted(stream):
            published_ms = candle.ts_event // NS_PER_MS
            self._outlet.publish(stream, payloads.kline(desk.listing, candle, desk.last_trade_id, published_ms))

    def _mark(self, desk: Desk, mark: MarkPrice) -> None:
        published_ms = mark.ts_event // NS_PER_MS
        payload = payloads.mark_price(desk.listing, mark, published_ms)
        self._outlet.publish(f"{desk.listing.lower}@markPrice@1s", payload)
        if published_ms % _SLOW_MARK_MS == 0:
            self._outlet.publish(f"{desk.listing.lower}@markPrice", payload)
        self._all_marks.append(payload)
        self._marks_ms = published_ms

    def _flush_marks(self, tick_ms: int) -> None:
        if self._all_marks and tick_ms > self._marks_ms:
            payload = payloads.array(self._all_marks)
            self._outlet.publish("!markPrice@arr@1s", payload)
            if self._marks_ms % _SLOW_MARK_MS == 0:
                self._outlet.publish("!markPrice@arr", payload)
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
        self._outlet.count("LiquidationPublished")
        self._outlet.publish(desk.force_order, payload)
        self._outlet.publish("!forceOrder@arr", payload)

    def _flush(self, desk: Desk, window: DepthWindow, tick_ms: int) -> None:
        if not window.first_id:
            return
        ids = (window.first_id, window.last_id, window.previous_id)
        times_ms = (desk.book.ts_event // NS_PER_MS, tick_ms)
        for stream in window.names:
            if self._outlet.is_wanted(stream):
                update = payloads.depth_update(desk.listing, ids, window.bids.values(), window.asks.values(), times_ms)
                self._outlet.publish(stream, update)
        for depth, streams in window.partials:
            for stream in streams:
                if self._outlet.is_wanted(stream):
                    self._outlet.publish(
                        stream, payloads.depth_update(desk.listing, ids, *desk.book.top(depth), times_ms)
                    )
        window.close()
