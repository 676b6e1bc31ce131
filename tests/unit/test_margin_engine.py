"""The margin engine by hand: hedged legs, tables that jump, tiers by size, funding, what no price liquidates."""

from math import inf, nan
from typing import cast

import pytest

from perpscope.analytics import margin, margin_cross, margin_venues
from perpscope.analytics.margin import INVERSE, LINEAR, Leg, Terms, Trigger
from perpscope.analytics.margin_cross import Holding
from perpscope.analytics.margin_tiers import TierTable, deductions, flat_table, tier_table
from perpscope.model.instrument import Contract, MarginTier, TierBasis
from perpscope.model.market import PositionSide

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
FLAT = flat_table(0.01)
#: 1 % to 1,000, then 5 % of all of it: nothing is deducted, so maintenance jumps from 10 to 50 at 1,000.
JUMPS = TierTable((0.0, 1000.0), (0.01, 0.05), (0.0, 0.0), (50.0, 10.0))
#: 1 % to 10 base units, 5 % above, whatever the price.
BY_SIZE = TierTable((0.0, 10.0), (0.01, 0.05), (0.0, 0.0), (50.0, 10.0), TierBasis.SIZE)
TIERS = [MarginTier(0.0, 1000.0, 0.01, 50.0), MarginTier(1000.0, 5000.0, 0.02, 25.0, 10.0)]


def price(leg: Leg, balance: float, table: TierTable = FLAT, terms: Terms = LINEAR) -> float | None:
    """The liquidation price."""
    return margin.liquidation_price(leg, balance, table, terms)


def near(at: float, tiers: tuple[int, ...]) -> Trigger:
    """A trigger at about this price."""
    return Trigger(cast("float", pytest.approx(at)), tiers)


@pytest.mark.parametrize(
    ("leg", "balance", "terms"),
    [
        pytest.param(Leg(LONG, 1.0, 100.0), 100.0, LINEAR, id="a long at 1x"),
        pytest.param(Leg(LONG, 1.0, 100.0), 250.0, LINEAR, id="a long with more than its value"),
        pytest.param(Leg(SHORT, 100.0, 50.0), 2.0, INVERSE, id="an inverse short at 1x"),
    ],
)
def test_what_is_paid_for_in_full_has_no_price(leg: Leg, balance: float, terms: Terms) -> None:
    """No price liquidates it, and none makes it bankrupt."""
    assert price(leg, balance, terms=terms) is None
    assert margin.bankruptcy_price(leg, balance, terms) is None


def test_a_short_at_1x_is_liquidated_near_twice_its_entry() -> None:
    """100 + 100 = P (1 + 1 %): 198.02."""
    assert price(Leg(SHORT, 1.0, 100.0), 100.0) == pytest.approx(200.0 / 1.01)
    assert margin.bankruptcy_price(Leg(SHORT, 1.0, 100.0), 100.0) == 200.0


def test_what_is_lost_at_every_price_has_none() -> None:
    """A short that owes more than it was sold for; a hedge that owes more than nothing."""
    assert price(Leg(SHORT, 1.0, 100.0), -100.0) is None
    found = margin.triggers([Leg(LONG, 1.0, 100.0), Leg(SHORT, 1.0, 100.0)], -5.0, [FLAT] * 2, LINEAR, 100.0)
    assert (found.below, found.above, found.is_deficient) == (None, None, True)


def test_a_deficient_position_is_told_where_it_would_suffice() -> None:
    """A long with 0.5 of margin where 1 is needed: (100 - 0.5) ÷ 0.99, above its entry; a short mirrored."""
    assert price(Leg(LONG, 1.0, 100.0), 0.5) == pytest.approx(99.5 / 0.99)
    assert price(Leg(SHORT, 1.0, 100.0), 0.5) == pytest.approx(100.5 / 1.01)


def test_hedged_legs_share_two_prices() -> None:
    """Long 3, short 2 at 100, 20 of margin. At 1 %: 20 + P - 100 = 0.05 P, and going up more is gained than needed."""
    legs = [Leg(LONG, 3.0, 100.0), Leg(SHORT, 2.0, 100.0)]
    found = margin.triggers(legs, 20.0, [FLAT] * 2, LINEAR, 100.0)
    assert found.below == near(80.0 / 0.95, (0, 0))
    assert found.above is None
    # 50 % above 600: from 300 on both legs are there, and 20 + P - 100 = 2.5 P - 588.
    steep = tier_table([MarginTier(0.0, 600.0, 0.01, 50.0), MarginTier(600.0, None, 0.5, 1.0, 294.0)])
    found = margin.triggers(legs, 20.0, [steep] * 2, LINEAR, 100.0)
    assert found.below == near(80.0 / 0.95, (0, 0))
    assert found.above == near(508.0 / 1.5, (1, 1))


