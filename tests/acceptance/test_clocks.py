"""Clocks that are wrong: another time zone, a clock set back, a recorder behind its exchange. Nothing shifts.

Wall clocks are bent by libfaketime, which leaves the monotonic clock alone, as a person or NTP does.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from perpscope.app.collect import Collector
from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab
from perpscope.model.stream import Channel
from perpscope.settings import Backfill, Collect, Recording, Settings
from perpscope.stores.sqlite import SqliteReader
from perpscope.stores.status import CoverageRow, StoreKind

from .laboratory import heart

Wait = Callable[[Callable[[], bool]], Awaitable[None]]

_FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
needs_faketime = pytest.mark.skipif(_FAKETIME is None, reason="libfaketime is not installed (Debian: faketime)")
#: New York sets its clocks back at 06:00 UTC that day.
_AUTUMN_NS = int(datetime(2026, 11, 1, 5, 57, tzinfo=UTC).timestamp()) * 10**9
_SECOND_NS = 10**9
_REAL_TIME = {"PERPSCOPE_VENUE__BINANCE__CLOCK_URL": "", "PERPSCOPE_BACKFILL__DAYS": "0"}


def bent(offset: Path) -> dict[str, str]:
    """Variables under which a process believes the wall clock off by what the file says, e.g. "-3600"."""
    return {
        "LD_PRELOAD": str(_FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


async def real_lab(seed: int) -> Lab:
    """A market whose time is that of this machine."""
    return await serve_market(seed, 1.0, symbols=("BTCUSDT",), ts_start=time.time_ns() // 10**9 * 10**9, activity=100.0)


def everything(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables, without their numbers, when they were written, and what the heart says of itself.

    Sums are compared to nine digits: batches add in another order.
    """
    with SqliteReader.open(database) as reader:
        connection = reader._connection
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        tables = {}
        for name in names:
            if name in {"heart", "sqlite_sequence", "meta"}:
                continue
            cursor = connection.execute(f"SELECT * FROM {name}")
            kept = [at for at, column in enumerate(cursor.description) if column[0] not in {"id", "created_at"}]
            tables[name] = sorted((tuple(_rounded(row[at]) for at in kept) for row in cursor), key=repr)
    return tables


def _rounded(value: object) -> object:
    return float(f"{value:.9g}") if isinstance(value, float) else value


def spans(database: Path, channel: Channel, kind: str) -> list[CoverageRow]:
    """What was seen or missed of a channel, in order."""
    with SqliteReader.open(database) as reader:
        rows = [row for row in reader.coverage() if row.channel is channel and row.kind == kind]
    return sorted(rows, key=lambda row: row.ts_from)


def _told_since(lab: Lab, frames: int) -> bool:
    """True when the lab has sent enough frames beyond these."""
    return lab.ledger.frames > frames + 900


async def test_no_time_zone_shifts_a_row(tmp_path: Path) -> None:
    """A recording over the night New York's clocks go back fills the same store in any time zone. Keeps S0-50."""
    async with await serve_market(5, 60.0, symbols=("BTCUSDT",), ts_start=_AUTUMN_NS) as lab:
        table: dict[str, object] = {
            "rest_url": lab.rest_url,
            "websocket_url": lab.websocket_url,
            "clock_url": f"{lab.rest_url}/lab/clock",
            "weight_per_minute": 1e6,
        }
        settings = Settings(
            venue={"binance": table},
            collect=Collect(venues=("binance",), symbols=("BTC",)),
            recording=Recording(folder=str(tmp_path / "kept")),
            backfill=Backfill(days=0),
        )
        await Collector(settings, database=tmp_path / "live.db").run(6.0)
    (tape,) = (tmp_path / "kept").iterdir()
    filled = {}
    for zone in ("UTC", "America/New_York", "Asia/Seoul"):
        database = tmp_path / f"{zone.partition('/')[0]}.db"
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PERPSCOPE_", "XDG_"))}
        await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "perpscope", "replay", str(tape), "--db", str(database), "--json"],
            env={**environment, "HOME": str(tmp_path), "TZ": zone},
            capture_output=True,
            check=True,
        )
        filled[zone] = everything(database)
    assert filled["UTC"]["candles_1m"]
    minutes = [row for row in filled["UTC"]["candles_1m"] if "2026-11-01 06:00" in str(row)]
    assert len(minutes) == 1
    assert filled["UTC"] == filled["America/New_York"] == filled["Asia/Seoul"]


