"""Who trades in the agent market, and what they want next.

In: the index's mood, prices, the accounts. Out: orders: signed lots of agents, worked over time if they are large. Four
kinds of people (METHOD 13.1): who follow moves, who fade them, who do neither, and hedgers at 1×.
"""

import math

import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_linear import Floats
from perpscope.lab.agents.exchange import Exchange, Indices
from perpscope.lab.agents.habits import LADDER, LADDER_WEIGHTS, MEDIAN_USD, SPREAD_USD, Habits, mean_size_usd
from perpscope.lab.agents.world import World

_TREND, _FADE, _NOISE, _HEDGE = range(4)
_KINDS = (0.45, 0.20, 0.25, 0.10)
_OPEN_RATE = 2.0  # openings per closing of an unhurried position
_HASTE, _HASTE_AT = 2.0, 8.0  # positions above 5× are closed sooner, by leverage to this power
_STOP_BEFORE = 0.6  # stops lie within this share of the way to bankruptcy
_WINNER, _LOSER = 1.0, 0.67  # who looks at a position closes it with this chance (disposition, METHOD 6.5)
_PATIENT = 0.5  # share of winners who close by a waiting order
_DEEP = 0.5  # loss, as a share of margin, at which people think of adding some
_PREMIUM_FELT, _PREMIUM_MOST = 600.0, 2.0  # log odds per premium (fraction), and the most they can be
_PARTICIPATION = 0.25  # share of the market's volume that one large order makes


