"""The process that runs backtests for a face: one task, then it ends, and nothing it does holds the face up.

In: a `Task` as the first line of standard input, whose end is the end of the face. Out: `Step`s, a line each; the last
has what was made, or why not. `python -m perpscope.app.backtest_worker`
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import assert_never

import msgspec
from msgspec.structs import replace

from perpscope.app.backtest_orders import Diverging, Drawing, JobPhase, Listing, Step, Task, Working, failed
from perpscope.errors import DataError, PerpscopeError

#: Of a run: below everything that collects or answers.
_NICE = 10
_decode = msgspec.json.Decoder(Task).decode
_encode = msgspec.json.Encoder().encode


def main() -> int:
    """Do what the first line asks; 0 if it was done."""
    task = _decode(sys.stdin.buffer.readline())
    give_way(task)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    out = sys.stdout.buffer
    sys.stdout = sys.stderr  # what a strategy of one's own prints is no step

    def tell(step: Step) -> None:
        out.write(_encode(step) + b"\n")
        out.flush()

    last = done(task, tell)
    tell(last)
    return int(last.phase is JobPhase.FAILED)


def give_way(task: Task) -> None:
    """Let a run go behind whatever collects or answers; the other tasks are short, and a page waits for them.

    Args:
        task: what is asked.
    """
    if isinstance(task, Working):
        with contextlib.suppress(OSError):
            os.nice(_NICE)


def done(task: Task, tell: Callable[[Step], None]) -> Step:
    """The last step of a task.

    Args:
        task: what is asked.
        tell: takes the steps before it.
    """
    try:
        match task:
            case Listing():
                return _listed(task)
            case Working():
                return _worked(task, tell)
            case Drawing():
                return _drawn(task)
            case Diverging():
                return _diverged(task)
            case _:
                assert_never(task)
    except PerpscopeError as error:
        return failed(error)


def _listed(task: Listing) -> Step:
    from perpscope.app.strategies_told import catalogue  # noqa: PLC0415 -- each task imports what it needs

    return Step(phase=JobPhase.DONE, told=msgspec.Raw(_encode(catalogue(task.settings))))


def _worked(task: Working, tell: Callable[[Step], None]) -> Step:
    """Gather, run and keep, as `perpscope backtest` does over a store."""
    from perpscope.app import strategies  # noqa: PLC0415 -- so

    order, database = task.order, Path(task.database)
    tell(Step(phase=JobPhase.GATHERING))
    strategy = strategies.find(order.strategy, task.settings)  # before anything compiled is imported

    from perpscope.app.backtest.asking import Asked  # noqa: PLC0415
    from perpscope.app.backtest.gather import gathered  # noqa: PLC0415
    from perpscope.app.backtest.keeping import kept  # noqa: PLC0415

    own = strategies.parameters(
        strategy, task.settings, {name: _text(value) for name, value in order.parameters.items()}
    )
    asked = Asked(symbol=order.instrument, from_ns=_ns(order.from_ms), to_ns=_ns(order.to_ms), needs=strategy.needs)
    material = gathered([], asked, database=database)
    tell(Step(phase=JobPhase.RUNNING))
    settings = task.settings
    if order.deposit is not None:
        settings = replace(settings, risk=replace(settings.risk, deposit=order.deposit))
    run = kept(strategy, own, material, settings, database)
    return Step(phase=JobPhase.DONE, run=run.summary.id)


def _text(value: float) -> str:
    """A parameter as a command line would give it."""
    return str(int(value)) if value == int(value) else repr(value)


def _ns(at_ms: int | None) -> int | None:
    return None if at_ms is None else at_ms * 1_000_000


def _drawn(task: Drawing) -> Step:
    from perpscope.reports.tearsheet import tearsheet  # noqa: PLC0415
    from perpscope.stores.runs import Runs  # noqa: PLC0415

    with Runs(Path(task.database)) as runs:
        run = runs.get(task.run)
    if run is None:
        raise DataError("run-unknown", f"there is no run {task.run!r}", hint="perpscope runs list")
    return Step(
        phase=JobPhase.DONE, run=run.summary.id, files=[str(file) for file in tearsheet(run, Path(task.folder))]
    )


def _diverged(task: Diverging) -> Step:
    from perpscope.app.trade.divergence import of_journal  # noqa: PLC0415

    return Step(phase=JobPhase.DONE, run=task.run, told=msgspec.Raw(_encode(of_journal(Path(task.database), task.run))))


def _end_with_parent() -> None:
    """Wait for the end of standard input: whoever asked is gone, and nobody wants the answer.

    Read past the buffer, which the interpreter wants for itself when it ends.
    """
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
