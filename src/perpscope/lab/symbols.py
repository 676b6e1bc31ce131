"""What the seeded market trades unless told otherwise: eight contracts with sensible prices, ticks and steps."""

from decimal import Decimal

import msgspec

from perpscope.errors import ConfigError
from perpscope.model.instrument import Instrument, instrument_id


class Contract(msgspec.Struct, frozen=True):
    """One contract of the seeded market, and how it behaves."""

    base: str
    price: float  #: first price, quote per base
    tick: str  #: written with as many decimals as prices carry
    step: str  #: likewise for sizes
    daily_volatility: float  #: fraction
    beta: float  #: share in the move of the whole market

    @property
    def symbol(self) -> str:
        """The venue's string, e.g. "BTCUSDT"."""
        return f"{self.base}USDT"

    def instrument(self) -> Instrument:
        """As the catalogue describes it."""
        return Instrument(
            id=instrument_id("binance", self.base, "USDT"),
            venue="binance",
            symbol=self.symbol,
            base=self.base,
            quote="USDT",
            tick_size=Decimal(self.tick),
            step_size=Decimal(self.step),
            min_notional=Decimal(5),
        )


CONTRACTS = (
    Contract("BTC", 83_000.0, "0.10", "0.001", 0.03, 1.0),
    Contract("ETH", 3_150.0, "0.01", "0.001", 0.04, 1.2),
    Contract("SOL", 142.0, "0.0100", "0.01", 0.05, 1.4),
    Contract("BNB", 910.0, "0.010", "0.01", 0.035, 0.9),
    Contract("XRP", 2.15, "0.0001", "0.1", 0.05, 1.3),
    Contract("DOGE", 0.158, "0.000010", "1", 0.055, 1.5),
    Contract("ADA", 0.47, "0.00010", "1", 0.055, 1.4),
    Contract("AVAX", 14.6, "0.0010", "1", 0.055, 1.4),
)


def contracts(symbols: tuple[str, ...] = ()) -> tuple[Contract, ...]:
    """The contracts of these symbols, in the order given; all of them if none is named.

    Raises:
        ConfigError: the seeded market does not trade one of them.
    """
    known = {contract.symbol: contract for contract in CONTRACTS}
    unknown = [symbol for symbol in symbols if symbol not in known]
    if unknown:
        raise ConfigError(
            "symbol-unknown",
            f"the demo market does not trade {', '.join(unknown)}",
            hint=f"choose from {', '.join(known)}",
        )
    return tuple(known[symbol] for symbol in symbols) or CONTRACTS
