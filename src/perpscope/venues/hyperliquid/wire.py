"""What Hyperliquid's WebSocket carries, message by message.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions
Bytes come in through `read`, one typed decode by the tag `channel`, and decoding is validation: numbers come as
strings, the bounds keep out what is none, and fields we do not use are skipped unread. Times are milliseconds.
"""

from typing import Annotated, Literal, TypeAlias, final

import msgspec

from perpscope.model.market import Level, PositionSide

MS = 1_000_000  #: ns in a millisecond

#: ms UTC from 2017-01-01 to 2100-01-01: seconds, microseconds and garbage fall outside.
Millis = Annotated[int, msgspec.Meta(ge=1_483_228_800_000, lt=4_102_444_800_000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e15)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, lt=1e15)]
Rate = Annotated[float, msgspec.Meta(gt=-1, lt=1)]
#: "B" = bid = bought, "A" = ask = sold: by the taker in `trades`, by the account itself in its fills.
WireSide: TypeAlias = Literal["B", "A"]

_LONG, _SHORT = PositionSide.LONG, PositionSide.SHORT
#: The vault that takes positions over where the market cannot. What it gets rid of later is nobody's liquidation.
_BACKSTOP = "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14"


@final
class TradeRow(msgspec.Struct, gc=False):
    """One fill. `users` are buyer and seller; an all-zero `hash` means nothing, and nothing marks a liquidation."""

    coin: str
    side: WireSide
    px: Positive
    sz: Positive
    time: Millis
    tid: Count  #: a hash of both orders' ids: unique, without order


@final
class Trades(msgspec.Struct, tag_field="channel", tag="trades", gc=False):
    """The trades of one coin in one block; or, right after subscribing and unmarked, the last ones before it."""

    data: list[TradeRow]


@final
class WireLevel(msgspec.Struct, gc=False):
    """What is on offer at a price."""

    px: Positive
    sz: Positive


class Levels(msgspec.Struct, gc=False):
    """The best 20 levels of each side, at most, in whatever order they were sent."""

    coin: str
    time: Millis
    levels: tuple[list[WireLevel], list[WireLevel]]  #: bids, asks

    @property
    def bids(self) -> list[Level]:
        """Best first."""
        return [(level.px, level.sz) for level in self.levels[0]]

    @property
    def asks(self) -> list[Level]:
        """Best first."""
        return [(level.px, level.sz) for level in self.levels[1]]


class Book(Levels, gc=False):
    """The same over REST, best levels first. On a socket `stream` sees to that, having made the pairs anyway."""

    def __post_init__(self) -> None:
        """Best levels come first."""
        if not in_order(self.bids, self.asks):
            raise ValueError(NOT_IN_ORDER)


NOT_IN_ORDER = "Expected bids falling and asks rising in `levels`"


def in_order(bids: list[Level], asks: list[Level]) -> bool:
    """True if prices fall and rise; two levels of one price may come either way."""
    if bids == sorted(bids, reverse=True) and asks == sorted(asks):
        return True  # of pairs, in C; it says no for some of one price
    bid_prices, ask_prices = [price for price, _ in bids], [price for price, _ in asks]
    return bid_prices == sorted(bid_prices, reverse=True) and ask_prices == sorted(ask_prices)


@final
class L2Book(msgspec.Struct, tag_field="channel", tag="l2Book", gc=False):
    """A whole book, at least half a second after the last; there are no changes in between."""

    data: Levels


class _BestOffers(msgspec.Struct, gc=False):
    coin: str
    time: Millis
    bbo: tuple[WireLevel | None, WireLevel | None]  #: bid, ask


@final
class Bbo(msgspec.Struct, tag_field="channel", tag="bbo", gc=False):
    """Best bid and ask, in blocks where they changed."""

    data: _BestOffers


class Bar(msgspec.Struct, gc=False):
    """One state of a candle; nothing says that it is the last."""

    t: Millis
    T: Millis  #: its last
    s: str
    i: str
    o: Positive
    c: Positive
    h: Positive
    l: Positive  # noqa: E741 - the venue's own name
    v: NotNegative
    n: Count

    def __post_init__(self) -> None:
        """The low is the least of the four prices, the high the greatest; it ends after it began."""
        if self.T <= self.t:
            raise ValueError(f"Expected `T` > `t`, got {self.T} <= {self.t}")
        if not (self.l <= self.o <= self.h and self.l <= self.c <= self.h):
            raise ValueError("Expected `l` <= `o`, `c` <= `h`")


class Candles(msgspec.Struct, tag_field="channel", tag="candle", gc=False):
    """A candle, on every change; the documentation says a list, the venue's clients read an object."""

    data: Bar | list[Bar]


