"""A run on paper or live becomes a run like any other, with what only such a run can tell."""

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.unit.desk_histories import BTC
from tests.unit.run_recorded import START, Market, begun, live, paper, setup_of, written
from tests.unit.test_trade_divergence import refused

from perpscope.app.risk_report import report
from perpscope.app.trade.outcome import Ended, kept, outcome
from perpscope.app.trade.recordings import of_run
from perpscope.app.trade.replaying import replayed
from perpscope.errors import DataError
from perpscope.model.order import Fill, OwnEvent, Resumed, Standing
from perpscope.model.run import RunKind
from perpscope.stores.runs import Runs
from perpscope.trading.resuming import remembered
from perpscope.trading.units import Units

MARKET = Market(4)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A paper run of four minutes."""
    return outcome([paper(tmp_path_factory.mktemp("run") / "run.perpscope", MARKET)])


def test_a_paper_run_is_measured_as_a_backtest_is(ended: Ended) -> None:
    """Trades, curve and figures add up to the last unit, under the run's own id. Keeps B11."""
    told = ended.run.summary
    assert (told.id, told.kind, told.strategy, told.path) == ("r7", RunKind.PAPER, "flipping", "events")
    assert (told.trades, told.equity_error, told.data) == (2, 0.0, "demo")
    assert [trade.why_out for trade in ended.run.trades] == ["flipped", "flipped"]
    assert told.net == pytest.approx(sum(trade.net for trade in ended.run.trades))
    assert ended.run.curve.equity[-1] == pytest.approx(10_000 + told.net)
    assert told.coverage > 0.95
    assert len(ended.run.curve.price) == len(ended.run.curve.at_ms)


def test_what_was_ordered_was_filled(ended: Ended) -> None:
    """The fill rate of the documents, and what fills cost beside the model. Keeps S4-63."""
    figures = ended.run.performance
    assert (figures["orders"], figures["fill_rate"], figures["incidents_unsettled"]) == (4.0, 1.0, 0.0)
    modelled = figures["slippage_modelled"]
    assert modelled is not None
    assert 0.0 < modelled < 10.0


def test_it_is_evidence_for_the_honesty_gate(ended: Ended) -> None:
    """The gate asks for what only paper tells, and finds it. Keeps B20."""
    told = {one.name: one for one in report(ended.run).gate}
    assert told["incidents"].is_met
    assert told["slippage"].figure is not None
    assert told["days-on-paper"].is_met is False


def test_it_is_kept_under_its_own_id(tmp_path: Path) -> None:
    """Told again it takes the place of the first; the recordings are found by the run's id, in their order."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    later = paper(folder / "a.perpscope", MARKET, begun_ms=2)
    first = paper(folder / "b.perpscope", MARKET, begun_ms=1)
    paper(folder / "c.perpscope", MARKET, run="r8")
    (folder / "d.perpscope").write_bytes(b"somebody's")
    assert of_run(folder, "r7") == [first, later]
    database = tmp_path / "market.db"
    for _ in range(2):
        kept(of_run(folder, "r8"), database, incidents=1)
    with Runs(database) as runs:
        (told,) = runs.list()
        found = runs.get("r8")
    assert told.id == "r8"
    assert found is not None
    assert found.performance["incidents_unsettled"] == 1.0
    with pytest.raises(DataError, match="holds no recording of run 'r9'"):
        of_run(folder, "r9")
    with pytest.raises(DataError, match="holds no recording of run"):
        of_run(tmp_path / "nowhere", "r7")


def left(recording: Path, **changes: object) -> Resumed:
    """What the next process of a run begins with, ten minutes after the start of the first."""
    desk, units = replayed(recording).desk, Units.of(BTC)
    account = desk[0]["account"]
    margin = int(account["margin"])
    made = Resumed(
        instrument=BTC.id,
        ts_recv=START + 600_000_000_000,
        wallet=units.amount(int(account["cash"]) + margin),
        position=units.step * int(account["size"]),
        entry_price=Decimal(repr(float(account["entry"]))),
        margin=units.amount(margin),
        ts_opened=int(account["opened_at"]),
        orders_made=int(desk[0]["orders_made"]),
        risk=remembered(desk),
    )
    return replace(made, **changes)


def second(path: Path, begin: Resumed) -> Path:
    """The recording of a run's second process."""
    told: list[OwnEvent] = [begin, Standing(ts_recv=begin.ts_recv, mode=1)]
    return paper(path, Market(3, after=10), told, begun_ms=2)


