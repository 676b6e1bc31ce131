"""What the hourly study is fed: candles, open interest and liquidations as columns, whatever file they came from.

Times are ns UTC and ascend; nan = not known. And what can be wrong with them, as one error with a code.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.liqmap.bars import HOUR_NS, MINUTE_NS
from perpscope.analytics.margin_arrays import Floats

Stamps = NDArray[np.int64]
#: Length of a bar of the map, and how many make an hour.
STEP_NS: Final = 5 * MINUTE_NS
PER_HOUR: Final = HOUR_NS // STEP_NS


class Candles(msgspec.Struct, frozen=True, kw_only=True):
    """Prices of one instrument, quote per base."""

    ts: Stamps  #: beginnings
    length_ns: int  #: of each: a whole part or multiple of five minutes, an hour at most
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats  #: base units; nan = not told


class Interest(msgspec.Struct, frozen=True, kw_only=True):
    """Open interest as told, about every five minutes."""

    ts: Stamps  #: moments
    base: Floats  #: base units
    price: Floats  #: mark at that moment, quote per base; nan = not told


class Forced(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars liquidated by the hour."""

    ts: Stamps  #: beginnings of hours
    long: Floats  #: dollars of longs closed by force
    short: Floats


class Unfit(ValueError):
    """Tables a study cannot be made of.

    Args:
        code: as in `docs/errors.md`.
        message: what is wrong, with the value.
        hint: what would do.
    """

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
