"""Tables on the terminal: status, replay report, and the status drawn anew while a market is collected."""

import sys
import time
from pathlib import Path
from textwrap import wrap
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, TextIO

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from perpscope.app.replay import ReplayReport
from perpscope.app.status import Refusal, Status, TradingLine, read_status
from perpscope.cli.feed_tables import availability_table, feed_table, seen
from perpscope.settings import Settings
from perpscope.stores.rows import text_of
from perpscope.stores.status import EventCounts, StoreKind

if TYPE_CHECKING:
    from perpscope.app.collect import Collector

_LABELS = {StoreKind.DEMO: "DEMO DATA: no real market", StoreKind.REPLAY: "REPLAY of a recording"}
_WIDTH = 80
#: Real seconds between lines where nothing can be drawn.
_LINE_EVERY_S = 10.0
_MOST_SYMBOLS = 8


def print_status(status: Status, *, json: bool, out: TextIO) -> None:
    """Print a status as one JSON object on one line, or as a table."""
    if json:
        out.write(msgspec.json.encode(status).decode() + "\n")
    else:
        _console(out).print(render(status, matrix=True))


def print_replay(report: ReplayReport, recording: Path, *, out: TextIO) -> None:
    """Print what became of a recording."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    ignored = {f"ignored: {reason}": n for reason, n in report.ignored.items()}
    for name, n in {"frames": report.frames, "decoded": report.decoded, "control": report.control, **ignored}.items():
        table.add_row(name, f"{n:,}")
    table.add_row("rejected", f"{report.rejected:,}")
    for kind, n in report.events.items():
        table.add_row(f"event: {kind}", f"{n:,}")
    table.add_row("gaps", f"{report.gaps:,}")
    table.add_row("book equal to bid/ask", f"{report.book.equal:,} of {report.book.compared:,}")
    table.add_row("seconds", f"{report.seconds:.2f}")
    _console(out).print(Group(Text(f"replayed {recording}"), table))


def render(status: Status, *, matrix: bool = False) -> Group:
    """The status as 80 columns: a note on the data, feeds, liquidation counts, the database.

    Args:
        status: what to draw.
        matrix: also how each venue tells what; it never changes, and would not fit a screen that is drawn anew.
    """
    parts: list[Text | Table | Group] = []
    if (label := _LABELS.get(status.data)) is not None:
        parts.append(Text(label, style="bold magenta"))
    parts.append(feed_table(status.feeds))
    if matrix and status.availability:
        parts.append(availability_table(status.availability))
    parts += [_refusal(refusal) for refusal in status.refused]
    if status.bus is not None and not status.bus.is_connected:
        parts.append(Text(f"faces are not told anything: {status.bus.why or 'the bus is down'}", style="red"))
    parts.append(_counts(status))
    parts += [_trading(run) for run in status.trading]
    size = f"{status.database.bytes / 1e6:,.2f} MB"
    parts.append(Text(f"database  {size} · {status.events.total:,} liquidations", style="dim"))
    parts.append(Text(f"          {status.database.path}", style="dim", overflow="fold"))
    return Group(*parts)


def _trading(run: TradingLine) -> Text:
    """A run, and the stages of its orders: middle, and 99 % within."""
    told = [
        f"{stage} {spread.p50:.2g}/{spread.p99:.2g}"
        for stage, spread in run.latency_ms.items()
        if spread.p50 is not None and spread.p99 is not None
    ]
    state = "" if run.is_running else ", over"
    took = f" · ms p50/p99: {', '.join(told)}" if told else ""
    return Text(f"{run.label}  {run.run} {run.strategy} on {run.instrument}{state}{took}")


def watch_status(path: Path, settings: Settings, home: Path) -> NoReturn:
    """Draw the status of a store each second until Ctrl-C."""
    with Live(render(read_status(path, settings, home)), console=_console(sys.stdout), auto_refresh=False) as screen:
        while True:
            time.sleep(1.0)
            screen.update(render(read_status(path, settings, home)), refresh=True)


class Screen:
    """The status drawn while collecting; where stdout is no terminal, a line each ten seconds on stderr."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._drawn_at = time.monotonic()
        self._live: Live | None = None
        if shown and sys.stdout.isatty():
            self._live = Live(console=_console(sys.stdout), auto_refresh=False)

    def __enter__(self) -> "Screen":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def finish(self, status: Status, *, json: bool, out: TextIO) -> None:
        """Leave the last status standing: on the drawn screen, or printed."""
        if self._live is not None:
            self._live.update(render(status), refresh=True)
        else:
            print_status(status, json=json, out=out)

    def draw(self, collector: "Collector") -> None:
        """Draw anew if it is time."""
        now = time.monotonic()
        if not self._shown or now - self._drawn_at < (1.0 if self._live is not None else _LINE_EVERY_S):
            return
        self._drawn_at = now
        status = collector.status()
        if self._live is not None:
            self._live.update(render(status), refresh=True)
        else:
            seen = sum(feed.events for feed in status.feeds)
            print(f"{seen:,} events · {status.events.total:,} liquidations", file=sys.stderr, flush=True)


def _console(out: TextIO) -> Console:
    console = Console(file=out, highlight=False)
    return console if console.is_terminal else Console(file=out, highlight=False, width=_WIDTH)


def _counts(status: Status) -> Text:
    events = status.events
    lines = [
        "─" * _WIDTH,
        f"liquidations  total {events.total:,}   last 24 h {events.last_24h:,}   last 1 h {events.last_1h:,}",
        f"by side       BUY (shorts liquidated) {events.by_side.get('BUY', 0):,}   "
        f"SELL (longs liquidated) {events.by_side.get('SELL', 0):,}",
    ]
    most = sorted(events.by_symbol.items(), key=lambda item: -item[1])
    shown = [f"{symbol} {n:,}" for symbol, n in most[:_MOST_SYMBOLS]]
    if len(most) > _MOST_SYMBOLS:
        shown.append(f"+{len(most) - _MOST_SYMBOLS} more")
    lines += [f"by symbol     {line}" if at == 0 else f"              {line}" for at, line in enumerate(_rows(shown))]
    if events.has_holes_24h:
        told = f"not whole     {_least_seen(events)}"
        lines += wrap(told, _WIDTH, subsequent_indent=" " * 14, break_on_hyphens=False)
    if events.watchlist:
        lines.append(f"watchlist     {events.watchlist:,} of followed accounts, in none of these counts")
    lines.append("─" * _WIDTH)
    return Text("\n".join(lines))


def _refusal(refusal: Refusal) -> Text:
    """Until when a venue is not asked, and its words."""
    until = text_of(refusal.until_ms * 1_000_000)[:19]
    return Text(f"{refusal.venue} refuses until {until} UTC: {refusal.why}", style="red", overflow="fold")


def _least_seen(events: EventCounts) -> str:
    """Of which venues the last 24 h were not seen whole: counts are short by what is missing."""
    short = {name: of.coverage_24h for name, of in events.by_venue.items() if of.coverage_24h != 1.0}
    return "last 24 h seen: " + ", ".join(
        f"{name} {'not known' if share is None else seen(share)}" for name, share in short.items()
    )


def _rows(cells: list[str]) -> list[str]:
    """Cells joined into lines that fit beside the label."""
    rows = [""]
    for cell in cells:
        if rows[-1] and len(rows[-1]) + len(cell) + 3 > _WIDTH - 14:
            rows.append("")
        rows[-1] += ("   " if rows[-1] else "") + cell
    return rows
