"""How much of a stretch of time was watched, against counting every millisecond."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpscope.analytics.liquidation_figures import Watch
from perpscope.analytics.watching import Interval, Watched, covered_share, watched, watched_spans, whole_share
from perpscope.model.market import Source

LENGTH = 40
intervals = st.lists(st.tuples(st.integers(-5, 45), st.integers(-5, 45)), max_size=6)


def kind_at(seen: list[Interval], missed: list[Interval], filled: list[Interval], at: int) -> Watch:
    """What is known of one millisecond."""
    if any(a <= at < b for a, b in filled):
        return Watch.COVERED
    if any(a <= at < b for a, b in missed):
        return Watch.GAP
    return Watch.COVERED if any(a <= at < b for a, b in seen) else Watch.UNKNOWN


@given(intervals, intervals, intervals, st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH)))
def test_spans_and_shares_count_milliseconds(
    seen: list[Interval], missed: list[Interval], filled: list[Interval], part: Interval
) -> None:
    """However intervals overlap, each millisecond has one kind, and a share is what counting gives."""
    spans = watched_spans(seen, missed, 0, LENGTH, filled)
    assert (spans[0].from_ms, spans[-1].to_ms) == (0, LENGTH)
    kinds = [span.watch for span in spans for _ in range(span.from_ms, span.to_ms)]
    assert kinds == [kind_at(seen, missed, filled, at) for at in range(LENGTH)]
    assert all(a.watch is not b.watch for a, b in pairwise(spans))
    inside = kinds[part[0] : part[1]]
    known = [kind for kind in inside if kind is not Watch.UNKNOWN]
    expected = inside.count(Watch.COVERED) / len(inside) if known else None
    assert covered_share(spans, part) == (None if expected is None else pytest.approx(expected))


def test_several_parts_share_one_figure() -> None:
    """The same hour of two days counts as one stretch, twice as long."""
    spans = watched_spans([(0, 10)], [(20, 30)], 0, 40)
    assert covered_share(spans, (0, 10), (20, 30)) == 0.5
    assert covered_share(spans) is None


sources = st.lists(st.tuples(st.integers(-5, 45), st.integers(-5, 45), st.sampled_from(Source)), max_size=6)
causes = st.lists(st.tuples(st.integers(-5, 45), st.integers(-5, 45), st.sampled_from(["a", "b"])), max_size=6)


@given(sources, causes, st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH)))
def test_a_streams_stretches_count_moments(
    covered: list[tuple[int, int, Source]], gaps: list[tuple[int, int, str]], part: Interval
) -> None:
    """Keeps B6. A gap stays one when it is filled, is cut where the filling ends, and wins over what was seen."""
    spans = watched(covered, gaps, 0, LENGTH)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    assert all(
        a.end < b.start or (a.source, a.cause, a.is_repaired) != (b.source, b.cause, b.is_repaired)
        for a, b in pairwise(spans)
    )
    told: dict[int, Watched] = {at: span for span in spans for at in range(span.start, span.end)}
    whole = []
    for at in range(LENGTH):
        live = {s for a, b, s in covered if a <= at < b and s in (Source.STREAM, Source.POLL)}
        fills = {s for a, b, s in covered if a <= at < b} - live
        missed = {cause for a, b, cause in gaps if a <= at < b}
        span = told.get(at)
        assert (span is None) == (not live and not fills and not missed)
        if span is not None:
            assert (span.cause in missed) if missed else span.cause is None
            assert span.is_repaired == bool(missed and fills)
            assert span.source in (fills if missed else live or fills) or (missed and not fills and span.source is None)
        whole.append(bool(fills or (live and not missed)))
    known = [at for at in range(*part) if at in told]
    expected = sum(whole[part[0] : part[1]]) / (part[1] - part[0]) if known else None
    assert whole_share(spans, *part) == (None if expected is None else pytest.approx(expected))


def test_of_two_gaps_at_once_the_first_gives_the_cause() -> None:
    """A book that broke within a lost connection is part of that gap; what outlasts it has its own cause."""
    spans = watched([], [(0, 10, "disconnect"), (5, 8, "sequence"), (9, 12, "restart")], 0, 20)
    assert [(span.start, span.end, span.cause) for span in spans] == [(0, 10, "disconnect"), (10, 12, "restart")]
    assert whole_share([], 0, 10) is None
