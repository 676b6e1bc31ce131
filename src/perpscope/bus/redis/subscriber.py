"""A face's end of the bus in Redis: reads the stream, alone or as one of a group; comes back after each failure."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

from perpscope.bus.redis.following import Following
from perpscope.bus.redis.keys import Keys
from perpscope.bus.redis.link import FAILURES, Link
from perpscope.bus.redis.membership import Membership
from perpscope.model.bulletin import BusHealth, Message

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_LEAVE_WITHIN_S = 0.5


class RedisSubscriber:
    """A face's end. One reader: `messages` is called once.

    A group is told messages without a key only; all its members name the same topics.
    """

    def __init__(
        self,
        url: str,
        topics: Collection[str],
        *,
        name: str = "perpscope",
        group: str | None = None,
        member: str | None = None,
        reclaim_after_s: float = 30.0,
    ) -> None:
        """Say what to hear.

        Args:
            url: of the Redis; never shown.
            topics: the kinds of message.
            name: of the heart.
            group: share the messages with the other members of this group.
            member: a name in the group that nobody else uses; one is made up.
            reclaim_after_s: real seconds after which what another member holds is taken over.

        Raises:
            ConfigError: the URL cannot be read, or the name is none.
        """
        keys = Keys(name)
        self._heart = name
        self._link = Link(url)
        self._source: Following | Membership
        if group is None:
            self._source = Following(self._link, keys, topics)
        else:
            member = member or f"{os.getpid()}-{secrets.token_hex(4)}"
            self._source = Membership(self._link, keys, topics, group, member, reclaim_after_s=reclaim_after_s)
        self._why: str | None = "not connected yet"
        self._closing = asyncio.Event()
        self._reading: asyncio.Future[list[Message]] | None = None

    async def messages(self) -> AsyncIterator[list[Message]]:
        """First the newest of each state, then everything as it comes, in order; ends when this end is closed."""
        pause_s = _FIRST_PAUSE_S
        while not self._closing.is_set():
            try:
                heard = await self._or_closed(self._source.join)
                while heard is not None:
                    self._why = None
                    pause_s = _FIRST_PAUSE_S
                    if heard:
                        yield heard
                    heard = await self._or_closed(self._source.read)
            except FAILURES as error:
                self._why = self._link.words(error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """In a group: these are done with. While Redis is gone that is kept, and said when it is back."""
        if isinstance(self._source, Membership):
            with contextlib.suppress(*FAILURES):
                await self._source.acknowledge([(message.run, message.seq) for message in messages])

    def health(self) -> BusHealth:
        """How it is doing; not connected, too, where Redis is there but no heart is."""
        why = self._why
        if why is None and not self._source.is_heard:
            why = f"no heart tells anything through Redis at {self._link.place} under the name {self._heart!r}"
        dead = self._source.dead if isinstance(self._source, Membership) else self._source.unreadable
        return BusHealth(is_connected=why is None, dropped=self._source.lost, dead=dead, why=why)

    async def aclose(self) -> None:
        """Hang up; `messages` ends."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading}, timeout=_LEAVE_WITHIN_S)
        if isinstance(self._source, Membership) and self._why is None:
            with contextlib.suppress(*FAILURES):
                await asyncio.wait_for(self._source.leave(), _LEAVE_WITHIN_S)
        self._why = "closed"
        await self._link.aclose()

    async def _or_closed(self, work: Callable[[], Awaitable[list[Message]]]) -> list[Message] | None:
        """What `work` returns; None if this end was closed meanwhile."""
        if self._closing.is_set():
            return None
        reading = asyncio.ensure_future(work())
        self._reading = reading
        try:
            return await reading
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._closing.is_set() or (task is not None and task.cancelling()):
                raise
            return None
        finally:
            self._reading = None
