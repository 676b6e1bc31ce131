"""One symbol of the seeded market: its book, its takers and its forced orders.

In: the passing of market time. Out: trades, book changes, best prices and liquidations that agree with one another:
a trade eats the level it hits, the best price is the book's best level, a liquidation is also a trade.
"""

import math
import random
from collections.abc import Iterable

from perpscope.lab.candles import CandleStack
from perpscope.lab.happening import Happening
from perpscope.lab.holdings import Holdings
from perpscope.lab.listing import Listing
from perpscope.lab.prehistory import Prehistory
from perpscope.lab.prices import LiquidationHazard, StochasticVolatility
from perpscope.lab.symbols import Contract
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Completeness,
    Interval,
    Level,
    Liquidation,
    PositionSide,
    Quote,
    Sampling,
    Side,
    Trade,
)

NS_PER_S = 1_000_000_000
_LEVELS = 250  # per side at the start
_MOST_LEVELS = 600  # per side before the farthest are forgotten
_THIN, _RELIEF = 200, 4  # a side with fewer levels gets so many at once
_MEAN_DISTANCE = 60  # of a maker's new level from the best price, in spacings
_WITHDRAWN = 0.4  # how often a level met again is withdrawn, not renewed
_TAKER_ON_MOVE = 0.7  # how often a move of the best price is somebody's trade
_TAKER_AT_REST = 0.25
_MEDIAN_TRADE_USD, _TRADE_SPREAD = 1_500.0, 1.3
_MEDIAN_LIQUIDATION_USD, _LIQUIDATION_SPREAD = 5_000.0, 1.5
_MOST_LIQUIDATED_USD = 5_000_000.0
_MAINTENANCE = (0.003, 0.012)  # distance of the bankruptcy price from the fill, fraction
_IMPACT = 0.0001  # log price moved by a forced order of `_IMPACT_USD`; grows with the square root
_IMPACT_USD = 250_000.0


