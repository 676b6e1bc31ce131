"""A sweep: every point of a strategy's grid over one material, on a pool of processes, each of them a trial.

The columns are left in a folder that every process maps; a task is a few sets of parameters. Any
`concurrent.futures.Executor` will do. The best point is run in full, and judged by all that were tried.
"""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app import kept_code, strategies
from perpscope.app.backtest import shared
from perpscope.app.backtest.material import Material
from perpscope.app.backtest.outcome import Known
from perpscope.app.backtest.played import Setup, check_needs
from perpscope.app.backtest.points import Point, best_of, point, points_of, table_of
from perpscope.app.backtest.run import run
from perpscope.errors import ConfigError, StoreError
from perpscope.feeds.clock import wall_ns
from perpscope.model.run import Run
from perpscope.settings import Settings
from perpscope.stores.trials import Trials

#: Tasks a process gets: more of them even out, fewer are sent quicker (chosen by hand).
_TASKS: Final = 8
#: A point has to have traded so often to be chosen, if any has.
LEAST_TRADES: Final = 10


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What a grid came to."""

    run: Run  #: of the best point, whole
    points: list[Point]  #: in the order of the grid
    best: Point


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """Some points of a grid, as they are sent to a process."""

    strategy: str  #: name, or path of its file
    settings: Settings
    rest: Material  #: without its columns
    folder: Path  #: where those are
    seed: int
    numbers: list[dict[str, float]]


def swept(
    setup: Setup,
    named: str,
    trials: Trials,
    *,
    executor: Executor | None = None,
    processes: int = 0,
    announce: Callable[[str], None] = lambda _: None,
) -> Swept:
    """Run every point of the grid, register each, and run the best in full.

    Args:
        setup: strategy, settings, material; its parameters are those the grid does not name.
        named: how the strategy is found again in another process: its name, or the path of its file.
        trials: where each point is registered.
        executor: what runs the tasks; None = processes of our own.
        processes: how many of those; 0 = one for each core.
        announce: told how far it is.

    Raises:
        ConfigError: the strategy has no grid, or needs what the material does not tell.
    """
    check_needs(setup.strategy, setup.material)
    found = points(setup, named, executor=executor, processes=processes, announce=announce)
    known = registered("sweep", setup, found, trials)
    best = best_of(found, LEAST_TRADES) or best_of(found, 0) or found[0]
    parameters = msgspec.convert(best.parameters, setup.strategy.parameters, strict=False)
    known = msgspec.structs.replace(known, chosen_until_ms=setup.material.to_ns // 1_000_000)
    note = f"the best of {len(found):,} points of its grid, chosen on these very data"
    known = msgspec.structs.replace(known, notes=[note])
    made = run(msgspec.structs.replace(setup, parameters=parameters), "compiled", known)
    return Swept(run=made, points=found, best=best)


def registered(study: str, setup: Setup, found: Sequence[Point], trials: Trials) -> Known:
    """Register points as trials; what is known of the strategy on these data then."""
    figures = [(p.parameters, {"net": p.net, "trades": float(p.trades), "sharpe": p.sharpe}) for p in found]
    trials.register(study, setup.strategy.name, setup.material.data_hash, figures, wall_ns() // 1_000_000)
    everything = {trial.key: trial for trial in trials.all(setup.strategy.name, setup.material.data_hash)}
    sharpes = [sharpe for trial in everything.values() if (sharpe := trial.figures.get("sharpe")) is not None]
    return Known(trials=len(everything), sharpes=sharpes, daily=table_of(found))


def points(
    setup: Setup,
    named: str,
    *,
    executor: Executor | None = None,
    processes: int = 0,
    announce: Callable[[str], None] = lambda _: None,
) -> list[Point]:
    """Every point of the grid, in its order; arguments as for `swept`."""
    grid = points_of(setup.strategy, setup.parameters)
    if len(grid) < 2:
        raise ConfigError(
            "strategy-no-grid", f"{setup.strategy.name} names no grid to sweep", hint="run it without --sweep"
        )
    numbers = [{name: float(getattr(one, name)) for name in one.__struct_fields__} for one in grid]
    # the first is run here: what is compiled is kept, and the processes only load it
    first = point(msgspec.structs.replace(setup, parameters=grid[0]))
    rest = list(_pooled(setup, named, numbers[1:], executor, processes or os.cpu_count() or 1, announce))
    return [first, *rest]


def _pooled(
    setup: Setup,
    named: str,
    numbers: list[dict[str, float]],
    executor: Executor | None,
    processes: int,
    announce: Callable[[str], None],
) -> Iterator[Point]:
    with tempfile.TemporaryDirectory(prefix="perpscope-sweep-") as place:
        try:
            rest = shared.left(setup.material, Path(place))
        except OSError as error:
            why = f"the columns of a sweep do not fit into {place}: {error.strerror}"
            raise StoreError("output-folder", why, hint="free some room, or set TMPDIR") from error
        size = max(1, -(-len(numbers) // (processes * _TASKS)))
        tasks = [
            Task(
                strategy=named,
                settings=setup.settings,
                rest=rest,
                folder=Path(place),
                seed=setup.seed,
                numbers=numbers[at : at + size],
            )
            for at in range(0, len(numbers), size)
        ]
        pool = executor or ProcessPoolExecutor(processes, get_context("spawn"), _begin)
        try:
            futures = [pool.submit(walk, task) for task in tasks]
            _watch(futures, size, len(numbers), announce)
            yield from (one for future in futures for one in future.result())
        finally:
            if executor is None:
                pool.shutdown(cancel_futures=True)


def walk(task: Task) -> list[Point]:
    """Run the points of a task; in whatever process it is."""
    strategy = strategies.find(task.strategy, task.settings)
    material = shared.found(task.rest, task.folder)
    made = []
    for numbers in task.numbers:
        parameters = msgspec.convert(numbers, strategy.parameters, strict=False)
        own = Setup(strategy=strategy, parameters=parameters, material=material, settings=task.settings, seed=task.seed)
        made.append(point(own))
    return made


def _watch(futures: Sequence["Future[list[Point]]"], size: int, whole: int, announce: Callable[[str], None]) -> None:
    """Say how far it is, each tenth of the way; the first error ends it."""
    said = 0
    for done, future in enumerate(as_completed(futures), start=1):
        future.result()
        tenth = 10 * done // len(futures)
        if tenth > said:
            said = tenth
            announce(f"{min(done * size, whole):,} of {whole:,} points")


def _begin() -> None:
    """Of a process of the pool: Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    kept_code.keep_compiled()
