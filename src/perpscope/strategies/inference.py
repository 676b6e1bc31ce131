"""`inference`: acts on the forecasts of a trained model, and only of one that passed its promotion (METHOD 11.3).

A forecast that came late is told and not traded. Stop and take-profit are the barriers the model was trained on, and
the time stop is its horizon.
"""

from math import isnan, sqrt
from typing import Annotated

from msgspec import Meta, Struct

from perpscope.trading.compiling import loops
from perpscope.trading.layout import (
    EXIT,
    LONG,
    NOTE_EDGE,
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
from perpscope.trading.watch import sigma


class Inference(Struct, frozen=True, kw_only=True):
    """`[strategy.inference]`."""

    edge_bps: Annotated[float, Meta(ge=0, le=1000, description="least expected net return, basis points")] = 3.0
    leave_bps: Annotated[
        float, Meta(ge=-1000, le=1000, description="leaves when it has fallen below this, basis points")
    ] = 0.0
    probability: Annotated[float, Meta(ge=0, lt=1, description="least probability of the side")] = 0.5
    late_s: Annotated[float, Meta(gt=0, le=60, description="seconds after its candle a forecast is too late")] = 3.0
    sigma_bars: Annotated[int, Meta(ge=10, le=400, description="bars the standard deviation is taken over")] = 60
    barrier: Annotated[
        float, Meta(gt=0, le=20, description="stop and take-profit, standard deviations of the horizon")
    ] = 1.5
    least_barrier: Annotated[float, Meta(gt=0, lt=1, description="and at least this fraction of the price")] = 0.0036
    horizon_min: Annotated[float, Meta(gt=0, le=1440, description="minutes after which it leaves")] = 15.0


_EDGE, _LEAVE, _PROBABILITY, _LATE, _SIGMA_BARS, _BARRIER, _LEAST, _HORIZON = range(8)
_FORECAST, _GONE, _TURNED, _DEMOTED, _TIMED = range(1, 6)
_NO_EDGE, _UNLIKELY = 1, 2
#: Of `notes`: close of the candle whose forecast was acted on last, ns UTC: one entry a forecast.
_ACTED = NOTE_OWN
_BPS = 1e-4
_SEEN_EDGE, _SEEN_PROBABILITY = NOTE_SEEN, NOTE_SEEN + 1


@loops
def rule(w: Record, account: Record, p: Numbers, notes: Numbers) -> int:
    """Each time a forecast may have come; see `perpscope.trading.strategy`."""
    if account.size != 0:
        return _leaves(w, account, p, notes)
    if w.is_promoted == 0 or w.forecast_for <= 0 or float(w.forecast_for) == notes[_ACTED]:
        return STAY
    if not _is_fresh(w, w.now, p):
        return STAY
    return _enters(w, p, notes)


@loops
def _enters(w: Record, p: Numbers, notes: Numbers) -> int:
    """The better side, if it is good enough."""
    width = sigma(w, int(p[_SIGMA_BARS])) * sqrt(p[_HORIZON] * 60.0 * NS / max(w.bar_ns, 1))
    if not (width > 0.0 and _is_whole(w)):
        return STAY
    side = LONG if w.p_up >= w.p_down else SHORT
    failed = 0
    if w.edge <= p[_EDGE] * _BPS:
        failed |= _NO_EDGE
    if max(w.p_up, w.p_down) < p[_PROBABILITY]:
        failed |= _UNLIKELY
    notes[NOTE_FAILED] = failed
    notes[NOTE_SIDE] = side
    notes[_SEEN_EDGE] = w.edge / _BPS
    notes[_SEEN_PROBABILITY] = max(w.p_up, w.p_down)
    notes[_ACTED] = float(w.forecast_for)
    if failed != 0:
        return STAY
    barrier = min(max(p[_BARRIER] * width, p[_LEAST]), 0.99)
    notes[NOTE_WHY] = _FORECAST
    notes[NOTE_EDGE] = w.edge
    notes[NOTE_STOP] = barrier
    notes[NOTE_TAKE] = barrier
    return side


@loops
def _leaves(w: Record, account: Record, p: Numbers, notes: Numbers) -> int:
    """The horizon is over, the model was demoted, or its newest forecast no longer speaks for the position."""
    if w.now - account.opened_at >= p[_HORIZON] * 60.0 * NS:
        notes[NOTE_WHY] = _TIMED
    elif w.is_promoted == 0:
        notes[NOTE_WHY] = _DEMOTED
    else:
        is_new = w.forecast_at > account.opened_at and _is_fresh(w, w.forecast_at, p) and _is_whole(w)
        speaks_for = (w.p_up >= w.p_down) == (account.size > 0)
        if is_new and speaks_for and w.edge < p[_LEAVE] * _BPS:
            notes[NOTE_WHY] = _GONE
        elif is_new and not speaks_for and w.edge > p[_EDGE] * _BPS:
            notes[NOTE_WHY] = _TURNED
        else:
            return STAY
    return EXIT


@loops
def _is_fresh(w: Record, at: int, p: Numbers) -> bool:
    """Whether a moment is no later after the forecast's candle than it may be."""
    return bool(0 <= at - w.forecast_for <= p[_LATE] * NS)


@loops
def _is_whole(w: Record) -> bool:
    """Whether all three figures of the forecast are known."""
    return not isnan(w.edge + w.p_up + w.p_down)


STRATEGY = Strategy(
    name="inference",
    summary="Acts on the forecasts of a promoted model; without one it stays flat.",
    parameters=Inference,
    needs=Needs.CANDLES | Needs.FORECAST,
    reasons=("", "forecast", "edge-gone", "forecast-turned", "model-demoted", "horizon"),
    entry_rules=("edge", "probability"),
    rule=rule,
    figures=("edge_bps", "probability"),
    is_asked_each_second=True,
    grid={"edge_bps": (1.0, 3.0, 6.0), "barrier": (1.0, 1.5, 2.0)},
)
