"""Paper for long: uninterrupted, filled, decided the same again, in memory that does not grow."""

import asyncio
import os
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from perpscope.model.run import RunKind
from perpscope.stores.journal import JournalReader, place
from perpscope.stores.runs import Runs
from tests.acceptance.whole_runs import busy, lab_of, run_of, tree_of, until

#: Of orders that are to be filled at once (S4-63).
FILL_RATE = 0.95
_QUARTER_NS = 900_000_000_000
#: Market seconds per real second, and real seconds, of a day.
_SPEED, _DAY_S = 120, 720.0
#: MB a market hour that memory may grow by in the second half of a day (E6): see "Memory" in docs/performance.md.
_MB_AN_HOUR = 0.8


async def test_a_quarter_of_a_market_hour_of_paper(tmp_path: Path) -> None:
    """Fifteen market minutes through sockets without a break: every order filled, every decision the same again.

    Keeps S4-52, S4-63, S2-59.
    """
    async with lab_of() as lab:
        first: list[int] = []

        def is_over(_: object) -> bool:
            now = lab.clock.now_ns()
            first.append(now)
            return now - first[0] > _QUARTER_NS

        answer = await until(run_of(RunKind.PAPER, tree_of(lab), tmp_path), is_over)
    assert answer.decision_hash == answer.replay_hash
    assert answer.decisions >= 5
    with Runs(tmp_path / "market.db") as runs:
        kept = runs.get(answer.run)
    assert kept is not None
    assert (kept.performance["fill_rate"] or 0.0) >= FILL_RATE
    assert kept.summary.equity_error == 0.0


@pytest.mark.soak
@pytest.mark.timeout(2 * _DAY_S)
async def test_a_market_day_of_paper(tmp_path: Path) -> None:
    """Twenty-four market hours as one process: never silent, filled, replayed, and no larger at the end.

    Keeps S4-52, S4-58, S4-62, S4-63, B11, B16.
    """
    database = tmp_path / "market.db"
    words = ("paper", busy(tmp_path), "--lab", "--seed", "7", "--speed", str(_SPEED), "--duration", str(_DAY_S))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perpscope", *words, "--db", str(database), "--json"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "NUMBA_DISABLE_JIT": "0"},
    )
    try:
        sizes, ages = await _watched(process, database)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.stdout is not None
    told = msgspec.json.decode(await process.stdout.read())
    assert process.returncode == 0
    assert told["decision_hash"] == told["replay_hash"]
    assert (told["position_matches"], told["duplicate_orders"], told["halted"]) == (True, 0, "")
    with Runs(database) as runs:
        kept = runs.get(told["run"])
    assert kept is not None
    assert kept.summary.to_ms - kept.summary.from_ms > 20 * 3_600_000  # the lab goes slower where it has to
    assert (kept.performance["fill_rate"] or 0.0) >= FILL_RATE
    assert max(ages) < 5.0, "it told nothing for a while"
    first, second = np.array(sizes[len(sizes) // 8 : len(sizes) // 2]), np.array(sizes[len(sizes) // 2 :])
    slopes = [np.polyfit(half[:, 0], half[:, 1], 1)[0] * 3600.0 / _SPEED for half in (first, second)]
    print(f"{told['orders']} orders, {told['fills']} fills")
    print(f"memory {slopes[0]:+.2f}, then {slopes[1]:+.2f} MB a market hour, at most {second[:, 1].max():.0f} MB")
    assert slopes[1] < _MB_AN_HOUR


async def _watched(
    process: asyncio.subprocess.Process, database: Path
) -> tuple[list[tuple[float, float]], list[float]]:
    """Memory (real seconds, MB) and the age of its last word, looked at until the process ends or judges its run."""
    sizes: list[tuple[float, float]] = []
    ages: list[float] = [0.0]
    begun = time.monotonic()
    ended = asyncio.ensure_future(process.wait())
    while not ended.done():
        await asyncio.wait([ended], timeout=5.0)
        with JournalReader(place(database, RunKind.PAPER)) as journal:
            status = next(iter(journal.statuses()), None)
        if status is None or status.is_over or ended.done():
            continue
        sizes.append((time.monotonic() - begun, _rss_mb(process.pid)))
        if time.monotonic() - begun < _DAY_S:
            ages.append(time.time() - status.at_ms / 1e3)
    return sizes, ages


def _rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmRSS:"))
