"""Minutes of one symbol at one venue: its own estimate, corrected by its calibration, joined with others', bounded.

In: prints, what they are a sample of, a complete feed beside them where there is one. Out: `Minutes`, and `How` they
came about. Sides add up to both.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from perpscope.analytics.totals.bands import (
    MINUTE_S,
    Bands,
    capped,
    estimated_bands,
    floor_bands,
    gathered,
    joined,
    observed_bands,
    widened,
)
from perpscope.analytics.totals.calibration import Calibration
from perpscope.analytics.totals.fusion import Ratio, Rival, cross_ratio, fused
from perpscope.analytics.totals.kernels import Watchtime
from perpscope.analytics.totals.prints import Floats, Ints, Prints
from perpscope.analytics.totals.sizes import Sizes, choose_sizes
from perpscope.analytics.totals.unseen import TAU_S, unseen
from perpscope.model.market import Sampling

_MODES = (Sampling.LARGEST_1S, Sampling.LATEST_1S)
#: Doubts (minutes, hours) where no complete feed says how large they are: the largest that METHOD §14's generator asks
#: for (tests/unit/test_totals_method.py prints them).
PRIOR_SIGMA: Mapping[Sampling, tuple[float, float]] = {
    Sampling.LARGEST_1S: (0.1, 0.05),
    Sampling.LATEST_1S: (0.5, 0.2),
}


class Minutes(msgspec.Struct, frozen=True):
    """The same minutes of longs liquidated, of shorts, and of both."""

    long: Bands
    short: Bands
    both: Bands


class Beside(msgspec.Struct, frozen=True):
    """A complete feed of the same coin, and how the two venues compare."""

    prints: Prints
    open_interest_ratio: float | None = None  #: OI of the venue ÷ OI of the complete one; None = not known


class Ceilings(msgspec.Struct, frozen=True):
    """What may have been liquidated at most, by minute; arrays (k,), dollars, NaN = not known."""

    start: Ints  #: s UTC, ascending
    long: Floats
    short: Floats


class How(msgspec.Struct, frozen=True):
    """How a venue's amounts came about."""

    sampling: Sampling  #: what its prints were taken for; NONE = complete, or nothing that can be estimated from
    is_estimated: bool  #: False: the observed alone, a floor unless the feed is complete
    sizes: str | None = None  #: whose sizes: "complete", "quiet", "own"; None = none were needed
    calibration: str | None = None  #: "own", "borrowed", "prior"; "failed" = not accepted, so nothing is estimated
    ratio: Ratio | None = None  #: with the complete feed, where it took part


def complete_minutes(prints: Prints) -> tuple[Minutes, How]:
    """What a complete feed told is the total."""
    return _split(prints, observed_bands), How(Sampling.NONE, is_estimated=False)


def _split(prints: Prints, made: Callable[[Prints], Bands]) -> Minutes:
    return Minutes(made(prints.only(prints.is_long)), made(prints.only(~prints.is_long)), made(prints))


def floor_minutes(prints: Prints, sampling: Sampling, calibration: str | None = None) -> tuple[Minutes, How]:
    """What was observed, where no estimate is to be had."""
    return _split(prints, floor_bands), How(sampling, is_estimated=False, calibration=calibration)


def sampled_minutes(
    prints: Prints,
    watch: Watchtime,
    sampling: Sampling,
    *,
    beside: Beside | None = None,
    calibrations: Mapping[Sampling, Calibration] | None = None,
    calibrated_by: str = "own",
    ceilings: Ceilings | None = None,
    per_side: bool = False,
) -> tuple[Minutes, How]:
    """True totals of a feed of at most one print each second (METHOD §3).

    Args:
        prints: of one symbol, at least one.
        watch: when it was watched.
        sampling: which print of a second it publishes; UNKNOWN = undecided: the lower of both estimates, and a band
            that holds both.
        beside: a complete feed in the same time.
        calibrations: by mode; a mode that is missing is given doubts as large as any that were needed elsewhere.
        calibrated_by: "own" or "borrowed": whose tape the calibrations are from.
        ceilings: hard bounds.
        per_side: one print of each side each second.

    Raises:
        ValueError: `sampling` is NONE, or there are no prints.
    """
    modes = _MODES if sampling is Sampling.UNKNOWN else (sampling,)
    known = calibrations or {}
    if any(mode in known and not known[mode].is_accepted for mode in modes):
        return floor_minutes(prints, sampling, "failed")
    sizes = choose_sizes(prints, None if beside is None else beside.prints)
    minutes = own_minutes(prints, watch, modes, sizes, known, per_side=per_side)
    minutes, ratio = _joined(minutes, beside)
    minutes = minutes if ceilings is None else _bounded(minutes, ceilings)
    by = calibrated_by if all(mode in known for mode in modes) else "prior"
    return minutes, How(sampling, is_estimated=True, sizes=sizes.source, calibration=by, ratio=ratio)


