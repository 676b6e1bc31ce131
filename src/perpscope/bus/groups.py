"""A group of faces on the local bus: each message goes to one member, and again until somebody is done with it.

What a member held when it went comes back and is told one message at a time, so that the one nobody can read is
found out; after `MAX_DELIVERIES` it is set aside.
"""

from collections import deque
from collections.abc import Callable
from operator import attrgetter

from perpscope.bus.wire import LOST, frame

#: A message that was told so often without anybody being done with it is set aside.
MAX_DELIVERIES = 5
#: Most messages one member holds without being done with them.
WINDOW = 10_000

_BY_SEQ = attrgetter("seq")


class Held:
    """A message of a group that nobody is done with."""

    __slots__ = ("by", "deliveries", "packed", "seq", "since", "untold")

    def __init__(self, seq: int, packed: bytes) -> None:
        self.seq = seq
        self.packed = packed
        self.untold = 0
        self.deliveries = 0
        self.since = 0.0
        self.by: Member | None = None  #: who was told it last


class Member:
    """One face of a group, and what it holds."""

    __slots__ = ("held", "is_ready", "write")

    def __init__(self, write: Callable[[bytes], None], is_ready: Callable[[], bool]) -> None:
        self.write = write
        self.is_ready = is_ready
        self.held: dict[int, Held] = {}


class Group:
    """Deals messages to its members. It outlives them: what comes while nobody is there waits, up to `backlog`."""

    def __init__(self, topics: frozenset[str], backlog: int) -> None:
        self.topics = topics
        self.members: list[Member] = []
        self.dead = 0
        self.lost = 0
        self._backlog = backlog
        self._waiting: deque[Held] = deque()
        self._returned: list[Held] = []

    def __len__(self) -> int:
        return len(self._waiting) + len(self._returned) + sum(len(member.held) for member in self.members)

    def add(self, seq: int, packed: bytes) -> None:
        """A message to be dealt."""
        self._waiting.append(Held(seq, packed))
        while len(self._waiting) > self._backlog:
            self.lost += 1
            untold = 1 + self._waiting.popleft().untold
            self._waiting[0].untold += untold

    def leave(self, member: Member) -> None:
        """A member is gone: what it held is for the others."""
        self.members.remove(member)
        self._take_back(list(member.held.values()))
        member.held.clear()

    def done(self, member: Member, seqs: list[int]) -> None:
        """A member is done with these, even where one was taken from it meanwhile."""
        for seq in seqs:
            if member.held.pop(seq, None) is None:
                self._returned = [held for held in self._returned if held.seq != seq]

    def reclaim(self, now: float, after_s: float) -> None:
        """Take back what a member has held for longer than `after_s` real seconds."""
        for member in self.members:
            late = [held for held in member.held.values() if now - held.since > after_s]
            for held in late:
                del member.held[held.seq]
            self._take_back(late)

    def deal(self, now: float) -> None:
        """Tell members what they have room for: first what came back, one at a time to a member with empty hands."""
        while self._returned:
            free = [member for member in self.members if not member.held and member.is_ready()]
            if not free:
                return
            held = self._returned.pop(0)
            self._give(min(free, key=lambda member: member is held.by), [held], now)
        while self._waiting:
            free = [member for member in self.members if len(member.held) < WINDOW and member.is_ready()]
            if not free:
                return
            least = min(free, key=lambda member: len(member.held))
            share = max(1, min(100, len(self._waiting) // len(free)))
            self._give(least, [self._waiting.popleft() for _ in range(share)], now)

    def _give(self, member: Member, messages: list[Held], now: float) -> None:
        parts: list[bytes] = []
        for held in messages:
            held.deliveries += 1
            held.since = now
            held.by = member
            member.held[held.seq] = held
            if held.untold:
                parts.append(frame(LOST, held.untold))
                held.untold = 0
            parts.append(held.packed)
        member.write(b"".join(parts))

    def _take_back(self, messages: list[Held]) -> None:
        for held in messages:
            if held.deliveries >= MAX_DELIVERIES:
                self.dead += 1
            else:
                self._returned.append(held)
        self._returned.sort(key=_BY_SEQ)
