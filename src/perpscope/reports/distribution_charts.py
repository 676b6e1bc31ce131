"""The four charts of spread: size, price and LPI as histograms, and the sizes of each hour of the day as boxes."""

import math
from collections.abc import Callable
from itertools import pairwise

from perpscope.analytics.liquidation_figures import Analysis, Box, Histogram
from perpscope.reports import numerals
from perpscope.reports.axis_marks import Axis, Range, even_marks, log_marks, mirrored_axis, padded, upright_axis
from perpscope.reports.chart import BoxMark, Chart, Shape, Table
from perpscope.reports.units import LPI_RANGE, NO_EVENTS, NO_LPI, Units

_AIR = 0.12  #: of the boxes' axis, so that the numbers of events stand clear below
_THOUSAND = 1000
_SMALLEST = 1e-12  #: base units; stands for zero on a logarithmic axis


def distribution_charts(analysis: Analysis, units: Units) -> list[Chart]:
    """Size, price, LPI, and size by hour of the day."""
    return [_sizes(analysis, units), _prices(analysis, units), _lpi(analysis), _by_hour(analysis, units)]


def _sizes(analysis: Analysis, units: Units) -> Chart:
    histogram = analysis.distribution.size
    edges = [_log(edge) for edge in histogram.edges] or [0.0, 1.0]
    low, high = edges[0], edges[-1]
    return _columns(
        histogram,
        "distribution-size",
        "How large liquidations were",
        "Events by size; each bin is the same number of times the one before it.",
        Axis(f"size, {units.base} (logarithmic)", (low, high), log_marks(low, high, numerals.tick)),
        edges,
        label=units.size,
        why_empty=NO_EVENTS,
    )


def _prices(analysis: Analysis, units: Units) -> Chart:
    histogram = analysis.distribution.price
    edges = histogram.edges or [0.0, 1.0]
    low, high = edges[0], edges[-1]
    return _columns(
        histogram,
        "distribution-price",
        "At which prices liquidations happened",
        "Events by price: shorts above the line, longs below.",
        Axis(units.price_title, (low, high), even_marks(low, high, numerals.price_tick)),
        edges,
        label=numerals.price,
        why_empty=NO_EVENTS,
    )


def _lpi(analysis: Analysis) -> Chart:
    histogram = analysis.distribution.lpi
    return _columns(
        histogram,
        "distribution-lpi",
        "How unusual liquidations were (LPI)",
        "Events by LPI, 0 to 100; in an ordinary week all ten bins are about alike.",
        Axis("LPI, 0–100", LPI_RANGE, even_marks(*LPI_RANGE, numerals.tick)),
        histogram.edges or [*LPI_RANGE],
        label=numerals.points,
        why_empty=NO_LPI,
    )


def _columns(
    histogram: Histogram,
    name: str,
    title: str,
    reading: str,
    x: Axis,
    edges: list[float],
    *,
    label: Callable[[float], str],
    why_empty: str,
) -> Chart:
    long, short = [float(n) for n in histogram.long], [float(n) for n in histogram.short]
    watched = numerals.share(histogram.covered)
    return Chart(
        name=name,
        group="distribution",
        title=title,
        reading=reading,
        shape=Shape.COLUMNS,
        x=x,
        y=mirrored_axis("events", long, short, numerals.tick, whole=True),
        table=Table(
            ["from", "to", "▼ long", "▲ short", "watched"],
            [
                [label(low), label(high), f"{below:,}", f"{above:,}", watched]
                for (low, high), below, above in zip(
                    pairwise(histogram.edges), histogram.long, histogram.short, strict=True
                )
            ],
        ),
        at=edges,
        long=[*long],
        short=[*short],
        why_empty=None if histogram.events else why_empty,
    )


def _by_hour(analysis: Analysis, units: Units) -> Chart:
    boxes = analysis.distribution.size_by_hour
    marks = [BoxMark(*map(_log, (b.low, b.q1, b.median, b.q3, b.high, b.max_size))) for b in boxes]
    smallest = min((mark.low for mark in marks), default=0.0)
    low, high = padded([smallest, *(mark.top for mark in marks)], by=_AIR)
    return Chart(
        name="distribution-by-hour",
        group="distribution",
        title="Size of liquidations by hour of the day",
        reading="Box: the middle half, with the median. Whiskers: within 1.5 boxes of it. Cross: the largest.",
        shape=Shape.BOXES,
        x=_hours_axis(boxes),
        y=upright_axis(f"size, {units.base} (logarithmic)", (low, high), log_marks(low, high, numerals.tick)),
        table=_hours_table(boxes, units),
        at=[float(box.hour) for box in boxes],
        boxes=marks,
        labels=[f"{box.events}" if box.events < _THOUSAND else f"{box.events / _THOUSAND:.0f}K" for box in boxes],
        why_empty=None if boxes else NO_EVENTS,
    )


def _hours_axis(boxes: list[Box]) -> Axis:
    """From the first hour that has events to the last, at least six wide."""
    hours = [box.hour for box in boxes] or [0]
    first, last = min(hours), max(hours)
    while last - first < 5:
        first, last = max(0, first - 1), min(23, last + 1)
    reach: Range = (first - 0.6, last + 0.6)
    every = 1 if last - first < 12 else 2
    return Axis("hour of the day, UTC", reach, [(float(h), f"{h:02}:00") for h in range(first, last + 1, every)])


def _hours_table(boxes: list[Box], units: Units) -> Table:
    head = ["hour UTC", "events", "low", "25 %", "median", "75 %", "high", "beyond", "largest", "watched"]
    rows = [
        [
            f"{box.hour:02}:00",
            f"{box.events:,}",
            *map(units.size, (box.low, box.q1, box.median, box.q3, box.high)),
            f"{box.outliers:,}",
            units.size(box.max_size),
            numerals.share(box.covered),
        ]
        for box in boxes
    ]
    return Table(head, rows)


def _log(value: float) -> float:
    return math.log10(max(value, _SMALLEST))
