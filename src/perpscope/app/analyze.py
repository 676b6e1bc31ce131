"""Analysis of what a store holds: read it beside whoever writes it, reckon, draw, write files.

`read_report` is the figures alone; `analyze` writes the charts and reports that were asked for into a folder.
"""

import contextlib
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import msgspec

from perpscope.analytics.liquidation_figures import Span
from perpscope.analytics.liquidation_stats import analyse
from perpscope.analytics.watching import AFTERWARDS, Interval, covered_share, watched_spans
from perpscope.app.analysis_window import Window, base_and_quote, check_hours, choose_symbol, choose_window
from perpscope.app.status import market_now
from perpscope.errors import DataError, StoreError
from perpscope.model.stream import Channel
from perpscope.reports import numerals
from perpscope.reports import report as reports
from perpscope.reports.report import FORM, InstrumentReport, Report
from perpscope.stores.extents import Extent, extents, totals
from perpscope.stores.sqlite import SqliteReader
from perpscope.stores.status import CoverageRow, StoreKind

_MS_NS = 1_000_000
_EVERYTHING = 2**62  #: rows; a window is read whole
#: The comprehensive report of every symbol goes into the details of so many, most dollars first (chosen by hand).
MOST_INSTRUMENTS = 12
GROUPS = ("trends", "intensity", "distribution")
WANTED = (*GROUPS, "report", "all")


class Outcome(msgspec.Struct, frozen=True):
    """What `analyze --json` prints: what was looked at, and the files that were written."""

    symbol: str
    instrument: str
    data: StoreKind
    from_ms: int
    to_ms: int
    hours: float  #: length of the window, after it was cut to the data
    events: int
    covered: float | None  #: share of the window that was watched; None = unknown
    notes: list[str]
    files: list[str]


class _Watched(msgspec.Struct, frozen=True):
    """What is known of one instrument's liquidation stream, ms UTC."""

    seen: list[Interval]
    missed: list[Interval]
    filled: list[Interval]  #: asked for afterwards

    def spans(self, from_ms: int, to_ms: int) -> list[Span]:
        """A stretch of time, cut into spans of one kind."""
        return watched_spans(self.seen, self.missed, from_ms, to_ms, self.filled)


class _Stored(msgspec.Struct, frozen=True):
    """What a store says about itself, read once."""

    kind: StoreKind
    now_ms: int
    extents: list[Extent]
    watched: dict[str, _Watched]  #: by instrument


def analyze(
    path: Path, *, wanted: Collection[str], symbol: str | None, hours: float, out: Path
) -> tuple[Outcome, Report]:
    """Analyse one symbol and write what is wanted into a folder, which is made if need be.

    Args:
        path: the store.
        wanted: some of `WANTED`.
        symbol: in any spelling the store knows; None = the one with most events.
        hours: length of the window, > 0; more than there are data is cut to them.
        out: folder for the files.

    Raises:
        ConfigError: `hours` is not above 0, or nothing of this symbol is stored.
        DataError: there is no such store, or nothing in the window.
        StoreError: the store cannot be read, or the folder not be written.
    """
    found = read_report(path, symbol=symbol, hours=hours)
    instrument = found.instruments[0]
    with writing_to(out):
        out.mkdir(parents=True, exist_ok=True)
        files = list(_write(found, instrument, wanted, out))
    coverage = instrument.analysis.coverage.covered
    outcome = Outcome(
        symbol=instrument.symbol,
        instrument=instrument.instrument,
        data=found.data,
        from_ms=found.from_ms,
        to_ms=found.to_ms,
        hours=found.hours,
        events=instrument.analysis.events,
        covered=coverage,
        notes=found.notes,
        files=[str(file) for file in files],
    )
    return outcome, found


def read_report(path: Path, *, symbol: str | None = None, hours: float = 24.0) -> Report:
    """The comprehensive report of one symbol; errors as for `analyze`."""
    check_hours(hours)
    stored = _look(path)
    extent, notes = choose_symbol(symbol, stored.extents)
    window = _window(stored, [extent], hours)
    report = _report(path, stored, window, [extent], hours, notes)
    if not report.instruments:
        raise _empty(extent.symbol, window, extent.ts_first, extent.ts_last)
    return report


def read_digest(path: Path, *, hours: float) -> Report:
    """The report of every symbol: totals of all, details of the `MOST_INSTRUMENTS` with most dollars.

    Raises:
        ConfigError: `hours` is not above 0.
        DataError: there is no such store, or nothing in the window.
        StoreError: it cannot be read.
    """
    check_hours(hours)
    stored = _look(path)
    choose_symbol(None, stored.extents)
    window = _window(stored, stored.extents, hours)
    report = _report(path, stored, window, stored.extents, hours, [])
    if not report.instruments:
        first, last = min(e.ts_first for e in stored.extents), max(e.ts_last for e in stored.extents)
        raise _empty("any symbol", window, first, last)
    return report


