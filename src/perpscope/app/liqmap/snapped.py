"""The heatmap as it was published: columns read off the chain of snapshots, where it holds the hours asked for.

In: a store and a question. Out: columns over common bins with the price beside them, or None: then the heatmap is made
anew from the store's rows.
"""

from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.liqmap import heat, levels
from perpscope.analytics.liqmap.bars import HOUR_NS, MINUTE_NS
from perpscope.analytics.liqmap.heat import Column
from perpscope.analytics.margin_arrays import Floats
from perpscope.app.liqmap.kept import HORIZON_MIN, PROFILE, REACH
from perpscope.app.liqmap.parts import Question, width_of
from perpscope.app.liqmap.snapshots import Snapped, unpack
from perpscope.app.status import market_now
from perpscope.errors import StoreError
from perpscope.stores.reader import SqliteReader
from perpscope.stores.snapshot_rows import Row, folder_of
from perpscope.stores.snapshots import SnapshotReader
from perpscope.stores.status import StoreKind

#: A hole in the chain that is no longer taken for its usual pace.
_HOLE_NS: Final = 30 * MINUTE_NS


class SnappedHeat(msgspec.Struct, frozen=True, kw_only=True):
    """What a heatmap is made of."""

    kind: StoreKind
    edges: Floats  #: (bins + 1,) quote per base
    columns: list[Column]
    prices: list[tuple[int, float, float, float]]  #: ns UTC, low, high, mark at each column
    venues: list[str]
    note: str


def snapped_heat(path: Path, question: Question, *, hours: float, every_min: float) -> SnappedHeat | None:
    """Columns of the last hours; None where the chain does not hold them without a hole, or they were not asked for so.

    Args:
        path: the store.
        question: kept are coins, by the default profile, horizon and lookback, of all venues.
        hours: that are shown.
        every_min: minutes between columns.

    Raises:
        DataError: there is no such store.
        StoreError: it cannot be read.
    """
    plain = Question(name=question.name)
    asked = (question.profile, question.horizon_min, question.lookback_h)
    if asked != (PROFILE, HORIZON_MIN, plain.lookback_h) or question.venues:
        return None
    with SqliteReader.open(path) as reader:
        kind, now = reader.kind, market_now(reader.heart(), reader.kind)
    chain = SnapshotReader(folder_of(path))
    after = now - round(hours * HOUR_NS)
    try:
        found_rows = chain.maps(question.name.upper(), after - _HOLE_NS, now)
        rows = [row for row in found_rows if row.data == kind.value]
        if not _is_whole([row.ts for row in rows], after, now):
            return None
        chosen = _apart([row for row in rows if row.ts > after], round(every_min * MINUTE_NS))
        found = [(row, unpack(chain.payload(row))) for row in chosen]
    except StoreError:
        return None
    last = found[-1][1]
    width = last.width if question.width is None and question.bins is None else width_of(question, last.mark)
    edges = levels.edges_around(last.mark, width=width, reach=REACH)
    return SnappedHeat(
        kind=kind,
        edges=edges,
        columns=[heat.column(row.ts, _laid(one, edges)) for row, one in found],
        prices=[(row.ts, one.low, one.high, one.mark) for row, one in found],
        venues=list(found[-1][0].venues),
        note="columns as they were published, from the chain of snapshots: perpscope study verify-snapshots",
    )


def _is_whole(times: list[int], after: int, now: int) -> bool:
    """Whether snapshots follow one another from one moment to another without a hole."""
    return len(times) > 1 and max(np.diff([after - _HOLE_NS // 2, *times, now])) <= _HOLE_NS


def _apart(rows: list[Row], step: int) -> list[Row]:
    """Rows so far apart at least, the newest among them."""
    found: list[Row] = []
    for row in reversed(rows):
        if not found or found[-1].ts - row.ts >= step:
            found.append(row)
    return found[::-1]


def _laid(one: Snapped, edges: Floats) -> Floats:
    """A snapshot's dollars, both sides, in other bins; bins of its own width take them as they are."""
    usd = one.usd.sum(axis=0)
    width = float(edges[1] - edges[0])
    if round(width / one.width, 9) != 1.0:
        return levels.rebinned(usd, one.edges, edges)
    found = np.zeros(edges.size - 1)
    places = np.arange(one.bins) + one.first - round(float(edges[0]) / one.width)
    inside = (places >= 0) & (places < found.size)
    found[places[inside]] = usd[inside]
    return found
