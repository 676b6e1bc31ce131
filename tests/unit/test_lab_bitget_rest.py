"""Bitget's REST as the lab answers it, v3 and v2: pages, order, units, limits and errors in the venue's words.

Expectations are written by hand after the venue's documentation and replies quoted in 2025 and 2026; the recordings
hold no REST reply of Bitget.
"""

import json
from itertools import pairwise
from typing import Any, TypeAlias

import pytest

from perpscope.lab.rehearsal import START_NS, Rehearsal
from perpscope.lab.wire.bitget import disputed
from perpscope.model.market import Completeness, Liquidation, PositionSide, Sampling

Json: TypeAlias = dict[str, Any]  # decoded; the shape is what the test is about
Rows: TypeAlias = list[Any]  # likewise

_START_MS = START_NS // 1_000_000
_HOUR_MS = 3_600_000
_V3, _V2 = "/api/v3/market", "/api/v2/mix/market"


@pytest.fixture(scope="module")
def stage() -> Rehearsal:
    """Ten minutes of a market."""
    stage = Rehearsal("bitget", 7, ("BTC", "ETH", "SOL"))
    stage.run(605.0)
    return stage


def _get(stage: Rehearsal, path: str, status: int = 200, /, **query: str) -> Json:
    stage.now_s += 1.0
    answer = stage.get(path, **query)
    assert answer.status == status
    reply: Json = json.loads(answer.body)
    assert set(reply) == {"code", "msg", "requestTime", "data"}
    assert reply["requestTime"] == stage.now_ms
    return reply


def _v3(stage: Rehearsal, path: str, **query: str) -> Any:  # noqa: ANN401 (each path has a shape of its own)
    reply = _get(stage, f"{_V3}/{path}", category="USDT-FUTURES", **query)
    assert (reply["code"], reply["msg"]) == ("00000", "success")
    return reply["data"]


def _v2(stage: Rehearsal, path: str, **query: str) -> Any:  # noqa: ANN401 (likewise)
    reply = _get(stage, f"{_V2}/{path}", productType="USDT-FUTURES", **query)
    assert (reply["code"], reply["msg"]) == ("00000", "success")
    return reply["data"]


# what is traded ------------------------------------------------------------------------------------------------------


def test_catalogues_of_both_generations_agree(stage: Rehearsal) -> None:
    """Protects tick, step, funding interval and fees: v3 names the tick, v2 counts it in its last digit."""
    unified, classic = _v3(stage, "instruments"), _v2(stage, "contracts")
    assert [row["symbol"] for row in unified] == [row["symbol"] for row in classic] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    for ours, theirs in zip(unified, classic, strict=True):
        tick = float(theirs["priceEndStep"]) / 10 ** int(theirs["pricePlace"])
        assert float(ours["priceMultiplier"]) == pytest.approx(tick)
        assert ours["quantityMultiplier"] == theirs["sizeMultiplier"] == theirs["minTradeNum"] == ours["minOrderQty"]
        assert (ours["fundInterval"], ours["maxLeverage"]) == (theirs["fundInterval"], theirs["maxLever"])
    btc = unified[0]
    assert (btc["priceMultiplier"], btc["pricePrecision"], btc["quantityPrecision"]) == ("0.1", "1", "3")
    assert (btc["status"], btc["type"], btc["symbolType"], btc["isRwa"]) == ("online", "perpetual", "crypto", "NO")
    assert (classic[0]["symbolStatus"], classic[0]["supportMarginCoins"]) == ("normal", ["USDT"])


def test_nothing_else_is_traded(stage: Rehearsal) -> None:
    """Protects loaders of whole catalogues: other product types, spot and margin are empty lists."""
    for category in ("SPOT", "COIN-FUTURES", "USDC-FUTURES"):
        assert _get(stage, f"{_V3}/instruments", category=category)["data"] == []
    assert _get(stage, f"{_V2}/contracts", productType="susdt-futures")["data"] == []
    for path in ("/api/v2/spot/public/coins", "/api/v2/spot/public/symbols", "/api/v2/margin/currencies"):
        assert _get(stage, path)["data"] == []


