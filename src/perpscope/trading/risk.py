"""Which entries may pass (METHOD 12.5). No order goes round `review`.

In: a desk with what it watches, holds and may lose. Out: 0, or the number of a refusal (`REFUSALS`), counted in
`RISK.refused`. `halting` comes first at each moment and mark. `noted` hears of every fill. An unknown figure never lets
anything by that it would have stopped, except where the data cannot have it (docs/risk.md says where).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from perpscope.settings import Risk
from perpscope.trading import halting
from perpscope.trading import refusals as why
from perpscope.trading.account import initial_margin, liquidation_price_of
from perpscope.trading.compiling import inner, loops
from perpscope.trading.layout import ENTRY, LIQUIDATED, MONEY, NOTE_EDGE, NS, PROTECT
from perpscope.trading.refusals import REFUSALS
from perpscope.trading.sizing import cost_to_open, impact_rate, loss_at_stop, taking_price
from perpscope.trading.strategy import Record

__all__ = [
    "MODES",
    "REFUSALS",
    "limited",
    "liquidation_distance",
    "noted",
    "review",
]

#: By `RISK.mode`.
MODES: Final = ("observe", "paper", "live")
#: What may be lost to floating point where a size is looked at a second time.
SLACK: Final = 1e-9
#: Limits that are written as they are set.
_AS_SET: Final = ("per_trade", "leverage", "depth_share", "kelly", "daily_loss", "drawdown", "spread", "stop_room")


def limited(
    desk: NDArray[np.void],
    risk: Risk,
    *,
    mode: int = 1,
    needs_book: bool = False,
    is_paced: bool = False,
    is_strict: bool = True,
    mark_every_ns: int = 0,
    book_every_ns: int = 0,
    stop: float = 0.0,
) -> None:
    """Write limits, and the leverage, into a desk; what it has counted and remembers stays.

    Args:
        desk: as `desk.opened` made it; until this has been called it observes.
        risk: the limits.
        mode: index of `MODES`.
        needs_book: the strategy looks at the book, so its age counts.
        is_paced: candles are all there is (backtests on candles): ages are reckoned in candles.
        is_strict: False = the documents' own numbers, or a baseline: limits on money are told and bind nobody.
        mark_every_ns: between two marks of the data; their age counts from when the next is due. 0 = as it happens.
        book_every_ns: between two books, likewise.
        stop: distance of the protective stop of entries that ask for none, fraction; 0 = they have none (backtests).
    """
    written: dict[str, float] = {
        "mode": mode,
        "is_paced": is_paced,
        "is_strict": is_strict,
        "mark_every": mark_every_ns,
        "book_every": book_every_ns,
        "stop": stop,
        "quiet_until": 0,
    }
    for name, value in (_as_set(risk, needs_book) | written).items():
        desk["risk"][name] = value
    desk["account"]["leverage"] = risk.leverage


def _as_set(risk: Risk, needs_book: bool) -> dict[str, float]:
    """The settings in a desk's own units, by field of `layout.RISK`."""
    return {
        **{name: getattr(risk, name) for name in _AS_SET},
        "target": round(risk.target * MONEY),
        "streak": risk.streak,
        "pause": round(risk.pause_h * 3600 * NS),
        "cooldown": round(risk.cooldown_s * NS),
        "mark_age": round(risk.mark_age_s * NS),
        "book_age": round(risk.book_age_s * NS) if needs_book else 0,
        "flatten_age": round(risk.flatten_age_s * NS),
        "clock_skew": round(risk.clock_skew_s * NS),
        "error_share": risk.errors,
        "rejects": risk.rejects,
    }


@inner
def review(d: Record, side: int, size: int, stop: float) -> int:
    """Whether an entry may be sent: 0, or the refusal, counted.

    Args:
        d: the desk's record; the rule's edge stands in `notes[NOTE_EDGE]`.
        side: `layout.LONG` or `SHORT`.
        size: steps, as `sizing.size_of` found it; 0 is refused with the reason sizing left.
        stop: distance of the protective stop, fraction of price; 0 = none.
    """
    found = _barred(d)
    if found == 0:
        found = _binding(d, _spent(d))
    if found == 0:
        found = _blind(d)
    if found == 0:
        found = _unpayable(d, side, size)
    if found == 0:
        found = _binding(d, _too_risky(d, side, size, stop))
    if found > 0:
        d.risk.refused[found] += 1
        d.risk.newest = found
    return found


