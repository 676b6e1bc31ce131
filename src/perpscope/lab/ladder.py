"""A book in ticks and lots, and what is told of it: the part of a pit that knows no chance.

In: levels set and taken away by whoever makes the market, lots that takers take. Out: trades at a tick; then, for all
that changed since the last time, one book change and the best prices, with update ids in a row.
"""

from collections.abc import Iterable

from perpscope.lab.happening import Happening
from perpscope.lab.listing import Listing
from perpscope.lab.symbols import Contract
from perpscope.model.market import BookDelta, BookSnapshot, Level, Quote, Side, Trade


class Ladder:
    """The resting levels of one symbol, lots by tick.

    Args:
        contract: tick and step, where the venue's are not known.
        listing: how the venue names and sizes it.
        price: of the first best bid, quote per base.
    """

    __slots__ = (
        "_fresh_asks",
        "_fresh_bids",
        "_id",
        "_last_update_id",
        "asks",
        "best_ask",
        "best_bid",
        "bids",
        "changed_asks",
        "changed_bids",
        "last_trade_id",
        "step",
        "tick",
    )

    def __init__(self, contract: Contract, listing: Listing, price: float) -> None:
        instrument = listing.instrument
        self._id = instrument.id
        self.tick = float(instrument.tick_size or contract.tick)  #: quote per base
        self.step = float(instrument.step_size or contract.step)  #: base units
        self.best_bid = round(price / self.tick)
        self.best_ask = self.best_bid + 1
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.changed_bids: dict[int, int] = {}  #: since the last telling; 0: gone
        self.changed_asks: dict[int, int] = {}
        self._fresh_bids: set[int] = set()  # of `put`, since the last telling: nobody would know what is gone
        self._fresh_asks: set[int] = set()
        self.last_trade_id = 0
        self._last_update_id = 0

    @property
    def mid(self) -> float:
        """Middle of the best bid and ask, quote per base."""
        return (self.best_bid + self.best_ask) / 2 * self.tick

    def move(self, bid: int, ask: int) -> None:
        """Other best prices, ticks: whoever stands between them is gone. The two levels themselves are the maker's."""
        _clear(self.bids, bid + 1, self.best_bid, self.changed_bids, self._fresh_bids)
        _clear(self.asks, self.best_ask, ask - 1, self.changed_asks, self._fresh_asks)
        self.best_bid, self.best_ask = bid, ask

    def put(self, side: Side, tick: int, lots: int) -> None:
        """Makers of a side stand at a tick with so many lots, from now on; 0: nobody does."""
        if side is Side.BUY:
            levels, changes, fresh = self.bids, self.changed_bids, self._fresh_bids
        else:
            levels, changes, fresh = self.asks, self.changed_asks, self._fresh_asks
        if lots:
            if tick not in levels and tick not in changes:
                fresh.add(tick)
            levels[tick] = changes[tick] = lots
        elif levels.pop(tick, 0):
            _forget(tick, changes, fresh)

    def take(self, side: Side, ts: int, lots: int, tick: int | None = None) -> Trade:
        """A taker's trade at the best price, or at a tick; what it leaves of the level is for `eat` to say."""
        self.last_trade_id += 1
        if tick is None:
            tick = self.best_ask if side is Side.BUY else self.best_bid
        return Trade(self._id, ts, ts, self.last_trade_id, self.price(tick), self.size(lots), side, True)

    def eat(self, side: Side, lots: int) -> None:
        """Take lots of the best level that a taker of this side meets; its maker leaves one."""
        if side is Side.BUY:
            self.asks[self.best_ask] = self.changed_asks[self.best_ask] = max(1, self.asks[self.best_ask] - lots)
        else:
            self.bids[self.best_bid] = self.changed_bids[self.best_bid] = max(1, self.bids[self.best_bid] - lots)

    # what is told --------------------------------------------------------------------------------------------------

    def snapshot(self, ts: int, update_id: int) -> BookSnapshot:
        """The whole book, as of `update_id`."""
        self._last_update_id = update_id
        self._begin_anew()
        bids = [(tick, self.bids[tick]) for tick in sorted(self.bids, reverse=True)]
        asks = [(tick, self.asks[tick]) for tick in sorted(self.asks)]
        return BookSnapshot(self._id, ts, ts, update_id, self._levels(bids), self._levels(asks))

    def told(self, ts: int, update_id: int) -> tuple[tuple[Happening, Happening], int]:
        """What changed and the best prices; the last update id used, `update_id` being the last one before."""
        bids, asks = self.changed_bids, self.changed_asks
        last = update_id + len(bids) + len(asks)
        delta = BookDelta(
            self._id,
            ts,
            ts,
            update_id + 1,
            last,
            self._last_update_id,
            self._levels(bids.items()),
            self._levels(asks.items()),
        )
        self._last_update_id = last
        self._begin_anew()
        return (delta, self._quote(ts, last)), last

    def _begin_anew(self) -> None:
        self.changed_bids, self.changed_asks = {}, {}
        self._fresh_bids.clear()
        self._fresh_asks.clear()

    def _quote(self, ts: int, update_id: int) -> Quote:
        bid, ask = self.best_bid, self.best_ask
        return Quote(
            self._id,
            ts,
            ts,
            update_id,
            self.price(bid),
            self.size(self.bids[bid]),
            self.price(ask),
            self.size(self.asks[ask]),
        )

    def price(self, tick: int) -> float:
        """Quote per base."""
        return round(tick * self.tick, 8)

    def size(self, lots: int) -> float:
        """Base units."""
        return round(lots * self.step, 8)

    def _levels(self, levels: Iterable[tuple[int, int]]) -> list[Level]:
        price, size = self.tick, self.step
        return [(round(tick * price, 8), round(lots * size, 8)) for tick, lots in levels]


def _clear(side: dict[int, int], low: int, high: int, changes: dict[int, int], fresh: set[int]) -> None:
    """Remove the levels of `low`..`high` ticks, both included."""
    span = high - low + 1
    if span <= 0:
        return
    ticks = range(low, high + 1) if span <= len(side) else [tick for tick in side if low <= tick <= high]
    for tick in ticks:
        if side.pop(tick, 0):
            _forget(tick, changes, fresh)


def _forget(tick: int, changes: dict[int, int], fresh: set[int]) -> None:
    """A level is gone: nothing to tell, if it was never told."""
    if tick in fresh:
        fresh.remove(tick)
        del changes[tick]
    else:
        changes[tick] = 0
