"""Has the world moved away from what a model learnt? Population stability of its features, and its own losses."""

from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.margin_arrays import Floats

_BINS: Final = 10
_LEAST: Final = 1e-4
#: Stability index from which a feature has moved, and how many such it takes (METHOD 11.3).
MOVED: Final = 0.25
MOST_MOVED: Final = 3
#: Minutes of losses that are compared with climatology's.
WINDOW: Final = 2 * 1440
_ENOUGH: Final = 0.5


class Shape(msgspec.Struct, frozen=True):
    """How a feature lay where the model learnt: inner borders of bins, and the share of each bin; the last of NaN."""

    borders: tuple[float, ...]
    shares: tuple[float, ...]


def shape(values: Floats) -> Shape:
    """Of the values of one feature; those that are alike share a bin."""
    known = values[~np.isnan(values)]
    if not known.size:
        return Shape((), (0.0, 1.0))
    borders = np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS))
    return Shape(tuple(borders.tolist()), _shares(values, borders))


def stability(at: Shape, values: Floats) -> float:
    """Population stability index: Σ (now − then) ln(now ÷ then) over bins; 0 = as it was.

    Args:
        at: where the model learnt.
        values: (n,) of now, one or more.
    """
    then = np.maximum(at.shares, _LEAST)
    now = np.maximum(_shares(values, np.array(at.borders)), _LEAST)
    return float(((now - then) * np.log(now / then)).sum())


def drifted(shapes: list[Shape], rows: Floats, names: tuple[str, ...]) -> list[str]:
    """Features that have moved; none before half a `WINDOW` of rows.

    Args:
        shapes: of each feature.
        rows: (n, features) of the last `WINDOW` minutes.
        names: of the features.
    """
    if len(rows) < _ENOUGH * WINDOW:
        return []
    return [name for at, column, name in zip(shapes, rows.T, names, strict=True) if stability(at, column) > MOVED]


def is_worse(model: Floats, base: Floats) -> bool:
    """Whether a model's log losses of a whole `WINDOW` are larger than climatology's."""
    return model.size >= WINDOW and float(model[-WINDOW:].mean()) > float(base[-WINDOW:].mean())


def _shares(values: Floats, borders: Floats) -> tuple[float, ...]:
    known = values[~np.isnan(values)]
    counts = np.bincount(np.searchsorted(borders, known, "left"), minlength=borders.size + 1)
    return (*(counts / values.size).tolist(), 1.0 - known.size / values.size)
