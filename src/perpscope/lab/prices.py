"""How the seeded market's prices move: stochastic volatility, jumps, and forced orders that breed forced orders.

Everything is drawn from one seeded `random.Random` per symbol and depends on market time alone. Figures are chosen by
hand to look like a lively day (see METHOD 13.1 for the market that is calibrated).
"""

import math
import random

from perpscope.model.market import PositionSide

_DAY_S = 86_400.0
#: Share of its memory up to which a component moves by its differential.
_SMALL = 0.1


class StochasticVolatility:
    """Log returns with volatility that breathes on two time scales, and rare jumps.

    Args:
        rng: seeded source of chance.
        daily_volatility: standard deviation of a day's log return, fraction.
    """

    def __init__(self, rng: random.Random, daily_volatility: float) -> None:
        self._rng = rng
        self.volatility_1s = daily_volatility / math.sqrt(_DAY_S)  #: long-run standard deviation of a second
        self._slow = 0.0
        self._fast = 0.0
        self.now_1s = self.volatility_1s  #: at this moment

    SLOW_S = 1800.0  #: memory of the slow component
    FAST_S = 60.0  #: memory of the fast one
    SPREAD = 0.45  #: standard deviation of each component's logarithm
    JUMP_EVERY_S = 900.0
    JUMP_SIZE = 25.0  #: in units of one second's volatility

    def step(self, dt_s: float) -> float:
        """The log return of the next `dt_s` seconds."""
        gauss = self._rng.gauss
        self._slow = self._breathed(self._slow, dt_s / self.SLOW_S)
        self._fast = self._breathed(self._fast, dt_s / self.FAST_S)
        self.now_1s = self.volatility_1s * math.exp(self._slow + self._fast - self.SPREAD**2)
        move = self.now_1s * math.sqrt(dt_s) * gauss(0, 1)
        if self._rng.random() < dt_s / self.JUMP_EVERY_S:
            move += self.JUMP_SIZE * self.volatility_1s * gauss(0, 1)
        return move

    def _breathed(self, value: float, share: float) -> float:
        """One component after a share of its memory: in small steps by its differential, in large ones exactly.

        The differential alone would swing ever wider where a step is longer than the memory.
        """
        if share < _SMALL:
            return value - value * share + self.SPREAD * math.sqrt(2 * share) * self._rng.gauss(0, 1)
        kept = math.exp(-share)
        return value * kept + self.SPREAD * math.sqrt(1 - kept * kept) * self._rng.gauss(0, 1)


class LiquidationHazard:
    """When positions are closed by force: after moves against them, and after each other (a Hawkes process).

    Args:
        rng: seeded source of chance.
        volatility_1s: long-run standard deviation of a second's log return.
    """

    BASE_PER_S = 1 / 200  #: of either side, in a calm market
    MEMORY_S = 60.0  #: of the recent move that puts positions under water
    HEAT_S = 12.0  #: memory of self-excitation
    BRANCHING = 0.6  #: forced orders each forced order causes, on average
    STEEPNESS = 1.5  #: growth of the rate with the recent move, in its own standard deviations
    STEEPEST = 3.6  #: where that growth ends

    def __init__(self, rng: random.Random, volatility_1s: float) -> None:
        self._rng = rng
        self._scale = volatility_1s * math.sqrt(self.MEMORY_S / 2)
        self._move = 0.0
        self._heat = {PositionSide.LONG: 0.0, PositionSide.SHORT: 0.0}

    def step(self, log_return: float, dt_s: float) -> PositionSide | None:
        """The side that loses a position in these `dt_s` seconds, if one does."""
        self._move += log_return - self._move * min(1.0, dt_s / self.MEMORY_S)
        side = PositionSide.LONG if self._move < 0 else PositionSide.SHORT
        cooling = math.exp(-dt_s / self.HEAT_S)
        self._heat[PositionSide.LONG] *= cooling
        self._heat[PositionSide.SHORT] *= cooling
        pressure = min(self.STEEPEST, self.STEEPNESS * max(0.0, abs(self._move) / self._scale - 1.2))
        rate = self.BASE_PER_S * math.exp(pressure) + self._heat[side]
        if self._rng.random() >= rate * dt_s:
            return None
        self._heat[side] += self.BRANCHING / self.HEAT_S
        return side
