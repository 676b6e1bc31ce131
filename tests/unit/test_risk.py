"""The risk score: METHOD's example, its sides, what is missing, levels; and the series it is made from."""

import numpy as np
import pytest

from perpscope.analytics.risk import WEIGHTS, funding_extreme, level, saturated, score
from perpscope.analytics.risk_series import (
    RiskAt,
    RiskInput,
    area_under_curve,
    log_returns,
    risk_at,
    sigma_forecast,
    window_sums,
)
from perpscope.analytics.sentiment_scale import Floats

MINUTE_NS = 60_000_000_000


def test_the_weights_are_the_documents() -> None:
    """0.3, 0.25, 0.25 and 0.2, which sum to 1. Keeps S0-29, S0-30, S0-31 and S0-32."""
    assert list(WEIGHTS.values()) == [0.30, 0.25, 0.25, 0.20]
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)


def test_the_example_of_the_method() -> None:
    """METHOD §4: z = (3.2, 2.5, 1.0, 5) without the anchor → 54.5, of which 22, 12.5, 0 and 20 points."""
    z = saturated([2.5, 1.0, 5.0]).tolist()
    funding = float(funding_extreme(3.2, 0.0))
    assert funding == pytest.approx(0.7333, abs=5e-5)
    found = score({"funding": funding, "volatility": z[0], "open_interest": z[1], "volume": z[2]})
    assert found.value == pytest.approx(54.5)
    assert [part.points for part in found.parts] == pytest.approx([22.0, 12.5, 0.0, 20.0])
    assert found.coverage == pytest.approx(1.0)


def test_the_anchor_of_funding() -> None:
    """0.1 % per 8 h is extreme of either sign, whatever is usual; an unusually low rate is as extreme as a high one."""
    assert funding_extreme(0.0, 0.001) == 1.0
    assert funding_extreme(0.0, -0.0005) == pytest.approx(0.5)
    assert funding_extreme(-4.0, 0.0) == 1.0


@pytest.mark.parametrize(
    ("f8", "moved", "long", "short"),
    [
        pytest.param(0.0004, 0.0, 30.0 + 10.0, 10.0, id="longs pay"),
        pytest.param(-0.0004, 0.0, 10.0, 40.0, id="shorts pay"),
        pytest.param(None, 0.0, 25.0, 25.0, id="funding sign unknown"),
        pytest.param(0.0, -20.0, 15.0 + 20.0, 15.0, id="a fall threatens longs"),
        pytest.param(0.0, 20.0, 15.0, 35.0, id="a rise threatens shorts"),
    ],
)
def test_the_sides_share_the_score(f8: float | None, moved: float, long: float, short: float) -> None:
    """Funding counts for the side that pays it, the rest goes by the tilt; together they are the score."""
    found = score({"funding": 1.0, "volatility": 0.0, "open_interest": 0.0, "volume": 1.0}, f8, moved)
    assert found.long == pytest.approx(long)
    assert found.short == pytest.approx(short)
    assert found.value == pytest.approx(50.0)


def test_what_is_missing_leaves_its_weight_to_the_rest() -> None:
    """Funding and volume alone are half of the weights and still a score; less is none, and says how much."""
    found = score({"funding": 1.0, "volume": 0.0, "volatility": None, "open_interest": float("nan")})
    assert found.coverage == 0.5
    assert found.value == pytest.approx(60.0)
    assert [part.weight for part in found.parts] == pytest.approx([0.6, 0.0, 0.0, 0.4])
    assert [part.level for part in found.parts] == [1.0, None, None, 0.0]
    less = score({"volatility": 1.0})
    assert (less.value, less.long, less.short, less.coverage) == (None, None, None, 0.25)


@pytest.mark.parametrize("levels", [{"rain": 0.5}, {"volume": 1.5}, {"volume": -0.1}], ids=str)
def test_a_level_that_makes_no_sense_is_refused(levels: dict[str, float | None]) -> None:
    """A part nobody knows, or one outside 0 and 1, is a bug of the caller."""
    with pytest.raises(ValueError, match="levels must be of funding"):
        score(levels)


def test_levels_with_hysteresis() -> None:
    """LOW below 30, ELEVATED below 55, HIGH below 75; a level is left five points below its edge."""
    assert [level(value) for value in (0.0, 29.9, 30.0, 55.0, 74.9, 75.0)] == [
        "LOW",
        "LOW",
        "ELEVATED",
        "HIGH",
        "HIGH",
        "EXTREME",
    ]
    assert [level(value, "HIGH") for value in (54.9, 50.0, 49.9, 24.9, 80.0)] == [
        "HIGH",
        "HIGH",
        "ELEVATED",
        "LOW",
        "EXTREME",
    ]
    with pytest.raises(ValueError, match="'CALM' must be one of"):
        level(1.0, "CALM")


def quiet(days: float = 8.0, seed: int = 7) -> dict[str, Floats]:
    """A quiet market of one-minute steps."""
    rng, steps = np.random.default_rng(seed), round(days * 1440)
    return {
        "close": 100.0 * np.exp(np.cumsum(2e-4 * rng.standard_normal(steps))),
        "volume": np.exp(0.3 * rng.standard_normal(steps)),
        "open_interest": 1000.0 * np.exp(np.cumsum(1e-5 * rng.standard_normal(steps))),
        "f8": 1e-4 + 1e-5 * rng.standard_normal(steps),
    }


def judge(arrays: dict[str, Floats], *steps: int) -> list[RiskAt]:
    """The score of some steps, from a market of minutes."""
    return risk_at(RiskInput(ts_first=0, step_s=60.0, **arrays), steps)


