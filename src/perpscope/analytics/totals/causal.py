"""Totals as they could be told at the time: each minute from what came before its end, by what was learnt before.

For whoever must not know the future: bars of the liquidation map, series of sentiment. What is learnt (rule, sizes,
calibrations) changes at each midnight UTC, and each hour of a feed's first day, so that a minute's total is the same
whenever and with whatever window it is asked for. Other venues' totals take no part, as their ratio is learnt later.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from perpscope.analytics.totals.bands import Bands, Z, joined
from perpscope.analytics.totals.calibration import Calibration, calibrate
from perpscope.analytics.totals.kernels import REACH, Watchtime
from perpscope.analytics.totals.mode import tell_mode
from perpscope.analytics.totals.prints import Floats, Prints
from perpscope.analytics.totals.sizes import Sizes, choose_sizes
from perpscope.analytics.totals.venue import PRIOR_SIGMA, Minutes, complete_minutes, floor_minutes, own_minutes
from perpscope.model.market import Sampling

LEARN_S: Final = 7 * 86_400  #: learnt from, METHOD §3.5
DAY_S, HOUR_S = 86_400, 3_600
#: Newest prints of a complete feed that a calibration rests on, and time constants it chooses from: it is made each
#: midnight of a window, so half and a few of what one of the whole window takes (chosen by hand).
_MOST_PRINTS: Final = 10_000
_TAUS_S: Final = (1.5, 3.0, 6.0)
#: Sizes needed before anything is estimated (chosen by hand).
_FEWEST: Final = 10
_MODES: Final = (Sampling.LARGEST_1S, Sampling.LATEST_1S)
#: Seconds before a stretch that its first second is told from: the reach of the largest time constant.
LEAD_S: Final = round(REACH * max(_TAUS_S))


class Tapes(msgspec.Struct, frozen=True, kw_only=True):
    """A sampled feed, and a complete one of the same coin."""

    own: Prints
    watch: Watchtime  #: of the seven days before
    stated: Sampling  #: what is documented of it; UNKNOWN = nothing
    complete: Prints | None = None
    per_side: bool = False  #: one print of each side each second


class Lesson(msgspec.Struct, frozen=True):
    """What is known of a feed at a moment."""

    modes: tuple[Sampling, ...]  #: the rule it may publish by; of two the lower is believed; none = no rule fits
    sizes: Sizes | None  #: None: too few to tell
    calibrations: Mapping[Sampling, Calibration]

    @property
    def is_told(self) -> bool:
        """Whether more than a floor can be told."""
        known = [self.calibrations[mode] for mode in self.modes if mode in self.calibrations]
        return bool(self.modes) and self.sizes is not None and all(each.is_accepted for each in known)

    @property
    def sigma(self) -> float:
        """Doubt of a usual minute, standard deviation of the logarithm; of two rules the larger."""
        return max((self._sigma(mode) for mode in self.modes), default=0.0)

    def _sigma(self, mode: Sampling) -> float:
        if mode not in self.calibrations:
            return PRIOR_SIGMA[mode][0]
        strata = self.calibrations[mode].strata
        return sum(each.sigma * each.minutes for each in strata) / max(sum(each.minutes for each in strata), 1)


class Told(msgspec.Struct, frozen=True):
    """Minutes of a stretch, and by what they were reckoned."""

    start: int  #: s UTC
    end: int  #: not included
    minutes: Minutes  #: open above: a floor; flagged as saturated, too: nobody can tell
    is_told: bool  #: False: floors
    sigma: float  #: doubt of a usual minute; see `Lesson`


def borders(first: int, start: int, end: int) -> list[int]:
    """Moments (s UTC) at which something new is known, the last one before a stretch among them, and its end.

    Args:
        first: s UTC, of the feed's first print.
        start: of the stretch asked about.
        end: of it, not included.

    >>> borders(first=1_000, start=4_000, end=14_400), borders(first=1_000, start=90_000, end=180_000)
    ([3600, 7200, 10800, 14400], [86400, 172800, 180000])
    """
    midnights = range(start // DAY_S * DAY_S, end, DAY_S)
    hours = range(-(-first // HOUR_S) * HOUR_S, first + DAY_S, HOUR_S)
    found = sorted({*midnights, *hours})
    begin = max(at for at in found if at <= start)
    return [at for at in found if begin <= at < end] + [end]


def lesson(tapes: Tapes, at: int, known: Mapping[Sampling, Calibration]) -> Lesson:
    """What is known at a moment (s UTC), from the seven days before it.

    Args:
        tapes: of the feed.
        at: the moment.
        known: calibrations at that moment, by mode, see `learn`.
    """
    own = tapes.own.between(at - LEARN_S, at)
    beside = None if tapes.complete is None else tapes.complete.between(at - LEARN_S, at)
    modes: tuple[Sampling, ...] = (tapes.stated,)
    if tapes.stated not in _MODES:
        sampling = tell_mode(own, beside, tapes.watch, per_side=tapes.per_side).sampling
        modes = {Sampling.UNKNOWN: _MODES, Sampling.NONE: ()}.get(sampling, (sampling,))
    sizes = choose_sizes(own, beside) if len(own) else None
    return Lesson(modes, sizes if sizes is not None and len(sizes.usd) >= _FEWEST else None, known)


def learn(tape: Prints, watch: Watchtime, at: int, *, per_side: bool = False) -> dict[Sampling, Calibration]:
    """Calibrations of both modes at a moment (s UTC), on a complete feed; those there is enough for.

    Args:
        tape: complete.
        watch: when it was watched in the seven days before.
        at: the moment.
        per_side: as `calibrate`.
    """
    past = tape.between(at - LEARN_S, at)
    start = at - LEARN_S if len(past) <= _MOST_PRINTS else int(past.second[-_MOST_PRINTS])
    past, watch = past.between(start, at), msgspec.structs.replace(watch, start=start, end=at)
    found = {mode: calibrate(past, watch, mode, per_side=per_side, taus_s=_TAUS_S, is_causal=True) for mode in _MODES}
    return {mode: calibration for mode, calibration in found.items() if calibration is not None}


def stretch(own: Prints, watch: Watchtime, known: Lesson, span: tuple[int, int], *, per_side: bool = False) -> Told:
    """Minutes of a stretch by one lesson.

    Args:
        own: prints of the feed, from `LEAD_S` before the stretch.
        watch: when it was watched.
        known: learnt before the stretch.
        span: its begin and end, not included; whole minutes, s UTC.
        per_side: one print of each side each second.
    """
    start, end = span
    led = own.between(start - LEAD_S, end)
    if not known.is_told or known.sizes is None:
        return floors(own, start, end)
    if not len(led):
        return msgspec.structs.replace(floors(led, start, end), is_told=True, sigma=known.sigma)
    led_watch = msgspec.structs.replace(watch, start=start - LEAD_S, end=end)
    found = own_minutes(led, led_watch, known.modes, known.sizes, known.calibrations, per_side=per_side, is_causal=True)
    sides = [each.only((each.start >= start) & (each.start < end)) for each in (found.long, found.short, found.both)]
    return Told(start, end, Minutes(*sides), is_told=True, sigma=known.sigma)


def floors(tape: Prints, start: int, end: int) -> Told:
    """Minutes of a stretch (s UTC) of which nothing more than the observed can be told."""
    minutes, _ = floor_minutes(tape.between(start, end), Sampling.NONE)
    return Told(start, end, minutes, is_told=False, sigma=0.0)


def whole(tape: Prints, start: int, end: int) -> Told:
    """Minutes of a stretch (s UTC) of a complete feed."""
    minutes, _ = complete_minutes(tape.between(start, end))
    return Told(start, end, minutes, is_told=True, sigma=0.0)


def chained(parts: Sequence[Told]) -> Minutes:
    """Minutes of stretches that follow one another."""
    return Minutes(*(joined([getattr(part.minutes, name) for part in parts]) for name in Minutes.__struct_fields__))


def variance(bands: Bands) -> Floats:
    """(k,) Dollars squared: of a normal with the same 5–95 % width; inf where it is open above."""
    found: Floats = ((bands.high - bands.low) / (2.0 * Z)) ** 2
    return found


def trust(total: float, variance_of_total: float) -> float:
    """1 ÷ (1 + cv²), METHOD §6.7; 1 for nothing, that is known to be nothing.

    >>> trust(100.0, 25.0**2), trust(0.0, 0.0)
    (0.9411764705882353, 1.0)
    """
    return 1.0 / (1.0 + variance_of_total / total**2) if total > 0.0 else 1.0
