"""The archive against bare pyarrow, DuckDB and SQLite on the same rows, and what it costs the path of an event."""

import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types
from measure import cpu_ns, interleaved, judge, ratio, tell

from perpscope.engine.engine import Engine
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import MarketEvent, Quote, Side, Tick, Trade
from perpscope.model.stream import Channel
from perpscope.stores.archive.files import Draft, Place, by_day, in_order
from perpscope.stores.archive.manifest import Manifest
from perpscope.stores.archive.parquet import ParquetArchive
from perpscope.stores.archive.query import ArchiveReader
from perpscope.stores.archive.tables import TABLES
from perpscope.stores.status import StoreKind

ROWS = 10_000_000  #: liquidations of 300 symbols in 30 days
_DAYS, _SYMBOLS = 30, 300
_DAY_NS = 86_400_000_000_000
_START = 1_788_220_800_000_000_000
_WRITTEN = 500_000
_EVENTS = 100_000
_SQL = """
SELECT instrument, position_side, ts_event // 3600000000000 AS hour, count(*), sum(size), sum(size * fill_price)
FROM {source} WHERE ts_event >= {low} AND ts_event < {high} GROUP BY ALL
"""
_SQLITE = """
SELECT instrument, position_side, ts_event / 3600000000000 AS hour, count(*), sum(size), sum(size * fill_price)
FROM liquidations WHERE ts_event >= ? AND ts_event < ? GROUP BY 1, 2, 3
"""


def _liquidations(day: int) -> pa.Table:
    """A day of liquidations, by random times, symbols, sizes and prices."""
    rng = np.random.default_rng(day)
    rows = ROWS // _DAYS
    times = np.sort(rng.integers(0, _DAY_NS, rows)) + _START + day * _DAY_NS
    names = np.array([f"C{n}-USDT-PERP.BINANCE" for n in range(_SYMBOLS)])[rng.integers(0, _SYMBOLS, rows)]
    price = np.round(100 * (1 + rng.random(rows)), 4)
    constant = {"venue": "binance", "completeness": "sampled", "sampling": "unknown", "venue_id": ""}
    columns = {
        "instrument": names,
        "ts_event": times,
        "ts_recv": times + 5_000_000,
        "position_side": np.array(["LONG", "SHORT"])[rng.integers(0, 2, rows)],
        "size": np.round(rng.random(rows) * 10, 3),
        "fill_price": price,
        "bankruptcy_price": np.round(price * 0.99, 4),
        **{name: pa.repeat(value, rows) for name, value in constant.items()},
    }
    schema = TABLES[Channel.LIQUIDATIONS].schema
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _trades(rows: int) -> list[MarketEvent]:
    """Trades of one instrument, ten a second, at prices on a grid."""
    rng = np.random.default_rng(7)
    steps, sizes, sides = rng.integers(-5, 6, rows).cumsum(), rng.integers(1, 9_999, rows), rng.random(rows) < 0.5
    name = InstrumentId("BTC-USDT-PERP.BINANCE")
    return [
        Trade(
            *(name, _START + n * 100_000_000, _START + n * 100_000_000 + 5_000_000, n, 60_000.0 + step / 10),
            *(size / 1_000, Side.BUY if buys else Side.SELL, True),
        )
        for n, (step, size, buys) in enumerate(zip(steps.tolist(), sizes.tolist(), sides.tolist(), strict=True))
    ]


