"""What Bybit's linear streams carry, message by message.

https://bybit-exchange.github.io/docs/v5/ws/connect and its pages on the public topics
Every message is `{"topic", "type", "ts", "data"}` with numbers as strings. Bytes come in through one typed decoder a
kind, and decoding is validation; fields we do not use are skipped unread. What a message means is said in `stream`.
"""

from typing import Annotated, Literal, TypeAlias, final

import msgspec
from msgspec import UNSET, UnsetType

MS = 1_000_000  #: ns in a millisecond

_FIRST_MS, _END_MS = 1_483_228_800_000, 4_102_444_800_000
#: ms UTC from 2017-01-01 to 2100-01-01: seconds, microseconds and garbage fall outside.
Millis = Annotated[int, msgspec.Meta(ge=_FIRST_MS, lt=_END_MS)]
#: The same, or 0 for never. To be passed through `never_or_millis`: msgspec cannot bound a union of integers.
MillisOrNever = Annotated[int, msgspec.Meta(ge=0, lt=_END_MS)]
#: The bounds keep out the "nan" and "inf" that a lax reading would let through.
Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e15)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, lt=1e15)]
Rate = Annotated[float, msgspec.Meta(gt=-1, lt=1)]
Hours = Annotated[float, msgspec.Meta(gt=0, le=24 * 7)]
#: An order book's `u`; 1 = the service was restarted and begins anew.
UpdateId = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
WireLevel: TypeAlias = tuple[Positive, NotNegative]
WireSide: TypeAlias = Literal["Buy", "Sell"]
Empty: TypeAlias = Literal[""]


def never_or_millis(name: str, moment: int) -> None:
    """Check a `MillisOrNever`; raises ValueError, which msgspec reports with the field's place."""
    if 0 < moment < _FIRST_MS:
        raise ValueError(f"Expected `{name}` = 0 or >= {_FIRST_MS}, got {moment}")


class Fill(msgspec.Struct, gc=False):
    """One trade."""

    T: Millis
    S: WireSide  #: of the taker
    v: Positive
    p: Positive
    i: Annotated[str, msgspec.Meta(min_length=1)]  #: a UUID; not contiguous
    BT: bool  #: agreed off the book


@final
class Trades(msgspec.Struct, gc=False):
    """`publicTrade.<symbol>`: up to 1,024 trades. Their `s` is the topic's symbol and is not read."""

    topic: str
    data: Annotated[list[Fill], msgspec.Meta(min_length=1)]


class Levels(msgspec.Struct, gc=False):
    """Levels of an order book: all of them, or those that changed."""

    b: list[WireLevel]
    a: list[WireLevel]
    u: UpdateId


@final
class Book(msgspec.Struct, gc=False):
    """`orderbook.<depth>.<symbol>`."""

    topic: str
    type: Literal["snapshot", "delta"]
    cts: Millis  #: of the matching engine; `ts` is when the message was made
    data: Levels


def in_order(bids: list[WireLevel], asks: list[WireLevel]) -> bool:
    """True if the best levels come first."""
    bid_prices, ask_prices = [price for price, _ in bids], [price for price, _ in asks]
    return bid_prices == sorted(bid_prices, reverse=True) and ask_prices == sorted(ask_prices)


class TickerFields(msgspec.Struct, gc=False):
    """What of a ticker is listened to. In a delta, a field that is not there has not changed.

    `openInterest` counts both sides. `singleOpenInterest` counts one; it came on 2026-06-11.
    """

    markPrice: NotNegative | Empty | UnsetType = UNSET
    indexPrice: NotNegative | Empty | UnsetType = UNSET
    fundingRate: Rate | Empty | UnsetType = UNSET  #: empty for dated contracts
    nextFundingTime: MillisOrNever | Empty | UnsetType = UNSET  #: 0 for dated contracts
    fundingIntervalHour: Hours | Empty | UnsetType = UNSET
    openInterest: NotNegative | Empty | UnsetType = UNSET  #: base units, both sides
    openInterestValue: NotNegative | Empty | UnsetType = UNSET  #: dollars, both sides
    singleOpenInterest: NotNegative | Empty | UnsetType = UNSET  #: base units, one side
    singleOpenInterestValue: NotNegative | Empty | UnsetType = UNSET  #: dollars, one side

    def __post_init__(self) -> None:
        """Funding is due at a moment, or never."""
        if isinstance(self.nextFundingTime, int):
            never_or_millis("nextFundingTime", self.nextFundingTime)


@final
class Ticker(msgspec.Struct, gc=False):
    """`tickers.<symbol>`: a snapshot, then what changed."""

    topic: str
    type: Literal["snapshot", "delta"]
    ts: Millis
    data: TickerFields


class Bar(msgspec.Struct, gc=False):
    """A candle; its length is said by the topic."""

    start: Millis
    open: Positive
    close: Positive
    high: Positive
    low: Positive
    volume: NotNegative  #: base units
    turnover: NotNegative  #: quote units
    confirm: bool  #: closed

    def __post_init__(self) -> None:
        """The low is the least of the four prices, the high the greatest."""
        if not (self.low <= self.open <= self.high and self.low <= self.close <= self.high):
            raise ValueError("Expected `low` <= `open`, `close` <= `high`")


@final
class Bars(msgspec.Struct, gc=False):
    """`kline.<minutes>.<symbol>`."""

    topic: str
    ts: Millis
    data: Annotated[list[Bar], msgspec.Meta(min_length=1)]


class ForcedClose(msgspec.Struct, gc=False):
    """A position that was taken over."""

    T: Millis
    s: str
    S: WireSide  #: of the *position*: Buy = a long was closed. Binance's `S` says the opposite.
    v: Positive  #: executed, base units
    p: Positive  #: bankruptcy price


@final
class Liquidations(msgspec.Struct, gc=False):
    """`allLiquidation.<symbol>`: every liquidation of half a second."""

    topic: str
    data: Annotated[list[ForcedClose], msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        """All are the topic's."""
        symbol = self.topic.rpartition(".")[2]
        for row in self.data:
            if row.s != symbol:
                raise ValueError(f"Expected `s` = {symbol[:40]}, got {row.s[:40]}")


Message: TypeAlias = Trades | Book | Ticker | Bars | Liquidations

read_trades = msgspec.json.Decoder(Trades, strict=False).decode
read_book = msgspec.json.Decoder(Book, strict=False).decode
read_ticker = msgspec.json.Decoder(Ticker, strict=False).decode
read_bars = msgspec.json.Decoder(Bars, strict=False).decode
read_liquidations = msgspec.json.Decoder(Liquidations, strict=False).decode
