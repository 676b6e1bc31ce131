"""What can be known of an hour without a map: the study's two baselines, fixed here (METHOD 14b).

B1 is the hour's excursions, range, return and open interest. B1n, the strong one, adds draw-downs inside the hour,
realised variance, earlier liquidations and how deep the hour went below the lows (above the highs) of 1 to 168 hours.
The hour's own path is known to both, and to the map: the question is how much is liquidated on a path, not the path.
"""

from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.hourly.grid import Grid
from perpscope.analytics.margin_arrays import Floats

#: Added to distances before the logarithm; to depths.
_LEAST: Final = 2e-4
_SHALLOW: Final = 5e-4
#: Unit of returns.
_MOVE: Final = 0.005
#: Hours of what came before: of liquidations, of variance, of extremes.
LAGS: Final = (1, 3, 24, 168)
TRAILS: Final = (3, 24, 168)
DEPTHS: Final = (1, 4, 12, 24, 72, 168)


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Hours as both sides see them; the second axis is long, short. Logs."""

    excursion: Floats  #: (n, 2) adverse, from the opening
    span: Floats  #: (n,) highest − lowest
    gain: Floats  #: (n, 2) close − open, positive where it is good for the side
    drawdown: Floats  #: (n, 2) largest adverse move inside the hour
    depth: Floats  #: (n, 2, 6) beyond the extreme of the hours before
    variance: Floats  #: (n,) √Σ of squared five-minute returns
    wealth: Floats  #: (n,) log of open interest in dollars at the beginning


def shape(at: Grid) -> Shape:
    """The hours' geometry."""
    lows, highs, returns = at.hourly(at.low), at.hourly(at.high), at.hourly(np.diff(at.path))
    low, high = lows.min(axis=1), highs.max(axis=1)
    opened, close = at.opened, at.close
    start = at.interest[:-1:12]
    known = np.maximum.accumulate(np.where(np.isnan(start), 0, np.arange(start.size)))
    gain = close - opened
    return Shape(
        excursion=np.maximum(np.column_stack([opened - low, high - opened]), 0.0),
        span=high - low,
        gain=np.column_stack([gain, -gain]),
        drawdown=np.column_stack([_drawdown(opened, lows, highs), _drawdown(-opened, -highs, -lows)]),
        depth=np.stack([_depth(opened, low), _depth(-opened, -high)], axis=1),
        variance=np.sqrt((returns**2).sum(axis=1)),
        wealth=np.log(np.maximum(start[known], 1e-9)) + opened,
    )


def plain(of: Shape, side: int) -> Floats:
    """B1, (n, 8): ln excursion and its square, ln range and its square, return and |return|, excursion, ln interest."""
    excursion, span = np.log(of.excursion[:, side] + _LEAST), np.log(of.span + _LEAST)
    gain = of.gain[:, side] / _MOVE
    straight = of.excursion[:, side] / _MOVE
    return np.column_stack([excursion, excursion**2, span, span**2, gain, np.abs(gain), straight, of.wealth])


def strong(of: Shape, target: Floats, side: int) -> Floats:
    """B1n, (n, 29).

    Args:
        of: the hours.
        target: (n, 2) what is foretold, of both sides; only earlier hours' are used. nan = not known.
        side: 0 long, 1 short.
    """
    drawdown, variance = np.log(of.drawdown[:, side] + _LEAST), np.log(of.variance + _LEAST)
    before = [trailing(target[:, which], hours) for which in (side, 1 - side) for hours in LAGS]
    trails = [np.log(trailing(of.variance, hours) + _LEAST) for hours in TRAILS]
    depth = np.log(of.depth[:, side] + _SHALLOW)
    return np.column_stack(
        [plain(of, side), drawdown, drawdown**2, variance, variance**2, *before, *trails, depth],
    )


def trailing(values: Floats, hours: int) -> Floats:
    """Mean of the known among the `hours` before each; where none is, the mean of all before it, and 0 at first.

    >>> trailing(np.array([2.0, np.nan, 4.0, 9.0]), 2)
    array([0., 2., 2., 4.])
    """
    known = ~np.isnan(values)
    sums = np.concatenate([[0.0], np.where(known, values, 0.0).cumsum()])
    counts = np.concatenate([[0], known.cumsum()])
    now = np.arange(values.size)
    first = np.maximum(now - hours, 0)
    found, seen = sums[now] - sums[first], counts[now] - counts[first]
    everything = sums[now] / np.maximum(counts[now], 1)
    means: Floats = np.where(seen > 0, found / np.maximum(seen, 1), everything)
    return means


def _drawdown(opened: Floats, lows: Floats, highs: Floats) -> Floats:
    """Largest fall from a bar's earlier high to its low, (n,)."""
    peaks = np.maximum.accumulate(np.column_stack([opened, highs[:, :-1]]), axis=1)
    most: Floats = np.maximum((peaks - lows).max(axis=1), 0.0)
    return most


def _depth(opened: Floats, low: Floats) -> Floats:
    """How far each hour fell below the lowest of so many hours before it, (n, 6)."""
    found = np.zeros((low.size, len(DEPTHS)))
    for column, hours in enumerate(DEPTHS):
        before = np.concatenate([np.full(hours, np.inf), low[:-1]])
        lowest = np.lib.stride_tricks.sliding_window_view(before, hours).min(axis=1)
        floor = np.where(np.isfinite(lowest), lowest, opened)
        found[:, column] = np.maximum(floor - low, 0.0)
    return found
