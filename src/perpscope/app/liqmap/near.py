"""The nearest clusters of one venue's map, as strategies and models are told of them (METHOD 11.1).

In: a map that has taken its bars. Out: `Clusters`; None while the map has not filled. Whoever makes maps of a history
and whoever keeps them beside a live feed asks here, so that both tell the same of the same map.
"""

from typing import Final

import numpy as np

from perpscope.analytics.liqmap import levels, price_moves
from perpscope.analytics.liqmap.bars import DAY_NS, MINUTE_NS
from perpscope.analytics.liqmap.compiled_levels import Lay, forced_near, lay_numpy
from perpscope.analytics.liqmap.force import FAR
from perpscope.analytics.liqmap.nearest import Near, nearest
from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.app.liqmap.kept import KeptMap
from perpscope.model.instrument import InstrumentId
from perpscope.model.order import Clusters

#: A map needs as long to fill; METHOD 13.3.
BURN_IN_NS: Final = DAY_NS // 2
#: Minutes of returns that sigma is of: four hours.
_MINUTES: Final = 240.0


def clusters_of(instrument: InstrumentId, grown: VenueMap, ts_recv: int, lay: Lay = lay_numpy) -> Clusters | None:
    """What is near the mark of a map; None before open interest was told.

    Args:
        instrument: whose map it is.
        grown: the map.
        ts_recv: ns UTC, from when on it may be used.
        lay: the arithmetic; both give the same.
    """
    state = grown.state
    if state is None:
        return None
    sigma = price_moves.deviation(state.moves, _MINUTES)
    reach = min(FAR * sigma + 2.0 * grown.setting.step, levels.REACH)
    start, forced = forced_near(grown, lay, reach)
    prices = np.exp(start + grown.setting.step * (np.arange(forced.size) + 0.5))
    near = Near(prices=prices, forced=forced, mark=state.mark, open_interest=state.open_interest)
    found = nearest(near, sigma)
    return Clusters(
        *(instrument, ts_recv, found.above_price, found.above_usd),
        *(found.below_price, found.below_usd, found.pull),
    )


def kept_clusters(kept: KeptMap) -> Clusters | None:
    """The same of a map that is kept current minute by minute, of its newest; None while it has not filled."""
    state = kept.state
    if state is None or state.bars * MINUTE_NS < BURN_IN_NS:
        return None
    return clusters_of(kept.instrument.id, kept.map, state.ts)
