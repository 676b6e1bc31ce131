"""The exchange's own order book of one symbol, as text: what it published is what it answers.

Levels keep the very characters that went over the wire, so a REST snapshot and the diff stream can be compared
exactly. Prices are looked up by value, so `7.6110` and `7.611` are one level. `ToldDepth` is the top of a book as the
subscribers of one stream know it, for venues that publish a limited depth.
"""

from bisect import bisect_left
from collections.abc import Iterable

_FIRST_NUMBER = 1000

TextLevel = tuple[str, str]  #: (price, size) as written on the wire; a size of zero in a change removes the price


class _Side:
    """One side's levels, in ascending order of their prices."""

    __slots__ = ("levels", "prices")

    def __init__(self) -> None:
        self.levels: list[TextLevel] = []
        self.prices: list[float] = []  #: of the levels

    def clear(self) -> None:
        """Forget every level."""
        self.levels.clear()
        self.prices.clear()

    def apply(self, changes: Iterable[TextLevel]) -> None:
        """Set levels to their new absolute sizes."""
        levels, prices = self.levels, self.prices
        for level in changes:
            price = float(level[0])
            at = bisect_left(prices, price)
            is_known = at < len(prices) and prices[at] == price
            if not float(level[1]):
                if is_known:
                    del prices[at], levels[at]
            elif is_known:
                levels[at] = level
            else:
                prices.insert(at, price)
                levels.insert(at, level)


class LabBook:
    """One side by side pair of price levels and the id of the last change."""

    __slots__ = ("_asks", "_bids", "last_update_id", "ts_event")

    def __init__(self) -> None:
        self._bids = _Side()
        self._asks = _Side()
        self.last_update_id = 0
        self.ts_event = 0  #: ns UTC, of the last change

    def replace(self, bids: Iterable[TextLevel], asks: Iterable[TextLevel], update_id: int, ts_event: int) -> None:
        """Forget everything and take these levels as the whole book."""
        self._bids.clear()
        self._asks.clear()
        self.apply(bids, asks, update_id, ts_event)

    def apply(self, bids: Iterable[TextLevel], asks: Iterable[TextLevel], update_id: int, ts_event: int) -> None:
        """Set levels to their new absolute sizes."""
        self._bids.apply(bids)
        self._asks.apply(asks)
        self.last_update_id = update_id
        self.ts_event = ts_event

    def top(self, limit: int) -> tuple[list[TextLevel], list[TextLevel]]:
        """The best `limit` bids and asks, best first."""
        return self._bids.levels[: -limit - 1 : -1], self._asks.levels[:limit]


class ToldDepth:
    """The top of a book as the subscribers of one stream know it.

    Args:
        depth: levels per side.
        removed: size written for a level that has left the top.
    """

    __slots__ = ("_removed", "asks", "bids", "depth", "is_begun", "number", "previous_id", "ts_event", "update_id")

    def __init__(self, depth: int, removed: str = "0") -> None:
        self.depth = depth
        self._removed = removed
        self.is_begun = False
        self.bids: list[TextLevel] = []  #: best first
        self.asks: list[TextLevel] = []
        self.update_id = 0  #: of the book, when it was last told
        self.previous_id = 0  #: the `update_id` told before
        self.number = _FIRST_NUMBER  #: counts what was told, one by one, snapshots and changes; never goes back
        self.ts_event = 0  #: ns UTC, of the last change told

    def begin(self, book: LabBook) -> None:
        """Take the top of the book as told; without effect if that was done already."""
        if not self.is_begun:
            self._take(book)
            self.is_begun = True

    def advance(self, book: LabBook) -> tuple[list[TextLevel], list[TextLevel]] | None:
        """The bids and asks that differ from what was told, which are now told too; None if none do, or not begun."""
        if not self.is_begun or book.last_update_id == self.update_id:
            return None
        bids, asks = self.bids, self.asks
        now_bids, now_asks = book.top(self.depth)
        changed = self._changes(bids, now_bids), self._changes(asks, now_asks)
        if not changed[0] and not changed[1]:
            return None
        self._take(book)
        return changed

    def forget(self) -> None:
        """Nobody listens: the next `begin` takes the book anew."""
        self.is_begun = False

    def _take(self, book: LabBook) -> None:
        self.bids, self.asks = book.top(self.depth)
        self.number += 1
        self.previous_id, self.update_id, self.ts_event = self.update_id, book.last_update_id, book.ts_event

    def _changes(self, told: list[TextLevel], now: list[TextLevel]) -> list[TextLevel]:
        """New and changed levels by price, then the prices that left; the order is the same in every process."""
        if told == now:
            return []
        fresh = set(now).difference(told)
        gone = {price for price, _ in set(told).difference(now)}.difference(price for price, _ in fresh)
        return sorted(fresh, key=_price) + [(price, self._removed) for price in sorted(gone, key=float)]


def _price(level: TextLevel) -> float:
    return float(level[0])
