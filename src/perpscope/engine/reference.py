"""What an instrument's mark price was some minutes ago: the reference of LPI.

In: every mark price, in the order of receipt. Out: the one that held a minute before a moment. Bounded: one mark price
a second, of the last few minutes.
"""

from array import array
from bisect import bisect_right
from math import inf
from typing import Final

from perpscope.analytics.lpi import REFERENCE_AGE_NS, REFERENCE_LAG_NS

_SECOND_NS: Final = 1_000_000_000
#: Mark prices kept: at one a second those a liquidation needs that arrives up to three minutes late.
_KEPT: Final = 360


class ReferencePrices:
    """The recent mark prices of one instrument."""

    __slots__ = ("_marks", "_times")

    def __init__(self) -> None:
        self._times, self._marks = array("q"), array("d")

    def note(self, ts_event: int, mark: float) -> None:
        """Keep a mark price (quote per base, at ns UTC): the first of each second; late ones are passed over."""
        times = self._times
        if (times and ts_event // _SECOND_NS <= times[-1] // _SECOND_NS) or not 0.0 < mark < inf:
            return
        times.append(ts_event)
        self._marks.append(mark)
        if len(times) >= 2 * _KEPT:  # half at a time, so that it costs next to nothing
            del times[:_KEPT], self._marks[:_KEPT]

    def before(self, ts_event: int) -> float | None:
        """The mark price 60 s before a liquidation at `ts_event` (ns UTC), quote per base.

        That is the latest one at or before that moment; None if it was older than 120 s then, or there is none.
        """
        moment = ts_event - REFERENCE_LAG_NS
        place = bisect_right(self._times, moment) - 1
        if place < 0 or self._times[place] < moment - REFERENCE_AGE_NS:
            return None
        return self._marks[place]
