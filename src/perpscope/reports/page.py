"""The report as one HTML file that needs nothing else: no network, no server; the charts are drawn by our own viewer.

Every table is in the file as plain HTML, so that all figures can be read without scripts, by a screen reader, and
on paper. The page may run the one script and the one style that are in it, and load nothing.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources

import msgspec

from perpscope.analytics.liquidation_figures import Watch
from perpscope.reports import numerals
from perpscope.reports.chart import LONG, SHORT, Caption, Chart, Table
from perpscope.reports.report import InstrumentReport, Report, caption, charts, encoded
from perpscope.stores.extents import SymbolTotals
from perpscope.stores.status import StoreKind

_GROUPS = {"trends": "Hour by hour", "intensity": "Longs against shorts", "distribution": "How they are spread"}
_TAGS = {StoreKind.OBSERVED: "OBSERVED", StoreKind.DEMO: "DEMO DATA", StoreKind.REPLAY: "REPLAY"}
#: The viewer's word for a span is one number: from, to, and which kind of watching.
_KINDS = list(Watch)


def page(report: Report) -> bytes:
    """The whole file, UTF-8; the same data give the same bytes."""
    style, script = (_part(name) for name in ("page.css", "viewer.js"))
    drawn = [(instrument, charts(instrument), caption(report, instrument)) for instrument in report.instruments]
    symbols = ", ".join(instrument.symbol for instrument in report.instruments)
    title = f"{symbols if len(drawn) == 1 else f'{len(drawn)} symbols'}: liquidations"
    policy = f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; base-uri 'none'"
    body = [
        _header(title, report),
        _by_symbol(report.by_symbol) if len(report.by_symbol) > 1 else "",
        *(_instrument(*parts, is_open=at == 0) for at, parts in enumerate(drawn)),
        _footer(report),
    ]
    text = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="dark light">
<title>{escape(title)}</title>
<style>{style}</style></head><body>
{"".join(body)}
<script type="application/json" id="charts">{_embedded(_drawings(drawn))}</script>
<script type="application/json" id="report">{_embedded(encoded(report).rstrip())}</script>
<script>{script}</script>
</body></html>
"""
    return text.encode()


def _part(name: str) -> str:
    return resources.files("perpscope.reports").joinpath("viewer", name).read_text("utf-8")


def _digest(text: str) -> str:
    """What the policy calls a script or style by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _embedded(json: bytes) -> str:
    """JSON that cannot end the element it stands in."""
    return json.decode().replace("<", "\\u003c")


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
    return f'<section><h2>By symbol</h2><div class="scroll">{_table(head, cells)}</div></section>'


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
    columns = _table(chart.table.head, chart.table.rows)
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
    between = _table(
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
    largest = _table(["UTC", "side", "USD", "size", f"{units.quote} per {units.base}", "LPI"], rows)
    return (
        f'<h3>From one to the next</h3><div class="scroll">{between}</div>'
        f'<h3>The largest</h3><div class="scroll">{largest}</div>'
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _footer(report: Report) -> str:
    demo = "This is a generated market: nothing in it happened. " if report.data is StoreKind.DEMO else ""
    return (
        f"<footer>{demo}For education and research only; not advice. "
        "Made by perpscope; every figure is also in this file as JSON (element “report”).</footer>"
    )
