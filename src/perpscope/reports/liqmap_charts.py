"""The liquidation map and its heatmap as pictures: what is estimated, in dollars by price, with its label on it.

Figures come in as arrays, the bytes of a PNG go out; the same figures give the same bytes.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from perpscope.reports import style
from perpscope.reports.drawing import png
from perpscope.reports.numerals import price_tick, usd_tick

#: Least dollars of the heat's scale, as a share of the most.
_DIMMEST: Final = 1e-3


class Words(msgspec.Struct, frozen=True):
    """What stands above and below a picture."""

    title: str
    subject: str
    tag: str  #: "ESTIMATE", "DEMO DATA · ESTIMATE"
    footnote: str


class Bar(msgspec.Struct, frozen=True):
    """A bin of one side."""

    low: float  #: quote per base
    high: float
    usd: float
    is_long: bool
    measured_usd: float = 0.0  #: held there, in positions anybody may look at


def map_picture(bars: Sequence[Bar], mark: float, words: Words) -> bytes:
    """Dollars by price: longs (blue) sold as it falls, shorts (orange) bought as it rises, and their sums.

    Args:
        bars: bins that hold something.
        mark: quote per base.
        words: around it.
    """
    picture, axes = sheet(words)
    most = max((bar.usd for bar in bars), default=1.0)
    for is_long, color, name in ((True, style.LONG_BAR, "▼ longs"), (False, style.SHORT_BAR, "▲ shorts")):
        mine = [bar for bar in bars if bar.is_long is is_long]
        axes.bar(
            [0.5 * (bar.low + bar.high) for bar in mine],
            [bar.usd for bar in mine],
            width=[bar.high - bar.low for bar in mine] or 1.0,
            color=color,
            label=name,
        )
    _mark_measured(axes, bars)
    axes.axvline(mark, color=style.TEXT, linewidth=1.2)
    axes.set_ylim(0.0, most * 1.08)
    sums = axes.twinx()
    for is_long, color in ((True, style.LONG), (False, style.SHORT)):
        ahead = [bar for bar in bars if bar.is_long is is_long and (bar.high <= mark if is_long else bar.low >= mark)]
        ahead.sort(key=lambda bar: abs(0.5 * (bar.low + bar.high) - mark))
        edges = [mark, *(bar.low if is_long else bar.high for bar in ahead)]
        sums.plot(edges, [0.0, *np.cumsum([bar.usd for bar in ahead])], color=color, linewidth=1.6)
    sums.set_ylim(bottom=0.0)
    sums.yaxis.set_major_formatter(FuncFormatter(lambda value, _: usd_tick(value)))
    sums.tick_params(colors=style.DIM, labelsize=style.SIZE_TEXT * 0.8)
    sums.set_ylabel("summed from the price", color=style.DIM, fontsize=style.SIZE_TEXT)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: usd_tick(value)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: price_tick(value)))
    axes.set_ylabel("USD a bin", color=style.DIM, fontsize=style.SIZE_TEXT)
    axes.legend(loc="upper center", ncols=3, facecolor=style.CARD, edgecolor=style.LINE, labelcolor=style.TEXT)
    return png(picture)


def _mark_measured(axes: Axes, bars: Sequence[Bar]) -> None:
    """A diamond at the foot of each bin with measured positions, its area by their dollars."""
    known = [bar for bar in bars if bar.measured_usd > 0.0]
    if not known:
        return
    most = max(bar.measured_usd for bar in known)
    axes.scatter(
        [0.5 * (bar.low + bar.high) for bar in known],
        [0.025] * len(known),
        s=[20.0 + 100.0 * bar.measured_usd / most for bar in known],
        marker="D",
        color=style.MODEL,
        edgecolors=style.BACKGROUND,
        transform=axes.get_xaxis_transform(),
        label=f"measured positions, up to {usd_tick(most)} held",
        zorder=3,
    )


def heat_picture(
    times_ms: NDArray[np.float64],
    edges: NDArray[np.float64],
    usd: NDArray[np.float64],
    prices: Sequence[tuple[float, float, float]],
    words: Words,
) -> bytes:
    """Dollars by time and price, brighter for more, with the price's range over it.

    Args:
        times_ms: (columns,) ms UTC, rising, two or more.
        edges: (bins + 1,) quote per base.
        usd: (columns, bins) dollars.
        prices: low, high, close beside each column.
        words: around it.
    """
    picture, axes = sheet(words)
    most = max(float(usd.max()), 1.0)
    step = np.diff(times_ms)[-1]
    moments = np.concatenate([times_ms - step, times_ms[-1:]])
    shown = np.ma.masked_less(usd.T, most * _DIMMEST)
    axes.pcolormesh(moments, edges, shown, cmap="magma", norm=LogNorm(most * _DIMMEST, most), rasterized=True)
    low, high, close = (np.array(column) for column in zip(*prices, strict=True))
    axes.vlines(times_ms - 0.5 * step, low, high, color=style.TEXT, linewidth=1.0, alpha=0.7)
    axes.plot(times_ms - 0.5 * step, close, color=style.TEXT, linewidth=1.2)
    middle, reach = 0.5 * (low.min() + high.max()), 0.5 * (high.max() - low.min()) + 0.04 * float(close[-1])
    axes.set_ylim(max(middle - reach, edges[0]), min(middle + reach, edges[-1]))
    axes.set_xlim(moments[0], moments[-1])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: price_tick(round(value, 6))))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: datetime.fromtimestamp(value / 1000.0, UTC).strftime("%d %b %H:%M"))
    )
    axes.set_ylabel("price", color=style.DIM, fontsize=style.SIZE_TEXT)
    return png(picture)


def sheet(words: Words) -> tuple[Figure, Axes]:
    """A picture with its words, and the axes to draw on."""
    picture = Figure(
        figsize=(style.WIDTH_PX / style.DPI, style.HEIGHT_PX / style.DPI), dpi=style.DPI, facecolor=style.BACKGROUND
    )
    FigureCanvasAgg(picture)
    left = style.MARGIN_X / style.WIDTH_PX
    lines = (
        (style.TITLE_Y, words.title, style.SIZE_TITLE, style.TEXT),
        (style.SUBJECT_Y, words.subject, style.SIZE_TEXT, style.DIM),
        (style.FOOTNOTE_Y, words.footnote, style.SIZE_TEXT * 0.8, style.DIM),
    )
    for y, text, size, color in lines:
        picture.text(left, y / style.HEIGHT_PX, text, fontsize=size, color=color, parse_math=False)
    picture.text(
        1.0 - left,
        style.TITLE_Y / style.HEIGHT_PX,
        words.tag,
        ha="right",
        weight="bold",
        fontsize=style.SIZE_TEXT,
        color=style.BACKGROUND,
        bbox={"boxstyle": "round,pad=0.3", "facecolor": style.MODEL, "edgecolor": "none"},
    )
    axes = picture.add_axes((0.09, 0.13, 0.82, 0.70), facecolor=style.CARD)
    for spine in axes.spines.values():
        spine.set_color(style.LINE)
    axes.tick_params(colors=style.DIM, labelsize=style.SIZE_TEXT * 0.8)
    return picture, axes
