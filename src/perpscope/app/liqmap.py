"""The liquidation map and its heatmap of one coin or contract, made from what a store holds.

In: a store and a `Question`. Out: a `MapAnswer`, whose fields are those of `perpscope map --json`, or a `HeatAnswer`.
Every figure of the map is an estimate; the answer says of what, how much of it was seen and how sure it is.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.liqmap import curves, force, heat, levels, price_moves
from perpscope.analytics.liqmap.bars import DAY_NS, HOUR_NS, MINUTE_NS
from perpscope.analytics.liqmap.curves import Cluster, WhatIf
from perpscope.analytics.liqmap.explain import Explanation, explain
from perpscope.analytics.liqmap.force import Force
from perpscope.analytics.liqmap.heat import Column, Heatmap
from perpscope.analytics.liqmap.learning import interval
from perpscope.analytics.liqmap.levels import Bins, Status
from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.analytics.margin_arrays import Floats
from perpscope.app.liqmap_baselines import baseline
from perpscope.app.liqmap_parts import Gathered, Part, Question, check, gather, round_width
from perpscope.errors import ConfigError
from perpscope.model.market import Completeness
from perpscope.stores.status import StoreKind

_MS_NS = 1_000_000
_REACH: Final = 0.25
#: A side is said to have been seen if so much of the time was.
_ENOUGH: Final = 0.9
_FOUR_HOURS_MIN: Final = 240.0
#: An EMPTY bin is told where distance alone puts so much of the largest bin into it.
_FAINT: Final = 0.01


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """One bin of one side."""

    side: str  #: LONG or SHORT: whose positions
    low: float  #: quote per base
    high: float
    mid_price: float
    usd: float  #: expected to be closed by force if the price gets there
    gross_usd: float  #: held there
    intensity: float  #: `usd` ÷ the largest bin's, in [0, 1]
    status: str  #: ACTIVE, PARTIAL, CLEARED; EMPTY where `usd` is what distance alone expects
    remaining_pct: float  #: of what was there, 0–100
    distance_pct: float  #: from the price, signed


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
    tiers: str  #: where its margin tiers are from
    tiers_quality: str
    models: list[ModelWeight]
    learned: list[Learned]  #: of the heaviest model


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The market the map is of."""

    price: float  #: mark of the venue with most open interest, quote per base
    high: float  #: of the lookback
    low: float
    total_oi_usd: float
    funding_8h: float | None  #: fraction, by open interest
    sigma_4h: float | None  #: standard deviation of the log return over four hours


class MapAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `perpscope map --json` prints."""

    name: str
    data: StoreKind
    basis: str  #: "estimated": none of it is observed
    formula: str
    profile: str
    at_ms: int  #: market time of the map
    from_ms: int  #: positions are followed from there
    horizon_min: float
    summary: Summary
    direction: Force
    direction_is: str  #: "descriptive": nothing is claimed about where the price goes
    bins: list[Bin]  #: by price; those that are EMPTY and faint are left out
    clusters: list[Cluster]
    what_if: list[WhatIf]
    beyond_usd: list[float]  #: held out of the bins or of reach: longs, shorts
    venues: list[VenueTold]
    notes: list[str]
    explanation: Explanation | None = None


class HeatAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A heatmap with the price it was made beside."""

    name: str
    data: StoreKind
    profile: str
    heatmap: Heatmap
    prices: list[tuple[int, float, float, float]]  #: ns UTC, low, high, close of each column's bar
    venues: list[str]
    notes: list[str]


def read_map(path: Path, question: Question) -> MapAnswer:
    """The map now, in the store's market time.

    Args:
        path: the store.
        question: what to make.

    Raises:
        ConfigError: the store knows no such perpetual, or the question asks for what there is not.
        DataError: there is no such store, or too little in it for a map.
        StoreError: it cannot be read.
    """
    check(question)
    gathered = gather(path, question)
    for part in gathered.parts:
        for bar in part.feed.bars:
            part.map.take(bar)
    return _answer(question, gathered)


def read_heatmap(path: Path, question: Question, *, hours: float = 24.0, every_min: float = 15.0) -> HeatAnswer:
    """The map as it was at moments of the last hours; each column knows only what came before it.

    Args:
        path: the store.
        question: of the map.
        hours: that are shown, > 0.
        every_min: minutes between columns, 5 or more.

    Raises:
        As `read_map`.
    """
    check(question)
    if not (hours > 0.0 and every_min >= 5.0):
        raise ConfigError("option-value", f"--hours {hours:g} must be above 0 and --every {every_min:g} at least 5")
    gathered = gather(path, question)
    parts, reference = gathered.parts, gathered.reference
    last = reference.feed.bars[-1].close
    edges = levels.edges_around(last, width=question.width or round_width(last), reach=_REACH)
    columns: list[Column] = []
    prices: list[tuple[int, float, float, float]] = []
    waiting = [iter(part.feed.bars) for part in parts]
    ahead = [next(bars, None) for bars in waiting]
    after = gathered.now - round(hours * HOUR_NS)
    for bar in reference.feed.bars:
        for at, part in enumerate(parts):
            while (coming := ahead[at]) is not None and coming.ts <= bar.ts:
                part.map.take(coming)
                ahead[at] = next(waiting[at], None)
        if bar.ts <= after or (columns and bar.ts - columns[-1].ts < every_min * MINUTE_NS):
            continue
        known = [part for part in parts if part.map.state is not None]
        if known:
            laid = [levels.levels(part.map, horizon_min=question.horizon_min or None) for part in known]
            columns.append(heat.column(bar.ts, levels.binned(laid, edges, bar.close).usd.sum(axis=0)))
            prices.append((bar.ts, bar.low, bar.high, bar.close))
    return HeatAnswer(
        name=question.name,
        data=gathered.kind,
        profile=question.profile,
        heatmap=heat.heatmap(edges, columns),
        prices=prices,
        venues=[part.feed.instrument.venue for part in parts],
        notes=gathered.notes,
    )


