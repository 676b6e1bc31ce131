"""Mark prices and open interest once a minute: the first of each minute at once, and the last when it is over.

In: every event of one kind, and the time. Out: per instrument and minute of `ts_event` the first one, so that a minute
cut off by a crash is not lost, and the last one, either because a later minute's has come or because the minute has
been over for two seconds in a quiet feed. A store keeps one row a minute: the later of the two.
"""

from typing import Final, Generic, TypeVar

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import MarkPrice, OpenInterest

T = TypeVar("T", MarkPrice, OpenInterest)

_MINUTE_NS: Final = 60_000_000_000
#: How long after its end a minute's stragglers are waited for.
_GRACE_NS: Final = 2_000_000_000


class OncePerMinute(Generic[T]):
    """Thins events to one per instrument and minute."""

    def __init__(self) -> None:
        self._held: dict[InstrumentId, T] = {}
        self._released: dict[InstrumentId, int] = {}  # last minute given out

    def accept(self, event: T) -> list[T]:
        """Take one event; if it begins a minute, returns the last of the minute before, if any, and itself."""
        minute = event.ts_event // _MINUTE_NS
        if minute <= self._released.get(event.instrument, -1):
            return []
        held = self._held.get(event.instrument)
        if held is not None and event.ts_event < held.ts_event:
            return []
        self._held[event.instrument] = event
        if held is None:
            return [event]
        return [] if held.ts_event // _MINUTE_NS == minute else [self._release(held), event]

    def flush(self, now_ns: int) -> list[T]:
        """The last of each minute that has been over for two seconds at `now_ns` (ns UTC)."""
        over = (now_ns - _GRACE_NS) // _MINUTE_NS
        return [
            self._release(self._held.pop(event.instrument))
            for event in list(self._held.values())
            if event.ts_event // _MINUTE_NS < over
        ]

    def _release(self, event: T) -> T:
        self._released[event.instrument] = event.ts_event // _MINUTE_NS
        return event
