"""Forecasts in a backtest: the live service replayed, at the live service's pace, and blind to what comes later."""

from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pytest
from tests.unit.backtest_data import BEGIN_MS, SWINGING, book_row, candle_file, context_row, trade_row, write_rows
from tests.unit.test_backtest_frames import recording
from tests.unit.test_backtest_store import events as stored_events
from tests.unit.test_backtest_store import named, store_of

from perpscope.analytics.models.calibration import Calibration
from perpscope.analytics.models.drift import shape
from perpscope.app import strategies
from perpscope.app.backtest import shared
from perpscope.app.backtest.asking import Asked
from perpscope.app.backtest.derived import Joined, with_derived
from perpscope.app.backtest.forecasts import Forecasting, _Minutes, note
from perpscope.app.backtest.gather import gathered
from perpscope.app.backtest.material import Event, Kind, Material
from perpscope.app.backtest.played import Setup, play
from perpscope.app.backtest.run import backtest
from perpscope.app.inference import manifest as manifests
from perpscope.app.inference.manifest import Manifest
from perpscope.app.inference.plain import CLIMATOLOGY
from perpscope.app.lane import InTurn, Job
from perpscope.errors import ConfigError, DataError
from perpscope.model.market import Candle, Side, Tick, Trade
from perpscope.model.order import Clusters, Forecast
from perpscope.model.run import Verdict
from perpscope.settings import Inference as InferenceSettings
from perpscope.settings import Settings
from perpscope.stores.status import StoreKind
from perpscope.trading.strategy import Needs

BEGIN: Final = BEGIN_MS * 1_000_000
SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
INFERENCE: Final = strategies.find("inference")
#: Takes what a model of chance says, so that there is something to compare.
WILLING: Final = msgspec.structs.replace(
    INFERENCE.parameters(), probability=0.0, edge_bps=1.0, sigma_bars=10, horizon_min=3.0
)


def trained(folder: Path, **more: object) -> Settings:
    """Settings that name a model that was promoted, and expects a gain at most minutes."""
    told = {
        "kind": "logistic",
        "features": ["ret_1", "hour_sin"],
        "shapes": [shape(np.random.default_rng(1).standard_normal(500))] * 2,
        "sides": {
            name: manifests.Side(
                share=share, calibration=Calibration("none"), gain=0.01, rest=-0.001, state=np.zeros((5, 3)).tolist()
            )
            for name, share in (("up", 0.3), ("down", 0.25))
        },
        "is_promoted": True,
        "p_min": 0.1,
        "spread": 0.001,
        **more,
    }
    made: Manifest = msgspec.structs.replace(CLIMATOLOGY, **told)
    manifests.save(folder / "model", made, {})
    return Settings(inference=InferenceSettings(model=str(folder / "model")))


