"""Made-up markets for tests of the liquidation map: a few bars, or thousands, from a seed."""

from collections.abc import Sequence
from math import exp, log

import numpy as np

from perpscope.analytics.liqmap.bars import MINUTE_NS, Bar, Setting
from perpscope.analytics.liqmap.ladder import Ladder, distance_ladder, leverage_ladder
from perpscope.analytics.margin_tiers import flat_table

START = 1_700_000_000 * 1_000_000_000
#: Coarse and quick: three classes by distance, two hundred bins.
COARSE = Setting(step=2e-3, start_spread=0.01, hot_points=4)
FEW = distance_ladder((0.004, 0.011, 0.031), (0.5, 0.3, 0.2))
LEVERAGED = leverage_ladder(flat_table(0.004, 125.0))


def history(
    seed: int, count: int, *, price: float = 60_000.0, open_interest: float = 1_000.0, calm: float = 2e-3
) -> list[Bar]:
    """Bars of a random walk in which longs are liquidated as it falls and shorts as it rises."""
    rng = np.random.default_rng(seed)
    bars, at, held = [], log(price), open_interest
    for number in range(count):
        move = calm * float(rng.standard_t(4))
        down, up = np.abs(rng.normal(0.0, calm, 2))
        low, high = min(at, at + move) - down, max(at, at + move) + up
        middle = low + (high - low) * float(rng.uniform(0.2, 0.8))
        at += move
        held *= exp(float(rng.normal(0.0, 0.01)))
        forced = held * 1e-3 * rng.gamma(0.5, 1.0, 2) * np.array([move < 0.0, move > 0.0])
        bars.append(
            Bar(
                ts=START + number * MINUTE_NS,
                low=exp(low),
                high=exp(high),
                close=exp(at),
                vwap=exp(middle),
                volume=held * float(rng.gamma(1.0, 0.03)),
                open_interest=held,
                liquidated_long=float(forced[0]),
                liquidated_short=float(forced[1]),
                funding_8h=float(rng.normal(0.0, 2e-4)),
            )
        )
    return bars


def quiet(closes: Sequence[float], open_interest: float = 100.0, volume: float = 0.0) -> list[Bar]:
    """Bars that go straight from one close to the next."""
    bars, last = [], closes[0]
    for number, close in enumerate(closes):
        low, high = min(last, close), max(last, close)
        ts = START + number * MINUTE_NS
        bars.append(Bar(ts=ts, low=low, high=high, close=close, volume=volume, open_interest=open_interest))
        last = close
    return bars


def both() -> list[Ladder]:
    """The families of a real map, under one tier of .4 %."""
    return [distance_ladder(), LEVERAGED]
