"""The one margin engine: at which price a position is liquidated, at which it is bankrupt, and what it needs to open.

In: positions that share a margin balance, their `TierTable`s and a venue's terms. Out: prices. An inverse contract is
a linear one in 1 ÷ price with the sides exchanged (`_factor`, `_gain`), so both take the same road. For thousands of
positions at once there is `margin_arrays`, for an account `margin_cross`, for what venues ask `margin_venues`.
"""

from bisect import bisect_right
from collections.abc import Sequence
from math import inf, isfinite

import msgspec

from perpscope.analytics.margin_tiers import TierTable
from perpscope.model.instrument import Contract
from perpscope.model.market import PositionSide


class Leg(msgspec.Struct, frozen=True, gc=False):
    """A position, or one side of a hedged one."""

    side: PositionSide
    size: float  #: > 0; base units (linear), quote units (inverse)
    entry: float  #: average price, quote per base, > 0


class Terms(msgspec.Struct, frozen=True, gc=False):
    """How a venue reckons margin, besides its tiers."""

    contract: Contract = Contract.LINEAR
    closing_fee: float = 0.0  #: counted in the trigger beside maintenance margin, fraction of notional


class Trigger(msgspec.Struct, frozen=True):
    """A price at which margin no longer suffices, or suffices again."""

    price: float  #: mark price, quote per base
    tiers: tuple[int, ...]  #: of each leg at that price, 0 for the lowest


class Triggers(msgspec.Struct, frozen=True):
    """The nearest changes below and above a reference price."""

    below: Trigger | None
    above: Trigger | None
    is_deficient: bool  #: at the reference price itself margin does not suffice: what is found is where it would


LINEAR = Terms()
INVERSE = Terms(Contract.INVERSE)


def liquidation_price(
    leg: Leg, balance: float, table: TierTable, terms: Terms = LINEAR, reference: float | None = None
) -> float | None:
    """Mark price at which a position alone on its balance is liquidated; see `triggers`.

    Args:
        leg: the position.
        balance: its margin: isolated wallet with what was added and funding paid (`funding_paid`), or
            `margin_cross.free_balance`; quote units (linear), base units (inverse).
        table: its tiers.
        terms: its venue's.
        reference: price to begin at, quote per base; its entry if not given. Matters only for tables that jump.

    Returns:
        Quote per base; None where no price liquidates it, or every price does.

    Raises:
        ValueError: a figure is out of its range.
    """
    trigger = liquidation(leg, balance, table, terms, reference)
    return None if trigger is None else trigger.price


def liquidation(
    leg: Leg, balance: float, table: TierTable, terms: Terms = LINEAR, reference: float | None = None
) -> Trigger | None:
    """As `liquidation_price`, with the tier it falls into."""
    found = triggers([leg], balance, [table], terms, leg.entry if reference is None else reference)
    falls = leg.side is PositionSide.LONG
    return found.below if falls is not found.is_deficient else found.above


def triggers(
    legs: Sequence[Leg], balance: float, tables: Sequence[TierTable], terms: Terms, reference: float
) -> Triggers:
    """Where equity meets maintenance margin, for positions in one instrument that share their margin.

    Solves  B + Σ s_i q_i (P - E_i) = Σ (q_i P (m_i + φ) - c_i)  in each stretch of prices where no leg changes its
    tier, walking away from the reference both ways: the tier is that of the liquidation price, not of the entry
    (METHOD 1.1; Binance "How to calculate liquidation price of USDⓈ-M", hedge mode included; Hyperliquid, Bitget and
    OKX state the same with their own m, c and φ). Where maintenance margin jumps at a tier's end the end itself can be
    the price. Two hedged legs can have a price on either side.

    Args:
        legs: positions; sizes and entries as `Leg` says.
        balance: what they share, less what other positions need: quote units (linear), base units (inverse).
        tables: the tiers of each.
        terms: the venue's.
        reference: price from which to look, quote per base: mark, or entry.

    Raises:
        ValueError: a figure is out of its range.
    """
    _check(legs, balance, terms, reference)
    account = _Account(legs, balance, tables, terms)
    start = _factor(reference, terms)
    stretch = bisect_right(account.bounds, start) - 1
    is_met = account.excess(start, stretch) > 0.0
    lower, upper = account.down(stretch, is_met), account.up(stretch, is_met)
    if terms.contract is Contract.INVERSE:
        lower, upper = upper, lower
    return Triggers(account.trigger(lower), account.trigger(upper), not is_met)


