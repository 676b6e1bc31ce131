"""`study train`: purged folds, no look-ahead, honest scores, and a verdict printed as it is."""

import csv
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.unit.made_minutes import START_NS, minutes
from typer.testing import CliRunner

from perpscope.analytics.features.made import features
from perpscope.analytics.features.raw import FEATURES
from perpscope.analytics.features.told import MINUTE_NS, Told
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.models.calibration import Calibration
from perpscope.analytics.models.logistic import OnlineLogistic
from perpscope.analytics.models.scores import Gain, auc
from perpscope.app.inference import onnx
from perpscope.app.inference.manifest import load
from perpscope.app.inference.opinions import Model
from perpscope.app.study import train_models, train_rows, train_rule
from perpscope.app.study.train import Asked, TrainAnswer, study_train
from perpscope.app.study.train_files import read_markets
from perpscope.app.study.train_folds import EMBARGO_NS, PURGE_NS, Fold, folds, whole
from perpscope.app.study.train_kept import Keeping, keep
from perpscope.app.study.train_rows import Rows, refuse_look_ahead, rows_of
from perpscope.app.study.train_rule import NEVER, Payoffs
from perpscope.app.study.train_scores import Month, Scores, SideScores
from perpscope.app.study.train_verdict import Rule, checks, sentence
from perpscope.cli.commands import app
from perpscope.errors import ConfigError, DataError, PerpscopeError, TooLittle
from perpscope.stores.trials import Trials
from perpscope.trading.labels import HORIZON, Costs

pytest.importorskip("lightgbm")
DAYS = 2.6


def write(path: Path, count: int, seed: int = 1, length_min: int = 1) -> Path:
    """A file of candles of a market that wanders."""
    told = minutes(count, seed=seed, stale=0.0, spread=2e-3)
    close = told.column("close")
    opens = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(opens, close) * 1.0005, np.minimum(opens, close) * 0.9995
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["date", "open", "high", "low", "close", "volume"])
        for at in range(count):
            ts = START_NS // 10**9 + 60 * length_min * at
            when = datetime.fromtimestamp(ts, UTC).isoformat()
            out.writerow([when, opens[at], high[at], low[at], close[at], told.column("volume")[at]])
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two coins of a venue in a folder that says which, and a file that is none of ours."""
    made = tmp_path_factory.mktemp("binance_1m")
    write(made / "BTC_USDT_USDT-1m-futures.csv", round(DAYS * 1440))
    write(made / "ETHUSDT_1m.csv", round(DAYS * 1440), seed=2)
    write(made / "ETHUSDT_15m.csv", 50, length_min=15)
    (made / "notes.txt").write_text("nothing of ours\n")
    return made


@pytest.fixture(scope="module")
def rows(folder: Path) -> Rows:
    """What is learnt from, of bitcoin alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_rows, "_LEAST_ROWS", 500)
        return rows_of(read_markets([folder / "BTC_USDT_USDT-1m-futures.csv"]).markets, Costs())


def test_files_become_markets_with_their_lead(folder: Path) -> None:
    """Coin and venue by their names, files of other lengths passed over, ether beside bitcoin of the same minute."""
    found = read_markets([folder])
    assert [market.name for market in found.markets] == ["BTC binance", "ETH binance"]
    bitcoin, ether = found.markets
    assert np.array_equal(ether.told.column("lead_close"), bitcoin.close)
    assert np.isnan(bitcoin.told.column("lead_close")).all()
    assert found.data_hash == read_markets([folder]).data_hash
    assert found.sources == ["BTC_USDT_USDT-1m-futures.csv", "ETHUSDT_1m.csv"]


def test_files_that_are_none_are_refused(folder: Path, tmp_path: Path) -> None:
    """A wrong length that was named, a path that is not there, a folder without candles, too few of them."""
    with pytest.raises(DataError, match="holds candles of 15 min"):
        read_markets([folder / "ETHUSDT_15m.csv"])
    with pytest.raises(DataError, match="there is no file"):
        read_markets([folder / "none.csv"])
    with pytest.raises(TooLittle, match="no one-minute candles"):
        read_markets([tmp_path])
    short = read_markets([write(tmp_path / "solusdt.csv", 500)])
    assert short.markets[0].name == "SOL"
    with pytest.raises(TooLittle, match="are too few"):
        rows_of(short.markets, Costs())


def _shifted(told: Told) -> Floats:
    """Features of the minute after, as a slip of one would have them."""
    made = features(told)
    return np.vstack([made[1:], made[-1:]])


