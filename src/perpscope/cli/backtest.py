"""`backtest`: a strategy over files or a store, kept as a run, with its verdict."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, settings

if TYPE_CHECKING:
    from perpscope.app.backtest.sweep import Swept
    from perpscope.app.backtest.walk_forward import Walked
    from perpscope.config import Loaded
    from perpscope.model.run import Run, RunSummary

#: Notes that are printed; the run keeps them all.
_SHOWN = 30


_Strategy = Annotated[str, typer.Argument(help="Name of a strategy, or a file of your own: mine.py.")]
_Data = Annotated[
    list[Path] | None, typer.Argument(help="Files and folders: candles, rows, recordings; default: the store.")
]
_Param = Annotated[
    list[str] | None, typer.Option("--param", help="Parameter of the strategy, key=value; may be repeated.")
]
_From = Annotated[str | None, typer.Option("--from", help="Begin: 2026-06-12, 2026-06-12T02:00, or ms UTC.")]
_To = Annotated[str | None, typer.Option("--to", help="End, in the same forms.")]
_Venue = Annotated[str | None, typer.Option("--venue", help="Whose data they are; default: what they tell.")]
_Symbol = Annotated[str | None, typer.Option("--symbol", help="Coin, symbol or id of the instrument.")]
_Deposit = Annotated[float | None, typer.Option("--deposit", help="Quote units to begin with.")]
_Profile = Annotated[str | None, typer.Option("--profile", help="Limits: careful, or seed.")]
_Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the latencies that are drawn.")]
_Route = Annotated[str, typer.Option("--path", help="compiled, events, or both: they have to agree.")]
_Sweep = Annotated[bool, typer.Option("--sweep", help="Every point of the grid; each is a trial.")]
_Forward = Annotated[
    bool, typer.Option("--walk-forward", help="Parameters chosen on what came before, judged on what came next.")
]
_Processes = Annotated[int, typer.Option("--processes", min=0, help="Of a sweep; 0 = one for each core.")]
_Report = Annotated[Path | None, typer.Option("--report", help="Folder for the tear sheet.")]


def backtest(
    strategy: _Strategy,
    data: _Data = None,
    param: _Param = None,
    since: _From = None,
    until: _To = None,
    venue: _Venue = None,
    symbol: _Symbol = None,
    deposit: _Deposit = None,
    profile: _Profile = None,
    seed: _Seed = 1,
    path: _Route = "compiled",
    sweep: _Sweep = False,
    walk_forward: _Forward = False,
    processes: _Processes = 0,
    report: _Report = None,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Run a strategy over recorded data and say what it is worth."""
    from perpscope.app import strategies
    from perpscope.app.backtest import asking

    loaded = settings(config=config, db=db, more={"risk.deposit": deposit, "risk.profile": profile})
    route, way = asking.ways(path, sweep=sweep, walk_forward=walk_forward)
    chosen = strategies.find(strategy, loaded.settings)
    own = strategies.parameters(chosen, loaded.settings, strategies.assigned(param or []))
    asked = asking.asked_of(venue, symbol, since, until, chosen.needs)
    _make(
        {"strategy": strategies.proven(chosen), "named": strategy, "parameters": own, "settings": loaded.settings}
        | {"data": data or [], "asked": asked, "store": _store(loaded), "path": route, "way": way}
        | {"seed": seed, "processes": processes},
        report,
        json=json,
    )


def _make(told: dict[str, Any], report: Path | None, *, json: bool) -> None:
    """Do what was asked for, and say what came of it."""
    from perpscope.app.backtest.ordering import Order, ordered

    made = ordered(Order(**told), announce=_say)
    if report is not None:
        _write_report(made.run, report)
    if json:
        print(msgspec.json.encode(made.told()).decode())
    else:
        print_run(made.run, made.swept, made.walked, out=sys.stdout)


def print_run(run: "Run", swept: "Swept | None", walked: "Walked | None", *, out: TextIO) -> None:
    """Print what a run came to, its verdict first."""
    from perpscope.app.answers.trade import label_words
    from perpscope.reports.numerals import window

    told = run.summary
    print(f"{told.verdict.value}: {told.why}", file=out)
    span = window(told.from_ms, told.to_ms)
    label = label_words(told.kind, told.data)
    print(
        f"{label} · {told.strategy} on {told.instrument} · {span} · {told.coverage:.1%} of it seen · {told.path}",
        file=out,
    )
    if swept is not None:
        print(
            f"the best of {len(swept.points):,} points of the grid, {run.trials:,} tried on these data in all", file=out
        )
    if walked is not None:
        print(f"walked forward over {len(walked.folds)} folds; each with parameters chosen before it", file=out)
    for line in figures(told):
        print(f"  {line}", file=out)
    for name, counts in (("refused", told.refused), ("near misses", told.near_misses)):
        if counts:
            words = ", ".join(f"{reason} {count:,}" for reason, count in sorted(counts.items(), key=lambda i: -i[1]))
            print(f"  {name}: {words}", file=out)
    for note in told.notes[:_SHOWN]:
        print(f"  · {note}", file=out)
    print(f"kept as {told.id} · hash {told.hash}", file=out)


def figures(told: "RunSummary") -> list[str]:
    """A run's figures, in lines."""
    rate = "–" if told.win_rate is None else f"{told.win_rate:.1%} [{told.win_low:.1%}, {told.win_high:.1%}]"
    sharpe = "–" if told.sharpe is None else f"{told.sharpe:.2f}"
    return [
        f"trades {told.trades:,} · won {rate} · liquidated {told.liquidations:,}",
        f"net {told.net:+,.2f} of {told.deposit:,.2f}: gross {told.gross:+,.2f}, fees {told.fees:,.2f}, "
        f"funding {told.funding:,.2f}; slippage within gross {told.slippage:,.2f}",
        f"largest drawdown {told.max_drawdown:.1%} · Sharpe {sharpe} · equity off by {told.equity_error:g}",
    ]


def _store(loaded: "Loaded") -> Path:
    from perpscope.app import places

    path, why = places.database(loaded.settings.database.path, loaded.origins.get("database.path", "configuration"))
    places.make_own_folder(path)
    _say(f"database {path} ({why})")
    return path


def _write_report(run: "Run", folder: Path) -> None:
    from perpscope.app.analyze import writing_to
    from perpscope.reports.tearsheet import tearsheet

    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        written: Sequence[Path] = tearsheet(run, folder)
    for file in written:
        _say(f"wrote {file}")


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
