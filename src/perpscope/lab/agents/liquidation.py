"""The agent market's liquidation engine: partial, then all, then the insurance fund, then other agents' profits.

In: agents whose maintenance margin is not met. Out: their positions closed in a finite book, no worse than their
bankruptcy price (an IOC limit there), the rest taken over by the fund or, if that is empty, closed against the rest.
"""

import math

import numpy as np

from perpscope.lab.agents.book import Walk
from perpscope.lab.agents.exchange import Exchange, Indices
from perpscope.lab.agents.truth import LIQUIDATED, Forced

FEE = 0.0125  #: of notional, to the fund, as far as there is margin left (Binance `liquidationFee`, BTCUSDT 2024)
_LARGE_USD = 100_000.0  # positions from here are closed in parts (METHOD 13.1)
_PART = 0.2
_BATCH_NS = 300_000_000  # one round of the engine hangs its orders out within this time


class Liquidator:
    """Closes positions by force.

    Args:
        exchange: the accounts.
        rng: the market's chance; it sets the times within a round.
    """

    def __init__(self, exchange: Exchange, rng: np.random.Generator) -> None:
        self._exchange = exchange
        self._rng = rng
        self.deleveraged: list[int] = []  #: agents who were closed against others in this step
        self._reduced: set[int] = set()  # agents who were spared the rest in this step

    def begin_step(self) -> None:
        """Who was reduced in an earlier step may be reduced again."""
        self._reduced.clear()
        self.deleveraged.clear()

    def close(self, hit: Indices, mark: float, last: float, walk: Walk, ts: int) -> float:
        """Close one venue's positions of one side, or parts of them.

        Args:
            hit: rows; all longs or all shorts, of one venue.
            mark: quote per base.
            last: price where `walk` began, quote per base.
            walk: the side of the book that they hit.
            ts: ns of market time of the round.

        Returns:
            Quote units that were traded in the book.
        """
        exchange, before = self._exchange, walk.eaten
        times = np.sort(self._rng.integers(0, _BATCH_NS, hit.size)).tolist()
        for agent, after in zip(hit.tolist(), times, strict=True):
            self._close_one(agent, mark, last, walk, ts + after)
        exchange.reprice(hit)
        return walk.eaten - before

    def _close_one(self, agent: int, mark: float, last: float, walk: Walk, ts: int) -> None:
        exchange = self._exchange
        held = float(exchange.lots[agent])
        if held == 0.0:  # closed against another one's liquidation a moment ago
            return
        lots = self._due(agent, held, last)
        limit = exchange.bankruptcy(agent)
        filled, price = _fill(lots, held > 0, limit, last, walk, exchange.lot)
        rest, against = lots - filled, 0.0
        sign = -1.0 if held > 0 else 1.0
        if lots == abs(held):
            exchange.chronicle.end(np.array([agent]), ts, exchange, LIQUIDATED)
        if filled:
            exchange.seize(agent, sign * filled, price, FEE)
        if rest and exchange.fund_equity(int(exchange.venue[agent]), mark) > 0:
            exchange.take_over(agent, sign * rest, limit)
        elif rest:
            against, who = exchange.deleverage(agent, sign * rest, limit, ts)
            self.deleveraged.extend(who.tolist())
        exchange.chronicle.forced.append(
            Forced(
                ts,
                int(exchange.venue[agent]),
                agent,
                int(exchange.chronicle.serial[agent]),
                int(-sign),
                lots,
                filled,
                price,
                limit,
                mark,
                rest - against,
                against,
            )
        )

    def _due(self, agent: int, held: float, last: float) -> float:
        """How many lots go: a fifth of a large position at first, all of the others; > 0."""
        size = abs(held)
        if size * self._exchange.lot * last < _LARGE_USD or agent in self._reduced:
            return size
        self._reduced.add(agent)
        return min(size, max(1.0, math.floor(size * _PART)))


def _fill(lots: float, is_long: bool, limit: float, last: float, walk: Walk, lot: float) -> tuple[float, float]:
    """Lots that the book takes no worse than `limit`, and their average price (NaN if none)."""
    reach = math.log(last / limit) if is_long and limit > 0 else math.log(limit / last) if not is_long else 1.0
    notional = lots * lot * last
    there = walk.within(reach)
    filled = lots if there >= notional else math.floor(lots * there / notional)
    if filled <= 0:
        return 0.0, math.nan
    distance = walk.take(filled * lot * last)
    return float(filled), last * math.exp(-distance if is_long else distance)
