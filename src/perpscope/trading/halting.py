"""When everything is given up (METHOD 12.5): what has been lost, what is too old, and what was asked for by hand.

In: a desk with what it watches and holds, at each moment and mark. Out: 0, or the number of the refusal that demands to
be flat now; the day, the peak and the candles that are missing are kept on the way. A candle by which nothing of it can
have changed is not looked at: what was found at the last says how long that holds.
"""

from typing import Final

from perpscope.trading import refusals as why
from perpscope.trading.account import equity
from perpscope.trading.compiling import apart, inlined, inner, loops
from perpscope.trading.layout import NS
from perpscope.trading.strategy import Record

DAY: Final = 86_400 * NS
MINUTE: Final = 60 * NS
#: Fewer calls in a minute tell nothing of an exchange's error rate (chosen by hand).
FEW_CALLS: Final = 5
#: What may be lost to floating point where money is compared before it is reckoned.
SLACK: Final = 1e-9


@inlined
def standing(d: Record) -> int:
    """Look at the clock, the day and the peak; 0, or the refusal that demands to be flat now."""
    found = standing_at(d, equity_now(d))
    reckoned(d)
    return found


@inlined
def standing_at(d: Record, worth: int) -> int:
    """As `standing`, by whoever knows the equity of now, money, and has the deepest drawdown `reckoned` later."""
    if not _is_quiet(d, worth):
        return _looked_at(d, worth)
    r = d.risk
    r.seen_bar, r.worth = d.watch.bar_at, worth
    r.fallen = max(r.fallen, r.peak - worth)
    return 0


@inlined
def _is_quiet(d: Record, worth: int) -> bool:
    """True for a candle that follows on the last one looked at, and reaches no limit by what was found there."""
    r, w = d.risk, d.watch
    return bool(
        w.now < r.quiet_until
        and r.quiet_above < worth < r.peak
        and w.is_bar == 1
        and w.bar_at - r.seen_bar == r.quiet_bar == w.bar_ns
        and w.now - w.bar_at <= r.quiet_age
    )


@apart
def _looked_at(d: Record, worth: int) -> int:
    """Look at everything; and reckon how long that need not be done again, where candles are all there is."""
    r, w = d.risk, d.watch
    _count_candles(d)
    _reckon(d, worth)
    _hear_exchange(d)
    found = _demanded(d)
    r.quiet_until = 0
    is_well = found == 0 and r.halted == 0 and r.day_equity > 0 and w.gap_at == 0 and r.missed == 0
    if is_well and r.is_paced == 1 and r.book_age == 0:
        r.quiet_until = (r.day + 1) * DAY
        r.quiet_bar = w.bar_ns
        r.quiet_age = min(r.flatten_age, w.bar_ns + r.mark_age - 1)
        lost = r.day_equity * (1.0 - r.daily_loss)
        if r.is_strict == 1:
            lost = max(lost, r.peak * (1.0 - r.drawdown))
        r.quiet_above = int(lost * (1.0 + SLACK)) + 1
    return found


@inner
def _demanded(d: Record) -> int:
    """The refusal that demands to be flat now; 0 if there is none."""
    r, w = d.risk, d.watch
    if r.halted in (why.KILL_SWITCH, why.DRAWDOWN):
        return int(r.halted)
    if r.is_strict == 1 and w.now < r.stopped_until:
        return why.DAILY_LOSS
    if w.gap_at > 0 and w.now - w.gap_at > r.flatten_age:
        return why.DATA_OLD
    if r.book_age > 0 and w.book_at > 0 and w.now - w.book_at - r.book_every > r.flatten_age:
        return why.DATA_OLD
    return why.DATA_OLD if price_age(d) > r.flatten_age else 0


@inlined
def reckoned(d: Record) -> None:
    """Bring the deepest drawdown up to now: a loop that looks at nothing else does it once, not at every bar."""
    r = d.risk
    if r.fallen > 0:
        r.deepest = max(r.deepest, r.fallen / r.peak)
        r.fallen = 0


