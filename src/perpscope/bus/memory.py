"""Answers kept in this process alone: bounded, the least recently used go first, none outlives its time."""

import time
from collections import OrderedDict
from collections.abc import Callable


class MemoryCache:
    """A `Cache` for one process. Holds at most `max_bytes` of keys and values."""

    def __init__(self, max_bytes: int = 64_000_000, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._now = monotonic
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    @property
    def bytes_kept(self) -> int:
        """Bytes of all keys and values now kept."""
        return self._bytes

    async def get(self, key: str) -> bytes | None:
        """The newest value, or None: there is none, it is too old, or it had to make room."""
        found = self._kept.get(key)
        if found is None:
            return None
        until, value = found
        if self._now() >= until:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return value

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep a value for so many real seconds; one larger than the whole cache is not kept."""
        self._drop(key)
        size = len(key) + len(value)
        if size > self._max_bytes or ttl_s <= 0:
            return
        self._kept[key] = (self._now() + ttl_s, value)
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))

    async def aclose(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._bytes = 0

    def _drop(self, key: str) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self._bytes -= len(key) + len(gone[1])
