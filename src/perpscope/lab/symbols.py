"""What the seeded market trades unless told otherwise: eight contracts with sensible prices, ticks and steps.

They belong to no venue: each dialect names and sizes them as its venue does. Whoever needs many, for a load test, asks
for made-up coins: ALT1 to ALT999.
"""

import re
from collections.abc import Callable

import msgspec

from perpscope.errors import ConfigError


class Contract(msgspec.Struct, frozen=True):
    """One contract of the seeded market, and how it behaves."""

    base: str
    price: float  #: first price, quote per base
    tick: str  #: Binance's, written with as many decimals as prices carry
    step: str  #: likewise for sizes, base units
    daily_volatility: float  #: fraction
    beta: float  #: share in the move of the whole market

    @property
    def symbol(self) -> str:
        """The plain name most venues use, e.g. "BTCUSDT"."""
        return f"{self.base}USDT"


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

_MADE_UP = re.compile(r"ALT[1-9]\d{0,2}")


def made_up(base: str) -> Contract:
    """A coin that exists nowhere: "ALT1" to "ALT999", each with a price of its own between 10 and 10,000.

    >>> made_up("ALT7").price
    10.5
    """
    number = int(base.removeprefix("ALT"))
    return Contract(base, round(10 ** (1 + number / 333.0), 2), "0.0010", "0.01", 0.05, 1.2)


def contracts(
    symbols: tuple[str, ...] = (), named: Callable[[Contract], str] = lambda contract: contract.symbol
) -> tuple[Contract, ...]:
    """The contracts of these symbols, in the order given; all of them if none is named.

    Args:
        symbols: the venue's own names, or bases ("BTC", "ALT12").
        named: the venue's own name of a contract.

    Raises:
        ConfigError: the seeded market does not trade one of them.
    """
    names = {named(contract): contract for contract in CONTRACTS}
    known = {contract.base: contract for contract in CONTRACTS} | names
    known |= {symbol: made_up(symbol) for symbol in symbols if _MADE_UP.fullmatch(symbol)}
    unknown = [symbol for symbol in symbols if symbol not in known]
    if unknown:
        raise ConfigError(
            "symbol-unknown",
            f"the demo market does not trade {', '.join(unknown)}",
            hint=f"choose from {', '.join(names)}",
        )
    return tuple(known[symbol] for symbol in symbols) or CONTRACTS
