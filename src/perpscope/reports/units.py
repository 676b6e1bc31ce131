"""What the sizes and prices of an analysis are counted in, and words that several charts share."""

import msgspec

from perpscope.reports import numerals

NO_LPI = "LPI needs 100 earlier liquidations and a mark price; none has both yet"
NO_EVENTS = "no liquidations in this window"
LPI_RANGE = (0.0, 100.0)
LPI_UPRIGHT = (-5.0, 105.0)  #: with air, so that a mark of 0 or 100 is whole
LPI_LEVEL = 50.0
LPI_LEVEL_LABEL = "50 = as usual"


class Units(msgspec.Struct, frozen=True):
    """The two sides of an instrument."""

    base: str  #: e.g. "BTC"
    quote: str  #: e.g. "USDT"

    def size(self, value: float | None) -> str:
        """A size with its unit."""
        return f"{numerals.short(value)} {self.base}"

    @property
    def price_title(self) -> str:
        """Of an axis of prices."""
        return f"price, {self.quote} per {self.base}"
