"""What can be subscribed: one Struct per `type`, with the fields the venue echoes, and the topic each stands for.

Decoding is validation. The echo has the defaults filled in and addresses in lower case; which fields that are seen
for `l2Book` and `userFills`, the others are written alike.
"""

from typing import TypeAlias

import msgspec

from perpscope.lab.wire.hyperliquid.asked import Address, IntervalName
from perpscope.lab.wire.hyperliquid.books import Cut


class _Any(msgspec.Struct, tag_field="type"):
    """A subscription."""


class _Dex(msgspec.Struct, tag_field="type", omit_defaults=True):
    dex: str | None = None


class AllMids(_Dex, tag="allMids"):
    """Every mid, every 5 s."""


class AllDexsAssetCtxs(_Any, tag="allDexsAssetCtxs"):
    """Every context of every dex, every 15 s."""


class FastAssetCtxs(_Any, tag="fastAssetCtxs"):
    """Mark and mid of what changed, every second, deflated."""


class Trades(_Any, tag="trades"):
    """Trades of a block."""

    coin: str


class Bbo(_Any, tag="bbo"):
    """Best prices, on the blocks that change them."""

    coin: str


class L2Book(_Any, tag="l2Book"):
    """Whole books."""

    coin: str
    nSigFigs: int | None = None
    mantissa: int | None = None
    fast: bool = False


class Candle(_Any, tag="candle"):
    """The forming candle, when it changes."""

    interval: IntervalName
    coin: str


class ActiveAssetCtx(_Any, tag="activeAssetCtx"):
    """A coin's context, every second."""

    coin: str


class OfUser(_Any):
    """Anything about an account."""

    user: Address


class UserFills(OfUser, tag="userFills"):
    """Fills, the newest first of all."""

    aggregateByTime: bool = False


class UserEvents(OfUser, tag="userEvents"):
    """Fills again, on the channel `user`."""


class ClearinghouseState(OfUser, tag="clearinghouseState"):
    """Positions and margin, every 5 s."""

    dex: str = ""


class AllDexsClearinghouseState(OfUser, tag="allDexsClearinghouseState"):
    """The same for every dex."""


class WebData3(OfUser, tag="webData3"):
    """What the venue's own pages need."""


class OpenOrders(OfUser, tag="openOrders"):
    """Resting orders: none."""

    dex: str = ""


class UserFundings(OfUser, tag="userFundings"):
    """Funding payments: none are made."""


class UserNonFundingLedgerUpdates(OfUser, tag="userNonFundingLedgerUpdates"):
    """Transfers: none are made."""


class OrderUpdates(OfUser, tag="orderUpdates"):
    """Silence: no orders are seen."""


class Notification(OfUser, tag="notification"):
    """Silence."""


Subscription: TypeAlias = (
    AllMids
    | AllDexsAssetCtxs
    | FastAssetCtxs
    | Trades
    | Bbo
    | L2Book
    | Candle
    | ActiveAssetCtx
    | UserFills
    | UserEvents
    | ClearinghouseState
    | AllDexsClearinghouseState
    | WebData3
    | OpenOrders
    | UserFundings
    | UserNonFundingLedgerUpdates
    | OrderUpdates
    | Notification
)
_decode = msgspec.json.Decoder(Subscription).decode


class Wish(msgspec.Struct, frozen=True):
    """A subscription as the venue understands it."""

    topic: str
    echo: bytes
    coin: str | None = None  #: None if it is not about one
    user: str | None = None  #: likewise
    is_possible: bool = True  #: False for what costs the connection, whatever the coin


def understood(said: bytes) -> Wish:
    """Read a subscription.

    Raises:
        msgspec.MsgspecError: the venue does not know such a thing.
        UnicodeDecodeError: it is not even text.
    """
    wanted = _decode(said)
    if isinstance(wanted, OfUser):
        wanted.user = wanted.user.lower()
    name = str(type(wanted).__struct_config__.tag)
    echo = msgspec.json.encode(wanted)
    match wanted:
        case L2Book():
            cut = Cut(wanted.nSigFigs, wanted.mantissa, wanted.fast)
            return Wish(f"{name}:{wanted.coin}{cut.suffix}", echo, wanted.coin, is_possible=cut.is_valid)
        case Candle():
            return Wish(f"{name}:{wanted.coin}:{wanted.interval}", echo, wanted.coin)
        case Trades() | Bbo() | ActiveAssetCtx():
            return Wish(f"{name}:{wanted.coin}", echo, wanted.coin)
        case UserFills():
            suffix = ":byTime" if wanted.aggregateByTime else ""
            return Wish(f"{name}:{wanted.user}{suffix}", echo, user=wanted.user)
        case ClearinghouseState() | OpenOrders():
            return Wish(f"{name}:{wanted.user}", echo, user=wanted.user, is_possible=not wanted.dex)
        case AllMids():
            return Wish(name, echo, is_possible=not wanted.dex)
        case OfUser():
            return Wish(f"{name}:{wanted.user}", echo, user=wanted.user)
        case _:
            return Wish(name, echo)
