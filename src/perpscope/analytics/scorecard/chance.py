"""Chances that mean what they say: P(at least $X closed by force in a cell | the price reaches it).

A logistic curve over logarithms of expected dollars, fitted on training cells and judged on others: Brier score,
expected calibration error, and a reliability table with Wilson intervals.
"""

from math import sqrt
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats

_RIDGE: Final = 1e-3
_STEPS: Final = 30
#: Dollars added before a logarithm is taken.
_FLOOR_USD: Final = 1.0
_Z95: Final = 1.959964


class Curve(msgspec.Struct, frozen=True):
    """P = 1 ÷ (1 + e^−(w₀ + Σ w z)), z standardised."""

    middle: Floats  #: (features,)
    spread: Floats  #: (features,)
    weights: Floats  #: (1 + features,)

    def chances(self, features: Floats) -> Floats:
        """(cells,) in (0, 1), of (cells, features)."""
        found: Floats = 1.0 / (1.0 + np.exp(-(_design(features, self.middle, self.spread) @ self.weights)))
        return found


class Reliability(msgspec.Struct, frozen=True, kw_only=True):
    """Cells whose chance was said to be about the same."""

    said: float  #: mean chance
    seen: float  #: how often it happened
    low: float  #: Wilson's 95 % interval of `seen`, as if cells were independent
    high: float
    cells: int


def features(*expected: Floats) -> Floats:
    """(cells, n) logarithms of expected dollars, of (cells,) each."""
    return np.log(np.stack(expected, axis=1) + _FLOOR_USD)


def fit(values: Floats, happened: NDArray[np.bool_]) -> Curve:
    """Maximum likelihood by Newton, with a ridge of .001 a cell on the slopes.

    Args:
        values: (cells, features).
        happened: (cells,).
    """
    middle, spread = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-9)
    design = _design(values, middle, spread)
    ridge = _RIDGE * values.shape[0] * np.eye(design.shape[1])
    ridge[0, 0] = 1e-9
    weights = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        chance = 1.0 / (1.0 + np.exp(-(design @ weights)))
        slope = design.T @ (happened - chance) - ridge @ weights
        bend = (design * (chance * (1.0 - chance))[:, None]).T @ design + ridge
        weights = weights + np.clip(np.linalg.solve(bend, slope), -4.0, 4.0)
    return Curve(middle, spread, weights)


def brier(chances: Floats, happened: NDArray[np.bool_]) -> float:
    """Mean squared error of chances.

    >>> brier(np.array([1.0, 0.5]), np.array([True, False]))
    0.125
    """
    return float(((chances - happened) ** 2).mean())


def reliability(chances: Floats, happened: NDArray[np.bool_], groups: int = 10) -> list[Reliability]:
    """Cells in groups of equal count by their chance, the lowest first."""
    order = np.argsort(chances, kind="stable")
    return [_reliability(chances[part], happened[part]) for part in np.array_split(order, groups) if part.size]


def calibration_error(table: list[Reliability]) -> float:
    """ECE: mean |said − seen| over cells."""
    cells = sum(one.cells for one in table)
    return sum(one.cells * abs(one.said - one.seen) for one in table) / cells


def wilson(seen: float, count: int) -> tuple[float, float]:
    """95 % interval of a share.

    >>> [round(edge, 4) for edge in wilson(0.5, 100)]
    [0.4038, 0.5962]
    """
    bulk = 1.0 + _Z95**2 / count
    middle = (seen + _Z95**2 / (2.0 * count)) / bulk
    half = _Z95 / bulk * sqrt(seen * (1.0 - seen) / count + _Z95**2 / (4.0 * count**2))
    return middle - half, middle + half


def _reliability(chances: Floats, happened: NDArray[np.bool_]) -> Reliability:
    seen = float(happened.mean())
    low, high = wilson(seen, happened.size)
    return Reliability(said=float(chances.mean()), seen=seen, low=low, high=high, cells=int(happened.size))


def _design(values: Floats, middle: Floats, spread: Floats) -> Floats:
    return np.concatenate([np.ones((values.shape[0], 1)), (values - middle) / spread], axis=1)
