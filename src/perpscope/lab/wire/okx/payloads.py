"""Frames of OKX's public channels, byte for byte: `{arg, data}`, for books with `action` in between.

Books and trades are told by sequence ids. The market's own only rise; now and then the venue begins anew after a
maintenance, so here they fall every other day at 08:00 UTC.
"""

from collections.abc import Iterable, Sequence

import msgspec

from perpscope.lab.book import TextLevel, ToldDepth
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Stand
from perpscope.lab.wire.okx.bars import DAY_NS, Span
from perpscope.lab.wire.okx.listings import LOT
from perpscope.lab.wire.okx.rows import side
from perpscope.model.market import Trade

#: levels of each book channel, and milliseconds between two of its frames
BOOKS = {"bbo-tbt": (1, 10), "books5": (5, 100), "books": (400, 100), "books-rpi": (400, 100)}
#: those that begin with a snapshot and go on with changes
CHAINED = ("books", "books-rpi")
#: where `Stand.told` has, as its `number`, the id of the newest match (its other keys are depths)
MATCHES = 0
_NS_PER_MS = 1_000_000
_MATCHES_A_TRADE = (1, 1, 2, 1, 3)  # by turns; made up, as the market has whole takers only
_RESETS = Span(2 * DAY_NS, 16 * 3600 * 1_000_000_000)  # on every second day at 08:00 UTC, as days count from 1970
_ABOVE = 1_000_000_000


def sequence_id(update_id: int, ts: int) -> int:
    """The venue's id of a state of the book, which was reached at `ts` (ns UTC)."""
    return update_id + (_ABOVE if ts - _RESETS.begins(ts) >= DAY_NS else 0)


def frame(channel: str, what: str, rows: Sequence[object]) -> bytes:
    """Rows of a channel.

    Args:
        channel: its name.
        what: the instrument or index, or a type of instrument.
        rows: objects or lists.
    """
    key = "instType" if channel in ("liquidation-orders", "instruments") else "instId"
    return msgspec.json.encode({"arg": {"channel": channel, key: what}, "data": rows})


# trades --------------------------------------------------------------------------------------------------------------


def matches(listing: Listing, trade: Trade) -> list[str]:
    """Sizes of the matches a trade is made of, contracts; their ids count one by one."""
    unit = float(LOT * listing.instrument.contract_size)
    lots = round(trade.size / unit)
    count = max(1, min(lots, _MATCHES_A_TRADE[int(trade.trade_id) % len(_MATCHES_A_TRADE)]))
    each = lots // count
    return [listing.size(each * unit)] * (count - 1) + [listing.size((lots - each * (count - 1)) * unit)]


def trade(stand: Stand, event: Trade, trade_id: int, count: int) -> bytes:
    """`trades`: one taker at one price; `tradeId` is the last of its matches' ids."""
    told = f'{_match(stand.listing, event, trade_id, stand.listing.size(event.size))},"count":"{count}","source":"0"'
    sequence = sequence_id(stand.book.last_update_id, stand.book.ts_event)
    return _pushed("trades", stand.listing.symbol, f'{{{told},"seqId":{sequence}}}')


def single_trade(stand: Stand, event: Trade, trade_id: int, size: str) -> bytes:
    """`trades-all`: one match."""
    return _pushed(
        "trades-all", stand.listing.symbol, f'{{{_match(stand.listing, event, trade_id, size)},"source":"0"}}'
    )


def _match(listing: Listing, event: Trade, trade_id: int, size: str) -> str:
    return (
        f'"instId":"{listing.symbol}","tradeId":"{trade_id}","px":"{listing.price(event.price)}",'
        f'"sz":"{size}","side":"{side(event.side)}","ts":"{event.ts_event // _NS_PER_MS}"'
    )


def _pushed(channel: str, symbol: str, row: str) -> bytes:
    return f'{{"arg":{{"channel":"{channel}","instId":"{symbol}"}},"data":[{row}]}}'.encode()


# books ---------------------------------------------------------------------------------------------------------------


def orders(size: str) -> str:
    """How many orders stand at a level: made up from its size, none at a size of zero."""
    return "0" if size == "0" else str(int(size[-1]) + 1)


def book_snapshot(channel: str, symbol: str, told: ToldDepth) -> bytes:
    """What was told, whole: the start of a chain, or all there is in channels without changes."""
    sequence, ts_ms = sequence_id(told.update_id, told.ts_event), told.ts_event // _NS_PER_MS
    if channel in CHAINED:
        return book(channel, symbol, "snapshot", (told.bids, told.asks), ts_ms, (-1, sequence))
    levels = f'"asks":{_levels(channel, told.asks)},"bids":{_levels(channel, told.bids)}'
    named = f'"instId":"{symbol}",' if channel == "books5" else ""
    return _pushed(channel, symbol, f'{{{levels},{named}"ts":"{ts_ms}","seqId":{sequence}}}')


def book(
    channel: str, symbol: str, action: str, levels: Sequence[Iterable[TextLevel]], ts_ms: int, ids: tuple[int, int]
) -> bytes:
    """`books` or `books-rpi`.

    Args:
        channel: which.
        symbol: whose book.
        action: "snapshot" or "update".
        levels: bids and asks; size "0" removes; none of either in a heartbeat.
        ts_ms: when it was so.
        ids: `prevSeqId` (-1 in a snapshot) and `seqId` (the same in a heartbeat).
    """
    bids, asks = levels
    return (
        f'{{"arg":{{"channel":"{channel}","instId":"{symbol}"}},"action":"{action}","data":[{{'
        f'"asks":{_levels(channel, asks)},"bids":{_levels(channel, bids)},"ts":"{ts_ms}","checksum":0,'
        f'"prevSeqId":{ids[0]},"seqId":{ids[1]}}}]}}'
    ).encode()


def _levels(channel: str, levels: Iterable[TextLevel]) -> str:
    """Price, size, a zero (or, among RPI levels, the size without RPI orders: all of it here), number of orders."""
    if channel == "books-rpi":
        return "[" + ",".join(f'["{price}","{size}","{size}","{orders(size)}"]' for price, size in levels) + "]"
    return "[" + ",".join(f'["{price}","{size}","0","{orders(size)}"]' for price, size in levels) + "]"
