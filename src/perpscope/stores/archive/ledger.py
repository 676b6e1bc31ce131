"""What an archive holds of each stream, and what it does not: the tapes' coverage joined.

Within one tape a gap wins over what was covered, but not over what was asked for afterwards. A moment that any tape
vouches for is covered, and the gaps of the others count as repaired there. Days that were let go are gaps again,
whoever had seen them.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias

import msgspec

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Source
from perpscope.model.stream import Channel, Stream
from perpscope.stores.archive.files import DAY_NS
from perpscope.stores.archive.manifest import GapRow, Manifest

Interval: TypeAlias = tuple[int, int]  #: from, to (not included), ns UTC
_Tapes: TypeAlias = dict[tuple[str, bool], list[Interval]]  # by tape, and whether it was asked for afterwards

DAMAGED: Final = "damaged"  #: cause of the gap left by a file that cannot be read

_OPEN: Final = 1 << 62
#: What is asked for afterwards is whole by the venue's time. An event of the moment before may have been on its way to
#: us, and lost, in the first seconds: as many as are asked for before a gap (`feeds.stretches`).
_ON_ITS_WAY_NS: Final = 2_000_000_000


class Span(msgspec.Struct, frozen=True):
    """A stretch of one stream of one state."""

    venue: str
    channel: Channel
    instrument: InstrumentId | None  #: None for a stream of all instruments
    ts_from: int  #: ns UTC
    ts_to: int | None  #: ns UTC, not included; None for a gap that lasts
    is_covered: bool
    cause: str | None = None  #: of a gap
    is_repaired: bool = False  #: a gap of one tape that another one holds


def ledger(manifest: Manifest) -> list[Span]:
    """Every stream's covered stretches and gaps, in order; gaps that were repaired are told as well."""
    covered: dict[tuple[str, Stream], _Tapes] = defaultdict(lambda: defaultdict(list))
    for row in manifest.covered():
        is_filled = row.source is Source.BACKFILL
        covered[row.venue, row.stream][row.tape, is_filled].append((row.ts_from, row.ts_to))
    gaps: dict[tuple[str, Stream], list[GapRow]] = defaultdict(list)
    for gap in manifest.gaps():
        gaps[gap.venue, gap.stream].append(gap)
        covered.setdefault((gap.venue, gap.stream), defaultdict(list))
    expired = {day: _day(day) for day in manifest.gone_days}
    spans: list[Span] = []
    for (venue, stream), tapes in covered.items():
        every = gaps[venue, Stream(stream.channel, None)] if stream.instrument is not None else []
        spans += _spans_of(venue, stream, tapes, [*gaps[venue, stream], *every], list(expired.values()))
    return sorted(spans, key=lambda s: (s.venue, s.channel.value, s.instrument or "", s.ts_from, s.is_covered))


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Joined, in order, apart.

    >>> union([(5, 7), (0, 2), (1, 3), (3, 4)])
    [(0, 4), (5, 7)]
    """
    joined: list[Interval] = []
    for start, end in sorted(interval for interval in intervals if interval[0] < interval[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def without(intervals: Sequence[Interval], taken: Sequence[Interval]) -> list[Interval]:
    """What is left of intervals (in order, apart) when others (the same) are taken away.

    >>> without([(0, 10), (20, 30)], [(2, 3), (8, 25)])
    [(0, 2), (3, 8), (25, 30)]
    """
    left: list[Interval] = []
    for begin, end in intervals:
        start = begin
        for low, high in taken[max(bisect_left(taken, (begin, begin)) - 1, 0) :]:
            if low >= end:
                break
            if low > start:
                left.append((start, low))
            start = max(start, high)
        if start < end:
            left.append((start, end))
    return left


def _spans_of(
    venue: str, stream: Stream, tapes: _Tapes, gaps: Sequence[GapRow], expired: Sequence[Interval]
) -> list[Span]:
    missed: _Tapes = defaultdict(list)
    for gap in gaps:
        for is_filled in {False, gap.cause == DAMAGED}:
            missed[gap.tape, is_filled].append((gap.ts_from, _OPEN if gap.ts_to is None else gap.ts_to))
    seen = [part for tape, own in tapes.items() for part in without(_held(own, tape[1]), union(missed[tape]))]
    had = union(seen)
    held = without(had, union(expired))
    spans = [Span(venue, stream.channel, stream.instrument, *part, True) for part in held]
    causes = [(gap.cause, (gap.ts_from, _OPEN if gap.ts_to is None else gap.ts_to)) for gap in gaps]
    causes += [("expired", part) for part in without(had, held)]
    for cause, whole in sorted(set(causes)):
        lost = without([whole], held) if whole[0] < whole[1] else []
        for part, is_repaired in [*((p, False) for p in lost), *((p, True) for p in without([whole], lost))]:
            end = None if part[1] == _OPEN else part[1]
            spans.append(Span(venue, stream.channel, stream.instrument, part[0], end, False, cause, is_repaired))
    return spans


def _held(own: Sequence[Interval], is_filled: bool) -> list[Interval]:
    late = _ON_ITS_WAY_NS if is_filled else 0
    return [(start + late, end) for start, end in union(own) if start + late < end]


def _day(day: str) -> Interval:
    start = int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) * 1_000_000_000
    return start, start + DAY_NS
