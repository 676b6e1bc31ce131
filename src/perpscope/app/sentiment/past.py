"""The last 24 hours behind the index, by quarter hours: each figure, and what the market did meanwhile.

In: arrays on the grid. Out: lists whose members stand at the moments of `Answer.recent`; null = not known then.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.sentiment_scale import Floats
from perpscope.analytics.sentiment_series import Market
from perpscope.analytics.sentiment_sources import Source
from perpscope.app.sentiment.rows import Told

DAY_STEPS: Final = 96  #: quarter hours
#: Figures that are logarithms of ratios.
RATIOS: Final = frozenset({"ls_accounts", "top_positions", "taker"})


class VenuePast(msgspec.Struct, frozen=True, kw_only=True):
    """What one venue told."""

    venue: str
    open_interest: list[float | None]  #: base units
    funding_8h: list[float | None]  #: fraction per 8 h


class MarketPast(msgspec.Struct, frozen=True, kw_only=True):
    """The market behind the index."""

    price: list[float | None]  #: mark of the venue with most open interest, quote per base
    long_usd: list[float | None]  #: longs liquidated in the quarter hour, dollars, estimated or observed
    short_usd: list[float | None]
    venues: list[VenuePast]


def market_past(told: Told, market: Market) -> MarketPast:
    """The market of the last 24 h."""
    heaviest = max(told.price, key=lambda source: source.weight, default=None)
    interest = {source.venue: source.values for source in told.interest}
    funding = {source.venue: source.values for source in told.funding}
    return MarketPast(
        price=_rounded(None if heaviest is None else np.exp(heaviest.values)),
        long_usd=_rounded(market.long_usd),
        short_usd=_rounded(market.short_usd),
        venues=[
            VenuePast(
                venue=venue,
                open_interest=_rounded(np.exp(interest[venue]) if venue in interest else None),
                funding_8h=_rounded(funding.get(venue)),
            )
            for venue in _names(told.price, told.interest, told.funding)
        ],
    )


def figure_past(name: str, raw: Floats | None) -> list[float | None]:
    """A figure of the index at each moment, as people say it: what `level` is now."""
    if raw is None:
        return []
    with np.errstate(over="ignore"):
        if name in RATIOS:
            return _rounded(np.exp(raw))
        return _rounded(np.exp(-raw) if name == "volatility" else raw)


def _names(*kinds: Sequence[Source]) -> list[str]:
    return list(dict.fromkeys(source.venue for kind in kinds for source in kind))


def _rounded(values: Floats | None) -> list[float | None]:
    """The last day, to six digits; empty where there is no such series."""
    if values is None:
        return []
    return [float(f"{one:.6g}") if np.isfinite(one) else None for one in values[-DAY_STEPS:].tolist()]
