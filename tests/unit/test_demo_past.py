"""The days before a demo's opening, in its store: every row a venue would have told, no other, and no gap."""

import contextlib
import sqlite3
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perpscope.app import demo_past
from perpscope.app.coverage import read_coverage
from perpscope.app.demo_rows import TOLD, Grids, VenuePast
from perpscope.errors import StoreError
from perpscope.lab.agents.lived import live
from perpscope.lab.agents.past import Past
from perpscope.lab.dialect import VENUES
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import (
    AccountRatio,
    Candle,
    Completeness,
    FundingPaid,
    Interval,
    MarkPrice,
    OpenInterest,
    PositionSide,
    RatioKind,
    Sampling,
    TakerVolume,
)
from perpscope.model.stream import Channel
from perpscope.stores import bulk
from perpscope.stores.bulk import Names, Times
from perpscope.stores.rows import Row, candle_row, mark_row
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import StoreKind
from perpscope.stores.traders import funding_row, open_interest_row, ratio_row, taker_volume_row

S = 1_000_000_000
MINUTE = 60 * S
START = 1_795_219_200 * S  # 2026-11-21T00:00:00Z, an opening
HOURS = 10
NAMES = Names("bybit", "BTCUSDT", "BTC-USDT-PERP.BYBIT")
ID = InstrumentId(NAMES.instrument)
#: Sixteen forced orders of BTC on two venues, some within one second.
FORCED = (
    *((0, at, True) for at in (100.1, 100.2, 100.9, 101.5, 7200.5)),
    *((0, at, False) for at in (100.3, 9000.0)),
    *((1, at, at < 200) for at in (100.1, 100.1, 100.2, 9000.0, 9000.4)),
    *((2, at, True) for at in (50.0, 50.5)),
    *((3, at, True) for at in (50.0, 50.5)),
    *((3, at, False) for at in (50.6,)),
    *((4, at, True) for at in (50.0,)),
)


@pytest.fixture(scope="module")
def past() -> Past:
    """Ten hours of BTC, with forced orders of our own."""
    made = live(7, "BTC", START, HOURS / 24, agents=300)
    rows = sorted(FORCED, key=lambda row: row[1])
    size = np.array([0.5 + 0.1 * number for number in range(len(rows))])
    made.liquidations = {
        "ts": np.array([START - HOURS * 3600 * S + int(at * 1000) * 1_000_000 + 123 for _, at, _ in rows], np.int64),
        "venue": np.array([venue for venue, _, _ in rows], np.int64),
        "is_long": np.array([is_long for _, _, is_long in rows], np.int64),
        "size": size,
        "fill_price": np.where(np.arange(len(rows)) == 0, np.nan, 80_000.04),
        "bankruptcy_price": np.full(len(rows), 79_000.0),
    }
    return made


