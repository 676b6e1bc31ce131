"""Binance REST: what is asked, what it weighs, what replies mean. Replies are hand-written after the documentation."""

import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from perpscope.errors import FrameError
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import BookSnapshot, Candle, Interval, MarkPrice
from perpscope.model.stream import HttpRequest
from perpscope.venues.binance import VENUE, rest
from perpscope.venues.binance.symbols import instrument_named

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
OPEN_MS = 1_790_757_180_000
TS_RECV = (OPEN_MS + 90_000) * 1_000_000
FILTERS = [
    {"filterType": "PRICE_FILTER", "tickSize": "0.10", "minPrice": "402"},
    {"filterType": "LOT_SIZE", "stepSize": "0.001"},
    {"filterType": "MARKET_LOT_SIZE", "stepSize": "0.01"},
    {"filterType": "MAX_NUM_ORDERS", "limit": 200},
    {"filterType": "MIN_NOTIONAL", "notional": "100"},
]


def listed(symbol: str, contract_type: str, base: str, **others: object) -> dict[str, object]:
    """One row of exchangeInfo."""
    row = {
        "symbol": symbol,
        "contractType": contract_type,
        "baseAsset": base,
        "quoteAsset": "USDT",
        "status": "TRADING",
    }
    return row | {"pricePrecision": 2, "quantityPrecision": 3, "filters": FILTERS, "underlyingType": "COIN"} | others


def body(reply: object) -> bytes:
    """A reply as it comes."""
    return json.dumps(reply).encode()


def test_the_catalogue_is_read_with_its_steps() -> None:
    """Perpetual, dated, TradFi and settling contracts are told apart; steps come from filters. Keeps S1-02."""
    rows = [
        listed("BTCUSDT", "PERPETUAL", "BTC"),
        listed("BTCUSDT_260925", "CURRENT_QUARTER", "BTC"),
        listed("TSLAUSDT", "TRADIFI_PERPETUAL", "TSLA", underlyingType="EQUITY"),
        listed("DEFIUSDT", "PERPETUAL", "DEFI", underlyingType="INDEX", filters=[]),
        listed("OLDUSDT", "PERPETUAL", "OLD", status="SETTLING"),
        listed("SOONUSDT", "", "SOON", status="PENDING_TRADING"),
        listed("BTCUSD_PERP", "PERPETUAL", "BTC", quoteAsset="USD", contractSize=100),
    ]
    btc, dated, stock, index, old = VENUE.instruments(body({"symbols": rows}))
    assert (btc.id, btc.symbol, btc.base, btc.quote, btc.is_perpetual) == (BTC, "BTCUSDT", "BTC", "USDT", True)
    assert (btc.tick_size, btc.step_size, btc.min_notional) == (Decimal("0.10"), Decimal("0.001"), Decimal(100))
    assert (btc.is_trading, btc.is_crypto) == (True, True)
    assert (dated.id, dated.expiry) == ("BTC-USDT-260925.BINANCE", "260925")
    assert (stock.is_crypto, index.is_crypto, index.tick_size) == (False, False, None)
    assert not old.is_trading


@pytest.mark.parametrize(("limit", "weight"), [(5, 2), (10, 2), (20, 2), (50, 2), (100, 5), (500, 10), (1000, 20)])
def test_depth_weighs_by_its_levels(limit: int, weight: int) -> None:
    """Book snapshots are asked for at their documented weight."""
    expected = HttpRequest(path="/fapi/v1/depth", params=(("symbol", "BTCUSDT"), ("limit", str(limit))), weight=weight)
    assert rest.depth_request("BTCUSDT", limit) == expected


@pytest.mark.parametrize(
    ("limit", "weight"), [(1, 1), (99, 1), (100, 2), (499, 2), (500, 5), (1000, 5), (1001, 10), (1500, 10)]
)
def test_klines_weigh_by_their_number(limit: int, weight: int) -> None:
    """Candles are asked for at their documented weight."""
    assert rest.klines_request("BTCUSDT", Interval.M1, limit=limit).weight == weight


