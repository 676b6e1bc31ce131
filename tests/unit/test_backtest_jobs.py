"""Backtests that a face was asked for: one at a time, bounded, cancelled, and never lost without a word."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from perpscope.app.backtest_jobs import MOST_KEPT, MOST_WAITING, BacktestJobs
from perpscope.app.backtest_orders import Job, JobPhase, Order
from perpscope.errors import DataError, StoreError
from perpscope.settings import Settings

Wait = Callable[[Callable[[], bool]], Awaitable[None]]
#: A process that does as the name of the strategy says.
WORKER = """
import json, sys, time
task = json.loads(sys.stdin.readline())
def tell(**step):
    print(json.dumps(step), flush=True)
if task["type"] == "strategies":
    tell(phase="done", told={"strategies": [], "faults": []})
elif task["type"] == "tearsheet":
    if task["run"] == "gone":
        tell(phase="failed", trouble={"code": "run-unknown", "message": "there is no run 'gone'", "hint": "list"})
    else:
        tell(phase="done", run=task["run"], files=[task["folder"] + "/sheet.html"])
else:
    name = task["order"]["strategy"]
    tell(phase="gathering")
    if name == "stuck":
        sys.stdin.read()
    if name == "dies":
        sys.exit("it fell over")
    if name == "refused":
        tell(phase="failed", trouble={"code": "strategy-needs-book", "message": "it needs a book"})
    else:
        tell(phase="running")
        tell(phase="done", run="b7f3c2a1")
