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


class TierBasis(enum.Enum):
    """What a margin tier's bounds count."""

    NOTIONAL = "notional"  #: quote units
    SIZE = "size"  #: base units


class MarginTier(msgspec.Struct, frozen=True, gc=False):
    """One step of a contract's maintenance margin: `mmr × notional - deduction` between two bounds."""

    floor: float  #: included; in the unit of `basis`
    cap: float | None  #: not included; None for the last
    mmr: float  #: maintenance margin, fraction of notional
    max_leverage: float  #: multiple
    deduction: float = 0.0  #: quote units ("cum", "mmDeduction"); 0 where the venue has none
    basis: TierBasis = TierBasis.NOTIONAL


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One contract of one venue, as its catalogue describes it."""

    id: InstrumentId
    venue: str  #: lower case, e.g. "binance"
    symbol: str  #: the venue's own string, e.g. "BTCUSDT"
    base: str  #: as the venue names it, e.g. "BTC", "1000PEPE", "kPEPE"; one of it is one base unit
    quote: str  #: e.g. "USDT"
    contract: Contract = Contract.LINEAR
    expiry: str | None = None  #: YYMMDD of a dated contract; None for a perpetual
    contract_size: Decimal = Decimal(1)  #: base units per contract (LINEAR), quote units (INVERSE)
    tick_size: Decimal | None = None  #: smallest price step, quote per base; None if only the name is known
    step_size: Decimal | None = None  #: smallest size step, base units
    min_notional: Decimal | None = None  #: smallest order, quote units
    max_size: Decimal | None = None  #: largest order, base units; None if not known, here and below
    max_market_size: Decimal | None = None  #: largest order at the market, base units
    price_band: tuple[Decimal, Decimal] | None = None  #: of the mark: what sells may ask at least, what buys at most
    max_orders: int | None = None  #: orders an account may have standing, conditional ones among them
    max_conditional: int | None = None  #: of these, conditional ones
    coin: str = ""  #: what it is on any venue: "PEPE" for all of "PEPE", "1000PEPE", "kPEPE"; empty = `base`
    multiplier: int = 1  #: coins in one base unit: 1000 for "1000PEPE"
    funding_interval_h: float | None = None  #: hours between fundings; None if not known, or dated
    max_leverage: float | None = None  #: multiple; None if not known
    is_trading: bool = True
    is_crypto: bool = True  #: False for perpetuals on stocks, metals, indices

    @property
    def asset(self) -> str:
        """What it is on any venue: `coin`, or `base` where they are the same."""
        return self.coin or self.base

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
