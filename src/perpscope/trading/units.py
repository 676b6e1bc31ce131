"""Decimal at the border, whole numbers inside: prices in ticks, sizes in steps, money in 10⁻⁸ of the quote.

In: an `Instrument`. Out: `Units`, with one function each way for prices, sizes and money, and what an account has to
know of the contract. Whatever moves is turned into integers here and nowhere else.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Final, Self

import msgspec

from perpscope.analytics.margin_tiers import TierTable
from perpscope.errors import DataError
from perpscope.model.instrument import Contract, Instrument, TierBasis
from perpscope.trading.layout import MONEY, TIERS
from perpscope.trading.strategy import Record

#: Against the order: a buyer's price is rounded up, a seller's down; 0 = to the nearest.
_ROUNDING: Final = {1: ROUND_CEILING, -1: ROUND_FLOOR, 0: ROUND_HALF_EVEN}
_UNIT: Final = Decimal(MONEY)


class Units(msgspec.Struct, frozen=True):
    """The smallest price, size and money of a contract."""

    tick: Decimal  #: quote per base
    step: Decimal  #: base units
    worth: int  #: money of one tick × one step
    min_notional: int  #: money; 0 = none is known

    @classmethod
    def of(cls, instrument: Instrument) -> Self:
        """Units of a contract.

        Raises:
            DataError: contract-unknown, its tick or step is not told; contract-inverse, profit is not in the quote;
                contract-too-fine, one tick × one step is no whole 10⁻⁸ of the quote.
        """
        name, tick, step = instrument.id, instrument.tick_size, instrument.step_size
        if instrument.contract is not Contract.LINEAR:
            raise DataError(
                "contract-inverse",
                f"{name} settles in {instrument.base}: only contracts that settle in their quote can be traded",
                hint="choose the linear contract of the same coin",
            )
        if tick is None or step is None or tick <= 0 or step <= 0:
            raise DataError(
                "contract-unknown",
                f"{name} has tick {tick} and step {step}: without both nothing can be ordered",
                hint="perpscope symbols shows what the catalogue knows; choose a contract with both",
            )
        worth = tick * step * MONEY
        if worth != worth.to_integral_value():
            raise DataError(
                "contract-too-fine",
                f"{name}: tick {tick} × step {step} is {tick * step} {instrument.quote}, no whole 0.00000001",
                hint="choose another venue's contract of the same coin",
            )
        least = (instrument.min_notional or Decimal(0)) * MONEY
        return cls(tick, step, int(worth), int(least.to_integral_value(ROUND_CEILING)))

    def ticks(self, price: Decimal, side: int = 0) -> int:
        """A price in ticks; one between two is rounded against the order.

        Args:
            price: quote per base.
            side: 1 buys, -1 sells; 0 = to the nearest.
        """
        return int((price / self.tick).to_integral_value(_ROUNDING[side]))

    def price(self, ticks: int) -> Decimal:
        """Ticks as a price: quote per base."""
        return self.tick * ticks

    def steps(self, size: Decimal) -> int:
        """A size, base units, in whole steps; what is less than a step is left out."""
        return int(size // self.step)

    def size(self, steps: int) -> Decimal:
        """Steps as a size: base units."""
        return self.step * steps

    @staticmethod
    def money(amount: Decimal) -> int:
        """Quote units as money, to the nearest 10⁻⁸."""
        return int((amount * _UNIT).to_integral_value(ROUND_HALF_EVEN))

    @staticmethod
    def amount(money: int) -> Decimal:
        """Money as quote units."""
        return Decimal(money) / _UNIT

    def fill(self, account: Record) -> None:
        """Write what an account knows of its contract into a record of `layout.ACCOUNT`."""
        account["worth"], account["min_notional"] = self.worth, self.min_notional
        account["tick"], account["step"] = float(self.tick), float(self.step)


def write_tiers(account: Record, table: TierTable, closing_fee: float = 0.0) -> None:
    """Write margin tiers into a record of `layout.ACCOUNT`.

    Args:
        account: the record.
        table: its tiers, by notional or by size.
        closing_fee: what the venue counts beside maintenance margin, fraction of notional; `margin_venues.terms_of`.

    Raises:
        DataError: tiers-too-many, more than a desk holds.
    """
    count = len(table.floors)
    if count > TIERS:
        raise DataError("tiers-too-many", f"{count} margin tiers, a desk holds {TIERS}", hint="report this contract")
    account["tiers"], account["is_by_size"] = count, table.basis is TierBasis.SIZE
    account["tier_floor"][:count] = table.floors
    account["tier_mmr"][:count] = table.rates
    account["tier_deduction"][:count] = table.deductions
    account["closing_fee"] = closing_fee
