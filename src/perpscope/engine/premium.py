"""Mark prices once a minute: the first of each minute at once, and the last when the minute is over.

In: every mark price, and the time. Out: per instrument and minute of `ts_event` the first one, so that a minute cut
off by a crash is not lost, and the last one, either because a later minute's has come or because the minute has been
over for two seconds in a quiet feed. A store keeps one row a minute: the later of the two.
"""

from typing import Final

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import MarkPrice

_MINUTE_NS: Final = 60_000_000_000
#: How long after its end a minute's stragglers are waited for.
_GRACE_NS: Final = 2_000_000_000


class MinuteMarks:
    """Thins mark prices to one per instrument and minute."""

    def __init__(self) -> None:
        self._held: dict[InstrumentId, MarkPrice] = {}
        self._released: dict[InstrumentId, int] = {}  # last minute given out

    def accept(self, mark: MarkPrice) -> list[MarkPrice]:
        """Take one mark price; if it begins a minute, returns the last of the minute before, if any, and itself."""
        minute = mark.ts_event // _MINUTE_NS
        if minute <= self._released.get(mark.instrument, -1):
            return []
        held = self._held.get(mark.instrument)
        if held is not None and mark.ts_event < held.ts_event:
            return []
        self._held[mark.instrument] = mark
        if held is None:
            return [mark]
        return [] if held.ts_event // _MINUTE_NS == minute else [self._release(held), mark]

    def flush(self, now_ns: int) -> list[MarkPrice]:
        """The last of each minute that has been over for two seconds at `now_ns` (ns UTC)."""
        over = (now_ns - _GRACE_NS) // _MINUTE_NS
        return [
            self._release(self._held.pop(mark.instrument))
            for mark in list(self._held.values())
            if mark.ts_event // _MINUTE_NS < over
        ]

    def _release(self, mark: MarkPrice) -> MarkPrice:
        self._released[mark.instrument] = mark.ts_event // _MINUTE_NS
        return mark
