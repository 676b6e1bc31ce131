"""Every market event, on one page.

All are frozen and never changed after birth. `ts_event` is the venue's own time and `ts_recv` ours, both int
nanoseconds UTC. Prices are quote per base, sizes are **base units** (never contracts).
"""

import enum
from typing import TypeAlias

import msgspec

from perpscope.model.instrument import InstrumentId, MarginTier
from perpscope.model.stream import Stream

Level: TypeAlias = tuple[float, float]  #: (price, size); a size of 0 in a delta removes the price


class Side(enum.Enum):
    """Side of the taker of a trade, or of an order."""

    BUY = "BUY"
    SELL = "SELL"


class PositionSide(enum.Enum):
    """Whose position it was: LONG liquidated = forced selling."""

    LONG = "LONG"
    SHORT = "SHORT"


class Completeness(enum.Enum):
    """How much of what happened a feed publishes."""

    COMPLETE = "complete"
    SAMPLED = "sampled"
    WATCHLIST = "watchlist"


class Sampling(enum.Enum):
    """How a sampled feed chooses what it publishes."""

    LARGEST_1S = "largest_1s"
    LATEST_1S = "latest_1s"
    NONE = "none"
    UNKNOWN = "unknown"


class Trade(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A taker hit the book."""

    instrument: InstrumentId
    ts_event: int  #: ns UTC, of the match
    ts_recv: int  #: ns UTC
    trade_id: int | str  #: the venue's id; contiguous at Binance, else as the venue likes
    price: float  #: quote per base
    size: float  #: base units
    side: Side  #: of the taker
    is_aggregate: bool  #: several fills of one price and side in one event


class Quote(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Best bid and ask."""

    instrument: InstrumentId
    ts_event: int  #: ns UTC
    ts_recv: int  #: ns UTC
    update_id: int  #: same numbering as the book's updates; the venue's ms where it has none; 0 if numbered apart
    bid: float  #: quote per base
    bid_size: float  #: base units
    ask: float  #: quote per base
    ask_size: float  #: base units


class BookDelta(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Levels that changed; sizes are absolute."""

    instrument: InstrumentId
    ts_event: int  #: ns UTC
    ts_recv: int  #: ns UTC
    first_update_id: int
    last_update_id: int
    prev_update_id: int  #: `last_update_id` of the delta before this one
    bids: list[Level]
    asks: list[Level]


class BookSnapshot(msgspec.Struct, frozen=True, gc=False, tag=True, omit_defaults=True):
    """The whole book, or its top, at one update id. Best levels first."""

    instrument: InstrumentId
    ts_event: int  #: ns UTC
    ts_recv: int  #: ns UTC
    last_update_id: int
    bids: list[Level]
    asks: list[Level]
    is_stream: bool = False  #: sent in its place among the deltas: it replaces the book; False = a REST copy to bridge
    is_top: bool = False  #: a REST copy of few levels, for haste: how the book goes on beyond them is not told


class Interval(enum.Enum):
    """Length of a candle."""

    M1 = "1m"
    M15 = "15m"
    H1 = "1h"

    @property
    def ns(self) -> int:
        """Length in nanoseconds."""
        return {"1m": 60, "15m": 900, "1h": 3600}[self.value] * 1_000_000_000


class Candle(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Open, high, low, close and volumes of one interval; forming until `is_closed`."""

    instrument: InstrumentId
    ts_event: int  #: ns UTC, when the venue published this state of it
    ts_recv: int  #: ns UTC
    interval: Interval
    ts_open: int  #: ns UTC, start of the interval
    open: float  #: quote per base
    high: float
    low: float
    close: float
    volume: float  #: base units
    quote_volume: float | None  #: quote units, where published
    trades: int | None  #: number of trades, where published
    taker_buy_volume: float | None  #: base units, where published; taker sell volume is `volume - taker_buy_volume`
    taker_buy_quote_volume: float | None  #: quote units, where published
    is_closed: bool


class MarkPrice(msgspec.Struct, frozen=True, gc=False, tag=True, omit_defaults=True):
    """The price positions are margined at, and the funding that is due."""

    instrument: InstrumentId
    ts_event: int  #: ns UTC
    ts_recv: int  #: ns UTC
    mark: float  #: quote per base
    index: float | None  #: quote per base, where published
    funding_rate: float | None  #: fraction per interval; None for dated contracts
    ts_next_funding: int | None  #: ns UTC; None for dated contracts, or where not published
    funding_interval_h: float | None = None  #: hours the rate is for, where the message tells


class Lpi(msgspec.Struct, frozen=True, gc=False):
    """How large a liquidation was, and how stretched its price, among those of the week before it."""

    value: float | None  #: 0–100, 50 on average; None without a reference price, or with fewer than 100 to compare
    bps: float | None  #: price beyond the reference, to the holder's loss, basis points; None without a reference price
    reference_price: float | None  #: mark price 60 s before, quote per base; None if it is not known
    sample: int  #: earlier liquidations it was ranked among; 0 without a reference price


class Liquidation(msgspec.Struct, frozen=True, gc=False, tag=True, omit_defaults=True):
    """A venue closed somebody's position by force."""

    instrument: InstrumentId
    ts_event: int  #: ns UTC, stamped by the venue
    ts_recv: int  #: ns UTC, stamped by us on the frame
    position_side: PositionSide  #: whose position was closed: LONG = forced selling
    size: float  #: base units
    fill_price: float | None  #: quote per base, average of the forced order's fills, where the venue tells
    bankruptcy_price: float | None  #: quote per base, where the venue tells
    completeness: Completeness
    sampling: Sampling
    lpi: Lpi | None = None  #: reckoned by the engine; None before, and where the venue told no price
    venue_id: str = ""  #: the venue's own id, or what tells two alike in one frame apart; the same when sent again

    @property
    def price(self) -> float:
        """Fill price where there is one, else bankruptcy price; quote per base. NaN if the venue told neither."""
        if self.fill_price is not None:
            return self.fill_price
        return self.bankruptcy_price if self.bankruptcy_price is not None else float("nan")

    @property
    def notional_usd(self) -> float:
        """`size × price`, dollars (USDT and USDC count as dollars)."""
        return self.size * self.price


class OpenInterest(msgspec.Struct, frozen=True, gc=False, tag=True):
    """What is held: one side, so one long and one short of the same size are one unit."""

    instrument: InstrumentId
    ts_event: int  #: ns UTC, of the count
    ts_recv: int  #: ns UTC
    open_interest: float  #: base units, one side
    open_interest_usd: float | None  #: dollars, as the venue reckons them, where published


class RatioKind(enum.Enum):
    """Whose longs and shorts are counted, and how."""

    ALL_ACCOUNTS = "all_accounts"  #: accounts net long, of all
    TOP_ACCOUNTS = "top_accounts"  #: accounts net long, of the largest (each venue's own choice)
    TOP_POSITIONS = "top_positions"  #: position size that is long, of the largest
    ALL_POSITIONS = "all_positions"  #: position size that is long, of all who hold any


class AccountRatio(msgspec.Struct, frozen=True, gc=False, tag=True):
    """How many of a venue's accounts, or how much of their positions, are long."""

    instrument: InstrumentId
    ts_event: int  #: ns UTC, end of the period, whatever end the venue stamps
    ts_recv: int  #: ns UTC
    kind: RatioKind
    period_s: int  #: seconds
    long_fraction: float  #: in [0, 1]; longs ÷ shorts is `long_fraction / (1 - long_fraction)`


class TakerVolume(msgspec.Struct, frozen=True, gc=False, tag=True):
    """What takers bought and sold in a period."""

    instrument: InstrumentId
    ts_event: int  #: ns UTC, end of the period, whatever end the venue stamps
    ts_recv: int  #: ns UTC
    period_s: int  #: seconds
    buy_volume: float  #: base units
    sell_volume: float  #: base units


class FundingPaid(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Longs paid shorts `funding_rate` of their notional, or were paid it where it is below zero."""

    instrument: InstrumentId
    ts_event: int  #: ns UTC, of the payment
    ts_recv: int  #: ns UTC
    funding_rate: float  #: fraction, for the interval that ended
    mark: float | None  #: quote per base, that it was reckoned at, where published


class PublicPosition(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A position anybody may look at, with the liquidation price the venue itself reckons."""

    instrument: InstrumentId
    ts_event: int  #: ns UTC, when the venue looked
    ts_recv: int  #: ns UTC
    account: str  #: the venue's public name for the holder
    position_side: PositionSide
    size: float  #: base units, > 0
    entry_price: float  #: quote per base
    leverage: float  #: multiple
    is_cross: bool  #: margined with the rest of the account
    margin_usd: float  #: dollars set aside
    liquidation_price: float | None  #: quote per base; None where no price would liquidate it


class ContractUpdate(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A contract was listed, halted, delisted, or given other margin tiers."""

    instrument: InstrumentId
    ts_event: int  #: ns UTC
    ts_recv: int  #: ns UTC
    is_trading: bool
    tiers: tuple[MarginTier, ...]  #: empty where the message does not tell


class Gap(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Something was not seen: a hole in a venue's numbering, a lost connection, or an event we could not keep."""

    venue: str
    streams: tuple[Stream, ...]  #: what was not seen
    ts_from: int  #: ns UTC, last moment vouched for
    ts_to: int | None  #: ns UTC, first moment vouched for again; None while it lasts
    cause: str  #: kebab-case: "sequence", "disconnect", "silent", "refused", "crossed", "restart", "stopped", …
    ts_recv: int  #: ns UTC, when it was noticed


class Connected(msgspec.Struct, frozen=True, gc=False, tag=True, omit_defaults=True):
    """A connection is open; nothing has been said on it."""

    venue: str
    connection: str  #: e.g. "binance/market/0", or "binance/market/0b" for the one that is to take its place
    ts_recv: int  #: ns UTC
    lead_ns: int = 0  #: how far the venue's clock is ahead of ours, as the venue tells its time


class Subscribed(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A connection is open and the venue has acknowledged these streams on it."""

    venue: str
    connection: str  #: e.g. "binance/market/0"; a new connection of the same name replaces the old
    streams: tuple[Stream, ...]
    ts_recv: int  #: ns UTC, of the acknowledgement


class Unheard(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A connection goes on, but not these streams: the venue refused them, or says nothing of them."""

    venue: str
    connection: str
    streams: tuple[Stream, ...]
    cause: str  #: "refused", "unacknowledged"
    ts_recv: int  #: ns UTC, when it was noticed


class Alive(msgspec.Struct, frozen=True, gc=False, tag=True, omit_defaults=True):
    """Data has arrived on a connection; sent before a `Tick` for each connection that had any since the last."""

    connection: str
    ts_last: int  #: ns UTC, `ts_recv` of its last data frame
    frames: int  #: data frames since the connection opened
    ts_recv: int  #: ns UTC
    lag_ns: int = 0  #: from the venue's stamp to our receipt; below zero where our clock is behind the venue's


class Source(enum.Enum):
    """How what is covered came to us."""

    STREAM = "stream"
    POLL = "poll"  #: asked for again and again
    BACKFILL = "backfill"  #: asked for afterwards
    IMPORT = "import"  #: recorded by others


class Covered(msgspec.Struct, frozen=True, gc=False, tag=True, omit_defaults=True):
    """Everything these streams published between two moments has been seen, as far as the venue publishes it.

    Sent by the coverage ledger at each `Tick` for each open connection, and once more with `is_open=False` when the
    connection is gone. `(streams, ts_from, source)` names the interval; only `ts_to` moves. What was asked for
    afterwards fills gaps: it wins over them, whichever is told first.
    """

    venue: str
    connection: str
    streams: tuple[Stream, ...]
    ts_from: int  #: ns UTC
    ts_to: int  #: ns UTC
    is_open: bool
    ts_recv: int  #: ns UTC
    source: Source = Source.STREAM


class Disconnected(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A connection is gone, or was given up."""

    connection: str
    cause: str  #: "disconnect", "silent", "stopped", "end-of-recording", …
    ts_recv: int  #: ns UTC


class Tick(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Time passes, also in a quiet market."""

    ts_recv: int  #: ns UTC


#: What is told of one instrument.
InstrumentEvent: TypeAlias = (
    Trade
    | Quote
    | BookDelta
    | BookSnapshot
    | Candle
    | MarkPrice
    | Liquidation
    | OpenInterest
    | AccountRatio
    | TakerVolume
    | FundingPaid
    | PublicPosition
    | ContractUpdate
)
#: What is told of the feed itself.
FeedEvent: TypeAlias = Gap | Connected | Subscribed | Unheard | Alive | Covered | Disconnected | Tick
MarketEvent: TypeAlias = InstrumentEvent | FeedEvent
