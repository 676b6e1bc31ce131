"""What a person asks for, done: the material gathered, the runs made, registered and kept."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import msgspec

from perpscope.app.backtest.asking import Asked, Way
from perpscope.app.backtest.asking import Path as Route
from perpscope.app.backtest.derived import with_derived
from perpscope.app.backtest.gather import gathered
from perpscope.app.backtest.keeping import keep, kept
from perpscope.app.backtest.played import Setup
from perpscope.app.backtest.sweep import Swept, swept
from perpscope.app.backtest.walk_forward import Walked, walked
from perpscope.model.run import Run
from perpscope.settings import Settings
from perpscope.stores.trials import Trials
from perpscope.trading.strategy import Strategy

#: Points of a grid that a reply tells.
_MOST_POINTS = 1_000


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A backtest as somebody asks for it."""

    strategy: Strategy
    named: str  #: how the strategy is found again: its name, or the path of its file
    parameters: msgspec.Struct
    settings: Settings
    data: Sequence[Path]  #: empty = the store
    asked: Asked
    store: Path  #: beside which runs are kept
    path: Route = "compiled"
    seed: int = 1
    way: Way = "one"
    processes: int = 0  #: of a sweep; 0 = one for each core


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    run: Run  #: kept
    swept: Swept | None = None
    walked: Walked | None = None

    def told(self) -> dict[str, Any]:
        """What `backtest --json` prints: the summary, and what was tried."""
        told: dict[str, Any] = {**msgspec.to_builtins(self.run.summary), "trials": self.run.trials}
        told["performance"] = {name: figure for name, figure in self.run.performance.items() if figure is not None}
        told["economics"] = self.run.economics
        points = self.swept.points if self.swept is not None else self.walked.points if self.walked is not None else []
        if points:
            names = ("parameters", "net", "trades", "sharpe", "max_drawdown", "hash")
            ranked = sorted(points, key=lambda one: -(one.sharpe if one.sharpe is not None else -1e9))
            told["points"] = [{name: getattr(one, name) for name in names} for one in ranked[:_MOST_POINTS]]
        if self.walked is not None:
            told["folds"] = msgspec.to_builtins(self.walked.folds)
        return told


def ordered(
    order: Order, *, announce: Callable[[str], None] = lambda _: None, executor: Executor | None = None
) -> Made:
    """Do what was asked for.

    Args:
        order: the backtest.
        announce: told what a person should know while it goes on.
        executor: what runs the points of a grid; None = processes of our own.

    Raises:
        ConfigError: the strategy needs what the data do not tell, or nothing tells which instrument is meant.
        DataError: the data cannot be read, or the two paths of a run do not agree.
        StoreError: the store cannot be read, or the run not kept.
    """
    material = gathered(order.data, order.asked, database=order.store, announce=announce)
    if order.way == "one":
        own = (order.strategy, order.parameters, material, order.settings, order.store)
        return Made(run=kept(*own, path=order.path, seed=order.seed))
    setup = Setup(
        strategy=order.strategy,
        parameters=order.parameters,
        material=with_derived(material, order.strategy, order.settings, order.store),
        settings=order.settings,
        seed=order.seed,
    )
    with Trials(order.store) as trials:
        if order.way == "sweep":
            found = swept(setup, order.named, trials, executor=executor, processes=order.processes, announce=announce)
            return Made(run=keep(found.run, order.store), swept=found)
        steps = walked(setup, order.named, trials, executor=executor, processes=order.processes, announce=announce)
    return Made(run=keep(steps.run, order.store), walked=steps)
