"""Why a level of the map is what it is: venue by venue, class by class, by the price it was entered at.

In: a store, a `Question` and a price. Out: a `WhyAnswer`, whose parts sum to the bin that is published at that price.
It takes as long as the map itself: what the heart keeps is taken up, nothing is made again for it.
"""

from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.liqmap import anatomy, levels, measured
from perpscope.analytics.liqmap.anatomy import Portion, Range
from perpscope.analytics.liqmap.levels import Bins, Status
from perpscope.app.liqmap.parts import REACH, Gathered, Part, Question, round_width, width_of
from perpscope.app.liqmap.reading import lent, maps_of, overlay_of
from perpscope.stores.status import StoreKind

#: Entries are told in buckets this much wider than a bin (chosen by hand: two or three of a bin's classes in each).
_BUCKET: Final = 2.5
_MS_NS: Final = 1_000_000


class WhyPart(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a level."""

    kind: str  #: positions (inferred), distance (whoever holds it), measured (a venue shows them), borrowed
    venue: str
    usd: float  #: expected to be closed by force
    gross_usd: float  #: held
    family: str | None  #: of positions: classes by leverage, or by distance
    rung: str | None  #: class: "20x large", "0.60 %"
    leverage: float | None  #: multiple, of a class by leverage
    entry_low: float | None  #: entered from, quote per base, the venue's own price
    entry_high: float | None
    shape_of: str | None  #: of what is borrowed: the instrument whose map was scaled


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that are not told one by one."""

    count: int
    usd: float
    gross_usd: float


class WhyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A bin of one side and what it is made of: Σ of `parts` and `others` is the bin."""

    name: str
    data: StoreKind
    basis: str  #: "estimated": none of it is observed, but what is `measured`
    profile: str
    at_ms: int  #: market time of the map
    horizon_min: float
    mark: float  #: quote per base
    side: str  #: LONG or SHORT: whose positions
    low: float  #: quote per base
    high: float
    distance_pct: float  #: of its middle from the mark, signed
    usd: float  #: expected to be closed by force if the price gets there
    gross_usd: float  #: held there
    was_usd: float  #: held there before the price took some, fading
    remaining_pct: float  #: of what was there, 0–100
    status: str  #: ACTIVE, PARTIAL, CLEARED, EMPTY
    measured_usd: float  #: of `gross_usd`, in positions a venue shows
    venues: list[Rest]  #: one for each of `venue_names`: all its parts together
    venue_names: list[str]
    parts: list[WhyPart]  #: largest first
    others: Rest
    notes: list[str]


def read_why(
    path: Path, question: Question, price: float | None = None, *, is_long: bool | None = None, top: int = 20
) -> WhyAnswer:
    """Take the bin at a price apart.

    Args:
        path: the store.
        question: the map.
        price: quote per base, > 0; beyond the map's reach the outermost bin is told; None = the bin of most dollars.
        is_long: whose positions; None = longs below the mark, shorts above.
        top: parts that are told one by one.

    Raises:
        As `read_map`.
    """
    gathered = maps_of(path, question)
    mark = gathered.reference.state.mark
    edges = levels.edges_around(mark, width=width_of(question, mark), reach=REACH)
    overlay = overlay_of(question, gathered, edges, mark)
    bins = levels.binned(overlay.laid, edges, mark)
    sides = [0, 1] if is_long is None else [0 if is_long else 1]
    if price is None:
        price = float(bins.middles[int(np.argmax(bins.usd[sides].max(axis=0)))])
    place = min(max(int(np.searchsorted(edges, price, side="right")) - 1, 0), edges.size - 2)
    wanted = Range(
        low=max(float(edges[place]), 1e-9),
        high=float(edges[place + 1]),
        mark=mark,
        is_long=price < mark if is_long is None else is_long,
    )
    level = _Level(wanted=wanted, bins=bins, place=place, measured_usd=float(overlay.held_usd[_side(wanted), place]))
    parts = sorted(_parts(question, gathered, wanted), key=lambda part: -part.usd)
    return _answer(question, gathered, level, parts, top)


class _Level(msgspec.Struct, frozen=True, kw_only=True):
    """A bin of the published map."""

    wanted: Range
    bins: Bins
    place: int
    measured_usd: float


def _side(wanted: Range) -> int:
    return 0 if wanted.is_long else 1


def _parts(question: Question, gathered: Gathered, wanted: Range) -> list[WhyPart]:
    """All of them, venue after venue."""
    horizon = question.horizon_min or None
    width = round_width(wanted.mark) * _BUCKET
    found: list[WhyPart] = []
    for part in gathered.parts:
        seen = _measured(part, horizon)
        split = anatomy.portions(part.map, wanted, horizon_min=horizon, entry_width=width, measured=seen)
        found += [_told(part.feed.instrument.venue, portion) for portion in split]
    by_id = {str(part.feed.instrument.id): part for part in gathered.parts}
    for borrower in lent(gathered):
        shape = levels.levels(by_id[borrower.lender.name].map, horizon_min=horizon)
        scaled = levels.borrowed(shape, borrower.open_interest, wanted.mark)
        usd, gross = anatomy.whole(scaled, wanted)
        portion = Portion(kind="borrowed", usd=usd, gross_usd=gross)
        found.append(_told(borrower.instrument.venue, portion, borrower.lender.name))
    return found


def _measured(part: Part, horizon: float | None) -> measured.Measured | None:
    if part.seen is None:
        return None
    laid = levels.levels(part.map, horizon_min=horizon)
    return measured.lay(part.seen.holdings.only(measured.alive(part.seen.holdings, laid.mark)), laid)


def _told(venue: str, portion: Portion, shape_of: str | None = None) -> WhyPart:
    own = {name: getattr(portion, name) for name in Portion.__struct_fields__}
    return WhyPart(venue=venue, shape_of=shape_of, **own)


def _rest(parts: list[WhyPart]) -> Rest:
    usd, gross = sum(part.usd for part in parts), sum(part.gross_usd for part in parts)
    return Rest(count=len(parts), usd=usd, gross_usd=gross)


def _answer(question: Question, gathered: Gathered, level: _Level, parts: list[WhyPart], top: int) -> WhyAnswer:
    wanted, bins, place = level.wanted, level.bins, level.place
    side = _side(wanted)
    gross = float(bins.gross_usd[side, place])
    names = sorted({part.venue for part in parts})
    return WhyAnswer(
        name=question.name,
        data=gathered.kind,
        basis="estimated",
        profile=question.profile,
        at_ms=max(part.feed.bars[-1].ts for part in gathered.parts) // _MS_NS,
        horizon_min=question.horizon_min,
        mark=wanted.mark,
        side="LONG" if wanted.is_long else "SHORT",
        low=float(bins.edges[place]),
        high=wanted.high,
        distance_pct=(float(bins.middles[place]) / wanted.mark - 1.0) * 100.0,
        usd=float(bins.usd[side, place]),
        gross_usd=gross,
        was_usd=gross + float(bins.cleared_usd[side, place]),
        remaining_pct=100.0 * float(bins.remaining[side, place]),
        status=Status(int(bins.status[side, place])).name,
        measured_usd=level.measured_usd,
        venues=[_rest([part for part in parts if part.venue == name]) for name in names],
        venue_names=names,
        parts=parts[:top],
        others=_rest(parts[top:]),
        notes=gathered.notes,
    )
