"""REST calls to make once, and what their replies mean: instruments, turnover, margin tiers, books.

https://bybit-exchange.github.io/docs/v5/intro and its pages on the market
An address may make 600 calls in five seconds, whatever they are; more are answered with 403 for ten minutes. So each
call weighs 1, and a minute is given fewer than five seconds allow: spent all at once, they are still within the limit.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, MarginTier, instrument_id
from perpscope.model.market import BookSnapshot
from perpscope.model.stream import HttpRequest
from perpscope.ports import Catalogue
from perpscope.venues.bybit.replies import LINEAR, SHOWN, Answer, Rows, read
from perpscope.venues.bybit.symbols import VENUE, coin_of, expiry_of
from perpscope.venues.bybit.wire import MS, Empty, Millis, NotNegative, Positive, UpdateId, WireLevel, in_order

#: Calls a minute. 600 are allowed in five seconds: a quarter at once and what five seconds refill are 480 of them.
WEIGHT_PER_MINUTE = 1536.0
#: `symbolType` of coins; others seen are "stock", "commodity", "forex", "xstocks". What is not known is no coin.
_COINS = frozenset({"", "innovation", "adventure"})
#: Minutes between fundings range from 60 to 480; less is not minutes (a recorded example says 8) and not believed.
_LEAST_FUNDING_MINUTES = 60
#: MMR × highest leverage is about a half. Far above it the rates are percent, as in the page's inverse example.
_PERCENT_ABOVE = 5.0
_ESCAPE = re.compile(r"%([0-7][0-9A-Fa-f])")


class _Leverage(msgspec.Struct):
    maxLeverage: Positive


class _Prices(msgspec.Struct):
    tickSize: Decimal

    def __post_init__(self) -> None:
        """A step is a number above zero."""
        _above_zero("tickSize", self.tickSize)


class _Lots(msgspec.Struct):
    qtyStep: Decimal
    minNotionalValue: Decimal | None = None  #: absent in replies of 2023

    def __post_init__(self) -> None:
        """A step is a number above zero, and so is a least order."""
        _above_zero("qtyStep", self.qtyStep)
        if self.minNotionalValue is not None:
            _above_zero("minNotionalValue", self.minNotionalValue)


class _Listing(msgspec.Struct):
    symbol: str
    contractType: str
    status: str
    baseCoin: str
    quoteCoin: str
    leverageFilter: _Leverage
    priceFilter: _Prices
    lotSizeFilter: _Lots
    fundingInterval: Annotated[int, msgspec.Meta(ge=0, le=7 * 24 * 60)] = 0  #: minutes; 0 for dated contracts
    symbolType: str = ""  #: absent before 2025
    marketRegion: str = ""  #: of stocks and their like, since 2026


class _Page(msgspec.Struct):
    list: list[_Listing]
    nextPageCursor: str | None = None  #: percent-encoded; null or empty on the last page


class _Turnover(msgspec.Struct):
    symbol: str
    turnover24h: NotNegative


class _Tier(msgspec.Struct):
    symbol: str
    riskLimitValue: Positive  #: notional up to which it holds, quote units
    maintenanceMargin: Annotated[float, msgspec.Meta(gt=0, lt=100)]
    maxLeverage: Positive
    mmDeduction: NotNegative | Empty = ""


class _Depth(msgspec.Struct):
    s: str
    b: list[WireLevel]
    a: list[WireLevel]
    cts: Millis  #: of the matching engine; `ts` is when the reply was made
    u: UpdateId

    def __post_init__(self) -> None:
        """Best levels come first."""
        if not in_order(self.b, self.a):
            raise ValueError("Expected `b` falling and `a` rising")


class _Time(msgspec.Struct):
    timeNano: Annotated[int, msgspec.Meta(ge=1_483_228_800 * 10**9, lt=4_102_444_800 * 10**9)]


_read_page = msgspec.json.Decoder(Answer[_Page], strict=False)
_read_turnover = msgspec.json.Decoder(Answer[Rows[_Turnover]], strict=False)
_read_tiers = msgspec.json.Decoder(Answer[Rows[_Tier]], strict=False)
_read_depth = msgspec.json.Decoder(Answer[_Depth], strict=False)
_read_time = msgspec.json.Decoder(Answer[_Time], strict=False)


def time_request() -> HttpRequest:
    """Ask for the venue's clock."""
    return HttpRequest(path="/v5/market/time")


def server_time(raw: bytes) -> int:
    """Decode a time reply: ns UTC.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    return read(_read_time, raw).timeNano


def _above_zero(name: str, number: Decimal) -> None:
    if not (number.is_finite() and number > 0):
        raise ValueError(f"Expected `{name}` > 0, got {number}")


# catalogue -----------------------------------------------------------------------------------------------------------


def catalogue_request(after: str | None = None) -> HttpRequest:
    """List the instruments that trade, a thousand at a time."""
    cursor = () if after is None else (("cursor", after),)
    return HttpRequest(path="/v5/market/instruments-info", params=(LINEAR, ("limit", "1000"), *cursor))


def instruments(raw: bytes) -> Catalogue:
    """Linear perpetual and dated contracts of a page; dated ones only where the name says when they expire.

    Sizes are base units and one contract is one of them. `funding_interval_h` is None where the reply tells less than
    an hour: the page says minutes, and no contract is funded that often.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    page = read(_read_page, raw)
    after = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), page.nextPageCursor or "")
    listed = [_instrument(row) for row in page.list if _is_linear(row)]
    return Catalogue(listed, after or None)


