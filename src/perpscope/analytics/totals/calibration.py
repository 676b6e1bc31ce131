"""The estimator's score, kept running: a complete feed is thinned as a venue does, estimated, compared (METHOD §3.5).

The sizes used on one half of the tape are those of the other, as a sampled venue has to borrow them. Out come the bias
by intensity, the doubt that the bands lack, and the time constant that does best.
"""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
import numpy as np

from perpscope.analytics.totals.bands import (
    Bands,
    Z,
    estimated_bands,
    gathered,
    halves,
    joined,
    observed_bands,
    rescaled,
    widened,
)
from perpscope.analytics.totals.kernels import Watchtime
from perpscope.analytics.totals.prints import Flags, Floats, Ints, Prints, thinned
from perpscope.analytics.totals.sizes import Sizes, sizes_of
from perpscope.analytics.totals.unseen import TAU_S, unseen
from perpscope.model.market import Sampling

TAUS_S = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0)  #: that are tried
#: Strata by expansion: estimated events for each one observed.
EDGES = (1.0, 1.025, 1.05, 1.1, 1.2, 1.35, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)
MEDIAN_BIAS, TOP_BIAS = 0.05, 0.20  #: what is accepted (METHOD §3.5)
_TOP_SHARE = 0.01  #: the most intense minutes
_DECILES = 10
_FEWEST = 20  #: minutes of a stratum for a doubt of its own, and prints of each half for a score (chosen by hand)
#: Events that may have been left out where none was: half a one (Jeffreys' prior of a rate).
_NONE_SEEN = 0.5
#: How far off a factor learnt from events alone may be, relative: sizes grow in bursts (chosen by hand).
_NO_SIZES = 0.2
_WITHIN = 0.90  #: what a band is to cover
_HOUR_S = 3_600

_Scored: TypeAlias = tuple[Bands, Bands]  #: minutes as estimated, and as they were


class Stratum(msgspec.Struct, frozen=True):
    """Minutes of one intensity."""

    from_expansion: float  #: estimated events for each one observed, before `factor`
    minutes: int
    bias: float | None  #: Σ estimated ÷ Σ true − 1; None without any
    coverage: float | None  #: share of minutes whose truth lies in the widened band
    raw_coverage: float | None  #: and in the band before it was widened
    factor: float  #: by which what was left out is multiplied; 1 for `largest`
    sigma: float  #: what is added to a band's doubt, in logarithms


class Calibration(msgspec.Struct, frozen=True):
    """How well totals are recovered where they are known. Biases are of minutes that are not open above."""

    sampling: Sampling
    tau_s: float
    minutes: int  #: with liquidations
    bias: float  #: of the whole: Σ estimated ÷ Σ true − 1
    naive: float  #: of what is observed, on the whole tape: Σ observed ÷ Σ true − 1
    deciles: list[float]  #: bias of ten groups of minutes, those with fewest estimated events first
    top_bias: float  #: of the minutes with most true events, 1 %
    saturated: float  #: share of minutes
    open_bias: float | None  #: of the minutes that the mode cannot tell (`latest`); None without any
    strata: list[Stratum]
    hour_sigma: float  #: what is added to an hour's doubt

    @property
    def median_bias(self) -> float:
        """Median of the deciles' |bias|."""
        return float(np.median(np.abs(self.deciles)))

    @property
    def is_accepted(self) -> bool:
        """Whether estimates may be shown: the median within 5 %, the top within 20 % (METHOD §3.5)."""
        return self.median_bias <= MEDIAN_BIAS and abs(self.top_bias) <= TOP_BIAS

    def applied(self, bands: Bands, of: Bands | None = None) -> Bands:
        """A venue's minutes with what was learnt: rescaled (`latest`), and their bands widened.

        Args:
            bands: (k,) minutes.
            of: the same minutes of both sides, where `bands` are of one: they say how intense it was.
        """
        whole = bands if of is None else of
        at = stratum_of(whole)[np.searchsorted(whole.start, bands.start)]
        factor, sigma = (np.array([getattr(each, name) for each in self.strata])[at] for name in ("factor", "sigma"))
        return widened(rescaled(bands, factor), sigma)

    def of_hours(self, hours: Bands) -> Bands:
        """Hours or longer stretches, gathered from applied minutes, with the doubt their minutes have in common."""
        return widened(hours, np.full(len(hours), self.hour_sigma))