@loops
def halt(d: Record, refusal: int) -> None:
    """Stop until `reset`: entries are refused; after `KILL_SWITCH` or `DRAWDOWN` `standing` asks to be flat."""
    d.risk.halted = refusal
    d.risk.quiet_until = 0
    d.risk.halted_at = d.watch.now


@loops
def reset(d: Record) -> None:
    """Lift a halt, a pause and a stopped day: the peak and the day begin with the equity of now."""
    r = d.risk
    r.halted = r.quiet_until = 0
    r.stops = 0
    r.paused_until = 0
    r.stopped_until = 0
    r.rejected = 0
    r.is_mismatched = 0
    reckoned(d)
    r.peak = equity_now(d)
    r.day_equity = r.peak


@inlined
def equity_now(d: Record) -> int:
    """Money the account is worth at the mark, or at the last price or close where none is told."""
    a, w = d.account, d.watch
    if a.size == 0:
        return int(a.cash + a.margin)
    price = w.mark if w.mark > 0.0 else w.last
    if not price > 0.0 and w.bars > 0:
        price = w.closes[(w.bars - 1) % w.closes.size]
    return equity(a, price)


@inner
def missing(d: Record) -> int:
    """Candles that should have come and have not: before the newest, or since."""
    r, w = d.risk, d.watch
    length = w.bar_ns if w.bar_ns > 0 else MINUTE
    since = w.now - w.bar_at - r.mark_age
    if since < length or w.bar_at == 0:
        return int(r.missed)
    return int(max(r.missed, since // length))


@inner
def price_age(d: Record) -> int:
    """Nanoseconds since the price was told; a missing candle counts as `mark_age`, where candles are all there is."""
    r, w = d.risk, d.watch
    if r.is_paced == 1:
        late = w.now - w.bar_at if w.is_bar == 1 else 0
        return int(max(late, missing(d) * r.mark_age + 1))
    if w.mark_at > 0:
        return int(w.now - w.mark_at - r.mark_every)
    newest = max(w.trade_at, w.book_at, w.bar_at)
    return int(w.now - newest) if newest > 0 else 0


@inner
def _count_candles(d: Record) -> None:
    """See whether candles are missing before the newest."""
    r, w = d.risk, d.watch
    if w.bar_at == r.seen_bar:
        return
    length = w.bar_ns if w.bar_ns > 0 else MINUTE
    since = w.bar_at - r.seen_bar if r.seen_bar > 0 else 0
    r.missed = since // length - 1 if since > length else 0
    r.seen_bar = w.bar_at


@inner
def _reckon(d: Record, worth: int) -> None:
    """Keep the day's first equity, the peak, and what has come of them; at once done where equity is what it was."""
    r, now = d.risk, d.watch.now
    if now >= (r.day + 1) * DAY or r.day_equity == 0:
        r.day = now // DAY
        r.day_equity = worth
    elif worth == r.worth:
        return
    r.worth = worth
    if worth >= r.peak:
        reckoned(d)
        r.peak = worth
    else:  # a division here would end the longest chain of a bar: it waits until somebody asks
        r.fallen = max(r.fallen, r.peak - worth)
    if r.is_strict == 1 and r.halted == 0 and r.peak > 0 and r.peak - worth >= r.drawdown * r.peak:
        halt(d, why.DRAWDOWN)
    if r.day_equity > 0 and r.day_equity - worth >= r.daily_loss * r.day_equity:
        r.stopped_until = (r.day + 1) * DAY


@inner
def _hear_exchange(d: Record) -> None:
    """See whether the exchange errs, or refuses what is sent."""
    r = d.risk
    if r.halted > 0:
        return
    if r.calls >= FEW_CALLS and r.errors / r.calls > r.error_share:
        halt(d, why.EXCHANGE_ERRORS)
    elif r.rejects > 0 and r.rejected >= r.rejects:
        halt(d, why.ORDERS_REJECTED)
