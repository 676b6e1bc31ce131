"""What one symbol did in the five weeks before the lab opened: invented, seeded, and made only when it is asked for.

In: a stretch of time. Out: candles, counts of holdings and fundings of it. Nothing is kept but the last few hours made:
each hour is drawn from its own seed, and its edges from smooth noise that can be read anywhere, so the same hour is the
same whoever asks first. Longer candles are sums of their minutes, taker volumes are the minutes' own. The end meets
the first price of the seeded market. Venues of one seed share prices; what was traded at them is each venue's own.
"""

import math
import random
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Protocol

import msgspec

from perpscope.lab.candles import past_minute
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Census, Funding
from perpscope.lab.symbols import Contract
from perpscope.model.market import Candle, Interval

_NS_PER_S = 1_000_000_000
MINUTE_NS = 60 * _NS_PER_S
HOUR_NS = 3600 * _NS_PER_S
_DAY_NS = 24 * HOUR_NS
PERIOD_NS = 5 * MINUTE_NS  #: the shortest that is counted
REACH_NS = 35 * _DAY_NS  #: how far before the lab's start, on to the start of that day

_HOURS_KEPT = 2  # of a symbol: who asks for a stretch, or for periods one by one, asks for an hour's minutes in a row
_HOURS_SUMMED = 1024  # of which two numbers are kept
_MINUTES = 60
_MASK = (1 << 64) - 1
_OCTAVES_H = (1, 3, 9, 27, 81, 243)  # lengths of the price's swings, hours
_OCTAVES_PERIODS = (3, 24, 288)  # lengths of the swings of what is held, periods
_INTEREST = 0.0001  # funding per 8 h
# Chosen by hand to look like the seeded market's own figures.
_MINUTE_USD, _MINUTE_SPREAD = 400_000.0, 0.6  # turnover of a calm minute
_LIVELY = 0.8  # growth of a minute's turnover with its move, per standard deviation
_TRADE_USD = 3_500.0
_WICK_TICKS = 0.35  # of a minute's standard deviation
_LEANING = 0.12  # share of the volume that follows the move
OPEN_INTEREST_USD = 250_000_000.0
_HELD_SWING = 0.05  # fraction
LONG_LEVELS = (0.56, 0.53, 0.51)  #: all accounts, top accounts, top positions
_LONG_SWING = 0.02
_PREMIUM_SWING = 0.0002
_HELD, _LONGS, _PREMIUMS = 0, 1, 9  # which noise is whose


class History(Protocol):
    """What was before the lab opened, whoever made it."""

    @property
    def ts_end(self) -> int:
        """Where the market takes over, ns UTC."""
        ...

    @property
    def ts_oldest(self) -> int:
        """Nothing is known of before; ns UTC."""
        ...

    def candles(self, interval: Interval, ts_from: int, ts_to: int) -> list[Candle]:
        """Those opened in [ts_from, ts_to) that had closed when the lab opened, oldest first."""
        ...

    def censuses(self, ts_from: int, ts_to: int, period_ns: int = PERIOD_NS) -> list[Census]:
        """Of periods that ended in [ts_from, ts_to), up to the lab's opening, oldest first."""
        ...

    def taken(self, ts_from: int, ts_to: int) -> tuple[float, float]:
        """What takers bought and sold between two whole minutes, base units."""
        ...

    def fundings(self, ts_from: int, ts_to: int) -> list[Funding]:
        """Paid in [ts_from, ts_to), up to the lab's opening, oldest first."""
        ...


class Scale(msgspec.Struct, frozen=True):
    """How large a market is."""

    open_interest_usd: float = OPEN_INTEREST_USD  #: one side
    minute_usd: float = _MINUTE_USD  #: turnover of a calm minute


