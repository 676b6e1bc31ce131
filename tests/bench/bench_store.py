"""Rows into SQLite: the store against bare `executemany` on the same schema, and what it does to the event loop."""

import asyncio
import contextlib
import random
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from measure import cpu_ns, interleaved, judge, ratio, tell

from perpscope.model.market import Completeness, Liquidation, PositionSide, Sampling, Tick
from perpscope.stores.rows import Row, liquidation_row
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.statements import INSERT_LIQUIDATION
from perpscope.stores.status import StoreKind
from perpscope.venues.binance import VENUE

ROWS = 50_000
_BATCH = 2_000
_START = 1_790_000_000_000_000_000


def _liquidations() -> list[Liquidation]:
    """A busy day: 300 symbols, a few liquidations a second, both sides."""
    rng = random.Random(7)
    names = [VENUE.instrument_named(f"C{n}USDT") for n in range(300)]
    events = []
    for number in range(ROWS):
        ts_event = _START + number * 200_000_000
        instrument = rng.choice(names)
        assert instrument is not None
        price = 100 * (1 + rng.random())
        side = rng.choice((PositionSide.LONG, PositionSide.SHORT))
        sampled = (Completeness.SAMPLED, Sampling.UNKNOWN)
        size = round(rng.random() * 10, 3)
        events.append(
            Liquidation(instrument.id, ts_event, ts_event + 5_000_000, side, size, price, price * 0.99, *sampled)
        )
    return events


def _aggregates(events: list[Liquidation]) -> list[tuple[object, ...]]:
    """The aggregates those liquidations end up in, as rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        store = SqliteStore.open(path, kind=StoreKind.REPLAY)
        for event in events:
            store.sink().accept(event)
        store.close()
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return connection.execute("SELECT * FROM liquidation_aggregates").fetchall()


def _bare(rows: Sequence[Row], aggregates: Sequence[tuple[object, ...]]) -> float:
    """The same rows in the same two tables by nothing but `executemany`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "b.db"
        SqliteStore.open(path, kind=StoreKind.REPLAY).close()
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

        insert_aggregate = f"INSERT INTO liquidation_aggregates VALUES ({', '.join('?' * len(aggregates[0]))})"

        def insert() -> None:
            for start in range(0, len(rows), _BATCH):
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(INSERT_LIQUIDATION, rows[start : start + _BATCH])
                share = slice(start * len(aggregates) // len(rows), (start + _BATCH) * len(aggregates) // len(rows))
                connection.executemany(insert_aggregate, aggregates[share])
                connection.execute("COMMIT")

        figure = cpu_ns(insert, len(rows))
        connection.close()
        return figure


def _ours(events: list[Liquidation]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore.open(Path(folder) / "o.db", kind=StoreKind.REPLAY, batch_rows=_BATCH)
        sink = store.sink()

        def insert() -> None:
            for event in events:
                sink.accept(event)
            sink.accept(Tick(events[-1].ts_recv))
            store.flush()

        figure = cpu_ns(insert, len(events))
        store.close()
        return figure


async def _lag(events: list[Liquidation]) -> tuple[float, int]:
    """Worst lag of the event loop while the store takes rows as fast as it can, in ms."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore.open(Path(folder) / "l.db", kind=StoreKind.REPLAY, batch_rows=_BATCH)
        sink = store.sink()
        worst, taken = 0.0, 0
        loop = asyncio.get_running_loop()
        for start in range(0, len(events), 50):
            for event in events[start : start + 50]:
                sink.accept(event)
            taken += 50
            if start % 5_000 == 0:
                sink.accept(Tick(events[start].ts_recv))
            before = loop.time()
            await asyncio.sleep(0.001)
            worst = max(worst, loop.time() - before - 0.001)
        await asyncio.to_thread(store.flush)
        store.close()
        return worst * 1000, taken


def store() -> bool:
    """Throughput and lag."""
    events = _liquidations()
    names = {event.instrument: event.instrument.partition(".")[0] for event in events}
    rows = [liquidation_row(event, "binance", names[event.instrument]) for event in events]
    aggregates = _aggregates(events)
    figures = interleaved(
        {
            "bare executemany, same rows in the same tables": lambda: _bare(rows, aggregates),
            "store: event → row → commit, with aggregates": lambda: _ours(events),
        },
        rounds=5,
    )
    tell(f"SQLite, {ROWS:,} liquidations in transactions of {_BATCH:,}, CPU per row", figures)
    floor, ours = figures.values()
    met = judge("bare ÷ store (share of bare speed)", ratio(floor, ours), 0.70, at_least=True)
    started = time.perf_counter()
    worst_ms, taken = asyncio.run(_lag(events))
    seconds = time.perf_counter() - started
    print(f"      {len(rows) / len(aggregates):.1f} liquidations to an aggregate")
    print(f"      event loop while writing {taken:,} rows in {seconds:.1f} s: worst lag {worst_ms:.1f} ms")
    return met
