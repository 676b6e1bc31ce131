"""The parts of the hourly study against independent oracles: features, fits, gains, ranks, scale, rules. Keeps B1."""

from math import isnan, log

import msgspec
import numpy as np
import pytest
from tests.unit.hourly_sample import aimless, driven, hour_grid, market

from perpscope.analytics.hourly import baselines, features, gains, scale
from perpscope.analytics.hourly import grid as grids
from perpscope.analytics.hourly.gains import Gain, Increment
from perpscope.analytics.hourly.ledger import Ledger, ledger, published
from perpscope.analytics.hourly.ridge import BURN_H, Forecast, ridge, walk_forward
from perpscope.analytics.hourly.target import Target, lagged, swapped
from perpscope.analytics.hourly.verdict import Found, Ranks, checks
from perpscope.analytics.liqmap.bars import DAY_NS, HOUR_NS, Setting
from perpscope.analytics.liqmap.ladder import distance_ladder, leverage_ladder
from perpscope.analytics.margin_tiers import flat_table


def test_the_shape_of_an_hour() -> None:
    """Excursion, draw-down, depth below earlier lows: each by a plain loop over the bars."""
    at = hour_grid(30)
    found = features.shape(at)
    lows, highs = at.low.reshape(30, 12), at.high.reshape(30, 12)
    for hour in (0, 1, 7, 29):
        opened = at.path[12 * hour]
        assert found.excursion[hour].tolist() == pytest.approx(
            [max(opened - lows[hour].min(), 0.0), max(highs[hour].max() - opened, 0.0)]
        )
        peak, fall = opened, 0.0
        trough, rise = opened, 0.0
        for bar in range(12):
            fall, rise = max(fall, peak - lows[hour, bar]), max(rise, highs[hour, bar] - trough)
            peak, trough = max(peak, highs[hour, bar]), min(trough, lows[hour, bar])
        assert found.drawdown[hour].tolist() == pytest.approx([fall, rise])
        for column, length in enumerate(features.DEPTHS):
            before = lows[max(0, hour - length) : hour]
            lowest = before.min() if before.size else opened
            assert found.depth[hour, 0, column] == pytest.approx(max(lowest - lows[hour].min(), 0.0))
    assert found.wealth == pytest.approx(np.log(at.interest[:-1:12]) + at.opened)
    assert found.gain.sum(axis=1) == pytest.approx(np.zeros(30))


def test_baselines_know_no_later_hour() -> None:
    """Liquidations of an hour and after change no feature of it; those before do."""
    at = hour_grid(30)
    target = np.log1p(np.random.default_rng(1).gamma(1.0, 1e5, (30, 2)))
    other = target.copy()
    other[20:] += 1.0
    of = features.shape(at)
    before, after = features.strong(of, target, 0), features.strong(of, other, 0)
    assert before.shape == (30, 29)
    assert before[:21].tolist() == after[:21].tolist()
    assert (before[21] != after[21]).sum() == 8
    assert np.isfinite(before).all()


def test_ridge_is_the_textbooks() -> None:
    """Against λ as rows appended to a least-squares problem; and far features count for no more than 8 deviations."""
    rng = np.random.default_rng(2)
    known, asked = rng.normal(size=(200, 3)), np.array([[0.1, 0.2, -0.3], [1e6, 0.0, 0.0]])
    target = known @ [1.0, -2.0, 0.5] + rng.normal(size=200)
    value, spread = ridge(known, target, asked)
    z = (known - known.mean(axis=0)) / known.std(axis=0)
    slopes = np.linalg.lstsq(
        np.vstack([z, np.sqrt(3.0) * np.eye(3)]), np.append(target - target.mean(), np.zeros(3)), rcond=None
    )[0]
    clipped = np.clip((asked - known.mean(axis=0)) / known.std(axis=0), -8.0, 8.0)
    assert value == pytest.approx(target.mean() + clipped @ slopes)
    assert spread == pytest.approx(1.0, abs=0.1)


def test_a_forecast_knows_only_what_came_before() -> None:
    """Later targets and features change nothing; unknown hours are not learnt from."""
    rng = np.random.default_rng(3)
    rows, target = rng.normal(size=(400, 2)), rng.normal(size=400)
    target[170] = np.nan
    told = walk_forward(rows, target, 216)
    assert np.isnan(told.value[:216]).all()
    assert np.isfinite(told.value[216:]).all()
    other_rows, other = rows.copy(), target.copy()
    other[300:] += 5.0
    other_rows[300:] *= -1.0
    again = walk_forward(other_rows, other, 216)
    assert again.value[216:300].tolist() == told.value[216:300].tolist()
    assert told.mean[216] == pytest.approx(np.nanmean(target[BURN_H:216]))


