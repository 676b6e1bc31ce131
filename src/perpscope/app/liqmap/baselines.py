"""Other people's maps over the same data, in the same bins: to be compared with, never mixed in.

"seed": the documents' formula, every bar an entry that never closes. "public": the rule of a public implementation
(ANCHORS 7), from hours of all venues together.
"""

from collections.abc import Sequence
from math import isfinite
from typing import Final

import numpy as np

from perpscope.analytics.liqmap.bars import HOUR_NS, Bar
from perpscope.analytics.liqmap.ladder import LEVERAGES, PROFILES
from perpscope.analytics.liqmap.levels import Bins, rebinned, statuses
from perpscope.analytics.liqmap.public_rule import NORMALS, Hours, public_map
from perpscope.analytics.liqmap.seed import SeedMap, seed_map
from perpscope.analytics.margin_arrays import Floats
from perpscope.app.liqmap.bars import Feed
from perpscope.errors import DataError

FORMULAS: Final = ("method", "seed", "public")
_FEW_HOURS: Final = 4


def baseline(formula: str, profile: str, feeds: Sequence[Feed], edges: Floats, mark: float) -> Bins:
    """A baseline in bins; all of a level counts as forced, as its authors have it.

    Args:
        formula: "seed" or "public".
        profile: of leverage; one the formula does not know is read as neutral.
        feeds: of all venues.
        edges: (bins + 1,) quote per base, of one width.
        mark: of the reference.

    Raises:
        DataError: there is too little data for it.
    """
    open_interest = sum(_last(feed) for feed in feeds) * mark
    made = [_public(profile, feeds)] if formula == "public" else [_seed(profile, feed, edges) for feed in feeds]
    active = np.sum([rebinned(one.active, one.edges, edges) for one in made], axis=0)
    cleared = np.sum([rebinned(one.cleared, one.edges, edges) for one in made], axis=0)
    return Bins(
        edges=edges,
        usd=active,
        gross_usd=active,
        cleared_usd=cleared,
        status=statuses(active, cleared, open_interest),
        mark=mark,
        open_interest_usd=open_interest,
        beyond_usd=np.sum([one.outside for one in made], axis=0),
    )


def _seed(profile: str, feed: Feed, edges: Floats) -> SeedMap:
    """Every bar an entry at its close, by its share of the volume of all, of all of open interest."""
    bars = feed.bars
    volume = np.array([bar.volume if isfinite(bar.volume) else 0.0 for bar in bars])
    share = volume / volume.sum() if volume.sum() > 0.0 else np.full(volume.size, 1.0 / volume.size)
    closes, lows, highs = (np.array([getattr(bar, name) for bar in bars]) for name in ("close", "low", "high"))
    ladder = (np.array(LEVERAGES), np.array(PROFILES.get(profile, PROFILES["neutral"])))
    return seed_map(closes, share * _last(feed) * closes[-1], (lows, highs), ladder, edges)


def _public(profile: str, feeds: Sequence[Feed]) -> SeedMap:
    hours = [_hours(feed.bars) for feed in feeds]
    common = sorted(set.intersection(*(set(found) for found in hours)))
    if len(common) < _FEW_HOURS:
        raise DataError(
            "map-too-little", f"{len(common)} common hours are too few for the public rule", hint="4 or more"
        )
    columns = np.array([[found[hour] for hour in common] for found in hours])  # venue, hour, column
    funding = [feed.bars[-1].funding_8h for feed in feeds if isfinite(feed.bars[-1].funding_8h)]
    known = profile if profile in {*NORMALS, "dynamic"} else "neutral"
    return public_map(
        Hours(
            open=columns[:, :, 0].mean(axis=0),
            high=columns[:, :, 1].max(axis=0),
            low=columns[:, :, 2].min(axis=0),
            close=columns[:, :, 3].mean(axis=0),
            volume_usd=columns[:, :, 4].sum(axis=0),
            open_interest_usd=columns[:, :, 5].sum(axis=0),
            funding=float(np.mean(funding)) if funding else 0.0,
        ),
        known,
    ).map


def _hours(bars: Sequence[Bar]) -> dict[int, tuple[float, ...]]:
    """Open, high, low, close, volume and open interest in dollars of each hour that was told open interest."""
    grouped: dict[int, list[Bar]] = {}
    for bar in bars:
        grouped.setdefault((bar.ts - 1) // HOUR_NS, []).append(bar)
    found: dict[int, tuple[float, ...]] = {}
    last = bars[0].close
    for hour, inside in grouped.items():
        told = [bar.open_interest * bar.close for bar in inside if isfinite(bar.open_interest)]
        if told:
            low, high = min(bar.low for bar in inside), max(bar.high for bar in inside)
            volume = sum(bar.volume * bar.close for bar in inside if isfinite(bar.volume))
            found[hour] = (last, high, low, inside[-1].close, volume, told[-1])
        last = inside[-1].close
    return found


def _last(feed: Feed) -> float:
    """Newest open interest, base units."""
    return next(bar.open_interest for bar in reversed(feed.bars) if isfinite(bar.open_interest))
