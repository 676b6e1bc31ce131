"""What happens to the agent market from outside: news, and how nervous everybody is.

In: seconds. Out: the index (log price), its volatility and activity now. Log volatility swings on two time scales
(12 h and 30 min), jumps are fat-tailed and breed jumps, and scripted shocks move the index by hand (METHOD 13.1).
"""

import math

import msgspec
import numpy as np

_BLOCK = 4096  # steps whose chance is drawn at once
_DAY_S = 86_400.0
_SLOW_S, _SLOW_SPREAD = 43_200.0, 0.55
_FAST_S, _FAST_SPREAD = 1800.0, 0.42
_JUMPS_PER_DAY = 4.0
_JUMPS_BRED, _JUMP_MEMORY_S = 0.55, 900.0  # jumps a jump brings about, on average, and how soon
_JUMP_SIZE, _JUMP_LARGEST = 0.07, 0.08  # in units of a day's volatility now (t of 3 degrees); log price
_MOOD_S, _MOOD_SPREAD = 172_800.0, 0.36  # how long people stay hopeful or gloomy, and how much, in log odds
_SPREADING_S = 15.0  # in which a jump's news gets about
_INDEX_SHARE, _NOISE_SHARE = 0.92, 0.18  # of volatility that is the index's; that is the contract's own, fading
_NOISE_S = 20.0
_NERVES_S = 600.0  # memory of the move people have in mind
_TREND_S = 43_200.0


class Shock(msgspec.Struct, frozen=True):
    """A move of the index that is made to happen."""

    at_s: float  #: seconds from the start
    lasts_s: float
    move: float  #: log return, e.g. -0.083 for -8 %


#: A fall of the index by 8 % in twenty minutes that ends in a rout, after 2025-10-10 (METHOD 13.3); by hand:
#: seconds after, seconds it lasts, log return.
OCTOBER = ((0.0, 600.0, -0.018), (600.0, 500.0, -0.035), (1100.0, 100.0, -0.030))


def october(at_s: float) -> tuple[Shock, ...]:
    """The shocks of a day like 2025-10-10, beginning at `at_s`."""
    return tuple(Shock(at_s + after, lasts, move) for after, lasts, move in OCTOBER)


class World:
    """The index and the mood.

    Args:
        rng: seeded source of chance, for this alone.
        price: first index, quote per base.
        daily_volatility: long-run standard deviation of a day's log return.
        shocks: scripted moves.
    """

    def __init__(
        self, rng: np.random.Generator, price: float, daily_volatility: float, shocks: tuple[Shock, ...] = ()
    ) -> None:
        self._rng = rng
        self._shocks = shocks
        self._normals: list[list[float]] = []
        self._uniforms: list[float] = []
        self.daily_volatility = daily_volatility
        self.index = math.log(price)  #: log price
        self.noise = 0.0  #: the contract's own wandering about the index, log price
        self.volatility = daily_volatility  #: of a day, at this moment
        self.nerves = 0.0  #: log return of the last ten minutes or so
        self.trend = 0.0  #: of the last hours
        self.mood = 0.0  #: hope (> 0) or gloom, log odds of going long
        self.seconds = 0.0  #: since the start
        self._slow = self._fast = self._heat = self._news = 0.0

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass outside."""
        first, second, third, fourth, fifth = self._chances()
        self._slow += -self._slow * dt_s / _SLOW_S + _SLOW_SPREAD * math.sqrt(2 * dt_s / _SLOW_S) * first
        self._fast += -self._fast * dt_s / _FAST_S + _FAST_SPREAD * math.sqrt(2 * dt_s / _FAST_S) * second
        level = math.exp(self._slow + self._fast - _SLOW_SPREAD**2 - _FAST_SPREAD**2)
        self.volatility = self.daily_volatility * level
        root = math.sqrt(dt_s / _DAY_S)
        self.index += _INDEX_SHARE * self.volatility * root * third
        self._news += self._jump(dt_s)
        self.index += self._scripted(dt_s)
        self.noise = self.noise * math.exp(-dt_s / _NOISE_S) + _NOISE_SHARE * self.volatility * root * fourth
        self.mood += -self.mood * dt_s / _MOOD_S + _MOOD_SPREAD * math.sqrt(2 * dt_s / _MOOD_S) * fifth
        self.seconds += dt_s

    def feel(self, log_return: float, dt_s: float) -> None:
        """Remember what the price did in the step."""
        self.nerves += log_return - self.nerves * dt_s / _NERVES_S
        self.trend += log_return - self.trend * dt_s / _TREND_S

    @property
    def alarm(self) -> float:
        """How large the move in mind is, in standard deviations of ten minutes."""
        return abs(self.nerves) / (self.daily_volatility * math.sqrt(_NERVES_S / _DAY_S))

    @property
    def activity(self) -> float:
        """How busy people are; about 1 in the long run."""
        return 0.6 * self.volatility / self.daily_volatility + 0.25 * min(self.alarm, 6.0) + 0.15

    def _chances(self) -> list[float]:
        if not self._normals:
            self._normals = self._rng.standard_normal((_BLOCK, 5)).tolist()
            self._uniforms = self._rng.random(_BLOCK).tolist()
        return self._normals.pop()

    def _jump(self, dt_s: float) -> float:
        self._heat *= math.exp(-dt_s / _JUMP_MEMORY_S)
        rate = _JUMPS_PER_DAY * (1 - _JUMPS_BRED) / _DAY_S + self._heat
        if self._uniforms.pop() >= rate * dt_s:
            return 0.0
        self._heat += _JUMPS_BRED / _JUMP_MEMORY_S
        size = _JUMP_SIZE * self.volatility * float(self._rng.standard_t(3))
        return max(-_JUMP_LARGEST, min(_JUMP_LARGEST, size))

    def _scripted(self, dt_s: float) -> float:
        move = self._news * min(1.0, dt_s / _SPREADING_S)
        self._news -= move
        for shock in self._shocks:
            within = min(self.seconds + dt_s, shock.at_s + shock.lasts_s) - max(self.seconds, shock.at_s)
            if within > 0:
                move += shock.move * within / shock.lasts_s
        return move
