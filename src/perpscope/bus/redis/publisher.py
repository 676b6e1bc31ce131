"""The heart's end of the bus in Redis: collects messages for some milliseconds, then sends them in batches.

While Redis does not take them they go to a file, and from there to Redis, in order, when it is back. States need no
file: the newest of each is told again.
"""

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path

import msgspec

from perpscope.bus.redis.batch import MOST_MESSAGES, Batch, Packer
from perpscope.bus.redis.keys import Keys
from perpscope.bus.redis.link import FAILURES, OPERATION_S, Link, is_full, is_refusal
from perpscope.bus.redis.log import Log, Moved
from perpscope.bus.redis.spill import Spill
from perpscope.errors import ConfigError, StoreError
from perpscope.model.bulletin import BusHealth, Message

#: Messages wait so long for company.
_LINGER_S = 0.02
#: The heart says that it lives so often, when it has nothing to tell.
_BEAT_S = 1.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_LAST_WORDS_S = 1.0
#: Bytes in one transaction, about.
_AT_ONCE_BYTES = 1_000_000
_AT_ONCE = 20
#: Bytes of messages that wait in memory, at most; more are dropped. Reached only where the disk is too slow or full.
MOST_WAITING_BYTES = 64_000_000
_OVERHEAD_BYTES = 64

_BY_SEQ = attrgetter("seq")


