"""The exchange a desk trades on in backtest and paper: it fills orders from what the market shows (METHOD 12.4).

In: a row of the market, by the `meet_…` function of its kind. Out: fills, booked by `trading.orders`, and bits of
`layout` that say what happened. Nothing is filled before it arrived. `due` says when there is anything to look at, so
that a row with nothing to do costs a comparison.

Triggers and liquidation look at the mark. On a desk that has seen candles alone a candle's extremes stand for it, the
adverse one first; on one without marks its trades, or else the middle of its book.
"""

import math
from typing import Final

from perpscope.trading import account, fills, orders
from perpscope.trading.compiling import inlined, inner
from perpscope.trading.layout import (
    FILLED,
    FREE,
    FUNDED,
    LIMIT,
    MARKET,
    NS,
    REFUSED,
    STOP,
    TAKE,
    WORKING,
)
from perpscope.trading.strategy import Record

#: An order that arrives within so long of a candle's open is filled at the open, a later one at the close: ns. Longer
#: than latencies are, shorter than anything a rule decides within a candle; chosen by hand.
SOON: Final = 10 * NS


@inner
def meet_mark(d: Record, ts: int, mark: float) -> int:
    """Let the mark liquidate, and trigger stops and take-profits: market orders at the next book, or trade.

    On a desk that has neither books nor trades they are filled at the mark, with half the spread and the impact.
    """
    if _is_calm(d, ts, mark, mark) or not mark > 0.0:
        return 0
    orders.expire(d, ts)
    orders.arrive(d, ts)
    bits = _marked(d, ts, mark)
    if d.watch.trade_at == 0 and d.watch.book_at == 0:
        for k in range(d.used):
            o = d.orders[k]
            if o.state == WORKING and o.kind == MARKET and o.price > 0:
                bits |= _taken(d, k, ts, mark, mark, mark)
    orders.await_next(d)
    return bits


@inner
def meet_trade(d: Record, ts: int, price: float) -> int:
    """Let a trade fill limit orders it went through by a tick, and market orders where there is no book."""
    has_mark = d.watch.mark_at > 0
    if (has_mark and ts < d.due) or (not has_mark and _is_calm(d, ts, price, price)):
        return 0
    orders.expire(d, ts)
    orders.arrive(d, ts)
    is_bookless = d.watch.book_at == 0
    before = d.watch.last if d.watch.last > 0.0 else price
    bits = 0
    for k in range(d.used):
        o = d.orders[k]
        if o.state != WORKING:
            continue
        if is_bookless and _is_new(d, k):
            bits |= _taken(d, k, ts, price, before, price)
        elif o.kind == LIMIT and o.is_resting and _is_through(d, k, price):
            bits |= _fill(d, k, ts, o.size, o.price, 1)
    if not has_mark:
        bits |= _marked(d, ts, price)
    orders.await_next(d)
    return bits


@inner
def meet_book(d: Record, ts: int) -> int:
    """Let `DESK.book`, which has to be filled before, take what crosses it, level by level; the rest waits."""
    has_mark = d.watch.mark_at > 0 or d.watch.trade_at > 0
    if ts < d.due and (d.account.size == 0 or has_mark):
        return 0
    orders.expire(d, ts)
    orders.arrive(d, ts)
    bits, b = 0, d.book
    for k in range(d.used):
        o = d.orders[k]
        if o.state != WORKING:
            continue
        if _is_new(d, k):
            bits |= _walk(d, k, ts)
        elif o.kind == LIMIT and (b.asks if o.side > 0 else b.bids) > 0:
            best = b.ask_ticks[0] if o.side > 0 else b.bid_ticks[0]
            if o.side * (o.price - best) >= 1:
                bits |= _fill(d, k, ts, o.size, o.price, 1)
    if not has_mark and b.bids > 0 and b.asks > 0:
        bits |= _marked(d, ts, (b.bid_ticks[0] + b.ask_ticks[0]) / 2.0 * d.account.tick)
    orders.await_next(d)
    return bits


@inner
def meet_funding(d: Record, rate: float, mark: float) -> int:
    """Settle a funding if a position is held; at the last mark or price where none is told."""
    w = d.watch
    if d.account.size == 0:
        return 0
    known = mark if mark > 0.0 else w.mark if w.mark > 0.0 else w.last
    account.fund(d.account, rate, known)
    orders.await_next(d)
    return FUNDED


