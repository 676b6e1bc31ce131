"""An account to the last unit of money: fills, fundings, margin in and out, and being liquidated. Keeps B23."""

import math

import pytest
from tests.unit.made_desk import made, quote

from perpscope.analytics.margin_tiers import TierTable, deductions
from perpscope.model.instrument import TierBasis
from perpscope.trading import account
from perpscope.trading.layout import MONEY, RATE

FLOORS, RATES = (0.0, 50_000.0, 600_000.0, 3_000_000.0), (0.004, 0.005, 0.0065, 0.01)
#: The lowest tiers of the dated table of METHOD 1.2.
DATED = TierTable(FLOORS, RATES, deductions(FLOORS, RATES), (125.0, 100.0, 75.0, 50.0))


@pytest.mark.parametrize(
    ("amount", "part", "whole", "expected"),
    [
        pytest.param(10, 1, 3, 3, id="down"),
        pytest.param(10, 2, 4, 5, id="exact"),
        pytest.param(9, 1, 2, 5, id="half up"),
        pytest.param(-9, 1, 2, -4, id="half up below zero"),
        pytest.param(9 * 10**18, 50_000, RATE, 45 * 10**14, id="product beyond 64 bits"),
        pytest.param(1_000, -20_000, RATE, 0, id="a rebate of less than a unit"),
    ],
)
def test_a_share_is_rounded_to_the_nearest_unit(amount: int, part: int, whole: int, expected: int) -> None:
    """Fees and partial closes are whole units, whatever the size. Keeps B23."""
    assert account.share(amount, part, whole) == expected


def test_opening_locks_margin_and_pays_the_fee() -> None:
    """1 BTC at 60,000 on 10×: 6,000 of margin, 30 of fee, 3,970 left of 10,000. Keeps B23."""
    a = made().account
    assert account.filled(a, 1, 1_000, 600_000, 30 * MONEY, 7, 3) == 0
    assert (quote(a.cash), quote(a.margin), quote(a.cost), a.entry) == (3_970.0, 6_000.0, 60_000.0, 60_000.0)
    assert (a.size, a.opened_at, a.opened_bar, a.best, a.worst) == (1_000, 7, 3, 60_000.0, 60_000.0)
    assert account.is_sound(a)


def test_adding_averages_the_entry() -> None:
    """1 at 60,000 and 3 at 62,000 were entered at 61,500 on average; the opening stays the first. Keeps B23."""
    a = made(deposit=100_000).account
    account.filled(a, 1, 1_000, 600_000, 0, 7, 3)
    account.filled(a, 1, 3_000, 620_000, 0, 8, 4)
    assert (a.entry, a.opened_at, quote(a.margin)) == (61_500.0, 7, 24_600.0)


def test_a_partial_close_loses_no_unit() -> None:
    """Three thirds of a cost that thirds do not divide add up to it, and so does the margin. Keeps B23."""
    a = made().account
    a.worth = 1
    account.filled(a, 1, 3, 100_003, 0, 1, 1)
    gains = [account.filled(a, -1, 1, 100_010, 0, 2, 2) for _ in range(3)]
    assert sum(gains) == 3 * 7
    assert (a.cost, a.margin, a.size, a.cash) == (0, 0, 0, 10_000 * MONEY + 21)
    assert (a.trades, a.closed_at) == (1, 2)
    assert math.isnan(a.entry)


def test_a_short_gains_as_the_price_falls() -> None:
    """Sold at 60,000 and bought at 59,000 is 1,000 earned, fees apart. Keeps B23."""
    a = made().account
    account.filled(a, -1, 1_000, 600_000, 30 * MONEY, 1, 1)
    assert quote(account.unrealised(a, 59_500.0)) == 500.0
    assert quote(account.filled(a, 1, 1_000, 590_000, 2950_000_000, 2, 2)) == 1_000.0
    assert quote(a.cash) == 10_000.0 + 1_000.0 - 30.0 - 29.5
    assert (quote(a.turnover), a.best) == (119_000.0, 59_000.0)


def test_what_goes_beyond_flat_opens_the_other_way() -> None:
    """Selling 3 of a long of 1 closes it and is short 2 from there: an exchange's fill is booked whole. Keeps B23."""
    a = made(deposit=100_000).account
    account.filled(a, 1, 1_000, 600_000, 0, 1, 1)
    assert quote(account.filled(a, -1, 3_000, 610_000, 0, 2, 2)) == 1_000.0
    assert (a.size, a.entry, a.trades, a.opened_at) == (-2_000, 61_000.0, 1, 2)
    assert account.is_sound(a)


