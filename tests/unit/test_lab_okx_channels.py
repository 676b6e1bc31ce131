"""What OKX's channels tell, as the lab tells it: trades and their ids, forced orders, states, bars; units and fields.

Expectations are written by hand after the venue's documentation; recorded frames are read where they are at hand.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from perpscope.lab.rehearsal import START_NS, Rehearsal
from perpscope.model.instrument import instrument_id
from perpscope.model.market import Completeness, Liquidation, PositionSide, Sampling

Json: TypeAlias = dict[str, Any]  # decoded; the shape is what the test is about
Value: TypeAlias = Any  # likewise

_BTC, _ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"


def _stage(*topics: str, seconds: float = 20.0, activity: float = 6.0) -> Rehearsal:
    stage = Rehearsal("okx", 7, ("BTC", "ETH"), activity=activity)
    stage.wants(*topics)
    stage.run(seconds)
    return stage


def _frames(stage: Rehearsal, topic: str) -> list[Json]:
    return [json.loads(payload) for payload in stage.payloads(topic)]


def _answers(stage: Rehearsal, *arguments: Json) -> list[Json]:
    """What a new connection is answered to a subscription."""
    message = json.dumps({"op": "subscribe", "args": arguments}).encode()
    return [json.loads(frame) for frame in stage.say(stage.dialogue("/ws/v5/public"), message)]


def _shape(value: Value) -> Value:
    """Field names and types of a decoded frame; of a list, its first row's."""
    if isinstance(value, dict):
        return {name: _shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return type(value).__name__


# trades, liquidations ------------------------------------------------------------------------------------------------


def test_every_trade_is_told_once_and_its_ids_leave_no_hole() -> None:
    """Protects completeness of trades: `tradeId` grows by `count`; contracts of 0.01 BTC; the taker's side."""
    stage = _stage(f"trades:{_BTC}", f"trades-all:{_BTC}", seconds=120.0)
    rows = [frame["data"][0] for frame in _frames(stage, f"trades:{_BTC}")]
    kept = list(stage.publisher.stand(_BTC).trades)
    assert [float(row["px"]) for row in rows] == [trade.price for trade in kept]
    assert [float(row["sz"]) * 0.01 for row in rows] == pytest.approx([trade.size for trade in kept])
    assert [row["side"].upper() for row in rows] == [trade.side.value for trade in kept]
    assert {row["source"] for row in rows} == {"0"}
    for before, after in pairwise(rows):
        assert int(before["tradeId"]) + int(after["count"]) == int(after["tradeId"])
    assert max(int(row["count"]) for row in rows) > 1
    matches = [frame["data"][0] for frame in _frames(stage, f"trades-all:{_BTC}")]
    ids = [int(row["tradeId"]) for row in matches]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert ids[-1] == int(rows[-1]["tradeId"])
    assert sum(float(row["sz"]) for row in matches) == pytest.approx(sum(float(row["sz"]) for row in rows))
    assert all(float(row["sz"]) > 0 for row in matches)


@pytest.mark.unmeasured
def test_liquidations_are_orders_not_positions() -> None:
    """Protects their meaning: "sell" closes a long, whatever `posSide` says; sizes in contracts, bankruptcy prices."""
    stage = _stage("liquidation-orders:SWAP", seconds=600.0)
    rows = [row for frame in _frames(stage, "liquidation-orders:SWAP") for row in frame["data"]]
    told = [(row["instId"], detail) for row in rows for detail in row["details"]]
    assert len(told) == stage.counts["LiquidationPublished"] > 10
    happened: dict[tuple[str, str], list[Liquidation]] = {}
    for symbol in (_BTC, _ETH):
        for event in stage.publisher.stand(symbol).liquidations:
            happened.setdefault((symbol, str(event.ts_event // 1_000_000)), []).append(event)
    for symbol, detail in told:
        event = happened[symbol, detail["ts"]][0]
        assert detail["side"] == ("sell" if event.position_side is PositionSide.LONG else "buy")
        assert detail["posSide"] in (event.position_side.value.lower(), "net")
        assert float(detail["sz"]) * (0.01 if symbol == _BTC else 0.1) == pytest.approx(event.size)
        assert float(detail["bkPx"]) == event.bankruptcy_price
    assert {detail["posSide"] for _, detail in told} == {"long", "short", "net"}


def test_liquidations_are_a_sample_of_one_a_second_and_contract() -> None:
    """Protects the lower bound: of several within a second the first is told, of each contract apart."""
    stage = _stage("liquidation-orders:SWAP", seconds=1.0)
    already = stage.counts["LiquidationPublished"]
    for base, ms in (("BTC", 1100), ("BTC", 1900), ("ETH", 1950), ("BTC", 2000)):
        ts = START_NS + ms * 1_000_000
        sampled = Completeness.COMPLETE, Sampling.NONE
        of = instrument_id("okx", base, "USDT")
        stage.publisher.publish(ts, Liquidation(of, ts, ts, PositionSide.SHORT, 0.5, 3000.0, 3001.0, *sampled))
    rows = [frame["data"][0] for frame in _frames(stage, "liquidation-orders:SWAP")]
    told = [(row["instId"], int(row["details"][0]["ts"]) - START_NS // 1_000_000) for row in rows]
    assert told == [(_BTC, 1100), (_ETH, 1950), (_BTC, 2000)]
    assert stage.counts["LiquidationPublished"] - already == 3


# states and bars -----------------------------------------------------------------------------------------------------


def test_states_are_told_at_once_and_at_their_pace() -> None:
    """Protects slow channels: subscribing brings the state; open interest each 3 s, funding each minute."""
    stage = Rehearsal("okx", 7, ("BTC",))
    stage.run(1.5)
    channels = ["tickers", "mark-price", "funding-rate", "open-interest"]
    answers = _answers(stage, *({"channel": channel, "instId": _BTC} for channel in channels))
    assert [frame["arg"]["channel"] for frame in answers if "data" in frame] == channels
    stage.run(180.0)
    assert len(_frames(stage, f"open-interest:{_BTC}")) == 60
    assert len(_frames(stage, f"funding-rate:{_BTC}")) in (3, 4)
    tickers = _frames(stage, f"tickers:{_BTC}")
    times = [int(frame["data"][0]["ts"]) for frame in tickers]
    assert all(after - before >= 100 for before, after in pairwise(times))


def test_units_of_open_interest_and_funding() -> None:
    """Protects units: `oi` contracts, `oiCcy` coins, `oiUsd` dollars; the interval is between the two funding times."""
    stage = _stage(f"open-interest:{_BTC}", f"funding-rate:{_BTC}", f"mark-price:{_BTC}", seconds=90.0)
    held = _frames(stage, f"open-interest:{_BTC}")[-1]["data"][0]
    mark = float(_frames(stage, f"mark-price:{_BTC}")[-1]["data"][0]["markPx"])
    assert float(held["oi"]) * 0.01 == pytest.approx(float(held["oiCcy"]), rel=1e-6)
    assert float(held["oiUsd"]) == pytest.approx(float(held["oiCcy"]) * mark, rel=1e-3)
    funding = _frames(stage, f"funding-rate:{_BTC}")[-1]["data"][0]
    assert int(funding["nextFundingTime"]) - int(funding["fundingTime"]) == 8 * 3_600_000
    assert int(funding["fundingTime"]) == START_NS // 1_000_000 + 8 * 3_600_000


def test_index_is_told_by_its_own_name() -> None:
    """Protects index prices: the instrument is the index, the price is within the day's range, again as it changes."""
    stage = Rehearsal("okx", 7, ("BTC",))
    stage.run(1.5)
    ack, told = _answers(stage, {"channel": "index-tickers", "instId": "BTC-USDT"})
    assert (ack["event"], told["arg"], told["data"][0]["instId"]) == ("subscribe", ack["arg"], "BTC-USDT")
    stage.run(125.0)
    rows = [told["data"][0], *(frame["data"][0] for frame in _frames(stage, "index-tickers:BTC-USDT"))]
    assert len(rows) > 60
    assert all(float(row["low24h"]) <= float(row["idxPx"]) <= float(row["high24h"]) for row in rows)
    prices = [row["idxPx"] for row in rows]
    mark = stage.publisher.stand(_BTC).mark
    assert mark is not None
    assert float(prices[-1]) == pytest.approx(mark.index, abs=0.051)


@pytest.mark.parametrize(
    ("topic", "minutes", "columns"),
    [
        pytest.param(f"candle1m:{_BTC}", 1, 9, id="a-minute"),
        pytest.param(f"candle5m:{_BTC}", 5, 9, id="five-minutes"),
        pytest.param(f"candle15m:{_BTC}", 15, 9, id="a-quarter"),
        pytest.param(f"mark-price-candle1m:{_BTC}", 1, 6, id="mark"),
        pytest.param("index-candle3m:BTC-USDT", 3, 6, id="index"),
    ],
)
@pytest.mark.unmeasured
def test_bars_say_when_they_are_closed(topic: str, minutes: int, columns: int) -> None:
    """Protects closed bars: each exactly once, on the grid, with the columns of its kind; forming ones in between."""
    stage = _stage(topic, seconds=905.0)
    bars = [frame["data"][0] for frame in _frames(stage, topic)]
    assert {len(bar) for bar in bars} == {columns}
    closed = [int(bar[0]) for bar in bars if bar[-1] == "1"]
    assert closed == [START_NS // 1_000_000 + number * minutes * 60_000 for number in range(15 // minutes)]
    assert len(bars) > 800


def test_subscribing_bars_brings_the_forming_one() -> None:
    """Protects the first frame of a bar channel: the state of the bar, before anything happens."""
    stage = _stage(seconds=90.5)
    names = {"candle5m": _BTC, "mark-price-candle1m": _BTC, "index-candle1H": "BTC-USDT"}
    arguments = [{"channel": channel, "instId": name} for channel, name in names.items()]
    message = json.dumps({"op": "subscribe", "args": arguments}).encode()
    frames = [json.loads(frame) for frame in stage.say(stage.dialogue("/ws/v5/business"), message)]
    rows = [frame["data"][0] for frame in frames if "data" in frame]
    assert [(int(row[0]) - START_NS // 1_000_000, row[-1]) for row in rows] == [(0, "0"), (60_000, "0"), (0, "0")]


@pytest.mark.unmeasured
def test_bars_of_five_minutes_are_made_of_minutes() -> None:
    """Protects longer bars: extremes and volumes of the five minutes; contracts, coins and quote agree."""
    stage = _stage(f"candle1m:{_BTC}", f"candle5m:{_BTC}", seconds=302.0)
    minutes, bars = (
        [row for row in (frame["data"][0] for frame in _frames(stage, topic)) if row[-1] == "1"]
        for topic in (f"candle1m:{_BTC}", f"candle5m:{_BTC}")
    )
    (bar,) = bars
    assert bar[1] == minutes[0][1]
    assert float(bar[2]) == max(float(row[2]) for row in minutes)
    assert float(bar[3]) == min(float(row[3]) for row in minutes)
    assert bar[4] == minutes[-1][4]
    assert float(bar[5]) == pytest.approx(sum(float(row[5]) for row in minutes))
    assert float(bar[5]) * 0.01 == pytest.approx(float(bar[6]))
    assert float(bar[7]) / float(bar[6]) == pytest.approx(float(bar[4]), rel=0.01)


def test_numbers_have_no_idle_zeros() -> None:
    """Protects the venue's spelling: "12.5" and "83000", never "12.50" or "83000.0"."""
    stage = _stage(f"trades:{_BTC}", f"trades:{_ETH}", seconds=60.0)
    rows = [json.loads(payload)["data"][0] for _, payload in stage.heard]
    written = [row[name] for row in rows for name in ("px", "sz")]
    assert all(not text.endswith(("0", ".")) for text in written if "." in text)
    assert any("." not in text for text in written)


# recordings and repetition -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic", "file"),
    [
        pytest.param(f"trades:{_BTC}", "ws_trades.json", id="trades"),
        pytest.param(f"books:{_BTC}", "ws_books_snapshot.json", id="books"),
        pytest.param(f"bbo-tbt:{_BTC}", "ws_bbo_tbt.json", id="best"),
        pytest.param(f"tickers:{_BTC}", "ws_tickers.json", id="tickers"),
        pytest.param(f"funding-rate:{_BTC}", "ws_funding_rate.json", id="funding"),
        pytest.param(f"candle1m:{_BTC}", "ws_candle.json", id="bars"),
    ],
)
def test_frames_have_the_fields_of_recorded_ones(topic: str, file: str, recordings: Path) -> None:
    """Protects the wire: whatever a recorded payload has, ours has, in the same types."""
    stage = _stage(topic, seconds=65.0)
    recorded = _shape(json.loads((recordings / "rest" / "payloads" / "okx" / file).read_text("utf-8")))
    ours = _shape(_frames(stage, topic)[0])
    assert recorded.keys() <= ours.keys()
    theirs, row = recorded["data"][0], ours["data"][0]
    if isinstance(theirs, dict):
        assert theirs.items() <= row.items()
    else:
        assert theirs == row


def test_catalogue_channel_has_the_fields_of_a_recorded_one(recordings: Path) -> None:
    """Protects the first push of `instruments`: all swaps, every recorded field in its type."""
    stage = Rehearsal("okx", 7, ("BTC", "ETH"))
    _, told = _answers(stage, {"channel": "instruments", "instType": "SWAP"})
    recorded = json.loads((recordings / "rest" / "payloads" / "okx" / "ws_instruments.json").read_text("utf-8"))
    assert [row["instId"] for row in told["data"]] == [_BTC, _ETH]
    assert _shape(recorded["data"][0]).items() <= _shape(told["data"][0]).items()


def test_same_seed_gives_the_same_bytes() -> None:
    """Protects repeatability: two exchanges of one seed say the same, of another seed not."""
    topics = (f"books:{_BTC}", f"trades:{_BTC}", f"tickers:{_BTC}", "liquidation-orders:SWAP")
    first, again = (_stage(*topics).heard for _ in range(2))
    assert first == again
    other = Rehearsal("okx", 8, ("BTC", "ETH"))
    other.wants(*topics)
    other.run(20.0)
    assert other.heard != first
