"""REST replies of Binance USD-M: catalogue, depth, klines, premium index, tickers, errors, as JSON bytes.

Shapes follow the venue's documentation; numbers are strings, times integer milliseconds.
"""

from collections.abc import Iterable, Sequence

import msgspec

from perpscope.lab.book import LabBook
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Bar
from perpscope.lab.wire.binance.limits import ORDER_LIMITS, WEIGHT_LIMIT_1M
from perpscope.lab.wire.binance.payloads import NEVER_DELIVERED_MS, ONBOARDED_MS, levels
from perpscope.model.market import Candle, MarkPrice, Quote, Side, Trade

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000

_ORDER_TYPES = ("LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")

EMPTY = b"{}"
#: what `/fapi/v1/depth` says while the exchange does not know its own book
UNAVAILABLE = b'{"code":-1001,"msg":"Internal error; unable to process your request. Please try again."}'


def error(code: int, message: str) -> bytes:
    """`{"code":-1121,"msg":"Invalid symbol."}`."""
    return msgspec.json.encode({"code": code, "msg": message})


def server_time(now_ms: int) -> bytes:
    """`/fapi/v1/time`."""
    return b'{"serverTime":%d}' % now_ms


def exchange_info(listings: Iterable[Listing], now_ms: int, weight_limit: int = WEIGHT_LIMIT_1M) -> bytes:
    """`/fapi/v1/exchangeInfo`."""
    limits = [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": weight_limit},
        *ORDER_LIMITS,
    ]
    return msgspec.json.encode(
        {
            "timezone": "UTC",
            "serverTime": now_ms,
            "futuresType": "U_MARGINED",
            "rateLimits": limits,
            "exchangeFilters": [],
            "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
            "symbols": [_symbol(listing) for listing in listings],
        }
    )


def _symbol(listing: Listing) -> dict[str, object]:
    instrument = listing.instrument
    return {
        "symbol": listing.symbol,
        "pair": listing.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": NEVER_DELIVERED_MS,
        "onboardDate": ONBOARDED_MS,
        "status": "TRADING" if instrument.is_trading else "SETTLING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": instrument.base,
        "quoteAsset": instrument.quote,
        "marginAsset": instrument.quote,
        "pricePrecision": listing.price_decimals,
        "quantityPrecision": listing.size_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": _filters(listing),
        "orderTypes": list(_ORDER_TYPES),
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY"],
    }


def _filters(listing: Listing) -> list[dict[str, object]]:
    tick = str(listing.instrument.tick_size or listing.price(10.0**-listing.price_decimals))
    step = str(listing.instrument.step_size or listing.size(10.0**-listing.size_decimals))
    largest, at_market = listing.instrument.max_size or 100_000_000, listing.instrument.max_market_size or 10_000_000
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "10000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": str(largest), "stepSize": step},
        {"filterType": "MARKET_LOT_SIZE", "minQty": step, "maxQty": str(at_market), "stepSize": step},
        {"filterType": "MAX_NUM_ORDERS", "limit": listing.instrument.max_orders or 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": listing.instrument.max_conditional or 10},
        {"filterType": "MIN_NOTIONAL", "notional": str(listing.instrument.min_notional or 5)},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500", "multiplierDecimal": "4"},
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
    ]


def depth(book: LabBook, limit: int, now_ms: int) -> bytes:
    """`/fapi/v1/depth`."""
    bids, asks = book.top(limit)
    happened_ms = book.ts_event // _NS_PER_MS
    return (
        f'{{"lastUpdateId":{book.last_update_id},"E":{max(now_ms, happened_ms)},"T":{happened_ms},'
        f'"bids":{levels(bids)},"asks":{levels(asks)}}}'
    ).encode()


def klines(listing: Listing, candles: Sequence[Candle]) -> bytes:
    """`/fapi/v1/klines`, oldest first."""
    price, size, quote = listing.price, listing.size, listing.quote
    return msgspec.json.encode(
        [
            [
                candle.ts_open // _NS_PER_MS,
                price(candle.open),
                price(candle.high),
                price(candle.low),
                price(candle.close),
                size(candle.volume),
                (candle.ts_open + candle.interval.ns) // _NS_PER_MS - 1,
                quote(candle.quote_volume or 0.0),
                candle.trades,
                size(candle.taker_buy_volume or 0.0),
                quote(candle.taker_buy_quote_volume or 0.0),
                "0",
            ]
            for candle in candles
        ]
    )