"""
FAKE = (sys.executable, "-c", WORKER)


def order(strategy: str = "quick") -> Order:
    """Of a contract."""
    return Order(strategy=strategy, instrument="BTC-USDT-PERP.BINANCE")


@contextlib.asynccontextmanager
async def working(path: Path, **own: float) -> AsyncIterator[BacktestJobs]:
    """Jobs that are worked off."""
    jobs = BacktestJobs(Settings(), path / "m.db", worker=FAKE, **own)
    task = asyncio.create_task(jobs.run())
    try:
        yield jobs
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def over(jobs: BacktestJobs, job: Job, eventually: Wait) -> Job:
    """The job once nothing more happens."""

    def is_over() -> bool:
        found = jobs.get(job.id)
        return found is not None and found.phase.is_over

    await eventually(is_over)
    found = jobs.get(job.id)
    assert found is not None
    return found


async def test_a_job_goes_from_waiting_to_its_run(tmp_path: Path, eventually: Wait) -> None:
    """It says when it was asked for, began and ended, and which run it made."""
    async with working(tmp_path) as jobs:
        asked = jobs.submit(order())
        assert (asked.phase, asked.ahead) == (JobPhase.WAITING, 0)
        done = await over(jobs, asked, eventually)
        assert (done.phase, done.run, done.trouble) == (JobPhase.DONE, "b7f3c2a1", None)
        assert done.began_ms is not None
        assert done.ended_ms is not None
        assert done.asked_ms <= done.began_ms <= done.ended_ms


@pytest.mark.parametrize(
    ("strategy", "code", "says"),
    [("refused", "strategy-needs-book", "needs a book"), ("dies", "backtest-worker", "ended with 1")],
)
async def test_why_a_job_failed_stands_in_it(
    tmp_path: Path, eventually: Wait, strategy: str, code: str, says: str
) -> None:
    """A refusal keeps its own code; a process that fell over is said to have; the next job runs all the same."""
    async with working(tmp_path) as jobs:
        failed, after = jobs.submit(order(strategy)), jobs.submit(order())
        found = await over(jobs, failed, eventually)
        assert found.phase is JobPhase.FAILED
        assert found.trouble is not None
        assert found.trouble.code == code
        assert says in found.trouble.message
        assert (await over(jobs, after, eventually)).phase is JobPhase.DONE


async def test_one_runs_and_the_others_wait_their_turn(tmp_path: Path, eventually: Wait) -> None:
    """A waiting job says how many come before it; cancelling the first lets the next begin."""
    async with working(tmp_path) as jobs:
        first, second, third = jobs.submit(order("stuck")), jobs.submit(order()), jobs.submit(order("stuck"))
        await eventually(lambda: jobs.all()[-1].phase is JobPhase.GATHERING)
        assert [job.ahead for job in jobs.all()] == [2, 1, 0]
        cancelled = jobs.cancel(third.id)
        assert cancelled is not None
        assert cancelled.phase is JobPhase.CANCELLED
        jobs.cancel(first.id)
        assert (await over(jobs, second, eventually)).phase is JobPhase.DONE
        assert [job.phase.value for job in jobs.all()] == ["cancelled", "done", "cancelled"]
        again = jobs.cancel(second.id)
        assert again is not None
        assert again.phase is JobPhase.DONE
        assert jobs.cancel("00000000") is None


async def test_no_more_wait_than_there_is_room_for(tmp_path: Path) -> None:
    """The one too many is refused with what to do, and nothing of it is remembered."""
    jobs = BacktestJobs(Settings(), tmp_path / "m.db", worker=FAKE)
    for _ in range(MOST_WAITING + 1):
        jobs.submit(order())
    with pytest.raises(DataError) as refused:
        jobs.submit(order())
    assert refused.value.code == "backtests-full"
    assert len(jobs.all()) == MOST_WAITING + 1


async def test_old_jobs_are_forgotten(tmp_path: Path) -> None:
    """Memory is bounded; what was asked for last stays."""
    jobs = BacktestJobs(Settings(), tmp_path / "m.db", worker=FAKE)
    asked = [jobs.submit(order()) for _ in range(MOST_WAITING)]
    for _ in range(MOST_KEPT):
        asked.append(jobs.submit(order()))
        jobs.cancel(asked[-1].id)
    assert len(jobs.all()) <= MOST_KEPT + 1
    assert jobs.get(asked[-1].id) is not None
    assert jobs.get(asked[0].id) is not None  # it still waits
    assert jobs.get(asked[MOST_WAITING].id) is None


async def test_a_job_that_takes_too_long_is_ended(tmp_path: Path, eventually: Wait) -> None:
    """Its process does not go on for ever, and it says so."""
    async with working(tmp_path, longest_s=0.5) as jobs:
        found = await over(jobs, jobs.submit(order("stuck")), eventually)
        assert found.trouble is not None
        assert found.trouble.code == "backtest-slow"


async def test_a_process_that_cannot_be_started_is_said(tmp_path: Path, eventually: Wait) -> None:
    """Nothing hangs: not a job, not the catalogue."""
    jobs = BacktestJobs(Settings(), tmp_path / "m.db", worker=(str(tmp_path / "nothing"),))
    task = asyncio.create_task(jobs.run())
    found = await over(jobs, jobs.submit(order()), eventually)
    assert found.trouble is not None
    assert found.trouble.code == "backtest-worker"
    with pytest.raises(StoreError) as failed:
        jobs.catalogue()
    assert failed.value.code == "backtest-worker"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_end_of_the_face_ends_its_process(tmp_path: Path, eventually: Wait) -> None:
    """Nothing of a job goes on once its face is gone."""
    async with working(tmp_path) as jobs:
        stuck = jobs.submit(order("stuck"))
        await eventually(lambda: jobs.all()[0].phase is JobPhase.GATHERING)
    found = jobs.get(stuck.id)
    assert found is not None
    assert not found.phase.is_over  # it is lost with the face, as docs/api.md says


def test_other_questions_are_put_to_a_process_too(tmp_path: Path) -> None:
    """The catalogue is asked for once; a tear sheet's own refusal comes through."""
    jobs = BacktestJobs(Settings(), tmp_path / "m.db", worker=FAKE)
    assert jobs.catalogue() is jobs.catalogue()
    assert jobs.draw(tmp_path / "m.db", "b7f3c2a1", tmp_path) == [tmp_path / "sheet.html"]
    with pytest.raises(DataError) as refused:
        jobs.draw(tmp_path / "m.db", "gone", tmp_path)
    assert refused.value.code == "run-unknown"
