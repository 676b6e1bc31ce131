"""Frames of Bybit's public topics, byte for byte: numbers are strings, times integer milliseconds.

Every frame is `{topic, type, ts, data}`; books carry `cts`, tickers `cs`. Field names and types follow the venue's
documentation and frames captured in 2026.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence

from perpscope.lab.book import TextLevel, ToldDepth
from perpscope.lab.listing import Listing
from perpscope.model.market import Candle, Interval, Liquidation, PositionSide, Side, Trade

#: levels of an order book topic → milliseconds between two of its frames
DEPTHS = {1: 10, 50: 20, 200: 100, 1000: 200}
#: the venue's names of the candles the lab makes
INTERVALS = {Interval.M1: "1", Interval.M15: "15", Interval.H1: "60"}
_NS_PER_MS = 1_000_000
_BOOL = {True: "true", False: "false"}


def execution_id(listing: Listing, trade: Trade) -> str:
    """Shaped like the venue's UUIDs, and the same for the same trade."""
    return f"{zlib.crc32(listing.symbol.encode()):08x}-0000-5000-8000-{int(trade.trade_id):012x}"


def side(of: Side) -> str:
    """Of the taker."""
    return "Buy" if of is Side.BUY else "Sell"


def trades(topic: str, rows: Iterable[str], now_ms: int) -> bytes:
    """`publicTrade`: everything traded since the last frame."""
    return f'{{"topic":"{topic}","type":"snapshot","ts":{now_ms},"data":[{",".join(rows)}]}}'.encode()


def trade_row(listing: Listing, trade: Trade, direction: str, sequence: int) -> str:
    """One trade of a frame."""
    return (
        f'{{"T":{trade.ts_event // _NS_PER_MS},"s":"{listing.symbol}","S":"{side(trade.side)}",'
        f'"v":"{listing.size(trade.size)}","p":"{listing.price(trade.price)}","L":"{direction}",'
        f'"i":"{execution_id(listing, trade)}","BT":false,"RPI":false,"seq":{sequence}}}'
    )


def book(
    topic: str, kind: str, listing: Listing, told: ToldDepth, levels: Sequence[Sequence[TextLevel]], now_ms: int
) -> bytes:
    """`orderbook`: a snapshot of what was told, or the levels that changed.

    Args:
        topic: its name.
        kind: "snapshot" or "delta".
        listing: whose book.
        told: gives `u`, contiguous, and `seq`, the matching engine's own.
        levels: bids and asks; size "0" removes.
        now_ms: when it is published.
    """
    bids, asks = levels
    return (
        f'{{"topic":"{topic}","type":"{kind}","ts":{now_ms},"data":{{"s":"{listing.symbol}","b":{_levels(bids)},'
        f'"a":{_levels(asks)},"u":{told.number},"seq":{told.update_id}}},"cts":{told.ts_event // _NS_PER_MS}}}'
    ).encode()


def _levels(levels: Iterable[TextLevel]) -> str:
    return "[" + ",".join(f'["{price}","{size}"]' for price, size in levels) + "]"


def ticker(topic: str, kind: str, symbol: str, fields: Mapping[str, str], sequence: int, now_ms: int) -> bytes:
    """`tickers`: all fields in a snapshot, the changed ones in a delta."""
    body = "".join(f',"{name}":"{value}"' for name, value in fields.items() if name != "symbol")
    return (
        f'{{"topic":"{topic}","type":"{kind}","data":{{"symbol":"{symbol}"{body}}},"cs":{sequence},"ts":{now_ms}}}'
    ).encode()


def kline(topic: str, listing: Listing, candle: Candle, now_ms: int) -> bytes:
    """`kline`, forming or closed (`confirm`)."""
    start_ms = candle.ts_open // _NS_PER_MS
    price = listing.price
    return (
        f'{{"topic":"{topic}","type":"snapshot","ts":{now_ms},"data":[{{"start":{start_ms},'
        f'"end":{start_ms + candle.interval.ns // _NS_PER_MS - 1},"interval":"{INTERVALS[candle.interval]}",'
        f'"open":"{price(candle.open)}","close":"{price(candle.close)}","high":"{price(candle.high)}",'
        f'"low":"{price(candle.low)}","volume":"{listing.size(candle.volume)}",'
        f'"turnover":"{candle.quote_volume or 0.0:.4f}","confirm":{_BOOL[candle.is_closed]},'
        f'"timestamp":{candle.ts_event // _NS_PER_MS}}}]}}'
    ).encode()


def liquidations(topic: str, listing: Listing, events: Iterable[Liquidation], now_ms: int) -> bytes:
    """`allLiquidation`: `S` is the side of the *position* ("Buy": a long was liquidated), `p` the bankruptcy price."""
    rows = ",".join(
        f'{{"T":{event.ts_event // _NS_PER_MS},"s":"{listing.symbol}",'
        f'"S":"{"Buy" if event.position_side is PositionSide.LONG else "Sell"}","v":"{listing.size(event.size)}",'
        f'"p":"{listing.price(event.price if event.bankruptcy_price is None else event.bankruptcy_price)}"}}'
        for event in events
    )
    return f'{{"topic":"{topic}","type":"snapshot","ts":{now_ms},"data":[{rows}]}}'.encode()
