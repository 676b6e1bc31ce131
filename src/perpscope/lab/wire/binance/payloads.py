"""Stream payloads of Binance USD-M, byte for byte: an event of the market in, one JSON object out.

Field order, strings for numbers and the places of `st` (1 = USD-M) and `ps` (pair) follow frames captured in 2026
where there are any, else the venue's documentation. Times are integer milliseconds. Prices and sizes carry as many
decimals as the instrument's tick and step are written with.
"""

from collections.abc import Iterable

from perpscope.lab.book import TextLevel
from perpscope.lab.listing import Listing
from perpscope.model.market import Candle, Liquidation, MarkPrice, PositionSide, Quote, Side, Trade

_NS_PER_MS = 1_000_000
_BOOL = {True: "true", False: "false"}
NEVER_DELIVERED_MS = 4_133_404_800_000  #: the venue's own "no expiry": 2100-12-25T08:00Z
ONBOARDED_MS = 1_569_398_400_000
#: notional floor and cap, maintenance margin, deduction, least and most leverage; made up, and consistent with itself:
#: each deduction is the one before plus floor × the step in maintenance margin
BRACKETS = (
    (0, 50_000, 0.004, 0, 51, 125),
    (50_000, 500_000, 0.005, 50, 26, 100),
    (500_000, 8_000_000, 0.01, 2_550, 21, 50),
    (8_000_000, 50_000_000, 0.025, 122_550, 11, 20),
    (50_000_000, 500_000_000, 0.05, 1_372_550, 1, 10),
)


def agg_trade(listing: Listing, trade: Trade, published_ms: int) -> bytes:
    """`aggTrade`: the lab matches every taker with one maker, so first and last trade id are the trade's own."""
    size = listing.size(trade.size)
    return (
        f'{{"e":"aggTrade","E":{published_ms},"a":{trade.trade_id},"s":"{listing.symbol}",'
        f'"p":"{listing.price(trade.price)}","q":"{size}","nq":"{size}","f":{trade.trade_id},"l":{trade.trade_id},'
        f'"T":{trade.ts_event // _NS_PER_MS},"m":{_BOOL[trade.side is Side.SELL]},"st":1}}'
    ).encode()


def trade(listing: Listing, event: Trade, published_ms: int) -> bytes:
    """Raw `trade`, as ccxt asks for it on /public; undocumented for USD-M."""
    return (
        f'{{"e":"trade","E":{published_ms},"T":{event.ts_event // _NS_PER_MS},"s":"{listing.symbol}",'
        f'"t":{event.trade_id},"p":"{listing.price(event.price)}","q":"{listing.size(event.size)}",'
        f'"X":"MARKET","m":{_BOOL[event.side is Side.SELL]}}}'
    ).encode()


def book_ticker(listing: Listing, quote: Quote, published_ms: int) -> bytes:
    """`bookTicker`: best bid and ask."""
    price, size = listing.price, listing.size
    return (
        f'{{"e":"bookTicker","u":{quote.update_id},"s":"{listing.symbol}","ps":"{listing.symbol}",'
        f'"b":"{price(quote.bid)}","B":"{size(quote.bid_size)}","a":"{price(quote.ask)}","A":"{size(quote.ask_size)}",'
        f'"T":{quote.ts_event // _NS_PER_MS},"E":{published_ms},"st":1}}'
    ).encode()


def depth_update(
    listing: Listing,
    ids: tuple[int, int, int],
    bids: Iterable[TextLevel],
    asks: Iterable[TextLevel],
    times_ms: tuple[int, int],
) -> bytes:
    """`depthUpdate`, of the diff and the partial depth streams alike.

    Args:
        listing: what it is the book of.
        ids: first and last update id in it, and the last one of the message before.
        bids: (price, size) as text, size absolute.
        asks: likewise.
        times_ms: when it happened and when it was published.
    """
    first, last, previous = ids
    happened_ms, published_ms = times_ms
    return (
        f'{{"e":"depthUpdate","E":{published_ms},"T":{happened_ms},"s":"{listing.symbol}","ps":"{listing.symbol}",'
        f'"U":{first},"u":{last},"pu":{previous},"b":{levels(bids)},"a":{levels(asks)},"st":1}}'
    ).encode()