def margin_excess(
    legs: Sequence[Leg], balance: float, tables: Sequence[TierTable], terms: Terms, price: float
) -> float:
    """Equity less maintenance margin and closing fee at a mark price; liquidated at 0 and below.

    Returns:
        Quote units (linear), base units (inverse).
    """
    excess = balance + unrealised_profit(legs, terms, price)
    for leg, table in zip(legs, tables, strict=True):
        value = value_at(leg.size, price, terms)
        excess -= table.maintenance(value, leg.size) + terms.closing_fee * value
    return excess


def unrealised_profit(legs: Sequence[Leg], terms: Terms, price: float) -> float:
    """What positions have gained at a mark price: quote units (linear), base units (inverse)."""
    factor = _factor(price, terms)
    return factor * sum(_gain(leg.side, terms) * leg.size for leg in legs) - _paid(legs, terms)


def bankruptcy_price(leg: Leg, balance: float, terms: Terms = LINEAR, closing_fee: float = 0.0) -> float | None:
    """Price at which a position has lost its whole balance; see `shared_bankruptcy_price`.

    >>> bankruptcy_price(Leg(PositionSide.LONG, 1.0, 20_000.0), 400.0)
    19600.0
    """
    return shared_bankruptcy_price([leg], balance, terms, closing_fee)


def shared_bankruptcy_price(
    legs: Sequence[Leg], balance: float, terms: Terms = LINEAR, closing_fee: float = 0.0
) -> float | None:
    """Price at which positions in one instrument have lost the whole balance they share.

    E - s·W/q for one linear position; with a closing fee reserved, as Bybit's order cost does,
    W + s q (P - E) - q P φ = 0.

    Args:
        legs: positions.
        balance: as for `liquidation_price`, without what other positions need.
        terms: only whether the contract is inverse.
        closing_fee: to be paid out of the balance too, fraction of notional.

    Returns:
        Quote per base; None where no price does it: a long at 1×, an inverse short at 1×, legs that even out.
    """
    slope = sum(leg.size * (_gain(leg.side, terms) - closing_fee) for leg in legs)
    factor = (_paid(legs, terms) - balance) / slope if slope else 0.0
    return _price(factor, terms) if factor > 0.0 else None


def initial_margin(leg: Leg, leverage: float, terms: Terms = LINEAR) -> float:
    """Value at entry ÷ leverage: quote units (linear), base units (inverse)."""
    return value_at(leg.size, leg.entry, terms) / leverage


def value_at(size: float, price: float, terms: Terms = LINEAR) -> float:
    """Notional of a position at a price: quote units (linear, size × price), base units (inverse, size ÷ price)."""
    return size * _factor(price, terms)


def funding_paid(side: PositionSide, size: float, mark: float, rate: float, terms: Terms = LINEAR) -> float:
    """What one funding takes from a position's margin; below 0 what it adds.

    Args:
        side: longs pay where the rate is above 0, shorts where it is below.
        size: base units (linear), quote units (inverse).
        mark: mark price at the moment of funding, quote per base.
        rate: of that one interval, fraction of notional.
        terms: only whether the contract is inverse.

    Returns:
        Quote units (linear), base units (inverse).

    >>> funding_paid(PositionSide.LONG, 2.0, 50_000.0, 0.0001)
    10.0
    """
    return (1.0 if side is PositionSide.LONG else -1.0) * value_at(size, mark, terms) * rate


