"""The margin engine for many positions at once: the figures of `margin`, position by position, as numpy arrays.

In: float64 arrays of shape (n,), sides as booleans, one `TierTable` for all. Out: float64 arrays of shape (n,), nan
where the scalar form says None. Each position stands alone on its balance; a scalar broadcasts. A test holds the two
forms together.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from perpscope.analytics.margin import LINEAR, Terms
from perpscope.analytics.margin_tiers import TierTable
from perpscope.model.instrument import Contract, TierBasis

Floats: TypeAlias = NDArray[np.float64]


def liquidation_prices(
    is_long: ArrayLike,
    size: ArrayLike,
    entry: ArrayLike,
    balance: ArrayLike,
    table: TierTable,
    terms: Terms = LINEAR,
    reference: ArrayLike | None = None,
) -> Floats:
    """As `margin.liquidation_price`: mark prices, quote per base.

    Args:
        is_long: sides.
        size: base units (linear), quote units (inverse); > 0.
        entry: quote per base, > 0.
        balance: margin of each, quote units (linear), base units (inverse).
        table: the tiers of all.
        terms: the venue's.
        reference: price each begins at, quote per base; the entries if not given.

    Raises:
        ValueError: a figure is not finite, a size or price is not above 0, or a fee out of its range; a tier that
            asks for the whole value and more.
    """
    start = entry if reference is None else reference
    if max(table.rates) + terms.closing_fee >= 1.0:
        raise ValueError(
            f"maintenance {max(table.rates):g} and closing fee {terms.closing_fee:g} must be below 1 together"
        )
    longs, sizes, entries, balances, begun = _positions(is_long, size, entry, balance, start, terms)
    gain = _gains(longs, terms)
    fixed = balances - gain * sizes * _factors(entries, terms)
    begin = _factors(begun, terms)
    floors, rates, taken = _columns(table, sizes)
    is_met = fixed + gain * sizes * begin - _required(begin, sizes, table, terms) > 0.0
    level, slope = fixed + taken, sizes * (gain - rates - terms.closing_fee)
    factor = _changes(level, slope, floors, begin, gains=gain > 0.0, is_met=is_met)
    known = np.isfinite(factor) & (factor > 0.0)
    return np.where(known, _factors(np.where(known, factor, 1.0), terms), np.nan)


def maintenance_margins(size: ArrayLike, price: ArrayLike, table: TierTable, terms: Terms = LINEAR) -> Floats:
    """Maintenance margin, without a closing fee, at mark prices: quote units (linear), base units (inverse)."""
    sizes, prices = np.broadcast_arrays(np.atleast_1d(np.asarray(size, float)), np.asarray(price, float))
    return _required(_factors(prices, terms), sizes, table, Terms(terms.contract))


def margin_excesses(
    is_long: ArrayLike, size: ArrayLike, entry: ArrayLike, balance: ArrayLike, table: TierTable, terms: Terms,
    price: ArrayLike,
) -> Floats:  # fmt: skip
    """As `margin.margin_excess` of each position at its mark price: liquidated at 0 and below."""
    longs, sizes, entries, balances, prices = _positions(is_long, size, entry, balance, price, terms)
    factor = _factors(prices, terms)
    gained = _gains(longs, terms) * sizes * (factor - _factors(entries, terms))
    return balances + gained - _required(factor, sizes, table, terms)


def bankruptcy_prices(
    is_long: ArrayLike, size: ArrayLike, entry: ArrayLike, balance: ArrayLike, terms: Terms = LINEAR
) -> Floats:
    """As `margin.bankruptcy_price` without a fee; quote per base, nan where no price does it."""
    longs, sizes, entries, balances, _ = _positions(is_long, size, entry, balance, entry, terms)
    signed = _gains(longs, terms) * sizes
    factor = (signed * _factors(entries, terms) - balances) / signed
    return np.where(factor > 0.0, _factors(np.where(factor > 0.0, factor, 1.0), terms), np.nan)


def _changes(
    level: Floats, slope: Floats, floors: Floats, begin: Floats, *, gains: NDArray[np.bool_], is_met: NDArray[np.bool_]
) -> Floats:
    """The factor at which each position's excess, `level + slope × factor` in each row's tier, changes its sign.

    One that gains as its factor rises changes at a root of some tier, the last below its start or the first above; one
    that loses also where its requirement jumps, which is where a tier's root lies below the tier.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.vstack([floors[1:], np.full((1, begin.size), np.inf)])
        roots = np.maximum(-level / slope, floors)
        falling = np.where(roots < ends, roots, np.inf).min(axis=0)
        below = _last(np.minimum(roots, ends), (level + slope * floors <= 0.0) & (floors <= begin))
        above = _first(np.minimum(roots, ends), (level + slope * ends > 0.0) & (ends > begin))
    changes: Floats = np.where(gains, np.where(is_met, below, above), falling)
    return changes


