"""Bitget's sockets as the lab speaks them: v3 and v2, the venue's own words, trades, candles, tickers, samples, units.

Expectations are written by hand after the venue's documentation and frames captured in 2024 and 2026; recorded frames
are read where they are at hand.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest

from perpscope.lab.dialect import Idle
from perpscope.lab.rehearsal import START_NS, Rehearsal
from perpscope.lab.wire.bitget import disputed
from perpscope.model.market import Completeness, Liquidation, PositionSide, Sampling

Json: TypeAlias = dict[str, Any]  # decoded; the shape is what the test is about

_START_MS = START_NS // 1_000_000
_HOUR_MS = 3_600_000


def _stage(*topics: str, seconds: float = 20.0, activity: float = 6.0) -> Rehearsal:
    stage = Rehearsal("bitget", 7, ("BTC", "ETH"), activity=activity)
    stage.wants(*topics)
    stage.run(seconds)
    return stage


def _frames(stage: Rehearsal, topic: str) -> list[Json]:
    return [json.loads(payload) for payload in stage.payloads(topic)]


def _arg(topic: str, product: str = "usdt-futures") -> Json:
    """The argument that asks for a topic of this name."""
    generation, channel, *rest = topic.split(":")
    if generation == "v2":
        return {"instType": product.upper(), "channel": channel, "instId": rest[0]}
    named = {"symbol": rest[-1]} if rest else {}
    return {"instType": product, "topic": channel, **named, **({"interval": rest[0]} if len(rest) == 2 else {})}


def _asked(stage: Rehearsal, *topics: str, op: str = "subscribe") -> list[Json]:
    """What one connection is answered."""
    talk = stage.dialogue(f"/{topics[0][:2]}/ws/public")
    message = {"op": op, "args": [_arg(topic) for topic in topics]}
    return [json.loads(frame) for frame in stage.say(talk, json.dumps(message).encode())]


# dialogue ------------------------------------------------------------------------------------------------------------


def test_only_the_public_sockets_of_both_generations_are_there() -> None:
    """Protects clients from a socket that means nothing."""
    stage = Rehearsal("bitget", symbols=("BTC",))
    paths = [stage.dialogue(target) for target in ("/v3/ws/public", "/v2/ws/public?x=1")]
    assert [talk.path for talk in paths if talk] == ["v3/public", "v2/public"]
    assert stage.dialogue("/v3/ws/private") is None
    assert stage.dialogue("/mix/v1/stream") is None


def test_session_rules_are_the_documented_ones() -> None:
    """Protects keep-alives and reconnects: two minutes of silence, a day of life, ten messages a second."""
    rules = Rehearsal("bitget", symbols=("BTC",)).rules
    assert (rules.idle, rules.idle_timeout_s, rules.lifetime_s) == (Idle.RECEIVED, 120.0, 86_400.0)
    assert rules.messages is not None
    assert rules.connects is not None
    assert (rules.messages.limit, rules.messages.per_s, rules.topics) == (10, 1.0, 1000)
    assert (rules.connections, rules.connects.limit, rules.connects.per_s) == (100, 300, 300.0)


def test_ping_is_answered_in_text() -> None:
    """Protects the heartbeat: the bare word, not JSON."""
    stage = Rehearsal("bitget", symbols=("BTC",))
    assert [stage.say(stage.dialogue(f"/{v}/ws/public"), b"ping") for v in ("v3", "v2")] == [[b"pong"], [b"pong"]]


@pytest.mark.parametrize("topic", ["v3:liquidation", "v3:kline:1m:BTCUSDT", "v2:trade:BTCUSDT"])
def test_subscriptions_are_acknowledged_one_by_one(topic: str) -> None:
    """Protects the acknowledgement: the argument as sent; v3 names the connection, v2 does not; again when it ends."""
    stage = Rehearsal("bitget", symbols=("BTC",))
    talk = stage.dialogue(f"/{topic[:2]}/ws/public")
    for op in ("subscribe", "unsubscribe"):
        message = json.dumps({"op": op, "args": [_arg(topic)]}).encode()
        answer = json.loads(stage.say(talk, message)[0])
        assert (answer["event"], answer["arg"]) == (op, _arg(topic))
        assert bool(answer.get("connId")) is topic.startswith("v3")
        assert stage.is_wanted(topic) is (op == "subscribe")


@pytest.mark.parametrize(
    ("path", "arg", "answer"),
    [
        pytest.param(
            "v3",
            {"instType": "usdt-futures", "topic": "books", "symbol": "NOPEUSDT"},
            {"code": 30001, "msg": '{"instType":"usdt-futures","symbol":"NOPEUSDT","topic":"books"} doesn\'t exist'},
            id="v3-no-such-symbol",
        ),
        pytest.param(
            "v2",
            {"instType": "USDT-FUTURES", "channel": "books", "instId": "NOPEUSDT"},
            {
                "code": 30001,
                "msg": "instType:USDT-FUTURES,channel:books,instId:NOPEUSDT,precision:null doesn't exist",
                "op": "subscribe",
            },
            id="v2-no-such-symbol",
        ),
        pytest.param(
            "v2",
            {"instType": "USDT-FUTURES", "channel": "books50", "instId": "BTCUSDT"},
            {"code": 30016, "msg": "Param error", "op": "subscribe"},
            id="v2-no-such-channel",
        ),
        pytest.param(
            "v2",
            {"instType": "USDT-FUTURES", "channel": "liquidation", "instId": "BTCUSDT"},
            {"code": 30016, "msg": "Param error", "op": "subscribe"},
            id="v2-has-no-liquidations",
        ),
        pytest.param(
            "v3",
            {"instType": "usdt-futures", "topic": "kline", "symbol": "BTCUSDT"},
            {"code": 30016, "msg": "Param error"},
            id="v3-no-interval",
        ),
        pytest.param(
            "v3",
            {"instType": "usdt-futures", "topic": "ticker", "symbol": "ETHUSDT"},
            {"code": 30001, "msg": '{"instType":"usdt-futures","symbol":"ETHUSDT","topic":"ticker"} doesn\'t exist'},
            id="refused-by-the-test",
        ),
        pytest.param("v3", {"instType": 7, "topic": None}, {"code": 30016, "msg": "Param error"}, id="v3-wrong-types"),
    ],
)
def test_bad_arguments_are_refused_alone(path: str, arg: Json, answer: Json) -> None:
    """Protects clients' reading of refusals: the venue's words, and the other arguments are subscribed all the same."""
    stage = Rehearsal("bitget", symbols=("BTC", "ETH"))
    stage.refused.add("v3:ticker:ETHUSDT")
    good = f"{path}:books1:BTCUSDT"
    message = json.dumps({"op": "subscribe", "args": [arg, _arg(good)]}).encode()
    refusal, ack = (json.loads(frame) for frame in stage.say(stage.dialogue(f"/{path}/ws/public"), message))
    assert refusal["event"] == "error"
    assert answer.items() <= refusal.items()
    assert ("arg" in refusal, "connId" in refusal) == (path == "v2", path == "v3")
    assert ack["event"] == "subscribe"
    assert (stage.is_wanted(good), stage.subscribed) == (True, 1)


@pytest.mark.parametrize("path", ["v3", "v2"])
def test_wrong_product_type_is_acknowledged_and_silent(path: str) -> None:
    """Protects against the venue's trap: BTCUSDT under USDC futures is taken, and nothing ever comes."""
    stage = Rehearsal("bitget", symbols=("BTC",))
    talk = stage.dialogue(f"/{path}/ws/public")
    assert talk is not None
    message = json.dumps({"op": "subscribe", "args": [_arg(f"{path}:books1:BTCUSDT", "usdc-futures")]}).encode()
    (ack,) = (json.loads(frame) for frame in stage.say(talk, message))
    assert ack["event"] == "subscribe"
    assert list(talk.topics) == [f"{path}:usdc-futures:books1:BTCUSDT"]
    assert not talk.carries(f"{path}:usdc-futures:books1:BTCUSDT")
    assert talk.carries(f"{path}:books1:BTCUSDT")
    stage.run(10.0)
    assert stage.heard == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        pytest.param(b"{", 30002, id="no-json"),
        pytest.param(b"\xff", 30002, id="no-utf8"),
        pytest.param(b'["ping"]', 30002, id="list"),
        pytest.param(b'{"op":"dance"}', 30003, id="unknown-op"),
        pytest.param(b'{"op":"subscribe","args":[]}', 30016, id="nothing-asked"),
    ],
)
@pytest.mark.parametrize("path", ["v3", "v2"])
def test_nonsense_is_answered(path: str, message: bytes, code: int) -> None:
    """Protects the session: whatever comes, an error goes back and nothing is raised."""
    stage = Rehearsal("bitget", symbols=("BTC",))
    (answer,) = stage.say(stage.dialogue(f"/{path}/ws/public"), message)
    assert json.loads(answer)["code"] == code


