"""An account on random histories against one that knows fractions alone, and against the margin engine. Keeps B23."""

import math
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.made_desk import made

from perpscope.analytics.margin import Leg, Terms, liquidation_price, margin_excess
from perpscope.analytics.margin_tiers import TierTable, deductions
from perpscope.model.instrument import TierBasis
from perpscope.model.market import PositionSide
from perpscope.trading import account
from perpscope.trading.layout import MONEY, RATE
from perpscope.trading.strategy import Record

CENT = Fraction(1, 100)
FLOORS, RATES = (0.0, 5e4, 6e5, 3e6, 12e6), (0.004, 0.005, 0.0065, 0.01, 0.02)
LEVERAGES = (125.0, 100.0, 75.0, 50.0, 25.0)
#: A table in the manner of each venue, and the closing fee its trigger counts.
TABLES = {
    "binance": (TierTable(FLOORS, RATES, deductions(FLOORS, RATES), LEVERAGES), 0.0),
    "bybit": (TierTable((0.0, 2e6, 1e7), (0.0033, 0.005, 0.01), (0.0, 3400.0, 53_400.0), (150.0, 100.0, 50.0)), 0.0),
    "okx": (TierTable((0.0, 5.0, 100.0), (0.004, 0.005, 0.02), (0.0,) * 3, (100.0, 75.0, 25.0), TierBasis.SIZE), 5e-4),
    "bitget": (TierTable(FLOORS, RATES, (0.0,) * 5, LEVERAGES), 6e-4),
    "hyperliquid": (TierTable((0.0, 1.5e6), (0.0125, 0.025), (0.0, 18_750.0), (40.0, 20.0)), 0.0),
}


class Ledger:
    """What an account comes to if nothing is ever rounded, kept as trades, positions and payments."""

    def __init__(self, deposit: int, leverage: Fraction) -> None:
        self.cash, self.margin, self.cost = Fraction(deposit), Fraction(0), Fraction(0)
        self.paid = Fraction(0)  # fees and funding
        self.traded = Fraction(0)  # what was paid for the steps that are held, by every trade there was
        self.given_up = Fraction(0)  # what liquidations took beyond the trades
        self.size, self.leverage = 0, leverage

    def fill(self, side: int, size: int, price: Fraction, rate: Fraction) -> None:
        """A fill: fee, then what it closes, then what it opens."""
        fee = size * price * rate
        self.cash -= fee
        self.paid += fee
        self.traded += side * size * price
        closed = min(size, abs(self.size)) if side * self.size < 0 else 0
        if closed:
            part = Fraction(closed, abs(self.size))
            self.cash += self.margin * part - side * (closed * price - self.cost * part)
            self.margin, self.cost = self.margin * (1 - part), self.cost * (1 - part)
        if size > closed:
            self.cash -= (size - closed) * price / self.leverage
            self.margin += (size - closed) * price / self.leverage
            self.cost += (size - closed) * price
        self.size += side * size

    def fund(self, rate: Fraction, mark: Fraction) -> None:
        """Longs pay, where the rate is above 0."""
        paid = self.size * mark * rate
        self.margin -= paid
        self.paid += paid

    def liquidate(self, mark: Fraction) -> None:
        """The margin goes, whatever the position was worth."""
        self.given_up += self.margin + self.gained(mark)
        self.traded -= self.size * mark
        self.size, self.margin, self.cost = 0, Fraction(0), Fraction(0)

    def gained(self, mark: Fraction) -> Fraction:
        """Of the position, at a mark."""
        return self.size * mark - (self.cost if self.size > 0 else -self.cost)


class Step(NamedTuple):
    """Something that happens to an account."""

    what: str
    side: int
    size: int
    price: int  #: ticks
    rate: int  #: of RATE


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(["fill", "fill", "fill", "close", "fund", "margin", "liquidate"]),
        st.sampled_from([1, -1]),
        st.integers(1, 5_000),
        st.integers(400_000, 800_000),
        st.integers(-20_000, 60_000),
    ),
    min_size=1,
    max_size=40,
)


