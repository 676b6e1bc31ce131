"""OKX's REST as the lab answers it: pages, order, units, limits, errors, and fields as recorded."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from perpscope.lab.dialect import Answer
from perpscope.lab.rehearsal import START_NS, Rehearsal
from perpscope.model.instrument import instrument_id
from perpscope.model.market import Completeness, Liquidation, PositionSide, Sampling

Json: TypeAlias = dict[str, Any]  # decoded; the shape is what the test is about
Rows: TypeAlias = list[Any]  # likewise

_BTC = "BTC-USDT-SWAP"
_START_MS = START_NS // 1_000_000
_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000
_ACCOUNTS = "rubik/stat/contracts/long-short-account-ratio-contract"
_POSITIONS = "rubik/stat/contracts/long-short-position-ratio-contract"


@pytest.fixture(scope="module")
def stage() -> Rehearsal:
    """Ten minutes of a market."""
    stage = Rehearsal("okx", 7, ("BTC", "ETH", "SOL"))
    stage.run(605.0)
    return stage


def _answer(stage: Rehearsal, path: str, **query: str) -> Answer:
    stage.now_s += 5.0
    return stage.get(f"/api/v5/{path}", **query)


def _data(stage: Rehearsal, path: str, **query: str) -> Rows:
    answer = _answer(stage, path, **query)
    reply: Json = json.loads(answer.body)
    assert (answer.status, reply["code"], reply["msg"]) == (200, "0", "")
    data: Rows = reply["data"]
    return data


# catalogue -----------------------------------------------------------------------------------------------------------


def test_catalogue_tells_contract_sizes(stage: Rehearsal) -> None:
    """Protects units: 0.01 BTC, 0.1 ETH a contract, lots of 0.01 contracts, ticks without idle zeros."""
    rows = {row["instId"]: row for row in _data(stage, "public/instruments", instType="SWAP")}
    assert list(rows) == [_BTC, "ETH-USDT-SWAP", "SOL-USDT-SWAP"]
    btc, eth = rows[_BTC], rows["ETH-USDT-SWAP"]
    assert (btc["ctVal"], btc["ctMult"], btc["lotSz"], btc["minSz"], btc["tickSz"]) == (
        "0.01",
        "1",
        "0.01",
        "0.01",
        "0.1",
    )
    assert (eth["ctVal"], eth["lotSz"], eth["tickSz"]) == ("0.1", "0.01", "0.01")
    assert {(row["state"], row["ctType"], row["settleCcy"], row["instCategory"]) for row in rows.values()} == {
        ("live", "linear", "USDT", "1")
    }
    assert [row["instId"] for row in _data(stage, "public/instruments", instType="SWAP", instId=_BTC)] == [_BTC]
    assert _data(stage, "public/instruments", instType="SPOT") == []
    assert _data(stage, "public/instruments", instType="OPTION", uly="BTC-USD") == []


def test_tiers_count_contracts(stage: Rehearsal) -> None:
    """Protects margin tiers: bounds in contracts that leave no hole, margins that rise, leverage that falls."""
    families = {"instFamily": "BTC-USDT,ETH-USDT"}
    rows = _data(stage, "public/position-tiers", instType="SWAP", tdMode="isolated", **families)
    assert {row["instFamily"] for row in rows} == {"BTC-USDT", "ETH-USDT"}
    btc = [row for row in rows if row["instFamily"] == "BTC-USDT"]
    assert [row["tier"] for row in btc] == ["1", "2", "3", "4"]
    for below, above in pairwise(btc):
        assert float(above["minSz"]) == pytest.approx(float(below["maxSz"]) + 0.01)
        assert float(above["mmr"]) > float(below["mmr"])
        assert float(above["maxLever"]) < float(below["maxLever"])
    assert all(float(row["imr"]) * float(row["maxLever"]) == pytest.approx(1.0) for row in rows)
    assert 500_000 < float(btc[0]["maxSz"]) * 0.01 * 83_000 < 2_000_000


# prices --------------------------------------------------------------------------------------------------------------


def test_book_and_tickers_agree(stage: Rehearsal) -> None:
    """Protects the REST poll: best prices and contracts of the book are those of the ticker; volumes in both units."""
    (book,) = _data(stage, "market/books", instId=_BTC, sz="5")
    (ticker,) = _data(stage, "market/ticker", instId=_BTC)
    assert (len(book["bids"]), len(book["asks"])) == (5, 5)
    assert [row[:3] for row in (book["bids"][0], book["asks"][0])] == [
        [ticker["bidPx"], ticker["bidSz"], "0"],
        [ticker["askPx"], ticker["askSz"], "0"],
    ]
    assert float(ticker["vol24h"]) * 0.01 == pytest.approx(float(ticker["volCcy24h"]))
    assert float(ticker["low24h"]) <= float(ticker["last"]) <= float(ticker["high24h"])
    assert len(_data(stage, "market/tickers", instType="SWAP")) == 3
    assert len(_data(stage, "market/books", instId=_BTC)[0]["bids"]) == 1
    assert len(_data(stage, "market/books-full", instId=_BTC, sz="5000")[0]["bids"][0]) == 3
    assert len(_data(stage, "market/books-rpi", instId=_BTC, sz="400")[0]["bids"][0]) == 4


def test_book_by_rest_is_the_one_of_the_channel() -> None:
    """Protects drift checks: the same `seqId`, the same levels as after the channel's last update."""
    stage = Rehearsal("okx", 7, ("BTC",))
    stage.run(3.0)
    message = b'{"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT-SWAP"}]}'
    _, snapshot = map(json.loads, stage.say(stage.dialogue("/ws/v5/public"), message))
    stage.run(7.33)
    levels = {row[0]: row[1] for row in snapshot["data"][0]["bids"]}
    last: Json = {}
    for payload in stage.payloads(f"books:{_BTC}"):
        last = json.loads(payload)["data"][0]
        levels |= {row[0]: row[1] for row in last["bids"]}
    (book,) = _data(stage, "market/books", instId=_BTC, sz="400")
    assert book["seqId"] == last["seqId"]
    assert {row[0]: row[1] for row in book["bids"]} == {price: size for price, size in levels.items() if size != "0"}


