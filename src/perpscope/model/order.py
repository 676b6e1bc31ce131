"""Decisions and money, on one page: opinion, wish, fact, sum of facts.

A `Signal` is an opinion, an `OrderRequest` a wish, a `Fill` a fact, a `Position` the sum of facts. Money that moves is
`Decimal`, quantised to the contract's tick and step; inside a run it is whole ticks, steps and 10⁻⁸ of the quote
(`trading.units`). All are frozen. Times are int nanoseconds UTC.
"""

import enum
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Candle, MarketEvent, PositionSide, Side


class OrderKind(enum.Enum):
    """How an order is filled."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"  #: market, when the mark price reaches its trigger against the position
    TAKE = "take"  #: market, when the mark price reaches its trigger in favour of it


class Role(enum.Enum):
    """What an order is for."""

    ENTRY = "entry"
    LEAVE = "exit"
    PROTECT = "stop"
    PROFIT = "take-profit"
    LIQUIDATED = "liquidation"
    FLATTEN = "flatten"


class Edge(enum.Enum):
    """Whether a model has been shown to be worth acting on."""

    NONE = "none"  #: its probabilities are told, and nothing is done
    PROMOTED = "promoted"


class Signal(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a strategy thinks: no order."""

    instrument: InstrumentId
    ts_event: int  #: ns UTC, close of the candle, or the second, it is of
    ts_recv: int  #: ns UTC, when it was thought
    strategy: str
    side: PositionSide | None  #: None = FLAT: it would rather hold nothing
    why: str  #: the strategy's own word for it
    failed: tuple[str, ...] = ()  #: entry rules that were not met: a near miss has one
    p_up: float | None = None  #: calibrated probability of a net gain held long
    p_down: float | None = None  #: of one held short
    edge_bps: float | None = None  #: expected net return of the better side, basis points
    confidence: float | None = None  #: in [0, 1]
    edge: Edge | None = None  #: of a model's signal
    refusal: str = ""  #: why risk did not let it pass; empty = it did, or nothing was wished
    values: dict[str, float] = {}  #: what the rules looked at, by name


class Clusters(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The liquidation map's nearest clusters, as they were known at a moment."""

    instrument: InstrumentId
    ts_recv: int  #: ns UTC, from when on it may be used
    above_price: float | None  #: nearest top-decile cluster above the price, quote per base
    above_usd: float
    below_price: float | None
    below_usd: float
    pull: float  #: (force above - force below) / their sum, in [-1, 1]; METHOD 6.10


class Forecast(msgspec.Struct, frozen=True, gc=False, tag=True):
    """What a model says of the minutes after a candle."""

    instrument: InstrumentId
    ts_event: int  #: ns UTC, close of the candle
    ts_recv: int  #: ns UTC, from when on it may be used
    model: str  #: its id
    p_up: float
    p_down: float
    edge: float  #: expected net return of the better side, fraction
    confidence: float  #: in [0, 1]
    is_promoted: bool
    is_late: bool = False  #: the close came more than 3 s late: it is told, and not traded


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a strategy wishes, as risk approved it."""

    id: str  #: made of run, strategy and number: sent again it is the same order
    instrument: InstrumentId
    ts_recv: int  #: ns UTC, of the decision
    side: Side
    size: Decimal  #: base units
    kind: OrderKind
    role: Role
    price: Decimal | None = None  #: limit, or trigger on the mark; None of a market order
    is_reducing: bool = False
    ts_expires: int | None = None  #: ns UTC
    why: str = ""


class SmallerOrder(OrderRequest, frozen=True, kw_only=True, tag="OrderRequest"):
    """One that is sent with less than was decided; written down, it is the order and these two besides."""

    wished: Decimal  #: base units that were decided
    bound: str  #: what made them fewer: LARGEST


#: The largest order that the exchange takes made one smaller.
LARGEST: Final = "largest"


class Fill(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Some of an order was filled, or the exchange closed a position."""

    order: str  #: its id; empty of a liquidation
    instrument: InstrumentId
    ts_event: int  #: ns UTC, the exchange's
    ts_recv: int  #: ns UTC
    side: Side
    price: Decimal  #: quote per base
    size: Decimal  #: base units
    fee: Decimal  #: quote units; below 0 = a rebate
    is_maker: bool
    role: Role
    is_fee_known: bool = True  #: False: paid in a coin whose worth is not known, and left out of `fee`


class OrderClosed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An order will not be filled any further: refused, cancelled or expired."""

    order: str
    instrument: InstrumentId
    ts_event: int
    ts_recv: int
    why: str


class FundingCharged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A position paid funding, or received it."""

    instrument: InstrumentId
    ts_event: int
    ts_recv: int
    paid: Decimal  #: quote units; below 0 = received


class Standing(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How far decisions go from here on, and how the exchange answers; told when any of it changes."""

    ts_recv: int
    mode: int  #: of `layout.RISK`: 0 observe, 1 paper, 2 live
    halted: str = ""  #: why nothing may be opened and all is to be closed; empty = it may
    skew_ns: int = 0  #: the exchange's clock against ours
    calls: int = 0  #: asked of the exchange within the last minute
    errors: int = 0  #: of these, failed
    is_mismatched: bool = False  #: the exchange's position is not ours
    is_reset: bool = False  #: somebody lifts whatever halted it, the desk's own limits too; told once


class WorkingOrder(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An order that was working when a run was taken up again."""

    number: int  #: within its run; see `DeskView.order_id`
    kind: OrderKind
    role: Role
    side: Side
    size: Decimal
    filled: Decimal
    price: Decimal | None


class Resumed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a desk of paper or live begins with: what it knows of the market, the account, and what risk remembers."""

    instrument: InstrumentId
    ts_recv: int
    candles: list[Candle] = []  #: closed, of a minute, oldest first
    wallet: Decimal  #: cash and the margin of the position
    position: Decimal = Decimal(0)  #: base units, signed
    entry_price: Decimal | None = None
    margin: Decimal = Decimal(0)
    ts_opened: int = 0
    orders: list[WorkingOrder] = []
    orders_made: int = 0  #: numbers that are used up
    risk: dict[str, float] = {}  #: what of `layout.RISK` was remembered, by field


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """What is held of one instrument."""

    instrument: InstrumentId
    side: PositionSide | None  #: None = flat
    size: Decimal  #: base units, >= 0
    entry_price: Decimal | None  #: average, quote per base
    margin: Decimal  #: isolated, quote units
    liquidation_price: float | None
    ts_opened: int | None


#: What comes back from an exchange about our own orders; re-enters by the front door.
AccountEvent: TypeAlias = Fill | OrderClosed | FundingCharged
#: What re-enters of a run's own affairs, and is kept in its recording: account, standing, and what it began with.
OwnEvent: TypeAlias = Fill | OrderClosed | FundingCharged | Standing | Resumed
#: What workers made of the market; re-enters by the front door.
DerivedEvent: TypeAlias = Clusters | Forecast
#: What re-enters, of either kind: not heard from a venue's market, and kept in a recording as it is.
ReturnedEvent: TypeAlias = OwnEvent | DerivedEvent
#: Whatever comes through the front door, in the order of receipt.
Arrival: TypeAlias = MarketEvent | ReturnedEvent