def test_a_run_of_two_processes_is_one(tmp_path: Path) -> None:
    """What was open when the first ended is closed by the second, under the next number; nothing counts twice."""
    first = paper(tmp_path / "first.perpscope", Market(3))
    begin = left(first)
    later = second(tmp_path / "second.perpscope", begin)
    run = outcome([first, later]).run
    numbers = [int(one.order.rpartition("-")[2]) for one in replayed(later).told if isinstance(one, Fill)]
    assert begin.position != 0
    assert min(numbers) > begin.orders_made
    assert (run.summary.equity_error, run.performance["fill_rate"]) == (0.0, 1.0)
    assert run.summary.net == pytest.approx(sum(trade.net for trade in run.trades), abs=1e-6)
    assert 0.3 < run.summary.coverage < 0.6


def test_what_was_closed_between_two_processes_is_a_trade(tmp_path: Path) -> None:
    """A stop that was filled while nobody looked: its loss is in the run."""
    first = paper(tmp_path / "first.perpscope", Market(3))
    begin = left(first)
    lost = replace(begin, wallet=begin.wallet - 50, position=Decimal(0), entry_price=None, margin=Decimal(0))
    run = outcome([first, second(tmp_path / "second.perpscope", lost)]).run
    (stopped,) = (trade for trade in run.trades if trade.why_out == "stop")
    assert stopped.gross == -50.0
    assert run.summary.equity_error == 0.0


def test_what_nobody_settled_counts(tmp_path: Path) -> None:
    """A position that does not agree at the end is an incident; orders that were refused are not filled."""
    recording = live(tmp_path / "run.perpscope", Market(2), 90, refused)
    run = outcome([recording]).run
    assert (run.performance["fill_rate"], run.performance["incidents_unsettled"]) == (0.0, 0.0)
    odd: list[OwnEvent] = [*begun(RunKind.LIVE), Standing(ts_recv=START + 1, mode=2, is_mismatched=True)]
    written(recording, setup_of(RunKind.LIVE), Market(2).records, odd)
    run = outcome([recording]).run
    assert (run.summary.kind, run.performance["incidents_unsettled"]) == (RunKind.LIVE, 1.0)


def test_orders_larger_than_any_may_be_are_noted(tmp_path: Path) -> None:
    """`runs show` says how many got less, and what bound them; where the exchange takes them nothing is said."""
    small = setup_of(RunKind.LIVE, instrument=replace(BTC, max_market_size=Decimal("0.001")))
    run = outcome([live(tmp_path / "small.perpscope", Market(2), 90, setup=small)]).run
    assert "2 orders were larger than the exchange takes: less was sent (bound: largest)" in run.summary.notes
    run = outcome([live(tmp_path / "usual.perpscope", Market(2), 90)]).run
    assert not [words for words in run.summary.notes if "larger" in words]


def test_a_recording_without_a_market_is_refused(tmp_path: Path) -> None:
    """There is nothing to measure."""
    empty = written(tmp_path / "run.perpscope", setup_of(RunKind.PAPER), [], begun(RunKind.PAPER))
    with pytest.raises(DataError, match="holds no market"):
        outcome([empty])
    silent = written(tmp_path / "run.perpscope", setup_of(RunKind.PAPER), [], [])
    with pytest.raises(DataError, match="holds no market"):
        outcome([silent])
