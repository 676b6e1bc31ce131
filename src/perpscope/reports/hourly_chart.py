"""The hourly study as a picture: what the map adds, by side and month, and its dollars beside those realised.

Figures come in, the bytes of a PNG go out; the same figures give the same bytes.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from perpscope.reports import style
from perpscope.reports.drawing import png
from perpscope.reports.liqmap_charts import Words, sheet
from perpscope.reports.numerals import usd_tick


class Line(msgspec.Struct, frozen=True):
    """One figure, with its 95 % interval where it has one."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


def hourly_picture(lines: Sequence[Line], daily: Sequence[tuple[int, float, float]], words: Words) -> bytes:
    """Draw it.

    Args:
        lines: what is added to R², from top to bottom.
        daily: day (ms UTC), dollars foretold, dollars realised.
        words: around it.
    """
    picture, left = sheet(words)
    left.set_position((0.20, 0.13, 0.28, 0.70))
    _added(left, lines)
    right = picture.add_axes((0.56, 0.13, 0.39, 0.70), facecolor=style.CARD)
    for spine in right.spines.values():
        spine.set_color(style.LINE)
    right.tick_params(colors=style.DIM, labelsize=style.SIZE_TEXT * 0.8)
    _days(right, daily)
    return png(picture)


def _added(axes: Axes, lines: Sequence[Line]) -> None:
    """Points and intervals, one under the other."""
    places = np.arange(len(lines))[::-1]
    axes.axvline(0.0, color=style.DIM, linewidth=1.0)
    for place, line in zip(places, lines, strict=True):
        if line.low is not None and line.high is not None:
            axes.plot([line.low, line.high], [place, place], color=style.MODEL, linewidth=2.4, solid_capstyle="butt")
        axes.plot([line.value], [place], marker="o", color=style.TEXT, markersize=6)
    axes.set_yticks(places, [line.name for line in lines])
    axes.set_ylim(-0.7, len(lines) - 0.3)
    axes.set_xlabel("added to R² (95 %, days drawn)", color=style.DIM, fontsize=style.SIZE_TEXT * 0.85)


def _days(axes: Axes, daily: Sequence[tuple[int, float, float]]) -> None:
    """Dollars a day, on a logarithmic scale."""
    times, foretold, realised = (np.array(column, float) for column in zip(*daily, strict=True))
    axes.plot(times, realised, color=style.TEXT, linewidth=1.8, label="realised")
    axes.plot(times, foretold, color=style.MODEL, linewidth=1.8, label="foretold by the map, nothing fitted")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: usd_tick(value)))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: datetime.fromtimestamp(value / 1000.0, UTC).strftime("%d %b"))
    )
    axes.tick_params(which="minor", colors=style.DIM, labelsize=style.SIZE_TEXT * 0.8, labelleft=False)
    axes.set_ylabel("USD liquidated a day, longs and shorts", color=style.DIM, fontsize=style.SIZE_TEXT)
    axes.legend(loc="upper left", facecolor=style.CARD, edgecolor=style.LINE, labelcolor=style.TEXT)