def test_evened_out_legs_are_liquidated_by_their_maintenance_alone() -> None:
    """Long 1 and short 1: the margin of 4 is needed when 2 P × 1 % is 4; no price makes them bankrupt."""
    legs = [Leg(LONG, 1.0, 100.0), Leg(SHORT, 1.0, 100.0)]
    found = margin.triggers(legs, 4.0, [FLAT] * 2, LINEAR, 100.0)
    assert found.below is None
    assert found.above == near(200.0, (0, 0))
    assert margin.shared_bankruptcy_price(legs, 4.0) is None
    free = margin.triggers([Leg(LONG, 1.01, 100.0), Leg(SHORT, 0.99, 100.0)], 5.0, [FLAT] * 2, LINEAR, 100.0)
    assert (free.below, free.is_deficient) == (None, False)


def test_a_short_is_liquidated_at_the_edge_where_maintenance_jumps() -> None:
    """Short 10 at 99 with 40: at 99.99 30.1 is left and 10 needed, at 100 50 is. METHOD 1.1, OKX's row."""
    found = margin.liquidation(Leg(SHORT, 10.0, 99.0), 40.0, JUMPS)
    assert found == Trigger(100.0, (1,))


def test_a_long_that_falls_out_of_the_dear_tier_was_liquidated_before() -> None:
    """Long 10 at 110 with 100: (1100 - 100) ÷ 9.5 = 105.26 in the upper tier; 101.01 of the lower lies beyond 100."""
    leg = Leg(LONG, 10.0, 110.0)
    assert margin.liquidation(leg, 100.0, JUMPS) == near(1000.0 / 9.5, (1,))
    # With 115 it is 103.68 first; seen from 99.9, where 14 is left and 9.99 needed, 99.49.
    assert margin.liquidation(leg, 115.0, JUMPS) == near(985.0 / 9.5, (1,))
    assert margin.liquidation(leg, 115.0, JUMPS, reference=99.9) == near(985.0 / 9.9, (0,))


def test_from_below_the_dear_tier_a_long_has_both_ways_to_go() -> None:
    """Seen from 99.9, where 14 is left and 9.99 needed: down to 99.49, or up to 100, where 50 is needed."""
    found = margin.triggers([Leg(LONG, 10.0, 110.0)], 115.0, [JUMPS], LINEAR, 99.9)
    assert found.below == near(985.0 / 9.9, (0,))
    assert found.above == Trigger(100.0, (1,))
    deficient = margin.triggers([Leg(LONG, 10.0, 110.0)], 115.0, [JUMPS], LINEAR, 101.0)
    assert deficient.is_deficient
    assert deficient.below == Trigger(100.0, (0,))
    assert deficient.above == near(985.0 / 9.5, (1,))


@pytest.mark.parametrize(
    ("size", "rate", "tier"), [(10.0, 0.01, 0), (10.01, 0.05, 1)], ids=["at the bound", "above it"]
)
def test_tiers_by_size_stay_when_the_price_moves(size: float, rate: float, tier: int) -> None:
    """OKX: "1 to 500" includes 500; the price of a position does not change its tier. METHOD has bounds of notional."""
    found = margin.liquidation(Leg(LONG, size, 100.0), 20.0 * size, BY_SIZE)
    assert found == near(80.0 / (1.0 - rate), (tier,))
    assert BY_SIZE.maintenance(100.0 * size, size) == pytest.approx(rate * 100.0 * size)


def test_funding_erodes_the_margin() -> None:
    """Three fundings of 0.1 % of 1,000 take 3 from a long and its price rises by 3 ÷ 10 ÷ 0.99; a short gains them."""
    paid = 3 * margin.funding_paid(LONG, 10.0, 100.0, 0.001)
    assert paid == pytest.approx(3.0)
    assert margin.funding_paid(SHORT, 10.0, 100.0, 0.001) == pytest.approx(-1.0)
    assert margin.funding_paid(LONG, 1000.0, 50.0, 0.001, INVERSE) == pytest.approx(0.02)
    leg = Leg(LONG, 10.0, 100.0)
    before, after = price(leg, 100.0), price(leg, 100.0 - paid)
    assert before is not None
    assert after is not None
    assert after - before == pytest.approx(0.3 / 0.99)


