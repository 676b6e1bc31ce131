"""What a kept run says about going on: its economics, the honesty gate (B20), and the capital review (S4-61, S4-68).

In: a store's runs, by id. Out: `Report` and `Review`, for the command line and whoever asks over HTTP. Paper and live
runs tell two more figures beside their performance: `slippage_modelled`, what the cost model expected of the same
fills, and `incidents_unsettled`; a backtest has neither, and its gate says so.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from perpscope.errors import ConfigError, DataError
from perpscope.model.run import Run, RunKind
from perpscope.reports import capital_page
from perpscope.stores.runs import Runs
from perpscope.trading.capital import Review, reviewed
from perpscope.trading.economics import Plan, plan_of
from perpscope.trading.honesty import Condition, Honesty, gate, honest

#: Runs looked through at most for a review that names none.
MOST: Final = 1000


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run, honestly."""

    run: str
    kind: str
    strategy: str
    parameters: dict[str, float]
    instrument: str
    data: str
    from_ms: int
    to_ms: int
    verdict: str
    why: str
    economics: dict[str, float | None]
    honesty: Honesty
    gate: list[Condition]
    is_open: bool  #: every condition of the gate is met
    warnings: list[str]


def report(run: Run, *, seed: int = 1) -> Report:
    """Everything there is to say about a run before money is put behind it."""
    told = run.summary
    plan = msgspec.structs.replace(plan_of(run.economics) or _plain(run), capital=told.deposit)
    smallest = run.economics.get("smallest_notional") or 0.0
    conditions = gate(
        [run], modelled_slippage=run.performance.get("slippage_modelled"), incidents=_incidents([run]), seed=seed
    )
    said = honest(run, plan, smallest, seed=seed)
    return Report(
        run=told.id,
        kind=told.kind.value,
        strategy=told.strategy,
        parameters=told.parameters,
        instrument=told.instrument,
        data=told.data,
        from_ms=told.from_ms,
        to_ms=told.to_ms,
        verdict=told.verdict.value,
        why=told.why,
        economics=run.economics,
        honesty=said,
        gate=conditions,
        is_open=all(one.is_met for one in conditions),
        warnings=_warnings(run, said),
    )


def reports(store: Path, ids: Sequence[str]) -> list[Report]:
    """Reports of runs of a store.

    Raises:
        ConfigError: no run is named.
        DataError: there is no such run.
    """
    if not ids:
        raise ConfigError("option-value", "risk report wants the id of a run", hint="perpscope runs list")
    return [report(run) for run in _runs(store, ids)]


def review(store: Path, ids: Sequence[str] = ()) -> Review:
    """The capital review of runs of a store.

    Args:
        store: the store.
        ids: runs of one strategy and instrument; none = all on paper and live of what ran last.

    Raises:
        ConfigError: they are of more than one strategy or instrument, or overlap.
        DataError: there is no such run, or none on paper or live.
    """
    runs = _runs(store, ids) if ids else _latest(store)
    kept = {(run.summary.strategy, run.summary.instrument) for run in runs}
    if len(kept) > 1:
        names = ", ".join(sorted(f"{strategy} on {instrument}" for strategy, instrument in kept))
        raise ConfigError("runs-differ", f"a review is of one strategy and instrument, not of {names}")
    slipped = [run.performance.get("slippage_modelled") for run in runs]
    modelled = sum(found for found in slipped if found is not None) if None not in slipped else None
    try:
        return reviewed(runs, modelled_slippage=modelled, incidents=_incidents(runs))
    except ValueError as error:
        words = f"{error}: the same time cannot count twice"
        raise ConfigError("runs-overlap", words, hint="name the runs: perpscope risk review RUN…") from error


def write_review(found: Review, file: Path) -> None:
    """Write a review as one HTML file.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        file.write_bytes(capital_page.page(found))
    except OSError as error:
        raise ConfigError("option-value", f"--report {str(file)!r} cannot be written: {error.strerror}") from error


def _runs(store: Path, ids: Sequence[str]) -> list[Run]:
    with Runs(store) as kept:
        return [_run(kept, name) for name in ids]


def _run(kept: Runs, name: str) -> Run:
    found = kept.get(name)
    if found is None:
        raise DataError("run-unknown", f"there is no run {name!r}", hint="perpscope runs list")
    return found


def _latest(store: Path) -> list[Run]:
    """Runs on paper and live of the strategy and instrument that ran last."""
    with Runs(store) as kept:
        told = [one for one in kept.list(MOST) if one.kind is not RunKind.BACKTEST]
        if not told:
            raise DataError(
                "runs-none",
                "there is no run on paper or live to review",
                hint="name backtests to review: perpscope risk review RUN…",
            )
        same = [one for one in told if (one.strategy, one.instrument) == (told[0].strategy, told[0].instrument)]
        return [_run(kept, one.id) for one in same]


def _plain(run: Run) -> Plan:
    """A plan of a run that tells no economics: its deposit, and what its own fills cost."""
    traded = run.performance.get("traded") or 0.0
    fee = run.summary.fees / traded if traded > 0.0 else 0.0
    return Plan(capital=run.summary.deposit, leverage=1.0, fee=max(0.0, fee), stop=0.0)


def _incidents(runs: Sequence[Run]) -> int | None:
    told = [run.performance.get("incidents_unsettled") for run in runs]
    return None if None in told else round(sum(found for found in told if found is not None))


def _warnings(run: Run, said: Honesty) -> list[str]:
    """What is to be shown in red."""
    found: list[str] = []
    figures: Mapping[str, float | None] = run.economics
    if figures.get("is_openable") == 0.0:
        found.append(
            f"a position of {figures['notional']:,.2f} cannot be opened: {figures['largest_notional']:,.2f} at most"
        )
    if figures.get("is_feasible") == 0.0:
        found.append(f"the exchange takes nothing below {figures['smallest_notional']:,.2f}: nothing can be traded so")
    lost = figures.get("stop_loss")
    if lost is not None and lost > 0.1:
        found.append(f"one stop loses {lost:.1%} of equity; after two {figures['left_after_two_stops']:.1%} is left")
    if said.ruin_drawn is not None and said.ruin_drawn > 0.01:
        found.append(f"risk of ruin within {said.ruin_trades:,} trades: {said.ruin_drawn:.1%}")
    if said.win_rate is not None and said.needed_win_rate is not None and said.win_rate < said.needed_win_rate:
        found.append(f"it wins {said.win_rate:.1%} of trades; {said.needed_win_rate:.1%} are needed to lose nothing")
    elif said.luck is not None and said.luck > 0.05:
        found.append(f"its wins may be luck: who wins just as often as needed does as well in {said.luck:.1%} of cases")
    return found
