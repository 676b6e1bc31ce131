"""The lab's Binance payloads and REST replies, byte for byte.

Expected bytes are written by hand after the venue's documentation and the field order of frames captured in 2026
(aggTrade, kline, markPriceUpdate and forceOrder of August 2026); numbers are made up.
"""

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from perpscope.lab.book import LabBook
from perpscope.lab.listing import Listing
from perpscope.lab.wire.binance import payloads, replies
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import (
    Candle,
    Completeness,
    Interval,
    Liquidation,
    MarkPrice,
    PositionSide,
    Quote,
    Sampling,
    Side,
    Trade,
)

_MS = 1_000_000
_ID = InstrumentId("BTC-USDT-PERP.BINANCE")
_T = 1_786_171_884_471
_INSTRUMENT = Instrument(
    id=_ID,
    venue="binance",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.10"),
    step_size=Decimal("0.001"),
    min_notional=Decimal(100),
)
_LISTING = Listing(_INSTRUMENT)
_TRADE = Trade(_ID, _T * _MS, 0, 3404749954, 64990.9, 0.002, Side.SELL, True)
_QUOTE = Quote(_ID, _T * _MS, 0, 77, 64990.8, 1.5, 64990.9, 0.25)
_MARK = MarkPrice(_ID, _T * _MS, 0, 64991.37858696, 65016.05673913, 0.00003936, 1_786_176_000_000 * _MS)
_CANDLE = Candle(
    _ID,
    (_T + 9) * _MS,
    0,
    Interval.M1,
    1_786_171_860_000 * _MS,
    64970.8,
    64970.9,
    64969.4,
    64969.5,
    9.09,
    590577.9688,
    194,
    3.46,
    224795.0944,
    True,
)
_LIQUIDATION = Liquidation(
    _ID, _T * _MS, 0, PositionSide.LONG, 0.014, 83003.8, 82910.1, Completeness.COMPLETE, Sampling.NONE
)


@pytest.mark.parametrize(
    ("encode", "expected"),
    [
        (
            lambda: payloads.agg_trade(_LISTING, _TRADE, _T + 153),
            b'{"e":"aggTrade","E":1786171884624,"a":3404749954,"s":"BTCUSDT","p":"64990.90","q":"0.002","nq":"0.002",'
            b'"f":3404749954,"l":3404749954,"T":1786171884471,"m":true,"st":1}',
        ),
        (
            lambda: payloads.trade(_LISTING, msgspec.structs.replace(_TRADE, side=Side.BUY), _T),
            b'{"e":"trade","E":1786171884471,"T":1786171884471,"s":"BTCUSDT","t":3404749954,"p":"64990.90","q":"0.002",'
            b'"X":"MARKET","m":false}',
        ),
        (
            lambda: payloads.book_ticker(_LISTING, _QUOTE, _T + 1),
            b'{"e":"bookTicker","u":77,"s":"BTCUSDT","ps":"BTCUSDT","b":"64990.80","B":"1.500","a":"64990.90",'
            b'"A":"0.250","T":1786171884471,"E":1786171884472,"st":1}',
        ),
        (
            lambda: payloads.depth_update(
                _LISTING, (9501, 9533, 9498), [("83003.70", "2.510")], [("83004.00", "0.000")], (_T, _T + 7)
            ),
            b'{"e":"depthUpdate","E":1786171884478,"T":1786171884471,"s":"BTCUSDT","ps":"BTCUSDT","U":9501,"u":9533,'
            b'"pu":9498,"b":[["83003.70","2.510"]],"a":[["83004.00","0.000"]],"st":1}',
        ),
        (
            lambda: payloads.kline(_LISTING, _CANDLE, 7960920277, _T + 9),
            b'{"e":"kline","E":1786171884480,"s":"BTCUSDT","k":{"t":1786171860000,"T":1786171919999,"s":"BTCUSDT",'
            b'"i":"1m","f":7960920084,"L":7960920277,"o":"64970.80","c":"64969.50","h":"64970.90","l":"64969.40",'
            b'"v":"9.090","n":194,"x":true,"q":"590577.96880","V":"3.460","Q":"224795.09440","B":"0"}}',
        ),
        (
            lambda: payloads.mark_price(_LISTING, _MARK, _T),
            b'{"e":"markPriceUpdate","E":1786171884471,"s":"BTCUSDT","p":"64991.37858696","ap":"64991.37858696",'
            b'"P":"65016.05673913","i":"65016.05673913","r":"0.00003936","T":1786176000000,"st":1}',
        ),
        (
            lambda: payloads.force_order(_LISTING, _LIQUIDATION, _T + 1008),
            b'{"e":"forceOrder","E":1786171885479,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"0.014",'
            b'"p":"82910.10","ap":"83003.80","X":"FILLED","l":"0.014","z":"0.014","T":1786171884471,"ps":"BTCUSDT",'
            b'"st":1}}',
        ),
    ],
    ids=["aggTrade", "trade", "bookTicker", "depthUpdate", "kline", "markPriceUpdate", "forceOrder"],
)
def test_payload_is_byte_exact(encode: Callable[[], bytes], expected: bytes) -> None:
    """Protects the wire: field order, text for numbers, milliseconds, and where `st` and `ps` stand today."""
    assert encode() == expected


