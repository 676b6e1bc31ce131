"""The orders of a desk: placed, on their way, working, cancelled, and booked when something of one is filled.

`place` and `cancel` are what a decision may do; `filled` is how every fill is booked, a simulated one and a real one
alike: account, ring, the stop and the take-profit behind an entry, and the end of orders that have nothing to close.
The simulated exchange, which decides what is filled, is `trading.exchange`.
"""

import math

from perpscope.trading import account, fills
from perpscope.trading.compiling import inner, loops
from perpscope.trading.layout import (
    ENDED,
    ENTRY,
    FILLED,
    FREE,
    KEPT_FILLS,
    LIMIT,
    LIQUIDATED,
    MARKET,
    NEVER,
    PLACED,
    PROFIT,
    PROTECT,
    SENT,
    SLOTS,
    STOP,
    TAKE,
    WORKING,
)
from perpscope.trading.strategy import Record

_ROUNDING = 1e-9
_OF_CANCELS = 1 << 31  # numbers latencies of cancels apart from those of orders


@loops
def place(
    d: Record,
    ts: int,
    kind: int,
    role: int,
    side: int,
    size: int,
    price: int,
    why: int,
    stop: float = 0.0,
    take: float = 0.0,
) -> int:
    """Send an order: the exchange knows it from `arrives_at` on. All but entries only reduce.

    Args:
        d: `layout.DESK`.
        ts: ns UTC, of the decision.
        kind: MARKET, LIMIT, STOP or TAKE.
        role: ENTRY, LEAVE, PROTECT, PROFIT or FLATTEN.
        side: 1 buys, -1 sells.
        size: steps, > 0.
        price: ticks, the limit or the mark that triggers it; 0 of a market order.
        why: number of the strategy's reason.
        stop: of an entry: how far from it the protective stop is placed once it is filled, fraction; 0 = none.
        take: of an entry: how far the take-profit.

    Returns:
        Its id; 0 if no slot is free. An entry leaves room for the stop and the take-profit behind it.
    """
    k = _free_slot(d, 3 if role == ENTRY else 1)
    if k < 0:
        return 0
    o, w = d.orders[k], d.watch
    d.used = max(d.used, k + 1)
    d.orders_made += 1
    o.id, o.state, o.kind, o.role, o.side, o.size = d.orders_made, SENT, kind, role, side, size
    o.filled, o.price, o.is_resting, o.why = 0, price, 0, why
    o.is_reducing = 0 if role == ENTRY else 1
    o.placed_at, o.expires_at = ts, 0
    o.arrives_at = ts + d.costs.data_delay + fills.latency(d.costs, int(d.orders_made))
    o.stop_at, o.take_at = stop, take
    is_book = w.bid > 0.0 and w.ask > 0.0
    o.mid = price * d.account.tick if kind in (STOP, TAKE) else (w.bid + w.ask) / 2.0 if is_book else w.last
    d.due = min(d.due, o.arrives_at)
    return int(o.id)


@inner
def _free_slot(d: Record, least: int) -> int:
    """The first free slot; -1 if fewer than so many are free."""
    first, taken = d.used, 0
    for k in range(d.used - 1, -1, -1):
        if d.orders[k].state == FREE:
            first = k
        else:
            taken += 1
    return first if SLOTS - taken >= least else -1


@inner
def slot_of(d: Record, number: int) -> int:
    """The slot of an order that is on its way or works; -1 if there is none of that id."""
    for k in range(d.used):
        if d.orders[k].state != FREE and d.orders[k].id == number:
            return k
    return -1


@inner
def has_order(d: Record, role: int) -> bool:
    """True while an order of that role is on its way or works."""
    count = 0
    for k in range(d.used):
        count += d.orders[k].state != FREE and d.orders[k].role == role
    return count > 0


@loops
def cancel(d: Record, ts: int, number: int) -> bool:
    """Take an order back, which takes as long as sending one: until `expires_at` it may still be filled.

    Returns:
        False if there is none of that id any more.
    """
    k = slot_of(d, number)
    if k < 0:
        return False
    o = d.orders[k]
    gone = ts + d.costs.data_delay + fills.latency(d.costs, int(o.id) + _OF_CANCELS)
    o.expires_at = gone if o.expires_at == 0 else min(gone, o.expires_at)
    d.due = min(d.due, o.expires_at)
    return True


