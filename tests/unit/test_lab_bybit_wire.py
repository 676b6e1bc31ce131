"""Bybit's socket as the lab speaks it: the venue's own words, books that chain, fields as recorded.

Expectations are written by hand after the venue's documentation; recorded frames are read where they are at hand.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from perpscope.lab.rehearsal import Rehearsal
from perpscope.model.market import Liquidation, PositionSide

Json: TypeAlias = dict[str, Any]  # decoded; the shape is what the test is about
Value: TypeAlias = Any  # likewise


def _stage(*topics: str, seconds: float = 20.0, activity: float = 6.0) -> Rehearsal:
    stage = Rehearsal("bybit", 7, ("BTC", "ETH"), activity=activity)
    stage.wants(*topics)
    stage.run(seconds)
    return stage


def _frames(stage: Rehearsal, topic: str) -> list[Json]:
    return [json.loads(payload) for payload in stage.payloads(topic)]


def _said(stage: Rehearsal, *messages: Json) -> list[list[Json]]:
    """What one connection is answered to each of these."""
    talk = stage.dialogue("/v5/public/linear")
    return [[json.loads(frame) for frame in stage.say(talk, json.dumps(message).encode())] for message in messages]


def _shape(value: Value) -> Value:
    """Field names and types of a decoded frame; of a list, its first row's."""
    if isinstance(value, dict):
        return {name: _shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return type(value).__name__


# dialogue ------------------------------------------------------------------------------------------------------------


def test_only_the_linear_path_is_there() -> None:
    """Protects clients from a socket that means nothing."""
    stage = Rehearsal("bybit", symbols=("BTC",))
    assert stage.dialogue("/v5/public/linear") is not None
    assert stage.dialogue("/v5/public/spot") is None


def test_subscriptions_are_acknowledged_with_the_request_id() -> None:
    """Protects the acknowledgement: success, the request's id, and an empty message; a ping is answered pong."""
    stage = Rehearsal("bybit", symbols=("BTC",))
    (ack,), (pong,), (gone,) = _said(
        stage,
        {"op": "subscribe", "req_id": "7", "args": ["publicTrade.BTCUSDT"]},
        {"op": "ping", "req_id": 8},
        {"op": "unsubscribe", "args": ["publicTrade.BTCUSDT"]},
    )
    assert (ack["success"], ack["ret_msg"], ack["req_id"], ack["op"]) == (True, "", "7", "subscribe")
    assert (pong["success"], pong["ret_msg"], pong["req_id"], pong["op"]) == (True, "pong", "8", "ping")
    assert gone["success"]
    assert not stage.is_wanted("publicTrade.BTCUSDT")


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        pytest.param("liquidation.BTCUSDT", "error:handler not found,topic:liquidation.BTCUSDT", id="dead"),
        pytest.param(
            "orderbook.500.BTCUSDT", "error:handler not found,topic:orderbook.500.BTCUSDT", id="no-such-depth"
        ),
        pytest.param("tickers.NOPEUSDT", "error:handler not found,topic:tickers.NOPEUSDT", id="no-such-symbol"),
        pytest.param("tickers.ETHUSDT", "error:handler not found,topic:tickers.ETHUSDT", id="refused-by-the-test"),
        pytest.param("x" * 21_001, "error:args length exceeds 21000 characters", id="too-long"),
    ],
)
def test_bad_topics_are_refused(topic: str, said: str) -> None:
    """Protects clients' reading of refusals: none of the request's topics is subscribed."""
    stage = Rehearsal("bybit", symbols=("BTC", "ETH"))
    stage.refused.add("tickers.ETHUSDT")
    ((refusal,),) = _said(stage, {"op": "subscribe", "args": ["tickers.BTCUSDT", topic]})
    assert (refusal["success"], refusal["ret_msg"]) == (False, said)
    assert stage.subscribed == 0


@pytest.mark.parametrize(
    "message",
    [b"{", b"\xff", b"[]", b'{"op":1}', b'{"op":"dance"}', b'{"op":"subscribe","args":[]}'],
    ids=["no-json", "no-utf8", "list", "wrong-type", "unknown-op", "empty"],
)
def test_nonsense_is_answered(message: bytes) -> None:
    """Protects the session: whatever comes, an error goes back and nothing is raised."""
    stage = Rehearsal("bybit", symbols=("BTC",))
    (answer,) = stage.say(stage.dialogue("/v5/public/linear"), message)
    assert json.loads(answer)["success"] is False


