"""Sentiment over time: nine figures from a market's arrays, their z, and the index at each step of a grid.

In: pooled arrays of one market on a regular grid. Out: for each figure its raw value, z, history and age at every step,
and the index blended from them. Causal: a step knows the steps before it. METHOD §9.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.risk_series import DAY_S, log_returns, sigma_forecast, window_sums
from perpscope.analytics.sentiment import WEIGHTS, Blended, Reading, Sentiment, blend, blend_many
from perpscope.analytics.sentiment_scale import Counts, Floats, ages, carried, evidence, freshness, trailing_z

WINDOW_S: Final = 30 * DAY_S  #: of history, METHOD §9
LIQUIDATIONS_S: Final = 14_400.0  #: 4 h, METHOD §9
#: Figures that are their own z: METHOD §9's "no rz".
UNRANKED: Final = frozenset({"liq_imbalance", "momentum"})
#: What counts as a small change where the past stood still (by hand): 1 % of a ratio, 0.3 bp of funding (on venues that
#: do not stand at their clamp the deviation of 30 days is 0.35 to 0.8 bp, on others often 0), 0.1 bp of basis,
#: a hundredth of a percent of open interest, 2 % of volatility.
LEAST_SCALE: Final[Mapping[str, float]] = {
    "ls_accounts": 0.01,
    "top_positions": 0.01,
    "funding": 3e-5,
    "taker": 0.01,
    "basis": 1e-5,
    "oi_trend": 1e-4,
    "volatility": 0.02,
}


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """One market on a regular grid, pooled over venues; (steps,) each, NaN where nobody told; None = no such series."""

    step_s: float
    close: Floats  #: quote per base
    ls_accounts: Floats | None = None  #: ln of long over short accounts: accounts, not money
    top_positions: Floats | None = None  #: ln of long over short positions of top traders
    f8: Floats | None = None  #: funding per 8 h, fraction
    taker: Floats | None = None  #: ln of what takers bought over what they sold in 1 h
    basis: Floats | None = None  #: (mark − index) ÷ index, mean of 1 h, fraction
    open_interest: Floats | None = None  #: base units
    long_usd: Floats | None = None  #: longs liquidated in the step, dollars, estimated or observed
    short_usd: Floats | None = None  #: shorts likewise


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure at every step."""

    name: str
    raw: Floats  #: (steps,) as METHOD §9 defines it
    z: Floats  #: (steps,) + = greed; NaN if not known; the last one holds until it is too old
    history: Counts | None  #: (steps,) points of the window before; None where z needs none
    age_s: Floats  #: (steps,) of the raw value z is of
    period_s: float  #: between two values
    capacity: float  #: points the window can hold


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """The index over time, and its parts in the order of `figures`."""

    figures: list[Figure]
    blended: Blended


def figures(market: Market) -> dict[str, Floats]:
    """The raw figures of METHOD §9 at each step, with + for greed; those whose data are missing are left out."""
    step, close = market.step_s, carried(market.close, 1)
    day = max(1, round(DAY_S / step))
    moved, sigma = log_returns(close, day), sigma_forecast(log_returns(close), step, DAY_S)
    given = {
        "ls_accounts": market.ls_accounts,
        "top_positions": market.top_positions,
        "funding": market.f8,
        "taker": market.taker,
        "basis": market.basis,
    }
    found = {name: values for name, values in given.items() if values is not None}
    if market.open_interest is not None:
        found["oi_trend"] = np.expm1(log_returns(carried(market.open_interest, 1), day)) * np.sign(moved)
    if market.long_usd is not None and market.short_usd is not None:
        found["liq_imbalance"] = _imbalance(market.long_usd, market.short_usd, step)
    with np.errstate(divide="ignore", invalid="ignore"):
        found["momentum"] = np.where(sigma > 0.0, moved / sigma, np.nan)
        spread = np.log(sigma)
    found["volatility"] = np.where(np.isfinite(spread) & np.isfinite(market.close), -spread, np.nan)
    return found


