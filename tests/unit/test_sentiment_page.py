"""The charts of sentiment that are looked at can be drawn, holes and all."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from tests.sentiment_page import Page, contracts, drawn, seven_venues

from perpscope.analytics.sentiment_series import Market, series


def test_a_page_is_drawn_over_holes() -> None:
    """Sixteen days by the hour, two of them missing: the index is not told there, and the page is whole."""
    rng = np.random.default_rng(4)
    close = 100.0 * np.exp(np.cumsum(0.01 * rng.standard_normal(400)))
    funding = 1e-4 * rng.standard_normal(400)
    close[200:248] = funding[200:248] = np.nan
    market = Market(step_s=3600.0, close=close, f8=funding)
    told = series(market)
    assert np.isnan(told.blended.value[210:240]).all()
    file = BytesIO()
    drawn(Page(title="x", start=0, market=market, told=told, risk=np.zeros(400))).savefig(file)
    assert file.getvalue().startswith(b"\x89PNG")


@pytest.mark.soak
def test_pages_of_the_recorded_histories_are_drawn(recordings: Path) -> None:
    """A year of seven venues and three of twenty-five contracts: nearly every step has an index, whose parts sum."""
    for page in (seven_venues(recordings / "history"), contracts(recordings / "history")):
        value = page.told.blended.value
        known = np.isfinite(value)
        assert known.mean() > 0.95
        np.testing.assert_allclose(page.told.blended.points.sum(axis=0)[known], value[known] - 50.0, atol=1e-12)
