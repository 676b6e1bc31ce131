"""The seeded market's contracts as Binance lists them: `BTCUSDT`, sizes in base units."""

from decimal import Decimal

from perpscope.lab.symbols import Contract
from perpscope.model.instrument import Instrument, instrument_id


def instrument(contract: Contract) -> Instrument:
    """As the catalogue describes it."""
    return Instrument(
        id=instrument_id("binance", contract.base, "USDT"),
        venue="binance",
        symbol=contract.symbol,
        base=contract.base,
        quote="USDT",
        tick_size=Decimal(contract.tick),
        step_size=Decimal(contract.step),
        min_notional=Decimal(5),
        funding_interval_h=8.0,
    )
