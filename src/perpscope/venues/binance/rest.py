"""REST calls to make, and what their replies mean: what is listed, what was turned over, the whole book.

https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api
Requests carry their weight (2,400 a minute and address; the reply's `X-MBX-USED-WEIGHT-1M` is what counts).
A refusal and a reply that is not as documented both raise `FrameError`: see `reply`. What is asked again and again
stands in `polls`, what is asked to fill a hole in `history`.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId, instrument_id
from perpscope.model.market import BookSnapshot
from perpscope.model.stream import HttpRequest
from perpscope.venues.binance.reply import read
from perpscope.venues.binance.symbols import VENUE, coin_of, is_coin_m
from perpscope.venues.binance.wire import MS, TRADING, Count, Millis, NotNegative, WireLevel

#: Request weight to spend in a minute: 2,400 are allowed per address, a fifth is left to others.
WEIGHT_PER_MINUTE = 1_920.0
#: Levels → weight.
DEPTH_WEIGHTS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
TOP_LEVELS = 100  #: of a copy in haste
#: `fundingInfo` and `fundingRate` weigh nothing, but share 500 calls in 5 minutes and address. 1,920 / 24 = 80 a
#: minute, 400 in 5 minutes, and a full quarter of a minute's weight on top (20) keeps within.
FUNDING_WEIGHT = 24
#: Hours between fundings of a perpetual that `fundingInfo` does not list: it lists those that were adjusted.
USUAL_FUNDING_H = 8.0
_PERPETUAL = frozenset({"PERPETUAL", "TRADIFI_PERPETUAL"})
_DATED = frozenset({"CURRENT_MONTH", "NEXT_MONTH", "CURRENT_QUARTER", "NEXT_QUARTER"})


class _Filter(msgspec.Struct):
    filterType: str
    tickSize: Decimal | None = None
    stepSize: Decimal | None = None
    notional: Decimal | None = None
    maxQty: Decimal | None = None
    limit: int | None = None
    multiplierDown: Decimal | None = None
    multiplierUp: Decimal | None = None


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


class _FundingInfo(msgspec.Struct):
    symbol: str
    fundingIntervalHours: Annotated[float, msgspec.Meta(gt=0, le=24)]


class _Day(msgspec.Struct):
    symbol: str
    quoteVolume: NotNegative


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


class _Time(msgspec.Struct):
    serverTime: Millis


_exchange_info = msgspec.json.Decoder(_ExchangeInfo, strict=False)
_funding_info = msgspec.json.Decoder(list[_FundingInfo], strict=False)
_days = msgspec.json.Decoder(list[_Day], strict=False)
_depth = msgspec.json.Decoder(_Depth, strict=False)
_time = msgspec.json.Decoder(_Time, strict=False)


def time_request() -> HttpRequest:
    """Ask for the venue's clock."""
    return HttpRequest(path="/fapi/v1/time", weight=1)


def server_time(raw: bytes) -> int:
    """Decode a time reply: ns UTC, whole milliseconds.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    return read(_time, raw).serverTime * MS


def catalogue_request() -> HttpRequest:
    """List every instrument with its filters."""
    return HttpRequest(path="/fapi/v1/exchangeInfo", weight=1)


def instruments(raw: bytes) -> list[Instrument]:
    """Perpetual and dated USD-M contracts of an exchangeInfo reply; anything else in it is left out.

    Steps come from `filters`: `pricePrecision` and `quantityPrecision` are not the tick and lot size. How often
    funding is due is not in it: see `with_funding`.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    rows = read(_exchange_info, raw).symbols
    return [_instrument(row) for row in rows if row.contractType in _PERPETUAL | _DATED and not is_coin_m(row.symbol)]


def _instrument(row: _Symbol) -> Instrument:
    filters = {entry.filterType: entry for entry in row.filters}
    nothing = _Filter("")
    expiry = row.symbol.rpartition("_")[2] if row.contractType in _DATED else None
    coin, multiplier = coin_of(row.baseAsset)
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
        max_size=filters.get("LOT_SIZE", nothing).maxQty,
        max_market_size=filters.get("MARKET_LOT_SIZE", nothing).maxQty,
        price_band=_band(filters.get("PERCENT_PRICE", nothing)),
        max_orders=filters.get("MAX_NUM_ORDERS", nothing).limit,
        max_conditional=filters.get("MAX_NUM_ALGO_ORDERS", nothing).limit,
        coin=coin,
        multiplier=multiplier,
        is_trading=row.status == TRADING,
        is_crypto=row.contractType != "TRADIFI_PERPETUAL" and row.underlyingType != "INDEX",
    )


