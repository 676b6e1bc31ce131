"""What Bitget's v3 public topics carry, message by message.

https://www.bitget.com/api-doc/uta/websocket/public (topics publicTrade, books, books1, kline, ticker, liquidation)
Every message is `{"action": …, "arg": {"instType", "topic", …}, "data": […], "ts": ms}`; what is in `data` depends on
`arg.topic`. So there is one reader per topic, and decoding is validation: numbers come as strings, and the bounds keep
out "nan", "inf", zero prices, and seconds where milliseconds are meant. Fields we do not use are skipped unread.
"""

from typing import Annotated, Literal, TypeAlias, final

import msgspec

MS = 1_000_000  #: ns in a millisecond

_FIRST_MS, _END_MS = 1_483_228_800_000, 4_102_444_800_000
#: ms UTC from 2017-01-01 to 2100-01-01: seconds, microseconds and garbage fall outside.
Millis = Annotated[int, msgspec.Meta(ge=_FIRST_MS, lt=_END_MS)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e15)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, lt=1e15)]
Rate = Annotated[float, msgspec.Meta(gt=-1, lt=1)]
Identity = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
WireLevel: TypeAlias = tuple[Positive, NotNegative]
Action: TypeAlias = Literal["snapshot", "update"]
Usdt: TypeAlias = Literal["usdt-futures"]

USDT_FUTURES, COIN_FUTURES = "usdt-futures", "coin-futures"


class Arg(msgspec.Struct, omit_defaults=True, gc=False):
    """What is subscribed to. Its encoding is the name of a `Topic`, and an element of a subscription's `args`."""

    instType: str
    topic: str
    symbol: str = ""
    interval: str = ""


class AnyArg(msgspec.Struct, gc=False):
    """The same in a message that may be anybody's: v1 and v2 say `channel` and `instId` where v3 says `topic`."""

    instType: str = ""
    topic: str = ""
    symbol: str = ""
    interval: str = ""
    channel: str = ""


class Envelope(msgspec.Struct, gc=False):
    """A message seen from outside: data has an `arg` and no `event`, an answer has an `event`."""

    arg: AnyArg | None = None
    event: str | None = None
    code: int | str | None = None
    msg: str = ""


class _OfTrades(msgspec.Struct, gc=False):
    instType: Usdt
    topic: Literal["publicTrade"]
    symbol: str


class TradeRow(msgspec.Struct, gc=False):
    """One fill."""

    i: Identity
    p: Positive
    v: Positive  #: base units of USDT-margined contracts
    S: Literal["buy", "sell"]  #: side of the taker
    T: Millis


@final
class Trades(msgspec.Struct, gc=False):
    """Fills, newest first. The first message of a subscription (`snapshot`) is history."""

    action: Action
    arg: _OfTrades
    data: list[TradeRow]


class _OfBook(msgspec.Struct, gc=False):
    instType: Usdt
    topic: Literal["books"]
    symbol: str


class _Levels(msgspec.Struct, gc=False):
    a: list[WireLevel]
    b: list[WireLevel]
    seq: Count
    pseq: Count
    ts: Millis  #: of the match


@final
class Books(msgspec.Struct, gc=False):
    """The whole book (`snapshot`), or the levels that changed between `pseq` and `seq` (`update`)."""

    action: Action
    arg: _OfBook
    data: tuple[_Levels]


class _OfTop(msgspec.Struct, gc=False):
    instType: Usdt
    topic: Literal["books1"]
    symbol: str


class _Top(msgspec.Struct, gc=False):
    a: list[tuple[Positive, Positive]]
    b: list[tuple[Positive, Positive]]
    seq: Count
    ts: Millis  #: of the match


@final
class Books1(msgspec.Struct, gc=False):
    """Best bid and ask, whole each time; skips numbers lawfully."""

    arg: _OfTop
    data: tuple[_Top]


class _OfBar(msgspec.Struct, gc=False):
    instType: Usdt
    topic: Literal["kline"]
    symbol: str
    interval: str


class Bar(msgspec.Struct, gc=False):
    """A candle as it stands; nothing says whether it is closed."""

    start: Millis
    open: Positive
    high: Positive
    low: Positive
    close: Positive
    volume: NotNegative  #: base units
    turnover: NotNegative  #: quote units

    def __post_init__(self) -> None:
        """The low is the least of the four prices, the high the greatest."""
        if not (self.low <= self.open <= self.high and self.low <= self.close <= self.high):
            raise ValueError("Expected `low` <= `open`, `close` <= `high`")


@final
class Klines(msgspec.Struct, gc=False):
    """Candles of one length."""

    arg: _OfBar
    data: list[Bar]
    ts: Millis


class _OfTicker(msgspec.Struct, gc=False):
    instType: Usdt
    topic: Literal["ticker"]
    symbol: str


class _TickerRow(msgspec.Struct, gc=False):
    markPrice: NotNegative | Literal[""]  #: 0 or empty while a listing is prepared
    indexPrice: NotNegative | Literal[""] = ""
    fundingRate: Rate | Literal[""] = ""
    nextFundingTime: int | Literal[""] = ""
    openInterest: NotNegative | Literal[""] = ""  #: base units
    deliveryTime: str = ""  #: empty for perpetuals

    def __post_init__(self) -> None:
        """Funding is due at a moment, or never."""
        if self.nextFundingTime and not _FIRST_MS <= self.nextFundingTime < _END_MS:
            raise ValueError(f"Expected `nextFundingTime` = 0 or >= {_FIRST_MS}, got {self.nextFundingTime}")


@final
class Tickers(msgspec.Struct, gc=False):
    """Mark, index, funding and open interest, whole each time; there is no topic for any of them alone."""

    arg: _OfTicker
    data: tuple[_TickerRow]
    ts: Millis


class _OfMarket(msgspec.Struct, gc=False):
    instType: Usdt
    topic: Literal["liquidation"]
    symbol: str = ""  #: there is none


class LiquidationRow(msgspec.Struct, frozen=True, gc=False):
    """The largest forced close of one side of one contract in a second."""

    symbol: str
    side: Literal["buy", "sell"]  #: of the *position*: "buy" = a long was closed. Binance and OKX say the opposite.
    price: Positive
    amount: Positive  #: in what unit is disputed, see `amount`
    ts: Millis


@final
class Liquidations(msgspec.Struct, gc=False):
    """Forced closes of the whole market."""

    arg: _OfMarket
    data: list[LiquidationRow]


Message: TypeAlias = Trades | Books | Books1 | Klines | Tickers | Liquidations

read_envelope = msgspec.json.Decoder(Envelope).decode
read_trades = msgspec.json.Decoder(Trades, strict=False).decode
read_books = msgspec.json.Decoder(Books, strict=False).decode
read_books1 = msgspec.json.Decoder(Books1, strict=False).decode
read_klines = msgspec.json.Decoder(Klines, strict=False).decode
read_tickers = msgspec.json.Decoder(Tickers, strict=False).decode
read_liquidations = msgspec.json.Decoder(Liquidations, strict=False).decode
