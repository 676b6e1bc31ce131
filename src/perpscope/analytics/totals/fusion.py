"""Several estimates of one amount, weighted by what each is worth, within hard bounds (METHOD §3.4)."""

import msgspec
import numpy as np

from perpscope.analytics.totals.bands import Bands, Z, halves
from perpscope.analytics.totals.prints import Flags, Floats

_LEAST = 0.05  #: weight of all rivals together below which they change nothing (chosen by hand)
_SURE = 1e-3  #: smallest standard deviation of a logarithm: what is exact weighs a million, not infinitely
_FEWEST_PAIRS = 20  #: stretches in which both told something, for a ratio (chosen by hand)


class Rival(msgspec.Struct, frozen=True):
    """Another estimate of the same stretches."""

    name: str  #: "venues", "map"
    usd: Floats  #: (k,) dollars; NaN or 0 where it says nothing
    sigma: float  #: standard deviation of its logarithm


class Ratio(msgspec.Struct, frozen=True):
    """How one venue's total compares with another's."""

    factor: float  #: k_v, to multiply the other's with
    sigma: float  #: standard deviation of the logarithm around it
    pairs: int  #: stretches it was learnt from


def cross_ratio(estimated: Floats, reference: Floats, usable: Flags) -> Ratio | None:
    """k_v: the median of one venue's total over another's, scaled by open interest; None with too few pairs.

    Args:
        estimated: (k,) totals of the venue, dollars.
        reference: (k,) `T_complete · OI_venue / OI_complete` of the same stretches, dollars; NaN = not known.
        usable: (k,) stretches that were not saturated.
    """
    both = usable & (estimated > 0) & (reference > 0)
    pairs = int(both.sum())
    if pairs < _FEWEST_PAIRS:
        return None
    logs = np.log(estimated[both] / reference[both])
    low, middle, high = np.quantile(logs, [0.1587, 0.5, 0.8413])
    return Ratio(float(np.exp(middle)), max(float(high - low) / 2, _SURE), pairs)


def fuse(usd: Floats, sigma: Floats) -> tuple[Floats, Floats, Floats]:
    """Weighted geometric mean, ln T̂ = Σ wᵢ ln Eᵢ with wᵢ ∝ 1/σᵢ²; log-normal errors taken as independent.

    Args:
        usd: (methods, k) dollars; NaN or 0 where a method says nothing.
        sigma: (methods, k) standard deviations of their logarithms; inf = worth nothing.

    Returns:
        (k,) dollars, NaN where no method says anything; (k,) standard deviation of the logarithm; (methods, k) weights.

    >>> usd, sigma, weights = fuse(np.array([[100.0], [400.0]]), np.array([[0.2], [0.2]]))
    >>> round(float(usd[0]), 6), round(float(sigma[0]), 6), weights.ravel().tolist()
    (200.0, 0.141421, [0.5, 0.5])
    """
    says = np.isfinite(usd) & (usd > 0)
    worth = np.where(says, 1.0 / np.maximum(sigma, _SURE) ** 2, 0.0)
    whole = worth.sum(axis=0)
    some = whole > 0
    weights: Floats = worth / np.where(some, whole, 1.0)
    logs = np.log(np.where(says, usd, 1.0))
    total = np.where(some, np.exp((weights * logs).sum(axis=0)), np.nan)
    return total, np.where(some, 1.0 / np.sqrt(np.where(some, whole, 1.0)), np.inf), weights


def fused(bands: Bands, rivals: list[Rival]) -> tuple[Bands, Floats]:
    """A venue's own estimate joined with others'; where its own is open above, the others alone are believed.

    Args:
        bands: (k,) the venue's own, widened by its calibration.
        rivals: estimates of the same stretches.

    Returns:
        The bands, and (1 + rivals, k) the weights of its own and each rival. Where rivals together weigh less than 5 %
        the bands stay as they are, also where they are open above.
    """
    own = np.where(np.isinf(bands.high), np.inf, _own_sigma(bands))
    usd = np.stack([bands.estimated_usd, *(rival.usd for rival in rivals)])
    sigma = np.stack([own, *(np.full(len(bands), rival.sigma) for rival in rivals)])
    total, doubt, weights = fuse(usd, sigma)
    joined = weights[1:].sum(axis=0) > _LEAST
    total = np.maximum(np.where(joined, total, bands.estimated_usd), bands.observed_usd)
    reach = np.exp(Z * np.where(joined, doubt, 0.0))
    at_floor = bands.low <= bands.observed_usd * (1 + 1e-9)  # nothing more than was observed was likely enough before
    low = np.where(
        at_floor & np.isfinite(bands.high), bands.observed_usd, np.maximum(total / reach, bands.observed_usd)
    )
    weights[:, ~joined] = 0.0
    weights[0, ~joined] = 1.0
    return msgspec.structs.replace(
        bands,
        estimated_usd=total,
        low=np.where(joined, low, bands.low),
        high=np.where(joined, total * reach, bands.high),
    ), weights


def _own_sigma(bands: Bands) -> Floats:
    """(k,) Standard deviation of the logarithm that a band's wider half means."""
    below, above = halves(bands)
    wider: Floats = np.maximum(np.where(np.isinf(below), 0.0, below), above) / Z
    return wider


def most_possible(taker_usd: Floats, opened_usd: Floats, closed_usd: Floats) -> Floats:
    """Upper bound of what was liquidated: the least of what is known (METHOD §3.4).

    Args:
        taker_usd: (k,) what takers traded on the forced side: sold for longs, bought for shorts; NaN = not known.
        opened_usd: (k,) positions opened, at most all that was traded; NaN = not known.
        closed_usd: (k,) how much open interest fell, 0 where it rose; NaN = not known.

    Returns:
        (k,) dollars; NaN where nothing is known.

    >>> most_possible(np.array([50.0, np.nan]), np.array([70.0, 40.0]), np.array([5.0, 5.0])).tolist()
    [50.0, 45.0]
    """
    return np.fmin(taker_usd, opened_usd + closed_usd)
