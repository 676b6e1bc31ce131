"""The four charts side by side: total, events, mean price and mean LPI of longs and of shorts."""

from collections.abc import Callable

from perpscope.analytics.liquidation_figures import Analysis, SideFigures
from perpscope.reports import numerals
from perpscope.reports.axis_marks import Axis, Range, even_marks, padded
from perpscope.reports.chart import Chart, Shape, Table
from perpscope.reports.units import LPI_LEVEL, LPI_LEVEL_LABEL, LPI_RANGE, NO_EVENTS, NO_LPI, Units

_ROOM = 1.3  #: of the axis, so that the longest bar's label fits beside it


def intensity_charts(analysis: Analysis, units: Units) -> list[Chart]:
    """Longs against shorts."""
    return [_total(analysis, units), _events(analysis, units), _mean_price(analysis, units), _mean_lpi(analysis)]


def _total(analysis: Analysis, units: Units) -> Chart:
    def note(side: SideFigures) -> str:
        if not side.events:
            return "none in this window"
        sizes = (("mean", side.mean_size), ("median", side.median_size), ("largest", side.max_size))
        return "   ".join(f"{name} {units.size(value)}" for name, value in sizes)

    return Chart(
        name="intensity-total",
        group="intensity",
        title="Total liquidated, by side",
        reading="Dollars of positions closed by force in the window, and how large they were.",
        shape=Shape.SIDES,
        x=_bars(analysis, "US dollars", lambda side: side.notional_usd, numerals.usd_tick),
        y=_SIDES_AXIS,
        table=_table(analysis, units),
        long=[analysis.intensity.long.notional_usd],
        short=[analysis.intensity.short.notional_usd],
        labels=_each(analysis, lambda side: f"{numerals.usd(side.notional_usd)} · {units.size(side.size)}"),
        notes=_each(analysis, note),
        why_empty=None if analysis.events else NO_EVENTS,
    )


def _events(analysis: Analysis, units: Units) -> Chart:
    whole = analysis.intensity.both.events

    def label(side: SideFigures) -> str:
        return f"{side.events:,} · {numerals.percent(side.events / whole if whole else None)}"

    return Chart(
        name="intensity-events",
        group="intensity",
        title="Liquidation events, by side",
        reading="How many liquidations were published in the window.",
        shape=Shape.SIDES,
        x=_bars(analysis, "events", lambda side: side.events, numerals.tick, whole=True),
        y=_SIDES_AXIS,
        table=_table(analysis, units),
        long=[float(analysis.intensity.long.events)],
        short=[float(analysis.intensity.short.events)],
        labels=_each(analysis, label),
        notes=_each(analysis, lambda side: f"{numerals.usd(_mean_usd(side))} each on average" if side.events else ""),
        why_empty=None if analysis.events else NO_EVENTS,
    )


def _mean_price(analysis: Analysis, units: Units) -> Chart:
    sides = (analysis.intensity.long, analysis.intensity.short)
    known = [value for side in sides for value in (side.mean_price, *(side.price_quartiles or ())) if value is not None]
    low, high = padded(known or [0.0], by=0.25)

    def note(side: SideFigures) -> str:
        if side.price_quartiles is None:
            return "none in this window"
        first, third = map(numerals.price, side.price_quartiles)
        return f"middle half of the events: {first} to {third}"

    return Chart(
        name="intensity-price",
        group="intensity",
        title="Mean liquidation price, by side",
        reading="Dot: mean weighted by size. Line: the middle half of the events' prices.",
        shape=Shape.SIDES,
        x=Axis(units.price_title, (low, high), even_marks(low, high, numerals.price_tick, most=5)),
        y=_SIDES_AXIS,
        table=_table(analysis, units),
        long=[sides[0].mean_price],
        short=[sides[1].mean_price],
        spreads=[side.price_quartiles for side in sides],
        labels=_each(analysis, lambda side: numerals.price(side.mean_price)),
        notes=_each(analysis, note),
        why_empty=None if known else NO_EVENTS,
    )


def _mean_lpi(analysis: Analysis) -> Chart:
    sides = (analysis.intensity.long, analysis.intensity.short)
    return Chart(
        name="intensity-lpi",
        group="intensity",
        title="Mean LPI, by side",
        reading="How unusual the liquidations were in size and price, 0 to 100, weighted by notional; over 75 is very.",
        shape=Shape.SIDES,
        x=Axis("LPI, 0–100", LPI_RANGE, even_marks(*LPI_RANGE, numerals.tick)),
        y=_SIDES_AXIS,
        table=Table(
            ["side", "mean LPI", "events with LPI", "events", "watched"],
            [
                [
                    name,
                    numerals.points(side.mean_lpi),
                    f"{side.lpi_events:,}",
                    f"{side.events:,}",
                    numerals.share(analysis.intensity.covered),
                ]
                for name, side in zip(_NAMES, sides, strict=True)
            ],
        ),
        long=[sides[0].mean_lpi],
        short=[sides[1].mean_lpi],
        labels=_each(analysis, lambda side: numerals.points(side.mean_lpi)),
        notes=_each(analysis, lambda side: f"{side.lpi_events:,} of {side.events:,} events have an LPI"),
        level=LPI_LEVEL,
        level_label=LPI_LEVEL_LABEL,
        why_empty=None if any(side.mean_lpi is not None for side in sides) else NO_LPI,
    )


_NAMES = ("▼ long", "▲ short")
#: Longs below, shorts above, as in the charts over time.
_SIDES_AXIS = Axis("", (-0.5, 1.5), [(0.0, "▼ long"), (1.0, "▲ short")])


def _each(analysis: Analysis, words: Callable[[SideFigures], str]) -> list[str]:
    return [words(analysis.intensity.long), words(analysis.intensity.short)]


def _mean_usd(side: SideFigures) -> float:
    return side.notional_usd / side.events


def _bars(
    analysis: Analysis,
    title: str,
    value: Callable[[SideFigures], float],
    label: Callable[[float], str],
    *,
    whole: bool = False,
) -> Axis:
    """An axis from zero with room for labels."""
    most = max(value(analysis.intensity.long), value(analysis.intensity.short)) * _ROOM or 1.0
    reach: Range = (0.0, most)
    return Axis(title, reach, even_marks(*reach, label, most=5, whole=whole))


def _table(analysis: Analysis, units: Units) -> Table:
    """One row for each side and one for both."""
    base = units.base
    head = [
        "side",
        "events",
        "USD",
        base,
        f"mean {base}",
        f"median {base}",
        f"largest {base}",
        "mean price",
        "mean LPI",
        "watched",
    ]
    figures = analysis.intensity
    rows = [
        [
            name,
            f"{side.events:,}",
            numerals.usd(side.notional_usd),
            *map(numerals.short, (side.size, side.mean_size, side.median_size, side.max_size)),
            numerals.price(side.mean_price),
            numerals.points(side.mean_lpi),
            numerals.share(figures.covered),
        ]
        for name, side in zip((*_NAMES, "both"), (figures.long, figures.short, figures.both), strict=True)
    ]
    return Table(head, rows)
