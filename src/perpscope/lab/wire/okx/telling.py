"""The seeded market told the way OKX tells a market.

In: events at engine grain. Out: each taker's trade at once; best prices each 10 ms, the other books and tickers each
100 ms, where they changed; marks as they change, open interest each 3 s, funding each minute; bars each second. A new
subscriber of anything that has a state is told it first: of a book, what the others know, so that the next change fits.
A book that says nothing for a minute says that it is alive.
"""

from collections.abc import Sequence
from typing import assert_never

from perpscope.lab.book import ToldDepth
from perpscope.lab.dialect import Outlet
from perpscope.lab.happening import Happening
from perpscope.lab.quotations import Quotations, Stand
from perpscope.lab.wire.okx import bars, payloads, rows
from perpscope.lab.wire.okx.bar_telling import BarTeller
from perpscope.lab.wire.okx.bars import SPANS
from perpscope.lab.wire.okx.listings import index_name
from perpscope.lab.wire.okx.payloads import BOOKS, CHAINED, MATCHES
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Quote,
    Trade,
)

_NS_PER_MS = 1_000_000
_NS_PER_S = 1000 * _NS_PER_MS
_TICK_NS = 10 * _NS_PER_MS
_TICKER_MS, _QUIET_MS, _QUIET_LOOK_MS = 100, 60_000, 1000
_OPEN_INTEREST_NS = 3 * _NS_PER_S
_STATE_MS = {"mark-price": 10_000, "index-tickers": 60_000, "funding-rate": 60_000}  # told so often if unchanged


class Desk:
    """What the teller knows of one symbol: what its subscribers have been told, and when."""

    __slots__ = ("books", "day", "index", "index_day", "liquidated_s", "stand", "state", "ticker", "told_ms")

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.index = index_name(stand.listing.symbol)
        self.books = {channel: ToldDepth(depth) for channel, (depth, _) in BOOKS.items()}
        stand.told.update(
            {self.books[channel].depth: self.books[channel] for channel in ("bbo-tbt", "books5", "books")}
        )
        stand.told[MATCHES] = ToldDepth(0)
        self.told_ms: dict[str, int] = dict.fromkeys((*BOOKS, *_STATE_MS), 0)  # market time of the newest frame
        self.state: dict[str, object] = {}  # of marks and indices, as told
        self.ticker: rows.Json = {}  # as told
        self.day: bars.Day | None = None
        self.index_day: bars.Day | None = None
        self.liquidated_s = 0

    def sequence_id(self, channel: str) -> int:
        """Of what was told of a book last."""
        told = self.books[channel]
        return payloads.sequence_id(told.update_id, told.ts_event)


