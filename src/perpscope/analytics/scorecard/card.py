"""One card: is the map better than distance alone, by how much, how surely, and beside what else.

In: windows of one horizon. The first 40 % of the time fits the baseline, the blends and the chances; everything that is
told is of the rest, a horizon later (METHOD 10.1).
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.liqmap.bars import MINUTE_NS
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.scorecard import chance
from perpscope.analytics.scorecard.chance import Reliability
from perpscope.analytics.scorecard.distance_only import DistanceOnly, fitted
from perpscope.analytics.scorecard.judge import Figure, Judge, Scored
from perpscope.analytics.scorecard.scores import MIXED
from perpscope.analytics.scorecard.windows import Rows, Window, flat, is_test, is_training, reason_against, split_at

TRAINING: Final = 0.4
#: What stands for the map, for the truth and for another day's map in `Window.found`.
MAP, ORACLE, OTHER_DAY = "map", "oracle", "other_day"


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A forecast: alone (with 3 % of distance, METHOD 10.3), and blended with distance as the training part likes."""

    bits: Figure  #: alone
    lift: Figure
    blended_bits: Figure
    share: float  #: of it in its blend
    behind_bits: Figure  #: the map's blend less its blend: above 0 the map is better


class Chances(msgspec.Struct, frozen=True, kw_only=True):
    """P(at least $X closed by force in a cell | the price reaches it)."""

    threshold_usd: float  #: X: median of the cells in which something was, training part
    cells: int
    share: float  #: of the cells in which it happened
    ece: float
    brier: float
    brier_distance: float
    brier_skill: Figure  #: 1 − brier ÷ brier of distance alone
    reliability: list[Reliability]


class HorizonCard(msgspec.Struct, frozen=True, kw_only=True):
    """The scores of one horizon."""

    minutes: int
    lift: float  #: Lift@20 %, mean over windows
    lift_low: float
    lift_high: float
    bits: float  #: gain over distance alone, bits per dollar closed by force; a window's dollars up to a 90 % quantile
    bits_low: float
    bits_high: float
    oracle_share: float | None  #: of the gain of the true liquidation prices; None where they are not known
    ece: float
    windows: int  #: sides of windows that are scored
    left_out: dict[str, int]  #: and of those that are not, by reason
    training_windows: int
    days: int  #: days of markets the intervals draw from
    share: float  #: of the map in the blend that is scored
    distance_scale: str  #: "bps" or "sigma": by which distance foretold better
    bits_by_market: Figure  #: whole markets drawn instead of days
    bits_equal: Figure  #: each window alike instead of each dollar
    bits_usd: Figure  #: each dollar alike, however many fell in one window
    lift_usd: Figure  #: each dollar alike instead of each window
    bits_of: dict[str, Figure]  #: by market
    null_lift: Figure  #: another day's map, its cells permuted within 10 bps
    null_bits: Figure
    chances: Chances
    others: dict[str, Named]  #: everything else in `Window.found`; "map_alone" is the map without the blend


def card(windows: Sequence[Window], minutes: int) -> HorizonCard:
    """The card of one horizon.

    Args:
        windows: of all markets and both sides; `found` has "map" and "other_day", and "oracle" where it is known.
        minutes: how long each lasts.

    Raises:
        ValueError: too little was closed by force to fit or to judge.
    """
    parts = _Parts(windows, minutes)
    baseline = fitted(parts.past)
    judge = Judge(parts.past, parts.kept, baseline)
    share = judge.share_of(MAP)
    ours = judge.scored(judge.test.found[MAP], share)
    lifts, bits = judge.mean(ours.lift), judge.bits(ours.bits)
    others = {name: _named(judge, name, ours) for name in judge.test.found if name not in {MAP, OTHER_DAY}}
    chances = _chances(parts.past, parts.later, baseline)
    null_lift, null_bits = judge.null(OTHER_DAY, share)
    return HorizonCard(
        minutes=minutes,
        lift=lifts.value,
        lift_low=lifts.low,
        lift_high=lifts.high,
        bits=bits.value,
        bits_low=bits.low,
        bits_high=bits.high,
        oracle_share=bits.value / others[ORACLE].blended_bits.value if ORACLE in others else None,
        ece=chances.ece,
        windows=judge.test.count,
        left_out=dict(sorted(parts.reasons.items())),
        training_windows=parts.learnt,
        days=sum(map(len, judge.days.values())),
        share=share,
        distance_scale=baseline.scale,
        bits_by_market=judge.bits_by_market(ours.bits),
        bits_equal=judge.mean(ours.bits / judge.usd),
        bits_usd=judge.bits_usd(ours.bits),
        lift_usd=judge.mean_usd(ours.lift),
        bits_of=judge.bits_of_each(ours.bits),
        null_lift=null_lift,
        null_bits=null_bits,
        chances=chances,
        others={"map_alone": _named(judge, MAP, ours), **others},
    )


class _Parts:
    """Windows of the first part of the time and of the rest, and those of each that can be scored."""

    def __init__(self, windows: Sequence[Window], minutes: int) -> None:
        horizon = minutes * MINUTE_NS
        split = split_at(np.array([window.ts for window in windows], np.int64), TRAINING, horizon)
        past = [window for window in windows if is_training(window, split, horizon)]
        later = [window for window in windows if is_test(window, split, horizon)]
        learnt = [window for window in past if reason_against(window) is None]
        kept = [window for window in later if reason_against(window) is None]
        if not kept or not learnt:
            raise ValueError(f"{len(learnt)} windows to learn from and {len(kept)} to score at {minutes} minutes")
        self.past, self.later, self.kept, self.learnt = flat(past), flat(later), flat(kept), len(learnt)
        self.reasons = Counter(reason for window in later if (reason := reason_against(window)) is not None)


def _named(judge: Judge, name: str, ours: Scored) -> Named:
    share = judge.share_of(name)
    found = judge.test.found[name]
    alone, blend = judge.scored(found, 1.0 - MIXED), judge.scored(found, share)
    return Named(
        bits=judge.bits(alone.bits),
        lift=judge.mean(alone.lift),
        blended_bits=judge.bits(blend.bits),
        share=share,
        behind_bits=judge.bits(ours.bits - blend.bits),
    )


def _chances(past: Rows, later: Rows, baseline: DistanceOnly) -> Chances:
    """Fitted on every cell that was reached in the training part, judged on every one of the rest."""
    threshold = float(np.median(past.realised[past.realised > 0.0]))
    happened, happens = past.realised >= threshold, later.realised >= threshold
    told: list[Floats] = []
    for names in ((MAP,), ()):
        curve = chance.fit(_features(past, baseline, names), happened)
        told.append(curve.chances(_features(later, baseline, names)))
    ours, theirs = told
    table = chance.reliability(ours, happens)
    errors, errors_distance = (later.sums((one - happens) ** 2) for one in told)
    judge = Judge(past, later, baseline)  # for its days
    return Chances(
        threshold_usd=threshold,
        cells=int(happens.size),
        share=float(happens.mean()),
        ece=chance.calibration_error(table),
        brier=chance.brier(ours, happens),
        brier_distance=chance.brier(theirs, happens),
        brier_skill=judge.figure(errors_distance - errors, errors_distance),
        reliability=table,
    )


def _features(rows: Rows, baseline: DistanceOnly, names: tuple[str, ...]) -> Floats:
    return chance.features(baseline.expected(rows), *(rows.found[name] for name in names))