@needs_faketime
async def test_a_clock_set_back_an_hour_leaves_no_trace(tmp_path: Path, eventually: Wait) -> None:
    """While it collects: one stretch of coverage without a hole, nothing an hour off, nothing twice. Keeps S0-50."""
    offset = tmp_path / "offset"
    offset.write_text("+0")
    database = tmp_path / "d.db"
    async with (
        await real_lab(6) as lab,
        heart(lab, database, **bent(offset), **_REAL_TIME) as process,
    ):
        began = time.time_ns()
        await eventually(lambda: lab.ledger.frames > 300)
        offset.write_text("-3600")
        frames = lab.ledger.frames
        await eventually(lambda: lab.ledger.frames > frames + 900)
        process.terminate()
        await process.wait()
        ended = time.time_ns()
    (covered,) = spans(database, Channel.QUOTES, "covered")
    assert not spans(database, Channel.QUOTES, "gap")
    assert began - 2 * _SECOND_NS <= covered.ts_from < (covered.ts_to or 0) <= ended
    with SqliteReader.open(database) as reader:
        marks = reader.marks(reader.instruments()[0].id)
        assert marks
        assert all(abs(mark.ts_recv - mark.ts_event) < 60 * _SECOND_NS for mark in marks)


@needs_faketime
async def test_a_start_an_hour_before_the_last_end_goes_on(tmp_path: Path, eventually: Wait) -> None:
    """A machine whose clock is an hour behind its last run collects all the same; what is stored stays. Keeps S0-50."""
    offset, database = tmp_path / "offset", tmp_path / "d.db"
    kept: list[int] = []
    async with await real_lab(7) as lab:
        for behind in ("+0", "-3600"):
            offset.write_text(behind)
            async with heart(lab, database, **bent(offset), **_REAL_TIME) as process:
                await eventually(partial(_told_since, lab, lab.ledger.frames))
                process.terminate()
                assert await process.wait() == 0
            with SqliteReader.open(database) as reader:
                assert reader.kind is StoreKind.OBSERVED
                kept.append(len(reader.marks(reader.instruments()[0].id)))
    assert 0 < kept[0] <= kept[1]
    assert "ms behind binance's: set it by NTP" in database.with_suffix(".log").read_text("utf-8")
    assert len(spans(database, Channel.QUOTES, "covered")) == 2


@needs_faketime
async def test_a_recorder_behind_its_exchange_refuses_nothing(tmp_path: Path, eventually: Wait) -> None:
    """1.3 s behind, every event is from the future: all of them are kept, with the venue's own times. Keeps S0-50."""
    offset, database = tmp_path / "offset", tmp_path / "d.db"
    offset.write_text("-1.3")
    async with (
        await real_lab(8) as lab,
        heart(lab, database, **bent(offset), **_REAL_TIME) as process,
    ):
        await eventually(lambda: lab.ledger.frames > 600)
        process.terminate()
        assert process.stdout is not None
        out = await process.stdout.read()
        assert await process.wait() == 0, out
    log = database.with_suffix(".log").read_text("utf-8")
    assert "0 rejected" in log
    with SqliteReader.open(database) as reader:
        marks = reader.marks(reader.instruments()[0].id)
        behind = [mark.ts_event - mark.ts_recv for mark in marks]
    assert 0 < max(behind) < 1.4 * _SECOND_NS
    assert not spans(database, Channel.QUOTES, "gap")