def _band(told: _Filter) -> tuple[Decimal, Decimal] | None:
    """Of a PERCENT_PRICE filter; None where there is none."""
    if told.multiplierDown is None or told.multiplierUp is None:
        return None
    return told.multiplierDown, told.multiplierUp


def ruled(raw: bytes, instrument: Instrument) -> Instrument:
    """An instrument with the filters that an exchangeInfo reply tells.

    Raises:
        FrameError: a refusal, not the documented shape, or the contract is not in it with tick and step.
    """
    found = next((one for one in instruments(raw) if one.symbol == instrument.symbol), None)
    if found is None or found.tick_size is None or found.step_size is None:
        raise FrameError(f"binance lists no {instrument.symbol} with a tick and a step", venue=VENUE)
    return msgspec.structs.replace(
        instrument,
        tick_size=found.tick_size,
        step_size=found.step_size,
        min_notional=found.min_notional,
        max_size=found.max_size,
        max_market_size=found.max_market_size,
        price_band=found.price_band,
        max_orders=found.max_orders,
        max_conditional=found.max_conditional,
        is_trading=found.is_trading,
    )


def funding_request() -> HttpRequest:
    """List the perpetuals whose funding interval or caps were adjusted."""
    return HttpRequest(path="/fapi/v1/fundingInfo", weight=FUNDING_WEIGHT)


def with_funding(listed: Sequence[Instrument], raw: bytes) -> list[Instrument]:
    """The same instruments with the hours between fundings that a fundingInfo reply tells, or the usual 8.

    Dated contracts have none.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    hours = {row.symbol: row.fundingIntervalHours for row in read(_funding_info, raw)}
    return [
        msgspec.structs.replace(instrument, funding_interval_h=hours.get(instrument.symbol, USUAL_FUNDING_H))
        if instrument.is_perpetual
        else instrument
        for instrument in listed
    ]


def turnover_request() -> HttpRequest:
    """Ask what every instrument turned over in 24 hours."""
    return HttpRequest(path="/fapi/v1/ticker/24hr", weight=40)


def turnover(raw: bytes) -> dict[str, float]:
    """Decode a ticker/24hr reply of all instruments: symbol → quote units.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    return {row.symbol: row.quoteVolume for row in read(_days, raw)}


def window(start_ms: int | None, end_ms: int | None) -> tuple[tuple[str, str], ...]:
    """The parameters that ask for what lies between two moments, ms UTC, both included; None = open."""
    bounds = (("startTime", start_ms), ("endTime", end_ms))
    return tuple((name, str(moment)) for name, moment in bounds if moment is not None)


def depth_request(symbol: str, limit: int = 1000) -> HttpRequest:
    """Ask for the best `limit` levels of each side (a key of `DEPTH_WEIGHTS`)."""
    if limit not in DEPTH_WEIGHTS:
        raise ValueError(f"depth limit {limit} must be one of {', '.join(map(str, DEPTH_WEIGHTS))}")
    params = (("symbol", symbol), ("limit", str(limit)))
    return HttpRequest(path="/fapi/v1/depth", params=params, weight=DEPTH_WEIGHTS[limit])


def snapshot(raw: bytes, instrument: InstrumentId, ts_recv: int) -> BookSnapshot:
    """Decode a depth reply; its time is the match's, else the message's, else `ts_recv` (ns UTC).

    A reply does not say how many levels were asked for: one of exactly `TOP_LEVELS` is taken for the top of a book that
    goes on. A book that ends there is asked for once more, and no harm done.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    depth = read(_depth, raw)
    published = depth.T or depth.E
    ts_event = published * MS if published else ts_recv
    is_top = max(len(depth.bids), len(depth.asks)) == TOP_LEVELS
    levels = [*depth.bids], [*depth.asks]
    return BookSnapshot(instrument, ts_event, ts_recv, depth.lastUpdateId, *levels, is_top=is_top)
