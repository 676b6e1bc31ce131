"""What the exchange did, for whoever checks afterwards: every frame sent and every connection's life, in market time.

Counters are always kept; marks and rows are bounded, and rows only where asked for. Nothing here decides anything.
"""

import enum
from collections import Counter, deque

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


class Ledger:
    """Counters, marks and, if asked for, rows.

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
