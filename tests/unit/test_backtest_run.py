"""A run: reproducible to its hash, the same on both paths, refused where the data do not tell what it needs."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pytest
from tests.unit.backtest_data import (
    BEGIN_MS,
    SWINGING,
    Swinging,
    book_row,
    candle_file,
    context_row,
    funding_file,
    material_of,
    trade_row,
    write_rows,
)

from perpscope.app import strategies
from perpscope.app.backtest import clusters, played, shared, sweep
from perpscope.app.backtest.asking import Asked
from perpscope.app.backtest.asking import Path as Route
from perpscope.app.backtest.comparing import compared
from perpscope.app.backtest.derived import candles_in, minutes_of, with_derived
from perpscope.app.backtest.gather import gathered
from perpscope.app.backtest.keeping import kept
from perpscope.app.backtest.material import Material
from perpscope.app.backtest.ordering import Order, ordered
from perpscope.app.backtest.outcome import equity_error
from perpscope.app.backtest.played import Setup, differences, pace_of, play, refuse_differences
from perpscope.app.backtest.points import best_of, edges_of, point, points_of, yearly
from perpscope.app.backtest.run import backtest
from perpscope.app.backtest.walk_forward import walked
from perpscope.errors import ConfigError, DataError, StoreError, TooLittle
from perpscope.model.market import BookSnapshot, Candle, Trade
from perpscope.model.order import Clusters
from perpscope.model.run import Run, Verdict
from perpscope.settings import Risk, Settings
from perpscope.stores.runs import Runs
from perpscope.stores.trials import Trials
from perpscope.trading.layout import MONEY
from perpscope.trading.strategy import Needs, Strategy

SETTINGS = Settings()
MINUTE_NS = 60_000_000_000
ROUTES: Final[tuple[Route, ...]] = ("compiled", "events")
#: Enough for six parts of half a day, in few candles.
LONG: Final = {"count": 600, "minutes": 8}
SHORT_GRID: Final = msgspec.structs.replace(SWINGING, grid={"every": (5.0, 7.0)})


@pytest.fixture
def material(tmp_path: Path) -> Material:
    """Some four hours of a walk."""
    return material_of(tmp_path)


def swung(material: Material, **more: float) -> Run:
    """A run of the swinging strategy."""
    return backtest(SWINGING, Swinging(**more), material, SETTINGS)


def hasty(material: Material, path: Route) -> Run:
    """A run that enters each third minute."""
    return backtest(SWINGING, Swinging(every=3.0, held=1.0), material, SETTINGS, path=path)


def rows_material(folder: Path, minutes: int = 12) -> Material:
    """Trades, books and contexts of some minutes."""
    draw = np.random.default_rng(3)
    mids = 60_000.0 + np.cumsum(np.rint(draw.normal(0.0, 4.0, minutes * 60)))
    trades = [
        trade_row(n * 1000 + 300, mid + 0.5 * (-1) ** n, 0.01 * (n % 7 + 1), "BA"[n % 2]) for n, mid in enumerate(mids)
    ]
    write_rows(folder / "hyperliquid_btc_t.jsonl.gz", trades)
    write_rows(folder / "hyperliquid_btc_b.jsonl.gz", [book_row(n * 2000, mids[2 * n]) for n in range(minutes * 30)])
    contexts = [context_row(n * 10_000, mids[10 * n]) for n in range(minutes * 6)]
    write_rows(folder / "hyperliquid_btc_c.jsonl.gz", contexts)
    return gathered(sorted(folder.glob("hyperliquid_btc_?.jsonl.gz")), Asked(needs=Needs.BOOK), database=None)


# reproducible ------------------------------------------------------------------------------------------------------


def test_the_same_run_twice_has_one_hash(material: Material) -> None:
    """Whatever is not in it: the moment it was made. Another seed, parameter or cost is another run."""
    one, again = swung(material), swung(material)
    assert one.summary.trades >= 20
    assert one.summary.hash == again.summary.hash
    assert one.trades == again.trades
    assert one.curve == again.curve
    own = msgspec.structs.replace(SETTINGS, costs=msgspec.structs.replace(SETTINGS.costs, spread_bps=9.0))
    others = [
        swung(material, stop=0.02),
        backtest(SWINGING, Swinging(), material, SETTINGS, seed=2),
        backtest(SWINGING, Swinging(), material, own),
    ]
    assert len({run.summary.hash for run in (one, *others)}) == 4


def test_both_paths_are_one_run(material: Material, tmp_path: Path) -> None:
    """Compiled loops and events decide and fill alike, on candles, and on books and trades."""
    for market in (material, rows_material(tmp_path)):
        runs = [hasty(market, path) for path in ROUTES]
        assert runs[0].summary.trades >= 2
        assert runs[0].summary.hash == runs[1].summary.hash
        assert runs[0].trades == runs[1].trades
        assert runs[0].curve == runs[1].curve
    both = backtest(SWINGING, Swinging(), material, SETTINGS, path="both")
    assert "compiled and by events: the same decisions and fills" in both.summary.notes


def test_paths_that_differ_are_refused(material: Material) -> None:
    """The first difference is named, and nothing is answered."""
    setup = Setup(strategy=SWINGING, parameters=Swinging(), material=material, settings=SETTINGS)
    logs = play(setup, "compiled").logs
    assert differences(logs, logs) is None
    fills = logs.fills.copy()
    fills["price"][1] += 1
    with pytest.raises(DataError, match="fill 2: price is") as caught:
        refuse_differences(logs, msgspec.structs.replace(logs, fills=fills))
    assert caught.value.code == "backtest-paths-differ"
    fewer = msgspec.structs.replace(logs, decisions=logs.decisions[:-1])
    assert "decisions compiled and" in str(differences(logs, fewer))


# what it came to ---------------------------------------------------------------------------------------------------


def test_money_adds_up(material: Material) -> None:
    """Net is gross less fees and funding, trade by trade and in all, and equals what equity moved. Keeps B23."""
    run = swung(material)
    told = run.summary
    assert told.equity_error == 0.0
    for trade in run.trades:
        assert trade.net == pytest.approx(trade.gross - trade.fees - trade.funding, abs=1e-9)
    assert told.net == pytest.approx(told.gross - told.fees - told.funding, abs=1e-6)
    assert told.net == pytest.approx(sum(trade.net for trade in run.trades), abs=1e-6)
    assert told.fees == pytest.approx(sum(trade.fees for trade in run.trades), abs=1e-6)
    assert told.net == pytest.approx(run.curve.equity[-1] - told.deposit, abs=1e-6)
    assert told.wins == sum(trade.net > 0.0 for trade in run.trades)
    assert told.win_low is not None
    assert told.win_high is not None
    assert told.win_low <= told.wins / told.trades <= told.win_high
    assert told.near_misses["turn"] > 100


def test_funding_is_charged_to_what_is_held(tmp_path: Path) -> None:
    """A long position pays the rate on its notional at each settlement. Keeps B23."""
    times = [BEGIN_MS + hour * 3_600_000 for hour in (1, 2, 3)]
    funding_file(tmp_path, times, 0.001)
    candle_file(tmp_path, 240, step=0.0001)
    market = gathered([tmp_path], Asked(), database=None)
    hold = strategies.find("hold")
    run = backtest(hold, hold.parameters(), market, SETTINGS)
    (trade,) = run.trades
    assert trade.why_out == "open-at-end"
    assert trade.funding == pytest.approx(3 * 0.001 * trade.size * trade.entry, rel=0.02)
    assert run.summary.funding == pytest.approx(trade.funding, abs=1e-9)
    assert any("open at the end" in note for note in run.summary.notes)


def test_assumptions_stand_in_the_notes(material: Material) -> None:
    """Contract, fees, tiers, delay and the order within candles. Keeps B23."""
    notes = "\n".join(swung(material).summary.notes)
    wanted = ("contract of BTCUSDT", "fees:", "margin tiers", "data_delay_ms", "adverse extreme", "no funding rates")
    assert [words for words in wanted if words not in notes] == []


def test_the_documents_own_profile_is_warned_of(material: Material) -> None:
    """With profile seed the red warnings go with the run, and its deposit is the documents'. Keeps B20."""
    own = msgspec.structs.replace(SETTINGS, risk=Risk(profile="seed"))
    run = backtest(SWINGING, Swinging(stop=0.05), material, own)
    assert run.summary.deposit == pytest.approx(100_000 / 1400.0)
    assert any("cannot be opened" in note for note in run.summary.notes)
    assert run.economics


