"""Features of a closed minute: causal, NaN where not told, the same number by number as all at once."""

import numpy as np
import pytest
from tests.unit.made_minutes import START_NS, minutes

from perpscope.analytics.features import rolling
from perpscope.analytics.features.made import FeatureStream, features
from perpscope.analytics.features.raw import FEATURE, FEATURES, MEMORY, raw, volatility
from perpscope.analytics.features.scaling import AS_THEY_ARE, WINSOR, reference, scaled
from perpscope.analytics.features.told import COLUMN, INPUTS, MINUTE_NS, SOURCES, Told, grid, stale

DAY = 1440


def test_every_feature_of_the_table_is_there_with_a_source() -> None:
    """The table of METHOD 11.1 is whole, and each feature has a source that ages. Keeps S4-46."""
    families: tuple[str, ...] = (
        "ret_",
        "rv_",
        "taker_imb_",
        "vol_burst",
        "ofi",
        "book_imb_",
        "spread_bps",
        "depth_",
        "micro_bps",
    )
    families += ("oi_d_", "funding", "to_funding", "basis", "ls_", "top_", "liq_int_", "liq_imb_", "map_", "lead_")
    for family in (*families, "hour_sin", "hour_cos", "parkinson", "vol_hour"):
        assert any(name.startswith(family) for name in FEATURES), family
    assert set(FEATURES.values()) <= set(SOURCES)
    assert set(INPUTS.values()) == set(SOURCES)


@pytest.mark.parametrize("count", [600, 2 * DAY + 7, 3 * DAY - 1])
def test_no_feature_of_a_minute_knows_a_later_one(count: int) -> None:
    """Made of the first minutes alone, or with others after them, features are equal to the last bit. Keeps S2-53."""
    told = minutes(3 * DAY)
    whole = features(told)
    assert np.array_equal(features(told.until(count)), whole[:count], equal_nan=True)
    other = minutes(3 * DAY, seed=2)
    values, ages = told.values.copy(), told.ages.copy()
    values[count:], ages[count:] = other.values[count:], other.ages[count:]
    assert np.array_equal(features(Told(told.ts, values, ages))[:count], whole[:count], equal_nan=True)


def test_minute_after_minute_gives_what_all_at_once_gives() -> None:
    """What the service is fed is what the study was fed, over midnight and with stale sources. Keeps S2-52."""
    told = minutes(2 * DAY + 200)
    whole = features(told)
    stream = FeatureStream()
    begin = 2 * DAY - 150
    stream.begin(told.until(begin))
    for row in range(begin, begin + 300):
        found = stream.push(int(told.ts[row]), told.values[row], told.ages[row])
        assert np.array_equal(np.isnan(found), np.isnan(whole[row])), row
        assert np.allclose(found, whole[row], rtol=1e-7, atol=1e-9, equal_nan=True), row
    assert stream.last == told.ts[begin + 299]


def test_a_minute_left_out_is_unknown_and_no_time_goes_back() -> None:
    """A gap is a gap for the stream as for the grid, and a minute that is not after the last is refused."""
    told = minutes(DAY + 400)
    left_out = slice(DAY + 290, DAY + 293)
    values, ages = told.values.copy(), told.ages.copy()
    values[left_out], ages[left_out] = np.nan, np.nan
    whole = features(Told(told.ts, values, ages))
    stream = FeatureStream()
    stream.begin(told.until(DAY))
    found = None
    for row in range(DAY, DAY + 400):
        if not left_out.start <= row < left_out.stop:
            found = stream.push(int(told.ts[row]), told.values[row], told.ages[row])
    assert found is not None
    assert np.allclose(found, whole[-1], rtol=1e-7, atol=1e-9, equal_nan=True)
    with pytest.raises(ValueError, match="does not come after"):
        stream.push(int(told.ts[-1]), told.values[-1], told.ages[-1])


