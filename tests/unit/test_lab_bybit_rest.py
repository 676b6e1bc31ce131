"""Bybit's REST as the lab answers it: pages, order, units, limits, and fields as recorded."""

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from perpscope.lab.rehearsal import START_NS, Rehearsal

Json: TypeAlias = dict[str, Any]  # decoded; the shape is what the test is about
_START_MS = START_NS // 1_000_000


@pytest.fixture(scope="module")
def stage() -> Rehearsal:
    """Ten minutes of a market."""
    stage = Rehearsal("bybit", 7, ("BTC", "ETH", "SOL"))
    stage.run(605.0)
    return stage


def _get(stage: Rehearsal, path: str, **query: str) -> Json:
    stage.now_s += 1.0
    answer = stage.get(f"/v5/market/{path}", **query)
    assert answer.status == 200
    reply: Json = json.loads(answer.body)
    assert reply["time"] == stage.now_ms
    return reply


def _result(stage: Rehearsal, path: str, **query: str) -> Json:
    reply = _get(stage, path, category="linear", **query)
    assert (reply["retCode"], reply["retMsg"]) == (0, "OK")
    result: Json = reply["result"]
    return result


def test_catalogue_comes_in_pages(stage: Rehearsal) -> None:
    """Protects paging: every contract once, an empty cursor at the end, the funding interval in minutes."""
    rows: list[Json] = []
    cursor = ""
    while True:
        page = _result(stage, "instruments-info", limit="2", cursor=cursor)
        rows += page["list"]
        if not (cursor := page["nextPageCursor"]):
            break
    assert [row["symbol"] for row in rows] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    assert {row["fundingInterval"] for row in rows} == {480}
    assert (rows[0]["priceFilter"]["tickSize"], rows[0]["lotSizeFilter"]["qtyStep"]) == ("0.10", "0.001")
    assert _result(stage, "instruments-info", status="PreLaunch")["list"] == []
    assert _get(stage, "instruments-info", category="spot")["result"]["list"] == []


def test_risk_limits_are_half_the_inverse_of_the_leverage(stage: Rehearsal) -> None:
    """Protects the unit of margins: fractions, so that margin × leverage is a half; deductions join the tiers."""
    rows = _result(stage, "risk-limit", symbol="ETHUSDT")["list"]
    assert {row["symbol"] for row in rows} == {"ETHUSDT"}
    for row in rows:
        assert float(row["maintenanceMargin"]) * float(row["maxLeverage"]) == pytest.approx(0.5)
    for below, above in pairwise(rows):
        bound = float(below["riskLimitValue"])
        margins = [bound * float(row["maintenanceMargin"]) - float(row["mmDeduction"]) for row in (below, above)]
        assert margins[0] == pytest.approx(margins[1])
    every = _result(stage, "risk-limit")["list"]
    assert len({row["id"] for row in every}) == len(every)


def test_lists_come_newest_first(stage: Rehearsal) -> None:
    """Protects readers of lists: candles, trades, open interest, ratios and fundings begin with the newest."""
    kline = _result(stage, "kline", symbol="BTCUSDT", interval="1", limit="11")["list"]
    assert [int(row[0]) for row in kline] == [_START_MS + minute * 60_000 for minute in range(10, -1, -1)]
    assert {len(row) for row in kline} == {7}
    for which in ("mark-price-kline", "index-price-kline", "premium-index-price-kline"):
        bars = _result(stage, which, symbol="BTCUSDT", interval="5", limit="2")["list"]
        assert [int(row[0]) - _START_MS for row in bars] == [600_000, 300_000]
        assert {len(row) for row in bars} == {5}
    trades = _result(stage, "recent-trade", symbol="BTCUSDT", limit="50")["list"]
    times = [int(row["time"]) for row in trades]
    assert times == sorted(times, reverse=True)
    held = _result(stage, "open-interest", symbol="BTCUSDT", intervalTime="5min", limit="3")
    assert [int(row["timestamp"]) - _START_MS for row in held["list"]] == [600_000, 300_000, 0]
    further = _result(stage, "open-interest", symbol="BTCUSDT", intervalTime="5min", cursor=held["nextPageCursor"])
    assert int(further["list"][0]["timestamp"]) == _START_MS - 300_000
    ratios = _result(stage, "account-ratio", symbol="BTCUSDT", period="1h")["list"]
    assert all(float(row["buyRatio"]) + float(row["sellRatio"]) == pytest.approx(1) for row in ratios)
    fundings = _result(stage, "funding/history", symbol="BTCUSDT")["list"]
    assert int(fundings[0]["fundingRateTimestamp"]) == _START_MS


def test_windows_of_time_are_kept(stage: Rehearsal) -> None:
    """Protects back-fills: start and end, both included."""
    asked = {"start": str(_START_MS + 60_000), "end": str(_START_MS + 120_000)}
    rows = _result(stage, "kline", symbol="BTCUSDT", interval="1", **asked)["list"]
    assert [int(row[0]) - _START_MS for row in rows] == [120_000, 60_000]