def test_gains_by_hand() -> None:
    """A forecast that halves every error explains three quarters of what was left; bits by the normal density."""
    hours = DAY_NS * 20_000 + HOUR_NS * np.arange(96)
    rng = np.random.default_rng(4)
    target = rng.normal(size=(96, 2))
    target[5, 0] = np.nan

    def told(share: float, spread: float) -> list[Forecast]:
        return [Forecast(target[:, s] * (1 - share), np.full(96, spread), np.zeros(96)) for s in (0, 1)]

    rows = gains.scored(told(0.8, 0.8), told(0.4, 0.4), target, hours)
    found = gains.gain(rows)
    assert found.side_hours == 191
    assert found.delta_r2 == pytest.approx(0.64 - 0.16)
    assert found.r2 == pytest.approx((0.36, 0.84))
    assert (found.low, found.high) == pytest.approx((0.48, 0.48))
    assert found.bits_per_hour == pytest.approx(1.0)
    assert found.bits_low <= found.bits_per_hour <= found.bits_high
    assert set(found.by_side) == {"long", "short"}
    assert found.by_month == {"2024-10": pytest.approx(0.48)}


def test_ranks_and_their_correlation() -> None:
    """Ties share a rank; what is not known is left out; a column that never changes has none."""
    assert scale.ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]
    first, second = np.array([1.0, 2.0, 3.0, 4.0, 9.0]), np.array([2.0, 1.0, 4.0, 3.0, np.nan])
    assert scale.spearman(first, second) == pytest.approx(0.6)
    assert isnan(scale.spearman(np.ones(3), np.arange(3.0)))


def test_the_scale_of_a_number() -> None:
    """A number that is half of what comes, with noise of known width: its ratios, its daily spread, its interval."""
    rng = np.random.default_rng(6)
    hours = DAY_NS * 20_000 + HOUR_NS * np.arange(1_200)
    said = np.exp(rng.normal(13.0, 1.0, (1_200, 2)))
    was = 2.0 * said * np.exp(rng.normal(0.0, 0.5, (1_200, 2)))
    was[700] = np.nan
    was[1_000:1_024] = 0.0
    found = scale.scale(said, was, hours, 400)
    mean = 2.0 * np.exp(0.125)
    assert found.long == pytest.approx(1.0 / mean, rel=0.08)
    assert found.short == pytest.approx(1.0 / mean, rel=0.08)
    assert 0.74 <= found.coverage80 <= 0.86
    assert found.top1pct == pytest.approx(mean, rel=0.35)
    assert 0.05 < found.daily_sd_ln < 0.4
    assert found.lower_half == pytest.approx(mean, rel=0.1)
    assert 1.0 < found.top1pct_with_tail < found.top1pct


def test_the_tails_factor_is_of_earlier_hours() -> None:
    """Large hours are twice the number: learnt, and nothing of an hour or after it moves its factor."""
    rng = np.random.default_rng(7)
    said = np.exp(rng.normal(10.0, 1.0, (600, 2)))
    was = np.where(said > np.quantile(said, 0.99), 2.0, 1.0) * said
    was[3] = np.nan
    found = scale.tail(said, was)
    assert found[:200].tolist() == [[1.0, 1.0]] * 200
    late = found[400:][found[400:] != 1.0]
    assert 4 <= late.size <= 20
    assert ((late > 1.2) & (late < 2.0)).all()
    other = was.copy()
    other[400:] *= 7.0
    assert scale.tail(said, other)[:401].tolist() == found[:401].tolist()
    assert scale.tail(np.zeros((210, 2)), np.ones((210, 2))).tolist() == [[1.0, 1.0]] * 210


def test_the_ledger_is_the_maps() -> None:
    """Σ β·A·P from swept mass; conversions of an hour are of the hours before it; the balance of every bar holds."""
    at = grids.grid(*driven(5, 60))
    made = grids.bars(at)
    found = ledger(made)
    assert found.residue < 1e-12
    assert found.passed.shape == (60, 2, 11)
    assert found.passed[:, :, -1].max() == 0.0
    assert found.usd == pytest.approx((found.share * found.passed).sum(axis=2) * np.exp(at.close)[:, None])
    assert found.share[0] == pytest.approx(np.append(np.full((2, 10), 0.05), np.zeros((2, 1)), axis=1), abs=0.05)
    assert found.near(0.01).sum() < found.usd.sum()
    assert found.near(1.0) == pytest.approx(found.usd)
    other = list(made)
    other[479] = msgspec.structs.replace(other[479], liquidated_long=1e6)
    changed = ledger(other)
    assert changed.usd[:40].tolist() == found.usd[:40].tolist()
    assert (changed.usd[40:] != found.usd[40:]).any()


