"""Whose map a venue borrows that tells open interest and nothing else: the one whose open interest moves most alike.

METHOD 6.8. In: open interest on one regular grid. Out: the correlation of its changes; the shape itself is moved and
scaled by `levels.borrowed`.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.margin_arrays import Floats

#: Changes that both told, for a correlation; chosen by hand.
FEWEST: Final = 24


class Likeness(msgspec.Struct, frozen=True):
    """How alike open interest moves at another venue."""

    name: str  #: the other one's
    correlation: float  #: of the changes of its logarithm, in [−1, 1]
    changes: int  #: that both told


def likeness(name: str, mine: Floats, theirs: Floats) -> Likeness | None:
    """Correlation of ln-changes; None with fewer than 24 of them, or where one never changed.

    Args:
        name: whose `theirs` is.
        mine: (n,) open interest, > 0, any unit; nan = not told.
        theirs: (n,) of the same moments.

    >>> grid = np.arange(30.0)
    >>> found = likeness("bybit", np.exp(np.sin(grid)), 5.0 * np.exp(2.0 * np.sin(grid)))
    >>> found.changes, round(found.correlation, 6)
    (29, 1.0)
    """
    one, other = np.diff(np.log(mine)), np.diff(np.log(theirs))
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < FEWEST:
        return None
    one, other = one[both] - one[both].mean(), other[both] - other[both].mean()
    scale = float(np.sqrt((one @ one) * (other @ other)))
    return Likeness(name, float(one @ other) / scale, int(both.sum())) if scale > 0.0 else None


def most_alike(mine: Floats, others: Mapping[str, Floats]) -> Likeness | None:
    """The venue that moves most alike; None where none moves alike at all, or nothing can be told of it.

    Args:
        mine: (n,) open interest, see `likeness`.
        others: by name.
    """
    found = [told for name, theirs in others.items() if (told := likeness(name, mine, theirs)) is not None]
    best = max(found, key=lambda told: told.correlation, default=None)
    return best if best is not None and best.correlation > 0.0 else None
