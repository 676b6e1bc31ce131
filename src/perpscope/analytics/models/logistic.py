"""Online logistic regression: it learns from each case once, and is asked before it has.

FTRL-proximal (McMahan et al. 2013) on features standardised by moving averages, over the log odds of climatology: what
it learns is what the features add to how often it comes true anyway. A feature that is not known counts as usual.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.liqmap.compiling import loops
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.models.scores import Truth

#: Minutes after which a value counts half in the moving averages, and an error half in the weights (METHOD 11.3).
HALF_LIFE: Final = 5 * 1440.0
L2: Final = 1e-3
#: Learning rate, and cases after which a feature's own rate begins to fall (by hand; chosen on no data).
_RATE: Final = 0.02
_CALM: Final = 1.0
_CUT: Final = 4.0
#: Cases before a feature is standardised.
_WARM: Final = 60.0
_LEAST_SHARE: Final = 1e-4
#: Rows of a state, each (features + 1,), the last of them of the constant.
_MEAN, _SQUARE, _SEEN, _Z, _N = range(5)


@loops
def _weights(state: Floats) -> Floats:
    found: Floats = -state[_Z] / ((_CALM + np.sqrt(state[_N])) / _RATE + L2)
    return found


@loops
def _inputs(state: Floats, row: Floats) -> Floats:
    """Features as so many of their standard deviations, 0 while one or its deviation is not known; and the constant."""
    count = row.size
    found = np.ones(count + 1)
    spread = state[_SQUARE, :count] / np.maximum(state[_SEEN, :count], 1.0)
    is_known = ~np.isnan(row) & (state[_SEEN, :count] >= _WARM) & (spread > 0.0)
    away = (row - state[_MEAN, :count]) / np.sqrt(np.where(is_known, spread, 1.0))
    found[:count] = np.where(is_known, np.minimum(np.maximum(away, -_CUT), _CUT), 0.0)
    return found


@loops
def _said(state: Floats, inputs: Floats, base: float) -> float:
    kept = min(max(base, _LEAST_SHARE), 1.0 - _LEAST_SHARE)
    odds = np.log(kept / (1.0 - kept)) + np.sum(_weights(state) * inputs)
    found: float = 1.0 / (1.0 + np.exp(-odds))
    return found


@loops
def _learn(state: Floats, row: Floats, base: float, is_true: float, weight: float, decay: float) -> None:
    inputs = _inputs(state, row)
    push = weight * (_said(state, inputs, base) - is_true) * inputs
    before = _weights(state)
    grown = decay * state[_N] + push * push
    sigma = (np.sqrt(grown) - np.sqrt(state[_N])) / _RATE
    state[_Z] += push - sigma * before
    state[_N] = grown
    count = row.size
    is_told = ~np.isnan(row)
    seen = np.where(is_told, decay * state[_SEEN, :count] + 1.0, state[_SEEN, :count])
    away = np.where(is_told, row - state[_MEAN, :count], 0.0)
    state[_MEAN, :count] += away / np.maximum(seen, 1.0)
    grew = decay * state[_SQUARE, :count] + away * (row - state[_MEAN, :count])
    state[_SQUARE, :count] = np.where(is_told, grew, state[_SQUARE, :count])
    state[_SEEN, :count] = seen


@loops
def _walk(
    state: Floats,
    rows: Floats,
    base: Floats,
    was: NDArray[np.bool_],
    weight: Floats,
    known: NDArray[np.int64],
    decay: float,
) -> Floats:
    found = np.empty(base.size)
    learnt = 0
    for row in range(base.size):
        while learnt < known[row]:
            if weight[learnt] > 0.0:
                _learn(state, rows[learnt], base[learnt], 1.0 if was[learnt] else 0.0, weight[learnt], decay)
            learnt += 1
        found[row] = _said(state, _inputs(state, rows[row]), base[row])
    return found


class OnlineLogistic:
    """One model of one question.

    Args:
        features: how many.
        state: (5, features + 1) of an earlier life; None = it has learnt nothing.
        half_life: minutes.
    """

    def __init__(self, features: int, state: Floats | None = None, half_life: float = HALF_LIFE) -> None:
        self.state = np.zeros((5, features + 1)) if state is None else state.copy()
        self._decay = 0.5 ** (1.0 / half_life)

    @property
    def weights(self) -> Floats:
        """(features + 1,) Log odds for each standard deviation; the last of the constant."""
        return _weights(self.state)

    def say(self, row: Floats, base: float) -> float:
        """Probability, by the features (NaN = not known) and climatology's share."""
        return float(_said(self.state, _inputs(self.state, row), base))

    def learn(self, row: Floats, base: float, is_true: bool, weight: float = 1.0) -> None:
        """From one case: what was known then, and what came."""
        _learn(self.state, row, base, float(is_true), weight, self._decay)

    def walk(self, rows: Floats, base: Floats, was: Truth, weight: Floats, known: NDArray[np.int64]) -> Floats:
        """(n,) What it says of each case in turn, having learnt from those whose outcome was known by then.

        Args:
            rows: (n, features) in order of time.
            base: (n,) climatology's share at each.
            was: (n,)
            weight: (n,) of each; 0 = it is not known what came.
            known: (n,) how many of the first rows had their outcome by then; never falls, never beyond the row itself.
        """
        return _walk(self.state, rows, base, was, weight, known, self._decay)
