"""A figure of the last hour, so that it can be said by how much it changed.

In: values with their times. Out: the value as it was so long ago, or None where nobody looked then. A point each few
seconds at most: bounded, whatever comes.
"""

from bisect import bisect_right
from typing import Final

_LONGEST_MS: Final = 3_600_000
#: A point may be so much older than what is asked for: a share of the time asked about, and at least so many ms.
_SLACK, _SLACK_MS = 0.2, 20_000


class History:
    """Values of one figure.

    Args:
        every_ms: between two points that are kept.

    >>> prices = History(5_000)
    >>> for second, price in enumerate((100.0, 101.0, 102.0)):
    ...     prices.take(second * 60_000, price)
    >>> prices.ago(60_000), prices.ago(3_600_000)
    (101.0, None)
    """

    def __init__(self, every_ms: int) -> None:
        self._every_ms = every_ms
        self._times: list[int] = []
        self._values: list[float] = []
        self._now = 0

    def take(self, at_ms: int, value: float) -> None:
        """The value at a moment; not taken where it is older than the newest point, or too soon after it."""
        self.advance(at_ms)
        if self._times and at_ms - self._times[-1] < self._every_ms:
            return
        self._times.append(at_ms)
        self._values.append(value)
        if at_ms - self._times[0] > 2 * _LONGEST_MS:  # now and then, a whole hour at once
            cut = bisect_right(self._times, at_ms - _LONGEST_MS - round(_LONGEST_MS * _SLACK))
            del self._times[:cut], self._values[:cut]

    def advance(self, now_ms: int) -> None:
        """Let time pass without a value."""
        self._now = max(self._now, now_ms)

    def ago(self, length_ms: int) -> float | None:
        """The value `length_ms` before now: the newest that was known then; None where that was long before."""
        then = self._now - length_ms
        place = bisect_right(self._times, then) - 1
        if place < 0 or then - self._times[place] > max(_SLACK_MS, length_ms * _SLACK):
            return None
        return self._values[place]
