"""Hyperliquid's socket as the lab speaks it: the venue's own words, blocks, whole books, fields as recorded.

Expectations are written by hand after the venue's page and public probes of its wire of 2026; recorded frames are read
where they are at hand.
"""

import base64
import gzip
import json
import re
import zlib
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest

from perpscope.lab.dialect import Idle
from perpscope.lab.rehearsal import START_NS, Rehearsal
from perpscope.lab.wire.hyperliquid.accounts import CROWD

Json: TypeAlias = dict[str, Any]  # decoded; the shape is what the test is about
Value: TypeAlias = Any  # likewise
_START_MS = START_NS // 1_000_000
_NUMBER = re.compile(r"-?\d+\.(\d*[1-9]|0)")


def _stage(*topics: str, seconds: float = 20.0, activity: float = 6.0) -> Rehearsal:
    stage = Rehearsal("hyperliquid", 7, ("BTC", "ETH"), activity=activity)
    stage.wants(*topics)
    stage.run(seconds)
    return stage


def _data(stage: Rehearsal, topic: str) -> list[Value]:
    """What the frames of a topic hold."""
    frames = [json.loads(payload) for payload in stage.payloads(topic)]
    assert {frame["channel"] for frame in frames} <= {topic.partition(":")[0]}
    return [frame["data"] for frame in frames]


def _said(stage: Rehearsal, *messages: Json) -> list[list[Json]]:
    """What one connection is answered to each of these."""
    talk = stage.dialogue("/ws")
    return [[json.loads(frame) for frame in stage.say(talk, json.dumps(message).encode())] for message in messages]


def _wish(name: str, **fields: Value) -> Json:
    return {"method": "subscribe", "subscription": {"type": name, **fields}}


def _shape(value: Value) -> Value:
    """Field names and types of a decoded frame; of a list, its first row's."""
    if isinstance(value, dict):
        return {name: _shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return type(value).__name__


# dialogue ------------------------------------------------------------------------------------------------------------


def test_subscriptions_are_echoed_with_their_defaults() -> None:
    """Protects the acknowledgement: method and subscription, addresses in lower case; a ping is answered pong."""
    stage = _stage()
    book, fills, pong, gone = _said(
        stage,
        _wish("l2Book", coin="BTC"),
        _wish("userFills", user="0x" + "AB" * 20),
        {"method": "ping"},
        {"method": "unsubscribe", "id": "7", "subscription": {"type": "l2Book", "coin": "BTC", "fast": False}},
    )
    echo = {"type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None, "fast": False}
    assert book[0] == {"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": echo}}
    assert book[1]["channel"] == "l2Book"
    user = "0x" + "ab" * 20
    assert fills[0]["data"]["subscription"] == {"type": "userFills", "user": user, "aggregateByTime": False}
    assert fills[1:] == [{"channel": "userFills", "data": {"isSnapshot": True, "user": user, "fills": []}}]
    assert pong == [{"channel": "pong"}]
    assert gone == [{"channel": "subscriptionResponse", "data": {"method": "unsubscribe", "subscription": echo}}]
    assert not stage.is_wanted("l2Book:BTC")


def test_repeated_wishes_are_errors() -> None:
    """Protects clients that resubscribe: the same twice, and what was never subscribed, are told so; nothing ends."""
    wish = _wish("trades", coin="ETH")
    _, again, _, gone = _said(_stage(), wish, wish, wish | {"method": "unsubscribe"}, wish | {"method": "unsubscribe"})
    assert again == [{"channel": "error", "data": 'Already subscribed: {"type":"trades","coin":"ETH"}'}]
    assert gone == [{"channel": "error", "data": 'Already unsubscribed: {"type":"trades","coin":"ETH"}'}]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"{", id="no-json"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'{"method":"dance"}', id="unknown-method"),
        pytest.param(b'{"method":"subscribe"}', id="no-subscription"),
        pytest.param(b'{"method":"subscribe","subscription":{"type":"liquidations"}}', id="liquidations"),
        pytest.param(b'{"method":"subscribe","subscription":{"type":"webData2","user":"0x0"}}', id="web-data-2"),
        pytest.param(b'{"method":"subscribe","subscription":{"type":"bbo","coin":["BTC","ETH"]}}', id="coins"),
        pytest.param(b'{"method":"subscribe","subscription":{"type":"bbo","coin":"ETH"}}', id="refused-by-the-test"),
        pytest.param(b'{"method":"subscribe","subscription":{"type":"userFills","user":"bob"}}', id="no-address"),
        pytest.param(b'{"method":"post","request":{"type":"info","payload":{"type":"meta"}}}', id="post-no-id"),
        pytest.param(b'{"method":"post","id":2,"request":{"type":"explorer","payload":{}}}', id="post-explorer"),
        pytest.param(b'{"method":"post","id":2,"request":{"type":"info","payload":{"type":"nope"}}}', id="post-nope"),
    ],
)
def test_what_is_not_understood_is_repeated(message: bytes) -> None:
    """Protects clients' reading of refusals: one error frame that repeats the request; the connection stays."""
    stage = _stage()
    stage.refused.add("bbo:ETH")
    heard = stage.hear(stage.dialogue("/ws"), message)
    (frame,) = heard.frames
    said = f"Error parsing JSON into valid websocket request: {message.decode()}"
    assert json.loads(frame.payload) == {"channel": "error", "data": said}
    assert heard.goodbye is None
    assert stage.subscribed == 0


