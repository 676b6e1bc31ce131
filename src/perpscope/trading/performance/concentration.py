"""Whether many trades made the result, or a handful."""

from math import ceil
from typing import Final

import numpy as np

from perpscope.analytics.margin_arrays import Floats

_FEWEST: Final = 20


def top_share(parts: Floats, count: int) -> float | None:
    """Share of the sum that the `count` largest parts make; above 1 the rest lost. None of a sum not above 0.

    >>> top_share(np.array([8.0, 1.0, 1.0, -2.0]), 1)
    1.0
    """
    whole = float(parts.sum())
    return None if whole <= 0.0 else float(np.sort(parts)[::-1][:count].sum()) / whole


def of_trades(count: int, share: float) -> int:
    """How many trades the top `share` of them are: rounded up, since one is the least that can be taken away.

    >>> of_trades(210, 0.01), of_trades(100, 0.05)
    (3, 5)
    """
    return ceil(round(share * count, 9))


def rests_on_few(nets: Floats) -> bool | None:
    """A gain that is gone without the best 5 % of its trades; None of fewer than 20 trades, of which 5 % are none."""
    if nets.size < _FEWEST:
        return None
    share = top_share(nets, of_trades(nets.size, 0.05))
    return share is not None and share >= 1.0
