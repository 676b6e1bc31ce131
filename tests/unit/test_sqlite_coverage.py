"""The migration for what was asked for afterwards, and the side door it comes in by."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.contract.store_events import (
    BTC,
    LIQUIDATIONS,
    NOON,
    at,
    candle,
    covered,
    filled,
    funding,
    gap,
    liquidation,
    open_interest,
    ratio,
    taker_volume,
    tick,
)

from perpscope.model.market import Candle, Interval, Source
from perpscope.model.stream import Channel
from perpscope.stores import export, schema
from perpscope.stores.export import rows_of
from perpscope.stores.filling import BackfillSink
from perpscope.stores.footprint import measure
from perpscope.stores.intake import Intake
from perpscope.stores.retention import sweep
from perpscope.stores.rows import Batch
from perpscope.stores.schema_coverage import FILLED
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import StoreKind

VERSION_BEFORE = 3


def open_store(path: Path) -> SqliteStore:
    """Open for writing."""
    return SqliteStore.open(path, kind=StoreKind.OBSERVED)


def make_before(path: Path) -> None:
    """A store as the version before left it, with a row in each table that changes."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for migration in schema.MIGRATIONS[:VERSION_BEFORE]:
            migration(connection)
        connection.execute(f"PRAGMA user_version = {VERSION_BEFORE}")
        connection.execute("INSERT INTO meta VALUES ('kind', 'observed')")
        name = ("binance", "BTCUSDT", BTC.id, "2024-08-08 12:00:00.000")
        for interval in Interval:
            figures = (NOON, 1.0, 3.0, 0.5, 2.0, 10.0, None, None, None, None, at(60), at(61))
            connection.execute(f"INSERT INTO candles_{interval.value} VALUES ({'?, ' * 15}?)", (*name, *figures))
        connection.execute(f"INSERT INTO open_interest VALUES ({'?, ' * 8}?)", (*name, NOON, 5.0, None, NOON, at(1)))
        kinds = (NOON, "all_accounts", 300, 0.6, 1.5, at(1))
        connection.execute(f"INSERT INTO long_short_ratio VALUES ({'?, ' * 9}?)", (*name, *kinds))
        connection.execute(f"INSERT INTO taker_volume VALUES ({'?, ' * 8}?)", (*name, NOON, 300, 7.0, 6.0, at(1)))
        spans = "INSERT INTO coverage (venue, channel, kind, ts_from, ts_to, is_open) VALUES ('binance', ?, ?, ?, ?, ?)"
        connection.execute(spans, ("liquidations", "covered", at(0), at(10), 0))
        connection.execute(spans, ("liquidations", "gap", at(10), None, 1))


def test_an_older_store_is_brought_up_to_date(tmp_path: Path) -> None:
    """Every row stays, counts as seen when it happened, and SQLite finds nothing wrong with it."""
    path = tmp_path / "market.db"
    make_before(path)
    open_store(path).close()
    with SqliteReader.open(path) as reader:
        assert [(row.kind, row.source, row.ts_to) for row in reader.coverage()] == [
            ("covered", Source.STREAM, at(10)),
            ("gap", Source.STREAM, None),
        ]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        for table in FILLED:
            assert connection.execute(f"SELECT is_backfilled FROM {table}").fetchall() == [(0,)]


def test_rows_that_were_asked_for_are_marked(tmp_path: Path) -> None:
    """Whoever queries a table can leave them out; an export writes the mark."""
    path = tmp_path / "market.db"
    with closing(open_store(path)) as store:
        store.register([BTC])
        for event in (
            candle(0),
            open_interest(0),
            ratio(0),
            taker_volume(0),
            funding(0),
            liquidation(0),
            filled(0, 60),
        ):
            store.backfill_sink().accept(event)
        for event in (candle(1), open_interest(60), ratio(300), taker_volume(300), funding(8)):
            store.sink().accept(event)
    for table in ("candles_1m", "open_interest", "long_short_ratio", "taker_volume", "funding_rates"):
        names, rows = rows_of(path, table)
        assert [dict(zip(names, row, strict=True))["is_backfilled"] for row in rows] == [1, 0]
    with SqliteReader.open(path) as reader:
        assert reader.candles(BTC.id, Interval.M1) == [candle(0), candle(1)]
        assert len(reader.liquidations()) == 1


def bar(volume: float, trades: int | None) -> Candle:
    """The first minute, as far as it was heard."""
    return msgspec.structs.replace(candle(0), high=2.0 + volume, volume=volume, trades=trades)


@pytest.mark.parametrize("is_live_first", [True, False])
@pytest.mark.parametrize(
    ("live", "asked", "kept", "is_backfilled"),
    [
        pytest.param(bar(4.0, 3), bar(10.0, None), bar(10.0, None), 1, id="heard in part"),
        pytest.param(bar(10.0, 7), bar(10.0 + 1e-12, None), bar(10.0, 7), 0, id="heard whole"),
        pytest.param(bar(10.0, None), bar(10.0, 7), bar(10.0, None), 0, id="heard whole, untold numbers"),
        pytest.param(bar(10.0, 7), bar(9.0, 6), bar(10.0, 7), 0, id="asked for too early"),
    ],
)
def test_the_fuller_of_two_bars_stays(
    tmp_path: Path, live: Candle, asked: Candle, kept: Candle, is_backfilled: int, *, is_live_first: bool
) -> None:
    """Keeps B6. A minute that ended within a gap was stored as far as heard; asked for, it is whole, and says so."""
    path = tmp_path / "market.db"
    with closing(open_store(path)) as store:
        store.register([BTC])
        doors = [(store.sink(), live), (store.backfill_sink(), asked)]
        for sink, event in doors if is_live_first else doors[::-1]:
            sink.accept(event)
            store.flush()
    with SqliteReader.open(path) as reader:
        (found,) = reader.candles(BTC.id, Interval.M1)
    names, rows = rows_of(path, "candles_1m")
    if not is_live_first and live.trades is None:  # the one asked for lends what the live one does not tell
        kept = msgspec.structs.replace(kept, trades=asked.trades)
    assert found == kept
    assert [dict(zip(names, row, strict=True))["is_backfilled"] for row in rows] == [is_backfilled]


