"""What is traded: one immutable record per contract of a venue, and the names used for it.

An `InstrumentId` reads `BASE-QUOTE-KIND.VENUE`: `BTC-USDT-PERP.BINANCE`, or `BTC-USDT-251226.BINANCE` for a dated
contract. `symbol` is only ever the venue's own string (`BTCUSDT`).
"""

import enum
from decimal import Decimal
from typing import NewType

import msgspec

InstrumentId = NewType("InstrumentId", str)


class Contract(enum.Enum):
    """How profit is reckoned: LINEAR settles in the quote, INVERSE in the base."""

    LINEAR = "linear"
    INVERSE = "inverse"


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One contract of one venue, as its catalogue describes it."""

    id: InstrumentId
    venue: str  #: lower case, e.g. "binance"
    symbol: str  #: the venue's own string, e.g. "BTCUSDT"
    base: str  #: as the venue names it, e.g. "BTC", "1000PEPE"
    quote: str  #: e.g. "USDT"
    contract: Contract = Contract.LINEAR
    expiry: str | None = None  #: YYMMDD of a dated contract; None for a perpetual
    contract_size: Decimal = Decimal(1)  #: base units per contract (LINEAR), quote units (INVERSE)
    tick_size: Decimal | None = None  #: smallest price step, quote per base; None if only the name is known
    step_size: Decimal | None = None  #: smallest size step, base units
    min_notional: Decimal | None = None  #: smallest order, quote units
    is_trading: bool = True
    is_crypto: bool = True  #: False for perpetuals on stocks, metals, indices

    @property
    def is_perpetual(self) -> bool:
        """True if the contract has no expiry."""
        return self.expiry is None


def instrument_id(venue: str, base: str, quote: str, expiry: str | None = None) -> InstrumentId:
    """Name an instrument.

    >>> instrument_id("binance", "BTC", "USDT")
    'BTC-USDT-PERP.BINANCE'
    >>> instrument_id("binance", "BTC", "USDT", "251226")
    'BTC-USDT-251226.BINANCE'
    """
    return InstrumentId(f"{base}-{quote}-{expiry or 'PERP'}.{venue.upper()}")
