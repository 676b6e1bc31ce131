"""One symbol of the seeded market: its book, its takers and its forced orders.

In: the passing of market time. Out: trades, book changes, best prices and liquidations that agree with one another:
a trade eats the level it hits, the best price is the book's best level, a liquidation is also a trade.
"""

import math
import random

from perpscope.lab.candles import CandleStack
from perpscope.lab.happening import Happening
from perpscope.lab.holdings import Holdings
from perpscope.lab.ladder import Ladder
from perpscope.lab.listing import Listing
from perpscope.lab.prehistory import Prehistory
from perpscope.lab.prices import LiquidationHazard, StochasticVolatility
from perpscope.lab.symbols import Contract
from perpscope.model.market import (
    BookSnapshot,
    Completeness,
    Interval,
    Liquidation,
    PositionSide,
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
        self._id = listing.instrument.id
        self._ladder = ladder = Ladder(contract, listing, contract.price)
        self._volatility = StochasticVolatility(self._rng, contract.daily_volatility)
        self._hazard = LiquidationHazard(self._rng, self._volatility.volatility_1s)
        self.past = past
        hour = past.candles(Interval.M1, ts_start - ts_start % Interval.H1.ns, ts_start)
        self.candles = CandleStack(self._id, ts_start, contract.price, hour)
        self.holdings = Holdings(self._id, seed, ts_start, past, funding_ns)
        self._log_price = math.log(contract.price)
        self._push = 0.0  # log return on its way in: the whole market's moves, and the impact of forced orders
        self._ts = ts_start
        self._spacing = max(1, round(ladder.best_bid * self._volatility.volatility_1s / 8))  # ticks, about
        ladder.bids = {ladder.best_bid - distance: self._lots() for distance in self._distances()}
        ladder.asks = {ladder.best_ask + distance: self._lots() for distance in self._distances()}

    # what others ask -----------------------------------------------------------------------------------------------

    @property
    def mid(self) -> float:
        """Middle of the best bid and ask, quote per base."""
        return self._ladder.mid

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
        return self._ladder.snapshot(ts, update_id)

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
        forced = self._hazard.step(log_return, dt_s)
        if forced is not None:
            events.extend(self._liquidate(forced, ts))
        self._reprice(ts, events)
        self._rest()
        for event in events:
            if isinstance(event, Trade):
                self.candles.trade(event)
                self.holdings.trade(event)
            elif isinstance(event, Liquidation):
                self.holdings.liquidation(event)
        told, last = self._ladder.told(ts, update_id)
        events.extend(told)
        return events, last

    def _reprice(self, ts: int, events: list[Happening]) -> None:
        """Move the best prices to where the price has gone; whoever stood in the way was traded with or left."""
        ladder = self._ladder
        bid = int(math.exp(self._log_price) / ladder.tick)
        ask = bid + 1 + int(self._rng.random() ** 4 * 3)
        chance = self._rng.random()
        if ask > ladder.best_ask and chance < _TAKER_ON_MOVE:
            events.append(ladder.take(Side.BUY, ts, self._trade_lots()))
        elif bid < ladder.best_bid and chance < _TAKER_ON_MOVE:
            events.append(ladder.take(Side.SELL, ts, self._trade_lots()))
        elif chance < _TAKER_AT_REST and bid == ladder.best_bid:
            side = Side.BUY if self._rng.random() < 0.5 else Side.SELL
            events.append(self._hit(side, ts))
        ladder.move(bid, ask)
        if bid not in ladder.bids:
            ladder.bids[bid] = ladder.changed_bids[bid] = self._lots()
        if ask not in ladder.asks:
            ladder.asks[ask] = ladder.changed_asks[ask] = self._lots()

    def _rest(self) -> None:
        """Makers change their minds somewhere behind the best prices; more of them come to a side that is thin."""
        ladder = self._ladder
        if self._rng.random() < 0.5:
            side, changes, best, direction = ladder.bids, ladder.changed_bids, ladder.best_bid, -1
        else:
            side, changes, best, direction = ladder.asks, ladder.changed_asks, ladder.best_ask, 1
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

    def _hit(self, side: Side, ts: int) -> Trade:
        """A taker eats part of the best level."""
        ladder = self._ladder
        there = ladder.asks[ladder.best_ask] if side is Side.BUY else ladder.bids[ladder.best_bid]
        lots = min(self._trade_lots(), max(1, there - 1))
        ladder.eat(side, lots)
        return ladder.take(side, ts, lots)

    def _liquidate(self, side: PositionSide, ts: int) -> list[Happening]:
        """Close somebody's position: an order that eats the best level and pushes the price on."""
        ladder = self._ladder
        usd = min(
            _MOST_LIQUIDATED_USD, self._rng.lognormvariate(math.log(_MEDIAN_LIQUIDATION_USD), _LIQUIDATION_SPREAD)
        )
        is_long = side is PositionSide.LONG
        taker, tick = (Side.SELL, ladder.best_bid) if is_long else (Side.BUY, ladder.best_ask)
        lots = max(1, round(usd / (tick * ladder.tick) / ladder.step))
        ladder.eat(taker, lots)
        direction = -1.0 if is_long else 1.0
        self._push += direction * _IMPACT * math.sqrt(usd / _IMPACT_USD)
        trade = ladder.take(taker, ts, lots)
        bankruptcy = trade.price * (1 + direction * self._rng.uniform(*_MAINTENANCE))
        limit = ladder.price(round(bankruptcy / ladder.tick))
        return [
            trade,
            Liquidation(self._id, ts, ts, side, trade.size, trade.price, limit, Completeness.COMPLETE, Sampling.NONE),
        ]

    # numbers -------------------------------------------------------------------------------------------------------

    def _lots(self) -> int:
        """Size of a resting level."""
        return self._usd_lots(self._rng.lognormvariate(9.2, 1.0))

    def _trade_lots(self) -> int:
        return self._usd_lots(self._rng.lognormvariate(math.log(_MEDIAN_TRADE_USD), _TRADE_SPREAD))

    def _usd_lots(self, usd: float) -> int:
        return 1 + int(usd / self.contract.price / self._ladder.step)

    def _distances(self) -> list[int]:
        """Distances of the first levels from the best price, in ticks; sparser farther away."""
        return [self._spacing * (level + level * level // 60) for level in range(_LEVELS)]
