"""The fields of Bitget's tickers: v3's and v2's, each the same on the socket and by REST but for a few."""

from collections.abc import Sequence

from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Stand
from perpscope.lab.wire.bitget.listings import plain
from perpscope.model.market import Candle, Interval, MarkPrice

_NS_PER_MS = 1_000_000
_DAY_NS = 86_400_000 * _NS_PER_MS
_DAY_MINUTES = 1440
_INDEX_DECIMALS = 2  # more than a price has
FUNDING_DECIMALS, _SHARE_DECIMALS, _TURNOVER_DECIMALS = 6, 5, 5


class Day:
    """The last 24 hours of a symbol, as of its newest closed minute.

    Args:
        minutes: candles, oldest first, the forming one last; at least one.
    """

    def __init__(self, minutes: Sequence[Candle]) -> None:
        day = minutes[-_DAY_MINUTES - 1 :]
        closed = day[:-1]
        today = day[-1].ts_open - day[-1].ts_open % _DAY_NS
        self.first = day[0].open
        self.first_utc = next(candle.open for candle in day if candle.ts_open >= today)
        self.high = max(candle.high for candle in day)
        self.low = min(candle.low for candle in day)
        self.volume = sum(candle.volume for candle in closed)
        self.turnover = sum(candle.quote_volume or 0.0 for candle in closed)


class Figures:
    """What either generation's ticker is made of, as text.

    Args:
        stand: the symbol, with its mark.
        mark: its newest mark price.
        day: its last 24 hours.
    """

    def __init__(self, stand: Stand, mark: MarkPrice, day: Day) -> None:
        listing: Listing = stand.listing
        price, size, quote = listing.price, listing.size, stand.quote
        last = stand.last_trade.price if stand.last_trade else day.first
        forming = stand.forming.get(Interval.M1)
        minute = forming if forming is not None and not forming.is_closed else None
        self.symbol = listing.symbol
        self.last, self.open, self.open_utc = price(last), price(day.first), price(day.first_utc)
        self.high, self.low = price(max(day.high, last)), price(min(day.low, last))
        self.change = plain(last / day.first - 1, _SHARE_DECIMALS)
        self.change_utc = plain(last / day.first_utc - 1, _SHARE_DECIMALS)
        self.volume = size(day.volume + (minute.volume if minute else 0.0))
        turnover = day.turnover + ((minute.quote_volume or 0.0) if minute else 0.0)
        self.turnover = plain(turnover, _TURNOVER_DECIMALS)
        self.bid, self.ask = (price(quote.bid), price(quote.ask)) if quote else ("0", "0")
        self.bid_size, self.ask_size = (size(quote.bid_size), size(quote.ask_size)) if quote else ("0", "0")
        self.mark = price(mark.mark)
        index = mark.mark if mark.index is None else mark.index
        self.index = plain(index, listing.price_decimals + _INDEX_DECIMALS)
        self.funding_rate = plain(mark.funding_rate or 0.0, FUNDING_DECIMALS)
        self.next_funding = str((mark.ts_next_funding or 0) // _NS_PER_MS)
        self.open_interest = size(stand.open_interest)


def unified(told: Figures) -> dict[str, str]:
    """Fields of v3's `ticker` topic, in the order of captured frames; `openInterest` in base units."""
    return {
        "highPrice24h": told.high,
        "lowPrice24h": told.low,
        "openPrice24h": told.open,
        "lastPrice": told.last,
        "turnover24h": told.turnover,
        "volume24h": told.volume,
        "bid1Price": told.bid,
        "ask1Price": told.ask,
        "bid1Size": told.bid_size,
        "ask1Size": told.ask_size,
        "price24hPcnt": told.change,
        "indexPrice": told.index,
        "markPrice": told.mark,
        "fundingRate": told.funding_rate,
        "openInterest": told.open_interest,
        "deliveryTime": "",
        "deliveryStartTime": "",
        "deliveryStatus": "",
        "nextFundingTime": told.next_funding,
    }


def classic(told: Figures, now_ms: int) -> dict[str, str]:
    """Fields of v2's `ticker` channel, in the order of captured frames; `holdingAmount` in base units."""
    return {
        "instId": told.symbol,
        "lastPr": told.last,
        "bidPr": told.bid,
        "askPr": told.ask,
        "bidSz": told.bid_size,
        "askSz": told.ask_size,
        "open24h": told.open,
        "high24h": told.high,
        "low24h": told.low,
        "change24h": told.change,
        "fundingRate": told.funding_rate,
        "nextFundingTime": told.next_funding,
        "markPrice": told.mark,
        "indexPrice": told.index,
        "holdingAmount": told.open_interest,
        "baseVolume": told.volume,
        "quoteVolume": told.turnover,
        "openUtc": told.open_utc,
        "symbolType": "1",
        "symbol": told.symbol,
        "deliveryPrice": "0",
        "ts": str(now_ms),
    }
