"""The steps of each kind of row: what `kernel` offers to the event path one by one, and its loop to a whole tape.

Every function takes the rule and the desk as `asking` hands them on, answers bits of `layout`, and keeps the order of
steps: exchange, account and risk, watch, decision. Nothing decided on a row is filled by it.
"""

from math import nan

import numpy as np
from numpy.typing import NDArray

from perpscope.trading import exchange, halting, orders, watch
from perpscope.trading.asking import Asked, Place, at
from perpscope.trading.compiling import apart, inlined, loops
from perpscope.trading.deciding import decide, heard, limits, point
from perpscope.trading.layout import DEPTH, FUNDED
from perpscope.trading.refusals import KILL_SWITCH
from perpscope.trading.strategy import Record
from perpscope.trading.watch import MINUTE

Ticks = NDArray[np.int64]


@inlined
def _closed(rule: Asked, d: Record) -> int:
    """A candle has closed: ask, and add to the equity curve what was held before anything came of it."""
    worth = halting.equity_now(d)
    return point(d, d.watch.bar_at, worth) | decide(rule, d, 1, worth)


@loops
def candle(
    rule: Asked,
    desk: Place,
    ts_event: int,
    ts_recv: int,
    ts_open: int,
    open_: float,
    high: float,
    low: float,
    close: float,
    volume: float,
    taker_buy: float,
) -> int:
    """A closed candle: prices in quote per base, volumes in base units, `taker_buy` NaN where not told.

    Passed over where candles are made of trades, and where it, or a later one, was there already.
    """
    d = at(desk)
    if not is_next(d, ts_open):
        return 0
    bits = met(d, ts_event, ts_recv, ts_open, (open_, high, low, close, volume, taker_buy))
    bits |= _closed(rule, d)
    halting.reckoned(d)
    return bits


@inlined
def is_next(d: Record, ts_open: int) -> bool:
    """False for a candle that is passed over."""
    return bool(d.watch.has_candles == 1 and ts_open >= d.watch.bar_at)


@inlined
def met(
    d: Record, ts_event: int, ts_recv: int, ts_open: int, bar: tuple[float, float, float, float, float, float]
) -> int:
    """Let a candle that `is_next` fill what it may, and be seen; as `candle`, but nobody is asked yet."""
    w = d.watch
    w.now = ts_recv
    bits = 0
    if d.is_simulated == 1 and not exchange.is_passed(d, ts_event, bar[2], bar[1]):
        bits = _filled_by(d, ts_event, ts_open, bar[0], bar[1], bar[2], bar[3])
    watch.candle(w, ts_event, ts_open, bar)
    return bits


@apart
def _filled_by(d: Record, ts_event: int, ts_open: int, open_: float, high: float, low: float, close: float) -> int:
    """Let a candle fill what it may, and risk hear of it."""
    before = d.fills
    bits = exchange.meet_candle(d, ts_event, ts_open, open_, high, low, close)
    return bits | heard(d, before) if d.fills > before else bits


@loops
def trade(rule: Asked, desk: Place, ts_event: int, ts_recv: int, price: float, size: float, side: int) -> int:
    """A trade: quote per base, base units, the taker's side 1 or -1."""
    d = at(desk)
    w = d.watch
    w.now = ts_recv
    bits, before = 0, d.fills
    if d.is_simulated == 1:
        bits |= exchange.meet_trade(d, ts_event, price)
        if d.fills > before:
            bits |= heard(d, before)
    if watch.traded(w, ts_event, ts_recv, price, size, side) > 0:
        bits |= _closed(rule, d)
        halting.reckoned(d)
    return bits


@loops
def book(
    desk: Place, ts_event: int, ts_recv: int, bid_ticks: Ticks, bid_steps: Ticks, ask_ticks: Ticks, ask_steps: Ticks
) -> int:
    """The best levels of a book, at most `DEPTH` of a side, best first."""
    b = at(desk).book
    b.bids, b.asks = min(bid_ticks.size, DEPTH), min(ask_ticks.size, DEPTH)
    for level in range(b.bids):
        b.bid_ticks[level], b.bid_steps[level] = bid_ticks[level], bid_steps[level]
    for level in range(b.asks):
        b.ask_ticks[level], b.ask_steps[level] = ask_ticks[level], ask_steps[level]
    return booked(desk, ts_event, ts_recv)


