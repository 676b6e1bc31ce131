"""Liquidated dollars of a stretch of time as they are published: observed, estimated, band and coverage together.

Never a point alone: an estimate has no existence outside an `Amount`. Sums of minutes go in, scaled for the time that
was not watched.
"""

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np

from perpscope.analytics.liquidation_figures import Share
from perpscope.analytics.totals.bands import Bands, gathered, widened

ENOUGH = 0.95  #: share watched from which nothing is scaled (METHOD §3.7)
_TOO_LITTLE = 0.2  #: share watched below which nothing is scaled up, for it would be a guess (chosen by hand)
_EVER = 2**62


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """What was liquidated, as far as it can be told. None is "not known", never zero."""

    observed_events: int
    observed_usd: float  #: a floor, exact
    estimated_events: float | None
    estimated_usd: float | None  #: None: nothing but the floor is known
    low_usd: float  #: 5 %; the floor where nothing is estimated
    high_usd: float | None  #: 95 %; None = not bounded from above
    covered: Share | None  #: share of the time that was watched; None if nothing is known
    is_scaled: bool  #: multiplied by 1 ÷ `covered`, for less than 95 % was watched
    is_saturated: bool  #: in some minutes more came than the feed can tell


def amount(bands: Bands, covered: float | None, *, is_told: bool, sigma: float = 0.0) -> Amount:
    """The sum of some minutes.

    Args:
        bands: minutes, of one or more symbols and venues.
        covered: share of the stretch that was watched.
        is_told: False where only floors went in: then there is no estimate.
        sigma: doubt the minutes have in common, standard deviation of the logarithm.
    """
    if not len(bands):
        return _none(covered, is_told=is_told)
    total = gathered([bands], _EVER)
    total = widened(total, np.full(1, sigma))
    factor = scale_of(covered) if is_told else 1.0
    return Amount(
        observed_events=int(total.observed_events[0]),
        observed_usd=float(total.observed_usd[0]),
        estimated_events=float(total.estimated_events[0]) * factor if is_told else None,
        estimated_usd=float(total.estimated_usd[0]) * factor if is_told else None,
        low_usd=float(total.low[0]),
        high_usd=float(total.high[0]) * factor if is_told and np.isfinite(total.high[0]) else None,
        covered=covered,
        is_scaled=factor > 1.0,
        is_saturated=bool(total.saturated[0]),
    )


def _none(covered: float | None, *, is_told: bool) -> Amount:
    """Nothing was observed: that is zero only as far as it was watched."""
    told = 0.0 if is_told and covered else None
    return Amount(
        observed_events=0,
        observed_usd=0.0,
        estimated_events=told,
        estimated_usd=told,
        low_usd=0.0,
        high_usd=told if covered is not None and covered >= ENOUGH else None,
        covered=covered,
        is_scaled=False,
        is_saturated=False,
    )


def scale_of(covered: float | None) -> float:
    """By what an estimate is multiplied for the time that was not watched.

    >>> [scale_of(share) for share in (None, 1.0, 0.96, 0.5, 0.1)]
    [1.0, 1.0, 1.0, 2.0, 1.0]
    """
    return 1.0 / covered if covered is not None and _TOO_LITTLE <= covered < ENOUGH else 1.0


def summed(amounts: Sequence[Amount], covered: float | None) -> Amount:
    """Amounts of several symbols or venues as one: their doubts are taken as independent.

    A part without an estimate gives its floor, and leaves the sum open above.

    Args:
        amounts: of the same stretch.
        covered: share of it that was watched, of all together.
    """
    points = [each.observed_usd if each.estimated_usd is None else each.estimated_usd for each in amounts]
    events = [
        float(each.observed_events) if each.estimated_events is None else each.estimated_events for each in amounts
    ]
    total, floor = float(sum(points)), float(sum(each.observed_usd for each in amounts))
    below = float(np.hypot.reduce([p - a.low_usd for p, a in zip(points, amounts, strict=True)], initial=0.0))
    tops = [each.high_usd for each in amounts]
    above = (
        None
        if None in tops
        else float(np.hypot.reduce([h - p for p, h in zip(points, tops, strict=True) if h is not None], initial=0.0))
    )
    is_told = any(each.estimated_usd is not None for each in amounts)
    return Amount(
        observed_events=sum(each.observed_events for each in amounts),
        observed_usd=floor,
        estimated_events=float(sum(events)) if is_told else None,
        estimated_usd=total if is_told else None,
        low_usd=max(total - below, floor) if is_told else floor,
        high_usd=None if above is None or not is_told else total + above,
        covered=covered,
        is_scaled=any(each.is_scaled for each in amounts),
        is_saturated=any(each.is_saturated for each in amounts),
    )


def within(bands: Bands, start: int, end: int) -> Bands:
    """The minutes that begin from one second on and before another."""
    return bands.only((bands.start >= start) & (bands.start < end))


def hours_of(start: int, end: int) -> list[tuple[int, int]]:
    """Full hours, and what a stretch (s UTC) has of the first and the last.

    >>> hours_of(1800, 9000)
    [(1800, 3600), (3600, 7200), (7200, 9000)]
    """
    edges = [start, *range((start // 3600 + 1) * 3600, end, 3600), end]
    return list(pairwise(edges))
