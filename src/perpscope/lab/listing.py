"""An instrument as an exchange lists it: its symbol, and how its numbers are written.

Prices and sizes carry as many decimals as tick and step are written with, unless the venue has a way of its own, which
its dialect then hands in. Sizes go in as base units and come out in the venue's unit (contracts, where it counts so).
"""

from collections.abc import Callable
from decimal import Decimal

from perpscope.model.instrument import Instrument


class Listing:
    """Symbol and number formats of one instrument.

    Args:
        instrument: as the catalogue describes it; `step_size` in base units, `contract_size` in base units a contract.
        price: writes a price, quote per base; fixed decimals of the tick if None.
        size: writes a size given in base units; fixed decimals of the step, in contracts, if None.
    """

    __slots__ = ("instrument", "lower", "price", "price_decimals", "quote", "size", "size_decimals", "symbol")

    def __init__(
        self,
        instrument: Instrument,
        price: Callable[[float], str] | None = None,
        size: Callable[[float], str] | None = None,
    ) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.lower = instrument.symbol.lower()  #: the symbol within Binance's stream names
        per_contract = instrument.contract_size
        step = instrument.step_size
        self.price_decimals = decimals(instrument.tick_size)
        self.size_decimals = decimals(step if step is None or per_contract == 1 else step / per_contract)
        self.price: Callable[[float], str] = price or f"%.{self.price_decimals}f".__mod__
        plain = f"%.{self.size_decimals}f".__mod__
        unit = float(per_contract)
        self.size: Callable[[float], str] = size or (plain if per_contract == 1 else lambda base: plain(base / unit))
        self.quote: Callable[[float], str] = f"%.{self.price_decimals + self.size_decimals}f".__mod__  #: quote volumes


def decimals(step: Decimal | None) -> int:
    """Digits after the point that a step is written with; 8 where the step is unknown."""
    if step is None:
        return 8
    exponent = step.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
