"""What became of the frames: decoded, control, ignored by name, rejected. Total = routed + unhandled + the rest."""

from collections import Counter, deque

#: Rejected frames kept for inspection, and how much of each.
_SAMPLES, _SAMPLE_BYTES = 20, 512


class FrameCounts:
    """Counters of one feed; `frames` always equals the sum of the parts."""

    __slots__ = ("control", "decoded", "ignored", "rejected", "samples")

    def __init__(self) -> None:
        self.decoded = 0
        self.control = 0
        self.rejected = 0
        self.ignored: Counter[str] = Counter()
        self.samples: deque[tuple[str, bytes]] = deque(maxlen=_SAMPLES)  #: (why, first bytes) of rejected frames

    @property
    def frames(self) -> int:
        """Frames received."""
        return self.decoded + self.control + self.rejected + self.ignored.total()

    @property
    def data(self) -> int:
        """Frames that hold data, ours or not: neither answers to us nor broken."""
        return self.decoded + self.ignored.total()

    @property
    def routed(self) -> int:
        """Frames that became events."""
        return self.decoded

    @property
    def unhandled(self) -> int:
        """Well-formed frames nobody listens to."""
        return self.ignored.total()

    def reject(self, why: str, raw: bytes | memoryview) -> None:
        """Count a bad frame and keep the start of it."""
        self.rejected += 1
        self.samples.append((why, bytes(raw[:_SAMPLE_BYTES])))

    def add(self, other: "FrameCounts") -> None:
        """Take another's counts into this one."""
        self.decoded += other.decoded
        self.control += other.control
        self.rejected += other.rejected
        self.ignored.update(other.ignored)
        self.samples.extend(other.samples)
