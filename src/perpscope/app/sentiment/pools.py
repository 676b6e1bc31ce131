"""From what venues told to one market: each kind of figure checked across venues, pooled, and put on one grid.

In: the sources of `sentiment_rows`. Out: the arrays that `analytics.sentiment_series` and `analytics.risk_series` take.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.risk_series import RiskInput
from perpscope.analytics.sentiment_scale import Floats
from perpscope.analytics.sentiment_series import Market
from perpscope.analytics.sentiment_sources import Bounds, Judged, Pool, Source, Verdict, chain, pool
from perpscope.app.sentiment.grid import STEP_S, Grid
from perpscope.app.sentiment.rows import Told

#: What each kind of figure can be: logarithms of ratios, rates per 8 h, fractions. Wide: only nonsense is outside.
BOUNDS: Final[Mapping[str, Bounds]] = {
    "price": Bounds(least_scale=1e-4),
    "interest": Bounds(least_scale=1e-4, moves=False),
    "ls_accounts": Bounds(low=-4.0, high=4.0, least_scale=0.01),
    "top_positions": Bounds(low=-4.0, high=4.0, least_scale=0.01),
    "funding": Bounds(low=-0.1, high=0.1, least_scale=3e-5, moves=False),
    "taker": Bounds(low=-6.0, high=6.0, least_scale=0.01),
    "basis": Bounds(low=-0.2, high=0.2, least_scale=1e-5),
    "volume": Bounds(least_scale=0.02, moves=False),
}


def pooled(told: Told) -> dict[str, Pool]:
    """One pool for each kind of figure."""
    return {kind: pool(weighed(getattr(told, kind)), bounds) for kind, bounds in BOUNDS.items()}


def weighed(sources: Sequence[Source]) -> list[Source]:
    """A venue whose open interest is not known counts as much as the smallest that is."""
    least = min((source.weight for source in sources if source.weight > 0.0), default=1.0)
    return [msgspec.structs.replace(source, weight=source.weight or least) for source in sources]


def market_of(told: Told, pools: Mapping[str, Pool]) -> Market:
    """One market for all venues; what nobody tells is left out."""
    return Market(
        step_s=STEP_S,
        close=np.exp(chain(weighed(told.price))),
        ls_accounts=_series(pools["ls_accounts"]),
        top_positions=_series(pools["top_positions"]),
        f8=_series(pools["funding"]),
        taker=_series(pools["taker"]),
        basis=_series(pools["basis"]),
        open_interest=np.exp(chain(weighed(told.interest))) if told.interest else None,
        long_usd=_summed(told.long_usd),
        short_usd=_summed(told.short_usd),
    )


def risk_input(market: Market, pools: Mapping[str, Pool], grid: Grid) -> RiskInput:
    """The same market for the risk score, with funding at its own level: its anchor is absolute."""
    unknown = np.full(grid.steps, np.nan)
    volume, funding = _series(pools["volume"]), _series(pools["funding"])
    return RiskInput(
        ts_first=grid.now_ns - round((grid.steps - 1) * STEP_S * 1e9),
        step_s=STEP_S,
        close=market.close,
        volume=unknown if volume is None else np.exp(volume),
        open_interest=unknown if market.open_interest is None else market.open_interest,
        f8=unknown if funding is None else funding,
    )


def liquidations_by(told: Told) -> list[Judged]:
    """Each venue's share of the liquidations of the last 4 h, dollars as observed."""
    steps = round(14_400.0 / STEP_S)
    sums = {
        long.venue: float(np.nansum(long.values[-steps:]) + np.nansum(short.values[-steps:]))
        for long, short in zip(told.long_usd, told.short_usd, strict=True)
    }
    whole = sum(sums.values())
    return [
        Judged(venue=venue, verdict=Verdict.USED, value=usd, z=None, share=usd / whole if whole else 0.0)
        for venue, usd in sums.items()
    ]


def _series(found: Pool) -> Floats | None:
    """A pool at its own level: z does not see the shift, a person and an absolute anchor do."""
    if found.level is None:
        return None
    known = found.values[np.isfinite(found.values)]
    return found.values - known[-1] + found.level if known.size else None


def _summed(sources: Sequence[Source]) -> Floats | None:
    """What all venues told, step by step; a hole only where none did."""
    if not sources:
        return None
    rows = np.vstack([source.values for source in sources])
    return np.where(np.isfinite(rows).any(axis=0), np.nansum(rows, axis=0), np.nan)
