"""One chart as a picture: matplotlib, objects only, no state shared with anybody.

A `Chart` and its `Caption` come in, a `Figure` or the bytes of a PNG go out; the same data give the same bytes.
"""

import io
import math
import warnings
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import assert_never

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from perpscope.analytics.liquidation_figures import Watch
from perpscope.reports import style
from perpscope.reports.chart import LONG, SHORT, Caption, Chart, Shape

#: The first that are installed are used, one after the other for signs the one before lacks; the first is matplotlib's.
_FONTS = ("DejaVu Sans", "Noto Sans CJK KR", "Noto Sans CJK SC", "Noto Sans CJK JP")
_WATCH = {Watch.COVERED: (style.OK, ""), Watch.GAP: (style.WARN, "////"), Watch.UNKNOWN: (style.CARD, "..")}
_FEW = 2  #: columns
_NARROW_BOX, _WIDE_BOX = 0.22, 0.34


def figure(chart: Chart, caption: Caption) -> Figure:
    """Draw one chart."""
    picture = Figure(
        figsize=(style.WIDTH_PX / style.DPI, style.HEIGHT_PX / style.DPI), dpi=style.DPI, facecolor=style.BACKGROUND
    )
    FigureCanvasAgg(picture)
    _words(picture, chart, caption)
    axes = picture.add_axes(style.PLOT.fractions, facecolor=style.CARD)
    _frame(axes, chart)
    if chart.why_empty is not None:
        _say_why_empty(axes, chart.why_empty)
    else:
        _level(axes, chart)
        _marks(axes, chart)
    _band(picture, caption)
    return picture


