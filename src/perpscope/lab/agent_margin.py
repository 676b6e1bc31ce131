"""Where the agent market liquidates: one tiered equation, vectorised over positions.

In: lots of positions as arrays. Out: liquidation and bankruptcy prices. The equation is METHOD 1.1 (1), linear
contracts and isolated margin: `P = (W + c - Q·E) / (|Q|·m - Q)`, solved in each tier, kept where its notional lies.
`analytics.margin_arrays` says the same, checks all it is given and takes ten times as long; a test holds them together.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: BTCUSDT of October 2024 (METHOD 1.2): notional floors in quote units, maintenance rates, greatest leverages.
FLOORS = np.array([0, 5e4, 6e5, 3e6, 12e6, 70e6, 100e6, 230e6])
RATES = np.array([0.004, 0.005, 0.0065, 0.01, 0.02, 0.025, 0.05, 0.10])
LEVERAGES = np.array([125.0, 100, 75, 50, 25, 20, 10, 5])
DEDUCTIONS = np.concatenate(([0.0], np.cumsum(FLOORS[1:] * np.diff(RATES))))  #: c_j = c_{j-1} + a_j (m_j - m_{j-1})
_CAPS = np.concatenate((FLOORS[1:], [np.inf]))


def greatest_leverage(notional: Floats) -> Floats:
    """What the tier of an opening position allows; notional in quote units."""
    return LEVERAGES[np.searchsorted(FLOORS, notional, side="right") - 1]


def liquidation_price(size: Floats, entry: Floats, margin: Floats) -> Floats:
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
    price = (free + DEDUCTIONS[0]) / (held * RATES[0] - size)
    notional = held * price
    if notional.size and notional.max() >= FLOORS[1]:
        for tier in range(1, len(FLOORS)):
            above = notional >= FLOORS[tier]  # no jumps between tiers: they can be climbed in turn
            if not above.any():
                break
            price = np.where(above, (free + DEDUCTIONS[tier]) / (held * RATES[tier] - size), price)
            notional = held * price
    return np.asarray(np.maximum(price, 0.0))


def bankruptcy_price(size: Floats, entry: Floats, margin: Floats) -> Floats:
    """Where nothing of the margin is left; quote per base, never below 0."""
    return np.asarray(np.maximum(entry - margin / size, 0.0))
