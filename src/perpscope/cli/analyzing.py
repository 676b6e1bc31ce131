"""`analyze` and `report`: figures, charts and the one-file report of what a store holds."""

import enum
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, database, settings

if TYPE_CHECKING:
    from perpscope.analytics.liquidation_figures import SideFigures
    from perpscope.app.analyze import Outcome
    from perpscope.reports.report import InstrumentReport, Report

Symbol = Annotated[str | None, typer.Option("--symbol", help="Coin, symbol or id; default: the one with most events.")]
_PERIODS = {"daily": 24.0, "weekly": 168.0}
_MOST_SYMBOLS = 20  #: that people are shown; `--json` and the page list all


class What(enum.StrEnum):
    """What `analyze` is to make."""

    TRENDS = "trends"
    INTENSITY = "intensity"
    DISTRIBUTION = "distribution"
    REPORT = "report"
    ALL = "all"


def analyze(
    what: Annotated[
        list[What] | None,
        typer.Argument(help="Which charts; report = JSON and one HTML page; all = everything. Default: report."),
    ] = None,
    symbol: Symbol = None,
    hours: Annotated[float, typer.Option("--hours", help="How far back; cut to the data.")] = 24.0,
    out: Annotated[Path, typer.Option("--out", help="Folder for the files.")] = Path("charts"),
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Charts and a report of the liquidations of one symbol."""
    from perpscope.app.analyze import analyze as run

    outcome, report = run(_database(config, db), wanted=[*(what or [What.REPORT])], symbol=symbol, hours=hours, out=out)
    _say(report.notes)
    if json:
        print(msgspec.json.encode(outcome).decode())
    else:
        print_analysis(outcome, report, out=sys.stdout)


def report(
    period: Annotated[Literal["daily", "weekly"], typer.Argument(help="The last 24 or 168 hours.")],
    symbol: Annotated[str | None, typer.Option("--symbol", help="Only this coin, symbol or id; default: all.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write one HTML page here.")] = None,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """The comprehensive report of the last day or week."""
    from perpscope.app.analyze import read_digest, read_report, writing_to
    from perpscope.reports.report import encoded

    path, hours = _database(config, db), _PERIODS[period]
    found = read_digest(path, hours=hours) if symbol is None else read_report(path, symbol=symbol, hours=hours)
    _say(found.notes)
    if html is not None:
        from perpscope.reports.page import page

        with writing_to(html):
            html.write_bytes(page(found))
        print(f"wrote {html}", file=sys.stderr)
    if json:
        print(encoded(found).decode().rstrip())
    else:
        print_report(found, out=sys.stdout)


def print_analysis(outcome: "Outcome", report: "Report", *, out: TextIO) -> None:
    """Print the figures of one symbol and the files that were written, in 80 columns where paths allow."""
    _print_head(report, out)
    _print_instrument(report.instruments[0], out)
    for file in outcome.files:
        print(f"wrote {file}", file=out)


def print_report(report: "Report", *, out: TextIO) -> None:
    """Print the totals of each symbol, in 80 columns."""
    from perpscope.reports.numerals import usd

    _print_head(report, out)
    print(f"{'symbol':<24}{'events':>10}{'USD':>12}{'▼ longs':>12}{'▲ shorts':>12}", file=out)
    for row in report.by_symbol[:_MOST_SYMBOLS]:
        events = row.long_events + row.short_events
        money = (row.long_usd + row.short_usd, row.long_usd, row.short_usd)
        print(f"{row.symbol:<24}{events:>10,}" + "".join(f"{usd(value):>12}" for value in money), file=out)
    if (more := len(report.by_symbol) - _MOST_SYMBOLS) > 0:
        print(f"and {more:,} more; --json and --html list all", file=out)
    if len(report.instruments) == 1:
        _print_instrument(report.instruments[0], out)


def _database(config: Path | None, db: Path | None) -> Path:

    loaded = settings(config=config, db=db)
    return database(loaded)


def _say(notes: list[str]) -> None:
    """How symbol and window were chosen."""
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


def _print_head(report: "Report", out: TextIO) -> None:
    """What the data are, the window, and what the venue leaves out."""
    from perpscope.reports.numerals import hours, window
    from perpscope.stores.status import StoreKind

    labels = {StoreKind.DEMO: "DEMO DATA: no real market", StoreKind.REPLAY: "REPLAY of a recording"}
    if (label := labels.get(report.data)) is not None:
        print(label, file=out)
    print(f"{window(report.from_ms, report.to_ms)} · {hours(report.hours)}", file=out)
    print(textwrap.fill(report.published, 80), file=out)


def _print_instrument(instrument: "InstrumentReport", out: TextIO) -> None:
    from perpscope.reports.numerals import percent, price, seconds, share

    analysis = instrument.analysis
    figures = analysis.intensity
    print(
        f"{instrument.symbol} {instrument.venue} · n = {analysis.events:,} · watched {share(figures.covered)}",
        file=out,
    )
    print(f"{'':<10}{'events':>9}{'USD':>11}{instrument.base:>11}{'largest':>11}{'mean price':>15}{'LPI':>7}", file=out)
    for name, side in (("▼ long", figures.long), ("▲ short", figures.short), ("both", figures.both)):
        print(f"{name:<10}{_cells(side)}", file=out)
    words = [f"the largest at {price(analysis.largest[0].price)}"]
    if (wait := analysis.inter_arrival.median_s) is not None:
        change = percent(analysis.trends.price_change, signed=True)
        words += [f"price {change} over the window", f"half of the waits under {seconds(wait)}"]
    print(textwrap.fill(" · ".join(words), 80), file=out)


def _cells(side: "SideFigures") -> str:
    from perpscope.reports.numerals import points, price, short, usd

    size = "".join(f"{short(value):>11}" for value in (side.size, side.max_size))
    return f"{side.events:>9,}{usd(side.notional_usd):>11}{size}{price(side.mean_price):>15}{points(side.mean_lpi):>7}"