# books ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [50, 200, 1000])
def test_snapshot_and_deltas_give_the_best_prices_of_the_one_level_topic(depth: int) -> None:
    """Protects the book: `u` counts one by one, and the book kept from deltas ends where the best prices stand."""
    stage = Rehearsal("bybit", 7, ("BTC",), activity=30.0)
    stage.run(2.0)
    ack, snapshot = _said(stage, {"op": "subscribe", "args": [f"orderbook.{depth}.BTCUSDT"]})[0]
    assert ack["success"]
    assert snapshot["type"] == "snapshot"
    stage.wants("orderbook.1.BTCUSDT")
    stage.run(20.0)
    sides = {side: dict(snapshot["data"][side]) for side in "ab"}
    deltas = _frames(stage, f"orderbook.{depth}.BTCUSDT")
    assert len(deltas) > 50
    assert {delta["type"] for delta in deltas} == {"delta"}
    for before, after in pairwise([snapshot, *deltas]):
        assert after["data"]["u"] == before["data"]["u"] + 1
    for delta in deltas:
        for side, levels in sides.items():
            for price, size in delta["data"][side]:
                if size == "0":
                    del levels[price]
                else:
                    levels[price] = size
            assert len(levels) <= depth
    best = _frames(stage, "orderbook.1.BTCUSDT")[-1]["data"]
    assert best["b"][0][0] == max(sides["b"], key=float)
    assert best["a"][0][0] == min(sides["a"], key=float)


def test_second_subscriber_gets_the_book_the_first_one_has() -> None:
    """Protects resubscription: a snapshot taken between two windows has the `u` that the next delta follows."""
    stage = _stage("orderbook.200.BTCUSDT")
    last = _frames(stage, "orderbook.200.BTCUSDT")[-1]["data"]["u"]
    _, snapshot = _said(stage, {"op": "subscribe", "args": ["orderbook.200.BTCUSDT"]})[0]
    assert snapshot["data"]["u"] == last
    stage.heard.clear()
    stage.run(1.0)
    assert _frames(stage, "orderbook.200.BTCUSDT")[0]["data"]["u"] == last + 1


def test_subscribing_before_the_first_book_brings_the_snapshot_later() -> None:
    """Protects clients of a market that is held: the snapshot comes with the book."""
    stage = Rehearsal("bybit", 7, ("BTC",))
    (answers,) = _said(stage, {"op": "subscribe", "args": ["orderbook.50.BTCUSDT"]})
    assert len(answers) == 1
    stage.run(1.0)
    assert _frames(stage, "orderbook.50.BTCUSDT")[0]["type"] == "snapshot"


def test_best_prices_come_as_snapshots_and_again_after_three_quiet_seconds() -> None:
    """Protects the quote source: whole each time, repeated with the same `u` when nothing moves."""
    stage = _stage("orderbook.1.BTCUSDT", seconds=120.0, activity=0.1)
    frames = _frames(stage, "orderbook.1.BTCUSDT")
    assert {frame["type"] for frame in frames} == {"snapshot"}
    assert all(len(frame["data"]["b"]) == len(frame["data"]["a"]) == 1 for frame in frames)
    repeats = [(a, b) for a, b in pairwise(frames) if a["data"] == b["data"]]
    assert repeats
    assert all(b["ts"] - a["ts"] >= 3000 for a, b in repeats)


# the other topics ----------------------------------------------------------------------------------------------------


def test_every_trade_is_told_once() -> None:
    """Protects completeness of trades, with the side of the taker and how the price moved."""
    stage = _stage("publicTrade.BTCUSDT", seconds=60.0)
    rows = [row for frame in _frames(stage, "publicTrade.BTCUSDT") for row in frame["data"]]
    kept = list(stage.publisher.stand("BTCUSDT").trades)
    assert [float(row["p"]) for row in rows] == [trade.price for trade in kept]
    assert [row["S"].upper() for row in rows] == [trade.side.value for trade in kept]
    assert len({row["i"] for row in rows}) == len(rows)
    for before, row in pairwise(rows):
        moved = float(row["p"]) - float(before["p"])
        expected = {"PlusTick"} if moved > 0 else {"MinusTick"} if moved < 0 else {"ZeroPlusTick", "ZeroMinusTick"}
        assert row["L"] in expected


