"""Long/short ratios, sentiment and cascades over HTTP: figures that agree with each other and say whose they are."""

import json
from collections.abc import Iterator
from math import fsum
from pathlib import Path

import msgspec
import pytest
import structlog
from tests.unit.faced_market import BYBIT, MINUTES, Face, ms, shared_market
from tests.unit.test_sentiment_app import make

from perpscope.app.sentiment.cascade import Shock, read_cascade
from perpscope.app.sentiment.reading import read_sentiment
from perpscope.errors import ConfigError
from perpscope.stores.reader import SqliteReader


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten hours of two venues."""
    return shared_market(tmp_path_factory)


@pytest.fixture(scope="module")
def face(store: Path) -> Face:
    """A face of it."""
    return Face(store)


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """The log as it was."""
    yield
    structlog.reset_defaults()


def test_ratios_are_told_by_venue_and_kind(face: Face, store: Path) -> None:
    """The newest of each, with its age; shares sum to one, and the ratio is of them. Keeps S0-37."""
    body = face.ask("long_short", symbol="BTC")
    told = {(venue["venue"], one["kind"]): one for venue in body["venues"] for one in venue["ratios"]}
    assert set(told) == {("binance", "all_accounts"), ("binance", "top_positions"), ("bybit", "all_accounts")}
    with SqliteReader.open(store) as reader:
        newest = reader.long_short_ratio("bybit", "BTCUSDT", limit=1)[0]
    bybit = told["bybit", "all_accounts"]
    assert (bybit["at_ms"], bybit["long_share"]) == (ms(MINUTES), newest.long_fraction)
    assert bybit["age_ms"] == 0
    for one in told.values():
        assert one["long_share"] + one["short_share"] == pytest.approx(1.0)
        assert one["ratio"] == pytest.approx(one["long_share"] / one["short_share"])
        assert one["period_s"] == 300


def test_the_pooled_ratio_is_the_one_sentiment_believes(face: Face, store: Path) -> None:
    """Both are judged alike: the same level, the same venues with the same shares. Keeps S0-37."""
    body = face.ask("long_short", symbol="BTC")
    figures = {figure.name: figure for figure in read_sentiment(store, "BTC").figures}
    pooled = {one["kind"]: one for one in body["pooled"]}
    for kind, name in (("all_accounts", "ls_accounts"), ("top_positions", "top_positions")):
        assert pooled[kind]["ratio"] == pytest.approx(figures[name].level)
        assert pooled[kind]["told_by"] == pytest.approx(figures[name].told_by)
        shares = {v["venue"]: one["pool_share"] for v in body["venues"] for one in v["ratios"] if one["kind"] == kind}
        assert shares == pytest.approx({source.venue: source.share for source in figures[name].sources})
    assert body["ratio"] == pooled["all_accounts"]["ratio"]
    assert body["long_share"] + body["short_share"] == pytest.approx(1.0)
    low, high = sorted(
        one["long_share"] for v in body["venues"] for one in v["ratios"] if one["kind"] == "all_accounts"
    )
    assert low < body["long_share"] < high


def test_history_has_the_points_that_are_asked_for(face: Face) -> None:
    """Hours of each line, oldest first; none unless asked for, and no more than 500 points."""
    assert face.ask("long_short", symbol="BTC")["history"] == []
    lines = face.ask("long_short", "hours=2", symbol="BTC")["history"]
    assert len(lines) == 3
    for line in lines:
        times = [time_ms for time_ms, _ in line["points"]]
        assert times == [ms(MINUTES - 115 + 5 * at) for at in range(24)]
        assert line["period_s"] == 300
    alone = face.ask("long_short", "hours=10", symbol=BYBIT.id)
    assert [line["instrument"] for line in alone["history"]] == [BYBIT.id]


def test_a_long_history_is_thinned_and_says_so(face: Face) -> None:
    """A month's steps are longer than the rows are apart: the last of each stays, and `truncated` says so."""
    body = face.ask("long_short", "hours=744", symbol="BTC")
    assert body["meta"]["truncated"] is True
    for line in body["history"]:
        assert len(line["points"]) <= 8
        assert line["points"][-1][0] == ms(MINUTES)


def test_the_parts_of_sentiment_sum_to_it(tmp_path: Path) -> None:
    """The index is 50 and the points of its figures; each says whose it is. Keeps S0-40."""
    store = make(tmp_path / "days.db")
    body = Face(store).ask("market_sentiment")
    told = read_sentiment(store, "BTC")
    assert told.sentiment.value is not None
    points = fsum(part["points"] for part in body["sentiment"]["contributions"])
    assert body["index"] == pytest.approx(50.0 + points) == pytest.approx(told.sentiment.value)
    assert body["label"] == told.sentiment.label
    assert [one["name"] for one in body["figures"]] == [one["name"] for one in body["sentiment"]["contributions"]]
    sources = {one["name"]: {s["venue"] for s in one["sources"]} for one in body["figures"]}
    assert sources["ls_accounts"] == {"binance", "bybit", "okx"}
    assert sources["top_positions"] == {"binance", "okx"}
    assert body["risk"] == json.loads(msgspec.json.encode(told.risk))
    assert body["instruments"] == told.instruments
    assert body["meta"]["coverage"] == told.sentiment.coverage


def test_one_contract_has_a_sentiment_of_its_own(face: Face) -> None:
    """Asked for by id it is of that venue alone; with too little of a past there is no index yet, but its figures."""
    body = face.ask("market_sentiment", f"symbol={BYBIT.id}")
    assert {s["venue"] for one in body["figures"] for s in one["sources"]} == {"bybit"}
    assert body["instruments"] == [BYBIT.id]
    assert (body["index"], body["meta"]["warming_up"]) == (None, True)


def test_a_shock_is_pushed_through_the_map(face: Face, store: Path) -> None:
    """The simulation is that of `perpscope cascade`, by the depth that is given; signs are of the price."""
    body = face.ask("cascades", "shocks_pct=-2,1.5&depth_usd=40e6")
    # less than a day is stored: liquidation at risk is not told, stops and R are
    told = read_cascade(store, "BTC", Shock(moves=(-0.02, 0.015), depth_usd=40e6))
    assert body["simulation"] == json.loads(msgspec.json.encode(told))
    assert {(one["side"], one["move_pct"]) for one in body["simulation"]["stories"]} == {("LONG", -2.0), ("SHORT", 1.5)}
    assert body["meta"]["warming_up"] is False


@pytest.mark.parametrize("query", ["shocks_pct=90&depth_usd=1000", "shocks_pct=-0.01,0.01&depth_usd=1e13"])
def test_the_thinnest_and_the_deepest_market_have_a_stop(face: Face, query: str) -> None:
    """However little or much a market takes, stops are finite prices."""
    body = face.ask("cascades", query)
    assert all(0.0 <= one["stop_price"] < 1e12 for one in body["simulation"]["stories"])


def test_without_a_day_there_is_no_simulation_and_the_body_says_so(face: Face) -> None:
    """Nothing says what the market takes: null, warming up, and why; without simulating there is nothing to await."""
    body = face.ask("cascades")
    assert body["simulation"] is None
    assert any("less than a day" in note for note in body["meta"]["notes"])
    assert face.ask("cascades", "simulate=false")["meta"]["warming_up"] is False
    with pytest.raises(ConfigError, match="ETC"):
        face.ask("cascades", "symbol=ETCX")