def test_the_stack_is_the_blend_of_its_steps() -> None:
    """With one ladder and one guess worth anything it is that ladder's number, nearly; it begins with open interest."""
    made = grids.bars(grids.grid(*market(5, 6)))
    late = [msgspec.structs.replace(bar, open_interest=np.nan) if at < 12 else bar for at, bar in enumerate(made)]
    found = published(late, [distance_ladder((0.004, 0.01))])
    assert found.shape == (6, 2)
    assert found[0].tolist() == [0.0, 0.0]
    alone = ledger(late, distance_ladder((0.004, 0.01))).usd
    assert found[1:].sum() == pytest.approx(alone[1:].sum(), rel=0.5)


def test_hours_before_open_interest_hold_nothing() -> None:
    """A map that was never told open interest says 0; and what METHOD 14b does not allow is refused."""
    made = grids.bars(grids.grid(*market(5, 30)))
    late = [msgspec.structs.replace(bar, open_interest=np.nan) if at < 18 else bar for at, bar in enumerate(made)]
    found = ledger(late, distance_ladder((0.004, 0.01)), Setting(step=1e-3))
    assert found.usd[0].tolist() == [0.0, 0.0]
    assert found.usd[2:].max() > 0.0
    with pytest.raises(ValueError, match="13 classes are more than 12"):
        ledger(made, distance_ladder(tuple(0.01 * (1 + number) for number in range(12))))
    early = [msgspec.structs.replace(bar, told_later=False, liquidated_long=5.0) for bar in made]
    with pytest.raises(ValueError, match="changed inside it"):
        ledger(early, distance_ladder((0.004, 0.01)), Setting(step=1e-3))


def test_other_rules_by_a_plain_loop() -> None:
    """The static ladder counts levels between open and extreme; a fall of open interest in a fall is of longs."""
    at = hour_grid(60)
    ladder = leverage_ladder(flat_table(0.004, 125.0))
    found = baselines.static_ladder(at, ladder)
    hour = int(np.argmax(found[:, 0]))
    entries = at.path[: 12 * hour + 1]
    low, opened = at.hourly(at.low)[hour].min(), at.opened[hour]
    share = sum(
        weight * ((entries + offset > low) & (entries + offset <= opened)).mean()
        for offset, weight in zip(ladder.offsets[0, :-1], ladder.weights[0, :-1], strict=True)
    )
    assert found[hour, 0] == pytest.approx(share * at.interest[12 * hour] * np.exp(opened), rel=1e-6)
    drop = baselines.interest_drop(at)
    fell = at.opened > at.close
    assert (drop[fell, 1] == 0.0).all()
    assert (drop[~fell, 0] == 0.0).all()
    holed = msgspec.structs.replace(at, interest=np.where(np.arange(at.interest.size) < 3, np.nan, at.interest))
    assert baselines.held(holed)[:4].tolist() == [at.interest[3]] * 4
    assert baselines.public(at)[:48].max() == 0.0
    assert baselines.public(at).min() >= 0.0


def test_the_public_rule_sees_levels_once() -> None:
    """A jump with volume, then a slow fall: the rule's longs are passed as it falls, and not again."""
    hours = 80
    close = np.concatenate([np.full(60, log(1e5)), np.full(1, log(1.02e5)), log(1.02e5) - 0.004 * np.arange(1, 20)])
    path = np.concatenate([[log(1e5)], np.repeat(close, 12)])
    path[1::12] = path[::12][:-1]
    low, high = np.minimum(path[:-1], path[1:]), np.maximum(path[:-1], path[1:])
    volume = np.where(np.repeat(np.arange(hours) == 60, 12), 900.0, 10.0)
    at = msgspec.structs.replace(
        hour_grid(hours), path=path, low=low, high=high, volume=volume, interest=np.linspace(1e3, 1.2e3, 12 * hours + 1)
    )
    found = baselines.public(at)
    assert found[61:, 0].max() > 0.0
    assert found[61:, 1].max() == pytest.approx(0.0, abs=1e-6)
    assert found[61:, 0].sum() < 1.2e3 * 1.02e5


def test_a_target_finds_what_is_there() -> None:
    """A number that holds the answer adds, yesterday's and the other side's hardly; pure noise adds nothing."""
    candles, interest, forced = aimless(8, 480)
    at = grids.grid(candles, interest, forced)
    rng = np.random.default_rng(9)
    hidden = np.exp(rng.normal(0.0, 1.0, (480, 2)))
    usd = at.usd * hidden
    told = msgspec.structs.replace(at, usd=usd)
    of = features.shape(told)
    target = Target(told, of, np.log1p(usd / scale.UNIT), 240)
    good = target.gain(1e6 * hidden)
    assert good.low > 0.05
    assert good.bits_low > 0.1
    assert target.added(lagged(1e6 * hidden)).delta_r2 == pytest.approx(0.0, abs=0.02)
    assert abs(target.added(swapped(1e6 * hidden)).delta_r2) < 0.02
    assert target.added(1e6 * hidden, 1e6 * hidden).delta_r2 == pytest.approx(0.0)
    assert target.added_to_b1(1e6 * hidden).low > 0.05
    noise = target.gain(1e6 * np.exp(rng.normal(0.0, 1.0, (480, 2))))
    assert noise.delta_r2 < 0.01
    assert noise.low < 0.0
    alone = target.alone("hidden", usd)
    assert alone.r2 > 0.9
    assert alone.spearman == pytest.approx((1.0, 1.0))
    assert target.ranks(usd)["long"].map == pytest.approx(1.0)
    assert target.ranks(usd)["short"].b1 < 0.95
    assert target.boosted(1e6 * hidden, ridge).low > 0.05


