"""The risk score over time, from candles, open interest and funding on a regular grid; and how well it detects.

Causal throughout: a step is judged by the steps before it. METHOD §4 and its conventions.
"""

from math import isfinite
from typing import Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from perpscope.analytics.risk import FUNDING, SHRINKING, VOLATILITY, VOLUME, Risk, funding_extreme, saturated, score
from perpscope.analytics.sentiment_scale import FULL_POINTS, Floats, evidence, robust_z

DAY_S: Final = 86_400.0
HALF_LIFE_S: Final = 3_600.0  #: of the variance, METHOD, conventions
#: A grid coarser than the half-life still averages over so many steps (chosen by hand).
LEAST_HALF_LIFE_STEPS: Final = 4.0
FLOOR_SHARE: Final = 0.25  #: of its own 7-day median is the least volatility, METHOD, conventions
_HOURS_APART: Final = 2.0  #: volatility is compared with the same hours of other days, METHOD §4
_WEEK_S: Final = 7.0 * DAY_S
_MONTH_S: Final = 30.0 * DAY_S
#: What counts as a small change where the past stood still, by hand: 0.3 bp of funding, 2 % of volatility, a hundredth
#: of a percent of open interest, 2 % of volume.
_LEAST = {FUNDING: 3e-5, VOLATILITY: 0.02, SHRINKING: 1e-4, VOLUME: 0.02}


class RiskInput(msgspec.Struct, frozen=True, kw_only=True):
    """One market on a regular grid; all of one length, NaN where not known."""

    ts_first: int  #: end of the first step, ns UTC
    step_s: float  #: > 0
    close: Floats  #: (steps,) quote per base
    volume: Floats  #: (steps,) of the step, any one unit
    open_interest: Floats  #: (steps,) base units: in dollars it falls with the price
    f8: Floats  #: (steps,) funding per 8 h, fraction


class RiskAt(msgspec.Struct, frozen=True, kw_only=True):
    """The score at one step."""

    step: int
    risk: Risk
    history: dict[str, int]  #: points each part was judged by


def log_returns(close: Floats, steps: int = 1) -> Floats:
    """The logarithm of each price over the one so many steps before; NaN where either is missing.

    >>> log_returns(np.array([100.0, 110.0, np.nan, 121.0]), 2).round(4).tolist()
    [nan, nan, nan, 0.0953]
    """
    found = np.full(close.shape, np.nan)
    if steps < close.size:
        found[steps:] = np.log(close[steps:] / close[:-steps])
    return found


