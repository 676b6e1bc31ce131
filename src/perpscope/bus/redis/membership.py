"""How a member of a group reads the stream: each message goes to one member, until one is done with it.

Redis keeps account by entries, of up to a hundred messages; what of an entry is done with is noted beside it, so that
nothing comes twice. An entry that its member left lying is told message by message, so that the one nobody can read is
found out and set aside.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
from redis import exceptions

from perpscope.bus.redis.batch import Id, id_text, pack, read_entry, read_id
from perpscope.bus.redis.following import BLOCK_MS
from perpscope.bus.redis.keys import Keys
from perpscope.bus.redis.link import Link
from perpscope.model.bulletin import Message

#: A message that was told so often without anybody being done with it is set aside.
MAX_DELIVERIES = 5
#: Messages set aside that are kept for inspection, about.
_DEAD_KEPT = 10_000
_ENTRIES_AT_ONCE = 10
#: Real seconds after which notes about messages nobody asks for any more go.
_NOTES_S = 86_400

_Name = tuple[str, int]


class _Held:
    """An entry that this member holds."""

    def __init__(self, names: list[_Name]) -> None:
        self.names = names
        self.left = set(names)
        self.has_notes = False  #: Redis holds notes about single messages of it


class Membership:
    """Reads for one member. `join` comes first and after each failure."""

    def __init__(
        self,
        link: Link,
        keys: Keys,
        topics: Collection[str],
        group: str,
        member: str,
        *,
        reclaim_after_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        self._keys = keys
        self._topics = frozenset(topics)
        self._group = group
        self._member = member
        self._reclaim_after_s = reclaim_after_s
        self._now = monotonic
        self._reclaim_at = monotonic()
        self._at: Id | None = None
        self._entry_of: dict[_Name, bytes] = {}
        self._held: dict[bytes, _Held] = {}
        self._again: deque[tuple[bytes, Message | None, bytes]] = deque()
        self._unsent: list[_Name] = []
        self.dead = 0
        self.lost = 0
        self.is_heard = False

    async def join(self) -> list[Message]:
        """Found the group where there is none, from now on or from where this member was."""
        begin = "$" if self._at is None else id_text(self._at)
        try:
            await self._link.call("XGROUP", "CREATE", self._keys.stream, self._group, begin, "MKSTREAM")
        except exceptions.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self.is_heard = await self._link.call("GET", self._keys.heart) is not None
        return []

    async def read(self) -> list[Message]:
        """Messages for this member: one that somebody left lying, or what is new."""
        if self._unsent:
            await self.acknowledge([])
        if not self._again and self._now() >= self._reclaim_at:
            await self._reclaim()
        while self._again:
            entry, message, raw = self._again.popleft()
            if await self._is_dead(entry, message, raw) or message is None:
                continue
            return [message]
        return await self._read_new()

    async def acknowledge(self, names: Sequence[_Name]) -> None:
        """These are done with; said again after a failure, for nobody must be told them again."""
        self._unsent += [name for name in names if name in self._entry_of]
        saying = list(self._unsent)
        parts: dict[bytes, list[_Name]] = {}
        for name in saying:
            entry = self._entry_of.get(name)
            if entry is not None:
                self._held[entry].left.discard(name)
                parts.setdefault(entry, []).append(name)
        whole = [entry for entry in parts if not self._held[entry].left]
        if parts:
            await self._say_done(parts, whole)
        self._unsent = self._unsent[len(saying) :]
        for entry in whole:
            self._forget(entry)

    async def _say_done(self, parts: Mapping[bytes, Sequence[_Name]], whole: Sequence[bytes]) -> None:
        """Note what is done of entries that are not, clear the notes of those that are, and let go of these."""
        done, tries = self._keys.done(self._group), self._keys.tries(self._group)
        async with self._link.client.pipeline(transaction=True) as pipe:
            for entry, names in parts.items():
                held = self._held[entry]
                if entry not in whole:
                    held.has_notes = True
                    pipe.execute_command("SADD", done, *map(_text, names))
                    pipe.execute_command("EXPIRE", done, _NOTES_S)
                elif held.has_notes:
                    pipe.execute_command("SREM", done, *map(_text, held.names))
                    pipe.execute_command("HDEL", tries, *map(_text, held.names))
            if whole:
                pipe.execute_command("XACK", self._keys.stream, self._group, *whole)
            await pipe.execute()

    async def leave(self) -> None:
        """Sign off, unless something was left lying that another member has to be told."""
        rows = await self._link.call("XINFO", "CONSUMERS", self._keys.stream, self._group)
        for row in rows:
            told = dict(zip(row[::2], row[1::2], strict=False))
            if told.get(b"name") == self._member.encode() and not told.get(b"pending"):
                await self._link.call("XGROUP", "DELCONSUMER", self._keys.stream, self._group, self._member)

    async def _read_new(self) -> list[Message]:
        block = max(1, min(BLOCK_MS, round(1000 * (self._reclaim_at - self._now()))))
        reply: list[Any] | None = await self._link.call(
            *("XREADGROUP", "GROUP", self._group, self._member, "COUNT", _ENTRIES_AT_ONCE, "BLOCK", block),
            *("STREAMS", self._keys.stream, ">"),
        )
        if not reply:
            self.is_heard = await self._link.call("GET", self._keys.heart) is not None
            return []
        self.is_heard = True
        heard: list[Message] = []
        nothing: list[bytes] = []
        for row in reply[0][1]:
            self._at = max(self._at or (0, 0), read_id(row[0]))
            wanted = self._wanted(row)
            if wanted is None:
                continue  # left lying on purpose: it is told again, and in the end set aside
            if wanted:
                self._hold(row[0], wanted, wanted)
                heard += wanted
            else:
                nothing.append(row[0])
        if nothing:
            await self._link.call("XACK", self._keys.stream, self._group, *nothing)
        return heard

    def _wanted(self, row: Sequence[Any]) -> list[Message] | None:
        """The messages of an entry that are for this group; None where nobody can read it."""
        try:
            _, batch = read_entry(row)
        except (msgspec.DecodeError, ValueError):
            return None
        return [message for message in batch.messages if message.key is None and message.topic in self._topics]

    def _hold(self, entry: bytes, messages: Sequence[Message], left: Sequence[Message]) -> _Held:
        held = self._held[entry] = _Held([(message.run, message.seq) for message in messages])
        held.left = {(message.run, message.seq) for message in left}
        for name in held.names:
            self._entry_of[name] = entry
        return held

    def _forget(self, entry: bytes) -> None:
        held = self._held.pop(entry, None)
        for name in held.names if held is not None else ():
            self._entry_of.pop(name, None)

    async def _reclaim(self) -> None:
        """Take over what a member has held for too long."""
        self._reclaim_at = self._now() + self._reclaim_after_s / 2
        start = b"0-0"
        while True:
            reply = await self._link.call(
                *("XAUTOCLAIM", self._keys.stream, self._group, self._member),
                *(round(1000 * self._reclaim_after_s), start, "COUNT", _ENTRIES_AT_ONCE),
            )
            start = reply[0]
            for row in reply[1]:
                if row is not None and row[1] is not None:
                    await self._take_over(row)
            if start == b"0-0":
                return

    async def _take_over(self, row: Sequence[Any]) -> None:
        entry, fields = row
        wanted = self._wanted(row)
        if wanted is None:
            self._again.append((entry, None, b"".join(fields)))
            return
        left = wanted
        if wanted:
            texts = [_text((message.run, message.seq)) for message in wanted]
            done = await self._link.call("SMISMEMBER", self._keys.done(self._group), *texts)
            left = [message for message, is_done in zip(wanted, done, strict=True) if not is_done]
        if not left:
            await self._link.call("XACK", self._keys.stream, self._group, entry)
            return
        self._hold(entry, wanted, left).has_notes = True
        self._again.extend((entry, message, b"") for message in left)

    async def _is_dead(self, entry: bytes, message: Message | None, raw: bytes) -> bool:
        """Count another delivery; True if there were too many, and the message is set aside."""
        name = _text((message.run, message.seq)) if message is not None else entry.decode()
        tries_key = self._keys.tries(self._group)
        async with self._link.client.pipeline(transaction=True) as pipe:
            pipe.execute_command("HINCRBY", tries_key, name, 1)
            pipe.execute_command("EXPIRE", tries_key, _NOTES_S)
            tries, _ = await pipe.execute()
        if tries < MAX_DELIVERIES:  # the first delivery, with its whole entry, was not counted
            return False
        async with self._link.client.pipeline(transaction=True) as pipe:
            pipe.execute_command(
                *("XADD", self._keys.dead(self._group), "MAXLEN", "~", _DEAD_KEPT, "*"),
                *("entry", entry, "message", pack(message) if message is not None else raw),
            )
            pipe.execute_command("HDEL", tries_key, name)
            if message is None:
                pipe.execute_command("XACK", self._keys.stream, self._group, entry)
            await pipe.execute()
        self.dead += 1
        if message is not None:
            await self.acknowledge([(message.run, message.seq)])
        return True


def _text(name: _Name) -> str:
    return f"{name[0]}:{name[1]}"