@pytest.mark.parametrize(
    ("side", "rate", "paid"),
    [
        pytest.param(1, 0.0001, 6.0, id="long pays"),
        pytest.param(1, -0.0001, -6.0, id="long receives"),
        pytest.param(-1, 0.0001, -6.0, id="short receives"),
        pytest.param(-1, -0.0001, 6.0, id="short pays"),
        pytest.param(0, 0.0001, 0.0, id="flat"),
        pytest.param(1, math.nan, 0.0, id="unknown rate"),
    ],
)
def test_longs_pay_a_rate_above_zero(side: int, rate: float, paid: float) -> None:
    """METHOD 12.4 and 12.7, the sign of funding: -s·N_mark·f, out of the margin. Keeps B23."""
    a = made().account
    if side:
        account.filled(a, side, 1_000, 590_000, 0, 1, 1)
    before = int(a.margin)
    assert quote(account.fund(a, rate, 60_000.0)) == paid
    assert (quote(a.funding), quote(before - a.margin)) == (paid, paid)
    assert account.is_sound(a)


def test_funding_at_an_unknown_mark_takes_nothing() -> None:
    """A settlement nobody can value is not guessed. Keeps B23."""
    a = made().account
    account.filled(a, 1, 1_000, 600_000, 0, 1, 1)
    assert account.fund(a, 0.0001, math.nan) == 0


def test_margin_moves_in_and_out_as_far_as_it_is_there() -> None:
    """Margin comes from free cash and goes back there; more than either holds does not move. Keeps B23."""
    a = made().account
    assert account.add_margin(a, 100 * MONEY) == 0
    account.filled(a, 1, 1_000, 600_000, 0, 1, 1)
    assert quote(account.add_margin(a, 1_000 * MONEY)) == 1_000.0
    assert quote(account.add_margin(a, 9_000 * MONEY)) == 3_000.0
    assert quote(account.add_margin(a, -99_000 * MONEY)) == -10_000.0
    assert (a.margin, quote(a.cash)) == (0, 10_000.0)


def test_equity_is_cash_margin_and_what_was_gained() -> None:
    """At a mark that is not known the position counts at what it cost. Keeps B23."""
    a = made().account
    assert quote(account.equity(a, 60_000.0)) == 10_000.0
    account.filled(a, 1, 1_000, 600_000, 0, 1, 1)
    assert quote(account.equity(a, 60_123.45)) == 10_123.45
    assert quote(account.equity(a, math.nan)) == 10_000.0


def test_what_cash_can_open() -> None:
    """METHOD 12.2: N/L + f·N ≤ E; 100,000 at 10× and 0.05 % opens 995,024.88 and no step more. Keeps B20."""
    d = made(deposit=100_000)
    d.account.worth = 1_000_000  # one tick × one step is 0.01
    assert account.affordable(d.account, d.costs, 1) == 99_502_487
    d.account.cash = -5
    assert account.affordable(d.account, d.costs, 1) == 0


def test_cash_that_rounding_would_overdraw_opens_a_step_less() -> None:
    """Five steps of 1 at 10× and a fee of a half cost 1 + 3 of 3: margin and fee are rounded up. Keeps B23."""
    d = made()
    d.account.worth, d.account.cash, d.costs.taker = 1, 3, RATE // 2
    assert account.affordable(d.account, d.costs, 1) == 4


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
def test_a_liquidation_costs_the_margin_and_nothing_else(side: int) -> None:
    """METHOD 12.4: the fee comes out of what is left; cash stays what it was. Keeps B23."""
    a = made().account
    account.filled(a, side, 1_000, 600_000, 0, 1, 1)
    account.add_margin(a, 500 * MONEY)
    cash, mark = int(a.cash), 60_000.0 - side * 5_700.0  # 6,500 of margin, 800 left
    price, fee, realised = account.liquidated(a, mark, 1_000_000, 9)
    assert quote(fee) == pytest.approx(0.01 * mark)
    assert quote(realised) == pytest.approx(-(6_500.0 - 0.01 * mark))
    assert price == pytest.approx((60_000.0 + side * quote(realised)) * 10, abs=1)
    assert (int(a.cash), a.size, a.margin, a.cost, a.liquidations, a.trades, a.closed_at) == (cash, 0, 0, 0, 1, 1, 9)
    assert account.is_sound(a)


def test_a_gap_beyond_bankruptcy_is_not_ours() -> None:
    """Isolated margin is all that can be lost: no fee is left, and the price is that of bankruptcy. Keeps B23."""
    a = made().account
    account.filled(a, 1, 1_000, 600_000, 0, 1, 1)
    price, fee, realised = account.liquidated(a, 40_000.0, 1_000_000, 9)
    assert (price, fee, quote(realised), quote(a.cash)) == (540_000, 0, -6_000.0, 4_000.0)


