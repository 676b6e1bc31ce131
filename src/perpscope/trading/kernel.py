"""The loop every decision walks through, with one strategy's rule in it.

In: one row of the market, or a whole tape. Out: bits of `layout` that say what came of it, or everything that was
filled, decided and held. The event path calls the entries one by one, `run` calls the same functions from compiled
code; their order is told in `steps`.
"""

from collections.abc import Callable
from functools import lru_cache, partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.trading import steps
from perpscope.trading.asking import Asked, asked
from perpscope.trading.running import run
from perpscope.trading.strategy import Rule
from perpscope.trading.tape import Tape

Desk = NDArray[np.void]
#: Takes a desk (its array, or what `asking.placed` made of it), times and what the row tells; answers bits of `layout`.
Entry = Callable[..., int]


class Logs(msgspec.Struct, frozen=True):
    """What a run wrote down, in order."""

    fills: NDArray[np.void]  #: of `layout.FILL`
    decisions: NDArray[np.void]  #: of `layout.DECISION`
    points: NDArray[np.void]  #: of `layout.POINT`: once a candle, and after each fill


class Kernel(msgspec.Struct, frozen=True):
    """The loop with one rule in it. Each entry takes the desk first and answers bits of `layout` (`FILLED` …)."""

    rule: Rule  #: kept, for its code goes with it
    asked: Asked  #: what the steps want of it; see `asking`
    candle: Entry  #: (desk, ts_event, ts_recv, ts_open, open, high, low, close, volume, taker_buy)
    trade: Entry  #: (desk, ts_event, ts_recv, price, size, side)
    book: Entry  #: (desk, ts_event, ts_recv, bid_ticks, bid_steps, ask_ticks, ask_steps)
    booked: Entry  #: (desk, ts_event, ts_recv): the levels stand in the desk's book already
    mark: Entry  #: (desk, ts_event, ts_recv, mark, index, funding_rate, next_funding)
    funding: Entry  #: (desk, ts_event, ts_recv, rate, mark)
    second: Entry  #: (desk, ts)
    liquidation: Entry  #: (desk, ts_event, ts_recv, position_side, usd)
    open_interest: Entry  #: (desk, ts_recv, base)
    clusters: Entry  #: (desk, ts_recv, above_price, above_usd, below_price, below_usd, pull)
    forecast: Entry  #: (desk, ts_recv, for_ts, p_up, p_down, edge, is_promoted)
    gap: Entry  #: (desk, ts_recv, is_open)

    def run(self, desk: Desk, tape: Tape) -> Logs:
        """Walk a whole tape; the desk stands at its end afterwards."""
        return Logs(*run(self.asked, desk, tape))


@lru_cache(maxsize=64)
def kernel(rule: Rule) -> Kernel:
    """The loop with this rule in it.

    Raises:
        TypeError: the rule is not compiled (`asking.asked`).
    """
    handed = asked(rule)
    return Kernel(
        rule=rule,
        asked=handed,
        candle=partial(steps.candle, handed),
        trade=partial(steps.trade, handed),
        book=steps.book,
        booked=steps.booked,
        mark=steps.mark,
        funding=steps.funding,
        second=partial(steps.second, handed),
        liquidation=steps.liquidation,
        open_interest=steps.open_interest,
        clusters=steps.clusters,
        forecast=partial(steps.forecast, handed),
        gap=steps.gap,
    )
