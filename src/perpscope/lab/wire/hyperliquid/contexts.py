"""Asset contexts: funding, open interest, prices and the last 24 hours of a coin, the same on the socket and by REST.

`funding` is the hourly rate, `openInterest` counts base units of one side, `oraclePx` is the index. `premium` follows
from the impact prices, the average a market order of the impact notional would get.
"""

from collections.abc import Iterable, Sequence

from perpscope.lab.book import TextLevel
from perpscope.lab.quotations import Stand
from perpscope.lab.wire.hyperliquid.listings import oracle, written
from perpscope.model.market import Candle, Interval

Context = dict[str, str | list[str] | None]

_DAY_MINUTES = 1440
_IMPACT_USD = {"BTC": 20_000.0, "ETH": 20_000.0}
_SMALL_IMPACT_USD = 6_000.0
_IMPACT_LEVELS = 50


class Day:
    """The last 24 hours of a coin, as of its newest closed minute.

    Args:
        minutes: candles, oldest first, the forming one last; at least one.
    """

    def __init__(self, minutes: Sequence[Candle]) -> None:
        day = minutes[-_DAY_MINUTES - 1 :]
        self.first = day[0].open
        self.volume = sum(candle.volume for candle in day[:-1])
        self.turnover = sum(candle.quote_volume or 0.0 for candle in day[:-1])


def mid(stand: Stand) -> str | None:
    """The middle of the best prices, which may have a figure more than they; None if a side is empty."""
    bids, asks = stand.book.top(1)
    if not bids or not asks:
        return None
    return written((float(bids[0][0]) + float(asks[0][0])) / 2, stand.listing.price_decimals + 1)


def context(stand: Stand, day: Day) -> Context | None:
    """Every field, in the venue's order; None before the first mark price."""
    mark, listing = stand.mark, stand.listing
    if mark is None:
        return None
    coin, index = listing.symbol, mark.mark if mark.index is None else mark.index
    oracle_price = oracle(coin, index)
    bids, asks = stand.book.top(_IMPACT_LEVELS)
    usd = _IMPACT_USD.get(coin, _SMALL_IMPACT_USD)
    impact = [listing.price(price) for price in (_average(bids, usd), _average(asks, usd)) if price]
    forming = stand.forming.get(Interval.M1)
    minute = forming if forming is not None and not forming.is_closed else None
    return {
        "funding": written(mark.funding_rate or 0.0, 10),
        "openInterest": listing.size(stand.open_interest),
        "prevDayPx": listing.price(day.first),
        "dayNtlVlm": written(day.turnover + ((minute.quote_volume or 0.0) if minute else 0.0), 6),
        "premium": _premium(float(oracle_price), impact) if len(impact) == 2 else None,
        "oraclePx": oracle_price,
        "markPx": listing.price(mark.mark),
        "midPx": mid(stand),
        "impactPxs": list(impact) if len(impact) == 2 else None,
        "dayBaseVlm": listing.size(day.volume + (minute.volume if minute else 0.0)),
    }


def _average(levels: Iterable[TextLevel], usd: float) -> float:
    """The price a market order of so many dollars would get; 0 from an empty side."""
    left, base = usd, 0.0
    price = 0.0
    for text, size in levels:
        price = float(text)
        taken = min(left, price * float(size))
        base += taken / price
        left -= taken
        if left <= 0:
            break
    return (usd - left) / base if base else price


def _premium(index: float, impact: Sequence[str]) -> str:
    bid, ask = map(float, impact)
    return written((max(bid - index, 0.0) - max(index - ask, 0.0)) / index, 10)
