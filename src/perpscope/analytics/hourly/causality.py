"""Does the map know what it could not have known? All that came later is replaced, and its number must not move."""

import msgspec
import numpy as np

from perpscope.analytics.hourly.tables import Candles, Forced, Interest, Stamps
from perpscope.analytics.liqmap.bars import HOUR_NS
from perpscope.analytics.margin_arrays import Floats

#: Standard deviation of the logs of the factors: a day's move, and more.
_NOISE = 0.3


def replaced(
    candles: Candles, interest: Interest, forced: Forced, hour: int, generator: np.random.Generator
) -> tuple[Candles, Interest, Forced]:
    """The tables with every row after an hour changed, and that hour's liquidations.

    Args:
        candles: of the study.
        interest: likewise.
        forced: likewise.
        hour: ns UTC, its beginning.
        generator: seeded.
    """
    end = hour + HOUR_NS
    factor = _factors(candles.ts, end, generator)
    names = ("open", "high", "low", "close", "volume")
    prices = {name: getattr(candles, name) * factor for name in names}
    amount, price = _factors(interest.ts, end + 1, generator), _factors(interest.ts, end + 1, generator)
    long, short = (_factors(forced.ts, hour, generator) for _ in range(2))
    return (
        msgspec.structs.replace(candles, **prices),
        msgspec.structs.replace(interest, base=interest.base * amount, price=interest.price * price),
        msgspec.structs.replace(forced, long=forced.long * long + (long != 1.0), short=forced.short * short),
    )


def _factors(ts: Stamps, begin: int, generator: np.random.Generator) -> Floats:
    """1 before a moment, anything from it on."""
    return np.where(ts >= begin, np.exp(_NOISE * generator.standard_normal(ts.size)), 1.0)