def test_features_are_what_their_formulas_say() -> None:
    """A few of METHOD 11.1 against the formula written out by hand."""
    told = minutes(800, stale=0.0)
    rows = raw(told)
    close, volume = told.column("close"), told.column("volume")
    returns = np.diff(np.log(close))
    at = 700
    sigma = np.sqrt((returns[at - 1 - 240 : at - 1] ** 2).mean())
    assert volatility(close)[at] == pytest.approx(sigma)
    assert rows[at, FEATURE["ret_15"]] == pytest.approx(np.log(close[at] / close[at - 15]) / (sigma * np.sqrt(15)))
    rv = {n: np.sqrt((returns[at - n : at] ** 2).sum()) for n in (5, 240)}
    assert rows[at, FEATURE["rv_5"]] == pytest.approx(np.log(rv[5]))
    assert rows[at, FEATURE["rv_ratio"]] == pytest.approx(np.log(rv[5] / rv[240]))
    assert rows[at, FEATURE["vol_burst"]] == pytest.approx(np.log(volume[at] / volume[at - 20 : at].mean()))
    bought = told.column("taker_buy")[at - 4 : at + 1].sum()
    sold = volume[at - 4 : at + 1].sum() - bought
    assert rows[at, FEATURE["taker_imb_5"]] == pytest.approx((bought - sold) / (bought + sold))
    interest = told.column("open_interest")
    assert rows[at, FEATURE["oi_d_60"]] == pytest.approx(np.log(interest[at] / interest[at - 60]))
    long, short = (told.column(f"liquidated_{side}")[at - 4 : at + 1].sum() for side in ("long", "short"))
    assert rows[at, FEATURE["liq_imb_5"]] == pytest.approx((short - long) / (short + long))
    assert rows[at, FEATURE["map_up"]] == pytest.approx(np.log(1.01) / (sigma * np.sqrt(60)))
    hours = (int(told.ts[at]) // MINUTE_NS % DAY) / DAY
    assert rows[at, FEATURE["hour_cos"]] == pytest.approx(np.cos(2 * np.pi * hours))


def test_what_is_not_told_is_not_a_number_and_nothing_else_is() -> None:
    """Candles alone give all features of candles, and no other. Keeps S4-44."""
    full = minutes(3 * DAY, stale=0.0)
    only = {name: full.column(name) for name in ("close", "high", "low", "volume", "taker_buy")}
    found = features(grid(full.ts, only))
    known = ~np.isnan(found[-1])
    assert {name for name, is_known in zip(FEATURES, known, strict=True) if is_known} == {
        name for name, source in FEATURES.items() if source == "candle"
    }
    aged = grid(full.ts, only, {"candle": np.where(full.ts == full.ts[-1], 61.0, 0.0)})
    assert np.isnan(aged.column("close")[-1])
    assert np.nanmax(np.abs(found)) <= WINSOR
    assert not np.isnan(features(full)[-1]).any()


def test_a_source_that_has_not_spoken_for_too_long_is_stale() -> None:
    """A word that is too old is used no more, and named. Keeps S4-46."""
    told = minutes(50, stale=0.0)
    ages = told.ages.copy()
    ages[:, list(SOURCES).index("interest")] = 601.0
    aged = Told(told.ts, told.values, ages)
    assert np.isnan(aged.column("open_interest")).all()
    assert stale(ages[0]) == ["interest"]
    assert not stale(np.full(len(SOURCES), np.nan))


def test_a_day_is_compared_with_the_days_before_it() -> None:
    """Medians and deviations by hand; one value most of the time still has a deviation, a constant has none."""
    rng = np.random.default_rng(3)
    rows = np.abs(rng.standard_normal((DAY, len(FEATURES))))
    rows[:, FEATURE["spread_bps"]] = np.where(rng.random(DAY) < 0.8, 1.0, 2.0)
    rows[:, FEATURE["funding"]] = 0.5
    rows[:, FEATURE["liq_int_1"]] = np.where(rng.random(DAY) < 0.4, 3.0, 0.0)
    ts = START_NS + (1 + np.arange(DAY)) * MINUTE_NS
    at = reference(ts, rows)
    basis = rows[:, FEATURE["basis"]]
    middle = np.median(basis)
    assert at.middle[FEATURE["basis"]] == pytest.approx(middle)
    assert at.spread[FEATURE["basis"]] == pytest.approx(1.4826 * np.median(np.abs(basis - middle)))
    flat = rows[:, FEATURE["spread_bps"]]
    assert at.spread[FEATURE["spread_bps"]] == pytest.approx(1.2533 * np.abs(flat - 1.0).mean())
    assert np.isnan(at.spread[FEATURE["funding"]])
    found = scaled(ts, rows, at)
    third = rows[:60, FEATURE["vol_hour"]]
    away = 1.4826 * np.median(np.abs(third - np.median(third)))
    assert found[0, FEATURE["vol_hour"]] == pytest.approx((third[0] - np.median(third)) / away)
    dealt = rows[:, FEATURE["liq_int_1"]] == 3.0
    assert found[dealt, FEATURE["liq_int_1"]] == pytest.approx(np.log(2.0))
    assert "book_imb_5" in AS_THEY_ARE
    assert np.isnan(reference(ts[:3], rows[:3]).middle).all()


def test_windows_leave_out_what_is_not_known() -> None:
    """A mean needs four fifths of its window; a column shorter than the window knows none."""
    values = np.array([1.0, 2.0, np.nan, 4.0, 5.0])
    assert rolling.mean(values, 5)[-1] == pytest.approx(3.0)
    assert np.isnan(rolling.mean(values, 2)[2:4]).all()
    assert np.isnan(rolling.mean(values, 9)).all()
    assert np.isnan(rolling.before(values, 7)).all()
    assert np.isnan(rolling.change(np.array([1.0, -1.0, 2.0]), 1)).all()
    assert MEMORY > 300
    assert COLUMN["close"] == 0