def test_book_and_tickers_agree(stage: Rehearsal) -> None:
    """Protects the REST poll: best prices of the book are those of the ticker; open interest counts both sides."""
    book = _result(stage, "orderbook", symbol="BTCUSDT", limit="5")
    (ticker,) = _result(stage, "tickers", symbol="BTCUSDT")["list"]
    assert (len(book["b"]), len(book["a"])) == (5, 5)
    assert [book["b"][0], book["a"][0]] == [
        [ticker["bid1Price"], ticker["bid1Size"]],
        [ticker["ask1Price"], ticker["ask1Size"]],
    ]
    assert float(ticker["openInterest"]) == pytest.approx(2 * float(ticker["singleOpenInterest"]), rel=1e-6)
    assert len(_result(stage, "tickers")["list"]) == 3


def test_book_by_rest_is_the_one_of_the_thousand_level_topic() -> None:
    """Protects drift checks: the same `u` and `seq`, the same levels as the last frame of the topic."""
    stage = Rehearsal("bybit", 7, ("BTC",))
    stage.run(3.0)
    talk = stage.dialogue("/v5/public/linear")
    _, snapshot = map(json.loads, stage.say(talk, b'{"op":"subscribe","args":["orderbook.1000.BTCUSDT"]}'))
    stage.run(7.3)
    levels = dict(snapshot["data"]["b"])
    last: Json = {}
    for payload in stage.payloads("orderbook.1000.BTCUSDT"):
        last = json.loads(payload)["data"]
        levels |= dict(last["b"])
    book = _result(stage, "orderbook", symbol="BTCUSDT", limit="1000")
    assert (book["u"], book["seq"]) == (last["u"], last["seq"])
    assert dict(book["b"]) == {price: size for price, size in levels.items() if size != "0"}


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("path", "query"),
    [
        pytest.param("orderbook", {}, id="no-symbol"),
        pytest.param("orderbook", {"symbol": "NOPEUSDT"}, id="unknown-symbol"),
        pytest.param("kline", {"symbol": "BTCUSDT", "interval": "7"}, id="unknown-interval"),
        pytest.param("kline", {"symbol": "BTCUSDT", "interval": "1", "limit": "x"}, id="no-number"),
        pytest.param("tickers", {"category": "dance"}, id="unknown-category"),
        pytest.param("open-interest", {"symbol": "BTCUSDT"}, id="no-period"),
        pytest.param("funding/history", {"symbol": "BTCUSDT", "startTime": "5"}, id="start-without-end"),
    ],
)
def test_wrong_parameters_are_refused(stage: Rehearsal, path: str, query: dict[str, str]) -> None:
    """Protects error handling: HTTP 200 and retCode 10001."""
    assert _get(stage, path, **query)["retCode"] == 10001


def test_too_many_requests_are_forbidden_for_ten_minutes() -> None:
    """Protects request budgets: 600 in five seconds, then 403 until ten minutes have passed."""
    stage = Rehearsal("bybit", 7, ("BTC",))
    statuses = [stage.get("/v5/market/time").status for _ in range(601)]
    assert statuses == [200] * 600 + [403]
    stage.now_s = 599.0
    assert stage.get("/v5/market/time").status == 403
    stage.now_s = 601.0
    assert stage.get("/v5/market/time").status == 200


def test_throttling_on_request_says_10006() -> None:
    """Protects the poller's test bench: the other limit's words and its headers."""
    stage = Rehearsal("bybit", 7, ("BTC",))
    answer = stage.side.throttled(3)
    assert json.loads(answer.body)["retCode"] == 10006
    assert int(answer.headers["X-Bapi-Limit-Reset-Timestamp"]) == stage.now_ms + 3000


def test_unknown_paths_are_not_found(stage: Rehearsal) -> None:
    """Protects clients from a reply that means nothing: there is no liquidation history."""
    stage.now_s += 1.0
    assert stage.get("/v5/market/liquidations").status == 404
    assert stage.post("/v5/market/time", b"").status == 404


@pytest.mark.parametrize(
    ("path", "query", "file"),
    [
        pytest.param("instruments-info", {}, "http_get_instruments_linear.json", id="instruments"),
        pytest.param("orderbook", {"symbol": "BTCUSDT"}, "http_get_orderbook.json", id="orderbook"),
        pytest.param("recent-trade", {"symbol": "BTCUSDT"}, "http_get_trades_recent.json", id="trades"),
        pytest.param("funding/history", {"symbol": "BTCUSDT"}, "http_get_funding_history.json", id="fundings"),
    ],
)
def test_replies_have_the_fields_of_recorded_ones(
    stage: Rehearsal, path: str, query: dict[str, str], file: str, recordings: Path
) -> None:
    """Protects the wire: whatever a recorded reply has, ours has, in the same types."""
    recorded = json.loads((recordings / "rest" / "payloads" / "bybit" / file).read_text("utf-8"))["result"]
    ours = _result(stage, path, **query)
    assert recorded.keys() <= ours.keys()
    rows = [result["list"][0] if "list" in result else result for result in (recorded, ours)]
    types = [{name: type(value) for name, value in row.items()} for row in rows]
    assert types[0].items() <= types[1].items()


def test_tickers_have_the_fields_of_recorded_ones(stage: Rehearsal, recordings: Path) -> None:
    """Protects the poll of everything: the fields of a whole day's recording of 2024 are all there."""
    with gzip.open(recordings / "rest" / "bybit_tickers_linear.json.gz") as file:
        recorded = json.load(file)["result"]["list"][0]
    assert recorded.keys() <= _result(stage, "tickers")["list"][0].keys()
