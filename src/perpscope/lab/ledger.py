"""What the exchange did, for whoever checks afterwards: every frame sent and every connection's life, in market time.

Counters and faults are always kept; marks and rows are bounded, rows and the truth (what was meant to be sent, whatever
became of it) only where asked for. Nothing here decides anything.
"""

import enum
from collections import Counter, deque
from collections.abc import Callable, Iterable

import msgspec

from perpscope.lab.clock import LabClock


class Moment(enum.Enum):
    """A turn in a connection's life."""

    OPEN = "open"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    CLOSE = "close"


class Mark(msgspec.Struct, frozen=True):
    """One turn in a connection's life."""

    market_ns: int  #: ns UTC, market time
    connection: str  #: e.g. "market/3": its route and its number
    moment: Moment
    detail: str  #: streams asked for, or why it was closed


class Row(msgspec.Struct, frozen=True, gc=False):
    """One data frame handed to one connection."""

    market_ns: int  #: ns UTC, market time
    connection: str
    stream: str
    payload: bytes  #: without the envelope


class Told(msgspec.Struct, frozen=True, gc=False):
    """One payload the exchange meant to publish, whatever became of it on its way."""

    market_ns: int  #: ns UTC, market time
    topic: str
    payload: bytes  #: without the envelope


class Injected(msgspec.Struct, frozen=True):
    """One fault as it happened."""

    market_from: int  #: ns UTC, market time
    market_to: int  #: ns UTC, when it was over
    kind: str
    target: str  #: what was meant; empty for everything
    hit: int  #: frames, connections or requests it changed
    amount: float = 0.0


class Ledger:
    """Counters, marks, faults and, if asked for, rows and the truth.

    Args:
        clock: market time of every entry.
        keep_rows: how many of the newest rows to keep; 0 for none.
        keep_marks: how many of the newest marks to keep.
    """

    def __init__(self, clock: LabClock, keep_rows: int = 0, keep_marks: int = 100_000) -> None:
        self._clock = clock
        self.rows: deque[Row] = deque(maxlen=keep_rows)
        self.marks: deque[Mark] = deque(maxlen=keep_marks)
        self.keeps_rows = keep_rows > 0
        self.frames = 0  #: data frames sent, over all connections
        self.frames_by_stream: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()  #: REST calls by path
        self.closed: Counter[str] = Counter()  #: connections ended, by cause
        self.events: Counter[str] = Counter()  #: what the market did, by kind, heard or not
        self.truth: list[Told] = []  #: oldest first
        self.injected: list[Injected] = []  #: faults that are over, in the order they ended
        #: topics of which everything meant to be published is kept, from their first subscription on: from then on they
        #: are told whether anybody listens or not; None for none
        self.keep_truth: Callable[[str], bool] | None = None
        self._told: set[str] = set()

    def mark(self, connection: str, moment: Moment, detail: str = "") -> None:
        """Enter one turn of a connection's life."""
        self.marks.append(Mark(self._clock.now_ns(), connection, moment, detail))
        if moment is Moment.CLOSE:
            self.closed[detail] += 1

    def sent(self, stream: str, payload: bytes, connections: list[str]) -> None:
        """Enter one payload handed to these connections."""
        self.frames += len(connections)
        self.frames_by_stream[stream] += len(connections)
        if self.keeps_rows:
            now = self._clock.now_ns()
            self.rows.extend(Row(now, connection, stream, payload) for connection in connections)

    def asked(self, topics: Iterable[str]) -> None:
        """Enter that somebody has subscribed these: their truth is kept from now on, where that is wanted."""
        if self.keep_truth is not None:
            self._told.update(filter(self.keep_truth, topics))

    def is_told(self, topic: str) -> bool:
        """True if everything of a topic is kept, so that it has to be published even where nobody listens."""
        return topic in self._told

    def meant(self, topic: str, payload: bytes) -> None:
        """Enter what the exchange is about to publish, before anything can happen to it."""
        if topic in self._told:
            self.truth.append(Told(self._clock.now_ns(), topic, payload))
