"""The process that runs backtests: what it is asked it does, over a real store, and says why where it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.unit.kept_market import Market
from tests.unit.runs_made import walked

from perpscope.app.backtest_orders import Diverging, Drawing, JobPhase, Listing, Order, Step, Working
from perpscope.app.backtest_worker import done, give_way
from perpscope.app.strategies_told import Catalogue
from perpscope.settings import Settings
from perpscope.stores.runs import Runs

BTC = "BTC-USDT-PERP.BINANCE"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hours of a made-up market."""
    path = tmp_path_factory.mktemp("worker") / "m.db"
    market = Market(path, minutes=120)
    market.go_on(120)
    market.close()
    return path


def worked(store: Path, **own: object) -> tuple[Step, list[JobPhase]]:
    """The last step of an order, and the phases before it."""
    phases: list[JobPhase] = []
    order = Order(**{"strategy": "hold", "instrument": BTC, **own})  # type: ignore[arg-type]  # as each test says
    task = Working(settings=Settings(), database=str(store), order=order)
    return done(task, lambda step: phases.append(step.phase)), phases


def test_a_backtest_over_a_store_is_run_and_kept(store: Path) -> None:
    """Gathered, run, registered and kept as the command line does, with the deposit asked for."""
    step, phases = worked(store, deposit=5_000.0)
    assert step.trouble is None
    assert (step.phase, phases) == (JobPhase.DONE, [JobPhase.GATHERING, JobPhase.RUNNING])
    with Runs(store) as runs:
        run = runs.get(step.run or "")
    assert run is not None
    assert (run.summary.strategy, run.summary.deposit, run.summary.data) == ("hold", 5_000.0, "demo")
    assert run.summary.equity_error == 0.0


@pytest.mark.parametrize(
    ("own", "code"),
    [
        ({"strategy": "moon"}, "strategy-unknown"),
        ({"strategy": "magnet", "parameters": {"pull": 7.0}}, "config-value"),
        ({"strategy": "burst", "parameters": {"bars": 30.0, "volume": 2.5}}, "strategy-needs-book"),
    ],
    ids=["no-strategy", "no-value", "no-book"],
)
def test_what_cannot_be_run_says_why(store: Path, own: dict[str, object], code: str) -> None:
    """The code and the sentence are those of the command line; a strategy that needs a book answers so."""
    step, _ = worked(store, **own)
    assert step.phase is JobPhase.FAILED
    assert step.trouble is not None
    assert step.trouble.code == code


@pytest.mark.unmeasured
def test_a_kept_run_is_drawn(store: Path, tmp_path: Path) -> None:
    """Its tear sheet is written into the folder; one that is not kept is refused."""
    with Runs(store) as runs:
        run_id = runs.add(walked(minutes=2 * 1440, trades=12))
    step = done(Drawing(database=str(store), run=run_id, folder=str(tmp_path)), lambda _: None)
    assert step.run == run_id
    suffixes = {Path(file).suffix for file in step.files}
    assert suffixes >= {".html", ".json", ".png"}
    assert all(Path(file).stat().st_size > 0 for file in step.files)
    gone = done(Drawing(database=str(store), run="ffff", folder=str(tmp_path)), lambda _: None)
    assert gone.trouble is not None
    assert gone.trouble.code == "run-unknown"


def test_the_process_answers_a_line_and_ends() -> None:
    """As it is started by a face: one line in, the catalogue out; it ends when the face is gone."""
    task = msgspec.json.encode(Listing(settings=Settings()))
    command = [sys.executable, "-m", "perpscope.app.backtest_worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(task + b"\n")
        process.stdin.flush()
        step = msgspec.json.decode(process.stdout.read(), type=Step)
        assert process.wait(30) == 0
    assert msgspec.json.decode(step.told, type=Catalogue).strategies
    assert step == msgspec.structs.replace(done(Listing(settings=Settings()), lambda _: None), told=step.told)


def test_only_a_run_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page waits for takes its share of a busy machine; a run takes what is left."""
    given: list[int] = []
    monkeypatch.setattr(os, "nice", given.append)
    settings = Settings()
    give_way(Listing(settings=settings))
    give_way(Drawing(database="m.db", run="b7f3", folder="sheets"))
    give_way(Diverging(database="m.db", run="b7f3"))
    assert given == []
    give_way(Working(settings=settings, database="m.db", order=Order(strategy="hold", instrument=BTC)))
    assert given == [10]


def test_a_run_that_no_journal_has_is_not_put_beside_the_model(store: Path) -> None:
    """It says so by the code that the journals have for it."""
    step = done(Diverging(database=str(store), run="ffff"), lambda _: None)
    assert step.phase is JobPhase.FAILED
    assert step.trouble is not None
    assert step.trouble.code == "trade-run-unknown"