def test_bars_come_newest_first_between_bounds(stage: Rehearsal) -> None:
    """Protects back-fills: `after` is older than, `before` newer than, neither included; the forming bar leads."""
    rows = _data(stage, "market/candles", instId=_BTC)
    assert [int(row[0]) - _START_MS for row in rows] == [minute * _MINUTE_MS for minute in range(10, -90, -1)]
    assert [row[8] for row in rows] == ["0"] + ["1"] * 99
    bounds = {"after": str(_START_MS + 5 * _MINUTE_MS), "before": str(_START_MS + 2 * _MINUTE_MS)}
    page = _data(stage, "market/candles", instId=_BTC, **bounds)
    assert [int(row[0]) - _START_MS for row in page] == [4 * _MINUTE_MS, 3 * _MINUTE_MS]
    assert len(_data(stage, "market/candles", instId=_BTC, limit="9999")) == 300
    assert {row[8] for row in _data(stage, "market/history-candles", instId=_BTC)} == {"1"}
    for path, name in (("mark-price-candles", _BTC), ("index-candles", "BTC-USDT")):
        bars = _data(stage, f"market/{path}", instId=name, bar="5m")
        assert [int(row[0]) - _START_MS for row in bars] == [10 * _MINUTE_MS, 5 * _MINUTE_MS, 0]
        assert [(len(row), row[5]) for row in bars] == [(6, "0"), (6, "1"), (6, "1")]
        assert len(_data(stage, f"market/history-{path}", instId=name, bar="5m")) == 2


@pytest.mark.parametrize(
    ("bar", "begins_ms"),
    [
        pytest.param("1H", _START_MS, id="an-hour"),
        pytest.param("6H", _START_MS - 2 * _HOUR_MS, id="six-hours-of-hong-kong"),
        pytest.param("1D", _START_MS - 8 * _HOUR_MS, id="a-day-of-hong-kong"),
        pytest.param("1Dutc", _START_MS, id="a-day"),
    ],
)
@pytest.mark.unmeasured
def test_long_bars_begin_where_their_name_says(stage: Rehearsal, bar: str, begins_ms: int) -> None:
    """Protects the zones of long bars: UTC+8 unless the name ends in `utc`."""
    row, *_ = _data(stage, "market/candles", instId=_BTC, bar=bar)
    assert int(row[0]) == begins_ms