def test_books_that_come_late_by_nature_are_said(tmp_path: Path) -> None:
    """Books every two seconds and marks every ten are late only when the next is due."""
    market = rows_material(tmp_path)
    assert pace_of(market.tape) == {"mark": 10_000_000_000, "book": 2_000_000_000}
    run = backtest(SWINGING, Swinging(every=3.0, held=1.0), market, SETTINGS)
    assert any("books are told every 2 s" in note for note in run.summary.notes)


# what it needs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("need", "code", "words"),
    [
        (Needs.BOOK, "strategy-needs-book", "they hold candles"),
        (Needs.TRADES, "strategy-needs-trades", "they hold candles"),
        (Needs.FORECAST, "strategy-needs-forecast", "they hold candles"),
    ],
    ids=["book", "trades", "forecast"],
)
def test_a_strategy_says_what_it_needs(material: Material, need: Needs, code: str, words: str) -> None:
    """What is missing, what the data hold instead, and what would help."""
    needy = msgspec.structs.replace(SWINGING, needs=Needs.CANDLES | need)
    with pytest.raises(ConfigError, match=words) as caught:
        backtest(needy, Swinging(), material, SETTINGS)
    assert caught.value.code == code
    assert caught.value.exit_code == 2
    assert caught.value.hint is not None


