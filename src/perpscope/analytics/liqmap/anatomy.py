"""What a bin of the map is made of, as the map stands: entries by class, what distance alone adds, what is measured.

Nothing is made again: a book knows for each class how much was entered at which price, so a bin is taken apart by the
same overlaps it was summed with, and the portions sum to it. When they were opened only `explain` can say.
"""

from math import exp, floor, log

import msgspec
import numpy as np

from perpscope.analytics.liqmap import distance
from perpscope.analytics.liqmap.levels import Levels, levels
from perpscope.analytics.liqmap.measured import Measured
from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.analytics.margin_arrays import Floats


class Portion(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a bin at one venue; prices are the venue's own."""

    kind: str  #: positions (inferred), distance (whoever holds it) or measured (seen)
    usd: float  #: expected to be closed by force
    gross_usd: float  #: held; 0 for distance
    family: str | None = None  #: of positions: "leverage" or "distance"
    rung: str | None = None  #: class: "20x large", "0.60 %"
    leverage: float | None = None  #: of a class by leverage
    entry_low: float | None = None  #: entered from, quote per base
    entry_high: float | None = None


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """A bin of one side, around the mark all venues are aligned to."""

    low: float  #: quote per base, > 0
    high: float  #: above `low`
    mark: float  #: quote per base
    is_long: bool


def worth(laid: Levels, wanted: Range) -> Floats:
    """(levels,) Dollars in the range of one base unit at each level, as `levels.binned` aligns and cuts them."""
    edges = laid.edges + log(wanted.mark / laid.mark)
    inside = np.minimum(edges[1:], log(wanted.high)) - np.maximum(edges[:-1], log(wanted.low))
    part = np.clip(inside / laid.step, 0.0, 1.0)
    found: Floats = part * laid.prices * (wanted.mark / laid.mark)
    return found


def whole(laid: Levels, wanted: Range) -> tuple[float, float]:
    """Dollars of a range: expected to be closed by force, and held."""
    side, dollars = 0 if wanted.is_long else 1, worth(laid, wanted)
    return float(laid.forced[side] @ dollars), float(laid.gross[side] @ dollars)


def portions(
    venue: VenueMap, wanted: Range, *, horizon_min: float | None, entry_width: float, measured: Measured | None = None
) -> list[Portion]:
    """A venue's part of a bin, largest portion first; they sum to it.

    Args:
        venue: its map.
        wanted: the bin.
        horizon_min: of the blend with distance; None = the map alone.
        entry_width: entries are told in buckets of so many quote units, > 0.
        measured: positions that are laid over the map, on its grid.

    Raises:
        ValueError: there is no map yet.
    """
    alone = levels(venue)
    side, dollars = 0 if wanted.is_long else 1, worth(alone, wanted)
    left = 1.0 if measured is None else max(1.0 - float(measured.held[side]) / alone.open_interest, 0.0)
    share = _map_share(alone, side, horizon_min)
    found = _entries(venue, alone, side, dollars * left, share, entry_width)
    blended = alone if horizon_min is None else levels(venue, horizon_min=horizon_min)
    rest = float((blended.forced[side] - share * alone.forced[side]) @ dollars) * left
    if rest > 0.0:
        found.append(Portion(kind="distance", usd=rest, gross_usd=0.0))
    if measured is not None:
        held = float(measured.mass[side] @ dollars)
        forced = float(blended.forced[side].sum()) / max(float(blended.gross[side].sum()), 1e-300)
        if held > 0.0:
            found.append(Portion(kind="measured", usd=held * forced, gross_usd=held))
    return sorted(found, key=lambda portion: -portion.usd)


def _map_share(alone: Levels, side: int, horizon_min: float | None) -> Floats:
    """(levels,) How much of the map the blend keeps: all of it behind the mark."""
    kept = np.ones(alone.gross.shape[1])
    if horizon_min is not None and float(alone.forced[side].sum()) > 0.0:
        middles = alone.start + alone.step * (np.arange(kept.size) + 0.5)
        ahead = (middles < log(alone.mark)) if side == 0 else (middles > log(alone.mark))
        kept[ahead] = distance.map_share(horizon_min)
    return kept


def _entries(
    venue: VenueMap, alone: Levels, side: int, dollars: Floats, share: Floats, entry_width: float
) -> list[Portion]:
    """What each class holds there, by the price it was entered at."""
    state, step = venue.state, venue.setting.step
    assert state is not None  # noqa: S101 -- `levels` looked
    first = round((alone.start - state.anchor) / step)
    sums: dict[tuple[str, str, float | None, int], Floats] = {}
    for weight, model, book in zip(venue.weights, venue.models, state.books, strict=True):
        for rung in range(model.ladder.offsets.shape[1] - 1 if weight > 0.0 else 0):
            place = book.first + float(model.ladder.offsets[side, rung]) / step - first
            mass = float(weight) * book.mass[side, rung]
            held = mass * _moved(dollars, place, mass.size)
            forced = mass * _moved(dollars * share, place, mass.size) * float(book.learnt.conversion[side, rung])
            told = model.ladder.rungs[rung]
            for cell in np.flatnonzero(held > 0.0):
                entry = exp(state.anchor + (book.first + int(cell) + 0.5) * step)
                key = (model.ladder.family, told.name, told.leverage, floor(entry / entry_width))
                sums[key] = sums.get(key, np.zeros(2)) + np.array([forced[cell], held[cell]])
    return [
        Portion(
            kind="positions",
            usd=float(usd),
            gross_usd=float(gross),
            family=family,
            rung=name,
            leverage=leverage,
            entry_low=bucket * entry_width,
            entry_high=(bucket + 1) * entry_width,
        )
        for (family, name, leverage, bucket), (usd, gross) in sums.items()
    ]


def _moved(values: Floats, place: float, count: int) -> Floats:
    """(count,) What entry bins are worth that are moved to a place between two levels: split as the map splits them."""
    start = floor(place)
    padded = np.zeros(count + 1)
    lower, upper = max(start, 0), min(start + count + 1, values.size)
    if lower < upper:
        padded[lower - start : upper - start] = values[lower:upper]
    found: Floats = (1.0 - (place - start)) * padded[:-1] + (place - start) * padded[1:]
    return found
