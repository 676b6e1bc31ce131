"""One venue's days before the opening as the agent market lived them, behind them the weeks that are invented.

In: a `Past` and the `Prehistory` that ends where it begins. Out: candles, counts of holdings and fundings of both as
one history, on the venue's own ticks. Longer candles are sums of their minutes, taker volumes are the minutes' own.
"""

import msgspec
import numpy as np

from perpscope.lab.agents.lived import Past
from perpscope.lab.candles import past_minute
from perpscope.lab.listing import Listing
from perpscope.lab.prehistory import MINUTE_NS, PERIOD_NS, Prehistory, Scale, reach, summed
from perpscope.lab.quotations import Census, Funding
from perpscope.lab.symbols import Contract
from perpscope.model.market import Candle, Interval

_BUSY = 2.0  # turnover of a mean minute of the invented weeks over that of a calm one


class CrowdPast:
    """The history of one symbol on one venue.

    Args:
        past: what the crowd did.
        contract: how it behaves.
        listing: how the venue names and sizes it.
        seed: of the lab.
        funding_ns: length of the venue's funding interval.
    """

    def __init__(self, past: Past, contract: Contract, listing: Listing, seed: str, funding_ns: int) -> None:
        instrument = listing.instrument
        self._instrument = instrument.id
        self._row = row = past.places.index(instrument.venue)
        self._past = past
        self._funding_ns = funding_ns
        self._decimals = listing.price_decimals + listing.size_decimals  # of quote volumes
        self.ts_begin = past.ts_begin  #: ns UTC, where the invented weeks end
        self.ts_end = past.ts_end  #: ns UTC, where the market takes over
        tick = float(instrument.tick_size or contract.tick)
        self._prices = np.round(
            np.round(np.stack((past.open[row], past.high[row], past.low[row], past.close[row])) / tick) * tick, 8
        )
        self._bought, self._sold = (np.concatenate(([0.0], np.cumsum(side[row]))) for side in (past.bought, past.sold))
        first = float(self._prices[0, 0])
        volume = float(self._bought[-1] + self._sold[-1]) / past.ts_open.size
        scale = Scale(float(past.open_interest[row, 0]) * first, volume * first / _BUSY)
        older = msgspec.structs.replace(contract, price=first)
        self.ts_oldest = min(reach(self.ts_end), self.ts_begin)  #: ns UTC
        self._older = Prehistory(older, listing, seed, self.ts_begin, funding_ns, scale, self.ts_oldest)

    # candles -------------------------------------------------------------------------------------------------------

    def candles(self, interval: Interval, ts_from: int, ts_to: int) -> list[Candle]:
        """Those opened in [ts_from, ts_to) that had closed when the lab opened, oldest first."""
        older = self._older.candles(interval, ts_from, ts_to)
        first = -(-max(ts_from, self.ts_oldest) // interval.ns) * interval.ns
        if older:
            first = older[-1].ts_open + interval.ns
        last = min(ts_to, self.ts_end - interval.ns + 1)
        return [*older, *(self._candle(interval, ts_open) for ts_open in range(first, last, interval.ns))]

    def _candle(self, interval: Interval, ts_open: int) -> Candle:
        """One that ends after the invented weeks."""
        begin, count = (ts_open - self.ts_begin) // MINUTE_NS, interval.ns // MINUTE_NS
        if begin < 0:
            older = self._older.candles(Interval.M1, ts_open, self.ts_begin)
            return summed([*older, *(self._minute(at) for at in range(begin + count))], interval)
        if interval is Interval.M1:
            return self._minute(begin)
        return summed([self._minute(at) for at in range(begin, begin + count)], interval)

    def _minute(self, at: int) -> Candle:
        past, row = self._past, self._row
        first, high, low, last = self._prices[:, at].tolist()
        bought, sold = float(past.bought[row, at]), float(past.sold[row, at])
        traded = (bought + sold, bought, int(past.trades[row, at]))
        return past_minute(self._instrument, int(past.ts_open[at]), (first, high, low, last), traded, self._decimals)

    # who held what -------------------------------------------------------------------------------------------------

    def taken(self, ts_from: int, ts_to: int) -> tuple[float, float]:
        """What takers bought and sold between two whole minutes, base units."""
        bought, sold = (0.0, 0.0)
        if ts_from < self.ts_begin:
            bought, sold = self._older.taken(ts_from, min(ts_to, self.ts_begin))
        last = len(self._bought) - 1  # of what came after the opening this knows nothing
        begin, end = (min(last, max(0, (ts - self.ts_begin) // MINUTE_NS)) for ts in (ts_from, ts_to))
        return (
            bought + float(self._bought[end] - self._bought[begin]),
            sold + float(self._sold[end] - self._sold[begin]),
        )

    def censuses(self, ts_from: int, ts_to: int, period_ns: int = PERIOD_NS) -> list[Census]:
        """Of periods that ended in [ts_from, ts_to), up to the lab's opening, oldest first."""
        older = self._older.censuses(ts_from, min(ts_to, self.ts_begin + 1), period_ns)
        first = -(-max(ts_from, self.ts_begin + 1) // period_ns) * period_ns
        return [*older, *(self._census(ts, period_ns) for ts in range(first, min(ts_to, self.ts_end + 1), period_ns))]

    def _census(self, ts: int, period_ns: int) -> Census:
        past, at = self._past, (self._row, (ts - self.ts_begin) // MINUTE_NS - 1)
        return Census(
            ts,
            float(past.open_interest[at]),
            float(past.mark[at]),
            float(past.long_accounts[at]),
            float(past.long_top_accounts[at]),
            float(past.long_top_positions[at]),
            *self.taken(max(ts - period_ns, self.ts_oldest), ts),
        )

    def fundings(self, ts_from: int, ts_to: int) -> list[Funding]:
        """Paid in [ts_from, ts_to), up to the lab's opening, oldest first."""
        every = self._funding_ns
        first = -(-max(ts_from, self.ts_begin + 1) // every) * every
        older = self._older.fundings(ts_from, min(ts_to, self.ts_begin + 1))
        return [*older, *(self._funding(ts) for ts in range(first, min(ts_to, self.ts_end + 1), every))]

    def _funding(self, ts: int) -> Funding:
        past, at = self._past, (self._row, (ts - self.ts_begin) // MINUTE_NS - 1)
        mark = float(past.mark[at])
        return Funding(ts, round(float(past.funding_rate[at]), 8), mark, mark / float(past.index[at]) - 1)
