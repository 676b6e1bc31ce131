"""The liquidation map and its heatmap of one coin or contract, made from what a store holds.

In: a store and a `Question`. Out: a `MapAnswer`, whose fields are those of `perpscope map --json`, or a `HeatAnswer`.
Every figure of the map is an estimate; the answer says of what, how much of it was seen and how sure it is.
"""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.liqmap import curves, force, heat, levels, price_moves
from perpscope.analytics.liqmap.explain import Explanation, explain
from perpscope.analytics.liqmap.force import Force
from perpscope.analytics.liqmap.levels import Bins, Status
from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.analytics.margin_arrays import Floats
from perpscope.app.liqmap import borrowed as liqmap_borrowed
from perpscope.app.liqmap import measured as liqmap_measured
from perpscope.app.liqmap import venues as liqmap_venues
from perpscope.app.liqmap.answer import Bin, Direction, HeatAnswer, MapAnswer, RawLiquidation, Summary
from perpscope.app.liqmap.baselines import baseline
from perpscope.app.liqmap.borrowed import Borrower
from perpscope.app.liqmap.heat_grown import STEADY_NS, KeptHeat, columns_of
from perpscope.app.liqmap.kept import taken_up
from perpscope.app.liqmap.measured import Overlay, Shown, overlaid
from perpscope.app.liqmap.parts import REACH, Gathered, Part, Question, check, choose_arithmetic, gather, width_of
from perpscope.app.liqmap.snapped import SnappedHeat, snapped_heat
from perpscope.app.study.map_kept import measured
from perpscope.errors import ConfigError
from perpscope.model.instrument import InstrumentId

_MS_NS = 1_000_000
_FOUR_HOURS_MIN: Final = 240.0
#: An EMPTY bin is told where distance alone puts so much of the largest bin into it.
_FAINT: Final = 0.01
#: Width of the levels that are told raw, share of the price.
_FINE: Final = 0.0005


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


def read_kept_map(path: Path, question: Question) -> MapAnswer | None:
    """The same map where the collector keeps it current; None where it would have to be made anew of its minutes.

    Raises:
        As `read_map`.
    """
    check(question)
    gathered = gather(path, question, is_measured=question.formula == "method")
    kept = taken_up(path, question, gathered)
    return None if kept is None else _answer(question, kept)


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


def read_heatmap(
    path: Path,
    question: Question,
    *,
    hours: float = 24.0,
    every_min: float = 15.0,
    kept: KeptHeat | None = None,
) -> HeatAnswer:
    """The map as it was at moments of the last hours; each column knows only what came before it.

    Args:
        path: the store.
        question: of the map.
        hours: that are shown, > 0.
        every_min: minutes between columns, 5 or more.
        kept: from the last answer to the same question, hours and minutes; is brought up to date.

    Raises:
        As `read_map`.
    """
    check(question)
    if not (hours > 0.0 and every_min >= 5.0):
        raise ConfigError("option-value", f"--hours {hours:g} must be above 0 and --every {every_min:g} at least 5")
    if (snapped := snapped_heat(path, question, hours=hours, every_min=every_min)) is not None:
        return _as_published(question, snapped)
    gathered = gather(path, question, steady_ns=STEADY_NS)
    edges, columns, prices = columns_of(question, gathered, kept or KeptHeat(), hours=hours, every_min=every_min)
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
    edges = levels.edges_around(mark, width=width_of(question, mark), reach=REACH)
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
        direction=_direction(force.force(overlay.laid, sigma, overlay.drawn)),
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
        raw_liquidations=_raw(overlay, mark) if question.is_raw else None,
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
    funding = sum(rate * amount for rate, amount in rates) / weight if weight > 0.0 else None
    return Summary(
        total_oi_usd=bins.open_interest_usd,
        close=mark,
        funding_rate=funding,
        high=max(bar.high for part in parts for bar in part.feed.bars),
        low=min(bar.low for part in parts for bar in part.feed.bars),
        price=mark,
        funding_8h=funding,
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
                    bucket=f"{bins.edges[place]:.10g}–{bins.edges[place + 1]:.10g}",
                    usd=usd,
                    mid_price=middle,
                    intensity=usd / most,
                    status=Status(int(bins.status[side, place])).name,
                    side=name,
                    low=float(bins.edges[place]),
                    high=float(bins.edges[place + 1]),
                    gross_usd=float(bins.gross_usd[side, place]),
                    remaining_pct=100.0 * float(bins.remaining[side, place]),
                    distance_pct=(middle / bins.mark - 1.0) * 100.0,
                    measured_usd=measured_usd,
                )
            )
    return found


def _direction(found: Force) -> Direction:
    return Direction(
        bias=found.bias,
        upward_mag=found.up,
        downward_mag=found.down,
        balance=found.balance,
        low=found.low,
        high=found.high,
    )


def _raw(overlay: Overlay, mark: float) -> list[RawLiquidation]:
    """The map's own levels, before they are summed into bins: no entry of theirs has one time."""
    fine = levels.binned(overlay.laid, levels.edges_around(mark, width=mark * _FINE, reach=REACH), mark)
    return [
        RawLiquidation(
            price=float(fine.middles[place]),
            usd=float(fine.usd[side, place]),
            side=("LONG", "SHORT")[side],
            status=Status(int(fine.status[side, place])).name,
            entry_time=None,
        )
        for place in range(fine.edges.size - 1)
        for side in (0, 1)
        if fine.usd[side, place] >= 1.0
    ]


def _explained(question: Question, reference: Part, bins: Bins) -> Explanation | None:
    if question.explained is None:
        return None
    place = int(np.searchsorted(bins.edges, question.explained, side="right")) - 1
    place = min(max(place, 0), bins.edges.size - 2)
    low, high = max(float(bins.edges[place]), 1e-9), float(bins.edges[place + 1])
    is_long = question.explained < bins.mark
    return explain(reference.map, VenueMap(reference.ladders), reference.feed.bars, low, high, is_long=is_long)
