"""Where is learnt, where calibrated and where judged: six folds one after the other, purged of each other's outcomes.

Of what lies before a fold, less an hour (the embargo) and the horizon (the purge), the first seven tenths are learnt
from, the next 15 % say when to stop and the last 15 % calibrate; a horizon is left out between them.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.features.told import MINUTE_NS, Stamps
from perpscope.trading.labels import HORIZON

FOLDS: Final = 6
EMBARGO_NS: Final = 60 * MINUTE_NS
PURGE_NS: Final = HORIZON * MINUTE_NS
_LEARN: Final = 0.7
_STOP: Final = 0.85
Places = NDArray[np.int64]


class Fold(msgspec.Struct, frozen=True):
    """Rows by what they are for; every outcome of one is known before the next begins."""

    learn: Places
    stop: Places
    calibrate: Places
    judge: Places


def folds(ts: Stamps, count: int = FOLDS) -> list[Fold]:
    """Folds of rows in order of time; each but the first is judged on what follows the one before.

    Args:
        ts: (n,) ns UTC, ascending.
        count: of folds.
    """
    borders = [int(ts[min(ts.size * part // (count + 1), ts.size - 1)]) for part in range(1, count + 1)]
    ends = [*borders[1:], int(ts[-1]) + 1]
    return [_fold(ts, border, end) for border, end in zip(borders, ends, strict=True)]


def whole(ts: Stamps) -> Fold:
    """All rows: for the model that is kept; nothing is judged."""
    return _fold(ts, int(ts[-1]) + EMBARGO_NS + PURGE_NS + 1, int(ts[-1]) + EMBARGO_NS + PURGE_NS + 1)


def _fold(ts: Stamps, border: int, end: int) -> Fold:
    past = int(np.searchsorted(ts, border - EMBARGO_NS - PURGE_NS))
    cuts = [int(ts[min(round(share * past), ts.size - 1)]) for share in (_LEARN, _STOP)]

    def between(first: int, last: int) -> Places:
        return np.arange(np.searchsorted(ts, first), np.searchsorted(ts, last))

    return Fold(
        learn=between(int(ts[0]), cuts[0] - PURGE_NS),
        stop=between(cuts[0], cuts[1] - PURGE_NS),
        calibrate=between(cuts[1], border - EMBARGO_NS - PURGE_NS),
        judge=between(border, end),
    )
