"""Every match of the trades there are, found by its id, which counts one by one, or by its time.

In: the trades of each symbol, and how many matches the teller has counted. Out: pages of them. The ids are added up
when a symbol is first asked for, and from then on as it trades.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from perpscope.lab.quotations import Quotations
from perpscope.lab.wire.okx import payloads
from perpscope.lab.wire.okx.payloads import MATCHES
from perpscope.model.market import Trade


class Match(NamedTuple):
    """One match of a taker's order."""

    trade_id: int
    trade: Trade
    size: str  #: contracts


class Matches:
    """The matches of every symbol."""

    def __init__(self, quotations: Quotations) -> None:
        self._quotations = quotations
        self._last_ids: dict[str, array[int]] = {}  # by symbol

    def newest(self, symbol: str) -> Iterator[Match]:
        """All of them, newest first."""
        return self._before(symbol, len(self._quotations.stand(symbol).trades))

    def before_id(self, symbol: str, trade_id: int) -> Iterator[Match]:
        """Those with a lower id, newest first."""
        at = bisect_left(self._ids(symbol), trade_id)
        return (match for match in self._before(symbol, at + 1) if match.trade_id < trade_id)

    def before(self, symbol: str, ts: int) -> Iterator[Match]:
        """Those that were made before `ts`, ns UTC, newest first."""
        trades = self._quotations.stand(symbol).trades
        return self._before(symbol, bisect_left(trades, ts, key=lambda trade: trade.ts_event))

    def _before(self, symbol: str, at: int) -> Iterator[Match]:
        """Those of the trades before the one in this place."""
        stand, ids = self._quotations.stand(symbol), self._ids(symbol)
        for place in range(min(at, len(ids)) - 1, -1, -1):
            trade = stand.trades[place]
            sizes = payloads.matches(stand.listing, trade)
            yield from (Match(ids[place] - number, trade, size) for number, size in enumerate(reversed(sizes)))

    def _ids(self, symbol: str) -> Sequence[int]:
        """Of the last match of each trade in the ring."""
        stand, known = self._quotations.stand(symbol), self._last_ids.setdefault(symbol, array("q"))
        counted, place = stand.told[MATCHES].number if MATCHES in stand.told else 0, len(stand.trades)
        fresh = array("q")
        while place and not (known and counted <= known[-1]):
            place -= 1
            fresh.append(counted)
            counted -= len(payloads.matches(stand.listing, stand.trades[place]))
        known.extend(reversed(fresh))
        del known[: max(0, len(known) - len(stand.trades))]
        return known