@contextlib.contextmanager
def writing_to(place: Path) -> Iterator[None]:
    """Turn what the system says about a folder or file into our own error.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(
            "output-folder",
            f"cannot write to {str(place)!r}: {error.strerror}",
            hint="name another place with --out or --html, or mend its permissions",
        ) from error


def _look(path: Path) -> _Stored:
    with SqliteReader.open(path) as reader:
        kind = reader.kind
        now_ns = market_now(reader.heart(), kind)
        rows = reader.coverage(channel=Channel.LIQUIDATIONS)
    streams: dict[tuple[str, str | None], list[CoverageRow]] = {}
    for row in rows:
        streams.setdefault((row.venue, row.instrument), []).append(row)
    found = extents(path)
    watched = {
        extent.instrument: _watched(
            [*streams.get((extent.venue, None), ()), *streams.get((extent.venue, extent.instrument), ())], now_ns
        )
        for extent in found
    }
    return _Stored(kind, now_ns // _MS_NS, found, watched)


def _watched(rows: Sequence[CoverageRow], now_ns: int) -> _Watched:
    known = _Watched([], [], [])
    for row in rows:
        live = known.filled if row.source in AFTERWARDS else known.seen
        ts_to = now_ns if row.ts_to is None else row.ts_to
        (live if row.kind == "covered" else known.missed).append((row.ts_from // _MS_NS, ts_to // _MS_NS))
    return known


def _window(stored: _Stored, chosen: Sequence[Extent], hours: float) -> Window:
    known = [stored.watched[extent.instrument] for extent in chosen]
    seen = [interval for of_it in known for interval in (*of_it.seen, *of_it.filled)]
    return choose_window(
        hours,
        stored.now_ms,
        min(extent.ts_first for extent in chosen) // _MS_NS,
        max(extent.ts_last for extent in chosen) // _MS_NS,
        (min(start for start, _ in seen), max(end for _, end in seen)) if seen else None,
    )


def _report(
    path: Path, stored: _Stored, window: Window, chosen: Sequence[Extent], hours: float, notes: list[str]
) -> Report:
    by_symbol = [
        msgspec.structs.replace(row, covered=_covered(stored, row.instrument, window))
        for row in totals(path, window.from_ms * _MS_NS, window.to_ms * _MS_NS)
    ]
    wanted = {extent.instrument for extent in chosen}
    detailed = [row for row in by_symbol if row.instrument in wanted]
    if len(detailed) > MOST_INSTRUMENTS:
        notes = [*notes, f"details of the {MOST_INSTRUMENTS} symbols with most dollars, of {len(detailed)}"]
        detailed = detailed[:MOST_INSTRUMENTS]
    instruments = []
    with SqliteReader.open(path) as reader:
        for row in detailed:
            events = reader.liquidations(row.symbol, window.from_ms * _MS_NS, _EVERYTHING)
            spans = stored.watched[row.instrument].spans(window.from_ms, window.to_ms)
            analysis = analyse(
                [event for event in events if event.instrument == row.instrument], window.from_ms, window.to_ms, spans
            )
            names = base_and_quote(row.instrument)
            instruments.append(InstrumentReport(row.venue, row.symbol, row.instrument, *names, analysis))
    return Report(
        form=FORM,
        data=stored.kind,
        from_ms=window.from_ms,
        to_ms=window.to_ms,
        hours=window.hours,
        hours_asked=hours,
        notes=[*notes, *window.notes],
        published=reports.published([instrument.analysis for instrument in instruments]),
        by_symbol=by_symbol,
        instruments=instruments,
    )


def _covered(stored: _Stored, instrument: str, window: Window) -> float | None:
    """Share of a window that was watched."""
    span = window.from_ms, window.to_ms
    return covered_share(stored.watched[instrument].spans(*span), span)


def _write(report: Report, instrument: InstrumentReport, wanted: Collection[str], out: Path) -> Iterator[Path]:
    """Write what is wanted; yields each file when it is there."""
    stem = re.sub(r"[^\w.-]", "_", instrument.symbol)
    groups = GROUPS if "all" in wanted else [group for group in GROUPS if group in wanted]
    makers: list[tuple[str, Callable[[], bytes]]] = []
    if groups:
        from perpscope.reports.drawing import figure, png  # noqa: PLC0415 -- matplotlib takes a second to import

        caption = reports.caption(report, instrument)
        makers += [
            (f"{chart.name}.png", lambda chart=chart: png(figure(chart, caption)))  # type: ignore[misc]  # bound now
            for chart in reports.charts(instrument)
            if chart.group in groups
        ]
    if "all" in wanted or "report" in wanted:
        from perpscope.reports.page import page  # noqa: PLC0415 -- beside the pictures

        makers += [("report.json", lambda: reports.encoded(report)), ("report.html", lambda: page(report))]
    for name, make in makers:
        file = out / f"{stem}-{name}"
        file.write_bytes(make())
        yield file


def _empty(symbol: str, window: Window, first_ns: int, last_ns: int) -> DataError:
    stored = " to ".join(numerals.moment(ns // _MS_NS) for ns in (first_ns, last_ns))
    return DataError(
        "window-empty",
        f"no liquidations of {symbol} in {numerals.window(window.from_ms, window.to_ms)}",
        hint=f"stored are those from {stored} UTC: take a longer window with --hours",
    )