def _answer(question: Question, gathered: Gathered) -> MapAnswer:
    parts, reference, notes = gathered.parts, gathered.reference, gathered.notes
    mark = reference.state.mark
    horizon = question.horizon_min or None
    laid = [levels.levels(part.map, horizon_min=horizon) for part in parts]
    sigma = price_moves.deviation(reference.state.moves, _FOUR_HOURS_MIN)
    edges = levels.edges_around(mark, width=question.width or round_width(mark), reach=_REACH)
    if question.formula == "method":
        bins = levels.binned(laid, edges, mark)
    else:
        bins = baseline(question.formula, question.profile, [part.feed for part in parts], edges, mark)
        notes = [*notes, f"formula {question.formula}: a baseline to compare with; open interest is not conserved"]
    direction = force.force(laid, sigma, [levels.posterior(part.map) for part in parts])
    wanted = (*question.prices, *(mark * (1.0 + move) for move in question.moves))
    venues = [_told(part, gathered.now) for part in parts]
    return MapAnswer(
        name=question.name,
        data=gathered.kind,
        basis="estimated",
        formula=question.formula,
        profile=question.profile,
        at_ms=max(part.feed.bars[-1].ts for part in parts) // _MS_NS,
        from_ms=max(gathered.start, min(part.feed.bars[0].ts for part in parts)) // _MS_NS,
        horizon_min=question.horizon_min,
        summary=_summary(parts, bins, mark, sigma),
        direction=direction,
        direction_is="descriptive",
        bins=_bins(bins),
        clusters=curves.clusters(bins, sigma, question.top),
        what_if=[curves.what_if(bins, price) for price in wanted],
        beyond_usd=[float(value) for value in bins.beyond_usd],
        venues=venues,
        notes=[*notes, *_remarks(question, venues, gathered.now - gathered.start)],
        explanation=_explained(question, reference, bins),
    )


def _summary(parts: Sequence[Part], bins: Bins, mark: float, sigma: float) -> Summary:
    rates = [
        (part.feed.bars[-1].funding_8h, part.open_interest) for part in parts if isfinite(part.feed.bars[-1].funding_8h)
    ]
    weight = sum(amount for _, amount in rates)
    return Summary(
        price=mark,
        high=max(bar.high for part in parts for bar in part.feed.bars),
        low=min(bar.low for part in parts for bar in part.feed.bars),
        total_oi_usd=bins.open_interest_usd,
        funding_8h=sum(rate * amount for rate, amount in rates) / weight if weight > 0.0 else None,
        sigma_4h=sigma if isfinite(sigma) else None,
    )


def _bins(bins: Bins) -> list[Bin]:
    most = max(float(bins.usd.max()), 1e-300)
    found = []
    for place in range(bins.edges.size - 1):
        for side, name in ((0, "LONG"), (1, "SHORT")):
            usd = float(bins.usd[side, place])
            if bins.status[side, place] == Status.EMPTY and usd < _FAINT * most:
                continue
            middle = float(bins.middles[place])
            found.append(
                Bin(
                    side=name,
                    low=float(bins.edges[place]),
                    high=float(bins.edges[place + 1]),
                    mid_price=middle,
                    usd=usd,
                    gross_usd=float(bins.gross_usd[side, place]),
                    intensity=usd / most,
                    status=Status(int(bins.status[side, place])).name,
                    remaining_pct=100.0 * float(bins.remaining[side, place]),
                    distance_pct=(middle / bins.mark - 1.0) * 100.0,
                )
            )
    return found


def _told(part: Part, now: int) -> VenueTold:
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


def _remarks(question: Question, venues: Sequence[VenueTold], length: int) -> list[str]:
    """What a reader has to know beside the figures."""
    notes = [
        "an estimate: sizes by leverage are inferred, not observed; levels more than 1 % away are not validated",
        "prices are the last price's extremes widened by the mark at each minute's end",
    ]
    if any(told.completeness is not Completeness.COMPLETE for told in venues):
        notes.append(
            "how much of a level is forced is learnt from observed liquidations: a floor where a feed is sampled"
        )
    for told in venues:
        if told.liquidations_share < _ENOUGH:
            notes.append(f"{told.venue}: {told.liquidations_share:.0%} of its liquidations' time was seen")
        if told.tiers_quality == "assumed":
            notes.append(f"{told.venue}: {told.tiers}")
        if told.is_stale:
            notes.append(f"{told.venue}: STALE, its open interest is {told.age_ms // 1000:,} s old or more")
    if length < DAY_NS:
        notes.append(f"warm-up: positions are followed for {question.lookback_h:g} h only; a day or more is better")
    return notes


def _explained(question: Question, reference: Part, bins: Bins) -> Explanation | None:
    if question.explained is None:
        return None
    place = int(np.searchsorted(bins.edges, question.explained, side="right")) - 1
    place = min(max(place, 0), bins.edges.size - 2)
    low, high = max(float(bins.edges[place]), 1e-9), float(bins.edges[place + 1])
    is_long = question.explained < bins.mark
    return explain(reference.map, VenueMap(reference.ladders), reference.feed.bars, low, high, is_long=is_long)


def cells(found: HeatAnswer) -> Mapping[str, Floats]:
    """The heatmap as arrays: `time_ms` (columns,), `edges` (bins + 1,), `usd` (columns, bins)."""
    times = found.heatmap.times / _MS_NS
    return {"time_ms": times, "edges": found.heatmap.edges, "usd": found.heatmap.usd}
