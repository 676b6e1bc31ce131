"""The arithmetic of the map's scorecard: windows, the baseline of distance, gains, lifts, chances, nulls, one card."""

from collections.abc import Sequence
from itertools import pairwise
from math import exp, log

import msgspec
import numpy as np
import pytest
from tests.unit.map_histories import LEVERAGED

from perpscope.analytics.liqmap.bars import DAY_NS, MINUTE_NS
from perpscope.analytics.scorecard import baselines, chance, distance_only, judge, scores
from perpscope.analytics.scorecard.baselines import CANDLE_NS, Candles
from perpscope.analytics.scorecard.card import card
from perpscope.analytics.scorecard.windows import (
    CELL,
    CELLS,
    NOT_REACHED,
    NOTHING_FORCED,
    TOO_FEW,
    Window,
    flat,
    reached,
    reason_against,
    split_at,
)

START = 1_760_054_400 * 1_000_000_000


def window(
    realised: Sequence[float], found: Sequence[float], *, market: int = 1, ts: int = START, events: int = 20
) -> Window:
    """A window of whole cells, with the forecast as every forecast."""
    made = np.array(found, np.float64)
    return Window(
        market=market,
        ts=ts,
        side=0,
        sigma=0.004,
        events=events,
        cover=np.ones(len(realised)),
        realised=np.array(realised, np.float64),
        found={"map": made, "other_day": made[::-1].copy(), "uniform": np.ones(made.size)},
    )


def drawn(count: int, *, seed: int = 5, knows: bool = True) -> list[Window]:
    """Windows of a world in which one cell of each is three times as heavy; the map knows which, or guesses."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        cells = int(rng.integers(8, 24))
        truth = np.exp(-0.15 * np.arange(cells)) * np.where(rng.random(cells) < 0.25, 4.0, 1.0)
        realised = rng.gamma(0.6, 1.0, cells) * truth * 1e5 * (rng.random(cells) < 0.8)
        guess = truth if knows else rng.permutation(truth)
        ts = START + (number // 2) * 60 * MINUTE_NS
        made.append(window(realised.tolist(), guess.tolist(), market=1 + number % 2, ts=ts))
    return made


@pytest.mark.parametrize(
    ("realised", "events", "reason"),
    [
        pytest.param([0.0, 0.0], 20, NOT_REACHED, id="hardly-moved"),
        pytest.param([0.0] * 6, 20, NOTHING_FORCED, id="nothing"),
        pytest.param([1.0] * 6, 9, TOO_FEW, id="nine"),
        pytest.param([1.0] * 6, 10, None, id="ten"),
    ],
)
def test_a_window_is_left_out_by_name(realised: list[float], events: int, reason: str | None) -> None:
    """ANCHORS 4.1: windows with fewer than ten events are left out and counted."""
    assert reason_against(window(realised, [1.0] * len(realised), events=events)) == reason


def test_rows_are_windows_end_to_end() -> None:
    """Sums and shares are of each window; a window of no cell has no row, and no windows at all are refused."""
    rows = flat([window([1.0, 2.0], [1.0, 3.0]), window([], []), window([4.0, 0.0, 0.0], [0.0, 0.0, 0.0])])
    assert rows.count == 2
    assert rows.sums(rows.realised).tolist() == [3.0, 4.0]
    assert rows.shares(rows.found["map"]).tolist() == [0.25, 0.75, 0.0, 0.0, 0.0]
    assert rows.cell.tolist() == [0, 1, 0, 1, 2]
    with pytest.raises(ValueError, match="no window"):
        flat([window([], [])])


def test_cells_are_reached_from_the_mark_outwards() -> None:
    """A price that went 12 bps reached two cells of 5 and two fifths of the third; one that did not move, none."""
    covered = reached(np.array([0.0012, 0.0, -0.001]))
    assert covered[0, :4] == pytest.approx([1.0, 1.0, 0.4, 0.0])
    assert not covered[1:].any()


def test_training_comes_first_and_an_embargo_after_it() -> None:
    """40 % of the time between the first window's beginning and the last one's end."""
    stamps = np.array([0, 60, 120, 180, 240], np.int64)
    assert split_at(stamps, 0.4, 60) == 120


def test_distance_alone_is_what_was_realised_by_distance() -> None:
    """In a world where amounts fall with distance the fitted shares do, for known markets and for a stranger."""
    rows = flat(drawn(400))
    fitted = distance_only.fitted(rows)
    assert fitted.scale in {"bps", "sigma"}
    shares = rows.shares(fitted.expected(rows))
    assert rows.sums(shares) == pytest.approx(np.ones(rows.count))
    near, far = shares[rows.cell == 0].mean(), shares[rows.cell == 7].mean()
    assert near / far == pytest.approx(exp(0.15 * 7), rel=0.35)
    stranger = flat([window([1.0] * 8, [1.0] * 8, market=99)])
    assert fitted.expected(stranger).sum() == pytest.approx(
        fitted.expected(flat([window([1.0] * 8, [1.0] * 8)])).sum(), rel=0.5
    )


def test_distance_in_deviations_is_taken_where_it_foretells_better() -> None:
    """A world whose amounts fall by standard deviations, from calm to wild, is described by them."""
    made = []
    for number, one in enumerate(drawn(300)):
        sigma = (0.002, 0.004, 0.016)[number % 3]
        realised = 1e5 * np.exp(-(np.arange(one.cover.size) + 0.5) * CELL / sigma)
        made.append(msgspec.structs.replace(one, sigma=sigma, realised=realised))
    assert distance_only.fitted(flat(made)).scale == "sigma"


def test_one_day_of_training_is_foretold_by_no_curve() -> None:
    """Where there is no other day to fit a curve on, the other day's curve is flat; nothing of nothing is None."""
    rows = flat(drawn(20))
    assert np.array_equal(distance_only.apart(rows, "bps"), rows.cover)
    assert rows.where(np.zeros(rows.count, bool)) is None


