"""The twelve pictures: what they say, that they are pictures, and that nothing runs over the edge."""

import functools
import io
import math
from collections.abc import Callable, Sequence

import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from tests.contract.store_events import NOON

from perpscope.analytics.liquidation_stats import analyse
from perpscope.analytics.watching import watched_spans
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Completeness, Liquidation, Lpi, PositionSide, Sampling
from perpscope.reports.chart import LONG, SHORT, Chart, Shape
from perpscope.reports.drawing import figure, png
from perpscope.reports.report import FORM, InstrumentReport, Report, caption, charts, published
from perpscope.reports.style import SIZE_TEXT
from perpscope.reports.units import NO_EVENTS, NO_LPI
from perpscope.stores.status import StoreKind

HOUR = 3_600_000
START = NOON // 1_000_000
NAMES = [
    *("trend-volume", "trend-events", "trend-price", "trend-lpi"),
    *("intensity-total", "intensity-events", "intensity-price", "intensity-lpi"),
    *("distribution-size", "distribution-price", "distribution-lpi", "distribution-by-hour"),
]


def report(
    n: int,
    *,
    hours: int = 30,
    has_lpi: bool = True,
    kind: StoreKind = StoreKind.OBSERVED,
    price: float = 60_000.0,
    symbol: str = "BTCUSDT",
    completeness: Completeness = Completeness.SAMPLED,
) -> Report:
    """A report of a regular session: sides in turn, sizes and prices in waves; hours 2 to 4 were missed."""
    events = [
        Liquidation(
            InstrumentId(f"{symbol}.BINANCE"),
            at := NOON + round(i * hours * 3600e9 / n),
            at,
            PositionSide.LONG if i % 3 else PositionSide.SHORT,
            0.01 * 1.7 ** (i % 13),
            price * (1 + 0.01 * math.sin(i / 9)),
            None,
            completeness,
            Sampling.UNKNOWN,
            Lpi(float(i % 101), 1.0, price, 100) if has_lpi else None,
        )
        for i in range(n)
    ]
    end = START + hours * HOUR
    missed = [(START + 2 * HOUR, START + 4 * HOUR)]
    spans = watched_spans([(START + HOUR, end)], missed, START, end) if n else watched_spans([], [], START, end)
    analysis = analyse(events, START, end, spans)
    instrument = InstrumentReport("binance", symbol, f"{symbol}.BINANCE", "BTC", "USDT", analysis)
    return Report(FORM, kind, START, end, hours, hours, [], published([analysis]), [], [instrument])


#: What is drawn by more than one test.
REPORTS: dict[str, Callable[[], Report]] = {
    "usual": lambda: report(200),
    "one-event": lambda: report(1),
    "many": lambda: report(20_000, hours=24),
    "tiny-prices": lambda: report(900, hours=24 * 40, price=0.0000123456, symbol="1000SHIBUSDT", kind=StoreKind.DEMO),
    "long-names": lambda: report(
        30, price=123_456.7, has_lpi=False, kind=StoreKind.DEMO, symbol="1000000LONGNAMEUSDT_251226"
    ),
}


def pictures(of: Report, *only: str) -> dict[str, tuple[Chart, Figure]]:
    """Every chart drawn, or only those named."""
    words = caption(of, of.instruments[0])
    wanted = [chart for chart in charts(of.instruments[0]) if not only or chart.name in only]
    return {chart.name: (chart, figure(chart, words)) for chart in wanted}


@functools.cache
def laid_out(name: str) -> dict[str, tuple[Chart, Figure]]:
    """Every chart of a report, with its texts where they come to stand: made once for all tests."""
    drawn = pictures(REPORTS[name]())
    for _, picture in drawn.values():
        FigureCanvasAgg(picture).draw()  # type: ignore[no-untyped-call]  # matplotlib's
    return drawn


def texts(picture: Figure) -> list[Text]:
    """Everything that is written in a picture."""
    found = picture.findobj(lambda artist: isinstance(artist, Text) and artist.get_visible())
    return [text for text in found if isinstance(text, Text) and text.get_text()]


def places(of: Sequence[Text]) -> list[tuple[str, Bbox]]:
    """Where words of a picture that is laid out stand, pixels from the lower left corner."""
    return [(text.get_text(), text.get_window_extent()) for text in of if text.get_text()]


def words(picture: Figure) -> str:
    """The same, as one string."""
    return "\n".join(text.get_text() for text in texts(picture))


def test_the_twelve_pictures_are_pictures() -> None:
    """Each is a PNG of 1600 × 900 with something on it, and its bytes depend on the data alone.

    Keeps S1-47, S1-48, S1-49, S1-50, S1-51, S1-52, S1-53, S1-54, S1-55, S1-56, S1-57, S1-58.
    """
    drawn, again = laid_out("usual"), pictures(report(200))
    assert list(drawn) == list(again) == NAMES
    seen = set()
    for name, (_, picture) in drawn.items():
        data = png(picture)
        pixels = matplotlib.image.imread(io.BytesIO(data))
        assert pixels.shape == (900, 1600, 4), name
        assert pixels[220:660, 230:1500, :3].std() > 0.02, f"{name} is blank"
        assert data == png(again[name][1]), name
        seen.add(data)
    assert len(seen) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.unmeasured
