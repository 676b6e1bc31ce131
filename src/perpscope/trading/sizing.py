"""How large an entry may be: the least of what is wanted, paid for, risked, deep enough and worth it (METHOD 12.3).

In: a desk, the side, the stop's distance and what the rule expects. Out: whole steps, rounded down, never up; 0 with
the reason left in `RISK.newest`. What bound the size is left in `RISK.bound`.
"""

from math import floor, isnan, nan, sqrt
from typing import Final

from perpscope.trading.compiling import inner
from perpscope.trading.fills import book_cost, depth_within
from perpscope.trading.layout import MONEY, RATE
from perpscope.trading.refusals import BELOW_MINIMUM, NO_EDGE, NO_MARGIN, NO_PRICE
from perpscope.trading.strategy import Record
from perpscope.trading.watch import daily

TARGET: Final = 1
MARGIN: Final = 2
RISKED: Final = 3
DEPTH: Final = 4
KELLY: Final = 5
UNLEVERED: Final = 6

#: What can bind a size, by number.
BOUNDS: Final[tuple[str, ...]] = ("", "target", "margin", "risk", "depth", "kelly", "unlevered")

NEAR: Final = 0.001  #: depth counts within 10 basis points of the mid
MOST: Final = 1 << 40  #: steps no entry has


@inner
def taking_price(d: Record, side: int) -> float:
    """What an entry would pay now, quote per base: the book's best, else the last price; NaN where none is known."""
    w = d.watch
    near = w.ask if side > 0 else w.bid
    if near > 0.0:
        return float(near)
    if w.last > 0.0:
        return float(w.last)
    if w.bars > 0 and w.closes[(w.bars - 1) % w.closes.size] > 0.0:
        return float(w.closes[(w.bars - 1) % w.closes.size])
    return float(w.mark) if w.mark > 0.0 else nan


@inner
def impact_rate(d: Record) -> float:
    """Y·σ_day/√(daily volume): times √notional it is what an order moves the price, fraction (METHOD 12.4).

    0 where a book is walked instead, and before volatility is known.
    """
    sigma, volume = daily(d.watch)
    if d.book.at > 0 or not volume > 0.0:
        return 0.0
    return float(d.costs.impact * sigma / sqrt(volume))


@inner
def slip(d: Record, side: int, size: int, price: float, root: float) -> float:
    """What taking so many steps costs against the mid, fraction; grows with the size. NaN where a side is empty.

    Args:
        d: the desk's record.
        side: `layout.LONG` or `SHORT`.
        size: steps, > 0.
        price: of `taking_price`.
        root: of `impact_rate`.
    """
    if d.book.at > 0:
        return book_cost(d, side, size)
    return float(d.costs.half_spread + root * sqrt(size * d.account.step * price))


@inner
def loss_at_stop(d: Record, side: int, size: int, stop: float, price: float, root: float) -> float:
    """What a trade of this size loses when its stop is met, quote units: N·(stop + 2f + 2 slip)."""
    lost = stop + 2.0 * d.costs.taker / RATE + 2.0 * slip(d, side, size, price, root)
    return float(size * d.account.step * price * lost)


@inner
def cost_to_open(d: Record, side: int, size: int, price: float, root: float) -> float:
    """What a position of this size takes of the free wallet, quote units: N·(1/L + 2f + slip)."""
    taken = 1.0 / d.risk.leverage + 2.0 * d.costs.taker / RATE + slip(d, side, size, price, root)
    return float(size * d.account.step * price * taken)


@inner
def most_risked(d: Record, side: int, stop: float, price: float, root: float, limit: int) -> int:
    """The most steps, up to a limit, whose loss at the stop is within what a trade may lose."""
    budget = d.risk.per_trade * (d.account.cash + d.account.margin) / MONEY
    low, high = 0, limit
    if limit > 0 and loss_at_stop(d, side, limit, stop, price, root) <= budget:
        return limit
    while low < high:
        size = (low + high + 1) // 2
        if loss_at_stop(d, side, size, stop, price, root) <= budget:
            low = size
        else:
            high = size - 1
    return low


@inner
def most_paid(d: Record, side: int, price: float, root: float, limit: int) -> int:
    """The most steps, up to a limit, that the free wallet pays for."""
    low, high = 0, limit
    if limit > 0 and cost_to_open(d, side, limit, price, root) <= d.account.cash / MONEY:
        return limit
    while low < high:
        size = (low + high + 1) // 2
        if cost_to_open(d, side, size, price, root) <= d.account.cash / MONEY:
            low = size
        else:
            high = size - 1
    return low


@inner
def _narrowed(d: Record, size: int, notional: float, price: float, bound: int) -> int:
    """The smaller of a size and what a notional comes to, rounded down; the bound is noted if it is the second."""
    unit = price * d.account.step
    if notional >= (size + 1) * unit:
        return size
    d.risk.bound = bound
    fits: int = floor(max(notional, 0.0) / unit)
    return min(size, fits)


@inner
def most_of(d: Record, side: int, stop: float, edge: float, price: float) -> int:
    """Steps by METHOD 12.3, before the exchange's minimum; `RISK.bound` says what bound them.

    Without a stop nothing tells what is risked: such a position is at most equity itself. Kelly's variance is that of a
    driftless walk between barriers at the stop's distance, stop² (chosen by hand), and is asked only where an edge and
    a stop are told. With `is_strict` 0 what is wanted and what the wallet pays for are all that counts.
    """
    a, r = d.account, d.risk
    equity, root = (a.cash + a.margin) / MONEY, impact_rate(d)
    size = MOST
    if r.target > 0:
        size = _narrowed(d, size, r.target / MONEY, price, TARGET)
    if not stop > 0.0:
        size = _narrowed(d, size, equity, price, UNLEVERED)
    elif r.is_strict == 1:
        if r.kelly > 0.0 and not isnan(edge):
            size = _narrowed(d, size, r.kelly * edge / (stop * stop) * equity, price, KELLY)
        depth = depth_within(d, side, NEAR)
        if not isnan(depth):
            size = _narrowed(d, size, r.depth_share * depth, price, DEPTH)
        risked = most_risked(d, side, stop, price, root, size)
        if risked < size:
            size, r.bound = risked, RISKED
    paid = most_paid(d, side, price, root, size)
    if paid < size:
        size, r.bound = paid, MARGIN
    return size


@inner
def size_of(d: Record, side: int, stop: float, edge: float) -> int:
    """Steps an entry may have; 0 = none, with the reason in `RISK.newest`.

    Args:
        d: the desk's record, flat.
        side: `layout.LONG` or `SHORT`.
        stop: distance of the protective stop from entry, fraction of price; 0 = none is wanted.
        edge: expected net return, fraction of notional; NaN = the rule does not say.
    """
    a, r = d.account, d.risk
    r.bound = 0
    price = taking_price(d, side)
    if not (price > 0.0 and r.leverage > 0.0):
        r.newest = NO_PRICE
        return 0
    size = most_of(d, side, stop, edge, price)
    if size > 0 and size * round(price / a.tick) * a.worth >= a.min_notional:
        r.newest = 0
        return size
    if r.bound == KELLY and not edge > 0.0:
        r.newest = NO_EDGE
    else:
        r.newest = NO_MARGIN if r.bound == MARGIN else BELOW_MINIMUM
    return 0