def reference_klines(bars: Sequence[Bar], interval_ns: int) -> bytes:
    """`/fapi/v1/markPriceKlines` and its like: volumes are "0", [8] is the number of prices taken."""
    return msgspec.json.encode(
        [
            [
                bar.ts_open // _NS_PER_MS,
                *(f"{price:.8f}" for price in (bar.open, bar.high, bar.low, bar.close)),
                "0",
                (bar.ts_open + interval_ns) // _NS_PER_MS - 1,
                "0",
                interval_ns // _NS_PER_S,
                "0",
                "0",
                "0",
            ]
            for bar in bars
        ]
    )


def trades(listing: Listing, events: Sequence[Trade]) -> bytes:
    """`/fapi/v1/trades`, oldest first."""
    return msgspec.json.encode(
        [
            {
                "id": event.trade_id,
                "price": listing.price(event.price),
                "qty": listing.size(event.size),
                "quoteQty": listing.quote(event.price * event.size),
                "time": event.ts_event // _NS_PER_MS,
                "isBuyerMaker": event.side is Side.SELL,
                "isRPITrade": False,
            }
            for event in events
        ]
    )


def agg_trades(listing: Listing, events: Sequence[Trade]) -> bytes:
    """`/fapi/v1/aggTrades`, oldest first; ids and figures are those of the stream."""
    return msgspec.json.encode(
        [
            {
                "a": event.trade_id,
                "p": listing.price(event.price),
                "q": listing.size(event.size),
                "nq": listing.size(event.size),
                "f": event.trade_id,
                "l": event.trade_id,
                "T": event.ts_event // _NS_PER_MS,
                "m": event.side is Side.SELL,
            }
            for event in events
        ]
    )


def book_ticker(listing: Listing, quote: Quote) -> dict[str, str | int]:
    """One row of `/fapi/v1/ticker/bookTicker`."""
    return {
        "symbol": listing.symbol,
        "bidPrice": listing.price(quote.bid),
        "bidQty": listing.size(quote.bid_size),
        "askPrice": listing.price(quote.ask),
        "askQty": listing.size(quote.ask_size),
        "time": quote.ts_event // _NS_PER_MS,
    }


def price(listing: Listing, trade: Trade) -> dict[str, str | int]:
    """One row of `/fapi/v1/ticker/price`."""
    return {"symbol": listing.symbol, "price": listing.price(trade.price), "time": trade.ts_event // _NS_PER_MS}


def premium_index(listing: Listing, mark: MarkPrice) -> dict[str, str | int]:
    """One row of `/fapi/v1/premiumIndex`."""
    index = mark.mark if mark.index is None else mark.index
    return {
        "symbol": listing.symbol,
        "markPrice": f"{mark.mark:.8f}",
        "indexPrice": f"{index:.8f}",
        "estimatedSettlePrice": f"{index:.8f}",
        "lastFundingRate": f"{mark.funding_rate or 0.0:.8f}",
        "interestRate": "0.00010000",
        "nextFundingTime": (mark.ts_next_funding or 0) // _NS_PER_MS,
        "time": mark.ts_event // _NS_PER_MS,
    }


def ticker_24h(
    listing: Listing, candles: Sequence[Candle], now_ms: int, last_size: float = 0.0
) -> dict[str, str | int]:
    """One row of `/fapi/v1/ticker/24hr`, summed from the candles of the day; at least one. Sizes are base units."""
    first, last = candles[0], candles[-1]
    volume = sum(candle.volume for candle in candles)
    quote_volume = sum(candle.quote_volume or 0.0 for candle in candles)
    return {
        "symbol": listing.symbol,
        "priceChange": listing.price(last.close - first.open),
        "priceChangePercent": f"{(last.close / first.open - 1) * 100:.3f}",
        "weightedAvgPrice": listing.price(quote_volume / volume if volume else last.close),
        "lastPrice": listing.price(last.close),
        "lastQty": listing.size(last_size),
        "openPrice": listing.price(first.open),
        "highPrice": listing.price(max(candle.high for candle in candles)),
        "lowPrice": listing.price(min(candle.low for candle in candles)),
        "volume": listing.size(volume),
        "quoteVolume": listing.quote(quote_volume),
        "openTime": first.ts_open // _NS_PER_MS,
        "closeTime": now_ms,
        "firstId": 1,
        "lastId": 1 + sum(candle.trades or 0 for candle in candles),
        "count": sum(candle.trades or 0 for candle in candles),
    }