class _Account:
    """Legs cut into stretches of the factor in which no tier changes; there the excess is `level + slope × factor`."""

    def __init__(self, legs: Sequence[Leg], balance: float, tables: Sequence[TierTable], terms: Terms) -> None:
        self._terms = terms
        self._legs = [(table, table.bounds(leg.size), leg) for leg, table in zip(legs, tables, strict=True)]
        self.bounds = sorted({bound for _, bounds, _ in self._legs for bound in bounds})
        self._fixed = balance - _paid(legs, terms)

    def excess(self, factor: float, stretch: int) -> float:
        level, slope = self._line(stretch)
        return level + slope * factor

    def down(self, stretch: int, is_met: bool) -> tuple[float, int] | None:
        """The nearest change below, and the stretch it lies in."""
        for at in range(stretch, -1, -1):
            start, (level, slope) = self.bounds[at], self._line(at)
            if at < stretch and (level + slope * self.bounds[at + 1] > 0.0) is not is_met:
                return self.bounds[at + 1], at
            if (level + slope * start > 0.0) is not is_met:
                return (max(start, -level / slope), at) if -level / slope > 0.0 else None
        return None

    def up(self, stretch: int, is_met: bool) -> tuple[float, int] | None:
        """The nearest change above, and the stretch it lies in."""
        for at in range(stretch, len(self.bounds)):
            start, (level, slope) = self.bounds[at], self._line(at)
            end = self.bounds[at + 1] if at + 1 < len(self.bounds) else inf
            if at > stretch and (level + slope * start > 0.0) is not is_met:
                return start, at
            at_end = level + slope * end if end < inf else (slope or level)
            if (at_end > 0.0) is not is_met and slope:
                return min(end, max(start, -level / slope)), at
        return None

    def trigger(self, change: tuple[float, int] | None) -> Trigger | None:
        if change is None:
            return None
        factor, stretch = change
        return Trigger(_price(factor, self._terms), tuple(self._tiers(stretch)))

    def _line(self, stretch: int) -> tuple[float, float]:
        level, slope = self._fixed, 0.0
        for (table, _, leg), tier in zip(self._legs, self._tiers(stretch), strict=True):
            level += table.deductions[tier]
            slope += leg.size * (_gain(leg.side, self._terms) - table.rates[tier] - self._terms.closing_fee)
        return level, slope

    def _tiers(self, stretch: int) -> list[int]:
        start = self.bounds[stretch]
        return [
            bisect_right(bounds, start) - 1 if len(bounds) > 1 else table.tier(0.0, leg.size)
            for table, bounds, leg in self._legs
        ]


def _factor(price: float, terms: Terms) -> float:
    """What a size is multiplied by to give its value: the price (linear), 1 ÷ price (inverse)."""
    return price if terms.contract is Contract.LINEAR else 1.0 / price


_price = _factor  # its own inverse


def _gain(side: PositionSide, terms: Terms) -> float:
    """1 for a position that gains as its factor rises, -1 for one that loses."""
    return 1.0 if (side is PositionSide.LONG) is (terms.contract is Contract.LINEAR) else -1.0


def _paid(legs: Sequence[Leg], terms: Terms) -> float:
    """Value of the legs at their entries, those that lose as their factor rises counted negative."""
    return sum(_gain(leg.side, terms) * value_at(leg.size, leg.entry, terms) for leg in legs)


def _check(legs: Sequence[Leg], balance: float, terms: Terms, reference: float) -> None:
    if not legs:
        raise ValueError("there is no position to liquidate")
    for leg in legs:
        if not (isfinite(leg.size) and leg.size > 0.0):
            raise ValueError(f"size {leg.size:g} must be above 0")
        if not (isfinite(leg.entry) and leg.entry > 0.0):
            raise ValueError(f"entry {leg.entry:g} must be above 0")
    if not isfinite(balance):
        raise ValueError(f"balance {balance:g} must be a number")
    if not (isfinite(reference) and reference > 0.0):
        raise ValueError(f"reference price {reference:g} must be above 0")
    if not 0.0 <= terms.closing_fee < 0.1:
        raise ValueError(f"closing fee {terms.closing_fee:g} must lie in [0, 0.1): a fraction of notional")
