"""Differences of money: parts that add up to the whole to the last digit, whatever was filled of whatever."""

import random
from decimal import Decimal

import pytest

from perpscope.app.trade.attribution import Parts, Taken, attributed, money

END = Decimal("60123.4")


def some(rng: random.Random) -> Taken:
    """Any fill: whole steps of 0.001 at whole ticks of 0.1, in parts; now and then none."""
    fills = [(rng.randrange(1, 5_000), rng.randrange(400_000, 800_000)) for _ in range(rng.randrange(4))]
    size = sum(steps for steps, _ in fills)
    value = sum(steps * ticks for steps, ticks in fills)
    fee = Decimal(rng.randrange(-(10**9), 10**10)).scaleb(-8)
    return Taken(size=Decimal(size).scaleb(-3), value=Decimal(value).scaleb(-4), fee=fee, ts=1)


@pytest.mark.parametrize("seed", range(20))
def test_the_parts_of_random_histories_add_up(seed: int) -> None:
    """Over 200 orders: what the run has more than the model is the sum of the parts, exactly. Keeps B11."""
    rng = random.Random(seed)
    total, earned = Parts(), Decimal(0)
    for _ in range(200):
        side, real, model = rng.choice((1, -1)), some(rng), some(rng)
        then = None if rng.random() < 0.2 else Decimal(rng.randrange(10**10)).scaleb(-4)
        parts = attributed(side, real, model, then, END)
        assert parts.whole == money(side, real, END) - money(side, model, END)
        total, earned = total.plus(parts), earned + parts.whole
    funding = Decimal(rng.randrange(-(10**9), 10**9)).scaleb(-8)
    assert total.plus(Parts(funding=funding)).whole == earned + funding


def taken(size: str, price: str, fee: str = "0") -> Taken:
    """A fill at one price."""
    return Taken(size=Decimal(size), value=Decimal(size) * Decimal(price), fee=Decimal(fee), ts=1)


def test_each_cause_has_its_own_part() -> None:
    """A book that moved is latency, another price than the book's is price, a dearer fee is fee. Keeps B11."""
    parts = attributed(1, taken("2", "101.5", "0.3"), taken("2", "100", "0.2"), Decimal("202"), END)
    assert (parts.latency, parts.price, parts.size, parts.fee) == (
        Decimal(-2),
        Decimal(-1),
        Decimal(0),
        Decimal("-0.1"),
    )
    parts = attributed(-1, taken("2", "101.5"), taken("2", "100"), Decimal("202"), END)
    assert (parts.latency, parts.price, parts.missing) == (Decimal(2), Decimal(1), Decimal(0))


def test_what_nobody_saw_is_missing() -> None:
    """Without a book neither latency nor price can be told."""
    parts = attributed(1, taken("2", "101.5"), taken("2", "100"), None, END)
    assert (parts.latency, parts.price, parts.missing) == (Decimal(0), Decimal(0), Decimal(-3))


def test_what_one_alone_filled_is_valued_at_the_end() -> None:
    """Of an order filled in half by the run, half is compared and half is size; of one it never got, all."""
    end = Decimal(110)
    parts = attributed(1, taken("1", "101"), taken("2", "100"), Decimal("100"), end)
    assert (parts.latency, parts.price, parts.size) == (Decimal(0), Decimal(-1), Decimal(-10))
    parts = attributed(1, Taken(), taken("2", "100"), Decimal(0), end)
    assert (parts.latency, parts.price, parts.size) == (Decimal(0), Decimal(0), Decimal(-20))


def test_an_average_is_of_what_was_filled() -> None:
    """And there is none of nothing."""
    assert taken("2", "100.5").price == Decimal("100.5")
    assert Taken().price is None
