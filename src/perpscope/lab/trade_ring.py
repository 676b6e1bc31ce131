"""Every trade of one symbol since the start, the newest 200,000 of them: 33 bytes each, and found by id or by time.

In: trades as they happen. Out: what a venue's REST tells of them, also days later.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import overload

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Side, Trade

KEPT = 200_000  #: trades; at the lab's usual pace most of a market day


class TradeRing(Sequence[Trade]):
    """Trades of one instrument, oldest first.

    Args:
        kept: how many are remembered at least; a quarter more before the oldest are forgotten.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._instrument = InstrumentId("")
        self._ids = array("q")
        self._times = array("q")
        self._prices = array("d")
        self._sizes = array("d")
        self._bought = bytearray()
        self._columns: tuple[array[int] | array[float] | bytearray, ...] = (
            self._ids,
            self._times,
            self._prices,
            self._sizes,
            self._bought,
        )

    def append(self, trade: Trade) -> None:
        """Take the newest one; ids are whole numbers that rise, times do not fall."""
        self._instrument = trade.instrument
        self._ids.append(int(trade.trade_id))
        self._times.append(trade.ts_event)
        self._prices.append(trade.price)
        self._sizes.append(trade.size)
        self._bought.append(trade.side is Side.BUY)
        if len(self._ids) >= self._kept * 5 // 4:
            for column in self._columns:
                del column[: -self._kept]

    def from_id(self, first_id: int, limit: int) -> list[Trade]:
        """The first `limit` trades from an id on."""
        at = bisect_left(self._ids, first_id)
        return self[at : at + limit]

    def before_id(self, last_id: int, limit: int) -> list[Trade]:
        """The last `limit` trades before an id."""
        at = bisect_left(self._ids, last_id)
        return self[max(0, at - limit) : at]

    def between(self, ts_from: int, ts_to: int, chosen: slice = slice(None)) -> list[Trade]:
        """Those in [ts_from, ts_to), ns UTC; only the chosen ones of them, e.g. the first thousand."""
        found = range(bisect_left(self._times, ts_from), bisect_left(self._times, ts_to))
        return [self._trade(at) for at in found[chosen]]

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, at: int) -> Trade: ...

    @overload
    def __getitem__(self, at: slice) -> list[Trade]: ...

    def __getitem__(self, at: int | slice) -> Trade | list[Trade]:
        if isinstance(at, slice):
            return [self._trade(each) for each in range(*at.indices(len(self)))]
        return self._trade(range(len(self))[at])

    def _trade(self, at: int) -> Trade:
        ts, side = self._times[at], Side.BUY if self._bought[at] else Side.SELL
        return Trade(
            self._instrument, ts, ts, self._ids[at], self._prices[at], self._sizes[at], side, is_aggregate=True
        )