@pytest.mark.parametrize(
    "wish",
    [
        pytest.param(_wish("l2Book", coin="NOPE"), id="unknown-coin"),
        pytest.param(_wish("bbo", coin="btc"), id="lower-case"),
        pytest.param(_wish("l2Book", coin="BTC", nSigFigs=6), id="six-figures"),
        pytest.param(_wish("l2Book", coin="BTC", nSigFigs=4, mantissa=2), id="mantissa-without-five-figures"),
        pytest.param(_wish("allMids", dex="nope"), id="unknown-dex"),
    ],
)
def test_what_is_not_listed_costs_the_connection(wish: Json) -> None:
    """Protects catalogue guards: one wrong coin ends every subscription of the socket, without a word."""
    stage = _stage()
    heard = stage.hear(stage.dialogue("/ws"), json.dumps(wish).encode())
    assert heard.goodbye is not None
    assert list(heard.frames) == []


def test_ten_users_over_all_connections() -> None:
    """Protects watchlists: the eleventh user is refused on any connection until a place is free; one twice is one."""
    stage = _stage()
    first, second = stage.dialogue("/ws"), stage.dialogue("/ws")
    wishes = [json.dumps(_wish("userFills", user=user)).encode() for user in CROWD[:11]]
    for wish in wishes[:10]:
        assert b"isSnapshot" in stage.say(first, wish)[1]
    known = json.dumps(_wish("userEvents", user=CROWD[3])).encode()
    assert b"subscriptionResponse" in stage.say(second, known)[0]
    refusal = {"channel": "error", "data": "Cannot track more than 10 total users."}
    assert [json.loads(stage.say(talk, wishes[10])[0]) for talk in (first, second)] == [refusal, refusal]
    stage.say(first, wishes[0].replace(b"subscribe", b"unsubscribe", 1))
    assert b"subscriptionResponse" in stage.say(second, wishes[10])[0]
    del first
    assert b"subscriptionResponse" in stage.say(second, wishes[1])[0]


def test_channels_and_messages_are_limited() -> None:
    """Protects budgets: more channels than allowed, and more than 2000 messages a minute, are refused in words."""
    stage = _stage()
    stage.rules = msgspec.structs.replace(stage.rules, topics=1)
    _, more = _said(stage, _wish("bbo", coin="BTC"), _wish("bbo", coin="ETH"))
    assert more == [{"channel": "error", "data": "Cannot subscribe to more than 1 channels."}]
    said = _said(stage, *[{"method": "ping"}] * 1999)
    assert said[-2:] == [
        [{"channel": "pong"}],
        [{"channel": "error", "data": "Cannot send more than 2000 messages per minute."}],
    ]
    stage.now_s += 61.0
    assert _said(stage, {"method": "ping"}) == [[{"channel": "pong"}]]


