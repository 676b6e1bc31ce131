"""`magnet`: goes toward, or away from, the nearest cluster of the liquidation map that pulls (METHOD 6.10).

That the price is drawn to clusters is a hypothesis, and both directions are trials of it. Stop and take-profit are made
of the distance to the cluster.
"""

from math import log, sqrt
from typing import Annotated

from msgspec import Meta, Struct

from perpscope.trading.compiling import loops
from perpscope.trading.layout import (
    EXIT,
    LONG,
    NOTE_FAILED,
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
from perpscope.trading.watch import close, sigma


class Magnet(Struct, frozen=True, kw_only=True):
    """`[strategy.magnet]`."""

    toward: Annotated[int, Meta(ge=0, le=1, description="1 = toward the cluster; 0 = away from it")] = 1
    pull: Annotated[
        float, Meta(ge=0, lt=1, description="least |pull| of the map; above 0.15 the map itself says UP or DOWN")
    ] = 0.15
    near: Annotated[
        float, Meta(ge=0, le=10, description="least distance of the cluster, standard deviations of an hour")
    ] = 0.5
    far: Annotated[float, Meta(gt=0, le=20, description="largest distance, in the same")] = 2.0
    sigma_bars: Annotated[int, Meta(ge=10, le=400, description="bars that standard deviation is taken over")] = 240
    take: Annotated[float, Meta(gt=0, le=5, description="take-profit, share of the distance to the cluster")] = 1.0
    stop: Annotated[float, Meta(gt=0, le=5, description="protective stop, share of that distance")] = 1.0
    map_age_min: Annotated[float, Meta(gt=0, le=1440, description="minutes after which a map is too old")] = 120.0
    time_stop_min: Annotated[float, Meta(gt=0, le=10_080, description="minutes after which it leaves")] = 240.0
    cooldown_min: Annotated[float, Meta(ge=0, le=10_080, description="minutes after a close without an entry")] = 60.0


_TOWARD, _PULL, _NEAR, _FAR, _SIGMA_BARS, _TAKE, _STOP, _AGE, _TIME_STOP, _COOLDOWN = range(10)
_TO, _FROM, _TIMED = 1, 2, 3
_WRONG_DISTANCE, _NO_PULL = 1, 2
_SEEN_DISTANCE, _SEEN_PULL = NOTE_SEEN, NOTE_SEEN + 1
_HOUR = 3600 * NS


@loops
def rule(w: Record, account: Record, p: Numbers, notes: Numbers) -> int:
    """Once a candle has closed; see `perpscope.trading.strategy`."""
    if account.size != 0:
        if w.now - account.opened_at < p[_TIME_STOP] * 60.0 * NS:
            return STAY
        notes[NOTE_WHY] = _TIMED
        return EXIT
    is_cooling = account.closed_at > 0 and w.now - account.closed_at < p[_COOLDOWN] * 60.0 * NS
    is_told = w.map_at > 0 and w.now - w.map_at <= p[_AGE] * 60.0 * NS
    if is_cooling or not is_told:
        return STAY
    return _enters(w, p, notes)


@loops
def _enters(w: Record, p: Numbers, notes: Numbers) -> int:
    """The side the map pulls to, if its cluster there is neither too near to be worth its costs nor too far."""
    price, pull = close(w, 0), w.pull
    hourly = sigma(w, int(p[_SIGMA_BARS])) * sqrt(_HOUR / max(w.bar_ns, 1))
    target = w.above_price if pull > 0.0 else w.below_price
    if not (hourly > 0.0 and price > 0.0 and target > 0.0 and abs(pull) <= 1.0):
        return STAY
    toward = LONG if pull > 0.0 else SHORT
    away = toward * log(target / price)
    side = toward if p[_TOWARD] != 0.0 else -toward
    failed = 0
    if away < p[_NEAR] * hourly or away > p[_FAR] * hourly:
        failed |= _WRONG_DISTANCE
    if abs(pull) < p[_PULL]:
        failed |= _NO_PULL
    notes[NOTE_FAILED] = failed
    notes[NOTE_SIDE] = side
    notes[_SEEN_DISTANCE] = away / hourly
    notes[_SEEN_PULL] = pull
    if failed != 0 or away <= 0.0:
        return STAY
    distance = abs(target / price - 1.0)
    notes[NOTE_WHY] = _TO if side == toward else _FROM
    notes[NOTE_STOP] = min(p[_STOP] * distance, 0.99)
    notes[NOTE_TAKE] = min(p[_TAKE] * distance, 0.99)
    return side


STRATEGY = Strategy(
    name="magnet",
    summary="Goes toward, or away from, the nearest cluster of the liquidation map that pulls.",
    parameters=Magnet,
    needs=Needs.CANDLES | Needs.MAP,
    reasons=("", "toward-cluster", "away-from-cluster", "time-stop"),
    entry_rules=("cluster-distance", "pull"),
    rule=rule,
    figures=("distance", "pull"),
    grid={"toward": (0.0, 1.0), "pull": (0.1, 0.15, 0.3), "near": (0.25, 0.5, 1.0), "stop": (0.5, 1.0)},
)
