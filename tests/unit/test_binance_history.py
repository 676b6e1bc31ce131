"""Binance REST that fills a hole: candles, trades by id, mark prices, funding. Replies are hand-written."""

import json

import pytest

from perpscope.errors import FrameError
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Candle, FundingPaid, Interval, MarkPrice, Side, Trade
from perpscope.model.stream import HttpRequest
from perpscope.venues.binance import history

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
OPEN_MS = 1_790_757_180_000
TS_RECV = (OPEN_MS + 90_000) * 1_000_000


def body(reply: object) -> bytes:
    """A reply as it comes."""
    return json.dumps(reply).encode()


@pytest.mark.parametrize(
    ("limit", "weight"), [(1, 1), (99, 1), (100, 2), (499, 2), (500, 5), (1000, 5), (1001, 10), (1500, 10)]
)
def test_klines_weigh_by_their_number(limit: int, weight: int) -> None:
    """Candles are asked for at their documented weight."""
    assert history.klines_request("BTCUSDT", Interval.M1, limit=limit).weight == weight


def test_requests_say_what_they_ask() -> None:
    """Paths, parameters and weights are the documented ones; one premium is ten times cheaper than all."""
    assert history.klines_request("BTCUSDT", Interval.M15, start_ms=1, end_ms=2).params == (
        ("symbol", "BTCUSDT"),
        ("interval", "15m"),
        ("limit", "500"),
        ("startTime", "1"),
        ("endTime", "2"),
    )
    assert history.premium_request() == HttpRequest(path="/fapi/v1/premiumIndex", weight=10)
    assert history.premium_request("BTCUSDT").params == (("symbol", "BTCUSDT"),)
    assert history.premium_request("BTCUSDT").weight == 1
    trades = (("symbol", "BTCUSDT"), ("fromId", "7"), ("limit", "1000"))
    assert history.trades_request("BTCUSDT", from_id=7) == HttpRequest(
        path="/fapi/v1/aggTrades", params=trades, weight=20
    )
    between = history.trades_between_request("BTCUSDT", 1, 2, limit=3)
    assert between.params == (("symbol", "BTCUSDT"), ("startTime", "1"), ("endTime", "2"), ("limit", "3"))
    paid = history.funding_history_request("BTCUSDT", start_ms=1)
    assert (paid.path, paid.params) == (
        "/fapi/v1/fundingRate",
        (("symbol", "BTCUSDT"), ("limit", "1000"), ("startTime", "1")),
    )


def test_limits_the_venue_would_refuse_are_refused_here() -> None:
    """A number of rows, or a window, outside the documented bounds names the value and the rule."""
    for limit in (0, 1501):
        with pytest.raises(ValueError, match=rf"klines limit {limit} must lie in \[1, 1500\]"):
            history.klines_request("BTCUSDT", Interval.M1, limit=limit)
    for limit in (0, 1001):
        with pytest.raises(ValueError, match=rf"trades limit {limit} must lie in \[1, 1000\]"):
            history.trades_request("BTCUSDT", from_id=1, limit=limit)
        with pytest.raises(ValueError, match=rf"fundings limit {limit} must lie in \[1, 1000\]"):
            history.funding_history_request("BTCUSDT", limit=limit)
    for span in (-1, 3_600_000):
        with pytest.raises(ValueError, match=rf"window of {span} ms must lie in \[0, 3600000\)"):
            history.trades_between_request("BTCUSDT", OPEN_MS, OPEN_MS + span)


def test_funding_calls_stay_within_their_own_limit() -> None:
    """500 calls in 5 minutes, shared with fundingInfo: at the weight given, a whole budget buys fewer."""
    weight = history.funding_history_request("BTCUSDT").weight
    assert (5 * 1920 + 1920 / 4) / weight <= 500


def test_trades_are_those_of_the_stream() -> None:
    """Ids, sides and sizes of a fetched trade are the streamed one's, so that each is counted once."""
    rows = [
        {"a": 7, "p": "83003.8", "q": "0.12", "nq": "0.1", "f": 1, "l": 2, "T": OPEN_MS, "m": True},
        {"a": 8, "p": "83003.9", "q": "0.5", "f": 3, "l": 3, "T": OPEN_MS + 1, "m": False},
    ]
    assert history.trades(body(rows), BTC, TS_RECV) == [
        Trade(BTC, OPEN_MS * 10**6, TS_RECV, 7, 83003.8, 0.12, Side.SELL, True),
        Trade(BTC, (OPEN_MS + 1) * 10**6, TS_RECV, 8, 83003.9, 0.5, Side.BUY, True),
    ]


