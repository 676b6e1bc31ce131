"""`backfill`: ask the venues for the past that the store does not have."""

import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, Symbols, database, settings
from perpscope.errors import ConfigError

if TYPE_CHECKING:
    from perpscope.app.backfill_errand import Errand, Report
    from perpscope.settings import Settings

Days = Annotated[
    float | None, typer.Option("--days", min=0.0, max=365.0, help="Days back from now; default: backfill.days.")
]
From = Annotated[
    str | None, typer.Option("--from", help="UTC moment to begin at: 2026-01-31 or 2026-01-31T06:00.", metavar="TIME")
]
To = Annotated[str | None, typer.Option("--to", help="UTC moment to end at; default: now.", metavar="TIME")]
Venues = Annotated[str | None, typer.Option("--venues", help="Venues, comma-separated.")]
SeriesNames = Annotated[
    str | None, typer.Option("--series", help="Series, comma-separated, e.g. candles_1m,open_interest; default: all.")
]


def backfill(
    days: Days = None,
    from_: From = None,
    to: To = None,
    symbols: Symbols = None,
    venues: Venues = None,
    series: SeriesNames = None,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Ask the venues for the past that is missing, newest first. Goes on where it was interrupted."""
    from perpscope.app.backfill_errand import Errand, new_id
    from perpscope.app.backfill_once import channels_named
    from perpscope.feeds import event_loop

    loaded = settings(config=config, db=db, symbols=symbols, venues=venues)
    path = database(loaded)
    if days is not None and from_ is not None:
        raise ConfigError("option-value", "--days and --from both say where to begin", hint="give one of them")
    ts_from, ts_to = _moment("--from", from_), _moment("--to", to)
    if ts_from is not None and ts_to is not None and ts_from >= ts_to:
        raise ConfigError("option-value", f"--from {from_} is not before --to {to}", hint="swap them")
    errand = Errand(
        id=new_id(),
        days=None if ts_from is not None else loaded.settings.backfill.days if days is None else days,
        ts_from=ts_from,
        ts_to=ts_to,
        venues=tuple(_names(venues)),
        symbols=tuple(_names(symbols)),
        series=channels_named(_names(series)),
    )
    raise typer.Exit(event_loop.run(_run(loaded.settings, path, errand, json=json)))


async def _run(tree: "Settings", path: Path, errand: "Errand", *, json: bool) -> int:
    import asyncio

    from perpscope.app.backfill_once import fill

    stopping = False

    def stop() -> None:
        nonlocal stopping
        stopping = True
        _say("stopping; what has been told is kept")

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    with _Bar(shown=sys.stderr.isatty() and not json) as bar:
        report = await fill(tree, path, errand, announce=bar.say, on_progress=bar.draw, is_stopping=lambda: stopping)
    if json:
        print(msgspec.json.encode(report).decode())
    else:
        _print(report)
    if stopping:
        return 130
    return 4 if any(line.failed for line in report.series) or not report.series else 0


class _Bar:
    """A progress bar on a terminal; nothing elsewhere."""

    def __init__(self, *, shown: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>5.1f} %  {task.fields[rows]} rows"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not shown,
        )
        self._shown = shown
        self._task = self._progress.add_task("the past", total=1.0, rows="0")

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def draw(self, report: "Report") -> None:
        """Show how far it is."""
        self._progress.update(self._task, completed=report.done, rows=f"{report.rows:,}")

    def say(self, line: str) -> None:
        """A line above the bar."""
        if self._shown:
            self._console.print(line, markup=False, highlight=False)
        else:
            _say(line)


def _print(report: "Report") -> None:
    """A line for each series of each venue, all symbols together."""
    print(f"{'venue':<12}{'series':<16}{'symbols':>8}{'calls':>8}{'rows':>12}  {'from':<17}whole")
    groups: dict[tuple[str, str], list[int]] = {}
    for place, line in enumerate(report.series):
        groups.setdefault((line.venue, line.series.value), []).append(place)
    for (venue, name), places in groups.items():
        lines = [report.series[place] for place in places]
        starts = [line.from_ms for line in lines if line.from_ms is not None]
        since = datetime.fromtimestamp(min(starts) / 1e3, UTC).strftime("%Y-%m-%d %H:%M") if starts else ""
        calls, rows = sum(line.asked for line in lines), sum(line.rows for line in lines)
        whole = "yes" if all(line.whole for line in lines) else "no"
        print(f"{venue:<12}{name:<16}{len(lines):>8}{calls:>8,}{rows:>12,}  {since:<17}{whole}")
    for line in report.series:
        if line.failed:
            print(f"{line.venue} {line.symbol} {line.series.value}: {line.failed}")
    for venue, channels in report.lost.items():
        if channels:
            names = ", ".join(channel.value.replace("_", " ") for channel in channels)
            print(f"{names} of {venue} cannot be asked for afterwards")
    if report.by_collector:
        for note in report.notes:
            print(note)
    who = " by the collector that writes the database" if report.by_collector else ""
    print(f"{report.rows:,} rows told in {report.calls:,} calls{who}")


def _moment(option: str, text: str | None) -> int | None:
    """A UTC moment, ns.

    Raises:
        ConfigError: it is none.
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            "option-value", f"{option} {text!r} is no moment", hint="e.g. 2026-01-31 or 2026-01-31T06:00"
        ) from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()) * 1_000_000_000


def _names(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
