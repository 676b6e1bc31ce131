"""How many requests a venue allows: a budget of weight that refills evenly.

One budget per process here; whoever shares an IP with other programs sets a lower one.
"""

import asyncio
import time


class WeightLimiter:
    """Token bucket of request weight.

    Args:
        per_minute: weight that refills in a minute.
        burst: weight that may be used at once.
    """

    def __init__(self, per_minute: float, burst: float) -> None:
        self._rate = per_minute / 60.0
        self._burst = burst
        self._left = burst
        self._at = time.monotonic()
        self._turn = asyncio.Lock()

    async def take(self, weight: float) -> None:
        """Wait until `weight` may be spent, in the order asked."""
        async with self._turn:
            self._refill()
            needed = min(weight, self._burst)
            while self._left < needed:  # again after each wait: `pause` may have come in between
                await asyncio.sleep((needed - self._left) / self._rate)
                self._refill()
            self._left -= weight

    def pause(self, seconds: float) -> None:
        """Spend nothing for so long: the venue said so."""
        self._refill()
        self._left = min(self._left, 0.0) - seconds * self._rate

    def _refill(self) -> None:
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
