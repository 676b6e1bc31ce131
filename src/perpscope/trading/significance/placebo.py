"""Is it the entries? The same trades at random moments of the same days, with the same holding times and costs."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats
from perpscope.model.run import RunTrade

TIMES: Final = 1000
_DAY_MS: Final = 86_400_000


class Prices(msgspec.Struct, frozen=True):
    """What the run's instrument was worth, as often as it is known."""

    at_ms: NDArray[np.int64]  #: rising
    price: Floats  #: quote per base


class Placebo(msgspec.Struct, frozen=True):
    """Random entries beside the run's own."""

    net: float  #: of the trades that could be moved, quote units
    mean: float  #: of the placebos' nets
    low: float  #: 2.5 % of them are below
    high: float  #: 2.5 % are above
    p: float  #: chance that random entries do as well: (1 + those that did) ÷ (1 + repetitions)
    trades: int  #: that could be moved
    times: int


def placebo(trades: Sequence[RunTrade], prices: Prices, seed: int, times: int = TIMES) -> Placebo | None:
    """Draw each trade's entry again, anywhere in its day of UTC where it would end within the prices that are known.

    Side, size, holding time, fees, funding and slippage stay those of the trade; its result is what the price did
    between the moments drawn. A trade whose day has no other moment is left out.

    Args:
        trades: of the run.
        prices: of its instrument, over the run.
        seed: the same seed draws the same moments.
        times: repetitions.

    Returns:
        None where no trade could be moved.
    """
    generator = np.random.default_rng(seed)
    totals, net, moved = np.zeros(times), 0.0, 0
    for trade in trades:
        held = trade.closed_ms - trade.opened_ms
        day = trade.opened_ms // _DAY_MS * _DAY_MS
        latest = prices.at_ms[-1] - held if prices.at_ms.size else day
        first, end = np.searchsorted(prices.at_ms, [day, min(day + _DAY_MS, latest + 1)])
        if end - first < 2:
            continue
        entries = generator.integers(first, end, times)
        exits = np.searchsorted(prices.at_ms, prices.at_ms[entries] + held)
        sign = 1.0 if trade.side == "LONG" else -1.0
        costs = trade.fees + trade.funding + trade.slippage
        totals += sign * trade.size * (prices.price[exits] - prices.price[entries]) - costs
        net, moved = net + trade.net, moved + 1
    if not moved:
        return None
    low, high = np.quantile(totals, (0.025, 0.975))
    as_good = int((totals >= net).sum())
    return Placebo(net, float(totals.mean()), float(low), float(high), (1 + as_good) / (1 + times), moved, times)