@inlined
def is_passed(d: Record, ts: int, low: float, high: float) -> bool:
    """True if a closed candle fills nothing: nothing is due, or trades or books told it finer already."""
    w = d.watch
    return bool(w.trade_at > 0 or w.book_at > 0) or _is_calm(d, ts, low, high)


@inner
def meet_candle(d: Record, ts: int, ts_open: int, open_: float, high: float, low: float, close: float) -> int:
    """Let a closed candle that is not passed by fill what was there while it formed.

    In this order: liquidation, triggers, market orders and limits that cross at the open, a gap beyond a trigger among
    them; entries the range goes through; the adverse extreme for whatever is held then, the entry of this candle
    included (METHOD 11.2); the other extreme, unless it was entered later than at the open; at the close what arrived
    late.

    Args:
        d: `layout.DESK`.
        ts: ns UTC, its close.
        ts_open: ns UTC.
        open_: quote per base, as the other prices.
        high: highest.
        low: lowest.
        close: last.
    """
    a = d.account
    orders.expire(d, ts_open)
    orders.arrive(d, ts_open + SOON)
    bits = _marked(d, ts_open, open_)
    for k in range(d.used):
        if _is_new(d, k):
            bits |= _taken(d, k, max(ts_open, d.orders[k].arrives_at), open_, open_, close)
    is_from_open = a.size != 0
    bits |= _within(d, ts_open, low, high, open_, close, 0)
    orders.arrive(d, ts)
    bits |= _adverse(d, ts, low if a.size > 0 else high, open_, close)
    if is_from_open and a.size != 0:
        account.seen(a, high if a.size > 0 else low)
        bits |= _within(d, ts, low, high, open_, close, 1)
    for k in range(d.used):
        o = d.orders[k]
        if o.state == WORKING and o.kind == MARKET:
            bits |= _taken(d, k, ts, close, open_, close)
    orders.expire(d, ts)
    orders.await_next(d)
    return bits


@inlined
def _is_calm(d: Record, ts: int, low: float, high: float) -> bool:
    """True if nothing is due and marks within that range trigger and liquidate nothing; excursions have seen them."""
    if ts >= d.due:
        return False
    if d.account.size == 0:
        return True
    if not (low > d.floor and high < d.ceiling):
        return False
    account.seen(d.account, low)
    account.seen(d.account, high)
    return True


@inner
def _marked(d: Record, ts: int, mark: float) -> int:
    """Liquidate at a mark, or turn what it triggers into market orders, which keep the price that triggered them."""
    a = d.account
    account.seen(a, mark)
    if account.is_liquidated(a, mark):
        return _liquidate(d, ts, mark)
    for k in range(d.used):
        o = d.orders[k]
        if o.state == WORKING and o.kind in (STOP, TAKE) and _is_reached(d, k, mark):
            o.kind = MARKET
            o.arrives_at = max(o.arrives_at, ts)
    return 0


@inner
def _adverse(d: Record, ts: int, extreme: float, open_: float, close: float) -> int:
    """Let a candle's adverse extreme reach the stops and the liquidation price, the nearest first."""
    a, bits = d.account, 0
    while a.size != 0:
        side = 1 if a.size > 0 else -1
        k, is_gone = _nearest_stop(d, side, extreme), account.is_liquidated(a, extreme)
        edge = account.liquidation_price(a) if is_gone else math.nan
        stop = d.orders[k].price * a.tick if k >= 0 else math.nan
        if k >= 0 and not (is_gone and side * (edge - stop) > 0.0):
            bits |= _taken(d, k, ts, min(stop, open_) if side > 0 else max(stop, open_), open_, close)
        elif is_gone:
            return bits | _liquidate(d, ts, edge if edge > 0.0 else extreme)
        else:
            account.seen(a, extreme)
            break
    return bits


@inner
def _nearest_stop(d: Record, side: int, extreme: float) -> int:
    """The slot of the stop that a fall (of a long) or a rise reaches first; -1 if it reaches none."""
    found = -1
    for k in range(d.used):
        o = d.orders[k]
        if o.state != WORKING or o.kind != STOP or o.side == side or not _is_reached(d, k, extreme):
            continue
        if found < 0 or side * (o.price - d.orders[found].price) > 0:
            found = k
    return found