def _rows_per_s(write: Callable[[Path], object], rows: int) -> float:
    """CPU ns a row, into a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        return cpu_ns(lambda: write(Path(folder)), rows)


def _draft(root: Path, rows: pa.Table) -> None:
    with contextlib.closing(Manifest.writing(root, StoreKind.DEMO)) as manifest:
        for day, _, part in by_day(rows, TABLES[Channel.TRADES]):
            draft = Draft(root, Place("binance", Channel.TRADES, "BTC-USDT-PERP", day), "bench", 1, "demo")
            draft.write(in_order(part, TABLES[Channel.TRADES]))
            entry = draft.finish()
            with manifest.step():
                manifest.add([entry])


def _from_events(root: Path, events: list[MarketEvent]) -> None:
    archive = ParquetArchive.open(root, kind=StoreKind.DEMO, file_s=86_400.0)
    for start in range(0, len(events), 1_000):
        archive.take(events[start : start + 1_000])
        while archive.waiting > 100_000:
            time.sleep(0.001)
    archive.accept(Tick(_START))
    archive.close()


def _bare(root: Path, events: list[MarketEvent]) -> None:
    """What anybody would write: one list for each column, one table, one file."""
    trades = [event for event in events if isinstance(event, Trade)]
    table = pa.table(
        {
            "ts_event": [t.ts_event for t in trades],
            "ts_recv": [t.ts_recv for t in trades],
            "trade_id": [t.trade_id for t in trades],
            "price": [t.price for t in trades],
            "size": [t.size for t in trades],
            "side": [t.side.value for t in trades],
            "is_aggregate": [t.is_aggregate for t in trades],
        }
    )
    pq.write_table(table, root / "bare.parquet", compression="zstd", compression_level=3)


def _write() -> bool:
    events = _trades(_WRITTEN)
    with tempfile.TemporaryDirectory() as name:
        _from_events(Path(name), events)
        with contextlib.closing(ArchiveReader(Path(name))) as reader:
            rows = reader.rows(Channel.TRADES, None, 0, 1 << 62).table
            size = sum(entry.bytes for entry in reader.manifest.entries())
    rows = rows.cast(TABLES[Channel.TRADES].schema)
    figures = interleaved(
        {
            "bare pyarrow: events → columns → zstd file": lambda: _rows_per_s(lambda f: _bare(f, events), _WRITTEN),
            "archive: events → thread → files, manifest": lambda: _rows_per_s(
                lambda f: _from_events(f, events), _WRITTEN
            ),
            "bare pyarrow: Arrow table → zstd file": lambda: _rows_per_s(
                lambda f: pq.write_table(rows, f / "b.parquet", compression="zstd", compression_level=3), _WRITTEN
            ),
            "archive: Arrow table → synced file, sha256": lambda: _rows_per_s(lambda f: _draft(f, rows), _WRITTEN),
        },
        rounds=5,
    )
    tell(f"Parquet, {_WRITTEN:,} trades, CPU per row; {size / _WRITTEN:.1f} bytes each", figures)
    bare, ours, bare_table, our_table = figures.values()
    met = judge("bare ÷ archive, from events", ratio(bare, ours), 0.60, at_least=True)
    return judge("bare ÷ archive, from an Arrow table", ratio(bare_table, our_table), 0.60, at_least=True) and met


def _sqlite(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    names = TABLES[Channel.LIQUIDATIONS].schema.names
    connection.execute(f"CREATE TABLE liquidations ({', '.join(names)})")
    for day in range(_DAYS):
        rows = _liquidations(day)
        columns = [rows.column(name).to_pylist() for name in names]
        connection.execute("BEGIN")
        connection.executemany(
            f"INSERT INTO liquidations VALUES ({', '.join('?' * len(names))})", zip(*columns, strict=True)
        )
        connection.execute("COMMIT")
    connection.execute("CREATE INDEX by_time ON liquidations (ts_event)")
    connection.execute("ANALYZE")
    return connection


def _query() -> bool:
    """24 hours by symbol, side and hour: CPU time of all threads, so a busy machine does not decide."""
    low = _START + 20 * _DAY_NS + _DAY_NS // 2
    span = {"low": low, "high": low + _DAY_NS}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "archive"
        with contextlib.closing(Manifest.writing(root, StoreKind.DEMO)) as manifest:
            for day in range(_DAYS):
                for there, _, part in by_day(_liquidations(day), TABLES[Channel.LIQUIDATIONS]):
                    draft = Draft(root, Place("binance", Channel.LIQUIDATIONS, "all", there), "bench", day, "demo")
                    for start in range(0, len(part), 100_000):
                        draft.write(part.slice(start, 100_000))
                    entry = draft.finish()
                    with manifest.step():
                        manifest.add([entry])
        rows_in = _sqlite(Path(name) / "l.db")
        reader = ArchiveReader(root)
        bare = duckdb.connect(config={"threads": 2})
        sql = _SQL.format(source=f"read_parquet('{root}/**/*.parquet')", **span)
        figures = interleaved(
            {
                "bare DuckDB, read_parquet of all files": lambda: cpu_ns(lambda: bare.execute(sql).to_arrow_table(), 1),
                "archive: manifest, views, limits, answer": lambda: cpu_ns(
                    lambda: reader.liquidations_by(span["low"], span["high"]), 1
                ),
                "SQLite with an index on the time": lambda: cpu_ns(
                    lambda: rows_in.execute(_SQLITE, tuple(span.values())).fetchall(), 1
                ),
            },
            rounds=5,
        )
        groups = len(reader.liquidations_by(span["low"], span["high"]).table)
        same = len(rows_in.execute(_SQLITE, tuple(span.values())).fetchall())
        reader.close()
        rows_in.close()
    tell(f"24 h of {ROWS:,} liquidations by symbol, side and hour ({groups:,} groups), CPU", figures)
    theirs, ours, sqlite_figure = figures.values()
    met = judge("archive ÷ bare DuckDB", ratio(ours, theirs), 1.5) and groups == same
    return judge("SQLite ÷ archive", ratio(sqlite_figure, ours), 10.0, at_least=True) and met


def _path() -> bool:
    """What an event costs the event loop, beside what the engine costs."""
    trades = _trades(_EVENTS)
    batches = []
    for start in range(0, _EVENTS, 20):
        batch: list[MarketEvent] = []
        for event in trades[start : start + 20]:
            assert isinstance(event, Trade)
            top = (event.trade_id, event.price, 1.0, event.price + 0.1, 1.0)
            batch += [event, Quote(event.instrument, event.ts_event, event.ts_recv, *top)]  # type: ignore[arg-type]  # ids are numbers here
        batches.append(batch)

    def engine() -> None:
        mine = Engine(sinks=[])
        for batch in batches:
            for event in batch:
                mine.process(event)

    def take(archive: ParquetArchive) -> float:
        started = time.thread_time_ns()
        for batch in batches:
            archive.take(batch)
        return (time.thread_time_ns() - started) / (2 * _EVENTS)

    def on_the_loop() -> float:
        with tempfile.TemporaryDirectory() as name:
            archive = ParquetArchive.open(Path(name), kind=StoreKind.DEMO)
            figure = take(archive)
            archive.close()
            return figure

    def in_all() -> float:
        with tempfile.TemporaryDirectory() as name:
            archive = ParquetArchive.open(Path(name), kind=StoreKind.DEMO)

            def run() -> None:
                take(archive)
                archive.close()

            return cpu_ns(run, 2 * _EVENTS)

    figures = interleaved(
        {
            "engine.process, no sinks": lambda: cpu_ns(engine, 2 * _EVENTS),
            "archive.take, on the event loop": on_the_loop,
            "archive, its thread included": in_all,
        },
        rounds=5,
    )
    tell(f"{2 * _EVENTS:,} trades and quotes in batches of 40, CPU per event", figures)
    process, taking, _ = figures.values()
    return judge("archive.take ÷ engine.process", ratio(taking, process), 0.25)


def archive() -> bool:
    """Write, ask, and the path."""
    return all([_write(), _path(), _query()])