def test_a_placebo_is_the_same_number_elsewhere() -> None:
    """Lagged by a day, and swapped between the sides."""
    number = np.arange(60.0).reshape(30, 2)
    assert lagged(number)[24:].tolist() == number[:6].tolist()
    assert lagged(number)[:24].tolist() == [number[0].tolist()] * 24
    assert swapped(number)[3].tolist() == [7.0, 6.0]


def _gain(delta: float, bits: float) -> Gain:
    side = Increment(delta, delta - 0.01, delta + 0.01)
    return Gain(
        delta_r2=delta,
        low=delta - 0.01,
        high=delta + 0.01,
        bits_per_hour=bits,
        bits_low=bits - 0.04,
        bits_high=bits + 0.04,
        by_side={"long": side, "short": side},
        by_month={"2026-01": delta, "2026-02": delta / 2},
        r2=(0.8, 0.8 + delta),
        side_hours=1_000,
    )


PASSES = Found(
    primary=_gain(0.035, 0.2),
    secondary=_gain(0.03, 0.1),
    spearman={"long": Ranks(0.86, 0.81), "short": Ranks(0.85, 0.8)},
    scale=scale.Scale(
        long=0.8, short=1.1, daily_sd_ln=0.34, coverage80=0.8, lower_half=2.0, top1pct=1.3, top1pct_with_tail=1.1
    ),
    lagged=Increment(0.001, -0.001, 0.002),
    swapped=Increment(0.004, 0.0, 0.008),
)


def test_the_seven_points_can_be_met() -> None:
    """Figures better than METHOD 14b asks for meet all of (a) to (g)."""
    found = checks(PASSES)
    assert [check.point for check in found] == list("abcdefg")
    assert all(check.is_met for check in found)


@pytest.mark.parametrize(
    ("point", "change"),
    [
        pytest.param("a", {"primary": msgspec.structs.replace(PASSES.primary, delta_r2=0.029)}, id="a"),
        pytest.param("a", {"primary": msgspec.structs.replace(PASSES.primary, low=0.019)}, id="a-low"),
        pytest.param(
            "b",
            {"primary": msgspec.structs.replace(PASSES.primary, by_side={"long": Increment(0.03, 0.01, 0.05)})},
            id="b-side",
        ),
        pytest.param("b", {"primary": msgspec.structs.replace(PASSES.primary, by_month={"2026-01": 0.0})}, id="b"),
        pytest.param("c", {"primary": msgspec.structs.replace(PASSES.primary, bits_per_hour=0.09)}, id="c"),
        pytest.param("c", {"primary": msgspec.structs.replace(PASSES.primary, bits_low=0.05)}, id="c-low"),
        pytest.param("d", {"secondary": msgspec.structs.replace(PASSES.secondary, low=0.014)}, id="d"),
        pytest.param("e", {"spearman": {"long": Ranks(0.86, 0.83)}}, id="e"),
        pytest.param("f", {"scale": msgspec.structs.replace(PASSES.scale, long=0.69)}, id="f-ratio"),
        pytest.param("f", {"scale": msgspec.structs.replace(PASSES.scale, daily_sd_ln=0.46)}, id="f-days"),
        pytest.param("f", {"scale": msgspec.structs.replace(PASSES.scale, coverage80=0.9)}, id="f-interval"),
        pytest.param("g", {"lagged": Increment(-0.003, -0.004, 0.0)}, id="g-lagged"),
        pytest.param("g", {"swapped": Increment(0.011, 0.0, 0.02)}, id="g-swapped"),
    ],
)
def test_each_point_can_be_missed(point: str, change: dict[str, object]) -> None:
    """One figure that falls short misses its point and no other."""
    found = checks(msgspec.structs.replace(PASSES, **change))
    assert [check.point for check in found if not check.is_met] == [point]


def test_a_ledger_of_no_mass_says_nothing() -> None:
    """Nothing passed: no dollars."""
    empty = Ledger(
        passed=np.zeros((3, 2, 2)),
        share=np.ones((3, 2, 2)),
        price=np.ones(3),
        distances=np.array([0.01, np.inf]),
        residue=0.0,
    )
    assert empty.usd.max() == 0.0