@inner
def _within(d: Record, ts: int, low: float, high: float, open_: float, close: float, is_reducing: int) -> int:
    """Fill what a candle's range goes through: limits at their price, triggers at theirs with the cost of a taker."""
    bits = 0
    for k in range(d.used):
        o = d.orders[k]
        if o.state != WORKING or o.is_reducing != is_reducing or (o.arrives_at > ts + SOON and not is_reducing):
            continue
        if o.kind == LIMIT and o.is_resting:
            if _is_through(d, k, low if o.side > 0 else high):
                bits |= _fill(d, k, max(ts, o.arrives_at), o.size, o.price, 1)
        elif o.kind in (STOP, TAKE) and (_is_reached(d, k, low) or _is_reached(d, k, high)):
            bits |= _taken(d, k, max(ts, o.arrives_at), o.price * d.account.tick, open_, close)
    return bits


@inner
def _is_new(d: Record, k: int) -> bool:
    """True of an order that takes what is there: market, or a limit that has not met the market yet."""
    o = d.orders[k]
    return bool(o.state == WORKING and (o.kind == MARKET or (o.kind == LIMIT and o.is_resting == 0)))


@inner
def _is_through(d: Record, k: int, price: float) -> bool:
    """True if a price goes through a limit by a tick: whoever stood in the queue before it is served."""
    o = d.orders[k]
    return bool(o.side * (o.price - price / d.account.tick) >= 1.0 - fills.NEAR)


@inner
def _is_reached(d: Record, k: int, mark: float) -> bool:
    """True if a mark triggers a stop (a rise, if it buys) or a take-profit (a fall, if it buys)."""
    o = d.orders[k]
    exact = mark / d.account.tick
    rises = (o.side > 0) == (o.kind == STOP)
    return bool(exact >= o.price - fills.NEAR if rises else exact <= o.price + fills.NEAR)


@inner
def _walk(d: Record, k: int, ts: int) -> int:
    """Take the book's levels, one fill each, as far as the order and its limit go; a limit rests with what is left."""
    o, b, bits = d.orders[k], d.book, 0
    prices, steps, levels = (b.ask_ticks, b.ask_steps, b.asks) if o.side > 0 else (b.bid_ticks, b.bid_steps, b.bids)
    for level in range(levels):
        if o.kind == LIMIT and o.side * (o.price - prices[level]) < 0:
            break
        if steps[level] > 0:
            bits |= _fill(d, k, ts, steps[level], prices[level], 0)
        if o.state == FREE:
            return bits
    if o.kind == LIMIT:
        o.is_resting = 1
    return bits


@inner
def _taken(d: Record, k: int, ts: int, price: float, start: float, end: float) -> int:
    """Fill an order as a taker where there is no book, around a price, while the market goes from `start` to `end`.

    A limit that this would break rests instead.
    """
    o, a = d.orders[k], d.account
    left = o.size - o.filled
    wanted = min(left, abs(a.size)) if o.is_reducing else left
    paid = fills.market_price(d, o.side, wanted, price, fills.survival(d.watch, start, end))
    if o.kind == LIMIT and o.side * (o.price - paid) < 0:
        o.is_resting = 1
        return 0
    return _fill(d, k, ts, left, paid, 0)


@inner
def _fill(d: Record, k: int, ts: int, size: int, price: int, is_maker: int) -> int:
    """Fill up to so many steps of an order: as many as are left of it, as it may reduce, or as cash can open.

    What cash cannot open is refused, as an exchange does; an entry against a position that is held is refused whole.
    """
    o, a, c = d.orders[k], d.account, d.costs
    wanted = min(size, o.size - o.filled)
    if o.is_reducing:
        most = abs(a.size) if a.size * o.side < 0 else 0
    else:
        most = account.affordable(a, c, price) if a.size * o.side >= 0 else 0
    some = min(wanted, most)
    bits = REFUSED if some < wanted and not o.is_reducing else 0
    if some > 0:
        fee = account.fee_of(account.notional(a, some, price), c.maker if is_maker else c.taker)
        bits |= orders.filled(d, k, ts, some, price, fee, is_maker)
    if some < wanted:
        o.state = FREE
    return bits


@inner
def _liquidate(d: Record, ts: int, mark: float) -> int:
    """Let the exchange take the position over; its orders go with it."""
    a = d.account
    side, size = (-1 if a.size > 0 else 1), abs(a.size)
    price, fee, realised = account.liquidated(a, mark, d.costs.liquidation, ts)
    orders.record(d, -1, ts, side, size, price, fee, 0, realised)
    return FILLED | orders.ended(d)
