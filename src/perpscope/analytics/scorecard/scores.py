"""Is a map better than distance alone? Scores of what was liquidated in the levels that were reached (METHOD 10.3)."""

from typing import Final

import numpy as np

from perpscope.analytics.margin_arrays import Floats

#: Share of the baseline mixed into what is judged, so that no logarithm is infinite; METHOD 10.3.
MIXED: Final = 0.03


def mixed(found: Floats, baseline: Floats, share: float = MIXED) -> Floats:
    """A distribution with a little of the baseline in it; both are made to sum to 1 first.

    A map that holds nothing where the price went says nothing: it counts as the baseline.

    Args:
        found: (levels,) amounts, >= 0.
        baseline: (levels,) amounts, > 0 in sum.
        share: of the baseline, in [0, 1].
    """
    base = baseline / baseline.sum()
    total = float(found.sum())
    made: Floats = base if total <= 0.0 else (1.0 - share) * found / total + share * base
    return made


def gain_bits(realised: Floats, found: Floats, baseline: Floats) -> float:
    """G = Σ y log₂(p ÷ p₀) ÷ Σ y: bits a unit of what was liquidated; nan where nothing was.

    Args:
        realised: (levels,) y, any unit, >= 0.
        found: (levels,) p, summing to 1, > 0 where y is.
        baseline: (levels,) p₀, likewise.

    >>> y, p, p0 = np.array([6.0, 1.0, 3.0]), np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.4, 0.2])
    >>> round(gain_bits(y, p, p0), 6)
    0.151653
    """
    total = float(realised.sum())
    if total <= 0.0:
        return float("nan")
    hit = realised > 0.0
    return float((realised[hit] * np.log2(found[hit] / baseline[hit])).sum()) / total


def lift(realised: Floats, found: Floats, baseline: Floats, top: float = 0.2) -> float:
    """Share of what was liquidated in the levels where p ÷ p₀ is highest, ÷ the share p₀ gives them.

    Args:
        realised: (levels,) y, any unit, >= 0.
        found: (levels,) p, summing to 1.
        baseline: (levels,) p₀, summing to 1, > 0.
        top: share of the levels, in (0, 1).

    Returns:
        Above 1 where the map knows more than the baseline; nan where nothing was liquidated.
    """
    total = float(realised.sum())
    if total <= 0.0:
        return float("nan")
    ratio = found / baseline
    chosen = ratio >= np.quantile(ratio, 1.0 - top)
    return float(realised[chosen].sum()) / total / float(baseline[chosen].sum())
