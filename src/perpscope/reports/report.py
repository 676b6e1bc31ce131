"""The comprehensive report: every figure of one window, as one object that validates against `report.schema.json`.

What `app` has read comes in; JSON, captions and the twelve charts of each instrument go out.
"""

from importlib import resources

import msgspec

from perpscope.analytics.liquidation_figures import Analysis, Coverage, Watch
from perpscope.model.market import Completeness
from perpscope.reports import numerals
from perpscope.reports.chart import Caption, Chart
from perpscope.reports.distribution_charts import distribution_charts
from perpscope.reports.intensity_charts import intensity_charts
from perpscope.reports.json_schema import schema_of
from perpscope.reports.trend_charts import trend_charts
from perpscope.reports.units import Units
from perpscope.stores.extents import SymbolTotals
from perpscope.stores.status import StoreKind

#: Of the form of the JSON; grows when a field is added, and has a new number when one changes its meaning or goes.
FORM = "perpscope-liquidations/1"
SAMPLED = "at most one order per symbol per second is published"
_TAGS = {StoreKind.OBSERVED: "OBSERVED", StoreKind.DEMO: "DEMO DATA", StoreKind.REPLAY: "REPLAY"}
_FOOTNOTES = {
    Completeness.SAMPLED: f"Observed floor: {SAMPLED}, so every total is a lower bound.",
    Completeness.WATCHLIST: "Observed floor: only the accounts that are watched are published.",
    Completeness.COMPLETE: "The venue publishes every liquidation.",
}


class InstrumentReport(msgspec.Struct, frozen=True):
    """One instrument."""

    venue: str
    symbol: str
    instrument: str
    base: str
    quote: str
    analysis: Analysis

    @property
    def units(self) -> Units:
        """What its sizes and prices are counted in."""
        return Units(self.base, self.quote)


class Report(msgspec.Struct, frozen=True):
    """Every figure, with what it is counted in, how much was watched, and what the venue leaves out."""

    form: str
    data: StoreKind
    from_ms: int
    to_ms: int
    hours: float  #: length of the window
    hours_asked: float  #: before it was cut to the data
    notes: list[str]  #: how symbol and window were chosen
    published: str  #: what the venue publishes, in words
    by_symbol: list[SymbolTotals]  #: every instrument with liquidations in the window, most dollars first
    instruments: list[InstrumentReport]


def published(analyses: list[Analysis]) -> str:
    """What the least complete of these feeds publishes."""
    order = list(_FOOTNOTES)
    return _FOOTNOTES[min((analysis.completeness for analysis in analyses), key=order.index, default=order[-1])]


def encoded(report: Report) -> bytes:
    """The report as JSON, one line; the same data give the same bytes."""
    return msgspec.json.encode(report) + b"\n"


def schema() -> bytes:
    """The published JSON Schema (2020-12) of the report."""
    return resources.files("perpscope.reports").joinpath("report.schema.json").read_bytes()


def generated_schema() -> bytes:
    """The schema as the records give it, for `report.schema.json`; a test compares the two."""
    told = "Times are ms UTC, sizes base units, prices quote per base. null = not known, never zero."
    return schema_of(Report, FORM, "perpscope: report of liquidations", told)


def charts(instrument: InstrumentReport) -> list[Chart]:
    """The twelve charts of one instrument."""
    analysis, units = instrument.analysis, instrument.units
    return [
        *trend_charts(analysis, units),
        *intensity_charts(analysis, units),
        *distribution_charts(analysis, units),
    ]


def caption(report: Report, instrument: InstrumentReport) -> Caption:
    """What each of its charts says beside the marks."""
    analysis = instrument.analysis
    demo = "Generated market. " if report.data is StoreKind.DEMO else ""
    return Caption(
        subject=f"{instrument.symbol} {instrument.venue}",
        window=numerals.window(analysis.from_ms, analysis.to_ms),
        events=analysis.events,
        tag=_TAGS[report.data],
        from_ms=analysis.from_ms,
        to_ms=analysis.to_ms,
        spans=analysis.coverage.spans,
        watched=watched(analysis.coverage),
        footnote=demo + _FOOTNOTES[analysis.completeness],
    )


def watched(coverage: Coverage) -> list[tuple[Watch, str]]:
    """Coverage of a window in words: each kind there is of, with its share."""
    if coverage.covered is None:
        return [(Watch.UNKNOWN, "coverage unknown: imported rows do not say what their recorder saw")]
    lengths = dict.fromkeys(Watch, 0)
    for span in coverage.spans:
        lengths[span.watch] += span.to_ms - span.from_ms
    whole = sum(lengths.values())
    words = {Watch.COVERED: "watched", Watch.GAP: "missed", Watch.UNKNOWN: "not known"}
    return [
        (kind, f"{word} {numerals.percent(lengths[kind] / whole)}") for kind, word in words.items() if lengths[kind]
    ]
