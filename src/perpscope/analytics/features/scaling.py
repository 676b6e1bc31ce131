"""Features against their own past: robust z-scores of the thirty days before the day, cut at ±8 (METHOD 11.1).

A day's medians and deviations are those of the days before it, every fifth minute of them: they are made once a day
(UTC), and no minute of the day itself is among them.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.features.raw import FEATURE, FEATURES
from perpscope.analytics.features.told import MINUTE_NS, Stamps
from perpscope.analytics.margin_arrays import Floats

DAY_NS: Final = 1440 * MINUTE_NS
#: Days a reference is made of, at most; every so many minutes; values of a feature it needs at least.
DAYS: Final = 30
EVERY: Final = 5
_LEAST: Final = 144
_LEAST_OF_HOUR: Final = 12
WINSOR: Final = 8.0
#: Of a normal distribution: standard deviation ÷ median absolute deviation.
_NORMAL: Final = 1.4826
#: Of a normal distribution: standard deviation ÷ mean absolute deviation, where more than half of the values are one.
_NORMAL_MEAN: Final = 1.2533
#: In [-1, 1] by what they are, or set against their median already: they are cut only.
AS_THEY_ARE: Final = tuple(
    name for name in FEATURES if name.startswith(("taker_imb", "book_imb", "hour_", "liq_")) or name == "map_pull"
)
_AS_IT_IS: Final = np.array([name in AS_THEY_ARE for name in FEATURES])
_LIQUIDATED: Final = (FEATURE["liq_int_1"], FEATURE["liq_int_5"])
_HOUR: Final = FEATURE["vol_hour"]


class Reference(msgspec.Struct, frozen=True):
    """What a day's features are compared with.

    Args:
        middle: (features,) medians; NaN = too little is known.
        spread: (features,) robust standard deviations; NaN where nothing ever changed.
        hour_middle: (24,) of ln volume, by hour (UTC).
        hour_spread: (24,)
        usual: (2,) medians of the dollars liquidated in a minute and in five, of minutes in which there were any.
    """

    middle: Floats
    spread: Floats
    hour_middle: Floats
    hour_spread: Floats
    usual: Floats


def reference(ts: Stamps, rows: Floats) -> Reference:
    """What a day is compared with.

    Args:
        ts: (n,) closes of the days before, ns UTC.
        rows: (n, features) of `raw.raw`.
    """
    usual = np.array([_middle(rows[rows[:, place] > 0.0, place], _LEAST_OF_HOUR) for place in _LIQUIDATED])
    rows = _intensities(rows, usual)
    middle, spread = _robust(rows, _LEAST)
    hours = _hour_of(ts)
    by_hour = [_robust(rows[hours == hour, _HOUR : _HOUR + 1], _LEAST_OF_HOUR) for hour in range(24)]
    return Reference(
        middle,
        spread,
        np.array([float(found[0][0]) for found in by_hour]),
        np.array([float(found[1][0]) for found in by_hour]),
        usual,
    )


def scaled(ts: Stamps, rows: Floats, at: Reference) -> Floats:
    """(n, features) The raw rows of a day as a model is fed them."""
    rows = _intensities(rows, at.usual)
    middle, spread = np.tile(at.middle, (len(rows), 1)), np.tile(at.spread, (len(rows), 1))
    hours = _hour_of(ts)
    middle[:, _HOUR], spread[:, _HOUR] = at.hour_middle[hours], at.hour_spread[hours]
    found: Floats = np.clip(np.where(_AS_IT_IS, rows, (rows - middle) / spread), -WINSOR, WINSOR)
    return found


def is_sampled(ts: Stamps) -> NDArray[np.bool_]:
    """(n,) Which minutes references are made of."""
    sampled: NDArray[np.bool_] = ts // MINUTE_NS % EVERY == 0
    return sampled


def _intensities(rows: Floats, usual: Floats) -> Floats:
    """Dollars liquidated as ln(1 + dollars ÷ usual)."""
    rows = rows.copy()
    for place, amount in zip(_LIQUIDATED, usual, strict=True):
        rows[:, place] = np.log1p(rows[:, place] / amount)
    return rows


def _robust(rows: Floats, least: int) -> tuple[Floats, Floats]:
    """Median and robust deviation of each column."""
    middle, spread = np.full(rows.shape[1], np.nan), np.full(rows.shape[1], np.nan)
    for place in range(rows.shape[1]):
        column = rows[:, place]
        known = column[~np.isnan(column)]
        middle[place] = _middle(known, least)
        away = np.abs(known - middle[place])
        found = _NORMAL * _middle(away, least)
        if found == 0.0:
            found = _NORMAL_MEAN * float(away.mean())
        spread[place] = found if found > 0.0 else np.nan
    return middle, spread


def _middle(known: Floats, least: int) -> float:
    return float(np.median(known)) if known.size >= least else float("nan")


def _hour_of(ts: Stamps) -> Stamps:
    """Hour of the day of the minute that closes at `ts`."""
    hours: Stamps = (ts - 1) // (60 * MINUTE_NS) % 24
    return hours
