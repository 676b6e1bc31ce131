"""OKX's sockets as the lab speaks them: the venue's own words, books that chain by sequence ids.

Expectations are written by hand after the venue's documentation.
"""

import json
from itertools import pairwise
from typing import Any, TypeAlias

import msgspec
import pytest

from perpscope.lab.dialect import Dialogue
from perpscope.lab.rehearsal import START_NS, Rehearsal

Json: TypeAlias = dict[str, Any]  # decoded; the shape is what the test is about

_BTC = "BTC-USDT-SWAP"
_HOUR_NS = 3600 * 1_000_000_000
_WORDS_60018 = "Please use the correct URL, channel and parameters referring to API document."


def _stage(*topics: str, seconds: float = 20.0, activity: float = 6.0) -> Rehearsal:
    stage = Rehearsal("okx", 7, ("BTC", "ETH"), activity=activity)
    stage.wants(*topics)
    stage.run(seconds)
    return stage


def _frames(stage: Rehearsal, topic: str) -> list[Json]:
    return [json.loads(payload) for payload in stage.payloads(topic)]


def _talk(stage: Rehearsal, path: str = "public") -> Dialogue:
    talk = stage.dialogue(f"/ws/v5/{path}")
    assert talk is not None
    return talk


def _said(stage: Rehearsal, talk: Dialogue, op: str, *arguments: Json, **more: str) -> list[Json]:
    """What a connection is answered to one request."""
    message = json.dumps({"op": op, "args": arguments, **more}).encode()
    return [json.loads(frame) for frame in stage.say(talk, message)]


def _book(channel: str = "books", symbol: str = _BTC) -> Json:
    return {"channel": channel, "instId": symbol}


# dialogue ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "is_there"),
    [
        pytest.param("/ws/v5/public", True, id="public"),
        pytest.param("/ws/v5/business?brokerId=9999", True, id="business"),
        pytest.param("/ws/v5/private", False, id="private"),
        pytest.param("/ws/v3", False, id="retired"),
    ],
)
def test_paths_of_the_venue_are_there(target: str, is_there: bool) -> None:
    """Protects clients from a socket that means nothing; accounts are not part of the lab."""
    assert (Rehearsal("okx", symbols=("BTC",)).dialogue(target) is not None) is is_there


def test_each_argument_is_acknowledged_with_the_request_id() -> None:
    """Protects the acknowledgement: one frame an argument, naming it, the request and the connection."""
    stage = Rehearsal("okx", symbols=("BTC",))
    talk = _talk(stage)
    arguments = [{"channel": "trades", "instId": _BTC}, {"channel": "liquidation-orders", "instType": "SWAP"}]
    answers = _said(stage, talk, "subscribe", *arguments, id="7")
    assert [answer["arg"] for answer in answers] == arguments
    assert [(answer["event"], answer["id"]) for answer in answers] == [("subscribe", "7")] * 2
    assert len({answer["connId"] for answer in answers}) == 1
    assert list(talk.topics) == [f"trades:{_BTC}", "liquidation-orders:SWAP"]
    (gone,) = _said(stage, talk, "unsubscribe", arguments[0])
    assert (gone["event"], gone["arg"], "id" in gone) == ("unsubscribe", arguments[0], False)
    assert not stage.is_wanted(f"trades:{_BTC}")


def test_ping_is_text() -> None:
    """Protects the heartbeat: plain `ping` is answered plain `pong`, and costs none of the requests."""
    stage = Rehearsal("okx", symbols=("BTC",))
    assert stage.say(_talk(stage), b"ping") == [b"pong"]


@pytest.mark.parametrize(
    ("path", "argument", "named"),
    [
        pytest.param("public", _book("candle1m"), f"channel:candle1m,instId:{_BTC}", id="bars-on-public"),
        pytest.param("public", _book("trades-all"), f"channel:trades-all,instId:{_BTC}", id="all-trades-on-public"),
        pytest.param("business", _book(), f"channel:books,instId:{_BTC}", id="book-on-business"),
        pytest.param("public", _book("books-elp"), f"channel:books-elp,instId:{_BTC}", id="dead-since-2026-10-31"),
        pytest.param("public", _book(symbol="NO-USDT-SWAP"), "channel:books,instId:NO-USDT-SWAP", id="no-such-swap"),
        pytest.param("public", _book("index-tickers"), f"channel:index-tickers,instId:{_BTC}", id="not-an-index"),
        pytest.param("business", _book("candle7m"), f"channel:candle7m,instId:{_BTC}", id="no-such-bar"),
        pytest.param("public", _book("tickers", "ETH-USDT-SWAP"), "channel:tickers,instId:ETH-USDT-SWAP", id="by-test"),
        pytest.param(
            "public",
            {"channel": "liquidation-orders", "instType": "SWAP", "instId": _BTC},
            f"channel:liquidation-orders,instType:SWAP,instId:{_BTC}",
            id="liquidations-of-one-contract",
        ),
        pytest.param("public", {"instId": _BTC}, f"instId:{_BTC}", id="no-channel"),
    ],
)
def test_what_is_not_there_is_refused(path: str, argument: Json, named: str) -> None:
    """Protects clients' reading of 60018, the wrong path's too: an error frame, and the good argument lives on."""
    stage = Rehearsal("okx", symbols=("BTC", "ETH"))
    stage.refused.add("tickers:ETH-USDT-SWAP")
    good = _book("trades" if path == "public" else "trades-all")
    refusal, ack = _said(stage, _talk(stage, path), "subscribe", argument, good, id="9")
    assert (refusal["event"], refusal["code"], refusal["id"]) == ("error", "60018", "9")
    assert refusal["msg"] == f"Subscribe failed, wrong URL or {named} doesn't exist. {_WORDS_60018}"
    assert ack["arg"] == good
    assert stage.subscribed == 1


