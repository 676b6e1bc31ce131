"""`burst`: volume, book and price at once: goes with a burst that all three agree on (METHOD 12.1).

Entries are looked for when a minute closes and need all three rules, alike for short. Each second thereafter any one
exit is enough; the 5 % stop stands at the exchange. Public evidence says that it loses: docs/strategies.md.
"""

from math import isnan
from typing import Annotated

from msgspec import Meta, Struct

from perpscope.trading.compiling import loops
from perpscope.trading.layout import (
    EXIT,
    LONG,
    NOTE_FAILED,
    NOTE_OWN,
    NOTE_SEEN,
    NOTE_SIDE,
    NOTE_STOP,
    NOTE_TAKE,
    NOTE_WHY,
    NS,
    SHORT,
    STAY,
)
from perpscope.trading.strategy import Needs, Numbers, Record, Strategy
from perpscope.trading.watch import ewma_volume, imbalance, is_leaning, mean_volume, ret, sigma, volume


class Burst(Struct, frozen=True, kw_only=True):
    """`[strategy.burst]`."""

    bars: Annotated[int, Meta(ge=2, le=400, description="bars before the newest that its volume is held against")] = 20
    volume: Annotated[float, Meta(ge=1, le=100, description="multiple of their mean volume that is a burst")] = 3.0
    imbalance: Annotated[
        float, Meta(gt=0, lt=1, description="of the best five levels, mean of ten seconds, (bids - asks) / both")
    ] = 0.25
    momentum: Annotated[
        float, Meta(gt=0, le=20, description="return of the bar, in standard deviations of a bar's return")
    ] = 1.5
    sigma_bars: Annotated[int, Meta(ge=10, le=400, description="bars that standard deviation is taken over")] = 60
    decay: Annotated[
        float, Meta(ge=0, le=10, description="leaves when volume falls below this share of the mean at the entry")
    ] = 0.8
    decay_bars: Annotated[int, Meta(ge=1, le=100, description="span of the average of that volume, bars")] = 3
    exit_imbalance: Annotated[
        float, Meta(gt=0, lt=1, description="of the book against the position, at which it has turned")
    ] = 0.15
    exit_s: Annotated[int, Meta(ge=1, le=15, description="seconds it must have stayed turned")] = 5
    stop: Annotated[float, Meta(gt=0, lt=1, description="protective stop on the mark, fraction of the entry")] = 0.05
    take: Annotated[float, Meta(ge=0, le=10, description="take-profit, fraction of the entry; 0 = none")] = 0.0
    time_stop_min: Annotated[float, Meta(gt=0, le=10_080, description="minutes after which it leaves")] = 30.0
    cooldown_s: Annotated[float, Meta(ge=0, le=86_400, description="seconds after a close without an entry")] = 60.0


_BARS, _VOLUME, _IMBALANCE, _MOMENTUM, _SIGMA_BARS, _DECAY, _DECAY_BARS = range(7)
_EXIT_IMBALANCE, _EXIT_S, _STOP, _TAKE, _TIME_STOP, _COOLDOWN = range(7, 13)
#: Of `notes`: mean volume before the burst the position was opened in, base units.
_MEAN = NOTE_OWN
_SEEN_VOLUME, _SEEN_IMBALANCE, _SEEN_MOMENTUM = NOTE_SEEN, NOTE_SEEN + 1, NOTE_SEEN + 2
_BURST, _DECAYED, _TURNED, _TIMED = range(1, 5)
#: Candles a position has to have seen before volume may end it.
_SETTLED = 2
#: Bits of the entry rules.
_NO_VOLUME, _NO_BOOK, _NO_MOMENTUM = 1, 2, 4


@loops
def rule(w: Record, account: Record, p: Numbers, notes: Numbers) -> int:
    """METHOD 12.1; see `perpscope.trading.strategy`."""
    if account.size != 0:
        return _leaves(w, account, p, notes)
    is_cooling = account.closed_at > 0 and w.now - account.closed_at < p[_COOLDOWN] * NS
    if w.is_bar == 0 or is_cooling:
        return STAY
    return _enters(w, p, notes)


@loops
def _enters(w: Record, p: Numbers, notes: Numbers) -> int:
    """All three rules, of the side that fails in fewest: what is not known is no near miss."""
    mean, usual = mean_volume(w, int(p[_BARS])), sigma(w, int(p[_SIGMA_BARS]))
    leaning, moved, amount = imbalance(w), ret(w, 1), volume(w, 0)
    if not (mean > 0.0 and usual > 0.0) or isnan(leaning + moved + amount):
        return STAY
    shared = 0 if amount >= p[_VOLUME] * mean else _NO_VOLUME
    long, short = shared, shared
    if leaning < p[_IMBALANCE]:
        long |= _NO_BOOK
    if -leaning < p[_IMBALANCE]:
        short |= _NO_BOOK
    if moved < p[_MOMENTUM] * usual:
        long |= _NO_MOMENTUM
    if -moved < p[_MOMENTUM] * usual:
        short |= _NO_MOMENTUM
    failed, side = long, LONG
    if _count(short) < _count(long) or (_count(short) == _count(long) and moved < 0.0):
        failed, side = short, SHORT
    notes[NOTE_FAILED] = failed
    notes[NOTE_SIDE] = side
    notes[_SEEN_VOLUME] = amount / mean
    notes[_SEEN_IMBALANCE] = leaning
    notes[_SEEN_MOMENTUM] = moved / usual
    if failed != 0:
        return STAY
    notes[NOTE_WHY] = _BURST
    notes[NOTE_STOP] = p[_STOP]
    notes[NOTE_TAKE] = p[_TAKE]
    notes[_MEAN] = mean
    return side


@loops
def _leaves(w: Record, account: Record, p: Numbers, notes: Numbers) -> int:
    """Any one of the exits; the stop, and the take-profit, stand at the exchange."""
    against = SHORT if account.size > 0 else LONG
    has_settled = w.is_bar == 1 and w.bars - account.opened_bar >= _SETTLED
    if is_leaning(w, against, p[_EXIT_IMBALANCE], int(p[_EXIT_S]) + 1):
        notes[NOTE_WHY] = _TURNED
    elif has_settled and ewma_volume(w, int(p[_DECAY_BARS])) < p[_DECAY] * notes[_MEAN]:
        notes[NOTE_WHY] = _DECAYED
    elif w.now - account.opened_at >= p[_TIME_STOP] * 60.0 * NS:
        notes[NOTE_WHY] = _TIMED
    else:
        return STAY
    return EXIT


@loops
def _count(bits: int) -> int:
    """How many of three bits are set."""
    return (bits & 1) + (bits >> 1 & 1) + (bits >> 2 & 1)


STRATEGY = Strategy(
    name="burst",
    summary="Goes with a minute of at least three times the usual volume that book and price agree with.",
    parameters=Burst,
    needs=Needs.CANDLES | Needs.BOOK,
    reasons=("", "burst", "volume-decay", "book-reversal", "time-stop"),
    entry_rules=("volume-burst", "book-imbalance", "momentum"),
    rule=rule,
    figures=("volume", "imbalance", "momentum"),
    is_asked_each_second=True,
    grid={
        "bars": (10.0, 20.0, 40.0),
        "volume": (2.0, 3.0, 5.0),
        "imbalance": (0.15, 0.25, 0.4),
        "momentum": (1.0, 1.5, 2.5),
    },
)
