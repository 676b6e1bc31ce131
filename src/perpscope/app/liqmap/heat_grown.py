"""A heatmap that grows: what was made of the past is kept, and the next answer adds what has come since.

In: the venues' bars, and what was kept. Out: columns on common bins. A kept heatmap and one made anew are the same to
the last bit: it is gone on with only while its bars are those it was made of. One that is not (a past that was asked
for afterwards, another hour, another venue) is made anew.
"""

import copy
import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.liqmap import heat, levels
from perpscope.analytics.liqmap.bars import HOUR_NS, MINUTE_NS, Bar
from perpscope.analytics.liqmap.heat import Column
from perpscope.analytics.liqmap.ladder import Ladder
from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.analytics.margin_arrays import Floats
from perpscope.app.liqmap.parts import REACH, Gathered, Question, choose_arithmetic, price_at, width_of

#: For so long a heatmap goes on from the same beginning.
STEADY_NS: Final = HOUR_NS
#: What is younger may still be told otherwise: it is laid out, and taken anew the next time.
_SETTLED_NS: Final = 10 * MINUTE_NS
#: Room either side of the bins, log price, for the price to go on.
_ROOM: Final = 0.1

Price = tuple[int, float, float, float]


class Grown(msgspec.Struct, kw_only=True):
    """A heatmap as far as it is settled. Belongs to one thread at a time."""

    beginning: tuple[object, ...]  #: what must be the same for it to go on
    reference: int  #: place of the venue whose bars and prices the columns have
    edges: Floats  #: (bins + 1,) quote per base, wider than what is shown
    maps: list[VenueMap]
    counts: list[int]  #: bars each map has taken
    digests: list[bytes]  #: of these bars
    shown_from: int  #: ns UTC; columns are later
    columns: list[Column]
    prices: list[Price]


class KeptHeat(msgspec.Struct):
    """Where a heatmap is kept between answers to one question."""

    grown: Grown | None = None
    made: int = 0  #: times it was made from its beginning


def columns_of(
    question: Question, gathered: Gathered, kept: KeptHeat, *, hours: float, every_min: float
) -> tuple[Floats, list[Column], list[Price]]:
    """Edges, columns and prices of the last hours: of each stretch of so many minutes the first moment.

    Args:
        question: what is asked.
        gathered: for it, with `STEADY_NS`.
        kept: from the last answer to the same question, hours and minutes; is brought up to date.
        hours: that are shown.
        every_min: minutes of a stretch. Where none begins within the hours, there is one column, of the last bar.
    """
    after, every = gathered.now - round(hours * HOUR_NS), round(every_min * MINUTE_NS)
    feeds = [part.feed.bars for part in gathered.parts]
    last = gathered.reference_then.feed.bars[-1].close
    edges = levels.edges_around(last, width=_width(question, gathered), reach=REACH)
    grown = kept.grown
    if grown is None or not _goes_on(grown, gathered, edges, after):
        kept.grown = None
        grown = _begin(gathered, edges, after)
        kept.made += 1
    _take(grown, feeds, gathered.now - _SETTLED_NS, question, every)
    grown.digests = [_digest(bars[:count]) for bars, count in zip(feeds, grown.counts, strict=True)]
    kept.grown = grown
    newest = msgspec.structs.replace(
        grown,
        maps=[_copied(venue) for venue in grown.maps],
        counts=list(grown.counts),
        columns=list(grown.columns),
        prices=list(grown.prices),
    )
    _take(newest, feeds, gathered.now, question, every)
    shown = [at for at, one in enumerate(newest.columns) if one.ts > after]
    if not shown and feeds[grown.reference][-1].ts > after:
        _lay(newest, feeds[grown.reference][-1], question)
        shown = [len(newest.columns) - 1] if newest.columns else []
    first = round(float(edges[0] - newest.edges[0]) / float(edges[1] - edges[0]))
    cut = [_cut(newest.columns[at], first, edges.size - 1) for at in shown]
    return edges, cut, [newest.prices[at] for at in shown]


