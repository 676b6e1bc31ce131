"""REST calls that fill a hole, and what their replies mean: candles, trades by id, mark prices, funding that was paid.

https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api
Open interest, ratios and taker volume of the last 30 days are asked for in `figures`. Quotes, changes of the book and
liquidations cannot be had after the fact.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Candle, Interval, MarkPrice, Trade
from perpscope.model.stream import HttpRequest
from perpscope.venues.binance.reply import read
from perpscope.venues.binance.rest import FUNDING_WEIGHT, window
from perpscope.venues.binance.symbols import VENUE
from perpscope.venues.binance.wire import (
    BUY,
    MS,
    SELL,
    Count,
    Millis,
    MillisOrNever,
    NotNegative,
    Positive,
    Rate,
    never_or_millis,
)

#: (most candles, weight), ascending.
KLINE_WEIGHTS = ((99, 1), (499, 2), (1000, 5), (1500, 10))
#: Trades reach back 48 hours, and a window of times must be shorter than an hour.
TRADES_WEIGHT, MOST_TRADES, TRADES_WINDOW_MS = 20, 1000, 3_600_000
MOST_FUNDINGS = 1000
_PREMIUM_WEIGHT_ONE, _PREMIUM_WEIGHT_ALL = 1, 10


class FundingPaid(msgspec.Struct, frozen=True, gc=False):
    """Longs paid shorts `funding_rate` of their notional, or were paid it where it is below zero."""

    instrument: InstrumentId
    ts_event: int  #: ns UTC
    funding_rate: float  #: fraction, for the interval that ended
    mark: float | None  #: quote per base, that it was reckoned at; not told of old ones


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


class _AggTrade(msgspec.Struct):
    a: Count
    p: Positive
    q: Positive
    T: Millis
    m: bool  #: the buyer is the maker, so the taker sold


class _Funding(msgspec.Struct):
    symbol: str
    fundingRate: Rate
    fundingTime: Millis
    markPrice: NotNegative | Literal[""] = ""  #: since 2023-11-01 (change-log); empty of older ones


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

_klines = msgspec.json.Decoder(list[_Row], strict=False)
_agg_trades = msgspec.json.Decoder(list[_AggTrade], strict=False)
_fundings = msgspec.json.Decoder(list[_Funding], strict=False)
_premiums: msgspec.json.Decoder[_Premiums] = msgspec.json.Decoder(_Premiums, strict=False)


def klines_request(
    symbol: str, interval: Interval, *, start_ms: int | None = None, end_ms: int | None = None, limit: int = 500
) -> HttpRequest:
    """Ask for at most `limit` (1,500) candles, oldest first, opened between two moments (ms UTC, both included)."""
    weight = next((weight for most, weight in KLINE_WEIGHTS if 1 <= limit <= most), None)
    if weight is None:
        raise ValueError(f"klines limit {limit} must lie in [1, {KLINE_WEIGHTS[-1][0]}]")
    params = (("symbol", symbol), ("interval", interval.value), ("limit", str(limit)), *window(start_ms, end_ms))
    return HttpRequest(path="/fapi/v1/klines", params=params, weight=weight)


def candles(raw: bytes, instrument: InstrumentId, interval: Interval, ts_recv: int) -> list[Candle]:
    """Decode a klines reply. The last row is usually still forming: closed means ended by `ts_recv` (ns UTC).

    Raises:
        FrameError: a refusal, not the documented shape, or rows of another length than `interval`.
    """
    decoded = []
    for row in read(_klines, raw):
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


def trades_request(symbol: str, *, from_id: int, limit: int = MOST_TRADES) -> HttpRequest:
    """Ask for at most `limit` (1,000) aggregate trades, oldest first, from an id on."""
    return _trades_request((("symbol", symbol), ("fromId", str(from_id)), ("limit", str(limit))), limit)


def trades_between_request(symbol: str, start_ms: int, end_ms: int, *, limit: int = MOST_TRADES) -> HttpRequest:
    """Ask for the first aggregate trades between two moments less than an hour apart (ms UTC, both included)."""
    if not 0 <= end_ms - start_ms < TRADES_WINDOW_MS:
        raise ValueError(f"window of {end_ms - start_ms} ms must lie in [0, {TRADES_WINDOW_MS})")
    return _trades_request((("symbol", symbol), *window(start_ms, end_ms), ("limit", str(limit))), limit)


def _trades_request(params: tuple[tuple[str, str], ...], limit: int) -> HttpRequest:
    if not 1 <= limit <= MOST_TRADES:
        raise ValueError(f"trades limit {limit} must lie in [1, {MOST_TRADES}]")
    return HttpRequest(path="/fapi/v1/aggTrades", params=params, weight=TRADES_WEIGHT)


def trades(raw: bytes, instrument: InstrumentId, ts_recv: int) -> list[Trade]:
    """Decode an aggTrades reply; ids are those of the stream, so what both tell is told once.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    return [
        Trade(instrument, row.T * MS, ts_recv, row.a, row.p, row.q, SELL if row.m else BUY, True)
        for row in read(_agg_trades, raw)
    ]


def funding_history_request(
    symbol: str, *, start_ms: int | None = None, end_ms: int | None = None, limit: int = MOST_FUNDINGS
) -> HttpRequest:
    """Ask for at most `limit` (1,000) fundings, oldest first; without times, the newest."""
    if not 1 <= limit <= MOST_FUNDINGS:
        raise ValueError(f"fundings limit {limit} must lie in [1, {MOST_FUNDINGS}]")
    params = (("symbol", symbol), ("limit", str(limit)), *window(start_ms, end_ms))
    return HttpRequest(path="/fapi/v1/fundingRate", params=params, weight=FUNDING_WEIGHT)


def fundings_paid(raw: bytes, ids: Mapping[str, InstrumentId]) -> list[FundingPaid]:
    """Decode a fundingRate reply; symbols not in `ids` are passed over.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    return [
        FundingPaid(ids[row.symbol], row.fundingTime * MS, row.fundingRate, row.markPrice or None)
        for row in read(_fundings, raw)
        if row.symbol in ids
    ]


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
    reply = read(_premiums, raw)
    rows = reply if isinstance(reply, list) else [reply]
    return [_mark_price(row, ids[row.symbol], ts_recv) for row in rows if row.symbol in ids and row.markPrice]


def _mark_price(row: _Premium, instrument: InstrumentId, ts_recv: int) -> MarkPrice:
    rate = row.lastFundingRate if row.nextFundingTime and isinstance(row.lastFundingRate, float) else None
    ts_next = row.nextFundingTime * MS or None
    return MarkPrice(instrument, row.time * MS, ts_recv, row.markPrice, row.indexPrice or None, rate, ts_next)
