"""The exchange's books in a playback: rebuilt from recorded diffs and the REST snapshots recorded among them.

In: diffs by symbol, and snapshots that may not say whose they are. Out: a book per symbol as of the newest diff, or
none while it cannot be known. Rules are Binance's (`venues`' page, "How to manage a local order book correctly").
"""

from collections import deque
from collections.abc import Sequence

import msgspec

from perpscope.lab.book import LabBook, TextLevel

_KEPT = 20_000  # diffs remembered per symbol while no snapshot fits them
_KEPT_SNAPSHOTS = 100


class Diff(msgspec.Struct, frozen=True):
    """A recorded `depthUpdate`."""

    first_id: int = msgspec.field(name="U")
    last_id: int = msgspec.field(name="u")
    bids: list[TextLevel] = msgspec.field(name="b")
    asks: list[TextLevel] = msgspec.field(name="a")
    happened_ms: int = msgspec.field(name="T", default=0)
    previous_id: int = msgspec.field(name="pu", default=-1)


class Snapshot(msgspec.Struct, frozen=True):
    """A recorded reply of `/fapi/v1/depth`."""

    last_id: int = msgspec.field(name="lastUpdateId")
    bids: list[TextLevel]
    asks: list[TextLevel]
    happened_ms: int = msgspec.field(name="T", default=0)


class RecordedBook:
    """One symbol's book. `book` is None while it is not known."""

    def __init__(self) -> None:
        self.book: LabBook | None = None
        self._waiting: deque[Diff] = deque(maxlen=_KEPT)

    def diff(self, diff: Diff) -> None:
        """Take the next diff; one that does not follow the last makes the book unknown (rule 5)."""
        if self.book is not None and diff.previous_id == self.book.last_update_id:
            self.book.apply(diff.bids, diff.asks, diff.last_id, diff.happened_ms * 1_000_000)
            return
        if self.book is not None:
            self.book = None
            self._waiting.clear()
        self._waiting.append(diff)

    def overlap(self, snapshot: Snapshot) -> int:
        """How many prices the snapshot shares with the diffs that wait for one; 0 if it does not bridge them."""
        if self._bridge(snapshot) is None:
            return 0
        prices = {level[0] for diff in self._waiting for level in (*diff.bids, *diff.asks)}
        return sum(level[0] in prices for level in (*snapshot.bids, *snapshot.asks))

    def adopt(self, snapshot: Snapshot) -> None:
        """Begin with a snapshot that bridges, and apply the diffs after it."""
        book = LabBook()
        book.replace(snapshot.bids, snapshot.asks, snapshot.last_id, snapshot.happened_ms * 1_000_000)
        begin = self._bridge(snapshot) or 0
        following = list(self._waiting)[begin:]
        self._waiting.clear()
        self.book = book
        for number, diff in enumerate(following):
            if number and diff.previous_id != book.last_update_id:
                self.book = None
                self._waiting.append(diff)
                return
            book.apply(diff.bids, diff.asks, diff.last_id, diff.happened_ms * 1_000_000)

    def _bridge(self, snapshot: Snapshot) -> int | None:
        """Index of the waiting diff with `U <= lastUpdateId <= u`, or that follows it directly (rules 3 and 4)."""
        last = snapshot.last_id
        for index, diff in enumerate(self._waiting):
            if diff.last_id >= last:
                return index if diff.first_id <= last or diff.previous_id == last else None
        return None


class RecordedBooks:
    """Every symbol's book of a tape."""

    def __init__(self) -> None:
        self._books: dict[str, RecordedBook] = {}
        self._snapshots: deque[Snapshot] = deque(maxlen=_KEPT_SNAPSHOTS)

    def get(self, symbol: str) -> LabBook | None:
        """The book of a symbol as of its newest diff; None while it is not known."""
        recorded = self._books.get(symbol)
        return None if recorded is None else recorded.book

    def diff(self, symbol: str, diff: Diff) -> None:
        """Take a symbol's next diff."""
        recorded = self._books.setdefault(symbol, RecordedBook())
        recorded.diff(diff)
        if recorded.book is None:
            for snapshot in list(self._snapshots):
                if diff.last_id >= snapshot.last_id and self._place(snapshot, [recorded]):
                    self._snapshots.remove(snapshot)
                    return

    def snapshot(self, snapshot: Snapshot) -> None:
        """Take a snapshot; it goes to whose diffs it bridges and whose prices it shares, or waits for one."""
        if not self._place(snapshot, list(self._books.values())):
            self._snapshots.append(snapshot)

    @staticmethod
    def _place(snapshot: Snapshot, candidates: Sequence[RecordedBook]) -> bool:
        shared = {recorded.overlap(snapshot): recorded for recorded in candidates if recorded.book is None}
        most = max(shared, default=0)
        if most:
            shared[most].adopt(snapshot)
        return most > 0