def take(a: Record, ledger: Ledger, step: Step) -> None:
    """Let a step happen to both. Cash may go below 0 here: what can be opened is the exchange's to say."""
    price = Fraction(step.price * 10_000, MONEY)
    if step.what in ("fill", "close"):
        side, size = step.side, step.size
        if step.what == "close" and a.size:
            side, size = (-1 if a.size > 0 else 1), min(size, abs(int(a.size)))
        value = account.notional(a, size, step.price)
        account.filled(a, side, size, step.price, account.fee_of(value, step.rate), 1, 1)
        ledger.fill(side, size, price, Fraction(step.rate, RATE))
    elif step.what == "fund":
        account.fund(a, step.rate / RATE, step.price * 0.1)
        ledger.fund(Fraction(step.rate, RATE), price)
    elif step.what == "margin":
        moved = Fraction(account.add_margin(a, step.side * step.size * MONEY), MONEY)
        ledger.cash, ledger.margin = ledger.cash - moved, ledger.margin + moved
    elif a.size:
        account.liquidated(a, step.price * 0.1, 1_000_000, 1)
        ledger.liquidate(price)


@pytest.mark.unmeasured
@settings(max_examples=100, deadline=None)
@given(STEPS, st.sampled_from([1.0, 3.0, 10.0, 37.5, 125.0]))
def test_no_unit_of_money_is_lost_or_made(steps: list[Step], leverage: float) -> None:
    """Cash + margin = deposit + realised - fees - funding after every step, to the last integer. Keeps B23."""
    a = made(leverage=leverage).account
    for step in steps:
        take(a, Ledger(0, Fraction(1)), step)
        assert account.is_sound(a)
        assert (a.size == 0) == (a.cost == 0)
        assert a.margin == 0 or a.size != 0


@pytest.mark.unmeasured
@settings(max_examples=100, deadline=None)
@given(STEPS, st.sampled_from([1.0, 3.0, 10.0, 37.5, 125.0]), st.integers(400_000, 800_000))
def test_equity_is_that_of_fractions(steps: list[Step], leverage: float, mark: int) -> None:
    """Σ cash flows = ΔE: equity to the cent is the deposit, every trade, fee, funding and lost margin. Keeps B23."""
    a = made(leverage=leverage).account
    ledger = Ledger(10_000, Fraction(leverage))
    for step in steps:
        take(a, ledger, step)
    at = Fraction(mark * 10_000, MONEY)
    flows = 10_000 - ledger.traded - ledger.paid - ledger.given_up + ledger.size * at
    held = Fraction(account.equity(a, mark * 0.1), MONEY)
    assert a.size == ledger.size
    assert abs(held - flows) < CENT
    assert abs(held - (ledger.cash + ledger.margin + ledger.gained(at))) < CENT
    assert abs(Fraction(int(a.cash), MONEY) - ledger.cash) < CENT


POSITIONS = st.tuples(
    st.sampled_from([1, -1]),
    st.integers(1, 2_000_000),  # steps: 0.001 to 2,000 base units
    st.integers(100, 2_000_000),  # ticks: 10 to 200,000
    st.floats(1.0, 40.0),
    st.floats(0.0, 2.0),  # margin added, of what was locked
    st.lists(st.floats(-0.003, 0.003), max_size=3),
)


@pytest.mark.unmeasured
@pytest.mark.parametrize("venue", TABLES)
@settings(max_examples=120, deadline=None)
@given(POSITIONS)
def test_a_position_is_liquidated_where_the_margin_engine_says(
    venue: str, position: tuple[int, int, int, float, float, list[float]]
) -> None:
    """Random tiers, margin added, funding paid: the same price, and the same answer at any mark. Keeps B8, B23."""
    table, closing_fee = TABLES[venue]
    side, size, ticks, leverage, added, fundings = position
    a = made(deposit=5e9, leverage=leverage, table=table, closing_fee=closing_fee).account
    account.filled(a, side, size, ticks, 0, 1, 1)
    account.add_margin(a, int(a.margin * added))
    for rate in fundings:
        account.fund(a, rate, ticks * 0.1)
    leg = Leg(PositionSide.LONG if side > 0 else PositionSide.SHORT, size * 0.001, ticks * 0.1)
    balance, terms = int(a.margin) / MONEY, Terms(closing_fee=closing_fee)
    nothing = 1e-9 * leg.entry  # a long whose margin is its whole value: both find none, or 0 but for rounding
    told = liquidation_price(leg, balance, table, terms) or 0.0
    found = account.liquidation_price(a)
    assert (0.0 if math.isnan(found) else found) == pytest.approx(told, rel=1e-9, abs=nothing)
    for share in (0.5, 0.9, 0.99, 1.0, 1.01, 1.1, 2.0):
        excess = margin_excess([leg], balance, [table], terms, ticks * 0.1 * share)
        if abs(excess) > 1e-6:
            assert account.is_liquidated(a, ticks * 0.1 * share) == (excess <= 0.0)
