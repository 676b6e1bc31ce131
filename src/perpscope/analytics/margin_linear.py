"""The margin engine for a simulator: `margin_arrays` for linear contracts, unchecked and ten times as fast.

In: signed sizes, entries and isolated margins as arrays. Out: liquidation and bankruptcy prices. The equation is METHOD
1.1 (1), `P = (W + c - Q·E) / (|Q|·m - Q)`; tiers whose maintenance margin does not jump can be climbed in turn until
the notional at the price lies in the tier. A test holds this form and the checked one together.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_tiers import TierTable
from perpscope.model.instrument import TierBasis

Floats: TypeAlias = NDArray[np.float64]


class LinearTiers:
    """A table of tiers, ready for many positions.

    Args:
        table: by notional, continuous, its first deduction 0.

    Raises:
        ValueError: the table jumps or counts sizes.
    """

    def __init__(self, table: TierTable) -> None:
        if table.basis is not TierBasis.NOTIONAL or not table.is_continuous:
            raise ValueError("the quick form needs tiers by notional whose maintenance margin does not jump")
        self.table = table
        self._floors = np.array(table.floors)
        self._leverages = np.array(table.leverages)
        self._tiers = list(zip(table.floors, table.rates, table.deductions, strict=True))

    def greatest_leverage(self, notional: Floats) -> Floats:
        """What the tier of an opening position allows; notional in quote units."""
        return np.asarray(self._leverages[np.searchsorted(self._floors, notional, side="right") - 1])

    def liquidation_prices(self, size: Floats, entry: Floats, margin: Floats) -> Floats:
        """Where equity meets the maintenance margin, the tier being that of the notional there.

        Args:
            size: base units, signed: > 0 long; not 0.
            entry: average, quote per base.
            margin: isolated wallet, quote units; may be eroded below zero.

        Returns:
            Quote per base; 0 where a long has more margin than its entry is worth.
        """
        held = np.abs(size)
        free = margin - size * entry
        price = free / (held * self._tiers[0][1] - size)
        if not size.size:
            return price
        notional = held * price
        highest = float(notional.max())
        for floor, rate, deduction in self._tiers[1:]:
            if highest < floor:
                break
            above = notional >= floor
            price = np.where(above, (free + deduction) / (held * rate - size), price)
            notional = held * price
            highest = float(notional.max())
        return np.asarray(np.maximum(price, 0.0))


def linear_bankruptcy_prices(size: Floats, entry: Floats, margin: Floats) -> Floats:
    """Where nothing of the margin is left, quote per base, never below 0; arguments as for `liquidation_prices`."""
    return np.asarray(np.maximum(entry - margin / size, 0.0))
