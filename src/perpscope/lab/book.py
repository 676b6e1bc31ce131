"""The exchange's own order book of one symbol, as text: what it published is what it answers.

Levels keep the very characters that went over the wire, so a REST snapshot and the diff stream can be compared
exactly. Prices are looked up by value, so `7.6110` and `7.611` are one level.
"""

import heapq
from collections.abc import Iterable

TextLevel = tuple[str, str]  #: (price, size) as written on the wire; a size of zero in a change removes the price


class LabBook:
    """One side by side pair of price levels and the id of the last change."""

    __slots__ = ("_asks", "_bids", "last_update_id", "ts_event")

    def __init__(self) -> None:
        self._bids: dict[float, TextLevel] = {}
        self._asks: dict[float, TextLevel] = {}
        self.last_update_id = 0
        self.ts_event = 0  #: ns UTC, of the last change

    def replace(self, bids: Iterable[TextLevel], asks: Iterable[TextLevel], update_id: int, ts_event: int) -> None:
        """Forget everything and take these levels as the whole book."""
        self._bids.clear()
        self._asks.clear()
        self.apply(bids, asks, update_id, ts_event)

    def apply(self, bids: Iterable[TextLevel], asks: Iterable[TextLevel], update_id: int, ts_event: int) -> None:
        """Set levels to their new absolute sizes."""
        for changes, side in ((bids, self._bids), (asks, self._asks)):
            for level in changes:
                if float(level[1]):
                    side[float(level[0])] = level
                else:
                    side.pop(float(level[0]), None)
        self.last_update_id = update_id
        self.ts_event = ts_event

    def top(self, limit: int) -> tuple[list[TextLevel], list[TextLevel]]:
        """The best `limit` bids and asks, best first."""
        bids = heapq.nlargest(limit, self._bids)
        asks = heapq.nsmallest(limit, self._asks)
        return [self._bids[price] for price in bids], [self._asks[price] for price in asks]
