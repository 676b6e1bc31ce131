"""How much of a stretch of time was watched, from the intervals that were seen and those that were missed.

A moment that is in both counts as missed; one that is in neither is unknown. Unknown is not the same as missed: an
imported file comes without a word on what its recorder saw. What was missed and asked for afterwards is missed no more,
but it stays on record that it was.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Generic, TypeAlias, TypeVar

import msgspec

from perpscope.analytics.liquidation_figures import Span, Watch
from perpscope.model.market import Source

L = TypeVar("L")

Interval: TypeAlias = tuple[int, int]  #: from, to (not included), ms UTC
Labelled: TypeAlias = tuple[int, int, L]  #: the same of any unit, and what it is

#: What is covered by these came after the event, and fills gaps.
AFTERWARDS = frozenset({Source.BACKFILL, Source.IMPORT})


def watched_spans(
    seen: Sequence[Interval], missed: Sequence[Interval], from_ms: int, to_ms: int, filled: Sequence[Interval] = ()
) -> list[Span]:
    """Cut a stretch of time into spans of one kind.

    Args:
        seen: intervals that were watched, in any order, overlapping or not.
        missed: intervals that were not.
        from_ms: start of the stretch, ms UTC.
        to_ms: its end, > `from_ms`.
        filled: intervals that were asked for afterwards; what was missed there is missed no more.

    >>> [(s.from_ms, s.to_ms, s.watch.value) for s in watched_spans([(0, 50)], [(20, 30)], 10, 60)]
    [(10, 20, 'covered'), (20, 30, 'gap'), (30, 50, 'covered'), (50, 60, 'unknown')]
    """
    covered, gaps, whole = (_union(part, from_ms, to_ms) for part in (seen, missed, filled))
    edges = sorted({from_ms, to_ms, *(at for interval in (*covered, *gaps, *whole) for at in interval)})
    spans: list[Span] = []
    for start, end in pairwise(edges):
        if _holds(whole, start):
            watch = Watch.COVERED
        else:
            watch = Watch.GAP if _holds(gaps, start) else Watch.COVERED if _holds(covered, start) else Watch.UNKNOWN
        if spans and spans[-1].watch is watch:
            spans[-1] = Span(spans[-1].from_ms, end, watch)
        else:
            spans.append(Span(start, end, watch))
    return spans


def covered_share(spans: Sequence[Span], *parts: Interval) -> float | None:
    """Share of some parts of the time that was watched, in [0, 1]; None if nothing is known about any of it.

    >>> spans = watched_spans([(0, 50)], [(50, 60)], 0, 100)
    >>> covered_share(spans, (0, 100)), covered_share(spans, (40, 60)), covered_share(spans, (70, 80))
    (0.5, 0.5, None)
    """
    lengths = dict.fromkeys(Watch, 0)
    starts = [span.from_ms for span in spans]
    for from_ms, to_ms in parts:
        at = max(bisect_right(starts, from_ms) - 1, 0)
        while at < len(spans) and spans[at].from_ms < to_ms:
            lengths[spans[at].watch] += max(0, min(spans[at].to_ms, to_ms) - max(spans[at].from_ms, from_ms))
            at += 1
    whole = sum(lengths.values())
    return None if lengths[Watch.UNKNOWN] == whole else lengths[Watch.COVERED] / whole


class Watched(msgspec.Struct, frozen=True, gc=False):
    """A stretch of one stream's time of which something is known."""

    start: int
    end: int  #: not included
    source: Source | None  #: where what is stored of it came from; None for a gap that nothing fills
    cause: str | None = None  #: of a gap
    is_repaired: bool = False  #: a gap that was filled afterwards

    @property
    def is_whole(self) -> bool:
        """True if nothing is missing."""
        return self.source is not None