class Pit:
    """Where one contract is traded.

    Args:
        contract: how it behaves.
        listing: how the venue names and sizes it.
        seed: of this symbol's chance.
        ts_start: ns UTC.
        past: what was before.
        funding_ns: length of a funding interval.
    """

    def __init__(
        self, contract: Contract, listing: Listing, seed: str, ts_start: int, past: Prehistory, funding_ns: int
    ) -> None:
        self._rng = random.Random(seed)  # noqa: S311 (a market needs repeatable chance, not secrecy)
        self.contract = contract
        self.listing = listing
        instrument = listing.instrument
        self._id = instrument.id
        self._tick = float(instrument.tick_size or contract.tick)
        self._step = float(instrument.step_size or contract.step)
        self._volatility = StochasticVolatility(self._rng, contract.daily_volatility)
        self._hazard = LiquidationHazard(self._rng, self._volatility.volatility_1s)
        self.past = past
        hour = past.candles(Interval.M1, ts_start - ts_start % Interval.H1.ns, ts_start)
        self.candles = CandleStack(self._id, ts_start, contract.price, hour)
        self.holdings = Holdings(self._id, seed, ts_start, past, funding_ns)
        self._log_price = math.log(contract.price)
        self._push = 0.0  # log return on its way in: the whole market's moves, and the impact of forced orders
        self._ts = ts_start
        self.last_trade_id = 0
        self._last_update_id = 0
        mid = round(contract.price / self._tick)
        self._spacing = max(1, round(mid * self._volatility.volatility_1s / 8))  # ticks between levels, about
        self._best_bid, self._best_ask = mid, mid + 1
        self._bids = {mid - distance: self._lots() for distance in self._ladder()}
        self._asks = {mid + 1 + distance: self._lots() for distance in self._ladder()}

    # what others ask -----------------------------------------------------------------------------------------------

    @property
    def mid(self) -> float:
        """Middle of the best bid and ask, quote per base."""
        return (self._best_bid + self._best_ask) / 2 * self._tick

    def push(self, log_return: float) -> None:
        """Let an outside force move the price within the next moments."""
        self._push += log_return

    def next_arrival_ns(self, activity: float) -> int:
        """When something happens next: a random whole millisecond after now; sooner in a lively market."""
        liveliness = min(4.0, self._volatility.now_1s / self._volatility.volatility_1s)
        rate = activity * (0.5 + 0.5 * liveliness)
        return self._ts + max(1, int(self._rng.expovariate(rate) * 1000)) * 1_000_000

    def snapshot(self, ts: int, update_id: int) -> BookSnapshot:
        """The whole book, as of `update_id`."""
        self._last_update_id = update_id
        bids = [(tick, self._bids[tick]) for tick in sorted(self._bids, reverse=True)]
        asks = [(tick, self._asks[tick]) for tick in sorted(self._asks)]
        return BookSnapshot(self._id, ts, ts, update_id, self._levels(bids), self._levels(asks))

    # what happens --------------------------------------------------------------------------------------------------

    def arrive(self, ts: int, update_id: int) -> tuple[list[Happening], int]:
        """Everything that happens at `ts`, and the last update id used; `update_id` is the last one used before."""
        dt_s = (ts - self._ts) / NS_PER_S
        self._ts = ts
        absorbed = self._push * min(1.0, dt_s)
        self._push -= absorbed
        log_return = self._volatility.step(dt_s) + absorbed
        self._log_price += log_return
        events: list[Happening] = []
        bids: dict[int, int] = {}
        asks: dict[int, int] = {}
        forced = self._hazard.step(log_return, dt_s)
        if forced is not None:
            events.extend(self._liquidate(forced, ts, bids, asks))
        self._reprice(ts, bids, asks, events)
        self._rest(bids, asks)
        return self._published(ts, update_id, bids, asks, events)

    def _published(
        self, ts: int, update_id: int, bids: dict[int, int], asks: dict[int, int], events: list[Happening]
    ) -> tuple[list[Happening], int]:
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
        for event in events:
            if isinstance(event, Trade):
                self.candles.trade(event)
                self.holdings.trade(event)
            elif isinstance(event, Liquidation):
                self.holdings.liquidation(event)
        events.append(delta)
        events.append(self._quote(ts, last))
        return events, last

    def _reprice(self, ts: int, bids: dict[int, int], asks: dict[int, int], events: list[Happening]) -> None:
        """Move the best prices to where the price has gone; whoever stood in the way was traded with or left."""
        bid = int(math.exp(self._log_price) / self._tick)
        ask = bid + 1 + int(self._rng.random() ** 4 * 3)
        chance = self._rng.random()
        if ask > self._best_ask and chance < _TAKER_ON_MOVE:
            events.append(self._take(Side.BUY, ts, self._trade_lots()))
        elif bid < self._best_bid and chance < _TAKER_ON_MOVE:
            events.append(self._take(Side.SELL, ts, self._trade_lots()))
        elif chance < _TAKER_AT_REST and bid == self._best_bid:
            side = Side.BUY if self._rng.random() < 0.5 else Side.SELL
            events.append(self._hit(side, ts, bids, asks))
        _clear(self._bids, bid + 1, self._best_bid, bids)
        _clear(self._asks, self._best_ask, ask - 1, asks)
        self._best_bid, self._best_ask = bid, ask
        if bid not in self._bids:
            self._bids[bid] = bids[bid] = self._lots()
        if ask not in self._asks:
            self._asks[ask] = asks[ask] = self._lots()

    def _rest(self, bids: dict[int, int], asks: dict[int, int]) -> None:
        """Makers change their minds somewhere behind the best prices; more of them come to a side that is thin."""
        if self._rng.random() < 0.5:
            side, changes, best, direction = self._bids, bids, self._best_bid, -1
        else:
            side, changes, best, direction = self._asks, asks, self._best_ask, 1
        for _ in range(1 if len(side) >= _THIN else _RELIEF):
            tick = best + direction * (1 + int(self._rng.expovariate(1 / (_MEAN_DISTANCE * self._spacing))))
            if tick in side and self._rng.random() < _WITHDRAWN:
                del side[tick]
                changes[tick] = 0
            else:
                side[tick] = changes[tick] = self._lots()
        if len(side) > _MOST_LEVELS:
            for far in sorted(side, key=lambda tick: abs(tick - best))[_LEVELS:]:
                del side[far]
                changes[far] = 0

    def _hit(self, side: Side, ts: int, bids: dict[int, int], asks: dict[int, int]) -> Trade:
        """A taker eats part of the best level."""
        levels, changes, tick = (
            (self._asks, asks, self._best_ask) if side is Side.BUY else (self._bids, bids, self._best_bid)
        )
        trade = self._take(side, ts, min(self._trade_lots(), max(1, levels[tick] - 1)))
        levels[tick] = changes[tick] = max(1, levels[tick] - round(trade.size / self._step))
        return trade

    def _take(self, side: Side, ts: int, lots: int) -> Trade:
        self.last_trade_id += 1
        tick = self._best_ask if side is Side.BUY else self._best_bid
        return Trade(self._id, ts, ts, self.last_trade_id, self._price(tick), self._size(lots), side, True)

    def _liquidate(self, side: PositionSide, ts: int, bids: dict[int, int], asks: dict[int, int]) -> list[Happening]:
        """Close somebody's position: an order that eats the best level and pushes the price on."""
        usd = min(
            _MOST_LIQUIDATED_USD, self._rng.lognormvariate(math.log(_MEDIAN_LIQUIDATION_USD), _LIQUIDATION_SPREAD)
        )
        is_long = side is PositionSide.LONG
        tick = self._best_bid if is_long else self._best_ask
        lots = max(1, round(usd / (tick * self._tick) / self._step))
        levels, changes = (self._bids, bids) if is_long else (self._asks, asks)
        levels[tick] = changes[tick] = max(1, levels[tick] - lots)
        direction = -1.0 if is_long else 1.0
        self._push += direction * _IMPACT * math.sqrt(usd / _IMPACT_USD)
        trade = self._take(Side.SELL if is_long else Side.BUY, ts, lots)
        bankruptcy = trade.price * (1 + direction * self._rng.uniform(*_MAINTENANCE))
        limit = round(round(bankruptcy / self._tick) * self._tick, 8)
        return [
            trade,
            Liquidation(self._id, ts, ts, side, trade.size, trade.price, limit, Completeness.COMPLETE, Sampling.NONE),
        ]

    # numbers -------------------------------------------------------------------------------------------------------

    def _quote(self, ts: int, update_id: int) -> Quote:
        bid, ask = self._best_bid, self._best_ask
        return Quote(
            self._id,
            ts,
            ts,
            update_id,
            self._price(bid),
            self._size(self._bids[bid]),
            self._price(ask),
            self._size(self._asks[ask]),
        )

    def _price(self, tick: int) -> float:
        return round(tick * self._tick, 8)

    def _size(self, lots: int) -> float:
        return round(lots * self._step, 8)

    def _levels(self, levels: Iterable[tuple[int, int]]) -> list[Level]:
        price, size = self._tick, self._step
        return [(round(tick * price, 8), round(lots * size, 8)) for tick, lots in levels]

    def _lots(self) -> int:
        """Size of a resting level."""
        return self._usd_lots(self._rng.lognormvariate(9.2, 1.0))

    def _trade_lots(self) -> int:
        return self._usd_lots(self._rng.lognormvariate(math.log(_MEDIAN_TRADE_USD), _TRADE_SPREAD))

    def _usd_lots(self, usd: float) -> int:
        return 1 + int(usd / self.contract.price / self._step)

    def _ladder(self) -> list[int]:
        """Distances of the first levels from the best price, in ticks; sparser farther away."""
        return [self._spacing * (level + level * level // 60) for level in range(_LEVELS)]


def _clear(side: dict[int, int], low: int, high: int, changes: dict[int, int]) -> None:
    """Remove the levels of `low`..`high` ticks, both included."""
    span = high - low + 1
    if span <= 0:
        return
    ticks = range(low, high + 1) if span <= len(side) else [tick for tick in side if low <= tick <= high]
    for tick in ticks:
        if side.pop(tick, 0):
            changes[tick] = 0
