"""Bitget's order books as the lab tells them: sequences, checksums, depths, restarts, in v3 and v2.

Expectations are written by hand after the venue's documentation and frames captured in 2024 and 2026.
"""

import json
import zlib
from itertools import pairwise
from typing import Any, TypeAlias

import pytest

from perpscope.lab.rehearsal import Rehearsal
from perpscope.lab.wire.bitget import disputed

Json: TypeAlias = dict[str, Any]  # decoded; the shape is what the test is about
Levels: TypeAlias = dict[str, str]


def _stage(*topics: str, seconds: float = 20.0) -> Rehearsal:
    stage = Rehearsal("bitget", 7, ("BTC",))
    stage.wants(*topics)
    stage.run(seconds)
    return stage


def _frames(stage: Rehearsal, topic: str) -> list[Json]:
    return [json.loads(payload) for payload in stage.payloads(topic)]


def _asked(stage: Rehearsal, topic: str) -> list[Json]:
    """What a connection is answered that subscribes."""
    generation, channel, symbol = topic.split(":")
    arg = (
        {"instType": "usdt-futures", "topic": channel, "symbol": symbol}
        if generation == "v3"
        else {"instType": "USDT-FUTURES", "channel": channel, "instId": symbol}
    )
    talk = stage.dialogue(f"/{generation}/ws/public")
    return [json.loads(frame) for frame in stage.say(talk, json.dumps({"op": "subscribe", "args": [arg]}).encode())]


def _apply(sides: dict[str, Levels], row: Json, names: str) -> None:
    for side, name in zip(("bids", "asks"), names.split(), strict=True):
        for price, size in row[name]:
            if size == "0":
                del sides[side][price]
            else:
                sides[side][price] = size


def _crc(sides: dict[str, Levels]) -> int:
    """As a client reckons it: best 25 levels, bid and ask by turns, signed 32 bits."""
    bids = sorted(sides["bids"].items(), key=lambda level: -float(level[0]))[:25]
    asks = sorted(sides["asks"].items(), key=lambda level: float(level[0]))[:25]
    assert len(bids) == len(asks) == 25
    text = ":".join(f"{bid[0]}:{bid[1]}:{ask[0]}:{ask[1]}" for bid, ask in zip(bids, asks, strict=True))
    return int.from_bytes(zlib.crc32(text.encode()).to_bytes(4, "big"), "big", signed=True)


@pytest.mark.parametrize(
    ("generation", "names", "speed_ms", "depth"),
    [pytest.param("v3", "b a", 50, 1000, id="v3"), pytest.param("v2", "bids asks", 150, 500, id="v2")],
)
def test_books_chain_and_end_where_the_best_prices_stand(
    generation: str, names: str, speed_ms: int, depth: int
) -> None:
    """Protects the book: `pseq` is the `seq` before, 0 in the snapshot; levels are sorted; v2's checksums hold."""
    stage = Rehearsal("bitget", 7, ("BTC",), activity=30.0)
    stage.run(2.0)
    ack, snapshot = _asked(stage, f"{generation}:books:BTCUSDT")
    assert (ack["event"], snapshot["action"]) == ("subscribe", "snapshot")
    stage.wants(f"{generation}:books1:BTCUSDT")
    stage.run(20.0)
    updates = _frames(stage, f"{generation}:books:BTCUSDT")
    assert len(updates) > 50
    rows = [frame["data"][0] for frame in (snapshot, *updates)]
    assert rows[0]["pseq"] == 0
    assert all(after["pseq"] == before["seq"] < after["seq"] for before, after in pairwise(rows))
    assert all(isinstance(row["seq"], int) for row in rows)
    assert all(frame["ts"] % speed_ms == 0 and int(frame["data"][0]["ts"]) <= frame["ts"] for frame in updates)
    sides: dict[str, Levels] = {"bids": {}, "asks": {}}
    for row in rows:
        bids, asks = ([float(price) for price, _ in row[name]] for name in names.split())
        assert (bids, asks) == (sorted(bids, reverse=True), sorted(asks))
        _apply(sides, row, names)
        assert max(map(len, sides.values())) <= depth
        if generation == "v2":
            assert row["checksum"] == (0 if row is rows[0] else _crc(sides))
    best = _frames(stage, f"{generation}:books1:BTCUSDT")[-1]["data"][0]
    bid, ask = (best[name][0][0] for name in names.split())
    assert (bid, ask) == (max(sides["bids"], key=float), min(sides["asks"], key=float))


