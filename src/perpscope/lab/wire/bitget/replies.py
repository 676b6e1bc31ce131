"""Bitget's REST replies as plain objects: `{code, msg, requestTime, data}`, numbers and times as strings."""

from collections.abc import Sequence

import msgspec

from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Census, Funding, Stand
from perpscope.lab.wire.bitget import payloads, tickers
from perpscope.lab.wire.bitget.listings import FUNDING_INTERVAL_H, MAKER_FEE, MAX_LEVERAGE, TAKER_FEE, TIERS, plain
from perpscope.lab.wire.bitget.tickers import FUNDING_DECIMALS, Figures
from perpscope.model.market import Candle, Trade

Json = dict[str, object]

_NS_PER_MS = 1_000_000
_LAUNCHED_MS = "1621562400000"
_RATIO_DECIMALS, _VOLUME_DECIMALS, _PREMIUM_DECIMALS = 4, 8, 6
_FUNDING_CAP = "0.003"
_MOST_LOTS, _MOST_MARKET_LOTS = 1_000_000, 100_000


def wrapped(data: object, now_ms: int) -> bytes:
    """A reply that succeeded."""
    return msgspec.json.encode({"code": "00000", "msg": "success", "requestTime": now_ms, "data": data})


def error(code: str, message: str, now_ms: int) -> bytes:
    """A reply that did not."""
    return msgspec.json.encode({"code": code, "msg": message, "requestTime": now_ms, "data": None})


# what is traded --------------------------------------------------------------------------------------------------


def instrument(listing: Listing) -> Json:
    """One row of v3's `instruments`: `priceMultiplier` is the tick, `quantityMultiplier` the step."""
    known = listing.instrument
    step = known.step_size or 1
    return {
        "symbol": listing.symbol,
        "category": "USDT-FUTURES",
        "baseCoin": known.base,
        "quoteCoin": known.quote,
        "symbolType": "crypto",
        "isRwa": "NO",
        "buyLimitPriceRatio": "0.05",
        "sellLimitPriceRatio": "0.05",
        "feeRateUpRatio": "0.005",
        "makerFeeRate": MAKER_FEE,
        "takerFeeRate": TAKER_FEE,
        "openCostUpRatio": "0.01",
        "minOrderQty": str(step),
        "maxOrderQty": listing.size(float(step * _MOST_LOTS)),
        "maxMarketOrderQty": listing.size(float(step * _MOST_MARKET_LOTS)),
        "pricePrecision": str(listing.price_decimals),
        "quantityPrecision": str(listing.size_decimals),
        "quotePrecision": None,
        "priceMultiplier": str(known.tick_size),
        "quantityMultiplier": str(step),
        "type": "perpetual",
        "minOrderAmount": str(known.min_notional or 5),
        "maxSymbolOrderNum": "200",
        "maxProductOrderNum": "1000",
        "maxPositionNum": "150",
        "status": "online" if known.is_trading else "offline",
        "offTime": "-1",
        "limitOpenTime": "-1",
        "deliveryTime": "",
        "deliveryStartTime": "",
        "deliveryPeriod": "",
        "launchTime": _LAUNCHED_MS,
        "fundInterval": str(FUNDING_INTERVAL_H),
        "minLeverage": "1",
        "maxLeverage": str(MAX_LEVERAGE),
        "maintainTime": "",
    }


def contract(listing: Listing) -> Json:
    """One row of v2's `contracts`: the tick is `priceEndStep` in units of the last of `pricePlace` digits."""
    known = listing.instrument
    step = known.step_size or 1
    ends = round(float(known.tick_size or 1) * 10**listing.price_decimals)
    return {
        "symbol": listing.symbol,
        "baseCoin": known.base,
        "quoteCoin": known.quote,
        "buyLimitPriceRatio": "0.05",
        "sellLimitPriceRatio": "0.05",
        "feeRateUpRatio": "0.005",
        "makerFeeRate": MAKER_FEE,
        "takerFeeRate": TAKER_FEE,
        "openCostUpRatio": "0.01",
        "supportMarginCoins": [known.quote],
        "minTradeNum": str(step),
        "priceEndStep": str(ends),
        "volumePlace": str(listing.size_decimals),
        "pricePlace": str(listing.price_decimals),
        "sizeMultiplier": str(step),
        "symbolType": "perpetual",
        "minTradeUSDT": str(known.min_notional or 5),
        "maxSymbolOrderNum": "200",
        "maxProductOrderNum": "1000",
        "maxPositionNum": "150",
        "symbolStatus": "normal" if known.is_trading else "off",
        "offTime": "-1",
        "limitOpenTime": "-1",
        "deliveryTime": "",
        "deliveryStartTime": "",
        "deliveryPeriod": "",
        "launchTime": _LAUNCHED_MS,
        "fundInterval": str(FUNDING_INTERVAL_H),
        "minLever": "1",
        "maxLever": str(MAX_LEVERAGE),
        "posLimit": "0.05",
        "maintainTime": "",
        "maxOrderQty": listing.size(float(step * _MOST_LOTS)),
        "maxMarketOrderQty": listing.size(float(step * _MOST_MARKET_LOTS)),
        "isRwa": "NO",
    }


