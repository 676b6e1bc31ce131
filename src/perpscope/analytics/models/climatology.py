"""How often it comes true, and nothing else: what every model must beat (METHOD 11.3)."""

from typing import Final

import numpy as np

from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.models.scores import Truth

#: Minutes after which a case counts half.
HALF_LIFE: Final = 30 * 1440.0
#: Cases, at a share of one third each way, that count before any was seen.
_PRIOR: Final = 30.0
_PRIOR_SHARE: Final = 1.0 / 3.0


class Climatology:
    """The share of cases that came true, newer ones counting more.

    Args:
        half_life: minutes.
    """

    def __init__(self, half_life: float = HALF_LIFE) -> None:
        self._decay = 0.5 ** (1.0 / half_life)
        self.true = _PRIOR * _PRIOR_SHARE
        self.all = _PRIOR

    @property
    def share(self) -> float:
        """In (0, 1)."""
        return self.true / self.all

    def learn(self, is_true: bool, weight: float = 1.0) -> None:
        """One case, a minute after the one before."""
        self.true = self._decay * self.true + weight * is_true
        self.all = self._decay * self.all + weight


def climatology(was: Truth, weight: Floats, delay: int, half_life: float = HALF_LIFE) -> Floats:
    """(n,) The share as it was known at each case.

    Args:
        was: (n,) whether each came true, one minute apart.
        weight: (n,) of each; 0 = it is not known.
        delay: a case is known so many minutes later.
        half_life: minutes.
    """
    at = Climatology(half_life)
    found = np.empty(was.size)
    for row in range(was.size):
        if row >= delay and weight[row - delay] > 0.0:
            at.learn(bool(was[row - delay]), float(weight[row - delay]))
        found[row] = at.share
    return found
