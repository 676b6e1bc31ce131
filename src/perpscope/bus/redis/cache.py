"""Answers that several faces share through Redis. Whatever goes wrong with it, a face makes its answer itself."""

import time
from collections.abc import Callable

from perpscope.bus.redis.keys import Keys
from perpscope.bus.redis.link import FAILURES, Link

#: Real seconds an answer may take; making it anew would be quicker than waiting longer.
_WITHIN_S = 0.5
#: Real seconds without another try after a failure.
_REST_S = 1.0


class RedisCache:
    """A `Cache` in Redis, which may evict what it likes."""

    def __init__(self, url: str, *, name: str = "perpscope", monotonic: Callable[[], float] = time.monotonic) -> None:
        self._keys = Keys(name)
        self._link = Link(url, operation_s=_WITHIN_S)
        self._now = monotonic
        self._rest_until = float("-inf")

    async def get(self, key: str) -> bytes | None:
        """The newest value, or None: there is none, it is too old, or Redis does not answer."""
        if self._now() < self._rest_until:
            return None
        try:
            found = await self._link.client.get(self._keys.answer(key))
        except FAILURES:
            self._rest_until = self._now() + _REST_S
            return None
        return found if isinstance(found, bytes) else None

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep a value for so many real seconds; silently not, where Redis does not take it."""
        if self._now() < self._rest_until or ttl_s <= 0:
            return
        try:
            await self._link.client.set(self._keys.answer(key), value, px=max(1, round(1000 * ttl_s)))
        except FAILURES:
            self._rest_until = self._now() + _REST_S

    async def aclose(self) -> None:
        """Hang up."""
        await self._link.aclose()
