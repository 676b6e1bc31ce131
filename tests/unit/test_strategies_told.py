"""What people are told of each strategy: bounds that hold, settings that count, verdicts that ship."""

from pathlib import Path

import pytest

from perpscope.app import strategies
from perpscope.app.backtest_orders import Order, faults
from perpscope.app.strategies_told import Catalogue, catalogue, shipped_verdicts
from perpscope.model.run import Verdict
from perpscope.settings import Settings


@pytest.fixture(scope="module")
def told() -> Catalogue:
    """With nothing configured."""
    return catalogue(Settings())


def test_every_shipped_strategy_is_told_whole(told: Catalogue) -> None:
    """Each has a summary, what it needs, and for each parameter what it does. Keeps B25."""
    assert [one.name for one in told.strategies] == strategies.names()
    assert told.faults == []
    for one in told.strategies:
        assert one.summary, one.name
        assert "candles" in one.needs, one.name
        assert all(parameter.about for parameter in one.parameters), one.name
        assert not one.is_enabled


def test_what_ships_lies_within_its_own_bounds(told: Catalogue) -> None:
    """A form filled with the defaults is an order that can be run."""
    for one in told.strategies:
        given = {parameter.name: parameter.default for parameter in one.parameters}
        assert faults(Order(strategy=one.name, instrument="X", parameters=given), told.strategies) == [], one.name


def test_the_configuration_counts() -> None:
    """`[strategy.burst]` changes the value that is shown and run, not what it ships with."""
    settings = Settings(strategy={"burst": {"volume": 4.5, "enabled": True}})
    burst = next(one for one in catalogue(settings).strategies if one.name == "burst")
    volume = next(one for one in burst.parameters if one.name == "volume")
    assert (volume.value, volume.default, volume.least, volume.is_whole) == (4.5, 3.0, 1.0, False)
    assert burst.is_enabled
    assert next(one for one in burst.parameters if one.name == "bars").is_whole


def test_a_strategy_of_ones_own_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    """It is named with its reason, and the others are told all the same."""
    settings = Settings(strategy={"mine": {"file": str(tmp_path / "mine.py")}})
    found = catalogue(settings)
    assert [(fault.name, fault.code) for fault in found.faults] == [("mine", "strategy-file")]
    assert len(found.strategies) == len(strategies.names())


def test_shipped_verdicts_are_of_shipped_strategies() -> None:
    """Whatever is said of a strategy is a verdict there is, with its figures. Keeps B25."""
    for name, verdict in shipped_verdicts().items():
        assert name in strategies.names()
        assert isinstance(verdict.verdict, Verdict)
        assert any(letter.isdigit() for letter in verdict.why), name