def test_limits_the_venue_would_refuse_are_refused_here() -> None:
    """A limit outside the tables names the value and the rule."""
    with pytest.raises(ValueError, match="depth limit 7 must be one of 5, 10"):
        rest.depth_request("BTCUSDT", 7)
    for limit in (0, 1501):
        with pytest.raises(ValueError, match=rf"klines limit {limit} must lie in \[1, 1500\]"):
            rest.klines_request("BTCUSDT", Interval.M1, limit=limit)


def test_requests_say_what_they_ask() -> None:
    """Paths and parameters are the documented ones; one instrument's premium is ten times cheaper than all."""
    instrument = instrument_named("BTCUSDT")
    assert instrument is not None
    assert VENUE.snapshot_request(instrument) == rest.depth_request("BTCUSDT", 1000)
    assert VENUE.catalogue_request() == HttpRequest(path="/fapi/v1/exchangeInfo")
    assert rest.klines_request("BTCUSDT", Interval.M15, start_ms=1, end_ms=2).params == (
        ("symbol", "BTCUSDT"),
        ("interval", "15m"),
        ("limit", "500"),
        ("startTime", "1"),
        ("endTime", "2"),
    )
    assert rest.premium_request() == HttpRequest(path="/fapi/v1/premiumIndex", weight=10)
    assert rest.premium_request("BTCUSDT").params == (("symbol", "BTCUSDT"),)
    assert rest.premium_request("BTCUSDT").weight == 1


@pytest.mark.parametrize(
    ("times", "ts_event"),
    [
        ({"T": OPEN_MS, "E": OPEN_MS + 5}, OPEN_MS * 1_000_000),
        ({"E": OPEN_MS + 5}, (OPEN_MS + 5) * 1_000_000),
        ({}, TS_RECV),
    ],
)
def test_a_snapshot_is_dated_by_the_match(times: dict[str, int], ts_event: int) -> None:
    """The book is as of its match, else its message, else its receipt; best levels first."""
    reply = {"lastUpdateId": 5, "bids": [["10", "1"], ["9", "2"]], "asks": [["11", "3"], ["12", "4"]]} | times
    expected = BookSnapshot(BTC, ts_event, TS_RECV, 5, [(10.0, 1.0), (9.0, 2.0)], [(11.0, 3.0), (12.0, 4.0)])
    assert VENUE.snapshot(body(reply), BTC, TS_RECV) == expected


@pytest.mark.parametrize("side", [{"bids": [["9", "1"], ["10", "1"]]}, {"asks": [["12", "1"], ["11", "1"]]}])
def test_a_snapshot_out_of_order_is_refused(side: dict[str, object]) -> None:
    """Levels that are not best first are no book. Keeps S4-33."""
    with pytest.raises(FrameError, match="`bids` falling and `asks` rising"):
        rest.snapshot(body({"lastUpdateId": 5, "bids": [], "asks": []} | side), BTC, TS_RECV)


def kline(open_ms: int, length_ms: int = 60_000) -> list[object]:
    """One row of klines."""
    return [open_ms, "10", "12", "9", "11", "5", open_ms + length_ms - 1, "50", 3, "2", "20", "0"]


def test_candles_are_closed_once_their_time_is_over() -> None:
    """The last row of klines is usually forming; the close time against our clock tells. Keeps S2-24."""
    closed, forming = rest.candles(body([kline(OPEN_MS), kline(OPEN_MS + 60_000)]), BTC, Interval.M1, TS_RECV)
    ended = (OPEN_MS + 60_000) * 1_000_000
    numbers = (10.0, 12.0, 9.0, 11.0, 5.0, 50.0, 3, 2.0, 20.0)
    assert closed == Candle(BTC, ended, TS_RECV, Interval.M1, OPEN_MS * 1_000_000, *numbers, True)
    assert forming == Candle(BTC, TS_RECV, TS_RECV, Interval.M1, ended, *numbers, False)
    assert rest.candles(body([kline(OPEN_MS)]), BTC, Interval.M1, ended)[0].is_closed
    assert not rest.candles(body([kline(OPEN_MS)]), BTC, Interval.M1, ended - 1)[0].is_closed


