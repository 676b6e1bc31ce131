"""What happens to the process itself, on each venue's wire: killed, stopped, out of descriptors, a task that dies.

RELIABILITY E1, E3, E5, E6, E8. `test_kill.py` has the many kills; here every venue meets one, and the ledger judges.
"""

import asyncio
import gc
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from perpscope.app import venues
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.connection import Connection
from perpscope.feeds.poll import Poller
from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab

from .checking import judge, judged
from .laboratory import heart
from .suffering import START, Watched, settings, settled

Wait = Callable[[Callable[[], bool]], Awaitable[None]]
RATE = 10.0


#: Venues of every day: a book of changes, and one of whole books.
EVERYDAY = ("binance", "hyperliquid")


@pytest.fixture(
    params=[pytest.param(venue, marks=[] if venue in EVERYDAY else pytest.mark.soak) for venue in venues.names()]
)
def name(request: pytest.FixtureRequest) -> str:
    """Each venue in turn."""
    return str(request.param)


def pointed_at(lab: Lab) -> dict[str, str]:
    """The variables that point a heart at a lab, whatever it speaks."""
    own = f"PERPSCOPE_VENUE__{lab.server.venue.upper()}__"
    return {
        "PERPSCOPE_COLLECT__VENUES": lab.server.venue,
        f"{own}REST_URL": lab.rest_url,
        f"{own}WEBSOCKET_URL": lab.websocket_url,
        f"{own}CLOCK_URL": f"{lab.rest_url}/lab/clock",
        f"{own}WEIGHT_PER_MINUTE": "1e6",
        "PERPSCOPE_BACKFILL__DAYS": "0",
        "PERPSCOPE_BACKFILL__GAPS": "false",
    }


@asynccontextmanager
async def market(name: str) -> AsyncIterator[Lab]:
    """A venue's lab that keeps the truth."""
    async with await serve_market(5, RATE, venue=name, symbols=("BTC", "ETH"), ts_start=START, is_held=True) as lab:
        lab.ledger.keep_truth = judged(name)
        lab.start()
        yield lab


async def more(lab: Lab, eventually: Wait, frames: int = 300) -> None:
    """Wait until so many more frames have been sent to whoever is connected."""
    sent = lab.ledger.frames
    await eventually(lambda: lab.ledger.frames > sent + frames)


async def test_a_pause_and_a_kill_leave_gaps_and_nothing_else(name: str, tmp_path: Path, eventually: Wait) -> None:
    """SIGSTOP for half a market minute, SIGCONT, SIGKILL while data comes, a new process on the same file.

    What waited in the sockets is read; each event is there once, or in a gap. RELIABILITY E1, E3.
    """
    database = tmp_path / "d.db"
    async with market(name) as lab:
        async with heart(lab, database, **pointed_at(lab)) as process:
            await settled(lab)
            await more(lab, eventually)
            process.send_signal(signal.SIGSTOP)
            stopped_ns = lab.clock.now_ns()
            await eventually(lambda: lab.clock.now_ns() > stopped_ns + 30 * 10**9)
            process.send_signal(signal.SIGCONT)
            await more(lab, eventually)
            assert process.returncode is None
            process.send_signal(signal.SIGKILL)
            await process.wait()
        await eventually(lambda: lab.server.subscribed == 0)
        async with heart(lab, database, **pointed_at(lab)) as process:
            await eventually(lambda: lab.server.subscribed > 0)
            await more(lab, eventually)
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        verdict = judge(name, lab.ledger, database)
    print(f"\n{verdict.table()}")
    assert verdict.is_clean, verdict
    assert {cause.partition(":")[2] for cause in verdict.causes} >= {"restart"}


class _Broken(Exception):
    """What no task of ours raises by itself."""


@pytest.mark.parametrize("task", [Connection, Poller, MarketClock], ids=["connection", "poller", "tick"])
async def test_a_task_that_dies_ends_the_collection(
    task: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of the feed's own tasks it is: the error comes out, never alive but idle. RELIABILITY E5."""

    async def dies(_: object) -> None:
        await asyncio.sleep(0)
        raise _Broken

    async def tells_nothing(of: object) -> AsyncIterator[int]:
        await dies(of)
        yield 0

    if task is MarketClock:
        monkeypatch.setattr(MarketClock, "ticks", tells_nothing)
    else:
        monkeypatch.setattr(task, "run", dies)
    async with await serve_market(5, RATE, symbols=("BTC", "ETH"), ts_start=START) as lab:
        collector = Watched(settings(lab), database=tmp_path / "d.db")
        with pytest.raises(_Broken):
            async with asyncio.timeout(20.0):
                await collector.run()


async def test_many_reconnects_leave_no_tasks_or_descriptors(tmp_path: Path, eventually: Wait) -> None:
    """A dozen cuts: as many tasks, descriptors and connections as after the first of them. RELIABILITY E6."""
    await _cut_often("binance", tmp_path, eventually, times=12)


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_two_hundred_reconnects_leave_nothing_behind(name: str, tmp_path: Path, eventually: Wait) -> None:
    """Two hundred cuts on each venue. RELIABILITY E6."""
    await _cut_often(name, tmp_path, eventually, times=200)


async def _cut_often(name: str, folder: Path, eventually: Wait, times: int) -> None:
    async with market(name) as lab:
        collector = Watched(settings(lab), database=folder / "d.db")
        running = asyncio.create_task(collector.run())
        await settled(lab)
        figures: list[tuple[int, int, int]] = []
        for _ in range(times):
            cut = lab.server.connections
            lab.server.drop_connections()
            await eventually(lambda c=cut: lab.server.connections >= c and lab.server.subscribed > 0)  # type: ignore[misc]  # bound now
            await settled(lab)
            gc.collect()
            figures.append((len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd")), lab.server.connections))
        collector.stop()
        await running
    print(f"\n{name}: tasks, descriptors, connections after each cut: {figures[:5]} … {figures[-3:]}")
    early, late = figures[: len(figures) // 2], figures[-3:]  # what is pooled is there by then
    assert max(connections for *_, connections in late) <= max(connections for *_, connections in early)
    assert min(tasks for tasks, *_ in late) <= max(tasks for tasks, *_ in early)
    assert min(files for _, files, _ in late) <= max(files for _, files, _ in early)


@pytest.mark.parametrize("descriptors", [12, 20, 40])
async def test_too_few_descriptors_break_no_file(tmp_path: Path, descriptors: int) -> None:
    """`ulimit -n`: an error in words or a collection, never a traceback, and the file stays whole. RELIABILITY E8."""
    database = tmp_path / "d.db"
    async with await serve_market(5, RATE, symbols=("BTC",), ts_start=START) as lab:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PERPSCOPE_", "XDG_"))}
        command = f"ulimit -n {descriptors} && exec {sys.executable} -m perpscope collect --db {database} --duration 3"
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", f"{command} --symbols BTC --json"),
            env={**kept, "HOME": str(tmp_path), **pointed_at(lab)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60.0):
            _, err = await process.communicate()
    words = err.decode()
    print(f"\n{descriptors} descriptors: exit {process.returncode}: {words.strip().splitlines()[-1:]}")
    assert "Traceback" not in words
    assert process.returncode in (0, 1, 3, 4)
    if descriptors < 32:
        assert f"error open-files: a process may open {descriptors} files here" in words
        assert process.returncode == 1
    if database.exists():
        with sqlite3.connect(database) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
