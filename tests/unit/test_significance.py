"""Nulls, luck and the verdict, beside published examples and counts by hand."""

from collections.abc import Mapping
from itertools import combinations
from math import comb, sqrt

import numpy as np
import pytest
from tests.unit.runs_made import BEGIN_MS, DAY_MS, MINUTE_MS, trade

from perpscope.model.run import RunTrade, Verdict
from perpscope.trading.performance.ratios import sharpe
from perpscope.trading.significance import judged
from perpscope.trading.significance.bootstrap import block_days, daily_interval, expectancy_interval
from perpscope.trading.significance.deflated import Shape, deflated, luck, shape
from perpscope.trading.significance.overfitting import overfitting
from perpscope.trading.significance.placebo import Prices, placebo

PASSED: Mapping[str, float | None] = {"placebo_p": 0.01, "dsr": 0.97, "trials": 4.0, "rests_on_few": 0.0}


def test_the_published_example_of_the_deflated_ratio_comes_out() -> None:
    """Bailey & López de Prado: 2.5 a year over 1,250 days, 100 trials of variance .5 → SR0 1.7894, DSR .9004."""
    found = Shape(ratio=2.5 / sqrt(250), count=1250, skew=-3.0, kurtosis=10.0)
    assert luck(100, 0.5) == pytest.approx(1.7894, abs=5e-5)
    assert deflated(found, 100, 0.5 / 250) == pytest.approx(0.9004, abs=5e-5)


def test_more_trials_leave_less() -> None:
    """One trial has no luck to beat; without the trials' own spread that of no skill is taken."""
    found = Shape(ratio=0.1, count=400, skew=0.0, kurtosis=3.0)
    alone, ten, thousand = (deflated(found, trials) for trials in (1, 10, 1000))
    assert luck(1, 0.5) == 0.0
    assert alone > ten > thousand
    assert ten == pytest.approx(deflated(found, 10, 1 / 399))


def test_moments_are_those_of_a_hand() -> None:
    """1, 1, 1, 5 per cent: ratio 2 ÷ 2, skew 2 ÷ √3, kurtosis 7 ÷ 3; a constant and a pair have none."""
    found = shape(np.array([0.01, 0.01, 0.01, 0.05]))
    assert found is not None
    assert (found.ratio, found.skew, found.kurtosis) == pytest.approx((1.0, 2 / sqrt(3), 7 / 3))
    assert shape(np.array([0.01, 0.02])) is None
    assert shape(np.full(9, 0.1)) is None


def test_overfitting_is_what_counting_every_half_by_hand_gives() -> None:
    """Four blocks, three trials: each of the six halves is chosen, ranked and counted in plain Python."""
    returns = np.random.default_rng(11).normal(0.0, 1.0, (23, 3))
    blocks = np.array_split(np.arange(23), 4)
    low = 0
    for half in combinations(range(4), 2):
        inside = np.concatenate([blocks[at] for at in half])
        outside = np.concatenate([blocks[at] for at in range(4) if at not in half])
        ratios = [
            [float(returns[rows, at].mean() / returns[rows, at].std()) for at in range(3)] for rows in (inside, outside)
        ]
        best = max(range(3), key=lambda at: ratios[0][at])
        rank = sorted(ratios[1]).index(ratios[1][best]) + 1
        low += rank / 4 <= 0.5
    assert overfitting(returns, 4) == pytest.approx(low / comb(4, 2))


def test_a_trial_that_is_better_throughout_is_not_overfitted() -> None:
    """One column a tenth of a deviation above nineteen others in every block: PBO 0; luck alone is near one half."""
    generator = np.random.default_rng(2)
    noise = generator.normal(0.0, 1.0, (640, 20))
    skilled = noise.copy()
    skilled[:, 7] += 0.8
    assert overfitting(skilled) == 0.0
    drawn = [overfitting(np.random.default_rng(seed).normal(0.0, 1.0, (320, 8)), 8) for seed in range(40)]
    assert np.mean([one for one in drawn if one is not None]) == pytest.approx(0.5, abs=0.12)


def test_overfitting_is_not_said_of_one_trial_or_of_few_days() -> None:
    """Ranks need rivals and blocks need days; blocks that cannot be halved are refused."""
    assert overfitting(np.zeros((100, 1))) is None
    assert overfitting(np.zeros((31, 5))) is None
    with pytest.raises(ValueError, match="even"):
        overfitting(np.zeros((100, 5)), 5)