def test_each_picture_says_what_it_is(name: str) -> None:
    """Title, subject, window, n, tag, units on every axis, the feed's limit and what was watched."""
    chart, picture = laid_out("usual")[name]
    said = words(picture)
    for needed in (chart.title, "BTCUSDT binance", "08 Aug 2024 12:00", "UTC", "n = 200", "OBSERVED", chart.x.title):
        assert needed in said
    assert "at most one order per symbol per second is published" in said
    assert "watched 90.00" in said
    assert "missed 6.67" in said
    assert "not known 3.33" in said
    axes = picture.axes[0]
    assert axes.get_xlabel() == chart.x.title
    assert axes.get_ylabel() == chart.y.title or chart.shape is Shape.SIDES
    assert (LONG in said and SHORT in said) or chart.shape is Shape.BOXES
    for title in (chart.x.title, chart.y.title):
        assert not title or any(
            unit in title for unit in ("UTC", "US dollars", "events", "LPI, 0–100", "USDT per BTC", "size, BTC")
        )


@pytest.mark.parametrize("of", REPORTS)
@pytest.mark.unmeasured
def test_nothing_runs_over_the_edge_or_is_too_small(of: str) -> None:
    """Every word lies within the picture, and halved it still has nine points."""
    for name, (_, picture) in laid_out(of).items():
        assert min(float(text.get_fontsize()) for text in texts(picture)) >= SIZE_TEXT >= 18, name
        for text, box in places(texts(picture)):
            assert 0 <= box.x0 <= box.x1 <= 1600, (name, text)
            assert 0 <= box.y0 <= box.y1 <= 900, (name, text)


@pytest.mark.parametrize("of", ["usual", "many"])
@pytest.mark.unmeasured
def test_labels_do_not_touch_each_other(of: str) -> None:
    """Labels of one axis, the axis titles and the lines of text keep apart."""
    for name, (_, picture) in laid_out(of).items():
        axes = picture.axes[0]
        apart = [axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels(), *picture.texts]
        boxes = places(apart)
        for i, (one, box) in enumerate(boxes):
            for other, place in boxes[i + 1 :]:
                assert not box.overlaps(place), (name, one, other)


def test_a_chart_without_values_says_why() -> None:
    """No LPI, or no events at all: the reason stands where the marks would be."""
    for name, (chart, picture) in pictures(report(30, has_lpi=False)).items():
        assert (NO_LPI in words(picture)) == ("lpi" in name)
        assert (chart.why_empty is None) == ("lpi" not in name)
    for name, (_, picture) in pictures(report(0)).items():
        said = words(picture)
        assert (NO_LPI if "lpi" in name else NO_EVENTS) in said
        assert "coverage unknown" in said
        assert "n = 0" in said
        assert len(png(picture)) > 1000


def test_a_chart_of_one_event_says_so() -> None:
    """One event is legal: n = 1 stands in the subject."""
    assert all("n = 1" in words(picture) for _, picture in laid_out("one-event").values())


@pytest.mark.parametrize(
    ("kind", "completeness", "tag", "note"),
    [
        (StoreKind.DEMO, Completeness.SAMPLED, "DEMO DATA", "Generated market. Observed floor"),
        (StoreKind.REPLAY, Completeness.COMPLETE, "REPLAY", "publishes every liquidation"),
        (StoreKind.OBSERVED, Completeness.WATCHLIST, "OBSERVED", "only the accounts that are watched"),
    ],
)
def test_what_the_data_are_is_said(kind: StoreKind, completeness: Completeness, tag: str, note: str) -> None:
    """Made-up data are tagged, and the footnote says what the feed leaves out."""
    said = words(pictures(report(5, kind=kind, completeness=completeness), "trend-volume")["trend-volume"][1])
    assert tag in said.splitlines()
    assert note in said


def test_columns_are_the_figures() -> None:
    """The drawn bars have the heights of the analysis: shorts up, longs down."""
    of = report(200)
    buckets = of.instruments[0].analysis.trends.buckets
    axes = pictures(of, "trend-volume")["trend-volume"][1].axes[0]
    heights = [bar.get_height() for group in axes.containers for bar in group]
    short = [bucket.short.notional_usd for bucket in buckets]
    assert heights == pytest.approx([*short, *(-bucket.long.notional_usd for bucket in buckets)])


def test_a_symbol_in_another_script_is_drawn() -> None:
    """A name no font here has costs no warning, and a dollar sign is a dollar sign."""
    picture = pictures(report(5, symbol="币安$人生$USDT"), "trend-volume")["trend-volume"][1]
    assert png(picture)[:8] == b"\x89PNG\r\n\x1a\n"
    assert "币安$人生$USDT" in words(picture)
    assert np.isfinite(picture.axes[0].get_xlim()).all()
