"""Two connections that carry the same streams for a while: each event once, whichever of them brings it first.

In: the comings and goings of a connection and the one that takes its place, and their events. Out: the events that are
new. Live and replay use the same rule, so a recording of both gives what the live run saw.
"""

from collections import deque
from collections.abc import Sequence

import msgspec

from perpscope.model.market import MarketEvent

#: After one of the two is gone the other may still bring, late, what both had: ns of receipt time (chosen by hand).
_TAIL_NS = 5_000_000_000
#: Events remembered: at 2,000 a second, a minute and a half.
_REMEMBERED = 200_000

_encode = msgspec.msgpack.Encoder().encode
_SUCCESSOR = "b"


def successor(connection: str) -> str:
    """The name of the connection that takes the place of this one.

    >>> successor("binance/market/0"), successor("binance/market/0b")
    ('binance/market/0b', 'binance/market/0')
    """
    return connection.removesuffix(_SUCCESSOR) if connection.endswith(_SUCCESSOR) else connection + _SUCCESSOR


def stem(connection: str) -> str:
    """What both names have in common: that of the plan."""
    return connection.removesuffix(_SUCCESSOR)


class Overlap:
    """Drops what was already brought while two connections of one plan are open, and shortly after."""

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._ends_at: int | None = None  # ns UTC; None while both are open
        self._is_on = False
        self._seen: set[bytes] = set()
        self._order: deque[bytes] = deque()

    @property
    def is_on(self) -> bool:
        """True while events have to pass through `fresh`."""
        return self._is_on

    def connected(self, connection: str) -> None:
        """A connection is open."""
        self._open.add(connection)
        if len(self._open) > 1:
            self._is_on, self._ends_at = True, None

    def disconnected(self, connection: str, ts_recv: int) -> None:
        """A connection is gone, as of `ts_recv` (ns UTC)."""
        self._open.discard(connection)
        if self._is_on and len(self._open) < 2 and self._ends_at is None:
            self._ends_at = ts_recv + _TAIL_NS

    def fresh(self, events: Sequence[MarketEvent], ts_recv: int) -> list[MarketEvent]:
        """The events nobody has brought yet; `ts_recv` (ns UTC) is when they came."""
        if self._ends_at is not None and ts_recv > self._ends_at:
            self._is_on, self._ends_at = False, None
            self._seen.clear()
            self._order.clear()
        if not self._is_on:
            return list(events)
        return [event for event in events if self._is_new(event)]

    def _is_new(self, event: MarketEvent) -> bool:
        key = _encode(msgspec.structs.replace(event, ts_recv=0))
        if key in self._seen:
            return False
        self._seen.add(key)
        self._order.append(key)
        if len(self._order) > _REMEMBERED:
            self._seen.discard(self._order.popleft())
        return True
