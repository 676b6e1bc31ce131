"""In which unit an exchange counts, where ccxt hands a number on as it came.

ccxt's unified `openInterestAmount` and candle volumes are the exchange's own numbers: base units at one, contracts at
another. A unit stands here only with its evidence; what is not here is not taken until a person says the unit.
"""

import enum
from collections.abc import Mapping
from typing import Final

import msgspec


class Unit(enum.Enum):
    """What one of a number is."""

    BASE = "base"  #: a base unit
    CONTRACTS = "contracts"  #: `contractSize` base units


class Units(msgspec.Struct, frozen=True, kw_only=True):
    """How one exchange counts its linear perpetuals; None = not known."""

    open_interest: Unit | None = None
    candles: Unit | None = None


#: By ccxt's name. "sum": the sample in ccxt 4.5.90's own source comes out with its price in one unit only.
UNITS: Final[Mapping[str, Units]] = {
    # Both in the base asset, by the venues' own pages (docs/add-a-venue.md); reached through ccxt in rehearsals only.
    "binanceusdm": Units(open_interest=Unit.BASE, candles=Unit.BASE),
    "bybit": Units(open_interest=Unit.BASE, candles=Unit.BASE),
    # Sum: 2,851,725 × 10 base × 0.34619 = 9,872,386.78 = open_interest_usd. Candles: "size volume (contract size)" in
    # Gate's API pages; `sum` is what they call the volume in quote.
    "gate": Units(open_interest=Unit.CONTRACTS, candles=Unit.CONTRACTS),
    # Sum: volume 32,476,092 = amount 32,476.092 / 0.001, and value / amount = 63,527, a price of bitcoin.
    "htx": Units(open_interest=Unit.CONTRACTS),
    # KuCoin's page shows 4,615,535 for XBTUSDTM at the end of 2025: 4,600 BTC by its multiplier of 0.001, and more
    # than a fifth of all bitcoin otherwise. What its candles count is not said, and differs between its interfaces.
    "kucoin": Units(open_interest=Unit.CONTRACTS),
    "kucoinfutures": Units(open_interest=Unit.CONTRACTS),
    # Sum: 1,120,726,916 / 21,005.86 = 53,353, a price of bitcoin; candles: 702,461.59 / (312,931 × 0.0001) = 22,448.
    "xt": Units(open_interest=Unit.BASE, candles=Unit.CONTRACTS),
}
