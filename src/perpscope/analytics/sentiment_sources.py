"""Several venues telling the same kind of figure: who is believed, and one series of those that are.

Each venue is judged against its own past and against the others before it counts (S0-48). Venues differ in level for
good reasons, so what is pooled is each one's distance from its own usual: when one falls silent, the others stand in
for it and the series does not jump (S0-51).
"""

import enum
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.sentiment_scale import LEAST_POINTS, Floats, carried, freshness, robust_z

#: A venue further than this from the median of the others, each in its own robust deviations, is not believed where
#: there are others enough to say so. Beyond `MOST_Z` (METHOD §11.1) all are alike: 4 against 17 is no contradiction.
ODD_Z: Final = 6.0  # chosen by hand
MOST_Z: Final = 8.0
#: So many of the others must agree, and nobody side with it, before a venue is called odd. Chosen by hand.
AGREEING: Final = 0.75
#: So many figures in a row that do not move, while another venue's do, come from a feed that stands still. By hand.
FROZEN_STEPS: Final = 12


class Verdict(enum.Enum):
    """What is made of a venue's figure."""

    USED = "used"
    DISPUTED = "disputed"  #: used, but the only other one says something else
    ABSENT = "absent"  #: never told
    STALE = "stale"  #: too old
    IMPLAUSIBLE = "implausible"  #: outside of what the figure can be
    FROZEN = "frozen"  #: stands still while others move
    ODD = "odd"  #: contradicts the others, who agree


#: Whose figures enter the pool.
BELIEVED: Final = frozenset({Verdict.USED, Verdict.DISPUTED})


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's figures on a regular grid."""

    venue: str
    values: Floats  #: (steps,) NaN where it told nothing; the last one is what is judged
    weight: float  #: e.g. its open interest in dollars, >= 0
    age_s: float = 0.0  #: of the newest figure
    period_s: float = 300.0  #: between two figures


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a figure can be, and how it moves."""

    low: float = float("-inf")
    high: float = float("inf")
    least_scale: float = 1e-12  #: change that counts as small, in its own unit
    moves: bool = True  #: it is never the same for long; funding at its clamp is


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A venue and what was made of it."""

    venue: str
    verdict: Verdict
    value: float | None  #: its newest figure
    z: float | None  #: against its own past
    share: float  #: of the pool, in [0, 1]; 0 if it is not believed


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """One series for all venues."""

    values: Floats  #: (steps,) weighted distance of each believed venue from its own median; NaN where none told
    level: float | None  #: weighted mean of the believed venues' newest figures, in the figure's own unit
    age_s: float  #: of the freshest believed figure; infinite without any
    period_s: float
    told_by: float  #: share of the weight of all venues that ever told, which is believed now
    sources: list[Judged]


def pool(sources: Sequence[Source], bounds: Bounds) -> Pool:
    """Judge each venue, and pool those that are believed.

    A venue's weight is its own times its freshness. With every venue present all the time, the pool differs from the
    weighted mean of the figures by a constant, which a robust z does not see.

    Args:
        sources: one for each venue, on the same grid.
        bounds: of this kind of figure.

    >>> levels = {"a": [1.0, 2.0], "b": [1.0, 9.0]}
    >>> told = [Source(venue=name, values=np.array(values), weight=1.0) for name, values in levels.items()]
    >>> found = pool(told, Bounds(high=5.0))
    >>> [(source.venue, source.verdict.value, source.share) for source in found.sources], found.level
    ([('a', 'used', 1.0), ('b', 'implausible', 0.0)], 2.0)
    """
    judged = _judged(sources, bounds)
    used = [(source, found) for source, found in zip(sources, judged, strict=True) if found.share > 0.0]
    held = sum(s.weight for s, found in zip(sources, judged, strict=True) if found.verdict is not Verdict.ABSENT)
    freshest = min((source for source, _ in used), key=lambda source: source.age_s / source.period_s, default=None)
    return Pool(
        values=_pooled([(source.values, found.share) for source, found in used]),
        level=sum(found.share * found.value for _, found in used if found.value is not None) if used else None,
        age_s=float("inf") if freshest is None else freshest.age_s,
        period_s=300.0 if freshest is None else freshest.period_s,
        told_by=sum(source.weight for source, _ in used) / held if used else 0.0,
        sources=judged,
    )


def _judged(sources: Sequence[Source], bounds: Bounds) -> list[Judged]:
    """What is made of each venue, and its share of the pool."""
    newest = [_newest(source) for source in sources]
    scores = [_score(source, bounds) for source in sources]
    verdicts = [_alone(source, value, bounds) for source, value in zip(sources, newest, strict=True)]
    verdicts = _together(scores, _thawed(sources, verdicts) if bounds.moves else verdicts)
    weights = [
        float(source.weight) * float(freshness(source.age_s, source.period_s)) if verdict in BELIEVED else 0.0
        for source, verdict in zip(sources, verdicts, strict=True)
    ]
    total = sum(weights)
    return [
        Judged(
            venue=source.venue,
            verdict=verdict,
            value=None if np.isnan(value) else value,
            z=None if np.isnan(score) else score,
            share=weight / total if weight else 0.0,
        )
        for source, verdict, value, score, weight in zip(sources, verdicts, newest, scores, weights, strict=True)
    ]