def levels(side: Iterable[TextLevel]) -> str:
    """`[["83003.70","2.510"],…]`."""
    return "[" + ",".join([f'["{price}","{size}"]' for price, size in side]) + "]"


def kline(listing: Listing, candle: Candle, last_trade_id: int, published_ms: int) -> bytes:
    """`kline`, forming or closed.

    Args:
        listing: what was traded.
        candle: its state.
        last_trade_id: of the newest trade in it; ids are contiguous, so the first is `trades - 1` earlier, unless
            some of them were before the market's first id.
        published_ms: when it was published.
    """
    opened_ms = candle.ts_open // _NS_PER_MS
    price, size, quote = listing.price, listing.size, listing.quote
    first, last = (max(0, last_trade_id - candle.trades + 1), last_trade_id) if candle.trades else (-1, -1)
    return (
        f'{{"e":"kline","E":{published_ms},"s":"{listing.symbol}","k":{{"t":{opened_ms},'
        f'"T":{opened_ms + candle.interval.ns // _NS_PER_MS - 1},"s":"{listing.symbol}","i":"{candle.interval.value}",'
        f'"f":{first},"L":{last},"o":"{price(candle.open)}","c":"{price(candle.close)}","h":"{price(candle.high)}",'
        f'"l":"{price(candle.low)}","v":"{size(candle.volume)}","n":{candle.trades or 0},"x":{_BOOL[candle.is_closed]},'
        f'"q":"{quote(candle.quote_volume or 0.0)}","V":"{size(candle.taker_buy_volume or 0.0)}",'
        f'"Q":"{quote(candle.taker_buy_quote_volume or 0.0)}","B":"0"}}}}'
    ).encode()


def mark_price(listing: Listing, event: MarkPrice, published_ms: int) -> bytes:
    """`markPriceUpdate`; `ap`, the mark's moving average, and `P`, the settlement estimate, are mark and index."""
    index = event.mark if event.index is None else event.index
    rate = "" if event.funding_rate is None else f"{event.funding_rate:.8f}"
    return (
        f'{{"e":"markPriceUpdate","E":{published_ms},"s":"{listing.symbol}","p":"{event.mark:.8f}",'
        f'"ap":"{event.mark:.8f}","P":"{index:.8f}","i":"{index:.8f}","r":"{rate}",'
        f'"T":{(event.ts_next_funding or 0) // _NS_PER_MS},"st":1}}'
    ).encode()


def force_order(listing: Listing, event: Liquidation, published_ms: int) -> bytes:
    """`forceOrder`: `S` is the side of the order, SELL closes a long; `p` is the bankruptcy price, `ap` the fill."""
    side = "SELL" if event.position_side is PositionSide.LONG else "BUY"
    fill = event.price
    limit = fill if event.bankruptcy_price is None else event.bankruptcy_price
    size = listing.size(event.size)
    return (
        f'{{"e":"forceOrder","E":{published_ms},"o":{{"s":"{listing.symbol}","S":"{side}","o":"LIMIT","f":"IOC",'
        f'"q":"{size}","p":"{listing.price(limit)}","ap":"{listing.price(fill)}","X":"FILLED","l":"{size}","z":"{size}",'
        f'"T":{event.ts_event // _NS_PER_MS},"ps":"{listing.symbol}","st":1}}}}'
    ).encode()


def contract_info(listing: Listing, published_ms: int) -> bytes:
    """`contractInfo`: status and leverage brackets, which Binance publishes nowhere else without a key."""
    brackets = ",".join(
        f'{{"bs":{number},"bnf":{floor},"bnc":{cap},"mmr":{mmr},"cf":{deduction},"mi":{least},"ma":{most}}}'
        for number, (floor, cap, mmr, deduction, least, most) in enumerate(BRACKETS, start=1)
    )
    status = "TRADING" if listing.instrument.is_trading else "SETTLING"
    return (
        f'{{"e":"contractInfo","E":{published_ms},"s":"{listing.symbol}","ps":"{listing.symbol}","ct":"PERPETUAL",'
        f'"dt":{NEVER_DELIVERED_MS},"ot":{ONBOARDED_MS},"cs":"{status}","bks":[{brackets}],"st":1}}'
    ).encode()


def array(payloads: Iterable[bytes]) -> bytes:
    """The payload of an all-market stream such as `!markPrice@arr`."""
    return b"[" + b",".join(payloads) + b"]"
