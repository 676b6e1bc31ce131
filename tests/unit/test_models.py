"""Small models and their scores, against figures reckoned otherwise."""

import numpy as np
import pytest

from perpscope.analytics.models import drift
from perpscope.analytics.models.calibration import ENOUGH, Calibration, calibrated
from perpscope.analytics.models.climatology import Climatology, climatology
from perpscope.analytics.models.logistic import OnlineLogistic
from perpscope.analytics.models.scores import (
    auc,
    brier,
    calibration_error,
    gain,
    log_loss,
    reliability,
)
from perpscope.analytics.resampling import blocks

DAY_NS = 86_400_000_000_000


def _cases(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and what came true by them."""
    rng = np.random.default_rng(seed)
    said = rng.uniform(0.05, 0.6, count)
    return said, rng.random(count) < said


def test_scores_are_what_scikit_learn_says() -> None:
    """Brier, log loss and area under the curve by an independent hand."""
    metrics = pytest.importorskip("sklearn.metrics")
    said, was = _cases(500)
    said = said.round(2)  # ties
    assert brier(said, was) == pytest.approx(metrics.brier_score_loss(was, said))
    assert log_loss(said, was) == pytest.approx(metrics.log_loss(was, said))
    assert auc(said, was) == pytest.approx(metrics.roc_auc_score(was, said))
    assert np.isnan(auc(said, np.ones(500, bool)))


def test_reliability_says_what_was_said_and_what_came() -> None:
    """Bins of like size; honest probabilities have no calibration error to speak of, shifted ones have the shift."""
    said, was = _cases(20_000)
    bins = reliability(said, was)
    assert [one.count for one in bins] == [2_000] * 10
    assert sum(one.said * one.count for one in bins) == pytest.approx(said.sum())
    assert calibration_error(said, was) < 0.02
    assert calibration_error(said + 0.2, was) == pytest.approx(0.2, abs=0.02)
    assert len(reliability(said[:3], was[:3])) == 3


def test_a_gain_over_climatology_has_an_interval_by_days() -> None:
    """Half the loss is a gain of one half; no gain on any day is none."""
    days = blocks(np.repeat(np.arange(30), 50) * DAY_NS, DAY_NS)
    base = np.random.default_rng(2).uniform(0.5, 1.0, 1500)
    half = gain(0.5 * base, base, days, 100, np.random.default_rng(1))
    assert (half.value, half.low, half.high) == pytest.approx((0.5, 0.5, 0.5))
    noisy = gain(base + 0.1 * np.random.default_rng(3).standard_normal(1500), base, days, 100, np.random.default_rng(1))
    assert noisy.low < 0.0 < noisy.high


def test_climatology_follows_the_share_and_never_knows_what_is_not_over() -> None:
    """It comes near the share, newer cases counting more, and at a case nothing within the delay is in it."""
    rng = np.random.default_rng(4)
    was = rng.random(3_000) < 0.2
    was[2_500:] = True
    weight = np.ones(3_000)
    found = climatology(was, weight, 15, half_life=200.0)
    assert found[0] == pytest.approx(1.0 / 3.0)
    assert found[2_500] == pytest.approx(0.2, abs=0.06)
    assert found[2_999] > 0.7
    other = was.copy()
    other[1_000:] = ~other[1_000:]
    assert np.array_equal(climatology(other, weight, 15, 200.0)[:1_015], found[:1_015])
    unknown = weight.copy()
    unknown[100] = 0.0
    one = Climatology(200.0)
    for row in range(100):
        one.learn(bool(was[row]))
    assert climatology(was, unknown, 0, 200.0)[100] == pytest.approx(one.share)


@pytest.mark.parametrize("count", [400, ENOUGH + 3_000], ids=["platt", "isotonic"])
def test_calibration_turns_shifted_figures_into_probabilities(count: int) -> None:
    """Few cases give a line, many a staircase; both mend a distortion and never fall."""
    said, was = _cases(count + 4_000)
    figures = said**2
    to = calibrated(figures[:count], was[:count], np.ones(count))
    assert to.kind == ("platt" if count < ENOUGH else "isotonic")
    after = to(figures[count:])
    assert calibration_error(after, was[count:]) < 0.05 < calibration_error(figures[count:], was[count:])
    grid = to(np.linspace(0.0, 1.0, 200))
    assert (np.diff(grid) >= 0.0).all()
    assert ((grid > 0.0) & (grid < 1.0)).all()


def test_an_isotonic_staircase_is_scikit_learns_but_for_its_doubt() -> None:
    """Pooling by an independent hand; no step is certain of anything."""
    regression = pytest.importorskip("sklearn.isotonic").IsotonicRegression(out_of_bounds="clip")
    said, was = _cases(5_000, seed=9)
    weight = np.full(5_000, 200.0)
    to = calibrated(said, was, weight)
    expected = regression.fit(said, was, sample_weight=weight).predict(said)
    assert np.abs(to(said) - expected).max() < 0.01


def test_figures_that_say_the_opposite_are_levelled() -> None:
    """A line that would fall says the share instead; one outcome alone teaches nothing."""
    said, was = _cases(500)
    to = calibrated(1.0 - said, was, np.ones(500))
    assert to(np.array([0.1, 0.9])) == pytest.approx([was.mean()] * 2, abs=0.01)
    for known in (np.ones(500, bool), np.zeros(500, bool)):
        assert calibrated(said, known, np.ones(500)) == Calibration("none")
    assert Calibration("none")(said) is said


def _learnable(count: int, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, 3)) * [1.0, 50.0, 1.0] + [0.0, 10.0, 3.0]
    odds = -1.0 + 1.2 * rows[:, 0] - 0.8 * (rows[:, 1] - 10.0) / 50.0
    return rows, rng.random(count) < 1.0 / (1.0 + np.exp(-odds))


def test_the_online_model_learns_what_there_is_and_asks_before_it_learns() -> None:
    """Weights have the signs of the truth, what it says ranks better than chance, and later cases are not in it."""
    rows, was = _learnable(3_000)
    base, weight = np.full(3_000, 0.3), np.ones(3_000)
    known = np.maximum(np.arange(3_000) - 15, 0)
    model = OnlineLogistic(3)
    said = model.walk(rows, base, was, weight, known)
    assert said[0] == pytest.approx(0.3)
    assert auc(said[1_000:], was[1_000:]) > 0.72
    assert model.weights[0] > 0.2 > -0.1 > model.weights[1]
    assert abs(model.weights[2]) < 0.15
    other = was.copy()
    other[2_000:] = ~other[2_000:]
    again = OnlineLogistic(3).walk(rows, base, other, weight, known)
    assert np.array_equal(again[:2_015], said[:2_015])


def test_one_by_one_it_says_what_it_says_in_a_walk() -> None:
    """The service asks as the study did; a state that was kept goes on where it stood."""
    rows, was = _learnable(300)
    rows[5, 1] = np.nan
    base = np.full(300, 0.25)
    walked = OnlineLogistic(3).walk(rows, base, was, np.ones(300), np.arange(300))
    model = OnlineLogistic(3)
    for row in range(300):
        if row == 150:
            model = OnlineLogistic(3, model.state)
        assert model.say(rows[row], 0.25) == walked[row]
        model.learn(rows[row], 0.25, bool(was[row]))


def test_a_case_without_weight_teaches_nothing_and_a_constant_feature_says_nothing() -> None:
    """What is not known to have come is passed over; what never changes has no weight in what is said."""
    rows, was = _learnable(200)
    rows[:, 2] = 4.0
    model = OnlineLogistic(3)
    model.walk(rows, np.full(200, 0.3), was, np.zeros(200), np.arange(200))
    assert not model.state.any()
    model.walk(rows, np.full(200, 0.3), was, np.ones(200), np.arange(200))
    assert model.say(rows[0], 0.3) == model.say(np.array([*rows[0][:2], 9.0]), 0.3)


def test_shuffled_outcomes_teach_nothing() -> None:
    """A model of noise ranks like chance: .5 within .02 of a large sample."""
    rows, was = _learnable(4_000)
    dealt = np.random.default_rng(8).permutation(was)
    said = OnlineLogistic(3).walk(rows, np.full(4_000, 0.3), dealt, np.ones(4_000), np.arange(4_000))
    assert auc(said[500:], dealt[500:]) == pytest.approx(0.5, abs=0.035)


def test_a_feature_that_moves_is_found() -> None:
    """The stability index is small for the same law, large for a shifted one, and counts what is not known."""
    rng = np.random.default_rng(10)
    at = drift.shape(rng.standard_normal(5_000))
    assert drift.stability(at, rng.standard_normal(5_000)) < 0.02
    assert drift.stability(at, rng.standard_normal(5_000) + 1.0) > drift.MOVED
    assert drift.stability(at, np.full(100, np.nan)) > drift.MOVED
    assert drift.shape(np.full(5, np.nan)).shares == (0.0, 1.0)
    assert drift.stability(drift.shape(np.full(9, 2.0)), np.full(9, 2.0)) == pytest.approx(0.0)
    names = ("a", "b", "c")
    rows = np.column_stack([rng.standard_normal(2_000), *(3.0 + rng.standard_normal((2, 2_000)))])
    assert drift.drifted([at] * 3, rows, names) == ["b", "c"]
    assert not drift.drifted([at] * 3, rows[:100], names)


def test_a_model_worse_than_climatology_for_two_days_is_found() -> None:
    """A whole window of losses is needed, and the mean decides."""
    base = np.full(drift.WINDOW, 0.5)
    assert drift.is_worse(base + 0.01, base)
    assert not drift.is_worse(base, base)
    assert not drift.is_worse(base[1:] + 1.0, base[1:])
