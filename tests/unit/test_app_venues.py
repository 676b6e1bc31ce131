"""Venues by their names, and their settings."""

import pytest

from perpscope.app import venues
from perpscope.app.venues import find, names
from perpscope.errors import ConfigError


def test_venues_are_found_by_their_folder() -> None:
    """Each has a package of its name; a misspelt one is refused with the nearest, or with the list."""
    assert "binance" in names()
    assert [find(name).name for name in names()] == names()
    for wrong, hint in (("binanse", "did you mean 'binance'?"), ("???", "known: ")):
        with pytest.raises(ConfigError, match="unknown venue") as caught:
            find(wrong)
        assert hint in (caught.value.hint or "")


def test_a_venues_settings_are_checked_by_their_own_shape() -> None:
    """Numbers may be given as text; a wrong one is named with its key."""
    assert venues.settings("binance", {"binance": {"weight_per_minute": "100"}}).weight_per_minute == 100.0
    assert venues.settings("binance", {}).rest_url == ""
    with pytest.raises(ConfigError, match=r"venue\.binance\.weight_per_minute"):
        venues.settings("binance", {"binance": {"weight_per_minute": "much"}})
    with pytest.raises(ConfigError, match=r"venue\.binance\.weight_per_minute"):
        venues.settings("binance", {"binance": {"weight_per_minute": -1}})


@pytest.mark.parametrize("name", names())
def test_a_venue_is_asked_within_its_own_limits_unless_told_otherwise(name: str) -> None:
    """Units of request weight differ between venues: one default for all would be too much for some."""
    assert venues.settings(name, {}).weight_per_minute == find(name).weight_per_minute > 0
    assert venues.settings(name, {name: {"weight_per_minute": 7}}).weight_per_minute == 7.0