def test_trials_that_do_not_move_count_as_no_better() -> None:
    """Columns of zeros tie; a tie stands in the middle, which is not above the lower half."""
    assert overfitting(np.zeros((64, 3)), 4) == 1.0


def test_an_interval_of_days_is_repeatable_and_holds_its_figure() -> None:
    """The same seed draws the same blocks; 5 days give none, and neither does what can never be said."""
    returns = np.random.default_rng(4).normal(0.001, 0.01, 200)
    first, again, other = (daily_interval(returns, sharpe, seed) for seed in (1, 1, 2))
    assert first == again != other
    low, high = first
    assert low is not None
    assert high is not None
    found = sharpe(returns)
    assert found is not None
    assert low < found < high
    # 95 % of a Sharpe of independent days is about ±1.96·√(365/200)
    assert high - low == pytest.approx(2 * 1.96 * sqrt(365 / 200), rel=0.2)
    assert daily_interval(returns[:9], sharpe, 1) == (None, None)
    assert daily_interval(np.zeros(50), sharpe, 1) == (None, None)
    assert [block_days(days) for days in (1, 30, 1000)] == [1, 3, 10]


def test_an_interval_of_expectancy_draws_whole_days() -> None:
    """Twenty days of +2 and −1 each day: every draw has mean .5; mixed days have an interval around it; 9 days none."""
    alike = [trade(net, at_ms=BEGIN_MS + day * DAY_MS) for day in range(20) for net in (2.0, -1.0)]
    assert expectancy_interval(alike, 1) == (0.5, 0.5)
    mixed = [trade(2.0 * (day % 2), at_ms=BEGIN_MS + day * DAY_MS) for day in range(100)]
    low, high = expectancy_interval(mixed, 1)
    assert low == pytest.approx(1.0 - 1.96 / 10, abs=0.05)
    assert high == pytest.approx(1.0 + 1.96 / 10, abs=0.05)
    assert expectancy_interval(mixed[:9], 1) == (None, None)
    assert expectancy_interval([], 1) == (None, None)


def _rising() -> Prices:
    return Prices(BEGIN_MS + MINUTE_MS * np.arange(2880), np.linspace(100.0, 128.79, 2880))


def test_a_placebo_on_a_straight_line_is_the_line() -> None:
    """Rising .01 a minute, ten minutes long, costs .05: every draw is +.05, of a short −.15."""
    made = [trade(0.05, fees=0.03, slippage=0.02), trade(-0.15, fees=0.03, slippage=0.02, side="SHORT")]
    for one, expected in zip(made, (0.05, -0.15), strict=True):
        found = placebo([one], _rising(), seed=1)
        assert found is not None
        assert (found.mean, found.low, found.high) == pytest.approx((expected,) * 3, abs=1e-9)
        assert (found.trades, found.times, found.net) == (1, 1000, one.net)


def test_entries_that_knew_the_day_beat_random_ones() -> None:
    """Bought before the day's only jump, thirty times: no draw does as well; bought after it, most do."""
    days, minutes = 30, 1440
    jumps = (np.arange(days * minutes) + 740) // minutes  # at 11:40 of each day
    prices = Prices(BEGIN_MS + MINUTE_MS * np.arange(days * minutes), 100.0 + jumps.astype(np.float64))
    knowing = [trade(1.0, at_ms=BEGIN_MS + day * DAY_MS + 695 * MINUTE_MS) for day in range(days)]
    late = [trade(0.0, at_ms=BEGIN_MS + day * DAY_MS + 800 * MINUTE_MS) for day in range(days)]
    best, none = placebo(knowing, prices, 1), placebo(late, prices, 1)
    assert best is not None
    assert none is not None
    assert best.p == pytest.approx(1 / 1001)
    assert none.p > 0.5
    # one of 1440 minutes in ten goes over the jump
    assert best.mean == pytest.approx(30 * 10 / 1440, abs=0.05)


def test_random_entries_pass_for_skill_no_more_often_than_said() -> None:
    """200 runs of thirty entries drawn by chance on a walk: about 5 % come out below 5 %, about half below a half."""
    found = []
    for seed in range(200):
        generator = np.random.default_rng(seed)
        price = 100.0 * np.exp(np.cumsum(generator.normal(0.0, 1e-3, 3 * 1440)))
        prices = Prices(BEGIN_MS + MINUTE_MS * np.arange(price.size), price)
        made = []
        for minute in generator.integers(0, price.size - 30, 30).tolist():
            gross = float(price[minute + 30] - price[minute])
            made.append(trade(gross - 0.1, at_ms=BEGIN_MS + minute * MINUTE_MS, minutes=30, fees=0.1))
        drawn = placebo(made, prices, seed, times=200)
        assert drawn is not None
        found.append(drawn.p)
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.045)
    assert np.mean(np.array(found) <= 0.5) == pytest.approx(0.5, abs=0.1)


