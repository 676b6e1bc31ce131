"""What the map says of each hour: mass that was passed, class by class, and what share of it was expected to be forced.

The map is the product's `VenueMap` with its distance classes and entries at current prices. In: bars. Out: a `Ledger`;
the number the study judges is reckoned anew from it, Σ β·A·P: nothing but swept mass and learnt shares is in it.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from perpscope.analytics.hourly.tables import PER_HOUR
from perpscope.analytics.liqmap.arithmetic import NUMPY, Arithmetic
from perpscope.analytics.liqmap.bars import Bar, Setting
from perpscope.analytics.liqmap.ladder import Ladder, distance_ladder
from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.analytics.margin_arrays import Floats

#: Largest number of classes a number may be made of.
MOST_CLASSES = 12


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Hours of one map; hours before open interest was first told hold zeros."""

    passed: Floats  #: (n, 2, classes) A: base units of longs and of shorts the price passed
    share: Floats  #: (n, 2, classes) β at the beginning of the hour
    price: Floats  #: (n,) P: close, quote per base
    distances: Floats  #: (classes,) log distance of each class from its entry; inf out of reach
    residue: float  #: largest |before − swept − closed + opened − after| of a bar and side, share of open interest

    @property
    def usd(self) -> Floats:
        """(n, 2) Σ β·A·P: dollars of longs and of shorts expected to have been closed by force."""
        found: Floats = (self.share * self.passed).sum(axis=2) * self.price[:, None]
        return found

    def near(self, farthest: float) -> Floats:
        """The same of the classes up to a distance, (n, 2)."""
        chosen = self.distances <= farthest
        found: Floats = (self.share * self.passed)[:, :, chosen].sum(axis=2) * self.price[:, None]
        return found


def ledger(
    bars: Sequence[Bar],
    ladder: Ladder | None = None,
    setting: Setting | None = None,
    arithmetic: Arithmetic = NUMPY,
) -> Ledger:
    """Run a map over whole hours.

    Args:
        bars: twelve an hour, oldest first.
        ladder: its classes; None = the distance classes of the product.
        setting: its constants; None = the product's.
        arithmetic: numpy's or the compiled one.

    Raises:
        ValueError: there are more than twelve classes, or a conversion changed inside an hour.
    """
    chosen = ladder or distance_ladder()
    classes = chosen.offsets.shape[1]
    if classes > MOST_CLASSES:
        raise ValueError(f"{classes} classes are more than {MOST_CLASSES}")
    venue = VenueMap([chosen], setting, ["oi_flow"], arithmetic)
    count = len(bars) // PER_HOUR
    passed, share = np.zeros((count, 2, classes)), np.zeros((count, 2, classes))
    residue, before = 0.0, np.zeros(2)
    for number, bar in enumerate(bars):
        step = venue.take(bar)
        if step is None or venue.state is None:
            continue
        hour, place = divmod(number, PER_HOUR)
        part, after = step.passed[0], venue.state.books[0].mass.sum(axis=(1, 2))
        if before.any():
            gone = before - part.swept.sum(axis=1) - part.closed + part.opened - after
            residue = max(residue, float(np.abs(gone).max() / after.max()))
        if place and not np.array_equal(share[hour], part.conversion) and share[hour].any():
            raise ValueError(f"the conversions of hour {hour} changed inside it")
        passed[hour] += part.exposure
        share[hour] = part.conversion
        before = after
    price = np.array([bar.close for bar in bars[PER_HOUR - 1 :: PER_HOUR]])
    distances = np.abs(chosen.offsets).mean(axis=0)
    return Ledger(passed=passed, share=share, price=price, distances=distances, residue=residue)


def published(bars: Sequence[Bar], ladders: Sequence[Ladder], arithmetic: Arithmetic = NUMPY) -> Floats:
    """The number of the whole stack as `map` blends it, (n, 2) dollars: every ladder under every guess of entries.

    Args:
        bars: twelve an hour, oldest first.
        ladders: families of classes.
        arithmetic: numpy's or the compiled one.
    """
    venue = VenueMap(ladders, arithmetic=arithmetic)
    found = np.zeros((len(bars) // PER_HOUR, 2))
    for number, bar in enumerate(bars):
        step = venue.take(bar)
        if step is not None:
            found[number // PER_HOUR] += step.expected
    price = np.array([bar.close for bar in bars[PER_HOUR - 1 :: PER_HOUR]])
    usd: Floats = found * price[:, None]
    return usd
