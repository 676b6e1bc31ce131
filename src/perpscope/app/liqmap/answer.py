"""What a map and a heatmap are told as: by `perpscope map --json`, the Python facade and the HTTP bodies alike.

`summary`, `direction`, `bins` and `raw_liquidations` begin with the names that clients of an older public API of such
maps know; what is ours stands behind them.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from perpscope.analytics.liqmap.curves import Cluster, WhatIf
from perpscope.analytics.liqmap.explain import Explanation
from perpscope.analytics.liqmap.force import Bias
from perpscope.analytics.liqmap.heat import Heatmap
from perpscope.analytics.margin_arrays import Floats
from perpscope.app.liqmap.borrowed import BorrowedTold
from perpscope.app.liqmap.measured import MeasuredTold
from perpscope.app.liqmap.venues import VenueTold
from perpscope.stores.status import StoreKind

_MS_NS: Final = 1_000_000


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """One bin of one side."""

    bucket: str  #: its prices, in words
    usd: float  #: expected to be closed by force if the price gets there
    mid_price: float  #: quote per base
    intensity: float  #: `usd` ÷ the largest bin's, in [0, 1]
    status: str  #: ACTIVE, PARTIAL, CLEARED; EMPTY where `usd` is what distance alone expects
    side: str  #: LONG or SHORT: whose positions
    low: float  #: quote per base
    high: float
    gross_usd: float  #: held there
    remaining_pct: float  #: of what was there, 0–100
    distance_pct: float  #: from the price, signed
    measured_usd: float = 0.0  #: of what is held there, in positions anybody may look at


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The market the map is of."""

    total_oi_usd: float
    close: float  #: the same as `price`
    funding_rate: float | None  #: the same as `funding_8h`
    high: float  #: of the lookback
    low: float
    price: float  #: mark of the venue with most open interest, quote per base
    funding_8h: float | None  #: fraction, by open interest
    sigma_4h: float | None  #: standard deviation of the log return over four hours


class Direction(msgspec.Struct, frozen=True, kw_only=True):
    """Where the map leans; nothing is claimed about where the price goes."""

    bias: Bias
    upward_mag: float  #: pull of what is above the price, no unit
    downward_mag: float  #: pull of what is below
    balance: float  #: of both, in (−1, 1)
    low: float  #: 5 % of its posterior; the balance itself where there is none
    high: float  #: 95 %


class RawLiquidation(msgspec.Struct, frozen=True, kw_only=True):
    """A level of the map before it is summed into bins: an estimate, no event."""

    price: float  #: quote per base
    usd: float
    side: str  #: LONG or SHORT
    status: str  #: as of a bin
    entry_time: int | None  #: always null: what is held at a level was opened at many times


class MapAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `perpscope map --json` prints."""

    name: str
    data: StoreKind
    basis: str  #: "estimated": none of it is observed
    formula: str
    profile: str
    at_ms: int  #: market time of the map
    from_ms: int  #: positions are followed from there
    horizon_min: float
    summary: Summary
    direction: Direction
    direction_is: str  #: "descriptive": nothing is claimed about where the price goes
    bins: list[Bin]  #: by price; those that are EMPTY and faint are left out
    clusters: list[Cluster]
    what_if: list[WhatIf]
    beyond_usd: list[float]  #: held out of the bins or of reach: longs, shorts
    venues: list[VenueTold]
    notes: list[str]
    explanation: Explanation | None = None
    measured: list[MeasuredTold] = []  #: venues that show positions
    borrowed: list[BorrowedTold] = []  #: venues whose part has another's shape
    raw_liquidations: list[RawLiquidation] | None = None  #: where they were asked for


class HeatAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A heatmap with the price it was made beside."""

    name: str
    data: StoreKind
    profile: str
    heatmap: Heatmap
    prices: list[tuple[int, float, float, float]]  #: ns UTC, low, high, close of each column's bar
    venues: list[str]
    notes: list[str]


def cells(found: HeatAnswer) -> Mapping[str, Floats]:
    """The heatmap as arrays: `time_ms` (columns,), `edges` (bins + 1,), `usd` (columns, bins)."""
    times = found.heatmap.times / _MS_NS
    return {"time_ms": times, "edges": found.heatmap.edges, "usd": found.heatmap.usd}
