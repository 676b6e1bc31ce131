"""Backtests that a face was asked for: one at a time, in a process of its own, a few waiting.

In: `Order`s. Out: `Job`s that say how far each is. They are in the memory of this face alone: when it ends, what waits
and what runs is gone; the runs that were made stay in the store's file of runs.
"""

import asyncio
import contextlib
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog
from msgspec.structs import replace

from perpscope.app.answers.trade import DivergenceTold
from perpscope.app.backtest_orders import Diverging, Drawing, Job, JobPhase, Listing, Order, Step, Task, Working, failed
from perpscope.app.strategies_told import Catalogue
from perpscope.errors import DataError, PerpscopeError, StoreError
from perpscope.feeds.clock import wall_ns
from perpscope.settings import Settings

MOST_WAITING: Final = 8  #: orders that may wait
MOST_KEPT: Final = 64  #: jobs remembered
LONGEST_S: Final = 3600.0  #: real seconds a job may take
#: How the process is started.
WORKER: Final = (sys.executable, "-m", "perpscope.app.backtest_worker")
_AT_ONCE_S: Final = 120.0
_END_S: Final = 2.0
_LINE: Final = 4 * 1024 * 1024
_SAID: Final = 2_000
_encode = msgspec.json.Encoder().encode
_step = msgspec.json.Decoder(Step).decode
_log = structlog.get_logger()