def test_session_rules_are_the_documented_ones() -> None:
    """Protects the session's measure: the server's silence of 60 s, 10 connections, 30 new a minute, 1000 topics."""
    rules = _stage().wire.rules
    assert (rules.idle_timeout_s, rules.idle) == (60.0, Idle.SENT)
    assert rules.connects is not None
    assert (rules.connections, rules.connects.limit, rules.connects.per_s, rules.topics) == (10, 30, 60.0, 1000)
    assert (rules.ping_interval_s, rules.lifetime_s) == (None, None)


def test_requests_can_be_posted_over_the_socket() -> None:
    """Protects users of `post`: the reply under the request's id, out of the same allowance as REST."""
    stage = _stage()
    post = {"method": "post", "id": 7, "request": {"type": "info", "payload": {"type": "l2Book", "coin": "ETH"}}}
    nope = post | {"request": {"type": "info", "payload": {"type": "l2Book", "coin": "NOPE"}}}
    (book,), (unknown,), (action,) = _said(stage, post, nope, post | {"request": {"type": "action", "payload": {}}})
    assert (book["channel"], book["data"]["id"], book["data"]["response"]["type"]) == ("post", 7, "info")
    rest = json.loads(stage.post("/info", b'{"type":"l2Book","coin":"ETH"}').body)
    assert book["data"]["response"]["payload"] == {"type": "l2Book", "data": rest}
    assert unknown["data"]["response"] == {"type": "info", "payload": {"type": "l2Book", "data": None}}
    assert action["data"]["response"]["payload"]["status"] == "err"
    stage.side.budget.limit = 5
    (refused,) = _said(stage, post)[0]
    assert refused["data"]["response"] == {"type": "error", "payload": "429 Too Many Requests: null"}


# blocks and books ----------------------------------------------------------------------------------------------------


def test_trades_come_by_block_and_add_up_to_the_candles() -> None:
    """Protects what is counted from trades: one time a frame, on the block clock; a minute's sizes are its volume."""
    stage = _stage("trades:BTC", seconds=125.0)
    frames = _data(stage, "trades:BTC")
    times = [{row["time"] for row in frame} for frame in frames]
    assert all(len(time) == 1 for time in times)
    assert [min(time) for time in times] == sorted({min(time) for time in times})
    volumes: dict[int, float] = defaultdict(float)
    for row in (row for frame in frames for row in frame):
        assert (row["time"] - _START_MS) % 75 == 0
        volumes[row["time"] // 60_000 * 60_000] += float(row["sz"])
    ask = {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "1m", "startTime": _START_MS, "endTime": 2**50}}
    candles = json.loads(stage.post("/info", json.dumps(ask).encode()).body)
    assert len(candles) == 3
    for candle in candles[:2]:
        assert float(candle["v"]) == pytest.approx(volumes[candle["t"]])


def test_a_new_subscriber_gets_thirty_trades() -> None:
    """Protects against counting twice: the first frame is history, oldest first, and ends with the newest."""
    stage = _stage("trades:BTC", seconds=60.0)
    told = [row for frame in _data(stage, "trades:BTC") for row in frame]
    _, history = _said(stage, _wish("trades", coin="BTC"))[0]
    assert history["data"] == told[-30:]


