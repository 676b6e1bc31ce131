"""Fills as trades, against figures reckoned by hand."""

from decimal import Decimal

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.backtest_data import SWINGING

from perpscope.app.backtest.trades import STILL_OPEN, Left, trades_of
from perpscope.trading import layout
from perpscope.trading.units import Units

UNITS = Units(Decimal("0.1"), Decimal("0.001"), 10_000, 0)
MONEY = 10**8


def fill(**told: float) -> dict[str, float]:
    """One fill: what is not told is 0; a mid of NaN, excursions at the price."""
    return {"mid": float("nan"), "best": float("nan"), "worst": float("nan"), **told}


def rows(*fills: dict[str, float]) -> NDArray[np.void]:
    """Fills as a run logs them."""
    table = np.zeros(len(fills), layout.FILL)
    for at, told in enumerate(fills):
        for name, value in told.items():
            table[name][at] = value
    return table


LONG_IN = fill(ts=1_000_000, order=1, side=1, size=2000, price=1000, position=2000, mid=99.9, why=1, fee=MONEY // 10)
LONG_OUT = fill(
    ts=60_000_000, order=2, side=-1, size=2000, price=1100, position=0, mid=110.2, why=2, role=layout.LEAVE,
    fee=MONEY // 5, realised=20 * MONEY, funding=MONEY, best=112.0, worst=98.0,
)  # fmt: skip


def test_a_long_trade_by_hand() -> None:
    """2 units bought at 100 and sold at 110: 20 gross, 0.3 fees, 1 funding, 0.6 of slippage."""
    (trade,) = trades_of(rows(LONG_IN, LONG_OUT), UNITS, SWINGING)
    assert (trade.side, trade.size, trade.entry, trade.exit) == ("LONG", 2.0, 100.0, 110.0)
    assert (trade.gross, trade.funding) == (20.0, 1.0)
    assert trade.fees == pytest.approx(0.3)
    assert trade.net == pytest.approx(18.7)
    assert trade.slippage == pytest.approx(0.1 * 2 + 0.2 * 2)
    assert trade.worst == pytest.approx(-0.02)
    assert trade.best == pytest.approx(0.12)
    assert (trade.opened_ms, trade.closed_ms) == (1, 60)
    assert (trade.why_in, trade.why_out, trade.is_liquidated) == ("its-turn", "long-enough", False)


def test_a_short_trade_in_parts_is_averaged() -> None:
    """Two entries and two exits are one trade at their averages, by size."""
    found = trades_of(
        rows(
            fill(ts=1, side=-1, size=1000, price=1000, position=-1000),
            fill(ts=2, side=-1, size=3000, price=1020, position=-4000),
            fill(ts=3, side=1, size=2000, price=990, position=-2000, realised=5 * MONEY),
            fill(ts=4, side=1, size=2000, price=1010, position=0, realised=1 * MONEY, best=98.0, worst=104.0),
        ),
        UNITS,
        SWINGING,
    )
    (trade,) = found
    assert (trade.side, trade.size) == ("SHORT", 4.0)
    assert trade.entry == pytest.approx((1 * 100.0 + 3 * 102.0) / 4)
    assert trade.exit == pytest.approx(100.0)
    assert trade.gross == 6.0
    assert trade.best == pytest.approx(1 - 98.0 / 101.5)
    assert trade.worst == pytest.approx(1 - 104.0 / 101.5)


@pytest.mark.parametrize(
    ("role", "word"),
    [
        (layout.PROTECT, "stop"),
        (layout.PROFIT, "take-profit"),
        (layout.LIQUIDATED, "liquidation"),
        (layout.FLATTEN, "flatten"),
    ],
    ids=["stop", "take-profit", "liquidation", "flatten"],
)
def test_why_a_trade_ended(role: int, word: str) -> None:
    """What the exchange or risk did is told by its name; a liquidation slips against nothing."""
    out = {**LONG_OUT, "role": role, "mid": 500.0}
    (trade,) = trades_of(rows(LONG_IN, out), UNITS, SWINGING)
    assert trade.why_out == word
    assert trade.is_liquidated is (role == layout.LIQUIDATED)
    if trade.is_liquidated:
        assert trade.slippage == pytest.approx(0.2)


def test_funding_is_of_its_own_trade() -> None:
    """The desk counts it through the run; each trade has what was paid while it was open."""
    second = [{**LONG_IN, "funding": MONEY}, {**LONG_OUT, "funding": 3 * MONEY}]
    first, later = trades_of(rows(LONG_IN, LONG_OUT, *second), UNITS, SWINGING)
    assert (first.funding, later.funding) == (1.0, 2.0)


def test_what_is_open_at_the_end_is_the_last_trade() -> None:
    """Valued at the last price, with what it has paid so far, and nothing charged for closing it."""
    left = Left(price=105.0, at_ns=90_000_000, unrealised=10 * MONEY, funding=2 * MONEY, best=106.0, worst=99.0)
    (trade,) = trades_of(rows(LONG_IN), UNITS, SWINGING, left)
    assert (trade.exit, trade.closed_ms, trade.why_out) == (105.0, 90, STILL_OPEN)
    assert trade.net == pytest.approx(10.0 - 0.1 - 2.0)
    assert trades_of(rows(LONG_IN), UNITS, SWINGING) == []
    assert len(trades_of(rows(LONG_IN, LONG_OUT), UNITS, SWINGING, left)) == 1


def test_excursions_that_are_not_known_are_none() -> None:
    """Without a mark the worst and best are 0, and a reason that has no name is empty."""
    unknown = {**LONG_OUT, "best": float("nan"), "worst": float("nan"), "why": 99}
    (trade,) = trades_of(rows(LONG_IN, unknown), UNITS, SWINGING)
    assert (trade.worst, trade.best, trade.why_out) == (0.0, 0.0, "")
