"""The seeded market's contracts as Hyperliquid lists them: `BTC`, sizes in base units, tiers public.

Prices have at most five significant figures and `6 - szDecimals` decimals (whole prices are always allowed), numbers
are written with at least one decimal and no zeros behind it: "83000.0", "0.158", "12.5".
"""

import math
from decimal import Decimal
from typing import NamedTuple

from perpscope.lab.listing import Listing
from perpscope.lab.symbols import Contract
from perpscope.model.instrument import Instrument, instrument_id

FUNDING_INTERVAL_H = 1
_DECIMALS, _FIGURES = 6, 5
_HEADROOM = 1.25  # the tick still fits five figures when the price has risen so far


class Asset(NamedTuple):
    """What the catalogue says of a coin."""

    sz_decimals: int
    max_leverage: int
    table: int  #: id of its margin table


class Tier(NamedTuple):
    """One step of a margin table; the maintenance margin is half the initial one at its leverage."""

    lower_bound: float  #: notional, USDC
    max_leverage: int


class _Assets(dict[str, Asset]):
    """By coin; a made-up coin is listed like the smaller ones."""

    def __missing__(self, coin: str) -> Asset:
        return Asset(2, 10, 52)


#: as the venue lists them in 2026
ASSETS = _Assets(
    {
        "BTC": Asset(5, 40, 56),
        "ETH": Asset(4, 25, 55),
        "SOL": Asset(2, 20, 54),
        "BNB": Asset(3, 10, 51),
        "XRP": Asset(0, 20, 53),
        "DOGE": Asset(0, 10, 52),
        "ADA": Asset(0, 10, 52),
        "AVAX": Asset(2, 10, 52),
    }
)
#: the tiered tables; below 51 an id is the one tier's leverage. 52 and 53 are written from memory of the venue's page
TABLES = {
    51: ("tiered 10x", (Tier(0.0, 10), Tier(3_000_000.0, 5))),
    52: ("tiered 10x (2)", (Tier(0.0, 10), Tier(20_000_000.0, 5))),
    53: ("tiered 20x", (Tier(0.0, 20), Tier(40_000_000.0, 10))),
    54: ("tiered 20x (2)", (Tier(0.0, 20), Tier(70_000_000.0, 10))),
    55: ("tiered 25x", (Tier(0.0, 25), Tier(100_000_000.0, 15))),
    56: ("tiered 40x", (Tier(0.0, 40), Tier(150_000_000.0, 20))),
}


def instrument(contract: Contract) -> Instrument:
    """As the catalogue describes it."""
    asset = ASSETS[contract.base]
    return Instrument(
        id=instrument_id("hyperliquid", contract.base, "USDC"),
        venue="hyperliquid",
        symbol=contract.base,
        base=contract.base,
        quote="USDC",
        tick_size=Decimal(1).scaleb(-_price_decimals(contract.price * _HEADROOM, asset.sz_decimals)),
        step_size=Decimal(1).scaleb(-asset.sz_decimals),
        min_notional=Decimal(10),
        funding_interval_h=float(FUNDING_INTERVAL_H),
        max_leverage=float(asset.max_leverage),
    )


def listing(known: Instrument) -> Listing:
    """With the venue's way of writing numbers."""
    decimals = ASSETS[known.symbol].sz_decimals
    return Listing(
        known,
        price=lambda price: written(price, _price_decimals(price, decimals)),
        size=lambda size: written(size, decimals),
    )


def written(number: float, decimals: int) -> str:
    """A number with at most so many decimals, at least one, and no needless zeros.

    >>> written(83000.0, 0), written(0.15800, 5), written(-0.0000125, 10)
    ('83000.0', '0.158', '-0.0000125')
    """
    text = f"{number:.{decimals}f}"
    if decimals == 0:
        return f"{text}.0"
    text = text.rstrip("0")
    if text == "-0.":
        return "0.0"
    return f"{text}0" if text.endswith(".") else text


def oracle(coin: str, price: float) -> str:
    """An oracle price: as many decimals as prices may have, without the limit on figures."""
    return written(price, _DECIMALS - ASSETS[coin].sz_decimals)


def _price_decimals(price: float, sz_decimals: int) -> int:
    if price <= 0.0:
        return 1
    return min(_DECIMALS - sz_decimals, max(0, _FIGURES - 1 - math.floor(math.log10(price))))


def tiers(coin: str) -> tuple[Tier, ...]:
    """A coin's margin tiers, lowest first."""
    return TABLES[ASSETS[coin].table][1]


def maintenance(coin: str, notional: float) -> tuple[float, float]:
    """Maintenance margin of a position: the fraction of its notional, and the deduction, USDC.

    >>> maintenance("BTC", 1000.0), maintenance("BTC", 160_000_000.0)
    ((0.0125, 0.0), (0.025, 1875000.0))
    """
    rate = deduction = 0.0
    for tier in tiers(coin):
        if notional < tier.lower_bound:
            break
        step = 0.5 / tier.max_leverage - rate
        deduction += tier.lower_bound * step
        rate += step
    return rate, deduction
