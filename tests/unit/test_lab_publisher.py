"""What the wire makes of the market: windows of the diff streams, sampled liquidations, cadences, the ledger."""

import asyncio
from itertools import pairwise
from typing import Any, TypeAlias

import msgspec
import pytest

from perpscope.lab.clock import LabClock
from perpscope.lab.dialect import dialect
from perpscope.lab.ledger import Ledger, Moment
from perpscope.lab.market import Market
from perpscope.lab.publisher import Publisher
from perpscope.lab.rehearsal import Rehearsal
from perpscope.lab.wire.binance.streams import is_carried, route_of
from perpscope.lab.wire.binance.telling import BinanceTeller
from perpscope.model.market import Completeness, Liquidation, PositionSide, Sampling

_S = 1_000_000_000
_START = 1_795_219_200 * _S


_Body: TypeAlias = dict[str, Any]  # decoded JSON


def _published(streams: set[str], seconds: int, seed: int = 7) -> list[tuple[str, _Body]]:
    stage = Rehearsal("binance", seed, ("BTCUSDT", "ETHUSDT"), _START)
    stage.wants(*streams)
    stage.run(seconds)
    assert all(route_of(stream) is not None for stream in streams)
    return [(stream, msgspec.json.decode(payload)) for stream, payload in stage.heard]


@pytest.mark.parametrize(
    ("stream", "speed_ms"), [("btcusdt@depth@100ms", 100), ("btcusdt@depth", 250), ("btcusdt@depth@500ms", 500)]
)
def test_diffs_chain_at_every_speed(stream: str, speed_ms: int) -> None:
    """Protects the `pu` chain: each diff names the one before it, on the grid of its speed."""
    diffs = [body for _, body in _published({stream}, 20)]
    assert len(diffs) > 20
    for previous, diff in pairwise(diffs):
        assert diff["pu"] == previous["u"]
    assert all(diff["E"] % speed_ms == 0 for diff in diffs)
    assert any(diff["U"] != diff["pu"] + 1 for diff in diffs)


def test_speeds_tell_the_same_book() -> None:
    """Protects slow diff streams: after the same ids both speeds have set the same sizes."""
    told: dict[str, dict[str, str]] = {}
    for stream, body in _published({"btcusdt@depth@100ms", "btcusdt@depth@500ms"}, 30):
        told.setdefault(stream, {}).update(dict(body["b"]))
    assert told["btcusdt@depth@100ms"] == told["btcusdt@depth@500ms"]


def test_partial_depth_is_the_top_of_the_book() -> None:
    """Protects `depth5`: whole top levels, best first, never crossed."""
    frames = [body for _, body in _published({"btcusdt@depth5@100ms"}, 5)]
    assert frames
    for body in frames:
        bids, asks = body["b"], body["a"]
        assert len(bids) == len(asks) == 5
        assert float(bids[0][0]) > float(bids[4][0])
        assert float(bids[0][0]) < float(asks[0][0]) < float(asks[4][0])


def test_mark_prices_keep_their_cadence() -> None:
    """Protects both speeds of the mark and the arrays of all symbols."""
    streams = {"btcusdt@markPrice", "btcusdt@markPrice@1s", "!markPrice@arr", "!markPrice@arr@1s"}
    heard = _published(streams, 31)
    counts = {stream: sum(name == stream for name, _ in heard) for stream in streams}
    assert counts["btcusdt@markPrice@1s"] == 32
    assert counts["btcusdt@markPrice"] == 11
    assert counts["!markPrice@arr@1s"] in (31, 32)
    assert counts["!markPrice@arr"] == 11
    assert all(len(body) == 2 for stream, body in heard if stream.startswith("!"))


def test_every_trade_quote_and_candle_is_told() -> None:
    """Protects completeness: nothing is left out of the streams that leave nothing out."""
    market = Market(7, _START, ("BTCUSDT", "ETHUSDT"))
    kinds = [type(event).__name__ for _, event in market.events(_START + 61 * _S)]
    streams = {"!bookTicker"} | {
        f"{symbol}@{channel}"
        for symbol in ("btcusdt", "ethusdt")
        for channel in ("aggTrade", "trade", "bookTicker", "kline_1m", "kline_15m", "kline_1h")
    }
    heard = [stream for stream, _ in _published(streams, 61)]
    assert sum(stream.endswith("@aggTrade") for stream in heard) == kinds.count("Trade")
    assert sum(stream.endswith("@trade") for stream in heard) == kinds.count("Trade")
    assert sum(stream.endswith("@bookTicker") for stream in heard) == kinds.count("Quote")
    assert heard.count("!bookTicker") == kinds.count("Quote")
    assert sum("@kline_" in stream for stream in heard) == kinds.count("Candle")


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [(Sampling.LATEST_1S, ["3.000", "5.000"]), (Sampling.LARGEST_1S, ["9.000", "5.000"])],
)
def test_one_liquidation_a_symbol_and_second_is_told(sampling: Sampling, expected: list[str]) -> None:
    """Protects the venue's sampling: of a second's liquidations the latest, or the largest, at the second's end."""
    stage = Rehearsal("binance", 7, ("BTCUSDT",), _START)
    stage.wants("btcusdt@forceOrder", "!forceOrder@arr")
    publisher = Publisher(
        stage.market, LabClock(_START), stage, lambda told, outlet: BinanceTeller(told, outlet, sampling)
    )
    instrument = publisher.listings[0].instrument.id
    for offset_ms, size in ((10, 1.0), (400, 9.0), (1009, 3.0), (1500, 5.0)):
        ts = _START + offset_ms * 1_000_000
        event = Liquidation(
            instrument, ts, ts, PositionSide.LONG, size, 83_000.0, 82_900.0, Completeness.COMPLETE, Sampling.NONE
        )
        publisher.publish(ts, event)
    publisher.pass_time(_START + 5 * _S)
    single = [msgspec.json.decode(payload)["o"] for stream, payload in stage.heard if stream == "btcusdt@forceOrder"]
    every = [payload for stream, payload in stage.heard if stream == "!forceOrder@arr"]
    assert [order["q"] for order in single] == expected
    assert [msgspec.json.decode(payload)["o"] for payload in every] == single
    assert all(order["st"] == 1 and order["ps"] == "BTCUSDT" for order in single)


