"""`runs`: what was kept of backtests, and of paper and live trading."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, database, settings

if TYPE_CHECKING:
    from perpscope.model.run import Run, RunSummary
    from perpscope.stores.runs import Runs

app = typer.Typer(help="Runs of strategies that were kept.", no_args_is_help=True, rich_markup_mode=None)

#: Runs among which one is looked for by its name.
_ALL = 1_000_000

Which = Annotated[
    str, typer.Argument(help="Id of a run, as much of it as no other begins with, or latest.", metavar="RUN")
]


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option("--limit", min=1, help="The newest so many.")] = 50,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """The newest runs, one a line."""
    with _runs(db, config) as runs:
        found = runs.list(limit)
    if json:
        from perpscope.app.answers.trade import listed

        print(msgspec.json.encode([listed(told) for told in found]).decode())
        return
    words = _recordings(db, config) if any(told.kind.value != "backtest" for told in found) else {}
    for told in found:
        print(_line(told, words.get(told.id, "")))
    if not found:
        _say("no run is kept here: perpscope backtest makes some")


@app.command()
def show(which: Which, db: Db = None, config: Config = None, json: Json = False) -> None:
    """One run whole: its figures, what was assumed and its trades."""
    from perpscope.cli.backtest import print_run

    run = _found(which, db, config)
    if json:
        print(msgspec.json.encode(run).decode())
        return
    print_run(run, None, None, out=sys.stdout)
    for trade in run.trades:
        print(
            f"  {_moment(trade.opened_ms)} {trade.side:<5} {trade.size:g} at {trade.entry:g}, out {trade.exit:g} "
            f"{_moment(trade.closed_ms)}: net {trade.net:+,.2f} ({trade.why_in} → {trade.why_out})"
        )


@app.command()
def compare(one: Which, other: Which, db: Db = None, config: Config = None, json: Json = False) -> None:
    """Two runs beside each other: what differs in what made them, and in what they came to."""
    from perpscope.app.backtest.comparing import compared

    found = compared(_found(one, db, config), _found(other, db, config))
    if json:
        print(msgspec.json.encode(found).decode())
        return
    print(found.words)
    width = max((len(row.name) for row in found.rows), default=0)
    for row in found.rows:
        print(f"  {row.name:<{width}}  {row.one!s:>24}  {row.other!s:>24}")


@app.command()
def rm(which: Which, db: Db = None, config: Config = None, json: Json = False) -> None:
    """Let go of a run; what was tried stays in the register of trials."""
    run = _found(which, db, config)
    with _runs(db, config) as runs:
        runs.remove(run.summary.id)
    if json:
        print(msgspec.json.encode({"removed": run.summary.id}).decode())
    else:
        print(f"removed {run.summary.id}")


@app.command()
def divergence(
    run: Which,
    recordings: Annotated[
        Path | None, typer.Option("--recordings", help="Folder its recordings are in, if they were moved.")
    ] = None,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """A run on paper or live beside itself: decided again from its recording, its orders filled by the model."""
    from perpscope.app.kept_code import keep_compiled

    keep_compiled()
    from perpscope.app.run_names import meant
    from perpscope.app.trade.divergence import known, lines, of_journal

    loaded = settings(config=config, db=db)
    path = database(loaded)
    found = of_journal(path, meant(run, known(path), unknown="trade-run-unknown"), recordings)
    if json:
        print(msgspec.json.Encoder(decimal_format="number").encode(found).decode())
    else:
        print("\n".join(lines(found)))
    if found.is_identical is False:
        raise typer.Exit(1)


def _found(which: str, db: Path | None, config: Path | None) -> "Run":
    from perpscope.app.run_names import Known, meant
    from perpscope.errors import DataError

    with _runs(db, config) as runs:
        told = [Known(id=one.id, at_ms=one.made_ms, words=_what(one)) for one in runs.list(_ALL)]
        run = runs.get(meant(which, told))
    if run is None:
        raise DataError("run-unknown", f"run {which!r} is gone meanwhile", hint="perpscope runs list shows the ids")
    return run


def _recordings(db: Path | None, config: Path | None) -> dict[str, str]:
    """What has become of recordings that are not where they were; nothing where no journal tells."""
    from perpscope.app.trade.recordings import gone
    from perpscope.errors import PerpscopeError

    try:
        return gone(database(settings(config=config, db=db)))
    except PerpscopeError as error:
        _say(f"! {error.message}")
        return {}


def _runs(db: Path | None, config: Path | None) -> "Runs":
    from perpscope.app import places
    from perpscope.stores.runs import Runs

    loaded = settings(config=config, db=db)
    path, why = places.database(loaded.settings.database.path, loaded.origins.get("database.path", "configuration"))
    _say(f"runs of {path} ({why})")
    return Runs(path)


def _what(told: "RunSummary") -> str:
    from perpscope.app.answers.trade import label_words

    return f"{label_words(told.kind, told.data)} {told.strategy} on {told.instrument}"


def _line(told: "RunSummary", more: str) -> str:
    from perpscope.app.answers.trade import label_words

    rate = "   –" if told.win_rate is None else f"{told.win_rate:4.0%}"
    return (
        f"{told.id}  {_moment(told.made_ms)}  {label_words(told.kind, told.data):<19} {told.strategy:<10} "
        f"{told.instrument:<26} {told.trades:>6,} trades "
        f"{rate} won  net {told.net:>+12,.2f}  {told.verdict.value}{f' · {more}' if more else ''}"
    )


def _moment(at_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_ms / 1e3, UTC).strftime("%Y-%m-%d %H:%M")


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