def test_short_liquidation_is_a_buy_and_unknown_bankruptcy_is_the_fill() -> None:
    """Protects the side of the order, opposite to the position, and events that know one price only."""
    short = msgspec.structs.replace(_LIQUIDATION, position_side=PositionSide.SHORT, bankruptcy_price=None)
    order = msgspec.json.decode(payloads.force_order(_LISTING, short, _T))["o"]
    assert (order["S"], order["p"], order["ap"]) == ("BUY", "83003.80", "83003.80")


def test_candle_without_trades_has_no_trade_ids() -> None:
    """Protects quiet intervals: the venue writes -1 for both ids."""
    empty = msgspec.structs.replace(_CANDLE, trades=0)
    bar = msgspec.json.decode(payloads.kline(_LISTING, empty, 5, _T))["k"]
    assert (bar["f"], bar["L"]) == (-1, -1)


def test_mark_of_a_dated_contract_has_neither_rate_nor_funding_time() -> None:
    """Protects contracts that pay no funding, and venues that publish no index."""
    dated = msgspec.structs.replace(_MARK, index=None, funding_rate=None, ts_next_funding=None)
    body = msgspec.json.decode(payloads.mark_price(_LISTING, dated, _T))
    assert (body["i"], body["r"], body["T"]) == ("64991.37858696", "", 0)
    row = replies.premium_index(_LISTING, dated)
    assert (row["indexPrice"], row["nextFundingTime"]) == ("64991.37858696", 0)


def test_all_market_payload_is_an_array() -> None:
    """Protects `!markPrice@arr`."""
    assert payloads.array([b"{}", b"{}"]) == b"[{},{}]"


def test_numbers_are_written_as_finely_as_tick_and_step() -> None:
    """Protects rounding on the wire: decimals of the tick, not of the price; eight where it is unknown."""
    assert (_LISTING.price(1.0), _LISTING.size(1.0)) == ("1.00", "1.000")
    unknown = Listing(msgspec.structs.replace(_INSTRUMENT, tick_size=None, step_size=Decimal(1)))
    assert (unknown.price(0.5), unknown.size(2.0)) == ("0.50000000", "2")
    strange = Listing(msgspec.structs.replace(_INSTRUMENT, tick_size=Decimal("NaN")))
    assert strange.price_decimals == 0