@loops
def cancel_all(d: Record, ts: int, role: int = -1) -> int:
    """Take back all orders of a role, or all; how many there were."""
    count = 0
    for k in range(d.used):
        o = d.orders[k]
        if o.state != FREE and role in (-1, o.role):
            count += cancel(d, ts, int(o.id))
    return count


@inner
def filled(d: Record, k: int, ts: int, size: int, price: int, fee: int, is_maker: int) -> int:
    """Book that some of an order was filled.

    Args:
        d: `layout.DESK`.
        k: the order's slot.
        ts: ns UTC, the exchange's.
        size: steps, > 0.
        price: ticks.
        fee: money; below 0 = a rebate.
        is_maker: 1 if it rested in the book.

    Returns:
        Bits of `layout`: FILLED, and PLACED if the orders behind an entry were placed, ENDED if nothing is left.
    """
    o, a = d.orders[k], d.account
    realised = account.filled(a, o.side, size, price, fee, ts, d.watch.bars)
    if o.mid > 0.0:
        a.slippage += math.floor(o.side * (price - o.mid / a.tick) * size * a.worth + 0.5)
    o.filled += size
    record(d, k, ts, o.side, size, price, fee, is_maker, realised)
    bits = FILLED
    if o.role == ENTRY and a.size != 0:
        bits |= _protect(d, k, ts)
    if o.filled >= o.size:
        o.state = FREE
    return bits | (ended(d) if a.size == 0 else 0)


@inner
def foreign(d: Record, ts: int, role: int, side: int, size: int, price: int, fee: int, is_maker: int) -> int:
    """Book what was filled without an order of this desk: a liquidation, a trade by hand, an order closed before.

    What it leaves open is protected as far as `RISK.stop` asks for it. Orders to close a position that has turned, or
    is no more, are let go.

    Args:
        d: `layout.DESK`.
        ts: ns UTC, the exchange's.
        role: as it is told, LIQUIDATED among them.
        side: 1 bought, -1 sold.
        size: steps, > 0.
        price: ticks.
        fee: money; below 0 = a rebate.
        is_maker: 1 if it rested in the book.

    Returns:
        As `filled`.
    """
    a = d.account
    before = a.size
    realised = account.filled(a, side, size, price, fee, ts, d.watch.bars)
    record(d, -1, ts, side, size, price, fee, is_maker, realised)
    d.kept_fills[(d.fills - 1) % KEPT_FILLS].role = role
    if role == LIQUIDATED and a.size == 0:
        a.liquidations += 1
    bits = FILLED
    if a.size == 0 or a.size * before < 0:
        bits |= ended(d)
    return bits | covered(d, ts)


@inner
def covered(d: Record, ts: int) -> int:
    """Place a stop as far as `RISK.stop` asks for it where something is held and none stands; PLACED if one was."""
    a, bits = d.account, 0
    if a.size != 0 and d.risk.stop > 0.0 and not has_order(d, PROTECT):
        trigger = max(1, math.floor(a.entry * (1.0 - side_of(a.size) * d.risk.stop) / a.tick + 0.5))
        place(d, ts, STOP, PROTECT, -side_of(a.size), abs(a.size), trigger, 0, 0.0, 0.0)
        bits = PLACED
    await_next(d)
    return bits


@inner
def side_of(size: int) -> int:
    """1 of a long position, -1 of a short one."""
    return 1 if size > 0 else -1


@inner
def gone(d: Record, k: int) -> None:
    """Let an order go that the exchange will not fill any further.

    The stop of a position that is held stays: it is still wished, with its number and trigger, and a fill of it is
    booked. To have it stand at the exchange again is the guard's business, who has seconds for it, not a rule's.
    """
    o = d.orders[k]
    if o.role != PROTECT or d.account.size * o.side >= 0:
        o.state = FREE
        await_next(d)


