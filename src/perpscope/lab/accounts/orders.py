"""Orders as an exchange keeps them: what was asked for, what has become of it, and the fills on the way."""

import enum
from decimal import Decimal

import msgspec

from perpscope.model.market import Side

ZERO = Decimal(0)


class Held(enum.Enum):
    """Which position an order is for: the only one, or one of two in hedge mode."""

    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"


class Kind(enum.Enum):
    """LIMIT and MARKET are orders; the others wait for a price and then become one of the two."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP = "STOP"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"

    @property
    def is_conditional(self) -> bool:
        """True if it waits for a price."""
        return self not in (Kind.LIMIT, Kind.MARKET)

    @property
    def then(self) -> "Kind":
        """What it becomes once its price has come."""
        return Kind.LIMIT if self in (Kind.LIMIT, Kind.STOP, Kind.TAKE_PROFIT) else Kind.MARKET


class Lasting(enum.Enum):
    """How long an order lasts."""

    GTC = "GTC"  #: until it is filled or cancelled
    IOC = "IOC"  #: what is not filled at once is given up
    FOK = "FOK"  #: all of it at once, or nothing
    GTX = "GTX"  #: never as taker
    GTD = "GTD"  #: until a time
    GTE_GTC = "GTE_GTC"  #: as long as its position


class Status(enum.Enum):
    """What has become of an order."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


class AlgoStatus(enum.Enum):
    """What has become of a conditional order."""

    NEW = "NEW"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"  #: the order it became is over
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class Turn(enum.Enum):
    """What just happened to an order."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    AMENDED = "AMENDMENT"
    FORCED = "CALCULATED"  #: filled by the exchange itself


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks for, plain or conditional."""

    symbol: str
    side: Side
    kind: Kind
    size: Decimal | None = None  #: base units; None only where the whole position is meant
    price: Decimal | None = None  #: quote per base, of limit orders
    lasting: Lasting = Lasting.GTC
    held: Held = Held.BOTH
    reduces: bool = False  #: never opens anything
    closes: bool = False  #: the whole position, whatever it is then
    client_id: str = ""
    good_till_ms: int = 0
    trigger: Decimal | None = None  #: quote per base
    by_mark: bool = False  #: the mark price triggers it, not the last trade
    is_protected: bool = False  #: waits while mark and last trade are far apart
    activation: Decimal | None = None  #: of a trailing one: where it begins to follow
    callback_pct: Decimal | None = None  #: of a trailing one: how far it follows, percent
    self_trade: str = "EXPIRE_MAKER"  #: kept and told; nobody trades with himself here
    price_match: str = "NONE"  #: likewise


class Order(msgspec.Struct, kw_only=True):
    """One order; changed in place by the exchange alone."""

    id: int
    ask: Ask
    client_id: str
    price: Decimal  #: quote per base; 0 at the market
    size: Decimal  #: base units
    created_ms: int
    updated_ms: int
    status: Status = Status.NEW
    filled: Decimal = ZERO  #: base units
    quote: Decimal = ZERO  #: Σ price × size of its fills
    ahead: Decimal = ZERO  #: base units at its price that come first
    triggered_by: "Algo | None" = None
    reason: str = "0"  #: why it expired, in the venue's number

    @property
    def left(self) -> Decimal:
        """Base units not filled."""
        return self.size - self.filled

    @property
    def is_open(self) -> bool:
        """True if it may still be filled."""
        return self.status in (Status.NEW, Status.PARTIALLY_FILLED)

    @property
    def average(self) -> Decimal:
        """Average price of its fills; 0 before the first."""
        return self.quote / self.filled if self.filled else ZERO

    @property
    def sign(self) -> int:
        """1 for what buys, -1 for what sells."""
        return 1 if self.ask.side is Side.BUY else -1


class Algo(msgspec.Struct, kw_only=True):
    """One conditional order; changed in place by the exchange alone."""

    id: int
    ask: Ask
    client_id: str
    created_ms: int
    updated_ms: int
    status: AlgoStatus = AlgoStatus.NEW
    triggered_ms: int = 0
    order: Order | None = None  #: what it became
    extreme: Decimal | None = None  #: of a trailing one: the best price since it follows
    reason: str = ""  #: why it was refused or has expired

    @property
    def is_open(self) -> bool:
        """True if it still waits."""
        return self.status is AlgoStatus.NEW


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One fill."""

    id: int
    order_id: int
    symbol: str
    side: Side
    held: Held
    price: Decimal  #: quote per base
    size: Decimal  #: base units
    fee: Decimal  #: paid; quote units, or of the coin it was paid in
    realised: Decimal  #: quote units, without the fee
    is_maker: bool
    ts_ms: int
    fee_coin: str = ""  #: that the fee was paid in; empty = the quote


class Income(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a wallet."""

    id: int
    symbol: str  #: empty for a transfer
    kind: str  #: TRANSFER, REALIZED_PNL, COMMISSION, FUNDING_FEE or INSURANCE_CLEAR
    amount: Decimal  #: quote units, or of a coin; below 0 what was paid
    ts_ms: int
    fill_id: int = 0
    coin: str = ""  #: whose wallet it changed; empty = the quote's
