"""What waits for one face: states coalesce to the newest, other messages are bounded and their loss is counted."""

from collections import deque
from collections.abc import Callable

from perpscope.bus.wire import LOST, frame


class Outbox:
    """Frames for one face in the order of their numbers.

    Of messages without a key the newest `backlog` (and `max_bytes`) are kept; how many older ones went is told right
    before the first that is left.
    """

    def __init__(self, backlog: int, max_bytes: int) -> None:
        self._backlog = backlog
        self._max_bytes = max_bytes
        self._frames: dict[int, bytes] = {}
        self._keyless: deque[int] = deque()
        self._keyless_bytes = 0
        self._states: dict[tuple[str, str], int] = {}
        self._state_of: dict[int, tuple[str, str]] = {}
        self._untold = 0
        self.lost = 0

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, seq: int, packed: bytes) -> None:
        """A message without a key; the oldest go where there are too many."""
        self._frames[seq] = packed
        self._keyless.append(seq)
        self._keyless_bytes += len(packed)
        while len(self._keyless) > self._backlog or (self._keyless_bytes > self._max_bytes and len(self._keyless) > 1):
            self._keyless_bytes -= len(self._frames.pop(self._keyless.popleft()))
            self._untold += 1
            self.lost += 1

    def put(self, seq: int, packed: bytes, state: tuple[str, str]) -> None:
        """The newest of a state, in place of an older one that still waits."""
        older = self._states.get(state)
        if older is not None:
            del self._frames[older], self._state_of[older]
        self._frames[seq] = packed
        self._states[state] = seq
        self._state_of[seq] = state

    def drain(self, write: Callable[[bytes], None], may_go_on: Callable[[], bool], chunk: int) -> None:
        """Hand over what waits, about `chunk` bytes at a time, as long as the other end takes it."""
        while self._frames and may_go_on():
            write(self._take(chunk))

    def _take(self, chunk: int) -> bytes:
        taken: list[bytes] = []
        seqs: list[int] = []
        size = 0
        for seq, packed in self._frames.items():
            state = self._state_of.pop(seq, None)
            if state is not None:
                del self._states[state]
            else:
                self._keyless.popleft()
                self._keyless_bytes -= len(packed)
                if self._untold:
                    taken.append(frame(LOST, self._untold))
                    self._untold = 0
            taken.append(packed)
            seqs.append(seq)
            size += len(packed)
            if size >= chunk:
                break
        if len(seqs) == len(self._frames):
            self._frames.clear()
        else:
            for seq in seqs:
                del self._frames[seq]
        return b"".join(taken)
