"""How many requests a venue allows: a budget of weight that refills evenly; and connections, so many seconds apart.

One budget per process here; whoever shares an IP with other programs sets a lower one.
"""

import asyncio
import time
from collections.abc import Callable

from perpscope.ports import Connector, OnFrame, Socket


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


class PacedConnector:
    """A `Connector` that opens no more than one socket in so many seconds, in the order asked.

    Args:
        connector: opens the sockets.
        every_s: real seconds between two tries, those that fail included.
    """

    def __init__(self, connector: Connector, every_s: float) -> None:
        self._connector = connector
        self._every_s = every_s
        self._not_before = time.monotonic()
        self._turn = asyncio.Lock()

    async def __call__(self, url: str, on_frame: OnFrame, on_burst: Callable[[], None]) -> Socket:
        """Connect when it is our turn; raises what the connector does."""
        async with self._turn:
            if (wait_s := self._not_before - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            self._not_before = time.monotonic() + self._every_s
        return await self._connector(url, on_frame, on_burst)