def test_tiers_join_and_grow_dearer(stage: Rehearsal) -> None:
    """Protects margin tiers: no hole between notionals, margin up and leverage down, as a fraction."""
    unified = _v3(stage, "position-tier", symbol="BTCUSDT")
    classic = _v2(stage, "query-position-lever", symbol="BTCUSDT")
    for below, above in pairwise(unified):
        assert below["maxTierValue"] == above["minTierValue"]
        assert float(below["mmr"]) < float(above["mmr"]) < 1
        assert int(below["leverage"]) > int(above["leverage"])
    assert [(r["tier"], r["minTierValue"], r["maxTierValue"], r["leverage"], r["mmr"]) for r in unified] == [
        (r["level"], r["startUnit"], r["endUnit"], r["leverage"], r["keepMarginRate"]) for r in classic
    ]


# the market ----------------------------------------------------------------------------------------------------------


def test_books_and_tickers_agree(stage: Rehearsal) -> None:
    """Protects the REST poll: the best prices of both books are those of both tickers; every symbol in one call."""
    unified, classic = (
        _v3(stage, "orderbook", symbol="BTCUSDT", limit="20"),
        _v2(stage, "merge-depth", symbol="BTCUSDT"),
    )
    assert (len(unified["a"]), len(unified["b"])) == (20, 20)
    assert (classic["asks"][:20], classic["bids"][:20]) == (unified["a"], unified["b"])
    (ticker,) = _v3(stage, "tickers", symbol="BTCUSDT")
    assert unified["b"][0] == [ticker["bid1Price"], ticker["bid1Size"]]
    assert unified["a"][0] == [ticker["ask1Price"], ticker["ask1Size"]]
    (old,) = _v2(stage, "ticker", symbol="BTCUSDT")
    assert (old["bidPr"], old["markPrice"], old["holdingAmount"]) == tuple(
        ticker[name] for name in ("bid1Price", "markPrice", "openInterest")
    )
    assert len(_v3(stage, "tickers")) == len(_v2(stage, "tickers")) == 3
    assert len(_v3(stage, "orderbook", symbol="BTCUSDT", limit="500")["a"]) <= 200
    (price,) = _v2(stage, "symbol-price", symbol="BTCUSDT")
    assert (price["price"], price["indexPrice"]) == (ticker["lastPrice"], ticker["indexPrice"])


def test_candles_come_newest_first_in_v3_and_oldest_first_in_v2(stage: Rehearsal) -> None:
    """Protects readers of lists: seven columns of text, the forming candle among them."""
    minutes = [_START_MS + minute * 60_000 for minute in range(-89, 11)]
    unified = _v3(stage, "candles", symbol="BTCUSDT", interval="1m")
    classic = _v2(stage, "candles", symbol="BTCUSDT", granularity="1m")
    assert [int(row[0]) for row in unified] == minutes[::-1]
    assert [int(row[0]) for row in classic] == minutes
    assert classic == unified[::-1]
    assert {len(row) for row in unified} == {7}
    fives = _v3(stage, "candles", symbol="BTCUSDT", interval="5m")
    assert [int(row[0]) - _START_MS for row in fives[:3]] == [600_000, 300_000, 0]
    assert float(fives[2][5]) == pytest.approx(sum(float(row[5]) for row in classic[89:94]))
    assert float(fives[2][2]) == max(float(row[2]) for row in classic[89:94])


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("which", "classic"),
    [
        pytest.param("mark", "history-mark-candles", id="mark"),
        pytest.param("INDEX", "history-index-candles", id="index"),
    ],
)
def test_reference_candles_have_no_volume(stage: Rehearsal, which: str, classic: str) -> None:
    """Protects back-fills of mark and index: both generations, prices near the traded ones."""
    rows = _v3(stage, "candles", symbol="BTCUSDT", interval="5m", type=which)
    assert [int(row[0]) - _START_MS for row in rows] == [600_000, 300_000, 0]
    assert {tuple(row[5:]) for row in rows} == {("0", "0")}
    assert _v2(stage, classic, symbol="BTCUSDT", granularity="5m") == rows[::-1]
    assert _v2(stage, "candles", symbol="BTCUSDT", granularity="5m", kLineType=which) == rows[::-1]
    traded = _v3(stage, "candles", symbol="BTCUSDT", interval="5m")
    assert float(rows[1][4]) == pytest.approx(float(traded[1][4]), rel=0.01)