def test_payments_grow_old_and_are_measured(tmp_path: Path) -> None:
    """Retention and the footprint know the table."""
    path = tmp_path / "market.db"
    with closing(open_store(path)) as store:
        store.register([BTC])
        for hours in (0, 8, 16):
            store.sink().accept(funding(hours))
    assert {t.name: t.rows_per_day for t in measure(path, at(17 * 3600)).tables}["funding_rates"]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        *_, swept = sweep(connection, at(9 * 3600))
    assert swept.rows["funding_rates"] == 2


def test_retention_cuts_what_was_asked_for_as_well(tmp_path: Path) -> None:
    """Intervals of two sources that reach over the instant both stay, from there on; older fillings go altogether."""
    path = tmp_path / "market.db"
    with closing(open_store(path)) as store:
        for event in (covered(0, 100, is_open=False), filled(0, 90), filled(-500, -400), gap(-400, -300)):
            store.backfill_sink().accept(event)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        list(sweep(connection, at(50)))
    with SqliteReader.open(path) as reader:
        assert [(row.source, row.ts_from, row.ts_to) for row in reader.coverage()] == [
            (Source.BACKFILL, at(50), at(90)),
            (Source.STREAM, at(50), at(100)),
        ]


class Full:
    """A queue that never has room."""

    def has_room(self) -> bool:
        """Never."""
        return False

    def put(self, batch: Batch) -> None:
        """Nobody calls."""
        raise AssertionError(batch)


def test_nothing_vouches_for_rows_that_were_dropped() -> None:
    """Coverage whose rows may be gone is passed over, leaves no gap in the past, and the next is taken again."""
    intake = Intake(Full(), batch_rows=1, max_pending_rows=2)
    intake.register([BTC])
    sink = BackfillSink(intake)
    for minute in range(2):
        sink.accept(candle(minute))
    sink.accept(filled(0, 120))
    batch = intake._batch
    assert len(batch.covered) == 1
    for minute in range(2, 4):
        sink.accept(candle(minute))
    sink.accept(filled(120, 240))
    assert (intake.dropped, len(batch.covered), len(batch.gaps)) == (2, 1, 0)


def test_a_loss_that_ended_does_not_move_what_was_asked_for() -> None:
    """A filling is about the past, wherever live coverage began anew."""
    intake = Intake(Full(), batch_rows=1, max_pending_rows=1)
    intake.accept(covered(0, 5))
    for second in (6, 7):
        intake.accept(liquidation(second))
    intake._end_loss(intake._lost or {}, at(10))
    BackfillSink(intake).accept(filled(0, 10))
    found = {(event.source, event.ts_from) for event in intake._batch.covered.values()}
    assert (Source.BACKFILL, at(0)) in found


def test_sums_are_exported_with_what_they_are_worth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps B6. Each minute and hour beside the share of it that was seen, whatever the page."""
    monkeypatch.setattr(export, "PAGE_ROWS", 2)
    path = tmp_path / "market.db"
    with closing(open_store(path)) as store:
        store.register([BTC])
        for event in (
            liquidation(1),
            liquidation(61),
            liquidation(121),
            covered(0, 90, is_open=False),
            gap(90, 120),
            tick(120),
        ):
            store.sink().accept(event)
    names, rows = rows_of(path, "liquidation_aggregates", symbol="BTCUSDT")
    told = [dict(zip(names, row, strict=True)) for row in rows]
    assert [(row["coverage"], row["completeness"]) for row in told] == [
        (1.0, "sampled"),
        (0.5, "sampled"),
        (None, "sampled"),
    ]
    assert list(rows_of(path, "liquidation_intensity", symbol="NONE")[1]) == []


def test_a_day_is_read_off_an_index(tmp_path: Path) -> None:
    """However many intervals ended before, only later ones are touched; the second's updates leave the index alone."""
    path = tmp_path / "market.db"
    with closing(open_store(path)) as store:
        for second in range(0, 1000, 10):
            store.sink().accept(covered(second, second + 5, is_open=False))
        store.sink().accept(covered(1000, 1005))
        store.sink().accept(tick(1005))
        store.flush()
        with SqliteReader.open(path) as reader:
            found = reader.coverage(channel=Channel.LIQUIDATIONS, since_ns=at(980))
            assert [row.ts_from for row in found] == [at(980), at(990), at(1000)]
            assert {row.instrument for row in found} == {LIQUIDATIONS[0].instrument}
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT * FROM coverage INDEXED BY coverage_ended WHERE NOT is_open AND ts_to > 5"
        plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
    assert "SEARCH coverage USING INDEX coverage_ended (ts_to>?)" in plan
