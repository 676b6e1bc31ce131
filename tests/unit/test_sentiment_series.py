"""Sentiment over time: each figure by hand, holes, young data, and the same at one step as over all."""

import numpy as np
import pytest

from perpscope.analytics.sentiment import WEIGHTS, blend
from perpscope.analytics.sentiment_scale import Floats
from perpscope.analytics.sentiment_series import Market, figures, judged, now, readings, series

HOUR_S = 3600.0


def market(steps: int = 24 * 40, seed: int = 2) -> Market:
    """Forty days of hours with every figure there."""
    rng = np.random.default_rng(seed)

    def noise(scale: float) -> Floats:
        return np.asarray(scale * rng.standard_normal(steps))

    return Market(
        step_s=HOUR_S,
        close=100.0 * np.exp(np.cumsum(noise(0.005))),
        ls_accounts=0.3 + noise(0.05),
        top_positions=0.1 + noise(0.05),
        f8=1e-4 + noise(2e-5),
        taker=noise(0.1),
        basis=noise(1e-4),
        open_interest=1000.0 * np.exp(np.cumsum(noise(0.002))),
        long_usd=np.exp(noise(1.0)) * 1e5,
        short_usd=np.exp(noise(1.0)) * 1e5,
    )


def test_every_figure_of_the_method_is_there() -> None:
    """Nine figures, each with a weight."""
    assert set(figures(market())) == set(WEIGHTS)


def test_figures_by_hand() -> None:
    """Open interest that grew while the price rose is greed; liquidated shorts are greed; a calm market is greed."""
    steps = 30
    close = np.full(steps, 100.0)
    close[-1] = 110.0
    interest = np.full(steps, 1000.0)
    interest[-1] = 1100.0
    longs, shorts = np.full(steps, 1.0), np.full(steps, 3.0)
    given = Market(step_s=HOUR_S, close=close, open_interest=interest, long_usd=longs, short_usd=shorts)
    found = figures(given)
    assert found["oi_trend"][-1] == pytest.approx(0.1)
    assert found["oi_trend"][-2] == 0.0
    assert found["liq_imbalance"][-1] == pytest.approx(2.0 * 8.0 / (16.0 + 0.01 * 16.0))
    assert np.isnan(found["liq_imbalance"][:3]).all()
    assert found["momentum"][-1] > 0.0
    assert np.isnan(found["momentum"][:24]).all()
    assert set(found) == {"oi_trend", "liq_imbalance", "momentum", "volatility"}
    assert "liq_imbalance" not in figures(Market(step_s=HOUR_S, close=close, long_usd=longs))


def test_no_liquidations_are_no_imbalance() -> None:
    """Hours in which nobody was liquidated are known, and neutral."""
    zeros = np.zeros(20)
    found = figures(Market(step_s=HOUR_S, close=zeros + 100.0, long_usd=zeros, short_usd=zeros))["liq_imbalance"]
    assert found[-1] == 0.0
    unknown = np.full(20, np.nan)
    found = figures(Market(step_s=HOUR_S, close=zeros + 100.0, long_usd=unknown, short_usd=unknown))["liq_imbalance"]
    assert np.isnan(found).all()


def test_the_last_step_of_the_series_is_the_index_now() -> None:
    """One moment and the whole series agree, part by part."""
    given = market()
    whole, last = series(given), now(given)
    assert last.value == pytest.approx(whole.blended.value[-1])
    assert last.coverage == pytest.approx(1.0)
    by_name = {part.name: part.points for part in last.contributions}
    assert [by_name[figure.name] for figure in whole.figures] == pytest.approx(
        whole.blended.points[: len(whole.figures), -1].tolist()
    )


def test_the_parts_sum_to_the_index_at_every_step() -> None:
    """Points sum to value − 50 wherever there is a value; the first days have none."""
    found = series(market()).blended
    told = np.isfinite(found.value)
    assert found.points.sum(axis=0)[told] == pytest.approx(found.value[told] - 50.0, abs=1e-12)
    assert 0 < (~told).sum() < 100
    assert not found.points[:, ~told].any()


def test_a_hole_is_bridged_and_then_told() -> None:
    """A figure that stops holds its last value, loses weight with age, and is gone after four periods."""
    given = market()
    assert given.f8 is not None
    given.f8[-3:] = np.nan
    part = next(part for part in now(given).contributions if part.name == "funding")
    assert (part.freshness, part.why) == (0.25, "old")
    given.f8[-6:] = np.nan
    part = next(part for part in now(given).contributions if part.name == "funding")
    assert part.why in {"missing", "stale"}
    assert part.points == 0.0


def test_a_source_that_speaks_each_eight_hours_is_not_old() -> None:
    """Funding that is paid thrice a day: 90 in 30 days is a whole history, and eight hours are no age."""
    given = market()
    assert given.f8 is not None
    given.f8[np.arange(given.f8.size) % 8 != 0] = np.nan
    part = next(part for part in now(given, {"funding": 8 * HOUR_S}).contributions if part.name == "funding")
    assert part.history == 90
    assert (part.evidence, part.freshness) == (1.0, 1.0)
    early = next(part for part in now(given).contributions if part.name == "funding")
    assert early.why in {"missing", "stale"}


def test_what_is_missing_is_named() -> None:
    """With a price alone: two figures count, seven are missing, and there is no index."""
    found = now(Market(step_s=HOUR_S, close=market().close))
    assert [part.name for part in found.contributions if part.why == "missing"] == list(WEIGHTS)[:-2]
    assert found.coverage == pytest.approx(0.15)
    assert found.value is None
    empty = series(Market(step_s=HOUR_S, close=market().close))
    assert np.isnan(empty.blended.value).all()


def test_a_source_can_be_older_than_its_grid_tells() -> None:
    """What is known of a source's age holds, and not what the grid makes of it."""
    parts = judged(market(), {})
    found = blend(readings(parts, {"taker": (450.0, 300.0)}))
    by_name = {part.name: part for part in found.contributions}
    assert by_name["taker"].freshness == pytest.approx(2.0**-0.5)
    assert by_name["basis"].freshness == 1.0


def test_the_past_is_all_that_counts() -> None:
    """A step is the same whatever comes after it."""
    given = market()
    cut = 24 * 35
    arrays = {name: getattr(given, name)[:cut] for name in given.__struct_fields__ if name != "step_s"}
    before, after = series(Market(step_s=HOUR_S, **arrays)).blended, series(given).blended
    assert after.value[:cut] == pytest.approx(before.value, nan_ok=True)