def test_premium_is_a_fraction(stage: Rehearsal) -> None:
    """Protects the unit of the premium index."""
    rows = _v3(stage, "candles", symbol="BTCUSDT", interval="1m", type="premium")
    assert all(abs(float(price)) < 0.01 for row in rows for price in row[1:5])


@pytest.mark.unmeasured
def test_windows_of_time_are_kept(stage: Rehearsal) -> None:
    """Protects back-fills: both ends included, a start within a candle brings it; a day begins at 16:00 UTC."""
    asked = {"symbol": "BTCUSDT", "interval": "1m", "endTime": str(_START_MS + 180_000)}
    for start, first in ((60_000, 60_000), (60_001, 60_000), (119_999, 60_000)):
        rows = _v3(stage, "candles", startTime=str(_START_MS + start), **asked)
        assert [int(row[0]) - _START_MS for row in rows] == [180_000, 120_000, first]
    assert [int(row[0]) - _START_MS for row in _v3(stage, "history-candles", limit="2", **asked)] == [180_000, 120_000]
    day, *_ = _v3(stage, "candles", symbol="BTCUSDT", interval="1D")
    *_, utc = _v2(stage, "candles", symbol="BTCUSDT", granularity="1Dutc")
    assert (int(day[0]), int(utc[0])) == (_START_MS - 8 * _HOUR_MS, _START_MS)
    assert float(day[5]) > float(utc[5])


def test_trades_come_newest_first_and_in_pages(stage: Rehearsal) -> None:
    """Protects the back-fill of trades: `idLessThan` goes on where the page ended, nothing twice, nothing missing."""
    unified = _v3(stage, "fills", symbol="BTCUSDT", limit="30")
    classic = _v2(stage, "fills", symbol="BTCUSDT", limit="30")
    assert [row["execId"] for row in unified] == [row["tradeId"] for row in classic]
    found: Rows = []
    page = _v2(stage, "fills-history", symbol="BTCUSDT", limit="200")
    while page:
        found += page
        page = _v2(stage, "fills-history", symbol="BTCUSDT", limit="200", idLessThan=page[-1]["tradeId"])
    kept = list(stage.publisher.stand("BTCUSDT").trades)
    assert [float(row["price"]) for row in found] == [trade.price for trade in reversed(kept)]
    assert [row["side"] for row in found] == [trade.side.value.lower() for trade in reversed(kept)]
    assert found[:30] == classic
    middle = int(found[10]["ts"])
    assert _v2(stage, "fills-history", symbol="BTCUSDT", startTime=str(middle))[-1]["ts"] == str(middle)


# funding and statistics ----------------------------------------------------------------------------------------------


def test_fundings_come_newest_first_in_pages(stage: Rehearsal) -> None:
    """Protects funding: the interval in hours, the next time, pages by number; past the end there is nothing."""
    (now,) = _v3(stage, "current-fund-rate", symbol="BTCUSDT")
    assert (now["fundingRateInterval"], int(now["nextUpdate"])) == ("8", _START_MS + 8 * _HOUR_MS)
    assert _v2(stage, "current-fund-rate", symbol="BTCUSDT") == [now]
    assert _get(stage, f"{_V3}/current-fund-rate", symbol="BTCUSDT")["data"] == [now]
    assert len(_v3(stage, "current-fund-rate")) == 3
    assert _v2(stage, "funding-time", symbol="BTCUSDT") == [
        {"symbol": "BTCUSDT", "nextFundingTime": now["nextUpdate"], "ratePeriod": "8"}
    ]
    pages = [
        _v3(stage, "history-fund-rate", symbol="BTCUSDT", limit="3", cursor=str(n))["resultList"] for n in (1, 2, 99)
    ]
    times = [int(row["fundingRateTimestamp"]) for page in pages for row in page]
    assert times == [_START_MS - interval * 8 * _HOUR_MS for interval in range(len(times))]
    assert (len(pages[0]), pages[2]) == (3, [])
    classic = _v2(stage, "history-fund-rate", symbol="BTCUSDT", pageSize="500")
    assert [int(row["fundingTime"]) for row in classic][:3] == times[:3]
    assert _v2(stage, "history-fund-rate", symbol="BTCUSDT", pageNo="99") == []


