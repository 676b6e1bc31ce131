"""What the map has to show on real hours, fixed before it was looked at (METHOD 14b): seven points, each a figure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from perpscope.analytics.hourly.gains import Gain, Increment
from perpscope.analytics.hourly.scale import Scale

#: Least lower bound of open interest's increment from which a map may be called driven by it.
DRIVEN: Final = 0.005
#: Hoped for over gradient boosting; not judged.
AMBITION: Final = 0.015


class Check(msgspec.Struct, frozen=True):
    """One point."""

    point: str  #: a … g
    asks: str
    found: str
    is_met: bool


class Ranks(msgspec.Struct, frozen=True):
    """Rank correlations with the dollars realised."""

    map: float  #: of the map's number, as it is
    b1: float  #: of the baseline B1, fitted


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What is judged."""

    primary: Gain
    secondary: Gain
    spearman: Mapping[str, Ranks]
    scale: Scale
    lagged: Increment
    swapped: Increment


def checks(found: Found) -> list[Check]:
    """The seven points."""
    first, second, scale = found.primary, found.secondary, found.scale
    sides, months = first.by_side, first.by_month
    low = min(side.low for side in sides.values())
    least = min(months.values(), default=float("nan"))
    ahead = min(rank.map - rank.b1 for rank in found.spearman.values())
    ratios = (scale.long, scale.short)
    is_scaled = all(0.7 <= ratio <= 1.4 for ratio in ratios) and scale.daily_sd_ln <= 0.45
    lagged, swapped = found.lagged.delta_r2, found.swapped.delta_r2
    return [
        Check("a", "ΔR² >= .030, low >= .020", _range(first), first.delta_r2 >= 0.030 and first.low >= 0.020),
        Check("b", "each side's low > .010, each month > 0", f"{low:+.4f}, {least:+.4f}", low > 0.010 and least > 0.0),
        Check(
            "c",
            "bits an hour >= .10, low >= .06",
            f"{first.bits_per_hour:+.3f} [{first.bits_low:+.3f}, {first.bits_high:+.3f}]",
            first.bits_per_hour >= 0.10 and first.bits_low >= 0.06,
        ),
        Check("d", "ln(1 + USD): low >= .015", _range(second), second.low >= 0.015),
        Check("e", "ρ unfitted >= ρ of B1 fitted + .04, each side", f"{ahead:+.3f}", ahead >= 0.04),
        Check(
            "f",
            "foretold ÷ realised .7–1.4, daily sd of ln <= .45, 80 % covers .74–.88",
            f"{ratios[0]:.2f} {ratios[1]:.2f}, {scale.daily_sd_ln:.2f}, {scale.coverage80:.2f}",
            is_scaled and 0.74 <= scale.coverage80 <= 0.88,
        ),
        Check(
            "g",
            "lagged |ΔR²| <= .002, swapped <= .010",
            f"{lagged:+.4f}, {swapped:+.4f}",
            abs(lagged) <= 0.002 and swapped <= 0.010,
        ),
    ]


def _range(found: Gain) -> str:
    return f"{found.delta_r2:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
