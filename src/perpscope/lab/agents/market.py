"""The agent market in virtual time, as fast as the machine goes: nobody listens, nothing waits.

In: a seed, days, the length of a step, what to leave out. Out: one `Step` at a time, or a whole `Truth`. The same seed
and settings give the same bytes. A step runs one way: index → wishes → books → accounts → marks → closings by force →
records.
"""

import math
from collections.abc import Iterator

import msgspec
import numpy as np

from perpscope.analytics.margin_linear import Floats
from perpscope.lab.agents.book import SHADING, Footprints, Walk
from perpscope.lab.agents.exchange import Exchange
from perpscope.lab.agents.habits import draw_habits
from perpscope.lab.agents.liquidation import Liquidator
from perpscope.lab.agents.recorder import Recorder
from perpscope.lab.agents.steps import Setting, Step
from perpscope.lab.agents.traders import Traders
from perpscope.lab.agents.truth import Chronicle, Table, Truth
from perpscope.lab.agents.world import World

_NS = 1_000_000_000
_DAY_S = 86_400.0
_FUNDING_NS = 8 * 3600 * _NS  # at 0, 8 and 16 h UTC
_INTEREST, _FUNDING_CLAMP = 0.0001, 0.0005  # METHOD 13.1
_BASIS_MOST, _BASIS_S = 0.0019, 25_200.0  # premium that a lopsided crowd pays, and how soon
_MARK_MEMORY_S = 30.0  # of the basis in the mark price
_LUMPY = 0.15  # shape of a second of bystanders' volume
_SPREAD = 0.00002  # half of it, in a calm market
_QUOTES_LEAST, _QUOTES_GO_S, _QUOTES_COME_S = 0.06, 20.0, 120.0  # depth left; how fast it goes and comes back
_PERCENT = 0.01
_FARTHEST = 0.05  # log distance that a step's orders move a price at most: beyond it the rest of the world buys
_STOP_PACE = 0.006  # of the depth within 1 %: what a large stop takes in a second
_UNWIND_S = 600.0  # in which an insurance fund sells what it took over
_LONG_STEP_S = 10.0  # up to which all that orders did is taken to be there yet at a step's end
_FUND_SHARE = 0.003  # of the open interest: what the funds begin with


