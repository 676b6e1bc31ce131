"""Who trades in the agent market, and what they want next.

In: the index's mood, prices, the accounts. Out: orders: signed lots of agents, worked over time if they are large. Four
kinds of people (METHOD 13.1): who follow moves, who fade them, who do neither, and hedgers at 1×. Each seed draws its
crowd's habits from `RANGES`, which are wider than what any map assumes beforehand.
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.lab.agent_margin import Floats, greatest_leverage
from perpscope.lab.agent_world import World
from perpscope.lab.exchange import LOT, Exchange, Indices

LADDER = np.array([2.0, 3, 5, 10, 20, 25, 50, 75, 100, 125])
#: Share of notional by leverage: mean of METHOD 6.4's `hl_empirical` and `cex_default`.
LADDER_WEIGHTS = np.array([0.10, 0.095, 0.22, 0.20, 0.165, 0.055, 0.105, 0.025, 0.025, 0.01])
#: What a seed draws evenly between (in the logarithm, where marked), all chosen by hand about METHOD 6.4 and 13.1.
RANGES: dict[str, tuple[float, float, bool]] = {
    "daily_volatility": (0.014, 0.028, True),
    "depth_share": (0.04, 0.08, True),
    "unlevered": (0.25, 0.65, False),
    "leverage_tilt": (-1.1, 0.0, False),
    "half_life_d": (0.3, 1.8, True),
    "stop_share": (0.10, 0.50, False),
    "stop_distance": (0.015, 0.06, True),
    "target_distance": (0.015, 0.06, True),
    "adds_margin": (0.0, 0.4, False),
    "trend_strength": (0.2, 0.8, True),
    "long_bias": (0.10, 0.40, False),
    "turnover": (4.0, 12.0, True),
    "withdrawal": (1.6, 3.0, False),
}
_TREND, _FADE, _NOISE, _HEDGE = range(4)
_KINDS = (0.45, 0.20, 0.25, 0.10)
_MEDIAN_USD, _SPREAD_USD, _CAP_USD = 9000.0, 1.7, 2e7
_CAP_SHARE = 0.01  # of the open interest: what one agent holds at most
_HELD = 0.6  # share of agents that hold something in the long run
_OPEN_RATE = 2.0  # openings per closing of an unhurried position
_HASTE, _HASTE_AT, _HASTE_MOST = 0.8, 5.0, 8.0  # positions above 5× are closed sooner, by leverage to this power
_STOP_BEFORE = 0.6  # stops lie within this share of the way to bankruptcy
_WINNER, _LOSER = 1.0, 0.67  # who looks at a position closes it with this chance (disposition, METHOD 6.5)
_PATIENT = 0.5  # share of winners who close by a waiting order
_DEEP = 0.5  # loss, as a share of margin, at which people think of adding some
_PREMIUM_FELT, _PREMIUM_MOST = 500.0, 1.5  # log odds per premium (fraction), and the most they can be
_PARTICIPATION = 0.25  # share of the market's volume that one large order makes


class Habits(msgspec.Struct, frozen=True):
    """One seed's crowd; see `RANGES`."""

    daily_volatility: float  #: standard deviation of the index's log return
    depth_share: float  #: of the open interest, within 1 % of the best price
    kappa: float  #: steepness of the book
    unlevered: float  #: share of positions at 1×
    leverage_tilt: float  #: weights of the ladder are multiplied by leverage to this power
    half_life_d: float  #: days
    stop_share: float  #: of positions that have a stop
    stop_distance: float  #: mean log distance
    target_distance: float  #: mean log distance
    adds_margin: float  #: chance that one deep in the red pays in, on looking
    trend_strength: float
    long_bias: float  #: of the log odds of going long
    turnover: float  #: volume of a day, in units of the open interest
    withdrawal: float  #: how fast quotes go as the alarm grows