class BacktestJobs:
    """The jobs of one face. `run`, `submit` and `cancel` belong to its event loop; all else may be asked by any thread.

    Args:
        settings: the whole tree.
        database: the store the backtests are over; None = this face has none, and takes no order.
        worker: how the process is started; a test's own.
        longest_s: real seconds a job may take.
    """

    def __init__(
        self,
        settings: Settings,
        database: Path | None,
        *,
        worker: Sequence[str] = WORKER,
        longest_s: float = LONGEST_S,
    ) -> None:
        self._settings = settings
        self._database = database
        self._worker = tuple(worker)
        self._longest_s = longest_s
        self._jobs: dict[str, Job] = {}  # in the order they were asked for
        self._news = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._known: Catalogue | None = None
        self._lock = threading.Lock()

    def all(self) -> list[Job]:
        """All that are remembered, newest first."""
        return list(self._jobs.values())[::-1]

    def get(self, job_id: str) -> Job | None:
        """A job; None if it is not remembered."""
        return self._jobs.get(job_id)

    def submit(self, order: Order) -> Job:
        """Take an order.

        Raises:
            DataError: as many as may wait do ("backtests-full").
        """
        waiting = [job for job in self._jobs.values() if not job.phase.is_over]
        if len(waiting) > MOST_WAITING:
            raise DataError(
                "backtests-full",
                f"{len(waiting)} backtests run or wait, and this face takes no more",
                hint="wait for one, or cancel one",
            )
        job = Job(id=secrets.token_hex(4), order=order, phase=JobPhase.WAITING, asked_ms=_now_ms(), ahead=len(waiting))
        self._jobs[job.id] = job
        self._forget()
        self._news.set()
        return job

    def cancel(self, job_id: str) -> Job | None:
        """End a job that runs or waits; one that is over stays as it is. None if it is not remembered."""
        job = self._jobs.get(job_id)
        if job is None or job.phase.is_over:
            return job
        was_waiting = job.phase is JobPhase.WAITING
        self._put(replace(job, phase=JobPhase.CANCELLED, ended_ms=_now_ms(), ahead=0))
        if not was_waiting and self._running is not None:
            self._running.cancel()
        self._count()
        return self._jobs[job_id]

    async def run(self) -> None:
        """Work off what is asked for, until cancelled."""
        while True:
            self._news.clear()
            job = next((job for job in self._jobs.values() if job.phase is JobPhase.WAITING), None)
            if job is None:
                await self._news.wait()
                continue
            self._running = asyncio.create_task(self._work(job.id))
            try:
                await asyncio.wait({self._running})
            finally:
                if not self._running.done():  # the face ends
                    self._running.cancel()
                    await asyncio.wait({self._running})
                self._running = None
            self._count()

    def catalogue(self) -> Catalogue:
        """Every strategy there is, asked for once. Takes seconds the first time: not for the event loop.

        Raises:
            StoreError: the process failed ("backtest-worker").
        """
        with self._lock:
            if self._known is None:
                told = self._ask(Listing(settings=self._settings)).told
                self._known = msgspec.json.decode(told, type=Catalogue)
            return self._known

    def draw(self, database: Path, run: str, folder: Path) -> list[Path]:
        """A run's tear sheet, written into a folder; not for the event loop.

        Raises:
            DataError: there is no such run ("run-unknown").
            StoreError: the process failed ("backtest-worker").
        """
        step = self._ask(Drawing(database=str(database), run=run, folder=str(folder)))
        return [Path(file) for file in step.files]

    def divergence(self, database: Path, run: str) -> DivergenceTold:
        """A run of paper or live beside the model; not for the event loop.

        Raises:
            DataError: no journal has the run, or its recording is gone.
            StoreError: the process failed ("backtest-worker").
        """
        step = self._ask(Diverging(database=str(database), run=run))
        return msgspec.json.decode(step.told, type=DivergenceTold, strict=False)  # decimals are text

    async def _work(self, job_id: str) -> None:
        """One job, from beginning to end; whatever goes wrong stands in it."""
        job = replace(self._jobs[job_id], phase=JobPhase.GATHERING, began_ms=_now_ms(), ahead=0)
        self._put(job)
        self._count()
        task = Working(settings=self._settings, database=str(self._database), order=job.order)
        try:
            async with asyncio.timeout(self._longest_s):
                last = await self._steps(task, lambda step: self._move(job_id, step))
        except TimeoutError:
            last = _failed(DataError("backtest-slow", f"it took longer than {self._longest_s:g} s and was ended"))
        except OSError as error:
            last = _failed(StoreError("backtest-worker", f"its process could not be started: {error}"))
        if not self._jobs[job_id].phase.is_over:
            self._move(job_id, last)

    async def _steps(self, task: Task, tell: Callable[[Step], None]) -> Step:
        """Have a task done, telling each step; the last of them."""
        process = await asyncio.create_subprocess_exec(
            *self._worker,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the face, which ends it
            limit=_LINE,
        )
        assert process.stdin is not None  # noqa: S101 -- PIPE was asked for
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        said = asyncio.create_task(process.stderr.read())
        try:
            with contextlib.suppress(OSError):
                process.stdin.write(_encode(task) + b"\n")
                await process.stdin.drain()
            async for line in process.stdout:
                step = _step(line)
                if step.phase.is_over:
                    return step
                tell(step)
            code = await process.wait()
            died = StoreError("backtest-worker", f"its process ended with {code}", hint="the log has what it said last")
            return _failed(died, (await said).decode(errors="replace"))
        finally:
            await _ended(process)
            said.cancel()

    def _ask(self, task: Task) -> Step:
        """Have a task done, and wait for it.

        Raises:
            DataError: it cannot be done, as its own code says.
            StoreError: "backtest-worker".
        """
        try:
            step = _step(_asked(self._worker, _encode(task)))
        except (OSError, msgspec.MsgspecError) as error:
            raise StoreError("backtest-worker", f"the process beside this face failed: {error}", hint=_HINT) from error
        if step.trouble is not None:
            raise DataError(step.trouble.code, step.trouble.message, hint=step.trouble.hint)
        return step

    def _move(self, job_id: str, step: Step) -> None:
        job = self._jobs[job_id]
        ended = _now_ms() if step.phase.is_over else None
        self._put(replace(job, phase=step.phase, run=step.run, trouble=step.trouble, ended_ms=ended))

    def _put(self, job: Job) -> None:
        self._jobs[job.id] = job

    def _count(self) -> None:
        """How many come before each that waits."""
        left = [job for job in self._jobs.values() if not job.phase.is_over]
        for ahead, job in enumerate(left):
            if job.ahead != ahead:
                self._put(replace(job, ahead=ahead))

    def _forget(self) -> None:
        over = [job.id for job in self._jobs.values() if job.phase.is_over]
        for job_id in over[: max(0, len(self._jobs) - MOST_KEPT)]:
            del self._jobs[job_id]


_HINT: Final = "python -m perpscope.app.backtest_worker < /dev/null shows whether it can be started"


def _asked(worker: Sequence[str], task: bytes) -> bytes:
    """The last line of the process; it is killed if it takes too long, and lives as long as its standard input."""
    with subprocess.Popen(worker, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603 -- our own program
        assert process.stdin is not None  # noqa: S101 -- PIPE was asked for
        assert process.stdout is not None  # noqa: S101
        late = threading.Timer(_AT_ONCE_S, process.kill)
        late.start()
        try:
            process.stdin.write(task + b"\n")
            process.stdin.flush()
            return process.stdout.read().strip().rpartition(b"\n")[2]
        finally:
            late.cancel()
            process.kill()


def _failed(error: PerpscopeError, said: str = "") -> Step:
    if said:
        _log.error("a backtest's process failed", code=error.code, said=said[-_SAID:])
    return failed(error)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """A process that has ended, killed if it does not heed."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _now_ms() -> int:
    return wall_ns() // 1_000_000