def tiers() -> list[Json]:
    """Rows of v3's `position-tier`."""
    return [
        {
            "tier": str(number),
            "minTierValue": tier.floor,
            "maxTierValue": tier.cap,
            "leverage": tier.leverage,
            "mmr": tier.mmr,
        }
        for number, tier in enumerate(TIERS, start=1)
    ]


def levels(symbol: str) -> list[Json]:
    """Rows of v2's `query-position-lever`."""
    return [
        {
            "symbol": symbol,
            "level": str(number),
            "startUnit": tier.floor,
            "endUnit": tier.cap,
            "leverage": tier.leverage,
            "keepMarginRate": tier.mmr,
        }
        for number, tier in enumerate(TIERS, start=1)
    ]


# the market ------------------------------------------------------------------------------------------------------


def ticker(told: Figures, now_ms: int) -> Json:
    """One row of v3's `tickers`: the topic's fields without the next funding time."""
    fields = {name: value for name, value in tickers.unified(told).items() if name != "nextFundingTime"}
    return {"category": "USDT-FUTURES", "symbol": told.symbol, "ts": str(now_ms), **fields}


def classic_ticker(told: Figures, now_ms: int) -> Json:
    """One row of v2's `tickers`."""
    fields = tickers.classic(told, now_ms)
    for name in ("instId", "nextFundingTime", "symbolType", "deliveryPrice"):
        del fields[name]
    return {
        **fields,
        "usdtVolume": told.turnover,
        "changeUtc24h": told.change_utc,
        "deliveryStartTime": None,
        "deliveryTime": None,
        "deliveryStatus": "",
    }


def candle(listing: Listing, row: Candle, which: str) -> list[str]:
    """One row of candles, seven columns; those of reference prices have no volume."""
    if which != "premium":
        return payloads.candle_columns(listing, row)
    prices = [f"{price:.{_PREMIUM_DECIMALS}f}" for price in (row.open, row.high, row.low, row.close)]
    return [str(row.ts_open // _NS_PER_MS), *prices, "0", "0"]


def fill(listing: Listing, event: Trade) -> Json:
    """One row of v3's `fills`."""
    return {
        "execId": str(payloads.execution_id(listing, event)),
        "price": listing.price(event.price),
        "size": listing.size(event.size),
        "side": payloads.side(event.side),
        "ts": str(event.ts_event // _NS_PER_MS),
    }


def classic_fill(listing: Listing, event: Trade) -> Json:
    """One row of v2's `fills` and `fills-history`."""
    row = fill(listing, event)
    return {"tradeId": row.pop("execId"), **row, "symbol": listing.symbol}


# funding and statistics ------------------------------------------------------------------------------------------


def funding_now(stand: Stand) -> Json:
    """One row of `current-fund-rate`."""
    mark = stand.mark
    return {
        "symbol": stand.listing.symbol,
        "fundingRate": plain((mark.funding_rate or 0.0) if mark else 0.0, FUNDING_DECIMALS),
        "fundingRateInterval": str(FUNDING_INTERVAL_H),
        "nextUpdate": str(((mark.ts_next_funding or 0) if mark else 0) // _NS_PER_MS),
        "minFundingRate": f"-{_FUNDING_CAP}",
        "maxFundingRate": _FUNDING_CAP,
    }


def funding(listing: Listing, row: Funding, time_name: str) -> Json:
    """One row of `history-fund-rate`; the time is `fundingRateTimestamp` in v3, `fundingTime` in v2."""
    return {
        "symbol": listing.symbol,
        "fundingRate": plain(row.rate, FUNDING_DECIMALS),
        time_name: str(row.ts // _NS_PER_MS),
    }


def taker_volume(row: Census) -> Json:
    """One row of taker volumes, base units; its time is the period's beginning."""
    return {
        "buyVolume": plain(row.taker_buy, _VOLUME_DECIMALS),
        "sellVolume": plain(row.taker_sell, _VOLUME_DECIMALS),
        "ts": str(row.ts // _NS_PER_MS),
    }


def ratio(row: Census, kind: str) -> Json:
    """One row of a long-short statistic.

    Args:
        row: of the period, with its beginning.
        kind: "Account", "Position" or "" (of everything, here the same as accounts).
    """
    share = round(row.top_position_long_fraction if kind == "Position" else row.long_fraction, _RATIO_DECIMALS)
    return {
        f"long{kind}Ratio": plain(share, _RATIO_DECIMALS),
        f"short{kind}Ratio": plain(1 - share, _RATIO_DECIMALS),
        f"longShort{kind}Ratio": plain(share / (1 - share), _RATIO_DECIMALS),
        "ts": str(row.ts // _NS_PER_MS),
    }


def open_interest(stands: Sequence[Stand], name: str, field: str, now_ms: int) -> Json:
    """`open-interest`, base units; the list and its field are named differently in v2 and v3."""
    rows = [{"symbol": stand.listing.symbol, field: stand.listing.size(stand.open_interest)} for stand in stands]
    return {name: rows, "ts": str(now_ms)}