@loops
def booked(desk: Place, ts_event: int, ts_recv: int) -> int:
    """The levels that stand in the desk's book by now; none on either side = the book is not known any more."""
    d = at(desk)
    b, w = d.book, d.watch
    w.now = max(w.now, ts_recv)
    b.at = ts_event if b.bids > 0 or b.asks > 0 else 0
    tick = d.account.tick
    watch.booked(w, ts_recv, b.bid_ticks[0] * tick if b.bids > 0 else nan, b.ask_ticks[0] * tick if b.asks > 0 else nan)
    if d.is_simulated == 0 or b.at == 0:
        return 0
    before = d.fills
    bits = exchange.meet_book(d, ts_event)
    return bits | heard(d, before) if d.fills > before else bits


@loops
def is_wanted(desk: Place, ts_event: int) -> bool:
    """Whether a book that is only read when somebody looks has to be read at a row of this time."""
    d = at(desk)
    w = d.watch
    is_closing = w.has_candles == 0 and w.forming > 0 and ts_event >= w.forming + MINUTE
    is_marked = d.account.size != 0 and w.mark_at == 0 and w.trade_at == 0
    return bool(ts_event >= d.due or is_closing or is_marked)


@loops
def mark(
    desk: Place, ts_event: int, ts_recv: int, mark: float, index: float, funding_rate: float, next_funding: int
) -> int:
    """The mark price, quote per base; NaN for an index or rate that is not told, 0 for the next funding."""
    d = at(desk)
    w = d.watch
    w.now = ts_recv
    w.mark, w.mark_at, w.index = mark, ts_recv, index
    w.funding_rate, w.next_funding = funding_rate, next_funding
    bits, before = 0, d.fills
    if d.is_simulated == 1:
        bits |= exchange.meet_mark(d, ts_event, mark)
        if d.fills > before:
            bits |= heard(d, before)
    w.is_bar = 0
    return bits | limits(d)


@loops
def funding(desk: Place, _ts_event: int, ts_recv: int, rate: float, mark: float) -> int:
    """A funding was settled: fraction of the notional, longs pay; the mark is NaN where not told."""
    d = at(desk)
    d.watch.now = ts_recv
    return exchange.meet_funding(d, rate, mark) if d.is_simulated == 1 else 0


@loops
def second(rule: Asked, desk: Place, ts: int) -> int:
    """A second passed, by our clock."""
    d = at(desk)
    w = d.watch
    w.now = ts
    closed = watch.elapse(w, ts) if w.has_candles == 0 else 0
    watch.second(w, d.book)
    if closed > 0:
        bits = _closed(rule, d)
    elif d.is_asked_each_second == 1:
        bits = decide(rule, d, 0, halting.equity_now(d))
    else:
        w.is_bar = 0
        bits = limits(d)
    halting.reckoned(d)
    return bits


@loops
def liquidation(desk: Place, _ts_event: int, ts_recv: int, position_side: int, usd: float) -> int:
    """Somebody's position was closed: dollars, 1 = it was a long."""
    w = at(desk).watch
    w.now = ts_recv
    watch.liquidated(w, ts_recv, position_side, usd)
    return 0


@loops
def open_interest(desk: Place, ts_recv: int, base: float) -> int:
    """What is held: base units."""
    w = at(desk).watch
    w.now = ts_recv
    w.open_interest = base
    return 0


@loops
def clusters(
    desk: Place, ts_recv: int, above_price: float, above_usd: float, below_price: float, below_usd: float, pull: float
) -> int:
    """The map's nearest clusters: quote per base (NaN = none), dollars; pull in [-1, 1]."""
    w = at(desk).watch
    w.now = w.map_at = ts_recv
    w.above_price, w.above_usd = above_price, above_usd
    w.below_price, w.below_usd = below_price, below_usd
    w.pull = pull
    return 0


@loops
def forecast(
    rule: Asked, desk: Place, ts_recv: int, for_ts: int, p_up: float, p_down: float, edge: float, is_promoted: int
) -> int:
    """A model spoke of the candle that closed at `for_ts`; the rule is asked at once."""
    d = at(desk)
    w = d.watch
    w.now = w.forecast_at = ts_recv
    w.forecast_for = for_ts
    w.p_up, w.p_down, w.edge, w.is_promoted = p_up, p_down, edge, is_promoted
    bits = decide(rule, d, 0, halting.equity_now(d))
    halting.reckoned(d)
    return bits


@loops
def gap(desk: Place, ts_recv: int, is_open: int) -> int:
    """Something is not seen from now on, or everything is seen again."""
    d = at(desk)
    w = d.watch
    w.now = ts_recv
    d.risk.quiet_until = 0
    if is_open == 0:
        w.gap_at = 0
    elif w.gap_at == 0:
        w.gap_at = ts_recv
    return 0


