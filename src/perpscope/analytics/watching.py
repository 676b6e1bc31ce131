"""How much of a stretch of time was watched, from the intervals that were seen and those that were missed.

A moment that is in both counts as missed; one that is in neither is unknown. Unknown is not the same as missed: an
imported file comes without a word on what its recorder saw.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

from perpscope.analytics.liquidation_figures import Span, Watch

Interval: TypeAlias = tuple[int, int]  #: from, to (not included), ms UTC


def watched_spans(seen: Sequence[Interval], missed: Sequence[Interval], from_ms: int, to_ms: int) -> list[Span]:
    """Cut a stretch of time into spans of one kind.

    Args:
        seen: intervals that were watched, in any order, overlapping or not.
        missed: intervals that were not.
        from_ms: start of the stretch, ms UTC.
        to_ms: its end, > `from_ms`.

    >>> [(s.from_ms, s.to_ms, s.watch.value) for s in watched_spans([(0, 50)], [(20, 30)], 10, 60)]
    [(10, 20, 'covered'), (20, 30, 'gap'), (30, 50, 'covered'), (50, 60, 'unknown')]
    """
    covered, gaps = (_union(part, from_ms, to_ms) for part in (seen, missed))
    edges = sorted({from_ms, to_ms, *(at for interval in (*covered, *gaps) for at in interval)})
    spans: list[Span] = []
    for start, end in pairwise(edges):
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