def test_exchange_info_lists_ticks_steps_and_the_weight_limit() -> None:
    """Protects the catalogue: what decides the size of an order stands in `filters`."""
    body = msgspec.json.decode(replies.exchange_info([_LISTING], _T))
    symbol = body["symbols"][0]
    filters = {row["filterType"]: row for row in symbol["filters"]}
    assert (symbol["symbol"], symbol["contractType"], symbol["status"]) == ("BTCUSDT", "PERPETUAL", "TRADING")
    assert (filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]) == ("0.10", "0.001")
    assert filters["MIN_NOTIONAL"]["notional"] == "100"
    assert body["rateLimits"][0]["limit"] == 2400
    assert "st" not in symbol


def test_exchange_info_of_an_instrument_known_by_name_alone() -> None:
    """Protects playbacks: ticks are as fine as anything on the tape, and a contract may be settling."""
    bare = msgspec.structs.replace(_INSTRUMENT, tick_size=None, step_size=None, min_notional=None, is_trading=False)
    symbol = msgspec.json.decode(replies.exchange_info([Listing(bare)], _T))["symbols"][0]
    filters = {row["filterType"]: row for row in symbol["filters"]}
    assert (filters["PRICE_FILTER"]["tickSize"], filters["MIN_NOTIONAL"]["notional"]) == ("0.00000001", "5")
    assert symbol["status"] == "SETTLING"


def test_depth_reply_is_the_book_best_first() -> None:
    """Protects the snapshot: best levels first, the id of the last change, never older than that change."""
    book = LabBook()
    book.replace([("1.0", "2"), ("1.2", "3"), ("1.1", "1")], [("1.4", "1"), ("1.3", "5")], 9, _T * _MS)
    assert replies.depth(book, 2, _T - 5) == (
        b'{"lastUpdateId":9,"E":1786171884471,"T":1786171884471,'
        b'"bids":[["1.2","3"],["1.1","1"]],"asks":[["1.3","5"],["1.4","1"]]}'
    )


def test_kline_rows_have_the_venues_twelve_columns() -> None:
    """Protects back-fill: taker-buy volumes stand at 9 and 10, the close time ends the interval."""
    (row,) = msgspec.json.decode(replies.klines(_LISTING, [_CANDLE]))
    assert row == [
        1786171860000,
        "64970.80",
        "64970.90",
        "64969.40",
        "64969.50",
        "9.090",
        1786171919999,
        "590577.96880",
        194,
        "3.460",
        "224795.09440",
        "0",
    ]


def test_ticker_sums_the_day_even_without_volume() -> None:
    """Protects the 24 h ticker: extremes and sums over the candles, and a mean price where nothing traded."""
    later = msgspec.structs.replace(_CANDLE, high=65000.0, low=64000.0, close=64500.0)
    row = replies.ticker_24h(_LISTING, [_CANDLE, later], _T)
    assert (row["highPrice"], row["lowPrice"], row["lastPrice"]) == ("65000.00", "64000.00", "64500.00")
    assert (row["volume"], row["count"]) == ("18.180", 388)
    quiet = msgspec.structs.replace(_CANDLE, volume=0.0, quote_volume=0.0, trades=0)
    assert replies.ticker_24h(_LISTING, [quiet], _T)["weightedAvgPrice"] == "64969.50"


def test_small_replies_are_byte_exact() -> None:
    """Protects time and errors."""
    assert replies.server_time(5) == b'{"serverTime":5}'
    assert replies.error(-1121, "Invalid symbol.") == b'{"code":-1121,"msg":"Invalid symbol."}'


def test_book_forgets_levels_of_size_zero_and_knows_prices_by_value() -> None:
    """Protects the book: absolute sizes, zero removes, `1.10` and `1.1` are one price."""
    book = LabBook()
    book.replace([("1.1", "2")], [("1.2", "1")], 1, 5)
    book.apply([("1.10", "3.0")], [("1.2", "0.000"), ("9", "0")], 2, 6)
    assert book.top(5) == ([("1.10", "3.0")], [])
    assert (book.last_update_id, book.ts_event) == (2, 6)
