"""How often something may be done: at most so many times, or so much weight, within any stretch of so many seconds.

Pure: whoever asks says what time it is (real seconds, whatever the market's rate).
"""

from collections import deque

import msgspec


class Rate(msgspec.Struct, frozen=True):
    """A limit as venues write it: 10 messages per second, 480 requests per hour."""

    limit: int
    per_s: float


class Allowance:
    """What is left of a rate at this moment: a sliding window.

    >>> allowance = Allowance(Rate(2, 1.0))
    >>> [allowance.take(at) for at in (0.0, 0.5, 0.9, 1.1)]
    [True, True, False, True]
    """

    def __init__(self, rate: Rate) -> None:
        self.limit = rate.limit
        self.per_s = rate.per_s
        self.used = 0  #: weight within the window, as of the last question
        self._taken: deque[tuple[float, int]] = deque()

    def take(self, now_s: float, weight: int = 1) -> bool:
        """Use some of it; False, and nothing used, if that is more than is left."""
        self._forget(now_s)
        if self.used + weight > self.limit:
            return False
        self.used += weight
        self._taken.append((now_s, weight))
        return True

    def wait_s(self, now_s: float) -> float:
        """Seconds until the oldest use is forgotten; 0 if nothing is used."""
        self._forget(now_s)
        return self._taken[0][0] + self.per_s - now_s if self._taken else 0.0

    def _forget(self, now_s: float) -> None:
        while self._taken and self._taken[0][0] <= now_s - self.per_s:
            self.used -= self._taken.popleft()[1]
