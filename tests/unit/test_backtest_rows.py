"""Normalised rows in columns and as events: duplicates, late rows, holes, settlements and seconds."""

from pathlib import Path

import pytest
from tests.unit.backtest_data import BEGIN_MS, book_row, context_row, trade_row, write_rows

from perpscope.app import venues
from perpscope.app.backtest.row_columns import Rows, read_rows
from perpscope.app.backtest.told import RowSource
from perpscope.feeds.tape import Tape
from perpscope.model.instrument import Instrument
from perpscope.model.market import BookSnapshot, FundingPaid, Gap, MarkPrice, OpenInterest, Side, Tick, Trade

HOUR = 3_600_000
SECOND_NS = 1_000_000_000
BEGIN = BEGIN_MS * 1_000_000


def instrument() -> Instrument:
    """Hyperliquid's BTC."""
    found = venues.find("hyperliquid").instrument_named("BTC")
    assert found is not None
    return found


def read_of(folder: Path, *files: list[dict[str, object]]) -> list[Rows]:
    """Rows of files of these lines."""
    paths = [write_rows(folder / f"hyperliquid_btc_{n}.jsonl.gz", rows) for n, rows in enumerate(files)]
    return read_rows([Tape(path) for path in paths], instrument())


def test_rows_twice_count_once(tmp_path: Path) -> None:
    """What is equal in time and every figure is told once, within a file and across two. Keeps B23."""
    one = [trade_row(0, 100.0), trade_row(0, 100.0), trade_row(0, 100.0, side="A"), trade_row(5, 101.0)]
    (trades,) = read_of(tmp_path, one, [trade_row(5, 101.0), trade_row(9, 102.0)])
    assert trades.values.tolist() == [[100.0, 1.0], [100.0, -1.0], [101.0, 1.0], [102.0, 1.0]]
    assert trades.notes == ["2 of 6 rows of trades twice (same time, same figures), one of each taken"]


def test_late_rows_are_put_in_place_and_their_time_was_not_seen(tmp_path: Path) -> None:
    """Who recorded them was blind until they came: sorted, said, and not counted as seen. Keeps B23."""
    on_time = [trade_row(ms, 100.0 + ms / 1e6) for ms in range(0, 60_000, 500)]
    after = [trade_row(ms, 100.0 + ms / 1e6) for ms in range(300_000, 360_000, 500)]
    late = [trade_row(ms, 100.0 + ms / 1e6) for ms in range(60_500, 299_000, 500)]
    (trades,) = read_of(tmp_path, [*on_time, *after[:10], *late, *after[10:]])
    assert (trades.ts[1:] >= trades.ts[:-1]).all()
    assert trades.holes == [(BEGIN + 59_500 * 1_000_000, BEGIN + 300_000 * 1_000_000)]
    assert "477 rows of trades stand up to 244 s too late in their file" in trades.notes[0]
    assert trades.seen(BEGIN, BEGIN + 360 * SECOND_NS) == pytest.approx(1.0 - 240.5 / 360.0)


def test_a_long_silence_was_not_seen(tmp_path: Path) -> None:
    """Much longer than ever between two rows is a hole; a pause as usual is none."""
    rows = [trade_row(ms, 100.0 + ms) for ms in (*range(0, 100_000, 1000), *range(400_000, 500_000, 1000))]
    (trades,) = read_of(tmp_path, rows)
    assert trades.holes == [(BEGIN + 99 * SECOND_NS, BEGIN + 400 * SECOND_NS)]
    (calm,) = read_of(tmp_path, [trade_row(ms, 100.0 + ms) for ms in range(0, 3_000_000, 40_000)])
    assert calm.holes == []


def test_a_stretch_keeps_its_own_rows_and_holes(tmp_path: Path) -> None:
    """Beyond the ends of what is told nothing was seen."""
    rows = [trade_row(ms, 100.0 + ms) for ms in (*range(0, 100_000, 1000), *range(400_000, 500_000, 1000))]
    (trades,) = read_of(tmp_path, rows)
    part = trades.between(BEGIN + 390 * SECOND_NS, BEGIN + 450 * SECOND_NS)
    assert (part.ts.size, part.holes) == (51, [(BEGIN + 99 * SECOND_NS, BEGIN + 400 * SECOND_NS)])
    assert trades.between(BEGIN + 410 * SECOND_NS, None).holes == []
    assert trades.missed(BEGIN - HOUR * 1_000_000, BEGIN + 500 * SECOND_NS)[0] == (BEGIN - HOUR * 1_000_000, BEGIN)
    empty = trades.between(0, 1)
    assert empty.seen(0, 1000) == 0.0


