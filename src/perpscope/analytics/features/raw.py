"""Features of each minute before they are set against their past (METHOD 11.1): finite windows, newest minute included.

Every number of a minute is made of that minute and the `MEMORY` before it. What it is made of and not told makes it
NaN, and nothing else.
"""

from typing import Final

import numpy as np

from perpscope.analytics.features.rolling import before, change, finite, mean
from perpscope.analytics.features.told import MINUTE_NS, Stamps, Told
from perpscope.analytics.margin_arrays import Floats

#: Minutes of returns the volatility is taken of.
VOLATILITY: Final = 240
#: Minutes that a feature looks back at most.
MEMORY: Final = VOLATILITY + 61
_BURST: Final = 20  #: minutes a volume is compared with
_DAY_MIN: Final = 1440
#: Parkinson (1980): the variance of a path is its squared log range ÷ (4 ln 2).
_PARKINSON: Final = 4.0 * np.log(2.0)

#: Feature → the source whose age is its own.
FEATURES: Final = {
    **{f"ret_{n}": "candle" for n in (1, 5, 15, 60)},
    **{f"rv_{n}": "candle" for n in (5, 30, 240)},
    "rv_ratio": "candle",
    "parkinson": "candle",
    **{f"taker_imb_{n}": "candle" for n in (1, 5, 15)},
    "vol_burst": "candle",
    "vol_hour": "candle",
    "ofi": "book",
    **{f"book_imb_{n}": "book" for n in (1, 5, 10)},
    "spread_bps": "book",
    "depth_10": "book",
    "depth_50": "book",
    "micro_bps": "book",
    **{f"oi_d_{n}": "interest" for n in (5, 15, 60)},
    "funding": "mark",
    "to_funding": "mark",
    "funding_step": "funding",
    "basis": "mark",
    "basis_d_5": "mark",
    "ls_ratio": "ratio",
    "ls_d_60": "ratio",
    "top_ratio": "ratio",
    "top_d_60": "ratio",
    "liq_int_1": "liquidations",
    "liq_int_5": "liquidations",
    "liq_imb_5": "liquidations",
    "map_up": "map",
    "map_down": "map",
    "map_up_usd": "map",
    "map_down_usd": "map",
    "map_pull": "map",
    "map_gross": "map",
    "lead_ret_1": "lead",
    "lead_ret_5": "lead",
    "hour_sin": "candle",
    "hour_cos": "candle",
}
FEATURE: Final = {name: place for place, name in enumerate(FEATURES)}


def volatility(close: Floats) -> Floats:
    """(n,) Standard deviation of a minute's return, of the `VOLATILITY` minutes before the newest; NaN until known.

    Args:
        close: (n,) quote per base.
    """
    return finite(np.sqrt(before(mean(change(close, 1) ** 2, VOLATILITY), 1)))


def raw(told: Told) -> Floats:
    """(n, features) by `FEATURE`; `vol_hour`, `liq_int_*` and what `scaling` names are still in their own units."""
    close = told.column("close")
    sigma = volatility(close)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = {
            **_prices(told, close, sigma),
            **_volumes(told),
            **_book(told),
            **_positions(told),
            **_liquidations(told),
            **_map(told, close, sigma),
            **_hours(told.ts),
        }
    for name, part in parts.items():
        parts[name] = part if name.startswith("hour_") else np.where(np.isnan(close), np.nan, part)
    return np.column_stack([finite(parts[name]) for name in FEATURES])


def _prices(told: Told, close: Floats, sigma: Floats) -> dict[str, Floats]:
    squares = change(close, 1) ** 2
    rv = {n: np.sqrt(n * mean(squares, n)) for n in (5, 30, 240)}
    ranges = np.log(told.column("high") / told.column("low")) ** 2 / _PARKINSON
    lead = told.column("lead_close")
    lead_sigma = volatility(lead)
    return {
        **{f"ret_{n}": change(close, n) / (sigma * np.sqrt(n)) for n in (1, 5, 15, 60)},
        **{f"rv_{n}": np.log(rv[n]) for n in (5, 30, 240)},
        "rv_ratio": np.log(rv[5] / rv[240]),
        "parkinson": 0.5 * np.log(mean(ranges, 30) / mean(squares, 30)),
        **{f"lead_ret_{n}": change(lead, n) / (lead_sigma * np.sqrt(n)) for n in (1, 5)},
    }


def _volumes(told: Told) -> dict[str, Floats]:
    volume, bought = told.column("volume"), told.column("taker_buy")
    return {
        **{f"taker_imb_{n}": 2.0 * mean(bought, n) / mean(volume, n) - 1.0 for n in (1, 5, 15)},
        "vol_burst": np.log(volume / before(mean(volume, _BURST), 1)),
        "vol_hour": np.log(volume),
    }


def _book(told: Told) -> dict[str, Floats]:
    return {
        "ofi": told.column("order_flow"),
        **{f"book_imb_{n}": told.column(f"imbalance_{n}") for n in (1, 5, 10)},
        "spread_bps": told.column("spread_bps"),
        "depth_10": np.log(told.column("depth_10")),
        "depth_50": np.log(told.column("depth_50")),
        "micro_bps": told.column("micro_bps"),
    }


def _positions(told: Told) -> dict[str, Floats]:
    interest, index = told.column("open_interest"), told.column("index")
    basis = (told.column("mark") - index) / index
    accounts, top = told.column("accounts"), told.column("top")
    return {
        **{f"oi_d_{n}": change(interest, n) for n in (5, 15, 60)},
        "funding": told.column("funding"),
        "to_funding": told.column("to_funding"),
        "funding_step": told.column("funding") - told.column("funding_paid"),
        "basis": basis,
        "basis_d_5": basis - before(basis, 5),
        "ls_ratio": accounts,
        "ls_d_60": accounts - before(accounts, 60),
        "top_ratio": top,
        "top_d_60": top - before(top, 60),
    }


def _liquidations(told: Told) -> dict[str, Floats]:
    longs, shorts = told.column("liquidated_long"), told.column("liquidated_short")
    long, short = 5.0 * mean(longs, 5), 5.0 * mean(shorts, 5)
    total = long + short
    return {
        "liq_int_1": longs + shorts,
        "liq_int_5": total,
        "liq_imb_5": np.where(total > 0.0, (short - long) / total, np.where(np.isnan(total), np.nan, 0.0)),
    }


def _map(told: Told, close: Floats, sigma: Floats) -> dict[str, Floats]:
    hour = sigma * np.sqrt(60.0)
    return {
        "map_up": np.log(told.column("above") / close) / hour,
        "map_down": np.log(close / told.column("below")) / hour,
        "map_up_usd": np.log1p(told.column("above_usd")),
        "map_down_usd": np.log1p(told.column("below_usd")),
        "map_pull": told.column("pull"),
        "map_gross": np.log(told.column("near_usd") / told.column("depth_50")),
    }


def _hours(ts: Stamps) -> dict[str, Floats]:
    angle = (ts // MINUTE_NS % _DAY_MIN) * (2.0 * np.pi / _DAY_MIN)
    return {"hour_sin": np.sin(angle), "hour_cos": np.cos(angle)}
