"""Kept maps and the chain of snapshots in use: `map` and `heatmap` read them, `study verify-snapshots` proves them."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import structlog
from tests.contract.store_events import NOON
from tests.unit.kept_market import MINUTE, Market

from perpscope.app.liqmap import kept as map_kept
from perpscope.app.liqmap.keeper import MapKeeper
from perpscope.app.liqmap.parts import Question
from perpscope.app.liqmap.reading import read_heatmap, read_map
from perpscope.app.liqmap.snapped import snapped_heat
from perpscope.app.study.snapshots import verify_snapshots
from perpscope.cli.main import run
from perpscope.errors import ConfigError, DataError
from perpscope.model.market import Candle, Covered, Interval, Source
from perpscope.model.stream import Channel, Stream
from perpscope.settings import Map
from perpscope.stores.reader import SqliteReader
from perpscope.stores.snapshot_rows import folder_of
from perpscope.stores.snapshots import SnapshotReader, SnapshotStore
from perpscope.stores.status import StoreKind

Captured = pytest.CaptureFixture[str]
BTC = Question(name="btc")


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """The log as it was."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """An hour and a half of two venues, kept for the last hour and six minutes of it."""
    made = Market(tmp_path_factory.mktemp("kept") / "market.db")
    made.go_on(24)
    kept = MapKeeper(Map(), made.path, threading.Event())
    for _ in range(66):
        made.go_on(1)
        kept.keep()
    kept.close()
    yield made
    made.close()


def edited(market: Market, tmp_path: Path) -> Path:
    """A copy of the market's store beside a chain in which a byte of the middle row is another; its path."""
    path = tmp_path / "market.db"
    path.write_bytes(market.path.read_bytes())
    source, folder = folder_of(market.path) / "BTC", folder_of(path) / "BTC"
    folder.mkdir(parents=True)
    for file in source.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (chain,) = folder.glob("*.chain")
    lines = chain.read_bytes().splitlines(keepends=True)
    lines[5] = lines[5].replace(b'"profile":"calibrated"', b'"profile":"Calibrated"')
    chain.write_bytes(b"".join(lines))
    return path


def test_a_map_is_read_where_it_is_kept(market: Market) -> None:
    """By default the kept map, brought up to the last minute; by other options one made anew. Keeps S3-31."""
    kept, anew = read_map(market.path, BTC), read_map(market.path, Question(name="BTC", lookback_h=71.0))
    assert any("kept current by the collector, 73 h of minutes" in note for note in kept.notes)
    assert not any("kept current" in note for note in anew.notes)
    assert kept.at_ms == anew.at_ms
    assert [one.venue for one in kept.venues] == ["binance", "bybit"]
    assert {one.bars for one in kept.venues} == {90}
    assert kept.summary.total_oi_usd == pytest.approx(anew.summary.total_oi_usd)
    usd = [{(one.side, one.low): one.usd for one in found.bins} for found in (kept, anew)]
    both = sorted(usd[0].keys() & usd[1].keys())
    assert np.corrcoef([usd[0][key] for key in both], [usd[1][key] for key in both])[0, 1] > 0.95


@pytest.mark.parametrize(
    "question",
    [
        Question(name="BTC", profile="neutral"),
        Question(name="BTC", formula="seed"),
        Question(name="BTC", explained=60_000.0),
        Question(name="BTCUSDT"),
    ],
    ids=["profile", "formula", "explained", "symbol"],
)
def test_what_is_not_kept_is_made(market: Market, question: Question) -> None:
    """Another profile, formula, or a single venue's contract."""
    assert not any("kept current" in note for note in read_map(market.path, question).notes)