def test_burst_on_candles_alone_answers_so() -> None:
    """The shipped strategy that looks at the book says that it does."""
    assert Needs.BOOK in strategies.find("burst").needs


# the map -----------------------------------------------------------------------------------------------------------


def test_clusters_come_after_the_candle_that_made_them(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is asked at that candle has not seen them; their making is a note."""

    def every_fifth(candles: list[Candle], *more: object) -> list[Clusters]:
        assert more == (material.instrument, [], material.tiers)
        listed = list(candles)
        return [Clusters(material.instrument.id, c.ts_recv, 1.0, 2.0, None, 0.0, 0.1) for c in listed[4::5]]

    monkeypatch.setattr(clusters, "clusters", every_fifth)
    assert with_derived(material, SWINGING) is material
    looking = msgspec.structs.replace(SWINGING, needs=Needs.CANDLES | Needs.MAP)
    whole = with_derived(material, looking)
    events = list(whole.events())
    made = [at for at, event in enumerate(events) if isinstance(event, Clusters)]
    assert len(made) == 50
    for at in made:
        before = events[at - 1]
        assert isinstance(before, Candle)
        assert before.ts_recv == events[at].ts_recv
    assert whole.data_hash != material.data_hash
    assert any("50 states" in note for note in whole.notes)


def test_candles_are_made_of_trades_where_none_come(tmp_path: Path) -> None:
    """First, highest, lowest and last trade of each minute, and what takers bought."""
    rows = [(0, 100.0, 1.0, "B"), (30_000, 104.0, 2.0, "A"), (59_000, 99.0, 1.0, "B"), (130_000, 101.0, 3.0, "A")]
    path = write_rows(tmp_path / "hyperliquid_btc_t.jsonl.gz", [trade_row(*row) for row in rows])
    market = gathered([path], Asked(), database=None)
    bars = minutes_of(market.tape)
    begin = BEGIN_MS * 1_000_000
    assert bars.ts_open.tolist() == [begin, begin + 2 * MINUTE_NS]
    assert [bars.open[0], bars.high[0], bars.low[0], bars.close[0]] == [100.0, 104.0, 99.0, 99.0]
    assert (bars.volume.tolist(), bars.taker_buy.tolist()) == ([4.0, 3.0], [2.0, 0.0])
    assert [candle.ts_open for candle in candles_in(market)] == bars.ts_open.tolist()
    empty = shared.cut(market, 0, 1)
    assert len(minutes_of(empty.tape)) == 0


# grids -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def known_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks find the test's strategy by its name."""

    def find(name: str, _: Settings | None = None) -> Strategy:
        assert name == "swinging"
        return SWINGING

    monkeypatch.setattr("perpscope.app.backtest.sweep.strategies.find", find)


def order_of(folder: Path, **more: object) -> Order:
    """What the command line would ask for."""
    return Order(
        strategy=SWINGING,
        named="swinging",
        parameters=Swinging(),
        settings=SETTINGS,
        data=[candle_file(folder, 120)],
        asked=Asked(),
        store=folder / "m.db",
        **more,  # type: ignore[arg-type]  # its other fields
    )


def test_a_grid_is_every_combination() -> None:
    """What the grid does not name stays as it was given."""
    found = points_of(SWINGING, Swinging(stop=0.02))
    assert [(p.every, p.held, p.stop) for p in found] == [  # type: ignore[attr-defined]  # they are Swinging
        (5.0, 2.0, 0.02),
        (5.0, 3.0, 0.02),
        (7.0, 2.0, 0.02),
        (7.0, 3.0, 0.02),
    ]


@pytest.mark.usefixtures("known_here")
def test_a_sweep_counts_every_point_as_a_trial(tmp_path: Path) -> None:
    """Each is registered, the best is shown as chosen on these data, and again it is no further trial."""
    said: list[str] = []
    with ThreadPoolExecutor(2) as executor:
        made = ordered(order_of(tmp_path, way="sweep"), announce=said.append, executor=executor)
        ordered(order_of(tmp_path, way="sweep"), executor=executor)
    assert made.swept is not None
    assert len(made.swept.points) == 4
    assert made.run.trials == 4
    assert made.run.summary.verdict is not Verdict.HOLDS
    assert made.swept.best.hash == made.run.summary.hash
    ratios = [p.sharpe for p in made.swept.points if p.sharpe is not None]
    assert made.swept.best.sharpe == max(ratios)
    told = made.told()
    assert len(told["points"]) == 4
    assert told["trials"] == 4
    assert said
    with Trials(tmp_path / "m.db") as trials:
        assert trials.count("swinging", made.run.summary.data_hash) == 4
        assert trials.fault() is None
    alone = ordered(order_of(tmp_path))
    assert alone.run.trials == 5
    with Runs(tmp_path / "m.db") as runs:
        assert {told.id for told in runs.list()} == {made.run.summary.id, alone.run.summary.id}


@pytest.mark.usefixtures("known_here")
def test_a_point_of_a_sweep_is_the_run_of_its_parameters(material: Material) -> None:
    """Whatever process it is run in, on columns that are mapped from files."""
    setup = Setup(strategy=SWINGING, parameters=Swinging(), material=material, settings=SETTINGS)
    with ThreadPoolExecutor(1) as executor:
        found = sweep.points(setup, "swinging", executor=executor, processes=1)
    for one in found:
        run = swung(material, **one.parameters)
        assert one.hash == run.summary.hash
        assert one.net == pytest.approx(run.summary.net, abs=1e-6)
        assert one.trades == run.summary.trades
        assert float(np.prod(1.0 + np.array(one.returns))) - 1.0 == pytest.approx(run.summary.net / 10_000.0, abs=1e-9)


@pytest.mark.usefixtures("known_here")
def test_walking_forward_learns_from_the_past_alone(tmp_path: Path) -> None:
    """Parameters of a fold are the best of what came an hour before it, and the folds are one run."""
    order = order_of(tmp_path, way="walk-forward")
    order = msgspec.structs.replace(order, strategy=SHORT_GRID, data=[candle_file(tmp_path, **LONG)])
    with ThreadPoolExecutor(1) as executor:
        made = ordered(order, executor=executor)
    steps = made.walked
    assert steps is not None
    assert len(steps.folds) == 5
    for before, fold in zip(steps.folds, steps.folds[1:], strict=False):
        assert before.to_ms == fold.from_ms
    assert all(fold.learnt_until_ms == fold.from_ms - 3_600_000 for fold in steps.folds)
    assert sum(fold.net for fold in steps.folds) == pytest.approx(made.run.summary.net, abs=1e-6)
    assert sum(fold.trades for fold in steps.folds) == made.run.summary.trades
    assert made.run.summary.from_ms == steps.folds[0].from_ms
    assert made.run.summary.equity_error == 0.0
    chosen = [fold for fold in steps.folds if fold.is_chosen]
    assert len(chosen) >= 3
    assert len(made.told()["folds"]) == 5
    for fold in chosen:
        until = int(np.searchsorted(edges_of(*span(order)), fold.learnt_until_ms * 1_000_000, side="right")) - 1
        ratios = {
            msgspec.json.encode(p.parameters): yearly(np.array(p.returns[:until]), *span(order))
            for p in steps.points
            if sum(opened < fold.learnt_until_ms * 1_000_000 for opened in p.opened_ns) >= 10
        }
        assert ratios[msgspec.json.encode(fold.parameters)] == max(r for r in ratios.values() if r is not None)


def span(order: Order) -> tuple[int, int]:
    """The time of an order's data, ns."""
    found = gathered(order.data, order.asked, database=None)
    return found.from_ns, found.to_ns


@pytest.mark.unmeasured
@pytest.mark.usefixtures("known_here")
def test_what_comes_later_does_not_change_a_fold(tmp_path: Path) -> None:
    """Prices after a fold are other prices: what was chosen for it, and what it earned, stays."""
    whole = material_of(tmp_path, **LONG)
    tape = whole.tape
    at = int(np.searchsorted(tape.ts_recv, whole.from_ns + (whole.to_ns - whole.from_ns) // 2))
    candles = tape.tables.candles.copy()
    candles[at:, :4] *= 1.2
    other = msgspec.structs.replace(
        whole, tape=msgspec.structs.replace(tape, tables=tape.tables._replace(candles=candles)), data_hash="other"
    )
    found = []
    with ThreadPoolExecutor(1) as executor, Trials(tmp_path / "m.db") as trials:
        for market in (whole, other):
            setup = Setup(strategy=SHORT_GRID, parameters=Swinging(), material=market, settings=SETTINGS)
            found.append(walked(setup, "swinging", trials, executor=executor))
    half = [[fold for fold in steps.folds if fold.to_ms <= BEGIN_MS + 2400 * 60_000] for steps in found]
    assert half[0]
    assert half[0] == half[1]
    assert found[0].folds[-1] != found[1].folds[-1]


@pytest.mark.usefixtures("known_here")
def test_grids_are_refused_where_there_is_none(material: Material, tmp_path: Path) -> None:
    """No grid, too little time, no room on the disk. Keeps B23."""
    bare = msgspec.structs.replace(SWINGING, grid={})
    setup = Setup(strategy=bare, parameters=Swinging(), material=material, settings=SETTINGS)
    with pytest.raises(ConfigError) as caught:
        sweep.points(setup, "swinging")
    assert caught.value.code == "strategy-no-grid"
    setup = msgspec.structs.replace(setup, strategy=SWINGING)
    with Trials(tmp_path / "m.db") as trials, pytest.raises(TooLittle) as little:
        walked(setup, "swinging", trials)
    assert little.value.code == "backtest-too-little"


def test_a_full_disk_ends_a_sweep_in_words(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    """The columns find no room: an error of ours, with what helps."""

    def full(*_: object) -> Material:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shared, "left", full)
    setup = Setup(strategy=SWINGING, parameters=Swinging(), material=material, settings=SETTINGS)
    with pytest.raises(StoreError, match="No space left") as caught:
        sweep.points(setup, "swinging")
    assert caught.value.code == "output-folder"


def test_the_best_point_has_traded(material: Material) -> None:
    """A point that hardly traded is not chosen, however good it looks; of none nothing is."""
    setup = Setup(strategy=SWINGING, parameters=Swinging(), material=material, settings=SETTINGS)
    often = point(setup)
    lucky = msgspec.structs.replace(often, trades=1, sharpe=99.0)
    assert best_of([lucky, often], 10) is often
    assert best_of([lucky], 10) is None
    assert best_of([msgspec.structs.replace(often, sharpe=None)], 0) is None
    assert yearly(np.zeros(5), 0, 10**18) is None


def test_a_part_of_a_tape_stands_on_the_book_before_it(tmp_path: Path) -> None:
    """Cut out of the middle it begins with the last book, and its events are those of its rows."""
    market = rows_material(tmp_path)
    start, stop = market.from_ns + 5 * MINUTE_NS, market.from_ns + 9 * MINUTE_NS
    part = shared.cut(market, start, stop)
    assert (part.from_ns, part.to_ns) == (start, stop)
    events = list(part.events())
    assert isinstance(events[0], BookSnapshot)
    trades = [event for event in events if isinstance(event, Trade)]
    assert len(trades) == part.tape.tables.trades.shape[0] == 240
    assert trades[0].price == part.tape.tables.trades[0, 0]
    runs = [hasty(part, path) for path in ROUTES]
    assert runs[0].summary.hash == runs[1].summary.hash
    (tmp_path / "left").mkdir()
    again = shared.found(shared.left(part, tmp_path / "left"), tmp_path / "left")
    assert again.tape.sha256 == part.tape.sha256
    assert list(again.events()) == []


# kept --------------------------------------------------------------------------------------------------------------


def test_a_run_is_kept_with_its_trial(material: Material, tmp_path: Path) -> None:
    """Under the first letters of its hash; a run of other parameters is judged as the second trial."""
    store = tmp_path / "m.db"
    one = kept(SWINGING, Swinging(), material, SETTINGS, store)
    two = kept(SWINGING, Swinging(every=9.0), material, SETTINGS, store, path="both", seed=3)
    assert (one.trials, two.trials) == (1, 2)
    assert one.summary.hash.startswith(one.summary.id)
    with Runs(store) as runs:
        assert runs.get(one.summary.id) == one
    found = compared(one, two)
    assert not found.is_same
    assert "seed" in found.words
    assert "parameter every" in found.words
    assert compared(one, one).is_same
    assert compared(one, one).rows == []
    alike = msgspec.structs.replace(one, summary=msgspec.structs.replace(one.summary, hash="ff" * 32))
    assert "other limits or costs" in compared(one, alike).words


def test_equity_that_does_not_add_up_is_told(material: Material) -> None:
    """The identity is reckoned from the account's own columns, not assumed. Keeps B23."""
    setup = Setup(strategy=SWINGING, parameters=Swinging(), material=material, settings=SETTINGS)
    account = play(setup, "compiled").desk.view(np.ndarray)[0]["account"]
    assert equity_error(account) == 0.0
    account["cash"] += MONEY
    assert equity_error(account) == 1.0
    assert played.limits_of(setup).risk == SETTINGS.risk
