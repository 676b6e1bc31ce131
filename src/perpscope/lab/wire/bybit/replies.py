"""Results of Bybit's REST replies, as plain objects: numbers are strings, times strings of milliseconds, newest first.

Every reply is `{retCode, retMsg, result, retExtInfo, time}`; `wrapped` makes it.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from perpscope.lab.book import LabBook
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Bar, Census, Funding, Stand
from perpscope.lab.wire.bybit import payloads
from perpscope.lab.wire.bybit.listings import MAX_LEVERAGE, TIERS
from perpscope.model.market import Candle, Trade

Json = dict[str, object]

_NS_PER_MS = 1_000_000
_LAUNCHED_MS = 1_585_526_400_000
_TIER_STEP = 10  # ids of one symbol's tiers


def wrapped(result: Mapping[str, object], now_ms: int) -> bytes:
    """A reply that succeeded."""
    return msgspec.json.encode({"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now_ms})


def error(code: int, message: str, now_ms: int) -> bytes:
    """A reply that did not; the venue sends it with HTTP 200."""
    return msgspec.json.encode({"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": now_ms})


def instrument(listing: Listing) -> Json:
    """One row of `instruments-info`; `fundingInterval` is in minutes."""
    known = listing.instrument
    tick, step = str(known.tick_size), str(known.step_size)
    return {
        "symbol": listing.symbol,
        "contractType": "LinearPerpetual",
        "status": "Trading" if known.is_trading else "Closed",
        "baseCoin": known.base,
        "quoteCoin": known.quote,
        "launchTime": str(_LAUNCHED_MS),
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(listing.price_decimals),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": f"{MAX_LEVERAGE}.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": tick, "maxPrice": "1999999.80", "tickSize": tick},
        "lotSizeFilter": {
            "maxOrderQty": str(known.step_size * 1_000_000 if known.step_size else Decimal(1)),
            "minOrderQty": step,
            "qtyStep": step,
            "postOnlyMaxOrderQty": str(known.step_size * 1_000_000 if known.step_size else Decimal(1)),
            "maxMktOrderQty": str(known.step_size * 100_000 if known.step_size else Decimal(1)),
            "minNotionalValue": str(known.min_notional or 5),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": int((known.funding_interval_h or 8) * 60),
        "settleCoin": known.quote,
        "copyTrading": "both",
        "upperFundingRate": "0.005",
        "lowerFundingRate": "-0.005",
        "isPreListing": False,
        "preListingInfo": None,
        "displayName": "",
        "symbolType": "",
    }


def orderbook(stand: Stand, limit: int, now_ms: int) -> Json:
    """`orderbook`: as told on the 1000 levels' topic if somebody listens to that, else as it is."""
    told = stand.told.get(1000)
    if told is not None and told.is_begun:
        bids, asks, update, sequence, ts = (
            told.bids[:limit],
            told.asks[:limit],
            told.number,
            told.update_id,
            told.ts_event,
        )
    else:
        book: LabBook = stand.book
        bids, asks = book.top(limit)
        update, sequence, ts = book.last_update_id, book.last_update_id, book.ts_event
    return {
        "s": stand.listing.symbol,
        "b": bids,
        "a": asks,
        "ts": now_ms,
        "u": update,
        "seq": sequence,
        "cts": ts // _NS_PER_MS,
    }


def ticker(symbol: str, fields: Mapping[str, str]) -> Json:
    """One row of `tickers`: the topic's fields without the direction, and those of dated contracts, empty."""
    told = {name: value for name, value in fields.items() if name != "tickDirection"}
    dated = {"predictedDeliveryPrice": "", "basisRate": "", "deliveryFeeRate": "", "deliveryTime": "0", "basis": ""}
    return {"symbol": symbol, **told, **dated}


def kline(listing: Listing, candle: Candle) -> list[str]:
    """One row of `kline`."""
    price = listing.price
    return [
        str(candle.ts_open // _NS_PER_MS),
        *(price(of) for of in (candle.open, candle.high, candle.low, candle.close)),
        listing.size(candle.volume),
        f"{candle.quote_volume or 0.0:.4f}",
    ]


def reference_kline(listing: Listing, bar: Bar, which: str) -> list[str]:
    """One row of `mark-price-kline` and its like: five columns."""
    write = (lambda of: f"{of:.6f}") if which == "premium" else listing.price
    return [str(bar.ts_open // _NS_PER_MS), *(write(of) for of in (bar.open, bar.high, bar.low, bar.close))]


def trade(listing: Listing, event: Trade) -> Json:
    """One row of `recent-trade`."""
    return {
        "execId": payloads.execution_id(listing, event),
        "symbol": listing.symbol,
        "price": listing.price(event.price),
        "size": listing.size(event.size),
        "side": payloads.side(event.side),
        "time": str(event.ts_event // _NS_PER_MS),
        "isBlockTrade": False,
        "isRPITrade": False,
        "seq": str(event.trade_id),
    }


def open_interest(listing: Listing, row: Census) -> Json:
    """One row of `open-interest`: both sides, and one."""
    return {
        "openInterest": listing.size(2 * row.open_interest),
        "singleOpenInterest": listing.size(row.open_interest),
        "timestamp": str(row.ts // _NS_PER_MS),
    }


def account_ratio(listing: Listing, row: Census) -> Json:
    """One row of `account-ratio`."""
    buy = round(row.long_fraction, 4)
    return {
        "symbol": listing.symbol,
        "buyRatio": f"{buy:.4f}",
        "sellRatio": f"{1 - buy:.4f}",
        "timestamp": str(row.ts // _NS_PER_MS),
    }


def funding(listing: Listing, row: Funding) -> Json:
    """One row of `funding/history`."""
    return {
        "symbol": listing.symbol,
        "fundingRate": f"{row.rate:.8f}",
        "fundingRateTimestamp": str(row.ts // _NS_PER_MS),
    }


def risk_limits(listings: Iterable[Listing], every: Sequence[Listing]) -> list[Json]:
    """Rows of `risk-limit`; margins are fractions, as recorded for linear contracts in 2026."""
    number = {listing.symbol: at for at, listing in enumerate(every)}
    return [
        {
            "id": number[listing.symbol] * _TIER_STEP + at,
            "symbol": listing.symbol,
            "riskLimitValue": str(tier.limit),
            "maintenanceMargin": tier.mmr,
            "initialMargin": tier.imr,
            "isLowestRisk": int(at == 1),
            "maxLeverage": tier.max_leverage,
            "mmDeduction": tier.deduction,
        }
        for listing in listings
        for at, tier in enumerate(TIERS, start=1)
    ]
