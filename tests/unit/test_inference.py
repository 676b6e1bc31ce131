"""From the closed candle to a forecast: once a minute and symbol, off the feed's path, honest about its edge."""

import math
import threading
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.contract.store_events import BTC, ETH, MINUTE, NOON, SECOND
from tests.unit.made_minutes import minutes

from perpscope.analytics.features.told import COLUMN, SOURCE
from perpscope.analytics.models.calibration import Calibration
from perpscope.analytics.models.drift import WINDOW, shape
from perpscope.app.inference import manifest as manifests
from perpscope.app.inference import service
from perpscope.app.inference.brain import Brain, Minute
from perpscope.app.inference.manifest import Manifest, Side
from perpscope.app.inference.opinions import Model
from perpscope.app.inference.past import told_of
from perpscope.app.inference.plain import CLIMATOLOGY
from perpscope.app.inference.service import Inference
from perpscope.app.inference.thinking import Thinking
from perpscope.app.inference.told import Told
from perpscope.app.inference.watching import Watch
from perpscope.app.lane import Lane
from perpscope.app.signalling import Signalling, signal_of
from perpscope.engine.engine import Engine
from perpscope.errors import DataError
from perpscope.model.instrument import Instrument
from perpscope.model.market import (
    AccountRatio,
    BookSnapshot,
    Candle,
    Completeness,
    FundingPaid,
    Interval,
    Liquidation,
    MarkPrice,
    OpenInterest,
    PositionSide,
    RatioKind,
    Sampling,
    Tick,
)
from perpscope.model.order import Clusters, Edge, Signal
from perpscope.settings import Inference as InferenceSettings
from perpscope.settings import Settings
from perpscope.stores.signals import SignalsWanted, read_signals
from perpscope.stores.sqlite import SqliteReader, SqliteStore, StoreKind

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]
ASKED = InferenceSettings(symbols=("BTC", "ETH"), past_days=1.0)