def test_a_trade_with_nowhere_else_to_be_is_left_out() -> None:
    """A holding time as long as the data, a day without prices, and no prices at all cannot be drawn again."""
    whole = trade(1.0, minutes=2879)
    elsewhere = trade(1.0, at_ms=BEGIN_MS + 9 * DAY_MS)
    assert placebo([whole, elsewhere], _rising(), 1) is None
    found = placebo([whole, trade(1.0)], _rising(), 1)
    assert found is not None
    assert (found.trades, found.net) == (1, 1.0)
    assert placebo([trade(1.0)], Prices(np.array([], np.int64), np.array([])), 1) is None


def _many(net: float, count: int = 40, **more: float) -> list[RunTrade]:
    return [trade(net, at_ms=BEGIN_MS + at * DAY_MS, **more) for at in range(count)]  # type: ignore[arg-type]  # amounts


@pytest.mark.parametrize(
    ("made", "figures", "until", "verdict", "says"),
    [
        (_many(1.0, 1), PASSED, None, Verdict.TOO_FEW, "1 trade: below 30"),
        (_many(-9.0, 29), PASSED, None, Verdict.TOO_FEW, "29 trades: below 30"),
        (_many(-1.0, fees=3.0), PASSED, None, Verdict.LOSES, "40 trades lost 40.00 after costs, 1 each: 80.00 gross"),
        (
            _many(-1.0, fees=0.5),
            PASSED,
            None,
            Verdict.LOSES,
            "40 trades lost 40.00 after costs, 1 each, and 20.00 of it before fees",
        ),
        (_many(1.0), {**PASSED, "placebo_p": 0.2}, None, Verdict.FAILS_NULLS, "20.0% of draws"),
        (_many(1.0), {**PASSED, "dsr": 0.95}, None, Verdict.FAILS_NULLS, "0.950 over 4 trials"),
        (_many(1.0), {}, None, Verdict.FAILS_NULLS, "random entries; and its luck cannot be judged"),
        (_many(1.0), PASSED, BEGIN_MS + 40 * DAY_MS, Verdict.IN_SAMPLE, "no trade after the data"),
        (_many(1.0), PASSED, BEGIN_MS + 30 * DAY_MS, Verdict.IN_SAMPLE, "earned 10.00 in 10 trades after"),
        (_many(1.0), PASSED, BEGIN_MS + 5 * DAY_MS, Verdict.HOLDS, "earned 40.00;"),
        (_many(1.0), {**PASSED, "trials": 1.0}, None, Verdict.HOLDS, "0.970 over 1 trial."),
        (_many(1.0), {**PASSED, "rests_on_few": 1.0}, None, Verdict.HOLDS, "rests on few"),
    ],
    ids=[
        "one-trade",
        "29-trades",
        "loses-by-costs",
        "loses-before-costs",
        "as-good-as-random",
        "luck-of-trials",
        "untested",
        "nothing-after",
        "too-few-after",
        "holds-after",
        "holds-alone",
        "holds-on-few",
    ],
)
def test_the_verdict_is_the_first_that_is_so(
    made: list[RunTrade], figures: Mapping[str, float | None], until: int | None, verdict: Verdict, says: str
) -> None:
    """Too few, loses, fails a null, in-sample only, holds: in this order, with figures. Keeps B20, B25."""
    found, why = judged(made, figures, chosen_until_ms=until)
    assert (found, says in why) == (verdict, True), why


def test_what_lost_after_its_parameters_were_chosen_held_in_sample_only() -> None:
    """Five good trades where the parameters were chosen, forty small losses after: in-sample only."""
    made = [*_many(100.0, 5), *(trade(-1.0, at_ms=BEGIN_MS + (50 + at) * DAY_MS) for at in range(40))]
    found, why = judged(made, PASSED, chosen_until_ms=BEGIN_MS + 10 * DAY_MS)
    assert found is Verdict.IN_SAMPLE
    assert "lost 40.00 in 40 trades after" in why