@pytest.mark.parametrize(
    ("message", "code"),
    [
        pytest.param(b"{", "60012", id="no-json"),
        pytest.param(b"\xff", "60012", id="no-utf8"),
        pytest.param(b"[]", "60012", id="list"),
        pytest.param(b'{"op":"subscribe","args":["trades"]}', "60012", id="no-objects"),
        pytest.param(b'{"op":"subscribe","args":[]}', "60013", id="no-arguments"),
        pytest.param(b'{"op":"dance"}', "60019", id="unknown-op"),
        pytest.param(b'{"op":"login","args":[{"apiKey":"a"}]}', "60005", id="no-accounts"),
        pytest.param(
            b'{"op":"subscribe","args":[{"channel":"books-l2-tbt","instId":"BTC-USDT-SWAP"}]}', "64003", id="for-vip"
        ),
        pytest.param(b'{"op":"subscribe","args":[{"channel":"%s"}]}' % (b"x" * 65_536), "60013", id="over-64-kb"),
    ],
)
def test_nonsense_is_answered(message: bytes, code: str) -> None:
    """Protects the session: whatever comes, an error goes back and nothing is raised."""
    stage = Rehearsal("okx", symbols=("BTC",))
    (answer,) = stage.say(_talk(stage), message)
    assert (json.loads(answer)["event"], json.loads(answer)["code"]) == ("error", code)


def test_requests_are_counted_by_the_hour_whatever_their_length() -> None:
    """Protects request budgets: 480 an hour and connection, arguments and pings not counted."""
    stage = Rehearsal("okx", symbols=("BTC",))
    talk = _talk(stage)
    for _ in range(240):
        assert _said(stage, talk, "subscribe", _book("trades"), _book("tickers"))[0]["event"] == "subscribe"
        assert _said(stage, talk, "unsubscribe", _book("trades"), _book("tickers"))[0]["event"] == "unsubscribe"
    (refusal,) = _said(stage, talk, "subscribe", _book("trades"))
    assert (refusal["event"], refusal["code"]) == ("error", "60014")
    assert stage.say(talk, b"ping") == [b"pong"]
    assert _said(stage, _talk(stage), "subscribe", _book("trades"))[0]["event"] == "subscribe"
    stage.now_s = 3601.0
    assert _said(stage, talk, "subscribe", _book("trades"))[0]["event"] == "subscribe"


def test_too_much_costs_the_connection() -> None:
    """Protects clients' reading of closes: a message that is too long, more channels than the connection may have."""
    stage = Rehearsal("okx", symbols=("BTC",))
    talk = _talk(stage)
    closed = [stage.hear(talk, b"x" * 2_000_000).goodbye]
    stage.rules = msgspec.structs.replace(stage.rules, topics=1)
    two = {"op": "subscribe", "args": [_book("trades"), _book("tickers")]}
    closed.append(stage.hear(talk, json.dumps(two).encode()).goodbye)
    assert [goodbye and goodbye.code for goodbye in closed] == [1009, 4009]
    assert talk.topics == {}


def test_what_is_not_there_cannot_be_left() -> None:
    """Protects unsubscribing: an unknown channel is refused, a known one acknowledged, subscribed or not."""
    stage = Rehearsal("okx", symbols=("BTC",))
    refusal, ack = _said(stage, _talk(stage), "unsubscribe", _book("candle1m"), _book("trades"))
    assert (refusal["code"], ack["event"]) == ("60018", "unsubscribe")


def test_a_notice_comes_a_minute_before_the_end() -> None:
    """Protects proactive reconnects: 64008; and the close for silence is 4004."""
    stage = Rehearsal("okx", symbols=("BTC",))
    talk = _talk(stage)
    notice: Json = json.loads(talk.notice() or b"{}")
    assert (notice["event"], notice["code"]) == ("notice", "64008")
    assert stage.rules.notice_s == 60.0
    assert stage.rules.idle_timeout_s == 30.0
    assert (talk.goodbye("idle").code, talk.goodbye("idle").reason) == (4004, b"No data received in 30s")


# books ---------------------------------------------------------------------------------------------------------------


