"""Hyperliquid's `/info` as the lab answers it: types, order, pages, weights, refusals, and fields as recorded."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from perpscope.lab.rehearsal import START_NS, Rehearsal
from perpscope.lab.wire.hyperliquid.accounts import CROWD, MAKERS

Json: TypeAlias = dict[str, Any]  # decoded; the shape is what the test is about
Value: TypeAlias = Any  # likewise
_START_MS = START_NS // 1_000_000
_HOUR_MS = 3_600_000
_NOBODY = "0x" + "0" * 40


@pytest.fixture(scope="module")
def stage() -> Rehearsal:
    """Ten minutes of a market."""
    stage = Rehearsal("hyperliquid", 7, ("BTC", "ETH", "XRP"))
    stage.run(605.0)
    return stage


@pytest.fixture(scope="module")
def hour() -> Rehearsal:
    """An hour of a market that sleeps, for long replies."""
    stage = Rehearsal("hyperliquid", 7, ("BTC",), activity=0.2)
    stage.run(61 * 60.0)
    return stage


def _info(stage: Rehearsal, name: str, **fields: Value) -> Value:
    stage.now_s += 10.0
    answer = stage.post("/info", json.dumps({"type": name, **fields}).encode())
    assert answer.status == 200
    return json.loads(answer.body)


def test_catalogue_numbers_assets_and_has_the_public_tiers(stage: Rehearsal) -> None:
    """Protects sizes and margins: the order of the universe, decimals of sizes, tables by id, USDC as collateral."""
    meta = _info(stage, "meta")
    universe = {row["name"]: row for row in meta["universe"]}
    assert list(universe) == ["BTC", "ETH", "XRP"]
    assert [row["szDecimals"] for row in universe.values()] == [5, 4, 0]
    assert [row["maxLeverage"] for row in universe.values()] == [40, 25, 20]
    tables = dict(meta["marginTables"])
    for row in universe.values():
        tiers = tables[row["marginTableId"]]["marginTiers"]
        assert tiers[0] == {"lowerBound": "0.0", "maxLeverage": row["maxLeverage"]}
        assert _info(stage, "marginTable", id=row["marginTableId"]) == tables[row["marginTableId"]]
    assert tables[56]["marginTiers"][1] == {"lowerBound": "150000000.0", "maxLeverage": 20}
    assert _info(stage, "marginTable", id=10)["marginTiers"] == [{"lowerBound": "0.0", "maxLeverage": 10}]
    assert _info(stage, "marginTable", id=99) is None
    assert meta["collateralToken"] == 0
    assert _info(stage, "allPerpMetas") == [meta]


def test_contexts_are_in_the_order_of_the_catalogue(stage: Rehearsal) -> None:
    """Protects the join by position: the second part belongs to the universe row by row; the book agrees with it."""
    meta, contexts = _info(stage, "metaAndAssetCtxs", dex="")
    assert meta == _info(stage, "meta")
    mids = _info(stage, "allMids")
    assert [mids[row["name"]] for row in meta["universe"]] == [context["midPx"] for context in contexts]
    bid, ask = (side[0]["px"] for side in _info(stage, "l2Book", coin="BTC")["levels"])
    assert float(mids["BTC"]) == (float(bid) + float(ask)) / 2
    assert [float(row["openInterest"]) * float(row["markPx"]) > 1e7 for row in contexts] == [True] * 3


def test_there_are_no_spot_pairs_and_no_other_dexes(stage: Rehearsal) -> None:
    """Protects loaders of everything: valid and nearly empty replies."""
    spot = _info(stage, "spotMeta")
    assert (spot["universe"], [token["name"] for token in spot["tokens"]]) == ([], ["USDC"])
    assert _info(stage, "spotMetaAndAssetCtxs") == [spot, []]
    assert _info(stage, "perpDexs") == [None]
    assert _info(stage, "perpsAtOpenInterestCap") == _info(stage, "liquidatable") == []


def test_candles_come_oldest_first_within_a_stretch_of_time(stage: Rehearsal) -> None:
    """Protects back-fills: both ends included, the forming one last, longer intervals made of the shorter ones."""
    minutes = _info(stage, "candleSnapshot", req={"coin": "BTC", "interval": "1m", "startTime": _START_MS})
    assert [row["t"] - _START_MS for row in minutes] == [60_000 * minute for minute in range(11)]
    asked = {"startTime": _START_MS + 60_000, "endTime": _START_MS + 120_000}
    some = _info(stage, "candleSnapshot", req={"coin": "BTC", "interval": "1m", **asked})
    assert some == minutes[1:3]
    fives = _info(stage, "candleSnapshot", req={"coin": "BTC", "interval": "5m", "startTime": _START_MS})
    for number, row in enumerate(fives[:2]):
        part = minutes[5 * number : 5 * number + 5]
        assert (row["o"], row["c"]) == (part[0]["o"], part[-1]["c"])
        assert float(row["h"]) == max(float(minute["h"]) for minute in part)
        assert float(row["l"]) == min(float(minute["l"]) for minute in part)
        assert row["n"] == sum(minute["n"] for minute in part)
        assert float(row["v"]) == pytest.approx(sum(float(minute["v"]) for minute in part))


@pytest.mark.parametrize("interval", "1m 3m 5m 15m 30m 1h 2h 4h 8h 12h 1d 3d 1w 1M".split())
@pytest.mark.unmeasured
def test_every_documented_interval_is_known(stage: Rehearsal, interval: str) -> None:
    """Protects askers for candles: rows of that interval, ending a millisecond before the next."""
    rows = _info(stage, "candleSnapshot", req={"coin": "ETH", "interval": interval, "startTime": 0})
    assert {row["i"] for row in rows} == {interval}
    assert all(after["t"] == before["T"] + 1 for before, after in pairwise(rows))


def test_fundings_are_hourly_and_settle_after_the_hour(stage: Rehearsal) -> None:
    """Protects funding history: oldest first, each hour, within 118 ms of it, rates of one hour."""
    rows = _info(stage, "fundingHistory", coin="BTC", startTime=_START_MS - 24 * _HOUR_MS)
    assert [row["time"] // _HOUR_MS for row in rows] == [
        _START_MS // _HOUR_MS - hours for hours in range(len(rows) - 1, -1, -1)
    ]
    assert all(1 <= row["time"] % _HOUR_MS <= 118 for row in rows)
    assert all(abs(float(row["fundingRate"])) < 0.001 for row in rows)
    later = _info(stage, "fundingHistory", coin="BTC", startTime=_START_MS, endTime=_START_MS + 1000)
    assert later == rows[-1:]


def test_predicted_fundings_name_three_venues(stage: Rehearsal) -> None:
    """Protects readers of predictions: here hourly and of the hour just settled, elsewhere each eight hours."""
    rows = dict(_info(stage, "predictedFundings"))
    assert list(rows) == ["BTC", "ETH", "XRP"]
    venues = dict(rows["BTC"])
    assert {venue: row["fundingIntervalHours"] for venue, row in venues.items()} == {
        "BinPerp": 8,
        "HlPerp": 1,
        "BybitPerp": 8,
    }
    assert venues["HlPerp"]["nextFundingTime"] == _START_MS


def test_recent_trades_are_the_newest_ten(stage: Rehearsal) -> None:
    """Protects against filling gaps from it: ten rows, newest first."""
    rows = _info(stage, "recentTrades", coin="BTC")
    times = [row["time"] for row in rows]
    assert (len(rows), times) == (10, sorted(times, reverse=True))


def test_fills_by_time_are_oldest_first_and_limited(stage: Rehearsal) -> None:
    """Protects paging of fills: 2000 at most, from the start on; without times the newest come first."""
    newest = _info(stage, "userFills", user=MAKERS[0])
    oldest = _info(stage, "userFillsByTime", user=MAKERS[0], startTime=0)
    assert newest[::-1] == oldest
    assert 100 < len(newest) <= 2000
    since = newest[5]["time"]
    assert {fill["time"] >= since for fill in _info(stage, "userFillsByTime", user=MAKERS[0], startTime=since)} == {
        True
    }
    assert _info(stage, "userFills", user=_NOBODY) == []


def test_unknown_accounts_are_empty(stage: Rehearsal) -> None:
    """Protects polls of accounts: nobody's state is a state, with zeros."""
    state = _info(stage, "clearinghouseState", user=_NOBODY)
    assert state["assetPositions"] == []
    assert state["marginSummary"] == dict.fromkeys(
        ("accountValue", "totalNtlPos", "totalRawUsd", "totalMarginUsed"), "0.0"
    )
    assert _info(stage, "userRole", user=_NOBODY) == {"role": "missing"}
    assert _info(stage, "userRole", user=CROWD[0].upper().replace("0X", "0x")) == {"role": "user"}
    for name in ("openOrders", "frontendOpenOrders", "historicalOrders"):
        assert _info(stage, name, user=MAKERS[0]) == []
    assert _info(stage, "spotClearinghouseState", user=MAKERS[0]) == {"balances": []}
    assert _info(stage, "userFunding", user=MAKERS[0], startTime=0) == []


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        pytest.param({"type": "liquidations"}, 422, "Failed to deserialize", id="liquidations"),
        pytest.param({"type": "recentLiquidations"}, 422, "Failed to deserialize", id="recent-liquidations"),
        pytest.param({"type": "fundingHistory", "coin": "BTC"}, 422, "Failed to deserialize", id="no-start"),
        pytest.param({"type": "userFills", "user": "bob"}, 422, "Failed to deserialize", id="no-address"),
        pytest.param(
            {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "7m", "startTime": 0}},
            422,
            "Failed to deserialize",
            id="unknown-interval",
        ),
        pytest.param({"type": "fundingHistory", "coin": "NOPE", "startTime": 0}, 500, "null", id="unknown-coin"),
        pytest.param({"type": "metaAndAssetCtxs", "dex": "nope"}, 500, "null", id="unknown-dex"),
        pytest.param({"type": "l2Book", "coin": "NOPE"}, 200, "null", id="book-of-unknown-coin"),
        pytest.param({"type": "l2Book", "coin": "BTC", "nSigFigs": 9}, 200, "null", id="book-in-nine-figures"),
    ],
)
def test_refusals_are_plain_words(stage: Rehearsal, body: Json, status: int, said: str) -> None:
    """Protects error handling: what is not understood is 422, an unknown coin 500 and null, but of a book 200."""
    stage.now_s += 10.0
    answer = stage.post("/info", json.dumps(body).encode())
    assert (answer.status, answer.body.decode()[: len(said)]) == (status, said)


