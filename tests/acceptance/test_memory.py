"""Memory stays flat while a market streams in: every buffer has a bound and says what it does when it is full."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab

from .laboratory import heart

Wait = Callable[[Callable[[], bool]], Awaitable[None]]
_HOUR_NS = 3_600_000_000_000
_PAGE = 4096


def _resident_mb(pid: int) -> float:
    statm = Path(f"/proc/{pid}/statm")
    if not statm.exists():
        pytest.skip("resident memory is read from /proc, which this system has not")
    return int(statm.read_text().split()[1]) * _PAGE / 1e6


async def _growth_mb(lab: Lab, database: Path, eventually: Wait, warm_h: float, long_h: float) -> float:
    """MB by which a heart grows between two market times, counted from when it hears the market."""

    async def until(hours: float) -> None:
        while lab.clock.now_ns() < heard_ns + hours * _HOUR_NS:
            assert process.returncode is None, "it has ended"
            await asyncio.sleep(0.05)

    async with heart(lab, database, PERPSCOPE_BACKFILL__DAYS="0") as process:
        await eventually(lambda: lab.server.subscribed > 0)
        heard_ns = lab.clock.now_ns()
        await until(warm_h)
        before = _resident_mb(process.pid)
        await until(long_h)
        after = _resident_mb(process.pid)
        process.terminate()
        await process.wait()
    print(f"resident {before:.1f} MB after {warm_h:g} h, {after:.1f} MB after {long_h:g} h of market time")
    return after - before


async def test_a_heart_does_not_grow(tmp_path: Path, eventually: Wait) -> None:
    """Forty market minutes at 120×: after the first ten the process grows by less than 15 MB. Keeps B16."""
    async with await serve_market(5, 120.0, symbols=("BTCUSDT", "ETHUSDT")) as lab:
        assert await _growth_mb(lab, tmp_path / "d.db", eventually, 10 / 60, 40 / 60) < 15


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_a_heart_does_not_grow_in_a_day(tmp_path: Path, eventually: Wait) -> None:
    """A market day at 120×: after the first two hours less than 1 MB an hour. Keeps B16."""
    async with await serve_market(6, 120.0, symbols=("BTCUSDT", "ETHUSDT")) as lab:
        assert await _growth_mb(lab, tmp_path / "d.db", eventually, 2.0, 24.0) < 22