def test_distance_needs_something_to_learn_from() -> None:
    """Where nothing was closed by force there is no baseline."""
    with pytest.raises(ValueError, match="nothing was closed"):
        distance_only.fitted(flat([window([0.0] * 6, [1.0] * 6)]))


def test_a_map_that_knows_is_better_and_one_that_guesses_is_not() -> None:
    """The card's gain, lift and chances are above distance for the truth, and not for a shuffled one. Keeps B1, B2."""
    known, guessed = card(drawn(700), 60), card(drawn(700, knows=False), 60)
    assert known.bits_low > 0.05
    assert known.lift_low > 1.2
    assert known.share > 0.5
    assert known.chances.brier_skill.low > 0.0
    assert known.ece < 0.05
    assert known.oracle_share is None
    assert known.null_lift.low < 1.1
    assert known.others["map_alone"].bits.value > 0.05
    assert known.others["uniform"].bits.value < 0.0
    assert known.others["uniform"].behind_bits.low > 0.0
    assert set(known.bits_of) == {"1", "2"}
    assert guessed.bits_low < 0.005
    assert guessed.share < 0.3


def test_the_oracles_share_is_told_where_the_truth_is_known() -> None:
    """A map that is the truth gains all of what there is to gain."""
    made = drawn(400)
    for one in made:
        one.found["oracle"] = one.found["map"]  # type: ignore[index]  # a dict here
    assert card(made, 60).oracle_share == pytest.approx(1.0)


def test_what_is_scored_was_not_fitted_on() -> None:
    """Whatever happens after the split changes neither blend nor baseline nor threshold. Keeps B1."""
    made = drawn(400)
    split = split_at(np.array([one.ts for one in made], np.int64), 0.4, 60 * MINUTE_NS)
    changed = [
        one
        if one.ts + 60 * MINUTE_NS <= split
        else window((one.realised[::-1] * 9.0).tolist(), one.found["map"].tolist(), market=one.market, ts=one.ts)
        for one in made
    ]
    before, after = card(made, 60), card(changed, 60)
    assert (before.share, before.distance_scale) == (after.share, after.distance_scale)
    assert before.chances.threshold_usd == after.chances.threshold_usd
    assert before.others["uniform"].share == after.others["uniform"].share
    assert before.bits != after.bits


