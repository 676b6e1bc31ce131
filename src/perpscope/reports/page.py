"""The report as one HTML file that needs nothing else: no network, no server; the charts are drawn by our own viewer.

What is in it and what it may do says `single_file`.
"""

from collections.abc import Sequence
from html import escape

import msgspec

from perpscope.analytics.liquidation_figures import Watch
from perpscope.reports import numerals
from perpscope.reports.chart import LONG, SHORT, Caption, Chart, Table
from perpscope.reports.report import InstrumentReport, Report, caption, charts, encoded
from perpscope.reports.single_file import part, single_file, table
from perpscope.stores.extents import SymbolTotals
from perpscope.stores.status import StoreKind

_GROUPS = {"trends": "Hour by hour", "intensity": "Longs against shorts", "distribution": "How they are spread"}
_TAGS = {StoreKind.OBSERVED: "OBSERVED", StoreKind.DEMO: "DEMO DATA", StoreKind.REPLAY: "REPLAY"}
#: The viewer's word for a span is one number: from, to, and which kind of watching.
_KINDS = list(Watch)


def page(report: Report) -> bytes:
    """The whole file, UTF-8; the same data give the same bytes."""
    drawn = [(instrument, charts(instrument), caption(report, instrument)) for instrument in report.instruments]
    symbols = ", ".join(instrument.symbol for instrument in report.instruments)
    title = f"{symbols if len(drawn) == 1 else f'{len(drawn)} symbols'}: liquidations"
    body = [
        _header(title, report),
        _by_symbol(report.by_symbol) if len(report.by_symbol) > 1 else "",
        *(_instrument(*parts, is_open=at == 0) for at, parts in enumerate(drawn)),
        _footer(report),
    ]
    data = {"charts": _drawings(drawn), "report": encoded(report).rstrip()}
    return single_file(title, "".join(body), data, part("page.css"), part("viewer.js"))


def _drawings(drawn: Sequence[tuple[InstrumentReport, list[Chart], Caption]]) -> bytes:
    """What the viewer draws: the charts without their tables, which it reads off the page."""
    bare = Table([], [])
    return msgspec.json.encode(
        [
            {
                "spans": [[span.from_ms, span.to_ms, _KINDS.index(span.watch)] for span in words.spans],
                "charts": [msgspec.structs.replace(chart, table=bare) for chart in of_it],
            }
            for _, of_it, words in drawn
        ]
    )


def _header(title: str, report: Report) -> str:
    tag = _TAGS[report.data]
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return (
        f'<header><h1>{escape(title)} <b class="tag {escape(report.data.value)}">{tag}</b></h1>'
        f"<p>{escape(numerals.window(report.from_ms, report.to_ms))} · {escape(numerals.hours(report.hours))}</p>"
        f'<p class="sides"><span class="long">{LONG}</span> <span class="short">{SHORT}</span></p>'
        f"<p>{escape(report.published)}</p>" + (f"<ul>{notes}</ul>" if notes else "") + "</header>"
    )


def _by_symbol(rows: Sequence[SymbolTotals]) -> str:
    """Every coin's totals."""
    sides = ["▼ long USD", "▲ short USD", "▼ long events", "▲ short events"]
    head = ["symbol", "venue", "events", "USD", *sides, "published", "watched"]
    cells = [
        [
            row.symbol,
            row.venue,
            f"{row.long_events + row.short_events:,}",
            *map(numerals.usd, (row.long_usd + row.short_usd, row.long_usd, row.short_usd)),
            f"{row.long_events:,}",
            f"{row.short_events:,}",
            row.completeness.value,
            numerals.share(row.covered),
        ]
        for row in rows
    ]
    return f'<section><h2>By symbol</h2><div class="scroll">{table(head, cells)}</div></section>'


def _instrument(instrument: InstrumentReport, drawn: list[Chart], words: Caption, *, is_open: bool) -> str:
    groups = []
    for group, title in _GROUPS.items():
        charted = "".join(_figure(chart, words) for chart in drawn if chart.group == group)
        groups.append(f'<h3>{title}</h3><div class="grid">{charted}</div>')
    figures = instrument.analysis.intensity
    usd = [numerals.usd(side.notional_usd) for side in (figures.both, figures.long, figures.short)]
    subject = f"{instrument.symbol} {instrument.venue} · n = {figures.both.events:,}"
    summary = f"{subject} · {usd[0]} (▼ long {usd[1]} ▲ short {usd[2]})"
    coverage = ", ".join(text for _, text in words.watched)
    return (
        f'<details class="instrument"{" open" if is_open else ""}><summary><h2>{escape(summary)}</h2></summary>'
        f'<p class="dim">{escape(coverage)}</p>{"".join(groups)}{_numbers(instrument)}</details>'
    )


def _figure(chart: Chart, words: Caption) -> str:
    """A place for the drawing, what is pointed at, and the table."""
    drawing = f'<p class="empty">{escape(chart.why_empty)}</p>' if chart.why_empty else ""
    columns = table(chart.table.head, chart.table.rows)
    return (
        f"<figure><figcaption><b>{escape(chart.title)}</b><br>{escape(chart.reading)}</figcaption>{drawing}"
        f'<div class="chart"></div><p class="read" aria-live="polite"></p>'
        f'<p class="dim">{escape(words.footnote)}</p>'
        f'<details><summary>view as table</summary><div class="scroll">{columns}</div></details></figure>'
    )


def _numbers(instrument: InstrumentReport) -> str:
    """Between events, and the largest."""
    analysis, units = instrument.analysis, instrument.units
    waits = analysis.inter_arrival
    between = table(
        ["intervals", "mean", "median", "90 % below", "longest", "watched"],
        [
            [
                f"{waits.intervals:,}",
                *map(numerals.seconds, (waits.mean_s, waits.median_s, waits.p90_s, waits.max_s)),
                numerals.share(waits.covered),
            ]
        ],
    )
    rows = [
        [
            numerals.moment(event.time_ms),
            "▼ long" if event.side == "long" else "▲ short",
            numerals.usd(event.notional_usd),
            units.size(event.size),
            numerals.price(event.price),
            numerals.points(event.lpi),
        ]
        for event in analysis.largest
    ]
    largest = table(["UTC", "side", "USD", "size", f"{units.quote} per {units.base}", "LPI"], rows)
    return (
        f'<h3>From one to the next</h3><div class="scroll">{between}</div>'
        f'<h3>The largest</h3><div class="scroll">{largest}</div>'
    )


def _footer(report: Report) -> str:
    demo = "This is a generated market: nothing in it happened. " if report.data is StoreKind.DEMO else ""
    return (
        f"<footer>{demo}For education and research only; not advice. "
        "Made by perpscope; every figure is also in this file as JSON (element “report”).</footer>"
    )
