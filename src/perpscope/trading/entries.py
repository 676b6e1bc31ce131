"""The steps as the event path calls them, one event at a time: by address and number, see `entering`.

Each hands on to the step of its name what `asking` made of the rule and of the desk, and the numbers of the event; of
a candle, which is all that a backtest of candles has, it reads them itself.
Call them by this module, `entries.trade(…)`: what stands here is replaced once it was called.
"""

from math import nan

from perpscope.model.market import Candle
from perpscope.trading import steps
from perpscope.trading.asking import Asked, Place
from perpscope.trading.entering import entered


@entered
def candle(rule: Asked, desk: Place, event: Candle) -> int:
    """A closed candle."""
    bought = event.taker_buy_volume
    return steps.candle(
        rule,
        desk,
        event.ts_event,
        event.ts_recv,
        event.ts_open,
        event.open,
        event.high,
        event.low,
        event.close,
        event.volume,
        nan if bought is None else bought,
    )


@entered
def trade(rule: Asked, desk: Place, ts_event: int, ts_recv: int, price: float, size: float, side: int) -> int:
    """A trade."""
    return steps.trade(rule, desk, ts_event, ts_recv, price, size, side)


@entered
def booked(desk: Place, ts_event: int, ts_recv: int) -> int:
    """The levels that were written into the desk's book."""
    return steps.booked(desk, ts_event, ts_recv)


@entered
def is_wanted(desk: Place, ts_event: int) -> bool:
    """Whether a book has to be read at a row of this time."""
    return steps.is_wanted(desk, ts_event)


@entered
def mark(
    desk: Place, ts_event: int, ts_recv: int, mark: float, index: float, funding_rate: float, next_funding: int
) -> int:
    """The mark price."""
    return steps.mark(desk, ts_event, ts_recv, mark, index, funding_rate, next_funding)


@entered
def funding(desk: Place, ts_event: int, ts_recv: int, rate: float, mark: float) -> int:
    """A funding was settled."""
    return steps.funding(desk, ts_event, ts_recv, rate, mark)


@entered
def second(rule: Asked, desk: Place, ts: int) -> int:
    """A second passed."""
    return steps.second(rule, desk, ts)


@entered
def liquidation(desk: Place, ts_event: int, ts_recv: int, position_side: int, usd: float) -> int:
    """Somebody's position was closed."""
    return steps.liquidation(desk, ts_event, ts_recv, position_side, usd)


@entered
def open_interest(desk: Place, ts_recv: int, base: float) -> int:
    """What is held."""
    return steps.open_interest(desk, ts_recv, base)


@entered
def clusters(
    desk: Place, ts_recv: int, above_price: float, above_usd: float, below_price: float, below_usd: float, pull: float
) -> int:
    """The map's nearest clusters."""
    return steps.clusters(desk, ts_recv, above_price, above_usd, below_price, below_usd, pull)


@entered
def forecast(
    rule: Asked, desk: Place, ts_recv: int, for_ts: int, p_up: float, p_down: float, edge: float, is_promoted: int
) -> int:
    """A model spoke."""
    return steps.forecast(rule, desk, ts_recv, for_ts, p_up, p_down, edge, is_promoted)


@entered
def gap(desk: Place, ts_recv: int, is_open: int) -> int:
    """Something is not seen, or everything is again."""
    return steps.gap(desk, ts_recv, is_open)
