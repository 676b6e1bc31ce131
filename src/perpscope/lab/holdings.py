"""Who holds what of one symbol: open interest, how accounts stand, fundings, and bars of the reference prices.

In: trades, liquidations, marks, the passing of seconds. Out: what a venue's statistics are made of. Without a crowd
they are invented and seeded: open interest moves with trades and falls with liquidations, long fractions wander about
levels set by hand. With one they are what it counts. What was before the start is the history's, which it goes on from.
"""

import random
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import TypeVar

import msgspec

from perpscope.lab.prehistory import HOUR_NS, LONG_LEVELS, MINUTE_NS, PERIOD_NS, History
from perpscope.lab.quotations import Bar, Census, Funding
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Liquidation, MarkPrice, OpenInterest, Side, Trade

Row = TypeVar("Row", Census, Funding)

_DAY_NS = 24 * HOUR_NS
_KEPT_PERIODS = 8640  # 30 days
_KEPT_MINUTES = 3000
_KEPT_FUNDINGS = 1000
_LEAST = 0.2  # of the open interest at the start
_OPENED = (-0.48, 0.52)  # share of a trade that opens (or, below zero, closes) positions on both sides
_LONG_MEMORY, _LONG_NOISE = 0.97, 0.008  # of the long fractions, per period


class Holdings:
    """The statistics of one symbol.

    Args:
        instrument: whose.
        seed: of this symbol's chance; apart from the pit's, so that trading is the same with and without statistics.
        ts_start: ns UTC.
        past: what was before.
        funding_ns: length of a funding interval.
    """

    def __init__(self, instrument: InstrumentId, seed: str, ts_start: int, past: History, funding_ns: int) -> None:
        self._rng = random.Random(f"{seed}/holdings")  # noqa: S311 (repeatable chance)
        self._instrument = instrument
        self._past = past
        self._funding_ns = funding_ns
        self._ts_counted = ts_start - ts_start % PERIOD_NS  # end of the last period that is the prehistory's
        self._ts_funded = ts_start - ts_start % funding_ns
        (last,) = past.censuses(self._ts_counted, self._ts_counted + 1)
        self._long = [last.long_fraction, last.top_long_fraction, last.top_position_long_fraction]
        self._bought, self._sold = past.taken(self._ts_counted, past.ts_end)
        self.open_interest = last.open_interest  #: base units, one side; > 0
        self._least = self.open_interest * _LEAST
        self._is_counted = False
        self._censuses: deque[Census] = deque(maxlen=_KEPT_PERIODS)
        self._fundings: deque[Funding] = deque(maxlen=_KEPT_FUNDINGS)
        self._minutes: dict[str, deque[Bar]] = {
            which: deque(maxlen=_KEPT_MINUTES) for which in ("mark", "index", "premium")
        }

    # what happens --------------------------------------------------------------------------------------------------

    def trade(self, trade: Trade) -> None:
        """Somebody opened or closed something, or handed it over."""
        if trade.side is Side.BUY:
            self._bought += trade.size
        else:
            self._sold += trade.size
        if self._is_counted:
            return
        self.open_interest = max(self._least, self.open_interest + trade.size * self._rng.uniform(*_OPENED))

    def liquidation(self, liquidation: Liquidation) -> None:
        """A position is gone."""
        if not self._is_counted:
            self.open_interest = max(self._least, self.open_interest - liquidation.size)

    def count(self, open_interest: float, long_fractions: Sequence[float] | None) -> None:
        """Somebody knows: from now on nothing is guessed.

        Args:
            open_interest: base units, one side.
            long_fractions: of all accounts, of the largest, of what these hold; None if they were not counted.
        """
        self._is_counted = True
        self.open_interest = open_interest
        if long_fractions is not None:
            self._long[:] = long_fractions

    def second(self, ts: int, mark: MarkPrice) -> OpenInterest:
        """Count at `ts`: the open interest, the bars, and what ends on this second."""
        index = mark.mark if mark.index is None else mark.index
        premium = mark.mark / index - 1
        for which, price in (("mark", mark.mark), ("index", index), ("premium", premium)):
            _extend(self._minutes[which], ts - ts % MINUTE_NS, price)
        if ts % PERIOD_NS == 0 and ts > self._ts_counted:
            self._count(ts, mark.mark)
        if ts % self._funding_ns == 0 and ts > self._ts_funded:
            self._fundings.append(Funding(ts, mark.funding_rate or 0.0, mark.mark, premium))
        return OpenInterest(self._instrument, ts, ts, self.open_interest, self.open_interest * mark.mark)

    def _count(self, ts: int, mark: float) -> None:
        for number, level in enumerate(() if self._is_counted else LONG_LEVELS):
            pulled = level + _LONG_MEMORY * (self._long[number] - level) + self._rng.gauss(0, _LONG_NOISE)
            self._long[number] = min(0.95, max(0.05, pulled))
        every, top, positions = self._long
        self._censuses.append(Census(ts, self.open_interest, mark, every, top, positions, self._bought, self._sold))
        self._bought = self._sold = 0.0

    # what others ask -----------------------------------------------------------------------------------------------

    def fundings(self, ts_from: int | None = None, ts_to: int | None = None) -> Sequence[Funding]:
        """Payments in [ts_from, ts_to), oldest first; without times those since a day before the start."""
        begin = self._ts_funded - _DAY_NS if ts_from is None else ts_from
        told = _between(self._fundings, begin, ts_to)
        return [*self._past.fundings(begin, _end(ts_to, self._ts_funded)), *told]

    def periods(self, period_ns: int, ts_from: int | None = None, ts_to: int | None = None) -> Sequence[Census]:
        """The rows at the ends of periods in [ts_from, ts_to), with what takers did in the whole of each.

        Without times those since a day before the start.
        """
        begin = self._ts_counted - _DAY_NS if ts_from is None else ts_from
        rows = self._past.censuses(begin, _end(ts_to, self._ts_counted), period_ns)
        ts_summed = max((-(-begin // period_ns) - 1) * period_ns, self._ts_counted - self._ts_counted % period_ns)
        bought, sold = self._past.taken(ts_summed, max(ts_summed, self._ts_counted))
        for row in _between(self._censuses, ts_summed + 1, ts_to):
            bought += row.taker_buy
            sold += row.taker_sell
            if row.ts % period_ns == 0:
                rows.append(msgspec.structs.replace(row, taker_buy=bought, taker_sell=sold))
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


def _end(ts_to: int | None, ts_last: int) -> int:
    """Where a stretch of the prehistory ends whose last row is at `ts_last`."""
    return ts_last + 1 if ts_to is None else min(ts_to, ts_last + 1)


def _between(rows: Sequence[Row], ts_from: int, ts_to: int | None) -> list[Row]:
    """Those in [ts_from, ts_to); the newest are at the end."""
    begin = bisect_left(rows, ts_from, key=_ts)
    end = len(rows) if ts_to is None else bisect_left(rows, ts_to, key=_ts)
    return list(islice(rows, begin, end))


def _ts(row: Census | Funding) -> int:
    return row.ts


def _extend(minutes: deque[Bar], ts_open: int, price: float) -> None:
    """Take one more price into the forming minute, or begin it."""
    if minutes and minutes[-1].ts_open == ts_open:
        bar = minutes[-1]
        minutes[-1] = Bar(ts_open, bar.open, max(bar.high, price), min(bar.low, price), price)
    else:
        minutes.append(Bar(ts_open, price, price, price, price))
