"""What one market was told, venue by venue, and what really happened in it: where the map's scorecard begins.

In: tapes made from the lab or a store. Out: its venues together as quarter-hour candles, for rules that know but one
market. Everything a forecast may see carries the time it was received.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.liqmap.bars import Bar
from perpscope.analytics.liqmap.ladder import Ladder
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.scorecard.baselines import CANDLE_NS, Candles


class Forced(msgspec.Struct, frozen=True, kw_only=True):
    """Closings by force, in order of time."""

    ts: NDArray[np.int64]  #: ns UTC
    side: NDArray[np.int64]  #: 0 long, 1 short
    price: Floats  #: quote per base
    usd: Floats

    def from_to(self, start: int, end: int) -> "Forced":
        """Those after `start` up to `end` (ns UTC)."""
        part = slice(*np.searchsorted(self.ts, (start, end), side="right"))
        return Forced(ts=self.ts[part], side=self.side[part], price=self.price[part], usd=self.usd[part])


class Tape(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's instrument."""

    venue: str
    ladders: tuple[Ladder, ...]
    bars: list[Bar]  #: made of what was received by each one's end
    bought: Floats  #: (bars,) share of the volume that takers bought; .5 where not known
    told: Forced  #: as published, by the time it was received
    forced: Forced  #: as it was, where the map would have it: what is scored
    truth: dict[int, Floats]  #: by ns UTC: dollars by true liquidation price, (2, CELLS); the lab knows it


class Columns(msgspec.Struct, frozen=True):
    """Bars as arrays, (bars,) each."""

    ts: NDArray[np.int64]
    low: Floats
    high: Floats
    close: Floats
    volume: Floats
    open_interest: Floats  #: base units, the last told; 0 before the first
    funding_8h: Floats


def columns(bars: list[Bar]) -> Columns:
    """Bars as arrays."""
    names = ("low", "high", "close", "volume", "open_interest", "funding_8h")
    table = np.array([[getattr(bar, name) for name in names] for bar in bars])
    low, high, close, volume, told, funding = table.T
    known = np.maximum.accumulate(np.where(np.isnan(told), -1, np.arange(told.size)))
    held = np.where(known >= 0, told[np.maximum(known, 0)], 0.0)
    ts = np.array([bar.ts for bar in bars], np.int64)
    return Columns(ts, low, high, close, np.nan_to_num(volume), held, np.nan_to_num(funding))


def reference_of(tapes: list[Tape]) -> Tape:
    """The venue that ends with most open interest: its price is the market's."""
    return max(tapes, key=lambda tape: float(columns(tape.bars).open_interest[-1]))


def candles_of(tapes: list[Tape]) -> Candles:
    """The venues together: the reference's prices, everybody's volume and open interest.

    Quarter hours in which the reference has no bar are left out.
    """
    leading = columns(reference_of(tapes).bars)
    number = (leading.ts - 1) // CANDLE_NS
    quarters, first = np.unique(number, return_index=True)
    last = np.append(first[1:], number.size) - 1
    volume, bought, held = (np.zeros(quarters.size) for _ in range(3))
    for tape in tapes:
        told = columns(tape.bars)
        place = np.searchsorted(quarters, (told.ts - 1) // CANDLE_NS)
        place = np.minimum(place, quarters.size - 1)
        mine = quarters[place] == (told.ts - 1) // CANDLE_NS
        usd = told.volume * told.close
        np.add.at(volume, place[mine], usd[mine])
        np.add.at(bought, place[mine], (usd * tape.bought)[mine])
        at = np.searchsorted(told.ts, leading.ts[last], side="right") - 1
        held += np.where(at >= 0, told.open_interest[at] * told.close[at], 0.0)
    return Candles(
        ts=leading.ts[last],
        low=np.minimum.reduceat(leading.low, first),
        high=np.maximum.reduceat(leading.high, first),
        close=leading.close[last],
        volume_usd=volume,
        bought=np.where(volume > 0.0, bought / np.where(volume > 0.0, volume, 1.0), 0.5),
        open_interest_usd=held,
        funding_8h=leading.funding_8h[last],
    )
