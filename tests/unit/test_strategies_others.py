"""`magnet`, `inference` and `hold` by hand."""

from math import exp, sqrt

import pytest
from tests.unit.rules_asked import Asked

from perpscope.strategies import hold, inference, magnet
from perpscope.trading.layout import EXIT, LONG, NOTE_EDGE, NS, SHORT, STAY

#: Of sixty, or 240, returns of ±.001: .001·√(n/(n−1)).
SIGMA_240 = 0.001 * sqrt(240 / 239)
SIGMA_60 = 0.001 * sqrt(60 / 59)


def near(*figures: float) -> object:
    """Both within a ten-thousandth."""
    return pytest.approx(figures, rel=1e-4)


def told(asked: Asked, *, above: float = 1.01, below: float = 0.99, pull: float = 0.3) -> Asked:
    """The map is told: clusters at these multiples of 100."""
    asked.watch.map_at = asked.watch.now
    asked.watch.above_price, asked.watch.below_price, asked.watch.pull = 100.0 * above, 100.0 * below, pull
    return asked


def mapped(minutes: int = 1, **parameters: float) -> Asked:
    """242 candles of ±.001, the last at 100, and no map yet."""
    asked = Asked(magnet.STRATEGY, **parameters)
    for number in range(242):
        asked.candle(100.0 * exp(0.001 * (number % 2 == 0)), minutes=minutes)
    return asked


@pytest.mark.parametrize("pull", [0.3, -0.3], ids=["up", "down"])
def test_magnet_goes_where_it_is_pulled(pull: float) -> None:
    """Toward the cluster of the side that pulls; stop and take-profit at its distance: ln 1.01 = 1.28 σ of an hour."""
    asked = told(mapped(), pull=pull)
    side = LONG if pull > 0 else SHORT
    assert asked.answer() == side
    assert (asked.why, asked.failed) == ("toward-cluster", ())
    assert asked.barriers == near(0.01, 0.01)
    assert asked.figures == pytest.approx({"distance": 1.28, "pull": pull}, rel=0.02)


def test_magnet_goes_away_if_it_is_told_to() -> None:
    """The other direction is a trial too: short below a cluster above, the stop half way to it."""
    asked = told(mapped(toward=0, stop=0.5, take=0.8))
    assert asked.answer() == SHORT
    assert asked.why == "away-from-cluster"
    assert asked.barriers == near(0.005, 0.008)


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        pytest.param({"above": exp(0.49 * SIGMA_240 * sqrt(60))}, ("cluster-distance",), id="near"),
        pytest.param({"above": exp(2.01 * SIGMA_240 * sqrt(60))}, ("cluster-distance",), id="far"),
        pytest.param({"above": 0.999}, ("cluster-distance",), id="passed"),
        pytest.param({"pull": 0.149}, ("pull",), id="weak"),
        pytest.param({"pull": 0.1, "above": 1.5}, ("cluster-distance", "pull"), id="both"),
        pytest.param({"above": float("nan")}, (), id="none there"),
        pytest.param({"pull": float("nan")}, (), id="pull unknown"),
    ],
)
def test_magnet_stays(change: dict[str, float], rules: tuple[str, ...]) -> None:
    """Too near, too far, passed, weak or unknown: it stays, and says in which rule it failed."""
    asked = told(mapped(), **change)
    assert asked.answer() == STAY
    assert asked.failed == rules


def test_magnet_reckons_an_hour_of_whatever_candles() -> None:
    """On candles of a quarter hour an hour is four of them: the same cluster is 4.95 deviations away."""
    asked = told(mapped(15, near=4.9, far=20.0))
    assert asked.answer() == LONG
    hourly = SIGMA_240 * 2.0
    assert 4.9 < 0.00995033 / hourly < 5.0
    assert told(mapped(15, near=5.0, far=20.0)).answer() == STAY
    assert told(mapped(near=0.0, far=1.0)).answer() == STAY


def test_magnet_never_trades_an_old_map_or_none() -> None:
    """Before the map is told, two hours after it was, and an hour after a close nothing is opened."""
    asked = mapped()
    assert asked.answer() == STAY
    told(asked)
    asked.passes(120 * 60 + 1)
    assert asked.answer() == STAY
    told(asked)
    asked.holds(0)
    assert asked.answer() == STAY
    asked.passes(60 * 60)
    assert asked.answer() == LONG


def test_magnet_leaves_after_four_hours() -> None:
    """What neither barrier met is left by the time stop."""
    asked = told(mapped())
    asked.holds(LONG)
    asked.passes(240 * 60 - 1)
    assert asked.answer() == STAY
    asked.passes(1)
    assert (asked.answer(), asked.why) == (EXIT, "time-stop")