@pytest.mark.parametrize(
    ("wish", "channel", "fields"),
    [
        pytest.param({"type": "bbo", "coin": "BTC"}, "bbo", {"coin", "time", "bbo"}, id="bbo"),
        pytest.param({"type": "activeAssetCtx", "coin": "BTC"}, "activeAssetCtx", {"coin", "ctx"}, id="context"),
        pytest.param({"type": "candle", "coin": "BTC", "interval": "8h"}, "candle", set("tTsiochlvn"), id="candle"),
        pytest.param({"type": "allMids"}, "allMids", {"mids"}, id="mids"),
        pytest.param({"type": "allDexsAssetCtxs"}, "allDexsAssetCtxs", {"ctxs"}, id="dexs"),
        pytest.param(
            {"type": "webData3", "user": CROWD[0]}, "webData3", {"userState", "perpDexStates"}, id="web-data-3"
        ),
        pytest.param({"type": "openOrders", "user": CROWD[0]}, "openOrders", {"dex", "user", "orders"}, id="orders"),
        pytest.param(
            {"type": "userFundings", "user": CROWD[0]},
            "userFundings",
            {"isSnapshot", "user", "fundings"},
            id="fundings",
        ),
        pytest.param(
            {"type": "userNonFundingLedgerUpdates", "user": CROWD[0]},
            "userNonFundingLedgerUpdates",
            {"isSnapshot", "user", "nonFundingLedgerUpdates"},
            id="ledger",
        ),
        pytest.param(
            {"type": "clearinghouseState", "user": CROWD[0]},
            "clearinghouseState",
            {"dex", "user", "clearinghouseState"},
            id="state",
        ),
        pytest.param(
            {"type": "allDexsClearinghouseState", "user": CROWD[0]},
            "allDexsClearinghouseState",
            {"user", "clearinghouseStates"},
            id="states",
        ),
    ],
)
def test_a_new_subscriber_gets_the_state_at_once(wish: Json, channel: str, fields: set[str]) -> None:
    """Protects joiners: whatever has a state tells it right after the acknowledgement."""
    _, frame = _said(_stage(), {"method": "subscribe", "subscription": wish})[0]
    assert frame["channel"] == channel
    assert set(frame["data"]) == fields


@pytest.mark.parametrize("name", ["userEvents", "orderUpdates", "notification"])
def test_streams_of_events_begin_silently(name: str) -> None:
    """Protects readers of user events: an acknowledgement and nothing else."""
    (said,) = _said(_stage(), _wish(name, user=CROWD[0]))
    assert [frame["channel"] for frame in said] == ["subscriptionResponse"]


def test_before_the_market_begins_there_is_no_state() -> None:
    """Protects subscriptions while the clock is held: acknowledged, and told once there is something."""
    stage = Rehearsal("hyperliquid", 7, ("BTC",))
    wishes = [_wish(name, coin="BTC") for name in ("bbo", "l2Book", "trades", "activeAssetCtx")]
    said = _said(stage, *wishes, _wish("allMids"), _wish("allDexsAssetCtxs"))
    assert [len(frames) for frames in said] == [1] * 6
    stage.run(6.0)
    told = {topic for topic, _ in stage.heard}
    assert {"bbo:BTC", "l2Book:BTC", "trades:BTC", "activeAssetCtx:BTC", "allMids"} <= told


def test_rows_of_trades_have_the_takers_side() -> None:
    """Protects sides: exactly eight fields; the aggressor of a buy is the first of [buyer, seller]."""
    stage = _stage("trades:BTC", seconds=60.0)
    rows = [row for frame in _data(stage, "trades:BTC") for row in frame]
    assert {frozenset(row) for row in rows} == {frozenset("coin side px sz time hash tid users".split())}
    assert {row["side"] for row in rows} == {"A", "B"}
    assert all(0 <= row["tid"] < 2**50 for row in rows)
    hidden = sum(row["hash"] == "0x" + "0" * 64 for row in rows)
    assert 0.1 < hidden / len(rows) < 0.5
    assert all(re.fullmatch("0x[0-9a-f]{40}", user) for row in rows for user in row["users"])


