"""Where each position of a run would have been liquidated, by its own account's tiers and leverage."""

from collections.abc import Sequence
from math import isnan

import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats
from perpscope.model.run import RunTrade
from perpscope.trading.account import initial_margin, liquidation_price_of
from perpscope.trading.layout import MONEY
from perpscope.trading.strategy import Record


def liquidation_prices(trades: Sequence[RunTrade], at_ms: NDArray[np.int64], account: Record) -> Floats:
    """Quote per base at each row of a course; NaN while nothing was held, or where no price would do it.

    A trade's margin is what opening the most it held locked up; the funding it paid leaves it evenly from its opening
    to its end, since rows of a run do not tell when it was paid. A long that no price would liquidate at first begins
    at 0.

    Args:
        trades: in order of time.
        at_ms: rows of the course, rising.
        account: `layout.ACCOUNT` of the run: contract, tiers and leverage.
    """
    found = np.full(at_ms.size, np.nan)
    for trade in trades:
        first, end = np.searchsorted(at_ms, [trade.opened_ms, trade.closed_ms])
        if first == end:
            continue
        side = 1 if trade.side == "LONG" else -1
        size, cost = side * round(trade.size / float(account["step"])), round(trade.size * trade.entry * MONEY)
        margin, paid = initial_margin(account, cost), round(trade.funding * MONEY)
        prices = [liquidation_price_of(account, size, cost, margin - gone) for gone in (0, paid)]
        ends = [0.0 if side > 0 and isnan(price) else price for price in prices]
        line = np.interp(at_ms[first:end], [trade.opened_ms, trade.closed_ms], ends)
        found[first:end] = np.where(line > 0.0, line, np.nan)
    return found