def test_too_many_subscriptions_in_an_hour_are_refused() -> None:
    """Protects resubscribing clients: 240 requests an hour and connection, and no more."""
    stage = Rehearsal("bitget", symbols=("BTC",))
    talk = stage.dialogue("/v3/ws/public")
    message = json.dumps({"op": "subscribe", "args": [_arg("v3:books1:BTCUSDT")]}).encode()
    answers = [json.loads(stage.say(talk, message)[0]) for _ in range(241)]
    assert {answer["event"] for answer in answers[:240]} == {"subscribe"}
    assert answers[240]["code"] == 30006
    stage.now_s = 3601.0
    assert json.loads(stage.say(talk, message)[0])["event"] == "subscribe"


def test_second_subscription_brings_no_second_snapshot() -> None:
    """Protects resynchronisation: the venue's way is to unsubscribe first."""
    stage = Rehearsal("bitget", symbols=("BTC",))
    stage.run(2.0)
    talk = stage.dialogue("/v3/ws/public")
    says = {
        op: json.dumps({"op": op, "args": [_arg("v3:books:BTCUSDT")]}).encode() for op in ("subscribe", "unsubscribe")
    }
    assert [len(stage.say(talk, says[op])) for op in ("subscribe", "subscribe", "unsubscribe", "subscribe")] == [
        2,
        1,
        1,
        2,
    ]


