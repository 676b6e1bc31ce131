"""How far liquidations call forth liquidations: a Hawkes process fitted to a complete feed, and whether it fits at all.

λ(t) = μ + Σ n β exp(−β (t − tᵢ)); n is how many each one calls forth. Monitoring, not prediction (METHOD §7). On a
sampled feed n comes out too low, on one that splits an order into prints it is distorted: merge those first.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import exp, inf, sqrt
from typing import Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from perpscope.model.market import PositionSide

MERGED_S: Final = 0.25  #: prints of one side and price closer than this are one liquidation, METHOD §7
LEAST_EVENTS: Final = 50  #: with fewer nothing is fitted. Chosen by hand
FITS: Final = 0.05  #: with a p below it the process does not fit, and n is not told
ROUNDS: Final = 500
_SETTLED: Final = 1e-5


class Hawkes(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted process."""

    baseline: float  #: μ, events per second that nothing called forth
    ratio: float  #: n as fitted, in [0, 1)
    decay: float  #: β, per second
    events: int
    ks: float  #: largest distance of the residuals' law from the exponential
    p: float  #: of the Kolmogorov–Smirnov test of the residuals

    @property
    def branching_ratio(self) -> float | None:
        """How many each one calls forth; None where the process does not fit."""
        return self.ratio if self.p >= FITS else None


def merged(ts_s: Sequence[float], sides: Sequence[PositionSide], prices: Sequence[float]) -> list[float]:
    """Times of liquidations, with the prints of one put together.

    Args:
        ts_s: seconds, oldest first.
        sides: of each.
        prices: of each, quote per base.

    >>> long, short = PositionSide.LONG, PositionSide.SHORT
    >>> merged([0.0, 0.1, 0.2, 0.3, 0.9], [long, long, short, long, long], [5.0, 5.0, 5.0, 5.0, 5.0])
    [0.0, 0.2, 0.9]
    """
    found: list[float] = []
    last: dict[tuple[PositionSide, float], float] = {}
    for moment, side, price in zip(ts_s, sides, prices, strict=True):
        if moment - last.get((side, price), -inf) > MERGED_S:
            found.append(moment)
        last[side, price] = moment
    return found


def fit(ts_s: ArrayLike, end_s: float, rounds: int = ROUNDS) -> Hawkes | None:
    """Fit by expectation–maximisation, with the O(n) recursions of an exponential kernel.

    Args:
        ts_s: (n,) seconds since the start of what was watched without a hole; oldest first, of a complete feed.
        end_s: its end, at or after the last one.
        rounds: at most; it ends sooner once n has settled.

    Returns:
        None with fewer than `LEAST_EVENTS`.

    Raises:
        ValueError: times are not in order, or outside of what was watched.
    """
    times = np.asarray(ts_s, np.float64)
    if times.size and not (np.all(np.diff(times) >= 0.0) and times[0] >= 0.0 and times[-1] <= end_s):
        raise ValueError(f"times must rise from 0 to {end_s}")
    if times.size < LEAST_EVENTS:
        return None
    waits = np.diff(times, prepend=0.0).tolist()
    left = end_s - times
    base, ratio, decay = 0.5 * times.size / end_s, 0.5, 1.0 / max(float(np.median(waits)), 1e-3)
    for _ in range(rounds):
        called, lag = _expected(waits, base, ratio, decay)
        seen = float(np.sum(-np.expm1(-decay * left)))
        edge = ratio * float(np.sum(left * np.exp(-decay * left)))
        before = ratio
        base = max((times.size - called) / end_s, 1e-12)
        ratio = min(called / seen, 1.0 - 1e-9) if seen > 0.0 else 0.0
        decay = called / (lag + edge) if lag + edge > 0.0 else decay
        if abs(ratio - before) < _SETTLED:
            break
    distance, p = _kolmogorov(_residuals(waits, base, ratio, decay))
    return Hawkes(baseline=base, ratio=ratio, decay=decay, events=int(times.size), ks=distance, p=p)


def _expected(waits: Sequence[float], base: float, ratio: float, decay: float) -> tuple[float, float]:
    """How many events were called forth by others, and the sum of their lags, seconds."""
    excited = lagged = called = lag = 0.0
    for at, wait in enumerate(waits):
        if at:
            fade = exp(-decay * wait)
            lagged = fade * (lagged + wait * (1.0 + excited))
            excited = fade * (1.0 + excited)
        rate = base + ratio * decay * excited
        called += ratio * decay * excited / rate
        lag += ratio * decay * lagged / rate
    return called, lag


def _residuals(waits: Sequence[float], base: float, ratio: float, decay: float) -> list[float]:
    """What the process expected between one event and the next: exponential of mean 1 where it fits."""
    excited, found = 0.0, []
    for _, wait in pairwise(waits):
        fade = exp(-decay * wait)
        found.append(base * wait + ratio * (1.0 + excited) * (1.0 - fade))
        excited = fade * (1.0 + excited)
    return found


def _kolmogorov(residuals: Sequence[float]) -> tuple[float, float]:
    """Largest distance from the exponential law, and the chance of so large a one (asymptotic)."""
    ordered = -np.expm1(-np.sort(np.array(residuals)))
    n = ordered.size
    steps = np.arange(n + 1) / n
    distance = float(max(np.max(steps[1:] - ordered), np.max(ordered - steps[:-1])))
    scaled = distance * (sqrt(n) + 0.12 + 0.11 / sqrt(n))
    tail = 2.0 * sum((-1.0) ** (k - 1) * exp(-2.0 * k * k * scaled * scaled) for k in range(1, 101))
    return distance, min(1.0, max(0.0, tail))
