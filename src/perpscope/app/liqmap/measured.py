"""Public positions of a store, laid over the liquidation map; and what that changed, for whoever reads it.

In: a reader or maps with the positions of their instruments. Out: `Seen` positions, maps in which they are exact, and a
`MeasuredTold` for each venue that shows any. A position counts for a quarter of an hour after it was seen.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.liqmap import measured
from perpscope.analytics.liqmap.bars import MINUTE_NS
from perpscope.analytics.liqmap.ladder import Ladder, distance_ladder
from perpscope.analytics.liqmap.levels import Levels
from perpscope.analytics.liqmap.measured import HeldOut, Holdings
from perpscope.analytics.margin_arrays import Floats
from perpscope.model.instrument import Instrument
from perpscope.model.market import PositionSide
from perpscope.stores.reader import SqliteReader

#: A cross position's liquidation price moves with its account: METHOD 6.11 asks for it each 15 minutes.
OLDEST_NS: Final = 15 * MINUTE_NS
_EVERYTHING: Final = 2**40
_MS_NS: Final = 1_000_000


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the accounts followed hold of one instrument."""

    holdings: Holdings
    accounts: list[str]  #: who holds each
    oldest: int  #: ns UTC, when the first of them was seen
    left_out: int  #: seen too long ago, or closed since

    def coverage(self, open_interest: float) -> float:
        """Σ size ÷ 2 ÷ open interest (base units, > 0)."""
        return float(self.holdings.size.sum()) / 2.0 / open_interest


