"""A book as a ladder of all ticks a tape has: a level is written in one step, the best are looked for when wanted.

In: levels of deltas, as places on the ladder. Out: the best levels in a desk's book. `state` is what the loops know of
the ladder; its fields are the constants below.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from perpscope.trading.compiling import inner
from perpscope.trading.layout import DEPTH
from perpscope.trading.strategy import Record

Rungs = NDArray[np.int64]

BEST_BID: Final = 0  #: no bid is above this place
BEST_ASK: Final = 1  #: no ask is below it
BIDS: Final = 2  #: levels there are
ASKS: Final = 3
IS_NEW: Final = 4  #: 1 = something changed since the best were read
TS_EVENT: Final = 5  #: ns UTC, of the last delta
TS_RECV: Final = 6
LOW: Final = 7  #: no level was ever below this place
HIGH: Final = 8
LOWEST: Final = 9  #: tick of place 0
FIELDS: Final = 10


def empty(lowest: int, ticks: int) -> tuple[Rungs, Rungs, Rungs]:
    """Bids and asks (steps by place) and state of a ladder without levels.

    Args:
        lowest: tick of its first place.
        ticks: how many there are.
    """
    state = np.zeros(FIELDS, np.int64)
    state[BEST_BID] = state[HIGH] = -1
    state[BEST_ASK] = state[LOW] = ticks
    state[LOWEST] = lowest
    return np.zeros(ticks, np.int64), np.zeros(ticks, np.int64), state


@inner
def put(bids: Rungs, asks: Rungs, state: Rungs, tick: int, steps: int) -> None:
    """Write a level: a tick, below 0 for an ask, and what stands there, 0 = nothing."""
    place = abs(tick) - state[LOWEST]
    state[LOW] = min(state[LOW], place)
    state[HIGH] = max(state[HIGH], place)
    if tick > 0:
        state[BIDS] += (1 if steps > 0 else 0) - (1 if bids[place] > 0 else 0)
        bids[place] = steps
        if steps > 0 and place > state[BEST_BID]:
            state[BEST_BID] = place
    else:
        state[ASKS] += (1 if steps > 0 else 0) - (1 if asks[place] > 0 else 0)
        asks[place] = steps
        if steps > 0 and place < state[BEST_ASK]:
            state[BEST_ASK] = place


@inner
def clear(bids: Rungs, asks: Rungs, state: Rungs) -> None:
    """Take every level away."""
    for place in range(state[LOW], state[HIGH] + 1):
        bids[place] = asks[place] = 0
    state[BIDS] = state[ASKS] = 0
    state[BEST_BID] = state[HIGH] = -1
    state[BEST_ASK] = state[LOW] = bids.size
    state[IS_NEW] = 0


@inner
def read(bids: Rungs, asks: Rungs, state: Rungs, book: Record) -> None:
    """Write the best levels into a record of `layout.BOOK`."""
    wanted, found, place = min(state[BIDS], DEPTH), 0, state[BEST_BID]
    while found < wanted:
        if bids[place] > 0:
            book.bid_ticks[found], book.bid_steps[found] = place + state[LOWEST], bids[place]
            if found == 0:
                state[BEST_BID] = place
            found += 1
        place -= 1
    book.bids = wanted
    wanted, found, place = min(state[ASKS], DEPTH), 0, state[BEST_ASK]
    while found < wanted:
        if asks[place] > 0:
            book.ask_ticks[found], book.ask_steps[found] = place + state[LOWEST], asks[place]
            if found == 0:
                state[BEST_ASK] = place
            found += 1
        place += 1
    book.asks = wanted
    state[IS_NEW] = 0
