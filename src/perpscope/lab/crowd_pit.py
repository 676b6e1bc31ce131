"""One symbol of the lab whose people are known: a crowd's seconds made into trades, book changes and closings by force.

In: the crowd's seconds. Out: what a venue tells of them: takers' trades that add up to what the crowd bought and sold,
closings by force at their own times, best prices that go where its last price went, levels as deep as its quotes are.
"""

import math
import random
from collections import deque

from perpscope.lab.agents.crowd import Crowd
from perpscope.lab.agents.truth import Forced
from perpscope.lab.candles import CandleStack
from perpscope.lab.crowd_past import CrowdPast
from perpscope.lab.crowd_plan import Moment, Plan, plan
from perpscope.lab.happening import Happening
from perpscope.lab.holdings import Holdings
from perpscope.lab.ladder import Ladder
from perpscope.lab.listing import Listing
from perpscope.lab.symbols import Contract
from perpscope.model.market import (
    BookSnapshot,
    Completeness,
    Interval,
    Liquidation,
    MarkPrice,
    PositionSide,
    Sampling,
    Side,
    Trade,
)

_S = 1_000_000_000
_HOUR_NS = 3600 * _S
_FUNDING_H = 8  # of the crowd's rate
_REACH = 0.016  # log distance of the farthest levels
_GAP, _SPARSER = 0.000012, 30  # log distance between the first levels; in how many levels it doubles
_MOST_LEVELS = 400  # per side before the farthest are forgotten
_UNEVEN = 0.7  # spread of the logarithm of a level's size
_OPENED = 8  # levels at most that fill the way the best price has gone, at once
_SPREAD = 0.00004  # log width that is added to the tick as quotes go, by the root of what is left of them
_RENEWED, _RENEWED_MOST = 10, 160  # levels a second whose makers think again: in calm, and while quotes come and go
_RESTLESS = 4000.0  # how many more of them by the change of depth in the second


