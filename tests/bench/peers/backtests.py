"""How another program's backtest is measured, in its own environment: CPU time of this process a bar, told.

`FILE BARS`: a file of float64 columns (open, high, low, close, volume) that `backtest_data` wrote; for each line on
standard input one whole backtest of the crossing of two means, and one line `ns-a-bar trades`.
"""

from __future__ import annotations

import sys
import time
from array import array
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

FAST, SLOW, FEE = 20, 50, 0.0005


class Bars(NamedTuple):
    """One-minute bars."""

    open: array[float]
    high: array[float]
    low: array[float]
    close: array[float]
    volume: array[float]


def bars() -> Bars:
    """What the command line names."""
    length = int(sys.argv[2])
    columns = []
    with open(sys.argv[1], "rb") as file:
        for _ in Bars._fields:
            column: array[float] = array("d")
            column.fromfile(file, length)
            columns.append(column)
    return Bars(*columns)


class Crossing:
    """Long while the mean of 20 closes is above that of 50, else short; for peers that call a method."""

    def __init__(self) -> None:
        self._fast: deque[float] = deque(maxlen=FAST)
        self._slow: deque[float] = deque(maxlen=SLOW)
        self._sums = [0.0, 0.0]
        self.position = 0.0

    def change(self, close: float) -> float:
        """What to buy at this close; below 0 to sell."""
        for at, (kept, length) in enumerate(((self._fast, FAST), (self._slow, SLOW))):
            if len(kept) == length:
                self._sums[at] -= kept[0]
            kept.append(close)
            self._sums[at] += close
        if len(self._slow) < SLOW:
            return 0.0
        wanted = 1.0 if self._sums[0] / FAST > self._sums[1] / SLOW else -1.0
        change, self.position = wanted - self.position, wanted
        return change


def answer(backtest: Callable[[], int], length: int) -> None:
    """Run a backtest whenever asked; it gives the number of its trades or orders."""
    for _ in sys.stdin:
        began = time.process_time_ns()
        done = backtest()
        print(f"{(time.process_time_ns() - began) / length:.1f} {done}", flush=True)
