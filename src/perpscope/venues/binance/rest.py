"""REST calls to make, and what their replies mean: instruments, the whole book, candles, mark prices.

https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api
Requests carry their weight (2,400 a minute and address; the reply's `X-MBX-USED-WEIGHT-1M` is what counts).
A refusal (`{"code": -1121, "msg": …}`) and a reply that is not as documented both raise `FrameError`.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, TypeAlias, TypeVar

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId, instrument_id
from perpscope.model.market import BookSnapshot, Candle, Interval, MarkPrice
from perpscope.model.stream import HttpRequest
from perpscope.venues.binance.symbols import VENUE, is_coin_m
from perpscope.venues.binance.wire import (
    MS,
    Count,
    Millis,
    MillisOrNever,
    NotNegative,
    Positive,
    Rate,
    WireLevel,
    never_or_millis,
)

#: Levels → weight.
DEPTH_WEIGHTS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
#: (most candles, weight), ascending.
KLINE_WEIGHTS = ((99, 1), (499, 2), (1000, 5), (1500, 10))
_PREMIUM_WEIGHT_ONE, _PREMIUM_WEIGHT_ALL = 1, 10
_PERPETUAL = frozenset({"PERPETUAL", "TRADIFI_PERPETUAL"})
_DATED = frozenset({"CURRENT_MONTH", "NEXT_MONTH", "CURRENT_QUARTER", "NEXT_QUARTER"})
_SHOWN = 120  #: bytes of a reply that go into a message

Reply = TypeVar("Reply")


class _Refusal(msgspec.Struct):
    code: int
    msg: str


class _Filter(msgspec.Struct):
    filterType: str
    tickSize: Decimal | None = None
    stepSize: Decimal | None = None
    notional: Decimal | None = None


class _Symbol(msgspec.Struct):
    symbol: str
    contractType: str  #: "" while a listing is prepared
    baseAsset: str
    quoteAsset: str
    filters: list[_Filter]
    status: str = ""  #: COIN-M says `contractStatus`
    underlyingType: str = "COIN"


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]


class _Depth(msgspec.Struct):
    lastUpdateId: Count
    bids: list[WireLevel]
    asks: list[WireLevel]
    T: Millis | None = None  #: of the match; absent in replies of 2019
    E: Millis | None = None

    def __post_init__(self) -> None:
        """Best levels come first."""
        bids, asks = [price for price, _ in self.bids], [price for price, _ in self.asks]
        if bids != sorted(bids, reverse=True) or asks != sorted(asks):
            raise ValueError("Expected `bids` falling and `asks` rising")


class _Row(msgspec.Struct, array_like=True):
    """One candle: the reply is a list of lists."""

    open_ms: Millis
    open: Positive
    high: Positive
    low: Positive
    close: Positive
    volume: NotNegative
    close_ms: Millis
    quote_volume: NotNegative
    trades: Count
    taker_buy_volume: NotNegative
    taker_buy_quote_volume: NotNegative


class _Premium(msgspec.Struct):
    symbol: str
    markPrice: NotNegative  #: 0 for a contract that is no longer priced
    time: Millis
    indexPrice: NotNegative = 0.0
    lastFundingRate: Rate | Literal[""] = ""  #: empty for dated contracts
    nextFundingTime: MillisOrNever = 0

    def __post_init__(self) -> None:
        """Funding is due at a moment, or never."""
        never_or_millis("nextFundingTime", self.nextFundingTime)


_Premiums: TypeAlias = list[_Premium] | _Premium

_read_refusal = msgspec.json.Decoder(_Refusal)
_read_exchange_info = msgspec.json.Decoder(_ExchangeInfo, strict=False)
_read_depth = msgspec.json.Decoder(_Depth, strict=False)
_read_klines = msgspec.json.Decoder(list[_Row], strict=False)
_read_premiums: msgspec.json.Decoder[_Premiums] = msgspec.json.Decoder(_Premiums, strict=False)


def _read(decoder: msgspec.json.Decoder[Reply], raw: bytes) -> Reply:
    """Decode a reply; a refusal and a malformed one are FrameErrors."""
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        try:
            refusal = _read_refusal.decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError):
            reason = f"sent a reply we cannot read: {error}; it begins {raw[:_SHOWN]!r}"
        else:
            reason = f"refused: {refusal.msg[:_SHOWN]} (code {refusal.code})"
        raise FrameError(f"binance {reason}", venue=VENUE) from error


def catalogue_request() -> HttpRequest:
    """List every instrument with its filters."""
    return HttpRequest(path="/fapi/v1/exchangeInfo", weight=1)


def instruments(raw: bytes) -> list[Instrument]:
    """Perpetual and dated USD-M contracts of an exchangeInfo reply; anything else in it is left out.

    Steps come from `filters`: `pricePrecision` and `quantityPrecision` are not the tick and lot size.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    rows = _read(_read_exchange_info, raw).symbols
    return [_instrument(row) for row in rows if row.contractType in _PERPETUAL | _DATED and not is_coin_m(row.symbol)]


