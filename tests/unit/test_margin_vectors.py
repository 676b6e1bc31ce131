"""The margin engine against worked examples of the venues' pages and figures their engines gave. METHOD 1.2."""

import pytest

from perpscope.analytics import margin, margin_venues
from perpscope.analytics.margin import INVERSE, LINEAR, Leg, Terms
from perpscope.analytics.margin_cross import Holding, cross_triggers, free_balance
from perpscope.analytics.margin_tiers import TierTable, deductions, flat_table
from perpscope.model.market import PositionSide

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
FLOORS = (0.0, 5e4, 6e5, 3e6, 12e6, 70e6, 100e6, 230e6, 480e6, 600e6, 800e6, 1.2e9)
RATES = (0.004, 0.005, 0.0065, 0.01, 0.02, 0.025, 0.05, 0.10, 0.125, 0.15, 0.25, 0.50)
LEVERAGES = (125.0, 100.0, 75.0, 50.0, 25.0, 20.0, 10.0, 5.0, 4.0, 3.0, 2.0, 1.0)
#: As printed in METHOD 1.2, not as the recursion makes them.
CUM = (
    0.0,
    50.0,
    950.0,
    11450.0,
    131450.0,
    481450.0,
    2981450.0,
    14481450.0,
    26481450.0,
    41481450.0,
    1.2148145e8,
    4.2148145e8,
)
BTC_2024 = TierTable(FLOORS, RATES, CUM, LEVERAGES)
WALLET = 1_535_443.01
ETH = Leg(LONG, 3683.979, 1456.84)
BTC = Leg(LONG, 109.488, 32481.98)


def isolated(leg: Leg, leverage: float, table: TierTable = BTC_2024, terms: Terms = LINEAR) -> float | None:
    """The price of a position with its initial margin and nothing more."""
    return margin.liquidation_price(leg, margin.initial_margin(leg, leverage, terms), table, terms)


def test_the_table_is_continuous() -> None:
    """All twelve deductions follow from the rates: c_j = c_{j-1} + a_j (m_j - m_{j-1})."""
    assert deductions(FLOORS, RATES) == pytest.approx(CUM, rel=1e-12)
    assert BTC_2024.is_continuous


def test_binance_isolated() -> None:
    """Vectors 1 and 2: Binance's own examples, to the digits it prints."""
    assert margin.liquidation_price(ETH, WALLET, flat_table(0.10, deduction=135_365)) == pytest.approx(
        1114.78, abs=0.005
    )
    assert margin.liquidation_price(BTC, WALLET, flat_table(0.025, deduction=16_300)) == pytest.approx(
        18778.73, abs=0.005
    )


def test_binance_cross() -> None:
    """Vectors 3 and 4: the same two in one wallet; the other's profit and maintenance count."""
    eth = Holding((ETH,), 1335.18, flat_table(0.10, deduction=135_365))
    btc = Holding((BTC,), 31967.27, flat_table(0.025, deduction=16_300))
    free = WALLET - 56_354.57 - 71_200.81144
    assert free_balance(WALLET, [btc]) == pytest.approx(free, abs=0.1)
    assert margin.liquidation_price(ETH, free, eth.table) == pytest.approx(1153.26, abs=0.005)
    assert free_balance(0.0, [eth]) == pytest.approx(-448_192.89 - 356_512.508, abs=0.01)
    found = cross_triggers(WALLET, btc, [eth])
    assert found.below is not None
    assert found.below.price == pytest.approx(26_316.89, abs=0.005)
    assert found.above is None


def test_bybit_by_entry_value_and_by_mark() -> None:
    """Vector 5: the page until 2025 says 19,700; by the mark it is 19,698.4925."""
    leg = Leg(LONG, 1.0, 20_000.0)
    assert margin_venues.entry_value_price(leg, 400.0, flat_table(0.005)) == pytest.approx(19_700.0, abs=1e-9)
    assert isolated(leg, 50.0, flat_table(0.005)) == pytest.approx(19_698.4925, abs=5e-5)


def test_phemex() -> None:
    """Vector 6: a closing fee beside maintenance."""
    price = margin.liquidation_price(Leg(LONG, 500.0, 0.4), 40.096, flat_table(0.01), Terms(closing_fee=0.0006))
    assert price == pytest.approx(0.3232343, abs=5e-8)


