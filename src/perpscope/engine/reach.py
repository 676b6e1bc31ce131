"""How far a book is known that began with a copy of few levels, and what was told of it since.

In: the copy, and every delta applied after it. Out: which levels may be read, and which ones of a deeper copy are news.
Sizes are absolute: a price told since the copy has its latest size in the book already, however deep it lies; at any
other price the deeper copy is right, because nothing has happened there.
"""

from collections.abc import Iterable, Iterator
from math import inf

from perpscope.model.market import BookDelta, BookSnapshot, Level


class Reach:
    """Of one readable book.

    Args:
        copy: of few levels, at least one on either side.
        before: the reach this one takes the place of, where a copy as shallow came once more.
    """

    __slots__ = ("_high", "_low", "_since_id", "_told_asks", "_told_bids", "deeper")

    def __init__(self, copy: BookSnapshot, before: "Reach | None" = None) -> None:
        self.deeper: BookSnapshot | None = None  #: waits until the stream has reached it
        self._since_id: int = copy.last_update_id  # everything since has been told
        self._low = min((price for price, _ in copy.bids), default=-inf)  # quote per base
        self._high = max((price for price, _ in copy.asks), default=inf)
        self._told_bids: set[float] = set()
        self._told_asks: set[float] = set()
        if before is not None:
            self._low, self._high = min(self._low, before._low), max(self._high, before._high)
            self._told_bids, self._told_asks = before._told_bids, before._told_asks
            self._since_id = before._since_id

    def note(self, delta: BookDelta) -> None:
        """A delta has been applied."""
        self._told_bids.update(price for price, _ in delta.bids)
        self._told_asks.update(price for price, _ in delta.asks)

    def hold(self, deeper: BookSnapshot) -> bool:
        """Keep a deeper copy for the delta that reaches it; False for one from before the first copy."""
        if deeper.last_update_id < self._since_id:
            return False
        self.deeper = deeper
        return True

    def within(self, levels: list[Level], *, is_bid: bool) -> list[Level]:
        """Of levels, best first, those up to which each one is known."""
        low, high = self._low, self._high
        return [level for level in levels if (level[0] >= low if is_bid else level[0] <= high)]

    def beyond(self, levels: Iterable[Level], *, is_bid: bool) -> Iterator[Level]:
        """What a deeper copy tells of prices that were out of reach, and of which nothing was told since."""
        low, high = self._low, self._high
        told = self._told_bids if is_bid else self._told_asks
        for level in levels:
            price = level[0]
            if price not in told and (price < low if is_bid else price > high):
                yield level
