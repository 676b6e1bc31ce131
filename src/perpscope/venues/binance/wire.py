"""What Binance's market streams carry, message by message; each knows the event it means.

https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams
Bytes come in through `read_combined` (`{"stream": …, "data": {…}}`) or `read_raw` (`{"e": …}`): one typed decode by
the tag `e`, and decoding is validation. Milliseconds leave as nanoseconds; fields we do not use are skipped unread.
The two commonest, quotes and aggregate trades, are turned into events by `stream` itself, without a call.
"""

from typing import Annotated, ClassVar, Literal, TypeAlias, final

import msgspec

from perpscope.model.instrument import InstrumentId, MarginTier
from perpscope.model.market import (
    BookDelta,
    Candle,
    Completeness,
    ContractUpdate,
    Interval,
    Level,
    Liquidation,
    MarkPrice,
    PositionSide,
    Sampling,
    Side,
    Trade,
)
from perpscope.model.stream import Ignored
from perpscope.ports import Decoded

MS = 1_000_000  #: ns in a millisecond
TRADING = "TRADING"  #: status of a contract that trades; others: PENDING_TRADING, PRE_SETTLE, SETTLING, CLOSE, …

_FIRST_MS, _END_MS = 1_483_228_800_000, 4_102_444_800_000
#: ms UTC from 2017-01-01 to 2100-01-01: seconds, microseconds and garbage fall outside.
Millis = Annotated[int, msgspec.Meta(ge=_FIRST_MS, lt=_END_MS)]
#: The same, or 0 for never. To be passed through `never_or_millis`: msgspec cannot bound a union of integers.
MillisOrNever = Annotated[int, msgspec.Meta(ge=0, lt=_END_MS)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
#: Numbers come as strings; the bounds keep out the "nan" and "inf" that a lax reading would let through.
Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e15)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, lt=1e15)]
Rate = Annotated[float, msgspec.Meta(gt=-1, lt=1)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
WireLevel: TypeAlias = tuple[Positive, NotNegative]
#: `st`, since the merge of 2026-06-30: 1 = USD-M, 2 = COIN-M. Absent on some streams: then the symbol decides.
UsdM: TypeAlias = Literal[1]

_INTERVALS = {interval.value: interval for interval in Interval}
_POSITION = {"SELL": PositionSide.LONG, "BUY": PositionSide.SHORT}
#: Members by name cost 80 ns each time they are looked up on their enum (Python 3.11), a third of an event.
BUY, SELL = Side.BUY, Side.SELL
_SAMPLED, _UNKNOWN = Completeness.SAMPLED, Sampling.UNKNOWN
#: 2020-01-01: a raw trade of November 2019 was seen without `X`, those of July 2020 and later all had it.
_X_SINCE_MS = 1_577_836_800_000
_MARKET = frozenset({"MARKET", ""})
#: `X` of a raw trade, where it is not a trade in the market.
_NOT_MARKET = {"INSURANCE_FUND": Ignored("insurance-fund"), "ADL": Ignored("adl")}
_OTHER_TRADE = Ignored("not-market")
_UNLISTED_INTERVAL = Ignored("unlisted-channel")
_NOT_FILLED = Ignored("not-filled")


def never_or_millis(name: str, moment: int) -> None:
    """Check a `MillisOrNever`; raises ValueError, which msgspec reports with the field's place."""
    if 0 < moment < _FIRST_MS:
        raise ValueError(f"Expected `{name}` = 0 or >= {_FIRST_MS}, got {moment}")


@final
class AggTrade(msgspec.Struct, tag_field="e", tag="aggTrade", gc=False):
    """Fills of one taker at one price within 100 ms. Insurance-fund and ADL fills are not in it."""

    s: str
    a: Count
    p: Positive
    q: Positive
    T: Millis
    m: bool  #: the buyer is the maker, so the taker sold
    st: UsdM = 1


class RawTrade(msgspec.Struct, tag_field="e", tag="trade", gc=False):
    """One fill; the stream is not documented for USD-M. `X` tells market trades from the rest."""

    s: str
    t: Count
    p: NotNegative  #: 0, like `q`, where `X` says that it is no trade
    q: NotNegative
    T: Millis
    m: bool
    X: str = ""  #: absent in 2019, when there were market trades only
    st: UsdM = 1

    def __post_init__(self) -> None:
        """What is a trade in the market says so, and has a price and a size."""
        if not self.X and self.T >= _X_SINCE_MS:
            raise ValueError("Expected `X`")
        if self.X in _MARKET and not (self.p and self.q):
            raise ValueError("Expected `p` and `q` > 0 where `X` is MARKET")

    def events(self, instrument: InstrumentId, ts_recv: int) -> Decoded:
        """The trade, or why it is none."""
        if self.X not in _MARKET:
            return _NOT_MARKET.get(self.X, _OTHER_TRADE)
        side = SELL if self.m else BUY
        return [Trade(instrument, self.T * MS, ts_recv, self.t, self.p, self.q, side, False)]


@final
class BookTicker(msgspec.Struct, tag_field="e", tag="bookTicker", gc=False):
    """Best bid and ask."""

    s: str
    u: Count
    b: Positive
    B: Positive
    a: Positive
    A: Positive
    T: Millis
    st: UsdM = 1


class OneSidedTicker(msgspec.Struct):
    """A `bookTicker` when a side has no orders and is published as zeros; looked for only where the above fails."""

    s: str
    u: Count
    b: NotNegative
    B: NotNegative
    a: NotNegative
    A: NotNegative
    T: Millis


class DepthUpdate(msgspec.Struct, tag_field="e", tag="depthUpdate", gc=False):
    """Levels that changed since `pu`. `U` is seldom `pu + 1`: only `pu` against the last `u` tells a hole."""

    s: str
    T: Millis
    U: Count
    u: Count
    pu: Count
    b: list[WireLevel]
    a: list[WireLevel]
    st: UsdM = 1

    def __post_init__(self) -> None:
        """Ids run forwards."""
        if self.u < self.U:
            raise ValueError(f"Expected `U` <= `u`, got {self.U} > {self.u}")

    def events(self, instrument: InstrumentId, ts_recv: int) -> Decoded:
        """The change of the book."""
        bids: list[Level] = self.b
        asks: list[Level] = self.a
        return [BookDelta(instrument, self.T * MS, ts_recv, self.U, self.u, self.pu, bids, asks)]


class _Bar(msgspec.Struct, gc=False):
    t: Millis
    i: str
    o: Positive
    c: Positive
    h: Positive
    l: Positive  # noqa: E741 - the venue's own name
    v: NotNegative
    n: Count
    x: bool
    q: NotNegative
    V: NotNegative  #: taker buys, base
    Q: NotNegative  #: taker buys, quote

    def __post_init__(self) -> None:
        """The low is the least of the four prices, the high the greatest, and taker buys are part of the volume."""
        if not (self.l <= self.o <= self.h and self.l <= self.c <= self.h):
            raise ValueError("Expected `l` <= `o`, `c` <= `h`")
        if self.v < self.V:
            raise ValueError("Expected `V` <= `v`")


class Kline(msgspec.Struct, tag_field="e", tag="kline", gc=False):
    """A candle, forming (every 250 ms) or closed (`x`)."""

    s: str
    E: Millis
    k: _Bar
    st: UsdM = 1

    def events(self, instrument: InstrumentId, ts_recv: int) -> Decoded:
        """The candle, if its interval is one we keep."""
        k = self.k
        interval = _INTERVALS.get(k.i)
        if interval is None:
            return _UNLISTED_INTERVAL
        return [
            Candle(
                instrument, self.E * MS, ts_recv, interval, k.t * MS, k.o, k.h, k.l, k.c, k.v, k.q, k.n, k.V, k.Q, k.x
            )
        ]


class MarkPriceUpdate(msgspec.Struct, tag_field="e", tag="markPriceUpdate", gc=False):
    """Mark, index and funding. `P` (estimated settlement) is not the predicted funding and is not used."""

    s: str
    E: Millis
    p: Positive
    T: MillisOrNever = 0  #: next funding; 0 for dated contracts
    i: NotNegative = 0.0  #: absent in 2019
    r: Rate | Literal[""] = ""  #: funding; empty, or zero with `T` = 0, for dated contracts
    st: UsdM = 1

    def __post_init__(self) -> None:
        """Funding is due at a moment, or never."""
        never_or_millis("T", self.T)

    def events(self, instrument: InstrumentId, ts_recv: int) -> Decoded:
        """The mark price, with funding where the contract has any."""
        rate = self.r if self.T and isinstance(self.r, float) else None
        ts_next = self.T * MS or None
        return [MarkPrice(instrument, self.E * MS, ts_recv, self.p, self.i or None, rate, ts_next)]


class _ForcedOrder(msgspec.Struct, gc=False):
    s: str
    S: Literal["BUY", "SELL"]  #: side of the *order*: SELL closes a long. Bybit's `S` says the opposite.
    q: NotNegative  #: ordered
    z: NotNegative  #: filled
    p: Positive  #: limit of the order = bankruptcy price
    ap: NotNegative  #: average fill, 0 if none
    X: str
    T: Millis
    st: UsdM = 1  #: here on `<symbol>@forceOrder`, beside `o` on `!forceOrder@arr`, or nowhere

    def __post_init__(self) -> None:
        """Something was to be closed."""
        if not (self.z or self.q):
            raise ValueError("Expected `z` or `q` > 0")


class ForceOrder(msgspec.Struct, tag_field="e", tag="forceOrder", gc=False):
    """A forced close: at most one per symbol and second. Which one, the venue's own pages do not agree on."""

    _EXECUTED: ClassVar[frozenset[str]] = frozenset({"FILLED", "PARTIALLY_FILLED"})

    o: _ForcedOrder
    st: UsdM = 1

    @property
    def s(self) -> str:
        """Symbol, where the other messages have it."""
        return self.o.s

    def events(self, instrument: InstrumentId, ts_recv: int) -> Decoded:
        """The liquidation, once it has been executed."""
        o = self.o
        if o.X not in self._EXECUTED:
            return _NOT_FILLED
        ts_event, position_side, size, fill_price = o.T * MS, _POSITION[o.S], o.z or o.q, o.ap or None
        return [Liquidation(instrument, ts_event, ts_recv, position_side, size, fill_price, o.p, _SAMPLED, _UNKNOWN)]


class _Bracket(msgspec.Struct, gc=False):
    bnf: NotNegative  #: floor, quote units
    bnc: Positive  #: cap; of the last one, the largest position that may be held
    mmr: Fraction
    cf: NotNegative  #: deduction, quote units
    ma: Positive  #: most leverage


class ContractInfo(msgspec.Struct, tag_field="e", tag="contractInfo", gc=False):
    """A contract was listed, halted or delisted, or has other brackets: those are told only when they change."""

    s: str
    E: Millis
    cs: str  #: status
    bks: list[_Bracket] = []
    st: UsdM = 1

    def events(self, instrument: InstrumentId, ts_recv: int) -> Decoded:
        """The contract as it is now. Brackets that are not a whole table, from 0 upwards without a hole, are not told.

        Whether Binance always sends the whole table has not been seen; a part of one must not pass for all of it.
        """
        rows = sorted(self.bks, key=lambda row: row.bnf)
        ends = [0.0, *(row.bnc for row in rows)]
        is_whole = all(row.bnf == end < row.bnc for row, end in zip(rows, ends, strict=False))
        tiers = tuple(MarginTier(row.bnf, row.bnc, row.mmr, row.ma, row.cf) for row in rows) if is_whole else ()
        return [ContractUpdate(instrument, self.E * MS, ts_recv, self.cs == TRADING, tiers)]


Message: TypeAlias = (
    AggTrade | RawTrade | BookTicker | DepthUpdate | Kline | MarkPriceUpdate | ForceOrder | ContractInfo
)
#: The tags above: a message of another kind is somebody else's.
LISTED = frozenset(
    {"aggTrade", "trade", "bookTicker", "depthUpdate", "kline", "markPriceUpdate", "forceOrder", "contractInfo"}
)


class Combined(msgspec.Struct, gc=False):
    """A message of a combined stream. The name beside it is not read: the message says all but one thing itself."""

    data: Message


read_combined = msgspec.json.Decoder(Combined, strict=False).decode
read_raw = msgspec.json.Decoder(Message, strict=False).decode
