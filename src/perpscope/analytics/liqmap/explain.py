"""Why a bin is what it is: the entries it is made of, class by class and model by model, summing to the bin (B17).

The map is made again from its bars while every cell that reaches into the bin is watched; nothing is kept for it in
between. It takes as long as a rebuild.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import exp, floor, log

import msgspec

from perpscope.analytics.liqmap.bars import Bar
from perpscope.analytics.liqmap.tracing import Cell, Tracer
from perpscope.analytics.liqmap.venue_map import VenueMap


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Positions of one bar, class and model that are still in a bin."""

    ts: int  #: ns UTC, end of the bar they were opened in
    model: str  #: "distance" or "leverage"
    inflow: str  #: which guess of entries
    rung: str  #: class: a leverage with its tier, or a distance
    tier_usd: float | None  #: notional its maintenance tier was taken for
    entry: float  #: quote per base, middle of the entry bin
    growth: float  #: change of open interest in that bar, base units
    opened: float  #: base units, by the weight of the model and the part that lies in the bin
    size: float  #: of them still there, base units
    forced: float  #: of them expected to be closed by force, base units
    survival: float  #: size ÷ opened, in [0, 1]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A bin of one side and what it is made of, largest part first."""

    is_long: bool
    low: float  #: quote per base
    high: float
    size: float  #: base units held: the sum of the parts
    forced: float  #: base units expected to be closed by force: the sum of the parts
    parts: list[Part]


def explain(
    finished: VenueMap, fresh: VenueMap, bars: Iterable[Bar], low: float, high: float, *, is_long: bool
) -> Explanation:
    """Explain a range of prices.

    Args:
        finished: the map in question, after all of `bars`.
        fresh: an empty map of the same ladders and setting; is made on the way.
        bars: all that `finished` was made of.
        low: quote per base, > 0.
        high: quote per base, above `low`.
        is_long: whose positions.

    Raises:
        ValueError: there is no map yet, or the range is none.
    """
    if finished.state is None:
        raise ValueError("no map yet: open interest was never told")
    if not 0.0 < low < high:
        raise ValueError(f"a range of prices needs 0 < {low:g} < {high:g}")
    cells = _cells(finished, log(low), log(high), is_long)
    tracer = Tracer({at: list(found) for at, found in cells.items()})
    for bar in bars:
        fresh.take(bar, tracer)
    parts = sorted(_parts(finished, tracer, cells), key=lambda part: -part.forced)
    return Explanation(
        is_long=is_long,
        low=low,
        high=high,
        size=sum(part.size for part in parts),
        forced=sum(part.forced for part in parts),
        parts=parts,
    )


def _parts(finished: VenueMap, tracer: Tracer, cells: Mapping[int, Mapping[Cell, float]]) -> Iterator[Part]:
    """The entries of every cell, by the part of it that lies in the range and the weight of its model."""
    state, weights, step = finished.state, finished.weights, finished.setting.step
    assert state is not None  # noqa: S101 -- `explain` looked
    for (at, cell), entries in tracer.entries.items():
        side, rung, number = cell
        model, share = finished.models[at], cells[at][cell] * float(weights[at])
        conversion = float(state.books[at].learnt.conversion[side, rung])
        told = model.ladder.rungs[rung]
        for entry in entries:
            yield Part(
                ts=entry.ts,
                model=model.ladder.family,
                inflow=model.inflow,
                rung=told.name,
                tier_usd=told.notional_usd,
                entry=exp(state.anchor + (number + 0.5) * step),
                growth=entry.growth,
                opened=share * entry.opened,
                size=share * entry.left,
                forced=share * entry.left * conversion,
                survival=entry.left / entry.opened,
            )


def _cells(finished: VenueMap, low: float, high: float, is_long: bool) -> dict[int, dict[Cell, float]]:
    """Cells that reach into a range of log prices, with the part of each that does: as levels are laid out and cut."""
    state, step = finished.state, finished.setting.step
    assert state is not None  # noqa: S101 -- `explain` looked
    side = 0 if is_long else 1
    found: dict[int, dict[Cell, float]] = {}
    for at, (model, book) in enumerate(zip(finished.models, state.books, strict=True)):
        found[at] = {}
        for rung in range(model.ladder.offsets.shape[1] - 1):
            move = float(model.ladder.offsets[side, rung]) / step
            first, last = floor((low - state.anchor) / step - move) - 2, floor((high - state.anchor) / step - move) + 2
            for number in range(max(first, book.first), min(last + 1, book.first + book.mass.shape[2])):
                part = _part(number + move, state.anchor, step, low, high)
                if part > 0.0 and book.mass[side, rung, number - book.first] > 0.0:
                    found[at][side, rung, number] = part
    return found


def _part(place: float, anchor: float, step: float, low: float, high: float) -> float:
    """Part of a moved cell within a range: it is split over two levels, and each level is cut by overlap."""
    whole = floor(place)
    part = 0.0
    for level, share in ((whole, 1.0 - (place - whole)), (whole + 1, place - whole)):
        start = anchor + level * step
        inside = (min(high, start + step) - max(low, start)) / step
        part += share * min(max(inside, 0.0), 1.0)
    return part
