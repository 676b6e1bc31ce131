"""Frames of Bitget's public topics, byte for byte: `{action, arg, data, ts}`; but for the outer `ts` all is text.

Field names and types follow the documentation and frames captured in 2024 (v2) and September 2026 (v3, v2); where those
differ, `disputed` has a switch. Within a frame trades come newest first, bids fall and asks rise in price.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence

from perpscope.lab.book import TextLevel
from perpscope.lab.listing import Listing
from perpscope.lab.wire.bitget import disputed
from perpscope.lab.wire.bitget.listings import plain
from perpscope.lab.wire.bitget.topics import CLASSIC, Topic, arg
from perpscope.model.market import Candle, Liquidation, PositionSide, Side, Trade

Levels = tuple[Sequence[TextLevel], Sequence[TextLevel]]  #: bids and asks

_NS_PER_MS = 1_000_000
_FIRST_ID = 1_480_000_000_000_000_000
_IDS_PER_TRADE = 1 << 17
_CHECKED_LEVELS = 25
_MOST_LEVELS = 1000
_TURNOVER_DECIMALS = 5


def pushed(topic: Topic, action: str, rows: Iterable[str], now_ms: int) -> bytes:
    """One frame.

    Args:
        topic: what it is of.
        action: "snapshot" or "update".
        rows: of `data`, JSON.
        now_ms: when it is published.
    """
    return f'{{"action":"{action}","arg":{arg(topic)},"data":[{",".join(rows)}],"ts":{now_ms}}}'.encode()


def execution_id(listing: Listing, trade: Trade) -> int:
    """Shaped like the venue's ids, rising with time, and the same for the same trade on every path."""
    own = 2 * (zlib.crc32(listing.symbol.encode()) % (_IDS_PER_TRADE // 2))
    return _FIRST_ID + int(trade.trade_id) * _IDS_PER_TRADE + own


def side(of: Side) -> str:
    """Of the taker."""
    return "buy" if of is Side.BUY else "sell"


def trade(generation: str, listing: Listing, event: Trade) -> str:
    """A row of `publicTrade` (v3) or `trade` (v2)."""
    number, ts = execution_id(listing, event), event.ts_event // _NS_PER_MS
    price, size, taker = listing.price(event.price), listing.size(event.size), side(event.side)
    if generation == CLASSIC:
        return f'{{"ts":"{ts}","price":"{price}","size":"{size}","side":"{taker}","tradeId":"{number}"}}'
    return f'{{"i":"{number}","p":"{price}","v":"{size}","S":"{taker}","T":"{ts}","L":"{number + 1}","isRPI":"no"}}'


def book(topic: Topic, levels: Levels, sequence: tuple[int, int], ts: int, told: Levels | None = None) -> str:
    """The row of a book frame.

    Args:
        topic: `books` or one of its like.
        levels: bids and asks as they are, or those that changed; size "0" removes.
        sequence: `seq` and `pseq`; the latter 0 where nothing came before.
        ts: ns UTC, of the last change.
        told: the whole book after an update, for v2's checksum; None for a snapshot, whose checksum is 0.
    """
    bids, asks = sorted(levels[0], key=_price, reverse=True), sorted(levels[1], key=_price)
    quote = '"' if disputed.SEQUENCES_AS_TEXT else ""
    numbers = f'"seq":{quote}{sequence[0]}{quote},"pseq":{quote}{sequence[1]}{quote},"ts":"{ts // _NS_PER_MS}"'
    if topic.generation == CLASSIC:
        checksum = f'"checksum":{0 if told is None else checksum_of(told)},' if disputed.CHECKSUMS else ""
        return f'{{"asks":{_written(asks)},"bids":{_written(bids)},{checksum}{numbers}}}'
    depth = f',"maxdepth":"{_MOST_LEVELS}"' if topic.channel == "books" else ""
    return f'{{"a":{_written(asks)},"b":{_written(bids)},{numbers}{depth}}}'


def checksum_of(told: Levels) -> int:
    """Signed CRC32 of the best 25 levels, bid and ask by turns, `price:size` as they were sent."""
    bids, asks = (side[:_CHECKED_LEVELS] for side in told)
    texts: list[str] = []
    for rank in range(max(len(bids), len(asks))):
        for levels in (bids, asks):
            texts.extend(levels[rank] if rank < len(levels) else ())
    crc = zlib.crc32(":".join(texts).encode())
    return crc - (1 << 32) if crc >= 1 << 31 else crc


def _price(level: TextLevel) -> float:
    return float(level[0])


def _written(levels: Iterable[TextLevel]) -> str:
    return "[" + ",".join(f'["{price}","{size}"]' for price, size in levels) + "]"


def ticker(fields: Mapping[str, str]) -> str:
    """The row of a ticker frame."""
    return "{" + ",".join(f'"{name}":"{value}"' for name, value in fields.items()) + "}"


def candle(generation: str, listing: Listing, event: Candle) -> str:
    """A row of `kline` (v3) or `candle…` (v2); nothing in it tells whether the candle is closed."""
    start, open_, high, low, close, volume, turnover = candle_columns(listing, event)
    if generation == CLASSIC:
        return f'["{start}","{open_}","{high}","{low}","{close}","{volume}","{turnover}","{turnover}"]'
    return (
        f'{{"start":"{start}","open":"{open_}","close":"{close}","high":"{high}","low":"{low}",'
        f'"volume":"{volume}","turnover":"{turnover}"}}'
    )


def candle_columns(listing: Listing, event: Candle) -> list[str]:
    """Open time, open, high, low, close, base volume, quote volume."""
    return [
        str(event.ts_open // _NS_PER_MS),
        *(listing.price(price) for price in (event.open, event.high, event.low, event.close)),
        listing.size(event.volume),
        plain(event.quote_volume or 0.0, _TURNOVER_DECIMALS),
    ]


def largest(events: Iterable[Liquidation]) -> list[Liquidation]:
    """Of one symbol and second: the largest long and the largest short."""
    chosen: dict[PositionSide, Liquidation] = {}
    for event in events:
        best = chosen.get(event.position_side)
        if best is None or event.size > best.size:
            chosen[event.position_side] = event
    return sorted(chosen.values(), key=lambda event: event.ts_event)


def liquidation(listing: Listing, event: Liquidation) -> dict[str, str]:
    """A row of `liquidation`, the same on the socket and by REST.

    `side` is the side of the *position* ("buy": a long was liquidated), `price` near its bankruptcy price.
    """
    price = event.price if event.bankruptcy_price is None else event.bankruptcy_price
    told_price = listing.price(price)
    most = listing.price_decimals + listing.size_decimals
    in_quote = plain(float(listing.size(event.size)) * float(told_price), most)
    return {
        "symbol": listing.symbol,
        "side": "buy" if event.position_side is PositionSide.LONG else "sell",
        "price": told_price,
        "amount": listing.size(event.size) if disputed.AMOUNT_IN_BASE else in_quote,
        "ts": str(event.ts_event // _NS_PER_MS),
    }
