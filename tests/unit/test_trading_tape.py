"""A tape holds every row as it was told; its ladder reads as a plain book would, whatever was written into it."""

import msgspec
import numpy as np
import pytest
from tests.unit.desk_histories import START

from perpscope.trading import ladder, tape
from perpscope.trading.compiling import blank
from perpscope.trading.layout import DEPTH, DESK, NS
from perpscope.trading.tape import TapeWriter, tape_of_candles, tape_of_levels


def test_candles_become_rows_in_one_step() -> None:
    """A candle is told at its end, later by the delay; its figures stand unchanged."""
    bars = np.arange(12.0).reshape(2, 6)
    made = tape_of_candles(np.array([START, START + 60 * NS]), bars, 60 * NS, NS)
    assert len(made) == 2
    assert made.kind.tolist() == [tape.CANDLE, tape.CANDLE]
    assert made.ts_event.tolist() == [START + 60 * NS, START + 120 * NS]
    assert (made.ts_recv - made.ts_event).tolist() == [NS, NS]
    assert np.array_equal(made.tables.candles, bars)
    assert made.tables.opens.tolist() == [START, START + 60 * NS]


def test_levels_and_trades_become_rows_with_seconds_between() -> None:
    """A second stands before the first row received at or after it; the ladder spans what is told."""
    ts = START + np.array([100, 900, 1_000, 2_500]) * 1_000_000
    is_trade = np.array([False, True, False, True])
    levels = np.array([[100, 5], [-110, 3]])
    made = tape_of_levels(ts, ts + 200_000_000, np.array([[1.0, -2.0], [1.1, 2.0]]), levels, is_trade)
    kinds = [tape.LAST_LEVEL, tape.SECOND, tape.TRADE, tape.LAST_LEVEL, tape.SECOND, tape.TRADE]
    assert made.kind.tolist() == kinds
    assert (made.lowest, made.ticks) == (100, 11)
    assert np.all(np.diff(made.ts_recv) >= 0)


def test_what_a_writer_is_told_stands_in_its_tables() -> None:
    """Every kind of table takes its rows, in order, and no more than twenty levels of a side."""
    writer = TapeWriter()
    bids = [(100 - n, n + 1) for n in range(30)]
    writer.book(1, 2, bids, [(101, 7)])
    writer.levels(3, 4, [(100, 0)], [(101, 9), (102, 1)])
    writer.levels(3, 4, [], [])
    writer.row(tape.MARK, 5, 6, marks=(1.0, 2.0, 3.0), next_fundings=(1 << 60,))
    writer.row(tape.GAP, 7, 8, gaps=(1,))
    made = writer.tape()
    assert made.kind.tolist() == [tape.BOOK, tape.LEVEL, tape.LEVEL, tape.LAST_LEVEL, tape.MARK, tape.GAP]
    assert made.tables.depths.tolist() == [[DEPTH, 1]]
    assert made.tables.books[0, :2].T.tolist() == [list(level) for level in bids[:DEPTH]]
    assert made.tables.books[0, 2:, :2].T.tolist() == [[101, 7], [0, 0]]
    assert made.tables.levels.tolist() == [[100, 0], [-101, 9], [-102, 1]]
    assert made.tables.next_fundings.tolist() == [1 << 60]
    assert made.tables.gaps.tolist() == [1]
    assert (made.lowest, made.ticks) == (100, 3)


def test_a_tape_is_known_by_its_hash() -> None:
    """The same rows have the same; a figure, a time or a kind that differs makes another."""
    bars = np.ones((3, 6))
    starts = START + np.arange(3) * 60 * NS
    made = tape_of_candles(starts, bars, 60 * NS)
    assert made.sha256 == tape_of_candles(starts.copy(), bars.copy(), 60 * NS).sha256
    other = bars.copy()
    other[2, 5] += 1e-12
    changed = [
        tape_of_candles(starts, other, 60 * NS),
        tape_of_candles(starts + 1, bars, 60 * NS),
        msgspec.structs.replace(made, kind=np.full(3, tape.SECOND, np.uint8)),
    ]
    assert len({made.sha256, *(tape.sha256 for tape in changed)}) == 4


def test_a_ladder_has_no_more_places_than_fit() -> None:
    """A level that is told in error far away does not ask for all the memory there is."""
    writer = TapeWriter()
    writer.levels(1, 1, [(1, 1), (1 + tape.MOST_TICKS, 1)], [])
    with pytest.raises(ValueError, match="a ladder has"):
        writer.tape()


def test_a_ladder_reads_as_a_dictionary_does() -> None:
    """After any levels written, taken away and cleared the best twenty are those of two plain dictionaries."""
    rng = np.random.default_rng(5)
    bids, asks, state = ladder.empty(1_000, 200)
    book = blank(DESK)[0].book
    plain: tuple[dict[int, int], dict[int, int]] = {}, {}
    for step in range(3_000):
        side, tick = int(rng.integers(0, 2)), 1_000 + int(rng.integers(0, 200))
        steps = int(rng.integers(1, 50)) if rng.random() < 0.5 else 0
        ladder.put(bids, asks, state, tick if side == 0 else -tick, steps)
        plain[side][tick] = steps
        if rng.random() < 0.002:
            ladder.clear(bids, asks, state)
            plain[0].clear()
            plain[1].clear()
            state[ladder.IS_NEW] = 1
        if step % 7 == 0:
            ladder.read(bids, asks, state, book)
            best = sorted(((t, s) for t, s in plain[0].items() if s), reverse=True)[:DEPTH]
            assert list(zip(book.bid_ticks, book.bid_steps, strict=True))[: book.bids] == best
            best = sorted((t, s) for t, s in plain[1].items() if s)[:DEPTH]
            assert list(zip(book.ask_ticks, book.ask_steps, strict=True))[: book.asks] == best
            assert state[ladder.IS_NEW] == 0
