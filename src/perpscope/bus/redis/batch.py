"""One entry of the stream: up to a hundred messages, and what lets a reader know exactly what it has missed."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from perpscope.model.bulletin import Message

#: The one field of an entry.
FIELD = b"b"
MOST_MESSAGES = 100
MOST_BYTES = 256 * 1024

#: An entry's id: milliseconds that name the run, and the number of the entry's last message.
Id = tuple[int, int]
NO_ID: Id = (0, 0)


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """Messages of one run, in order."""

    run: str
    after: int  #: number of the last message of the batch before; 0 for a run's first
    told: dict[str, int]  #: messages without a key this run told before this batch, by topic, lost ones included
    messages: list[Message]

    @property
    def last(self) -> int:
        """Number of the last message."""
        return self.messages[-1].seq


pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Batch).decode
unpack_message = msgspec.msgpack.Decoder(Message).decode


class Packer:
    """Makes batches of one run, and keeps count of what was told."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._after = 0
        self._told: dict[str, int] = {}

    @property
    def last(self) -> int:
        """Number of the last message packed."""
        return self._after

    def batches(self, messages: Iterable[Message]) -> list[Batch]:
        """These messages, in order, in as many batches as they need."""
        made: list[Batch] = []
        part: list[Message] = []
        size = 0
        for message in messages:
            if part and (len(part) >= MOST_MESSAGES or size + len(message.payload) > MOST_BYTES):
                made.append(self._batch(part))
                part, size = [], 0
            part.append(message)
            size += len(message.payload)
        if part:
            made.append(self._batch(part))
        return made

    def lose(self, lost: dict[str, int]) -> None:
        """So many messages of each topic will not be told; whoever reads on learns that from the next batch."""
        for topic, count in lost.items():
            self._told[topic] = self._told.get(topic, 0) + count

    def _batch(self, messages: list[Message]) -> Batch:
        batch = Batch(self._run, self._after, dict(self._told), messages)
        for message in messages:
            if message.key is None:
                self._told[message.topic] = self._told.get(message.topic, 0) + 1
        self._after = batch.last
        return batch


def id_text(entry: Id) -> str:
    """As Redis writes it."""
    return f"{entry[0]}-{entry[1]}"


def read_id(text: bytes) -> Id:
    """From what Redis writes."""
    first, _, second = text.partition(b"-")
    return int(first), int(second)


def state_field(message: Message) -> bytes:
    """Name of a state in the hash of states."""
    return f"{message.topic}\0{message.key}".encode()


def read_entry(row: Sequence[Any]) -> tuple[Id, Batch]:
    """An entry as Redis tells it: id and fields.

    Raises:
        msgspec.DecodeError: it holds no batch.
        ValueError: likewise.
    """
    name, fields = row
    if not fields or fields[0] != FIELD:
        raise ValueError("no batch")
    batch = unpack(fields[1])
    if not batch.messages:
        raise ValueError("an empty batch")
    return read_id(name), batch