def test_candles_of_another_length_are_refused() -> None:
    """Five-minute rows are never booked as minutes. Keeps S4-33."""
    with pytest.raises(FrameError, match="candle of 300 s where 1m was asked"):
        rest.candles(body([kline(OPEN_MS, 300_000)]), BTC, Interval.M1, TS_RECV)


PREMIUM = {"symbol": "BTCUSDT", "markPrice": "83000.5", "indexPrice": "83001.5", "lastFundingRate": "0.0001"} | {
    "nextFundingTime": OPEN_MS + 1000,
    "time": OPEN_MS,
}


def test_mark_prices_of_one_or_all() -> None:
    """Premium is an object for one and a list for all; strangers and unpriced contracts are left out. Keeps S2-29."""
    mark = MarkPrice(BTC, OPEN_MS * 10**6, TS_RECV, 83000.5, 83001.5, 0.0001, (OPEN_MS + 1000) * 10**6)
    ids = {"BTCUSDT": BTC, "GONEUSDT": InstrumentId("GONE-USDT-PERP.BINANCE")}
    assert rest.mark_prices(body(PREMIUM), ids, TS_RECV) == [mark]
    gone, stranger = PREMIUM | {"symbol": "GONEUSDT", "markPrice": "0"}, PREMIUM | {"symbol": "ETHUSDT"}
    assert rest.mark_prices(body([gone, PREMIUM, stranger]), ids, TS_RECV) == [mark]


@pytest.mark.parametrize(("rate", "due"), [("", 0), ("0.00000000", 0)])
def test_dated_contracts_have_no_funding(rate: str, due: int) -> None:
    """`nextFundingTime` 0 means no funding, whatever the rate says."""
    reply = PREMIUM | {"lastFundingRate": rate, "nextFundingTime": due, "indexPrice": "0"}
    assert rest.mark_prices(body(reply), {"BTCUSDT": BTC}, TS_RECV) == [
        MarkPrice(BTC, OPEN_MS * 10**6, TS_RECV, 83000.5, None, None, None)
    ]


@pytest.mark.parametrize(
    "raw", [b'{"code":-1121,"msg":"Invalid symbol."}', b'{"code":-1003,"msg":"Too many requests"}']
)
def test_refusals_name_their_code(raw: bytes) -> None:
    """An error body is told with the venue's own words and number, for every call."""
    code, msg = json.loads(raw).values()
    calls: list[Callable[[], object]] = [
        lambda: rest.instruments(raw),
        lambda: rest.snapshot(raw, BTC, TS_RECV),
        lambda: rest.candles(raw, BTC, Interval.M1, TS_RECV),
        lambda: rest.mark_prices(raw, {}, TS_RECV),
    ]
    for call in calls:
        with pytest.raises(FrameError) as caught:
            call()
        assert caught.value.message == f"binance refused: {msg} (code {code})"


def test_funding_is_due_at_a_moment_or_never() -> None:
    """Seconds where milliseconds are documented are refused. Keeps S4-33."""
    with pytest.raises(FrameError, match="`nextFundingTime` = 0 or >="):
        rest.mark_prices(body(PREMIUM | {"nextFundingTime": OPEN_MS // 1000}), {}, TS_RECV)


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[" * 200_000, b'{"symbols":[{}]}', b"\xff"])
def test_replies_of_no_shape_are_refused(raw: bytes) -> None:
    """A gateway's page or half a reply is a FrameError that shows its beginning. Keeps S4-33."""
    with pytest.raises(FrameError, match="sent a reply we cannot read"):
        rest.instruments(raw)
