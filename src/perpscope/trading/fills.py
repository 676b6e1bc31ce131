"""At which price, and how late, an order is filled: the cost model of backtest and paper (METHOD 12.4).

With a book, its levels are walked. Without one a market order pays half the spread and Y·σ_day·√(notional ÷ daily
volume); in a candle that moves more than three σ only `SURVIVAL` of the usual depth is there. All of it is chosen
against the order: prices are rounded to the tick that costs more. The decision is in, prices and delays come out;
of a desk only what latencies are reckoned of is kept.
"""

import math
from typing import Final

from perpscope.trading.compiling import inner
from perpscope.trading.layout import MONEY
from perpscope.trading.strategy import Record
from perpscope.trading.watch import DAY, daily

SURVIVAL: Final = 0.3  #: W: share of the depth that stays in a candle of more than `WILD` σ; METHOD 7, 12.4
WILD: Final = 3.0
TAIL: Final = 5  #: how many times as long an order takes in the tail of the latencies; METHOD 12.4
P99: Final = 2.3263478740408408  #: of the standard normal
NEAR: Final = 1e-6  #: part of a tick that binary fractions may be off
CALM: Final = 0.999  #: of `WILD` σ: so far no logarithm is needed to know
_WORD: Final = 0xFFFFFFFF


@inner
def _stirred(word: int, part: int) -> int:
    """Murmur3's finaliser, 32 bits, over a word and the next part."""
    word ^= part
    word = ((word ^ (word >> 16)) * 0x85EBCA6B) & _WORD
    word = ((word ^ (word >> 13)) * 0xC2B2AE35) & _WORD
    return word ^ (word >> 16)


@inner
def of_order(seed: int, number: int) -> int:
    """What all draws of an order begin with; not a sequence, so that it is as late on every path."""
    return _stirred(_stirred(_stirred(0x9E3779B9, seed & _WORD), (seed >> 32) & _WORD), number & _WORD)


@inner
def drawn(word: int, draw: int) -> float:
    """A uniform in (0, 1) that depends on seed, order and the draw's number alone."""
    return (_stirred(word, draw) + 0.5) / 4294967296.0


@inner
def latency(c: Record, number: int) -> int:
    """How long an order takes from decision to exchange: ns, whole microseconds.

    Lognormal through the median and the 99th percentile; `latency_tail` of the orders take five times as long.

    Args:
        c: `layout.COSTS`.
        number: of the order; the same number is always as late.
    """
    if c.latency_median <= 0:
        return 0
    word = of_order(int(c.seed), number)
    radius = math.sqrt(-2.0 * math.log(drawn(word, 1)))
    normal = radius * math.cos(2.0 * math.pi * drawn(word, 2))
    if c.latency_median != c.median_of or c.latency_p99 != c.p99_of:
        c.spread = math.log(max(c.latency_p99, c.latency_median) / c.latency_median) / P99
        c.median_of, c.p99_of = c.latency_median, c.latency_p99
    taken = c.latency_median * math.exp(c.spread * normal)
    if drawn(word, 3) < c.latency_tail:
        taken *= TAIL
    return int(taken / 1000.0) * 1000


@inner
def impact(d: Record, value: float, survival: float) -> float:
    """What taking so many quote units moves the price, where there is no book: fraction; 0 before it can be known.

    Args:
        d: `layout.DESK`.
        value: quote units.
        survival: share of the usual depth that is there, in (0, 1].
    """
    sigma, volume = daily(d.watch)
    if not volume > 0.0:
        return 0.0
    return float(d.costs.impact * sigma * math.sqrt(value / (volume * survival)))


@inner
def survival(w: Record, start: float, end: float) -> float:
    """Share of the depth that is there while the price goes from one to the other within one candle."""
    sigma, _ = daily(w)
    if not sigma > 0.0:
        return 1.0
    moved, most = end / start, WILD * sigma / math.sqrt(DAY / w.bar_ns)
    if abs(moved - 1.0) < most * min(moved, 1.0) * CALM:  # |ln x| is at most |x - 1| / min(x, 1)
        return 1.0
    return SURVIVAL if abs(math.log(moved)) > most else 1.0


@inner
def ticks_against(a: Record, side: int, price: float) -> int:
    """A price in ticks, rounded so that it costs the order more: up for a buyer, down for a seller, never below 1."""
    exact = price / a.tick
    return max(1, int(math.ceil(exact - NEAR) if side > 0 else math.floor(exact + NEAR)))


@inner
def market_price(d: Record, side: int, size: int, price: float, there: float) -> int:
    """What a market order pays without a book, around a price: ticks.

    Args:
        d: `layout.DESK`.
        side: 1 buys, -1 sells.
        size: steps.
        price: mid, last or mark at that moment, quote per base.
        there: share of the usual depth, of `survival`.
    """
    cost = d.costs.half_spread + impact(d, size * d.account.step * price, there)
    return ticks_against(d.account, side, price * (1.0 + side * cost))


@inner
def book_cost(d: Record, side: int, size: int) -> float:
    """What a market order pays above the mid (a buyer), or gets below it, walking the book: fraction of the mid.

    What goes beyond the levels that are known is taken at the last of them. NaN where a side of the book is empty.
    """
    b = d.book
    if b.bids == 0 or b.asks == 0:
        return math.nan
    mid = (b.bid_ticks[0] + b.ask_ticks[0]) / 2.0
    prices, steps, levels = (b.ask_ticks, b.ask_steps, b.asks) if side > 0 else (b.bid_ticks, b.bid_steps, b.bids)
    left, paid = size, 0.0
    for level in range(levels):
        taken = left if level + 1 == levels else min(left, steps[level])
        paid += taken * (side * (prices[level] - mid))
        left -= taken
    return float(paid / size / mid)


@inner
def slippage(d: Record, side: int, size: int) -> float:
    """What a market order of so many steps would cost now, against the mid: fraction; grows with the size.

    The book's where there is one, else half the spread and the impact at the last price. NaN where nothing is known.
    """
    if d.book.at > 0:
        return book_cost(d, side, size)
    if not d.watch.last > 0.0:
        return math.nan
    return float(d.costs.half_spread + impact(d, size * d.account.step * d.watch.last, 1.0))


@inner
def depth_within(d: Record, side: int, distance: float) -> float:
    """Quote units a market order can take before the price is that far from the mid.

    Of a book only levels that were seen count: where the known ones end nearer, it is more in truth. Without a book the
    impact is turned round. NaN where nothing is known.

    Args:
        d: `layout.DESK`.
        side: 1 buys, -1 sells.
        distance: fraction of the mid.
    """
    b, a = d.book, d.account
    if b.at > 0:
        if b.bids == 0 or b.asks == 0:
            return math.nan
        mid = (b.bid_ticks[0] + b.ask_ticks[0]) / 2.0
        prices, steps, levels = (b.ask_ticks, b.ask_steps, b.asks) if side > 0 else (b.bid_ticks, b.bid_steps, b.bids)
        value = 0.0
        for level in range(levels):
            if side * (prices[level] - mid) > distance * mid + NEAR:
                break
            value += float(prices[level] * steps[level]) * a.worth / MONEY
        return value
    sigma, volume = daily(d.watch)
    slope = d.costs.impact * sigma
    if not (volume > 0.0 and slope > 0.0):
        return math.nan
    return float(volume * (max(0.0, distance - d.costs.half_spread) / slope) ** 2)
