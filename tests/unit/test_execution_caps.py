"""Runaway protection: how many orders, how large, how often one takes another's place."""

from decimal import Decimal

import pytest

from perpscope.execution.caps import PER_SECOND, Caps, Stake, Verdict
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, OrderRequest, Role

NOW = 1000.0
NOTHING = Decimal(0)
PASSED = Verdict()
AT = Stake(mark=Decimal(50_000))


def wish(size: str = "0.01", price: str | None = None, *, is_reducing: bool = False) -> OrderRequest:
    """An entry, or an exit."""
    return OrderRequest(
        id="r-s-1",
        instrument=InstrumentId("BTC-USDT-PERP.BINANCE"),
        ts_recv=1,
        side=Side.BUY,
        size=Decimal(size),
        kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
        role=Role.LEAVE if is_reducing else Role.ENTRY,
        price=None if price is None else Decimal(price),
        is_reducing=is_reducing,
    )


@pytest.mark.parametrize(
    ("per_minute", "per_day", "gap", "passes", "refusal"),
    [
        pytest.param(1000, 1000, 0.0, PER_SECOND, "cap-second", id="second"),
        pytest.param(7, 1000, 1.0, 7, "cap-minute", id="minute"),
        pytest.param(1000, 9, 100.0, 9, "cap-day", id="day"),
    ],
)
def test_so_many_orders_and_no_more(per_minute: int, per_day: int, gap: float, passes: int, refusal: str) -> None:
    """RELIABILITY D23: a rule that has gone wrong sends a few orders, not thousands."""
    caps, now = Caps(per_minute, per_day, NOTHING), NOW
    for _ in range(passes):
        assert caps.review(wish(), AT, NOTHING, now) == PASSED
        now += gap
    assert caps.review(wish(), AT, NOTHING, now) == Verdict(refusal)
    assert caps.review(wish(), AT, NOTHING, now + 0.1) == Verdict(refusal, is_runaway=True)
    assert caps.review(wish(is_reducing=True), AT, NOTHING, now) == PASSED
    assert caps.review(wish(), AT, NOTHING, NOW + 90_000.0) == PASSED


def test_a_refusal_now_and_then_is_no_runaway() -> None:
    """Only a second one within a minute halts."""
    caps = Caps(1000, 1000, Decimal(100))
    assert not caps.review(wish(), AT, NOTHING, NOW).is_runaway
    assert not caps.review(wish(), AT, NOTHING, NOW + 61.0).is_runaway
    assert caps.review(wish(), AT, NOTHING, NOW + 100.0).is_runaway


def test_exits_are_counted_apart_and_by_the_day_not_at_all() -> None:
    """They get out whatever entries have used up; a loop of them is stopped all the same."""
    caps = Caps(3, 5, NOTHING)
    for at in range(3):
        assert caps.review(wish(is_reducing=True), AT, NOTHING, NOW + at) == PASSED
    assert caps.review(wish(is_reducing=True), AT, NOTHING, NOW + 3) == Verdict("cap-minute")
    for at in range(1, 20):
        assert caps.review(wish(is_reducing=True), AT, NOTHING, NOW + at * 100) == PASSED


@pytest.mark.parametrize(
    ("asked", "stake", "waiting", "refusal"),
    [
        pytest.param(wish("0.02"), AT, "0", "", id="as-much-as-allowed"),
        pytest.param(wish("0.021"), AT, "0", "cap-order", id="too-large"),
        pytest.param(wish("0.021", "40000"), AT, "0", "", id="at-its-own-limit"),
        pytest.param(wish("0.01"), Stake(mark=Decimal(50_000), held=Decimal("-0.011")), "0", "cap-total", id="held"),
        pytest.param(wish("0.01"), AT, "0.011", "cap-total", id="waiting"),
        pytest.param(wish("0.01"), Stake(), "0", "cap-unpriced", id="no-price"),
        pytest.param(wish("9", is_reducing=True), Stake(), "0", "", id="exit"),
    ],
)
def test_so_large_and_no_larger(asked: OrderRequest, stake: Stake, waiting: str, refusal: str) -> None:
    """A thousand quote units, of one order and of all that would be held."""
    caps = Caps(1000, 1000, Decimal(1000))
    assert caps.review(asked, stake, Decimal(waiting), NOW).refusal == refusal


def test_an_order_takes_anothers_place_once_a_second() -> None:
    """RELIABILITY D17."""
    caps = Caps(10, 10, NOTHING)
    assert [caps.replace(NOW), caps.replace(NOW), caps.replace(NOW + 5.0)] == [NOW, NOW + 1.0, NOW + 5.0]
