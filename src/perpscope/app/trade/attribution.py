"""What one order's money differs by between a run and the model, and why: parts that add up to the last digit.

In: what the order got, what the modelled exchange gives for it, and what the book was worth when it was really filled.
Out: `Parts`, quote units, above 0 where the run did better than the model. Sizes that only one of the two filled are
valued at one price for all orders, so that the sum over a run is the difference of its profits.
"""

from decimal import Decimal
from typing import Final

import msgspec

_UNIT: Final = Decimal("0.00000001")
_ZERO: Final = Decimal("0.00000000")


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What was filled of an order."""

    size: Decimal = _ZERO  #: base units
    value: Decimal = _ZERO  #: Σ price × size, quote units
    fee: Decimal = _ZERO  #: quote units; below 0 = a rebate
    ts: int = 0  #: ns UTC, the exchange's, of its first fill; 0 = none

    @property
    def price(self) -> Decimal | None:
        """Average, quote per base; None where nothing was filled."""
        return self.value / self.size if self.size else None


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """A difference of money, split; quote units."""

    latency: Decimal = _ZERO  #: the book moved between the modelled arrival and the fill
    price: Decimal = _ZERO  #: the book of that very moment would have given another price
    missing: Decimal = _ZERO  #: the book was not seen then: neither can be told
    size: Decimal = _ZERO  #: one of the two filled what the other did not
    fee: Decimal = _ZERO
    funding: Decimal = _ZERO

    @property
    def whole(self) -> Decimal:
        """Their sum."""
        return self.latency + self.price + self.missing + self.size + self.fee + self.funding

    def plus(self, other: "Parts") -> "Parts":
        """Both together."""
        return Parts(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


def money(side: int, got: Taken, end: Decimal) -> Decimal:
    """What fills come to once all that is held is valued at one price: quote units.

    >>> money(1, Taken(size=Decimal(2), value=Decimal(200), fee=Decimal("0.5")), Decimal(101))
    Decimal('1.5')
    """
    return side * (got.size * end - got.value) - got.fee


def attributed(side: int, real: Taken, model: Taken, then: Decimal | None, end: Decimal) -> Parts:
    """Why an order brought what it did and not what the model says.

    Args:
        side: 1 bought, -1 sold.
        real: what it got.
        model: what the modelled exchange gives.
        then: what the book was worth when it was really filled: Σ price × size of the smaller of both sizes, quote
            units. None = the book was not seen then, or not at the modelled arrival.
        end: quote per base, in whole ticks; what is left over is valued at.

    Returns:
        Parts whose sum is `money(real) - money(model)`, exactly.
    """
    fee = _plain(model.fee - real.fee)
    gross = _plain(money(side, real, end) - money(side, model, end)) - fee
    if then is None:
        return Parts(missing=gross, fee=fee)
    common = min(real.size, model.size)
    of_real, of_model = _share(real, common), _share(model, common)
    latency, price = _plain(side * (of_model - then)), _plain(side * (then - of_real))
    return Parts(latency=latency, price=price, size=gross - latency - price, fee=fee)


def _share(got: Taken, size: Decimal) -> Decimal:
    """What so much of it was worth."""
    return got.value if got.size == size else _plain(got.value * size / got.size)


def _plain(amount: Decimal) -> Decimal:
    """In whole 10⁻⁸, as money is kept; 0 without a sign."""
    return (amount + _ZERO).quantize(_UNIT)