def test_connection_takes_so_many_channels_and_no_more() -> None:
    """Protects sharding: what is beyond the limit is refused, what is there stays."""
    stage = Rehearsal("bitget", symbols=("BTC",))
    stage.rules = msgspec.structs.replace(stage.rules, topics=2)
    answers = _asked(stage, "v3:books1:BTCUSDT", "v3:liquidation", "v3:ticker:BTCUSDT")
    assert [(answer["event"], answer.get("code")) for answer in answers] == [
        ("subscribe", None),
        ("subscribe", None),
        ("error", 30006),
    ]
    assert stage.subscribed == 2


def test_request_of_more_than_4096_bytes_is_refused_by_v2() -> None:
    """Protects batching: the documented length of a request's arguments."""
    stage = Rehearsal("bitget", symbols=("BTC",))
    (answer,) = _asked(stage, *["v2:books1:BTCUSDT"] * 70)
    assert (answer["event"], answer["code"]) == ("error", 30016)


def test_end_of_an_unknown_subscription_is_refused() -> None:
    """Protects unsubscribing: nonsense among the arguments does not keep the others."""
    stage = Rehearsal("bitget", symbols=("BTC",))
    refusal, ack = _asked(stage, "v2:dance:BTCUSDT", "v2:trade:BTCUSDT", op="unsubscribe")
    assert (refusal["code"], refusal["op"], ack["event"]) == (30016, "unsubscribe", "unsubscribe")