def test_second_subscriber_gets_the_book_the_first_one_has() -> None:
    """Protects resubscription: a snapshot taken between two windows has the `seq` that the next update follows."""
    stage = _stage("v3:books:BTCUSDT")
    _, snapshot = _asked(stage, "v3:books:BTCUSDT")
    stage.heard.clear()
    stage.run(2.0)
    assert _frames(stage, "v3:books:BTCUSDT")[0]["data"][0]["pseq"] == snapshot["data"][0]["seq"]


def test_subscribing_before_the_first_book_brings_the_snapshot_later() -> None:
    """Protects clients of a market that is held: the snapshot comes with the book."""
    stage = Rehearsal("bitget", 7, ("BTC",))
    assert len(_asked(stage, "v3:books:BTCUSDT")) == 1
    stage.run(1.0)
    assert _frames(stage, "v3:books:BTCUSDT")[0]["action"] == "snapshot"


def test_restart_of_the_engine_resets_the_sequence_once() -> None:
    """Protects the reset rule: one update with `pseq` 0, and from there the chain goes on."""
    stage = _stage("v3:books:BTCUSDT", "v2:books:BTCUSDT")
    stage.heard.clear()
    teller = stage.publisher.teller
    assert hasattr(teller, "restart")
    teller.restart("BTCUSDT")
    stage.run(5.0)
    for topic in ("v3:books:BTCUSDT", "v2:books:BTCUSDT"):
        rows = [frame["data"][0] for frame in _frames(stage, topic)]
        assert [row["pseq"] == 0 for row in rows[:3]] == [True, False, False]
        assert all(after["pseq"] == before["seq"] for before, after in pairwise(rows))


@pytest.mark.parametrize(
    ("topic", "names", "depth"),
    [
        pytest.param("v3:books1:BTCUSDT", "b a", 1, id="v3-1"),
        pytest.param("v3:books5:BTCUSDT", "b a", 5, id="v3-5"),
        pytest.param("v3:books50:BTCUSDT", "b a", 50, id="v3-50"),
        pytest.param("v2:books1:BTCUSDT", "bids asks", 1, id="v2-1"),
        pytest.param("v2:books5:BTCUSDT", "bids asks", 5, id="v2-5"),
        pytest.param("v2:books15:BTCUSDT", "bids asks", 15, id="v2-15"),
    ],
)
def test_shallow_books_come_whole(topic: str, names: str, depth: int) -> None:
    """Protects quote sources: each frame is a snapshot of its depth, `seq` may skip, `pseq` tells nothing."""
    frames = _frames(_stage(topic), topic)
    rows = [frame["data"][0] for frame in frames]
    assert len(frames) > 20
    assert {frame["action"] for frame in frames} == {"snapshot"}
    assert {len(row[name]) for row in rows for name in names.split()} == {depth}
    assert {row["pseq"] for row in rows} == {0}
    assert all(before["seq"] < after["seq"] for before, after in pairwise(rows))


def test_disputed_parts_of_a_book_can_be_had_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects clients against either side of what sources dispute: checksums on v2, sequences as text."""
    monkeypatch.setattr(disputed, "CHECKSUMS", False)
    monkeypatch.setattr(disputed, "SEQUENCES_AS_TEXT", True)
    stage = _stage("v3:books:BTCUSDT", "v2:books:BTCUSDT", seconds=5.0)
    row = _frames(stage, "v2:books:BTCUSDT")[-1]["data"][0]
    assert "checksum" not in row
    assert int(row["pseq"]) < int(row["seq"])
    assert isinstance(_frames(stage, "v3:books:BTCUSDT")[-1]["data"][0]["seq"], str)
