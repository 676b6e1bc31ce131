"""The map's arithmetic against METHOD's printed figures and figures worked out by hand. Keeps B4."""

from math import log

import numpy as np
import pytest

from perpscope.analytics.liqmap import book as books
from perpscope.analytics.liqmap import force, kernel, learning
from perpscope.analytics.liqmap.bars import Setting
from perpscope.analytics.liqmap.ladder import (
    DISTANCES,
    LEVERAGES,
    MAP_PROFILES,
    PROFILES,
    distance_ladder,
    leverage_ladder,
)
from perpscope.analytics.margin import Terms
from perpscope.analytics.margin_tiers import TierTable, deductions, flat_table
from perpscope.analytics.scorecard import scores
from perpscope.model.instrument import TierBasis


def test_closes_follow_the_disposition_effect() -> None:
    """METHOD 6.5: m=(40,30,30), r=(.58,.90,1.34), C=4 → θ=.0452691, removed (1.03658, 1.19770, 1.76572)."""
    held, rates = np.array([40.0, 30.0, 30.0]), np.array([0.58, 0.90, 1.34])
    assert kernel.closing_rate(held, rates, 4.0) == pytest.approx(0.0452691, abs=5e-8)
    removed = held * (1.0 - kernel.survivors(held, rates, 4.0))
    assert removed == pytest.approx([1.03658, 1.19770, 1.76572], abs=5e-6)


def test_plain_closes_leave_the_same_share_everywhere() -> None:
    """METHOD 6.5: OI 100 → 98, opens 3, liquidated 1: 4 are closed, survivors × .959596."""
    opened, closed = kernel.amounts(np.array([99.0, 99.0]), 98.0, 3.0, np.inf, 0.98)
    assert opened == pytest.approx([3.0, 3.0])
    assert closed == pytest.approx([4.0, 4.0])
    assert kernel.survivors(np.array([60.0, 39.0]), np.ones(2), 4.0) == pytest.approx([0.959596] * 2, abs=5e-7)


@pytest.mark.parametrize(
    ("held", "open_interest", "turnover", "volume", "opened", "closed"),
    [
        pytest.param(100.0, 110.0, 5.0, np.inf, 15.0, 5.0, id="growth-and-turnover"),
        pytest.param(100.0, 110.0, 5.0, 12.0, 12.0, 2.0, id="no-more-than-was-traded"),
        pytest.param(100.0, 110.0, 5.0, 1.0, 10.0, 0.0, id="open-interest-wins-over-volume"),
        pytest.param(100.0, 90.0, 5.0, np.inf, 5.0, 15.0, id="shrinks"),
        pytest.param(100.0, 100.0, 500.0, np.inf, 98.0, 98.0, id="never-more-than-nearly-all"),
        pytest.param(100.0, 0.0, 5.0, np.inf, 0.0, 100.0, id="all-gone"),
    ],
)
def test_each_side_ends_at_the_open_interest(
    held: float, open_interest: float, turnover: float, volume: float, opened: float, closed: float
) -> None:
    """What is held + opened − closed = open interest, whatever was traded."""
    found = kernel.amounts(np.array([held, held]), open_interest, turnover, volume, 0.98)
    assert found[0] == pytest.approx([opened] * 2)
    assert found[1] == pytest.approx([closed] * 2)
    assert held + found[0] - found[1] == pytest.approx([open_interest] * 2)


def test_one_step_of_learning_is_the_printed_one() -> None:
    """METHOD 6.7: A=(2,3,5), β=(.2,.5,.3), y=4, prior 10·β → r=(.1176,.4412,.4412), β'=(.205882,.520362,.317647)."""
    before, exposure = np.array([0.2, 0.5, 0.3]), np.array([2.0, 3.0, 5.0])
    shares = learning.responsibilities(before, exposure)
    assert shares == pytest.approx([0.1176, 0.4412, 0.4412], abs=5e-5)
    after = learning.posterior(4.0 * shares, exposure, 10.0, before)
    assert after == pytest.approx([0.205882, 0.520362, 0.317647], abs=5e-7)