def test_matches_count_one_by_one(stage: Rehearsal) -> None:
    """Protects the full back-fill of trades: ids without holes, newest first, by id or by time, 100 a page."""
    rows = _data(stage, "market/trades", instId=_BTC, limit="500")
    ids = [int(row["tradeId"]) for row in rows]
    assert ids == list(range(ids[0], ids[0] - 500, -1))
    assert ids[0] == stage.publisher.stand(_BTC).told[0].number
    older = _data(stage, "market/history-trades", instId=_BTC, after=str(ids[9]), limit="1000")
    assert [int(row["tradeId"]) for row in older] == ids[10:110]
    assert [row["sz"] for row in older[:5]] == [row["sz"] for row in rows[10:15]]
    since = int(rows[50]["ts"])
    by_time = _data(stage, "market/history-trades", instId=_BTC, type="2", after=str(since))
    assert int(by_time[0]["ts"]) < since <= int(rows[50]["ts"])


# who holds what ------------------------------------------------------------------------------------------------------


def test_funding_now_and_settled(stage: Rehearsal) -> None:
    """Protects funding: the interval is between the two times, ANY means all, settlements come newest first."""
    rows = _data(stage, "public/funding-rate", instId="ANY")
    assert len(rows) == 3
    assert {int(row["nextFundingTime"]) - int(row["fundingTime"]) for row in rows} == {8 * _HOUR_MS}
    settled = _data(stage, "public/funding-rate-history", instId=_BTC, limit="3")
    assert [int(row["fundingTime"]) - _START_MS for row in settled] == [0, -8 * _HOUR_MS, -16 * _HOUR_MS]
    assert all(abs(float(row["realizedRate"])) < 0.01 for row in settled)


def test_statistics_have_their_columns_and_units(stage: Rehearsal) -> None:
    """Protects the columns: contracts, coins, dollars of open interest; sold before bought; longs to shorts."""
    held = _data(stage, "rubik/stat/contracts/open-interest-history", instId=_BTC, limit="3")
    assert [int(row[0]) - _START_MS for row in held] == [5 * _MINUTE_MS, 0, -5 * _MINUTE_MS]
    for _, contracts, coins, dollars in held:
        assert float(contracts) * 0.01 == pytest.approx(float(coins), rel=1e-5)
        assert float(dollars) / float(coins) == pytest.approx(83_000, rel=0.05)
    (now,) = _data(stage, "public/open-interest", instType="SWAP", instId=_BTC)
    assert float(now["oi"]) == pytest.approx(float(held[0][1]), rel=0.01)
    period = {"instId": _BTC, "period": "5m", "limit": "2"}
    contracts, coins, dollars = (
        _data(stage, "rubik/stat/taker-volume-contract", unit=unit, **period) for unit in ("1", "0", "2")
    )
    assert [int(row[0]) - _START_MS for row in contracts] == [5 * _MINUTE_MS, 0]
    whole = stage.publisher.censuses(_BTC, 300_000_000_000)[-1]
    assert [float(value) for value in coins[0][1:]] == pytest.approx([whole.taker_sell, whole.taker_buy])
    assert [float(value) * 0.01 for value in contracts[0][1:]] == pytest.approx([whole.taker_sell, whole.taker_buy])
    assert float(dollars[0][1]) == pytest.approx(whole.taker_sell * whole.mark, rel=1e-6)
    longs = (whole.long_fraction, whole.top_long_fraction, whole.top_position_long_fraction)
    for path, fraction in zip((_ACCOUNTS, f"{_ACCOUNTS}-top-trader", f"{_POSITIONS}-top-trader"), longs, strict=True):
        assert float(_data(stage, path, **period)[0][1]) == pytest.approx(fraction / (1 - fraction))