class Traders:
    """Everybody's intentions.

    Args:
        rng: the market's chance.
        exchange: where they have their accounts.
        habits: of this crowd.
        people: how many of METHOD's people an agent stands for: sizes are multiplied by it.
        is_levered: False for an ablation: everybody at 1×.
        has_stops: False for an ablation: nobody has a stop.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        exchange: Exchange,
        habits: Habits,
        people: float = 1.0,
        *,
        is_levered: bool = True,
        has_stops: bool = True,
    ) -> None:
        count = exchange.lots.size
        self._rng = rng
        self._exchange = exchange
        self._habits = habits
        self._is_levered = is_levered
        self._stop_share = habits.stop_share if has_stops else 0.0
        weights = LADDER_WEIGHTS * LADDER**habits.leverage_tilt
        self._ladder = np.cumsum(weights / weights.sum())
        self._rate = math.log(2) / (habits.half_life_d * 86_400.0)  # of closing, per second
        self._kind = rng.choice(4, count, p=_KINDS)
        self._median_usd, self._cap_usd = MEDIAN_USD * people, mean_size_usd(count)[1] * people
        self.todo = np.zeros(count)  #: lots still wanted, signed
        self._clock = 0.0  # seconds of people's time, which runs faster in a busy market
        self._look_at = np.full(count, np.inf)  # on that clock: when each looks at its position next
        self._is_urgent = np.zeros(count, np.bool_)
        self._is_passive = np.zeros(count, np.bool_)  # waits in the book: takes nothing, moves nothing
        self._is_working = np.zeros(count, np.bool_)
        self._working: Indices = np.empty(0, np.int64)
        self.low = np.zeros(count)  #: close at or below this last price; 0: none
        self.high = np.full(count, np.inf)  #: close at or above it
        self._highest_low = [0.0] * len(exchange.places)
        self._lowest_high = [math.inf] * len(exchange.places)

    # what they want ------------------------------------------------------------------------------------------------

    def decide(self, world: World, premium: float, last: list[float], dt_s: float) -> None:
        """Look around for `dt_s` seconds: triggers fire, some open, some close or add margin; last prices by venue."""
        for venue, price in enumerate(last):
            self._fire(venue, price)
        count = self._exchange.lots.size
        self._clock += dt_s * (0.5 + 0.5 * world.activity)
        looking = np.flatnonzero(self._look_at <= self._clock)
        if looking.size:
            self._review(looking, last, world.alarm)
        coming = self._rng.poisson(count * self._rate * dt_s * world.activity * _OPEN_RATE)
        if coming:
            self._open(self._rng.integers(0, count, coming), world, premium, last)

    def _fire(self, venue: int, price: float) -> None:
        """Stops and targets that a last price has reached."""
        if self._highest_low[venue] < price < self._lowest_high[venue]:
            return
        rows = self._exchange.agents(venue)
        low, high = self.low[rows], self.high[rows]
        hit = np.flatnonzero((low >= price) | (high <= price)) + rows.start
        lots = self._exchange.lots[hit]
        stopped = np.where(lots > 0, self.low[hit] >= price, self.high[hit] <= price)
        self._want(hit, -lots, stopped, ~stopped)
        self._forget_triggers(hit)
        self._highest_low[venue] = float(low.max(initial=0.0))
        self._lowest_high[venue] = float(high.min(initial=math.inf))

    def _open(self, looked: Indices, world: World, premium: float, last: list[float]) -> None:
        who = np.unique(looked)
        who = who[(self._exchange.lots[who] == 0) & (self.todo[who] == 0)]
        if not who.size:
            return
        is_long = self._rng.random(who.size) < self._chance_of_long(self._kind[who], world, premium)
        side = np.where(is_long, 1.0, -1.0)
        price = np.array(last)[self._exchange.venue[who]]
        usd = np.minimum(np.exp(self._rng.normal(math.log(self._median_usd), SPREAD_USD, who.size)), self._cap_usd)
        drawn = LADDER[np.searchsorted(self._ladder, self._rng.random(who.size))]
        plain = (self._rng.random(who.size) < self._habits.unlevered) | (self._kind[who] == _HEDGE)
        leverage = np.where(
            plain | (not self._is_levered), 1.0, np.minimum(drawn, self._exchange.tiers.greatest_leverage(usd))
        )
        self._exchange.leverage[who] = leverage
        lots = side * np.maximum(np.rint(usd / (price * self._exchange.lot)), 1.0)
        self._want(who, lots, np.zeros(who.size, np.bool_), self._kind[who] == _FADE)
        self._set_triggers(who, side, price)
        self._look_later(who)

    def _chance_of_long(self, kind: NDArray[np.int64], world: World, premium: float) -> Floats:
        deviations = world.nerves / (world.daily_volatility * 0.083)  # of ten minutes
        hours = world.trend / (world.daily_volatility * 0.5)  # of six hours, its memory being twelve
        follow = self._habits.trend_strength * (0.5 * math.tanh(deviations) + 0.8 * math.tanh(hours))
        cost = -_PREMIUM_MOST * math.tanh(_PREMIUM_FELT * premium / _PREMIUM_MOST)
        bias = self._habits.long_bias + world.mood
        odds = np.array([follow + cost + bias, -0.7 * follow + cost + bias, 1.5 * bias, 2 * cost - 0.5])
        return np.asarray(1.0 / (1.0 + np.exp(-odds[kind])))

    def _set_triggers(self, who: Indices, side: Floats, price: Floats) -> None:
        """A target, and for some a stop, at distances of their own; hedgers have neither."""
        hedges = self._kind[who] == _HEDGE
        target = 0.006 + self._rng.exponential(self._habits.target_distance, who.size)
        stop = 0.004 + self._rng.exponential(self._habits.stop_distance, who.size)
        stop = np.minimum(stop, _STOP_BEFORE / self._exchange.leverage[who])
        has_stop = (self._rng.random(who.size) < self._stop_share) & ~hedges
        target = np.where(hedges, np.inf, target)
        stop = np.where(has_stop, stop, np.inf)
        self.low[who] = price * np.exp(-np.where(side > 0, stop, target))
        self.high[who] = price * np.exp(np.where(side > 0, target, stop))
        for venue, low, high in zip(
            self._exchange.venue[who].tolist(), self.low[who].tolist(), self.high[who].tolist(), strict=True
        ):
            self._highest_low[venue] = max(self._highest_low[venue], low)
            self._lowest_high[venue] = min(self._lowest_high[venue], high)

    def _look_later(self, who: Indices) -> None:
        """The higher the leverage, the sooner people look at what they hold."""
        haste = np.maximum((self._exchange.leverage[who] / _HASTE_AT) ** _HASTE, 1.0)
        self._look_at[who] = self._clock + self._rng.exponential(1.0, who.size) / (self._rate * haste)

    def _review(self, who: Indices, last: list[float], alarm: float) -> None:
        """Some who look at their positions close them: winners sooner; losers when frightened, or they pay in."""
        exchange = self._exchange
        self._look_later(who)
        self._look_at[who[(exchange.lots[who] == 0) & (self.todo[who] == 0)]] = np.inf
        who = who[(exchange.lots[who] != 0) & (self.todo[who] == 0)]
        if not who.size:
            return
        price = np.array(last)[exchange.venue[who]]
        profit = exchange.lots[who] * exchange.lot * (price - exchange.entry[who])
        frightened = min(1.0, _LOSER + 0.1 * max(0.0, alarm - 1.5))
        closes = self._rng.random(who.size) < np.where(profit > 0, _WINNER, frightened)
        patient = (profit > 0) & (self._rng.random(who.size) < _PATIENT)
        at = who[closes]
        self._want(at, -exchange.lots[at], np.zeros(at.size, np.bool_), patient[closes])
        adds = ~closes & (profit < -_DEEP * exchange.margin[who])
        adds &= self._rng.random(who.size) < self._habits.adds_margin
        if adds.any():
            exchange.add_margin(who[adds], exchange.margin[who[adds]] * self._rng.uniform(0.3, 1.0, int(adds.sum())))

    # how they go about it ------------------------------------------------------------------------------------------

    def orders(self, volume_usd: float, bearable_usd: list[float], last: list[float]) -> tuple[Indices, Floats, Floats]:
        """What is traded in this step: rows, signed lots, and those of them that take from the book.

        Args:
            volume_usd: of the step; large orders take a share of it at a time.
            bearable_usd: by venue: what large stops take at a time.
            last: prices by venue.
        """
        who = self._working
        if not who.size:
            return who, np.empty(0), np.empty(0)
        todo = self.todo[who]
        lot_usd, venue = np.array(last) * self._exchange.lot, self._exchange.venue[who]
        usual = (_PARTICIPATION * volume_usd / lot_usd)[venue]
        most = np.where(self._is_urgent[who], np.maximum(usual, (np.array(bearable_usd) / lot_usd)[venue]), usual)
        most = np.maximum(np.floor(most), 1.0)
        part = np.clip(todo, -most, most)
        self.todo[who] = todo - part
        done = self.todo[who] == 0
        self._is_working[who[done]] = False
        self._is_urgent[who[done]] = False
        self._working = who[~done]
        sent = part != 0
        closed = done & (self._exchange.lots[who] + part == 0)
        self._forget_triggers(who[closed])
        return who[sent], part[sent], np.where(self._is_passive[who], 0.0, part)[sent]

    def cancel(self, who: Indices) -> None:
        """The exchange cancels what these agents still wanted, and their triggers if they hold nothing more."""
        self.todo[who] = 0.0
        self._forget_triggers(who[self._exchange.lots[who] == 0])

    def _want(self, who: Indices, lots: Floats, is_urgent: NDArray[np.bool_], is_passive: NDArray[np.bool_]) -> None:
        self.todo[who] = lots
        self._is_passive[who] = is_passive
        self._is_urgent[who] = is_urgent
        fresh = who[~self._is_working[who]]
        self._is_working[fresh] = True
        self._working = np.concatenate((self._working, fresh))

    def _forget_triggers(self, who: Indices) -> None:
        self.low[who] = 0.0
        self.high[who] = np.inf