@pytest.mark.parametrize(("suffix", "depth", "apart_ms"), [("", 20, 5025), (":fast", 5, 525)], ids=["slow", "fast"])
def test_whole_books_come_round_changed_or_not(suffix: str, depth: int, apart_ms: int) -> None:
    """Protects the book's cadence: 20 levels each 5 s, 5 levels each half second, best first, one clock for all."""
    stage = _stage(f"l2Book:BTC{suffix}", f"l2Book:ETH{suffix}", seconds=31.0)
    books = [_data(stage, f"l2Book:{coin}{suffix}") for coin in ("BTC", "ETH")]
    assert [book["time"] for book in books[0]] == [book["time"] for book in books[1]]
    assert {after["time"] - before["time"] for before, after in pairwise(books[0])} == {apart_ms}
    for book in books[0]:
        assert book.get("fast", False) is bool(suffix)
        bids, asks = ([float(level["px"]) for level in side] for side in book["levels"])
        assert (len(bids), len(asks)) == (depth, depth)
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert bids[0] < asks[0]


def test_best_prices_are_the_books_and_never_repeat() -> None:
    """Protects `bbo`: told only when it changed, and what it says is the top of the book of the same block."""
    stage = _stage("bbo:BTC", "l2Book:BTC:fast", seconds=60.0)
    told = _data(stage, "bbo:BTC")
    assert len(told) > 50
    assert all(before["bbo"] != after["bbo"] for before, after in pairwise(told))
    best = {row["time"]: row["bbo"] for row in told}
    same = [book for book in _data(stage, "l2Book:BTC:fast") if book["time"] in best]
    assert len(same) > 5
    assert all([side[0] for side in book["levels"]] == best[book["time"]] for book in same)


def test_figures_join_levels() -> None:
    """Protects coarse books: steps of the last figure, bids rounded down and asks up, sizes and orders added."""
    stage = _stage()
    raw, coarse, twos = (
        _said(stage, _wish("l2Book", coin="BTC", **cut))[0][1]["data"]["levels"]
        for cut in ({}, {"nSigFigs": 4}, {"nSigFigs": 5, "mantissa": 2})
    )
    assert all(float(level["px"]) % 10 == 0 for side in coarse for level in side)
    assert all(float(level["px"]) % 2 == 0 for side in twos for level in side)
    assert float(coarse[0][0]["px"]) <= float(raw[0][0]["px"]) < float(raw[1][0]["px"]) <= float(coarse[1][0]["px"])
    top = float(coarse[1][0]["px"])
    joined = [level for level in raw[1] if float(level["px"]) <= top]
    assert float(coarse[1][0]["sz"]) == pytest.approx(sum(float(level["sz"]) for level in joined))
    assert coarse[1][0]["n"] == sum(level["n"] for level in joined)


def test_contexts_follow_the_venues_formulas() -> None:
    """Protects funding and premium: hourly rate, premium from the impact prices of the same row, mid of the best."""
    rows = _data(_stage("activeAssetCtx:BTC", seconds=120.0), "activeAssetCtx:BTC")
    assert len(rows) == 121
    for ctx in (row["ctx"] for row in rows):
        oracle, (bid, ask) = float(ctx["oraclePx"]), map(float, ctx["impactPxs"])
        premium = (max(bid - oracle, 0.0) - max(oracle - ask, 0.0)) / oracle
        assert float(ctx["premium"]) == pytest.approx(premium, abs=1e-9)
        assert bid <= float(ctx["midPx"]) <= ask
        assert abs(float(ctx["funding"])) < 0.0001
    assert float(rows[-1]["ctx"]["dayBaseVlm"]) > 0


def test_fast_contexts_are_deflated_and_tell_what_changed() -> None:
    """Protects readers of `fastAssetCtxs`: base64 of raw deflate, all coins first, then the changed ones."""
    stage = _stage()
    first = _said(stage, _wish("fastAssetCtxs"))[0][1]["data"]
    stage.run(10.0)
    payloads = [first, *(json.loads(frame)["data"] for frame in stage.payloads("fastAssetCtxs"))]
    told = [json.loads(zlib.decompress(base64.b64decode(text), wbits=-15)) for text in payloads]
    assert sorted(told[0]) == ["BTC", "ETH"]
    assert all(set(prices) == {"markPx", "midPx"} for prices in told[0].values())
    known = dict(told[0])
    for changed in told[1:]:
        assert changed
        assert all(known[coin] != prices for coin, prices in changed.items())
        known |= changed