class OkxTeller:
    """OKX's cadences.

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
        self._of_index = {desk.index: desk for desk in self._desks.values()}
        self._moved: dict[str, dict[str, Desk]] = {channel: {} for channel in BOOKS}  # books that changed
        self._ticking: dict[str, Desk] = {}  # symbols with a new trade or best price
        self._bars = BarTeller(quotations, outlet)

    def tell(self, stand: Stand, event: Happening) -> None:
        """Tell one event; what gathers in windows comes out when a tick closes them."""
        symbol = stand.listing.symbol
        desk = self._desks[symbol]
        match event:
            case BookDelta():
                for moved in self._moved.values():
                    moved[symbol] = desk
            case Trade():
                self._ticking[symbol] = desk
                self._trade(desk, event)
            case Quote():
                self._ticking[symbol] = desk
            case Candle():
                self._bars.candle(stand.listing, event)
            case MarkPrice():
                self._mark(desk, event)
                self._bars.references(stand.listing, event.ts_event)
            case OpenInterest():
                self._open_interest(desk, event)
            case Liquidation():
                self._liquidation(desk, event)
            case BookSnapshot():
                for channel in BOOKS:
                    if self._outlet.is_wanted(f"{channel}:{symbol}"):
                        self._tell_book(channel, symbol, desk)
            case _:  # pragma: no cover
                assert_never(event)

    def pass_tick(self, ts_ns: int) -> None:
        """Close every window that ends at a tick."""
        now_ms = ts_ns // _NS_PER_MS
        for channel, (_, speed_ms) in BOOKS.items():
            moved = self._moved[channel]
            if moved and now_ms % speed_ms == 0:
                for symbol, desk in moved.items():
                    self._tell_book(channel, symbol, desk)
                moved.clear()
        if now_ms % _TICKER_MS == 0:
            for symbol, desk in self._ticking.items():
                self._tell_ticker(symbol, desk, now_ms)
            self._ticking.clear()
        if now_ms % _QUIET_LOOK_MS == 0:
            self._break_silence(now_ms)

    def opening(self, topic: str) -> Sequence[bytes]:
        """The state of what is subscribed; nothing of trades, liquidations and the venue's status."""
        channel, _, name = topic.partition(":")
        if topic == f"instruments:{rows.KIND}":
            listings = enumerate(self._quotations.listings)
            return [payloads.frame(channel, name, [rows.instrument(listing, number) for number, listing in listings])]
        desk = self._desks.get(name) or self._of_index.get(name)
        if desk is None:
            return ()
        if channel in BOOKS:
            return self._book_opening(channel, name, desk)
        which, _, bar = channel.partition("candle")
        if bar in SPANS:
            return self._bars.opening(which, bar, desk.stand.listing)
        state = self._state(channel, desk)
        return () if state is None else [payloads.frame(channel, name, [state])]

    # books ---------------------------------------------------------------------------------------------------------

    def _book_opening(self, channel: str, symbol: str, desk: Desk) -> Sequence[bytes]:
        """The snapshot that fits the next change; none before there is a book."""
        if not desk.stand.book.last_update_id:
            return ()
        told = desk.books[channel]
        if not told.is_begun:
            told.begin(desk.stand.book)
            desk.told_ms[channel] = self._quotations.now_ms
        return [payloads.book_snapshot(channel, symbol, told)]

    def _tell_book(self, channel: str, symbol: str, desk: Desk) -> None:
        topic, told = f"{channel}:{symbol}", desk.books[channel]
        if not self._outlet.is_wanted(topic):
            told.forget()
            return
        is_begun, before = told.is_begun, desk.sequence_id(channel)
        changed = told.advance(desk.stand.book)
        told.begin(desk.stand.book)
        if is_begun and changed is None:
            return
        desk.told_ms[channel] = told.ts_event // _NS_PER_MS
        if changed is None or channel not in CHAINED:
            self._outlet.publish(topic, payloads.book_snapshot(channel, symbol, told))
            return
        ids = before, desk.sequence_id(channel)
        self._outlet.publish(topic, payloads.book(channel, symbol, "update", changed, desk.told_ms[channel], ids))

    def _break_silence(self, now_ms: int) -> None:
        """After a minute without a change: an empty one, or the same levels again; the ids stay."""
        for symbol, desk in self._desks.items():
            for channel, told in desk.books.items():
                topic = f"{channel}:{symbol}"
                is_due = told.is_begun and now_ms - desk.told_ms[channel] >= _QUIET_MS
                if not is_due or not self._outlet.is_wanted(topic):
                    continue
                desk.told_ms[channel] = now_ms
                same = desk.sequence_id(channel)
                alive = payloads.book(channel, symbol, "update", ((), ()), now_ms, (same, same))
                again = payloads.book_snapshot(channel, symbol, told)
                self._outlet.publish(topic, alive if channel in CHAINED else again)

    # trades and forced orders --------------------------------------------------------------------------------------

    def _trade(self, desk: Desk, event: Trade) -> None:
        listing, ids = desk.stand.listing, desk.stand.told[MATCHES]
        sizes = payloads.matches(listing, event)
        first = ids.number + 1
        ids.number += len(sizes)
        topic = f"trades:{listing.symbol}"
        if self._outlet.is_wanted(topic):
            self._outlet.publish(topic, payloads.trade(desk.stand, event, ids.number, len(sizes)))
        topic = f"trades-all:{listing.symbol}"
        if self._outlet.is_wanted(topic):
            for trade_id, size in enumerate(sizes, start=first):
                self._outlet.publish(topic, payloads.single_trade(desk.stand, event, trade_id, size))

    def _liquidation(self, desk: Desk, event: Liquidation) -> None:
        """One a second and contract, the first.

        So the documentation had it until 2026-07; since then it only says that not all are told. Which one it is was
        never documented.
        """
        second = event.ts_event // _NS_PER_S
        if second == desk.liquidated_s:
            return
        desk.liquidated_s = second
        self._outlet.count("LiquidationPublished")
        topic = f"liquidation-orders:{rows.KIND}"
        if self._outlet.is_wanted(topic):
            listing = desk.stand.listing
            row = rows.liquidation(listing, [rows.liquidation_detail(listing, event)])
            self._outlet.publish(topic, payloads.frame("liquidation-orders", rows.KIND, [row]))

    # states --------------------------------------------------------------------------------------------------------

    def _state(self, channel: str, desk: Desk) -> rows.Json | None:
        """What a channel says of a symbol or its index now; None if it has nothing to say, or not yet."""
        stand, mark = desk.stand, desk.stand.mark
        symbol, listing = stand.listing.symbol, stand.listing
        if channel == "tickers":
            if stand.quote is None:
                return None
            desk.day = _fresh(desk.day, self._quotations.now_ms) or bars.Day(
                bars.candles(self._quotations, symbol, "1m")
            )
            return rows.ticker(stand, stand.quote, desk.day, self._quotations.now_ms)
        if mark is None:
            return None
        match channel:
            case "mark-price":
                return rows.mark_price(listing, mark)
            case "index-tickers":
                desk.index_day = _fresh(desk.index_day, self._quotations.now_ms) or bars.Day(
                    bars.references(self._quotations, symbol, "index", "1m")
                )
                return rows.index_ticker(listing, mark, desk.index_day)
            case "funding-rate":
                return rows.funding_rate(listing, mark, self._quotations.fundings(symbol)[-1].rate)
            case "open-interest":
                return rows.open_interest(stand, mark)
            case _:
                return None

    def _tell_ticker(self, symbol: str, desk: Desk, now_ms: int) -> None:
        topic = f"tickers:{symbol}"
        state = self._state("tickers", desk) if self._outlet.is_wanted(topic) else None
        if state is not None:
            state["ts"] = desk.ticker.get("ts", str(now_ms))
            if state != desk.ticker:
                state["ts"] = str(now_ms)
                desk.ticker = state
                self._outlet.publish(topic, payloads.frame("tickers", symbol, [state]))

    def _mark(self, desk: Desk, event: MarkPrice) -> None:
        """Mark and index where they changed or are due; funding where it is due."""
        now_ms = event.ts_event // _NS_PER_MS
        for channel, most_ms in _STATE_MS.items():
            name = desk.index if channel == "index-tickers" else desk.stand.listing.symbol
            if not self._outlet.is_wanted(f"{channel}:{name}"):
                continue
            state = self._state(channel, desk) or {}
            value = state.get("markPx") or state.get("idxPx")
            if value != desk.state.get(channel) or now_ms - desk.told_ms[channel] >= most_ms:
                desk.state[channel], desk.told_ms[channel] = value, now_ms
                self._outlet.publish(f"{channel}:{name}", payloads.frame(channel, name, [state]))

    def _open_interest(self, desk: Desk, event: OpenInterest) -> None:
        symbol = desk.stand.listing.symbol
        topic = f"open-interest:{symbol}"
        if event.ts_event % _OPEN_INTEREST_NS == 0 and self._outlet.is_wanted(topic):
            self._outlet.publish(topic, payloads.frame("open-interest", symbol, [self._state("open-interest", desk)]))


def _fresh(day: bars.Day | None, now_ms: int) -> bars.Day | None:
    """The last 24 hours, unless a minute has begun since they were reckoned."""
    return day if day is not None and now_ms * _NS_PER_MS - day.ts < bars.MINUTE_NS else None