def test_book_is_unknown_before_the_first_snapshot() -> None:
    """Protects REST: no empty book is ever given out as the book."""
    reply = Rehearsal("binance", 7, ("BTCUSDT",), _START).get("/fapi/v1/depth", symbol="BTCUSDT")
    assert reply.status == 503


def test_what_nobody_wants_costs_no_frame() -> None:
    """Protects the demo's processor: streams without listeners are not written."""
    assert _published(set(), 5) == []
    assert not is_carried("nothing", route_of("btcusdt@trade") or pytest.fail("route"))


def test_ledger_is_bounded() -> None:
    """Protects memory in long runs: rows only where asked for, and the newest of them."""
    clock = LabClock(_START)
    none, some = Ledger(clock), Ledger(clock, keep_rows=2, keep_marks=1)
    for ledger in (none, some):
        for number in range(3):
            ledger.sent("s", b"%d" % number, ["a", "b"])
        ledger.mark("a", Moment.OPEN)
        ledger.mark("a", Moment.CLOSE, "client")
    assert (none.frames, len(none.rows)) == (6, 0)
    assert [(row.connection, row.payload) for row in some.rows] == [("a", b"2"), ("b", b"2")]
    assert [(mark.moment, mark.detail) for mark in some.marks] == [(Moment.CLOSE, "client")]
    assert some.closed["client"] == 1


async def test_a_market_that_follows_is_told_in_order_while_the_leader_goes_on() -> None:
    """Protects frames from coming too late for their window: no tick passes before what happened ahead of it is told.

    The leading market gets ahead while the follower is in the middle of its telling; what is told is as if it had not.
    """
    symbols = ("BTC", "ETH", "SOL")
    told = []
    for is_interrupted in (False, True):
        clock, wire = LabClock(_START, 1e6), dialect("okx")
        leader = Market(7, _START, symbols)
        stage = Rehearsal("okx", 7, symbols, _START)
        topics = {f"{channel}:{symbol}-USDT-SWAP" for channel in ("trades", "bbo-tbt", "books") for symbol in symbols}
        stage.wants(*topics)
        publisher = Publisher(Market(7, _START, symbols, wire=wire, leader=leader), clock, stage, wire.teller)
        lead = [_START + second * _S for second in (30, 60)]
        list(leader.events(lead[0]))
        if is_interrupted:
            clock.start()
            running = asyncio.create_task(publisher.run())
            while not stage.heard:
                await asyncio.sleep(0)
            list(leader.events(lead[1]))  # the follower stands at its first pause
            while publisher.ts_reached < lead[1]:
                await asyncio.sleep(0)
            running.cancel()
        else:
            publisher.tell_until(lead[1])
            list(leader.events(lead[1]))
            publisher.tell_until(lead[1])
        told.append(stage.heard)
    assert told[0] == told[1]
    assert len(told[0]) > 1000


@pytest.mark.parametrize(
    ("rate", "activity", "is_held", "rest_s"),
    [(1.0, 5000.0, False, 0.001), (1.0, 5000.0, True, 0.004), (60.0, 60.0, False, 0.004)],
    ids=["busy", "held", "fast"],
)
async def test_a_market_at_real_speed_is_told_when_it_happens(
    rate: float, activity: float, is_held: bool, rest_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects latencies measured on the lab: it rests until the next event, if anybody could see the difference."""
    clock, stage = LabClock(_START, rate), Rehearsal("binance", 7, ("BTCUSDT",), _START)
    market = Market(7, _START, ("BTCUSDT",), activity)
    assert market.ts_next == _START  # the snapshot
    publisher = Publisher(market, clock, stage, stage.wire.teller)
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        if seconds:
            rests.append(seconds)
            raise asyncio.CancelledError

    if not is_held:
        clock.start()
    monkeypatch.setattr(asyncio, "sleep", rest)
    with pytest.raises(asyncio.CancelledError):
        await publisher.run()
    assert rests == [rest_s]
    assert market.ts_next > publisher.ts_reached