@loops
def fill(
    desk: Place,
    ts_event: int,
    ts_recv: int,
    order: int,
    role: int,
    side: int,
    size: int,
    price: int,
    fee: int,
    is_maker: int,
) -> int:
    """Something was filled at an exchange that is not the desk's own: an order of ours, or the position without one.

    Args:
        desk: as `desk.opened` made it.
        ts_event: ns UTC, the exchange's.
        ts_recv: ns UTC.
        order: its number; 0 = none of ours.
        role: of `layout`, where the desk has no such order any more.
        side: 1 bought, -1 sold.
        size: steps.
        price: ticks.
        fee: money.
        is_maker: 1 if it rested in the book.

    Returns:
        Bits.
    """
    d = at(desk)
    d.watch.now = ts_recv
    slot, before = orders.slot_of(d, order), d.fills
    if slot < 0:
        bits = orders.foreign(d, ts_event, role, side, size, price, fee, is_maker)
    else:
        bits = orders.filled(d, slot, ts_event, size, price, fee, is_maker)
        orders.await_next(d)
    return bits | heard(d, before)


@loops
def closed(desk: Place, ts_recv: int, order: int, is_refused: int) -> int:
    """An order will not be filled any further; `is_refused` 1 = the exchange did not take it. See `orders.gone`."""
    d = at(desk)
    d.watch.now = ts_recv
    slot = orders.slot_of(d, order)
    if slot >= 0:
        orders.gone(d, slot)
    d.risk.rejected = d.risk.rejected + 1 if is_refused == 1 else 0
    d.risk.quiet_until = 0
    return 0


@loops
def charged(desk: Place, ts_recv: int, paid: int) -> int:
    """The position paid funding at an exchange that is not the desk's own: money; below 0 = received.

    Out of its margin; what is told once nothing is held any more, out of cash.
    """
    d = at(desk)
    a = d.account
    d.watch.now = ts_recv
    if a.size == 0:
        a.cash -= paid
    else:
        a.margin -= paid
    a.funding += paid
    orders.await_next(d)
    return FUNDED


@loops
def stood(
    desk: Place,
    ts_recv: int,
    mode: int,
    is_halted: int,
    is_reset: int,
    skew: int,
    calls: int,
    errors: int,
    is_mismatched: int,
) -> int:
    """How far decisions go from here on, and how the exchange answers: written into `RISK`, and obeyed at once.

    Args:
        desk: as `desk.opened` made it.
        ts_recv: ns UTC.
        mode: index of `risk.MODES`.
        is_halted: 1 = the kill switch is pulled; 0 lifts it, with all else that `halting.reset` lifts.
        is_reset: 1 = lift whatever halted it.
        skew: ns, the exchange's clock against ours.
        calls: asked of the exchange within the last minute.
        errors: of these, failed.
        is_mismatched: 1 = the exchange's position is not ours.

    Returns:
        Bits.
    """
    d = at(desk)
    r = d.risk
    d.watch.now = ts_recv
    if is_reset == 1 or (is_halted == 0 and r.halted == KILL_SWITCH):
        halting.reset(d)
    if is_halted == 1 and r.halted != KILL_SWITCH:
        halting.halt(d, KILL_SWITCH)
    r.mode, r.skew, r.calls, r.errors, r.is_mismatched = mode, skew, calls, errors, is_mismatched
    r.quiet_until = 0
    d.watch.is_bar = 0
    return limits(d)


@loops
def warmed(
    desk: Place,
    ts_event: int,
    ts_open: int,
    open_: float,
    high: float,
    low: float,
    close: float,
    volume: float,
    taker_buy: float,
) -> int:
    """A closed candle of the time before a run: watched, and nobody is asked; 1 = it was new. As `candle` has them."""
    w = at(desk).watch
    if ts_open < w.bar_at:
        return 0
    watch.candle(w, ts_event, ts_open, (open_, high, low, close, volume, taker_buy))
    return 1


@loops
def resumed(desk: Place, ts_recv: int) -> int:
    """Account, orders and candles stand as a run was left (`resuming`): reckon what the desk waits for from now on."""
    d = at(desk)
    d.watch.now, d.watch.is_bar = ts_recv, 0
    d.watch.mark_at = ts_recv  # no mark was told yet: its age counts from here, not from the candles before
    orders.await_next(d)
    return 0


@loops
def covered(desk: Place, ts_recv: int) -> int:
    """Whatever a run begins with is protected, once its orders are known; bits."""
    return orders.covered(at(desk), ts_recv)
