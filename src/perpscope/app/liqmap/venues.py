"""What each venue's part of a liquidation map rests on, and what a reader has to know beside the figures."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.liqmap.bars import DAY_NS, MINUTE_NS
from perpscope.analytics.liqmap.learning import interval
from perpscope.app.liqmap.parts import Part, Question
from perpscope.model.market import Completeness

_MS_NS = 1_000_000
#: A side is said to have been seen if so much of the time was.
_ENOUGH: Final = 0.9


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the mass of one class that the price passed; both sides together."""

    rung: str
    conversion: float  #: forced ÷ passed
    low: float  #: 5 % of its posterior
    high: float  #: 95 %
    passed: float  #: base units it was learnt from; next to nothing = the prior's


class ModelWeight(msgspec.Struct, frozen=True):
    """A model's weight in the blend, earned by its score."""

    family: str
    inflow: str
    weight: float


class VenueTold(msgspec.Struct, frozen=True, kw_only=True):
    """What one venue's part rests on."""

    venue: str
    instrument: str
    open_interest: float  #: base units
    mark: float  #: quote per base
    age_ms: int  #: of its last bar, market time
    is_stale: bool
    bars: int
    price_share: float  #: of the minutes, in [0, 1]
    open_interest_share: float  #: of the bars
    liquidations_share: float  #: of the time whose liquidations were seen
    completeness: Completeness  #: of its liquidations, at best
    estimated_share: float  #: of the minutes with liquidations, that are told in full or estimated: others are floors
    tiers: str  #: where its margin tiers are from
    tiers_quality: str
    models: list[ModelWeight]
    learned: list[Learned]  #: of the heaviest model


def told(part: Part, now: int) -> VenueTold:
    """What a venue's part rests on, at a moment (ns UTC)."""
    state = part.state
    weights = part.map.weights
    heaviest = int(np.argmax(weights))
    learnt = state.books[heaviest].learnt
    low, high = interval(learnt, state.open_interest, part.map.setting)
    rungs = part.map.models[heaviest].ladder.rungs[:-1]
    hold = part.map.setting.hold_minutes * MINUTE_NS
    return VenueTold(
        venue=part.feed.instrument.venue,
        instrument=part.feed.instrument.id,
        open_interest=state.open_interest,
        mark=state.mark,
        age_ms=max(now - state.ts, 0) // _MS_NS,
        is_stale=now - state.ts_told > 3 * hold,
        bars=state.bars,
        price_share=part.feed.price_share,
        open_interest_share=part.feed.open_interest_share,
        liquidations_share=part.feed.liquidations_share,
        completeness=part.feed.completeness,
        estimated_share=part.feed.estimated_share,
        tiers=part.table.source,
        tiers_quality=part.table.quality.value,
        models=[
            ModelWeight(model.ladder.family, model.inflow, float(weight))
            for model, weight in zip(part.map.models, weights, strict=True)
        ],
        learned=[
            Learned(
                rung=rung.name,
                conversion=float(learnt.conversion[:, at].mean()),
                low=float(low[:, at].min()),
                high=float(high[:, at].max()),
                passed=float(learnt.exposed[:, at].sum()),
            )
            for at, rung in enumerate(rungs)
        ],
    )


def remarks(question: Question, venues: Sequence[VenueTold], length: int) -> list[str]:
    """What a reader has to know beside the figures."""
    notes = [
        "an estimate: sizes by leverage are inferred, not observed; levels more than 1 % away are not validated",
        "prices are the last price's extremes widened by the mark at each minute's end",
    ]
    for told in venues:
        if told.completeness is Completeness.SAMPLED and told.liquidations_share > 0.0:
            how = f"estimated in {told.estimated_share:.0%} of their minutes, a floor in the others"
            notes.append(f"{told.venue}: how much of a level is forced is learnt from sampled liquidations, {how}")
        if told.completeness is Completeness.WATCHLIST:
            notes.append(f"{told.venue}: how much of a level is forced is learnt from a watchlist, which is a floor")
        if told.liquidations_share < _ENOUGH:
            notes.append(f"{told.venue}: {told.liquidations_share:.0%} of its liquidations' time was seen")
        if told.tiers_quality == "assumed":
            notes.append(f"{told.venue}: {told.tiers}")
        if told.is_stale:
            notes.append(f"{told.venue}: STALE, its open interest is {told.age_ms // 1000:,} s old or more")
    if length < DAY_NS:
        notes.append(f"warm-up: positions are followed for {question.lookback_h:g} h only; a day or more is better")
    return notes