def _imbalance(long_usd: Floats, short_usd: Floats, step_s: float) -> Floats:
    """2 · (short − long) ÷ (short + long + 1 % of their usual sum) of 4 h: shorts liquidated = greed; in [−2, 2]."""
    window = max(1, round(LIQUIDATIONS_S / step_s))
    longs, shorts = window_sums(long_usd, window), window_sums(short_usd, window)
    sums = longs + shorts
    usual = np.full(sums.shape, np.nan)
    month, stride = max(1, round(WINDOW_S / step_s)), max(1, window // 4)
    for at in range(0, sums.size, stride):  # a median of a month hardly moves within an hour
        past = sums[max(0, at - month) : at + 1]
        past = past[np.isfinite(past)]
        if past.size:
            usual[at : at + stride] = np.median(past)
    whole = sums + 0.01 * usual
    imbalance: Floats = np.divide(2.0 * (shorts - longs), whole, out=np.zeros_like(whole), where=whole > 0.0)
    return np.where(np.isfinite(whole), imbalance, np.nan)


def judged(market: Market, periods_s: Mapping[str, float], last: int | None = None) -> list[Figure]:
    """Each figure's z at every step, by METHOD's 30 days before it.

    Args:
        market: the arrays.
        periods_s: name of a figure → seconds between two values of its source; the grid's step if not given.
        last: only for so many steps at the end, > 0; None = for all.
    """
    steps = market.close.size
    window = max(1, round(WINDOW_S / market.step_s))
    found = []
    for name, raw in figures(market).items():
        history: Counts | None = None
        period = max(market.step_s, periods_s.get(name, market.step_s))
        hold = round(5 * period / market.step_s)  # by then it counts for nothing
        if name in UNRANKED:
            z = raw
        else:
            first = 0 if last is None else max(0, steps - last - hold)
            z, history = trailing_z(raw, window, LEAST_SCALE[name], first)
        found.append(
            Figure(
                name=name,
                raw=raw,
                z=carried(z, hold),
                history=history,
                age_s=ages(raw, market.step_s),
                period_s=period,
                capacity=WINDOW_S / period,
            )
        )
    return found


def series(market: Market, periods_s: Mapping[str, float] | None = None, last: int | None = None) -> Series:
    """The index at every step of a market, or only at the last ones; arguments as for `judged`."""
    parts = judged(market, periods_s or {}, last)
    names = {part.name for part in parts}
    absent = [name for name in WEIGHTS if name not in names]
    z = np.vstack([*(part.z for part in parts), *(np.full(market.close.shape, np.nan) for _ in absent)])
    worth = np.vstack([*(_worth(part) for part in parts), *(np.zeros(market.close.shape) for _ in absent)])
    weights = [*(WEIGHTS[part.name] for part in parts), *(WEIGHTS[name] for name in absent)]
    return Series(figures=parts, blended=blend_many(z, weights, worth))


def _worth(part: Figure) -> Floats:
    fresh = freshness(part.age_s, part.period_s)
    if part.history is None:
        return fresh
    return np.asarray(fresh * evidence(part.history, part.capacity))


def readings(parts: list[Figure], told: Mapping[str, tuple[float, float]] | None = None) -> list[Reading]:
    """The newest step as readings for `blend`, in the order of `WEIGHTS`; what is missing is among them.

    Args:
        parts: as `judged` gives them.
        told: name → how old its newest value is and how far apart its values are, both seconds, where that is known
            better than the grid tells.
    """
    exact = told or {}
    known = {part.name: part for part in parts}
    found = []
    for name, weight in WEIGHTS.items():
        part = known.get(name)
        if part is None or not np.isfinite(part.z[-1]):
            found.append(Reading(name=name, weight=weight, z=None))
            continue
        points = None if part.history is None else int(part.history[-1])
        age_s, period_s = exact.get(name, (float(part.age_s[-1]), part.period_s))
        reading = Reading(
            name=name,
            weight=weight,
            z=float(part.z[-1]),
            age_s=age_s,
            period_s=period_s,
            points=points,
            capacity=part.capacity,
        )
        found.append(reading)
    return found


def now(market: Market, periods_s: Mapping[str, float] | None = None) -> Sentiment:
    """The index at the last step of a market, with all its parts; arguments as for `judged`."""
    return blend(readings(judged(market, periods_s or {}, last=1)))