def png(picture: Figure) -> bytes:
    """The picture as a file; no date in it."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # a symbol in a script no font here has
        picture.savefig(out, format="png", metadata={"Software": "perpscope"})
    return out.getvalue()


@lru_cache(maxsize=1)
def _fonts() -> list[str]:
    known = set(font_manager.get_font_names())
    return [name for name in _FONTS if name in known]


def _write(
    picture: Figure,
    x: float,
    y: float,
    text: str,
    *,
    color: str = style.TEXT,
    size: float = style.SIZE_TEXT,
    aligned: str = "left",
) -> None:
    """A line of text at pixels from the lower left corner; `$` is a dollar."""
    picture.text(
        x / style.WIDTH_PX,
        y / style.HEIGHT_PX,
        text,
        color=color,
        fontsize=size,
        family=_fonts(),
        parse_math=False,
        ha=aligned,
    )


def _words(picture: Figure, chart: Chart, caption: Caption) -> None:
    """Title, subject, tag, legend, footnote."""
    _write(picture, style.MARGIN_X, style.TITLE_Y, chart.title, size=style.SIZE_TITLE)
    subject = f"{caption.subject} · {caption.window} · n = {caption.events:,}"
    _write(picture, style.MARGIN_X, style.SUBJECT_Y, subject, color=style.DIM)
    real = caption.tag == "OBSERVED"
    picture.text(
        (style.WIDTH_PX - style.MARGIN_X - 10) / style.WIDTH_PX,
        style.TITLE_Y / style.HEIGHT_PX,
        caption.tag,
        color=style.BACKGROUND,
        fontsize=style.SIZE_TEXT,
        family=_fonts(),
        weight="bold",
        ha="right",
        bbox={"boxstyle": "round,pad=0.3", "facecolor": style.OK if real else style.WARN, "edgecolor": "none"},
    )
    if chart.shape is not Shape.BOXES:
        _write(picture, style.PLOT.left, style.LEGEND_Y, SHORT, color=style.SHORT)
        _write(picture, style.PLOT.left + style.PLOT.width, style.LEGEND_Y, LONG, color=style.LONG, aligned="right")
    else:
        _write(picture, style.PLOT.left, style.LEGEND_Y, chart.reading, color=style.DIM)
    _write(picture, style.MARGIN_X, style.FOOTNOTE_Y, caption.footnote, color=style.DIM)


def _frame(axes: Axes, chart: Chart) -> None:
    """Ranges, marks and titles of both axes."""
    axes.set_xlim(*chart.x.range)
    axes.set_ylim(*chart.y.range)
    for spine in axes.spines.values():
        spine.set_color(style.LINE)
    is_empty = chart.why_empty is not None
    axes.set_axisbelow(True)
    if not is_empty:
        axes.grid(visible=True, axis="x" if chart.shape is Shape.SIDES else "y", color=style.LINE, linewidth=1)
    axes.tick_params(colors=style.DIM, labelsize=style.SIZE_TEXT, length=0, pad=8)
    axes.set_xticks([at for at, _ in chart.x.marks], [label for _, label in chart.x.marks])
    marks = [] if is_empty else chart.y.marks
    axes.set_yticks([at for at, _ in marks], [label for _, label in marks])
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_fontfamily(_fonts())
        label.set_parse_math(False)
    if chart.shape is Shape.SIDES and not is_empty:
        for label, color in zip(axes.get_yticklabels(), (style.LONG, style.SHORT), strict=True):
            label.set_color(color)
    axes.set_xlabel(
        chart.x.title, color=style.DIM, fontsize=style.SIZE_TEXT, family=_fonts(), parse_math=False, ha="right"
    )
    axes.xaxis.set_label_coords(*style.X_TITLE)
    axes.yaxis.set_label_coords(*style.Y_TITLE)
    axes.set_ylabel(chart.y.title, color=style.DIM, fontsize=style.SIZE_TEXT, family=_fonts(), parse_math=False)


def _say_why_empty(axes: Axes, why: str) -> None:
    axes.text(
        0.5,
        0.5,
        why,
        transform=axes.transAxes,
        ha="center",
        va="center",
        color=style.TEXT,
        fontsize=style.SIZE_TEXT + 2,
        family=_fonts(),
        wrap=True,
    )


def _level(axes: Axes, chart: Chart) -> None:
    """A value worth a dashed line, and in the upper right corner what it means."""
    if chart.level is None:
        return
    draw = axes.axvline if chart.shape is Shape.SIDES else axes.axhline
    draw(chart.level, color=style.DIM, linestyle=(0, (6, 5)), linewidth=2, zorder=0.9)
    axes.annotate(
        f"- - {chart.level_label}",
        (1, 1),
        (-10, -10),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="top",
        color=style.DIM,
        fontsize=style.SIZE_TEXT,
        family=_fonts(),
    )


def _marks(axes: Axes, chart: Chart) -> None:
    match chart.shape:
        case Shape.COLUMNS:
            _columns(axes, chart)
        case Shape.POINTS:
            _points(axes, chart)
        case Shape.SIDES:
            _sides(axes, chart)
        case Shape.BOXES:
            _boxes(axes, chart)
        case _:
            assert_never(chart.shape)


def _columns(axes: Axes, chart: Chart) -> None:
    """Shorts up, longs down, with a little air between neighbours."""
    whole = chart.x.range[1] - chart.x.range[0]
    air, widest = whole / style.PLOT.width, whole * (1.0 if len(chart.long) > _FEW else style.WIDEST_COLUMN)
    middles = [(start + end) / 2 for start, end in pairwise(chart.at)]
    widths = [min(max(end - start - 2 * air, air), widest) for start, end in pairwise(chart.at)]
    axes.bar(middles, _numbers(chart.short), widths, color=style.SHORT_BAR)
    axes.bar(middles, [-value for value in _numbers(chart.long)], widths, color=style.LONG_BAR)
    axes.axhline(0, color=style.DIM, linewidth=2)


def _points(axes: Axes, chart: Chart) -> None:
    """▲, ▼, and a line for both that breaks where there is nothing."""
    axes.plot(chart.at, _numbers(chart.both), color=style.TEXT, linewidth=2, marker="o", markersize=5)
    axes.plot(chart.at, _numbers(chart.short), color=style.SHORT, linestyle="", marker="^", markersize=12)
    axes.plot(chart.at, _numbers(chart.long), color=style.LONG, linestyle="", marker="v", markersize=12)


def _sides(axes: Axes, chart: Chart) -> None:
    """One bar, or a dot on a line, for each side, and its words."""
    spreads = chart.spreads or [None, None]
    values = _numbers([*chart.long, *chart.short])
    bars, dots = (style.LONG_BAR, style.SHORT_BAR), (style.LONG, style.SHORT)
    for at, (value, spread, label, note) in enumerate(zip(values, spreads, chart.labels, chart.notes, strict=True)):
        end = value
        if math.isnan(value):
            end = chart.x.range[0]
        elif chart.spreads:
            axes.plot(spread or (value, value), (at, at), color=bars[at], linewidth=10, solid_capstyle="round")
            axes.plot([value], [at], color=dots[at], marker="o", markersize=20)
        else:
            axes.barh([at], [value], 0.36, color=bars[at])
        _beside(axes, chart, end, at, label)
        axes.annotate(
            note,
            (0, at),
            (14, -50),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            color=style.DIM,
            fontsize=style.SIZE_TEXT,
            family=_fonts(),
            parse_math=False,
            va="center",
        )


def _beside(axes: Axes, chart: Chart, value: float, at: int, label: str) -> None:
    """A label right of a bar's end; above a dot."""
    offset, aligned = ((0, 28), "center") if chart.spreads and value > chart.x.range[0] else ((14, 0), "left")
    axes.annotate(
        label,
        (value, at),
        offset,
        textcoords="offset points",
        color=style.TEXT,
        fontsize=style.SIZE_TEXT + 2,
        family=_fonts(),
        parse_math=False,
        va="center",
        ha=aligned,
    )


