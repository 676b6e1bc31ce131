"""Market sentiment, 0 (fear) to 100 (greed): a weighted sum of how unusual each of nine figures is.

It describes how people are positioned; it does not forecast. Every figure's part is told in points, the parts sum to
what the index is away from 50, and what is old, missing or judged by a short history counts for less. METHOD §9.
"""

from collections.abc import Mapping, Sequence
from math import fsum, isfinite
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.sentiment_scale import Floats, evidence, freshness

#: ω of METHOD §9, chosen by hand there.
WEIGHTS: Final[Mapping[str, float]] = {
    "ls_accounts": 0.15,
    "top_positions": 0.10,
    "funding": 0.20,
    "taker": 0.10,
    "basis": 0.10,
    "oi_trend": 0.10,
    "liq_imbalance": 0.10,
    "momentum": 0.10,
    "volatility": 0.05,
}
FULL_COVERAGE: Final = 0.6  #: with less the index moves towards 50, METHOD §9
LEAST_COVERAGE: Final = 0.3  #: with less there is none, METHOD §9
#: From where on each word holds, METHOD §9: 40 to 60, both included, is neutral.
LABELS: Final = ("extreme fear", "fear", "neutral", "greed", "extreme greed")
#: tanh is 1 in floating point from 19 on; a hair less keeps nine parts from summing to more than all.
_MOST: Final = 1.0 - 2.0**-40


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of the index at one moment."""

    name: str
    weight: float  #: ω, > 0
    z: float | None  #: how unusual it is, + = greed; None if it is not known
    age_s: float = 0.0  #: seconds since it was true
    period_s: float = 300.0  #: seconds between two of it
    points: int | None = None  #: of history it was judged by; None where none is needed
    capacity: float = 8640.0  #: points its window can hold


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """What one figure does to the index."""

    name: str
    z: float | None
    t: float | None  #: tanh(z/2), in (−1, 1)
    weight: float  #: ω, as given
    freshness: float  #: in [0, 1], by its age
    evidence: float  #: in [0, 1], by the length of its history
    share: float  #: of all weights that count, in [0, 1]; they sum to 1, or to 0 if nothing counts
    points: float  #: of the index; they sum to `deviation`
    history: int | None  #: points of history it was judged by
    why: str  #: "" if it counts in full; else "missing", "stale", "old", "too short" or "short history"


class Sentiment(msgspec.Struct, frozen=True, kw_only=True):
    """The index and what it is made of."""

    value: float | None  #: 0 to 100; None with less than `LEAST_COVERAGE`
    deviation: float | None  #: value − 50, the sum of all points
    label: str | None
    coverage: float  #: share of the weights that counts, in [0, 1]
    shrink: float  #: factor for the deviation, in [0, 1]: below 1 where too little is known
    contributions: list[Contribution]


class Blended(msgspec.Struct, frozen=True):
    """The index at many moments."""

    value: Floats  #: (steps,) 0 to 100; NaN with less than `LEAST_COVERAGE`
    coverage: Floats  #: (steps,) in [0, 1]
    points: Floats  #: (figures, steps) parts of value − 50; 0 where the value is NaN
    share: Floats  #: (figures, steps)


def label(value: float) -> str:
    """The word for a value.

    >>> [label(value) for value in (19.9, 20.0, 40.0, 60.0, 60.1, 80.0, 80.1)]
    ['extreme fear', 'fear', 'neutral', 'neutral', 'greed', 'greed', 'extreme greed']
    """
    return LABELS[(value >= 20.0) + (value >= 40.0) + (value > 60.0) + (value > 80.0)]


def blend_many(z: Floats, weights: Sequence[float], worth: Floats) -> Blended:
    """The index at many moments: 50 · (1 + Σ ω̃ t), t = tanh(z/2), ω̃ = ω a ÷ Σ ω a.

    Args:
        z: (figures, steps) NaN where not known.
        weights: (figures,) ω, > 0.
        worth: (figures, steps) a, in [0, 1]: freshness times evidence.

    Raises:
        ValueError: there is no figure, a weight is not above 0, or a worth not in [0, 1].
    """
    given = np.asarray(weights, np.float64)[:, None]
    if not (given.size and np.all(given > 0.0) and np.all((worth >= 0.0) & (worth <= 1.0))):
        raise ValueError(f"weights must be above 0 and worth within 0 and 1, were {given.ravel()} and {worth}")
    known = np.isfinite(z)
    counted = given * np.where(known, worth, 0.0)
    total = counted.sum(axis=0)
    share = np.divide(counted, total, out=np.zeros_like(counted), where=total > 0.0)
    coverage = np.minimum(1.0, total / given.sum())
    told = coverage >= LEAST_COVERAGE
    t = np.clip(np.tanh(np.where(known, z, 0.0) / 2.0), -_MOST, _MOST)
    points = np.where(told, 50.0 * share * t * np.minimum(1.0, coverage / FULL_COVERAGE), 0.0)
    return Blended(np.where(told, 50.0 + points.sum(axis=0), np.nan), coverage, points, share)


def blend(readings: Sequence[Reading]) -> Sentiment:
    """The index at one moment, with what each figure does to it.

    Args:
        readings: the figures; one that is missing has z None.

    Raises:
        ValueError: there is no figure, or a weight is not above 0.

    >>> found = blend([Reading(name="funding", weight=0.6, z=2.0), Reading(name="taker", weight=0.4, z=-1.0)])
    >>> round(found.value, 2), found.label, [round(part.points, 2) for part in found.contributions]
    (63.61, 'greed', [22.85, -9.24])
    """
    fresh = [float(freshness(reading.age_s, reading.period_s)) for reading in readings]
    proof = [1.0 if r.points is None else float(evidence(r.points, r.capacity)) for r in readings]
    z = np.array([[np.nan if reading.z is None else reading.z] for reading in readings], np.float64).reshape(-1, 1)
    worth = (np.array(fresh) * np.array(proof)).reshape(-1, 1)
    found = blend_many(z, [reading.weight for reading in readings], worth)
    parts = [
        Contribution(
            name=reading.name,
            z=reading.z,
            t=None if reading.z is None else float(np.clip(np.tanh(reading.z / 2.0), -_MOST, _MOST)),
            weight=reading.weight,
            freshness=fresh[at],
            evidence=proof[at],
            share=float(found.share[at, 0]),
            points=float(found.points[at, 0]),
            history=reading.points,
            why=_why(reading, fresh[at], proof[at]),
        )
        for at, reading in enumerate(readings)
    ]
    coverage = float(found.coverage[0])
    told = isfinite(float(found.value[0]))
    deviation = fsum(part.points for part in parts) if told else None
    value = None if deviation is None else 50.0 + deviation
    return Sentiment(
        value=value,
        deviation=deviation,
        label=None if value is None else label(value),
        coverage=coverage,
        shrink=min(1.0, coverage / FULL_COVERAGE),
        contributions=parts,
    )


def _why(reading: Reading, fresh: float, proof: float) -> str:
    """Why a figure does not count in full; the worst first."""
    if reading.z is None:
        return "missing"
    if not fresh:
        return "stale"
    if not proof:
        return "too short"
    if fresh < 1.0:
        return "old"
    return "short history" if proof < 1.0 else ""
