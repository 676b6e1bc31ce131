"""The margin tiers the agent market has unless it is given others: Binance's BTCUSDT as of October 2024.

The figures are METHOD 1.2's, twelve tiers of a public snapshot; perpscope ships the same ones as a dated fixture, which
the lab may not read (it knows nothing of the product), so that a test compares the two.
"""

from typing import Final

from perpscope.analytics.margin_tiers import TierTable, deductions

_FLOORS = (0.0, 5e4, 6e5, 3e6, 12e6, 70e6, 100e6, 230e6, 480e6, 600e6, 800e6, 1200e6)
_RATES = (0.004, 0.005, 0.0065, 0.01, 0.02, 0.025, 0.05, 0.10, 0.125, 0.15, 0.25, 0.5)
_LEVERAGES = (125.0, 100.0, 75.0, 50.0, 25.0, 20.0, 10.0, 5.0, 4.0, 3.0, 2.0, 1.0)
BTCUSDT_2024_10: Final = TierTable(_FLOORS, _RATES, deductions(_FLOORS, _RATES), _LEVERAGES, cap=1800e6)