def forecast(
    asked: Asked, *, up: float = 0.6, down: float = 0.3, edge_bps: float = 4.0, promoted: float = 1, late_s: float = 1.0
) -> Asked:
    """A forecast of the newest candle comes so late."""
    asked.watch.forecast_for = asked.watch.bar_at
    asked.watch.now = asked.watch.bar_at + int(late_s * NS)
    asked.watch.forecast_at = asked.watch.now
    asked.watch.p_up, asked.watch.p_down, asked.watch.edge = up, down, edge_bps * 1e-4
    asked.watch.is_promoted = int(promoted)
    return asked


def inferred(**parameters: float) -> Asked:
    """Sixty-two candles of ±.001."""
    asked = Asked(inference.STRATEGY, **parameters)
    for number in range(62):
        asked.candle(100.0 * exp(0.001 * (number % 2 == 0)))
    return asked


@pytest.mark.parametrize("side", [LONG, SHORT], ids=["long", "short"])
def test_inference_acts_on_a_promoted_edge(side: int) -> None:
    """The better side and its edge; barriers of 1.5 σ of 15 minutes: 1.5·√15·.00100844 = .0058586."""
    up, down = (0.6, 0.3) if side == LONG else (0.3, 0.6)
    asked = forecast(inferred(), up=up, down=down)
    assert asked.answer(is_bar=0) == side
    assert asked.why == "forecast"
    assert asked.notes[NOTE_EDGE] == pytest.approx(4e-4)
    assert asked.figures == pytest.approx({"edge_bps": 4.0, "probability": 0.6})
    assert asked.barriers == near(0.0058586, 0.0058586)
    again = asked.answer(is_bar=0)
    assert again == STAY, "one entry a forecast"


def test_inference_barrier_has_a_floor() -> None:
    """Barriers are never nearer than three times the cost."""
    asked = forecast(inferred(least_barrier=0.02))
    assert asked.answer(is_bar=0) == LONG
    assert asked.barriers == (0.02, 0.02)


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        pytest.param({"promoted": 0}, (), id="not promoted"),
        pytest.param({"late_s": 3.01}, (), id="late"),
        pytest.param({"edge_bps": 3.0}, ("edge",), id="edge"),
        pytest.param({"up": 0.49, "down": 0.4}, ("probability",), id="probability"),
        pytest.param({"up": float("nan")}, (), id="unknown"),
        pytest.param({"edge_bps": float("nan")}, (), id="edge unknown"),
    ],
)
def test_inference_stays_flat(change: dict[str, float], rules: tuple[str, ...]) -> None:
    """Without promotion, in time, an edge above 3 bp and a likely side it stays flat."""
    asked = forecast(inferred(), **change)
    assert (asked.answer(is_bar=0), asked.failed) == (STAY, rules)


def test_inference_forgets_a_forecast() -> None:
    """A forecast that was good when it came is not traded seconds later."""
    asked = forecast(inferred())
    asked.passes(2.5)
    assert asked.answer(is_bar=0) == STAY


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param({"edge_bps": -0.1}, "edge-gone", id="gone"),
        pytest.param({"up": 0.3, "down": 0.6, "edge_bps": 3.1}, "forecast-turned", id="turned"),
        pytest.param({"promoted": 0}, "model-demoted", id="demoted"),
    ],
)
def test_inference_leaves(change: dict[str, float], why: str) -> None:
    """When the edge is gone, the forecast has turned, or the model was demoted."""
    asked = inferred()
    asked.holds(LONG)
    asked.candle(100.0)
    assert (forecast(asked, **change).answer(is_bar=0), asked.why) == (EXIT, why)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"edge_bps": 0.5}, id="weaker"),
        pytest.param({"up": 0.3, "down": 0.6, "edge_bps": 2.9}, id="barely turned"),
        pytest.param({"edge_bps": -9.0, "late_s": 4.0}, id="late"),
        pytest.param({"up": float("nan"), "edge_bps": -9.0}, id="unknown"),
    ],
)
def test_inference_holds_on(change: dict[str, float]) -> None:
    """Hysteresis: what would not open a position does not yet close one; a late forecast does nothing."""
    asked = inferred()
    asked.holds(LONG)
    asked.candle(100.0)
    assert forecast(asked, **change).answer(is_bar=0) == STAY


def test_inference_leaves_at_its_horizon() -> None:
    """A quarter of an hour after the entry it is over, whatever the forecast says."""
    asked = forecast(inferred())
    asked.holds(SHORT, ago_s=15 * 60)
    assert (asked.answer(is_bar=0), asked.why) == (EXIT, "horizon")


def test_hold_buys_once() -> None:
    """Long with the first candle, without a stop; never again after a close."""
    asked = Asked(hold.STRATEGY)
    assert asked.answer() == STAY
    asked.candle(100.0)
    assert (asked.answer(), asked.why, asked.barriers) == (LONG, "bought", (0.0, 0.0))
    asked.holds(LONG)
    assert asked.answer() == STAY
    asked.holds(0)
    asked.account.trades = 1
    assert asked.answer() == STAY
