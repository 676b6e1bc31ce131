"""What the `amount` of a liquidation counts: quote units, as Bitget documents, or base units, as others measured.

The two differ by the factor of a price, so they are told apart by what cannot be: no liquidation is smaller than a
tenth of the smallest order, and none is larger than a billion dollars. A row that one reading makes impossible is a
vote for the other. Dear coins vote for base (0.02 BTC are not two cents), cheap ones for quote (300 dollars of PEPE
are not 300 tokens). In: the rows of each frame. Out: the unit to read all of that frame's rows in; the same frames
always give the same.
"""

import enum
from collections.abc import Iterable
from typing import Protocol


class AmountUnit(enum.Enum):
    """What the venue counts a liquidation in.

    The evidence is divided. For QUOTE: the documentation of the `liquidation` topic, its example (12,500.5 at 83,120.4
    for BTCUSDT, which no base unit fits), and a public collector of the topic. For BASE: a public collector who
    compared rows of the REST list with the cascade of 2026-10-07, where the documentation names no unit. The topic and
    the list need not even agree: only the topic is read here.
    """

    BASE = "base"
    QUOTE = "quote"


#: Until the rows themselves have told. Documented for this very topic; and if it should be wrong, the dear coins that
#: make up most of what is liquidated are understated by their price, where the other choice, if wrong, would overstate
#: them by it: 500 dollars of BTC would pass for 500 BTC, a cascade that never was.
DOCUMENTED = AmountUnit.QUOTE

#: Quote units. The smallest order is worth 5 (catalogue, `minOrderAmount`); a tenth leaves room for what a price fall
#: or a partial close leaves of it. Chosen by hand.
SMALLEST = 0.5
#: Quote units. Open interest of all of BTCUSDT is about 2.6 billion (September 2026). Chosen by hand.
LARGEST = 1e9

_SETTLED = 3  #: votes by which one unit must lead to be taken for proven. Chosen by hand.
_FARTHEST = 5  #: votes that are remembered at most, so that a change is noticed


class Row(Protocol):
    """A row of a liquidation frame."""

    @property
    def price(self) -> float:
        """Quote per base."""
        ...

    @property
    def amount(self) -> float:
        """In the unit to be found out."""
        ...


class AmountJudge:
    """Finds out, from one connection's liquidations, what their `amount` counts.

    A frame is never read in two units. Once a unit is proven, it is kept: when later rows speak against it as often as
    rows spoke for it, frames are refused until one unit leads clearly again.

    Args:
        assumed: what to read while rows for one unit do not outnumber those for the other.
    """

    def __init__(self, assumed: AmountUnit = DOCUMENTED) -> None:
        self._assumed = assumed
        self._lead = 0  # votes for QUOTE, less those for BASE
        self._proven: AmountUnit | None = None
        self._is_disputed = False

    @property
    def unit(self) -> AmountUnit:
        """What amounts are read in now."""
        if self._proven is not None:
            return self._proven
        if self._lead == 0:
            return self._assumed
        return AmountUnit.QUOTE if self._lead > 0 else AmountUnit.BASE

    @property
    def is_proven(self) -> bool:
        """True if the rows seen so far told the unit; False while it is assumed, or disputed."""
        return self._proven is not None and not self._is_disputed

    def judge(self, rows: Iterable[Row]) -> AmountUnit:
        """Hear a frame's rows, and say what unit to read all of them in.

        Raises:
            ValueError: the rows speak against the unit that earlier ones proved, or are too large in it.
        """
        rows = list(rows)
        was_disputed = False
        for row in rows:
            self._hear(_vote(row.price, row.amount))
            was_disputed = was_disputed or self._is_disputed
        if was_disputed:
            raise ValueError(f"`amount` no longer looks like {self.unit.value} units, as it did on this connection")
        for row in rows:
            if (worth := _worth(row.price, row.amount, self.unit)) > LARGEST:
                raise ValueError(
                    f"Expected `amount` worth <= {LARGEST:.0e} in {self.unit.value} units, got {worth:.3e}"
                )
        return self.unit

    def _hear(self, vote: int) -> None:
        self._lead = max(-_FARTHEST, min(_FARTHEST, self._lead + vote))
        if abs(self._lead) >= _SETTLED:
            self._proven = AmountUnit.QUOTE if self._lead > 0 else AmountUnit.BASE
            self._is_disputed = False
        elif self._proven is not None and self._lead * (1 if self._proven is AmountUnit.QUOTE else -1) <= 0:
            self._is_disputed = True


def _worth(price: float, amount: float, unit: AmountUnit) -> float:
    """Quote units, if `amount` counts in `unit`."""
    return amount if unit is AmountUnit.QUOTE else amount * price


def _vote(price: float, amount: float) -> int:
    """1 if a row cannot count base units, -1 if it cannot count quote units, 0 if it could be either, or neither."""
    may_be_quote = SMALLEST <= _worth(price, amount, AmountUnit.QUOTE) <= LARGEST
    may_be_base = SMALLEST <= _worth(price, amount, AmountUnit.BASE) <= LARGEST
    return may_be_quote - may_be_base
