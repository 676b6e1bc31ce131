"""The seeded market's contracts as OKX lists them: `BTC-USDT-SWAP`, sizes in contracts, numbers without idle zeros.

A contract of BTC is 0.01, of ETH 0.1, and a lot 0.01 contracts, as the venue's catalogue says; the other contract
sizes and the tiers are made up, as is that every lot is 0.01.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from perpscope.lab.listing import Listing, decimals
from perpscope.lab.symbols import Contract, contracts
from perpscope.model.instrument import Instrument, instrument_id

FUNDING_INTERVAL_H = 8
MAX_LEVERAGE = 100
LOT = Decimal("0.01")  #: contracts
_SUFFIX = "-SWAP"
_CONTRACT_SIZES = {
    "BTC": "0.01",
    "ETH": "0.1",
    "SOL": "1",
    "BNB": "0.01",
    "XRP": "100",
    "DOGE": "1000",
    "ADA": "100",
    "AVAX": "1",
}


class _Step(NamedTuple):
    limit_usd: int  # upper notional at the market's first price
    mmr: str  # fraction
    imr: str
    max_leverage: str


_STEPS = (
    _Step(1_000_000, "0.004", "0.01", "100"),
    _Step(5_000_000, "0.01", "0.02", "50"),
    _Step(20_000_000, "0.02", "0.04", "25"),
    _Step(80_000_000, "0.05", "0.1", "10"),
)


class Tier(NamedTuple):
    """One position tier; its bounds are contracts, both included."""

    number: int
    smallest: str
    largest: str
    mmr: str  #: fraction
    imr: str
    max_leverage: str


def tiers(instrument: Instrument) -> list[Tier]:
    """Margin tiers of a contract; the next begins one lot above the largest size of the one before."""
    (contract,) = contracts((instrument.base,))
    worth = contract.price * float(instrument.contract_size)
    largest = [round(step.limit_usd / worth) for step in _STEPS]
    smallest = ["0", *(str(size + LOT) for size in largest)]
    return [
        Tier(number, low, str(high), step.mmr, step.imr, step.max_leverage)
        for number, (low, high, step) in enumerate(zip(smallest, largest, _STEPS, strict=False), start=1)
    ]


def index_name(symbol: str) -> str:
    """The index, underlying and family of a swap: `BTC-USDT` of `BTC-USDT-SWAP`."""
    return symbol.removesuffix(_SUFFIX)


def instrument(contract: Contract) -> Instrument:
    """As the catalogue describes it."""
    size = Decimal(_CONTRACT_SIZES.get(contract.base, "1"))
    return Instrument(
        id=instrument_id("okx", contract.base, "USDT"),
        venue="okx",
        symbol=f"{contract.base}-USDT{_SUFFIX}",
        base=contract.base,
        quote="USDT",
        contract_size=size,
        tick_size=Decimal(contract.tick).normalize(),
        step_size=LOT * size,
        funding_interval_h=float(FUNDING_INTERVAL_H),
        max_leverage=float(MAX_LEVERAGE),
    )


def listing(of: Instrument) -> Listing:
    """With the venue's way of writing numbers: "12.5", not "12.50"."""
    contracts, unit = short(decimals(LOT)), float(of.contract_size)
    return Listing(of, short(decimals(of.tick_size)), lambda base: contracts(base / unit))


def short(digits: int) -> Callable[[float], str]:
    """Writes numbers of at most so many decimals (one or more), without zeros at the end."""
    write = f"%.{digits}f".__mod__
    return lambda of: write(of).rstrip("0").rstrip(".")
