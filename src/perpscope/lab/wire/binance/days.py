"""Binance's tickers of the past 24 hours on its streams: one symbol's every two seconds, all symbols' every second.

In: candles of the day, as REST sums them. Out: `24hrTicker` and `24hrMiniTicker`, alone or in the all-market arrays.
Each array holds every symbol traded since the last; in the lab that is all of them.
"""

from collections.abc import Callable, Mapping

import msgspec

from perpscope.lab.dialect import Outlet
from perpscope.lab.quotations import Quotations
from perpscope.lab.wire.binance import payloads, replies
from perpscope.model.market import Interval

EVERY_MS, SYMBOL_EVERY_MS = 1000, 2000
_DAY_MS = 86_400_000
_NS_PER_MS = 1_000_000
_MINI = (
    ("c", "lastPrice"),
    ("o", "openPrice"),
    ("h", "highPrice"),
    ("l", "lowPrice"),
    ("v", "volume"),
    ("q", "quoteVolume"),
)
_FULL = (
    ("p", "priceChange"),
    ("P", "priceChangePercent"),
    ("w", "weightedAvgPrice"),
    ("c", "lastPrice"),
    ("Q", "lastQty"),
    *_MINI[1:],
    ("O", "openTime"),
    ("C", "closeTime"),
    ("F", "firstId"),
    ("L", "lastId"),
    ("n", "count"),
)
_Row = Mapping[str, str | int]


def tell_days(quotations: Quotations, outlet: Outlet, now_ms: int) -> None:
    """Publish what of it is wanted; called on whole seconds."""
    for name, payload in (("ticker", _full), ("miniTicker", _mini)):
        array = f"!{name}@arr"
        told: list[bytes] = []
        for listing in quotations.listings:
            stream = f"{listing.lower}@{name}"
            is_due = now_ms % SYMBOL_EVERY_MS == 0 and outlet.is_wanted(stream)
            if is_due or outlet.is_wanted(array):
                written = _written(quotations, listing.symbol, now_ms, payload)
                told.append(written)
                if is_due and written:
                    outlet.publish(stream, written)
        if outlet.is_wanted(array) and any(told):
            outlet.publish(array, payloads.array(filter(None, told)))


def _written(quotations: Quotations, symbol: str, now_ms: int, payload: Callable[[_Row, int], bytes]) -> bytes:
    """Empty before the first candle."""
    oldest_ns = (now_ms - _DAY_MS) * _NS_PER_MS
    day = [row for row in quotations.candles(symbol, Interval.M1) if row.ts_open >= oldest_ns]
    stand = quotations.stand(symbol)
    last_size = stand.last_trade.size if stand.last_trade else 0.0
    return payload(replies.ticker_24h(stand.listing, day, now_ms, last_size), now_ms) if day else b""


def _full(row: _Row, now_ms: int) -> bytes:
    return _encoded("24hrTicker", row, now_ms, _FULL)


def _mini(row: _Row, now_ms: int) -> bytes:
    return _encoded("24hrMiniTicker", row, now_ms, _MINI)


def _encoded(kind: str, row: _Row, now_ms: int, fields: tuple[tuple[str, str], ...]) -> bytes:
    head: dict[str, str | int] = {"e": kind, "E": now_ms, "s": row["symbol"], "ps": row["symbol"]}
    return msgspec.json.encode(head | {letter: row[name] for letter, name in fields} | {"st": 1})
