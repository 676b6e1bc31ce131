"""One run: a strategy over a material, by compiled loops or event by event, and what it came to.

In: strategy, parameters, material, settings, seed. Out: a `Run`, whose hash is the same whenever all of these are.
"""

import msgspec

from perpscope.app.backtest.asking import Path
from perpscope.app.backtest.material import Material
from perpscope.app.backtest.outcome import Known, Piece, told
from perpscope.app.backtest.played import Setup, play, refuse_differences
from perpscope.model.run import Run
from perpscope.settings import Settings
from perpscope.trading.strategy import Strategy

__all__ = ["Known", "Setup", "backtest", "run"]


def backtest(
    strategy: Strategy,
    parameters: msgspec.Struct,
    material: Material,
    settings: Settings,
    *,
    path: Path = "compiled",
    seed: int = 1,
    trials: int = 1,
) -> Run:
    """Run a strategy over a material.

    Args:
        strategy: what decides.
        parameters: its own.
        material: the market.
        settings: costs, risk and deposit are taken from it.
        path: by compiled loops, event by event, or both: then it answers only where they agree.
        seed: of the latencies that are drawn.
        trials: parameter sets tried so far, this one among them: the verdict counts them.

    Raises:
        ConfigError: "strategy-needs-book", "strategy-needs-map", …: the material lacks what the strategy needs.
        DataError: "backtest-paths-differ": the two paths do not agree; the message names the first difference.
    """
    setup = Setup(strategy=strategy, parameters=parameters, material=material, settings=settings, seed=seed)
    return run(setup, path, Known(trials=trials))


def run(setup: Setup, path: Path, known: Known) -> Run:
    """What a setup comes to, beside what is known of it already; errors as of `backtest`."""
    if path == "events":
        return told([Piece(setup, play(setup, "events"))], setup.material, "events", known)
    compiled = play(setup, "compiled")
    if path == "both":
        refuse_differences(compiled.logs, play(setup, "events").logs)
        note = "compiled and by events: the same decisions and fills"
        known = msgspec.structs.replace(known, notes=[*known.notes, note])
    return told([Piece(setup, compiled)], setup.material, "compiled", known)
