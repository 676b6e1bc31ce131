"""Binance's REST beyond books and candles: statistics, trades, reference prices, their limits and their stamps."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from perpscope.lab.rehearsal import START_NS, Rehearsal
from perpscope.model.market import Side

Json: TypeAlias = Any  # decoded; the shape is what the test is about
_START_MS = START_NS // 1_000_000
_PERIOD_MS = 300_000
_RATIOS = ("globalLongShortAccountRatio", "topLongShortAccountRatio", "topLongShortPositionRatio")


@pytest.fixture(scope="module")
def stage() -> Rehearsal:
    """Ten minutes of a market."""
    stage = Rehearsal("binance", 7, ("BTC", "ETH"))
    stage.run(605.0)
    return stage


def _get(stage: Rehearsal, path: str, **query: str) -> Json:
    stage.now_s += 60.0
    answer = stage.get(path, **query)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def _refused(stage: Rehearsal, path: str, **query: str) -> int:
    stage.now_s += 60.0
    answer = stage.get(path, **query)
    assert answer.status == 400
    return int(json.loads(answer.body)["code"])


def test_open_interest_now_and_before(stage: Rehearsal) -> None:
    """Protects the poll and the back-fill: base units, and dollars at the mark, stamped at the period's end."""
    now = _get(stage, "/fapi/v1/openInterest", symbol="BTCUSDT")
    assert float(now["openInterest"]) == pytest.approx(stage.publisher.stand("BTCUSDT").open_interest, abs=0.001)
    rows = _get(stage, "/futures/data/openInterestHist", symbol="BTCUSDT", period="5m", limit="3")
    assert [row["timestamp"] - _START_MS for row in rows] == [0, _PERIOD_MS, 2 * _PERIOD_MS]
    for row in rows:
        assert float(row["sumOpenInterestValue"]) / float(row["sumOpenInterest"]) == pytest.approx(83_000, rel=0.05)


def test_taker_volumes_are_stamped_at_the_start_of_their_period(stage: Rehearsal) -> None:
    """Protects against the venue's trap: the same five minutes have another stamp than everywhere else."""
    rows = _get(stage, "/futures/data/takerlongshortRatio", symbol="BTCUSDT", period="5m", limit="2")
    assert [row["timestamp"] - _START_MS for row in rows] == [0, _PERIOD_MS]
    candles = _get(stage, "/fapi/v1/klines", symbol="BTCUSDT", interval="1m", startTime=str(_START_MS))
    bought = sum(float(row[9]) for row in candles[:5])
    assert float(rows[0]["buyVol"]) == pytest.approx(bought, abs=0.001)
    start = str(_START_MS)
    asked = {"symbol": "BTCUSDT", "period": "5m", "startTime": start, "endTime": start}
    assert _get(stage, "/futures/data/takerlongshortRatio", **asked) == rows[:1]


@pytest.mark.parametrize("name", _RATIOS)
def test_ratios_are_fractions_that_add_up(stage: Rehearsal, name: str) -> None:
    """Protects ratios: long and short make one, and the ratio is the one over the other."""
    rows = _get(stage, f"/futures/data/{name}", symbol="BTCUSDT", period="1h", limit="500")
    assert [row["timestamp"] - _START_MS for row in rows] == [hour * 3_600_000 for hour in range(-499, 1)]
    for row in rows:
        long, short = float(row["longAccount"]), float(row["shortAccount"])
        assert long + short == pytest.approx(1)
        assert float(row["longShortRatio"]) == pytest.approx(long / short, abs=1e-4)


def test_fundings_are_on_their_grid(stage: Rehearsal) -> None:
    """Protects funding history: every eight hours, oldest first, of all symbols or one; intervals are told."""
    rows = _get(stage, "/fapi/v1/fundingRate", symbol="BTCUSDT")
    assert {after["fundingTime"] - before["fundingTime"] for before, after in pairwise(rows)} == {8 * 3_600_000}
    both = _get(stage, "/fapi/v1/fundingRate", limit="4")
    assert {row["symbol"] for row in both} == {"BTCUSDT", "ETHUSDT"}
    assert {row["fundingIntervalHours"] for row in _get(stage, "/fapi/v1/fundingInfo")} == {8}