class RedisPublisher:
    """The heart's end. Made by `open`, used on its event loop only."""

    def __init__(
        self, link: Link, spill: Spill, keys: Keys, *, keep_s: float, keep_bytes: int, monotonic: Callable[[], float]
    ) -> None:
        self._link = link
        self._spill = spill
        self._run = secrets.token_hex(8)
        self._log = Log(link, keys, self._run, keep_s=keep_s, keep_bytes=keep_bytes, monotonic=monotonic)
        self._packer = Packer(self._run)
        self._seq = 0
        self._queue: list[Message] = []
        self._due: dict[tuple[str, str], Message] = {}
        self._packed: deque[Batch] = deque()
        self._states: dict[tuple[str, str], Message] = {}
        self._bytes = 0
        self._lost: dict[str, int] = {}
        self._dropped = 0
        self._why: str | None = "not connected yet"
        self._has_some, self._has_many, self._closing = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        spill: Path,
        name: str = "perpscope",
        spill_bytes: int = 256_000_000,
        keep_s: float = 600.0,
        keep_bytes: int = 128_000_000,
        answer_s: float = OPERATION_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> "RedisPublisher":
        """Begin to tell. A Redis that cannot be reached is awaited; a misconfigured one is refused.

        Args:
            url: of the Redis; never shown.
            spill: file for what Redis does not take; what an earlier heart left in it is told first.
            name: of this heart among those that share the Redis.
            spill_bytes: size the file may reach; what comes then is dropped, counted, and told as missed.
            keep_s: real seconds that messages stay in Redis for faces that are slow or away.
            keep_bytes: bytes of them, at most.
            answer_s: real seconds in which Redis has to answer.
            monotonic: real seconds from anywhere.

        Raises:
            ConfigError: the URL, the user or the password is wrong, or this Redis throws keys away when it is full.
            StoreError: the file cannot be made.
        """
        keys, link = Keys(name), Link(url, operation_s=answer_s)
        file = await asyncio.to_thread(_file, spill, spill_bytes)
        heart = cls(link, file, keys, keep_s=keep_s, keep_bytes=keep_bytes, monotonic=monotonic)
        try:
            await heart._first_meeting()
        except ConfigError:
            await heart._let_go()
            raise
        heart._task = asyncio.create_task(heart._work())
        return heart

    def publish(self, topic: str, payload: bytes, *, key: str | None = None) -> None:
        """Take one message; with `key` it replaces an older one. Neither blocks nor raises."""
        if self._closing.is_set():
            return
        if key is None and self._bytes > MOST_WAITING_BYTES:
            self._lost[topic] = self._lost.get(topic, 0) + 1
            self._dropped += 1
            return
        self._seq = seq = self._seq + 1
        message = Message(topic, payload, seq, self._run, key)
        if key is None:
            self._queue.append(message)
            self._bytes += len(payload) + _OVERHEAD_BYTES
            if len(self._queue) == MOST_MESSAGES:
                self._has_many.set()
        else:
            self._due[topic, key] = message
        if not self._has_some.is_set():
            self._has_some.set()

    def health(self) -> BusHealth:
        """How it is doing; `spilled` messages are in the file."""
        waiting = len(self._queue) + len(self._due) + sum(len(batch.messages) for batch in self._packed)
        return BusHealth(
            is_connected=self._why is None,
            queued=waiting + self._spill.messages,
            spilled=self._spill.messages,
            dropped=self._dropped,
            why=self._why,
        )

    async def aclose(self) -> None:
        """Deliver what Redis takes within a second; the rest stays in the file for the next heart."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._has_some.set()
        self._has_many.set()
        if self._task is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._task, _LAST_WORDS_S)
        await self._set_aside()
        await self._let_go()
        self._why = "closed"

    async def _first_meeting(self) -> None:
        try:
            await self._meet()
        except FAILURES as error:
            self._why = self._link.words(error)
            if is_refusal(error):
                raise ConfigError("redis-refused", self._why, hint="check redis.bus or PERPSCOPE_REDIS") from None

    async def _let_go(self) -> None:
        await self._link.aclose()
        await asyncio.to_thread(self._spill.close)

    async def _work(self) -> None:
        """Send until closed: the supervisor, which nothing that goes wrong with Redis or the disk ends."""
        pause_s = _FIRST_PAUSE_S
        while not self._closing.is_set():
            try:
                if self._why is None:
                    await self._wait()
                else:
                    await self._meet()
                await self._deliver()
                if self._closing.is_set():
                    await self._log.farewell()
                pause_s = _FIRST_PAUSE_S
            except Moved:
                self._why = f"another heart tells under the same name through Redis at {self._link.place}"
            except Exception as error:
                await self._note(error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _meet(self) -> None:
        await self._log.meet(self._states.values())
        self._why = None

    async def _note(self, error: Exception) -> None:
        """Redis does not take it: say why, put what waits into the file, and make room where there is none."""
        self._why = error.message if isinstance(error, ConfigError) else self._link.words(error)
        await self._set_aside()
        if is_full(error):
            with contextlib.suppress(*FAILURES):
                await self._log.trim(is_full=True)

    async def _wait(self) -> None:
        """Until there is something to send and others have had the time to join it, or it is time for a beat."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_BEAT_S):
                await self._has_some.wait()
            async with asyncio.timeout(_LINGER_S):
                await self._has_many.wait()
        self._has_some.clear()
        self._has_many.clear()

    async def _deliver(self) -> None:
        """Send everything: what is in the file first."""
        self._pack(with_states=True)
        if not self._spill.messages and not self._packed:
            await self._log.add(())
        while self._spill.messages or self._packed:
            if self._spill.messages:
                batches = await asyncio.to_thread(self._spill.peek, _AT_ONCE_BYTES)
                await self._log.add(batches)
                await asyncio.to_thread(self._spill.forget, len(batches))
            else:
                batches = self._first_packed()
                await self._log.add(batches)
                self._forget_packed(len(batches))
            self._told(batches)
            await self._log.trim()
            self._pack(with_states=True)
        await self._log.trim()

    def _pack(self, *, with_states: bool) -> None:
        """Everything that waits, into batches. A state older than what is packed is told as new."""
        messages: Sequence[Message] = self._queue
        if with_states and self._due:
            due = [self._renewed(message) for message in self._due.values()]
            messages = sorted([*messages, *due], key=_BY_SEQ)
            self._due = {}
        self._packed.extend(self._packer.batches(messages))
        self._queue = []
        if self._lost:
            self._packer.lose(self._lost)
            self._lost = {}

    def _renewed(self, state: Message) -> Message:
        if state.seq > self._packer.last:
            return state
        self._seq += 1
        return msgspec.structs.replace(state, seq=self._seq)

    def _first_packed(self) -> list[Batch]:
        batches: list[Batch] = []
        size = 0
        for batch in self._packed:
            batches.append(batch)
            size += _size(batch)
            if size >= _AT_ONCE_BYTES or len(batches) == _AT_ONCE:
                break
        return batches

    def _forget_packed(self, count: int) -> None:
        for _ in range(count):
            self._bytes -= _size(self._packed.popleft())

    def _told(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            for message in batch.messages:
                if message.key is not None and batch.run == self._run:
                    self._states[message.topic, message.key] = message

    async def _set_aside(self) -> None:
        """Put what waits into the file; what it has no room for is dropped. A broken disk leaves it in memory."""
        self._pack(with_states=False)
        batches = list(self._packed)
        if not batches:
            return
        try:
            taken = await asyncio.to_thread(self._spill.append, batches)
        except OSError:
            return
        self._forget_packed(taken)
        for batch in batches[taken:]:
            self._dropped += sum(message.key is None for message in batch.messages)
        self._forget_packed(len(batches) - taken)


def _file(path: Path, most_bytes: int) -> Spill:
    try:
        return Spill(path, most_bytes)
    except OSError as error:
        raise StoreError(
            "bus-file",
            f"the file for what Redis does not take cannot be made: {path}: {error.strerror}",
            hint="mend the permissions of its folder",
        ) from error


def _size(batch: Batch) -> int:
    """As counted in `publish`."""
    return sum(len(message.payload) + _OVERHEAD_BYTES for message in batch.messages if message.key is None)