def _peeking(told: Told) -> Floats:
    """One feature knows the return of the minute after; all others are honest."""
    made = features(told)
    close = told.column("close")
    made[:-1, 5] = np.log(close[1:] / close[:-1])
    return made


@pytest.mark.parametrize(("making", "named"), [(_shifted, "feature "), (_peeking, f"feature {[*FEATURES][5]} ")])
def test_a_feature_shifted_into_the_future_is_caught(folder: Path, making: train_rows.Making, named: str) -> None:
    """The study puts other minutes after a moment and names the feature and minute that moved. Keeps S2-53, B20."""
    market = read_markets([folder / "BTC_USDT_USDT-1m-futures.csv"]).markets[0]
    assert refuse_look_ahead(market, features) == int(0.9 * market.told.ts.size)
    with pytest.raises(PerpscopeError, match=named) as caught:
        rows_of([market], Costs(), making)
    assert caught.value.code == "study-look-ahead"


def test_folds_never_share_an_outcome() -> None:
    """A horizon between learning, stopping and calibrating; that and an hour before what is judged, all of it once."""
    ts = START_NS + np.sort(np.random.default_rng(1).choice(60_000, 20_000, replace=False)) * MINUTE_NS
    found = folds(ts)
    assert len(found) == 6
    for one in found:
        for before, after in ((one.learn, one.stop), (one.stop, one.calibrate)):
            assert ts[before[-1]] + PURGE_NS < ts[after[0]] + MINUTE_NS
        assert ts[one.calibrate[-1]] + PURGE_NS + EMBARGO_NS <= ts[one.judge[0]]
        assert one.learn.size > one.calibrate.size > 0
    judged = np.concatenate([one.judge for one in found])
    assert np.array_equal(judged, np.arange(judged[0], ts.size))
    last = whole(ts)
    assert last.judge.size == 0
    assert last.calibrate[-1] == ts.size - 1


def test_a_row_knows_only_outcomes_that_are_over(rows: Rows) -> None:
    """What the online model has learnt at a row was over a horizon ago; sides are told apart."""
    known = rows.known()
    at = np.arange(rows.ts.size)
    assert (known <= np.maximum(at - HORIZON + 1, 0)).all()
    assert (rows.ts[known[1000] - 1] + HORIZON * MINUTE_NS) <= rows.ts[1000]
    assert (rows.was(0) == (rows.outcome == 1)).all()
    assert not (rows.was(0) & rows.was(1)).any()
    assert "book_imb_5" not in rows.names
    assert "ret_1" in rows.names


