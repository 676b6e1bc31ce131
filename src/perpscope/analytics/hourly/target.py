"""One target of the study: what the baselines make of it, and what a number adds to them (METHOD 14b).

The baselines' features, λ, how a number becomes two features, the seeds: all fixed here, none of it in the map. In: a
number, (n, 2) dollars of longs and shorts. Out: what it adds, with intervals.
"""

from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.hourly.features import Shape, plain, strong
from perpscope.analytics.hourly.gains import SIDES, Gain, Increment, Scored, gain, increment, scored
from perpscope.analytics.hourly.grid import Grid
from perpscope.analytics.hourly.ridge import Fitting, Forecast, ridge, walk_forward
from perpscope.analytics.hourly.scale import spearman
from perpscope.analytics.hourly.verdict import Ranks
from perpscope.analytics.margin_arrays import Floats

#: Dollars added to a number before its logarithm, and the unit of its square.
_FLOOR: Final = 20_000.0
_SQUARE: Final = 10.0
WEEK_H: Final = 168


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """A number without help."""

    name: str
    r2: float  #: of the number alone, fitted
    over_b1: Increment  #: that − R² of B1
    spearman: tuple[float, float]  #: of the number as it is, longs and shorts


class Target:
    """A target and its baselines.

    Args:
        at: hours.
        of: their geometry.
        values: (n, 2) what is foretold; nan = not known.
        split: first hour that is judged.
    """

    def __init__(self, at: Grid, of: Shape, values: Floats, split: int) -> None:
        self._grid, self._values, self._split = at, values, split
        self._strong = [strong(of, values, side) for side in (0, 1)]
        self._plain = [plain(of, side) for side in (0, 1)]
        self._b1n, self._b1 = self._fitted(self._strong), self._fitted(self._plain)

    def gain(self, number: Floats) -> Gain:
        """What a number adds to B1n."""
        return gain(self._scored(self._b1n, self._fitted(_joined(self._strong, number))))

    def added(self, number: Floats, base: Floats | None = None) -> Increment:
        """ΔR² of a number beside B1n: over B1n, or over another number beside it."""
        before = self._b1n if base is None else self._fitted(_joined(self._strong, base))
        return increment(self._scored(before, self._fitted(_joined(self._strong, number))))

    def added_to_b1(self, number: Floats) -> Increment:
        """ΔR² of a number beside B1 over B1."""
        return increment(self._scored(self._b1, self._fitted(_joined(self._plain, number))))

    def boosted(self, number: Floats, fitting: Fitting) -> Increment:
        """ΔR² of another kind of fit of B1n with the number over the same without it; fitted anew each week."""
        without = self._fitted(self._strong, fitting, WEEK_H)
        return increment(self._scored(without, self._fitted(_joined(self._strong, number), fitting, WEEK_H)))

    def alone(self, name: str, number: Floats) -> Beside:
        """A number without a baseline, compared with B1."""
        rows = self._scored(self._b1, self._fitted([_terms(number[:, side]) for side in (0, 1)]))
        total = rows.sums.sum(axis=0)
        ranks = [spearman(number[self._split :, side], self._values[self._split :, side]) for side in (0, 1)]
        return Beside(
            name=name,
            r2=float(1.0 - total[1] / total[2]),
            over_b1=increment(rows),
            spearman=(ranks[0], ranks[1]),
        )

    def ranks(self, number: Floats) -> dict[str, Ranks]:
        """Rank correlations of the number as it is, and of B1 fitted, by side."""
        after = slice(self._split, None)
        return {
            name: Ranks(
                spearman(number[after, side], self._values[after, side]),
                spearman(self._b1[side].value[after], self._values[after, side]),
            )
            for side, name in enumerate(SIDES)
        }

    def _fitted(self, features: list[Floats], fitting: Fitting = ridge, every: int = 24) -> list[Forecast]:
        return [
            walk_forward(rows, self._values[:, side], self._split, fitting, every) for side, rows in enumerate(features)
        ]

    def _scored(self, base: list[Forecast], other: list[Forecast]) -> Scored:
        return scored(base, other, self._values, self._grid.hours)


def lagged(number: Floats, hours: int = 24) -> Floats:
    """A placebo: the number of so many hours before; that of the first hour where there is none."""
    found = np.empty_like(number)
    found[hours:], found[:hours] = number[:-hours], number[0]
    return found


def swapped(number: Floats) -> Floats:
    """A placebo: the number of the other side."""
    return np.ascontiguousarray(number[:, ::-1])


def _terms(number: Floats) -> Floats:
    """A number as two features: its logarithm and the square of that."""
    log = np.log(number + _FLOOR)
    return np.column_stack([log, log**2 / _SQUARE])


def _joined(features: list[Floats], number: Floats) -> list[Floats]:
    return [np.column_stack([rows, _terms(number[:, side])]) for side, rows in enumerate(features)]