def stratum_of(bands: Bands) -> Ints:
    """(k,) Which of `EDGES` a stretch belongs to by its expansion."""
    found: Ints = np.clip(np.searchsorted(EDGES, bands.expansion, "right") - 1, 0, len(EDGES) - 1)
    return found


def calibrate(
    tape: Prints,
    watch: Watchtime,
    sampling: Sampling,
    *,
    per_side: bool = False,
    taus_s: Sequence[float] = TAUS_S,
    is_causal: bool = False,
) -> Calibration | None:
    """Score the estimator on a complete tape of one symbol; None where there are too few liquidations for it.

    Args:
        tape: complete.
        watch: when it was watched.
        sampling: how it is to be thinned: `LARGEST_1S` or `LATEST_1S`.
        per_side: one print of each side each second.
        taus_s: time constants to choose from: the one with the least bias, of the whole and of the median decile
            together; of equals the nearest to 3 s.
        is_causal: score estimates that use nothing later than each second.
    """
    if len(tape) < 2 * _FEWEST:
        return None
    middle = int(tape.second[len(tape) // 2])
    parts = [(tape.between(*span), span) for span in ((watch.start, middle), (middle, watch.end))]
    if min(len(half) for half, _ in parts) < _FEWEST:
        return None
    found: list[Calibration] = []
    for tau_s in taus_s:
        scored = [
            score(
                half,
                Watchtime(*span, watch.missed),
                sampling,
                sizes_of(other.usd),
                tau_s,
                per_side=per_side,
                is_causal=is_causal,
            )
            for (half, span), (other, _) in zip(parts, reversed(parts), strict=True)
        ]
        bands, truth = joined([half for half, _ in scored]), joined([half for _, half in scored])
        found.append(_judged(bands, truth, sampling, tau_s))
    return min(found, key=lambda each: (round(abs(each.bias) + each.median_bias, 3), abs(each.tau_s - TAU_S)))


def score(
    tape: Prints,
    watch: Watchtime,
    sampling: Sampling,
    sizes: Sizes,
    tau_s: float = TAU_S,
    *,
    per_side: bool = False,
    is_causal: bool = False,
) -> _Scored:
    """A complete tape's minutes as estimated from what a venue would publish of it, and as they were."""
    told = thinned(tape, sampling, per_side=per_side)
    left_out = unseen(told, watch, sampling, sizes, tau_s=tau_s, per_side=per_side, is_causal=is_causal)
    return estimated_bands(told, left_out), observed_bands(tape)


def _judged(raw: Bands, truth: Bands, sampling: Sampling, tau_s: float) -> Calibration:
    """Factors first, then the doubt that is left, then the figures."""
    true, at = truth.observed_usd, stratum_of(raw)
    members = [at == i for i in range(len(EDGES))]
    factors = _factors(raw, truth, members) if sampling is Sampling.LATEST_1S else np.ones(len(EDGES))
    bands = rescaled(raw, factors[at])
    lacking = needed_sigma(bands, true)
    sigmas = _carried([nine_in_ten(lacking[each]) if each.sum() >= _FEWEST else None for each in members], 0.0)
    wide = widened(bands, sigmas[at])
    told = np.isfinite(bands.high)
    calm_first, few_first = (
        np.flatnonzero(told)[np.argsort(events[told], kind="stable")]
        for events in (bands.estimated_events, truth.observed_events)
    )
    top = few_first[-max(1, round(len(few_first) * _TOP_SHARE)) :]
    return Calibration(
        sampling=sampling,
        tau_s=tau_s,
        minutes=len(true),
        bias=bias_of(bands, truth, told) or 0.0,
        naive=float(bands.observed_usd.sum() / true.sum()) - 1.0,
        deciles=[bias_of(bands, truth, group) or 0.0 for group in np.array_split(calm_first, _DECILES)],
        top_bias=bias_of(bands, truth, top) or 0.0,
        saturated=float(bands.saturated.mean()),
        open_bias=bias_of(bands, truth, ~told),
        strata=[
            Stratum(
                edge,
                int(each.sum()),
                bias_of(bands, truth, each),
                covered(wide, truth, each),
                covered(bands, truth, each),
                factor,
                sigma,
            )
            for edge, each, factor, sigma in zip(EDGES, members, factors.tolist(), sigmas.tolist(), strict=True)
        ],
        hour_sigma=_hour_sigma(wide, truth),
    )


def _factors(raw: Bands, truth: Bands, members: Sequence[Flags]) -> Floats:
    """What was really left out of each stratum for each unit estimated: dollars and events, each by how sure it is.

    A stratum's dollars rest on its few largest minutes, its events do not, but they say nothing of sizes. Where nothing
    was left out of any of its minutes, the events say so: a print counts itself among those around it.
    """
    factors: list[float | None] = []
    for each in members:
        said = float(raw.estimated_events[each].sum() - raw.observed_events[each].sum())
        if each.sum() >= _FEWEST and not (truth.observed_events[each] > raw.observed_events[each]).any():
            factors.append(_NONE_SEEN / (said + _NONE_SEEN))
            continue
        ratios = [
            _ratio(truth.observed_usd[each], raw.observed_usd[each], raw.estimated_usd[each], 0.0),
            _ratio(truth.observed_events[each], raw.observed_events[each], raw.estimated_events[each], _NO_SIZES),
        ]
        known = [ratio for ratio in ratios if ratio is not None]
        weight = sum(1.0 / error**2 for _, error in known)
        enough = len(known) == len(ratios) and each.sum() >= _FEWEST
        factors.append(sum(value / error**2 for value, error in known) / weight if enough else None)
    return _carried(factors, 1.0)


def _ratio(true: Floats | Ints, observed: Floats | Ints, estimated: Floats, least: float) -> tuple[float, float] | None:
    """Σ really left out ÷ Σ estimated to be, and its relative error, at least so much; None without either."""
    out, said = true - observed, estimated - observed
    if not (out.sum() > 0 and said.sum() > 0):
        return None
    value = float(out.sum() / said.sum())
    spread = float(np.sqrt(((out - value * said) ** 2).sum()) / out.sum())
    return value, max(float(np.hypot(spread, least)), 1e-6)


def _carried(values: Sequence[float | None], first: float) -> Floats:
    """Values by stratum; where one is not known, the one before it."""
    known = [first]
    for value in values:
        known.append(known[-1] if value is None else value)
    return np.array(known[1:])


def needed_sigma(bands: Bands, true: Floats) -> Floats:
    """(k,) What must be added to a band's doubt, in logarithms, for it to hold the truth; 0 where it does, or is open.

    Args:
        bands: (k,) with an estimate above 0.
        true: (k,) dollars, > 0.
    """
    below, above = halves(bands)
    off = np.log(true / bands.estimated_usd)
    half = np.where(off < 0, below, above)
    lacking = np.maximum(off**2 - np.where(np.isinf(half), 0.0, half) ** 2, 0.0)
    return np.where(np.isinf(half), 0.0, np.sqrt(lacking) / Z)


def nine_in_ten(lacking: Floats) -> float:
    """The doubt with which the next band holds the truth with probability .9: the ⌈.9 (n + 1)⌉-th smallest needed."""
    place = min(int(np.ceil(_WITHIN * (len(lacking) + 1))), len(lacking)) - 1
    return float(np.sort(lacking)[place])


def _hour_sigma(minutes: Bands, truth: Bands) -> float:
    """What the bands of hours lack, that are sums of minutes taken as independent."""
    hours, true = gathered([minutes], _HOUR_S), gathered([truth], _HOUR_S)
    return nine_in_ten(needed_sigma(hours, true.observed_usd))


def bias_of(bands: Bands, truth: Bands, which: Flags | Ints) -> float | None:
    """Σ estimated ÷ Σ true − 1 of some stretches, flagged or by place; None without any."""
    true = truth.observed_usd[which]
    return float(bands.estimated_usd[which].sum() / true.sum()) - 1.0 if len(true) else None


def covered(bands: Bands, truth: Bands, which: Flags) -> float | None:
    """Share of some stretches whose truth lies in the band; None without any. Ends may be off by rounding."""
    true, within = truth.observed_usd[which], bands.only(which)
    holds = (within.low * (1 - 1e-9) <= true) & (true <= within.high * (1 + 1e-9))
    return float(holds.mean()) if len(true) else None
