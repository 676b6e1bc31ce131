"""Tick, step and smallest order: the store's word, else a dated table's, else what the data show."""

from decimal import Decimal

import msgspec
import pytest

from perpscope.app import venues
from perpscope.app.backtest.contracts import finest, specified
from perpscope.model.instrument import Instrument
from perpscope.trading.units import Units


def named(venue: str, symbol: str) -> Instrument:
    """As its name alone tells it."""
    found = venues.find(venue).instrument_named(symbol)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("venue", "symbol", "tick", "step", "least"),
    [
        ("binance", "BTCUSDT", "0.1", "0.001", "100"),
        ("bybit", "ETHUSDT", "0.01", "0.01", "5"),
        ("okx", "BTC-USDT-SWAP", "0.1", "0.0001", "0"),
        ("bitget", "BTCUSDT", "0.1", "0.0001", "5"),
        ("hyperliquid", "BTC", "0.1", "0.00001", "10"),
        ("hyperliquid", "DOGE", "0.000001", "1", "10"),
    ],
    ids=["binance", "bybit", "okx", "bitget", "hyperliquid-btc", "hyperliquid-doge"],
)
def test_the_table_knows_the_main_coins(venue: str, symbol: str, tick: str, step: str, least: str) -> None:
    """Figures of the catalogues; Hyperliquid's are 10^-(6-szDecimals) and 10^-szDecimals. Keeps B23."""
    whole, told = specified(named(venue, symbol), [], [], [])
    assert (whole.tick_size, whole.step_size, whole.min_notional) == (Decimal(tick), Decimal(step), Decimal(least))
    assert "2025-08" in told
    assert Units.of(whole).worth > 0


def test_a_store_outranks_the_table() -> None:
    """What the venue's own catalogue said when it was collected is newer than any table."""
    bare = named("binance", "BTCUSDT")
    kept = msgspec.structs.replace(bare, tick_size=Decimal("0.5"), step_size=Decimal("0.01"), min_notional=Decimal(7))
    whole, told = specified(bare, [named("binance", "ETHUSDT"), kept], [], [])
    assert whole == kept
    assert "store" in told
    assert specified(kept, [], [], [])[0] == kept


def test_a_contract_nobody_lists_has_the_steps_of_its_data() -> None:
    """The finest step that is seen, and a note that says so; nothing is asked of the smallest order."""
    bare = named("binance", "NEWUSDT")
    whole, told = specified(bare, [], [1.25, 1.5], [10.0, 2.5])
    assert (whole.tick_size, whole.step_size, whole.min_notional) == (Decimal("0.01"), Decimal("0.1"), Decimal(0))
    assert "not known" in told
    assert whole.funding_interval_h == 8.0


@pytest.mark.parametrize("price", [123.456789012, 0.000123456789, 98_765.4321987, 1.0], ids=str)
def test_any_prices_give_a_contract_that_can_be_traded(price: float) -> None:
    """However fine the figures are, a tick and a step are whole money together."""
    whole, _ = specified(named("binance", "NEWUSDT"), [], [price], [0.123456789])
    assert Units.of(whole).worth >= 1
    assert whole.tick_size is not None
    assert float(whole.tick_size) <= price / 1e3 or price == 1.0


def test_no_figures_give_whole_units() -> None:
    """Without a figure a step is 1."""
    assert finest([]) == Decimal(1)
    assert finest([3.0, 4.0]) == Decimal(1)
    assert finest([1e-12]) == Decimal("1")
    assert finest([0.1234567894123]) == Decimal("1E-10")