@pytest.mark.parametrize(("side", "price"), [(LONG, 90_406.8307), (SHORT, 109_507.2175)], ids=["long", "short"])
def test_bitget_and_okx_form(side: PositionSide, price: float) -> None:
    """Vector 7: the taker fee is part of what is required."""
    found = isolated(Leg(side, 1.0, 100_000.0), 10.0, flat_table(0.004), Terms(closing_fee=0.0005))
    assert found == pytest.approx(price, abs=5e-5)


@pytest.mark.parametrize(
    ("highest", "leg", "balance", "price"),
    [
        pytest.param(50, Leg(LONG, 0.00077, 62739.0), 24.137992, 31708.03843631, id="8 BTC long"),
        pytest.param(50, Leg(SHORT, 0.019, 2642.8), 25.091876, 3924.18322043, id="9 ETH short"),
        pytest.param(20, Leg(LONG, 0.6, 173.06), 20.735658, 142.05186667, id="10 SOL long"),
        pytest.param(20, Leg(SHORT, 351.0, 0.14333), 25.136807, 0.20970228, id="11 DOGE short"),
        pytest.param(50, Leg(SHORT, 0.00099, 65536.0), 21.604172, 86493.46174617, id="12 BTC short"),
    ],
)
def test_hyperliquid(highest: float, leg: Leg, balance: float, price: float) -> None:
    """Vectors 8 to 12: what the exchange itself printed, within what it rounds its margin to."""
    found = margin.liquidation_price(leg, balance, flat_table(1.0 / (2.0 * highest)))
    assert found == pytest.approx(price, rel=2e-8)


@pytest.mark.parametrize(
    ("leg", "leverage", "price", "tier"),
    [
        pytest.param(Leg(LONG, 6.05, 1e5), 50.0, 98_484.1563, 1, id="13 tier changes on the way down"),
        pytest.param(Leg(SHORT, 5.95, 1e5), 50.0, 101_499.9144, 2, id="14 tier changes on the way up"),
        pytest.param(Leg(LONG, 100.0, 6e4), 10.0, 54_429.7980, 3, id="15 six million"),
        pytest.param(Leg(LONG, 0.1, 6e4), 20.0, 57_228.9157, 0, id="16 small long"),
        pytest.param(Leg(SHORT, 0.1, 6e4), 20.0, 62_749.0040, 0, id="16 small short"),
        pytest.param(Leg(SHORT, 0.5, 67_000.0), 25.0, 69_402.3904, 0, id="warned of: 69,920.32 is wrong"),
    ],
)
def test_the_tier_is_that_of_the_liquidation_price(leg: Leg, leverage: float, price: float, tier: int) -> None:
    """Vectors 13 to 16: not that of the entry."""
    found = margin.liquidation(leg, margin.initial_margin(leg, leverage), BTC_2024)
    assert found is not None
    assert found.price == pytest.approx(price, abs=5e-5)
    assert found.tiers == (tier,)


@pytest.mark.parametrize(
    ("leg", "leverage", "seed", "error_bps"),
    [
        pytest.param(Leg(LONG, 6.05, 1e5), 50.0, 98_650.0, 16.8, id="13"),
        pytest.param(Leg(LONG, 100.0, 6e4), 10.0, 54_600.0, 31.3, id="15"),
    ],
)
def test_the_first_documents_formula_is_off_by_so_much(
    leg: Leg, leverage: float, seed: float, error_bps: float
) -> None:
    """Vectors 13 and 15: E(1 - 1/L) + m·E is kept, and is tens of basis points off."""
    found, exact = margin_venues.seed_price(leg, leverage, BTC_2024), isolated(leg, leverage)
    assert exact is not None
    assert found == pytest.approx(seed, abs=1e-6)
    assert (found / exact - 1.0) * 1e4 == pytest.approx(error_bps, abs=0.06)


@pytest.mark.parametrize(
    ("side", "by_entry", "by_mark"),
    [(LONG, 45_662.1005, 45_681.8182), (SHORT, 55_248.6188, 55_277.7778)],
    ids=["long", "short"],
)
def test_inverse(side: PositionSide, by_entry: float, by_mark: float) -> None:
    """Vector 17: 60,000 USD at 50,000, 10×; Bybit's older form, and the exact one: a short's 60,000 × 0.995 ÷ 1.08."""
    leg = Leg(side, 60_000.0, 50_000.0)
    old = margin_venues.entry_value_price(leg, margin.initial_margin(leg, 10.0, INVERSE), flat_table(0.005), INVERSE)
    assert old == pytest.approx(by_entry, abs=5e-5)
    assert isolated(leg, 10.0, flat_table(0.005), INVERSE) == pytest.approx(by_mark, abs=5e-5)
