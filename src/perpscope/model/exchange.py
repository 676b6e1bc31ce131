"""What an exchange says of our own account: orders, fills, positions, money, and what a key may do.

In: a venue's private dialect reads them off replies and its user stream. Out: `execution` compares them with what it
has written down. Sizes are base units, money is quote units, times are int nanoseconds UTC; all are frozen.
"""

import enum
from decimal import Decimal
from typing import TypeAlias

import msgspec

from perpscope.model.market import Side


class OrderState(enum.Enum):
    """What an exchange says has become of an order."""

    NEW = "new"  #: it stands: in the book, or as a condition that waits
    PARTLY = "partly-filled"
    TRIGGERED = "triggered"  #: a condition was met: it has become an order of its own (`OrderReport.becomes`)
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def is_over(self) -> bool:
        """Nothing more can be filled of it."""
        return self in (OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED)


class OrderReport(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One order as the exchange has it."""

    id: str  #: the client's own id; empty where the exchange made the order
    venue_id: str
    symbol: str
    is_conditional: bool  #: kept among the conditional orders, not in the book
    state: OrderState
    side: Side
    size: Decimal | None  #: None = whatever is held when it triggers
    filled: Decimal
    price: Decimal | None  #: limit, or trigger of a conditional one; None of a market order
    is_reducing: bool
    ts_event: int
    becomes: str = ""  #: `venue_id` of the order that a conditional one has become
    why: str = ""  #: of one that was rejected, or expired: the exchange's words


class OtherFee(msgspec.Struct, frozen=True, kw_only=True):
    """A fee that was paid in another coin than the quote: in Binance's own, where an account has chosen so."""

    asset: str
    amount: Decimal  #: of that coin; below 0 = a rebate
    rate: Decimal | None = None  #: quote units of one, as it was reckoned; None = not known
    ts_rate: int = 0  #: when it was so, ns UTC; 0 = not known


class TradeReport(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One fill of ours."""

    trade_id: int  #: unique within a symbol
    venue_id: str  #: of its order
    id: str  #: the client's id of it; empty where not told (lists of past fills)
    symbol: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal  #: quote units; below 0 = a rebate; 0 where it was paid in a coin whose worth is not known
    realised: Decimal  #: gross profit of what it closed
    is_maker: bool
    ts_event: int
    other: OtherFee | None = None  #: how the fee was paid, where not in the quote

    @property
    def is_fee_known(self) -> bool:
        """Whether `fee` is what was paid."""
        return self.other is None or self.other.rate is not None


class PositionReport(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What is held of a symbol."""

    symbol: str
    size: Decimal  #: signed: below 0 = short
    entry_price: Decimal | None  #: None while flat
    margin: Decimal | None  #: isolated; None where not told
    liquidation_price: Decimal | None
    ts_event: int


class BalanceReport(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Money of one asset."""

    asset: str
    wallet: Decimal  #: with the margin of positions, without what they have gained
    ts_event: int


class FundingReport(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A funding that was settled."""

    id: str  #: unique
    symbol: str
    paid: Decimal  #: below 0 = received
    ts_event: int


class KeyExpired(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The user stream's key is no more; nothing further will come on it."""

    ts_event: int


class Restrictions(msgspec.Struct, frozen=True, kw_only=True):
    """What an API key may do."""

    can_trade: bool
    can_withdraw: bool  #: or move money elsewhere in any way
    is_bound_to_address: bool


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How an account trades a symbol."""

    leverage: int
    is_isolated: bool
    is_hedged: bool  #: long and short apart: not what we trade
    taker: Decimal  #: fee, fraction
    maker: Decimal


class Ending(enum.Enum):
    """What a call to an exchange is known to have done."""

    DONE = "done"
    REFUSED = "refused"  #: not done, for a reason that asking again does not change
    FAILED = "failed"  #: not done; asking again may help
    LIMITED = "limited"  #: not done: too much was asked, nothing is to be sent for a while
    UNKNOWN = "unknown"  #: it may have been done: ask, never send again blindly


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A call's ending, in one form for every way it can go."""

    ending: Ending
    code: int | None = None  #: the venue's own
    why: str = ""  #: the venue's words, without secrets
    report: OrderReport | None = None  #: of an order, where one was told
    wait_s: float = 0.0  #: of LIMITED and FAILED: real seconds

    @property
    def is_done(self) -> bool:
        """Whether it was done."""
        return self.ending is Ending.DONE


#: What a user stream tells.
UserEvent: TypeAlias = OrderReport | TradeReport | PositionReport | BalanceReport | FundingReport | KeyExpired
