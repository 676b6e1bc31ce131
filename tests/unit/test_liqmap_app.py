"""`perpscope map` and `heatmap`: from a store of several venues to bins, clusters and pictures, and what is refused."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import structlog
from tests.contract.store_events import NOON, SECOND, heart

from perpscope.app.liqmap.answer import MapAnswer, cells
from perpscope.app.liqmap.parts import Question
from perpscope.app.liqmap.reading import read_heatmap, read_map
from perpscope.cli.main import run
from perpscope.errors import ConfigError, DataError
from perpscope.model.instrument import Instrument, instrument_id
from perpscope.model.market import (
    Candle,
    Completeness,
    Covered,
    Interval,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    PositionSide,
    Sampling,
    Tick,
)
from perpscope.model.stream import Channel, Stream
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

Captured = pytest.CaptureFixture[str]
MINUTE = 60 * SECOND
#: A step of the made-up market is five minutes; a day and an hour of them.
STEPS = 25 * 12
OPEN_INTEREST = {"binance": 60_000.0, "bybit": 30_000.0, "okx": None}


def contract(venue: str, base: str = "BTC") -> Instrument:
    """A perpetual, funded each eight hours."""
    symbol = f"{base}USDT" if venue != "okx" else f"{base}-USDT-SWAP"
    name = instrument_id(venue, base, "USDT")
    return Instrument(id=name, venue=venue, symbol=symbol, base=base, quote="USDT", funding_interval_h=8.0)


CONTRACTS = [contract(venue) for venue in OPEN_INTEREST]
SILENT = contract("bybit", "ETH")


def step_of(of: Instrument, step: int, close: float, held: float | None) -> Iterator[MarketEvent]:
    """What one venue tells in five minutes; OKX tells no open interest, Bybit no quote volume and no funding."""
    ts_open = NOON + step * 5 * MINUTE
    ts = ts_open + MINUTE - SECOND
    prices = (close, close * 1.001, close * 0.999, close)
    quote = None if of.venue == "bybit" else 50.0 * close
    yield Candle(of.id, ts, ts + 1, Interval.M1, ts_open, *prices, 50.0, quote, None, None, None, is_closed=True)
    yield MarkPrice(of.id, ts, ts + 1, close * 1.0005, close, None if of.venue == "bybit" else 1e-4, ts)
    if held is not None:
        yield OpenInterest(of.id, ts, ts + 1, held * (1.0 + 0.01 * np.sin(step / 7.0)), None)
    if of.venue == "bybit" and step % 6 == 0:
        side = PositionSide.LONG if step % 12 else PositionSide.SHORT
        kind = (Completeness.COMPLETE, Sampling.NONE)
        yield Liquidation(of.id, ts - 9 * SECOND, ts, side, 2.0, None, close, *kind, venue_id=str(step))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo store of three venues."""
    path = tmp_path_factory.mktemp("map") / "market.db"
    rng = np.random.default_rng(2)
    closes = 60_000.0 * np.exp(np.cumsum(0.0015 * rng.standard_normal(STEPS)))
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as kept:
        kept.register([*CONTRACTS, SILENT])
        for of in CONTRACTS:
            for step in range(STEPS):
                for event in step_of(of, step, float(closes[step]), OPEN_INTEREST[of.venue]):
                    kept.sink().accept(event)
        last = NOON + STEPS * 5 * MINUTE
        streams = (Stream(Channel.LIQUIDATIONS, contract("bybit").id),)
        kept.sink().accept(Covered("bybit", "bybit/0", streams, NOON, last, is_open=True, ts_recv=last))
        kept.report([], heart(STEPS * 300))
        kept.sink().accept(Tick(last))
    return path


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """The log as it was."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def day(store: Path) -> MapAnswer:
    """The map of the whole store."""
    return read_map(store, Question(name="btc", lookback_h=25.0))


def test_a_map_is_of_all_venues_by_their_open_interest(day: MapAnswer) -> None:
    """Both venues that tell it, in dollars of it; who tells none is named. Keeps S3-01, S3-15, S3-16, S3-19, S3-34."""
    assert [told.venue for told in day.venues] == ["binance", "bybit"]
    assert day.summary.total_oi_usd == pytest.approx(90_000.0 * day.summary.price, rel=0.02)
    assert day.summary.low < day.summary.price < day.summary.high
    assert day.summary.funding_8h == pytest.approx(1e-4)
    assert any("BTC-USDT-SWAP on okx: no open interest" in note for note in day.notes)
    assert day.data is StoreKind.DEMO
    assert day.basis == "estimated"
    assert day.from_ms == pytest.approx(NOON // 10**6, abs=16 * 60_000)


def test_bins_are_sorted_and_hold_no_more_than_open_interest(day: MapAnswer) -> None:
    """By price, with status and intensity; what is forced is less than what is held. Keeps S3-04, S3-36, B4."""
    mids = [one.mid_price for one in day.bins]
    assert mids == sorted(mids)
    assert max(one.intensity for one in day.bins) == pytest.approx(1.0)
    assert {one.status for one in day.bins} <= {"ACTIVE", "PARTIAL", "CLEARED", "EMPTY"}
    for side, beyond in (("LONG", day.beyond_usd[0]), ("SHORT", day.beyond_usd[1])):
        mine = [one for one in day.bins if one.side == side]
        assert sum(one.usd for one in mine) < sum(one.gross_usd for one in mine)
        held = sum(one.gross_usd / one.mid_price for one in mine) + beyond / day.summary.price
        assert held <= day.summary.total_oi_usd / day.summary.price * 1.001


def test_a_map_says_what_it_rests_on(day: MapAnswer) -> None:
    """What was seen of each venue, what was learnt, and that it is an estimate. Keeps S0-05."""
    binance, bybit = day.venues
    assert binance.open_interest_share == pytest.approx(1.0)
    assert binance.liquidations_share == 0.0
    assert bybit.liquidations_share > 0.95
    assert sum(model.weight for model in bybit.models) == pytest.approx(1.0)
    assert all(one.low <= one.high for one in bybit.learned)
    assert max(one.passed for one in bybit.learned) > 0.0
    assert max(one.passed for one in binance.learned) == 0.0
    assert bybit.tiers_quality == "assumed"
    assert any("binance: 0% of its liquidations" in note for note in day.notes)
    assert any(note.startswith("an estimate") for note in day.notes)
    assert day.direction.low <= day.direction.balance <= day.direction.high


@pytest.mark.parametrize("formula", ["seed", "public"])
def test_baselines_fill_the_same_bins(store: Path, formula: str) -> None:
    """The documents' formula and another's rule over the same data, labelled as baselines."""
    profile = "dynamic" if formula == "public" else "calibrated"
    found = read_map(store, Question(name="BTC", lookback_h=8.0, formula=formula, profile=profile))
    assert found.formula == formula
    assert sum(one.usd for one in found.bins) > 0.0
    assert any("open interest is not conserved" in note for note in found.notes)
    assert any(note.startswith("warm-up") for note in found.notes)


def test_a_bin_can_be_explained(store: Path) -> None:
    """Entries with time, guess, class and tier, which sum to the bin. Keeps B17."""
    plain = read_map(store, Question(name="BTCUSDT", lookback_h=3.0, horizon_min=0.0, width=200.0))
    below = max((one for one in plain.bins if one.side == "LONG"), key=lambda one: one.usd)
    found = read_map(
        store, Question(name="BTCUSDT", lookback_h=3.0, horizon_min=0.0, width=200.0, explained=below.mid_price)
    )
    told = found.explanation
    assert told is not None
    assert (told.low, told.high) == (below.low, below.high)
    assert sum(part.forced for part in told.parts) == pytest.approx(told.forced)
    assert {part.inflow for part in told.parts} <= {"oi_flow", "hot_zone", "vwap"}


def test_a_heatmap_knows_only_what_came_before(store: Path) -> None:
    """Columns at their moments over common bins; the last one is the map of then. Keeps S3-40."""
    question = Question(name="BTC", lookback_h=4.0)
    found = read_heatmap(store, question, hours=2.0, every_min=30.0)
    told = cells(found)
    assert told["usd"].shape == (4, told["edges"].size - 1)
    assert (np.diff(told["time_ms"]) == 30 * 60_000).all()
    assert (told["usd"].sum(axis=1) > 0.0).all()
    assert found.venues == ["binance", "bybit"]
    assert len(found.prices) == 4


@pytest.mark.parametrize(
    ("question", "says"),
    [
        pytest.param(Question(name="BTC", profile="neutrl"), "--profile neutrl is none", id="profile"),
        pytest.param(Question(name="BTC", profile="???"), "is none of", id="no-profile-like-it"),
        pytest.param(Question(name="BTC", formula="x"), "--formula x is none", id="formula"),
        pytest.param(Question(name="BTC", lookback_h=0.0), "--lookback 0 must be 1 or more", id="lookback"),
        pytest.param(Question(name="BTC", horizon_min=-1.0), "--horizon -1 must", id="horizon"),
        pytest.param(Question(name="BTC", top=0), "--top 0 must", id="top"),
        pytest.param(Question(name="BTC", width=-500.0), "--width -500 must be above 0", id="negative-bins"),
        pytest.param(Question(name="BTC", prices=(0.0,)), "a price of 0 must", id="price"),
        pytest.param(Question(name="BTC", moves=(-1.0,)), "--at -100% must", id="move"),
        pytest.param(Question(name="BTC", explained=-1.0), "a price of -1 must", id="explained"),
        pytest.param(Question(name="BTX"), "nothing is stored of a perpetual 'BTX'", id="symbol"),
    ],
)
def test_what_cannot_be_made_is_refused(store: Path, question: Question, says: str) -> None:
    """The flag, its value and the rule are named, before anything is read."""
    with pytest.raises(ConfigError, match=says):
        read_map(store, question)


def test_too_little_data_is_named(store: Path, tmp_path: Path) -> None:
    """A contract without prices, a store without anything, a heatmap without room."""
    with pytest.raises(DataError, match="ETHUSDT on bybit: no price is stored") as caught:
        read_map(store, Question(name="ETH"))
    assert caught.value.code == "map-too-little"
    with closing(SqliteStore.open(tmp_path / "empty.db", kind=StoreKind.OBSERVED)):
        pass
    with pytest.raises(ConfigError, match="nothing is stored"):
        read_map(tmp_path / "empty.db", Question(name="BTC"))
    with pytest.raises(ConfigError, match="--every 1 at least 5"):
        read_heatmap(store, Question(name="BTC"), every_min=1.0)
    with pytest.raises(DataError, match="common hours are too few"):
        read_map(store, Question(name="BTC", lookback_h=2.0, formula="public"))


def test_the_command_prints_a_map(store: Path, tmp_path: Path, capsys: Captured) -> None:
    """In 80 columns with its label, or as one JSON object; and a picture. Keeps S3-35."""
    picture = tmp_path / "map.png"
    words = ["map", "BTC", "--db", str(store), "--lookback", "3h", "--at", "−2%", "--at", "50,000"]
    assert run([*words, "--png", str(picture), "--explain", "57000"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("DEMO DATA: no real market\nBTC perp ")
    assert "ESTIMATE · formula method" in out
    assert "if price falls 2 % to" in out
    assert "descriptive, no forecast" in out
    assert "longs at" in out
    lines = [line for line in out.splitlines() if not line.startswith(("note", " ", "if", "longs"))]
    assert max(map(len, lines)) <= 80
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert run([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"summary", "direction", "bins", "clusters", "what_if", "venues", "notes"} <= set(told)
    assert told["direction"]["bias"] in {"UP", "DOWN", "UNBIASED"}


def test_the_command_prints_a_heatmap(store: Path, tmp_path: Path, capsys: Captured) -> None:
    """Its size and brightest bin, its cells as JSON, and a picture."""
    picture = tmp_path / "heat.png"
    words = ["heatmap", "BTC", "--db", str(store), "--lookback", "3h", "--hours", "1", "--every", "20"]
    assert run([*words, "--png", str(picture)]) == 0
    assert "3 columns × " in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert run([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["usd"]) == len(told["time_ms"]) == 3
    assert len(told["usd"][0]) == len(told["edges"]) - 1
    assert told["basis"] == "estimated"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["map", "BTC", "--lookback", "soon"], "--lookback 'soon' is no length", id="lookback"),
        pytest.param(["map", "BTC", "--at", "moon"], "--at 'moon' is no price", id="at"),
        pytest.param(["map", "BTC", "--width", "-500"], "--width -500 must be above 0", id="width"),
        pytest.param(
            ["heatmap", "BTC", "--hours", "0.1", "--png", "x.png", "--lookback", "2h"], "two columns", id="picture"
        ),
    ],
)
def test_wrong_words_are_answered_by_name(store: Path, words: list[str], says: str, capsys: Captured) -> None:
    """Exit code 2 and the value that was wrong."""
    assert run([*words, "--db", str(store)]) == 2
    assert says in capsys.readouterr().err