def test_connections_are_closed_without_a_notice() -> None:
    """Protects reconnects: no warning before the daily end, and a normal close but for frames that are not text."""
    talk = Rehearsal("bitget", symbols=("BTC",)).dialogue("/v3/ws/public")
    assert talk is not None
    assert talk.notice() is None
    assert [talk.goodbye(cause).code for cause in ("lifetime", "idle", "unsupported-frame")] == [1000, 1000, 1003]


# trades, candles, ticker -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic", "names"),
    [
        pytest.param("v3:publicTrade:BTCUSDT", ("i", "p", "S", "T"), id="v3"),
        pytest.param("v2:trade:BTCUSDT", ("tradeId", "price", "side", "ts"), id="v2"),
    ],
)
def test_first_push_of_trades_is_history_and_every_later_trade_comes_once(
    topic: str, names: tuple[str, str, str, str]
) -> None:
    """Protects counting: the snapshot holds the last 50, newest first, and none of them comes again."""
    key, price, side, time = names
    stage = Rehearsal("bitget", 7, ("BTC",))
    stage.run(30.0)
    before = [trade.price for trade in stage.publisher.stand("BTCUSDT").trades]
    _, history = _asked(stage, topic)
    assert history["action"] == "snapshot"
    assert [float(row[price]) for row in history["data"]] == before[:-51:-1]
    stage.run(60.0)
    frames = _frames(stage, topic)
    assert {frame["action"] for frame in frames} == {"update"}
    rows = [row for frame in frames for row in reversed(frame["data"])]
    kept = list(stage.publisher.stand("BTCUSDT").trades)[len(before) :]
    assert [float(row[price]) for row in rows] == [trade.price for trade in kept]
    assert [row[side] for row in rows] == [trade.side.value.lower() for trade in kept]
    assert [int(row[time]) for row in rows] == [trade.ts_event // 1_000_000 for trade in kept]
    ids = [int(row[key]) for row in (*reversed(history["data"]), *rows)]
    assert all(first < second for first, second in pairwise(ids))


def test_trade_ids_are_the_same_in_both_generations() -> None:
    """Protects deduplication of a client that hears both sockets; `L` follows `i`."""
    stage = _stage("v3:publicTrade:BTCUSDT", "v2:trade:BTCUSDT")
    unified, classic = (
        [row for frame in _frames(stage, topic) for row in frame["data"]]
        for topic in ("v3:publicTrade:BTCUSDT", "v2:trade:BTCUSDT")
    )
    assert [row["i"] for row in unified] == [row["tradeId"] for row in classic]
    assert {int(row["L"]) - int(row["i"]) for row in unified} == {1}
    assert {row["isRPI"] for row in unified} == {"no"}


def test_trades_waiting_to_be_told_are_not_history() -> None:
    """Protects a subscriber who comes between a trade and its frame: it is told once."""
    stage = Rehearsal("bitget", 7, ("BTC",), activity=200.0)
    stage.wants("v2:trade:BTCUSDT")
    stage.run(10.005)
    _, history = _asked(stage, "v3:publicTrade:BTCUSDT")
    stage.run(5.0)
    told = [row["i"] for frame in _frames(stage, "v3:publicTrade:BTCUSDT") for row in frame["data"]]
    assert not {row["i"] for row in history["data"]} & set(told)


def test_last_push_of_a_minute_is_its_closed_candle() -> None:
    """Protects closing bars by the next start: nothing says closed, yet the last row of a start is the final one."""
    stage = _stage("v3:kline:1m:BTCUSDT", "v2:candle1m:BTCUSDT", seconds=185.0)
    rows = [row for frame in _frames(stage, "v3:kline:1m:BTCUSDT") for row in frame["data"]]
    assert set(rows[0]) == {"start", "open", "close", "high", "low", "volume", "turnover"}
    last = {int(row["start"]): row for row in rows}
    assert list(last) == [_START_MS + minute * 60_000 for minute in range(4)]
    trades = list(stage.publisher.stand("BTCUSDT").trades)
    for minute in range(3):
        start = _START_MS + minute * 60_000
        inside = [trade for trade in trades if start <= trade.ts_event // 1_000_000 < start + 60_000]
        assert float(last[start]["volume"]) == pytest.approx(sum(trade.size for trade in inside))
        assert float(last[start]["close"]) == inside[-1].price
    classic = [row for frame in _frames(stage, "v2:candle1m:BTCUSDT") for row in frame["data"]]
    assert [row[0] for row in classic] == [row["start"] for row in rows]
    assert {len(row) for row in classic} == {8}


def test_first_push_of_candles_is_history_oldest_first() -> None:
    """Protects the warm start: closed minutes, then the forming one."""
    stage = Rehearsal("bitget", 7, ("BTC",))
    stage.run(185.0)
    for topic, start in (("v3:kline:1m:BTCUSDT", "start"), ("v2:candle1m:BTCUSDT", 0)):
        _, history = _asked(stage, topic)
        assert history["action"] == "snapshot"
        assert [int(row[start]) - _START_MS for row in history["data"]] == [0, 60_000, 120_000, 180_000]


@pytest.mark.parametrize(
    ("topic", "start"),
    [
        pytest.param("v3:kline:5m:BTCUSDT", _START_MS, id="5m"),
        pytest.param("v3:kline:1D:BTCUSDT", _START_MS - 8 * _HOUR_MS, id="v3-day-from-16-utc"),
        pytest.param("v2:candle1D:BTCUSDT", _START_MS - 8 * _HOUR_MS, id="v2-day-from-16-utc"),
        pytest.param("v2:candle1Dutc:BTCUSDT", _START_MS, id="v2-day-from-midnight-utc"),
    ],
)
@pytest.mark.unmeasured
def test_longer_candles_hold_their_minutes(topic: str, start: int) -> None:
    """Protects candles the lab does not keep: on the venue's grid, with the volume of their minutes."""
    minute = f"{'v3:kline:1m' if topic.startswith('v3') else 'v2:candle1m'}:BTCUSDT"
    stage = _stage(topic, minute, seconds=299.0)
    rows, minutes = ([row for frame in _frames(stage, name) for row in frame["data"]] for name in (topic, minute))
    first, volume = ("start", "volume") if topic.startswith("v3") else (0, 5)
    assert {int(row[first]) for row in rows} == {start}
    closed = {row[first]: float(row[volume]) for row in minutes}
    assert float(rows[-1][volume]) == pytest.approx(sum(closed.values()))


def test_tickers_of_both_generations_say_the_same() -> None:
    """Protects mark, funding and open interest: one side, base units; a frame only where something changed."""
    stage = _stage("v3:ticker:BTCUSDT", "v2:ticker:BTCUSDT", seconds=29.9)
    unified, classic = ([f["data"][0] for f in _frames(stage, f"{v}:ticker:BTCUSDT")] for v in ("v3", "v2"))
    names = {
        "lastPrice": "lastPr",
        "bid1Price": "bidPr",
        "ask1Size": "askSz",
        "markPrice": "markPrice",
        "indexPrice": "indexPrice",
        "fundingRate": "fundingRate",
        "nextFundingTime": "nextFundingTime",
        "openInterest": "holdingAmount",
        "volume24h": "baseVolume",
        "turnover24h": "quoteVolume",
    }
    assert [unified[-1][name] for name in names] == [classic[-1][name] for name in names.values()]
    stand = stage.publisher.stand("BTCUSDT")
    assert float(unified[-1]["openInterest"]) == pytest.approx(stand.open_interest, abs=0.001)
    assert int(unified[-1]["nextFundingTime"]) == _START_MS + 8 * _HOUR_MS
    assert all(before != after for before, after in pairwise(unified))
    assert all(frame["ts"] % 300 == 0 for frame in _frames(stage, "v3:ticker:BTCUSDT"))


@pytest.mark.parametrize("topic", ["v3:ticker:BTCUSDT", "v2:ticker:BTCUSDT"])
def test_ticker_comes_with_the_acknowledgement_once_there_is_a_mark(topic: str) -> None:
    """Protects the warm start: a ticker at once, and none in a market that has not begun."""
    stage = Rehearsal("bitget", 7, ("BTC",))
    assert len(_asked(stage, topic)) == 1
    stage.unwanted(topic)
    stage.run(2.0)
    _, ticker = _asked(stage, topic)
    assert ticker["action"] == "snapshot"
    assert float(ticker["data"][0]["markPrice"]) == pytest.approx(83_000, rel=0.01)


# liquidations ------------------------------------------------------------------------------------------------------


def _cascade() -> Rehearsal:
    """Two seconds of forced closing, made up: milliseconds after the start, whose, how much, bankruptcy price."""
    stage = Rehearsal("bitget", 7, ("BTC", "ETH"), activity=0.1)
    stage.wants("v3:liquidation")
    stage.run(1.0)
    for after_ms, symbol, side, size, price in (
        (1100, "BTCUSDT", PositionSide.LONG, 0.5, 82_000.0),
        (1200, "BTCUSDT", PositionSide.LONG, 2.0, 82_100.5),
        (1300, "BTCUSDT", PositionSide.SHORT, 1.0, 84_000.0),
        (1500, "ETHUSDT", PositionSide.SHORT, 3.0, 3_200.25),
        (1900, "BTCUSDT", PositionSide.LONG, 1.5, 82_000.0),
        (2000, "BTCUSDT", PositionSide.LONG, 0.001, 81_000.0),
    ):
        ts = START_NS + after_ms * 1_000_000
        known = stage.publisher.stand(symbol).listing.instrument.id
        event = Liquidation(known, ts, ts, side, size, price, price, Completeness.COMPLETE, Sampling.NONE)
        stage.publisher.publish(ts, event)
    stage.run(2.5)
    return stage


def _told(stage: Rehearsal) -> list[tuple[int, list[Json]]]:
    """Frames as milliseconds after the start and their rows."""
    return [(frame["ts"] - _START_MS, frame["data"]) for frame in _frames(stage, "v3:liquidation")]


def test_of_each_second_the_largest_long_and_short_are_told() -> None:
    """Protects the sample and its sides: per pair and second one of a side; "buy" is a long that was liquidated."""
    stage = _cascade()
    first, second = _told(stage)
    assert first == (
        2000,
        [
            {
                "symbol": "BTCUSDT",
                "side": "buy",
                "price": "82100.5",
                "amount": "164201",
                "ts": str(_START_MS + 1200),
            },
            {"symbol": "BTCUSDT", "side": "sell", "price": "84000", "amount": "84000", "ts": str(_START_MS + 1300)},
            {"symbol": "ETHUSDT", "side": "sell", "price": "3200.25", "amount": "9600.75", "ts": str(_START_MS + 1500)},
        ],
    )
    assert second[0] == 3000
    assert [(row["side"], row["ts"]) for row in second[1]] == [("buy", str(_START_MS + 2000))]
    assert stage.counts["LiquidationPublished"] == 4
    assert json.loads(stage.payloads("v3:liquidation")[0])["arg"] == {
        "instType": "usdt-futures",
        "topic": "liquidation",
    }


def test_amounts_are_in_base_units_where_a_test_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the other reading of `amount`: what two collectors observed."""
    monkeypatch.setattr(disputed, "AMOUNT_IN_BASE", True)
    amounts = [[row["amount"] for row in rows] for _, rows in _told(_cascade())]
    assert amounts == [["2", "1", "3"], ["0.001"]]


def test_liquidations_of_the_seeded_market_are_told_from_its_own() -> None:
    """Protects demos: the market's liquidations come out, within a second of their time, with its own sides."""
    stage = _stage("v3:liquidation", seconds=300.0)
    kept = {
        (symbol, event.ts_event // 1_000_000): event
        for symbol in ("BTCUSDT", "ETHUSDT")
        for event in stage.publisher.stand(symbol).liquidations
    }
    rows = [(frame["ts"], row) for frame in _frames(stage, "v3:liquidation") for row in frame["data"]]
    assert len(rows) == stage.counts["LiquidationPublished"] > 5
    for ts, row in rows:
        event = kept[row["symbol"], int(row["ts"])]
        assert (row["side"] == "buy") is (event.position_side is PositionSide.LONG)
        assert float(row["price"]) == event.bankruptcy_price
        assert float(row["amount"]) == pytest.approx(event.size * float(row["price"]), rel=1e-6)
        assert 0 <= ts - int(row["ts"]) <= 1000


# shapes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic", "fields"),
    [
        pytest.param("v3:publicTrade:BTCUSDT", {"i", "p", "v", "S", "T", "L", "isRPI"}, id="trade"),
        pytest.param("v3:books:BTCUSDT", {"a", "b", "seq", "pseq", "ts", "maxdepth"}, id="books"),
        pytest.param("v3:books5:BTCUSDT", {"a", "b", "seq", "pseq", "ts"}, id="books5"),
        pytest.param(
            "v3:ticker:BTCUSDT",
            {
                *("highPrice24h", "lowPrice24h", "openPrice24h", "lastPrice", "turnover24h", "volume24h"),
                *("bid1Price", "ask1Price", "bid1Size", "ask1Size", "price24hPcnt", "indexPrice", "markPrice"),
                *("fundingRate", "openInterest", "deliveryTime", "deliveryStartTime", "deliveryStatus"),
                "nextFundingTime",
            },
            id="ticker",
        ),
    ],
)
def test_v3_frames_have_the_fields_of_captured_ones(topic: str, fields: set[str]) -> None:
    """Protects the wire: names as captured in September 2026; a number outside, text inside."""
    frame = _frames(_stage(topic, seconds=10.0), topic)[-1]
    assert set(frame) == {"action", "arg", "data", "ts"}
    assert isinstance(frame["ts"], int)
    row = frame["data"][0]
    assert set(row) == fields
    assert {type(value) for name, value in row.items() if name not in ("a", "b", "seq", "pseq")} == {str}


@pytest.mark.parametrize("channel", ["trade", "books", "books1", "ticker"])
def test_v2_frames_have_the_fields_of_recorded_ones(channel: str, recordings: Path) -> None:
    """Protects the wire: whatever a recorded frame of v2 has, ours has, in the same types."""
    file = json.loads((recordings / "wire" / "normalised" / "raw_messages.json").read_text("utf-8"))
    messages = file["bitget-futures messages"]["arrays"]["messages"]
    recorded = next(m for m in messages if m.get("data") and m["arg"]["channel"] == channel)
    stage = _stage(f"v2:{channel}:BTCUSDT", seconds=10.0)
    ours = _frames(stage, f"v2:{channel}:BTCUSDT")[-1]
    assert recorded.keys() <= ours.keys()
    assert recorded["arg"].keys() == ours["arg"].keys()
    types = [{name: type(value) for name, value in frame["data"][0].items()} for frame in (recorded, ours)]
    assert types[0].items() <= types[1].items()


def test_numbers_have_no_zeros_at_their_end() -> None:
    """Protects text comparisons: as on the wire of 2026, "82978", never "82978.0"."""
    stage = _stage("v3:books50:BTCUSDT", seconds=30.0)
    row = _frames(stage, "v3:books50:BTCUSDT")[-1]["data"][0]
    texts = [text for side in "ab" for level in row[side] for text in level]
    assert not [text for text in texts if "." in text and text.endswith("0")]


def test_same_seed_tells_the_same() -> None:
    """Protects repeatability: every byte of every topic, in the same order."""
    topics = ("v3:books:BTCUSDT", "v2:books:ETHUSDT", "v3:publicTrade:BTCUSDT", "v3:ticker:BTCUSDT", "v3:liquidation")
    assert _stage(*topics, seconds=60.0).heard == _stage(*topics, seconds=60.0).heard
