"""Every command under its name. What a command runs is imported when it runs."""

import typer

from perpscope import __version__
from perpscope.cli import (
    alerts,
    analyzing,
    archiving,
    backfilling,
    backtest,
    cascade,
    collecting,
    configuring,
    coverage,
    demo,
    doctor,
    halt,
    importing,
    keys,
    liqmap,
    margin,
    positions,
    reading,
    risk,
    runs,
    sentiment,
    serving,
    signals,
    study,
    symbols,
    telegram,
    totals,
    trade,
    upkeep,
)

app = typer.Typer(
    name="perpscope",
    help="Where leverage in crypto perpetual futures will break, and what was not seen.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(demo.demo)
app.command("live")(collecting.live)
app.command("collect")(collecting.collect)
app.command("serve")(serving.serve)
app.command("replay")(reading.replay)
app.command("status")(reading.status)
app.command("coverage")(coverage.coverage)
app.command("analyze")(analyzing.analyze)
app.command("report")(analyzing.report)
app.command("tape")(totals.tape)
app.command("map")(liqmap.map_)
app.command("heatmap")(liqmap.heatmap)
app.command("cascade")(cascade.cascade)
app.command("sentiment")(sentiment.sentiment)
app.add_typer(study.app, name="study")
app.command("signals")(signals.signals)
app.command("backtest")(backtest.backtest)
app.command("paper")(trade.paper)
app.command("trade")(trade.trade)
app.command("positions")(positions.positions)
app.command("halt")(halt.halt)
app.add_typer(runs.app, name="runs")
app.command("import")(importing.import_)
app.command("backfill")(backfilling.backfill)
app.command("cleanup")(upkeep.cleanup)
app.command("backup")(upkeep.backup)
app.command("restore")(upkeep.restore)
app.command("db")(upkeep.db_)
app.command("export")(upkeep.export)
app.command("archive")(archiving.archive)
app.command("symbols")(symbols.symbols)
app.command("margin")(margin.margin)
app.command("risk")(risk.risk)
app.command("doctor")(doctor.doctor)
app.command("keys")(keys.keys)
app.command("alerts")(alerts.alerts)
app.command("telegram")(telegram.telegram)
app.command("config")(configuring.config)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        typer.echo(f"perpscope {__version__}")
        raise typer.Exit