def test_a_heatmap_is_what_was_published(market: Market) -> None:
    """Its columns are the snapshots, to the code; at another width they are laid out anew. Keeps B10."""
    found = read_heatmap(market.path, BTC, hours=1.0, every_min=5.0)
    assert found.notes[0].startswith("columns as they were published, from the chain of snapshots")
    assert [(column.ts - NOON) // MINUTE for column in found.heatmap.columns] == list(range(35, 90, 5))
    again = snapped_heat(market.path, BTC, hours=1.0, every_min=15.0)
    assert again is not None
    assert [(column.ts - NOON) // MINUTE for column in again.columns] == [40, 55, 70, 85]
    rows = SnapshotReader(folder_of(market.path)).maps("BTC", 0, 2 * NOON)
    assert len(rows) == 14
    wide = read_heatmap(market.path, Question(name="BTC", width=1000.0), hours=1.0, every_min=5.0)
    assert wide.heatmap.usd.sum() == pytest.approx(found.heatmap.usd.sum(), rel=0.02)
    low, high, close = (np.array(column) for column in list(zip(*found.prices, strict=True))[1:])
    assert (low <= close).all()
    assert (close <= high).all()


def test_hours_the_chain_does_not_hold_are_made_anew(market: Market) -> None:
    """More hours than it has, or another profile: from the database."""
    assert snapped_heat(market.path, BTC, hours=2.0, every_min=5.0) is None
    assert snapped_heat(market.path, Question(name="BTC", profile="neutral"), hours=1.0, every_min=5.0) is None
    assert snapped_heat(market.path, Question(name="XYZ"), hours=1.0, every_min=5.0) is None


@pytest.mark.unmeasured
def test_a_chain_that_holds_is_told(market: Market, capsys: Captured) -> None:
    """Rows, span and head; and each of a sample of maps made anew is the same to the last code. Keeps B10."""
    assert run(["study", "verify-snapshots", "--recompute", "4", "--db", str(market.path)]) == 0
    told = capsys.readouterr().out
    assert "BTC      ok · 14 maps" in told
    assert told.count("made anew: same") == 4
    assert "every map is what was published" in told
    assert run(["study", "verify-snapshots", "btc", "--json", "--db", str(market.path)]) == 0
    body = json.loads(capsys.readouterr().out)
    assert (body["ok"], body["chains"][0]["maps"], body["remade"]) == (True, 14, [])
    head = body["chains"][0]["head"]
    assert run(["study", "verify-snapshots", "BTC", "--contains", head, "--db", str(market.path)]) == 0


def test_a_chain_that_does_not_is_told_row_by_row(market: Market, tmp_path: Path, capsys: Captured) -> None:
    """Which row, when, in which file; the exit code is 1, and the heatmap is not made of it. Keeps B10."""
    path = edited(market, tmp_path)
    assert run(["study", "verify-snapshots", "--db", str(path)]) == 1
    told = capsys.readouterr().out
    assert "BTC      BROKEN, 1 faults" in told
    assert "edited: row 5 is not what was written (2024-08-08 12:40) · 2024-08-08.chain" in told
    assert "NOT what was published" in told
    assert run(["study", "verify-snapshots", "BTC", "--contains", "0" * 64, "--db", str(market.path)]) == 1
    assert "no row has the hash" in capsys.readouterr().out


def test_rows_that_came_later_are_named(tmp_path: Path) -> None:
    """A candle of the past that nobody accounts for makes a difference; once its filling is told it is explained."""
    later = Market(tmp_path / "market.db")
    later.go_on(12)
    kept = MapKeeper(Map(), later.path, threading.Event())
    kept.keep()
    kept.close()
    of, sink = later.contracts[0], later.store.backfill_sink()
    ts = NOON - 30 * MINUTE
    prices = (60_000.0, 60_900.0, 59_000.0, 60_500.0)
    sink.accept(Candle(of.id, ts + 1, ts + 1, Interval.M1, ts, *prices, 90.0, None, None, None, None, is_closed=True))
    later.go_on(1)
    (differs,) = verify_snapshots(later.path, sample=1).remade
    assert (differs.outcome, differs.row) in {("differs", 0), ("same", 0)}
    streams = (Stream(Channel.CANDLES_1M, of.id),)
    span = (ts, ts + MINUTE)
    sink.accept(Covered("binance", "x", streams, *span, is_open=False, ts_recv=later.now, source=Source.BACKFILL))
    later.go_on(1)
    (explained,) = verify_snapshots(later.path, sample=1).remade
    assert explained.outcome in {"explained", "same"}
    later.close()


def test_a_map_that_knew_the_future_is_found(tmp_path: Path) -> None:
    """Snapped as of five minutes ago, but made of what came since: it differs. What comes later changes nothing."""
    market = Market(tmp_path / "market.db")
    market.go_on(31)
    kept = MapKeeper(Map(), market.path, threading.Event())
    kept.keep()
    kept.close()
    market.go_on(30)
    (honest,) = verify_snapshots(market.path, sample=1).remade
    assert honest.outcome == "same"
    known = {one.id: one for one in market.contracts}
    with SqliteReader.open(market.path) as reader:
        maps = map_kept.take_up(reader, "BTC", known)
        assert maps is not None
        map_kept.advance(reader, maps, market.now - 5 * MINUTE)
    ahead = map_kept.snapshot("BTC", maps, market.now - 10 * MINUTE, StoreKind.DEMO)
    assert ahead is not None
    with SnapshotStore.open(folder_of(market.path)) as store:
        store.append(ahead)
    found = verify_snapshots(market.path, sample=2)
    assert [one.outcome for one in found.remade] == ["same", "differs"]
    assert not found.ok
    assert all(chain.ok for chain in found.chains), "the chain itself is whole: only making it anew shows it"
    market.close()


@pytest.mark.unmeasured
def test_a_question_that_cannot_be_answered_is_refused(market: Market, tmp_path: Path) -> None:
    """No snapshots of that coin, a hash that is none, a hash of no one chain."""
    with pytest.raises(DataError, match="no map snapshots of ETH"):
        verify_snapshots(market.path, "eth")
    with pytest.raises(DataError, match="no map snapshots in"):
        verify_snapshots(tmp_path / "none.db")
    for symbol, noted in (("BTC", "12"), (None, "0" * 64), ("BTC", "g" * 64)):
        with pytest.raises(ConfigError, match="64 hexadecimal digits"):
            verify_snapshots(market.path, symbol, contains=noted)