def candle(minute: int, of: Instrument = BTC, price: float = 100.0, late_s: float = 0.5) -> Candle:
    """The minute after so many since noon, closed."""
    opened = NOON + minute * MINUTE
    received = opened + MINUTE + int(late_s * SECOND)
    prices = (price, price * 1.0005, price * 0.9995, price * 1.0001)
    return Candle(
        of.id, opened + MINUTE, received, Interval.M1, opened, *prices, 3.0, None, None, 1.0, None, is_closed=True
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A store of two instruments with two hours of candles before noon."""
    made = SqliteStore.open(tmp_path / "market.db", kind=StoreKind.DEMO)
    made.register([BTC, ETH])
    rng = np.random.default_rng(1)
    for of in (BTC, ETH):
        price = 100.0
        for minute in range(-120, 0):
            price *= math.exp(1e-3 * rng.standard_normal())
            made.sink().accept(candle(minute, of, price))
    made.sink().accept(Tick(NOON))
    made.flush()
    yield made
    made.close()


class Stage:
    """A service and an engine that tells it."""

    def __init__(self, store: SqliteStore, make: Callable[[], Thinking] | None = None) -> None:
        self.said: list[str] = []
        self.service = Inference(ASKED, store.path, self.said.append, make)
        self.service.know([BTC, ETH])
        self.engine = Engine(sinks=[self.service], on_1m_candle_close=self.service.closed)
        self.made: list[Told] = []
        self.now = NOON

    def has_made(self, count: int) -> bool:
        """Whether so many forecasts were made, after one more Tick."""
        self.tick()
        return len(self.made) == count

    def tick(self, seconds: float = 1.0) -> bool:
        """Time passes; whether anything was made."""
        self.now += int(seconds * SECOND)
        found = self.service.tick(self.now, self.engine.market)
        self.made += found
        return bool(found)


async def test_a_closed_candle_becomes_a_forecast_once(store: SqliteStore, eventually: Eventually) -> None:
    """One inference a minute and symbol, whatever comes twice; probabilities, and no edge. Keeps S2-51, S2-64."""
    stage = Stage(store)
    for minute in range(3):
        for of in (BTC, ETH):
            forming = msgspec.structs.replace(candle(minute, of), is_closed=False, ts_recv=NOON + 1)
            stage.engine.process(forming)
            stage.engine.process(candle(minute, of))
            stage.engine.process(candle(minute, of))
            stage.service.closed(candle(minute, of))
        await eventually(partial(stage.has_made, 2 * (minute + 1)))
    assert stage.service.counts.by_instrument == {BTC.id: 3, ETH.id: 3}
    assert (stage.service.counts.closed, stage.service.counts.repeated) == (6, 6)
    for told in stage.made:
        forecast = told.forecast
        assert 0.0 < forecast.p_up < 1.0
        assert 0.0 < forecast.p_down < 1.0
        assert not forecast.is_promoted
        assert told.why == "no-edge-shown"
        signal = signal_of(told)
        assert (signal.side, signal.edge, signal.strategy) == (None, Edge.NONE, "forecast")
    assert stage.made[0].forecast.ts_event == NOON + MINUTE
    assert stage.service.is_idle
    stage.service.close()


async def test_a_late_candle_is_told_and_marked(store: SqliteStore, eventually: Eventually) -> None:
    """More than three seconds after its close: computed, marked, never wanted. Keeps S2-53."""
    stage = Stage(store)
    stage.engine.process(candle(0, late_s=3.5))
    await eventually(lambda: stage.tick() or bool(stage.made))
    assert stage.made[0].forecast.is_late
    assert (stage.made[0].why, stage.made[0].is_wanted) == ("late", False)
    assert stage.service.counts.late == 1
    stage.service.close()


async def test_a_minute_that_hangs_costs_nothing_but_itself(
    store: SqliteStore, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop goes on, the next minutes come, and it is said whose was lost. Keeps S2-54."""
    gate = threading.Event()
    real = Thinking(ASKED, store.path)

    class Hangs:
        """Thinks about nothing, for ever, the first time it is asked about ether."""

        def think(self, instrument: Instrument, *rest: object, **more: object) -> Told | None:
            if instrument is ETH and not gate.is_set():
                gate.wait(30)
                return None
            return real.think(instrument, *rest, **more)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(service, "HUNG_S", 0.05)
    stage = Stage(store, Hangs)  # type: ignore[arg-type]  # thinks as it does
    stage.engine.process(candle(0, ETH))
    stage.tick(3.0)
    await eventually(lambda: stage.tick() or bool(stage.service.hung))
    assert stage.service.hung == [ETH.id]
    assert isinstance(stage.service._lane, Lane)
    stage.service._lane._hung_after_s = 60.0
    stage.engine.process(candle(1))
    await eventually(lambda: stage.tick() or bool(stage.made))
    assert stage.made[0].forecast.instrument == BTC.id
    assert any("hangs" in line for line in stage.said)
    gate.set()
    stage.service.close()


async def test_ether_waits_for_bitcoin_of_the_same_minute_but_not_long(
    store: SqliteStore, eventually: Eventually
) -> None:
    """The lead is that of the minute itself, or unknown; two seconds are waited for it."""
    stage = Stage(store)
    stage.engine.process(candle(0, ETH))
    stage.now = NOON + MINUTE + SECOND
    stage.tick(0.5)
    assert not stage.service.is_idle
    stage.engine.process(candle(0, BTC))
    await eventually(lambda: (stage.tick(0.1) and len(stage.made) == 2) or len(stage.made) == 2)
    stage.engine.process(candle(1, ETH))
    stage.now = NOON + 2 * MINUTE + 3 * SECOND
    await eventually(lambda: stage.tick(0.1) or len(stage.made) == 3)
    stage.service.close()


async def test_a_model_that_cannot_be_used_is_told_once(store: SqliteStore, eventually: Eventually) -> None:
    """A folder without a model: nothing is forecast, and it is said why."""
    stage = Stage(store, lambda: Thinking(msgspec.structs.replace(ASKED, model="nowhere"), store.path))
    for minute in range(2):
        stage.engine.process(candle(minute))
    await eventually(lambda: stage.tick() or bool(stage.said))
    assert stage.said == ["nothing is forecast: there is no model in nowhere: No such file or directory"]
    stage.service.close()


def test_a_service_that_is_off_does_nothing(store: SqliteStore) -> None:
    """`[inference] enabled = false`: no candle is taken, no thread begins."""
    off = Inference(InferenceSettings(enabled=False), store.path)
    off.know([BTC])
    off.closed(candle(0))
    off.closed(msgspec.structs.replace(candle(0), interval=Interval.H1))
    assert off.tick(NOON, Engine(sinks=[]).market) == []
    assert (off.counts.closed, off.is_idle, off.dropped) == (0, True, 0)
    off.close()


def test_what_is_known_of_a_minute_is_gathered_with_its_age() -> None:
    """Book, mark, interest, ratios, liquidations and clusters, each with when it was told. Keeps S4-46."""
    watch, engine = Watch(), Engine(sinks=[])
    now = NOON + 30 * SECOND
    for size in (1.0, 3.0):
        book = BookSnapshot(BTC.id, now, now, int(size), [(99.9, size)], [(100.1, 1.0), (100.4, 9.0)], is_stream=True)
        engine.process(book)
        engine.process(MarkPrice(BTC.id, now, now, 100.0, 99.0, 0.0004, NOON + 600 * SECOND, funding_interval_h=4.0))
        engine.process(OpenInterest(BTC.id, now, now, 500.0, None))
        state = engine.market.get(BTC.id)
        assert state is not None
        watch.second(now, state)
    usd = (None, 50.0, Completeness.SAMPLED, Sampling.LATEST_1S)
    watch.told(Liquidation(BTC.id, now, now, PositionSide.SHORT, 2.0, *usd))
    watch.told(Liquidation(BTC.id, now, now, PositionSide.LONG, 1.0, None, None, *usd[2:]))
    watch.told(AccountRatio(BTC.id, now, now, RatioKind.ALL_ACCOUNTS, 300, 0.75))
    watch.told(AccountRatio(BTC.id, now, now, RatioKind.TOP_ACCOUNTS, 300, 0.1))
    watch.told(FundingPaid(BTC.id, now, now, 0.0001, None))
    watch.told(Clusters(BTC.id, now, 101.0, 5e6, None, 0.0, 0.4))
    watch.told(Tick(now))
    found = watch.minute(candle(0), 60_000.0)
    value = {name: float(found.values[at]) for name, at in COLUMN.items()}
    assert value["imbalance_1"] == pytest.approx((0.0 + 0.5) / 2)
    assert value["imbalance_5"] == pytest.approx(((1 - 10) / 11 + (3 - 10) / 13) / 2)
    assert value["spread_bps"] == pytest.approx(20.0)
    assert value["depth_10"] == pytest.approx(99.9 * 3 + 100.1)
    assert value["depth_50"] == pytest.approx(99.9 * 3 + 100.1 + 100.4 * 9)
    assert value["micro_bps"] == pytest.approx(((99.9 * 1 + 100.1 * 3) / 4 / 100.0 - 1) * 1e4)
    assert value["order_flow"] == pytest.approx(2.0 / (3.0 / 2))
    assert value["funding"] == pytest.approx(0.0008)
    assert value["funding_paid"] == pytest.approx(0.0002)
    assert value["to_funding"] == pytest.approx(9.5)
    assert (value["mark"], value["index"], value["open_interest"]) == (100.0, 99.0, 500.0)
    assert value["accounts"] == pytest.approx(math.log(3.0))
    assert math.isnan(value["top"])
    assert (value["liquidated_long"], value["liquidated_short"]) == (0.0, 100.0)
    assert (value["above"], value["pull"], value["lead_close"]) == (101.0, 0.4, 60_000.0)
    assert math.isnan(value["below"])
    assert found.ages[SOURCE["book"]] == pytest.approx(30.0)
    assert found.ages[SOURCE["candle"]] == 0.0
    engine.market.get(BTC.id).book.invalidate()  # type: ignore[union-attr]  # it is there
    watch.second(now + SECOND, engine.market.get(BTC.id))  # type: ignore[arg-type]  # likewise
    after = watch.minute(candle(1), None)
    assert math.isnan(after.values[COLUMN["order_flow"]])
    assert math.isnan(after.ages[SOURCE["lead"]])
    assert (after.values[COLUMN["liquidated_short"]], after.ages[SOURCE["book"]]) == (0.0, 90.0)


def test_the_past_of_a_store_is_what_was_known_then(store: SqliteStore) -> None:
    """Every source as it had come by the minute's close, nothing that came later. Keeps S4-47."""
    sink = store.sink()
    noon = NOON - 30 * MINUTE
    sink.accept(OpenInterest(ETH.id, noon, noon + 5 * SECOND, 700.0, None))
    sink.accept(MarkPrice(ETH.id, noon + SECOND, noon + SECOND, 101.0, 100.0, 0.0001, NOON))
    sink.accept(AccountRatio(ETH.id, noon, noon, RatioKind.TOP_POSITIONS, 300, 0.5))
    sink.accept(FundingPaid(ETH.id, noon, noon, 0.0003, None))
    sink.accept(Tick(NOON + SECOND))
    store.flush()
    with SqliteReader.open(store.path) as reader:
        found = told_of(reader, ETH, 0, NOON, BTC)
        assert told_of(reader, ETH, NOON, NOON + MINUTE) is None
    assert found is not None
    told, opens = found
    assert told.ts.size == opens.size == 120
    assert told.ts[-1] == NOON
    at = int(np.searchsorted(told.ts, noon))
    interest, mark, top = (told.column(name) for name in ("open_interest", "mark", "top"))
    assert np.isnan(interest[at])
    assert interest[at + 1] == 700.0
    assert np.isnan(mark[at])
    assert mark[at + 1] == 101.0
    assert np.isnan(mark[at + 3])
    assert top[at] == 0.0
    assert told.column("funding_paid")[at] == 0.0003
    assert told.column("to_funding")[at + 1] == 29.0
    assert told.column("lead_close")[5] > 0.0


def _manifest(**more: object) -> Manifest:
    """A model of two features that has been promoted."""
    told = {
        "features": ["ret_1", "hour_sin"],
        "kind": "logistic",
        "is_promoted": True,
        "p_min": 0.1,
        "spread": 0.001,
        "shapes": [shape(np.random.default_rng(1).standard_normal(500))] * 2,
        "sides": {
            name: Side(
                share=0.2, calibration=Calibration("none"), gain=0.01, rest=-0.001, state=np.zeros((5, 3)).tolist()
            )
            for name in ("up", "down")
        },
        **more,
    }
    return msgspec.structs.replace(CLIMATOLOGY, **told)


def _think(brain: Brain, count: int, seed: int = 2) -> list[object]:
    told = minutes(count, seed=seed, stale=0.0)
    return [
        brain.think(Minute(int(ts), 100.0, values, ages))
        for ts, values, ages in zip(told.ts, told.values, told.ages, strict=True)
    ]


def test_a_model_learns_on_from_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was said a horizon ago is judged by the candles since; unknown candles judge nothing. Keeps S4-47."""
    model = Model(_manifest(), {})
    learnt: list[int] = []
    monkeypatch.setattr(model, "learn", lambda *told: learnt.append(told[2]))
    brain = Brain(model, None)
    _think(brain, 300)
    assert len(learnt) == 300 - 15 - 240
    assert set(learnt) <= {-1, 0, 1}
    assert brain.last > 0


def test_a_past_is_learnt_from_and_a_gap_judges_nothing() -> None:
    """Climatology begins with the store's own outcomes; weights move by what came; unknown minutes teach nothing."""
    model = Model(_manifest(), {})
    told = minutes(1500, stale=0.0)
    brain = Brain(model, (told.until(1440), told.column("close")[:1440]))
    assert [of.share for of in brain._shares] != [0.2, 0.2]
    for row in [*range(1440, 1460), *range(1470, 1500)]:
        brain.think(Minute(int(told.ts[row]), 100.0, told.values[row], told.ages[row]))
    judged = len(brain._model_losses)
    assert 0 < judged < 30
    assert any(online is not None and online.weights.any() for online in model._online)
    left = brain._prices[-1][0]
    assert left == told.ts[1499]


def test_a_model_whose_features_moved_or_that_is_worse_is_demoted_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """PSI above .25 on three features, or two days worse than climatology: no edge until it is over. Keeps S4-47."""
    brain = Brain(Model(_manifest(), {}), None)
    rows = np.random.default_rng(3).standard_normal((WINDOW, 2))
    brain._rows.extend(rows)
    brain._look()
    for _ in range(59):
        brain._look()
    assert brain._demoted == ""
    brain._model_losses.extend([0.6] * WINDOW)
    brain._base_losses.extend([0.5] * WINDOW)
    for _ in range(60):
        brain._look()
    assert brain._demoted == "worse-than-climatology"
    monkeypatch.setattr("perpscope.app.inference.brain.MOST_MOVED", 2)
    brain._rows.extend(rows + 2.0)
    for _ in range(60):
        brain._look()
    assert brain._demoted == "features-moved: ret_1, hour_sin"


def test_an_edge_is_acted_on_only_where_it_was_shown(store: SqliteStore, tmp_path: Path) -> None:
    """A promoted model that expects a gain wishes a side, holds it while the edge is half, and not when demoted."""
    folder = tmp_path / "model"
    manifests.save(folder, _manifest(), {})
    thinking = Thinking(msgspec.structs.replace(ASKED, model=str(folder)), store.path)
    watch = Watch()

    def told(minute: int, **more: object) -> Told:
        made = thinking.think(BTC, None, watch.minute(candle(minute), None), NOON, began=0.0, is_late=bool(more))
        assert made is not None
        return made

    first = told(0)
    assert first.is_wanted
    assert first.why == "expected-gain"
    assert signal_of(first).side in set(PositionSide)
    assert signal_of(first).edge is Edge.PROMOTED
    assert 0.0 < first.forecast.confidence < 1.0
    assert told(1, is_late=True).why == "late"
    thinking._brains[BTC.id]._demoted = "worse-than-climatology"
    demoted = told(2)
    assert (demoted.is_wanted, demoted.forecast.is_promoted) == (False, False)
    assert demoted.why == "demoted: worse-than-climatology"
    thinking._brains[BTC.id]._demoted = ""
    thinking._model.manifest = msgspec.structs.replace(thinking._model.manifest, p_min=0.99)
    assert told(3).why == "below-threshold"
    assert thinking.think(BTC, None, watch.minute(candle(2), None), NOON, is_late=False, began=0.0) is None


def test_a_model_that_was_changed_is_refused(tmp_path: Path) -> None:
    """The manifest and every file are what was written, or nothing is loaded."""
    whole = manifests.save(tmp_path / "m", _manifest(), {"up.onnx": b"abc"})
    found, files = manifests.load(tmp_path / "m")
    assert found == whole
    assert found.id == f"logistic-{found.hash[:8]}"
    assert files == {"up.onnx": b"abc"}
    (tmp_path / "m" / "up.onnx").write_bytes(b"abd")
    with pytest.raises(DataError, match="is not what was written"):
        manifests.load(tmp_path / "m")
    (tmp_path / "m" / "up.onnx").unlink()
    with pytest.raises(DataError, match=r"up\.onnx"):
        manifests.load(tmp_path / "m")
    text = (tmp_path / "m" / "manifest.json").read_text()
    (tmp_path / "m" / "manifest.json").write_text(text.replace('"p_min": 0.1', '"p_min": 0.2'))
    with pytest.raises(DataError, match="the manifest is not what was written"):
        manifests.load(tmp_path / "m")
    with pytest.raises(DataError, match="there is no model"):
        manifests.load(tmp_path)
    with pytest.raises(DataError, match="cannot be kept"):
        manifests.save(tmp_path / "m" / "manifest.json", _manifest(), {})
    with pytest.raises(DataError, match="features nonsense are not known"):
        Model(_manifest(features=["nonsense"]), {})


async def test_what_is_thought_is_stored_and_published(store: SqliteStore, eventually: Eventually) -> None:
    """Closed candle → store → callback → inference → signal in the table and on the bus. Keeps S2-51, S2-52."""
    told: list[Signal] = []
    signalling = Signalling(Settings(inference=ASKED), store, told.extend)
    signalling.know([BTC, ETH])
    engine = Engine(sinks=[store.sink(), signalling], on_1m_candle_close=signalling.closed)
    engine.process(candle(0))
    now = [NOON + MINUTE]

    def tick() -> bool:
        now[0] += SECOND
        engine.process(Tick(now[0]))
        signalling.tick(now[0], engine.market)
        return bool(told)

    await eventually(tick)
    engine.process(Tick(now[0] + SECOND))
    store.flush()
    rows = read_signals(store.path, SignalsWanted(), 5)
    assert [row.signal.ts_event for row in rows] == [NOON + MINUTE]
    assert rows[0].signal == told[0]
    assert rows[0].venue == "binance"
    assert signalling.is_idle
    signalling.close()
