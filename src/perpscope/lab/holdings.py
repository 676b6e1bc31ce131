"""Who holds what of one symbol: open interest, how accounts stand, fundings, and bars of the reference prices.

In: trades, liquidations, marks, the passing of seconds. Out: what a venue's statistics are made of, invented and
seeded: open interest moves with trades and falls with liquidations, long fractions wander about levels set by hand.
A day of it before the start is invented too, so that a history can be asked for at once.
"""

import random
from collections import deque
from collections.abc import Sequence

from perpscope.lab.quotations import Bar, Census, Funding
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Liquidation, MarkPrice, OpenInterest, Side, Trade

_NS_PER_S = 1_000_000_000
_MINUTE_NS = 60 * _NS_PER_S
_HOUR_NS = 3600 * _NS_PER_S
PERIOD_NS = 5 * _MINUTE_NS  #: the shortest that is counted
_HISTORY_NS = 24 * _HOUR_NS
_KEPT_PERIODS = 8640  # 30 days
_KEPT_MINUTES = 3000
_KEPT_FUNDINGS = 1000
_OPEN_INTEREST_USD = 250_000_000.0
_LEAST = 0.2  # of the open interest at the start
_TURNOVER_USD = 3_000_000.0  # a period's taker volume before the start
_OPENED = (-0.48, 0.52)  # share of a trade that opens (or, below zero, closes) positions on both sides
_LONG_LEVELS = (0.56, 0.53, 0.51)  # all accounts, top accounts, top positions
_LONG_MEMORY, _LONG_NOISE = 0.97, 0.008  # of the long fractions, per period


class Holdings:
    """The statistics of one symbol.

    Args:
        instrument: whose.
        seed: of this symbol's chance; apart from the pit's, so that trading is the same with and without statistics.
        ts_start: ns UTC.
        price: at the start, quote per base.
        funding_ns: length of a funding interval.
    """

    def __init__(self, instrument: InstrumentId, seed: str, ts_start: int, price: float, funding_ns: int) -> None:
        self._rng = random.Random(f"{seed}/holdings")  # noqa: S311 (repeatable chance)
        self._instrument = instrument
        self._funding_ns = funding_ns
        self._long = list(_LONG_LEVELS)
        self._bought = self._sold = 0.0
        self.open_interest = _OPEN_INTEREST_USD / price  #: base units, one side; > 0
        self._least = self.open_interest * _LEAST
        self.censuses: deque[Census] = deque(maxlen=_KEPT_PERIODS)
        self.fundings: deque[Funding] = deque(maxlen=_KEPT_FUNDINGS)
        self._minutes: dict[str, deque[Bar]] = {
            which: deque(maxlen=_KEPT_MINUTES) for which in ("mark", "index", "premium")
        }
        self._invent(ts_start, price)

    def _invent(self, ts_start: int, price: float) -> None:
        """The day before the start."""
        for ts in range(ts_start - ts_start % PERIOD_NS - _HISTORY_NS, ts_start + 1, PERIOD_NS):
            turnover = _TURNOVER_USD / price * self._rng.lognormvariate(0, 0.5)
            self._bought = turnover * self._rng.uniform(0.4, 0.6)
            self._sold = turnover - self._bought
            self.open_interest = max(self._least, self.open_interest * (1 + self._rng.gauss(0, 0.002)))
            self._count(ts, price)
        for ts in range(ts_start - ts_start % self._funding_ns - _HISTORY_NS, ts_start + 1, self._funding_ns):
            rate = round(0.0001 * self._funding_ns / (8 * _HOUR_NS), 8)
            self.fundings.append(Funding(ts, rate, price, 0.0))

    # what happens --------------------------------------------------------------------------------------------------

    def trade(self, trade: Trade) -> None:
        """Somebody opened or closed something, or handed it over."""
        if trade.side is Side.BUY:
            self._bought += trade.size
        else:
            self._sold += trade.size
        self.open_interest = max(self._least, self.open_interest + trade.size * self._rng.uniform(*_OPENED))

    def liquidation(self, liquidation: Liquidation) -> None:
        """A position is gone."""
        self.open_interest = max(self._least, self.open_interest - liquidation.size)

    def second(self, ts: int, mark: MarkPrice) -> OpenInterest:
        """Count at `ts`: the open interest, the bars, and what ends on this second."""
        index = mark.mark if mark.index is None else mark.index
        premium = mark.mark / index - 1
        for which, price in (("mark", mark.mark), ("index", index), ("premium", premium)):
            _extend(self._minutes[which], ts - ts % _MINUTE_NS, price)
        if ts % PERIOD_NS == 0 and ts > self.censuses[-1].ts:
            self._count(ts, mark.mark)
        if ts % self._funding_ns == 0 and ts > self.fundings[-1].ts:
            self.fundings.append(Funding(ts, mark.funding_rate or 0.0, mark.mark, premium))
        return OpenInterest(self._instrument, ts, ts, self.open_interest, self.open_interest * mark.mark)

    def _count(self, ts: int, mark: float) -> None:
        for number, level in enumerate(_LONG_LEVELS):
            pulled = level + _LONG_MEMORY * (self._long[number] - level) + self._rng.gauss(0, _LONG_NOISE)
            self._long[number] = min(0.95, max(0.05, pulled))
        every, top, positions = self._long
        self.censuses.append(Census(ts, self.open_interest, mark, every, top, positions, self._bought, self._sold))
        self._bought = self._sold = 0.0

    # what others ask -----------------------------------------------------------------------------------------------

    def periods(self, period_ns: int) -> Sequence[Census]:
        """The rows at the ends of longer periods, with what takers did in the whole of each."""
        if period_ns <= PERIOD_NS:
            return list(self.censuses)
        rows: list[Census] = []
        bought = sold = 0.0
        for row in self.censuses:
            bought += row.taker_buy
            sold += row.taker_sell
            if row.ts % period_ns == 0:
                longs = (row.long_fraction, row.top_long_fraction, row.top_position_long_fraction)
                rows.append(Census(row.ts, row.open_interest, row.mark, *longs, bought, sold))
                bought = sold = 0.0
        return rows

    def bars(self, which: str, interval_ns: int) -> Sequence[Bar]:
        """Bars of whole minutes, oldest first, the forming one last."""
        bars: list[Bar] = []
        for minute in self._minutes[which]:
            ts_open = minute.ts_open - minute.ts_open % interval_ns
            if bars and bars[-1].ts_open == ts_open:
                bar = bars[-1]
                bars[-1] = Bar(ts_open, bar.open, max(bar.high, minute.high), min(bar.low, minute.low), minute.close)
            else:
                bars.append(Bar(ts_open, minute.open, minute.high, minute.low, minute.close))
        return bars


def _extend(minutes: deque[Bar], ts_open: int, price: float) -> None:
    """Take one more price into the forming minute, or begin it."""
    if minutes and minutes[-1].ts_open == ts_open:
        bar = minutes[-1]
        minutes[-1] = Bar(ts_open, bar.open, max(bar.high, price), min(bar.low, price), price)
    else:
        minutes.append(Bar(ts_open, price, price, price, price))
