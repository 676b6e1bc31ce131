"""What a feed told of one symbol's liquidations, as arrays; and how a venue's sampling thins a complete tape.

A *print* is a liquidation that was published. Seconds are whole seconds UTC, dollars `size × price`.
"""

from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.model.market import Sampling

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]


class Prints(msgspec.Struct, frozen=True):
    """Liquidations of one symbol, in order of time; arrays of one length."""

    second: Ints  #: (n,) s UTC
    usd: Floats  #: (n,) dollars, > 0
    is_long: Flags  #: (n,) a long was liquidated

    def __len__(self) -> int:
        return len(self.second)

    def only(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> "Prints":
        """Those that are flagged, or at these places."""
        return Prints(self.second[which], self.usd[which], self.is_long[which])

    def between(self, start: int, end: int) -> "Prints":
        """Those from one second on and before another."""
        return self.only((self.second >= start) & (self.second < end))


def prints(second: Ints, usd: Floats, is_long: Flags) -> Prints:
    """Arrays of one length as prints, put in order of time; of one second in the order given.

    Raises:
        ValueError: the lengths differ, or some dollars are not above zero and finite.
    """
    if not len(second) == len(usd) == len(is_long):
        raise ValueError(f"arrays must have one length, were {len(second)}, {len(usd)} and {len(is_long)}")
    if not (np.isfinite(usd) & (usd > 0)).all():
        raise ValueError("dollars of a liquidation must be above 0 and finite")
    order = np.argsort(second, kind="stable")
    return Prints(second[order].astype(np.int64), usd[order].astype(np.float64), is_long[order].astype(np.bool_))


def nothing() -> Prints:
    """No prints."""
    return Prints(np.empty(0, np.int64), np.empty(0), np.empty(0, np.bool_))


def thinned(tape: Prints, sampling: Sampling, *, per_side: bool = False) -> Prints:
    """What a venue would publish of a complete tape: one print of each second (METHOD §2).

    Args:
        tape: complete.
        sampling: `LARGEST_1S` keeps the largest of each second, `LATEST_1S` the last; `NONE` keeps all.
        per_side: one of each side (Bitget since 2026-06-23), else one of both (Binance).

    Raises:
        ValueError: `sampling` is unknown.

    >>> tape = prints(np.array([1, 1, 2]), np.array([9.0, 4.0, 5.0]), np.array([True, False, True]))
    >>> thinned(tape, Sampling.LARGEST_1S).usd.tolist(), thinned(tape, Sampling.LATEST_1S).usd.tolist()
    ([9.0, 5.0], [4.0, 5.0])
    """
    if sampling is Sampling.NONE:
        return tape
    if sampling is Sampling.UNKNOWN:
        raise ValueError("a tape can be thinned only by a known rule, was unknown")
    place = np.arange(len(tape))
    rank = tape.usd if sampling is Sampling.LARGEST_1S else place.astype(np.float64)
    cell = tape.second * 2 + (tape.is_long if per_side else 0)
    order = np.lexsort((place, rank, cell))
    last = np.ones(len(tape), np.bool_)
    last[:-1] = np.diff(cell[order]) != 0
    return tape.only(np.sort(order[last]))


def summed_by(place: NDArray[np.int64], values: NDArray[Any], k: int) -> Floats:
    """(k,) Sums of values (n,) by the place in [0, k) of each."""
    return np.bincount(place, weights=values, minlength=k).astype(np.float64)


class Heads(msgspec.Struct, frozen=True):
    """Seconds with at least one print, in order of time; arrays (n,)."""

    second: Ints
    largest: Floats  #: dollars of the largest print of the second
    usd: Floats  #: dollars of all its prints: more than `largest` only where the venue's seconds are not the clock's
    long_usd: Floats  #: of these, of longs


def heads(of: Prints) -> Heads:
    """Prints gathered by second."""
    second, first = np.unique(of.second, return_index=True)
    if not len(second):
        return Heads(second, np.empty(0), np.empty(0), np.empty(0))
    return Heads(
        second,
        np.maximum.reduceat(of.usd, first),
        np.add.reduceat(of.usd, first),
        np.add.reduceat(np.where(of.is_long, of.usd, 0.0), first),
    )
