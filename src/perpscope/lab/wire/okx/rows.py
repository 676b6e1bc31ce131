"""What OKX says of one thing, the same on the socket and by REST: objects of strings, times milliseconds, as strings.

Sizes are contracts; the fields with `Ccy` in their names are coins.
"""

from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Funding, Stand
from perpscope.lab.wire.okx.bars import Day, Row
from perpscope.lab.wire.okx.listings import FUNDING_INTERVAL_H, LOT, MAX_LEVERAGE, index_name, short
from perpscope.model.market import Interval, Liquidation, MarkPrice, PositionSide, Quote, Side, Trade

Json = dict[str, object]

KIND = "SWAP"
_NS_PER_MS = 1_000_000
_FUNDING_MS = FUNDING_INTERVAL_H * 3_600_000
_LISTED_MS = 1_600_000_000_000
_FIRST_CODE = 10_000
_MOST_CONTRACTS = "100000000"
_MOST_FUNDING = "0.00375"  # fraction per interval
_NET_EVERY = 4  # of so many liquidated accounts one is in net mode; made up
_OF_OTHERS = (  # fields that linear swaps have empty
    *("alias", "auctionEndTime", "baseCcy", "contTdSwTime", "expTime", "groupId", "maxMktAmt", "maxPlatOILmt"),
    *("openType", "optType", "posLmtAmt", "posLmtPct", "preMktSwTime", "quoteCcy", "stk"),
)
_coins, _dollars, _fraction = short(8), short(2), short(10)


def instrument(listing: Listing, number: int) -> Json:
    """One row of the catalogue.

    Args:
        listing: of what.
        number: its place in the catalogue; its code is made of that.
    """
    known, family = listing.instrument, index_name(listing.symbol)
    most = dict.fromkeys(("maxIcebergSz", "maxLmtSz", "maxTriggerSz", "maxTwapSz"), _MOST_CONTRACTS)
    return {
        **dict.fromkeys(_OF_OTHERS, ""),
        **most,
        "category": "1",
        "ctMult": "1",
        "ctType": "linear",
        "ctVal": f"{known.contract_size:f}",
        "ctValCcy": known.base,
        "futureSettlement": False,
        "instCategory": "1",
        "instFamily": family,
        "instId": listing.symbol,
        "instIdCode": _FIRST_CODE + number,
        "instType": KIND,
        "lever": str(MAX_LEVERAGE),
        "listTime": str(_LISTED_MS),
        "lotSz": str(LOT),
        "maxLmtAmt": "20000000",
        "maxMktSz": "30000",
        "maxStopSz": "30000",
        "minSz": str(LOT),
        "ruleType": "normal",
        "settleCcy": known.quote,
        "state": "live" if known.is_trading else "suspend",
        "tickSz": f"{known.tick_size:f}",
        "tradeQuoteCcyList": [],
        "uly": family,
        "upcChg": [],
    }


def ticker(stand: Stand, quote: Quote, day: Day, now_ms: int) -> Json:
    """Last trade, best prices, and the last 24 hours."""
    price, size = stand.listing.price, stand.listing.size
    trade, forming = stand.last_trade, stand.forming.get(Interval.M1)
    last = day.open if trade is None else trade.price
    minute = [forming] if forming is not None and not forming.is_closed else []
    volume = day.volume + sum(candle.volume for candle in minute)
    return {
        "instType": KIND,
        "instId": stand.listing.symbol,
        "last": price(last),
        "lastSz": "" if trade is None else size(trade.size),
        "askPx": price(quote.ask),
        "askSz": size(quote.ask_size),
        "bidPx": price(quote.bid),
        "bidSz": size(quote.bid_size),
        "open24h": price(day.open),
        "high24h": price(max(day.high, last, *(candle.high for candle in minute))),
        "low24h": price(min(day.low, last, *(candle.low for candle in minute))),
        "sodUtc0": price(day.open_utc),
        "sodUtc8": price(day.open_hong_kong),
        "volCcy24h": _coins(volume),
        "vol24h": size(volume),
        "ts": str(now_ms),
    }


def index_ticker(listing: Listing, mark: MarkPrice, day: Day) -> Json:
    """The index, and its last 24 hours."""
    price = listing.price
    index = mark.mark if mark.index is None else mark.index
    return {
        "instId": index_name(listing.symbol),
        "idxPx": price(index),
        "high24h": price(max(day.high, index)),
        "low24h": price(min(day.low, index)),
        "open24h": price(day.open),
        "sodUtc0": price(day.open_utc),
        "sodUtc8": price(day.open_hong_kong),
        "ts": _ms(mark.ts_event),
    }


