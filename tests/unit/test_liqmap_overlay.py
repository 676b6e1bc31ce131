"""`perpscope map` with what is seen of positions, and with venues of which only open interest is known.

The positions are those of the lab's Hyperliquid, asked for and decoded as a collector does.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest
import structlog
from tests.contract.store_events import NOON, heart

from perpscope.app.liqmap.answer import MapAnswer
from perpscope.app.liqmap.parts import Question
from perpscope.app.liqmap.reading import read_heatmap, read_map
from perpscope.cli.main import run
from perpscope.errors import DataError
from perpscope.lab.rehearsal import START_NS, Rehearsal
from perpscope.lab.wire.hyperliquid.accounts import MAKERS, TRADERS
from perpscope.model.instrument import Instrument, InstrumentId, instrument_id
from perpscope.model.market import Candle, Interval, MarketEvent, MarkPrice, OpenInterest, PublicPosition, Tick
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind
from perpscope.venues.hyperliquid import VENUE as HYPERLIQUID

Captured = pytest.CaptureFixture[str]
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOURS = 30
HELD = 1_000.0


def contract(venue: str) -> Instrument:
    """Bitcoin at a venue."""
    name = instrument_id(venue, "BTC", "USDT")
    return Instrument(id=name, venue=venue, symbol="BTCUSDT", base="BTC", quote="USDT")


BINANCE, BYBIT = contract("binance"), contract("bybit")


class Shown(msgspec.Struct):
    """What the lab's Hyperliquid tells of its accounts."""

    instrument: Instrument
    positions: list[PublicPosition]
    mark: float
    now: int


@pytest.fixture(scope="module")
def shown() -> Shown:
    """A minute into the market, everybody large asked once."""
    stage = Rehearsal("hyperliquid", 7, ("BTC",))
    stage.run(60.0)
    listed = HYPERLIQUID.instruments(stage.post("/info", b'{"type":"meta"}').body).instruments
    catalogue = {one.symbol: one for one in listed}
    positions: list[PublicPosition] = []
    mark = 0.0
    for account in (*MAKERS, *TRADERS):
        stage.now_s += 1.0
        body = stage.post("/info", json.dumps({"type": "clearinghouseState", "user": account}).encode()).body
        for row in json.loads(body)["assetPositions"]:
            mark = float(row["position"]["positionValue"]) / abs(float(row["position"]["szi"]))
        told = HYPERLIQUID.polled_events(f"hyperliquid/positions/{account}", body, START_NS + MINUTE, catalogue)
        positions += [event for event in told if isinstance(event, PublicPosition)]
    return Shown(catalogue["BTC"], positions, mark, START_NS + MINUTE)


def minutes(of: Instrument, shown: Shown, held: float, *, priced: bool = True) -> Iterator[MarketEvent]:
    """Each five minutes a price that ends at the lab's, and open interest that swings by the hour."""
    rng = np.random.default_rng(4)
    steps = np.cumsum(0.001 * rng.standard_normal(HOURS * 12))
    closes = shown.mark * np.exp(steps - steps[-1])
    for step, close in enumerate(closes.tolist()):
        ts = shown.now - (HOURS * 12 - step) * 5 * MINUTE + 2 * MINUTE
        if priced:
            prices = (close, close * 1.001, close * 0.999, close)
            opened = ts - ts % MINUTE
            yield Candle(of.id, ts, ts, Interval.M1, opened, *prices, 2.0, None, None, None, None, is_closed=True)
            yield MarkPrice(of.id, ts, ts, close, close, 1e-4, ts)
        amount = held * (1.0 + 0.02 * float(np.sin(step / 9.0)))
        yield OpenInterest(of.id, ts, ts, amount, None)


def stored(path: Path, shown: Shown, *events: MarketEvent) -> Path:
    """A demo store of three venues: Hyperliquid and Binance with prices, Bybit without."""
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as kept:
        kept.register([shown.instrument, BINANCE, BYBIT])
        for event in (
            *minutes(shown.instrument, shown, HELD),
            *minutes(BINANCE, shown, 4.0 * HELD),
            *minutes(BYBIT, shown, HELD, priced=False),
            *events,
        ):
            kept.sink().accept(event)
        kept.report([], heart((shown.now - NOON) / SECOND))
        kept.sink().accept(Tick(shown.now))
    return path


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """The log as it was."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def store(shown: Shown, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the lab's positions; one more that its account does not name any more, and one of an hour ago."""
    first = shown.positions[0]
    ether = InstrumentId("ETH-USDC-PERP.HYPERLIQUID")
    gone = msgspec.structs.replace(first, account="0xgone", ts_event=first.ts_event - SECOND)
    newer = msgspec.structs.replace(first, account="0xgone", instrument=ether)
    late = msgspec.structs.replace(first, account="0xlate", ts_event=shown.now - 60 * MINUTE)
    return stored(tmp_path_factory.mktemp("overlay") / "seen.db", shown, *shown.positions, gone, newer, late)