@pytest.fixture(scope="module")
def filled(past: Past, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with that past on all venues."""
    path = tmp_path_factory.mktemp("past") / "demo.db"
    assert demo_past.is_new(path)
    assert demo_past.fill(path, {"BTC": past}, VENUES) > HOURS * 60 * 5 * 3
    assert not demo_past.is_new(path)
    return path


def rows_of(path: Path, query: str, *values: str | int) -> list[Any]:
    """What sqlite3 itself reads."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(query, values).fetchall()


# rows ----------------------------------------------------------------------------------------------------


def the_one(rows: Iterable[Row]) -> Row:
    """The only row of an iterator."""
    (row,) = rows
    return row


CASES: Mapping[str, tuple[Iterable[Row], Row]] = {
    "candle": (
        bulk.candles(
            NAMES, Interval.M15, Times.of([START]), [1.0], [4.0], [0.5], [2.0], [9.0], [18.0], [3], [5.0], None
        ),
        (
            *candle_row(
                Candle(
                    ID,
                    START + 15 * MINUTE,
                    START + 15 * MINUTE,
                    Interval.M15,
                    START,
                    *(1.0, 4.0, 0.5, 2.0, 9.0, 18.0, 3, 5.0, None),
                    is_closed=True,
                ),
                *NAMES[:2],
            ),
            True,
        ),
    ),
    "mark": (
        bulk.marks(NAMES, Times.of([START]), [7.5], [7.4], [0.0001], [START + MINUTE], 8.0),
        mark_row(
            MarkPrice(
                ID, START + MINUTE - 1_000_000, START + MINUTE - 1_000_000, 7.5, 7.4, 0.0001, START + MINUTE, 8.0
            ),
            *NAMES[:2],
        ),
    ),
    "open-interest": (
        bulk.open_interest(NAMES, Times.of([START]), [100.0], [7e6]),
        (*open_interest_row(OpenInterest(ID, START, START, 100.0, 7e6), *NAMES[:2]), True),
    ),
    "ratio": (
        bulk.ratios(NAMES, Times.of([START]), RatioKind.TOP_ACCOUNTS, 300, [0.6]),
        (*ratio_row(AccountRatio(ID, START, START, RatioKind.TOP_ACCOUNTS, 300, 0.6), *NAMES[:2]), True),
    ),
    "all-long": (
        bulk.ratios(NAMES, Times.of([START]), RatioKind.ALL_ACCOUNTS, 300, [1.0]),
        (*ratio_row(AccountRatio(ID, START, START, RatioKind.ALL_ACCOUNTS, 300, 1.0), *NAMES[:2]), True),
    ),
    "takers": (
        bulk.taker_volume(NAMES, Times.of([START]), 300, [4.0], [5.0]),
        (*taker_volume_row(TakerVolume(ID, START, START, 300, 4.0, 5.0), *NAMES[:2]), True),
    ),
    "funding": (
        bulk.fundings(NAMES, Times.of([START]), [-0.0002], [7.0]),
        (*funding_row(FundingPaid(ID, START, START, -0.0002, 7.0), *NAMES[:2]), True),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_rows_made_at_once_are_those_of_events(case: str) -> None:
    """Column for column what the intake would keep of the same event, marked as not live."""
    made, expected = CASES[case]
    assert the_one(made) == expected


def test_columns_of_several_lengths_are_refused() -> None:
    """Rows would be lost without a word."""
    with pytest.raises(ValueError, match=r"\[1, 2\]"):
        bulk.taker_volume(NAMES, Times.of([START]), 300, [1.0, 2.0], [1.0, 2.0])


# the store ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("venue", VENUES)
def test_every_minute_is_there_once_and_candles_add_up(filled: Path, past: Past, venue: str) -> None:
    """No hole, no second row; quarters and hours are sums of their minutes; prices on the venue's tick."""
    minutes = rows_of(
        filled,
        "SELECT ts_open, open, high, low, close, volume FROM candles_1m WHERE venue = ? ORDER BY ts_open",
        venue,
    )
    assert [row[0] for row in minutes] == [START - (HOURS * 60 - at) * MINUTE for at in range(HOURS * 60)]
    assert all(low <= min(first, last) <= max(first, last) <= high for _, first, high, low, last, _ in minutes)
    for table, per in (("candles_15m", 15), ("candles_1h", 60)):
        longer = rows_of(
            filled,
            f"SELECT ts_open, open, high, low, close, volume FROM {table} WHERE venue = ? ORDER BY ts_open",
            venue,
        )
        assert len(longer) == HOURS * 60 // per
        for at, row in enumerate(longer):
            within = minutes[at * per : at * per + per]
            assert row[:2] == within[0][:2]
            assert row[2:5] == (max(m[2] for m in within), min(m[3] for m in within), within[-1][4])
            assert row[5] == pytest.approx(sum(m[5] for m in within))
    one = VenuePast(past, venue)
    tick = float(one.instrument.tick_size or 0.1)
    assert all(abs(row[4] / tick - round(row[4] / tick)) < 1e-6 for row in minutes)
    assert minutes[-1][4] == pytest.approx(past.close[past.places.index(venue)][-1], abs=tick)


@pytest.mark.parametrize("venue", VENUES)
def test_figures_are_those_of_the_past(filled: Path, past: Past, venue: str) -> None:
    """Marks each minute, open interest of each, periods of five minutes, fundings when they were paid."""
    row = past.places.index(venue)
    told = TOLD[venue]
    marks = rows_of(
        filled, "SELECT mark_price, index_price FROM premium_index WHERE venue = ? ORDER BY ts_minute", venue
    )
    assert [mark for mark, _ in marks] == pytest.approx(past.mark[row].tolist(), abs=0.6)
    assert [index for _, index in marks] == pytest.approx(past.index[row].tolist(), abs=0.6)
    held = rows_of(filled, "SELECT ts_minute, open_interest FROM open_interest WHERE venue = ? ORDER BY 1", venue)
    assert [ts for ts, _ in held] == [START - (HOURS * 60 - at) * MINUTE for at in range(1, HOURS * 60)]
    assert [size for _, size in held] == pytest.approx(past.open_interest[row][:-1].tolist(), abs=0.002)
    ratios = rows_of(filled, "SELECT kind, count(*) FROM long_short_ratio WHERE venue = ? GROUP BY 1", venue)
    assert dict(ratios) == {kind.value: HOURS * 12 for kind in told.ratios}
    takers = rows_of(filled, "SELECT sum(buy_volume), sum(sell_volume) FROM taker_volume WHERE venue = ?", venue)
    if told.has_taker_volume:
        assert takers == [pytest.approx((past.bought[row].sum(), past.sold[row].sum()), rel=1e-3)]
    else:
        assert takers == [(None, None)]
    paid = [ts for (ts,) in rows_of(filled, "SELECT ts_event FROM funding_rates WHERE venue = ? ORDER BY 1", venue)]
    every = 3600 * S * VenuePast(past, venue).wire.funding_interval_h
    assert paid == [ts for ts in range(past.ts_begin + MINUTE, START + 1, MINUTE) if ts % every == 0]


def test_nothing_says_gap(filled: Path) -> None:
    """Every stream that has rows was seen from the first minute to the opening; nothing else is claimed."""
    report = read_coverage(filled, from_ns=START - HOURS * 3600 * S, to_ns=START)
    assert {stream.share for stream in report.streams} == {1.0}
    assert all(interval.state == "covered" for interval in report.intervals)
    told = {(stream.venue, stream.channel) for stream in report.streams}
    assert ("hyperliquid", Channel.LIQUIDATIONS) not in told
    assert ("bybit", Channel.TAKER_VOLUME) not in told
    assert {channel for venue, channel in told if venue == "binance"} == {
        *(Channel.CANDLES_1M, Channel.CANDLES_15M, Channel.CANDLES_1H, Channel.MARK_PRICES, Channel.OPEN_INTEREST),
        *(Channel.ACCOUNT_RATIOS, Channel.TAKER_VOLUME, Channel.FUNDING, Channel.LIQUIDATIONS),
    }


def test_liquidations_are_told_as_each_venue_tells_them(filled: Path) -> None:
    """Bybit's all; of a second Binance's last, OKX's first, Bitget's largest of each side; Hyperliquid's of nobody."""
    with SqliteReader.open(filled) as reader:
        events = reader.liquidations(limit=100)
    begin = START - HOURS * 3600 * S
    seconds = {
        venue: sorted(
            ((event.ts_event - begin) / S, event.position_side is PositionSide.LONG)
            for event in events
            if event.instrument.endswith(venue.upper())
        )
        for venue in VENUES
    }
    assert seconds["binance"] == [(100.9, True), (101.5, True), (7200.5, True), (9000.0, False)]
    assert seconds["bybit"] == [(100.1, True), (100.1, True), (100.2, True), (9000.0, False), (9000.4, False)]
    assert seconds["okx"] == [(50.0, True)]
    assert seconds["bitget"] == [(50.5, True), (50.6, False)]
    assert seconds["hyperliquid"] == []
    binance = [event for event in events if event.instrument.endswith("BINANCE")]
    assert {(e.completeness, e.sampling, e.fill_price, e.bankruptcy_price) for e in binance} == {
        (Completeness.SAMPLED, Sampling.UNKNOWN, 80_000.0, 79_000.0)
    }
    bybit = [event for event in events if event.instrument.endswith("BYBIT")]
    assert {(e.completeness, e.sampling, e.fill_price, e.bankruptcy_price) for e in bybit} == {
        (Completeness.COMPLETE, Sampling.NONE, None, 79_000.0)
    }


def test_liquidations_have_a_reference_and_a_rank(filled: Path, past: Past) -> None:
    """As the engine would have given them: the mark price of a minute before, the sample of those before it."""
    with SqliteReader.open(filled) as reader:
        events = sorted(
            (e for e in reader.liquidations(limit=100) if e.instrument.endswith("BYBIT")), key=lambda e: e.ts_event
        )
    assert [event.lpi.sample if event.lpi else None for event in events] == [
        0,
        0,
        0,
        0,
        1,
    ]  # three are too early to be compared
    late = events[-1].lpi
    assert late is not None
    minute = int((events[-1].ts_event - 60 * S - past.ts_begin) // MINUTE) - 1
    assert late.reference_price == pytest.approx(past.mark[1][minute], abs=0.1)
    first = events[0].lpi
    assert first is not None
    assert first.reference_price is None  # nobody knows the mark price a minute before: it was the first


def test_a_second_demo_is_given_no_past(filled: Path) -> None:
    """What was collected stays; a file with rows is not new."""
    assert not demo_past.is_new(filled)
    empty = filled.with_name("empty.db")
    empty.touch()
    assert demo_past.is_new(empty)


def test_a_past_nobody_wants_any_more_is_not_vouched_for(past: Past, tmp_path: Path) -> None:
    """Ctrl-C in the middle: it ends soon, and nothing claims that those days were seen."""
    asked = iter([False, True])
    path = tmp_path / "d.db"
    demo_past.fill(path, {"BTC": past}, VENUES, lambda: next(asked, True))
    assert {venue for (venue,) in rows_of(path, "SELECT DISTINCT venue FROM candles_1m")} == {VENUES[0]}
    assert rows_of(path, "SELECT count(*) FROM coverage") == [(0,)]
    assert demo_past.fill(path, {}, VENUES) == 0


def test_a_real_store_is_refused(past: Past, tmp_path: Path) -> None:
    """Demo rows never enter a database of observed data."""
    SqliteStore.open(tmp_path / "real.db", kind=StoreKind.OBSERVED).close()
    with pytest.raises(StoreError, match="observed"):
        demo_past.fill(tmp_path / "real.db", {"BTC": past}, VENUES)


def test_grids_are_whole(past: Past) -> None:
    """Every moment once, in order; funding is due at the end of its interval."""
    grids = Grids(past.ts_begin, past.ts_end)
    assert {after - before for before, after in pairwise(grids.periods.ns)} == {5 * MINUTE}
    assert grids.periods.text[-1] == "2026-11-21 00:00:00.000"
    assert grids.due(8)[-1] == START
    assert grids.due(8)[0] == START - 8 * 3600 * S
