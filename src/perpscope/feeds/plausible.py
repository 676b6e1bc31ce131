"""Whether the time a venue stamps on a frame can be true, and which streams a frame that cannot be used was about.

In: the events of one frame, or its bytes. Out: why it is set aside; and, for the time of frames that were, the gap they
leave. A venue's clock may be wrong by an hour, or its milliseconds be seconds: stored as good, such an event would lie
in another day. A recorder some seconds behind the exchange, and old news, are no reason to refuse anything.
"""

from collections.abc import Sequence

from perpscope.model.market import Candle, Gap, MarketEvent
from perpscope.model.stream import Stream, Topic

#: How far ahead of our receipt an event may be stamped, ns: our own clock may be behind by so much (chosen by hand).
AHEAD_NS = 5 * 60 * 1_000_000_000
#: How far behind, ns: a venue tells the newest day again on some subscriptions (chosen by hand).
BEHIND_NS = 86_400 * 1_000_000_000
#: What arrived with a bad frame may have been published this much before it, ns: one burst, one queue (chosen by hand).
_BEFORE_NS = 1_000_000_000


def implausible(events: Sequence[MarketEvent], ts_recv: int) -> str | None:
    """Why the events of one frame are set aside, all of them; None if their times may be true.

    Args:
        events: as decoded.
        ts_recv: ns UTC, of the frame.

    >>> implausible([], 0) is None
    True
    """
    for event in events:
        ts = event.ts_open if isinstance(event, Candle) else event.ts_event  # type: ignore[union-attr]  # of instruments
        ahead_ns = ts - ts_recv
        if not -BEHIND_NS <= ahead_ns <= AHEAD_NS:
            way = "ahead of" if ahead_ns > 0 else "behind"
            return f"implausible time: {abs(ahead_ns) / 1e9:,.0f} s {way} its receipt"
    return None


class Spoilt:
    """What was in frames that could not be used is missing: the gaps of one connection.

    Args:
        venue: whose.
        topics: of the connection; where a frame names one of them, the others are not concerned.
    """

    def __init__(self, venue: str, topics: Sequence[Topic]) -> None:
        self._venue = venue
        self._topics = [(topic.name.encode(), topic.streams) for topic in topics]
        self._holes: dict[Stream, tuple[int, int]] = {}

    def note(self, raw: bytes | memoryview, ts_last: int, ts_recv: int) -> None:
        """A frame was set aside.

        Args:
            raw: its bytes.
            ts_last: ns UTC, receipt of the last good one before the last Tick, or what the newest good one was stamped
                with if that is earlier: whatever was lost was published after it; 0 without any.
            ts_recv: ns UTC, its own receipt.
        """
        frame = bytes(raw)
        named = [streams for name, streams in self._topics if name in frame]
        ts_from = min(ts_last or ts_recv, ts_recv - _BEFORE_NS)
        for streams in named or [streams for _, streams in self._topics]:
            for stream in streams:
                since, _ = self._holes.get(stream, (ts_from, 0))
                self._holes[stream] = (min(since, ts_from), ts_recv)

    def gaps(self, ts_recv: int) -> list[Gap]:
        """The gaps since the last call; streams that share their times share one."""
        together: dict[tuple[int, int], list[Stream]] = {}
        for stream, hole in self._holes.items():
            together.setdefault(hole, []).append(stream)
        self._holes.clear()
        return [
            Gap(self._venue, tuple(streams), since, until, "bad-frames", ts_recv)
            for (since, until), streams in together.items()
        ]
