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
from perpscope.analytics.liqmap.bars import HOUR_NS, MINUTE_NS
from perpscope.analytics.liqmap.curves import Cluster, WhatIf
from perpscope.analytics.liqmap.explain import Explanation, explain
from perpscope.analytics.liqmap.force import Force
from perpscope.analytics.liqmap.heat import Column, Heatmap
from perpscope.analytics.liqmap.levels import Bins, Status
from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.analytics.margin_arrays import Floats
from perpscope.app.liqmap import borrowed as liqmap_borrowed
from perpscope.app.liqmap import measured as liqmap_measured
from perpscope.app.liqmap import venues as liqmap_venues
from perpscope.app.liqmap.baselines import baseline
from perpscope.app.liqmap.borrowed import BorrowedTold, Borrower
from perpscope.app.liqmap.kept import taken_up
from perpscope.app.liqmap.measured import MeasuredTold, Overlay, Shown, overlaid
from perpscope.app.liqmap.parts import Gathered, Part, Question, check, choose_arithmetic, gather, round_width
from perpscope.app.liqmap.snapped import SnappedHeat, snapped_heat
from perpscope.app.liqmap.venues import VenueTold
from perpscope.app.study.map_kept import measured
from perpscope.errors import ConfigError
from perpscope.model.instrument import InstrumentId
from perpscope.stores.status import StoreKind

_MS_NS = 1_000_000
_REACH: Final = 0.25
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
    measured_usd: float = 0.0  #: of what is held there, in positions anybody may look at


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
    measured: list[MeasuredTold] = []  #: venues that show positions
    borrowed: list[BorrowedTold] = []  #: venues whose part has another's shape


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
    found = _answer(question, maps_of(path, question))
    return msgspec.structs.replace(found, notes=[*found.notes, measured(path)])


def maps_of(path: Path, question: Question) -> Gathered:
    """Every venue's map now: taken up where it is kept, else made of its bars.

    Raises:
        As `read_map`.
    """
    check(question)
    gathered = gather(path, question, is_measured=question.formula == "method")
    if (kept := taken_up(path, question, gathered)) is not None:
        return kept
    choose_arithmetic(gathered.parts)
    for part in gathered.parts:
        for bar in part.feed.bars:
            part.map.take(bar)
    return gathered


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
    if (snapped := snapped_heat(path, question, hours=hours, every_min=every_min)) is not None:
        return _as_published(question, snapped)
    gathered = gather(path, question)
    last = gathered.reference.feed.bars[-1].close
    edges = levels.edges_around(last, width=question.width or round_width(last), reach=_REACH)
    columns, prices = _columns(question, gathered, edges, (hours, every_min))
    return HeatAnswer(
        name=question.name,
        data=gathered.kind,
        profile=question.profile,
        heatmap=heat.heatmap(edges, columns),
        prices=prices,
        venues=[part.feed.instrument.venue for part in gathered.parts],
        notes=[
            *gathered.notes,
            *(f"{one.instrument.venue}: only open interest is stored, it is left out" for one in gathered.borrowers),
        ],
    )


def _columns(
    question: Question, gathered: Gathered, edges: Floats, shown: tuple[float, float]
) -> tuple[list[Column], list[tuple[int, float, float, float]]]:
    """All venues' maps as they grow: a column each so many minutes of the last hours, and the prices beside it."""
    parts, (hours, every_min) = gathered.parts, shown
    choose_arithmetic(parts)
    columns: list[Column] = []
    prices: list[tuple[int, float, float, float]] = []
    waiting = [iter(part.feed.bars) for part in parts]
    ahead = [next(bars, None) for bars in waiting]
    after = gathered.now - round(hours * HOUR_NS)
    for bar in gathered.reference.feed.bars:
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
    return columns, prices


def _as_published(question: Question, snapped: SnappedHeat) -> HeatAnswer:
    return HeatAnswer(
        name=question.name,
        data=snapped.kind,
        profile=question.profile,
        heatmap=heat.heatmap(snapped.edges, snapped.columns),
        prices=snapped.prices,
        venues=snapped.venues,
        notes=[snapped.note],
    )


def _answer(question: Question, gathered: Gathered) -> MapAnswer:
    parts, reference, notes = gathered.parts, gathered.reference, gathered.notes
    mark = reference.state.mark
    sigma = price_moves.deviation(reference.state.moves, _FOUR_HOURS_MIN)
    edges = levels.edges_around(mark, width=question.width or round_width(mark), reach=_REACH)
    overlay = overlay_of(question, gathered, edges, mark)
    borrowed = [liqmap_borrowed.told(borrower, gathered.now) for borrower in lent(gathered)]
    if question.formula == "method":
        bins = levels.binned(overlay.laid, edges, mark)
        notes = [*notes, *map(liqmap_measured.described, overlay.told), *map(liqmap_borrowed.described, borrowed)]
    else:
        bins = baseline(question.formula, question.profile, [part.feed for part in parts], edges, mark)
        notes = [*notes, f"formula {question.formula}: a baseline to compare with; open interest is not conserved"]
    wanted = (*question.prices, *(mark * (1.0 + move) for move in question.moves))
    venues = [liqmap_venues.told(part, gathered.now) for part in parts]
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
        direction=force.force(overlay.laid, sigma, overlay.drawn),
        direction_is="descriptive",
        bins=_bins(bins, overlay.held_usd),
        clusters=curves.clusters(bins, sigma, question.top),
        what_if=[curves.what_if(bins, price) for price in wanted],
        beyond_usd=[float(value) for value in bins.beyond_usd],
        venues=venues,
        notes=[*notes, *liqmap_venues.remarks(question, venues, gathered.now - gathered.start)],
        explanation=_explained(question, reference, bins),
        measured=overlay.told,
        borrowed=borrowed if question.formula == "method" else [],
    )


def lent(gathered: Gathered) -> list[Borrower]:
    """Those whose lender's map was made."""
    made = {str(part.feed.instrument.id) for part in gathered.parts}
    return [borrower for borrower in gathered.borrowers if borrower.lender.name in made]


def overlay_of(question: Question, gathered: Gathered, edges: Floats, mark: float) -> Overlay:
    """Every venue's map, with what is measured of it, and then those that are lent."""
    shown = [
        Shown(
            instrument=part.feed.instrument,
            laid=levels.levels(part.map, horizon_min=question.horizon_min or None),
            drawn=levels.posterior(part.map),
            seen=part.seen,
        )
        for part in gathered.parts
    ]
    overlay = overlaid(shown, edges, mark, gathered.now, is_leaning=question.profile == "calibrated")
    alone = {venue.instrument.id: venue for venue in shown}
    for borrower in lent(gathered):
        lender = alone[InstrumentId(borrower.lender.name)]
        overlay.laid.append(levels.borrowed(lender.laid, borrower.open_interest, mark))
        overlay.drawn.append(lender.drawn)
    return overlay


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


def _bins(bins: Bins, held_usd: Floats) -> list[Bin]:
    most = max(float(bins.usd.max()), 1e-300)
    found = []
    for place in range(bins.edges.size - 1):
        for side, name in ((0, "LONG"), (1, "SHORT")):
            usd, measured_usd = float(bins.usd[side, place]), float(held_usd[side, place])
            if bins.status[side, place] == Status.EMPTY and usd < _FAINT * most and not measured_usd:
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
                    measured_usd=measured_usd,
                )
            )
    return found


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
