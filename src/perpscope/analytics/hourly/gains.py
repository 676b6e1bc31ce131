"""What one forecast gains on another: share of variance and bits an hour, with intervals by whole days."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.hourly.ridge import Forecast
from perpscope.analytics.hourly.tables import Stamps
from perpscope.analytics.liqmap.bars import DAY_NS
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.resampling import Rows, blocks, interval, resampled

#: Draws of an interval, and their seed.
TIMES: Final = 1_000
SEED: Final = 0
SIDES: Final = ("long", "short")
_LN2: Final = float(np.log(2.0))


class Increment(msgspec.Struct, frozen=True):
    """What is added to R², with its 95 % interval."""

    delta_r2: float
    low: float
    high: float


class Gain(msgspec.Struct, frozen=True, kw_only=True):
    """What a forecast adds to another."""

    delta_r2: float
    low: float  #: 95 % interval, days drawn with replacement
    high: float
    bits_per_hour: float  #: of a side's hour
    bits_low: float
    bits_high: float
    by_side: dict[str, Increment]
    by_month: dict[str, float]  #: ΔR² of each month of the calendar
    r2: tuple[float, float]  #: of the base, of the other
    side_hours: int  #: that were judged


class Scored(msgspec.Struct, frozen=True):
    """Rows of hours and sides: (rows, 5) error of the base, of the other, of the mean, bits gained, 1."""

    sums: Floats
    stamps: Stamps  #: (rows,) ns UTC
    side: Rows  #: (rows,) 0 long, 1 short

    def part(self, rows: Rows) -> "Scored":
        """Some of the rows."""
        return Scored(self.sums[rows], self.stamps[rows], self.side[rows])


def scored(base: Sequence[Forecast], other: Sequence[Forecast], target: Floats, hours: Stamps) -> Scored:
    """Compare two forecasts of both sides hour by hour; hours that are not known are left out.

    Args:
        base: of longs, of shorts.
        other: likewise.
        target: (n, 2).
        hours: (n,) ns UTC.
    """
    truth = target.T.ravel()
    value, spread, mean = (np.concatenate([getattr(one, name) for one in base]) for name in ("value", "spread", "mean"))
    its_value, its_spread = (np.concatenate([getattr(one, name) for one in other]) for name in ("value", "spread"))
    bits = _log2_density(truth - its_value, its_spread) - _log2_density(truth - value, spread)
    errors = [(truth - one) ** 2 for one in (value, its_value, mean)]
    table = np.column_stack([*errors, bits, np.ones(truth.size)])
    stamps, side = np.tile(hours, 2), np.repeat([0, 1], hours.size)
    return Scored(table, stamps, side).part(np.flatnonzero(~np.isnan(table).any(axis=1)))


def gain(rows: Scored) -> Gain:
    """Both sides together, each side, each month."""
    delta, bits = increment(rows), _interval(rows, _bits)
    total = rows.sums.sum(axis=0)
    months = rows.stamps.astype("datetime64[ns]").astype("datetime64[M]")
    return Gain(
        delta_r2=delta.delta_r2,
        low=delta.low,
        high=delta.high,
        bits_per_hour=_bits(total),
        bits_low=bits[0],
        bits_high=bits[1],
        by_side={name: increment(rows.part(np.flatnonzero(rows.side == at))) for at, name in enumerate(SIDES)},
        by_month={str(month): _delta(rows.sums[months == month].sum(axis=0)) for month in np.unique(months)},
        r2=(float(1.0 - total[0] / total[2]), float(1.0 - total[1] / total[2])),
        side_hours=int(total[4]),
    )


def increment(rows: Scored) -> Increment:
    """ΔR² with its interval."""
    low, high = _interval(rows, _delta)
    return Increment(_delta(rows.sums.sum(axis=0)), low, high)


def _delta(total: Floats) -> float:
    return float((total[0] - total[1]) / total[2])


def _bits(total: Floats) -> float:
    return float(total[3] / total[4])


def _interval(rows: Scored, of: Callable[[Floats], float]) -> tuple[float, float]:
    days = np.array([rows.sums[inside].sum(axis=0) for inside in blocks(rows.stamps, DAY_NS)])
    alone = [np.array([day]) for day in range(len(days))]
    generator = np.random.default_rng(SEED)
    return interval(resampled(alone, lambda drawn: of(days[drawn].sum(axis=0)), TIMES, generator))


def _log2_density(error: Floats, spread: Floats) -> Floats:
    """Of a normal distribution."""
    found: Floats = -0.5 * np.log2(2.0 * np.pi * spread**2) - 0.5 * (error / spread) ** 2 / _LN2
    return found
