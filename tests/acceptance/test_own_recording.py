"""A market collected and recorded by ourselves, then replayed: the same rows, to the last one."""

import asyncio
import contextlib
import json
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from perpscope.app.replay import ReplayReport, replay_tape
from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab
from perpscope.stores.sqlite import SqliteReader
from perpscope.stores.status import StoreKind

from .laboratory import heart

Wait = Callable[[Callable[[], bool]], Awaitable[None]]

#: Tables whose every column must be the same, save what names the moment or place of writing.
_TABLES = (
    "liquidation_events",
    "candles_1m",
    "candles_15m",
    "candles_1h",
    "premium_index",
    "instruments",
)
_OF_WRITING = {"id", "created_at"}


def rounded(table: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Sums grow batch by batch, and floats do not add up alike in any order: twelve digits are compared."""
    cells = [[float(f"{cell:.12g}") if isinstance(cell, float) else cell for cell in row] for row in table]
    return sorted(map(tuple, cells), key=repr)


def rows(path: Path, table: str, without: set[str]) -> list[tuple[object, ...]]:
    """Every row of a table, in an order of its own, without some columns."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})") if name not in without]
        kept = ", ".join(f'"{name}"' for name in names)
        return sorted(connection.execute(f"SELECT {kept} FROM {table}").fetchall(), key=repr)


async def collected(tmp_path: Path, eventually: Wait, disturb: Callable[[Lab], Awaitable[None]]) -> tuple[Path, Path]:
    """A recorded session of a lab's market: database and recording."""
    async with (
        await serve_market(5, 60.0, symbols=("BTCUSDT", "ETHUSDT", "SOLUSDT")) as lab,
        heart(
            lab,
            tmp_path / "live.db",
            ("--record", str(tmp_path / "kept")),
            PERPSCOPE_BACKFILL__DAYS="0",  # a recording holds what came, not what was asked for afterwards
            PERPSCOPE_BACKFILL__GAPS="false",
        ) as process,
    ):
        await eventually(lambda: lab.ledger.frames_by_stream["btcusdt@kline_1m"] > 20)
        await disturb(lab)
        start_ns = lab.clock.now_ns()
        await eventually(lambda: lab.clock.now_ns() > start_ns + 130 * 1_000_000_000)
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        status = json.loads(await process.stdout.read())
        assert await process.wait() == 0
    assert status["events"]["total"] > 0
    (recording,) = (tmp_path / "kept").iterdir()
    return tmp_path / "live.db", recording


async def nothing(_: Lab) -> None:
    """An undisturbed session."""


async def cut(lab: Lab) -> None:
    """Every connection is lost once."""
    lab.server.drop_connections()


@pytest.mark.parametrize("disturb", [nothing, cut])
async def test_a_replay_of_our_own_recording_gives_the_same_rows(
    tmp_path: Path, eventually: Wait, disturb: Callable[[Lab], Awaitable[None]]
) -> None:
    """Live path and replay agree in every column, receipt times, coverage and gaps included. Keeps S4-49."""
    live, recording = await collected(tmp_path, eventually, disturb)
    replayed = tmp_path / "replayed.db"
    report: ReplayReport = await asyncio.to_thread(replay_tape, recording, database=replayed)
    assert report.rejected == 0
    assert report.book.compared == report.book.equal > 0
    for table in _TABLES:
        expected = rows(live, table, _OF_WRITING)
        assert rows(replayed, table, _OF_WRITING) == expected, table
        assert expected or table in {"candles_15m", "candles_1h"}, f"{table} is empty: nothing was compared"
    minutes = rows(live, "liquidation_aggregates", _OF_WRITING)
    assert rounded(rows(replayed, "liquidation_aggregates", _OF_WRITING)) == rounded(minutes)
    coverage = rows(live, "coverage", {"id", "is_open"})
    assert rows(replayed, "coverage", {"id", "is_open"}) == coverage
    with SqliteReader.open(replayed) as reader:
        assert reader.kind is StoreKind.REPLAY
        gaps = {row.cause for row in reader.coverage(kind="gap")}
    assert ("disconnect" in gaps) is (disturb is cut)
