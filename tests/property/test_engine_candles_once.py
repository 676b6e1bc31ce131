"""For every order and repetition of frames: each closed candle exactly once, each minute's mark at most once."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from perpscope.engine.candles import CandleBook
from perpscope.engine.minutes import OncePerMinute
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Candle, Interval, MarkPrice

IDS = [InstrumentId("BTC-USDT-PERP.BINANCE"), InstrumentId("ETH-USDT-PERP.BINANCE")]
MINUTE = 60_000_000_000


@settings(deadline=None)  # a loaded machine is no failure
@given(
    st.lists(
        st.tuples(st.sampled_from(IDS), st.sampled_from(list(Interval)), st.integers(0, 12), st.booleans()), max_size=80
    )
)
def test_each_closed_candle_comes_out_exactly_once(frames: list[tuple[InstrumentId, Interval, int, bool]]) -> None:
    """Whatever is repeated, late or out of order within the window. Keeps S2-24, S2-25."""
    candles = CandleBook()
    out: Counter[tuple[InstrumentId, Interval, int]] = Counter()
    for instrument, interval, n, is_closed in frames:
        opened = n * interval.ns
        candle = Candle(instrument, 1, 1, interval, opened, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1, 1.0, 1.0, is_closed)
        if (closed := candles.accept(candle)) is not None:
            out[(closed.instrument, closed.interval, closed.ts_open // interval.ns)] += 1
    assert out == {(instrument, interval, n): 1 for instrument, interval, n, is_closed in frames if is_closed}


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(st.integers(0, 30 * MINUTE), max_size=60), st.data())
def test_each_minute_comes_out_at_most_once(times: list[int], data: st.DataObject) -> None:
    """In any order, flushed at any time; if in order, every minute has its last. Keeps S2-31."""
    marks = OncePerMinute[MarkPrice]()
    out: list[MarkPrice] = []
    in_order = data.draw(st.booleans())
    for ts in sorted(times) if in_order else times:
        out += marks.accept(MarkPrice(IDS[0], ts, ts, 1.0, None, None, None))
        if not in_order and data.draw(st.booleans()):
            out += marks.flush(data.draw(st.integers(0, 30 * MINUTE)))
    out += marks.flush(99 * MINUTE)
    minutes = Counter(mark.ts_event // MINUTE for mark in out)
    assert all(n == 2 for n in minutes.values())  # when it begins, and when it is over
    if in_order:
        first = {ts // MINUTE: ts for ts in sorted(times, reverse=True)}
        last = {ts // MINUTE: ts for ts in sorted(times)}
        assert [mark.ts_event for mark in out] == [
            ts for minute in sorted(last) for ts in (first[minute], last[minute])
        ]