def test_force_and_balance_are_the_printed_ones() -> None:
    """METHOD 6.10: P=100, σ=.02, OI=100, 2@101, 1@103, 3@98.5, 4@96 → F₊=.0689622, F₋=.0568113, B=.0966095."""
    distances = np.log(np.array([101.0, 103.0, 98.5, 96.0]) / 100.0)
    up, down = force.pulls(distances, np.array([2.0, 1.0, 3.0, 4.0]) / 100.0, 0.02)
    assert up == pytest.approx(0.0689622, abs=5e-8)
    assert down == pytest.approx(0.0568113, abs=5e-8)
    assert force.balance_of(up, down, 0.0) == pytest.approx(0.0966095, abs=5e-7)
    balance = float(force.balance_of(up, down))
    assert balance == pytest.approx(0.09585, abs=5e-6)
    assert force.bias_of(balance, balance, balance) is force.Bias.UNBIASED


def test_the_gain_over_distance_is_the_printed_one() -> None:
    """METHOD 10.3: p=(.5,.3,.2), p₀=(.4,.4,.2), y=(6,1,3) → G=+.151653."""
    gain = scores.gain_bits(np.array([6.0, 1.0, 3.0]), np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.4, 0.2]))
    assert gain == pytest.approx(0.151653, abs=5e-7)