def test_funding_that_was_paid_is_read() -> None:
    """The rate is a fraction of the notional at the mark price, not told of old ones; strangers are left out."""
    rows = [
        {"symbol": "BTCUSDT", "fundingRate": "-0.03750000", "fundingTime": OPEN_MS},
        {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingTime": OPEN_MS + 1, "markPrice": ""},
        {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingTime": OPEN_MS + 2, "markPrice": "83000.5"},
        {"symbol": "ETHUSDT", "fundingRate": "0.0001", "fundingTime": OPEN_MS},
    ]
    old, newer, new = history.fundings_paid(body(rows), {"BTCUSDT": BTC}, TS_RECV)
    assert old == FundingPaid(BTC, OPEN_MS * 10**6, TS_RECV, -0.0375, None)
    assert (newer.mark, new.mark, new.funding_rate) == (None, 83000.5, 0.0001)


def kline(open_ms: int, length_ms: int = 60_000) -> list[object]:
    """One row of klines."""
    return [open_ms, "10", "12", "9", "11", "5", open_ms + length_ms - 1, "50", 3, "2", "20", "0"]


def test_candles_are_closed_once_their_time_is_over() -> None:
    """The last row of klines is usually forming; the close time against our clock tells. Keeps S2-24."""
    closed, forming = history.candles(body([kline(OPEN_MS), kline(OPEN_MS + 60_000)]), BTC, Interval.M1, TS_RECV)
    ended = (OPEN_MS + 60_000) * 1_000_000
    numbers = (10.0, 12.0, 9.0, 11.0, 5.0, 50.0, 3, 2.0, 20.0)
    assert closed == Candle(BTC, ended, TS_RECV, Interval.M1, OPEN_MS * 1_000_000, *numbers, True)
    assert forming == Candle(BTC, TS_RECV, TS_RECV, Interval.M1, ended, *numbers, False)
    assert history.candles(body([kline(OPEN_MS)]), BTC, Interval.M1, ended)[0].is_closed
    assert not history.candles(body([kline(OPEN_MS)]), BTC, Interval.M1, ended - 1)[0].is_closed


def test_candles_of_another_length_are_refused() -> None:
    """Five-minute rows are never booked as minutes. Keeps S4-33."""
    with pytest.raises(FrameError, match="candle of 300 s where 1m was asked"):
        history.candles(body([kline(OPEN_MS, 300_000)]), BTC, Interval.M1, TS_RECV)


PREMIUM = {"symbol": "BTCUSDT", "markPrice": "83000.5", "indexPrice": "83001.5", "lastFundingRate": "0.0001"} | {
    "nextFundingTime": OPEN_MS + 1000,
    "time": OPEN_MS,
}


def test_mark_prices_of_one_or_all() -> None:
    """Premium is an object for one and a list for all; strangers and unpriced contracts are left out. Keeps S2-29."""
    mark = MarkPrice(BTC, OPEN_MS * 10**6, TS_RECV, 83000.5, 83001.5, 0.0001, (OPEN_MS + 1000) * 10**6)
    ids = {"BTCUSDT": BTC, "GONEUSDT": InstrumentId("GONE-USDT-PERP.BINANCE")}
    assert history.mark_prices(body(PREMIUM), ids, TS_RECV) == [mark]
    gone, stranger = PREMIUM | {"symbol": "GONEUSDT", "markPrice": "0"}, PREMIUM | {"symbol": "ETHUSDT"}
    assert history.mark_prices(body([gone, PREMIUM, stranger]), ids, TS_RECV) == [mark]


@pytest.mark.parametrize(("rate", "due"), [("", 0), ("0.00000000", 0)])
def test_dated_contracts_have_no_funding(rate: str, due: int) -> None:
    """`nextFundingTime` 0 means no funding, whatever the rate says."""
    reply = PREMIUM | {"lastFundingRate": rate, "nextFundingTime": due, "indexPrice": "0"}
    assert history.mark_prices(body(reply), {"BTCUSDT": BTC}, TS_RECV) == [
        MarkPrice(BTC, OPEN_MS * 10**6, TS_RECV, 83000.5, None, None, None)
    ]


def test_funding_is_due_at_a_moment_or_never() -> None:
    """Seconds where milliseconds are documented are refused. Keeps S4-33."""
    with pytest.raises(FrameError, match="`nextFundingTime` = 0 or >="):
        history.mark_prices(body(PREMIUM | {"nextFundingTime": OPEN_MS // 1000}), {}, TS_RECV)