def _kept(snapshot: Json, updates: list[Json]) -> dict[str, dict[str, str]]:
    """The book a client has after these frames, each of which must follow the one before."""
    book = {side: {row[0]: row[1] for row in snapshot["data"][0][side]} for side in ("asks", "bids")}
    for before, after in pairwise([snapshot, *updates]):
        assert after["action"] == "update"
        assert after["data"][0]["prevSeqId"] == before["data"][0]["seqId"]
    for update in updates:
        for side, levels in book.items():
            for price, size, *_ in update["data"][0][side]:
                if size == "0":
                    del levels[price]
                else:
                    levels[price] = size
    return book


@pytest.mark.parametrize("channel", ["books", "books-rpi"])
def test_snapshot_and_updates_give_the_best_prices_of_the_quote_channel(channel: str) -> None:
    """Protects the book: the chain of `prevSeqId` holds, and the book kept from it ends where the best prices stand."""
    stage = Rehearsal("okx", 7, ("BTC",), activity=30.0)
    stage.run(2.0)
    ack, snapshot = _said(stage, _talk(stage), "subscribe", _book(channel))
    assert (ack["event"], snapshot["action"], snapshot["data"][0]["prevSeqId"]) == ("subscribe", "snapshot", -1)
    stage.wants(f"bbo-tbt:{_BTC}")
    stage.run(20.0)
    updates = _frames(stage, f"{channel}:{_BTC}")
    assert len(updates) > 50
    assert {frame["data"][0]["checksum"] for frame in (snapshot, *updates)} == {0}
    book = _kept(snapshot, updates)
    assert all(0 < len(levels) <= 400 for levels in book.values())
    best = _frames(stage, f"bbo-tbt:{_BTC}")[-1]["data"][0]
    assert best["bids"][0][0] == max(book["bids"], key=float)
    assert best["asks"][0][0] == min(book["asks"], key=float)
    assert best["seqId"] == updates[-1]["data"][0]["seqId"]


def test_second_subscriber_gets_the_book_the_first_one_has() -> None:
    """Protects resubscription: a snapshot between two windows has the `seqId` the next update follows."""
    stage = _stage(f"books:{_BTC}")
    last = _frames(stage, f"books:{_BTC}")[-1]["data"][0]["seqId"]
    _, snapshot = _said(stage, _talk(stage), "subscribe", _book())
    assert snapshot["data"][0]["seqId"] == last
    stage.heard.clear()
    stage.run(1.0)
    assert _frames(stage, f"books:{_BTC}")[0]["data"][0]["prevSeqId"] == last


def test_what_is_subscribed_already_is_not_told_anew() -> None:
    """Protects the repair by unsubscribing and subscribing again: only that brings a snapshot."""
    stage = _stage()
    talk = _talk(stage)
    assert len(_said(stage, talk, "subscribe", _book())) == 2
    assert len(_said(stage, talk, "subscribe", _book())) == 1
    _said(stage, talk, "unsubscribe", _book())
    assert _said(stage, talk, "subscribe", _book())[1]["action"] == "snapshot"


def test_subscribing_before_the_first_book_brings_the_snapshot_later() -> None:
    """Protects clients of a market that is held: the snapshot comes with the book."""
    stage = Rehearsal("okx", 7, ("BTC",))
    assert len(_said(stage, _talk(stage), "subscribe", _book())) == 1
    stage.run(1.0)
    first, *rest = _frames(stage, f"books:{_BTC}")
    assert (first["action"], first["data"][0]["prevSeqId"]) == ("snapshot", -1)
    _kept(first, rest)


def test_quiet_books_say_that_they_are_alive() -> None:
    """Protects the heartbeat rule: after a minute without a change, no levels and the same id twice; it is no gap."""
    stage = Rehearsal("okx", 7, ("BTC",), activity=0.005)
    stage.wants(f"books:{_BTC}", f"bbo-tbt:{_BTC}")
    stage.run(900.0)
    first, *updates = _frames(stage, f"books:{_BTC}")
    _kept(first, updates)
    beats = [frame["data"][0] for frame in updates if not frame["data"][0]["asks"] + frame["data"][0]["bids"]]
    assert len(beats) > 3
    assert all(beat["seqId"] == beat["prevSeqId"] for beat in beats)
    times = [int(frame["data"][0]["ts"]) for frame in (first, *updates)]
    assert max(after - before for before, after in pairwise(times)) <= 61_000
    quotes = [frame["data"][0] for frame in _frames(stage, f"bbo-tbt:{_BTC}")]
    assert any(before == after for before, after in pairwise(quotes))


def test_ids_begin_anew_after_a_maintenance() -> None:
    """Protects the reset rule: `seqId` below `prevSeqId`, which still is the last `seqId`; the book is unharmed."""
    stage = Rehearsal("okx", 7, ("BTC",), ts_start=START_NS + 32 * _HOUR_NS - 10_000_000_000)
    stage.wants(f"books:{_BTC}", f"bbo-tbt:{_BTC}")
    stage.run(20.0)
    first, *updates = _frames(stage, f"books:{_BTC}")
    falls = [frame for frame in updates if frame["data"][0]["seqId"] < frame["data"][0]["prevSeqId"]]
    assert len(falls) == 1
    book = _kept(first, updates)
    assert max(book["bids"], key=float) == _frames(stage, f"bbo-tbt:{_BTC}")[-1]["data"][0]["bids"][0][0]
