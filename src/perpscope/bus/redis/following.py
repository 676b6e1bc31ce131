"""How a face reads the stream: every entry once and in order, what is missing counted, states told first."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from perpscope.bus.redis.batch import NO_ID, Batch, Id, id_text, read_entry, read_id, unpack_message
from perpscope.bus.redis.keys import Keys
from perpscope.bus.redis.link import Link
from perpscope.model.bulletin import Message

#: Real milliseconds one read waits for something new.
BLOCK_MS = 1000
_ENTRIES_AT_ONCE = 50
#: Lives of the heart that are remembered, should late entries of one appear.
_RUNS = 8


class _Place:
    """How far one run was read."""

    def __init__(self, last: int, told: dict[str, int] | None) -> None:
        self.last = last
        self.told = told  #: None: not known until its next batch
        self.states_to = 0  #: states up to this number were told in one go


class Following:
    """Reads everything, for one face. `join` comes first and after each failure."""

    def __init__(self, link: Link, keys: Keys, topics: Collection[str]) -> None:
        self._link = link
        self._keys = keys
        self._topics = frozenset(topics)
        self._at: Id | None = None
        self._places: dict[str, _Place] = {}
        self._missed = 0
        self.lost = 0
        self.unreadable = 0
        self.is_heard = False

    async def join(self) -> list[Message]:
        """Begin, or go on where this face was: the newest of each state."""
        states, top = await self._newest()
        if self._at is None:
            self._at = top
        elif top < self._at:
            self._at = NO_ID  # this Redis has lost what was read, and its heart may be numbering from below
        return states

    async def read(self) -> list[Message]:
        """What is new, the newest only of each state; nothing, where there was nothing for a second."""
        assert self._at is not None, "join first"  # noqa: S101
        reply: list[Any] | None = await self._link.call(
            "XREAD", "COUNT", _ENTRIES_AT_ONCE, "BLOCK", BLOCK_MS, "STREAMS", self._keys.stream, id_text(self._at)
        )
        if not reply:
            self.is_heard = await self._link.call("GET", self._keys.heart) is not None
            return []
        self.is_heard = True
        heard: list[Message] = []
        has_hole = False
        for row in reply[0][1]:
            self._at = read_id(row[0])
            try:
                _, batch = read_entry(row)
            except (msgspec.DecodeError, ValueError):
                self.unreadable += 1
            else:
                has_hole |= self._take(batch, heard)
        if has_hole:
            heard += (await self._newest())[0]
        return newest_states(heard)

    def _take(self, batch: Batch, heard: list[Message]) -> bool:
        """Add what is new of a batch; True if one before it is missing."""
        place = self._places.get(batch.run)
        if place is None:
            place = self._places[batch.run] = _Place(0, {} if self._places else None)
            if len(self._places) > _RUNS:
                del self._places[next(iter(self._places))]
        if batch.last <= place.last:
            return False
        if place.told is not None:
            self._miss(sum(batch.told.get(topic, 0) - place.told.get(topic, 0) for topic in self._topics))
        has_hole = batch.after > place.last
        for message in batch.messages:
            if message.topic not in self._topics or message.seq <= place.last:
                continue
            if message.key is not None and message.seq <= place.states_to:
                continue
            heard.append(self._with_missed(message))
        place.last, place.told = batch.last, _told_after(batch)
        return has_hole

    def _with_missed(self, message: Message) -> Message:
        if not self._missed:
            return message
        missed, self._missed = self._missed, 0
        return msgspec.structs.replace(message, missed=missed)

    def _miss(self, count: int) -> None:
        if count > 0:
            self._missed += count
            self.lost += count

    async def _newest(self) -> tuple[list[Message], Id]:
        """The newest of each state of the living heart, and the id of the stream's end."""
        async with self._link.client.pipeline(transaction=True) as pipe:
            pipe.execute_command("GET", self._keys.heart)
            pipe.execute_command("HGETALL", self._keys.states)
            pipe.execute_command("XREVRANGE", self._keys.stream, "+", "-", "COUNT", "1")
            heart, kept, newest = await pipe.execute()
        self.is_heard = heart is not None
        run = heart.decode(errors="replace") if heart else ""
        top = self._note_end(run, newest)
        states = [message for packed in kept.values() if (message := _state(packed)) is not None and message.run == run]
        if states:
            place = self._places.setdefault(run, _Place(0, None if self._at is None else {}))
            place.states_to = max(place.states_to, *(message.seq for message in states))
        return sorted((message for message in states if message.topic in self._topics), key=lambda m: m.seq), top

    def _note_end(self, run: str, newest: Sequence[Any]) -> Id:
        """Where a face that joins now begins; a run that was read before goes on from where it was."""
        if not newest:
            if run and self._at is None:
                self._places.setdefault(run, _Place(0, None))
            return NO_ID
        try:
            top, batch = read_entry(newest[0])
        except (msgspec.DecodeError, ValueError):
            return read_id(newest[0][0])
        if self._at is None:
            self._places[batch.run] = _Place(batch.last, _told_after(batch))
        if batch.run in self._places:
            self._places[batch.run].states_to = batch.last
        return top


def newest_states(heard: list[Message]) -> list[Message]:
    """The same messages without states that a later one replaces."""
    newest = {(message.topic, message.key): message for message in heard if message.key is not None}
    if len(newest) == sum(message.key is not None for message in heard):
        return heard
    kept: list[Message] = []
    missed = 0
    for message in heard:
        if message.key is not None and newest[message.topic, message.key] is not message:
            missed += message.missed
        elif missed:
            kept.append(msgspec.structs.replace(message, missed=message.missed + missed))
            missed = 0
        else:
            kept.append(message)
    return kept


def _told_after(batch: Batch) -> dict[str, int]:
    told = dict(batch.told)
    for message in batch.messages:
        if message.key is None:
            told[message.topic] = told.get(message.topic, 0) + 1
    return told


def _state(packed: bytes) -> Message | None:
    try:
        return unpack_message(packed)
    except msgspec.DecodeError:
        return None
