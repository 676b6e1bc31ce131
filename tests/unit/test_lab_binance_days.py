"""The lab's Binance tickers of 24 hours on its streams."""

import json
from typing import Any

import pytest

from perpscope.lab.rehearsal import Rehearsal

_STREAMS = ("btcusdt@ticker", "btcusdt@miniTicker", "!ticker@arr", "!miniTicker@arr")


@pytest.fixture(scope="module")
def heard() -> dict[str, list[Any]]:
    """Nine seconds and a half of every ticker of a market of two symbols, by stream."""
    stage = Rehearsal("binance", seed=12, symbols=("BTC", "ETH"))
    stage.wants(*_STREAMS)
    stage.run(9.5)
    found: dict[str, list[Any]] = {stream: [] for stream in _STREAMS}
    for stream, payload in stage.heard:
        found[stream].append(json.loads(payload))
    return found


def test_tickers_come_at_the_documented_pace(heard: dict[str, list[Any]]) -> None:
    """Protects whoever waits for them: one symbol's every two seconds, all symbols' every second."""
    assert {row["E"] % 2000 for row in heard["btcusdt@ticker"] + heard["btcusdt@miniTicker"]} == {0}
    assert len(heard["btcusdt@ticker"]) == len(heard["btcusdt@miniTicker"]) == 5
    assert [[row["s"] for row in rows] for rows in heard["!ticker@arr"]] == [["BTCUSDT", "ETHUSDT"]] * 10
    assert len(heard["!miniTicker@arr"]) == 10


def test_ticker_has_the_documented_fields(heard: dict[str, list[Any]]) -> None:
    """Protects clients that validate: the names of the venue's description, `ps` and `st` included."""
    full = set("e E s p P w c Q o h l v q O C F L n ps st".split())
    assert {frozenset(row) for row in heard["btcusdt@ticker"]} == {frozenset(full)}
    assert {frozenset(row) for row in heard["btcusdt@miniTicker"]} == {frozenset("e E s c o h l v q ps st".split())}


def test_ticker_agrees_with_itself(heard: dict[str, list[Any]]) -> None:
    """Protects the figures: change = last - open, mean price = turnover ÷ volume, both kinds alike."""
    both = list(zip(heard["btcusdt@ticker"], heard["btcusdt@miniTicker"], strict=True))
    assert float(both[0][0]["v"]) == 0
    for row, mini in both[1:]:  # the first comes before the first trade
        assert float(row["p"]) == pytest.approx(float(row["c"]) - float(row["o"]), abs=1e-6)
        assert float(row["w"]) == pytest.approx(float(row["q"]) / float(row["v"]), abs=0.01)
        assert float(row["Q"]) > 0
        assert {name: mini[name] for name in "cohlvq"} == {name: row[name] for name in "cohlvq"}
