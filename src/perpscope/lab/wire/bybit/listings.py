"""The seeded market's contracts as Bybit lists them: `BTCUSDT`, sizes in base units. Tiers are made up."""

from decimal import Decimal
from typing import NamedTuple

from perpscope.lab.symbols import Contract
from perpscope.model.instrument import Instrument, instrument_id

FUNDING_INTERVAL_H = 8
MAX_LEVERAGE = 100


class Tier(NamedTuple):
    """One risk limit: maintenance margin × maximum leverage is one half, as in the venue's own table."""

    limit: int  #: upper notional, quote units
    mmr: str  #: fraction
    imr: str
    max_leverage: str
    deduction: str  #: quote units: the one before plus the lower bound × the step in maintenance margin


TIERS = (
    Tier(2_000_000, "0.005", "0.01", "100.00", "0"),
    Tier(10_000_000, "0.01", "0.02", "50.00", "10000"),
    Tier(40_000_000, "0.02", "0.04", "25.00", "110000"),
    Tier(120_000_000, "0.05", "0.1", "10.00", "1310000"),
)


def instrument(contract: Contract) -> Instrument:
    """As the catalogue describes it."""
    return Instrument(
        id=instrument_id("bybit", contract.base, "USDT"),
        venue="bybit",
        symbol=contract.symbol,
        base=contract.base,
        quote="USDT",
        tick_size=Decimal(contract.tick),
        step_size=Decimal(contract.step),
        min_notional=Decimal(5),
        funding_interval_h=float(FUNDING_INTERVAL_H),
        max_leverage=float(MAX_LEVERAGE),
    )