def rows(folder: Path, minutes: int = 17) -> Material:
    """Trades, books and contexts; nothing is traded in the fourth minute."""
    draw = np.random.default_rng(3)
    mids = 60_000.0 + np.cumsum(np.rint(draw.normal(0.0, 4.0, minutes * 60)))
    times = [n for n in range(minutes * 60) if n // 60 != 3]
    trades = [trade_row(n * 1000 + 300, mids[n] + 0.5 * (-1) ** n, 0.01 * (n % 7 + 1), "BA"[n % 2]) for n in times]
    write_rows(folder / "hyperliquid_btc_t.jsonl.gz", trades)
    write_rows(folder / "hyperliquid_btc_b.jsonl.gz", [book_row(n * 2000, mids[2 * n]) for n in range(minutes * 30)])
    write_rows(
        folder / "hyperliquid_btc_c.jsonl.gz", [context_row(n * 10_000, mids[10 * n]) for n in range(minutes * 6)]
    )
    return gathered(sorted(folder.glob("hyperliquid_btc_?.jsonl.gz")), Asked(), database=None)


def forecasts_in(events: list[Event]) -> list[Forecast]:
    """Of these events."""
    return [event for event in events if isinstance(event, Forecast)]


def test_without_a_trained_model_it_stays_flat(tmp_path: Path) -> None:
    """Climatology forecasts each minute, has no edge, and nothing is done on it. Keeps S2-51, B25."""
    material = gathered([candle_file(tmp_path, 200)], Asked(), database=None)
    whole = with_derived(material, INFERENCE)
    told = forecasts_in([*whole.events()])
    assert len(told) == 199
    assert {forecast.model for forecast in told} == {"climatology"}
    assert not any(forecast.is_promoted for forecast in told)
    run = backtest(INFERENCE, INFERENCE.parameters(), whole, Settings(), path="both")
    assert (run.summary.trades, run.summary.verdict) == (0, Verdict.TOO_FEW)
    assert any("was not promoted: its edge is none" in said for said in run.summary.notes)


@pytest.mark.unmeasured
def test_a_promoted_model_is_acted_on(tmp_path: Path) -> None:
    """The model of the settings; both paths are one run, on candles and on books; another model is another run."""
    settings = trained(tmp_path)
    market = rows(tmp_path)
    for material in (gathered([candle_file(tmp_path, 120, step=0.003)], Asked(), database=None), market):
        whole = with_derived(material, INFERENCE, settings)
        assert whole.offers == material.offers | Needs.FORECAST
        run = backtest(INFERENCE, WILLING, whole, settings, path="both")
        assert run.summary.trades > 0
        assert any("forecasts: of logistic-" in said for said in run.summary.notes)
    hashes = {with_derived(market, INFERENCE, told).data_hash for told in (settings, Settings())}
    assert len({market.data_hash, *hashes}) == 3


@pytest.mark.unmeasured
@pytest.mark.parametrize("kind", [Kind.CANDLES, Kind.BOOKS])
def test_what_comes_later_changes_no_decision(tmp_path: Path, kind: Kind) -> None:
    """A prefix of the data gives a prefix of forecasts, decisions and fills. Keeps B23."""
    settings = trained(tmp_path)
    if kind is Kind.CANDLES:
        material = gathered([candle_file(tmp_path, 120, step=0.003)], Asked(), database=None)
    else:
        material = rows(tmp_path)
    whole = with_derived(material, INFERENCE, settings)
    told, logs = forecasts_in([*whole.events()]), play(_setup(whole, settings), "compiled").logs
    for share in (0.8, 0.85, 0.97):
        end = material.from_ns + int(share * (material.to_ns - material.from_ns)) + 7 * SECOND
        part = msgspec.structs.replace(material, source=shared.Within(material.source, 0, end))
        early = with_derived(part, INFERENCE, settings)
        fewer = forecasts_in([*early.events()])
        assert fewer == told[: len(fewer)]
        assert len(fewer) + 1 >= sum(forecast.ts_recv < end for forecast in told)  # the last may want one more second
        found = play(_setup(early, settings), "compiled").logs.decisions
        assert found.size > 0
        assert str(found.tolist()) == str(logs.decisions[: found.size].tolist())
        assert found.size + 1 >= np.count_nonzero(logs.decisions["ts"] < end)


def test_a_forecast_may_be_used_a_tick_after_it_was_asked_for(tmp_path: Path) -> None:
    """Handed over at the first Tick that finds the candle, there at the next: as beside a live feed."""
    material = rows(tmp_path)
    events = [*with_derived(material, INFERENCE).events()]
    told = forecasts_in(events)
    assert [(one.ts_event - BEGIN) // MINUTE for one in told] == [*range(1, len(told) + 1)]
    assert all(one.ts_recv == one.ts_event + SECOND for one in told)
    for one in told:
        assert events[events.index(one) - 1] == Tick(one.ts_recv)
    found = gathered([recording(tmp_path)], Asked(), database=None)
    heard = [*with_derived(found, INFERENCE).events()]
    closed = {event.ts_event: event.ts_recv for event in heard if isinstance(event, Candle)}
    later = forecasts_in(heard)
    assert later
    for one in later:
        received = min(ts for ts_event, ts in closed.items() if ts_event >= one.ts_event)
        assert one.ts_recv == (-(-received // SECOND) + 1) * SECOND


def test_minutes_are_made_of_the_trades_received_by_then() -> None:
    """A trade that comes after its minute was told counts as one of the next, as a desk takes it."""
    name, minutes = named().id, _Minutes(named().id)

    def trade(at: float, received: float, price: float, size: float, side: Side) -> Trade:
        return Trade(name, BEGIN + int(at * SECOND), BEGIN + int(received * SECOND), 1, price, size, side, False)

    told: list[Event] = [
        trade(10.0, 10.1, 100.0, 1.0, Side.BUY),
        trade(20.0, 20.1, 102.0, 2.0, Side.SELL),
        Tick(BEGIN + MINUTE),
        trade(59.9, 60.2, 99.0, 4.0, Side.SELL),
        trade(61.0, 61.1, 101.0, 8.0, Side.BUY),
        Tick(BEGIN + 2 * MINUTE),
        Tick(BEGIN + 3 * MINUTE),
    ]
    made = [candle for event in told for candle in minutes.take(event)]
    assert [(one.open, one.high, one.low, one.close) for one in made] == [
        (100.0, 102.0, 100.0, 102.0),
        (99.0, 101.0, 99.0, 101.0),
        (101.0, 101.0, 101.0, 101.0),
    ]
    assert [(one.volume, one.taker_buy_volume) for one in made] == [(3.0, 1.0), (12.0, 8.0), (0.0, 0.0)]
    assert [one.ts_recv - one.ts_event for one in made] == [0, 0, 0]


def test_a_model_that_is_asked_with_the_map_is_told_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clusters are made too, and come to the features as they come to a strategy."""
    material = gathered([candle_file(tmp_path, 30)], Asked(), database=None)
    near = Clusters(material.instrument.id, material.from_ns + 5 * MINUTE, 7e4, 1e6, 5e4, 1e6, 0.5)
    monkeypatch.setattr("perpscope.app.backtest.clusters.clusters", lambda *_: [near])
    asked: list[float] = []
    real = Forecasting.of

    def seen(self: Forecasting, of: Material, source: Joined) -> object:
        asked.extend(event.pull for event in source.events() if isinstance(event, Clusters))
        return real(self, of, source)

    monkeypatch.setattr(Forecasting, "of", seen)
    settings = trained(tmp_path, features=["ret_1", "map_pull"])
    whole = with_derived(material, INFERENCE, settings)
    assert asked == [0.5]
    assert sum(isinstance(event, Clusters) for event in whole.events()) == 1
    assert any("liquidation map" in said for said in whole.notes)


def test_a_store_s_past_warms_the_model(tmp_path: Path) -> None:
    """The minutes before the first that is walked are read, as the live service reads them, and nothing after it."""
    path = store_of(tmp_path / "m.db", *stored_events(named(), 320), instruments=(named(),), kind=StoreKind.OBSERVED)
    material = gathered([], Asked(from_ns=BEGIN + 300 * MINUTE), database=path)
    assert material.sources == ["store"]
    warm = forecasts_in([*with_derived(material, INFERENCE, Settings(), path).events()])
    cold = forecasts_in([*with_derived(material, INFERENCE, Settings()).events()])
    assert [one.ts_recv for one in warm] == [one.ts_recv for one in cold]
    assert warm[0].p_up != cold[0].p_up


def test_longer_candles_have_no_forecast(tmp_path: Path) -> None:
    """A model is of minutes: what cannot be made is refused, with what would give it; so is a model that is none."""
    material = gathered([candle_file(tmp_path, 60, minutes=15)], Asked(), database=None)
    with pytest.raises(ConfigError, match="needs a forecast") as caught:
        backtest(INFERENCE, INFERENCE.parameters(), with_derived(material, INFERENCE), Settings())
    assert caught.value.code == "strategy-needs-forecast"
    assert with_derived(material, SWINGING) is material
    minutes = gathered([candle_file(tmp_path, 60)], Asked(), database=None)
    nowhere = Settings(inference=InferenceSettings(model=str(tmp_path / "nowhere")))
    with pytest.raises(DataError) as missing:
        with_derived(minutes, INFERENCE, nowhere)
    assert missing.value.code == "model-missing"


def test_what_a_model_has_seen_is_said(tmp_path: Path) -> None:
    """A run over the time a model learnt from is no evidence, and says so."""
    material = gathered([candle_file(tmp_path, 101)], Asked(), database=None)
    half = (BEGIN + 50 * MINUTE) // 1_000_000
    promoted = msgspec.structs.replace(CLIMATOLOGY, is_promoted=True, trained_ms=(0, half))
    assert "50% of this time is not later than what it learnt from" in note(promoted, material)
    after = msgspec.structs.replace(promoted, trained_ms=(0, 1))
    assert note(after, material).endswith("as of each minute")


def test_a_lane_in_turn_gives_what_was_made_before_the_last_look() -> None:
    """Nobody waits and nobody is early; what a job raises is the caller's."""
    lane: InTurn[int] = InTurn()
    lane.put(Job("one", lambda: 1))
    assert (lane.is_idle, lane.results()) == (False, [])
    lane.put(Job("two", lambda: 2))
    assert (lane.results(), lane.results(), lane.results(), lane.is_idle) == ([1], [2], [], True)
    lane.close()
    with pytest.raises(ValueError, match="invalid literal"):
        lane.put(Job("three", lambda: int("no")))


def _setup(material: Material, settings: Settings) -> Setup:
    return Setup(strategy=INFERENCE, parameters=WILLING, material=material, settings=settings)
