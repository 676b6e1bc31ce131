"""The seeded market's contracts as Bitget lists them: `BTCUSDT`, sizes in base units, numbers without trailing zeros.

Prices and sizes on the wire are written as in frames captured in September 2026 ("80811", "0.007"). Tiers are made up,
except the first, which is the one the venue's documentation shows for BTCUSDT.
"""

from decimal import Decimal
from typing import NamedTuple

from perpscope.lab.listing import Listing, decimals
from perpscope.lab.symbols import Contract
from perpscope.model.instrument import Instrument, instrument_id

FUNDING_INTERVAL_H = 8
MAX_LEVERAGE = 125
MAKER_FEE, TAKER_FEE = "0.0002", "0.0006"


class Tier(NamedTuple):
    """One step of the position tiers: USDT notional, the venue's own text."""

    floor: str
    cap: str
    leverage: str
    mmr: str  #: fraction


TIERS = (
    Tier("0", "150000", "125", "0.004"),
    Tier("150000", "900000", "100", "0.005"),
    Tier("900000", "3000000", "50", "0.01"),
    Tier("3000000", "20000000", "20", "0.025"),
    Tier("20000000", "80000000", "10", "0.05"),
)


def instrument(contract: Contract) -> Instrument:
    """As the catalogue describes it."""
    return Instrument(
        id=instrument_id("bitget", contract.base, "USDT"),
        venue="bitget",
        symbol=contract.symbol,
        base=contract.base,
        quote="USDT",
        tick_size=Decimal(contract.tick).normalize(),
        step_size=Decimal(contract.step).normalize(),
        min_notional=Decimal(5),
        funding_interval_h=float(FUNDING_INTERVAL_H),
        max_leverage=float(MAX_LEVERAGE),
    )


def listing(known: Instrument) -> Listing:
    """With the venue's way of writing numbers."""
    price_decimals, size_decimals = decimals(known.tick_size), decimals(known.step_size)
    return Listing(
        known,
        price=lambda price: plain(price, price_decimals),
        size=lambda size: plain(size, size_decimals),
    )


def plain(value: float, most: int) -> str:
    """A number with `most` digits after the point at most, no zeros at its end.

    >>> plain(80811.0, 1), plain(0.0070, 4), plain(-0.0000001, 6), plain(100.0, 0)
    ('80811', '0.007', '0', '100')
    """
    text = f"{value:.{most}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
