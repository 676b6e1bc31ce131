"""What came of a trade entered at a minute's close: the triple barrier with costs (METHOD 11.2).

In: candles of one minute. Out, for each: what a long and a short would have brought after costs, and which of them was
worth it. Where one candle holds both barriers the adverse one came first, and the candle of the entry counts.
Leaving it out turned a loss of 2.6 bp a trade into a gain of 30 (METHOD 11.2).
"""

from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
_Ended: TypeAlias = tuple[Floats, NDArray[np.int64]]

#: Minutes after which a trade is over at the latest.
HORIZON: Final = 15
#: Barriers: so many standard deviations of `HORIZON` minutes away, and at least so many times the cost.
WIDTH: Final = 1.5
FLOOR: Final = 3.0


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What a trade costs, fractions of its notional."""

    taker: float = 0.0005  #: fee, each way
    spread: float = 0.0001  #: paid once: half in, half out
    slippage: float = 0.0001  #: both ways together

    @property
    def whole(self) -> float:
        """Of a trade there and back."""
        return 2.0 * self.taker + self.spread + self.slippage


class Labels(msgspec.Struct, frozen=True):
    """What came of each minute; NaN, and 0 in `outcome`, where it cannot be known.

    Args:
        outcome: (n,) 1 = a long brought more than half the cost after costs, -1 = a short did, 0 = neither.
        long: (n,) net return of a long, fraction.
        short: (n,) of a short.
        life: (n,) minutes the longer of the two was held.
        weight: (n,) uniqueness: mean of 1 ÷ trades open at once, over the minutes it was held; 0 where not known.
        is_known: (n,) whether all candles of the horizon are there.
    """

    outcome: NDArray[np.int64]
    long: Floats
    short: Floats
    life: NDArray[np.int64]
    weight: Floats
    is_known: NDArray[np.bool_]


def labels(open_: Floats, high: Floats, low: Floats, close: Floats, sigma: Floats, costs: Costs) -> Labels:
    """Label every minute.

    A trade decided at the close of minute i is entered at the open of i + 1 and is over at the close of i + `HORIZON`
    at the latest. A candle that opens beyond a stop ends it at that open.

    Args:
        open_: (n,) quote per base, one minute apart; NaN = no candle.
        high: (n,)
        low: (n,)
        close: (n,)
        sigma: (n,) standard deviation of a minute's return, as known at its close.
        costs: of a trade.
    """
    count = close.size
    cost = costs.whole
    width = np.maximum(WIDTH * sigma * np.sqrt(HORIZON), FLOOR * cost)
    rows = max(count - HORIZON, 0)
    long, short = np.full(count, np.nan), np.full(count, np.nan)
    life = np.zeros(count, np.int64)
    is_known = np.zeros(count, np.bool_)
    if rows:
        ahead = [sliding_window_view(column[1:], HORIZON) for column in (open_, high, low, close)]
        whole = ~np.isnan(width[:rows]) & ~np.isnan(ahead[0] + ahead[1] + ahead[2] + ahead[3]).any(axis=1)
        taken = np.flatnonzero(whole)
        opens, highs, lows, closes = (window[taken] for window in ahead)
        entry, away = opens[:, :1], width[taken, None]
        up, up_at = _held(opens / entry - 1.0, highs / entry - 1.0, lows / entry - 1.0, closes / entry - 1.0, away)
        down, down_at = _held(1.0 - opens / entry, 1.0 - lows / entry, 1.0 - highs / entry, 1.0 - closes / entry, away)
        long[taken], short[taken] = up - cost, down - cost
        life[taken], is_known[taken] = np.maximum(up_at, down_at) + 1, True
    with np.errstate(invalid="ignore"):
        outcome = np.where(long > 0.5 * cost, 1, np.where(short > 0.5 * cost, -1, 0)).astype(np.int64)
    return Labels(outcome, long, short, life, uniqueness(life), is_known)


def _held(
    opens: Floats, best: Floats, worst: Floats, closes: Floats, width: Floats
) -> tuple[Floats, NDArray[np.int64]]:
    """Gross return of trades, (n,), and the candle, from 0, that ended each.

    Args:
        opens: (n, horizon) return at each candle's open, as the trade sees it.
        best: likewise at its most favourable.
        worst: likewise at its most adverse.
        closes: likewise at its close.
        width: (n, 1) of the barriers.
    """
    lost, won = worst <= -width, best >= width
    touched = lost | won
    is_over = touched.any(axis=1)
    at = np.where(is_over, touched.argmax(axis=1), closes.shape[1] - 1)
    row = np.arange(at.size)
    stopped = np.minimum(opens[row, at], -width[:, 0])
    found: Floats = np.where(is_over, np.where(lost[row, at], stopped, width[:, 0]), closes[row, at])
    return found, at


def uniqueness(life: NDArray[np.int64]) -> Floats:
    """(n,) How much of a trade is its own: mean of 1 ÷ trades open at once, over the minutes it was held.

    Args:
        life: (n,) minutes each was held, from the minute after its own; 0 = there was none.

    >>> uniqueness(np.array([2, 1, 0]))
    array([0.75, 0.5 , 0.  ])
    """
    rows = np.arange(life.size)
    started = np.zeros(life.size + int(life.max(initial=0)) + 2)
    np.add.at(started, rows + 1, life > 0)
    np.add.at(started, rows + 1 + life, -(life > 0).astype(np.float64))
    open_at_once = started.cumsum()
    share = np.concatenate([[0.0], (1.0 / np.maximum(open_at_once, 1.0)).cumsum()])
    total = share[rows + 1 + life] - share[rows + 1]
    found: Floats = np.where(life > 0, total / np.maximum(life, 1), 0.0)
    return found
