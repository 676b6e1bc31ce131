"""Decimal to ticks, steps and money and back; fees by venue; what is refused. Keeps B23."""

from decimal import Decimal

import pytest
from tests.unit.made_desk import UNITS, made

from perpscope.analytics.margin_tiers import TierTable
from perpscope.errors import DataError
from perpscope.model.instrument import Contract, Instrument, TierBasis, instrument_id
from perpscope.settings import Costs
from perpscope.trading import fees
from perpscope.trading.layout import TIERS
from perpscope.trading.units import Units, write_tiers


def contract(
    tick: str | None = "0.1",
    step: str | None = "0.001",
    *,
    base: str = "BTC",
    venue: str = "binance",
    kind: Contract = Contract.LINEAR,
) -> Instrument:
    """A perpetual of 100 USDT at least."""
    return Instrument(
        id=instrument_id(venue, base, "USDT"),
        venue=venue,
        symbol=f"{base}USDT",
        base=base,
        quote="USDT",
        contract=kind,
        tick_size=None if tick is None else Decimal(tick),
        step_size=None if step is None else Decimal(step),
        min_notional=Decimal(100),
    )


def test_units_come_from_the_contract() -> None:
    """One tick × one step of BTCUSDT is 0.0001 USDT: 10,000 of money. Keeps B23."""
    assert Units.of(contract()) == Units(Decimal("0.1"), Decimal("0.001"), 10_000, 100 * 10**8)


@pytest.mark.parametrize(
    ("instrument", "code", "said"),
    [
        pytest.param(contract(tick=None), "contract-unknown", "tick None", id="no tick"),
        pytest.param(contract(step=None), "contract-unknown", "step None", id="no step"),
        pytest.param(contract(step="0"), "contract-unknown", "step 0", id="no size at all"),
        pytest.param(contract(tick="0.00000001", step="0.1"), "contract-too-fine", "1E-9 USDT", id="too fine"),
        pytest.param(contract(kind=Contract.INVERSE), "contract-inverse", "settles in BTC", id="inverse"),
    ],
)
def test_a_contract_that_cannot_be_reckoned_is_refused(instrument: Instrument, code: str, said: str) -> None:
    """The error names the contract and the figure that is wrong, before anything is traded. Keeps B23."""
    with pytest.raises(DataError, match=said) as caught:
        Units.of(instrument)
    assert caught.value.code == code
    assert instrument.id in caught.value.message


@pytest.mark.parametrize(
    ("side", "ticks"),
    [pytest.param(1, 600_002, id="buy"), pytest.param(-1, 600_001, id="sell"), pytest.param(0, 600_001, id="nearest")],
)
def test_prices_between_ticks_go_against_the_order(side: int, ticks: int) -> None:
    """60,000.14 is 60,000.2 for a buyer, 60,000.1 for a seller and to the nearest. Keeps B23."""
    assert UNITS.ticks(Decimal("60000.14"), side) == ticks


def test_every_way_has_one_way_back() -> None:
    """Prices, sizes and money come back as they were; a size loses what is less than a step. Keeps B23."""
    assert UNITS.price(UNITS.ticks(Decimal("60000.1"))) == Decimal("60000.1")
    assert UNITS.size(UNITS.steps(Decimal("1.2349"))) == Decimal("1.234")
    assert UNITS.amount(UNITS.money(Decimal("-12.345678915"))) == Decimal("-12.34567892")


def test_more_tiers_than_a_desk_holds_are_refused() -> None:
    """A table is not cut short: the largest positions would be liquidated at the wrong price. Keeps B23."""
    count = TIERS + 1
    table = TierTable(tuple(map(float, range(count))), (0.01,) * count, (0.0,) * count, (50.0,) * count)
    with pytest.raises(DataError, match="17 margin tiers"):
        write_tiers(made().account, table)


def test_tiers_are_written_as_they_are() -> None:
    """Floors, rates, deductions, whether they count size, and the closing fee. Keeps B23."""
    a = made(
        table=TierTable((0.0, 5.0), (0.01, 0.02), (0.0, 3.0), (50.0, 25.0), TierBasis.SIZE), closing_fee=5e-4
    ).account
    assert (a.tiers, a.is_by_size, a.closing_fee) == (2, 1, 5e-4)
    assert [list(column[:2]) for column in (a.tier_floor, a.tier_mmr, a.tier_deduction)] == [
        [0.0, 5.0],
        [0.01, 0.02],
        [0.0, 3.0],
    ]


@pytest.mark.parametrize(
    ("venue", "taker", "maker", "liquidation"),
    [
        pytest.param("binance", 50_000, 20_000, 1_250_000, id="binance"),
        pytest.param("bybit", 55_000, 20_000, 55_000, id="bybit"),
        pytest.param("okx", 50_000, 20_000, 50_000, id="okx"),
        pytest.param("bitget", 60_000, 20_000, 60_000, id="bitget"),
        pytest.param("hyperliquid", 45_000, 15_000, 45_000, id="hyperliquid"),
        pytest.param("elsewhere", 60_000, 20_000, 60_000, id="a venue nothing is known of"),
    ],
)
def test_shipped_fees_are_those_of_the_venue(venue: str, taker: int, maker: int, liquidation: int) -> None:
    """Each with its source; of a venue that is not known the dearest, marked as assumed. Keeps B23."""
    c = fees.costs_of(contract(venue=venue), Costs())[0]
    assert (c["taker"], c["maker"], c["liquidation"]) == (taker, maker, liquidation)
    found = fees.fees_of(venue)
    assert found.source
    assert found.is_assumed == (venue == "elsewhere")


def test_own_costs_win() -> None:
    """What `[costs]` says is taken as it stands, a rebate among it. Keeps B23."""
    own = Costs(
        taker=0.0004,
        maker=-0.0001,
        liquidation=0.0,
        spread_bps=8.0,
        impact=2.0,
        latency_ms=500.0,
        latency_p99_ms=100.0,
        latency_tail=0.1,
        data_delay_ms=0.5,
    )
    c = fees.costs_of(contract(), own, seed=9)[0]
    assert (c["taker"], c["maker"], c["liquidation"], c["seed"]) == (40_000, -10_000, 0, 9)
    assert (c["half_spread"], c["impact"], c["latency_tail"]) == (0.0004, 2.0, 0.1)
    assert (c["latency_median"], c["latency_p99"], c["data_delay"]) == (500_000_000, 500_000_000, 500_000)


@pytest.mark.parametrize(("base", "half"), [("BTC", 0.00005), ("DOGE", 0.00015)], ids=["BTC", "an alt"])
def test_spreads_where_no_book_is_known(base: str, half: float) -> None:
    """METHOD 12.4: 1 bp for BTC, 3 bp for any other; half of it is paid. Keeps B23."""
    assert fees.costs_of(contract(base=base), Costs())[0]["half_spread"] == pytest.approx(half)
