"""Made-up minutes, and made-up books with trades, as columns; other programs read them from files."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
START_NS = 1_700_000_000_000_000_000


class Minutes(NamedTuple):
    """One-minute bars of a random walk."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def write(self, path: Path) -> None:
        """One column after the other, float64."""
        path.write_bytes(b"".join(column.tobytes() for column in self))


def minutes(length: int, seed: int = 5) -> Minutes:
    """Bars around 60,000, to the tenth."""
    rng = np.random.default_rng(seed)
    close = np.round(60_000.0 * np.exp(np.cumsum(rng.normal(0.0, 3e-4, length))), 1)
    opened = np.r_[close[0], close[:-1]]
    high = np.round(np.maximum(opened, close) * (1.0 + np.abs(rng.normal(0.0, 2e-4, length))), 1)
    low = np.round(np.minimum(opened, close) * (1.0 - np.abs(rng.normal(0.0, 2e-4, length))), 1)
    return Minutes(opened, high, low, close, np.round(rng.exponential(10.0, length), 3))


class Changes(NamedTuple):
    """Trades and changes of an L2 book, a millisecond apart."""

    time: Ints  #: ns UTC
    kind: Ints  #: 0 trade, 1 bid, 2 ask
    tick: Ints  #: tenths of the quote
    size: Floats  #: base units; 0 takes a level away
    taker: Ints  #: of a trade: 1 bought, -1 sold

    def write(self, path: Path) -> None:
        """One column after the other."""
        path.write_bytes(b"".join(column.tobytes() for column in self))


def changes(length: int, seed: int = 1) -> Changes:
    """A third trades; levels within two of the mid; every fifth change takes one away."""
    rng = np.random.default_rng(seed)
    mid = np.round(600_000.0 + np.cumsum(rng.normal(0.0, 0.5, length))).astype(np.int64)
    kind = rng.integers(0, 3, length)
    taker = rng.choice(np.array([-1, 1]), length)
    away = rng.integers(1, 21, length)
    tick = np.where(kind == 0, mid + taker, np.where(kind == 1, mid - away, mid + away))
    removed = (kind != 0) & (rng.random(length) < 0.2)
    size = np.where(removed, 0.0, np.round(rng.exponential(1.0, length), 3) + 0.001)
    return Changes(START_NS + np.arange(length, dtype=np.int64) * 1_000_000, kind, tick, size, taker)
