"""The fields of Bybit's ticker, the same on the socket and by REST: prices, funding, open interest, the last 24 hours.

`openInterest` counts **both sides**; `singleOpenInterest`, added 2026-06-11, counts one.
"""

from collections.abc import Sequence

from perpscope.lab.quotations import Stand
from perpscope.lab.wire.bybit.listings import FUNDING_INTERVAL_H
from perpscope.model.market import Candle, Interval

_NS_PER_MS = 1_000_000
_DAY_MINUTES, _HOUR_MINUTES = 1440, 60
_BEFORE_LISTING = ("preOpenPrice", "preQty", "curPreListingPhase")  # empty once a contract trades


class Day:
    """The last 24 hours of a symbol, as of its newest closed minute.

    Args:
        minutes: candles, oldest first, the forming one last; at least one.
    """

    def __init__(self, minutes: Sequence[Candle]) -> None:
        day = minutes[-_DAY_MINUTES - 1 :]
        closed = day[:-1]
        self.first = day[0].open
        self.hour_ago = day[-_HOUR_MINUTES - 1 :][0].open
        self.high = max(candle.high for candle in day)
        self.low = min(candle.low for candle in day)
        self.volume = sum(candle.volume for candle in closed)
        self.turnover = sum(candle.quote_volume or 0.0 for candle in closed)


def fields(stand: Stand, day: Day, direction: str) -> dict[str, str]:
    """Every field, in the venue's order; none before the first mark price.

    Args:
        stand: the symbol.
        day: its last 24 hours.
        direction: of the last price: PlusTick, ZeroPlusTick, MinusTick or ZeroMinusTick.
    """
    mark, quote, forming = stand.mark, stand.quote, stand.forming.get(Interval.M1)
    if mark is None:
        return {}
    price, size = stand.listing.price, stand.listing.size
    last = stand.last_trade.price if stand.last_trade else day.first
    minute = forming if forming is not None and not forming.is_closed else None
    held, mark_price = stand.open_interest, price(mark.mark)
    told = {
        "tickDirection": direction,
        "price24hPcnt": f"{last / day.first - 1:.6f}",
        "lastPrice": price(last),
        "prevPrice24h": price(day.first),
        "highPrice24h": price(max(day.high, last)),
        "lowPrice24h": price(min(day.low, last)),
        "prevPrice1h": price(day.hour_ago),
        "markPrice": mark_price,
        "indexPrice": price(mark.mark if mark.index is None else mark.index),
        "openInterest": size(2 * held),
        "openInterestValue": f"{2 * held * mark.mark:.2f}",
        "singleOpenInterest": size(held),
        "singleOpenInterestValue": f"{held * mark.mark:.2f}",
        "turnover24h": f"{day.turnover + ((minute.quote_volume or 0.0) if minute else 0.0):.4f}",
        "volume24h": size(day.volume + (minute.volume if minute else 0.0)),
        "fundingIntervalHour": str(FUNDING_INTERVAL_H),
        "fundingCap": "0.005",
        "nextFundingTime": str((mark.ts_next_funding or 0) // _NS_PER_MS),
        "fundingRate": f"{mark.funding_rate or 0.0:.8f}",
    }
    if quote is not None:
        told |= {
            "bid1Price": price(quote.bid),
            "bid1Size": size(quote.bid_size),
            "ask1Price": price(quote.ask),
            "ask1Size": size(quote.ask_size),
        }
    return told | dict.fromkeys(_BEFORE_LISTING, "")
