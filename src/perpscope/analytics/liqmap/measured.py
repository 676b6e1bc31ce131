"""Positions anybody may look at, laid over the map: where they are liquidated, and what they say of the others (B7).

In: a venue's public positions and its map. Out: their mass by true liquidation price; the map in which that part of
open interest is no guess any more; ladders that lean to what was measured, as far as it reaches (METHOD 6.11). What is
measured says where positions are, not which share of them is forced: that stays what the map has learnt.
"""

from collections.abc import Sequence
from math import log
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.liqmap.ladder import Ladder
from perpscope.analytics.liqmap.levels import Levels, rebinned
from perpscope.analytics.margin_arrays import Floats

#: Positions of one size from which what they say weighs half as much as it can; chosen by hand.
ENOUGH: Final = 20.0
#: Share of what is assumed that may give way to what was measured; chosen by hand.
MOST: Final = 0.5
#: Log distance from the price that counts as near it.
NEAR: Final = 0.01
#: A class is taken for positions up to so many times as far as the farthest class; chosen by hand.
_FARTHER: Final = 1.5
#: Log price of the cells in which two maps are compared.
_COMPARED: Final = 0.01
_NEAREST: Final = 1e-6


class Holdings(msgspec.Struct, frozen=True):
    """Open positions of one instrument; arrays (n,)."""

    is_long: NDArray[np.bool_]
    size: Floats  #: base units, > 0
    entry: Floats  #: quote per base, > 0
    liquidation: Floats  #: quote per base; nan where no price would liquidate it

    def __len__(self) -> int:
        return self.size.size

    def only(self, which: NDArray[np.bool_]) -> "Holdings":
        """Those that are flagged."""
        return Holdings(*(getattr(self, name)[which] for name in Holdings.__struct_fields__))

    @property
    def effective(self) -> float:
        """How many of one size they are worth, (Σ size)² ÷ Σ size²; 0 without any.

        >>> both = np.array([True, True])
        >>> round(Holdings(both, np.array([9.0, 1.0]), np.ones(2), np.ones(2)).effective, 3)
        1.22
        """
        return float(self.size.sum()) ** 2 / float(self.size @ self.size) if len(self) else 0.0


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Positions on the grid of a map; side 0 long, 1 short."""

    mass: Floats  #: (2, levels) base units by liquidation price
    held: Floats  #: (2,) base units in all, those out of the grid or of reach among them
    out_of_reach: Floats  #: (2,) base units that no price in the grid would liquidate
    coverage: float  #: Σ size ÷ 2 ÷ open interest; above 1 where they are of another moment than it


def lay(holdings: Holdings, laid: Levels) -> Measured:
    """Lay positions out on the grid of a map; of a side that holds more than open interest, so much as is.

    Args:
        holdings: of the map's instrument, none of them past its liquidation price (see `alive`).
        laid: the map.
    """
    count = laid.gross.shape[1]
    mass, held, out = np.zeros((2, count)), np.zeros(2), np.zeros(2)
    place = np.full(len(holdings), -1, np.int64)
    told = np.isfinite(holdings.liquidation)
    place[told] = np.floor((np.log(holdings.liquidation[told]) - laid.start) / laid.step).astype(np.int64)
    inside = (place >= 0) & (place < count)
    for side in (0, 1):
        mine = holdings.is_long == (side == 0)
        held[side] = holdings.size[mine].sum()
        within = mine & inside
        mass[side] = np.bincount(place[within], holdings.size[within], minlength=count)
        out[side] = holdings.size[mine & ~inside].sum()
    coverage = float(held.sum()) / 2.0 / laid.open_interest
    fits = np.minimum(1.0, laid.open_interest / np.maximum(held, 1e-300))
    return Measured(mass=mass * fits[:, None], held=held * fits, out_of_reach=out * fits, coverage=coverage)


def alive(holdings: Holdings, mark: float) -> NDArray[np.bool_]:
    """(n,) Whether the price has not passed their liquidation yet: those it has are gone, or were told too long ago."""
    ahead = np.where(holdings.is_long, holdings.liquidation < mark, holdings.liquidation > mark)
    return ahead | np.isnan(holdings.liquidation)


def fused(laid: Levels, measured: Measured) -> Levels:
    """The map with its measured part exact: that share of each side's guess gives way to it.

    Open interest stays as it is, and so does the share of mass that is expected to be forced: Σ of a side's expected
    orders changes only by what lies out of reach.

    Args:
        laid: the map alone.
        measured: on its grid.
    """
    share = measured.held / laid.open_interest
    left = np.maximum(1.0 - share, 0.0)[:, None]
    factor = _mean(laid.forced.sum(axis=1), laid.gross.sum(axis=1))
    gross = left * laid.gross + measured.mass
    return msgspec.structs.replace(
        laid,
        gross=gross,
        forced=left * laid.forced + factor[:, None] * measured.mass,
        beyond=np.maximum(laid.open_interest - gross.sum(axis=1), 0.0),
        parts=np.concatenate([left[:, :, None] * laid.parts, measured.mass[:, None, :]], axis=1),
        conversions=np.concatenate([laid.conversions, factor[:, None]], axis=1),
    )


def fused_draws(laid: Levels, drawn: Floats) -> Floats:
    """Draws of conversions for a fused map: those of the map alone, and their mean by mass for what was measured.

    Args:
        laid: the map alone.
        drawn: (draws, 2, classes), `levels.posterior`.

    Returns:
        (draws, 2, classes + 1).
    """
    weights = laid.parts.sum(axis=2)
    means = (drawn * weights).sum(axis=2) / np.maximum(weights.sum(axis=1), 1e-300)
    return np.concatenate([drawn, means[:, :, None]], axis=2)


def near(laid: Levels) -> Floats:
    """(2,) Base units expected to be forced within 1 % of the mark: longs below it, shorts above."""
    away = np.log(laid.prices / laid.mark)
    ahead = np.stack([(away < 0.0) & (away >= -NEAR), (away > 0.0) & (away <= NEAR)])
    found: Floats = (laid.forced * ahead).sum(axis=1)
    return found


def overlap(laid: Levels, measured: Measured) -> float | None:
    """How far the map alone agrees with what was measured: Σ min of both as shares by 1 % of price, in [0, 1].

    None where nothing measured is in reach.
    """
    cells = max(1, round(_COMPARED / laid.step))
    edges = np.arange(0.0, laid.gross.shape[1] + cells, cells)
    shares = []
    for mass in (laid.gross, measured.mass):
        total = float(mass.sum())
        if total <= 0.0:
            return None
        shares.append(rebinned(mass, np.arange(mass.shape[1] + 1.0), edges) / total)
    return float(np.minimum(*shares).sum())


def binned_usd(measured: Measured, laid: Levels, edges: Floats, mark: float) -> Floats:
    """(2, bins) Dollars held by liquidation price, aligned as `levels.binned` aligns the map."""
    moved = laid.edges + log(mark / laid.mark)
    prices = laid.prices * (mark / laid.mark)
    return rebinned(measured.mass * prices, moved, np.log(np.maximum(edges, 1e-300)))


def class_shares(holdings: Holdings, ladder: Ladder) -> Floats:
    """(rungs,) Share of the positions' size in each class, by how far from its entry each is liquidated.

    One that nothing liquidates, or that is 1.5 times as far as the farthest class, is out of reach. One whose account
    lost so much elsewhere that it would be liquidated in gain belongs to the nearest class.

    Args:
        holdings: at least one.
        ladder: whose classes; the last one is out of reach.
    """
    found = np.zeros(len(ladder.rungs))
    moves = np.log(holdings.liquidation / holdings.entry) * np.where(holdings.is_long, -1.0, 1.0)
    for side in (0, 1):
        offsets = np.abs(ladder.offsets[side, :-1])
        for which in np.flatnonzero(holdings.is_long == (side == 0)):
            move = float(moves[which])
            if not move <= _FARTHER * float(offsets.max()):
                found[-1] += holdings.size[which]
            else:
                apart = np.abs(np.log(offsets) - log(max(move, _NEAREST)))
                found[int(np.argmin(apart))] += holdings.size[which]
    shares: Floats = found / found.sum()
    return shares


def weight_of(holdings: Holdings, coverage: float) -> float:
    """How much of what is assumed of classes gives way to what was measured: coverage × n ÷ (n + 20) ÷ 2.

    Those that are measured say for certain what they are, and nothing certain of the others: with a tenth of open
    interest measured nine tenths are still assumed. And what is open is not what is opened, as the positions that are
    liquidated soon are seldom among it: so at most half gives way.
    """
    count = holdings.effective
    return MOST * min(coverage, 1.0) * count / (count + ENOUGH)


def informed(ladder: Ladder, holdings: Holdings, weight: float) -> Ladder:
    """A ladder whose shares lean to those that were measured, alike on both sides, each still summing to 1.

    Args:
        ladder: as assumed.
        holdings: at least one.
        weight: in [0, 1], see `weight_of`.
    """
    shares = class_shares(holdings, ladder)
    return msgspec.structs.replace(ladder, weights=(1.0 - weight) * ladder.weights + weight * shares)


class HeldOut(msgspec.Struct, frozen=True):
    """Whether measuring some accounts says anything of others: overlap of class shares with accounts kept back."""

    before: float  #: of the shares that are assumed, in [0, 1]
    after: float  #: of those measured at the other half of the accounts
    accounts: int


def held_out(holdings: Holdings, accounts: Sequence[str], ladder: Ladder) -> HeldOut | None:
    """Measure one half of the accounts, look at the other, and the other way round; the mean of both.

    Args:
        holdings: positions.
        accounts: (n,) who holds each.
        ladder: as assumed.

    Returns:
        None with fewer than four accounts.
    """
    names = sorted(set(accounts))
    if len(names) < 4:
        return None
    is_even = np.array([names.index(account) % 2 == 0 for account in accounts])
    halves = [class_shares(holdings.only(which), ladder) for which in (is_even, ~is_even)]
    assumed = ladder.weights.mean(axis=0)
    before = float(np.mean([np.minimum(assumed, half).sum() for half in halves]))
    return HeldOut(before, float(np.minimum(*halves).sum()), len(names))


def _mean(amounts: Floats, weights: Floats) -> Floats:
    found: Floats = np.where(weights > 0.0, amounts / np.where(weights > 0.0, weights, 1.0), 0.0)
    return found