def test_statistics_come_in_pages_of_a_hundred(stage: Rehearsal) -> None:
    """Protects paging of statistics: 100 rows at most, between `begin` and `end`; days begin where their name says."""
    path = "rubik/stat/contracts/open-interest-history"
    first = _data(stage, path, instId=_BTC, limit="1000")
    assert len(first) == 100
    further = _data(stage, path, instId=_BTC, end=first[-1][0], begin=str(int(first[-1][0]) - 600_001))
    assert [int(first[-1][0]) - int(row[0]) for row in further] == [300_000, 600_000]
    (utc,) = _data(stage, path, instId=_BTC, period="1Dutc", limit="1")
    (hong_kong,) = _data(stage, path, instId=_BTC, period="1D", limit="1")
    assert (int(utc[0]) - _START_MS, int(hong_kong[0]) - _START_MS) == (-24 * _HOUR_MS, -32 * _HOUR_MS)


def test_liquidations_by_rest_are_late() -> None:
    """Protects the undocumented list: it needs a family, and has nothing younger than an hour, newest first."""
    stage = Rehearsal("okx", 7, ("BTC",))
    stage.run(1.0)
    for minutes_ago, size in ((1500, 0.1), (90, 0.2), (70, 0.5), (30, 0.3)):
        ts = START_NS - minutes_ago * 60_000_000_000
        of, told = instrument_id("okx", "BTC", "USDT"), (Completeness.COMPLETE, Sampling.NONE)
        event = Liquidation(of, ts, ts, PositionSide.LONG, size, 83_000.0, 82_000.0, *told)
        stage.publisher.stand(_BTC).liquidations.append(event)
    asked = {"instType": "SWAP", "uly": "BTC-USDT", "state": "filled"}
    (row,) = _data(stage, "public/liquidation-orders", **asked)
    assert row["instId"] == _BTC
    assert [(told["side"], told["sz"], told["bkPx"]) for told in row["details"]] == [
        ("sell", "50", "82000"),
        ("sell", "20", "82000"),
    ]
    refusal = json.loads(_answer(stage, "public/liquidation-orders", instType="SWAP", state="filled").body)
    assert refusal["code"] == "50015"
    assert _data(stage, "public/liquidation-orders", **(asked | {"state": "unfilled"})) == []


# refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("path", "query", "code", "status"),
    [
        pytest.param("market/ticker", {}, "50014", 400, id="no-instrument"),
        pytest.param("market/ticker", {"instId": "NO-USDT-SWAP"}, "51001", 200, id="unknown-instrument"),
        pytest.param("market/tickers", {"instType": "DANCE"}, "51000", 400, id="unknown-type"),
        pytest.param("market/books", {"instId": _BTC, "sz": "401"}, "51000", 400, id="too-deep"),
        pytest.param("market/candles", {"instId": _BTC, "bar": "7m"}, "51000", 400, id="unknown-bar"),
        pytest.param("market/candles", {"instId": _BTC, "after": "x"}, "51000", 400, id="no-number"),
        pytest.param("market/index-candles", {"instId": _BTC}, "51014", 200, id="not-an-index"),
        pytest.param("market/index-tickers", {}, "50015", 400, id="neither"),
        pytest.param("market/history-trades", {"instId": _BTC, "type": "3"}, "51000", 400, id="unknown-order"),
        pytest.param("public/instruments", {"instType": "OPTION"}, "50015", 400, id="options-of-all"),
        pytest.param("public/instruments", {"instType": "SPOT", "instId": _BTC}, "51001", 200, id="of-another-type"),
        pytest.param("public/position-tiers", {"instType": "SWAP", "tdMode": "cross"}, "50015", 400, id="no-family"),
        pytest.param("public/position-tiers", {"instType": "SWAP", "tdMode": "x"}, "51000", 400, id="unknown-mode"),
        pytest.param(
            "public/position-tiers",
            {"instType": "SWAP", "tdMode": "isolated", "uly": "a,b,c,d,e,f"},
            "51000",
            400,
            id="too-many-families",
        ),
        pytest.param("rubik/stat/taker-volume-contract", {"instId": _BTC, "period": "1m"}, "51000", 400, id="period"),
        pytest.param("rubik/stat/taker-volume-contract", {"instId": _BTC, "unit": "9"}, "51000", 400, id="unit"),
        pytest.param("asset/currencies", {}, "50103", 401, id="accounts"),
    ],
)
def test_wrong_requests_are_refused(stage: Rehearsal, path: str, query: dict[str, str], code: str, status: int) -> None:
    """Protects error handling: the venue's code in the body, whatever the HTTP status."""
    answer = _answer(stage, path, **query)
    reply = json.loads(answer.body)
    assert (reply["code"], reply["data"], answer.status) == (code, [], status)
    assert reply["msg"]


