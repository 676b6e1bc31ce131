"""What is wrong with an order is found before anything is run."""

import math

import pytest
from msgspec.structs import replace

from perpscope.app.backtest_orders import Order, faults
from perpscope.app.strategies_told import ParameterTold, StrategyTold

DAY_MS = 86_400_000


def parameter(name: str, **own: object) -> ParameterTold:
    """From 1 on, below 10."""
    told = ParameterTold(
        name=name,
        about="",
        value=3.0,
        default=3.0,
        least=1.0,
        most=10.0,
        is_least_in=True,
        is_most_in=False,
        is_whole=False,
    )
    return replace(told, **own)


WAVES = StrategyTold(
    name="waves",
    summary="",
    needs=["candles"],
    entry_rules=[],
    reasons=[],
    parameters=[
        parameter("size"),
        parameter("count", is_whole=True, is_least_in=False, is_most_in=True),
        parameter("free", least=None, most=None),
    ],
    grid={},
    is_baseline=False,
    is_asked_each_second=False,
    is_enabled=False,
    verdict=None,
)
ORDER = Order(strategy="waves", instrument="BTC-USDT-PERP.BINANCE", from_ms=0, to_ms=DAY_MS, deposit=100.0)


@pytest.mark.parametrize(
    ("change", "pointer", "says"),
    [
        ({"strategy": "wave"}, "/strategy", "known: waves"),
        ({"from_ms": DAY_MS}, "/to", "is not after the beginning"),
        ({"to_ms": 4_000 * DAY_MS}, "/to", "more than 3700 days"),
        ({"deposit": 0.0}, "/deposit", "above 0"),
        ({"deposit": math.inf}, "/deposit", "below 1e12"),
        ({"parameters": {"sise": 2.0}}, "/parameters/sise", "known: size, count, free"),
        ({"parameters": {"size": 0.5}}, "/parameters/size", "at least 1"),
        ({"parameters": {"size": 10.0}}, "/parameters/size", "below 10"),
        ({"parameters": {"size": math.nan}}, "/parameters/size", "finite"),
        ({"parameters": {"count": 1.0}}, "/parameters/count", "above 1"),
        ({"parameters": {"count": 11.0}}, "/parameters/count", "at most 10"),
        ({"parameters": {"count": 2.5}}, "/parameters/count", "whole"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_each_fault_is_pointed_at(change: dict[str, object], pointer: str, says: str) -> None:
    """Whoever filled the form sees which field is wrong, by which bound."""
    found = faults(replace(ORDER, **change), [WAVES])
    assert [fault.pointer for fault in found] == [pointer]
    assert says in found[0].message


@pytest.mark.parametrize(
    "parameters",
    [{}, {"size": 1.0}, {"count": 10.0}, {"free": -1e9}],
    ids=["none", "least-in", "most-in", "without-bounds"],
)
def test_an_order_within_its_bounds_is_run(parameters: dict[str, float]) -> None:
    """Bounds that belong to the range are allowed, and open times are."""
    assert faults(replace(ORDER, parameters=parameters, to_ms=None), [WAVES]) == []


def test_everything_wrong_is_told_at_once() -> None:
    """A form is mended once, not fault by fault."""
    order = replace(ORDER, from_ms=DAY_MS, deposit=-1.0, parameters={"size": 99.0, "count": 0.5})
    pointers = [fault.pointer for fault in faults(order, [WAVES])]
    assert pointers == ["/to", "/deposit", "/parameters/size", "/parameters/count"]
