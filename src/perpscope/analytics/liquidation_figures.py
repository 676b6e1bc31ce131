"""What an analysis of liquidations says: records of plain numbers, as they are published in the JSON report.

Times are int ms UTC, sizes base units, prices quote per base, notional US dollars (USDT and USDC count as dollars).
`covered` is the share of a span, in [0, 1], that the store's coverage vouches for: None where it says nothing about
it, as for imported rows. None is "not known" everywhere here, never zero.
"""

import enum
from typing import Annotated, TypeAlias

import msgspec

from perpscope.model.market import Completeness

Share: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Watch(enum.Enum):
    """Whether a span of time was watched."""

    COVERED = "covered"
    GAP = "gap"
    UNKNOWN = "unknown"


class Span(msgspec.Struct, frozen=True):
    """A stretch of the window of one kind of watching."""

    from_ms: int
    to_ms: int
    watch: Watch


class Coverage(msgspec.Struct, frozen=True):
    """How much of the window was watched."""

    covered: Share | None  #: share of the window
    spans: list[Span]  #: the whole window, in order of time


class SideFigures(msgspec.Struct, frozen=True):
    """Liquidations of one side, or of both, in one span of time."""

    events: int
    size: float  #: sum, base units
    notional_usd: float  #: sum of size × price
    mean_size: float | None
    median_size: float | None
    max_size: float | None
    mean_price: float | None  #: weighted by size
    price_quartiles: tuple[float, float] | None  #: 25 % and 75 % of the events' prices
    mean_lpi: float | None  #: 0–100, weighted by notional
    lpi_events: int  #: events that have an LPI


class Bucket(msgspec.Struct, frozen=True):
    """A full hour (or `Trends.step_h` hours), or what the window has of it."""

    from_ms: int
    to_ms: int
    covered: Share | None
    long: SideFigures  #: longs liquidated: forced selling
    short: SideFigures  #: shorts liquidated: forced buying
    mean_price: float | None  #: of both sides, weighted by size
    price_change: float | None  #: fraction, against the last bucket before it that has a price
    mean_lpi: float | None  #: of both sides, weighted by notional


class Trends(msgspec.Struct, frozen=True):
    """Hour by hour. Only windows over ten days have longer steps."""

    step_h: int
    price_change: float | None  #: fraction, last event's price against the first's
    buckets: list[Bucket]


class Intensity(msgspec.Struct, frozen=True):
    """Side by side."""

    covered: Share | None
    long: SideFigures
    short: SideFigures
    both: SideFigures


class Histogram(msgspec.Struct, frozen=True):
    """How many events fell between `edges[i]` and `edges[i + 1]`; the last bin has its upper edge too."""

    covered: Share | None
    events: int
    edges: list[float]
    is_log: bool  #: edges in equal ratios
    long: list[int]
    short: list[int]


class Box(msgspec.Struct, frozen=True):
    """Sizes of one hour of the day, UTC. Whiskers: the furthest size within 1.5 interquartile ranges (Tukey)."""

    hour: int  #: 0–23
    covered: Share | None  #: share of the window's part in this hour of the day
    events: int
    low: float  #: lower whisker, base units
    q1: float
    median: float
    q3: float
    high: float  #: upper whisker
    outliers: int  #: events beyond the whiskers
    max_size: float


class Distribution(msgspec.Struct, frozen=True):
    """How sizes, prices and LPI are spread."""

    size: Histogram
    price: Histogram
    lpi: Histogram
    size_by_hour: list[Box]  #: hours with events only


class InterArrival(msgspec.Struct, frozen=True):
    """Seconds from one event to the next."""

    covered: Share | None
    intervals: int
    mean_s: float | None
    median_s: float | None
    p90_s: float | None
    max_s: float | None


class Largest(msgspec.Struct, frozen=True):
    """One of the largest events by notional."""

    time_ms: int
    side: str  #: whose position was closed: "long" or "short"
    size: float
    price: float
    notional_usd: float
    lpi: float | None


class Analysis(msgspec.Struct, frozen=True):
    """Everything that is said about one instrument in one window."""

    from_ms: int
    to_ms: int  #: not included
    events: int
    completeness: Completeness  #: of the least complete of the events; SAMPLED makes every total a floor
    coverage: Coverage
    trends: Trends
    intensity: Intensity
    distribution: Distribution
    inter_arrival: InterArrival
    largest: list[Largest]
