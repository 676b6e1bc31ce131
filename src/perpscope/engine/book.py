"""The order book of one instrument, kept by its venue's own rules and read only while it is known to be right.

In: deltas and snapshots, in the order of receipt. Out: what became of each, as a `BookChange`; and best prices, levels
and slippage while the book is readable, `None` otherwise. Binance streams deltas alone, and a copy asked for by REST is
bridged to them. The other venues stream snapshots (`is_stream`) in their place among the deltas: one replaces whatever
is there, the next delta chains to it, and after a hole the topic is subscribed anew. Both families' rules stand below.
A copy of few levels (`is_top`) makes a book readable as far as it reaches, until a deeper one tells the rest.
"""

import enum
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final, NamedTuple, TypeAlias

from perpscope.engine.ladder import Ladder
from perpscope.engine.reach import Reach
from perpscope.engine.slippage import Slippage, walk
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import BookDelta, BookSnapshot, Level, Side

# Rules cited by number are Binance's, under "How to manage a local order book correctly" of
# https://developers.binance.com/en/docs/catalog/core-trading-derivatives-trading-usd-s-m-futures/api/ws-streams/public
#
# Bybit (docs v5, websocket/public/orderbook): a snapshot overwrites the book whenever it comes, one of `u` = 1 after a
# restart. That `u` rises by one is not promised; a jump is taken for a hole, to be safe.
# OKX (okx.com/docs-v5, order book channel): each `prevSeqId` equals the last `seqId`; a quiet book repeats its `seqId`,
# and after maintenance a chained message may carry a lower one.
# Bitget (bitget.com/docs/uta, channel `books`): each `pseq` equals the last `seq`, but the first after a snapshot has
# the snapshot's between its `pseq` and `seq`; `pseq` = 0 means numbers begin anew, and a snapshot is to be awaited.
# Hyperliquid (hyperliquid.gitbook.io, subscription `l2Book`): every message is whole, numbered by its time in ms.

#: Deltas kept while a snapshot is awaited: over eight minutes of a 100 ms stream.
BUFFER_DELTAS: Final = 5_000


class Top(NamedTuple):
    """Best bid and ask of a book."""

    bid: float  #: quote per base
    bid_size: float  #: base units
    ask: float  #: quote per base
    ask_size: float  #: base units

    @property
    def mid(self) -> float:
        """Half way between bid and ask, quote per base."""
        return (self.bid + self.ask) / 2.0


#: Told the update id and the top after every delta applied, those replayed from the buffer included, and after every
#: streamed snapshot.
OnApplied: TypeAlias = Callable[[int, Top | None], None]


class BookChange(enum.Enum):
    """What became of a delta or a snapshot."""

    APPLIED = "applied"  #: the readable book moved on, or was replaced by a streamed snapshot
    BUFFERED = "buffered"  #: kept until there is a snapshot
    LIVE = "live"  #: the book has become readable
    HOLE = "hole"  #: a delta is missing: the book is unreadable from now on
    CROSSED = "crossed"  #: bid >= ask: the book is wrong and unreadable from now on
    HELD = "held"  #: a snapshot ahead of every delta seen, or deeper than the book; kept until the stream reaches it
    STALE_SNAPSHOT = "stale_snapshot"  #: the stream begins after the snapshot: another one is needed
    DUPLICATE = "duplicate"  #: contained in what is already there; harmless
    IGNORED = "ignored"  #: a snapshot nobody asked for