def _instrument(row: _Symbol) -> Instrument:
    filters = {entry.filterType: entry for entry in row.filters}
    nothing = _Filter("")
    expiry = row.symbol.rpartition("_")[2] if row.contractType in _DATED else None
    return Instrument(
        id=instrument_id(VENUE, row.baseAsset, row.quoteAsset, expiry),
        venue=VENUE,
        symbol=row.symbol,
        base=row.baseAsset,
        quote=row.quoteAsset,
        expiry=expiry,
        tick_size=filters.get("PRICE_FILTER", nothing).tickSize,
        step_size=filters.get("LOT_SIZE", nothing).stepSize,
        min_notional=filters.get("MIN_NOTIONAL", nothing).notional,
        is_trading=row.status == "TRADING",
        is_crypto=row.contractType != "TRADIFI_PERPETUAL" and row.underlyingType != "INDEX",
    )


def depth_request(symbol: str, limit: int = 1000) -> HttpRequest:
    """Ask for the best `limit` levels of each side (a key of `DEPTH_WEIGHTS`)."""
    if limit not in DEPTH_WEIGHTS:
        raise ValueError(f"depth limit {limit} must be one of {', '.join(map(str, DEPTH_WEIGHTS))}")
    params = (("symbol", symbol), ("limit", str(limit)))
    return HttpRequest(path="/fapi/v1/depth", params=params, weight=DEPTH_WEIGHTS[limit])


def snapshot(raw: bytes, instrument: InstrumentId, ts_recv: int) -> BookSnapshot:
    """Decode a depth reply; its time is the match's, else the message's, else `ts_recv` (ns UTC).

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    depth = _read(_read_depth, raw)
    published = depth.T or depth.E
    ts_event = published * MS if published else ts_recv
    return BookSnapshot(instrument, ts_event, ts_recv, depth.lastUpdateId, [*depth.bids], [*depth.asks])


def klines_request(
    symbol: str, interval: Interval, *, start_ms: int | None = None, end_ms: int | None = None, limit: int = 500
) -> HttpRequest:
    """Ask for at most `limit` (1,500) candles, oldest first, opened between two moments (ms UTC, both included)."""
    weight = next((weight for most, weight in KLINE_WEIGHTS if 1 <= limit <= most), None)
    if weight is None:
        raise ValueError(f"klines limit {limit} must lie in [1, {KLINE_WEIGHTS[-1][0]}]")
    bounds = (("startTime", start_ms), ("endTime", end_ms))
    times = tuple((name, str(moment)) for name, moment in bounds if moment is not None)
    params = (("symbol", symbol), ("interval", interval.value), ("limit", str(limit)), *times)
    return HttpRequest(path="/fapi/v1/klines", params=params, weight=weight)


def candles(raw: bytes, instrument: InstrumentId, interval: Interval, ts_recv: int) -> list[Candle]:
    """Decode a klines reply. The last row is usually still forming: closed means ended by `ts_recv` (ns UTC).

    Raises:
        FrameError: a refusal, not the documented shape, or rows of another length than `interval`.
    """
    decoded = []
    for row in _read(_read_klines, raw):
        ts_open, ts_close = row.open_ms * MS, (row.close_ms + 1) * MS
        if ts_close - ts_open != interval.ns:
            span_s = (ts_close - ts_open) / 1e9
            raise FrameError(f"binance sent a candle of {span_s:g} s where {interval.value} was asked", venue=VENUE)
        decoded.append(
            Candle(
                instrument,
                min(ts_close, ts_recv),
                ts_recv,
                interval,
                ts_open,
                row.open,
                row.high,
                row.low,
                row.close,
                row.volume,
                row.quote_volume,
                row.trades,
                row.taker_buy_volume,
                row.taker_buy_quote_volume,
                ts_close <= ts_recv,
            )
        )
    return decoded


def premium_request(symbol: str | None = None) -> HttpRequest:
    """Ask for mark price, index and funding of one instrument, or of all."""
    if symbol is None:
        return HttpRequest(path="/fapi/v1/premiumIndex", weight=_PREMIUM_WEIGHT_ALL)
    return HttpRequest(path="/fapi/v1/premiumIndex", params=(("symbol", symbol),), weight=_PREMIUM_WEIGHT_ONE)


def mark_prices(raw: bytes, ids: Mapping[str, InstrumentId], ts_recv: int) -> list[MarkPrice]:
    """Decode a premiumIndex reply, of one instrument or of all; symbols not in `ids` are passed over.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    reply = _read(_read_premiums, raw)
    rows = reply if isinstance(reply, list) else [reply]
    return [_mark_price(row, ids[row.symbol], ts_recv) for row in rows if row.symbol in ids and row.markPrice]


def _mark_price(row: _Premium, instrument: InstrumentId, ts_recv: int) -> MarkPrice:
    rate = row.lastFundingRate if row.nextFundingTime and isinstance(row.lastFundingRate, float) else None
    ts_next = row.nextFundingTime * MS or None
    return MarkPrice(instrument, row.time * MS, ts_recv, row.markPrice, row.indexPrice or None, rate, ts_next)