def test_a_liquidation_fee_takes_no_more_than_is_left() -> None:
    """With 100 left and a fee of 546, the fee is 100. Keeps B23."""
    a = made().account
    account.filled(a, 1, 1_000, 600_000, 0, 1, 1)
    _, fee, realised = account.liquidated(a, 54_100.0, 1_000_000, 9)
    assert (quote(fee), quote(realised)) == (100.0, -5_900.0)


def test_excursions_are_those_of_the_position() -> None:
    """The best and the worst mark are seen while something is held, of a short the other way round. Keeps B23."""
    a = made().account
    account.seen(a, 1.0)
    account.filled(a, 1, 1_000, 600_000, 0, 1, 1)
    for mark in (60_500.0, 59_000.0, 60_100.0):
        account.seen(a, mark)
    assert (a.best, a.worst) == (60_500.0, 59_000.0)
    account.filled(a, -1, 1_000, 600_000, 0, 1, 1)
    account.filled(a, -1, 1_000, 600_000, 0, 1, 1)
    account.seen(a, 60_500.0)
    account.seen(a, 59_000.0)
    assert (a.best, a.worst) == (59_000.0, 60_500.0)


@pytest.mark.parametrize(
    ("side", "size", "leverage", "expected"),
    [
        pytest.param(1, 6_050, 50.0, 98_484.1563, id="13"),
        pytest.param(-1, 5_950, 50.0, 101_499.9144, id="14"),
    ],
)
def test_the_dated_vectors(side: int, size: int, leverage: float, expected: float) -> None:
    """METHOD 1.2: the tier of the liquidation price counts, not that of the entry. Keeps B8, B23."""
    a = made(deposit=100_000, leverage=leverage, table=DATED).account
    account.filled(a, side, size, 1_000_000, 0, 1, 1)
    found = account.liquidation_price(a)
    assert found == pytest.approx(expected, abs=5e-5)
    assert not account.is_liquidated(a, found + side * 0.01)
    assert account.is_liquidated(a, found - side * 0.01)


def test_nothing_is_liquidated_while_flat_or_unseen() -> None:
    """A mark that is not known liquidates nobody, and without a position there is no price. Keeps B23."""
    a = made().account
    assert math.isnan(account.liquidation_price(a))
    assert not account.is_liquidated(a, 1.0)
    account.filled(a, 1, 1_000, 600_000, 0, 1, 1)
    assert not account.is_liquidated(a, math.nan)


def test_a_long_at_its_own_value_is_never_liquidated() -> None:
    """At 1×, with some margin added, no price takes it. Keeps B23."""
    a = made(deposit=100_000, leverage=1.0).account
    account.filled(a, 1, 1_000, 600_000, 0, 1, 1)
    account.add_margin(a, MONEY)
    assert math.isnan(account.liquidation_price(a))


def test_tiers_by_size_do_not_move_with_the_price() -> None:
    """OKX's tiers count base units, both ends included, and its trigger counts the closing fee. Keeps B23."""
    table = TierTable((0.0, 1.0, 5.0), (0.01, 0.02, 0.05), (0.0,) * 3, (100.0, 75.0, 25.0), TierBasis.SIZE)
    a = made(deposit=100_000, table=table, closing_fee=0.0005).account
    for size, rate in ((1_000, 0.01), (1_001, 0.02), (5_001, 0.05)):
        a.size = size
        assert account.maintenance(a, 50_000.0) == pytest.approx(size * 50.0 * (rate + 0.0005))


def test_maintenance_that_jumps_liquidates_at_the_tier_s_edge() -> None:
    """Without a deduction the end of a tier can be the price: a short that rises into the next one. Keeps B23."""
    table = TierTable((0.0, 60_500.0), (0.004, 0.2), (0.0, 0.0), (100.0, 5.0))
    a = made(table=table).account
    account.filled(a, -1, 1_000, 600_000, 0, 1, 1)
    assert account.liquidation_price(a) == 60_500.0
    assert account.is_liquidated(a, 60_500.0)
    assert not account.is_liquidated(a, 60_499.0)


def test_margin_that_does_not_suffice_at_the_entry_is_found_beyond_it() -> None:
    """Funding can eat the margin while the price runs away in favour: the trigger is on that side. Keeps B23."""
    a = made().account
    account.filled(a, 1, 1_000, 600_000, 0, 1, 1)
    a.margin -= 6_000 * MONEY
    assert account.liquidation_price(a) == pytest.approx(60_000.0 / 0.995)
