"""What a map says about prices: mass and expected forced orders by liquidation price, and price bins made of them.

`levels` lays the books of a `VenueMap` out over a fine grid of log prices; `binned` sums any venues' levels into bins
of any width, by overlap. Below a bin's own sums stands what it was before the price passed: `remaining`.
"""

from collections.abc import Sequence
from enum import IntEnum
from math import ceil, exp, floor, log
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.liqmap import distance
from perpscope.analytics.liqmap.book import Book, laid_out, summed
from perpscope.analytics.liqmap.learning import draws
from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.analytics.margin_arrays import Floats

#: How far from the mark levels are laid out, log price; METHOD 6.2.
REACH: Final = 0.35
#: Thresholds of METHOD 6.9.
_EMPTY, _ACTIVE, _CLEARED, _STICKY = 2e-4, 0.95, 0.05, 0.02


class Status(IntEnum):
    """What became of a bin."""

    EMPTY = 0  #: holds less than 0.02 % of open interest
    ACTIVE = 1  #: nearly all that was there is there
    PARTIAL = 2  #: the price took some of it
    CLEARED = 3  #: the price took nearly all


class Levels(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's map by liquidation price, side 0 long and 1 short."""

    start: float  #: log price at which the first level begins
    step: float  #: width, log price
    mark: float  #: quote per base
    open_interest: float  #: base units
    gross: Floats  #: (2, levels) base units held
    forced: Floats  #: (2, levels) base units expected to be closed by force if the price passes
    cleared: Floats  #: (2, levels) base units the price has passed, fading
    beyond: Floats  #: (2,) base units out of the grid, or of reach
    parts: Floats  #: (2, classes of all books, levels) weighted mass; sums to `gross`
    conversions: Floats  #: (2, classes of all books) times `parts` it is `forced`, before the blend

    @property
    def edges(self) -> Floats:
        """(levels + 1,) log prices."""
        return self.start + self.step * np.arange(self.gross.shape[1] + 1)

    @property
    def prices(self) -> Floats:
        """(levels,) middle of each, quote per base."""
        found: Floats = np.exp(self.start + self.step * (np.arange(self.gross.shape[1]) + 0.5))
        return found


class Bins(msgspec.Struct, frozen=True, kw_only=True):
    """A map in bins; side 0 long, 1 short."""

    edges: Floats  #: (bins + 1,) quote per base
    usd: Floats  #: (2, bins) dollars expected to be closed by force if the price gets there
    gross_usd: Floats  #: (2, bins) dollars held
    cleared_usd: Floats  #: (2, bins) dollars the price has passed, fading
    status: NDArray[np.int64]  #: (2, bins) of `Status`
    mark: float  #: quote per base
    open_interest_usd: float
    beyond_usd: Floats  #: (2,) dollars held that are in no bin

    @property
    def middles(self) -> Floats:
        """(bins,) quote per base."""
        return 0.5 * (self.edges[1:] + self.edges[:-1])

    @property
    def remaining(self) -> Floats:
        """(2, bins) share of what was there that is still there, in [0, 1]; 0 where nothing was."""
        was = self.gross_usd + self.cleared_usd
        return np.where(was > 0.0, self.gross_usd / np.where(was > 0.0, was, 1.0), 0.0)


def levels(venue: VenueMap, *, horizon_min: float | None = None, reach: float = REACH) -> Levels:
    """Lay a map out by liquidation price.

    Args:
        venue: with at least one bar.
        horizon_min: publish the blend with distance for this horizon (METHOD 10.6); None = the map alone.
        reach: log price either side of the mark.

    Raises:
        ValueError: there is no map yet.
    """
    state, step = venue.state, venue.setting.step
    if state is None:
        raise ValueError("no map yet: open interest was never told")
    first, count = _span(state.mark, state.anchor, step, reach)
    parts, conversions = [], []
    cleared = np.zeros((2, count))
    for weight, model, book in zip(venue.weights, venue.models, state.books, strict=True):
        if weight <= 0.0:
            continue
        parts.append(weight * laid_out(book, model.ladder, first, count, venue.setting))
        conversions.append(book.learnt.conversion)
        lower, upper = max(book.first, first), min(book.first + book.cleared.shape[1], first + count)
        cleared[:, lower - first : upper - first] += weight * book.cleared[:, lower - book.first : upper - book.first]
    stacked, factors = np.concatenate(parts, axis=1), np.concatenate(conversions, axis=1)
    gross = stacked.sum(axis=1)
    start = state.anchor + first * step
    forced: Floats = (stacked * factors[:, :, None]).sum(axis=1)
    if horizon_min is not None:
        forced = _blended(forced, venue, start, horizon_min)
    return Levels(
        start=start,
        step=step,
        mark=state.mark,
        open_interest=state.open_interest,
        gross=gross,
        forced=forced,
        cleared=cleared,
        beyond=np.maximum(state.open_interest - gross.sum(axis=1), 0.0),
        parts=stacked,
        conversions=factors,
    )


def posterior(venue: VenueMap, count: int = 200) -> Floats:
    """Draws of the conversions of `levels`, in their order: (count, 2, classes of all books)."""
    state = venue.state
    if state is None:
        raise ValueError("no map yet: open interest was never told")
    drawn = [
        draws(book.learnt, state.open_interest, venue.setting, count, seed)
        for seed, (weight, book) in enumerate(zip(venue.weights, state.books, strict=True))
        if weight > 0.0
    ]
    return np.concatenate(drawn, axis=2)


def borrowed(shape: Levels, open_interest: float, mark: float) -> Levels:
    """The map of a venue that tells open interest and nothing else: another's shape at its own mark (METHOD 6.8).

    Args:
        shape: of the venue whose open interest moves most alike.
        open_interest: base units, > 0.
        mark: quote per base.
    """
    share = open_interest / shape.open_interest
    return msgspec.structs.replace(
        shape,
        start=shape.start + log(mark / shape.mark),
        mark=mark,
        open_interest=open_interest,
        gross=shape.gross * share,
        forced=shape.forced * share,
        cleared=shape.cleared * share,
        beyond=shape.beyond * share,
        parts=shape.parts * share,
    )


def edges_around(mark: float, *, width: float, reach: float = REACH) -> Floats:
    """Edges of bins of one width in quote units, multiples of it, around a mark.

    Raises:
        ValueError: the width is not above 0, or there would be more than 20,000 bins.
    """
    if not 0.0 < width < float("inf"):
        raise ValueError(f"width of a bin {width:g} must be above 0")
    first, last = floor(mark * exp(-reach) / width), ceil(mark * exp(reach) / width)
    if last - first > 20_000:
        raise ValueError(f"width of a bin {width:g} makes {last - first:,} bins: more than 20,000")
    edges: Floats = np.asarray(width * np.arange(max(first, 0), last + 1), np.float64)
    return edges


def expected_usd(venues: Sequence[VenueMap], edges: Floats, mark: float, *, horizon_min: float | None = None) -> Floats:
    """(bins,) dollars expected to be closed by force, both sides: `binned` of `levels` without all else they tell.

    Args:
        venues: each with at least one bar.
        edges: (bins + 1,) quote per base, rising.
        mark: of the reference.
        horizon_min: as of `levels`.
    """
    logs = np.log(np.maximum(edges, 1e-300))
    usd = np.zeros(edges.size - 1)
    for venue in venues:
        state, step = venue.state, venue.setting.step
        if state is None:
            raise ValueError("no map yet: open interest was never told")
        first, count = _span(state.mark, state.anchor, step, REACH)
        weighed: dict[int, list[tuple[Book, Floats]]] = {}
        for weight, model, book in zip(venue.weights, venue.models, state.books, strict=True):
            if weight > 0.0:
                weighed.setdefault(id(model.ladder), []).append((book, weight * book.learnt.conversion))
        ladders = {id(model.ladder): model.ladder for model in venue.models}
        forced = np.zeros((2, count))
        for name, found in weighed.items():
            forced += summed(found, ladders[name], first, count, venue.setting)
        start = state.anchor + first * step
        if horizon_min is not None:
            forced = _blended(forced, venue, start, horizon_min)
        prices: Floats = np.exp(start + step * (np.arange(count) + 0.5)) * (mark / state.mark)
        moved = np.asarray(start + step * np.arange(count + 1) + log(mark / state.mark), np.float64)
        usd += rebinned(forced.sum(axis=0) * prices, moved, logs)
    return usd


def binned(found: Sequence[Levels], edges: Floats, mark: float, before: Bins | None = None) -> Bins:
    """Sum venues into bins; each is aligned by its own mark to the reference (METHOD 6.8) and weighs by its positions.

    Args:
        found: of each venue, at least one.
        edges: (bins + 1,) quote per base, rising.
        mark: of the reference.
        before: the bins before these, of the same edges, so that a status does not flicker.
    """
    logs = np.log(np.maximum(edges, 1e-300))
    usd, gross, cleared = (np.zeros((2, edges.size - 1)) for _ in range(3))
    beyond = np.zeros(2)
    open_interest = 0.0
    for of_venue in found:
        moved = of_venue.edges + log(mark / of_venue.mark)
        prices = of_venue.prices * (mark / of_venue.mark)
        usd += rebinned(of_venue.forced * prices, moved, logs)
        gross += rebinned(of_venue.gross * prices, moved, logs)
        cleared += rebinned(of_venue.cleared * prices, moved, logs)
        open_interest += of_venue.open_interest * mark
        inside = rebinned(of_venue.gross, moved, logs).sum(axis=1)
        beyond += (of_venue.open_interest - inside) * mark
    status = statuses(gross, cleared, open_interest, None if before is None else before.status)
    return Bins(
        edges=edges,
        usd=usd,
        gross_usd=gross,
        cleared_usd=cleared,
        status=status,
        mark=mark,
        open_interest_usd=open_interest,
        beyond_usd=np.maximum(beyond, 0.0),
    )


def rebinned(amounts: Floats, edges: Floats, wanted: Floats) -> Floats:
    """Amounts of (…, n) cells in the cells between other edges, by overlap; what lies outside is left out."""
    running = np.concatenate([np.zeros((*amounts.shape[:-1], 1)), amounts.cumsum(axis=-1)], axis=-1)
    flat = running.reshape(-1, edges.size)
    found = np.array([np.diff(np.interp(wanted, edges, row)) for row in flat])
    return np.asarray(found, np.float64).reshape(*amounts.shape[:-1], wanted.size - 1)


def statuses(
    gross: Floats, cleared: Floats, open_interest: float, before: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """EMPTY, ACTIVE, PARTIAL or CLEARED of each bin (METHOD 6.9).

    Args:
        gross: held, any unit.
        cleared: passed by the price, the same unit.
        open_interest: the same unit.
        before: status before; a bin leaves it only when it is .02 beyond the border.
    """
    was = gross + cleared
    left = np.where(was > 0.0, gross / np.where(was > 0.0, was, 1.0), 0.0)
    least, most = np.full(gross.shape, _ACTIVE), np.full(gross.shape, _CLEARED)
    if before is not None:
        least += np.where(before == Status.ACTIVE, -_STICKY, np.where(before == Status.PARTIAL, _STICKY, 0.0))
        most += np.where(before == Status.CLEARED, _STICKY, np.where(before == Status.PARTIAL, -_STICKY, 0.0))
    found = np.where(left >= least, Status.ACTIVE, np.where(left <= most, Status.CLEARED, Status.PARTIAL))
    nothing = (gross < _EMPTY * open_interest) & ((cleared < _EMPTY * open_interest) | (left > most))
    return np.where(nothing, Status.EMPTY, found).astype(np.int64)


def _span(mark: float, anchor: float, step: float, reach: float) -> tuple[int, int]:
    """The first level and how many there are, so far either side of a mark."""
    return floor((log(mark) - anchor) / step) - ceil(reach / step), 2 * ceil(reach / step) + 1


def _blended(forced: Floats, venue: VenueMap, start: float, horizon_min: float) -> Floats:
    """Each side's expected amounts, mixed with distance on its own side of the mark; the sum stays."""
    state = venue.state
    assert state is not None  # noqa: S101 -- `levels` looked
    middles = start + venue.setting.step * (np.arange(forced.shape[1]) + 0.5)
    away = np.array([[-1.0], [1.0]]) * (middles - log(state.mark))
    share = distance.map_share(horizon_min)
    mixed = forced.copy()
    for side in (0, 1):
        ahead = away[side] > 0.0
        kernel = distance.density(state.distance, away[side, ahead])
        mixed[side, ahead] = distance.blend(forced[side, ahead], kernel, share)
    return mixed
