"""The baseline that matters: how much is closed by force by how far the price had to go, and nothing else.

A smooth curve of two slopes, of plain distance or of distance in forecast standard deviations, whichever foretells days
it was not fitted on better; each market has its own, held to the common one. Fitted on training windows alone.
"""

from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.liqmap.bars import DAY_NS
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.scorecard.windows import CELL, Rows

#: Unit of distance and what is added before the logarithm, log price or standard deviations; chosen by hand.
_UNITS: Final = {"bps": (5e-3, 1e-3), "sigma": (1.0, 0.2)}
#: A window's dollars count up to this quantile of the training windows': one crash is not to settle everything.
TEMPERED: Final = 0.9
#: Windows by which the common curve weighs in each market's own, and no slope at all in the common one; by hand.
_OWN, _FLAT = 10.0, 0.1
_STEPS: Final = 12


class DistanceOnly(msgspec.Struct, frozen=True):
    """A fitted baseline."""

    scale: str  #: "bps" or "sigma"
    slopes: dict[int, Floats]  #: by market, (2,)
    common: Floats  #: (2,) for a market that was not there
    levels: dict[int, float]  #: dollars of a whole cell where the curve is 1
    usual: float  #: the same of all

    def expected(self, rows: Rows) -> Floats:
        """(cells,) dollars expected of what was reached of each cell, > 0."""
        values, market = _values(rows, self.scale), rows.market[rows.row]
        found = self.usual * np.exp(values @ self.common)
        for number, slopes in self.slopes.items():
            mine = market == number
            found[mine] = self.levels[number] * np.exp(values[mine] @ slopes)
        expected: Floats = found * rows.cover
        return expected


def fitted(training: Rows) -> DistanceOnly:
    """The better of two, by days that were left out of each fit.

    Args:
        training: every window in which something was reached, those in which nothing was closed by force too.

    Raises:
        ValueError: nothing was closed by force in the training part.
    """
    if not training.realised.any():
        raise ValueError("nothing was closed by force in the training part")
    scale = max(_UNITS, key=lambda one: _log_score(training, apart(training, one)))
    return fit(training, scale)


def apart(training: Rows, scale: str) -> Floats:
    """(cells,) dollars expected by curves that were fitted on the other days: even days by odd ones, odd by even."""
    found = np.ones(training.cell.size)
    is_even = training.ts // DAY_NS % 2 == 0
    for part in (is_even, ~is_even):
        rest = training.where(~part)
        if part.any() and rest is not None and rest.realised.any():
            chosen = part[training.row]
            found[chosen] = fit(rest, scale).expected(training)[chosen]
        else:
            found[part[training.row]] = training.cover[part[training.row]]
    return found


def tempered(rows: Rows, most: float) -> Floats:
    """(rows,) dollars closed by force, `most` at most."""
    return np.minimum(rows.sums(rows.realised), most)


def most_of(rows: Rows) -> float:
    """Up to how many dollars a window counts: a quantile of those in which something was closed by force."""
    usd = rows.sums(rows.realised)
    return float(np.quantile(usd[usd > 0.0], TEMPERED))


def fit(training: Rows, scale: str) -> DistanceOnly:
    """Slopes by maximum likelihood of where dollars fell in each window, levels by their amount."""
    values = _values(training, scale)
    weights = tempered(training, most_of(training)) / most_of(training)
    common = _slopes(training, values, weights, np.zeros(2), _FLAT)
    slopes, levels = {}, {}
    shape = np.exp(values @ common) * training.cover
    usual = float(training.realised.sum() / shape.sum())
    for number in np.unique(training.market):
        own = _slopes(training, values, weights * (training.market == number), common, _OWN)
        mine = (training.market == number)[training.row]
        shape = np.exp(values[mine] @ own) * training.cover[mine]
        prior = float(shape.mean())
        slopes[int(number)] = own
        levels[int(number)] = float((training.realised[mine].sum() + usual * prior) / (shape.sum() + prior))
    return DistanceOnly(scale, slopes, common, levels, usual)


def _slopes(rows: Rows, values: Floats, weights: Floats, prior: Floats, ridge: float) -> Floats:
    """Newton on Σ w Σ s ln p, p ∝ cover · exp(values · slopes), held to a prior."""
    slopes = prior.copy()
    realised = rows.shares(rows.realised)
    of_cell = weights[rows.row]
    for _ in range(_STEPS):
        said = rows.shares(rows.cover * np.exp(values @ slopes))
        middle = np.stack([rows.sums(said * values[:, at]) for at in (0, 1)], axis=1)
        pull = values.T @ (of_cell * (realised - said * (weights > 0.0)[rows.row])) - ridge * (slopes - prior)
        away = values - middle[rows.row]
        bend = (away * (of_cell * said)[:, None]).T @ away + ridge * np.eye(2)
        slopes = slopes + np.clip(np.linalg.solve(bend, pull), -1.0, 1.0)
    return slopes


def _values(rows: Rows, scale: str) -> Floats:
    """(cells, 2) logarithm and size of each cell's distance."""
    unit, least = _UNITS[scale]
    distance = (rows.cell + 0.5) * CELL
    if scale == "sigma":
        distance = distance / rows.sigma[rows.row]
    return np.stack([np.log((distance + least) / unit), np.minimum(distance / unit, 10.0)], axis=1)


def _log_score(rows: Rows, expected: Floats) -> float:
    """Bits of the dollars realised under a baseline's shares of each window, tempered."""
    usd = rows.sums(rows.realised)
    bits = rows.sums(rows.realised * np.log2(rows.shares(expected)))
    weights = tempered(rows, most_of(rows))
    return float((bits / np.where(usd > 0.0, usd, 1.0) * weights).sum())
