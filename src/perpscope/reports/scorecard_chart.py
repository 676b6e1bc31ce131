"""The map's scorecard as a picture: gains over distance with their intervals, and whether chances mean what they say.

Figures come in, the bytes of a PNG go out; the same figures give the same bytes.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from perpscope.reports import style
from perpscope.reports.drawing import png

_SHADES: Final = (style.LONG, style.SHORT)
_SMALL: Final = style.SIZE_TEXT * 0.72


class Gain(msgspec.Struct, frozen=True):
    """One forecaster."""

    name: str
    bits: tuple[tuple[float, float, float], ...]  #: at each horizon: over distance, with its 95 % interval


class Curve(msgspec.Struct, frozen=True):
    """Reliability at one horizon."""

    label: str
    points: tuple[tuple[float, float, float, float], ...]  #: said, seen, low, high of each group


class Words(msgspec.Struct, frozen=True):
    """What stands above and below."""

    title: str
    subject: str
    footnote: str


def score_picture(gains: Sequence[Gain], curves: Sequence[Curve], words: Words) -> bytes:
    """Left: gains, best first. Right: how often it happened against how often it was said to."""
    picture = Figure(
        figsize=(style.WIDTH_PX / style.DPI, style.HEIGHT_PX / style.DPI), dpi=style.DPI, facecolor=style.BACKGROUND
    )
    FigureCanvasAgg(picture)
    left = style.MARGIN_X / style.WIDTH_PX
    for y, text, size, color in (
        (style.TITLE_Y, words.title, style.SIZE_TITLE, style.TEXT),
        (style.SUBJECT_Y, words.subject, style.SIZE_TEXT * 0.9, style.DIM),
        (style.FOOTNOTE_Y, words.footnote, style.SIZE_TEXT * 0.8, style.DIM),
    ):
        picture.text(left, y / style.HEIGHT_PX, text, fontsize=size, color=color, parse_math=False)
    _gains(_axes(picture, (0.155, 0.14, 0.42, 0.70)), gains, [curve.label for curve in curves])
    _reliability(_axes(picture, (0.655, 0.14, 0.32, 0.70)), curves)
    return png(picture)


def _axes(picture: Figure, place: tuple[float, float, float, float]) -> Axes:
    axes = picture.add_axes(place, facecolor=style.CARD)
    for spine in axes.spines.values():
        spine.set_color(style.LINE)
    axes.tick_params(colors=style.DIM, labelsize=_SMALL, length=0)
    axes.grid(visible=True, color=style.LINE, linewidth=1)
    axes.set_axisbelow(True)
    return axes


def _gains(axes: Axes, gains: Sequence[Gain], labels: Sequence[str]) -> None:
    for at, gain in enumerate(gains):
        for which, (value, low, high) in enumerate(gain.bits):
            place = at + (which - 0.5 * (len(gain.bits) - 1)) * 0.36
            axes.plot((low, high), (place, place), color=_SHADES[which % 2], linewidth=3, alpha=0.6)
            axes.plot([value], [place], color=_SHADES[which % 2], marker="o", markersize=7, linestyle="")
    axes.axvline(0.0, color=style.TEXT, linewidth=1.4)
    axes.set_yticks(range(len(gains)), [gain.name for gain in gains])
    axes.set_ylim(len(gains) - 0.4, -0.6)
    axes.set_xlabel("bits per dollar over distance alone, 95 %", color=style.DIM, fontsize=_SMALL)
    for which, label in enumerate(labels):
        axes.plot([], [], color=_SHADES[which % 2], marker="o", linewidth=3, label=label)
    axes.legend(loc="upper left", facecolor=style.CARD, edgecolor=style.LINE, labelcolor=style.TEXT, fontsize=_SMALL)


def _reliability(axes: Axes, curves: Sequence[Curve]) -> None:
    axes.plot((0.0, 1.0), (0.0, 1.0), color=style.DIM, linestyle=(0, (6, 5)), linewidth=1.5)
    most = 0.0
    for which, curve in enumerate(curves):
        said, seen, low, high = zip(*curve.points, strict=True)
        color = _SHADES[which % 2]
        axes.vlines(said, low, high, color=color, linewidth=3, alpha=0.6)
        axes.plot(said, seen, color=color, marker="o", markersize=7, linewidth=1.2, label=curve.label)
        most = max(most, *said, *high)
    axes.set_xlim(0.0, most * 1.05)
    axes.set_ylim(0.0, most * 1.05)
    axes.set_xlabel("chance that was said", color=style.DIM, fontsize=_SMALL)
    axes.set_ylabel("how often it happened", color=style.DIM, fontsize=_SMALL)