def test_open_interest_is_one_side_in_base_units(stage: Rehearsal) -> None:
    """Protects the unit of open interest: v3 tells all symbols at once, v2 one."""
    told = _v3(stage, "open-interest")
    assert [row["symbol"] for row in told["list"]] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    held = stage.publisher.stand("BTCUSDT").open_interest
    assert float(told["list"][0]["openInterest"]) == pytest.approx(held, abs=0.001)
    (row,) = _v2(stage, "open-interest", symbol="BTCUSDT")["openInterestList"]
    assert row == {"symbol": "BTCUSDT", "size": told["list"][0]["openInterest"]}


@pytest.mark.parametrize("kind", ["Account", "Position", ""], ids=["account", "position", "all"])
def test_ratios_come_oldest_first_and_add_up(stage: Rehearsal, kind: str) -> None:
    """Protects sentiment: thirty periods named by their beginning; long and short are the whole, as is their ratio."""
    middle = f"{kind.lower()}-" if kind else ""
    rows = _get(stage, f"{_V3}/futures-{middle}long-short", symbol="BTCUSDT", period="5m")["data"]
    assert _get(stage, f"{_V2}/{middle}long-short", symbol="BTCUSDT")["data"] == rows
    times = [int(row["ts"]) for row in rows]
    assert times == [_START_MS + 300_000 - 300_000 * n for n in reversed(range(30))]
    for row in rows:
        long, short = float(row[f"long{kind}Ratio"]), float(row[f"short{kind}Ratio"])
        assert long + short == pytest.approx(1)
        assert float(row[f"longShort{kind}Ratio"]) == pytest.approx(long / short, abs=0.0002)


