"""Coverage carried by every number: a heart that was killed or a venue that fell mute is seen in the totals."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

from perpscope.app.coverage import read_coverage
from perpscope.app.status import read_status
from perpscope.lab.run import serve_market
from perpscope.model.market import Source
from perpscope.model.stream import Channel
from perpscope.stores.sqlite import SqliteReader

from .laboratory import heart

Wait = Callable[[Callable[[], bool]], Awaitable[None]]


async def test_totals_over_a_killed_heart_are_flagged(tmp_path: Path, eventually: Wait) -> None:
    """Keeps B6. Killed in the middle and started again: the hole stands beside the totals of the last 24 h.

    What is polled is covered from reply to reply, as polled.
    """
    path = tmp_path / "d.db"
    async with await serve_market(7, 60.0, symbols=("BTCUSDT",)) as lab:
        async with heart(lab, path) as process:
            await eventually(lambda: _covered_s(path) > 120)
            process.send_signal(signal.SIGKILL)
            await process.wait()
        killed_ms = lab.clock.now_ns() // 1_000_000
        await asyncio.sleep(0.5)
        async with heart(lab, path) as process:
            await eventually(lambda: _covered_s(path, since_ms=killed_ms) > 120)
            report = read_coverage(path)
            status = read_status(path)
            process.terminate()
            await process.wait()
    holes = [one for one in report.intervals if one.channel is Channel.LIQUIDATIONS and one.state == "gap"]
    print(json.dumps([(one.cause, one.to_ms - one.from_ms, one.lost) for one in holes]))
    assert [hole.cause for hole in holes] == ["restart"]
    assert holes[0].from_ms <= killed_ms < holes[0].to_ms
    assert holes[0].lost
    assert status.events.has_holes_24h
    assert 0.0 < (status.events.by_venue["binance"].coverage_24h or 0.0) < 1.0
    feeds = {feed.channel: feed.coverage_24h for feed in status.feeds}
    assert 0.0 < (feeds[Channel.LIQUIDATIONS] or 0.0) < 1.0
    interest = [one for one in report.intervals if one.channel is Channel.OPEN_INTEREST]
    assert {one.source for one in interest if one.state == "covered"} <= {Source.POLL, Source.BACKFILL}
    assert any(one.source is Source.POLL for one in interest)
    assert "restart" in {one.cause for one in interest}


def _covered_s(path: Path, since_ms: int = 0) -> float:
    """Market seconds of liquidations and of open interest that are covered, whichever is less; 0 without a store."""
    if not path.exists() or not _is_ready(path):
        return 0.0
    found = dict.fromkeys((Channel.LIQUIDATIONS, Channel.OPEN_INTEREST), 0.0)
    for one in read_coverage(path, hours=24 * 30).intervals:
        if one.from_ms >= since_ms and one.channel in found and one.source in (Source.STREAM, Source.POLL):
            found[one.channel] += (one.to_ms - one.from_ms) / 1000 if one.state == "covered" else 0.0
    return min(found.values())


def _is_ready(path: Path) -> bool:
    """Whether there is something to read yet."""
    try:
        with closing(SqliteReader.open(path)) as reader:
            return reader.heart() is not None
    except Exception:  # the file is being made
        return False
