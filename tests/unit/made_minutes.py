"""Minutes of a market made of a seed: every column of `Told` filled, a share of them too old."""

import numpy as np

from perpscope.analytics.features.told import COLUMN, INPUTS, MINUTE_NS, SOURCES, Told

START_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z


def minutes(count: int, seed: int = 1, stale: float = 0.02, spread: float = 1e-3) -> Told:
    """So many minutes; `spread` is the standard deviation of a minute's return."""
    rng = np.random.default_rng(seed)
    values = np.full((count, len(INPUTS)), np.nan)
    close = 100.0 * np.exp((spread * rng.standard_normal(count)).cumsum())
    wide = np.exp(0.5 * spread * np.abs(rng.standard_normal((2, count))))
    made = {
        "close": close,
        "high": close * wide[0],
        "low": close / wide[1],
        "volume": rng.lognormal(size=count),
        "mark": close * 1.0001,
        "index": close * (1.0 + 1e-5 * rng.standard_normal(count)),
        "above": close * 1.01,
        "below": close * 0.99,
        "lead_close": close[::-1],
        "to_funding": np.arange(count)[::-1] % 480.0,
    }
    made["taker_buy"] = made["volume"] * rng.random(count)
    for name in ("imbalance_1", "imbalance_5", "imbalance_10", "pull"):
        made[name] = rng.uniform(-1.0, 1.0, count)
    for name in ("spread_bps", "depth_10", "depth_50", "open_interest", "above_usd", "below_usd", "near_usd"):
        made[name] = rng.lognormal(size=count)
    for name in ("micro_bps", "order_flow", "funding", "funding_paid", "accounts", "top"):
        made[name] = rng.standard_normal(count)
    for name in ("liquidated_long", "liquidated_short"):
        made[name] = np.where(rng.random(count) < 0.3, rng.lognormal(size=count), 0.0)
    for name, column in made.items():
        values[:, COLUMN[name]] = column
    ages = np.where(rng.random((count, len(SOURCES))) < stale, 1e6, 0.0)
    return Told(START_NS + (1 + np.arange(count)) * MINUTE_NS, values, ages)
