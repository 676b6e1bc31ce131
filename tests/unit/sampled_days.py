"""Tapes of liquidations whose truth is known: METHOD §14's generator, written anew from its parameters.

A day is a Hawkes process by branching with exogenous shocks; a burst is an hour whose rate jumps and decays. Sizes are
lognormal or Pareto, and may grow with how many come in one second.
"""

import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.totals.prints import Prints, prints

DAY_S = 86_400
HOUR_S = 3_600
#: METHOD §14: a rate of .05/s, and this much more at the peak, falling off with 60 s.
_CALM, _DECAY_S = 0.05, 60.0


def drawn_sizes(rng: np.random.Generator, n: int, kind: str) -> NDArray[np.float64]:
    """Dollars: lognormal(ln 1500, 1.6), or Pareto from 700 with exponent 1.4."""
    if kind == "logn":
        return np.exp(rng.normal(0.0, 1.6, n)) * 1500
    return (rng.pareto(1.4, n) + 1) * 700


def tape_of(rng: np.random.Generator, times: NDArray[np.float64], usd: NDArray[np.float64]) -> Prints:
    """Times in any order (s) and their dollars; runs of one side, for forced selling begets forced selling."""
    order = np.argsort(times, kind="stable")
    second = times[order].astype(np.int64)
    minute_is_long = rng.random(int(second.max(initial=0)) // 60 + 1) < 0.6
    return prints(second, usd[order], minute_is_long[second // 60] ^ (rng.random(len(second)) < 0.1))


def hawkes_day(
    rng: np.random.Generator, *, branching: float, kind: str, growth: float = 0.3, mu: float = 0.02
) -> Prints:
    """A day of `mu` immigrants a second and six shocks of 60; each event has Poisson(branching) children, 4 s later."""
    parents = [rng.uniform(0, DAY_S, rng.poisson(mu * DAY_S))]
    parents += [at + rng.exponential(20, rng.poisson(60)) for at in rng.uniform(0, DAY_S, 6)]
    born = np.concatenate(parents)
    times = []
    while born.size:
        times.append(born)
        born = np.repeat(born, rng.poisson(branching, born.size))
        born = born + rng.exponential(4.0, born.size)
        born = born[born < DAY_S]
    at = np.concatenate(times)
    at = np.sort(at[at < DAY_S])
    usd = drawn_sizes(rng, at.size, kind)
    if growth:
        second = at.astype(np.int64)
        usd = usd * (1 + growth * np.log1p(np.bincount(second, minlength=DAY_S)[second]))
    return tape_of(rng, at, usd)


def burst(rng: np.random.Generator, peak: float, kind: str) -> Prints:
    """An hour at .05/s; from its middle on `peak`/s more, falling off with 60 s."""
    at = np.arange(HOUR_S)
    since = at - HOUR_S / 2
    rate = _CALM + np.where(since >= 0, peak * np.exp(-np.maximum(since, 0) / _DECAY_S), 0.0)
    second = np.repeat(at, rng.poisson(rate))
    times = np.sort(second + rng.uniform(0, 1, len(second)))
    return tape_of(rng, times, drawn_sizes(rng, len(times), kind))