def _width(question: Question, gathered: Gathered) -> float:
    """Of a bin, by the price `as_of`: it stays for as long as the heatmap goes on."""
    return width_of(question, price_at(gathered.reference_then.feed, gathered.as_of))


def _beginning(gathered: Gathered) -> tuple[object, ...]:
    """What a heatmap hangs on beside its bars."""
    reference = gathered.reference_then
    ladders = [_told(ladder) for part in gathered.parts for ladder in part.ladders]
    names = [part.feed.instrument.id for part in gathered.parts]
    return gathered.kind, gathered.as_of, gathered.start, reference.feed.instrument.id, names, ladders


def _told(ladder: Ladder) -> tuple[str, bytes, bytes]:
    return ladder.family, ladder.offsets.tobytes(), ladder.weights.tobytes()


def _begin(gathered: Gathered, edges: Floats, after: int) -> Grown:
    """Empty maps, over bins of the same width that reach further."""
    width = float(edges[1] - edges[0])
    wide = levels.edges_around(gathered.reference_then.feed.bars[-1].close, width=width, reach=REACH + _ROOM)
    choose_arithmetic(gathered.parts)
    count = len(gathered.parts)
    return Grown(
        beginning=_beginning(gathered),
        reference=gathered.parts.index(gathered.reference_then),
        edges=wide,
        maps=[part.map for part in gathered.parts],
        counts=[0] * count,
        digests=[b""] * count,
        shown_from=after,
        columns=[],
        prices=[],
    )


def _goes_on(grown: Grown, gathered: Gathered, edges: Floats, after: int) -> bool:
    """Whether what is kept is the beginning of what is asked for."""
    return (
        grown.beginning == _beginning(gathered)
        and after >= grown.shown_from
        and bool(grown.edges[0] <= edges[0] and edges[-1] <= grown.edges[-1])
        and all(
            count <= len(part.feed.bars) and digest == _digest(part.feed.bars[:count])
            for part, count, digest in zip(gathered.parts, grown.counts, grown.digests, strict=True)
        )
    )


def _digest(bars: Sequence[Bar]) -> bytes:
    """The same for the same bars."""
    told = msgspec.msgpack.encode([msgspec.structs.astuple(bar) for bar in bars], enc_hook=float)
    return hashlib.blake2b(told, digest_size=16).digest()


def _copied(venue: VenueMap) -> VenueMap:
    """A map that goes on by itself."""
    made = copy.copy(venue)
    made.state = copy.deepcopy(venue.state)
    return made


def _take(grown: Grown, feeds: Sequence[Sequence[Bar]], until: int, question: Question, every: int) -> None:
    """Go on with the reference's bars up to a moment (ns UTC), the other venues' beside them."""
    bars = feeds[grown.reference]
    for at in range(grown.counts[grown.reference], len(bars)):
        bar = bars[at]
        if bar.ts > until:
            return
        for place, (venue, coming) in enumerate(zip(grown.maps, feeds, strict=True)):
            count = grown.counts[place]
            while count < len(coming) and coming[count].ts <= bar.ts:
                venue.take(coming[count])
                count += 1
            grown.counts[place] = count
        is_first = at > 0 and bar.ts // every != bars[at - 1].ts // every
        if is_first and bar.ts > grown.shown_from:
            _lay(grown, bar, question)


def _lay(grown: Grown, bar: Bar, question: Question) -> None:
    """A column of the maps as they are, at the end of a bar of the reference; none while nothing is known."""
    known = [venue for venue in grown.maps if venue.state is not None]
    if known:
        usd = levels.expected_usd(known, grown.edges, bar.close, horizon_min=question.horizon_min or None)
        grown.columns.append(heat.column(bar.ts, usd))
        grown.prices.append((bar.ts, bar.low, bar.high, bar.close))


def _cut(column: Column, first: int, count: int) -> Column:
    """The part of a column that is shown."""
    at = column.at.astype(np.int64) - first
    inside = (at >= 0) & (at < count)
    return Column(column.ts, at[inside].astype(np.uint32), column.codes[inside])
