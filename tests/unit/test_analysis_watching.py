"""How much of a stretch of time was watched, against counting every millisecond."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpscope.analytics.liquidation_figures import Watch
from perpscope.analytics.watching import Interval, covered_share, watched_spans

LENGTH = 40
intervals = st.lists(st.tuples(st.integers(-5, 45), st.integers(-5, 45)), max_size=6)


def kind_at(seen: list[Interval], missed: list[Interval], at: int) -> Watch:
    """What is known of one millisecond."""
    if any(a <= at < b for a, b in missed):
        return Watch.GAP
    return Watch.COVERED if any(a <= at < b for a, b in seen) else Watch.UNKNOWN


@given(intervals, intervals, st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH)))
def test_spans_and_shares_count_milliseconds(seen: list[Interval], missed: list[Interval], part: Interval) -> None:
    """However intervals overlap, each millisecond has one kind, and a share is what counting gives."""
    spans = watched_spans(seen, missed, 0, LENGTH)
    assert (spans[0].from_ms, spans[-1].to_ms) == (0, LENGTH)
    kinds = [span.watch for span in spans for _ in range(span.from_ms, span.to_ms)]
    assert kinds == [kind_at(seen, missed, at) for at in range(LENGTH)]
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
