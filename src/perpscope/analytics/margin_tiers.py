"""A contract's maintenance margin as a table of tiers: looked up, checked, and made where a venue tells rates only.

In: `MarginTier`s as a venue or a dated file has them. Out: a `TierTable`, which the price solvers walk. A linear
contract's value is notional in quote units; an inverse one's is notional in base units (size ÷ price), and the bounds
and deductions of its table are in base units too.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from math import isfinite

import msgspec

from perpscope.model.instrument import MarginTier, TierBasis

#: Relative difference between two maintenance margins at one bound that still counts as none: venues print figures.
_SAME = 1e-9


class TierTable(msgspec.Struct, frozen=True):
    """Maintenance margin of a position of any value: `rate × value - deduction`, by tiers; made by `tier_table`."""

    floors: tuple[float, ...]  #: where each tier begins, in the unit of `basis`; the first is 0
    rates: tuple[float, ...]  #: maintenance margin, fraction of value
    deductions: tuple[float, ...]  #: in the unit of value
    leverages: tuple[float, ...]  #: highest leverage to open at, multiple
    basis: TierBasis = TierBasis.NOTIONAL
    cap: float | None = None  #: the largest position there may be, in the unit of `basis`; None = no bound is known

    def tier(self, value: float, size: float) -> int:
        """The place of a position's tier, 0 for the lowest.

        By notional a bound belongs to the tier above it. By size it belongs to the one below: OKX includes both ends,
        "1 to 500", "501 to 1,000" (docs.okx.com, position-tiers).

        Args:
            value: notional, quote units (linear) or base units (inverse).
            size: what stays when the price moves: base units (linear) or quote units (inverse).
        """
        if self.basis is TierBasis.SIZE:
            return max(0, bisect_left(self.floors, size) - 1)
        return bisect_right(self.floors, value) - 1

    def maintenance(self, value: float, size: float) -> float:
        """Maintenance margin of a position, in the unit of `value`; arguments as for `tier`."""
        at = self.tier(value, size)
        return self.rates[at] * value - self.deductions[at]

    def max_leverage(self, value: float, size: float) -> float:
        """Highest leverage a position of this value may be opened at; arguments as for `tier`."""
        return self.leverages[self.tier(value, size)]

    def largest(self, leverage: float) -> float | None:
        """The largest position that may be opened at this leverage, in the unit of `basis`; 0 if no tier allows it."""
        allowed = [*self.floors[1:], self.cap][: sum(highest >= leverage for highest in self.leverages)]
        return allowed[-1] if allowed else 0.0

    def bounds(self, size: float) -> tuple[float, ...]:
        """Factors at which a position of this size changes its tier: prices (linear), 1 ÷ prices (inverse); from 0."""
        if self.basis is TierBasis.SIZE:
            return (0.0,)
        return tuple(floor / size for floor in self.floors)

    @property
    def is_continuous(self) -> bool:
        """True if maintenance margin does not jump where one tier ends: c_j = c_{j-1} + a_j (m_j - m_{j-1})."""
        made = deductions(self.floors, self.rates)
        return all(
            abs(told - self.deductions[0] - due) <= _SAME * max(1.0, floor * rate)
            for told, due, floor, rate in zip(self.deductions, made, self.floors, self.rates, strict=True)
        )


def tier_table(tiers: Sequence[MarginTier]) -> TierTable:
    """A table of these tiers, lowest first. By size the lowest holds from 0, whatever the smallest order is.

    Raises:
        ValueError: there is none, or one does not begin where the last ended, with a higher rate and no more leverage.
    """
    if not tiers:
        raise ValueError("a table of margin tiers needs at least one")
    if tiers[0].floor != 0.0 and tiers[0].basis is TierBasis.NOTIONAL:
        raise ValueError(f"the lowest tier begins at {tiers[0].floor:g}, must at 0")
    for number, tier in enumerate(tiers, start=1):
        if not 0.0 < tier.mmr < 1.0:
            raise ValueError(f"tier {number}: maintenance rate {tier.mmr:g} must lie in (0, 1)")
        if not (isfinite(tier.max_leverage) and tier.max_leverage > 0.0):
            raise ValueError(f"tier {number}: leverage {tier.max_leverage:g} must be above 0")
        if not 0.0 <= tier.deduction < float("inf"):
            raise ValueError(f"tier {number}: deduction {tier.deduction:g} must be 0 or more")
    for number, (lower, upper) in enumerate(pairwise(tiers), start=2):
        if lower.cap != upper.floor or not upper.floor > lower.floor:
            raise ValueError(f"tier {number} begins at {upper.floor:g}, the one below ends at {lower.cap}")
        if upper.mmr < lower.mmr or upper.max_leverage > lower.max_leverage:
            raise ValueError(
                f"tier {number}: rate {upper.mmr:g} and leverage {upper.max_leverage:g} ask less than below"
            )
        if upper.basis is not lower.basis:
            raise ValueError(f"tier {number} counts {upper.basis.value}, the one below {lower.basis.value}")
    return TierTable(
        (0.0, *(tier.floor for tier in tiers[1:])),
        tuple(tier.mmr for tier in tiers),
        tuple(tier.deduction for tier in tiers),
        tuple(tier.max_leverage for tier in tiers),
        tiers[0].basis,
        tiers[-1].cap,
    )


def flat_table(rate: float, max_leverage: float = 100.0, deduction: float = 0.0) -> TierTable:
    """One tier for every value: what is assumed where nothing is known, and what a venue's worked example shows.

    >>> flat_table(0.005).maintenance(20_000.0, 1.0)
    100.0
    """
    return tier_table([MarginTier(0.0, None, rate, max_leverage, deduction)])


def deductions(floors: Sequence[float], rates: Sequence[float]) -> tuple[float, ...]:
    """What makes maintenance margin continuous: c_0 = 0, c_j = c_{j-1} + a_j (m_j - m_{j-1}).

    Binance COIN-M FAQ ("maintenance amount"); Hyperliquid's margin tiers follow the same recursion.

    Args:
        floors: where each tier begins, any unit of value.
        rates: maintenance margin of each, fractions.

    Returns:
        Deductions in the unit of `floors`.

    >>> deductions([0.0, 50_000.0], [0.004, 0.005])
    (0.0, 50.0)
    """
    made = [0.0]
    for floor, (lower, upper) in zip(floors[1:], pairwise(rates), strict=True):
        made.append(made[-1] + floor * (upper - lower))
    return tuple(made)
