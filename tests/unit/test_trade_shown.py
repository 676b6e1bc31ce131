"""What runs say of themselves where people look: `runs divergence`, `status`, figures for Prometheus."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.unit.journals_made import STAGES, kept, status
from tests.unit.run_recorded import Market, live, paper
from typer.testing import CliRunner

from perpscope.app.status import read_status
from perpscope.app.trade.divergence import of_journal
from perpscope.app.trade.replaying import replayed
from perpscope.cli.commands import app
from perpscope.cli.screen import render
from perpscope.errors import DataError
from perpscope.feeds.clock import wall_ns
from perpscope.model.exchange import TradeReport
from perpscope.model.order import Fill, OrderRequest
from perpscope.model.run import RunKind
from perpscope.settings import Settings, Trade
from perpscope.stores.journal import Journal, JournalRun, place
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind
from perpscope.web.trade_figures import trade_figures


def journalled(database: Path, recording: Path, kind: RunKind, decision_hash: str) -> None:
    """A run as its journal has it: orders, fills and its last page."""
    again = replayed(recording)
    setup = again.setup
    run = JournalRun(
        id=setup.run,
        kind=kind,
        account="test",
        strategy=setup.strategy,
        instrument=setup.instrument.id,
        parameters=setup.parameters,
        begun_ms=1,
        data="demo",
    )
    with Journal.open(place(database, kind), holder="test") as journal:
        journal.take("test", 1.0, 10.0)
        journal.begin(run)
        for number, one in enumerate(again.told):
            if isinstance(one, OrderRequest):
                journal.intend(setup.run, one)
            elif isinstance(one, Fill):
                journal.filled(setup.run, one.order, trade_of(one, number + 1))
        page = status(setup.run, at_ms=5, kind=kind, recording=str(recording), is_over=True)
        journal.report(replace(page, decision_hash=decision_hash))


def trade_of(fill: Fill, number: int) -> TradeReport:
    """A fill as a journal keeps it."""
    return TradeReport(
        trade_id=number,
        venue_id="",
        id=fill.order,
        symbol="BTCUSDT",
        side=fill.side,
        price=fill.price,
        size=fill.size,
        fee=fill.fee,
        realised=fill.fee * 0,
        is_maker=False,
        ts_event=fill.ts_event,
    )


def test_a_run_is_held_against_its_journal(tmp_path: Path) -> None:
    """Decisions by their hash, on paper fills by what was booked; to people and to programs. Keeps B11."""
    recording = paper(tmp_path / "run.perpscope", Market(3))
    database = tmp_path / "market.db"
    journalled(database, recording, RunKind.PAPER, replayed(recording).hash)
    done = CliRunner().invoke(app, ["runs", "divergence", "r7", "--db", str(database)])
    assert done.exit_code == 0
    assert "decided the same again" in done.stdout
    told = CliRunner().invoke(app, ["runs", "divergence", "r7", "--db", str(database), "--json"])
    found = msgspec.json.decode(told.stdout.splitlines()[-1])
    assert (found["is_identical"], found["whole"], found["matched"]) == (True, 0, 3)


def test_a_run_that_decides_otherwise_ends_with_1(tmp_path: Path) -> None:
    """Its recordings are found where they were moved to. Keeps B11."""
    recording = live(tmp_path / "run.perpscope", Market(2), 90)
    database = tmp_path / "market.db"
    journalled(database, recording, RunKind.LIVE, "another")
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in (recording, recording.with_suffix(".json")):
        file.rename(moved / file.name)
    words = ["runs", "divergence", "r7", "--db", str(database), "--recordings", str(moved)]
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, "DECIDED OTHERWISE" in done.stdout) == (1, True)


def test_a_run_no_journal_has_is_refused(tmp_path: Path) -> None:
    """With a name to look it up."""
    with pytest.raises(DataError) as told:
        of_journal(tmp_path / "market.db", "r9")
    assert told.value.code == "trade-run-unknown"


def test_prometheus_hears_of_runs(tmp_path: Path) -> None:
    """Each stage of what an order takes, and how the run does; one that is over is not told. Keeps B24."""
    database = tmp_path / "market.db"
    now = wall_ns() // 1_000_000
    kept(database, status(at_ms=now), status("0ver", at_ms=now, is_over=True))
    found = {}
    for family in trade_figures(database, Trade()):
        for sample in family.samples:
            found[sample.name, *sorted(sample.labels.values())] = sample.value
    run = ("7c1f09ab", "BTC-USDT-PERP.BINANCE", "PAPER", "burst")
    assert found[("perpscope_trade_running", *sorted(run))] == 1.0
    assert found[("perpscope_trade_orders_total", *sorted(run))] == 14.0
    p99 = found[("perpscope_trade_latency_seconds", *sorted([*run, "whole", "0.99"]))]
    assert p99 == pytest.approx((STAGES["whole"].p99 or 0.0) / 1e3)
    assert not [key for key in found if "0ver" in key]


def test_status_shows_the_budget(tmp_path: Path) -> None:
    """p50 and p99 of every stage beside the feeds; a run that is over says so. Keeps B24, S4-72."""
    database = tmp_path / "market.db"
    SqliteStore.open(database, kind=StoreKind.DEMO).close()
    now = wall_ns() // 1_000_000
    kept(database, status(at_ms=now), status("0ver", at_ms=now, is_over=True, latency_ms={}))
    found = read_status(database, Settings())
    assert [(run.run, run.is_running) for run in found.trading] == [("7c1f09ab", True), ("0ver", False)]
    assert found.trading[0].latency_ms["whole"] == STAGES["whole"]
    lines = [str(part) for part in render(found).renderables]
    assert any("whole 2.1/1.2e+02" in line and line.startswith("PAPER  7c1f09ab") for line in lines)
    assert any(line.endswith("0ver burst on BTC-USDT-PERP.BINANCE, over") for line in lines)
    assert read_status(database).trading == []