def _is_linear(row: _Listing) -> bool:
    return row.contractType == "LinearPerpetual" or (
        row.contractType == "LinearFutures" and expiry_of(row.symbol) is not None
    )


def _instrument(row: _Listing) -> Instrument:
    expiry = expiry_of(row.symbol) if row.contractType == "LinearFutures" else None
    coin, multiplier = coin_of(row.baseCoin)
    has_funding = expiry is None and row.fundingInterval >= _LEAST_FUNDING_MINUTES
    return Instrument(
        id=instrument_id(VENUE, row.baseCoin, row.quoteCoin, expiry),
        venue=VENUE,
        symbol=row.symbol,
        base=row.baseCoin,
        quote=row.quoteCoin,
        expiry=expiry,
        tick_size=row.priceFilter.tickSize,
        step_size=row.lotSizeFilter.qtyStep,
        min_notional=row.lotSizeFilter.minNotionalValue,
        coin=coin if multiplier > 1 else "",
        multiplier=multiplier,
        funding_interval_h=row.fundingInterval / 60.0 if has_funding else None,
        max_leverage=row.leverageFilter.maxLeverage,
        is_trading=row.status == "Trading",
        is_crypto=row.symbolType in _COINS and not row.marketRegion,
    )


def turnover_request() -> HttpRequest:
    """Ask for the tickers of all instruments."""
    return HttpRequest(path="/v5/market/tickers", params=(LINEAR,))


def turnover(raw: bytes) -> dict[str, float]:
    """Symbol → quote units traded in 24 hours.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    return {row.symbol: row.turnover24h for row in read(_read_turnover, raw).list}


# margin tiers --------------------------------------------------------------------------------------------------------


def tier_requests(instruments: Sequence[Instrument]) -> list[HttpRequest]:
    """One call an instrument: without a symbol the reply comes in pages of fifteen, each known only after the last."""
    symbols = dict.fromkeys(instrument.symbol for instrument in instruments)
    return [HttpRequest(path="/v5/market/risk-limit", params=(LINEAR, ("symbol", symbol))) for symbol in symbols]


def tiers(raw: bytes, catalogue: Mapping[str, Instrument]) -> dict[str, tuple[MarginTier, ...]]:
    """Symbol → tiers, lowest first; a symbol that is not in the catalogue is passed over.

    Rates of linear contracts are fractions (recorded in September 2026: 0.0033 at 150×). The page's example of an
    inverse contract looks like percent; rates that could only be percent are divided by 100.

    Raises:
        FrameError: a refusal, not the documented shape, or two tiers that end at one notional.
    """
    rows: dict[str, list[_Tier]] = {}
    for row in read(_read_tiers, raw).list:
        if row.symbol in catalogue:
            rows.setdefault(row.symbol, []).append(row)
    return {symbol: _ladder(symbol, steps) for symbol, steps in rows.items()}


def _ladder(symbol: str, rows: list[_Tier]) -> tuple[MarginTier, ...]:
    rows = sorted(rows, key=lambda row: row.riskLimitValue)
    caps = [row.riskLimitValue for row in rows]
    if len(set(caps)) < len(caps):
        raise FrameError(f"bybit sent two margin tiers of {symbol[:SHOWN]} that end at one notional", venue=VENUE)
    return tuple(
        MarginTier(floor, cap, _fraction(row), row.maxLeverage, row.mmDeduction or 0.0)
        for floor, cap, row in zip([0.0, *caps], [*caps[:-1], None], rows, strict=False)
    )


def _fraction(row: _Tier) -> float:
    is_percent = row.maintenanceMargin * row.maxLeverage > _PERCENT_ABOVE
    return row.maintenanceMargin / 100.0 if is_percent else row.maintenanceMargin


# books ---------------------------------------------------------------------------------------------------------------


def depth_request(symbol: str, limit: int = 1000) -> HttpRequest:
    """Ask for the best `limit` levels of each side: a copy to compare with, numbered like the 1,000-level stream."""
    if not 1 <= limit <= 1000:
        raise ValueError(f"depth limit {limit} must lie in [1, 1000]")
    return HttpRequest(path="/v5/market/orderbook", params=(LINEAR, ("symbol", symbol), ("limit", str(limit))))


def snapshot(raw: bytes, instrument: Instrument, ts_recv: int) -> BookSnapshot:
    """Decode a depth reply; its time is the matching engine's.

    Raises:
        FrameError: a refusal, not the documented shape, or another instrument's book.
    """
    depth = read(_read_depth, raw)
    if depth.s != instrument.symbol:
        raise FrameError(f"bybit sent the book of {depth.s[:SHOWN]} for {instrument.symbol}", venue=VENUE)
    return BookSnapshot(instrument.id, depth.cts * MS, ts_recv, depth.u, [*depth.b], [*depth.a])
