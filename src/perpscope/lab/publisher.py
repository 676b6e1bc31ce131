"""From what happens to what is published: keeps each symbol's stand up to date, and has the venue's teller tell it.

In: events of the seeded market at engine grain, as its clock proceeds. Out: calls of the teller, in order: each event,
then each tick of its grid. Also the `Quotations` that REST answers from: nothing is answered that was not published.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from perpscope.lab.agents.crowd import Crowd
from perpscope.lab.book import TextLevel
from perpscope.lab.clock import NS_PER_MS, LabClock
from perpscope.lab.dialect import Outlet, Teller
from perpscope.lab.happening import Happening
from perpscope.lab.listing import Listing
from perpscope.lab.market import Market
from perpscope.lab.quotations import Bar, Census, Funding, Quotations, Stand
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Interval,
    Level,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Quote,
    Trade,
)

_PACE_S = 0.004  # real seconds between two looks at the clock, at most: it may be held or paced meanwhile
_LEAST_S = 0.001  # and at least, however soon something is to come: a timer is no finer
_BATCH = 50  # events published before other clients get their turn


class Publisher:
    """Tells the market as its clock proceeds.

    Args:
        market: what happens.
        clock: sets the pace.
        outlet: where it is told.
        teller: made with these quotations and the outlet.
    """

    def __init__(
        self, market: Market, clock: LabClock, outlet: Outlet, teller: Callable[[Quotations, Outlet], Teller]
    ) -> None:
        self._market = market
        self._clock = clock
        self._outlet = outlet
        self.listings: Sequence[Listing] = market.listings
        self._stands = {listing.instrument.id: Stand(listing) for listing in self.listings}
        self._by_symbol = {stand.listing.symbol: stand for stand in self._stands.values()}
        self.teller = teller(self, outlet)
        self.ts_reached = market.ts_start  #: ns UTC: everything before it has been told
        self._told_ns = market.ts_start
        self._telling_ns: int | None = None  # market time of what is being told, however late that is
        self._next_tick_ns = -(-market.ts_start // self.teller.tick_ns) * self.teller.tick_ns

    @property
    def crowds(self) -> Mapping[str, Crowd]:
        """The people who trade, by base."""
        return self._market.crowds

    # what REST and tellers ask -------------------------------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        """Market time: of what is being told, while something is; so the same is told however far behind it comes."""
        return (self._clock.now_ns() if self._telling_ns is None else self._telling_ns) // NS_PER_MS

    def stand(self, symbol: str) -> Stand:
        """One symbol as published so far."""
        return self._by_symbol[symbol]

    @property
    def ts_told(self) -> int:
        """What happened up to then has been told; ns UTC."""
        return self._market.ts_led

    @property
    def ts_oldest(self) -> int:
        """Nothing is told of before; ns UTC."""
        return self._market.ts_oldest

    def candles(
        self, symbol: str, interval: Interval, ts_from: int | None = None, ts_to: int | None = None
    ) -> Sequence[Candle]:
        """Oldest first, the forming one last."""
        return self._market.candles(symbol, interval, ts_from, ts_to)

    def reference_bars(self, symbol: str, which: str, interval_ns: int) -> Sequence[Bar]:
        """Bars of the mark, index or premium."""
        return self._market.holdings(symbol).bars(which, interval_ns)

    def fundings(self, symbol: str, ts_from: int | None = None, ts_to: int | None = None) -> Sequence[Funding]:
        """Payments, oldest first."""
        return self._market.holdings(symbol).fundings(ts_from, ts_to)

    def censuses(
        self, symbol: str, period_ns: int, ts_from: int | None = None, ts_to: int | None = None
    ) -> Sequence[Census]:
        """Of ended periods, oldest first."""
        return self._market.holdings(symbol).periods(period_ns, ts_from, ts_to)

    def opening(self, topic: str) -> Sequence[bytes]:
        """What a new subscriber gets first."""
        self._telling_ns = self._told_ns
        try:
            return self.teller.opening(topic)
        finally:
            self._telling_ns = None

    # pace ----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Let market time run."""
        self._clock.start()

    async def run(self) -> None:
        """Publish as market time passes, until cancelled. Falls behind rather than starve its clients."""
        while True:
            until = self._market.until(self._clock.now_ns())  # once: who leads goes on while this one waits
            for count, (ts, event) in enumerate(self._market.events(until), start=1):
                self.publish(ts, event)
                if count % _BATCH == 0:
                    self.ts_reached = ts
                    await asyncio.sleep(0)
            self.pass_time(until)
            self.ts_reached = until
            await asyncio.sleep(self._rest_s(until))

    def _rest_s(self, until: int) -> float:
        """Real seconds to rest, once everything up to `until` was told: until there is more.

        Longer where the leader is waited for, and where market time runs so fast that nobody could see the difference.
        """
        clock = self._clock
        if self._market.until(clock.now_ns()) == until:
            return _PACE_S
        soon_s = clock.seconds_until(min(self._market.ts_next, self._next_tick_ns))
        return min(max(soon_s, _LEAST_S * clock.rate), _PACE_S)

    def tell_until(self, ts: int) -> None:
        """Tell everything up to a moment at once, whatever the clock says."""
        until = self._market.until(ts)
        for at, event in self._market.events(until):
            self.publish(at, event)
        self.pass_time(until)

    def publish(self, ts: int, event: Happening) -> None:
        """Tell one event; what gathers in windows comes out when a later one, or time, closes them."""
        if ts >= self._next_tick_ns:
            self.pass_time(ts)
        self._telling_ns = self._told_ns = ts
        stand = self._stands[event.instrument]
        match event:
            case BookDelta():
                stand.bids, stand.asks = _texts(stand.listing, event.bids), _texts(stand.listing, event.asks)
                stand.book.apply(stand.bids, stand.asks, event.last_update_id, event.ts_event)
            case Quote():
                stand.quote = event
            case Trade():
                stand.last_trade = event
                stand.trades.append(event)
            case Candle():
                stand.forming[event.interval] = event
            case MarkPrice():
                stand.mark = event
            case OpenInterest():
                stand.open_interest = event.open_interest
            case Liquidation():
                stand.liquidations.append(event)
            case BookSnapshot():
                bids, asks = _texts(stand.listing, event.bids), _texts(stand.listing, event.asks)
                stand.book.replace(bids, asks, event.last_update_id, event.ts_event)
        self._outlet.count(type(event).__name__)
        self.teller.tell(stand, event)
        self._telling_ns = None

    def pass_time(self, ts: int) -> None:
        """Close every window that ends at or before `ts`, in order."""
        while self._next_tick_ns <= ts:
            self._telling_ns = self._told_ns = self._next_tick_ns
            self.teller.pass_tick(self._next_tick_ns)
            self._next_tick_ns += self.teller.tick_ns
        self._telling_ns = None


def _texts(listing: Listing, levels: Iterable[Level]) -> list[TextLevel]:
    price, size = listing.price, listing.size
    return [(price(level[0]), size(level[1])) for level in levels]
