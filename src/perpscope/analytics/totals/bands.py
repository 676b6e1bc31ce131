"""Amounts with intervals: observed, estimated and its 5–95 % band, by stretches of time; and their sums.

What was left out is zero with some probability, else lognormal with the mean and variance of METHOD §3.3 (a Gamma rate
times a compound Poisson sum, by their moments: no draws, so that the same prints give the same band). The floor is
exact: no band reaches below what was observed.
"""

from collections.abc import Sequence
from statistics import NormalDist

import msgspec
import numpy as np

from perpscope.analytics.totals.prints import Flags, Floats, Ints, Prints, summed_by
from perpscope.analytics.totals.unseen import Unseen

LOW, HIGH = 0.05, 0.95
Z = NormalDist().inv_cdf(HIGH)  #: 1.645 standard deviations
MINUTE_S = 60


class Bands(msgspec.Struct, frozen=True):
    """Amounts of `k` stretches of time, in order; arrays (k,). `low ≤ estimated_usd ≤ high`, `observed_usd ≤ low`."""

    start: Ints  #: s UTC
    observed_events: Ints
    observed_usd: Floats
    estimated_events: Floats
    estimated_usd: Floats
    low: Floats  #: 5 %, dollars
    high: Floats  #: 95 %, dollars; inf = not bounded from above
    saturated: Flags  #: more came than the feed can tell

    def __len__(self) -> int:
        return len(self.start)

    @property
    def expansion(self) -> Floats:
        """(k,) Estimated events for each one observed: how hard the stretch was to estimate. Inf without any."""
        none = self.observed_events == 0
        return np.where(none, np.inf, self.estimated_events / np.where(none, 1, self.observed_events))

    def only(self, which: Flags | Ints) -> "Bands":
        """The stretches that are flagged, or at these places."""
        return Bands(*(getattr(self, name)[which] for name in Bands.__struct_fields__))


