"""The loop every decision walks through, with one strategy's rule in it.

In: a whole tape. Out: everything that was filled, decided and held. The event path calls the same steps one by one,
with the same rule (`entries`); their order is told in `steps`.
"""

from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.trading.asking import Asked, asked
from perpscope.trading.running import run
from perpscope.trading.strategy import Rule
from perpscope.trading.tape import Tape

Desk = NDArray[np.void]


class Logs(msgspec.Struct, frozen=True):
    """What a run wrote down, in order."""

    fills: NDArray[np.void]  #: of `layout.FILL`
    decisions: NDArray[np.void]  #: of `layout.DECISION`
    points: NDArray[np.void]  #: of `layout.POINT`: once a candle, and after each fill


class Kernel(msgspec.Struct, frozen=True):
    """The loop with one rule in it."""

    rule: Rule  #: kept, for its code goes with it
    asked: Asked  #: what the steps want of it; see `asking`

    def run(self, desk: Desk, tape: Tape) -> Logs:
        """Walk a whole tape; the desk stands at its end afterwards."""
        return Logs(*run(self.asked, desk, tape))


@lru_cache(maxsize=64)
def kernel(rule: Rule) -> Kernel:
    """The loop with this rule in it.

    Raises:
        TypeError: the rule is not compiled (`asking.asked`).
    """
    return Kernel(rule=rule, asked=asked(rule))