def test_every_liquidation_is_told_with_the_side_of_the_position() -> None:
    """Protects the meaning of `S`: "Buy" is a long that was liquidated; `p` is its bankruptcy price; all are told."""
    stage = _stage("allLiquidation.BTCUSDT", seconds=900.0)
    frames = _frames(stage, "allLiquidation.BTCUSDT")
    rows = [row for frame in frames for row in frame["data"]]
    kept: list[Liquidation] = list(stage.publisher.stand("BTCUSDT").liquidations)
    assert len(kept) > 5
    assert [row["S"] == "Buy" for row in rows] == [event.position_side is PositionSide.LONG for event in kept]
    assert [float(row["p"]) for row in rows] == [event.bankruptcy_price for event in kept]
    assert all(0 <= frame["ts"] - row["T"] <= 500 for frame in frames for row in frame["data"])
    both = sum(len(stage.publisher.stand(symbol).liquidations) for symbol in ("BTCUSDT", "ETHUSDT"))
    assert stage.counts["LiquidationPublished"] == both


def test_ticker_deltas_add_up_to_the_snapshot_of_a_later_subscriber() -> None:
    """Protects missing-means-unchanged: a delta has changed fields only, and both sides of the open interest."""
    stage = Rehearsal("bybit", 7, ("BTC",))
    stage.run(5.0)
    _, first = _said(stage, {"op": "subscribe", "args": ["tickers.BTCUSDT"]})[0]
    stage.run(30.0)
    deltas = _frames(stage, "tickers.BTCUSDT")
    assert {delta["type"] for delta in deltas} == {"delta"}
    assert any("bid1Price" not in delta["data"] for delta in deltas)
    fields: Json = dict(first["data"])
    for delta in deltas:
        assert all(fields[name] != value for name, value in delta["data"].items() if name != "symbol")
        fields |= delta["data"]
    _, later = _said(stage, {"op": "subscribe", "args": ["tickers.BTCUSDT"]})[0]
    assert later["data"] == fields
    assert float(fields["openInterest"]) == pytest.approx(2 * float(fields["singleOpenInterest"]), rel=1e-6)
    assert float(fields["openInterest"]) > 0


def test_candles_say_when_they_are_closed() -> None:
    """Protects closed candles: exactly one `confirm` a minute, on the grid."""
    stage = _stage("kline.1.BTCUSDT", seconds=185.0)
    bars = [frame["data"][0] for frame in _frames(stage, "kline.1.BTCUSDT")]
    closed = [bar for bar in bars if bar["confirm"]]
    assert [bar["end"] - bar["start"] for bar in closed] == [59_999] * 3
    assert len(bars) > 150


@pytest.mark.parametrize(
    ("topic", "file"),
    [
        pytest.param("kline.1.BTCUSDT", "ws_kline.json", id="kline"),
        pytest.param("tickers.BTCUSDT", "ws_ticker_linear.json", id="ticker"),
        pytest.param("publicTrade.BTCUSDT", "ws_public_trade.json", id="trade"),
        pytest.param("orderbook.1.BTCUSDT", "ws_orderbook_snapshot.json", id="book"),
    ],
)
def test_frames_have_the_fields_of_recorded_ones(topic: str, file: str, recordings: Path) -> None:
    """Protects the wire: whatever a recorded payload has, ours has, in the same types."""
    stage = _stage(topic, seconds=5.0)
    recorded = _shape(json.loads((recordings / "rest" / "payloads" / "bybit" / file).read_text("utf-8")))
    ours = _shape(_frames(stage, topic)[0])
    rows = [shape["data"][0] if isinstance(shape["data"], list) else shape["data"] for shape in (recorded, ours)]
    assert recorded.keys() <= ours.keys()
    assert rows[0].items() <= rows[1].items()