def test_bankruptcy_with_a_fee_reserved() -> None:
    """W + s q (P - E) = q P φ: a long's (100 - 10) ÷ 0.999, a short's 110 ÷ 1.001; inverse 1 ÷ (1.2 ÷ 100)."""
    assert margin.bankruptcy_price(Leg(LONG, 1.0, 100.0), 10.0, closing_fee=0.001) == pytest.approx(90.0 / 0.999)
    assert margin.bankruptcy_price(Leg(SHORT, 1.0, 100.0), 10.0, closing_fee=0.001) == pytest.approx(110.0 / 1.001)
    assert margin.bankruptcy_price(Leg(LONG, 100.0, 100.0), 0.2, INVERSE) == pytest.approx(100.0 / 1.2)


def test_the_other_formulas_can_have_no_price() -> None:
    """Bybit's older form too: what is paid for in full, linear and inverse."""
    assert margin_venues.entry_value_price(Leg(LONG, 1.0, 100.0), 200.0, FLAT) is None
    assert margin_venues.entry_value_price(Leg(SHORT, 100.0, 50.0), 3.0, FLAT, INVERSE) is None
    assert margin_venues.entry_value_price(Leg(SHORT, 1.0, 100.0), 10.0, FLAT) == pytest.approx(109.0)
    assert margin_venues.seed_price(Leg(SHORT, 1.0, 100.0), 10.0, FLAT) == pytest.approx(109.0)


@pytest.mark.parametrize(
    ("leg", "balance", "terms", "reference", "said"),
    [
        pytest.param(Leg(LONG, 0.0, 1.0), 1.0, LINEAR, None, "size 0", id="no size"),
        pytest.param(Leg(LONG, nan, 1.0), 1.0, LINEAR, None, "size nan", id="size nan"),
        pytest.param(Leg(LONG, 1.0, -1.0), 1.0, LINEAR, None, "entry -1", id="entry"),
        pytest.param(Leg(LONG, 1.0, inf), 1.0, LINEAR, None, "entry inf", id="entry infinite"),
        pytest.param(Leg(LONG, 1.0, 1.0), nan, LINEAR, None, "balance nan", id="balance"),
        pytest.param(Leg(LONG, 1.0, 1.0), 1.0, LINEAR, 0.0, "reference price 0", id="reference"),
        pytest.param(Leg(LONG, 1.0, 1.0), 1.0, Terms(closing_fee=0.5), None, "closing fee 0.5", id="fee"),
    ],
)
def test_figures_out_of_range_are_refused(
    leg: Leg, balance: float, terms: Terms, reference: float | None, said: str
) -> None:
    """With the value that was wrong."""
    with pytest.raises(ValueError, match=said):
        margin.liquidation_price(leg, balance, FLAT, terms, reference)


def test_no_position_is_refused() -> None:
    """There is nothing to liquidate."""
    with pytest.raises(ValueError, match="no position"):
        margin.triggers([], 1.0, [], LINEAR, 1.0)


