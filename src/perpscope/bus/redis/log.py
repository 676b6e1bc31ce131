"""The stream as its heart writes it: each batch once, whatever was interrupted, and trimmed by age and size.

An entry's id is made of the run and the number of its last message, so Redis itself refuses to take one twice. After
each interruption the heart asks how far the stream goes, and adds what a Redis that forgot its newest data has lost.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from redis import exceptions

from perpscope.bus.redis.batch import FIELD, NO_ID, Batch, Id, id_text, pack, read_entry, read_id, state_field
from perpscope.bus.redis.keys import Keys
from perpscope.bus.redis.link import Link
from perpscope.errors import ConfigError
from perpscope.model.bulletin import Message

#: Bytes of delivered batches kept at hand, should Redis come back without them.
_RECENT_BYTES = 8_000_000
#: A heart that was not heard for so long is taken for gone.
HEART_MS = 5_000
#: Redis is out of memory: entries older than so many real seconds go.
_UNDER_PRESSURE_S = 60.0
_STATES_AT_ONCE = 500
_ENTRIES_AT_ONCE = 50


class Moved(Exception):
    """Somebody else writes this stream: its end has to be looked up again."""


class _Kept(NamedTuple):
    entry: Id
    size: int
    at: float


class Log:
    """Writes one stream. Every method may raise one of `link.FAILURES`; after that `meet` comes first."""

    def __init__(
        self, link: Link, keys: Keys, run: str, *, keep_s: float, keep_bytes: int, monotonic: Callable[[], float]
    ) -> None:
        self._link = link
        self._keys = keys
        self._run = run
        self._keep_s = keep_s
        self._keep_bytes = keep_bytes
        self._now = monotonic
        self._server_ms = 0
        self._top: Id = NO_ID
        self._bases: dict[str, int] = {}
        self._kept: deque[_Kept] = deque([_Kept(NO_ID, 0, monotonic())])
        self._kept_bytes = 0
        self._recent: deque[tuple[Id, bytes]] = deque()
        self._recent_bytes = 0

    async def meet(self, states: Iterable[Message]) -> None:
        """Find the end of the stream, put back what it has lost, and state these again, in place of all others.

        Raises:
            ConfigError: this Redis throws keys away when it is full.
        """
        await self._refuse_if_evicting()
        async with self._link.client.pipeline(transaction=False) as pipe:
            pipe.execute_command("TIME")
            pipe.execute_command("EXISTS", self._keys.stream)
            pipe.execute_command("XREVRANGE", self._keys.stream, "+", "-", "COUNT", "1")
            (seconds, micros), exists, newest = await pipe.execute()
        self._server_ms = int(seconds) * 1000 + int(micros) // 1000
        self._top = await self._last_id() if exists else NO_ID
        self._look_up_bases(newest)
        await self._put_back()
        await self._state(states)

    async def add(self, batches: Sequence[Batch]) -> None:
        """Add those of these batches that are not there yet, with their states: all or none of them.

        Raises:
            Moved: somebody else has written meanwhile.
        """
        new = [(entry, batch) for batch in batches if (entry := self._entry(batch)) > self._top]
        packed = [(entry, pack(batch)) for entry, batch in new]
        states: list[bytes] = []
        for _, batch in new:
            if batch.run == self._run:
                for message in batch.messages:
                    if message.key is not None:
                        states += (state_field(message), pack(message))
        await self._write(packed, states)
        for entry, data in packed:
            self._remember(entry, data)

    async def trim(self, *, is_full: bool = False) -> None:
        """Drop entries that are too old or too many; more of them where Redis `is_full`."""
        oldest = self._now() - (min(_UNDER_PRESSURE_S, self._keep_s) if is_full else self._keep_s)
        gone = False
        while self._kept and (self._kept[0].at < oldest or self._kept_bytes > self._keep_bytes):
            self._kept_bytes -= self._kept.popleft().size
            gone = True
        if gone:
            first = self._kept[0].entry if self._kept else (self._top[0], self._top[1] + 1)
            await self._link.call("XTRIM", self._keys.stream, "MINID", "=", id_text(first))

    async def farewell(self) -> None:
        """Say that this heart stops."""
        await self._link.call("DEL", self._keys.heart)

    def _entry(self, batch: Batch) -> Id:
        base = self._bases.get(batch.run)
        if base is None:
            base = max(self._server_ms, self._top[0] + 1, *(known + 1 for known in self._bases.values()), 1)
            self._bases[batch.run] = base
        return base, batch.last

    async def _write(self, entries: Sequence[tuple[Id, bytes]], states: Sequence[bytes]) -> None:
        async with self._link.client.pipeline(transaction=True) as pipe:
            for entry, data in entries:
                pipe.execute_command("XADD", self._keys.stream, id_text(entry), FIELD, data)
            if states:
                pipe.execute_command("HSET", self._keys.states, *states)
            pipe.execute_command("SET", self._keys.heart, self._run, "PX", HEART_MS)
            try:
                await pipe.execute()
            except exceptions.ResponseError as error:
                if "equal or smaller" in str(error):
                    raise Moved from None
                raise
        if entries:
            self._top = entries[-1][0]

    def _remember(self, entry: Id, data: bytes) -> None:
        self._kept.append(_Kept(entry, len(data), self._now()))
        self._kept_bytes += len(data)
        self._recent.append((entry, data))
        self._recent_bytes += len(data)
        while self._recent_bytes > _RECENT_BYTES:
            self._recent_bytes -= len(self._recent.popleft()[1])

    async def _last_id(self) -> Id:
        told: list[Any] = await self._link.call("XINFO", "STREAM", self._keys.stream)
        return read_id(told[told.index(b"last-generated-id") + 1])

    def _look_up_bases(self, newest: Sequence[Any]) -> None:
        """Which run wrote the end of the stream; a run that others have written after begins anew."""
        if self._bases and self._top[0] > max(self._bases.values()):
            self._bases.clear()
            self._recent.clear()
            self._recent_bytes = 0
        for row in newest:
            try:
                entry, batch = read_entry(row)
            except (msgspec.DecodeError, ValueError):
                continue
            self._bases.setdefault(batch.run, entry[0])

    async def _put_back(self) -> None:
        lost = [(entry, data) for entry, data in self._recent if entry > self._top]
        for start in range(0, len(lost), _ENTRIES_AT_ONCE):
            await self._write(lost[start : start + _ENTRIES_AT_ONCE], ())

    async def _state(self, states: Iterable[Message]) -> None:
        rows = [(state_field(message), pack(message)) for message in states]
        async with self._link.client.pipeline(transaction=True) as pipe:
            pipe.execute_command("DEL", self._keys.states)
            for start in range(0, len(rows), _STATES_AT_ONCE):
                some = [part for row in rows[start : start + _STATES_AT_ONCE] for part in row]
                pipe.execute_command("HSET", self._keys.states, *some)
            pipe.execute_command("SET", self._keys.heart, self._run, "PX", HEART_MS)
            await pipe.execute()

    async def _refuse_if_evicting(self) -> None:
        try:
            told = await self._link.call("INFO", "memory")
        except exceptions.NoPermissionError:
            return  # nothing of what the bus does needs it
        policy = str(told.get("maxmemory_policy", "noeviction"))
        if policy.startswith("allkeys"):
            raise ConfigError(
                "redis-evicts",
                f"Redis at {self._link.place} throws away keys when it is full (maxmemory-policy {policy}), "
                "the bus among them",
                hint="set maxmemory-policy noeviction there, or give bus and cache a Redis each "
                "(redis.bus, redis.cache)",
            )
