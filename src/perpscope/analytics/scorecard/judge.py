"""Forecasts of where dollars were closed by force, judged against distance alone in windows they were not fitted on.

A forecast is amounts by cell of every window. It is scored mixed with distance: by 3 % as a bare minimum, or by as much
as the training part likes best. Intervals draw whole days of each market with replacement (METHOD 10.3).
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.liqmap.bars import DAY_NS
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.resampling import Rows as Drawn
from perpscope.analytics.resampling import blocks, interval
from perpscope.analytics.scorecard.distance_only import DistanceOnly, apart, most_of, tempered
from perpscope.analytics.scorecard.scores import MIXED
from perpscope.analytics.scorecard.windows import Rows

#: Shares of a forecast in its blend with distance that are tried.
BLENDS: Final = (*(round(0.05 * step, 2) for step in range(20)), 1.0 - MIXED)
#: Cells of a stratum of 10 bps.
_STRATUM: Final = 2
_DRAWS: Final = 2_000
_NULLS: Final = 20
_SEED: Final = 11


class Figure(msgspec.Struct, frozen=True):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class Scored(msgspec.Struct, frozen=True):
    """A forecast's scores, of each row."""

    bits: Floats  #: Σ y log₂(p ÷ p₀), dollars × bits
    lift: Floats  #: Lift@20 %


class Judge:
    """Two parts of time and the baseline fitted on the first.

    Args:
        training: windows a blend is fitted on.
        test: windows that are judged.
        baseline: fitted on the training part.
    """

    def __init__(self, training: Rows, test: Rows, baseline: DistanceOnly) -> None:
        self.training, self.test = training, test
        self._base_training = training.shares(apart(training, baseline.scale))
        self._base = test.shares(baseline.expected(test))
        self._weights = tempered(training, most_of(training)) / np.maximum(training.sums(training.realised), 1e-300)
        self.usd = test.sums(test.realised)
        self._tempered = np.minimum(self.usd, most_of(training)) / np.maximum(self.usd, 1e-300)
        self.markets = {int(m): np.flatnonzero(test.market == m) for m in np.unique(test.market)}
        self.days = {m: [rows[day] for day in blocks(test.ts[rows], DAY_NS)] for m, rows in self.markets.items()}

    def share_of(self, name: str) -> float:
        """The share of a forecast in its blend with distance that foretells the training part best."""
        found, base = self.training.shares(self.training.found[name]), self._base_training
        gains = [
            (self._weights * _bits(self.training, blended(self.training, found, base, share), base)).sum()
            for share in BLENDS
        ]
        return BLENDS[int(np.argmax(gains))]

    def scored(self, found: Floats, share: float) -> Scored:
        """A forecast of the test part, (cells,), blended with distance so that its share is `share`."""
        made = blended(self.test, self.test.shares(found), self._base, share)
        return Scored(_bits(self.test, made, self._base), lifts(self.test, made, self._base))

    def bits(self, bits: Floats) -> Figure:
        """Dollars × bits of each row as bits per dollar, a window's dollars tempered."""
        return self.figure(bits * self._tempered, self.usd * self._tempered)

    def bits_usd(self, bits: Floats) -> Figure:
        """The same, every dollar alike."""
        return self.figure(bits, self.usd)

    def bits_by_market(self, bits: Floats) -> Figure:
        """As `bits`, whole markets drawn instead of days."""
        return self.figure(bits * self._tempered, self.usd * self._tempered, list(self.markets.values()))

    def bits_of_each(self, bits: Floats) -> dict[str, Figure]:
        """As `bits`, of each market."""
        told = (bits * self._tempered, self.usd * self._tempered)
        return {str(market): self.figure(*told, days) for market, days in self.days.items()}

    def mean(self, values: Floats) -> Figure:
        """Mean over rows."""
        return self.figure(values, np.ones(values.size))

    def mean_usd(self, values: Floats) -> Figure:
        """Mean over dollars."""
        return self.figure(values * self.usd, self.usd)

    def null(self, name: str, share: float) -> tuple[Figure, Figure]:
        """Lift and bits of a forecast whose cells change places within strata of 10 bps, a mean of 20 orders."""
        generator = np.random.default_rng(_SEED)
        tried = [self.scored(permuted(self.test, self.test.found[name], generator), share) for _ in range(_NULLS)]
        lifts = np.mean([one.lift for one in tried], axis=0)
        return self.mean(lifts), self.bits(np.mean([one.bits for one in tried], axis=0))

    def figure(self, above: Floats, below: Floats, groups: Sequence[Drawn] | None = None) -> Figure:
        """A ratio of sums over rows, and its interval over groups drawn with replacement; None = days."""
        chosen = [day for days in self.days.values() for day in days] if groups is None else groups
        sums = np.array([[above[rows].sum(), below[rows].sum()] for rows in chosen])
        drawn = np.random.default_rng(_SEED).integers(0, len(chosen), (_DRAWS, len(chosen)))
        totals = sums[drawn].sum(axis=1)
        value = float(sums[:, 0].sum() / sums[:, 1].sum())
        return Figure(value, *interval(totals[:, 0] / totals[:, 1]))


def blended(rows: Rows, found: Floats, base: Floats, share: float) -> Floats:
    """Shares of a forecast mixed with the baseline's; where it holds nothing it is the baseline.

    Args:
        rows: whose cells they are.
        found: (cells,) summing to 1 in each row, or to 0.
        base: (cells,) summing to 1 in each row, > 0.
        share: of the forecast, in [0, 1).
    """
    held = rows.sums(found)[rows.row] > 0.0
    return np.where(held, share * found + (1.0 - share) * base, base)


def permuted(rows: Rows, found: Floats, generator: np.random.Generator) -> Floats:
    """A forecast whose cells have changed places at random within 10 bps of distance, in each row."""
    stratum = rows.row * 1_000_000 + rows.cell // _STRATUM
    density = found / rows.cover
    moved: Floats = density[np.lexsort((generator.random(found.size), stratum))] * rows.cover
    return moved


def _bits(rows: Rows, made: Floats, base: Floats) -> Floats:
    return rows.sums(rows.realised * np.log2(made / base))


def lifts(rows: Rows, made: Floats, base: Floats, top: float = 0.2) -> Floats:
    """Lift of each row, as `scores.lift` has it of one."""
    ratio = np.round(made / base, 12)
    order = np.lexsort((ratio, rows.row))
    sizes = np.diff(rows.starts)
    least = ratio[order][rows.starts[:-1] + np.ceil((sizes - 1) * (1.0 - top) - 1e-9).astype(np.int64)]
    chosen = ratio >= least[rows.row]
    realised = rows.sums(rows.realised * chosen) / np.maximum(rows.sums(rows.realised), 1e-300)
    found: Floats = realised / rows.sums(base * chosen)
    return found