def _newest(source: Source) -> float:
    told = source.values[np.isfinite(source.values)]
    return float(told[-1]) if told.size else float("nan")


def _score(source: Source, bounds: Bounds) -> float:
    """The newest figure against its venue's own past; NaN if that is too short to say."""
    told = source.values[np.isfinite(source.values)]
    if told.size <= LEAST_POINTS:
        return float("nan")
    return robust_z(float(told[-1]), told[:-1], bounds.least_scale)[0]


def _alone(source: Source, value: float, bounds: Bounds) -> Verdict:
    """What a venue's figure is without regard to the others."""
    if np.isnan(value):
        return Verdict.ABSENT
    if not float(freshness(source.age_s, source.period_s)):
        return Verdict.STALE
    return Verdict.USED if bounds.low <= value <= bounds.high else Verdict.IMPLAUSIBLE


def _thawed(sources: Sequence[Source], verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Those that stand still while another moves are frozen."""
    still = [_stands_still(source.values) for source in sources]
    moving = any(not stands for stands, v in zip(still, verdicts, strict=True) if v is Verdict.USED)
    return [
        Verdict.FROZEN if stands and moving and verdict is Verdict.USED else verdict
        for stands, verdict in zip(still, verdicts, strict=True)
    ]


def _stands_still(values: Floats) -> bool:
    told = values[np.isfinite(values)][-FROZEN_STEPS:]
    return told.size == FROZEN_STEPS and bool(np.all(told == told[0]))


def _together(scores: Sequence[float], verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Who contradicts the others: first those against whom two or more agree, then, of the rest, all who differ."""
    sorted_out = [
        Verdict.ODD if apart > ODD_Z and agreed else verdict
        for verdict, (apart, agreed) in zip(verdicts, _against(scores, verdicts), strict=True)
    ]
    return [
        Verdict.DISPUTED if apart > ODD_Z else verdict
        for verdict, (apart, _) in zip(sorted_out, _against(scores, sorted_out), strict=True)
    ]


def _against(scores: Sequence[float], verdicts: Sequence[Verdict]) -> list[tuple[float, bool]]:
    """How far each one that is used is from the median of the others, 0 where nobody can say; and if those agree."""
    found = []
    within = np.clip(np.array(scores), -MOST_Z, MOST_Z).tolist()
    for at, score in enumerate(within):
        others = [
            other
            for place, other in enumerate(within)
            if place != at and verdicts[place] is Verdict.USED and not np.isnan(other)
        ]
        if verdicts[at] is not Verdict.USED or np.isnan(score) or not others:
            found.append((0.0, False))
            continue
        middle = float(np.median(others))
        near = sum(abs(other - middle) <= ODD_Z / 2.0 for other in others)
        alone = all(abs(other - score) > ODD_Z / 2.0 for other in others)
        found.append((abs(score - middle), alone and len(others) > 1 and near >= AGREEING * len(others)))
    return found


def _pooled(parts: Sequence[tuple[Floats, float]]) -> Floats:
    """Each one's distance from its own median, weighted over those that told at that step."""
    if not parts:
        return np.empty(0)
    values, shares = np.vstack([part[0] for part in parts]), np.array([[part[1]] for part in parts])
    apart = values - np.nanmedian(values, axis=1, keepdims=True)
    told = np.isfinite(values)
    weight = np.where(told, shares, 0.0).sum(axis=0)
    total = np.where(told, shares * apart, 0.0).sum(axis=0)
    pooled: Floats = np.divide(total, weight, out=np.full(weight.shape, np.nan), where=weight > 0.0)
    return pooled


def chain(sources: Sequence[Source], most: int = 4) -> Floats:
    """One path from several that follow the same thing at different levels, as prices and open interest do.

    What each one changed from step to step is weighted over those that told of that step, and summed: a venue that
    comes or goes makes no jump. Levels are logarithms.

    Args:
        sources: values are logarithms.
        most: a hole of so many steps at most is bridged, where no other venue tells of it.

    Returns:
        (steps,) logarithm of the path, 0 where it begins; NaN where no venue told. Empty without sources.

    >>> told = {"a": [1.0, 1.1, np.nan], "b": [5.0, 5.2, 5.3]}
    >>> sources = [Source(venue=name, values=np.array(values), weight=1.0) for name, values in told.items()]
    >>> chain(sources).round(2).tolist()
    [0.0, 0.15, 0.25]
    """
    if not sources:
        return np.empty(0)
    values = np.vstack([source.values for source in sources])
    told = np.isfinite(values).any(axis=0)
    before = np.vstack([carried(source.values, most) for source in sources])[:, :-1]
    moved = np.diff(values, axis=1, prepend=np.nan)
    bridged = np.hstack([np.full((len(sources), 1), np.nan), values[:, 1:] - before])
    moved = np.where(np.isfinite(moved).any(axis=0), moved, bridged)
    #: Equal weights where none is known.
    weights = np.array([[source.weight] for source in sources])
    weights = np.where(weights > 0.0, weights, 1e-12 * max(float(weights.max()), 1.0))
    weight = np.where(np.isfinite(moved), weights, 0.0).sum(axis=0)
    total = np.where(np.isfinite(moved), weights * moved, 0.0).sum(axis=0)
    path = np.cumsum(np.divide(total, weight, out=np.zeros(weight.shape), where=weight > 0.0))
    return np.where(told, path, np.nan)
