"""A public implementation's rule, as a baseline to be scored against (ANCHORS 7): what it does, not what is right.

Hourly candles and open interest of all venues together. Entries: hot zones .70, volume spikes .20, one average price
.10; leverages drawn from a normal distribution and weighed by its density again; a level is cleared when a later hour
passes it. Where the original draws lots, this takes evenly spaced quantiles and half of each side: the same every time.
"""

from statistics import NormalDist
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.liqmap.seed import SeedMap, seed_map
from perpscope.analytics.margin_arrays import Floats

#: Shares of open interest given to hot zones, volume spikes and the average price.
SHARES: Final = (0.70, 0.20, 0.10)
#: Mean and standard deviation of leverage by profile; `dynamic` moves with funding.
NORMALS: Final = {"conservative": (12.0, 8.0), "neutral": (25.0, 15.0), "aggressive": (60.0, 25.0)}
DRAWS: Final = 200
#: Maintenance .5 % and a fee of .1 %.
BUFFER: Final = 0.006
RETURN: Final = 0.008
GROWTH_QUANTILE, VOLUME_QUANTILE = 0.70, 0.75
BINS: Final = 40
BIAS: Final = 0.05


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """Hourly columns of all venues, oldest first: closes averaged, the rest summed or at its extreme."""

    open: Floats  #: quote per base
    high: Floats
    low: Floats
    close: Floats
    volume_usd: Floats  #: dollars
    open_interest_usd: Floats  #: dollars, at the end of each
    funding: float = 0.0  #: fraction, the newest


class Entries(msgspec.Struct, frozen=True):
    """What the rule takes for entries."""

    at: NDArray[np.int64]  #: hour after which a level may be cleared
    prices: Floats
    shares: Floats  #: of open interest
    long: Floats  #: share of it that is long


class PublicMap(msgspec.Struct, frozen=True, kw_only=True):
    """The rule's answer."""

    map: SeedMap  #: in dollars
    up: float  #: Σ USD ÷ distance² of active levels above the close
    down: float
    bias: str  #: UP, DOWN or UNBIASED


def leverage_ladder(profile: str, funding: float = 0.0) -> tuple[Floats, Floats]:
    """The rule's leverages and the share of each, (200,) each.

    Raises:
        ValueError: no such profile.
    """
    if profile == "dynamic":
        heat = min(1e4 * abs(funding), 2.0)
        mean, spread = 25.0 + 30.0 * heat, 15.0 - 5.0 * heat
    elif profile in NORMALS:
        mean, spread = NORMALS[profile]
    else:
        raise ValueError(f"profile {profile!r} must be one of {', '.join((*NORMALS, 'dynamic'))}")
    law = NormalDist(mean, spread)
    drawn = np.clip([law.inv_cdf((i + 0.5) / DRAWS) for i in range(DRAWS)], 1.0, 125.0)
    density = np.array([law.pdf(float(leverage)) for leverage in drawn])
    return drawn, density / density.sum()


def entries(hours: Hours) -> Entries:
    """Hot zones, volume spikes and the average price, with the share of open interest each is given."""
    returns = hours.close / hours.open - 1.0
    growth = np.diff(hours.open_interest_usd, prepend=hours.open_interest_usd[:1])
    loud = (np.abs(returns) > RETURN) & (hours.volume_usd > np.quantile(hours.volume_usd, VOLUME_QUANTILE))
    hot = loud & (growth > np.quantile(growth, GROWTH_QUANTILE))
    zones = _joined(hot, returns, hours, np.maximum(growth, 0.0))
    spikes = _joined(loud, returns, hours, hours.volume_usd)
    average = float((hours.close * hours.volume_usd).sum() / hours.volume_usd.sum())
    last = (np.array([0]), np.array([average]), np.ones(1), np.array([0.5]))
    columns = [
        (at, price, share * weight / weight.sum() if weight.sum() > 0.0 else weight, long)
        for share, (at, price, weight, long) in zip(SHARES, (zones, spikes, last), strict=True)
    ]
    at, price, weight, long = (np.concatenate(column) for column in zip(*columns, strict=True))
    return Entries(at.astype(np.int64), price, weight, long)


def public_map(hours: Hours, profile: str = "neutral") -> PublicMap:
    """The rule's map of its last hour.

    Args:
        hours: two or more.
        profile: conservative, neutral, aggressive or dynamic.

    Raises:
        ValueError: no such profile, or fewer than two hours.
    """
    if hours.close.size < 2:
        raise ValueError(f"{hours.close.size} hours are too few: the rule compares them")
    found = entries(hours)
    ladder = leverage_ladder(profile, hours.funding)
    lowest, highest = (np.append(column, column[-1:]) for column in (hours.low, hours.high))
    after_low = np.minimum.accumulate(lowest[::-1])[::-1][np.minimum(found.at + 1, hours.low.size)]
    after_high = np.maximum.accumulate(highest[::-1])[::-1][np.minimum(found.at + 1, hours.high.size)]
    is_last = found.at == hours.close.size - 1
    after_low, after_high = np.where(is_last, np.inf, after_low), np.where(is_last, -np.inf, after_high)
    reach = 1.0 / ladder[0].min() - BUFFER
    edges = np.linspace(found.prices.min() * (1.0 - reach), found.prices.max() * (1.0 + reach), BINS + 1)
    parts = [
        seed_map(
            found.prices[i : i + 1].repeat(2),
            np.array([found.shares[i], 0.0]) * float(hours.open_interest_usd[-1]),
            (np.array([np.inf, after_low[i]]), np.array([-np.inf, after_high[i]])),
            ladder,
            edges,
            buffer=BUFFER,
            sides=(found.long[i : i + 1].repeat(2), 1.0 - found.long[i : i + 1].repeat(2)),
        )
        for i in range(found.prices.size)
    ]
    total = SeedMap(
        edges,
        np.sum([part.active for part in parts], axis=0),
        np.sum([part.cleared for part in parts], axis=0),
        np.sum([part.outside for part in parts], axis=0),
    )
    close = float(hours.close[-1])
    away = 0.5 * (edges[1:] + edges[:-1]) - close
    each = total.active.sum(axis=0) / np.maximum(np.abs(away), 0.01) ** 2
    up, down = float(each[away > 0.0].sum()), float(each[away < 0.0].sum())
    lean = (up - down) / (up + down) if up + down > 0.0 else 0.0
    return PublicMap(map=total, up=up, down=down, bias="UP" if lean > BIAS else "DOWN" if lean < -BIAS else "UNBIASED")


def _joined(
    chosen: NDArray[np.bool_], returns: Floats, hours: Hours, weight: Floats
) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
    """Consecutive hours of one direction as one entry: its last hour, volume-weighted close, weight, long or short."""
    runs: list[list[int]] = []
    for hour in np.flatnonzero(chosen):
        if runs and runs[-1][-1] == hour - 1 and (returns[hour] > 0.0) == (returns[hour - 1] > 0.0):
            runs[-1].append(int(hour))
        else:
            runs.append([int(hour)])
    at = np.array([run[-1] for run in runs], np.int64)
    volume = hours.volume_usd
    price = np.array([float((hours.close[run] * volume[run]).sum() / volume[run].sum()) for run in runs])
    weights = np.array([float(weight[run].sum()) for run in runs])
    return at, price, weights, np.array([float(returns[run[-1]] > 0.0) for run in runs])
