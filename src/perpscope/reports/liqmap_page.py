"""The liquidation map or its heatmap as one HTML file: drawn by our own viewer, every figure in tables beside it.

What is estimated and what is observed is said on each panel. The file loads nothing: see `single_file`.
"""

import base64
from collections.abc import Sequence
from html import escape

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.reports.single_file import part, single_file, table
from perpscope.stores.status import StoreKind

_TAGS = {StoreKind.DEMO: "DEMO DATA", StoreKind.REPLAY: "REPLAY"}
#: Share of the largest bin below which the outermost bins are not drawn; tables have them.
_FAINT = 2e-3
#: Of the price's range that is shown above and below it.
_MARGIN = 0.04


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """A bin with both sides."""

    low: float  #: quote per base
    high: float
    long_usd: float = 0.0
    short_usd: float = 0.0
    long_status: str = "EMPTY"
    short_status: str = "EMPTY"
    measured_usd: float = 0.0  #: held there, in positions anybody may look at


class Panel(msgspec.Struct, frozen=True):
    """A table under a heading, folded away or not."""

    title: str
    is_observed: bool  #: what the store holds, of whatever kind it is; else an estimate
    head: list[str]
    rows: list[list[str]]
    is_open: bool = True


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """What stands around the drawing."""

    title: str
    subject: str
    data: StoreKind
    facts: list[tuple[str, str]]  #: name and figure
    panels: list[Panel]
    notes: list[str]
    body: bytes  #: the whole answer as JSON, as the command line prints it


def map_page(bins: Sequence[Drawn], mark: float, clusters: Sequence[tuple[float, float]], sheet: Sheet) -> bytes:
    """The map: bars by price, sums from the price, and what a pointer reads.

    Args:
        bins: by price, rising, without holes.
        mark: quote per base.
        clusters: price and dollars of those to be named.
        sheet: around it.
    """
    most = max((max(one.long_usd, one.short_usd) for one in bins), default=1.0)
    kept = [at for at, one in enumerate(bins) if max(one.long_usd, one.short_usd) >= _FAINT * most or one.measured_usd]
    shown = bins[kept[0] : kept[-1] + 1] if kept else bins
    rows = [
        [one.low, one.high, one.long_usd, one.short_usd, one.long_status, one.short_status, one.measured_usd]
        for one in shown
    ]
    drawn = msgspec.json.encode({"mark": mark, "bins": rows, "clusters": list(clusters)})
    return _page(sheet, "Liquidation map", "", "Point at a price, or use the arrow keys.", drawn)


def heat_page(
    times_ms: Sequence[int],
    codes: NDArray[np.uint16],
    bins: tuple[float, float, float],
    prices: Sequence[tuple[float, float, float]],
    sheet: Sheet,
) -> bytes:
    """The heatmap: dollars by time and price, the price over them, and what a pointer reads.

    Args:
        times_ms: of each column, ms UTC, rising.
        codes: (columns, bins) as `heat.encoded` gives them.
        bins: the lowest price, the width of a bin, the ratio of neighbouring codes.
        prices: low, high and close beside each column.
        sheet: around it.
    """
    lows, highs, closes = (np.array(column) for column in zip(*prices, strict=True))
    view = (float(lows.min() - _MARGIN * closes[-1]), float(highs.max() + _MARGIN * closes[-1]))
    drawn = {
        "first": bins[0],
        "width": bins[1],
        "ratio": bins[2],
        "bins": codes.shape[1],
        "times": list(times_ms),
        "prices": list(prices),
        "view": view,
        "codes": base64.b64encode(codes.astype("<u2").tobytes()).decode(),
    }
    knob = (
        '<label>hide below <input type="range" id="least" min="0" max="95" value="0" aria-label="hide below">'
        '<span class="ramp"></span> <span id="most"></span></label>'
    )
    words = "Point at a cell, or use the arrow keys."
    return _page(sheet, "Liquidation heatmap", knob, words, msgspec.json.encode(drawn))


def _page(sheet: Sheet, heading: str, knob: str, words: str, drawn: bytes) -> bytes:
    kind = f'<b class="tag">{_TAGS[sheet.data]}</b>' if sheet.data in _TAGS else ""
    facts = "".join(f"<div><span>{escape(name)}</span> <b>{escape(value)}</b></div>" for name, value in sheet.facts)
    notes = "".join(f"<li>{escape(note)}</li>" for note in sheet.notes)
    body = (
        f'<header><h1>{escape(sheet.title)} <span class="tags">{kind}<b class="tag model">ESTIMATE</b></span></h1>'
        f'<p>{escape(sheet.subject)}</p><p class="sides"><span class="long">▼ longs, sold as the price falls</span> '
        f'<span class="short">▲ shorts, bought as it rises</span></p><div class="facts">{facts}</div></header>'
        f'<div class="panel"><h2>{heading} <b class="tag model">ESTIMATE</b>{knob}</h2>'
        f'<p class="read" id="said" aria-live="polite">{escape(words)}</p>'
        f'<div class="plot" role="img" aria-label="{heading}; {escape(words)}"></div></div>'
        + "".join(_panel(panel, sheet.data) for panel in sheet.panels)
        + f'<div class="panel"><h2>Notes</h2><ul>{notes}</ul></div>'
        + _footer(sheet)
    )
    style = part("page.css") + part("liqmap.css")
    return single_file(sheet.title, body, {"drawn": drawn, "answer": sheet.body}, style, part("liqmap.js"))


def _panel(panel: Panel, data: StoreKind) -> str:
    told = f'<b class="tag">{_TAGS[data]}</b>' if data in _TAGS else '<b class="tag observed">OBSERVED</b>'
    tag = told if panel.is_observed else '<b class="tag model">ESTIMATE</b>'
    rows = f'<div class="scroll">{table(panel.head, panel.rows)}</div>'
    folded = rows if panel.is_open else f"<details><summary>view as table</summary>{rows}</details>"
    return f'<div class="panel"><h2>{escape(panel.title)} {tag}</h2>{folded}</div>'


def _footer(sheet: Sheet) -> str:
    demo = "This is a generated market: nothing in it happened. " if sheet.data is StoreKind.DEMO else ""
    return (
        f"<footer>{demo}For education and research only; not advice. Where forced orders would come, not whether the "
        "price goes there. Made by perpscope; every figure is also in this file as JSON (element “answer”).</footer>"
    )