def test_aggregate_trades_are_found_by_id_and_by_time(stage: Rehearsal) -> None:
    """Protects gap filling: contiguous ids from one on, or a stretch of time shorter than an hour."""
    newest = _get(stage, "/fapi/v1/aggTrades", symbol="BTCUSDT", limit="10")
    assert [row["a"] for row in newest] == list(range(newest[0]["a"], newest[0]["a"] + 10))
    known = list(stage.publisher.stand("BTCUSDT").trades)[-10:]
    assert [row["m"] for row in newest] == [trade.side is Side.SELL for trade in known]
    found = _get(stage, "/fapi/v1/aggTrades", symbol="BTCUSDT", fromId=str(newest[3]["a"]), limit="2")
    assert found == newest[3:5]
    window = {"startTime": str(newest[0]["T"]), "endTime": str(newest[-1]["T"])}
    assert newest[0] in _get(stage, "/fapi/v1/aggTrades", symbol="BTCUSDT", **window)
    assert _refused(stage, "/fapi/v1/aggTrades", symbol="BTCUSDT", fromId="1", startTime="1") == -1128
    assert _refused(stage, "/fapi/v1/aggTrades", symbol="BTCUSDT", startTime="1", endTime="3600002") == -1127
    trades = _get(stage, "/fapi/v1/trades", symbol="BTCUSDT", limit="10")
    assert [row["id"] for row in trades] == [row["a"] for row in newest]


def test_reference_candles_and_prices(stage: Rehearsal) -> None:
    """Protects mark, index and premium candles, best prices and last prices."""
    marks = _get(stage, "/fapi/v1/markPriceKlines", symbol="BTCUSDT", interval="5m")
    assert [row[0] - _START_MS for row in marks] == [0, _PERIOD_MS, 2 * _PERIOD_MS]
    assert _get(stage, "/fapi/v1/indexPriceKlines", pair="BTCUSDT", interval="1m", limit="1")[0][6] % 60_000 == 59_999
    assert abs(float(_get(stage, "/fapi/v1/premiumIndexKlines", symbol="BTCUSDT", interval="1m")[0][4])) < 0.01
    quote = _get(stage, "/fapi/v1/ticker/bookTicker", symbol="BTCUSDT")
    assert float(quote["bidPrice"]) < float(quote["askPrice"])
    assert len(_get(stage, "/fapi/v1/ticker/bookTicker")) == 2
    last = stage.publisher.stand("BTCUSDT").last_trade
    assert last is not None
    for version in ("v1", "v2"):
        assert float(_get(stage, f"/fapi/{version}/ticker/price", symbol="BTCUSDT")["price"]) == last.price


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        pytest.param("/futures/data/openInterestHist", {"symbol": "BTCUSDT"}, -1102, id="no-period"),
        pytest.param("/futures/data/openInterestHist", {"symbol": "BTCUSDT", "period": "7m"}, -1130, id="bad-period"),
        pytest.param("/fapi/v1/openInterest", {}, -1102, id="no-symbol"),
        pytest.param("/fapi/v1/indexPriceKlines", {"symbol": "BTCUSDT", "interval": "1m"}, -1102, id="no-pair"),
        pytest.param("/fapi/v1/markPriceKlines", {"symbol": "BTCUSDT", "interval": "7m"}, -1120, id="bad-interval"),
    ],
)
def test_wrong_questions_are_refused(stage: Rehearsal, path: str, query: dict[str, str], code: int) -> None:
    """Protects error handling of clients: the venue's codes."""
    assert _refused(stage, path, **query) == code


