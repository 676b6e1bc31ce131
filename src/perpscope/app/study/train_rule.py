"""What acting on probabilities would earn: the rule of METHOD 11.3, chosen on calibration rows, judged on others.

A trade is taken where its expected net return is above 3 bp and its probability at least `p_min`; one at a time in each
market, held until a barrier or the horizon ends it. Returns are net of all costs and summed by day, in equal notionals.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.features.scaling import DAY_NS
from perpscope.analytics.features.told import MINUTE_NS
from perpscope.analytics.margin_arrays import Floats
from perpscope.app.study.train_folds import Places
from perpscope.app.study.train_rows import Rows

#: Least expected net return, fraction.
EDGE_MIN: Final = 0.0003
#: Thresholds that are tried: shares of the calibration's probabilities below them.
SHARES: Final = (0.5, 0.8, 0.9, 0.95, 0.99)
#: No probability: never act.
NEVER: Final = 1.1


class Payoffs(msgspec.Struct, frozen=True):
    """Mean net returns of a side's trades, fractions: of those that brought a gain, and of the others."""

    gain: float
    rest: float

    def expected(self, p: Floats) -> Floats:
        """(n,) Expected net return by probability."""
        found: Floats = p * self.gain + (1.0 - p) * self.rest
        return found


class Trades(msgspec.Struct, frozen=True):
    """What a rule did."""

    at: Places  #: rows
    net: Floats  #: fraction of notional


def payoffs(rows: Rows, places: Places, side: int) -> Payoffs:
    """Of the trades that calibrate; where none brought a gain, its mean is 0."""
    net, was = (rows.long, rows.short)[side][places], rows.was(side)[places]
    gains, others = net[was], net[~was]
    return Payoffs(float(gains.mean()) if gains.size else 0.0, float(others.mean()) if others.size else 0.0)


def thresholds(said: Floats) -> list[float]:
    """Least probabilities that are tried, by what was said of the rows that calibrate, (n, 2)."""
    return [float(np.quantile(said.max(axis=1), share)) for share in SHARES]


def acted(rows: Rows, places: Places, said: Floats, at: tuple[Payoffs, Payoffs], p_min: float) -> Trades:
    """The trades of a rule.

    Args:
        rows: all.
        places: (m,) rows asked about, in order of time.
        said: (m, 2) probabilities.
        at: payoffs of longs and of shorts.
        p_min: least probability.
    """
    expected = np.column_stack([at[side].expected(said[:, side]) for side in range(2)])
    better = expected.argmax(axis=1)
    row = np.arange(places.size)
    wanted = np.flatnonzero((expected[row, better] > EDGE_MIN) & (said[row, better] >= p_min))
    free: dict[int, int] = {}
    taken, net = [], []
    for one in wanted.tolist():
        place = int(places[one])
        market, ts = int(rows.market[place]), int(rows.ts[place])
        if ts >= free.get(market, 0):
            free[market] = ts + (int(rows.life[place]) + 1) * MINUTE_NS
            taken.append(place)
            net.append(float((rows.long, rows.short)[int(better[one])][place]))
    return Trades(np.array(taken, np.int64), np.array(net))


def chosen(rows: Rows, places: Places, said: Floats, at: tuple[Payoffs, Payoffs]) -> float:
    """The threshold that earned most on the rows that calibrate; `NEVER` where none earned anything."""
    tried = [(float(acted(rows, places, said, at, p_min).net.sum()), p_min) for p_min in thresholds(said)]
    best, p_min = max(tried, default=(0.0, NEVER))
    return p_min if best > 0.0 else NEVER


def daily(rows: Rows, trades: Trades, days: NDArray[np.int64]) -> Floats:
    """(days,) Net returns by day."""
    found = np.zeros(days.size)
    np.add.at(found, np.searchsorted(days, (rows.ts[trades.at] - 1) // DAY_NS), trades.net)
    return found