class OrderBook:
    """Bids and asks of one instrument, with the venue's own proof that nothing is missing.

    Args:
        instrument: whose book it is.
        on_applied: called after every applied delta or streamed snapshot.
        buffer_deltas: kept while awaiting a snapshot; the oldest goes first, and then no older snapshot can bridge.
    """

    def __init__(
        self, instrument: InstrumentId, on_applied: OnApplied | None = None, buffer_deltas: int = BUFFER_DELTAS
    ) -> None:
        self.instrument = instrument
        self.is_readable = False  #: True while every read is served
        self.ts_last = 0  #: ns UTC, `ts_recv` of the last delta or streamed snapshot applied, ever; 0 if there was none
        self._on_applied = on_applied
        self._bids = Ladder(is_bid=True)
        self._asks = Ladder(is_bid=False)
        self._last_id = 0
        self._last_event = 0  # ts_event of the last delta applied or buffered, or streamed snapshot
        self._may_bridge = False  # the last thing applied is a streamed snapshot
        self._buffer: deque[BookDelta] = deque(maxlen=buffer_deltas)  # always one unbroken chain
        self._held: BookSnapshot | None = None
        self._reach: Reach | None = None  # of a copy of few levels; None where every level is known

    @property
    def is_whole(self) -> bool:
        """False while levels are known no further than a copy of few levels reaches; they alone are read."""
        return self._reach is None

    @property
    def wants_depth(self) -> bool:
        """True if a deeper copy taken from now on could tell how a readable book goes on."""
        return self.is_readable and self._reach is not None and self._reach.deeper is None

    @property
    def wants_snapshot(self) -> bool:
        """True if a snapshot taken from now on could make the book readable (rules 1 and 2: buffer first, then ask).

        Where snapshots are streamed, a topic subscribed anew brings one. Without any delta there is nothing to ask for:
        the stream has not begun, or each of its messages is whole.
        """
        return not self.is_readable and self._held is None and bool(self._buffer)

    def apply(self, delta: BookDelta) -> BookChange:
        """Take one delta."""
        if not self.is_readable:
            return self._await(delta)
        # Rule 5: each event's `pu` must equal the previous event's `u`; otherwise begin again.
        if delta.prev_update_id != self._last_id:
            if self._is_repeat(delta.last_update_id, delta.ts_event, self._last_id):
                return BookChange.DUPLICATE
            if not (self._may_bridge and 0 < delta.prev_update_id < self._last_id <= delta.last_update_id):
                self._lose(delta)
                return BookChange.HOLE
        return self._take(delta)

    def restore(self, snapshot: BookSnapshot) -> BookChange:
        """Take a snapshot: a streamed one replaces the book, one that was asked for counts only while it is awaited."""
        if snapshot.is_stream:
            return self._replace(snapshot)
        if self.is_readable:
            return BookChange.HELD if self._reach is not None and self._reach.hold(snapshot) else BookChange.IGNORED
        # Rule 3: drop any event where `u` < `lastUpdateId`.
        while self._buffer and self._buffer[0].last_update_id < snapshot.last_update_id:
            self._buffer.popleft()
        if not self._buffer:
            self._held = snapshot
            return BookChange.HELD
        if not _bridges(self._buffer[0], snapshot):
            return BookChange.STALE_SNAPSHOT
        return self._begin(snapshot)

    def invalidate(self) -> None:
        """Forget everything: the connection that kept the book true is gone."""
        self.is_readable = False
        self._clear()
        self._buffer.clear()
        self._held = None

    @property
    def last_update_id(self) -> int | None:
        """The venue's id of the state that is read; None while unreadable."""
        return self._last_id if self.is_readable else None

    def best(self) -> Top | None:
        """Best bid and ask; None while unreadable or if a side is empty."""
        bids, asks = self._bids, self._asks
        if not (self.is_readable and bids and asks):
            return None
        return Top(bids.touch, bids.size_at(bids.touch), asks.touch, asks.size_at(asks.touch))

    def bids(self, levels: int | None = None) -> list[Level] | None:
        """The best `levels` bids, or all that are known, highest first; None while unreadable."""
        return self._known(self._bids, levels) if self.is_readable else None

    def asks(self, levels: int | None = None) -> list[Level] | None:
        """The best `levels` asks, or all that are known, lowest first; None while unreadable."""
        return self._known(self._asks, levels) if self.is_readable else None

    def slippage(self, side: Side, size: float) -> Slippage | None:
        """Estimate what taking `size` base units would cost now; None while unreadable or if a side is empty.

        Of a book that is not whole what is known is taken, and no more: the estimate may then not be complete.

        Raises:
            ValueError: size is not > 0.
        """
        if not size > 0.0:
            raise ValueError(f"size {size} must be > 0 base units")
        best = self.best()
        if best is None:
            return None
        ladder = self._asks if side is Side.BUY else self._bids
        levels = self._known(ladder, None, size)
        return walk(side, size, levels, best.mid) if levels else None

    def _await(self, delta: BookDelta) -> BookChange:
        """Rule 1: buffer the events of the stream until a snapshot fits."""
        held = self._held
        if held is not None:
            if delta.last_update_id < held.last_update_id:
                return BookChange.DUPLICATE  # rule 3
            self._held = None
            self._restart_buffer(delta)
            return self._begin(held) if _bridges(delta, held) else BookChange.STALE_SNAPSHOT
        if not self._buffer or delta.prev_update_id != self._buffer[-1].last_update_id:
            buffer = self._buffer
            if buffer and self._is_repeat(delta.last_update_id, delta.ts_event, buffer[-1].last_update_id):
                return BookChange.DUPLICATE
            self._restart_buffer(delta)
        else:
            self._buffer.append(delta)
            self._last_event = delta.ts_event
        return BookChange.BUFFERED

    def _begin(self, snapshot: BookSnapshot) -> BookChange:
        """Load the snapshot, then what was buffered since; the first of it bridges and owes no `pu` (rule 4)."""
        if not self._load(snapshot):
            return BookChange.CROSSED
        self.is_readable = True
        self._reach = Reach(snapshot) if snapshot.is_top else None
        waiting = list(self._buffer)
        self._buffer.clear()
        for n, delta in enumerate(waiting):
            if self._take(delta) is BookChange.CROSSED:
                self._buffer.extend(waiting[n + 1 :])
                return BookChange.CROSSED
        return BookChange.LIVE

    def _replace(self, snapshot: BookSnapshot) -> BookChange:
        """A streamed snapshot is the book, whatever came before; unless it is older than the book by id and by time.

        That happens where two connections overlap. A lower id that comes later means that the venue numbers anew.
        """
        was_readable = self.is_readable
        if was_readable and self._is_repeat(snapshot.last_update_id, snapshot.ts_event, self._last_id):
            return BookChange.DUPLICATE
        self.invalidate()
        if not self._load(snapshot):
            return BookChange.CROSSED
        self.is_readable = self._may_bridge = True
        self._moved(snapshot)
        return BookChange.APPLIED if was_readable else BookChange.LIVE

    def _load(self, snapshot: BookSnapshot) -> bool:
        """Put the snapshot's levels in place of all others; False, and none are left, if it is crossed."""
        self._clear()
        self._bids.update(snapshot.bids)
        self._asks.update(snapshot.asks)
        self._last_id = snapshot.last_update_id
        if self._bids.touch >= self._asks.touch:
            self._clear()
            return False
        return True

    def _take(self, delta: BookDelta) -> BookChange:
        """Rule 6: sizes are absolute and 0 removes a level."""
        self._bids.update(delta.bids)
        self._asks.update(delta.asks)
        if self._reach is not None:
            self._reach_out(self._reach, delta)
        if self._bids.touch >= self._asks.touch:
            self._lose(delta)
            return BookChange.CROSSED
        self._last_id = delta.last_update_id
        self._may_bridge = False
        self._moved(delta)
        return BookChange.APPLIED

    def _reach_out(self, reach: Reach, delta: BookDelta) -> None:
        """Note what is told; once it has reached the deeper copy, take over from that what lies beyond the reach."""
        reach.note(delta)
        deeper = reach.deeper
        if deeper is None or deeper.last_update_id > delta.last_update_id:
            return
        self._bids.update(reach.beyond(deeper.bids, is_bid=True))
        self._asks.update(reach.beyond(deeper.asks, is_bid=False))
        self._reach = Reach(deeper, reach) if deeper.is_top else None

    def _known(self, ladder: Ladder, levels: int | None, size: float = inf) -> list[Level]:
        """The best levels of a side, as far as every one of them is known."""
        found = ladder.top(levels, size)
        return found if self._reach is None else self._reach.within(found, is_bid=ladder is self._bids)

    def _moved(self, event: BookDelta | BookSnapshot) -> None:
        self._last_event = event.ts_event
        self.ts_last = event.ts_recv
        if self._on_applied is not None:
            self._on_applied(event.last_update_id, self.best())

    def _is_repeat(self, update_id: int, ts_event: int, last_id: int) -> bool:
        """True if a message is an old one come again; a later one with a lower id means the venue numbers anew."""
        return update_id <= last_id and ts_event <= self._last_event

    def _lose(self, delta: BookDelta) -> None:
        """Unreadable at once; `delta` is the first of a fresh buffer."""
        self.is_readable = False
        self._clear()
        self._restart_buffer(delta)

    def _restart_buffer(self, delta: BookDelta) -> None:
        self._buffer.clear()
        self._buffer.append(delta)
        self._last_event = delta.ts_event

    def _clear(self) -> None:
        self._reach = None
        self._bids.clear()
        self._asks.clear()


def _bridges(delta: BookDelta, snapshot: BookSnapshot) -> bool:
    """Rule 4: the first event must have `U` <= `lastUpdateId` and `u` >= `lastUpdateId`."""
    return delta.first_update_id <= snapshot.last_update_id <= delta.last_update_id