class CrowdPit:
    """Where one contract is traded by a crowd.

    Args:
        contract: how it behaves.
        listing: how the venue names and sizes it.
        seed: of this symbol's chance: when within a second things happen, and how levels differ.
        crowd: who trades; at the opening.
        past: what was before.
        funding_h: length of a funding interval, hours.

    Raises:
        ValueError: the crowd's lots are not whole steps of the venue, or the venue is none of the crowd's places.
    """

    def __init__(
        self, contract: Contract, listing: Listing, seed: str, crowd: Crowd, past: CrowdPast, funding_h: int
    ) -> None:
        self._rng = random.Random(f"{seed}/crowd")  # noqa: S311 (a market needs repeatable chance, not secrecy)
        self.contract = contract
        self.listing = listing
        self.past = past
        self._id = listing.instrument.id
        self._crowd = crowd
        self._row = row = crowd.join(listing.instrument.venue)
        self._funding_h = funding_h
        ts, price = crowd.standing.ts, crowd.standing.last[row]
        self._ladder = ladder = Ladder(contract, listing, price)
        if not math.isclose(round(crowd.lot / ladder.step) * ladder.step, crowd.lot):
            raise ValueError(f"a lot of {crowd.lot} {contract.base} is not whole steps of {ladder.step}")
        hour = past.candles(Interval.M1, ts - ts % Interval.H1.ns, ts)
        self.candles = CandleStack(self._id, ts, ladder.price(round(price / ladder.tick)), hour)
        self.holdings = Holdings(self._id, seed, ts, past, funding_h * _HOUR_NS)
        self._plan = Plan([], [ts, ts + _S], [price, price])
        self._agenda: deque[Moment] = deque()
        self._ts_next = ts  # the next second
        self._depth = crowd.standing.depth
        self._renewed = 0  # levels of a side whose makers think again at a moment
        self._gap = max(1, round(_GAP * ladder.best_bid))  # ticks; all levels but the best are on multiples of it
        self._grid = self._distances()
        for distance, width in self._grid:
            self._set(Side.BUY, distance, width)
            self._set(Side.SELL, distance, width)
        self._set_best()

    # what others ask -----------------------------------------------------------------------------------------------

    @property
    def mid(self) -> float:
        """Middle of the best bid and ask, quote per base."""
        return self._ladder.mid

    def next_arrival_ns(self) -> int:
        """When something happens next; the next second if nothing does before."""
        return self._agenda[0].ts if self._agenda else self._ts_next

    def snapshot(self, ts: int, update_id: int) -> BookSnapshot:
        """The whole book, as of `update_id`."""
        return self._ladder.snapshot(ts, update_id)

    # a second ------------------------------------------------------------------------------------------------------

    def second(self, ts: int, activity: float) -> MarkPrice:
        """Begin the second at `ts`: how things stand now. What is going to happen in it comes with `arrive`.

        Raises:
            KeyError: it is not the crowd's next second.
        """
        second, row = self._crowd.second(ts), self._row
        self._plan = plan(self._rng, second, row, self._ladder.step, self._crowd.lot, activity)
        self._agenda.extend(self._plan.moments)
        self._ts_next = ts + _S
        change = abs(second.after.depth - self._depth)
        self._depth = second.after.depth
        self._renewed = -(-min(_RENEWED_MOST, _RENEWED + int(_RESTLESS * change)) // (2 * len(self._plan.moments)))
        now = second.before
        self.holdings.count(now.open_interest[row], None if now.stances is None else now.stances[:, row].tolist())
        interval_ns = self._funding_h * _HOUR_NS
        return MarkPrice(
            self._id,
            ts,
            ts,
            round(now.mark[row], 8),
            round(now.index, 8),
            round(now.funding_rate[row] * self._funding_h / _FUNDING_H, 8),
            ts - ts % interval_ns + interval_ns,
            float(self._funding_h),
        )

    def arrive(self, ts: int, update_id: int) -> tuple[list[Happening], int]:
        """Everything that happens at `ts`, and the last update id used; `update_id` is the last one used before."""
        events: list[Happening] = []
        if not self._agenda or self._agenda[0].ts > ts:
            return events, update_id
        while self._agenda and self._agenda[0].ts <= ts:
            moment = self._agenda.popleft()
            if moment.forced is None:
                self._reprice(self._plan.price_at(ts) / self._ladder.tick)
                if moment.steps:
                    events.append(self._take(moment.steps, ts))
            else:
                events.extend(self._close(moment.forced, ts))
        for _ in range(self._renewed):
            for side in (Side.BUY, Side.SELL):
                self._set(side, *self._grid[int(len(self._grid) * self._rng.random() ** 2)])
        self._set_best()
        for event in events:
            if isinstance(event, Trade):
                self.candles.trade(event)
                self.holdings.trade(event)
        told, last = self._ladder.told(ts, update_id)
        return [*events, *told], last

    def _take(self, steps: int, ts: int) -> Trade:
        """A taker's trade at the best price, of which it eats a part."""
        side = Side.BUY if steps > 0 else Side.SELL
        self._set_best()
        self._ladder.eat(side, abs(steps))
        return self._ladder.take(side, ts, abs(steps))

    def _close(self, forced: Forced, ts: int) -> list[Happening]:
        """An order that closes a position by force: through the book to its average price, told as one trade."""
        ladder, is_long = self._ladder, forced.side > 0
        lot, events = self._crowd.lot, list[Happening]()
        fill = None
        if forced.filled_lots:
            tick = round(forced.fill_price / ladder.tick)
            fill, spread = ladder.price(tick), self._spread()
            self._move(*((tick, tick + spread) if is_long else (tick - spread, tick)))
            events.append(self._take(round(forced.filled_lots * lot / ladder.step) * (-1 if is_long else 1), ts))
        limit = ladder.price(max(1, round(forced.bankruptcy_price / ladder.tick)))
        side, size = PositionSide.LONG if is_long else PositionSide.SHORT, round(forced.lots * lot, 8)
        events.append(Liquidation(self._id, ts, ts, side, size, fill, limit, Completeness.COMPLETE, Sampling.NONE))
        return events

    # the book ------------------------------------------------------------------------------------------------------

    def _reprice(self, ticks: float) -> None:
        spread = self._spread()
        bid = math.floor(ticks - (spread - 1) / 2)
        self._move(bid, bid + spread)

    def _spread(self) -> int:
        """Ticks between the best prices: one, sometimes two or three, more as quotes go."""
        thinness = _SPREAD * self._ladder.best_bid * (1.0 / math.sqrt(self._depth) - 1.0)
        return 1 + int(self._rng.random() ** 4 * 3 + max(0.0, thinness))

    def _move(self, bid: int, ask: int) -> None:
        """Other best prices; who was best alone follows them, and some fill the way."""
        ladder, gap = self._ladder, self._gap
        old_bid, old_ask = ladder.best_bid, ladder.best_ask
        ladder.move(bid, ask)
        for side, old, best in ((Side.BUY, old_bid, bid), (Side.SELL, old_ask, ask)):
            if old != best and old % gap:
                ladder.put(side, old, 0)
        for tick in range(bid - bid % gap, max(old_bid, bid - _OPENED * gap), -gap):
            ladder.put(Side.BUY, tick, self._lots(bid - tick, gap))
        for tick in range(ask + -ask % gap, min(old_ask, ask + _OPENED * gap), gap):
            ladder.put(Side.SELL, tick, self._lots(tick - ask, gap))

    def _set_best(self) -> None:
        """Somebody stands at the best prices."""
        ladder = self._ladder
        if ladder.best_bid not in ladder.bids:
            ladder.put(Side.BUY, ladder.best_bid, max(1, self._lots(0, self._gap)))
        if ladder.best_ask not in ladder.asks:
            ladder.put(Side.SELL, ladder.best_ask, max(1, self._lots(0, self._gap)))

    def _set(self, side: Side, distance: int, width: int) -> None:
        """The makers of one stretch of the book think again: one level stands for all of it."""
        ladder, gap = self._ladder, self._gap
        if side is Side.BUY:
            tick = (ladder.best_bid - distance) // width * width
            levels, inner, best = ladder.bids, range(tick - width + gap, tick, gap), ladder.best_bid
        else:
            tick = -(-(ladder.best_ask + distance) // width) * width
            levels, inner, best = ladder.asks, range(tick + gap, tick + width, gap), ladder.best_ask
        for within in inner:
            if within in levels:
                ladder.put(side, within, 0)
        ladder.put(side, tick, max(self._lots(distance, width), int(tick == best)))
        if len(levels) > _MOST_LEVELS:
            for far in sorted(levels, key=lambda level: abs(level - best))[_MOST_LEVELS // 2 :]:
                ladder.put(side, far, 0)

    def _lots(self, distance: int, width: int) -> int:
        """Steps that rest in a stretch of the book, ticks from the best price: METHOD 7's profile, unevenly."""
        crowd, ladder = self._crowd, self._ladder
        percent = 0.01 * ladder.best_bid
        share = ((distance + width) / percent) ** crowd.kappa - (distance / percent) ** crowd.kappa
        usd = crowd.depth_usd[self._row] * self._depth * share
        uneven = self._rng.lognormvariate(-_UNEVEN * _UNEVEN / 2, _UNEVEN)
        return int(usd * uneven / (ladder.best_bid * ladder.tick * ladder.step) + 0.5)

    def _distances(self) -> list[tuple[int, int]]:
        """Where stretches of the book begin, and how wide they are: ticks from the best price."""
        grid, distance = list[tuple[int, int]](), 0
        while distance < _REACH * self._ladder.best_bid:
            width = self._gap << len(grid) // _SPARSER
            grid.append((distance, width))
            distance += width
        return grid