def test_a_crash_scores_high_and_a_quiet_minute_low() -> None:
    """A fall of 6 % with a third of the open interest gone in 15 minutes; longs are the side in danger."""
    arrays = quiet()
    arrays["close"][-15:] *= np.linspace(0.995, 0.94, 15)
    arrays["volume"][-15:] *= 8.0
    arrays["open_interest"][-15:] *= np.linspace(0.98, 0.67, 15)
    calm, crash = judge(arrays, 11_000, -1 + arrays["close"].size)
    assert crash.risk.value is not None
    assert crash.risk.long is not None
    assert calm.risk.value is not None
    assert crash.risk.value > 70.0
    assert calm.risk.value < 40.0
    assert crash.risk.long > 0.9 * crash.risk.value - 10.0
    assert crash.history["volatility"] == pytest.approx(7 * 4 * 60, rel=0.01), "the same hours of other days"
    assert crash.history["volume"] == 10_080


def test_the_past_is_all_that_counts() -> None:
    """A step's score is the same whatever comes after it."""
    arrays = quiet(days=2.0)
    (before,) = judge({name: values[:2000].copy() for name, values in arrays.items()}, 1999)
    (after,) = judge(arrays, 1999)
    assert before == after


def test_holes_cost_coverage_and_not_the_score() -> None:
    """Without open interest, and with a hole in the volume, what is left still scores; too little does not."""
    arrays = quiet(days=1.0)
    arrays["open_interest"][:] = np.nan
    (found,) = judge(arrays, 1439)
    assert found.risk.coverage == pytest.approx(0.75)
    arrays["volume"][-3] = np.nan
    arrays["f8"][-1] = np.nan
    (less,) = judge(arrays, 1439)
    assert (less.risk.coverage, less.risk.value) == (0.25, None)


def test_a_young_market() -> None:
    """Without twenty points of history only the anchor of funding speaks."""
    arrays = {name: values[:18].copy() for name, values in quiet(days=1.0).items()}
    (found,) = judge(arrays, 17)
    assert [part.name for part in found.risk.parts if part.level is not None] == ["funding"]
    (first,) = judge(arrays, 0)
    assert first.risk.value is None


def test_arrays_of_different_lengths_are_refused() -> None:
    """A column that lost a row would shift the market against itself."""
    arrays = quiet(days=0.1)
    arrays["volume"] = arrays["volume"][1:]
    with pytest.raises(ValueError, match="of one length"):
        judge(arrays, 0)


def test_a_coarse_grid_needs_no_window_of_its_own() -> None:
    """On hours the window is one step, and the same hours are too few to be compared with alone."""
    rng = np.random.default_rng(3)
    close = 100.0 * np.exp(np.cumsum(0.004 * rng.standard_normal(400)))
    ones = np.ones(400)
    given = RiskInput(ts_first=0, step_s=3600.0, close=close, volume=ones, open_interest=ones, f8=1e-4 * ones)
    (found,) = risk_at(given, [399])
    assert found.history["volatility"] == 168
    assert found.risk.coverage == 1.0


def test_volatility_is_scaled_to_its_horizon() -> None:
    """Returns of 1 bp: σ of 15 minutes is √15 bp; a hole changes nothing, before the first there is none."""
    returns = np.where(np.arange(50) % 2, 1e-4, -1e-4)
    returns[[0, 30]] = np.nan
    sigma = sigma_forecast(returns, 60.0, 900.0)
    assert sigma[1:] == pytest.approx(np.full(49, 15.0**0.5 * 1e-4))
    assert np.isnan(sigma[0])


def test_volatility_never_falls_below_a_quarter_of_its_median() -> None:
    """A feed that repeats one price for hours does not make the next tick a hundred-sigma event."""
    returns = np.r_[np.where(np.arange(5000) % 2, 1e-4, -1e-4), np.zeros(2000)]
    assert sigma_forecast(returns, 60.0, 60.0)[-1] == pytest.approx(0.25e-4, rel=0.01)


def test_windows() -> None:
    """Returns and sums of windows longer than the series are not known."""
    values = np.array([1.0, 2.0, 4.0])
    assert np.isnan(log_returns(values, 3)).all()
    assert log_returns(values, 2)[2] == pytest.approx(np.log(4.0))
    assert np.isnan(window_sums(values, 4)).all()
    assert window_sums(values, 2)[1:].tolist() == [3.0, 6.0]


def test_area_under_the_curve() -> None:
    """By hand: of six pairs four are in order and one is a tie; without both kinds there is nothing to say."""
    scores = [0.9, 0.4, 0.4, 0.5, 0.1, np.nan]
    assert area_under_curve(scores, [True, True, False, False, False, True]) == pytest.approx(4.5 / 6.0)
    assert area_under_curve([1.0, 2.0], [True, True]) is None
    assert area_under_curve([1.0], [False]) is None


def test_open_interest_that_only_grows_less_is_no_risk() -> None:
    """A decrease is ranked among all changes; an increase smaller than usual is none."""
    arrays = quiet(days=1.0)
    arrays["open_interest"] = 1000.0 * np.exp(1e-4 * np.arange(1440) + 1e-6 * np.sin(np.arange(1440)))
    arrays["open_interest"][-15:] = arrays["open_interest"][-16] * 1.0001
    (grows,) = judge(arrays, 1439)
    arrays["open_interest"][-15:] *= 0.99
    (falls,) = judge(arrays, 1439)
    levels = [next(p.level for p in found.risk.parts if p.name == "open_interest") for found in (grows, falls)]
    assert levels == [0.0, 1.0]
