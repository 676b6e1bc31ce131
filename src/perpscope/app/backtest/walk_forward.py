"""Walking forward: parameters chosen on what came before, judged on what came next, fold by fold.

The time is cut into a first part that only teaches, and folds that follow it. For each fold the grid's point with the
best Sharpe ratio until an hour before it is taken (what is open then is over, so nothing of the fold is known), and run
over the fold with the equity the last one left. What is left is one run nobody chose with knowledge of it.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np

from perpscope.app.backtest.outcome import Piece, told
from perpscope.app.backtest.played import Setup, check_needs, limits_of, play
from perpscope.app.backtest.points import Point, edges_of, scored, yearly
from perpscope.app.backtest.shared import cut
from perpscope.app.backtest.sweep import points, registered
from perpscope.errors import TooLittle
from perpscope.model.run import Run
from perpscope.stores.trials import Trials

#: Parts of the time: the first teaches, the others are folds.
PARTS: Final = 6
#: Before a fold, ns: nothing of it is learnt from (METHOD 11.3: embargo 1 h).
PURGE_NS: Final = 3_600_000_000_000
#: A point has to have traded so often before a fold to be chosen for it.
LEAST_TRADES: Final = 10
_MS: Final = 1_000_000
#: Stretches of time that have to lie before the first fold.
_LEAST_STRETCHES: Final = 10


class Fold(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the time, and what it was run with."""

    from_ms: int
    to_ms: int
    learnt_until_ms: int
    parameters: dict[str, float]
    is_chosen: bool  #: False: no point had traded enough before it, those given were taken
    before: float | None  #: Sharpe ratio a year, of what it was chosen by
    net: float  #: quote units, in the fold
    trades: int


class Walked(msgspec.Struct, frozen=True, kw_only=True):
    """What walking forward came to."""

    run: Run  #: the folds as one run
    folds: list[Fold]
    points: list[Point]  #: of the grid over the whole time, in its order


def walked(
    setup: Setup,
    named: str,
    trials: Trials,
    *,
    executor: Executor | None = None,
    processes: int = 0,
    parts: int = PARTS,
    announce: Callable[[str], None] = lambda _: None,
) -> Walked:
    """Walk forward; arguments as for `sweep.swept`.

    Args:
        setup: strategy, settings, material.
        named: how the strategy is found again in another process.
        trials: where each point is registered.
        executor: what runs the grid; None = processes of our own.
        processes: how many of those; 0 = one for each core.
        parts: of the time; the first teaches only.
        announce: told how far it is.

    Raises:
        TooLittle: too little time for so many parts ("backtest-too-little").
        ConfigError: the strategy has no grid, or needs what the material does not tell.
    """
    check_needs(setup.strategy, setup.material)
    edges, end = _edges(setup, parts), setup.material.to_ns
    found = points(setup, named, executor=executor, processes=processes, announce=announce)
    known = registered("walk-forward", setup, found, trials)
    folds: list[Fold] = []
    pieces: list[Piece] = []
    deposit = limits_of(setup).risk.deposit
    for start, stop in pairwise(edges[1:]):
        fold, piece = _fold(setup, found, (start, stop + (stop == end)), deposit)
        folds.append(fold)
        pieces.append(piece)
        deposit = max(deposit + fold.net, 1e-8)
        announce(f"fold {len(folds)} of {parts - 1}: {fold.trades:,} trades, {fold.net:+,.2f}")
    known = msgspec.structs.replace(known, notes=_notes(folds))
    return Walked(run=told(pieces, setup.material, "compiled", known), folds=folds, points=found)


def _edges(setup: Setup, parts: int) -> list[int]:
    """Begins of the parts of the time, and its end, ns UTC."""
    begin, end = setup.material.from_ns, setup.material.to_ns
    edges: list[int] = np.linspace(begin, end, parts + 1).astype(np.int64).tolist()
    if int(np.sum(edges_of(begin, end) <= edges[1] - PURGE_NS)) < _LEAST_STRETCHES:
        raise TooLittle(
            "backtest-too-little",
            f"{(end - begin) / 3.6e12:,.1f} hours are too few to walk forward in {parts} parts",
            hint="give more data: a day at the least",
        )
    return edges


def _fold(setup: Setup, found: Sequence[Point], span: tuple[int, int], deposit: float) -> tuple[Fold, Piece]:
    """A fold with the parameters that were best before it."""
    start, stop = span
    chosen, before = _chosen(found, setup, start - PURGE_NS)
    parameters = msgspec.convert(chosen or setup.numbers, setup.strategy.parameters, strict=False)
    part = cut(setup.material, start, stop)
    own = msgspec.structs.replace(setup, parameters=parameters, material=part, deposit=deposit)
    piece = Piece(own, play(own, "compiled"))
    one = scored(own, piece.played)
    fold = Fold(
        from_ms=start // _MS,
        to_ms=stop // _MS,
        learnt_until_ms=(start - PURGE_NS) // _MS,
        parameters=own.numbers,
        is_chosen=chosen is not None,
        before=before,
        net=one.net,
        trades=one.trades,
    )
    return fold, piece


def _notes(folds: Sequence[Fold]) -> list[str]:
    notes = [f"walked forward over {len(folds)} folds of equal length, each with parameters chosen until 1 h before it"]
    if unchosen := sum(not fold.is_chosen for fold in folds):
        few = f"before {unchosen} of them no point had traded {LEAST_TRADES} times"
        notes.append(f"{few}: the given parameters were taken")
    return [*notes, "each fold begins flat, and its strategy warms up anew"]


def _chosen(found: Sequence[Point], setup: Setup, until_ns: int) -> tuple[dict[str, float] | None, float | None]:
    """The point with the best Sharpe ratio until a moment, and that ratio; None if none had traded enough."""
    begin, end = setup.material.from_ns, setup.material.to_ns
    known = int(np.searchsorted(edges_of(begin, end), until_ns, side="right")) - 1
    best: tuple[dict[str, float] | None, float | None] = (None, None)
    for one in found:
        if sum(opened < until_ns for opened in one.opened_ns) < LEAST_TRADES:
            continue
        ratio = yearly(np.array(one.returns[:known]), begin, end)
        if ratio is not None and (best[1] is None or ratio > best[1]):
            best = one.parameters, ratio
    return best