def observed_bands(prints: Prints) -> Bands:
    """What a complete feed told: nothing is estimated, so the band is a point."""
    start, at = np.unique(prints.second // MINUTE_S * MINUTE_S, return_inverse=True)
    events = np.bincount(at, minlength=len(start))
    usd = summed_by(at, prints.usd, len(start))
    return Bands(start, events, usd, events.astype(np.float64), usd, usd, usd, np.zeros(len(start), np.bool_))


def floor_bands(prints: Prints) -> Bands:
    """What a feed told that cannot be estimated from: the amount is a floor, and open above."""
    seen = observed_bands(prints)
    return msgspec.structs.replace(seen, high=np.full(len(seen), np.inf))


def estimated_bands(prints: Prints, left_out: Unseen, *, of_longs: bool | None = None) -> Bands:
    """Minutes of a sampled feed.

    Args:
        prints: as published.
        left_out: what `unseen` says of them.
        of_longs: longs alone, or shorts; None = both.
    """
    kept = prints if of_longs is None else prints.only(prints.is_long == of_longs)
    share = np.ones(len(left_out.second)) if of_longs is None else np.abs(left_out.long_share - (not of_longs))
    has = share > 0
    second, share = left_out.second[has], share[has]
    start, at = np.unique(np.concatenate([kept.second, second]) // MINUTE_S * MINUTE_S, return_inverse=True)
    of_prints, of_seconds, k = at[: len(kept)], at[len(kept) :], len(start)
    observed, seen = np.bincount(of_prints, minlength=k), summed_by(of_prints, kept.usd, k)
    more = summed_by(of_seconds, left_out.events[has] * share, k)
    mean = summed_by(of_seconds, left_out.usd[has] * share, k)
    variance = summed_by(of_seconds, left_out.squares[has] * share, k)
    variance += _wobble(left_out.wobble[has] * share, second, of_seconds, left_out.block_s, k)
    packed = summed_by(of_seconds, left_out.saturated[has], k) > 0
    low, high = (seen + quantile(level, more, mean, variance) for level in (LOW, HIGH))
    estimated = seen + mean
    high = np.where(packed & left_out.is_open, np.inf, np.maximum(high, estimated))
    return Bands(start, observed, seen, observed + more, estimated, np.minimum(low, estimated), high, packed)


def _wobble(wobble: Floats, second: Ints, of_bin: Ints, block_s: float, k: int) -> Floats:
    """Variance for not knowing the rate: alike within a block, independent between blocks (METHOD §3.3)."""
    block = (second / block_s).astype(np.int64)
    cells, at = np.unique(np.stack([of_bin, block]), axis=1, return_inverse=True)
    return summed_by(cells[0], summed_by(at.ravel(), wobble, cells.shape[1]) ** 2, k)


def quantile(level: float, events: Floats, mean: Floats, variance: Floats) -> Floats:
    """A quantile of what was left out, dollars; (k,).

    Zero with probability e^−events; else lognormal, with the mean and variance of the whole kept.

    Args:
        level: in (0, 1).
        events: expected number left out, ≥ 0.
        mean: expected dollars left out, ≥ 0.
        variance: of these, dollars squared.
    """
    found = np.zeros(len(mean))
    zero = np.exp(-events)
    some = (zero < level) & (mean > 0)
    if some.any():
        share = 1.0 - zero[some]
        centre = mean[some] / share
        spread = np.log(np.maximum((variance[some] + mean[some] ** 2) / share / centre**2, 1.0))
        inverse = NormalDist().inv_cdf
        score = np.array([inverse(p) for p in ((level - zero[some]) / share).tolist()])
        found[some] = centre * np.exp(score * np.sqrt(spread) - spread / 2)
    return found


def widened(bands: Bands, sigma: Floats) -> Bands:
    """Bands with more doubt: each half of a band and 1.645 σ in quadrature, in logarithms (METHOD §3.3).

    Args:
        bands: (k,).
        sigma: (k,) standard deviations of the logarithm, ≥ 0.
    """
    below, above = halves(bands)
    more = (Z * sigma) ** 2
    some = bands.estimated_usd > 0
    low = bands.estimated_usd * np.exp(-np.sqrt(below**2 + more))
    high = bands.estimated_usd * np.exp(np.sqrt(above**2 + more))
    low = np.clip(low, bands.observed_usd, bands.estimated_usd)
    return msgspec.structs.replace(
        bands, low=np.where(some, low, 0.0), high=np.where(some, np.maximum(high, bands.estimated_usd), 0.0)
    )


def rescaled(bands: Bands, factor: Floats) -> Bands:
    """Bands with what was not seen multiplied: the mean of it and how far the band reaches.

    Args:
        bands: (k,).
        factor: (k,) > 0.
    """
    seen = bands.observed_usd
    return msgspec.structs.replace(
        bands,
        estimated_events=bands.observed_events + (bands.estimated_events - bands.observed_events) * factor,
        estimated_usd=seen + (bands.estimated_usd - seen) * factor,
        low=seen + (bands.low - seen) * factor,
        high=seen + (bands.high - seen) * factor,
    )


def halves(bands: Bands) -> tuple[Floats, Floats]:
    """(k,), (k,) From the estimate down and up to the band's ends, in logarithms; inf where an end is 0 or open."""
    with np.errstate(divide="ignore", invalid="ignore"):
        below, above = np.log(bands.estimated_usd / bands.low), np.log(bands.high / bands.estimated_usd)
    return np.nan_to_num(below, nan=0.0, posinf=np.inf), np.nan_to_num(above, nan=0.0, posinf=np.inf)


def joined(parts: Sequence[Bands]) -> Bands:
    """The stretches of several, one after another."""
    return Bands(*(np.concatenate([getattr(part, name) for part in parts]) for name in Bands.__struct_fields__))


def gathered(parts: Sequence[Bands], width_s: int) -> Bands:
    """Sums by longer stretches: what was observed and estimated adds up, doubts are taken as independent.

    Args:
        parts: minutes of sides, symbols or venues; the stretches of one part lie apart.
        width_s: length of the stretches to make, s.
    """
    of = joined(parts)
    start, at = np.unique(of.start // width_s * width_s, return_inverse=True)
    k, is_open = len(start), np.isinf(of.high)
    observed, estimated = summed_by(at, of.observed_usd, k), summed_by(at, of.estimated_usd, k)
    below = np.sqrt(summed_by(at, (of.estimated_usd - of.low) ** 2, k))
    above = np.sqrt(summed_by(at, np.where(is_open, 0.0, of.high - of.estimated_usd) ** 2, k))
    return Bands(
        start,
        summed_by(at, of.observed_events, k).astype(np.int64),
        observed,
        summed_by(at, of.estimated_events, k),
        estimated,
        np.clip(estimated - below, np.minimum(observed, estimated), estimated),
        np.where(summed_by(at, is_open, k) > 0, np.inf, estimated + above),
        summed_by(at, of.saturated, k) > 0,
    )


def capped(bands: Bands, ceiling: Floats) -> Bands:
    """Bands that end at what may have been liquidated at most, or at what was observed where that is more.

    Args:
        bands: (k,).
        ceiling: (k,) dollars; NaN = not known.
    """
    most = np.where(np.isnan(ceiling), np.inf, np.maximum(ceiling, bands.observed_usd))
    return msgspec.structs.replace(
        bands,
        estimated_usd=np.minimum(bands.estimated_usd, most),
        low=np.minimum(bands.low, most),
        high=np.minimum(bands.high, most),
    )
