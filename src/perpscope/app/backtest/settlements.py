"""When funding is paid: as a file or a store tells it, else where the mark prices say it is due.

A settlement that nobody tells is taken from the newest mark price before it: its rate, and its mark. Where marks name
no settlement they fall on whole multiples of the contract's interval since midnight UTC, as the venues' own do.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import FundingPaid, MarkPrice

_HOUR: Final = 3_600_000_000_000


class Due(msgspec.Struct):
    """What is known of the next settlement, from the marks so far.

    Attributes:
        interval_ns: between two settlements where marks do not name the next.
    """

    instrument: InstrumentId
    interval_ns: int
    at: int = 0  #: ns UTC; 0 = not known yet
    newest: MarkPrice | None = None

    def before(self, ts: int, mark: MarkPrice | None = None) -> FundingPaid | None:
        """The payment that fell due by `ts` (ns UTC), if one did; `mark` is what is told then."""
        paid = None
        last = self.newest
        if last is not None and self.at and ts >= self.at and last.funding_rate is not None:
            paid = FundingPaid(self.instrument, self.at, ts, last.funding_rate, last.mark)
            self.at = 0
        if mark is not None:
            self.newest = mark
        if self.newest is not None and (self.at == 0 or mark is not None):
            self.at = self._next(self.newest, ts)
        return paid

    def _next(self, mark: MarkPrice, ts: int) -> int:
        if mark.ts_next_funding is not None:
            return mark.ts_next_funding if mark.ts_next_funding > ts else 0
        return (ts // self.interval_ns + 1) * self.interval_ns


def due_of(instrument: InstrumentId, interval_h: float | None) -> Due:
    """What falls due of a contract; eight hours where its interval is not known."""
    return Due(instrument, round((interval_h or 8.0) * _HOUR))


def settled(marks: Iterable[MarkPrice], instrument: InstrumentId, interval_h: float | None) -> Iterator[FundingPaid]:
    """Every payment that fell due while these marks were told, in order."""
    due = due_of(instrument, interval_h)
    for mark in marks:
        paid = due.before(mark.ts_recv, mark)
        if paid is not None:
            yield paid
