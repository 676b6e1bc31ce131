"""A lane: jobs done one after the other in a thread of their own, so that whoever asks never waits.

Bounded: when too many wait, the oldest is let go and counted. What a job gives is fetched later, by whoever asked. A
job that hangs keeps its lane, and nothing else: the lane is abandoned with its result and another takes its place.
Threads are daemons: nobody waits for one at the end.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
import structlog

T = TypeVar("T")
_log = structlog.get_logger()


class Job(msgspec.Struct, Generic[T], frozen=True):
    """Something to be done."""

    name: str  #: what it is about
    work: Callable[[], T]


class _Thread(Generic[T]):
    """One thread and its jobs."""

    def __init__(self, name: str, capacity: int, monotonic: Callable[[], float]) -> None:
        self.changed = threading.Condition()
        self.waiting: deque[Job[T]] = deque()
        self.done: deque[T] = deque(maxlen=capacity + 1)
        self.doing: tuple[str, float] | None = None
        self.failed = 0
        self.is_over = False
        self._monotonic = monotonic
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        while True:
            with self.changed:
                self.doing = None
                self.changed.wait_for(lambda: self.waiting or self.is_over)
                if self.is_over:
                    return
                job = self.waiting.popleft()
                self.doing = (job.name, self._monotonic())
            try:
                made = job.work()
            except Exception:  # one job's trouble is not the next one's
                self.failed += 1
                _log.exception("a job failed", job=job.name)
            else:
                self.done.append(made)


class Lane(Generic[T]):
    """See above; used from one thread, that of the event loop.

    Args:
        name: of the thread.
        capacity: jobs that wait at most, and results.
        hung_after_s: real seconds after which a job counts as hung.
        monotonic: real seconds from any origin.
    """

    def __init__(
        self, name: str, capacity: int, hung_after_s: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.dropped = 0  #: jobs let go because too many waited
        self.hung: list[str] = []  #: names of jobs that were abandoned
        self._failed = 0
        self._name, self._capacity, self._hung_after_s, self._monotonic = name, capacity, hung_after_s, monotonic
        self._thread: _Thread[T] | None = None

    @property
    def failed(self) -> int:
        """Jobs that raised."""
        return self._failed + (0 if self._thread is None else self._thread.failed)

    @property
    def waiting(self) -> int:
        """Jobs not begun."""
        return 0 if self._thread is None else len(self._thread.waiting)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is done just now."""
        thread = self._thread
        return thread is None or (not thread.waiting and thread.doing is None)

    def put(self, job: Job[T]) -> None:
        """Have something done; never waits."""
        thread = self._thread
        if thread is None:
            thread = self._thread = _Thread(self._name, self._capacity, self._monotonic)
        with thread.changed:
            if len(thread.waiting) >= self._capacity:
                thread.waiting.popleft()
                self.dropped += 1
            thread.waiting.append(job)
            thread.changed.notify_all()

    def results(self) -> list[T]:
        """What was made since the last call; a hung job is abandoned on this occasion."""
        thread = self._thread
        if thread is None:
            return []
        found = [thread.done.popleft() for _ in range(len(thread.done))]
        doing = thread.doing
        if doing is not None and self._monotonic() - doing[1] > self._hung_after_s:
            self._abandon(thread, doing[0])
        return found

    def close(self) -> None:
        """Let go; what waits is not done."""
        if self._thread is not None:
            with self._thread.changed:
                self._thread.is_over = True
                self._thread.changed.notify_all()
            self._failed, self._thread = self.failed, None

    def _abandon(self, thread: "_Thread[T]", name: str) -> None:
        """Leave a hung job to itself; what waited behind it goes on in another thread."""
        self.hung.append(name)
        _log.warning("a job hangs; it is abandoned", job=name)
        with thread.changed:
            thread.is_over = True
            waiting = list(thread.waiting)
            thread.waiting.clear()
        self._failed += thread.failed
        self._thread = _Thread(self._name, self._capacity, self._monotonic)
        for job in waiting:
            self.put(job)


class InTurn(Generic[T]):
    """What a lane is to those who replay a market: a job is done as it is put, by whoever puts it, and may raise.

    Its result is fetched no earlier than it would be from a lane: not at the look that follows the putting, which
    belongs to the same moment, but at the one after.
    """

    def __init__(self) -> None:
        self.dropped = self.failed = self.waiting = 0
        self.hung: list[str] = []
        self._made: list[T] = []
        self._ready: list[T] = []

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be fetched."""
        return not self._made and not self._ready

    def put(self, job: Job[T]) -> None:
        """Do something."""
        self._made.append(job.work())

    def results(self) -> list[T]:
        """What was made before the last call."""
        found, self._ready, self._made = self._ready, self._made, []
        return found

    def close(self) -> None:
        """Nothing is held."""