def _boxes(axes: Axes, chart: Chart) -> None:
    """Boxes with whiskers, a cross for the largest, and how many events each stands for."""
    half = _WIDE_BOX if len(chart.x.marks) < 12 else _NARROW_BOX
    for at, box, n in zip(chart.at, chart.boxes, chart.labels, strict=True):
        axes.plot((at, at), (box.low, box.high), color=style.DIM, linewidth=2, zorder=0.9)
        height = max(box.q3 - box.q1, (chart.y.range[1] - chart.y.range[0]) / style.PLOT.height)
        axes.bar([at], [height], 2 * half, bottom=box.q1, color=style.LINE, edgecolor=style.DIM, linewidth=2)
        axes.plot((at - half, at + half), (box.median, box.median), color=style.TEXT, linewidth=4)
        axes.plot([at], [box.top], color=style.MODEL, linestyle="", marker="x", markersize=10, markeredgewidth=2)
        axes.annotate(
            n,
            (at, 0),
            (0, 8),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            color=style.DIM,
            fontsize=style.SIZE_TEXT,
            family=_fonts(),
        )


def _band(picture: Figure, caption: Caption) -> None:
    """What was watched, along the bottom: the whole window from left to right."""
    axes = picture.add_axes(style.BAND.fractions, facecolor=style.CARD)
    axes.set_xlim(caption.from_ms, caption.to_ms)
    axes.set_ylim(0, 1)
    axes.set_xticks([])
    axes.set_yticks([])
    for span in caption.spans:
        color, hatch = _WATCH[span.watch]
        axes.axvspan(
            span.from_ms,
            span.to_ms,
            facecolor=color,
            hatch=hatch or None,
            edgecolor=style.DIM if span.watch is Watch.UNKNOWN else style.BACKGROUND,
            linewidth=0,
        )
    for spine in axes.spines.values():
        spine.set_color(style.DIM)
    for slot, (watch, words) in enumerate(caption.watched):
        color, hatch = _WATCH[watch]
        left = style.PLOT.left + slot * style.SWATCH_EVERY_PX
        swatch = Rectangle(
            (left / style.WIDTH_PX, style.WATCHED_Y / style.HEIGHT_PX),
            style.SWATCH_PX / style.WIDTH_PX,
            style.BAND.height / style.HEIGHT_PX,
            facecolor=color,
            edgecolor=style.DIM if watch is Watch.UNKNOWN else style.BACKGROUND,
            hatch=hatch or None,
            linewidth=0,
        )
        picture.add_artist(swatch)
        _write(picture, left + style.SWATCH_PX + 10, style.WATCHED_Y, words, color=style.DIM)


def _numbers(values: Sequence[float | None]) -> list[float]:
    """Values to draw; what is not known leaves a hole."""
    return [math.nan if value is None else value for value in values]