def test_candles_are_told_when_they_change() -> None:
    """Protects closing by the next `t`: no closed flag, the end within the interval, longer ones made of shorter."""
    stage = _stage("candle:BTC:1m", "candle:BTC:5m", seconds=130.0, activity=0.5)
    minutes, fives = _data(stage, "candle:BTC:1m"), _data(stage, "candle:BTC:5m")
    assert set(minutes[0]) == set("tTsiochlvn") | {"s"}
    assert all(before != after for before, after in pairwise(minutes))
    assert [row["t"] for row in minutes] == sorted(row["t"] for row in minutes)
    assert {row["T"] - row["t"] for row in minutes} == {59_999}
    assert {row["t"] for row in fives} == {_START_MS}
    last = {row["t"]: row for row in minutes}
    assert fives[-1]["n"] == sum(row["n"] for row in last.values())
    assert float(fives[-1]["v"]) == pytest.approx(sum(float(row["v"]) for row in last.values()))


def test_mids_of_all_coins_come_each_five_seconds() -> None:
    """Protects `allMids`: every coin, one figure more than prices have."""
    rows = _data(_stage("allMids", seconds=31.0), "allMids")
    assert len(rows) == 31_000 // 5025
    assert all(sorted(row["mids"]) == ["BTC", "ETH"] for row in rows)


def test_the_same_seed_tells_the_same_frames() -> None:
    """Protects repeatability: books, trades, users and ids are the same in every process."""
    topics = ("trades:BTC", "bbo:BTC", "l2Book:ETH", "activeAssetCtx:ETH", f"userFills:{CROWD[0]}")
    assert _stage(*topics, seconds=40.0).heard == _stage(*topics, seconds=40.0).heard


def test_numbers_are_written_as_the_venue_writes_them() -> None:
    """Protects number formats: five figures at most but in whole numbers, a decimal always, no needless zeros."""
    stage = Rehearsal("hyperliquid", 7)
    coins = [listing.symbol for listing in stage.listings]
    stage.wants(*(f"l2Book:{coin}:fast" for coin in coins))
    stage.run(3.0)
    books = [book for coin in coins for book in _data(stage, f"l2Book:{coin}:fast")]
    levels = [level for book in books for side in book["levels"] for level in side]
    assert len(levels) > 300
    for level in levels:
        assert _NUMBER.fullmatch(level["px"])
        assert _NUMBER.fullmatch(level["sz"])
        figures = level["px"].removesuffix(".0").replace(".", "").lstrip("0")
        assert len(figures) <= 5


# recordings ----------------------------------------------------------------------------------------------------------


def test_frames_have_the_fields_of_recorded_ones(recordings: Path) -> None:
    """Protects the wire: books and trades of 2025, asset contexts and mids of 2026, in names and types."""
    with gzip.open(recordings / "wire" / "hyperliquid" / "btc_20250126.gz", "rt") as file:
        recorded = {frame["channel"]: frame for frame in (json.loads(line.partition(" ")[2]) for line in file)}
    stage = _stage("l2Book:BTC", "trades:BTC", "allMids", "allDexsAssetCtxs", seconds=31.0)
    for channel, frame in recorded.items():
        assert _shape(json.loads(stage.payloads(f"{channel}:BTC")[-1])) == _shape(frame)
    folder = recordings / "rest" / "payloads" / "hyperliquid"
    contexts = json.loads((folder / "ws_all_dexs_asset_ctxs.json").read_text("utf-8"))
    ours = json.loads(stage.payloads("allDexsAssetCtxs")[-1])
    dexs = [frame["data"]["ctxs"][0] for frame in (ours, contexts)]
    assert [(name, _shape(rows[0])) for name, rows in dexs] == [("", _shape(dexs[1][1][0]))] * 2
    mids = json.loads((folder / "ws_allmids.json").read_text("utf-8"))["data"]["mids"]
    assert {type(price) for price in _data(stage, "allMids")[-1]["mids"].values()} == {type(mids["BTC"])}