def mark_price(listing: Listing, mark: MarkPrice) -> Json:
    """The price positions are margined at."""
    told = {"instType": KIND, "instId": listing.symbol, "markPx": listing.price(mark.mark)}
    return {**told, "ts": _ms(mark.ts_event)}


def funding_rate(listing: Listing, mark: MarkPrice, settled: float) -> Json:
    """What is due: `fundingTime` is the next settlement, `nextFundingTime` the one after it.

    Args:
        listing: of what.
        mark: with the rate due.
        settled: the rate of the newest settlement, fraction.
    """
    due_ms = (mark.ts_next_funding or 0) // _NS_PER_MS
    index = mark.mark if mark.index is None else mark.index
    return {
        "formulaType": "withRate",
        "fundingRate": _fraction(mark.funding_rate or 0.0),
        "fundingTime": str(due_ms),
        "impactValue": "20000",
        "instId": listing.symbol,
        "instType": KIND,
        "interestRate": "0.0001",
        "maxFundingRate": _MOST_FUNDING,
        "method": "current_period",
        "minFundingRate": f"-{_MOST_FUNDING}",
        "nextFundingRate": "",
        "nextFundingTime": str(due_ms + _FUNDING_MS),
        "premium": _fraction(mark.mark / index - 1),
        "settFundingRate": _fraction(settled),
        "settState": "settled",
        "ts": _ms(mark.ts_event),
    }


def settled(listing: Listing, row: Funding) -> Json:
    """One settlement of the funding history."""
    rate = _fraction(row.rate)
    named = {"formulaType": "withRate", "instId": listing.symbol, "instType": KIND, "method": "current_period"}
    return {**named, "fundingRate": rate, "fundingTime": _ms(row.ts), "realizedRate": rate}


def open_interest(stand: Stand, mark: MarkPrice) -> Json:
    """Contracts, coins and dollars that are held, one side of them."""
    held = stand.open_interest
    return {
        "instType": KIND,
        "instId": stand.listing.symbol,
        "oi": stand.listing.size(held),
        "oiCcy": _coins(held),
        "oiUsd": _dollars(held * mark.mark),
        "ts": _ms(mark.ts_event),
    }


def liquidation(listing: Listing, details: list[Json]) -> Json:
    """Forced orders of one contract."""
    family = index_name(listing.symbol)
    named = {"instFamily": family, "instId": listing.symbol, "instType": KIND, "uly": family}
    return {"details": details, **named}


def liquidation_detail(listing: Listing, event: Liquidation) -> Json:
    """One forced order: `side` is the order's, so "sell" closes a long; `posSide` may be "net", as the account is."""
    is_long = event.position_side is PositionSide.LONG
    is_net = event.ts_event // _NS_PER_MS % _NET_EVERY == 0
    return {
        "bkLoss": "0",
        "bkPx": listing.price(event.price if event.bankruptcy_price is None else event.bankruptcy_price),
        "ccy": "",
        "posSide": "net" if is_net else "long" if is_long else "short",
        "side": "sell" if is_long else "buy",
        "sz": listing.size(event.size),
        "ts": _ms(event.ts_event),
    }


def match(listing: Listing, trade_id: int, trade: Trade, size: str) -> Json:
    """One match of a trade, as REST tells it.

    Args:
        listing: of what.
        trade_id: of the match.
        trade: that it is part of.
        size: of the match, contracts.
    """
    told = {"instId": listing.symbol, "side": side(trade.side), "sz": size, "px": listing.price(trade.price)}
    return {**told, "tradeId": str(trade_id), "source": "0", "ts": _ms(trade.ts_event)}


def candle(listing: Listing, row: Row) -> list[str]:
    """Times and prices, volume in contracts, coins and quote, and whether it is closed."""
    volumes = [listing.size(row.volume), _coins(row.volume), _coins(row.quote_volume)]
    return [*_prices(listing, row), *volumes, str(int(row.is_closed))]


def reference_candle(listing: Listing, row: Row) -> list[str]:
    """Of the mark or index price: no volumes."""
    return [*_prices(listing, row), str(int(row.is_closed))]


def side(of: Side) -> str:
    """Of the taker."""
    return "buy" if of is Side.BUY else "sell"


def _prices(listing: Listing, row: Row) -> list[str]:
    return [_ms(row.ts_open), *(listing.price(of) for of in (row.open, row.high, row.low, row.close))]


def _ms(ts: int) -> str:
    return str(ts // _NS_PER_MS)
