"""The four charts over time: volume, events, mean price and mean LPI of each hour."""

from collections.abc import Callable, Sequence

from perpscope.analytics.liquidation_figures import Analysis, Bucket
from perpscope.reports import numerals
from perpscope.reports.axis_marks import Axis, even_marks, mirrored_axis, padded, time_marks, upright_axis
from perpscope.reports.chart import Chart, Shape, Table
from perpscope.reports.units import LPI_LEVEL, LPI_LEVEL_LABEL, LPI_RANGE, LPI_UPRIGHT, NO_EVENTS, NO_LPI, Units


def trend_charts(analysis: Analysis, units: Units) -> list[Chart]:
    """Volume, events, mean price and mean LPI, hour by hour."""
    per = "hour" if analysis.trends.step_h == 1 else f"{analysis.trends.step_h} hours"
    x = Axis("time, UTC", (analysis.from_ms, analysis.to_ms), time_marks(analysis.from_ms, analysis.to_ms))
    return [
        _volume(analysis, x, per, units),
        _events(analysis, x, per),
        _mean_price(analysis, x, per, units),
        _mean_lpi(analysis, x, per),
    ]


def _volume(analysis: Analysis, x: Axis, per: str, units: Units) -> Chart:
    buckets = analysis.trends.buckets
    long, short = [b.long.notional_usd for b in buckets], [b.short.notional_usd for b in buckets]
    head = ["▼ long USD", "▲ short USD", f"▼ long {units.base}", f"▲ short {units.base}"]
    return Chart(
        name="trend-volume",
        group="trends",
        title=f"Liquidation volume per {per}",
        reading=f"Dollars of positions closed by force in each {per}: shorts above the line, longs below.",
        shape=Shape.COLUMNS,
        x=x,
        y=mirrored_axis("US dollars", long, short, numerals.usd_tick),
        table=_table(
            buckets,
            head,
            lambda b: [
                numerals.usd(b.long.notional_usd),
                numerals.usd(b.short.notional_usd),
                numerals.short(b.long.size),
                numerals.short(b.short.size),
            ],
        ),
        at=_edges(analysis),
        long=[*long],
        short=[*short],
        why_empty=None if analysis.events else NO_EVENTS,
    )


def _events(analysis: Analysis, x: Axis, per: str) -> Chart:
    buckets = analysis.trends.buckets
    long, short = [float(b.long.events) for b in buckets], [float(b.short.events) for b in buckets]
    return Chart(
        name="trend-events",
        group="trends",
        title=f"Liquidation events per {per}",
        reading=f"How many liquidations were published in each {per}: shorts above the line, longs below.",
        shape=Shape.COLUMNS,
        x=x,
        y=mirrored_axis("events", long, short, numerals.tick, whole=True),
        table=_table(buckets, ["▼ long", "▲ short"], lambda b: [f"{b.long.events:,}", f"{b.short.events:,}"]),
        at=_edges(analysis),
        long=[*long],
        short=[*short],
        why_empty=None if analysis.events else NO_EVENTS,
    )


def _mean_price(analysis: Analysis, x: Axis, per: str, units: Units) -> Chart:
    buckets = analysis.trends.buckets
    long, short = [b.long.mean_price for b in buckets], [b.short.mean_price for b in buckets]
    both = [b.mean_price for b in buckets]
    known = [value for value in (*long, *short) if value is not None]
    low, high = padded(known or [0.0])
    return Chart(
        name="trend-price",
        group="trends",
        title=f"Mean liquidation price per {per}",
        reading=f"Price at which positions were closed, weighted by size: ▲ shorts, ▼ longs, and both as a line. "
        f"Over the window {numerals.percent(analysis.trends.price_change, signed=True)}.",
        shape=Shape.POINTS,
        x=x,
        y=upright_axis(units.price_title, (low, high), even_marks(low, high, numerals.price_tick)),
        table=_table(
            buckets,
            ["both", "change", "▼ long", "▲ short"],
            lambda b: [
                numerals.price(b.mean_price),
                numerals.percent(b.price_change, signed=True),
                numerals.price(b.long.mean_price),
                numerals.price(b.short.mean_price),
            ],
        ),
        at=_middles(buckets),
        long=long,
        short=short,
        both=both,
        why_empty=None if known else NO_EVENTS,
    )


def _mean_lpi(analysis: Analysis, x: Axis, per: str) -> Chart:
    buckets = analysis.trends.buckets
    long, short = [b.long.mean_lpi for b in buckets], [b.short.mean_lpi for b in buckets]
    both = [b.mean_lpi for b in buckets]
    return Chart(
        name="trend-lpi",
        group="trends",
        title=f"Mean LPI per {per}",
        reading="How unusual the liquidations were in size and price, 0 to 100, weighted by notional; over 75 is very.",
        shape=Shape.POINTS,
        x=x,
        y=upright_axis("LPI, 0–100", LPI_UPRIGHT, even_marks(*LPI_RANGE, numerals.tick)),
        table=_table(
            buckets,
            ["both", "▼ long", "▲ short", "events with LPI"],
            lambda b: [
                numerals.points(b.mean_lpi),
                numerals.points(b.long.mean_lpi),
                numerals.points(b.short.mean_lpi),
                f"{b.long.lpi_events + b.short.lpi_events:,}",
            ],
        ),
        at=_middles(buckets),
        long=long,
        short=short,
        both=both,
        level=LPI_LEVEL,
        level_label=LPI_LEVEL_LABEL,
        why_empty=None if any(value is not None for value in both) else NO_LPI,
    )


def _edges(analysis: Analysis) -> list[float]:
    return [*(float(bucket.from_ms) for bucket in analysis.trends.buckets), float(analysis.to_ms)]


def _middles(buckets: Sequence[Bucket]) -> list[float]:
    return [(bucket.from_ms + bucket.to_ms) / 2 for bucket in buckets]


def _table(buckets: Sequence[Bucket], head: list[str], cells: Callable[[Bucket], list[str]]) -> Table:
    """One row for each bucket: when, the figures, and how much of it was watched."""
    rows = [
        [numerals.window(b.from_ms, b.to_ms).removesuffix(" UTC"), *cells(b), numerals.share(b.covered)]
        for b in buckets
    ]
    return Table(["UTC", *head, "watched"], rows)