@pytest.mark.parametrize(
    ("path", "most"),
    [
        pytest.param("/fapi/v1/fundingInfo", 500, id="funding"),
        pytest.param("/futures/data/openInterestHist", 1000, id="statistics"),
    ],
)
def test_paths_without_weight_have_counts_of_their_own(path: str, most: int) -> None:
    """Protects pollers of statistics: so many in five minutes, whatever the weight that is left."""
    stage = Rehearsal("binance", 7, ("BTC",))
    query = {"symbol": "BTCUSDT", "period": "1d", "limit": "1"}
    answers = [stage.get(path, **query) for _ in range(most + 1)]
    assert {answer.status for answer in answers[:-1]} == {200}
    assert (answers[-1].status, answers[-1].headers["Retry-After"]) == (429, "301")
    stage.now_s = 301.0
    assert stage.get(path, **query).status == 200


def test_contracts_are_told_each_hour_with_their_brackets() -> None:
    """Protects `!contractInfo`: brackets that join, and a status, for every contract."""
    stage = Rehearsal("binance", 7, ("BTC", "ETH"), START_NS + 3590 * 1_000_000_000, activity=1.0)
    stage.wants("!contractInfo")
    stage.run(20.0)
    told = [json.loads(payload) for payload in stage.payloads("!contractInfo")]
    assert [(frame["s"], frame["cs"]) for frame in told] == [("BTCUSDT", "TRADING"), ("ETHUSDT", "TRADING")]
    for below, above in pairwise(told[0]["bks"]):
        assert above["bnf"] == below["bnc"]
        assert above["cf"] == pytest.approx(below["cf"] + above["bnf"] * (above["mmr"] - below["mmr"]))


def test_a_refused_stream_is_refused_with_the_requests_id() -> None:
    """Protects the refusal's test bench: code 2, the id, and nothing subscribed."""
    stage = Rehearsal("binance", 7, ("BTC",))
    stage.refused.add("btcusdt@aggTrade")
    talk = stage.dialogue("/market/stream")
    (answer,) = stage.say(talk, b'{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":9}')
    assert json.loads(answer) == {"code": 2, "msg": "Invalid request: unknown stream btcusdt@aggTrade", "id": 9}
    assert stage.subscribed == 0


@pytest.mark.parametrize(
    ("path", "query", "file"),
    [
        pytest.param("/fapi/v1/openInterest", {}, "open_interest", id="open-interest"),
        pytest.param("/futures/data/openInterestHist", {"period": "5m"}, "open_interest_historical", id="history"),
        pytest.param(f"/futures/data/{_RATIOS[0]}", {"period": "5m"}, "global_long_short_account_ratio", id="ratio"),
        pytest.param("/futures/data/takerlongshortRatio", {"period": "5m"}, "taker_long_short_ratio", id="taker"),
        pytest.param("/fapi/v1/fundingRate", {}, "funding_rate", id="funding"),
        pytest.param("/fapi/v1/aggTrades", {}, "agg_trades", id="agg-trades"),
        pytest.param("/fapi/v1/trades", {}, "trades", id="trades"),
        pytest.param("/fapi/v1/ticker/bookTicker", {}, "book_ticker", id="best-prices"),
        pytest.param("/fapi/v1/ticker/price", {}, "ticker_price", id="price"),
        pytest.param("/fapi/v1/markPriceKlines", {"interval": "1m"}, "mark_price_klines", id="mark-candles"),
    ],
)
def test_replies_have_the_fields_of_recorded_ones(
    stage: Rehearsal, path: str, query: dict[str, str], file: str, recordings: Path
) -> None:
    """Protects the wire: whatever a recorded reply has, ours has, in the same types; stamps are integers here.

    The recorded statistics are the documentation's examples, where stamps are strings.
    """
    folder = recordings / "rest" / "payloads" / "binance_resources" / "http_responses"
    recorded = json.loads((folder / f"http_futures_market_{file}.json").read_text("utf-8"))
    ours = _get(stage, path, symbol="BTCUSDT", **query)
    if isinstance(recorded, list):
        recorded, ours = recorded[0], ours[0]
    if isinstance(recorded, list):
        assert [type(value) for value in recorded] == [type(value) for value in ours]
    else:
        types = [{name: type(value) for name, value in row.items() if name != "timestamp"} for row in (recorded, ours)]
        assert types[0].items() <= types[1].items()