def watched(covered: Sequence[Labelled[Source]], gaps: Sequence[Labelled[str]], start: int, end: int) -> list[Watched]:
    """What is known of one stream, merged, in order and without overlap; of what is unknown nothing is said.

    Args:
        covered: what was seen or filled, in any order, overlapping or not.
        gaps: what was missed, with causes; of two at once the one that began first gives the cause.
        start: of the time asked about, in the unit of the intervals.
        end: its end, not included.

    >>> spans = watched([(0, 60, Source.STREAM), (30, 40, Source.BACKFILL)], [(20, 40, "silent")], 10, 90)
    >>> [(span.start, span.end, span.cause, span.is_whole) for span in spans]
    [(10, 20, None, True), (20, 30, 'silent', False), (30, 40, 'silent', True), (40, 60, None, True)]
    """
    seen = _Flat([interval for interval in covered if interval[2] not in AFTERWARDS], start, end)
    filled = _Flat([interval for interval in covered if interval[2] in AFTERWARDS], start, end)
    missed = _Flat(gaps, start, end)
    spans: list[Watched] = []
    for at, to in pairwise(sorted({*seen.edges, *filled.edges, *missed.edges})):
        cause, fill, live = missed.label(at), filled.label(at), seen.label(at)
        source = fill if cause is not None else live or fill
        if cause is None and source is None:
            continue
        span = Watched(at, to, source, cause, cause is not None and fill is not None)
        if spans and spans[-1].end == at and _kind(spans[-1]) == _kind(span):
            span = msgspec.structs.replace(span, start=spans.pop().start)
        spans.append(span)
    return spans


def whole_share(spans: Sequence[Watched], start: int, end: int) -> float | None:
    """Share of a stretch of which nothing is missing, in [0, 1]; None if nothing is known about any of it.

    Args:
        spans: as `watched` gives them.
        start: of the stretch.
        end: its end, not included.

    >>> whole_share([Watched(0, 50, Source.STREAM), Watched(50, 60, None, "silent")], 40, 80)
    0.25
    """
    at = max(bisect_right(spans, start, key=lambda span: span.start) - 1, 0)
    known = whole = 0
    while at < len(spans) and spans[at].start < end:
        length = max(0, min(spans[at].end, end) - max(spans[at].start, start))
        known += length
        whole += length if spans[at].is_whole else 0
        at += 1
    return whole / (end - start) if known else None


def _kind(span: Watched) -> tuple[Source | None, str | None, bool]:
    """What two stretches that are one have in common."""
    return span.source, span.cause, span.is_repaired


class _Flat(Generic[L]):
    """Intervals made to follow one another: where two overlap, the one that began first stays."""

    def __init__(self, intervals: Sequence[Labelled[L]], start: int, end: int) -> None:
        self.edges: list[int] = []
        self._parts: list[Labelled[L]] = []
        self._at = 0
        reached = start
        for begin, finish, label in sorted(intervals, key=lambda interval: interval[:2]):
            begins, ends = max(begin, reached), min(finish, end)
            if begins < ends:
                self._parts.append((begins, ends, label))
                self.edges += (begins, ends)
                reached = ends

    def label(self, at: int) -> L | None:
        """What holds a moment; to be asked in order of time."""
        while self._at < len(self._parts) and self._parts[self._at][1] <= at:
            self._at += 1
        return self._parts[self._at][2] if self._at < len(self._parts) and self._parts[self._at][0] <= at else None


def _union(intervals: Sequence[Interval], from_ms: int, to_ms: int) -> list[Interval]:
    """The parts within a stretch, in order, without overlap."""
    joined: list[Interval] = []
    for start, end in sorted((max(a, from_ms), min(b, to_ms)) for a, b in intervals):
        if start >= end:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _holds(intervals: Sequence[Interval], at: int) -> bool:
    """Whether one of these (in order, apart) holds a moment."""
    place = bisect_right(intervals, at, key=lambda interval: interval[0])
    return place > 0 and at < intervals[place - 1][1]