class MeasuredTold(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a venue's map is measured, and what that changed."""

    venue: str
    instrument: str
    positions: int
    accounts: int
    left_out: int  #: positions seen too long ago, closed since, or past their liquidation price
    age_ms: int  #: of the oldest that counts
    coverage: float  #: Σ size ÷ 2 ÷ open interest
    side_shares: list[float]  #: of the longs and of the shorts open interest is made of, in [0, 1]
    held_usd: list[float]  #: longs, shorts
    out_of_reach_share: float  #: of their size, that no price within 35 % would liquidate
    near_factors: list[float | None]  #: expected within 1 % of the price over what the map alone has: longs, shorts
    overlap: float | None  #: of the map alone with what was measured, by 1 % of price, in [0, 1]
    leaning: float  #: how much of what is assumed of leverage and distance gave way to it, at every venue, in [0, 1]
    held_out: HeldOut | None  #: does one half of the accounts say anything of the other; None with fewer than four


class Overlay(msgspec.Struct, frozen=True, kw_only=True):
    """Maps with their measured part exact, in the order they were given."""

    laid: list[Levels]
    drawn: list[Floats]
    told: list[MeasuredTold]
    held_usd: Floats  #: (2, bins) dollars measured, of all venues


def read_positions(reader: SqliteReader, instrument: Instrument, now: int) -> Seen | None:
    """What is known of an instrument's public positions at a moment (ns UTC); None where nothing is.

    All positions of an account are told together, so one that its account's newest word does not name is closed.

    Raises:
        StoreError: the store cannot be read.
    """
    rows = reader.public_positions(instrument.venue, None, _EVERYTHING)
    newest: dict[str, int] = {}
    for row in rows:
        newest[row.account] = max(newest.get(row.account, 0), row.ts_event)
    mine = [row for row in rows if row.instrument == instrument.id]
    kept = [row for row in mine if row.ts_event == newest[row.account] and row.ts_event > now - OLDEST_NS]
    if not kept:
        return None
    prices = [float("nan") if row.liquidation_price is None else row.liquidation_price for row in kept]
    holdings = Holdings(
        np.array([row.position_side is PositionSide.LONG for row in kept]),
        np.array([row.size for row in kept]),
        np.array([row.entry_price for row in kept]),
        np.array(prices),
    )
    return Seen(
        holdings=holdings,
        accounts=[row.account for row in kept],
        oldest=min(row.ts_event for row in kept),
        left_out=len(mine) - len(kept),
    )


def leaning(ladders: tuple[Ladder, ...], seen: Seen, open_interest: float) -> tuple[Ladder, ...]:
    """Ladders that lean to what was measured at a venue of so much open interest (base units, > 0)."""
    weight = measured.weight_of(seen.holdings, seen.coverage(open_interest))
    return tuple(measured.informed(ladder, seen.holdings, weight) for ladder in ladders)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's map, and what is seen of its positions."""

    instrument: Instrument
    laid: Levels
    drawn: Floats  #: `levels.posterior`
    seen: Seen | None


def overlaid(venues: Sequence[Shown], edges: Floats, mark: float, now: int, *, is_leaning: bool) -> Overlay:
    """Lay what was measured over the maps.

    Args:
        venues: maps alone.
        edges: (bins + 1,) of the bins that are shown, quote per base.
        mark: of the reference.
        now: ns UTC.
        is_leaning: ladders leant to what was measured.
    """
    laid, drawn, told = [], [], []
    held_usd = np.zeros((2, edges.size - 1))
    for venue in venues:
        if venue.seen is None:
            laid.append(venue.laid)
            drawn.append(venue.drawn)
            continue
        holdings = venue.seen.holdings.only(measured.alive(venue.seen.holdings, venue.laid.mark))
        found = measured.lay(holdings, venue.laid)
        exact = measured.fused(venue.laid, found)
        laid.append(exact)
        drawn.append(measured.fused_draws(venue.laid, venue.drawn))
        held_usd += measured.binned_usd(found, venue.laid, edges, mark)
        told.append(_told(venue, venue.seen, holdings, found, exact, now, is_leaning=is_leaning))
    return Overlay(laid=laid, drawn=drawn, told=told, held_usd=held_usd)


def _told(
    venue: Shown,
    seen: Seen,
    holdings: Holdings,
    found: measured.Measured,
    exact: Levels,
    now: int,
    *,
    is_leaning: bool,
) -> MeasuredTold:
    alone, together = measured.near(venue.laid), measured.near(exact)
    held = float(found.held.sum())
    return MeasuredTold(
        venue=venue.instrument.venue,
        instrument=venue.instrument.id,
        positions=len(holdings),
        accounts=len(set(seen.accounts)),
        left_out=seen.left_out + len(seen.holdings) - len(holdings),
        age_ms=max(now - seen.oldest, 0) // _MS_NS,
        coverage=found.coverage,
        side_shares=(found.held / venue.laid.open_interest).tolist(),
        held_usd=(found.held * venue.laid.mark).tolist(),
        out_of_reach_share=float(found.out_of_reach.sum()) / held if held > 0.0 else 0.0,
        near_factors=[
            after / before if before > 0.0 else None
            for before, after in zip(alone.tolist(), together.tolist(), strict=True)
        ],
        overlap=measured.overlap(venue.laid, found),
        leaning=measured.weight_of(seen.holdings, seen.coverage(venue.laid.open_interest)) if is_leaning else 0.0,
        held_out=measured.held_out(seen.holdings, seen.accounts, distance_ladder()),
    )


def described(told: MeasuredTold) -> str:
    """What was measured and what it changed, in one sentence."""
    parts = [
        f"measured {told.coverage:.0%} of {told.venue}'s open interest "
        f"({told.positions:,} positions of {told.accounts:,} accounts, the oldest {told.age_ms // 60_000} min)"
    ]
    changed = [
        f"{whose} near mass ×{factor:.2g}"
        for whose, factor in zip(("longs'", "shorts'"), told.near_factors, strict=True)
        if factor is not None
    ]
    if changed:
        parts.append(" and ".join(changed))
    if told.leaning > 0.0:
        parts.append(f"what is assumed of leverage moved {told.leaning:.1%} of the way to it")
    return "; ".join(parts)