@pytest.mark.parametrize(
    ("tiers", "said"),
    [
        pytest.param([], "at least one", id="none"),
        pytest.param(TIERS[1:], "begins at 1000, must at 0", id="does not begin at 0"),
        pytest.param([MarginTier(0.0, None, 0.0, 50.0)], "rate 0 must", id="rate 0"),
        pytest.param([MarginTier(0.0, None, 0.01, 0.0)], "leverage 0 must", id="leverage 0"),
        pytest.param([MarginTier(0.0, None, 0.01, 5.0, -1.0)], "deduction -1 must", id="deduction"),
        pytest.param([TIERS[0], MarginTier(2000.0, None, 0.02, 25.0)], "begins at 2000", id="a hole"),
        pytest.param([MarginTier(0.0, 0.0, 0.1, 5.0), MarginTier(0.0, None, 0.2, 2.0)], "begins at 0", id="empty"),
        pytest.param([TIERS[0], MarginTier(1000.0, None, 0.005, 25.0)], "ask less", id="rate falls"),
        pytest.param([TIERS[0], MarginTier(1000.0, None, 0.02, 75.0)], "ask less", id="leverage rises"),
        pytest.param([TIERS[0], MarginTier(1000.0, None, 0.02, 25.0, 0.0, TierBasis.SIZE)], "counts size", id="mixed"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(tiers: list[MarginTier], said: str) -> None:
    """With the tier and the figure."""
    with pytest.raises(ValueError, match=said):
        tier_table(tiers)


def test_a_table_is_what_its_tiers_are() -> None:
    """Bounds, leverage, the largest position; by size the lowest tier holds from 0, whatever the smallest order."""
    table = tier_table(TIERS)
    assert (table.floors, table.rates, table.cap) == ((0.0, 1000.0), (0.01, 0.02), 5000.0)
    assert [table.tier(value, 1.0) for value in (0.0, 999.0, 1000.0, 1e9)] == [0, 0, 1, 1]
    assert (table.max_leverage(999.0, 1.0), table.max_leverage(1000.0, 1.0)) == (50.0, 25.0)
    assert [table.largest(leverage) for leverage in (60.0, 50.0, 25.0)] == [0.0, 1000.0, 5000.0]
    assert table.is_continuous
    assert not JUMPS.is_continuous
    assert flat_table(0.1, deduction=5.0).is_continuous
    contracts = [MarginTier(1.0, 500.0, 0.01, 50.0, 0.0, TierBasis.SIZE)]
    assert tier_table(contracts).floors == (0.0,)
    assert deductions([0.0], [0.01]) == (0.0,)


@pytest.mark.parametrize(("leverage", "said"), [(0.5, "1 or more"), (inf, "1 or more"), (26.0, "above 25")])
def test_opening_above_the_tiers_leverage_is_refused(leverage: float, said: str) -> None:
    """Size 20 at 100 is worth 2,000: the second tier's 25×. METHOD 1.2, edge cases."""
    with pytest.raises(ValueError, match=said):
        margin_venues.check_opening(Leg(LONG, 20.0, 100.0), leverage, tier_table(TIERS))
    assert margin_venues.check_opening(Leg(LONG, 20.0, 100.0), 25.0, tier_table(TIERS)) == pytest.approx(80.0)


def test_each_venue_says_what_it_counts() -> None:
    """Five venues, each with a page and its date; OKX and Bitget count the taker fee; one's own goes first."""
    assert set(margin_venues.VENUES) == {"binance", "bybit", "okx", "bitget", "hyperliquid"}
    assert all(venue.source and venue.as_of >= "2025" for venue in margin_venues.VENUES.values())
    fees = {name: margin_venues.terms_of(name).closing_fee for name in margin_venues.VENUES}
    assert fees == {"binance": 0.0, "bybit": 0.0, "okx": 0.0005, "bitget": 0.0006, "hyperliquid": 0.0}
    assert margin_venues.terms_of("okx", Contract.INVERSE, 0.0002) == Terms(Contract.INVERSE, 0.0002)
    assert "φ" in margin_venues.formula_of("okx")
    assert margin_venues.formula_of("binance", Contract.INVERSE) == margin_venues.INVERSE_FORMULA


def test_an_accounts_positions_lean_on_each_other() -> None:
    """Wallet 100; long 10 A at 10, now 12, 1 %; short 5 B at 20, now 22, 1 %: A has 100 - 10 - 1.1 behind it."""
    holdings = [
        Holding((Leg(LONG, 10.0, 10.0),), 12.0, FLAT),
        Holding((Leg(SHORT, 5.0, 20.0),), 22.0, FLAT),
    ]
    assert margin_cross.free_balance(100.0, holdings[1:]) == pytest.approx(88.9)
    of_a, of_b = margin_cross.account_triggers(100.0, holdings)
    assert of_a.below == near((100.0 - 88.9) / 9.9, (0,))
    assert of_b.above == near((100.0 + 100.0 + 20.0 - 1.2) / 5.05, (0,))
    assert margin_cross.margin_ratio(100.0, holdings) == pytest.approx((1.2 + 1.1) / 110.0)
    assert margin_cross.margin_ratio(-10.0, holdings) == inf
    assert margin_cross.nearest(of_a, 12.0) == of_a.below
    assert margin_cross.nearest(margin.Triggers(None, None, False), 12.0) is None
    both = margin.Triggers(Trigger(5.0, (0,)), Trigger(20.0, (0,)), False)
    assert margin_cross.nearest(both, 12.0) == both.above
