"""The money of a desk: one isolated position, what it cost, what it earned, and where it is liquidated.

In: fills and fundings. Out: cash, margin and position, for which cash + margin = deposit + realised - fees - funding
holds to the last unit after every operation. Whatever moves is an integer (ticks, steps, money of 10⁻⁸ quote, see
`layout.ACCOUNT`); profit that is only looked at, maintenance and liquidation prices are float64, by the equation of
`analytics.margin` (METHOD 1.1).
"""

import math

from perpscope.trading.compiling import inlined, inner, loops
from perpscope.trading.layout import MONEY, RATE
from perpscope.trading.strategy import Record


@loops
def share(amount: int, part: int, whole: int) -> int:
    """Amount × part ÷ whole, to the nearest unit, halves up; without the product ever being formed."""
    quotient, rest = amount // whole, amount % whole
    return quotient * part + (rest * part + whole // 2) // whole


@loops
def notional(a: Record, size: int, price: int) -> int:
    """Value of so many steps at a price in ticks: money."""
    return int(size * price * a.worth)


@loops
def fee_of(value: int, rate: int) -> int:
    """What a fee takes of a value: money; below 0 where the rate is a rebate."""
    return share(value, rate, RATE)


@loops
def initial_margin(a: Record, value: int) -> int:
    """What opening a value locks up at the account's leverage: money, rounded up."""
    locked: int = math.ceil(value / a.leverage)
    return locked


@loops
def affordable(a: Record, c: Record, price: int) -> int:
    """Steps that free cash can open at a price in ticks, margin and taker fee paid."""
    each = notional(a, 1, price)
    steps = int(max(a.cash, 0) / (each * (1.0 / a.leverage + c.taker / RATE)))
    while steps > 0 and initial_margin(a, steps * each) + fee_of(steps * each, c.taker) > a.cash:
        steps -= 1
    return steps


@loops
def filled(a: Record, side: int, size: int, price: int, fee: int, ts: int, bar: int) -> int:
    """Book a fill: it opens, adds to, reduces or closes the position; what goes beyond flat opens the other way.

    Args:
        a: `layout.ACCOUNT`.
        side: 1 bought, -1 sold.
        size: steps, > 0.
        price: ticks.
        fee: money, paid from cash; below 0 a rebate.
        ts: ns UTC, the exchange's.
        bar: `WATCH.bars`, kept with a position that opens.

    Returns:
        Gross profit of what it closed: money.
    """
    realised = 0
    closing = min(size, abs(a.size)) if a.size * side < 0 else 0
    if closing > 0:
        realised = _close(a, closing, price, ts)
    if size > closing:
        _open(a, side, size - closing, price, ts, bar)
    a.fees += fee
    a.cash -= fee
    a.turnover += notional(a, size, price)
    return realised


@inner
def _open(a: Record, side: int, size: int, price: int, ts: int, bar: int) -> None:
    value = notional(a, size, price)
    if a.size == 0:
        a.opened_at = ts
        a.opened_bar = bar
        a.best = a.worst = price * a.tick
    margin = initial_margin(a, value)
    a.cash -= margin
    a.margin += margin
    a.cost += value
    a.size += side * size
    a.entry = a.cost / (abs(a.size) * a.worth) * a.tick


@inner
def _close(a: Record, size: int, price: int, ts: int) -> int:
    """Give back the share of margin and cost that belongs to so many steps; the last of them takes what is left."""
    held = abs(a.size)
    side = 1 if a.size > 0 else -1
    seen(a, price * a.tick)
    cost, margin = a.cost, a.margin
    if size < held:
        cost, margin = share(a.cost, size, held), share(a.margin, size, held)
    realised = side * (notional(a, size, price) - cost)
    a.cost -= cost
    a.margin -= margin
    a.cash += margin + realised
    a.realised += realised
    a.size -= side * size
    if a.size == 0:
        _flat(a, ts)
    return int(realised)


@inner
def _flat(a: Record, ts: int) -> None:
    a.entry = math.nan
    a.closed_at = ts
    a.trades += 1


@inlined
def seen(a: Record, mark: float) -> None:
    """Let a mark widen the excursions of the position that is held."""
    if a.size > 0:
        a.best, a.worst = max(a.best, mark), min(a.worst, mark)
    elif a.size < 0:
        a.best, a.worst = min(a.best, mark), max(a.worst, mark)


@loops
def add_margin(a: Record, amount: int) -> int:
    """Move cash into the position's margin, or back where the amount is below 0; as far as either holds.

    Returns:
        Money that was moved; 0 while flat.
    """
    if a.size == 0:
        return 0
    moved = max(min(amount, max(a.cash, 0)), -max(a.margin, 0))
    a.cash -= moved
    a.margin += moved
    return int(moved)


@loops
def fund(a: Record, rate: float, mark: float) -> int:
    """Settle one funding: longs pay shorts where the rate is above 0 (METHOD 12.4: -s·N_mark·f), out of the margin.

    Args:
        a: `layout.ACCOUNT`.
        rate: of that one interval, fraction of notional.
        mark: at the settlement, quote per base.

    Returns:
        Money paid; below 0 received. 0 while flat, or where rate or mark is unknown.
    """
    if a.size == 0 or not (math.isfinite(rate) and mark > 0.0):
        return 0
    due: int = math.floor(abs(a.size) * a.worth * (mark / a.tick) * abs(rate) + 0.5)
    paid = due if (a.size > 0) == (rate > 0.0) else -due
    a.margin -= paid
    a.funding += paid
    return paid


@loops
def unrealised(a: Record, mark: float) -> int:
    """What the position has gained at a mark, gross: money; 0 while the mark is unknown."""
    if a.size == 0 or not mark > 0.0:
        return 0
    value = int(abs(a.size) * a.worth * (mark / a.tick) + 0.5)  # never below 0, so that cutting off is rounding down
    return int(value - a.cost if a.size > 0 else a.cost - value)


@loops
def equity(a: Record, mark: float) -> int:
    """Cash, margin and what the position has gained at a mark: money."""
    return int(a.cash + a.margin + unrealised(a, mark))


@loops
def is_sound(a: Record) -> bool:
    """True if no unit of money was lost or made: Σ cash flows = what is there."""
    return bool(a.cash + a.margin == a.deposit + a.realised - a.fees - a.funding)


@loops
def liquidated(a: Record, mark: float, rate: int, ts: int) -> tuple[int, int, int]:
    """The exchange takes the position over: all of its margin is lost, and nothing beyond it (METHOD 12.4).

    What the liquidation engine charges comes out of what the margin still holds at the mark, as far as it goes; the
    rest of the margin goes with the price at which it closes. Cash is not touched.

    Args:
        a: `layout.ACCOUNT`, with a position.
        mark: at which it happened, quote per base.
        rate: the liquidation fee, of RATE.
        ts: ns UTC.

    Returns:
        Ticks at which that comes to have closed (for people), fee, and gross profit (below 0): money.
    """
    seen(a, mark)
    side, size = (1 if a.size > 0 else -1), abs(a.size)
    left = max(0, min(a.margin, a.margin + unrealised(a, mark)))
    fee = min(left, fee_of(int(size * a.worth * (mark / a.tick)), rate))
    realised = fee - a.margin
    price = max(1, math.floor((a.cost + side * realised) / (size * a.worth) + 0.5))
    a.turnover += notional(a, size, price)
    a.realised += realised
    a.fees += fee
    a.liquidations += 1
    a.margin = a.cost = a.size = 0
    _flat(a, ts)
    return price, fee, int(realised)


@inner
def _tier(a: Record, size: float, value: float) -> int:
    """Place of a position's tier; a bound of notional belongs to the tier above it, of size to the one below."""
    at = 0
    while at + 1 < a.tiers:
        floor = a.tier_floor[at + 1]
        if (size <= floor) if a.is_by_size else (value < floor):
            break
        at += 1
    return at


@loops
def maintenance(a: Record, mark: float) -> float:
    """Maintenance margin of the position at a mark, with the closing fee the venue counts beside it: quote units."""
    size = abs(a.size) * a.step
    at = _tier(a, size, size * mark)
    return float(size * mark * (a.tier_mmr[at] + a.closing_fee) - a.tier_deduction[at])


@loops
def is_liquidated(a: Record, mark: float) -> bool:
    """True if, at a mark, margin and what was gained do not exceed maintenance; False while flat or it is unknown."""
    if a.size == 0 or not mark > 0.0:
        return False
    return bool((a.margin + unrealised(a, mark)) / MONEY <= maintenance(a, mark))


@loops
def liquidation_price(a: Record) -> float:
    """Mark at which the position is liquidated, quote per base; NaN while flat, or where no price does it."""
    return math.nan if a.size == 0 else liquidation_price_of(a, a.size, a.cost, a.margin)


@loops
def liquidation_price_of(a: Record, size: int, cost: int, margin: int) -> float:
    """Mark at which a position in this contract would be liquidated; that of `analytics.margin.liquidation_price`.

    In each tier equity less maintenance is level + slope × price (METHOD 1.1, eq. 1); the search walks from the entry
    towards loss, or away from it where margin does not suffice at the entry itself, until it crosses zero or jumps.

    Args:
        a: `layout.ACCOUNT`: the contract and its tiers.
        size: steps, > 0 long, < 0 short.
        cost: money, Σ price × |size|.
        margin: money.

    Returns:
        Quote per base; NaN where no price does it.
    """
    side, base = (1.0 if size > 0 else -1.0), abs(size) * a.step
    fixed, entry = (margin - side * cost) / MONEY, cost / MONEY / base
    at = first = _tier(a, base, cost / MONEY)
    slope = base * (side - a.tier_mmr[at] - a.closing_fee)
    is_met = fixed + a.tier_deduction[at] + slope * entry > 0.0
    falls = (size > 0) == is_met
    while True:
        level = fixed + a.tier_deduction[at]
        slope = base * (side - a.tier_mmr[at] - a.closing_fee)
        is_flat_table = a.is_by_size or a.tiers == 1
        low = 0.0 if is_flat_table else a.tier_floor[at] / base
        high = math.inf if is_flat_table or at + 1 == a.tiers else a.tier_floor[at + 1] / base
        near, far = (high, low) if falls else (low, high)
        if at != first and (level + slope * near > 0.0) != is_met:
            return near
        at_far = slope if far == math.inf else level + slope * far
        if (at_far > 0.0) != is_met:
            price = -level / slope
            return min(max(price, low), high) if price > 0.0 else math.nan
        if far in (0.0, math.inf):
            return math.nan
        at += -1 if falls else 1