def test_a_rule_holds_one_trade_at_a_time(rows: Rows) -> None:
    """A trade blocks its market until it is over; thresholds and the least edge keep it from acting."""
    places = np.arange(200)
    said = np.full((200, 2), 0.5)
    pay = (Payoffs(0.01, 0.0), Payoffs(0.0, 0.0))
    trades = train_rule.acted(rows, places, said, pay, 0.4)
    gaps = np.diff(rows.ts[trades.at])
    assert (gaps > rows.life[trades.at[:-1]] * MINUTE_NS).all()
    assert np.array_equal(trades.net, rows.long[trades.at])
    assert train_rule.acted(rows, places, said, pay, 0.6).at.size == 0
    assert train_rule.acted(rows, places, said, (Payoffs(0.0, 0.0), Payoffs(0.0, 0.0)), 0.4).at.size == 0
    assert train_rule.chosen(rows, places, np.full((200, 2), 0.01), (Payoffs(-1.0, -1.0),) * 2) == NEVER
    days = np.unique((rows.ts - 1) // (1440 * MINUTE_NS))
    assert train_rule.daily(rows, trades, days).sum() == pytest.approx(trades.net.sum())
    nothing = msgspec.structs.replace(rows, outcome=np.zeros_like(rows.outcome))
    assert train_rule.payoffs(nothing, places, 0).gain == 0.0


@pytest.mark.unmeasured
def test_training_says_that_a_random_walk_has_no_edge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three candidates judged, every trial registered, the model kept says "no edge" of itself. Keeps B20."""
    monkeypatch.setattr(train_rows, "_LEAST_ROWS", 500)
    paths = [write(tmp_path / "BTCUSDT.csv", 3100)]
    store, out = tmp_path / "market.db", tmp_path / "model"
    said: list[str] = []
    found = study_train(Asked(paths=paths, store=store, out=out), said.append)
    assert [one.model for one in found.candidates] == ["climatology", "logistic", "lightgbm"]
    assert not found.is_promoted
    assert found.verdict.endswith("edge none")
    assert found.candidates[0].brier_skill == Gain(0.0, 0.0, 0.0)
    assert len(said) == 4
    for area in found.placebo_auc.values():
        assert area == pytest.approx(0.5, abs=0.1)
    with Trials(store) as register:
        assert register.fault() is None
        assert found.trials == register.count("forecast") == 15
    manifest, files = load(out)
    assert (manifest.id, manifest.is_promoted, manifest.verdict) == (found.model, False, found.verdict)
    opinion = Model(manifest, files).ask(np.full(len(manifest.features), np.nan), np.array([0.2, 0.2]))
    assert 0.0 < opinion.p_up + opinion.p_down <= 1.0
    asked: list[Asked] = []

    def again(wanted: Asked, _: object) -> TrainAnswer:
        asked.append(wanted)
        return found

    monkeypatch.setattr("perpscope.app.study.train.study_train", again)
    shown = CliRunner().invoke(app, ["study", "train", str(paths[0]), "--db", str(store), "--cost-bps", "20"])
    assert shown.exit_code == 0, shown.output
    assert asked[0].costs.whole == pytest.approx(0.002)
    assert "MISSED" in shown.stdout
    assert f"kept as {found.model}" in shown.stdout
    told = CliRunner().invoke(app, ["study", "train", str(paths[0]), "--db", str(store), "--json"])
    assert json.loads(told.stdout)["verdict"] == found.verdict


@pytest.mark.parametrize("kind", ["logistic", "lightgbm", "climatology"])
def test_each_kind_of_model_is_kept_with_what_it_needs(
    kind: str, rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that can be asked, whichever candidate was best; trees say by ONNX what they said by LightGBM."""
    few = Fold(np.arange(1200), np.arange(1200, 1500), np.arange(1500, 1800), np.arange(1800, 1900))
    monkeypatch.setattr("perpscope.app.study.train_kept.whole", lambda _: few)
    monkeypatch.setitem(train_models.SETTINGS, "min_data_in_leaf", 50)
    model = OnlineLogistic(rows.x.shape[1])
    walked = [(np.full(rows.ts.size, 0.2), model)] * 2
    pay = Payoffs(0.002, -0.002)
    made = ((Calibration("none"), pay), (Calibration("none"), pay))
    keeping = Keeping(
        rows=rows,
        model=kind,
        walked=walked,
        folds=[made, made],
        is_promoted=True,
        verdict="a test",
        costs=Costs(),
        data_hash="0",
        sources=["made"],
    )
    kept = keep(tmp_path, keeping)
    manifest, files = load(tmp_path)
    assert manifest.id == kept.model
    asked = Model(manifest, files)
    x = rows.x[1600].copy()
    opinion = asked.ask(x, np.array([0.2, 0.3]))
    if kind == "lightgbm":
        assert kept.parity is not None
        assert kept.parity < 1e-5
        trees = train_models.grown(rows, few, 0)
        figure = manifest.sides["up"].calibration(trees(x[None, :], x))[0]
        assert opinion.p_up == pytest.approx(figure, abs=1e-5)
        x[3] = np.nan
        assert 0.0 < asked.ask(x, np.array([0.2, 0.3])).p_up < 1.0
    else:
        assert kept.parity is None
        assert not files


def test_trees_that_onnx_would_tell_otherwise_are_not_kept(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than 1e-5 apart is an error, not a rounding."""
    few = Fold(np.arange(1200), np.arange(1200, 1500), np.arange(1500, 1800), np.arange(1800, 1900))
    trees = train_models.grown(rows, few, 1)
    monkeypatch.setattr(train_models, "PARITY", 0.0)
    with pytest.raises(PerpscopeError, match="differ by"):
        train_models.to_onnx(trees, rows.x.shape[1], rows.x[:100])


@pytest.mark.parametrize("missing", ["lightgbm", "onnxmltools", "onnxruntime"])
def test_a_missing_extra_names_its_install(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one of the libraries nothing is begun, and it is said what to install."""
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigError, match=missing) as caught:
        train_models.lightgbm()
    assert caught.value.code == "extra-missing"
    assert caught.value.hint == "pip install 'perpscope[ml]'"
    if missing == "onnxruntime":
        with pytest.raises(ConfigError, match="onnxruntime is not installed"):
            onnx.session(b"")


def test_a_broken_model_is_refused() -> None:
    """Bytes that are no model are an error of ours with a hint, not onnxruntime's."""
    with pytest.raises(DataError, match="the model cannot be read"):
        onnx.session(b"nonsense")


def _scores(low: float, ece: float = 0.01) -> Scores:
    skill = Gain(0.02, low, 0.04)
    months = [Month(month=f"2026-0{at}", rows=20_000, brier_skill=skill, log_loss_skill=skill) for at in range(1, 5)]
    side = SideScores(share=0.2, brier=0.15, log_loss=0.4, ece=ece, auc=0.6, reliability=[])
    return Scores(
        model="logistic",
        rows=80_000,
        sides={"up": side, "down": side},
        brier_skill=skill,
        log_loss_skill=skill,
        months=months,
    )


@pytest.mark.parametrize(
    ("low", "ece", "deflated", "pbo", "missed"),
    [
        pytest.param(0.01, 0.01, 0.97, 0.1, 0, id="all met"),
        pytest.param(-0.01, 0.01, 0.97, 0.1, 1, id="no better than climatology"),
        pytest.param(0.01, 0.03, 0.97, 0.1, 1, id="badly calibrated"),
        pytest.param(0.01, 0.01, 0.90, None, 2, id="luck, and overfitting not known"),
        pytest.param(0.01, 0.01, None, 0.4, 2, id="nothing traded, and overfitted"),
    ],
)
def test_a_model_is_promoted_only_where_every_condition_is_met(
    low: float, ece: float, deflated: float | None, pbo: float | None, missed: int
) -> None:
    """METHOD 11.3, each with its figure, and the verdict as it is. Keeps B20."""
    rule = Rule(
        model="logistic",
        trades=0 if deflated is None else 400,
        net=0.1,
        each_bps=None if deflated is None else 2.5,
        days=90,
        sharpe=1.0,
        deflated=deflated,
        trials=15,
        overfitting=pbo,
    )
    scores = _scores(low, ece)
    points = checks(scores, rule)
    assert sum(not point.is_met for point in points) == missed
    told = sentence(scores, rule, points)
    assert told.endswith("promoted" if not missed else "edge none")
    assert ("never acts" in told) is (deflated is None)


def test_shuffled_outcomes_teach_trees_nothing(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trees fitted on outcomes dealt anew rank like chance on the rest; the soak asks the same of real candles."""
    monkeypatch.setitem(train_models.SETTINGS, "min_data_in_leaf", 100)
    dealt = msgspec.structs.replace(rows, outcome=np.random.default_rng(4).permutation(rows.outcome))
    half = rows.ts.size // 2
    fold = Fold(np.arange(half - 200), np.arange(half - 200, half), np.arange(0), np.arange(half, rows.ts.size))
    trees = train_models.grown(dealt, fold, 0)
    assert auc(trees(rows.x[half:], rows.base[half:, 0]), dealt.was(0)[half:]) == pytest.approx(0.5, abs=0.07)


_SHUFFLED = """
import sys, numpy as np, msgspec
from pathlib import Path
from perpscope.analytics.models.scores import auc
from perpscope.app.study import train_models
from perpscope.app.study.train_files import read_markets
from perpscope.app.study.train_folds import folds
from perpscope.app.study.train_rows import rows_of
from perpscope.trading.labels import Costs
rows = rows_of(read_markets([Path(p) for p in sys.argv[1:]]).markets, Costs())
dealt = msgspec.structs.replace(rows, outcome=np.random.default_rng(4).permutation(rows.outcome))
last = folds(rows.ts)[-1]
at = last.judge
print([auc(train_models.grown(dealt, last, side)(rows.x[at], rows.base), dealt.was(side)[at]) for side in (0, 1)])
"""


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_real_candles_have_no_edge_and_shuffled_ones_know_nothing(recordings: Path, tmp_path: Path) -> None:
    """BTC, ETH, SOL of 2025 and 2026: the verdict as it is; outcomes dealt anew give AUC .5 ± .02. Keeps B25."""
    klines = recordings / "history" / "klines"
    names = (
        "binance_usdm_1m_2025-05",
        "binance_usdm_1m_2025-05_06",
        "binance_usdm_1m_2025-07_08",
        "okx_swap_1m_2026-01",
    )
    paths = [str(klines / name) for name in names]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "0"}
    command = [sys.executable, "-m", "perpscope", "study", "train", *paths, "--json", "--db", str(tmp_path / "a.db")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["rows"] > 250_000
    assert not found["is_promoted"]
    for area in found["placebo_auc"].values():
        assert area == pytest.approx(0.5, abs=0.02)
    assert all(rule["net"] <= 0.0 for rule in found["rules"])
    shuffled = subprocess.run(
        [sys.executable, "-c", _SHUFFLED, *paths], env=environment, capture_output=True, text=True, check=True
    )
    for area in json.loads(shuffled.stdout):
        assert area == pytest.approx(0.5, abs=0.02)