class Prehistory:
    """The past of one symbol.

    Args:
        contract: how it behaves.
        listing: how the venue names and sizes it.
        seed: of the market; venues of one seed share prices.
        ts_start: ns UTC, when the lab opened.
        funding_ns: length of a funding interval.
        scale: how large the market was.
        ts_oldest: ns UTC, five weeks before the start if None.
    """

    def __init__(
        self,
        contract: Contract,
        listing: Listing,
        seed: str,
        ts_start: int,
        funding_ns: int,
        scale: Scale | None = None,
        ts_oldest: int | None = None,
    ) -> None:
        instrument = listing.instrument
        self._instrument = instrument.id
        self._shared = f"{seed}/{contract.base}/past"
        self._own = f"{seed}/{instrument.venue}/{contract.base}/past"
        self._noise = random.Random(self._own).getrandbits(64)  # noqa: S311 (repeatable chance)
        self._shared_noise = random.Random(self._shared).getrandbits(64)  # noqa: S311 (likewise)
        self._tick = float(instrument.tick_size or contract.tick)
        self._step = float(instrument.step_size or contract.step)
        self._decimals = listing.price_decimals + listing.size_decimals  # of quote volumes
        self._sigma_1m = contract.daily_volatility / math.sqrt(_DAY_NS / MINUTE_NS)
        self._price = contract.price
        self._funding_ns = funding_ns
        self.ts_end = ts_start - ts_start % MINUTE_NS  #: ns UTC, where the seeded market takes over
        self.ts_oldest = reach(ts_start) if ts_oldest is None else ts_oldest  #: ns UTC
        self._scale = scale or Scale()
        self._hour = lru_cache(_HOURS_KEPT)(self._made)
        self._walk = lru_cache(_HOURS_KEPT)(self._walked)
        self._level = lru_cache(_HOURS_KEPT + 1)(self._swings)
        self._hour_taken = lru_cache(_HOURS_SUMMED)(self._taken_within)
        end_hour = self.ts_end // HOUR_NS
        self._shift = math.log(contract.price) - self._walk(end_hour)[(self.ts_end - end_hour * HOUR_NS) // MINUTE_NS]

    # candles -------------------------------------------------------------------------------------------------------

    def candles(self, interval: Interval, ts_from: int, ts_to: int) -> list[Candle]:
        """Those opened in [ts_from, ts_to) that had closed when the lab opened, oldest first."""
        first = -(-max(ts_from, self.ts_oldest) // interval.ns) * interval.ns
        last = min(ts_to, self.ts_end - interval.ns + 1)
        if interval is not Interval.M1:
            return [self._sum(interval, ts_open) for ts_open in range(first, last, interval.ns)]
        return list(self._minutes(first, last))

    def _minutes(self, ts_from: int, ts_to: int) -> Iterator[Candle]:
        """Minutes opened in a stretch that begins on a minute."""
        for hour in range(ts_from // HOUR_NS, -(-ts_to // HOUR_NS)):
            begin = max(0, (ts_from - hour * HOUR_NS) // MINUTE_NS)
            end = min(_MINUTES, -(-(ts_to - hour * HOUR_NS) // MINUTE_NS))
            yield from self._hour(hour)[begin:end]

    def _sum(self, interval: Interval, ts_open: int) -> Candle:
        return summed(list(self._minutes(ts_open, ts_open + interval.ns)), interval)

    def _made(self, hour: int) -> list[Candle]:
        """The minutes of an hour since the epoch."""
        rng = random.Random(f"{self._own}/{hour}")  # noqa: S311 (repeatable chance)
        walk = self._walk(hour)
        prices = [max(self._tick, self._rounded(math.exp(value + self._shift))) for value in walk]
        return [
            self._minute(rng, hour * HOUR_NS + at * MINUTE_NS, prices[at], prices[at + 1]) for at in range(_MINUTES)
        ]

    def _minute(self, rng: random.Random, ts_open: int, first: float, last: float) -> Candle:
        """A minute between two prices: wicks, turnover that grows with the move, takers that lean with it."""
        wick = _WICK_TICKS * self._sigma_1m * first
        high = self._rounded(max(first, last) + rng.expovariate(1 / wick))
        low = max(self._tick, self._rounded(min(first, last) - rng.expovariate(1 / wick)))
        move = (last / first - 1) / self._sigma_1m
        usd = self._scale.minute_usd * rng.lognormvariate(0, _MINUTE_SPREAD) * (1 + _LIVELY * abs(move))
        lots = max(2, round(usd / last / self._step))
        leaning = 0.5 + _LEANING * math.tanh(move) + rng.uniform(-0.1, 0.1)
        bought = min(lots - 1, max(1, round(lots * leaning)))
        trades = max(2, min(lots, round(usd / _TRADE_USD)))
        traded = (lots * self._step, bought * self._step, trades)
        return past_minute(self._instrument, ts_open, (first, high, low, last), traded, self._decimals)

    # prices --------------------------------------------------------------------------------------------------------

    def _rounded(self, price: float) -> float:
        return round(round(price / self._tick) * self._tick, 8)

    def _walked(self, hour: int) -> list[float]:
        """Log price, but for a constant, at the 61 edges of an hour's minutes: a bridge from edge to edge."""
        rng = random.Random(f"{self._shared}/{hour}")  # noqa: S311 (repeatable chance)
        free = [0.0]
        for _ in range(_MINUTES):
            free.append(free[-1] + rng.gauss(0, self._sigma_1m))
        first, last = self._level(hour), self._level(hour + 1)
        slope = (last - first - free[-1]) / _MINUTES
        inner = [first + value + slope * at for at, value in enumerate(free[:-1])]
        return [*inner, last]

    def _swings(self, hour: int) -> float:
        """Noise on several lengths, each as far as a random walk gets in it."""
        sigma_1h = self._sigma_1m * math.sqrt(_MINUTES)
        return math.fsum(
            sigma_1h * math.sqrt(length) * _smooth(self._shared_noise + length, hour, length) for length in _OCTAVES_H
        )

    def price_at(self, ts: int) -> float:
        """At the start of the minute that `ts` is in, quote per base."""
        if ts >= self.ts_end:
            return self._price
        hour, within = divmod(ts, HOUR_NS)
        value = self._walk(hour)[within // MINUTE_NS] if within else self._level(hour)
        return max(self._tick, self._rounded(math.exp(value + self._shift)))

    # who held what -------------------------------------------------------------------------------------------------

    def censuses(self, ts_from: int, ts_to: int, period_ns: int = PERIOD_NS) -> list[Census]:
        """Of periods that ended in [ts_from, ts_to), up to the lab's opening, oldest first."""
        first = -(-max(ts_from, self.ts_oldest + period_ns) // period_ns) * period_ns
        return [self._census(ts, period_ns) for ts in range(first, min(ts_to, self.ts_end + 1), period_ns)]

    def _census(self, ts: int, period_ns: int) -> Census:
        every, top, positions = (
            level + _LONG_SWING * self._swing(_LONGS + number, ts) for number, level in enumerate(LONG_LEVELS)
        )
        bought, sold = self.taken(ts - period_ns, ts)
        return Census(ts, self.open_interest(ts), self.price_at(ts), every, top, positions, bought, sold)

    def taken(self, ts_from: int, ts_to: int) -> tuple[float, float]:
        """What takers bought and sold between two whole minutes, base units."""
        if ts_from % HOUR_NS or ts_to % HOUR_NS:
            return _taken(list(self._minutes(ts_from, ts_to)))
        hours = [self._hour_taken(hour) for hour in range(ts_from // HOUR_NS, ts_to // HOUR_NS)]
        return math.fsum(bought for bought, _ in hours), math.fsum(sold for _, sold in hours)

    def _taken_within(self, hour: int) -> tuple[float, float]:
        return _taken(self._hour(hour))

    def open_interest(self, ts: int) -> float:
        """Base units, one side; > 0."""
        return self._scale.open_interest_usd / self._price * (1 + _HELD_SWING * self._swing(_HELD, ts))

    def _swing(self, which: int, ts: int) -> float:
        """In [-1, 1]; on the grid of periods, level between."""
        period = ts // PERIOD_NS
        seed = self._noise + which * 7919
        return math.fsum(_smooth(seed + length, period, length) for length in _OCTAVES_PERIODS) / len(_OCTAVES_PERIODS)

    def fundings(self, ts_from: int, ts_to: int) -> list[Funding]:
        """Paid in [ts_from, ts_to), up to the lab's opening, oldest first."""
        every = self._funding_ns
        first = -(-max(ts_from, self.ts_oldest) // every) * every
        return [self._funding(ts) for ts in range(first, min(ts_to, self.ts_end + 1), every)]

    def _funding(self, ts: int) -> Funding:
        premium = _PREMIUM_SWING * self._swing(_PREMIUMS, ts)
        rate = (_INTEREST + premium / 2) * self._funding_ns / (8 * HOUR_NS)
        return Funding(ts, round(rate, 8), self.price_at(ts), premium)


def reach(ts_start: int) -> int:
    """How far back a lab that opens then remembers, ns UTC."""
    return (ts_start - REACH_NS) // _DAY_NS * _DAY_NS


def summed(minutes: Sequence[Candle], interval: Interval) -> Candle:
    """The longer closed candle these minutes make; at least one, oldest first."""
    first, last = minutes[0], minutes[-1]
    ts_open = first.ts_open - first.ts_open % interval.ns
    return Candle(
        first.instrument,
        ts_open + interval.ns,
        ts_open + interval.ns,
        interval,
        ts_open,
        first.open,
        max(minute.high for minute in minutes),
        min(minute.low for minute in minutes),
        last.close,
        math.fsum(minute.volume for minute in minutes),
        math.fsum(minute.quote_volume or 0.0 for minute in minutes),
        sum(minute.trades or 0 for minute in minutes),
        math.fsum(minute.taker_buy_volume or 0.0 for minute in minutes),
        math.fsum(minute.taker_buy_quote_volume or 0.0 for minute in minutes),
        is_closed=True,
    )


def _taken(minutes: Sequence[Candle]) -> tuple[float, float]:
    bought = math.fsum(minute.taker_buy_volume or 0.0 for minute in minutes)
    return bought, math.fsum(minute.volume for minute in minutes) - bought


def _smooth(seed: int, at: int, length: int) -> float:
    """Noise in [-1, 1] that is straight between multiples of `length`."""
    knot, within = divmod(at, length)
    left = _scattered(seed, knot)
    return left + (_scattered(seed, knot + 1) - left) * within / length


def _scattered(seed: int, number: int) -> float:
    """Any number of a seed → a value in [-1, 1], evenly (splitmix64, https://prng.di.unimi.it/splitmix64.c)."""
    mixed = (seed + number * 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return (mixed ^ (mixed >> 31)) / 2**63 - 1.0
