"""A position: what fills make of it. The value at entry is kept whole, so that no rounding ever creates or loses money.

In: fills, signed. Out: the profit they realise. One object is the only position of a contract (one-way mode), or one
side of it (hedge mode); it stays when it is flat.
"""

from decimal import Decimal

from perpscope.analytics.margin import Leg
from perpscope.lab.accounts.orders import ZERO, Held
from perpscope.model.market import PositionSide

_SMALLEST = Decimal("1e-8")  # what a share of an entry value is rounded to, quote units


class Position:
    """One position in one contract."""

    __slots__ = ("cost", "held", "is_isolated", "leverage", "size", "symbol", "updated_ms", "wallet")

    def __init__(self, symbol: str, held: Held, leverage: int, is_isolated: bool) -> None:
        self.symbol = symbol
        self.held = held
        self.leverage = leverage
        self.is_isolated = is_isolated
        self.size = ZERO  #: base units; below 0 short
        self.cost = ZERO  #: value at entry, quote units, never below 0
        self.wallet = ZERO  #: quote units set aside for it, while isolated
        self.updated_ms = 0

    @property
    def entry(self) -> Decimal:
        """Average price; 0 while flat."""
        return self.cost / abs(self.size) if self.size else ZERO

    @property
    def side(self) -> PositionSide:
        """LONG while flat."""
        return PositionSide.SHORT if self.size < 0 else PositionSide.LONG

    @property
    def leg(self) -> Leg:
        """As the margin engine takes it; not while flat."""
        return Leg(self.side, float(abs(self.size)), float(self.entry))

    def reducible(self, sign: int) -> Decimal:
        """Base units that an order of this direction (1 buys, -1 sells) can close."""
        return abs(self.size) if self.size * sign < 0 else ZERO

    def unrealised(self, mark: Decimal) -> Decimal:
        """Profit at a mark price, quote units."""
        return self.size * mark - self.cost if self.size >= 0 else self.cost + self.size * mark

    def take(self, sign: int, size: Decimal, price: Decimal) -> tuple[Decimal, Decimal]:
        """Let a fill change it.

        Args:
            sign: 1 bought, -1 sold.
            size: base units, above 0.
            price: quote per base.

        Returns:
            Profit realised, quote units, without fees; and the base units that were closed by it.
        """
        closing = min(size, self.reducible(sign))
        realised = ZERO
        if closing:
            held = abs(self.size)
            share = self.cost if closing == held else (self.cost * closing / held).quantize(_SMALLEST)
            realised = (closing * price - share) * -sign
            self.cost -= share
            self.size += sign * closing
        opening = size - closing
        self.cost += opening * price
        self.size += sign * opening
        return realised, closing