def own_minutes(
    prints: Prints,
    watch: Watchtime,
    modes: Sequence[Sampling],
    sizes: Sizes,
    known: Mapping[Sampling, Calibration],
    *,
    per_side: bool = False,
    is_causal: bool = False,
) -> Minutes:
    """Minutes a feed's own prints tell, with the doubts of calibrations or those stated before.

    Args:
        prints: of one symbol, at least one.
        watch: when it was watched.
        modes: the rule it publishes by; of two the lower estimate, in a band that holds both.
        sizes: how large its liquidations are.
        known: calibrations by mode; a mode that is missing is given `PRIOR_SIGMA`.
        per_side: one print of each side each second.
        is_causal: a second knows nothing later than itself.
    """
    found = []
    for mode in modes:
        calibration = known.get(mode)
        tau_s = TAU_S if calibration is None else calibration.tau_s
        left_out = unseen(prints, watch, mode, sizes, tau_s=tau_s, per_side=per_side, is_causal=is_causal)
        long, short, both = (estimated_bands(prints, left_out, of_longs=side) for side in (True, False, None))
        if calibration is None:
            sides = (widened(each, np.full(len(each), PRIOR_SIGMA[mode][0])) for each in (long, short, both))
        else:
            sides = (calibration.applied(each, both) for each in (long, short, both))
        found.append(Minutes(*sides))
    return found[0] if len(found) == 1 else Minutes(*(_either(*pair) for pair in _pairs(*found)))


def hour_sigma(how: How, calibrations: Mapping[Sampling, Calibration]) -> float:
    """What is to be added to the doubt of an hour, or a longer stretch, of amounts that came about so."""
    if not how.is_estimated:
        return 0.0
    modes = _MODES if how.sampling is Sampling.UNKNOWN else (how.sampling,)
    return max(calibrations[m].hour_sigma if m in calibrations else PRIOR_SIGMA[m][1] for m in modes)


def _pairs(one: Minutes, other: Minutes) -> list[tuple[Bands, Bands]]:
    return [(one.long, other.long), (one.short, other.short), (one.both, other.both)]


def _either(one: Bands, other: Bands) -> Bands:
    """Both modes' minutes as one: the lower estimate, and a band that holds both (METHOD §2, "tie")."""
    lower = one.estimated_usd <= other.estimated_usd
    return msgspec.structs.replace(
        one,
        estimated_events=np.where(lower, one.estimated_events, other.estimated_events),
        estimated_usd=np.where(lower, one.estimated_usd, other.estimated_usd),
        low=np.minimum(one.low, other.low),
        high=np.maximum(one.high, other.high),
        saturated=one.saturated | other.saturated,
    )


def aligned(values: Floats, start: Ints, wanted: Ints) -> Floats:
    """(k,) Values of the minutes that begin at `wanted`; NaN where there is none.

    Args:
        values: (n,)
        start: (n,) of their minutes, ascending.
        wanted: (k,) of the minutes asked for.
    """
    found = np.full(len(wanted), np.nan)
    at = np.searchsorted(start, wanted)
    has = at < len(start)
    has[has] = start[at[has]] == wanted[has]
    found[has] = values[at[has]]
    return found


def _joined(minutes: Minutes, beside: Beside | None) -> tuple[Minutes, Ratio | None]:
    """Joined side by side with what the complete feed says, where it says anything."""
    if beside is None:
        return minutes, None
    scale = 1.0 if beside.open_interest_ratio is None else beside.open_interest_ratio
    reference, _ = complete_minutes(beside.prints)
    both = aligned(reference.both.observed_usd, reference.both.start, minutes.both.start) * scale
    ratio = cross_ratio(minutes.both.estimated_usd, both, ~minutes.both.saturated)
    if ratio is None:
        return minutes, None
    sides, changed = [], []
    for own, other in ((minutes.long, reference.long), (minutes.short, reference.short)):
        usd = aligned(other.observed_usd, other.start, own.start) * (scale * ratio.factor)
        bands, weights = fused(own, [Rival("venues", usd, ratio.sigma)])
        sides.append(bands)
        changed.append(own.start[weights[1] > 0])
    return _summed(minutes, sides, np.concatenate(changed)), ratio


def _bounded(minutes: Minutes, ceilings: Ceilings) -> Minutes:
    sides, changed = [], []
    for own, most in ((minutes.long, ceilings.long), (minutes.short, ceilings.short)):
        bands = capped(own, aligned(most, ceilings.start, own.start))
        sides.append(bands)
        changed.append(own.start[bands.high < own.high])
    return _summed(minutes, sides, np.concatenate(changed))


def _summed(before: Minutes, sides: list[Bands], changed: Ints) -> Minutes:
    """Sides that changed, and both: in those minutes their sum, elsewhere as before."""
    sums = gathered(sides, MINUTE_S)
    both = joined([before.both.only(~np.isin(before.both.start, changed)), sums.only(np.isin(sums.start, changed))])
    order = np.argsort(both.start, kind="stable")
    return Minutes(sides[0], sides[1], both.only(order))
