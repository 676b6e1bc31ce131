"""Whatever the market does, the event path and the compiled loop come to the same fills, decisions and equity."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.desk_histories import (
    Coin,
    Event,
    book_events,
    by_events,
    by_run,
    candle_events,
    desk_of,
    dump,
    with_limits,
)

from perpscope.model.order import Fill, OrderRequest, Signal
from perpscope.trading import account
from perpscope.trading.desk import Desk


def held_together(one: Desk, other: Desk, events: list[Event]) -> int:
    """Run both paths, compare everything they leave, and look at the money; how many fills there were."""
    run = by_run(one, events)
    path, told = by_events(other, events)
    assert dump(run) == dump(path)
    assert one.tobytes() == other.tobytes()
    assert account.is_sound(one[0].account)
    fills, signals = [t for t in told if isinstance(t, Fill)], [t for t in told if isinstance(t, Signal)]
    assert (len(fills), len(signals)) == (len(run.fills), len(run.decisions))
    sent = {t.id: t for t in told if isinstance(t, OrderRequest)}
    for fill, row in zip(fills, run.fills, strict=True):
        if fill.order in sent:
            assert fill.ts_event >= sent[fill.order].ts_recv
        assert row["ts"] >= row["placed_at"]
    return len(run.fills)


@pytest.mark.unmeasured
@settings(max_examples=4, deadline=None)
@given(number=st.integers(0, 10**6), volatility=st.sampled_from([0.0005, 0.002, 0.02]), has_limits=st.booleans())
def test_both_paths_are_one_on_candles(number: int, volatility: float, has_limits: bool) -> None:
    """With holes, repeats, fundings, stops, liquidations and resting limits. Keeps B23."""
    events = candle_events(number, 150, volatility)
    one, other = desk_of(), desk_of()
    if has_limits:
        with_limits(one)
        with_limits(other)
    held_together(one, other, events)


@pytest.mark.unmeasured
@settings(max_examples=5, deadline=None)
@given(
    number=st.integers(0, 10**6),
    has_deltas=st.booleans(),
    has_marks=st.booleans(),
    has_limits=st.booleans(),
    is_asked_each_second=st.booleans(),
)
def test_both_paths_are_one_on_books(
    number: int, has_deltas: bool, has_marks: bool, has_limits: bool, is_asked_each_second: bool
) -> None:
    """Trades, whole books or deltas with holes, marks, fundings, gaps and what workers say. Keeps B23."""
    events = book_events(number, 130, has_deltas=has_deltas, has_marks=has_marks)
    desks = [
        desk_of(parameters=Coin(3.0, 0.0004, 0.0006), has_candles=False, is_asked_each_second=is_asked_each_second)
        for _ in range(2)
    ]
    if has_limits:
        for desk in desks:
            with_limits(desk)
    held_together(desks[0], desks[1], events)