def test_funding_tilts_leverage_as_printed() -> None:
    """METHOD 6.4: cex_default at f8 = +3 bp: geometric mean 16.13× for longs, 9.35× for shorts, 12.21× at rest."""
    ladder = leverage_ladder(flat_table(1e-4, 125.0), profile="dynamic")
    leverage = np.array([rung.leverage or 1.0 for rung in ladder.rungs])

    def mean(weights: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[float]:
        inside = weights[:, :-1] / weights[:, :-1].sum(axis=1, keepdims=True)
        return [float(value) for value in np.exp(inside @ np.log(leverage[:-1]))]

    assert mean(ladder.tilted_weights(3e-4)) == pytest.approx([16.13, 9.35], abs=5e-3)
    assert mean(ladder.tilted_weights(0.0)) == pytest.approx([12.21, 12.21], abs=5e-3)
    assert mean(ladder.tilted_weights(float("nan"))) == pytest.approx([12.21, 12.21], abs=5e-3)
    assert ladder.tilted_weights(-2e-4)[::-1] == pytest.approx(ladder.tilted_weights(2e-4))
    assert ladder.tilted_weights(2e-4).sum(axis=1) == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("profile", MAP_PROFILES)
def test_every_profile_is_a_whole(profile: str) -> None:
    """Each side's shares of each profile sum to 1, with a third out of reach. Keeps S3-08, S3-09, S3-10, S3-11."""
    ladder = leverage_ladder(flat_table(0.004, 125.0), profile=profile)
    assert ladder.weights.sum(axis=1) == pytest.approx([1.0, 1.0])
    assert ladder.weights[:, -1] == pytest.approx([0.35, 0.35])
    assert ladder.tilted is (profile in {"dynamic", "calibrated"})
    assert (ladder.offsets[0] < 0.0).all()
    assert (ladder.offsets[1] > 0.0).all()


@pytest.mark.parametrize("profile", PROFILES)
def test_the_profiles_are_those_of_the_method(profile: str) -> None:
    """Shares of ten leverages, which sum to 1 as printed."""
    assert len(PROFILES[profile]) == len(LEVERAGES)
    assert sum(PROFILES[profile]) == pytest.approx(1.0, abs=0.005)


def test_leverage_classes_lie_where_the_margin_engine_says() -> None:
    """METHOD 1.2 row 16: 20× at 60,000 ends at 57,228.9157 long, 62,749.0040 short. Keeps S3-12, S3-13."""
    ladder = leverage_ladder(flat_table(0.004, 125.0), price=60_000.0)
    at = [rung.name for rung in ladder.rungs].index("20x")
    assert 60_000.0 * np.exp(ladder.offsets[:, at]) == pytest.approx([57_228.9157, 62_749.0040], abs=5e-4)


def test_large_positions_have_a_tier_of_their_own() -> None:
    """METHOD 1.2 row 15: $6M at 10× is liquidated at 54,429.7980, a tenth of what is opened at 10×. Keeps S3-14."""
    floors, rates = (0.0, 5e4, 6e5, 3e6, 12e6), (0.004, 0.005, 0.0065, 0.01, 0.02)
    table = TierTable(floors, rates, deductions(floors, rates), (125.0, 100.0, 75.0, 50.0, 25.0))
    ladder = leverage_ladder(table, price=60_000.0)
    names = [rung.name for rung in ladder.rungs]
    small, large = names.index("10x"), names.index("10x large")
    assert 60_000.0 * np.exp(ladder.offsets[0, large]) == pytest.approx(54_429.7980, abs=5e-4)
    assert ladder.weights[0, large] / ladder.weights[0, [small, large]].sum() == pytest.approx(0.1)
    assert "25x large" not in names


def test_what_may_not_be_opened_is_left_out() -> None:
    """Under a highest leverage of 40× nothing is held at 50× and more, and the rest takes its share."""
    ladder = leverage_ladder(flat_table(0.0125, 40.0))
    assert max(rung.leverage or 0.0 for rung in ladder.rungs) == 25.0
    assert ladder.weights.sum(axis=1) == pytest.approx([1.0, 1.0])


def test_a_leverage_liquidated_on_opening_is_left_out() -> None:
    """Where maintenance asks for all of 1/125 of the value, 125× cannot be held."""
    ladder = leverage_ladder(flat_table(0.008, 125.0))
    assert max(rung.leverage or 0.0 for rung in ladder.rungs) == 100.0


def test_tiers_by_size_are_asked_in_base_units() -> None:
    """A table that counts coins gives the position its tier at the price that is given."""
    table = TierTable((0.0, 1.0), (0.004, 0.01), (0.0, 0.0), (125.0, 20.0), TierBasis.SIZE, 200.0)
    ladder = leverage_ladder(table, Terms(closing_fee=0.0005), price=50_000.0)
    names = [rung.name for rung in ladder.rungs]
    small, large = names.index("10x"), names.index("10x large")
    assert ladder.offsets[0, small] == pytest.approx(log(0.9 / (1.0 - 0.0045)))
    assert ladder.offsets[0, large] == pytest.approx(log(0.9 / (1.0 - 0.0105)))
    assert names.index("50x")


@pytest.mark.parametrize(
    ("what", "says"),
    [
        pytest.param(
            lambda: leverage_ladder(flat_table(0.004), profile="bold"), "profile 'bold' must be", id="profile"
        ),
        pytest.param(lambda: leverage_ladder(flat_table(0.3, 1.0)), "no leverage of profile", id="nothing-opens"),
        pytest.param(lambda: distance_ladder(()), "must be above 0", id="no-distance"),
        pytest.param(lambda: distance_ladder((0.01, -0.01)), "must be above 0", id="negative"),
        pytest.param(lambda: distance_ladder((0.01,), (0.5, 0.5)), "2 shares for 1 distances", id="shares"),
        pytest.param(lambda: distance_ladder(DISTANCES, out_of_reach=1.0), "must lie in [0, 1)", id="all-out"),
        pytest.param(
            lambda: books.begin(distance_ladder((1e-4,)), 0, Setting()), "at least 0.0005 away", id="too-near"
        ),
    ],
)
def test_ladders_that_cannot_be_are_refused(what: object, says: str) -> None:
    """Each says what is wrong with it."""
    assert callable(what)
    with pytest.raises(ValueError, match=says.replace("(", r"\(").replace("[", r"\[").replace(")", r"\)")):
        what()
