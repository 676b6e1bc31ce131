"""One decision: risk's standing limits, the rule, sizing, risk's review, the order; and what is written down of it.

In: a desk at a moment (a candle closed, a second passed, a forecast came). Out: bits of `layout`, and a row of
`kept_decisions` for whatever was not simply to stay.
"""

from math import nan

from perpscope.trading import halting, orders, risk, sizing
from perpscope.trading.asking import Asked, ask
from perpscope.trading.compiling import apart, inlined, inner
from perpscope.trading.layout import (
    DECIDED,
    ENTRY,
    EXIT,
    FLATTEN,
    FREE,
    HALF,
    KEPT_DECISIONS,
    KEPT_FILLS,
    KEPT_POINTS,
    LEAVE,
    LONG,
    MARKET,
    NOTE_EDGE,
    NOTE_FAILED,
    NOTE_OWN,
    NOTE_SIDE,
    NOTE_STOP,
    NOTE_TAKE,
    NOTE_WHY,
    PLACED,
    REFUSED,
    SHORT,
    SLOTS,
    STAY,
)
from perpscope.trading.strategy import Record
from perpscope.trading.watch import mid


@inlined
def decide(rule: Asked, d: Record, is_bar: int, worth: int) -> int:
    """Ask the rule, unless a limit stands, and do what it wishes as far as risk lets it.

    Args:
        rule: as `asking.asked` gives it.
        d: the desk's record.
        is_bar: 1 = a candle has closed.
        worth: money, the account's equity now.
    """
    d.watch.is_bar = is_bar
    limit = halting.standing_at(d, worth)
    if limit != 0:
        return flatten(d, limit)
    notes = d.notes
    for note in range(NOTE_OWN):
        notes[note] = 0.0
    notes[NOTE_EDGE] = nan
    answer = ask(rule, d)
    if answer == STAY:
        return _nearly(d) if notes[NOTE_FAILED] > 0.0 else 0
    if answer == EXIT or answer * d.account.size < 0:
        return _leave(d)
    return _enter(d, LONG if answer > 0 else SHORT) if d.account.size == 0 else 0


@inner
def limits(d: Record) -> int:
    """Look at risk's standing limits between decisions."""
    limit = halting.standing(d)
    return flatten(d, limit) if limit != 0 else 0


@apart
def flatten(d: Record, limit: int) -> int:
    """Take back entries that wait, and close what is held, once.

    Args:
        d: the desk's record.
        limit: number of the refusal that demands it.
    """
    taken_back = PLACED if _has_fresh_entry(d) and orders.cancel_all(d, d.watch.now, ENTRY) > 0 else 0
    size = d.account.size
    if size == 0 or orders.has_order(d, LEAVE) or orders.has_order(d, FLATTEN):
        return taken_back
    d.notes[NOTE_WHY] = d.notes[NOTE_FAILED] = 0.0
    order = orders.place(d, d.watch.now, MARKET, FLATTEN, -1 if size > 0 else 1, abs(size), 0, 0, 0.0, 0.0)
    return _written(d, EXIT, limit, abs(size), order) | taken_back


@inner
def _has_fresh_entry(d: Record) -> bool:
    """True if an entry waits that nobody has taken back yet."""
    for slot in range(SLOTS):
        order = d.orders[slot]
        if order.state != FREE and order.role == ENTRY and order.expires_at == 0:
            return True
    return False


@apart
def _leave(d: Record) -> int:
    """Close what is held, unless that is under way."""
    size = d.account.size
    if size == 0 or orders.has_order(d, LEAVE) or orders.has_order(d, FLATTEN):
        return 0
    why = int(d.notes[NOTE_WHY])
    order = orders.place(d, d.watch.now, MARKET, LEAVE, -1 if size > 0 else 1, abs(size), 0, why, 0.0, 0.0)
    return _written(d, EXIT, 0, abs(size), order)


@apart
def _enter(d: Record, side: int) -> int:
    """Open a position from flat, unless that is under way."""
    if orders.has_order(d, ENTRY):
        return 0
    notes = d.notes
    if notes[NOTE_STOP] == 0.0:
        notes[NOTE_STOP] = d.risk.stop
    stop, take, why = notes[NOTE_STOP], notes[NOTE_TAKE], int(notes[NOTE_WHY])
    size = sizing.size_of(d, side, stop, notes[NOTE_EDGE])
    refusal = risk.review(d, side, size, stop)
    if refusal != 0:
        return _written(d, side, refusal, 0, 0)
    order = orders.place(d, d.watch.now, MARKET, ENTRY, side, size, 0, why, stop, take)
    return _written(d, side, 0, size, order)


@apart
def _nearly(d: Record) -> int:
    """Write an entry down that failed in one rule alone."""
    failed = int(d.notes[NOTE_FAILED])
    return _written(d, STAY, 0, 0, 0) if failed & (failed - 1) == 0 else 0


@inner
def _written(d: Record, answer: int, refusal: int, size: int, order: int) -> int:
    notes = d.notes
    row = d.kept_decisions[d.decisions % KEPT_DECISIONS]
    row.ts = d.watch.now
    row.answer = answer
    row.why = int(notes[NOTE_WHY])
    row.failed = int(notes[NOTE_FAILED])
    row.side = int(notes[NOTE_SIDE])
    row.refusal = refusal
    row.size = size
    row.order = order
    row.price = mid(d.watch)
    row.stop = notes[NOTE_STOP]
    row.edge = notes[NOTE_EDGE]
    d.decisions += 1
    if order > 0:
        return DECIDED | PLACED
    return DECIDED | REFUSED if refusal != 0 else DECIDED


@apart
def heard(d: Record, before: int) -> int:
    """Let risk and the equity curve hear of the fills since there were `before`."""
    bits = 0
    for number in range(before, d.fills):
        fill = d.kept_fills[number % KEPT_FILLS]
        if fill.position == 0:  # a stop that is filled in parts is one stop
            risk.noted(d, fill.role, fill.realised)
        bits |= point(d, fill.ts, fill.equity)
    return bits


@inlined
def point(d: Record, ts: int, equity: int) -> int:
    """Add to the equity curve; `HALF` when half of what is kept is new."""
    row = d.kept_points[d.points % KEPT_POINTS]
    row.ts = ts
    row.equity = equity
    row.position = d.account.size
    d.points += 1
    return HALF if d.points % (KEPT_POINTS // 2) == 0 else 0