@loops
def noted(d: Record, role: int, realised: int) -> None:
    """Hear of a fill, after the account: so many losing stops in a row pause entries.

    Args:
        d: the desk's record.
        role: of the order filled, `layout.ENTRY` …
        realised: money it closed with, gross.
    """
    r = d.risk
    if role == ENTRY or d.account.size != 0:
        return
    if role in (PROTECT, LIQUIDATED) and realised < 0:
        r.stops += 1
    else:
        r.stops = 0
    if r.stops >= r.streak:
        r.stops = 0
        r.paused_until = max(d.watch.now, d.account.closed_at) + r.pause


@loops
def liquidation_distance(d: Record, side: int, size: int) -> float:
    """How far the mark may go against a new isolated position, fraction of entry; 1 where no price liquidates it."""
    a = d.account
    price = taking_price(d, side)
    cost = size * round(price / a.tick) * a.worth
    found = liquidation_price_of(a, side * size, cost, initial_margin(a, cost))
    return side * (1.0 - found / price) if found > 0.0 else 1.0


@inner
def _binding(d: Record, refusal: int) -> int:
    """The refusal; with the documents' own numbers it is counted, and binds nobody."""
    if refusal > 0 and d.risk.is_strict == 0:
        d.risk.refused[refusal] += 1
        return 0
    return refusal


@inner
def _barred(d: Record) -> int:
    """What has been decided about entries already."""
    r, now = d.risk, d.watch.now
    if r.mode == 0:
        return why.OBSERVING
    if r.halted > 0:
        return int(r.halted)
    if r.is_mismatched > 0:
        return why.POSITION_MISMATCH
    if d.account.closed_at > 0 and now - d.account.closed_at < r.cooldown:
        return why.COOLDOWN
    return 0


@inner
def _spent(d: Record) -> int:
    """Whether the day, the account or the streak has lost what it may."""
    r, now = d.risk, d.watch.now
    if now < r.stopped_until:
        return why.DAILY_LOSS
    halting.reckoned(d)
    if r.deepest >= r.drawdown and r.is_strict == 0:
        return why.DRAWDOWN
    return why.LOSS_STREAK if now < r.paused_until else 0


@inner
def _blind(d: Record) -> int:
    """Whether what is seen is too old, or not to be believed."""
    r, w = d.risk, d.watch
    if w.gap_at > 0 or (r.is_paced == 1 and halting.missing(d) > 0):
        return why.GAP
    if halting.price_age(d) > r.mark_age:
        return why.MARK_STALE
    if r.book_age > 0 and (w.book_at == 0 or w.now - w.book_at - r.book_every > r.book_age):
        return why.BOOK_STALE
    if abs(r.skew) > r.clock_skew:
        return why.CLOCK_SKEW
    if w.bid > 0.0 and 2.0 * (w.ask - w.bid) / (w.ask + w.bid) > r.spread * w.spread_ewma:
        return why.SPREAD_WIDE
    return 0


@inner
def _unpayable(d: Record, side: int, size: int) -> int:
    """Whether the exchange would refuse it."""
    a = d.account
    price = taking_price(d, side)
    if not price > 0.0:
        return why.NO_PRICE
    if size <= 0:
        return int(d.risk.newest) if d.risk.newest > 0 else why.BELOW_MINIMUM
    if size * round(price / a.tick) * a.worth < a.min_notional:
        return why.BELOW_MINIMUM
    return 0 if cost_to_open(d, side, size, price, impact_rate(d)) <= a.cash / MONEY * (1.0 + SLACK) else why.NO_MARGIN


@inner
def _too_risky(d: Record, side: int, size: int, stop: float) -> int:
    """Whether it risks more than it may, or costs more than it is expected to bring."""
    a, r, w = d.account, d.risk, d.watch
    if not stop > 0.0:
        return why.NO_STOP
    lost = loss_at_stop(d, side, size, stop, taking_price(d, side), impact_rate(d))
    if not lost <= r.per_trade * (a.cash + a.margin) / MONEY * (1.0 + SLACK):
        return why.ABOVE_RISK
    if liquidation_distance(d, side, size) < r.stop_room * stop:
        return why.LIQUIDATION_NEAR
    return why.FUNDING_ABOVE_EDGE if side * w.funding_rate > d.notes[NOTE_EDGE] else 0