def sigma_forecast(returns: Floats, step_s: float, horizon_s: float) -> Floats:
    """Forecast standard deviation of the log return over a horizon, at each step.

    σ² = EWMA of squared returns, half-life 60 min, scaled by √(horizon ÷ step), at least a quarter of its own trailing
    7-day median; METHOD, conventions. A step without a return leaves it as it was.

    Args:
        returns: (steps,) log returns of one step.
        step_s: length of a step.
        horizon_s: > 0.

    Returns:
        (steps,) fraction; NaN before the first return.
    """
    fade = 0.5 ** (1.0 / max(HALF_LIFE_S / step_s, LEAST_HALF_LIFE_STEPS))
    variances = np.full(returns.shape, np.nan)
    total, weight = 0.0, 0.0
    for at, moved in enumerate(returns.tolist()):
        if isfinite(moved):
            total, weight = total * fade + moved * moved, weight * fade + 1.0
        if weight:
            variances[at] = total / weight
    sigma = np.sqrt(variances)
    week = max(1, round(_WEEK_S / step_s))
    #: A median that is taken anew each hundredth of the week moves by less than it matters for a floor.
    stride = max(1, week // 100)
    for at in range(0, sigma.size, stride):
        past = sigma[max(0, at - week) : at]
        past = past[np.isfinite(past)]
        if past.size:
            sigma[at : at + stride] = np.fmax(sigma[at : at + stride], FLOOR_SHARE * float(np.median(past)))
    scaled: Floats = sigma * (horizon_s / step_s) ** 0.5
    return scaled


def risk_at(given: RiskInput, steps: ArrayLike, window_s: float = 900.0) -> list[RiskAt]:
    """The score at some steps.

    A part whose history is too short for `evidence` is not known; one with less than `FULL_POINTS` is used, and its
    points are told. METHOD ranks max(0, −ΔOI): half of those are 0, so is their MAD, and any decrease would be extreme.
    Here −ΔOI itself is ranked, and an increase is no risk.

    Args:
        given: the market.
        steps: which steps, each within the grid.
        window_s: length of the window, METHOD's 15 min; at least one step.

    Raises:
        ValueError: the arrays are not of one length.
    """
    if len({given.close.size, given.volume.size, given.open_interest.size, given.f8.size}) != 1:
        raise ValueError("close, volume, open interest and funding must be of one length")
    window = max(1, round(window_s / given.step_s))
    sigma = sigma_forecast(log_returns(given.close), given.step_s, window * given.step_s)
    returns = log_returns(given.close, window)
    with np.errstate(divide="ignore", invalid="ignore"):
        figures = {
            VOLATILITY: np.log(sigma),
            SHRINKING: -np.expm1(log_returns(given.open_interest, window)),
            VOLUME: np.log(window_sums(given.volume, window)),
        }
    ends = given.ts_first / 1e9 + given.step_s * np.arange(given.close.size, dtype=np.float64)
    hours = np.mod(ends, DAY_S) / 3600.0
    return [_at(int(at), given, figures, hours, returns, sigma) for at in np.asarray(steps, np.int64).ravel()]


def _at(at: int, given: RiskInput, figures: dict[str, Floats], hours: Floats, returns: Floats, sigma: Floats) -> RiskAt:
    week, month = (max(1, round(span / given.step_s)) for span in (_WEEK_S, _MONTH_S))
    levels: dict[str, float | None] = {}
    history: dict[str, int] = {}
    for name, figure in figures.items():
        z, points = _judge(figure, at, week, _LEAST[name], hours if name == VOLATILITY else None)
        history[name] = points
        levels[name] = float(saturated(z)) if isfinite(z) and evidence(points, week) > 0.0 else None
    if figures[SHRINKING][at] <= 0.0 and levels[SHRINKING] is not None:
        levels[SHRINKING] = 0.0  # less of an increase than usual
    z, history[FUNDING] = _judge(given.f8, at, month, _LEAST[FUNDING])
    f8 = float(given.f8[at])
    usual = z if evidence(history[FUNDING], month) > 0.0 else float("nan")
    levels[FUNDING] = float(funding_extreme(usual, f8)) if isfinite(f8) else None
    moved = float(returns[at] / sigma[at]) if sigma[at] > 0.0 and isfinite(returns[at]) else 0.0
    return RiskAt(step=at, risk=score(levels, f8 if isfinite(f8) else None, moved), history=history)


def _judge(figure: Floats, at: int, window: int, least_scale: float, hours: Floats | None = None) -> tuple[float, int]:
    """Robust z of a step among those before it; among those of the same hours of the day where they are enough."""
    start = max(0, at - window)
    past = figure[start:at]
    past = np.where(np.isfinite(past), past, np.nan)
    if hours is not None:
        apart = np.abs(hours[start:at] - hours[at])
        alike = past[np.minimum(apart, 24.0 - apart) <= _HOURS_APART]
        if np.isfinite(alike).sum() >= FULL_POINTS:
            past = alike
    return robust_z(float(figure[at]), past, least_scale)


def window_sums(values: Floats, window: int) -> Floats:
    """Sum of the window of so many steps that ends at each step; NaN where a step is missing."""
    found = np.full(values.shape, np.nan)
    if window <= values.size:
        found[window - 1 :] = np.convolve(values, np.ones(window), "valid")
    return found


def area_under_curve(scores: ArrayLike, happened: ArrayLike) -> float | None:
    """Chance that a score before an event is above one that was not: 0.5 is no skill; ties count half.

    Args:
        scores: (n,) NaN where there is none, and left out.
        happened: (n,) whether the event followed.

    Returns:
        In [0, 1]; None without both kinds.

    >>> area_under_curve([1.0, 2.0, 3.0, 3.0], [False, False, True, False])
    0.833...
    """
    told = np.asarray(scores, np.float64)
    events: NDArray[np.bool_] = np.asarray(happened, np.bool_)[np.isfinite(told)]
    told = told[np.isfinite(told)]
    hits, misses = told[events], np.sort(told[~events])
    if not (hits.size and misses.size):
        return None
    below = np.searchsorted(misses, hits, "left") + np.searchsorted(misses, hits, "right")
    return float(below.sum()) / (2.0 * hits.size * misses.size)