class AgentMarket:
    """One market on several venues, stepped by whoever holds it.

    Args:
        setting: which.
    """

    def __init__(self, setting: Setting) -> None:
        # chances of their own, so that what people do changes neither the news nor what strangers trade
        crowd, news, strangers, orders, drawn = (np.random.default_rng((setting.seed, part)) for part in range(5))
        self.setting = setting
        self.habits = setting.habits or draw_habits(drawn)
        self._strangers = strangers
        self.typical_usd = setting.open_interest_usd
        self.world = World(news, setting.price, self.habits.daily_volatility * setting.volatility, setting.shocks)
        self.chronicle = Chronicle(setting.agents)
        self.exchange = Exchange(
            setting.agents,
            setting.places,
            _FUND_SHARE * self.typical_usd,
            self.chronicle,
            setting.lot,
            setting.tiers,
        )
        self.traders = Traders(
            crowd,
            self.exchange,
            self.habits,
            setting.people,
            is_levered=setting.is_levered,
            has_stops=setting.has_stops,
        )
        self._liquidator = Liquidator(self.exchange, orders)
        venues = len(setting.places)
        self._depth_usd = [self.habits.depth_share * self.typical_usd * place.share for place in setting.places]
        self._prints = Footprints()
        self._apart = [0.0] * venues  # of each venue's price from the others', log
        self._basis = self._ema = 0.0
        self._ema_by_venue = [0.0] * venues
        self.depth = 1.0  #: quotes that are there, as a share of a calm market's
        self._forced_usd = 0.0  # of late
        self._shade = 0.0  # log price
        self._outside_usd = 0.0  # bought by somebody from outside, in all
        self._premium_sum, self._premium_steps = [0.0] * venues, 0
        self.funding = [_INTEREST] * venues  #: rates paid last
        self.mark = np.full(venues, setting.price)  #: quote per base
        self.last = [setting.price] * venues
        self.ts = setting.ts_start
        self._bought, self._sold = np.zeros(venues), np.zeros(venues)
        self._seized = np.zeros((2, venues))

    # one step ------------------------------------------------------------------------------------------------------

    def step(self, extra_usd: float = 0.0) -> Step:
        """Let one step pass.

        Args:
            extra_usd: what somebody from outside buys (< 0: sells) in it, spread over the venues.
        """
        dt, world, exchange = self.setting.dt_s, self.world, self.exchange
        before, began = self.log_price, self.ts
        self.ts += round(dt * _NS)
        world.step(dt)
        self._settle_prices(dt)
        self._bought[:], self._sold[:], self._seized[:] = 0.0, 0.0, 0.0
        exchange.opened[:], exchange.closed[:] = 0.0, 0.0
        self.traders.decide(world, sum(self._ema_by_venue) / len(self._ema_by_venue), self.last, dt)
        volume = self._bystanders(dt)
        self._trade(volume, extra_usd)
        self._quote(dt)
        self._mark(dt)
        self._liquidate()
        world.feel(self.log_price - before, dt)
        if self.ts // _FUNDING_NS != began // _FUNDING_NS:
            self._pay_funding()
        exchange.keep_makers_liquid(self.mark)
        return self._record()

    def positions(self) -> Table:
        """All positions there ever were, those still open last; columns as in the truth log."""
        return self.chronicle.positions(self.exchange)

    def liquidations(self) -> Table:
        """All closings by force, in order of time; columns as in the truth log."""
        return self.chronicle.liquidations()

    @property
    def funding_ahead(self) -> list[float]:
        """Rates by venue as they would be paid now, fractions of eight hours; those just paid where it is time."""
        if not self._premium_steps:
            return list(self.funding)
        premiums = [total / self._premium_steps for total in self._premium_sum]
        return [one + max(-_FUNDING_CLAMP, min(_FUNDING_CLAMP, _INTEREST - one)) for one in premiums]

    def pace(self, dt_s: float) -> None:
        """Go on in steps of another length, seconds."""
        self.setting = msgspec.structs.replace(self.setting, dt_s=dt_s)

    @property
    def log_price(self) -> float:
        """Log price of the contract, all venues'."""
        world = self.world
        return self.log_index + world.noise + self._basis + self._prints.displacement

    @property
    def log_index(self) -> float:
        """Log price of what the contract is about: the world's, and how far makers have shaded their quotes.

        They shade by what they hold (Ho & Stoll 1981), which others hold the other way: who opens and closes has moved
        nothing in the end, so that no crowd can pull the index along behind itself.
        """
        return self.world.index + self._shade

    def _settle_prices(self, dt: float) -> None:
        """Footprints fade, venues come together, the premium follows the crowd."""
        exchange = self.exchange
        self._prints.fade(dt)
        for venue, place in enumerate(self.setting.places):
            self._apart[venue] *= math.exp(-dt / place.lag_s)
        longs, shorts = float(exchange.longs.sum()), float(exchange.shorts.sum())
        lopsided = (longs - shorts) / (longs + shorts + 1.0)
        self._basis += (_BASIS_MOST * math.tanh(4.5 * lopsided) - self._basis) * dt / _BASIS_S
        self._reprice()

    def _reprice(self) -> None:
        held = (
            float((self.exchange.longs - self.exchange.shorts).sum()) * self.exchange.lot * math.exp(self.world.index)
        )
        self._shade = SHADING * _PERCENT * (held + self._outside_usd) / sum(self._depth_usd)
        middle = self.log_price
        self.last = [math.exp(middle + apart) for apart in self._apart]

    def _bystanders(self, dt: float) -> float:
        """Volume that opens and closes nothing overnight: it is busy when the market is, and leans with its moves.

        Returns:
            Quote units of the step.
        """
        world = self.world
        calm = self.habits.turnover * self.typical_usd * dt / _DAY_S
        volume = calm * math.pow(world.activity, 1.5) * float(self._strangers.gamma(_LUMPY * dt)) / (_LUMPY * dt)
        leaning = 0.5 + 0.15 * math.tanh(world.nerves / (world.daily_volatility * 0.083))
        for venue, place in enumerate(self.setting.places):
            lots = volume * place.share / (self.last[venue] * self.exchange.lot)
            self._bought[venue] += round(lots * leaning)
            self._sold[venue] += round(lots * (1 - leaning))
        return volume

    def _trade(self, volume: float, extra_usd: float) -> None:
        """Agents' orders and the funds' sales walk the books and are filled at one price a venue and side."""
        apart = list(self._apart)
        exchange, places = self.exchange, self.setting.places
        self._outside_usd += extra_usd
        who, lots, taken = self.traders.orders(volume * self.depth, self._bearable(), self.last)
        venue = exchange.venue[who]
        unwound = self._unwound()
        net = np.bincount(venue, taken, len(places)) + unwound
        price, total = np.empty(len(places)), 0.0
        half = _SPREAD * self.world.volatility / self.world.daily_volatility / math.sqrt(self.depth)
        for at, place in enumerate(places):
            usd = float(net[at]) * self.exchange.lot * self.last[at] + extra_usd * place.share
            total += usd
            price[at] = self.last[at] * math.exp(self._push(at, usd))
        if total:
            self._spread_push(total)
        if who.size:
            exchange.trade(who, lots, price[venue] * (1.0 + half * np.sign(taken)), self.ts)
            waited = lots - taken  # somebody else took it
            self._bought += np.bincount(venue, np.maximum(taken, 0.0) + np.maximum(-waited, 0.0), len(places))
            self._sold += np.bincount(venue, np.maximum(-taken, 0.0) + np.maximum(waited, 0.0), len(places))
        if unwound.any():
            exchange.unwind(unwound, price)
        self._come_together(apart)
        self._reprice()

    def _come_together(self, before: list[float]) -> None:
        """In a long step orders are spread over it: most of what they did to one venue alone is over at its end."""
        dt = self.setting.dt_s
        if dt <= _LONG_STEP_S:
            return
        for venue, place in enumerate(self.setting.places):
            left = place.lag_s / dt * -math.expm1(-dt / place.lag_s)
            self._apart[venue] = before[venue] + left * (self._apart[venue] - before[venue])

    def _bearable(self) -> list[float]:
        """Quote units by venue that a stop takes from the book in this step at most."""
        return [_STOP_PACE * self.setting.dt_s * usd * self.depth for usd in self._depth_usd]

    def _unwound(self) -> Floats:
        """Lots that the funds trade in this step, signed: a share of what they hold, at least one."""
        held = self.exchange.fund_lots
        if not held.any():
            return np.zeros(held.size)
        share = np.ceil(np.abs(held) * min(1.0, self.setting.dt_s / _UNWIND_S))
        return np.asarray(-np.sign(held) * share)

    def _push(self, venue: int, usd: float) -> float:
        """Walk one venue's book; the average log distance of the fills, signed."""
        if not usd:
            return 0.0
        walk = Walk(self._depth_usd[venue] * self.depth, self.habits.kappa)
        average = min(walk.take(abs(usd)), _FARTHEST)
        sign = 1.0 if usd > 0 else -1.0
        self._apart[venue] += sign * min(walk.distance, _FARTHEST)
        return sign * average

    def _spread_push(self, usd: float) -> None:
        """What the whole flow does to the price of all venues; what each did to its own beyond that is apart."""
        walk = Walk(sum(self._depth_usd) * self.depth, self.habits.kappa)
        walk.take(abs(usd))
        displacement = min(walk.distance, _FARTHEST) if usd > 0 else -min(walk.distance, _FARTHEST)
        dt = self.setting.dt_s
        self._prints.press(displacement, dt if dt > _LONG_STEP_S else 0.0)
        self._apart = [apart - displacement for apart in self._apart]

    def _quote(self, dt: float) -> None:
        """Quotes go in twenty seconds when people are alarmed or closed by force, and come back in two minutes."""
        self._forced_usd *= math.exp(-dt / 60.0)
        if not self.setting.has_withdrawal:
            return
        forced = self._forced_usd / sum(self._depth_usd)
        fear = max(0.0, self.world.alarm - 2.0) / 2.5 + forced
        target = max(_QUOTES_LEAST, math.exp(-self.habits.withdrawal * min(fear, 2.0)))
        self.depth += (target - self.depth) * min(1.0, dt / (_QUOTES_GO_S if target < self.depth else _QUOTES_COME_S))

    # reference prices and what hangs on them -----------------------------------------------------------------------

    def _mark(self, dt: float) -> None:
        """Marks, and the premium that the next funding is of."""
        share = min(1.0, dt / _MARK_MEMORY_S)
        for venue, last in enumerate(self.last):
            premium = math.log(last) - self.log_index
            self._ema_by_venue[venue] += (premium - self._ema_by_venue[venue]) * share
            self._premium_sum[venue] += premium
        self._premium_steps += 1
        self._remark()

    def _remark(self) -> None:
        """Median of the index with funding, the index with the basis of late, and the last price (Binance)."""
        index = math.exp(self.log_index)
        left = 1.0 - self.ts % _FUNDING_NS / _FUNDING_NS
        for venue, last in enumerate(self.last):
            prices = (index * (1 + self.funding[venue] * left), index * math.exp(self._ema_by_venue[venue]), last)
            self.mark[venue] = sorted(prices)[1]

    def _liquidate(self) -> None:
        """Close by force until nobody is overdue: closings move prices, prices move marks, marks make overdue."""
        exchange, rounds = self.exchange, 0
        self._liquidator.begin_step()
        while True:
            found = False
            for venue in range(len(self.setting.places)):
                hit = exchange.overdue(venue, float(self.mark[venue]))
                if hit.size:
                    found = True
                    self._close_by_force(venue, hit, min(rounds // 3, max(0, int(self.setting.dt_s) - 1)))
            if not found:
                break
            rounds += 1
        self.traders.cancel(np.array(self._liquidator.deleveraged, np.int64))

    def _close_by_force(self, venue: int, hit: np.ndarray[tuple[int], np.dtype[np.int64]], second: int) -> None:
        exchange = self.exchange
        ts = self.ts - round(self.setting.dt_s * _NS) + second * _NS
        for of_longs in (True, False):
            rows = hit[(exchange.lots[hit] > 0) == of_longs]
            rows = rows[exchange.lots[rows] != 0]
            if not rows.size:
                continue
            walk = Walk(self._depth_usd[venue] * self.depth, self.habits.kappa)
            first = len(self.chronicle.forced)
            usd = self._liquidator.close(rows, float(self.mark[venue]), self.last[venue], walk, ts)
            self.traders.cancel(rows)
            self._count_forced(venue, first, of_longs)
            if usd:
                self._forced_usd += usd
                moved = min(walk.distance, _FARTHEST)
                self._apart[venue] += -moved if of_longs else moved
                self._spread_push(-usd if of_longs else usd)
                self._reprice()
                self._remark()

    def _count_forced(self, venue: int, first: int, of_longs: bool) -> None:
        rows = self.chronicle.forced[first:]
        self._seized[0 if of_longs else 1, venue] += sum(row.lots for row in rows)
        side = self._sold if of_longs else self._bought
        side[venue] += sum(row.filled_lots for row in rows)

    def _pay_funding(self) -> None:
        """F = P + clamp(0.01 % - P, ±0.05 %) of the average premium P since the last one."""
        self.funding[:] = self.funding_ahead
        self._premium_sum = [0.0] * len(self.funding)
        self._premium_steps = 0
        self.exchange.pay_funding(np.array(self.funding), self.mark)
        self._liquidate()

    def _record(self) -> Step:
        exchange = self.exchange
        fund = exchange.fund_cash + exchange.fund_lots * self.exchange.lot * self.mark
        return Step(
            self.ts,
            math.exp(self.log_index),
            math.exp(self.log_price),
            self.depth,
            self.world.activity,
            tuple(self.last),
            tuple(self.mark.tolist()),
            tuple(self.funding),
            tuple(exchange.open_interest.tolist()),
            tuple(self._bought.tolist()),
            tuple(self._sold.tolist()),
            tuple(exchange.opened.tolist()),
            tuple(exchange.closed.tolist()),
            tuple(self._seized[0].tolist()),
            tuple(self._seized[1].tolist()),
            tuple(fund.tolist()),
        )


def run(setting: Setting, days: float) -> Iterator[Step]:
    """The steps of a market from its start, one by one."""
    market = AgentMarket(setting)
    for _ in range(round(days * _DAY_S / setting.dt_s)):
        yield market.step()


def record(setting: Setting, days: float, *, map_every_s: float = 900.0) -> Truth:
    """A market from its start to its end, with everything known of it.

    Args:
        setting: which.
        days: of market time.
        map_every_s: seconds between two pictures of the true map; 0: none.
    """
    market = AgentMarket(setting)
    recorder = Recorder(market, map_every_s)
    for _ in range(round(days * _DAY_S / setting.dt_s)):
        recorder.take(market.step())
    return recorder.truth()
