"""What one seed's crowd is like: how volatile, how levered, how patient, drawn from stated ranges.

In: chance. Out: `Habits`. The ranges are wider than what any liquidation map of perpscope assumes beforehand
(METHOD 6.4 from `conservative` on), so that none can do well by guessing the very crowd it is graded on.
"""

import math

import msgspec
import numpy as np

LADDER = np.array([2.0, 3, 5, 10, 20, 25, 50, 75, 100, 125])
#: Share of notional by leverage: mean of METHOD 6.4's `hl_empirical` and `cex_default`.
LADDER_WEIGHTS = np.array([0.10, 0.095, 0.22, 0.20, 0.165, 0.055, 0.105, 0.025, 0.025, 0.01])
#: What a seed draws evenly between (in the logarithm, where marked), all chosen by hand about METHOD 6.4 and 13.1.
RANGES: dict[str, tuple[float, float, bool]] = {
    "daily_volatility": (0.014, 0.028, True),
    "depth_share": (0.04, 0.08, True),
    "unlevered": (0.2, 0.6, False),
    "leverage_tilt": (-1.1, 1.8, False),
    "half_life_d": (0.3, 1.8, True),
    "stop_share": (0.10, 0.50, False),
    "stop_distance": (0.015, 0.06, True),
    "target_distance": (0.015, 0.06, True),
    "adds_margin": (0.0, 0.4, False),
    "trend_strength": (0.2, 0.8, True),
    "long_bias": (0.05, 0.3, False),
    "turnover": (4.0, 12.0, True),
    "withdrawal": (1.6, 3.0, False),
}
MEDIAN_USD, SPREAD_USD = 9000.0, 1.7  #: of an agent's positions: lognormal (METHOD 13.1)
_CAP_USD = 2e7
_CAP_SHARE = 0.01  # of the open interest: what one agent holds at most
HELD = 0.6  #: share of agents that hold something in the long run


class Habits(msgspec.Struct, frozen=True):
    """One seed's crowd; see `RANGES`."""

    daily_volatility: float  #: standard deviation of the index's log return
    depth_share: float  #: of the open interest, within 1 % of the best price
    kappa: float  #: steepness of the book
    unlevered: float  #: share of positions at 1×
    leverage_tilt: float  #: weights of the ladder are multiplied by leverage to this power
    half_life_d: float  #: days
    stop_share: float  #: of positions that have a stop
    stop_distance: float  #: mean log distance
    target_distance: float  #: mean log distance
    adds_margin: float  #: chance that one deep in the red pays in, on looking
    trend_strength: float
    long_bias: float  #: of the log odds of going long
    turnover: float  #: volume of a day, in units of the open interest
    withdrawal: float  #: how fast quotes go as the alarm grows


def draw_habits(rng: np.random.Generator) -> Habits:
    """What this seed's crowd is like."""
    drawn = {}
    for name, (low, high, is_log) in RANGES.items():
        share = float(rng.random())
        drawn[name] = low * (high / low) ** share if is_log else low + (high - low) * share
    return Habits(kappa=float(np.clip(rng.normal(1.16, 0.1), 1.0, 1.4)), **drawn)


def mean_size_usd(count: int) -> tuple[float, float]:
    """The mean and the cap of an agent's position, quote units, in a market of so many agents.

    The cap is 1 % of the open interest, itself the mean's; METHOD's 20 million would be a third of a small market.
    """
    cap = _CAP_USD
    mean = 0.0
    for _ in range(20):
        z = (math.log(cap / MEDIAN_USD)) / SPREAD_USD
        below = 0.5 * math.erfc(-(z - SPREAD_USD) / math.sqrt(2)) * math.exp(SPREAD_USD**2 / 2) * MEDIAN_USD
        mean = below + cap * 0.5 * math.erfc(z / math.sqrt(2))
        cap = min(_CAP_USD, max(5e4, _CAP_SHARE * mean * count * HELD / 2))
    return mean, cap
