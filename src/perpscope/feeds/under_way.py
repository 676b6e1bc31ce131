"""Calls that a venue may count later than they were sent: a slow way there lets spaced calls arrive together.

In: when a call is sent and when it is over. Out: how long the next one waits, where as many as a path allows may have
arrived within its seconds. A call arrives before its answer comes, so it counts until so many seconds after that. Of
this process alone; what others send is spaced with ours by the shared page.
"""

from collections import defaultdict, deque
from collections.abc import Sequence

from perpscope.feeds.budget import JITTER_S, Charge


class UnderWay:
    """The calls of one process, by the slot of their limit.

    >>> calls, one = UnderWay(), [Charge(7, 1.0, 0.8, 1.0, most=1, per_s=1.0)]
    >>> calls.begin(one); calls.wait_s(one, 10.0)
    0.01
    >>> calls.end(one, 12.0); calls.wait_s(one, 12.25), calls.wait_s(one, 13.0)
    (0.75, 0.0)
    """

    def __init__(self) -> None:
        self._open: defaultdict[int, int] = defaultdict(int)
        self._over: defaultdict[int, deque[float]] = defaultdict(deque)  #: when each was over, oldest first

    def wait_s(self, charges: Sequence[Charge], now: float) -> float:
        """Seconds until one more may be sent, 0 if at once; a moment where that hangs on an answer."""
        return max(self._wait_s(charge, now) for charge in charges)

    def begin(self, charges: Sequence[Charge]) -> None:
        """One more is being sent."""
        for charge in charges:
            if charge.most:
                self._open[charge.slot] += 1

    def end(self, charges: Sequence[Charge], now: float) -> None:
        """It was answered, or failed."""
        for charge in charges:
            if charge.most:
                self._open[charge.slot] -= 1
                self._over[charge.slot].append(now)

    def _wait_s(self, charge: Charge, now: float) -> float:
        if not charge.most:
            return 0.0
        over = self._over[charge.slot]
        while over and over[0] + charge.per_s <= now:
            over.popleft()
        if self._open[charge.slot] + len(over) < charge.most:
            return 0.0
        return over[0] + charge.per_s - now if over else JITTER_S