class _Context(msgspec.Struct, gc=False):
    funding: Rate  #: of an hour
    openInterest: NotNegative  #: base units, one side
    oraclePx: NotNegative
    markPx: NotNegative


class _CoinContext(msgspec.Struct, gc=False):
    coin: str
    ctx: _Context


class ActiveAssetCtx(msgspec.Struct, tag_field="channel", tag="activeAssetCtx", gc=False):
    """Mark, oracle, funding and open interest; no time is told."""

    data: _CoinContext


class _Forced(msgspec.Struct, gc=False):
    liquidatedUser: str | None = None  #: optional in the documentation


class Fill(msgspec.Struct, gc=False):
    """A fill of the account followed; `liquidation` tells that one of the two sides was forced."""

    coin: str
    px: NotNegative
    sz: NotNegative
    side: WireSide  #: of the account followed, maker or taker
    time: Millis
    tid: Count
    dir: str
    liquidation: _Forced | None = None

    def __post_init__(self) -> None:
        """Something was closed at some price."""
        if self.liquidation is not None and not (self.px and self.sz):
            raise ValueError("Expected `px` and `sz` > 0 where there is a `liquidation`")

    @property
    def is_unwinding(self) -> bool:
        """True if a winner's position was closed against the backstop vault, which had taken the loser's before."""
        user = self.liquidation.liquidatedUser if self.liquidation is not None else None
        return self.dir == "Auto-Deleveraging" and user is not None and user.lower() == _BACKSTOP

    def position_side(self, account: str) -> PositionSide | None:
        """Whose position was closed, as far as it can be told from a fill of `account`.

        Taken over by the backstop vault, `dir` says it ("Liquidated Cross Long"). In the market the side does: who is
        liquidated and sells was long, and who buys from him is not he.
        """
        if self.dir.startswith("Liquidated") and self.dir.endswith(("Long", "Short")):
            return _LONG if self.dir.endswith("Long") else _SHORT
        liquidated = self.liquidation.liquidatedUser if self.liquidation is not None else None
        if liquidated is None:
            return None
        is_own = liquidated.lower() == account.lower()
        return _LONG if (self.side == "A") == is_own else _SHORT


class _Fills(msgspec.Struct, gc=False):
    user: str
    fills: list[Fill]
    isSnapshot: bool | None = None


class UserFills(msgspec.Struct, tag_field="channel", tag="userFills", gc=False):
    """Fills of an account followed; `isSnapshot` = those before the subscription."""

    data: _Fills


class Subscription(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a topic is to the venue. Echoes carry more (nulls, defaults), in another order: `name` is one for all."""

    type: str
    coin: str | None = None
    interval: str | None = None
    user: str | None = None
    nSigFigs: int | None = None
    mantissa: int | None = None

    @property
    def name(self) -> str:
        """Canonical JSON."""
        user = self.user.lower() if self.user is not None else None
        return msgspec.json.encode(msgspec.structs.replace(self, user=user)).decode()


class Request(msgspec.Struct):
    """What was asked, as the venue repeats it."""

    method: str
    subscription: Subscription


class Answer(msgspec.Struct, tag_field="channel", tag="subscriptionResponse"):
    """An acknowledgement."""

    data: Request


class Refusal(msgspec.Struct, tag_field="channel", tag="error"):
    """A refusal, in words that often end in the subscription's JSON."""

    data: str


class Pong(msgspec.Struct, tag_field="channel", tag="pong"):
    """The answer to our ping."""


Message: TypeAlias = Trades | L2Book | Bbo | Candles | ActiveAssetCtx | UserFills | Answer | Refusal | Pong
#: The tags above: a message of another kind is one we did not ask for.
LISTED = frozenset(
    {"trades", "l2Book", "bbo", "candle", "activeAssetCtx", "userFills", "subscriptionResponse", "error", "pong"}
)
#: Not JSON; what the venue's own client has seen as a first message.
GREETING = b"Websocket connection established."
#: What msgspec raises on hostile input besides its own errors: bad UTF-8 (a ValueError), absurd nesting or numbers.
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)

read = msgspec.json.Decoder(Message, strict=False).decode
_read_named = msgspec.json.Decoder(Request).decode
_read_subscription = msgspec.json.Decoder(Subscription).decode


def topic_in(words: str) -> str | None:
    """The topic whose JSON stands in the venue's words, by itself or in the message that named it."""
    shown = words[words.find("{") : words.rfind("}") + 1]
    try:
        return _read_named(shown).subscription.name
    except UNREADABLE:
        try:
            return _read_subscription(shown).name
        except UNREADABLE:
            return None
