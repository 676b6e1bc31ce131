"""Candles, coverage and symbols over HTTP: what is stored, what is missing, and pages of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from tests.unit.faced_market import BINANCE, HOLE, MINUTES, Face, ms, shared_market

from perpscope.app.coverage import read_coverage
from perpscope.errors import ConfigError
from perpscope.model.market import Interval
from perpscope.stores.reader import SqliteReader


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten hours of two venues."""
    return shared_market(tmp_path_factory)


@pytest.fixture(scope="module")
def face(store: Path) -> Face:
    """A face of it."""
    return Face(store)


@pytest.fixture(scope="module")
def minutes(store: Path) -> list[dict[str, Any]]:
    """What the store itself says of Binance's minutes, newest first."""
    with SqliteReader.open(store) as reader:
        rows = reader.candles(BINANCE.id, Interval.M1, limit=10_000)
    return [
        {"open_ms": row.ts_open // 1_000_000, "open": row.open, "high": row.high, "low": row.low, "close": row.close}
        for row in reversed(rows)
    ]


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """The log as it was."""
    yield
    structlog.reset_defaults()


def test_candles_are_those_of_the_venue_with_most_open_interest(face: Face, minutes: list[dict[str, Any]]) -> None:
    """By default the minutes of BTC at Binance, newest first, each as stored."""
    body = face.ask("candles", "limit=1000")
    assert (body["venue"], body["instrument"], body["by"], body["parts"]) == ("binance", BINANCE.id, "venue", "1m")
    assert [{name: one[name] for name in minutes[0]} for one in body["candles"]] == minutes
    assert body["next"] is None
    assert body["missing"] == 0
    assert {one["share"] for one in body["candles"]} == {1.0}


def test_gaps_between_candles_are_shown(face: Face) -> None:
    """What was missed is told with its cause, and counts against the coverage, though candles came afterwards."""
    body = face.ask("candles", "limit=1000")
    assert body["gaps"] == [{"from_ms": ms(HOLE[0]), "to_ms": ms(HOLE[1]), "cause": "disconnect", "is_repaired": False}]
    assert body["meta"]["coverage"] == pytest.approx(1.0 - (HOLE[1] - HOLE[0]) / MINUTES)
    newer = face.ask("candles", f"from={ms(HOLE[1])}&limit=1000")
    assert newer["gaps"] == []
    assert newer["meta"]["coverage"] == 1.0


def test_pages_of_candles_hold_each_once(face: Face, minutes: list[dict[str, Any]]) -> None:
    """Page after page, without a minute twice or left out, within the time that is asked about."""
    found: list[int] = []
    cursor = ""
    while True:
        page = face.ask("candles", f"limit=97&from={ms(100)}&to={ms(500)}{cursor}")
        found += [one["open_ms"] for one in page["candles"]]
        if page["next"] is None:
            break
        assert 'rel="next"' in face.headers("candles", f"limit=97&from={ms(100)}&to={ms(500)}{cursor}")["Link"]
        cursor = f"&cursor={page['next']}"
    assert found == [one["open_ms"] for one in minutes if ms(100) <= one["open_ms"] < ms(500)]


@pytest.mark.parametrize(("interval", "length"), [("5m", 5), ("15m", 15), ("1h", 60)], ids=str)
def test_ours_are_summed_from_minutes(face: Face, minutes: list[dict[str, Any]], interval: str, length: int) -> None:
    """Opens with the first, closes with the last, reaches as far as all of them; volumes add up."""
    body = face.ask("candles", f"interval={interval}&by=ours&limit=1000")
    assert (body["by"], body["parts"]) == ("ours", "1m")
    assert len(body["candles"]) == MINUTES // length
    for one in body["candles"]:
        parts = [m for m in minutes if 0 <= m["open_ms"] - one["open_ms"] < length * 60_000]
        assert one["open"] == parts[-1]["open"]
        assert one["close"] == parts[0]["close"]
        assert (one["high"], one["low"]) == (max(m["high"] for m in parts), min(m["low"] for m in parts))
        assert one["volume"] == pytest.approx(20.0 * length)
        assert (one["trades"], one["share"]) == (None, 1.0)


def test_the_venues_own_hours_stand_beside_ours(face: Face) -> None:
    """An hour is the venue's own unless ours is asked for; four hours are ours, of its hours."""
    own = face.ask("candles", "interval=1h")
    assert (own["by"], own["candles"][0]["volume"], own["candles"][0]["quote_volume"]) == ("venue", 100.0, None)
    four = face.ask("candles", "interval=4h")
    assert (four["by"], four["parts"]) == ("ours", "1h")
    assert [one["share"] for one in four["candles"]] == [1.0, 1.0], "what is not over is none yet"
    with pytest.raises(ConfigError, match="4h"):
        face.ask("candles", "interval=4h&by=venue")
    with pytest.raises(ConfigError, match="1m"):
        face.ask("candles", "interval=1m&by=ours")


def test_pages_of_our_candles_are_whole(face: Face) -> None:
    """No candle of ours is cut in two by a page."""
    whole = face.ask("candles", "interval=1h&by=ours")["candles"]
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = face.ask("candles", f"interval=1h&by=ours&limit=3{cursor}")
        found += page["candles"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == whole


def test_an_end_within_a_candle_cuts_none(face: Face) -> None:
    """A candle of ours that opens before the end is told whole."""
    whole = face.ask("candles", "interval=1h&by=ours")["candles"]
    cut = face.ask("candles", f"interval=1h&by=ours&to={ms(150)}&from={ms(30)}")["candles"]
    assert cut == [one for one in whole if ms(60) <= one["open_ms"] <= ms(120)]


def test_a_venue_is_chosen_by_name(face: Face) -> None:
    """Bybit's candles where Bybit is asked for; a venue without this coin is awaited, an unknown one refused."""
    assert face.ask("candles", "venue=BYBIT&limit=5")["instrument"] == "BTC-USDT-PERP.BYBIT"
    with pytest.raises(ConfigError, match="okx"):
        face.ask("candles", "venue=okx")
    with pytest.raises(ConfigError, match="nobody"):
        face.ask("candles", "venue=nobody")


def test_coverage_is_that_of_the_ledger(face: Face, store: Path) -> None:
    """Streams and intervals as `perpscope coverage` has them, by channel and by venue."""
    body = face.ask("coverage", "channel=candles_1m&venue=binance")
    told = read_coverage(store, venue="binance", channel="candles_1m")
    assert body["streams"] == json.loads(msgspec.json.encode(told.streams))
    assert body["intervals"] == json.loads(msgspec.json.encode(told.intervals))
    (gap,) = face.ask("coverage", "channel=candles_1m&venue=binance&gaps_only=true")["intervals"]
    assert (gap["from_ms"], gap["to_ms"], gap["state"]) == (ms(HOLE[0]), ms(HOLE[1]), "gap")
    assert body["meta"]["coverage"] == pytest.approx(told.streams[0].share)
    few = face.ask("coverage", "limit=1")
    assert (len(few["intervals"]), few["meta"]["truncated"], few["omitted"] > 0) == (1, True, True)


def test_symbols_tell_the_newest_of_each_contract(face: Face, store: Path) -> None:
    """Price, open interest and liquidations with their ages; the sum of liquidations is what is stored."""
    body = face.ask("symbols")
    (coin,) = body["coins"]
    assert coin["coin"] == "BTC"
    with SqliteReader.open(store) as reader:
        mark, held = reader.marks(BINANCE.id, limit=1)[0], reader.open_interest("binance", "BTCUSDT", limit=1)[0]
        count = reader.counts(ms(MINUTES) * 1_000_000).total
    binance = next(one for one in coin["contracts"] if one["venue"] == "binance")
    assert (binance["mark"], binance["open_interest"]) == (mark.mark, held.open_interest)
    assert binance["open_interest_usd"] == held.open_interest * mark.mark
    assert binance["completeness"] == "sampled"
    assert sum(one["liquidations"] for one in coin["contracts"]) == count
    assert binance["price_age_ms"] == 1_000
    assert [one["venue"] for one in face.ask("symbols", "venue=bybit")["coins"][0]["contracts"]] == ["bybit"]
    assert face.ask("symbols", "symbols=btc,ETH")["coins"] == body["coins"]


def test_symbols_come_in_pages(tmp_path: Path) -> None:
    """Coins by name, each once, the next page linked."""
    from tests.unit.kept_market import Market  # noqa: PLC0415 -- a store of its own

    market = Market(tmp_path / "coins.db", 5, coins=("ETH", "BTC", "SOL"))
    market.go_on(2)
    market.close()
    face = Face(tmp_path / "coins.db")
    first = face.ask("symbols", "limit=2")
    assert [one["coin"] for one in first["coins"]] == ["BTC", "ETH"]
    last = face.ask("symbols", f"limit=2&cursor={first['next']}")
    assert ([one["coin"] for one in last["coins"]], last["next"]) == (["SOL"], None)
    assert "/api/v1/symbols?" in face.headers("symbols", "limit=2")["Link"]