def test_other_requests_are_refused(stage: Rehearsal) -> None:
    """Protects clients that ask elsewhere: no JSON is 400, another method 405, another path 404, no order is taken."""
    stage.now_s += 10.0
    assert stage.post("/info", b'{"type":').status == 400
    assert stage.post("/info", b"\xff").status in (400, 422)
    assert stage.get("/info").status == 405
    assert stage.post("/nothing", b"{}").status == 404
    assert stage.post("/exchange", b'{"action":{}}').status == 422


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("body", "weight"),
    [
        pytest.param({"type": "l2Book", "coin": "BTC"}, 2, id="book"),
        pytest.param({"type": "clearinghouseState", "user": _NOBODY}, 2, id="state"),
        pytest.param({"type": "meta"}, 20, id="meta"),
        pytest.param({"type": "userRole", "user": _NOBODY}, 60, id="role"),
        pytest.param(
            {"type": "fundingHistory", "coin": "BTC", "startTime": _START_MS - 23 * _HOUR_MS}, 21, id="25-fundings"
        ),
        pytest.param(
            {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "1m", "startTime": _START_MS}},
            21,
            id="62-candles",
        ),
    ],
)
def test_requests_weigh_what_is_documented(hour: Rehearsal, body: Json, weight: int) -> None:
    """Protects request budgets: 1200 a minute, more for longer replies, then 429 and null until it is forgotten."""
    hour.now_s += 61.0
    payload = json.dumps(body).encode()
    for _ in range(1200 // weight):
        assert hour.post("/info", payload).status == 200
    answer = hour.post("/info", payload)
    assert (answer.status, answer.body) == (429, b"null")
    assert hour.side.throttled(1) == answer
    hour.now_s += 61.0
    assert hour.post("/info", payload).status == 200


@pytest.mark.parametrize(
    ("name", "fields", "file"),
    [
        pytest.param("meta", {}, "http_meta_perp_sample.json", id="meta"),
        pytest.param("spotMeta", {}, "http_spot_meta_non_usdc_collateral.json", id="spot"),
        pytest.param("l2Book", {"coin": "BTC"}, "ws_book_data.json", id="book"),
        pytest.param("recentTrades", {"coin": "BTC"}, "http_recent_trades_btc.json", id="trades"),
        pytest.param("fundingHistory", {"coin": "BTC", "startTime": 0}, "http_funding_history.json", id="fundings"),
        pytest.param("userFills", {"user": MAKERS[0]}, "http_user_fills_dust_conversion.json", id="fills"),
        pytest.param(
            "clearinghouseState",
            {"user": MAKERS[0]},
            "http_clearinghouse_state_negative_total_raw_usd.json",
            id="state",
        ),
    ],
)
def test_replies_have_the_fields_of_recorded_ones(
    stage: Rehearsal, name: str, fields: Json, file: str, recordings: Path
) -> None:
    """Protects the wire: whatever a recorded reply has, ours has, in the same types."""
    recorded = json.loads((recordings / "rest" / "payloads" / "hyperliquid" / file).read_text("utf-8"))
    _covers(_info(stage, name, **fields), recorded)


def _covers(ours: Value, recorded: Value) -> None:
    """Every field of the recorded is in ours, with its type; of lists, the first row's."""
    if recorded is None or recorded == []:
        return
    assert type(ours) is type(recorded)
    if isinstance(recorded, dict):
        for field, value in recorded.items():
            if value is not None:
                _covers(ours[field], value)
    elif isinstance(recorded, list) and ours:
        _covers(ours[0], recorded[0])
