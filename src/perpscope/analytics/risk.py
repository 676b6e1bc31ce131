"""Liquidation risk, 0 to 100: funding extreme, volatility, shrinking open interest and volume, and for each side.

METHOD §4 with the weights of the first document (S0-29 to S0-32). Each part is in [0, 1], the weights sum to 1; what is
missing leaves its weight to the others, and is told as coverage.
"""

from math import isfinite, tanh
from typing import Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from perpscope.analytics.sentiment_scale import Floats

FUNDING, VOLATILITY, SHRINKING, VOLUME = "funding", "volatility", "open_interest", "volume"
#: S0-29, S0-30, S0-31, S0-32.
WEIGHTS: Final = {FUNDING: 0.30, VOLATILITY: 0.25, SHRINKING: 0.25, VOLUME: 0.20}
ANCHOR_F8: Final = 0.001  #: funding per 8 h that is extreme whatever is usual: the documents' 0.1 %
LEAST_COVERAGE: Final = 0.5  #: with less there is no score, METHOD §4
#: A level begins here, and ends so many points below, chosen by hand in METHOD §4.
LEVELS: Final = (("LOW", 0.0), ("ELEVATED", 30.0), ("HIGH", 55.0), ("EXTREME", 75.0))
HYSTERESIS: Final = 5.0


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the score."""

    name: str
    level: float | None  #: in [0, 1]; None if it is not known
    weight: float  #: of those that are known, in [0, 1]; they sum to 1
    points: float  #: of the score; all parts' sum to it


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """The score and what it is made of; `long` and `short` sum to `value`."""

    value: float | None  #: 0 to 100; None with less than half of the weights
    long: float | None  #: what of it threatens longs
    short: float | None  #: what of it threatens shorts
    coverage: float  #: share of the weights that is known, in [0, 1]
    parts: list[Part]


def saturated(z: ArrayLike) -> Floats:
    """How far a robust z is on its way from unusual to extreme: clip((z − 1) ÷ 3, 0, 1); METHOD §4.

    >>> saturated([0.0, 1.0, 2.5, 4.0, 9.0]).tolist()
    [0.0, 0.0, 0.5, 1.0, 1.0]
    """
    return np.clip((np.asarray(z, np.float64) - 1.0) / 3.0, 0.0, 1.0)


def funding_extreme(z: ArrayLike, f8: ArrayLike) -> Floats:
    """max(sat(|z|), |f8| ÷ 0.1 %), in [0, 1]; either may be NaN, and then the other decides.

    Args:
        z: robust z of the funding rate.
        f8: funding per 8 h, fraction.

    >>> funding_extreme([3.2, float("nan")], [0.0001, -0.002]).round(4).tolist()
    [0.7333, 1.0]
    """
    anchored = np.clip(np.abs(np.asarray(f8, np.float64)) / ANCHOR_F8, 0.0, 1.0)
    return np.fmax(saturated(np.abs(np.asarray(z, np.float64))), anchored)


def score(levels: dict[str, float | None], f8: float | None = None, moved: float = 0.0) -> Risk:
    """The score of one moment.

    Each side's share: funding counts for the crowded side, which pays it; the rest is split by the tilt
    ½ (1 + s · tanh(−return ÷ σ)). METHOD §4 does not say whether the tilt applies to funding: it does not here, so that
    the two sides sum to the score.

    Args:
        levels: name of a part → its level in [0, 1]; missing, None or NaN if not known.
        f8: funding per 8 h, fraction; None or 0 threatens both sides alike.
        moved: return of the window over its volatility; below 0 the price fell, which threatens longs.

    Raises:
        ValueError: a name is unknown, or a level not in [0, 1].

    >>> found = score({"funding": 0.7333, "volatility": 0.5, "open_interest": 0.0, "volume": 1.0}, f8=0.0004)
    >>> round(found.value, 1), round(found.long, 1), round(found.short, 1)
    (54.5, 38.2, 16.2)
    """
    known = {name: level for name, level in levels.items() if level is not None and isfinite(level)}
    if not (levels.keys() <= WEIGHTS.keys() and all(0.0 <= level <= 1.0 for level in known.values())):
        raise ValueError(f"levels must be of {', '.join(WEIGHTS)} and within 0 and 1, were {levels}")
    coverage = sum(WEIGHTS[name] for name in known)
    parts = []
    for name, weight in WEIGHTS.items():
        share = weight / coverage if name in known else 0.0
        parts.append(Part(name=name, level=known.get(name), weight=share, points=100.0 * share * known.get(name, 0.0)))
    if coverage < LEAST_COVERAGE:
        return Risk(value=None, long=None, short=None, coverage=coverage, parts=parts)
    long = sum(part.points * _of_longs(part.name, f8, moved) for part in parts)
    value = sum(part.points for part in parts)
    return Risk(value=value, long=long, short=value - long, coverage=coverage, parts=parts)


def _of_longs(name: str, f8: float | None, moved: float) -> float:
    """What share of a part threatens longs, in [0, 1]."""
    if name == FUNDING:
        return 0.5 if not f8 else float(f8 > 0.0)
    return 0.5 * (1.0 + tanh(-moved))


def level(value: float, before: str | None = None) -> str:
    """The word for a score; a level once reached is left only `HYSTERESIS` points below its edge.

    Args:
        value: the score, 0 to 100.
        before: the word before; None = there was none.

    Raises:
        ValueError: there is no such word.

    >>> level(31.0), level(27.0, "ELEVATED"), level(24.9, "ELEVATED"), level(57.0, "EXTREME")
    ('ELEVATED', 'ELEVATED', 'LOW', 'HIGH')
    """
    names = [name for name, _ in LEVELS]
    reached = sum(value >= edge for _, edge in LEVELS[1:])
    if before is None:
        return names[reached]
    if before not in names:
        raise ValueError(f"level {before!r} must be one of {', '.join(names)}")
    held = sum(value >= edge - HYSTERESIS for _, edge in LEVELS[1:])
    return names[max(reached, min(held, names.index(before)))]