@inner
def record(
    d: Record, k: int, ts: int, side: int, size: int, price: int, fee: int, is_maker: int, realised: int
) -> None:
    """Keep a fill in the desk's ring, with what the account is after it; k = -1 of one without an order."""
    a = d.account
    f = d.kept_fills[d.fills % KEPT_FILLS]
    d.fills += 1
    f.ts, f.side, f.size, f.price, f.fee, f.is_maker, f.realised = ts, side, size, price, fee, is_maker, realised
    f.position, f.equity, f.funding = a.size, account.equity(a, price * a.tick), a.funding
    f.best, f.worst = a.best, a.worst
    if k < 0:
        f.order, f.role, f.mid, f.placed_at, f.why = 0, LIQUIDATED, math.nan, ts, 0
        return
    o = d.orders[k]
    f.order, f.role, f.mid, f.placed_at, f.why = o.id, o.role, o.mid, o.placed_at, o.why


@inner
def _protect(d: Record, k: int, ts: int) -> int:
    """Place the stop and the take-profit behind an entry; such as stand grow with it, and move till they arrive."""
    o, a = d.orders[k], d.account
    placed = 0
    for role, kind, distance in ((PROTECT, STOP, -o.stop_at), (PROFIT, TAKE, o.take_at)):
        if distance == 0.0:
            continue
        trigger = max(1, math.floor(a.entry * (1.0 + o.side * distance) / a.tick + 0.5))
        is_there = False
        for slot in range(d.used):
            other = d.orders[slot]
            if other.state != FREE and other.role == role:
                is_there = True
                other.size = max(other.size, other.filled + abs(a.size))
                if other.state == SENT:
                    other.price, other.mid = trigger, trigger * a.tick
        if not is_there:
            place(d, ts, kind, role, -o.side, o.size, trigger, 0, 0.0, 0.0)
            placed = PLACED
    return placed


@inner
def ended(d: Record) -> int:
    """Free the orders that have nothing to close any more, and what is left of the entry; ENDED without any cash."""
    for k in range(d.used):
        o = d.orders[k]
        if o.is_reducing or o.filled > 0:
            o.state = FREE
    return ENDED if d.account.cash <= 0 else 0


@inner
def await_next(d: Record) -> None:
    """Reckon what the desk waits for: `due`, and the marks between which nothing is triggered or liquidated.

    `due` is when the next order arrives or goes; 0 while one waits for whatever row comes next. To be called after
    anything has changed orders, position or margin.
    """
    a = d.account
    due, low, high, used = NEVER, 0.0, math.inf, 0
    for k in range(d.used):
        o = d.orders[k]
        if o.state == FREE:
            continue
        used = k + 1
        if o.expires_at > 0:
            due = min(due, o.expires_at)
        if o.state == SENT:
            due = min(due, o.arrives_at)
        elif o.kind in (MARKET, LIMIT) or not o.is_reducing:
            due = 0
        elif (o.side > 0) == (o.kind == STOP):
            high = min(high, (o.price - fills.NEAR) * a.tick)
        else:
            low = max(low, (o.price + fills.NEAR) * a.tick)
    d.due, d.used = due, used
    d.floor, d.ceiling = _solvent(a, low, high) if a.size != 0 else (low, high)


@inner
def _solvent(a: Record, low: float, high: float) -> tuple[float, float]:
    """The part of a range of marks in which the position is not liquidated; narrower by what rounding may do."""
    edge = account.liquidation_price(a)
    if a.size < 0:
        return low, min(high, edge * (1.0 - _ROUNDING)) if edge > 0.0 else high
    for tier in range(1, a.tiers):  # where maintenance jumps, a rise into the next tier can do it too
        start = a.tier_floor[tier] / (a.size * a.step)
        if not a.is_by_size and start > a.entry and account.is_liquidated(a, start):
            high = min(high, start * (1.0 - _ROUNDING))
    return max(low, edge * (1.0 + _ROUNDING)) if edge > 0.0 else low, high


@inner
def arrive(d: Record, ts: int) -> None:
    """Let orders that are on their way until then reach the exchange."""
    for k in range(d.used):
        if d.orders[k].state == SENT and d.orders[k].arrives_at <= ts:
            d.orders[k].state = WORKING


@inner
def expire(d: Record, ts: int) -> None:
    """Let orders go whose time was over then."""
    for k in range(d.used):
        if 0 < d.orders[k].expires_at <= ts:
            d.orders[k].state = FREE