def test_lines_that_are_no_rows_are_counted(tmp_path: Path) -> None:
    """A broken line costs that line, and is said."""
    (trades,) = read_of(tmp_path, [trade_row(0, 100.0), {"ts": BEGIN_MS, "px": -1.0}, context_row(5, 0.0)])
    assert trades.ts.size == 1
    assert trades.notes == ["2 lines are no trade, book or context, left out"]


def test_events_come_in_order_with_a_tick_each_second(tmp_path: Path) -> None:
    """Contexts, then books, then trades of one moment, and a Tick after all that belongs before it."""
    rows = read_of(
        tmp_path,
        [trade_row(500, 100.0, 2.0, "A"), trade_row(2500, 101.0)],
        [book_row(500, 100.0), book_row(1000, 100.0)],
        [context_row(500, 100.0)],
    )
    events = list(RowSource(instrument=instrument(), rows=rows).events())
    kinds = [type(event).__name__ for event in events]
    assert kinds == [
        *("MarkPrice", "OpenInterest", "BookSnapshot", "Trade", "BookSnapshot", "Tick", "Tick", "Trade", "Tick")
    ]
    assert [event.ts_recv for event in events] == sorted(event.ts_recv for event in events)
    assert [event.ts_recv - BEGIN for event in events if isinstance(event, Tick)] == [
        SECOND_NS,
        2 * SECOND_NS,
        3 * SECOND_NS,
    ]
    sold = next(event for event in events if isinstance(event, Trade))
    assert (sold.price, sold.size, sold.side) == (100.0, 2.0, Side.SELL)
    book = next(event for event in events if isinstance(event, BookSnapshot))
    assert (book.bids[0], book.asks[0], len(book.bids), book.is_stream) == ((99.5, 5.0), (100.5, 5.0), 5, True)
    mark = next(event for event in events if isinstance(event, MarkPrice))
    held = next(event for event in events if isinstance(event, OpenInterest))
    assert (mark.mark, mark.index, mark.funding_rate, held.open_interest) == (100.0, 120.0, 1.25e-05, 31_000.0)


def test_funding_is_paid_each_hour_at_the_last_rate(tmp_path: Path) -> None:
    """What nobody tells falls due on the hour, at the rate and mark told last before it. Keeps B23."""
    told = [context_row(HOUR - 120_000, 100.0, 1e-05), context_row(HOUR - 60_000, 110.0, 2e-05)]
    later = [context_row(HOUR + 30_000, 120.0, 3e-05), context_row(2 * HOUR + 10_000, 130.0, 4e-05)]
    rows = read_of(tmp_path, [*told, *later], [trade_row(HOUR - 100_000, 100.0), trade_row(HOUR + 10_000, 100.0)])
    paid = [event for event in RowSource(instrument=instrument(), rows=rows).events() if isinstance(event, FundingPaid)]
    assert [(p.ts_event - BEGIN, p.funding_rate, p.mark) for p in paid] == [
        (HOUR * 1_000_000, 2e-05, 110.0),
        (2 * HOUR * 1_000_000, 3e-05, 120.0),
    ]
    assert paid[0].ts_recv == BEGIN + (HOUR + 10_000) * 1_000_000


def test_gaps_are_told_when_they_begin_and_end(tmp_path: Path) -> None:
    """A strategy must not enter while something is not seen."""
    rows = [trade_row(ms, 100.0 + ms) for ms in (*range(0, 100_000, 1000), *range(400_000, 500_000, 1000))]
    events = list(RowSource(instrument=instrument(), rows=read_of(tmp_path, rows)).events())
    gaps = [(gap.ts_recv - BEGIN, gap.ts_to) for gap in events if isinstance(gap, Gap)]
    assert gaps == [(99 * SECOND_NS, None), (400 * SECOND_NS, BEGIN + 400 * SECOND_NS)]
