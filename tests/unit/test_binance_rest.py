"""Binance REST: what is asked, what it weighs, what replies mean. Replies are hand-written after the documentation."""

import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from perpscope.errors import FrameError
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import BookSnapshot, Interval
from perpscope.model.stream import HttpRequest
from perpscope.venues.binance import VENUE, Binance, history, rest
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
    btc, dated, stock, index, old = VENUE.instruments(body({"symbols": rows})).instruments
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


def test_limits_the_venue_would_refuse_are_refused_here() -> None:
    """A limit outside the tables names the value and the rule."""
    with pytest.raises(ValueError, match="depth limit 7 must be one of 5, 10"):
        rest.depth_request("BTCUSDT", 7)


def test_requests_say_what_they_ask() -> None:
    """Paths, parameters and weights are the documented ones; the catalogue has one page."""
    instrument = instrument_named("BTCUSDT")
    assert instrument is not None
    assert VENUE.snapshot_request(instrument) == rest.depth_request("BTCUSDT", 1000)
    assert Binance().top_request(instrument) == rest.depth_request("BTCUSDT", 100)
    assert VENUE.catalogue_request() == HttpRequest(path="/fapi/v1/exchangeInfo")
    assert VENUE.turnover_request() == HttpRequest(path="/fapi/v1/ticker/24hr", weight=40)
    assert Binance().funding_request().path == "/fapi/v1/fundingInfo"
    assert VENUE.tier_requests([instrument]) == []
    with pytest.raises(ValueError, match="has one page, 'BTC' was asked for"):
        VENUE.catalogue_request("BTC")


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
    instrument = instrument_named("BTCUSDT")
    assert instrument is not None
    assert VENUE.snapshot(body(reply), instrument, TS_RECV) == expected


@pytest.mark.parametrize(
    ("bids", "asks", "is_top"), [(100, 100, True), (7, 100, True), (100, 3, True), (99, 98, False)]
)
def test_a_copy_of_just_so_many_levels_is_the_top_of_a_book(bids: int, asks: int, is_top: bool) -> None:
    """Keeps B5. How the book goes on is not told, on either side; one that ends before is whole."""
    reply = {
        "lastUpdateId": 5,
        "bids": [[str(1000 - n), "1"] for n in range(bids)],
        "asks": [[str(1001 + n), "1"] for n in range(asks)],
    }
    assert rest.snapshot(body(reply), BTC, TS_RECV).is_top is is_top
    whole = reply | {"asks": [[str(1001 + n), "1"] for n in range(1000)]}
    assert not rest.snapshot(body(whole), BTC, TS_RECV).is_top


@pytest.mark.parametrize("side", [{"bids": [["9", "1"], ["10", "1"]]}, {"asks": [["12", "1"], ["11", "1"]]}])
def test_a_snapshot_out_of_order_is_refused(side: dict[str, object]) -> None:
    """Levels that are not best first are no book. Keeps S4-33."""
    with pytest.raises(FrameError, match="`bids` falling and `asks` rising"):
        rest.snapshot(body({"lastUpdateId": 5, "bids": [], "asks": []} | side), BTC, TS_RECV)


@pytest.mark.parametrize(
    "raw", [b'{"code":-1121,"msg":"Invalid symbol."}', b'{"code":-1003,"msg":"Too many requests"}']
)
def test_refusals_name_their_code(raw: bytes) -> None:
    """An error body is told with the venue's own words and number, for every call."""
    code, msg = json.loads(raw).values()
    calls: list[Callable[[], object]] = [
        lambda: rest.instruments(raw),
        lambda: rest.snapshot(raw, BTC, TS_RECV),
        lambda: rest.turnover(raw),
        lambda: rest.with_funding([], raw),
        lambda: history.candles(raw, BTC, Interval.M1, TS_RECV),
        lambda: history.mark_prices(raw, {}, TS_RECV),
        lambda: history.trades(raw, BTC, TS_RECV),
        lambda: history.fundings_paid(raw, {}, 1),
    ]
    for call in calls:
        with pytest.raises(FrameError) as caught:
            call()
        assert caught.value.message == f"binance refused: {msg} (code {code})"


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[" * 200_000, b'{"symbols":[{}]}', b"\xff"])
def test_replies_of_no_shape_are_refused(raw: bytes) -> None:
    """A gateway's page or half a reply is a FrameError that shows its beginning. Keeps S4-33."""
    with pytest.raises(FrameError, match="sent a reply we cannot read"):
        rest.instruments(raw)


def test_funding_intervals_come_with_a_call_of_their_own() -> None:
    """A listed interval is taken, a perpetual that is not listed has the usual 8 hours, a dated contract has none."""
    rows = [listed(f"{coin}USDT", "PERPETUAL", coin) for coin in ("BTC", "LPT", "NEW")]
    page = body({"symbols": [*rows, listed("BTCUSDT_260925", "CURRENT_QUARTER", "BTC")]})
    catalogue = VENUE.instruments(page)
    assert catalogue.after is None
    assert {instrument.funding_interval_h for instrument in catalogue.instruments} == {None}
    reply = [{"symbol": "LPTUSDT", "fundingIntervalHours": 4}, {"symbol": "GONEUSDT", "fundingIntervalHours": 8}]
    told = Binance().with_funding(
        catalogue.instruments, body([*reply, {"symbol": "NEWUSDT", "fundingIntervalHours": 1}])
    )
    hours = [(instrument.symbol, instrument.funding_interval_h) for instrument in told]
    assert hours == [("BTCUSDT", 8.0), ("LPTUSDT", 4.0), ("NEWUSDT", 1.0), ("BTCUSDT_260925", None)]


@pytest.mark.parametrize("hours", [0, -8, 25, "nan", None], ids=str)
def test_impossible_funding_intervals_are_refused(hours: object) -> None:
    """An interval is what a rate is divided by: zero, or one longer than a day, is no interval."""
    with pytest.raises(FrameError, match="fundingIntervalHours"):
        rest.with_funding([], body([{"symbol": "BTCUSDT", "fundingIntervalHours": hours}]))


def test_a_thousand_of_a_coin_are_told_from_the_coin() -> None:
    """The catalogue says of what, and of how many, one base unit is made."""
    rows = [listed(f"{base}USDT", "PERPETUAL", base) for base in ("PEPE", "1000PEPE", "1MBABYDOGE", "1INCH")]
    found = VENUE.instruments(body({"symbols": rows})).instruments
    coins = [(instrument.base, instrument.asset, instrument.multiplier) for instrument in found]
    assert coins == [
        ("PEPE", "PEPE", 1),
        ("1000PEPE", "PEPE", 1000),
        ("1MBABYDOGE", "BABYDOGE", 10**6),
        ("1INCH",) * 2 + (1,),
    ]


def test_turnover_is_in_quote_units() -> None:
    """Dollars turned over are `quoteVolume`, never `volume`, which counts coins."""
    rows = [{"symbol": "BTCUSDT", "volume": "3", "quoteVolume": "250000.5"}, {"symbol": "DEADUSDT", "quoteVolume": "0"}]
    assert VENUE.turnover(body(rows)) == {"BTCUSDT": 250000.5, "DEADUSDT": 0.0}


def test_margin_tiers_are_not_asked_for() -> None:
    """They are told to customers only; an answer that nobody asked for is refused."""
    with pytest.raises(FrameError, match="was asked for no margin tiers"):
        VENUE.tiers(b"[]", {})
