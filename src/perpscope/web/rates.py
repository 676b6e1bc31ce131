"""How much one caller may ask: token buckets in bounded memory, and the headers that tell a caller where it stands.

In: who, and what the request counts as. Out: `Standing`: whether it may, what is left, when it may again. The headers
are those of draft-ietf-httpapi-ratelimit-headers-10.
"""

import math
import time
from collections.abc import Callable, Hashable

import msgspec


class Standing(msgspec.Struct, frozen=True, gc=False):
    """Where a caller stands after a request."""

    is_allowed: bool
    remaining: int  #: requests left at once
    reset_s: int  #: real seconds until all of the quota is there again
    retry_s: int  #: real seconds until a refused request may be made; 0 if it was allowed

    def header(self) -> bytes:
        """Value of the `RateLimit` header."""
        return b'"default";r=%d;t=%d' % (self.remaining, self.reset_s)


class Rates:
    """One bucket a caller: `per_min` requests at once, refilled evenly over a minute.

    Args:
        per_min: requests a minute.
        most: callers remembered; the one unheard of for longest is forgotten.
        monotonic: real seconds; a test's own.
    """

    def __init__(self, per_min: int, *, most: int = 10_000, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._full = float(per_min)
        self._per_s = per_min / 60.0
        self._most = most
        self._monotonic = monotonic
        self._buckets: dict[Hashable, tuple[float, float]] = {}  # tokens, as of when; in order of last use
        self.policy = b'"default";q=%d;w=60' % per_min  #: value of the `RateLimit-Policy` header

    def __len__(self) -> int:
        """Callers remembered."""
        return len(self._buckets)

    def take(self, who: Hashable, cost: float = 1.0) -> Standing:
        """Count a request; one that is refused costs nothing, one dearer than the whole quota needs all of it."""
        now = self._monotonic()
        cost = min(cost, self._full)
        tokens, at = self._buckets.pop(who, (self._full, now))
        tokens = min(self._full, tokens + (now - at) * self._per_s)
        is_allowed = tokens >= cost
        if is_allowed:
            tokens -= cost
        if len(self._buckets) >= self._most:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[who] = (tokens, now)
        retry_s = 0 if is_allowed else max(1, math.ceil((cost - tokens) / self._per_s))
        return Standing(is_allowed, int(tokens), math.ceil((self._full - tokens) / self._per_s), retry_s)