def _last(roots: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """Of each column the root in the highest chosen row; nan where none is."""
    at = len(chosen) - 1 - chosen[::-1].argmax(axis=0)
    return np.where(chosen.any(axis=0), np.take_along_axis(roots, at[None, :], axis=0)[0], np.nan)


def _first(roots: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """Of each column the root in the lowest chosen row; nan where none is."""
    at = chosen.argmax(axis=0)
    return np.where(chosen.any(axis=0), np.take_along_axis(roots, at[None, :], axis=0)[0], np.nan)


def _columns(table: TierTable, sizes: Floats) -> tuple[Floats, Floats, Floats]:
    """Floors as factors, rates and deductions, one row a tier and one column a position; by size each has only one."""
    if table.basis is TierBasis.SIZE:
        at = _tiers(table, sizes, sizes)
        rates, taken = np.array(table.rates)[at], np.array(table.deductions)[at]
        return np.zeros((1, sizes.size)), rates[None, :], taken[None, :]
    shape = (len(table.floors), sizes.size)
    floors = np.array(table.floors)[:, None] / sizes
    rates, taken = (np.broadcast_to(np.array(c)[:, None], shape) for c in (table.rates, table.deductions))
    return floors, rates, taken


def _required(factor: Floats, sizes: Floats, table: TierTable, terms: Terms) -> Floats:
    value = sizes * factor
    at = _tiers(table, value, sizes)
    required: Floats = (np.array(table.rates)[at] + terms.closing_fee) * value - np.array(table.deductions)[at]
    return required


def _tiers(table: TierTable, value: Floats, sizes: Floats) -> NDArray[np.intp]:
    if table.basis is TierBasis.SIZE:
        return np.maximum(np.searchsorted(table.floors, sizes, side="left") - 1, 0)
    return np.searchsorted(table.floors, value, side="right") - 1


def _factors(prices: Floats, terms: Terms) -> Floats:
    return prices if terms.contract is Contract.LINEAR else 1.0 / prices


def _gains(longs: NDArray[np.bool_], terms: Terms) -> Floats:
    return np.where(longs if terms.contract is Contract.LINEAR else ~longs, 1.0, -1.0)


def _positions(
    is_long: ArrayLike, size: ArrayLike, entry: ArrayLike, balance: ArrayLike, price: ArrayLike, terms: Terms
) -> tuple[NDArray[np.bool_], Floats, Floats, Floats, Floats]:
    """The columns of the positions, of one length, checked."""
    figures = [np.atleast_1d(np.asarray(column, np.float64)) for column in (size, entry, balance, price)]
    longs, sizes, entries, balances, prices = np.broadcast_arrays(np.atleast_1d(np.asarray(is_long, bool)), *figures)
    for name, column in (("size", sizes), ("entry", entries), ("price", prices)):
        if not (np.isfinite(column) & (column > 0.0)).all():
            raise ValueError(f"each {name} must be a number above 0")
    if not np.isfinite(balances).all():
        raise ValueError("each balance must be a number")
    if not 0.0 <= terms.closing_fee < 0.1:
        raise ValueError(f"closing fee {terms.closing_fee:g} must lie in [0, 0.1): a fraction of notional")
    return longs, sizes, entries, balances, prices