@pytest.fixture(scope="module")
def seen(store: Path) -> MapAnswer:
    """The map of it."""
    return read_map(store, Question(name="BTC", lookback_h=28.0, width=400.0))


@pytest.fixture(scope="module")
def unseen(shown: Shown, tmp_path_factory: pytest.TempPathFactory) -> MapAnswer:
    """The map of the same market without positions."""
    path = stored(tmp_path_factory.mktemp("alone") / "alone.db", shown)
    return read_map(path, Question(name="BTC", lookback_h=28.0, width=400.0))


@pytest.mark.unmeasured
def test_positions_lie_where_the_venue_would_liquidate_them(seen: MapAnswer, shown: Shown) -> None:
    """Each bin has the dollars of the positions whose liquidation price it holds. Keeps B7."""
    expected = [p for p in shown.positions if p.liquidation_price is not None]
    inside = [p for p in expected if abs(np.log((p.liquidation_price or 0.0) / shown.mark)) < 0.25]
    assert inside
    for position in inside:
        price = position.liquidation_price or 0.0
        side = position.position_side.name
        found = [b for b in seen.bins if b.side == side and b.low - 60.0 <= price <= b.high + 60.0 and b.measured_usd]
        assert found, position
    total = sum(one.measured_usd for one in seen.bins)
    assert total == pytest.approx(sum(p.size * (p.liquidation_price or 0.0) for p in inside), rel=0.01)


def test_a_map_says_what_was_measured_and_what_that_changed(seen: MapAnswer, unseen: MapAnswer, shown: Shown) -> None:
    """Coverage, age, what is out of reach, near mass, and how far ladders leant; without positions none of it."""
    (told,) = seen.measured
    size = sum(position.size for position in shown.positions)
    held = next(v.open_interest for v in seen.venues if v.venue == "hyperliquid")
    assert told.coverage == pytest.approx(size / 2.0 / held)
    assert (told.positions, told.accounts, told.left_out) == (len(shown.positions), 10, 2)
    assert told.age_ms < 60_000
    assert told.held_out is not None
    assert 0.0 < told.leaning < told.coverage
    assert told.overlap is not None
    assert any(note.startswith(f"measured {told.coverage:.0%} of hyperliquid's open interest") for note in seen.notes)
    assert unseen.measured == []
    assert sum(one.measured_usd for one in unseen.bins) == 0.0
    assert seen.summary.total_oi_usd == pytest.approx(unseen.summary.total_oi_usd)
    for found in (seen, unseen):
        held_usd = (
            sum(one.gross_usd / one.mid_price for one in found.bins) + sum(found.beyond_usd) / found.summary.price
        )
        assert held_usd == pytest.approx(2.0 * found.summary.total_oi_usd / found.summary.price, rel=0.01)


def test_a_fixed_profile_does_not_lean(store: Path) -> None:
    """Who asks for a profile gets it: positions are laid over it, and change nothing that is assumed."""
    found = read_map(store, Question(name="BTC", profile="neutral", lookback_h=4.0))
    assert found.measured[0].leaning == 0.0
    assert not any("what is assumed" in note for note in found.notes)


def test_a_baseline_and_the_past_know_no_positions(store: Path) -> None:
    """What is seen now is not laid over other people's rules, nor over columns of the past."""
    assert read_map(store, Question(name="BTC", lookback_h=8.0, formula="seed")).measured == []
    heat = read_heatmap(store, Question(name="BTC", lookback_h=4.0), hours=1.0)
    assert any("bybit: only open interest is stored" in note for note in heat.notes)


def test_a_venue_without_prices_borrows_a_shape(seen: MapAnswer, store: Path) -> None:
    """Its open interest in the shape of the venue it moves like, and the answer says so."""
    (told,) = seen.borrowed
    assert told.venue == "bybit"
    assert told.open_interest == pytest.approx(HELD, rel=0.03)
    assert told.correlation > 0.99
    assert told.changes >= 24
    assert any(note.startswith("bybit: no prices are stored, so the map of") for note in seen.notes)
    whole = sum(venue.open_interest for venue in seen.venues) + told.open_interest
    assert seen.summary.total_oi_usd == pytest.approx(whole * seen.summary.price, rel=1e-6)
    with pytest.raises(DataError, match="BTCUSDT on bybit: no price is stored"):
        read_map(store, Question(name=BYBIT.id))


def test_the_command_prints_and_draws_what_was_measured(store: Path, tmp_path: Path, capsys: Captured) -> None:
    """A note for people, fields for programs, diamonds in the picture."""
    picture = tmp_path / "map.png"
    words = ["map", "BTC", "--db", str(store), "--lookback", "4h"]
    assert run([*words, "--png", str(picture)]) == 0
    assert "note: measured" in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert run([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["measured"][0]["venue"] == "hyperliquid"
    assert {"near_factors", "coverage", "out_of_reach_share", "held_out"} <= set(told["measured"][0])
    assert max(one["measured_usd"] for one in told["bins"]) > 0.0