def draw_habits(rng: np.random.Generator) -> Habits:
    """What this seed's crowd is like."""
    drawn = {}
    for name, (low, high, is_log) in RANGES.items():
        share = float(rng.random())
        drawn[name] = low * (high / low) ** share if is_log else low + (high - low) * share
    return Habits(kappa=float(np.clip(rng.normal(1.16, 0.1), 1.0, 1.4)), **drawn)


def mean_size_usd(count: int) -> tuple[float, float]:
    """The mean and the cap of an agent's position, quote units, in a market of so many agents.

    The cap is 1 % of the open interest, itself the mean's; METHOD's 20 million would be a third of a small market.
    """
    cap = _CAP_USD
    mean = 0.0
    for _ in range(20):
        z = (math.log(cap / _MEDIAN_USD)) / _SPREAD_USD
        below = 0.5 * math.erfc(-(z - _SPREAD_USD) / math.sqrt(2)) * math.exp(_SPREAD_USD**2 / 2) * _MEDIAN_USD
        mean = below + cap * 0.5 * math.erfc(z / math.sqrt(2))
        cap = min(_CAP_USD, max(5e4, _CAP_SHARE * mean * count * _HELD / 2))
    return mean, cap


class Traders:
    """Everybody's intentions.

    Args:
        rng: the market's chance.
        exchange: where they have their accounts.
        habits: of this crowd.
        is_levered: False for an ablation: everybody at 1×.
        has_stops: False for an ablation: nobody has a stop.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        exchange: Exchange,
        habits: Habits,
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
        self.mean_usd, self._cap_usd = mean_size_usd(count)
        self.todo = np.zeros(count)  #: lots still wanted, signed
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
        opening = count * self._rate * dt_s * world.activity * _OPEN_RATE
        closing = count * self._rate * dt_s * (0.5 + 0.5 * world.activity) * _HASTE_MOST
        looks = self._rng.poisson((opening, closing))
        if looks[0]:
            self._open(self._rng.integers(0, count, looks[0]), world, premium, last)
        if looks[1]:
            self._review(self._rng.integers(0, count, looks[1]), last, world.alarm)

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
        usd = np.minimum(np.exp(self._rng.normal(math.log(_MEDIAN_USD), _SPREAD_USD, who.size)), self._cap_usd)
        drawn = LADDER[np.searchsorted(self._ladder, self._rng.random(who.size))]
        plain = (self._rng.random(who.size) < self._habits.unlevered) | (self._kind[who] == _HEDGE)
        leverage = np.where(plain | (not self._is_levered), 1.0, np.minimum(drawn, greatest_leverage(usd)))
        self._exchange.leverage[who] = leverage
        lots = side * np.maximum(np.rint(usd / (price * LOT)), 1.0)
        self._want(who, lots, np.zeros(who.size, np.bool_), self._kind[who] == _FADE)
        self._set_triggers(who, side, price)

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

    def _review(self, looked: Indices, last: list[float], alarm: float) -> None:
        """Some who look at their positions close them: winners sooner; losers when frightened, or they pay in."""
        exchange = self._exchange
        who = np.unique(looked)
        who = who[(exchange.lots[who] != 0) & (self.todo[who] == 0)]
        if not who.size:
            return
        price = np.array(last)[exchange.venue[who]]
        profit = exchange.lots[who] * LOT * (price - exchange.entry[who])
        hasty = np.clip((exchange.leverage[who] / _HASTE_AT) ** _HASTE, 1.0, _HASTE_MOST) / _HASTE_MOST
        frightened = min(1.0, _LOSER + 0.1 * max(0.0, alarm - 1.5))
        closes = self._rng.random(who.size) < np.where(profit > 0, _WINNER, frightened) * hasty
        patient = (profit > 0) & (self._rng.random(who.size) < _PATIENT)
        at = who[closes]
        self._want(at, -exchange.lots[at], np.zeros(at.size, np.bool_), patient[closes])
        adds = ~closes & (profit < -_DEEP * exchange.margin[who])
        adds &= self._rng.random(who.size) < self._habits.adds_margin / 2
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
        lot_usd, venue = np.array(last) * LOT, self._exchange.venue[who]
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
