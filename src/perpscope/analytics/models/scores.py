"""What probabilities are worth: Brier score, log loss, calibration error, area under the curve, reliability."""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.resampling import Rows, interval, resampled

Truth = NDArray[np.bool_]

#: Probabilities are kept this far from 0 and 1 before a logarithm is taken.
_LEAST: Final = 1e-6
_BINS: Final = 10


class Bin(msgspec.Struct, frozen=True):
    """Forecasts of about one probability."""

    said: float  #: mean of what was said
    was: float  #: share of what came true
    count: int


def brier(said: Floats, was: Truth) -> float:
    """Mean squared error of probabilities.

    >>> brier(np.array([0.5, 1.0]), np.array([True, True]))
    0.125
    """
    return float(((said - was) ** 2).mean())


def losses(said: Floats, was: Truth) -> Floats:
    """(n,) Log loss of each, nats."""
    kept = np.clip(said, _LEAST, 1.0 - _LEAST)
    found: Floats = -np.log(np.where(was, kept, 1.0 - kept))
    return found


def log_loss(said: Floats, was: Truth) -> float:
    """Mean log loss, nats."""
    return float(losses(said, was).mean())


def reliability(said: Floats, was: Truth, bins: int = _BINS) -> list[Bin]:
    """Forecasts in groups of like size by what was said, lowest first; equal forecasts may stand in two."""
    order = np.argsort(said, kind="stable")
    groups = [rows for rows in np.array_split(order, min(bins, said.size)) if rows.size]
    return [Bin(float(said[rows].mean()), float(was[rows].mean()), int(rows.size)) for rows in groups]


def calibration_error(said: Floats, was: Truth, bins: int = _BINS) -> float:
    """Expected calibration error: mean distance of what was said from what was, by groups of like size."""
    found = reliability(said, was, bins)
    return sum(one.count * abs(one.said - one.was) for one in found) / said.size


def auc(said: Floats, was: Truth) -> float:
    """Chance that of two cases the one that came true had the larger figure, ties half; NaN where all are alike.

    >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    true, false = int(was.sum()), int((~was).sum())
    if not true or not false:
        return float("nan")
    _, at, counts = np.unique(said, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    ranks = (last - 0.5 * (counts - 1))[at]
    return float((ranks[was].sum() - true * (true + 1) / 2.0) / (true * false))


class Gain(msgspec.Struct, frozen=True):
    """How much better than climatology, share of its own score, with a 90 % interval of whole days drawn."""

    value: float
    low: float
    high: float


def gain(score: Floats, base: Floats, days: list[Rows], times: int, generator: np.random.Generator) -> Gain:
    """1 − score ÷ base.

    Args:
        score: (n,) Brier score or log loss of each case; the smaller the better.
        base: (n,) the same of climatology.
        days: rows that are drawn together, as of `resampling.blocks`.
        times: how often they are drawn.
        generator: seeded.
    """
    sums = np.array([(score[rows].sum(), base[rows].sum()) for rows in days])
    groups = [np.array([at]) for at in range(len(days))]

    def of(rows: Rows) -> float:
        total = sums[rows].sum(axis=0)
        return float(1.0 - total[0] / total[1])

    low, high = interval(resampled(groups, of, times, generator), 0.9)
    return Gain(of(np.arange(len(days))), low, high)
