"""A store of a million liquidations: status, the last 24 h and cleanup, each against bare sqlite3 doing the same.

`python tests/bench/bench_upkeep.py 1 4 8` tells what grows with the store: the same for so many million rows each, at
the same liquidations a day.
"""

import contextlib
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from measure import Figure, cpu_ns, interleaved, judge, ratio, tell

from perpscope.model.market import Completeness, Liquidation, PositionSide, Sampling
from perpscope.stores.access import owning
from perpscope.stores.reader import SqliteReader
from perpscope.stores.retention import sweep
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind
from perpscope.venues.binance import VENUE

ROWS = 1_000_000
DAYS = 30
DAY_NS = 86_400_000_000_000
START = 1_790_000_000_000_000_000 // DAY_NS * DAY_NS
SYMBOLS = 300
_BATCH = 20_000
#: What the store's own answers may cost above bare sqlite3 (status, rows of 24 h as events, cleanup).
GOALS = {"status": 1.5, "24 h": 2.0, "cleanup": 2.0}
_LIMIT = 10_000_000


def liquidations(rows: int, rows_a_day: float = ROWS / DAYS) -> Iterator[Liquidation]:
    """So many, evenly in time, over all symbols and both sides."""
    rng = random.Random(7)
    instruments = [found.id for n in range(SYMBOLS) if (found := VENUE.instrument_named(f"C{n}USDT")) is not None]
    step = DAY_NS / rows_a_day
    sides = (PositionSide.LONG, PositionSide.SHORT)
    for number in range(rows):
        ts = START + round(number * step)
        price = 100 * (1 + rng.random())
        size = round(rng.random() * 10, 3)
        kinds = (Completeness.SAMPLED, Sampling.LARGEST_1S)
        yield Liquidation(
            rng.choice(instruments), ts, ts + 5_000_000, rng.choice(sides), size, price, price * 0.99, *kinds
        )


def fill(path: Path, rows: int) -> None:
    """Make a store of so many liquidations, through the front door."""
    store = SqliteStore.open(path, kind=StoreKind.OBSERVED, batch_rows=_BATCH)
    store.register(found for n in range(SYMBOLS) if (found := VENUE.instrument_named(f"C{n}USDT")) is not None)
    accept = store.sink().accept
    for event in liquidations(rows):
        accept(event)
        if store.pending_rows > 4 * _BATCH:
            store.flush()
    store.close()


def end_of(rows: int) -> int:
    """Market time just after the last row, ns UTC."""
    return START + round((rows - 1) * DAY_NS * DAYS / ROWS) + 1


def bare_status(path: Path, now_ns: int) -> None:
    """The counts of `status`, asked by hand."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.execute(
            "SELECT symbol, side, count(*) FROM liquidation_events GROUP BY venue, symbol, side"
        ).fetchall()
        for hours in (24, 1):
            since = now_ns - hours * DAY_NS // 24
            connection.execute("SELECT count(*) FROM liquidation_events WHERE ts_event > ?", (since,)).fetchone()


def our_status(path: Path, now_ns: int) -> None:
    """The counts of `status`."""
    with SqliteReader.open(path) as reader:
        reader.counts(now_ns)


def bare_day(path: Path, now_ns: int) -> int:
    """Rows of the last 24 h as tuples."""
    query = "SELECT * FROM liquidation_events WHERE ts_event >= ? ORDER BY ts_event DESC, id DESC LIMIT ?"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return len(connection.execute(query, (now_ns - DAY_NS, _LIMIT)).fetchall())


def our_day(path: Path, now_ns: int) -> int:
    """Rows of the last 24 h as events."""
    with SqliteReader.open(path) as reader:
        return len(reader.liquidations(since_ns=now_ns - DAY_NS, limit=_LIMIT))


def bare_cleanup(path: Path, cutoff_ns: int) -> int:
    """Delete by hand, all in one transaction."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("BEGIN IMMEDIATE")
        gone = 0
        for table, column in (
            ("liquidation_events", "ts_event"),
            ("liquidation_aggregates", "ts_start"),
            ("liquidation_intensity", "ts_start"),
        ):
            gone += connection.execute(f"DELETE FROM {table} WHERE {column} < ?", (cutoff_ns,)).rowcount
        connection.execute("COMMIT")
        return gone


def our_cleanup(path: Path, cutoff_ns: int) -> int:
    """Delete in small transactions, coverage and sums in step."""
    with owning(path) as connection:
        *_, swept = sweep(connection, cutoff_ns)
        return swept.total


def upkeep() -> bool:
    """A million rows; every answer against bare sqlite3."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "market.db"
        fill(path, ROWS)
        now_ns = end_of(ROWS)
        figures = interleaved(
            {
                "status, bare sqlite3": lambda: cpu_ns(lambda: bare_status(path, now_ns), 1000),
                "status": lambda: cpu_ns(lambda: our_status(path, now_ns), 1000),
                "24 h, bare sqlite3 (tuples)": lambda: cpu_ns(lambda: bare_day(path, now_ns), 1000),
                "24 h (events)": lambda: cpu_ns(lambda: our_day(path, now_ns), 1000),
            },
            rounds=5,
        )
        figures |= interleaved(
            {
                "cleanup of 15 days, bare sqlite3": lambda: _on_copy(path, bare_cleanup),
                "cleanup of 15 days": lambda: _on_copy(path, our_cleanup),
            },
            rounds=3,
        )
        tell(f"{ROWS:,} liquidations, {path.stat().st_size / 1e6:,.0f} MB", figures, "µs")
        step_ms, steps = _longest_step(path)
        print(f"      longest transaction of the cleanup: {step_ms:.0f} ms of {steps}")
    pairs = list(figures.values())
    results = zip(GOALS.items(), pairs[::2], pairs[1::2], strict=True)
    met = [_judge(name, goal, bare, ours) for (name, goal), bare, ours in results]
    return all(met)


def _judge(name: str, goal: float, bare: Figure, ours: Figure) -> bool:
    return judge(f"{name} ÷ bare sqlite3", ratio(ours, bare), goal)


def _on_copy(path: Path, work: object) -> float:
    copy = path.with_name("copy.db")
    shutil.copyfile(path, copy)
    assert callable(work)
    try:
        return cpu_ns(lambda: work(copy, START + DAYS // 2 * DAY_NS), 1000)
    finally:
        copy.unlink()


def _longest_step(path: Path) -> tuple[float, int]:
    """How long another writer would have to wait, in ms of real time, and the number of steps."""
    longest, steps = 0.0, 0
    with owning(path) as connection:
        started = time.perf_counter()
        for _ in sweep(connection, START + DAYS // 2 * DAY_NS):
            steps += 1
            longest = max(longest, time.perf_counter() - started)
            started = time.perf_counter()
    return 1000 * longest, steps


def sizes(millions: list[int]) -> None:
    """What grows with the store."""
    print(f"{'rows':>12} {'MB':>8} {'status s':>10} {'24 h s':>8} {'rows of 24 h':>14}")
    for million in millions:
        rows = million * 1_000_000
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "market.db"
            fill(path, rows)
            now_ns, times = end_of(rows), []
            for work in (our_status, our_day):
                work(path, now_ns)
                started = time.perf_counter()
                work(path, now_ns)
                times.append(time.perf_counter() - started)
            count = our_day(path, now_ns)
            size = path.stat().st_size / 1e6
            print(f"{rows:>12,} {size:>8,.0f} {times[0]:>10.3f} {times[1]:>8.3f} {count:>14,}", flush=True)


if __name__ == "__main__":
    sizes([int(word) for word in sys.argv[1:]] or [1, 4])
