"""Run, register and keep: what the command line and the face do alike.

Every parameter set that is run is a trial: the register counts it before its verdict is reached, and what a run is
worth is judged by all that were tried of its strategy on its data.
"""

from pathlib import Path

import msgspec

from perpscope.app.backtest.asking import Path as Route
from perpscope.app.backtest.derived import with_derived
from perpscope.app.backtest.material import Material
from perpscope.app.backtest.run import Known, Setup, run
from perpscope.model.run import Run
from perpscope.settings import Settings
from perpscope.stores.runs import Runs
from perpscope.stores.trials import Trials
from perpscope.trading.strategy import Strategy


def kept(
    strategy: Strategy,
    parameters: msgspec.Struct,
    material: Material,
    settings: Settings,
    store: Path,
    *,
    path: Route = "compiled",
    seed: int = 1,
) -> Run:
    """Run a strategy over a material, register the trial, and keep the run beside a store.

    Args:
        strategy: what decides.
        parameters: its own.
        material: as `gather.gathered` made it.
        settings: costs, limits and deposit.
        store: beside which `<store>.runs` is; the store itself need not be there, its folder must.
        path: by compiled loops, event by event, or both, which have to agree.
        seed: of the latencies that are drawn.

    Raises:
        ConfigError: the material lacks what the strategy needs, or the model of the settings an extra.
        DataError: the two paths do not agree ("backtest-paths-differ"), or the model cannot be read.
        StoreError: it cannot be kept.
    """
    whole = with_derived(material, strategy, settings, store)
    setup = Setup(strategy=strategy, parameters=parameters, material=whole, settings=settings, seed=seed)
    with Trials(store) as trials:
        made = run(setup, path, known_of(trials, setup))
        trials.register("backtest", strategy.name, whole.data_hash, [tried(made)], made.summary.made_ms)
    return keep(made, store)


def keep(made: Run, store: Path, named: str = "") -> Run:
    """Keep a run beside a store; it has the id it is kept under: its own, if it is named, else one of its hash.

    Raises:
        StoreError: it cannot be kept.
    """
    with Runs(store) as runs:
        run_id = runs.add(made, named)
    return msgspec.structs.replace(made, summary=msgspec.structs.replace(made.summary, id=run_id))


def known_of(trials: Trials, setup: Setup) -> Known:
    """What the register knows of a strategy on some data: how many sets were tried, this one among them."""
    before = {trial.key: trial for trial in trials.all(setup.strategy.name, setup.material.data_hash)}
    is_new = Trials.key_of(setup.numbers) not in before
    sharpes = [sharpe for trial in before.values() if (sharpe := trial.figures.get("sharpe")) is not None]
    return Known(trials=len(before) + is_new, sharpes=sharpes)


def tried(run: Run) -> tuple[dict[str, float], dict[str, float | None]]:
    """A run as a trial: its parameters, and what they came to."""
    told = run.summary
    figures: dict[str, float | None] = {
        "net": told.net,
        "trades": float(told.trades),
        "sharpe": told.sharpe,
        "max_drawdown": told.max_drawdown,
    }
    return told.parameters, figures