def test_taker_volumes_are_in_base_units(stage: Rehearsal) -> None:
    """Protects taker volume: what was bought and sold within the period by the trades themselves."""
    rows = _get(stage, f"{_V3}/futures-active-buy-sell", symbol="SOLUSDT")["data"]
    assert _get(stage, f"{_V2}/taker-buy-sell", symbol="SOLUSDT")["data"] == rows
    assert int(rows[-1]["ts"]) == _START_MS + 300_000
    period = range(_START_MS + 300_000, _START_MS + 600_000)
    trades = [t for t in stage.publisher.stand("SOLUSDT").trades if t.ts_event // 1_000_000 in period]
    assert trades
    bought = sum(trade.size for trade in trades if trade.side.value == "BUY")
    oldest = stage.publisher.stand("SOLUSDT").trades[0].ts_event // 1_000_000
    if oldest < period.start:
        assert float(rows[-1]["buyVolume"]) == pytest.approx(bought)


# liquidations --------------------------------------------------------------------------------------------------------


def _liquidated(stage: Rehearsal, **query: str) -> list[Json]:
    """All pages."""
    rows: list[Json] = []
    cursor = ""
    while True:
        page = _v3(stage, "liquidations", limit="7", cursor=cursor, **query)
        rows += page["list"]
        if not (cursor := page["cursor"]):
            return rows


def _liquidate(stage: Rehearsal, symbol: str, after_ms: int, side: PositionSide, size: float) -> None:
    """Let somebody's position be closed, so long after the start (before it, below zero)."""
    ts = START_NS + after_ms * 1_000_000
    stand = stage.publisher.stand(symbol)
    known = stand.listing.instrument.id
    event = Liquidation(known, ts, ts, side, size, 100.0, 101.5, Completeness.COMPLETE, Sampling.NONE)
    stand.liquidations.append(event)


@pytest.mark.parametrize(
    ("is_complete", "expected"),
    [
        pytest.param(False, [16, 15, 14, 13, 12, 11, 10, 7, 6, 5, 4, 3], id="sampled-as-the-topic"),
        pytest.param(True, [16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3], id="all-of-them"),
    ],
)
def test_liquidations_are_listed_newest_first_in_pages(
    is_complete: bool, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects the back-fill: the largest of each second and side, or all where a test says so; nothing twice."""
    monkeypatch.setattr(disputed, "LISTED_COMPLETE", is_complete)
    monkeypatch.setattr(disputed, "AMOUNT_IN_BASE", True)
    stage = Rehearsal("bitget", 7, ("BTC", "ETH"), activity=0.1)
    long, short = PositionSide.LONG, PositionSide.SHORT
    for after_ms, symbol, side, size in (
        *((1100, "BTCUSDT", long, 3.0), (1200, "BTCUSDT", short, 5.0), (1150, "ETHUSDT", long, 4.0)),
        *((2100, "BTCUSDT", long, 6.0), (2200, "ETHUSDT", short, 7.0)),
        *((3300, "BTCUSDT", long, 8.0), (3400, "BTCUSDT", long, 9.0), (3500, "BTCUSDT", long, 10.0)),
        *((4000 + 1000 * n, "ETHUSDT", short, 11.0 + n) for n in range(6)),
    ):
        _liquidate(stage, symbol, after_ms, side, size)
    rows = _liquidated(stage)
    assert [row["amount"] for row in rows] == [str(size) for size in expected]
    assert {row["side"] for row in rows if row["amount"] in ("5", "7")} == {"sell"}
    assert {row["price"] for row in rows} == {"101.5"}
    assert [row["amount"] for row in _liquidated(stage, symbol="ETHUSDT")] == [
        "16",
        "15",
        "14",
        "13",
        "12",
        "11",
        "7",
        "4",
    ]


def test_liquidations_of_more_than_three_days_are_gone() -> None:
    """Protects the reach of the back-fill."""
    stage = Rehearsal("bitget", 7, ("BTC",), activity=0.1)
    three_days_ms = 3 * 24 * _HOUR_MS
    _liquidate(stage, "BTCUSDT", -three_days_ms - 1, PositionSide.LONG, 1.0)
    _liquidate(stage, "BTCUSDT", -three_days_ms, PositionSide.LONG, 2.0)
    assert [float(row["amount"]) for row in _liquidated(stage)] == [2.0 * 101.5]


# errors and limits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        pytest.param(f"{_V3}/tickers", {}, "400172", id="v3-no-category"),
        pytest.param(f"{_V3}/tickers", {"category": "DANCE"}, "400172", id="v3-unknown-category"),
        pytest.param(f"{_V3}/position-tier", {"productType": "USDT-FUTURES"}, "400172", id="v3-asked-as-in-v2"),
        pytest.param(f"{_V2}/ticker", {"symbol": "BTCUSDT"}, "400172", id="v2-no-product-type"),
        pytest.param(f"{_V2}/ticker", {"productType": "USDT-FUTURES"}, "400172", id="v2-no-symbol"),
        pytest.param(
            f"{_V2}/candles",
            {"productType": "USDT-FUTURES", "symbol": "BTCUSDT_UMCBL", "granularity": "1m"},
            "40034",
            id="v1-symbol",
        ),
        pytest.param(f"{_V3}/orderbook", {"category": "SPOT", "symbol": "BTCUSDT"}, "40034", id="v3-no-spot"),
        pytest.param(
            f"{_V2}/candles",
            {"productType": "USDT-FUTURES", "symbol": "BTCUSDT", "granularity": "1h"},
            "400171",
            id="v2-hour-in-lower-case",
        ),
        pytest.param(
            f"{_V3}/candles",
            {"category": "USDT-FUTURES", "symbol": "BTCUSDT", "interval": "1m", "limit": "1001"},
            "40053",
            id="v3-too-many-candles",
        ),
        pytest.param(
            f"{_V3}/history-candles",
            {"category": "USDT-FUTURES", "symbol": "BTCUSDT", "interval": "1m", "limit": "101"},
            "40053",
            id="v3-too-many-old-candles",
        ),
        pytest.param(
            f"{_V3}/candles",
            {"category": "USDT-FUTURES", "symbol": "BTCUSDT", "interval": "1m", "limit": "x"},
            "40020",
            id="no-number",
        ),
        pytest.param(
            f"{_V3}/candles",
            {"category": "USDT-FUTURES", "symbol": "BTCUSDT", "interval": "1m", "type": "dance"},
            "400172",
            id="v3-unknown-type",
        ),
        pytest.param(
            f"{_V2}/candles",
            {"productType": "USDT-FUTURES", "symbol": "BTCUSDT", "granularity": "1m", "kLineType": "dance"},
            "400172",
            id="v2-unknown-type",
        ),
        pytest.param(f"{_V3}/futures-long-short", {"symbol": "BTCUSDT", "period": "7m"}, "400172", id="unknown-period"),
    ],
)
def test_wrong_parameters_are_refused(stage: Rehearsal, path: str, query: dict[str, str], code: str) -> None:
    """Protects error handling: HTTP 400 and the venue's code."""
    reply = _get(stage, path, 400, **query)
    assert (reply["code"], reply["data"]) == (code, None)


def test_unknown_symbol_is_named(stage: Rehearsal) -> None:
    """Protects the reading of the commonest refusal."""
    reply = _get(stage, f"{_V3}/fills", 400, category="USDT-FUTURES", symbol="NOPEUSDT")
    assert reply["msg"] == "Parameter NOPEUSDT does not exist"


def test_statistics_without_rows_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects pollers of new symbols: an empty statistic is refused, not an empty list."""
    stage = Rehearsal("bitget", 7, ("BTC",))
    holdings = stage.market.holdings("BTCUSDT")
    monkeypatch.setattr(holdings, "periods", lambda *_: [])  # as of a symbol listed just now
    reply = _get(stage, f"{_V3}/futures-long-short", 400, symbol="BTCUSDT", period="12h")
    assert (reply["code"], reply["msg"]) == ("40054", "The data fetched by BTCUSDT is empty")


@pytest.mark.parametrize(
    ("path", "query", "limit"),
    [
        pytest.param(f"{_V3}/tickers", {"category": "USDT-FUTURES"}, 20, id="most"),
        pytest.param(f"{_V3}/liquidations", {"category": "USDT-FUTURES"}, 5, id="liquidations"),
        pytest.param(f"{_V3}/futures-long-short", {"symbol": "BTCUSDT"}, 1, id="ratios"),
        pytest.param(f"{_V2}/fills-history", {"productType": "USDT-FUTURES", "symbol": "BTCUSDT"}, 10, id="trades"),
    ],
)
def test_each_path_has_a_limit_of_its_own(path: str, query: dict[str, str], limit: int) -> None:
    """Protects request budgets: so many a second, 429 beyond, others unharmed, and free again the next second."""
    stage = Rehearsal("bitget", 7, ("BTC",))
    stage.run(2.0)
    answers = [stage.get(path, **query) for _ in range(limit + 1)]
    assert [answer.status for answer in answers] == [200] * limit + [429]
    left = [int(answer.headers["x-mbx-used-remain-limit"]) for answer in answers[:-1]]
    assert left == list(range(limit))[::-1]
    refusal = json.loads(answers[-1].body)
    assert (refusal["code"], refusal["msg"], refusal["data"]) == ("429", "Too Many Requests", None)
    assert stage.get("/api/v2/public/time").status == 200
    stage.now_s += 1.1
    assert stage.get(path, **query).status == 200


def test_too_many_requests_together_cost_five_minutes() -> None:
    """Protects against the limit of all paths together; a test may make it small."""
    stage = Rehearsal("bitget", 7, ("BTC",))
    stage.side.budget.limit = 3
    statuses = [stage.get(f"/api/v{2 + n % 2}/public/time").status for n in range(4)]
    assert statuses == [200, 200, 200, 429]
    stage.now_s = 299.0
    assert stage.get("/api/v2/public/time").status == 429
    stage.now_s = 301.0
    assert stage.get("/api/v2/public/time").status == 200
    assert json.loads(stage.side.throttled(1).body)["code"] == "429"


def test_unknown_paths_are_not_found(stage: Rehearsal) -> None:
    """Protects clients from a reply that means nothing: no history of open interest, no v1, nothing to post."""
    for path in (f"{_V2}/history-open-interest", "/api/mix/v1/market/contracts", "/"):
        assert _get(stage, path, 404)["code"] == "40404"
    assert stage.post(f"{_V3}/tickers", b"").status == 404


def test_time_is_market_time(stage: Rehearsal) -> None:
    """Protects clock checks."""
    for generation in ("v2", "v3"):
        assert _get(stage, f"/api/{generation}/public/time")["data"] == {"serverTime": str(stage.now_ms)}
