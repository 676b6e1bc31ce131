"""What a store says about itself and about what it holds: plain records, the same for every engine.

`app` fills `FeedStatus` and `HeartStatus` and hands them to the writer; readers in other processes get them back,
with counts, coverage and aggregates, without ever speaking to the heart.
"""

import enum

import msgspec

from perpscope.model.market import Completeness, Source
from perpscope.model.stream import Channel


class StoreKind(enum.Enum):
    """Where the data of a store came from. A store never mixes kinds."""

    OBSERVED = "observed"
    DEMO = "demo"
    REPLAY = "replay"


class FeedState(enum.Enum):
    """How a feed is doing."""

    LIVE = "live"
    STALE = "stale"
    SILENT = "silent"
    DOWN = "down"
    REPLAY = "replay"


class FeedStatus(msgspec.Struct, frozen=True):
    """One channel of one venue, as the heart last saw it."""

    venue: str
    channel: Channel
    state: FeedState
    ts_last: int | None  #: ns UTC, receipt of its last event; None if there was none
    events: int  #: since the heart started
    gaps: int  #: since the heart started


class HeartStatus(msgspec.Struct, frozen=True):
    """The process that writes the store."""

    pid: int
    ts_market: int  #: ns UTC, market time of this report
    ts_wall: int  #: ns UTC, wall time of this report
    rate: float  #: market seconds per wall second; 1.0 when live
    is_running: bool  #: False once it has closed the store in good order


class Trouble(msgspec.Struct, frozen=True):
    """Why nothing can be written at the moment; it is tried again, nothing is lost."""

    code: str  #: "store-busy", "store-full" or "store-io"
    what: str  #: the engine's own words
    ts_since: int | None  #: ns UTC, market time of the newest `Tick` waiting when it began; None before the first
    tries: int


class VenueCoverage(msgspec.Struct, frozen=True):
    """How much of a venue's liquidations was seen: shares in [0, 1] of its least seen symbol; None = nothing known."""

    coverage_24h: float | None
    coverage_1h: float | None
    completeness: Completeness | None  #: what the venue publishes, as its newest event has it


class EventCounts(msgspec.Struct, frozen=True):
    """How many liquidations are stored, and whether the last hours were seen whole."""

    total: int
    last_24h: int
    last_1h: int
    by_symbol: dict[str, int]
    by_side: dict[str, int]  #: by order side: BUY = a short was liquidated, SELL = a long; both always present
    watchlist: int = 0  #: in which a followed account had a part; in none of the other counts
    by_venue: dict[str, VenueCoverage] = {}  #: venues with liquidations or their coverage in the store
    has_holes_24h: bool = False  #: not all of the 24 h is known to have been seen of each: `last_24h` is short by that
    has_holes_1h: bool = False


class CoverageRow(msgspec.Struct, frozen=True, gc=False):
    """An interval of one stream that was seen (`covered`) or missed (`gap`)."""

    venue: str
    channel: Channel
    instrument: str | None  #: None = every instrument of the channel
    kind: str  #: "covered" or "gap"
    ts_from: int  #: ns UTC
    ts_to: int | None  #: ns UTC; None for a gap that lasts
    is_open: bool
    connection: str | None  #: of a covered interval
    cause: str | None  #: of a gap; "restart" on a covered interval that a crash cut off
    source: Source = Source.STREAM  #: of a covered interval


class Aggregate(msgspec.Struct, frozen=True):
    """One minute of liquidations of one side of one symbol."""

    venue: str
    symbol: str
    side: str  #: order side, BUY or SELL
    ts_start: int  #: ns UTC, start of the minute
    total_size: float  #: base units
    avg_price: float  #: quote per base, weighted by size
    event_count: int
    total_notional_usd: float
    avg_lpi: float | None = None  #: 0–100, weighted by dollars, over those with an LPI; None if none has one
    mean_lpi: float | None = None  #: the same, unweighted
    lpi_count: int = 0  #: how many have one
    coverage: float | None = None  #: share of the minute that was seen, or filled since; None if nothing is known
    completeness: Completeness | None = None  #: what the venue publishes of it: not all, unless COMPLETE


class IntensityHour(msgspec.Struct, frozen=True):
    """One hour of liquidations of one side of one symbol, and how it ranks among the hours before it."""

    venue: str
    symbol: str
    side: str  #: order side, BUY or SELL
    ts_start: int  #: ns UTC, start of the hour
    total_size: float  #: base units
    avg_price: float | None  #: quote per base, weighted by size; None for an hour of the older collector
    event_count: int
    total_notional_usd: float | None  #: observed, a floor where the feed is sampled; None like `avg_price`
    avg_lpi: float | None  #: 0–100, weighted by dollars, over those with an LPI; None if none has one
    mean_lpi: float | None  #: the same, unweighted
    lpi_count: int  #: how many have one
    intensity: float | None  #: 0–100, percentile of the dollars; None with fewer than 24 hours to compare with
    hours_known: int  #: hours with liquidations, of the 30 days before, it was compared with
    coverage: float | None = None  #: share of the hour that was seen, or filled since; None if nothing is known
    completeness: Completeness | None = None  #: what the venue publishes of it: not all, unless COMPLETE
