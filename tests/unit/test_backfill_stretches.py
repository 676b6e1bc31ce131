"""Which stretches are missing, and what to ask so that they are not."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from perpscope.feeds.stretches import Known, Span, common, length, missing, settles_at, to_ask, union, without
from perpscope.model.stream import Channel

_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND

spans = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)


def _moments(of: list[Span]) -> set[int]:
    """Every whole moment that is in these: the definition, which needs no arithmetic."""
    return {at for start, end in of for at in range(start, end)}


@given(spans, spans)
def test_spans_are_sets_of_moments(ours: list[Span], others: list[Span]) -> None:
    """Union, difference and intersection are those of the moments; results are in order and apart. Keeps B6."""
    for found, moments in (
        (union(ours), _moments(ours)),
        (without(ours, others), _moments(ours) - _moments(others)),
        (common(ours, others), _moments(ours) & _moments(others)),
    ):
        assert _moments(found) == moments
        assert length(found) == len(moments)
        assert all(one[1] < other[0] for one, other in pairwise(found))


@given(spans, spans, spans, st.integers(0, 40), st.integers(0, 40))
def test_what_is_missing_is_what_was_neither_seen_whole_nor_filled(
    seen: list[Span], missed: list[Span], filled: list[Span], ts_from: int, ts_to: int
) -> None:
    """A gap wins over what was seen, what was filled wins over the gap; each kind can be left out. Keeps B6."""
    known = Known(tuple(seen), tuple(missed), tuple(filled))
    window = set(range(ts_from, ts_to))
    gaps = (window & _moments(missed)) - _moments(filled)
    unseen = window - _moments(seen) - _moments(missed) - _moments(filled)
    assert _moments(missing(known, ts_from, ts_to)) == gaps | unseen
    assert _moments(missing(known, ts_from, ts_to, unseen=False)) == gaps
    assert _moments(missing(known, ts_from, ts_to, gaps=False)) == unseen


def test_candles_of_a_gap_begin_with_the_last_that_closed_before_it() -> None:
    """Its last word may have been under way when the connection broke. Keeps S2-60."""
    gap = (10 * _MINUTE + 3 * _SECOND, 12 * _MINUTE + 30 * _SECOND)
    assert to_ask(Channel.CANDLES_1M, [gap], 20 * _MINUTE) == [(10 * _MINUTE, gap[1])]
    assert to_ask(Channel.CANDLES_15M, [gap], 20 * _MINUTE) == [(0, gap[1])]


def test_what_may_not_be_published_yet_is_asked_later() -> None:
    """A gap that has just closed is asked up to what is certain, and once more when it is settled. Keeps S2-60."""
    gap = (10 * _MINUTE, 12 * _MINUTE)
    assert to_ask(Channel.CANDLES_1M, [gap], 12 * _MINUTE + _SECOND) == [(10 * _MINUTE, 11 * _MINUTE + 56 * _SECOND)]
    assert settles_at(Channel.CANDLES_1M, gap) == 12 * _MINUTE + 5 * _SECOND
    assert to_ask(Channel.OPEN_INTEREST, [gap], 13 * _MINUTE) == []
    later = settles_at(Channel.OPEN_INTEREST, gap)
    assert to_ask(Channel.OPEN_INTEREST, [gap], later) == [(5 * _MINUTE, 12 * _MINUTE)]


def test_trades_are_asked_for_a_little_beyond_the_edges_of_a_gap() -> None:
    """Two clocks never agree: seconds of overlap cost nothing, a lost trade does. Keeps S2-60."""
    gap = (10 * _MINUTE, 11 * _MINUTE)
    assert to_ask(Channel.TRADES, [gap], 20 * _MINUTE) == [(gap[0] - 2 * _SECOND, gap[1] + 2 * _SECOND)]


def test_gaps_close_together_are_asked_for_at_once() -> None:
    """Stretches that touch are one. Keeps S2-60."""
    gaps = [(10 * _MINUTE + 5, 10 * _MINUTE + 9), (10 * _MINUTE + 20, 11 * _MINUTE)]
    assert to_ask(Channel.CANDLES_1M, gaps, 20 * _MINUTE) == [(10 * _MINUTE, 11 * _MINUTE)]