def test_too_little_is_refused() -> None:
    """No card is made of windows that were all left out."""
    with pytest.raises(ValueError, match="0 windows to learn from and 0 to score at 60 minutes"):
        card([window([0.0] * 6, [1.0] * 6, ts=START + day * DAY_NS) for day in range(4)], 60)


def test_permuted_cells_stay_within_ten_basis_points() -> None:
    """Cells change places in pairs, in their own window; what they hold together stays."""
    rows = flat([window([1.0] * 7, list(range(1, 8))), window([1.0] * 6, list(range(10, 16)))])
    moved = judge.permuted(rows, rows.found["map"], np.random.default_rng(1))
    pairs = [slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 7), slice(7, 9), slice(9, 11), slice(11, 13)]
    for pair in pairs:
        assert sorted(moved[pair]) == sorted(rows.found["map"][pair])
    assert not np.array_equal(moved, rows.found["map"])


def test_a_blend_of_nothing_is_the_baseline() -> None:
    """A forecast that holds nothing where the price went counts as distance."""
    rows = flat([window([1.0, 1.0], [0.0, 0.0]), window([1.0, 1.0], [3.0, 1.0])])
    made = judge.blended(rows, rows.shares(rows.found["map"]), np.array([0.6, 0.4, 0.5, 0.5]), 0.5)
    assert made.tolist() == [0.6, 0.4, 0.625, 0.375]


def test_lifts_of_rows_are_those_of_each() -> None:
    """Windows end to end have the lifts they have one by one, ties and windows of five cells included."""
    made = [
        *drawn(40),
        window([1.0, 0.0, 0.0, 2.0, 0.0], [1.0] * 5),
        window([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2.0, 1.0] * 3),
    ]
    rows = flat(made)
    base = rows.shares(np.exp(-0.1 * rows.cell))
    told = judge.blended(rows, rows.shares(rows.found["map"]), base, 0.9)
    parts = [slice(first, last) for first, last in pairwise(rows.starts.tolist())]
    expected = [scores.lift(rows.realised[part], told[part], base[part]) for part in parts]
    assert judge.lifts(rows, told, base) == pytest.approx(expected)


def test_chances_are_what_happened() -> None:
    """A fitted curve gives back the chances of a logistic world; its table lies on the diagonal. Keeps B2."""
    rng = np.random.default_rng(3)
    x = rng.normal(0.0, 1.0, (20_000, 1))
    truth = 1.0 / (1.0 + np.exp(-(0.5 - 1.2 * x[:, 0])))
    happened = rng.random(20_000) < truth
    curve = chance.fit(x, happened)
    told = curve.chances(x)
    assert np.abs(told - truth).max() < 0.03
    table = chance.reliability(told, happened)
    assert len(table) == 10
    assert chance.calibration_error(table) < 0.012
    assert all(one.low < one.seen < one.high for one in table)
    assert chance.brier(told, happened) < chance.brier(np.full(20_000, happened.mean()), happened)


def test_a_curve_that_cannot_settle_stops_all_the_same() -> None:
    """Outcomes that a feature parts cleanly would drive the slope for ever; the ridge holds it."""
    x = np.linspace(-1.0, 1.0, 200)[:, None]
    curve = chance.fit(x, x[:, 0] > 0.0)
    assert np.isfinite(curve.weights).all()
    assert curve.chances(x)[[0, -1]] == pytest.approx([0.0, 1.0], abs=0.05)


def candles(closes: Sequence[float]) -> Candles:
    """Quarter hours that go from one close to the next."""
    close = np.array(closes)
    before = np.concatenate((close[:1], close[:-1]))
    count = close.size
    return Candles(
        ts=START + CANDLE_NS * np.arange(1, count + 1, dtype=np.int64),
        low=np.minimum(before, close),
        high=np.maximum(before, close),
        close=close,
        volume_usd=np.full(count, 1e6),
        bought=np.full(count, 0.25),
        open_interest_usd=np.full(count, 1e8),
        funding_8h=np.full(count, 1e-4),
    )


def walk(count: int, seed: int = 2) -> Candles:
    """A random walk around 100."""
    return candles((100.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0, 0.004, count)))).tolist())