def test_unknown_paths_are_not_found(stage: Rehearsal) -> None:
    """Protects clients from a reply that means nothing; public data is not posted."""
    for answer in (stage.get("/api/v5/market/dance"), stage.get("/api/v3/public/time")):
        assert (answer.status, json.loads(answer.body)["code"]) == (404, 404)
    posted = stage.post("/api/v5/public/time", b"")
    assert (posted.status, json.loads(posted.body)["code"]) == (405, "50115")


def test_each_path_has_its_own_limit() -> None:
    """Protects request budgets: 5 in two seconds of taker volumes, an instrument apart; 429 and 50011 beyond."""
    stage = Rehearsal("okx", 7, ("BTC", "ETH"))
    path = "/api/v5/rubik/stat/taker-volume-contract"
    assert [stage.get(path, instId=_BTC).status for _ in range(6)] == [200] * 5 + [429]
    refusal = stage.get(path, instId=_BTC)
    assert json.loads(refusal.body) == {"msg": "Too Many Requests", "code": "50011"}
    assert stage.get(path, instId="ETH-USDT-SWAP").status == 200
    assert [stage.get("/api/v5/public/time").status for _ in range(11)] == [200] * 10 + [429]
    stage.now_s = 2.5
    assert stage.get(path, instId=_BTC).status == 200
    assert stage.side.throttled(1).status == 429
    stage.side.budget.limit = 3
    assert stage.get("/api/v5/market/tickers", instType="SWAP").status == 200
    assert [stage.get("/api/v5/public/time").status for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(
    ("path", "query", "file"),
    [
        pytest.param("public/instruments", {"instType": "SWAP"}, "http_get_instruments_swap.json", id="instruments"),
        pytest.param("market/trades", {"instId": _BTC}, "http_get_trades.json", id="trades"),
        pytest.param("market/books", {"instId": _BTC, "sz": "3"}, "http_get_order_book.json", id="book"),
        pytest.param("market/candles", {"instId": _BTC}, "http_get_candlesticks_full.json", id="bars"),
        pytest.param("public/mark-price", {"instType": "SWAP"}, "http_get_mark_price.json", id="mark"),
        pytest.param("market/index-tickers", {"quoteCcy": "USDT"}, "http_get_index_price.json", id="index"),
        pytest.param(
            "public/funding-rate-history", {"instId": _BTC}, "http_get_funding_rate_history.json", id="funding"
        ),
        pytest.param(
            "public/position-tiers",
            {"instType": "SWAP", "tdMode": "cross", "instFamily": "BTC-USDT"},
            "http_get_position_tiers.json",
            id="tiers",
        ),
    ],
)
def test_replies_have_the_fields_of_recorded_ones(
    stage: Rehearsal, path: str, query: dict[str, str], file: str, recordings: Path
) -> None:
    """Protects the wire: whatever a recorded reply has, ours has, in the same types."""
    recorded = json.loads((recordings / "rest" / "payloads" / "okx" / file).read_text("utf-8"))["data"][0]
    ours = _data(stage, path, **query)[0]
    if isinstance(recorded, list):
        assert [type(value) for value in recorded] == [type(value) for value in ours]
    else:
        types = [{name: type(value) for name, value in row.items()} for row in (recorded, ours)]
        assert types[0].items() <= types[1].items()
