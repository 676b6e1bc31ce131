"""A face's end of the local bus: connects to the heart's socket, again and again, and tells what it hears."""

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path

import msgspec

from perpscope.bus import wire
from perpscope.model.bulletin import BusHealth, Message

#: Bytes read in one go; twice as many wait unread before the heart notices that this face is slow.
_READ = 256 * 1024
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0
_CONNECT_WITHIN_S = 5.0


class LocalSubscriber:
    """A face's end. One reader: `messages` is called once.

    A group is told messages without a key only; all its members name the same topics.
    """

    def __init__(
        self, path: Path, topics: Collection[str], *, group: str | None = None, member: str | None = None
    ) -> None:
        self._path = path
        self._join = wire.frame(wire.JOIN, wire.Join(sorted(topics), group, member or f"face-{os.getpid()}"))
        self._is_group = group is not None
        self._run: str | None = None
        self._last_seq = 0
        self._told = 0
        self._missed = 0
        self._lost = 0
        self._why: str | None = "not connected yet"
        self._writer: asyncio.StreamWriter | None = None
        self._closed = asyncio.Event()

    async def messages(self) -> AsyncIterator[list[Message]]:
        """First the newest of each state, then everything as it comes, in order; ends when this end is closed."""
        pause_s = _FIRST_PAUSE_S
        while not self._closed.is_set():
            try:
                _trust(self._path)
                async with asyncio.timeout(_CONNECT_WITHIN_S):
                    reader, writer = await asyncio.open_unix_connection(self._path, limit=_READ)
            except OSError as error:  # TimeoutError is one
                self._why = f"no heart at {self._path}: {error.strerror or 'no answer'}"
            else:
                self._writer = writer
                try:
                    writer.write(self._join)
                    async for heard in self._heard(reader):
                        pause_s = _FIRST_PAUSE_S
                        yield heard
                finally:
                    self._hang_up()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """In a group: these are done with. Without a group, or while the heart is gone, nothing happens."""
        seqs = [message.seq for message in messages if message.run == self._run]
        if self._is_group and seqs and self._writer is not None:
            self._writer.write(wire.frame(wire.DONE, seqs))

    def health(self) -> BusHealth:
        """How it is doing; `dropped` counts what was told as missed."""
        return BusHealth(is_connected=self._why is None, dropped=self._lost, why=self._why)

    async def aclose(self) -> None:
        """Hang up; `messages` ends."""
        self._closed.set()
        self._why = "closed"
        self._hang_up()

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._why = "closed" if self._closed.is_set() else f"the heart at {self._path} is gone"

    async def _heard(self, reader: asyncio.StreamReader) -> AsyncIterator[list[Message]]:
        """What comes on one connection, a read at a time; ends with it."""
        frames = wire.Frames()
        while not self._closed.is_set():
            try:
                data = await reader.read(_READ)
                if not data:
                    return
                heard: list[Message] = []
                for kind, body in frames.feed(data):
                    self._hear(kind, body, heard)
            except (OSError, wire.FrameTooLong, msgspec.DecodeError):
                return
            if heard:
                yield heard

    def _hear(self, kind: int, body: memoryview, heard: list[Message]) -> None:
        if kind == wire.MESSAGE:
            message = wire.decode_message(body)
            if message.seq <= self._last_seq and not self._is_group:
                return
            self._last_seq = message.seq
            if self._missed:
                message = msgspec.structs.replace(message, missed=self._missed)
                self._missed = 0
            if message.key is None:
                self._told += 1
            heard.append(message)
        elif kind == wire.LOST:
            self._miss(wire.decode_lost(body))
        elif kind == wire.WELCOME:
            self._welcome(wire.decode_welcome(body))

    def _miss(self, count: int) -> None:
        self._missed += count
        self._lost += count
        self._told += count

    def _welcome(self, welcome: wire.Welcome) -> None:
        """Joined: what was told meanwhile is missed, if this face had been listening before."""
        if self._run is None or self._is_group:
            self._told = welcome.told
        elif welcome.run == self._run:
            self._miss(welcome.told - self._told)
        else:
            self._told = 0
            self._miss(welcome.told)
        if welcome.run != self._run:
            self._run, self._last_seq = welcome.run, 0
        self._why = None


def _trust(path: Path) -> None:
    """Refuse a socket that another user may have put there to be believed."""
    for place in (path.parent, path):
        if os.geteuid() != 0 and place.lstat().st_uid not in {os.geteuid(), 0}:
            raise PermissionError(errno.EPERM, "it belongs to somebody else")