def test_points_and_sides_lie_where_they_should() -> None:
    """A level 1 % below the mark is in the long cells about 100 bps away, spread over 20 bps either way."""
    laid = baselines.by_side(baselines.points(np.array([99.0]), np.array([9.0]), 100.0))
    place = int(-log(0.99) / CELL)
    assert laid[0, place - 4 : place + 5] == pytest.approx(np.ones(9))
    assert laid.sum() == pytest.approx(9.0)
    assert not baselines.points(np.array([50.0, 200.0]), np.ones(2), 100.0).any()


def test_a_volume_profile_is_volume_by_price() -> None:
    """Three days of volume lie between the lows and highs they were traded at, whole."""
    past = candles([100.0, 99.0, 98.0, 99.0, 100.0])
    laid = baselines.volume_profile(past, 100.0)
    reach = int(-log(0.98) / CELL) + 1
    assert laid[0, :reach].sum() == pytest.approx(4e6, rel=0.01)
    assert laid[:, reach + 1 :].sum() == pytest.approx(0.0, abs=1.0)


def test_swings_are_lows_below_and_highs_above() -> None:
    """A trough of hours is a level for longs, a peak one for shorts; too few hours have none."""
    hours = [100.0, 99.5, 98.0, 99.5, 100.0, 101.0, 102.0, 101.0, 100.5, 100.0]
    past = candles([price for price in hours for _ in range(4)])
    laid = baselines.swings(past, 100.0)
    assert laid[0].argmax() == pytest.approx(int(-log(0.98) / CELL), abs=4)
    assert laid[1].argmax() == pytest.approx(int(log(1.02) / CELL), abs=4)
    assert not baselines.swings(candles([100.0] * 9), 100.0).any()


def test_a_static_ladder_hangs_on_leverage_alone() -> None:
    """Each class lies about its distance; nothing is nearer than the highest leverage allows."""
    laid = baselines.static_ladder(LEVERAGED)
    assert laid.shape == (2, CELLS)
    assert laid[0].sum() > 0.0
    assert laid[0, 150] < laid[0].max()


def test_yesterday_is_the_last_day_by_side() -> None:
    """Older events are forgotten, and longs are below."""
    stamps = np.array([START, START + DAY_NS, START + DAY_NS + 1], np.int64)
    forced = (np.array([0, 0, 1], np.int64), np.array([99.0, 99.5, 100.5]), np.array([5.0, 7.0, 11.0]))
    laid = baselines.yesterday(stamps, forced, START + DAY_NS + 2, 100.0)
    assert laid[0].sum() == pytest.approx(7.0)
    assert laid[1].sum() == pytest.approx(11.0)


def test_other_peoples_rules_lay_out_what_they_say() -> None:
    """Cleared levels are gone from the documents' map and stay in the one that never clears; all lie in reach."""
    past = walk(400)
    mark = float(past.close[-1])
    seed, three, py = (
        rule(past, mark) for rule in (baselines.seed_formula, baselines.three_leverages, baselines.py_liquidation_map)
    )
    assert all(laid.shape == (2, CELLS) and laid.min() >= 0.0 for laid in (seed, three, py))
    assert seed[0, :20].sum() < seed[0, 40:].sum()
    assert py[1].sum() > py[0].sum()  # 75 % was sold: shorts
    assert baselines.uniform().sum() == 2 * CELLS


def test_the_public_rule_needs_hours_and_volume() -> None:
    """It has no map before two hours, nor without volume."""
    assert baselines.public(candles([100.0] * 7)) is None
    past = walk(200)
    still = msgspec.structs.replace(past, volume_usd=np.zeros(200))
    assert baselines.public(still) is None
    assert not baselines.public_cells(None, 100.0).any()
    laid = baselines.public_cells(baselines.public(past), float(past.close[-1]))
    assert laid.sum() > 0.0


def test_candles_end_at_the_moment() -> None:
    """What is over is over; nothing later is handed out."""
    past = walk(10)
    assert past.until(int(past.ts[3])).close.size == 4
    assert past.until(int(past.ts[3]) - 1).close.size == 3
