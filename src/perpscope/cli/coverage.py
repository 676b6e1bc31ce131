"""`coverage`: what was seen, and what was not."""

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from perpscope.cli.options import Config, Db, Json, database, settings

if TYPE_CHECKING:
    from rich.table import Table

    from perpscope.app.coverage import CoverageReport, StreamCoverage
    from perpscope.stores.ledger import Seen

#: With more streams than this, a line is a channel of a venue.
_MOST_LINES = 60
_WIDTH = 80
#: Columns for a stream's name, with one share beside it and with two.
_NAME_COLUMNS = {1: 38, 2: 29}


def coverage(
    venue: Annotated[str | None, typer.Option("--venue", help="Only this venue.")] = None,
    channel: Annotated[str | None, typer.Option("--channel", help="Only this channel, e.g. liquidations.")] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", help="Only this coin, symbol or id.")] = None,
    hours: Annotated[float, typer.Option("--hours", help="How far back, in hours of market time.")] = 24.0,
    gaps: Annotated[bool, typer.Option("--gaps", help="Each gap, not a line for each stream.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="Intervals at most, the newest.")] = 10_000,
    db: Db = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """What was seen of each stream, what was missed, what was filled."""
    from perpscope.app.coverage import read_coverage

    loaded = settings(config=config, db=db)
    path = database(loaded)
    found = read_coverage(path, venue=venue, channel=channel, symbol=symbol, hours=hours, gaps_only=gaps, limit=limit)
    if json:
        print(msgspec.json.encode(found).decode())
    else:
        _print(found, hours, gaps=gaps)


def _print(found: "CoverageReport", hours: float, *, gaps: bool) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    if not found.streams:
        console.print("nothing is known of any such stream in this time: nobody listened, or it was imported")
        return
    console.print(_gap_table(found) if gaps else _stream_table(found, hours))
    if found.omitted and gaps:
        console.print(f"and {found.omitted:,} older ones (--limit)", style="dim")
    if any(stream.lost_ms for stream in found.streams):
        console.print("lost: no venue gives it back. What is neither seen nor missed is not known.", style="dim")


def _stream_table(found: "CoverageReport", hours: float) -> "Table":
    from rich.table import Table
    from rich.text import Text

    from perpscope.cli.feed_tables import seen
    from perpscope.stores.ledger import seen_together

    spans = ["24 h"] if hours == 24.0 else ["24 h", f"{hours:g} h"]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("stream", *spans, "gaps", "longest", "repaired", "lost"):
        table.add_column(name, justify="left" if name == "stream" else "right", no_wrap=True, overflow="ellipsis")
    room = _NAME_COLUMNS[len(spans)]
    for name, streams in _lines(found.streams).items():
        wholes = [seen_together((s.instrument, s.share_24h) for s in streams)]
        if len(spans) > 1:
            wholes.append(seen_together((s.instrument, s.share) for s in streams))
        table.add_row(
            _fitting(name, room),
            *(seen(None if whole is None else whole.share) for whole in wholes),
            f"{sum(s.gaps for s in streams):,}",
            _length(max(s.longest_gap_ms for s in streams)),
            _length(sum(s.repaired_ms for s in streams)),
            Text(_length(sum(s.lost_ms for s in streams)), style="red"),
        )
        for least, cells in _least(wholes).items():
            table.add_row(_fitting(f"  least {least}", room), *cells, style="dim")
    return table


def _least(wholes: "list[Seen | None]") -> dict[str | None, list[str]]:
    """The streams seen less than the others of their line, each with its share in the column of the span."""
    from perpscope.cli.feed_tables import seen

    found: dict[str | None, list[str]] = {}
    for at, whole in enumerate(wholes):
        if whole is not None and whole.least < whole.share:
            found.setdefault(whole.least_instrument, [""] * len(wholes))[at] = seen(whole.least)
    return found


def _fitting(name: str, room: int) -> str:
    return name if len(name) <= room else f"{name[: room - 1]}…"


def _lines(streams: "list[StreamCoverage]") -> "dict[str, list[StreamCoverage]]":
    """A line for each stream; where these are too many, for each channel of a venue."""
    lines: dict[str, list[StreamCoverage]] = {}
    for stream in streams:
        name = f"{stream.venue} {stream.channel.value}"
        if len(streams) <= _MOST_LINES and stream.instrument is not None:
            name = f"{stream.channel.value} {stream.instrument}"
        lines.setdefault(name, []).append(stream)
    return lines


def _gap_table(found: "CoverageReport") -> "Table":
    from rich.table import Table

    from perpscope.stores.rows import text_of

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("from, UTC", "length", "now", "cause", "stream"):
        table.add_column(name, justify="right" if name == "length" else "left", no_wrap=True, overflow="ellipsis")
    for gap in found.intervals:
        table.add_row(
            text_of(gap.from_ms * 1_000_000)[5:19],
            _length(gap.to_ms - gap.from_ms),
            "repaired" if gap.repaired else "lost" if gap.lost else "missed",
            gap.cause,
            f"{gap.channel.value} {gap.instrument or gap.venue}",
        )
    return table


def _length(ms: int) -> str:
    """A length of time in few characters.

    >>> _length(0), _length(60_000), _length(1_320_000), _length(21_600_000)
    ('—', '60 s', '22 m', '6.0 h')
    """
    seconds = ms / 1000
    if not ms:
        return "—"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} m" if seconds < 7200 else f"{seconds / 3600:,.1f} h"
