"""Statistics of liquidations: by hour, by side, by size, price and LPI, between events, and the largest.

Events and what was watched come in, records of `liquidation_figures` go out. What a venue publishes is a floor of
what happened: nothing here is scaled up.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.liquidation_figures import (
    Analysis,
    Box,
    Bucket,
    Coverage,
    Distribution,
    Histogram,
    Intensity,
    InterArrival,
    Largest,
    SideFigures,
    Span,
    Trends,
)
from perpscope.analytics.watching import Interval, covered_share
from perpscope.model.market import Completeness, Liquidation, PositionSide

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

HOUR_MS = 3_600_000
LARGEST = 10  #: how many of the largest events are listed
LPI_BINS = 10  #: of ten points each
MOST_BINS = 40  #: chosen by hand: bars stay wide enough to point at
#: Up to so many hours one bucket is an hour, then six, then a day, then a week: about 250 buckets can be told apart.
_STEPS_H = ((240, 1), (1440, 6), (6000, 24))
_LONGEST_STEP_H = 168
#: From the feed that tells most to the one that tells least.
_LEAST_LAST = (Completeness.COMPLETE, Completeness.WATCHLIST, Completeness.SAMPLED)


class Columns(msgspec.Struct, frozen=True):
    """Events as arrays of one length, oldest first."""

    ts_ms: NDArray[np.int64]  #: (n,) ms UTC
    is_long: Flags  #: (n,) a long was liquidated
    size: Floats  #: (n,) base units
    price: Floats  #: (n,) quote per base
    lpi: Floats  #: (n,) 0–100, NaN where there is none

    @property
    def notional(self) -> Floats:
        """(n,) US dollars."""
        return self.size * self.price

    def only(self, which: Flags) -> "Columns":
        """The events that are flagged."""
        return Columns(self.ts_ms[which], self.is_long[which], self.size[which], self.price[which], self.lpi[which])


def columns(events: Sequence[Liquidation]) -> Columns:
    """Arrays of events, put in order of time."""
    ordered = sorted(events, key=lambda event: event.ts_event)
    return Columns(
        np.array([event.ts_event // 1_000_000 for event in ordered], np.int64),
        np.array([event.position_side is PositionSide.LONG for event in ordered], np.bool_),
        np.array([event.size for event in ordered], np.float64),
        np.array([event.price for event in ordered], np.float64),
        np.array([_lpi(event) for event in ordered], np.float64),
    )


def _lpi(event: Liquidation) -> float:
    return event.lpi.value if event.lpi is not None and event.lpi.value is not None else float("nan")


def analyse(events: Sequence[Liquidation], from_ms: int, to_ms: int, spans: list[Span]) -> Analysis:
    """Everything about one instrument's liquidations in a window.

    Args:
        events: its liquidations; those outside the window are left out.
        from_ms: start of the window, ms UTC.
        to_ms: its end, not included, > `from_ms`.
        spans: the window as `watching.watched_spans` cuts it.
    """
    inside = [event for event in events if from_ms <= event.ts_event // 1_000_000 < to_ms]
    data = columns(inside)
    return Analysis(
        from_ms,
        to_ms,
        len(inside),
        max((event.completeness for event in inside), key=_LEAST_LAST.index, default=Completeness.COMPLETE),
        Coverage(covered_share(spans, (from_ms, to_ms)), spans),
        trends(data, from_ms, to_ms, spans),
        intensity(data, covered_share(spans, (from_ms, to_ms))),
        distribution(data, from_ms, to_ms, spans),
        inter_arrival(data, covered_share(spans, (from_ms, to_ms))),
        largest(data),
    )


def side_figures(data: Columns) -> SideFigures:
    """Totals and averages of some events."""
    n = len(data.size)
    size, notional = float(data.size.sum()), data.notional
    has_lpi = ~np.isnan(data.lpi)
    quartiles = np.quantile(data.price, [0.25, 0.75]) if n else None
    return SideFigures(
        events=n,
        size=size,
        notional_usd=float(notional.sum()),
        mean_size=float(data.size.mean()) if n else None,
        median_size=float(np.median(data.size)) if n else None,
        max_size=float(data.size.max()) if n else None,
        mean_price=_weighted(data.price, data.size),
        price_quartiles=None if quartiles is None else (float(quartiles[0]), float(quartiles[1])),
        mean_lpi=_weighted(data.lpi[has_lpi], notional[has_lpi]),
        lpi_events=int(has_lpi.sum()),
    )


def _weighted(values: Floats, weights: Floats) -> float | None:
    """Σ w v / Σ w; None without weight."""
    whole = float(weights.sum())
    return float((values * weights).sum() / whole) if whole > 0 else None


def step_h(from_ms: int, to_ms: int) -> int:
    """Length of a bucket, hours: one up to ten days, then longer.

    >>> [step_h(0, hours * HOUR_MS) for hours in (24, 240, 241, 6000, 6001)]
    [1, 1, 6, 24, 168]
    """
    hours = (to_ms - from_ms) / HOUR_MS
    return next((step for longest, step in _STEPS_H if hours <= longest), _LONGEST_STEP_H)


def trends(data: Columns, from_ms: int, to_ms: int, spans: list[Span]) -> Trends:
    """Hour by hour; the first and the last bucket are as long as the window has of them."""
    step = step_h(from_ms, to_ms)
    length = step * HOUR_MS
    edges = [from_ms, *range((from_ms // length + 1) * length, to_ms, length), to_ms]
    buckets: list[Bucket] = []
    last_price: float | None = None
    for start, end in pairwise(edges):
        at, after = np.searchsorted(data.ts_ms, [start, end])
        of_bucket = np.zeros(len(data.ts_ms), np.bool_)
        of_bucket[at:after] = True
        both = side_figures(data.only(of_bucket))
        change = both.mean_price / last_price - 1.0 if both.mean_price is not None and last_price else None
        last_price = both.mean_price if both.mean_price is not None else last_price
        buckets.append(
            Bucket(
                start,
                end,
                covered_share(spans, (start, end)),
                side_figures(data.only(of_bucket & data.is_long)),
                side_figures(data.only(of_bucket & ~data.is_long)),
                both.mean_price,
                change,
                both.mean_lpi,
            )
        )
    prices = data.price
    return Trends(step, float(prices[-1] / prices[0]) - 1.0 if len(prices) > 1 else None, buckets)


def intensity(data: Columns, covered: float | None) -> Intensity:
    """Side by side."""
    return Intensity(
        covered, side_figures(data.only(data.is_long)), side_figures(data.only(~data.is_long)), side_figures(data)
    )


def distribution(data: Columns, from_ms: int, to_ms: int, spans: list[Span]) -> Distribution:
    """Histograms of size (bins of equal ratio), price and LPI, and the sizes of each hour of the day."""
    covered = covered_share(spans, (from_ms, to_ms))
    with_lpi = data.only(~np.isnan(data.lpi))
    return Distribution(
        size=_histogram(data, data.size, log_edges(data.size), covered, is_log=True),
        price=_histogram(data, data.price, even_edges(data.price), covered, is_log=False),
        lpi=_histogram(with_lpi, with_lpi.lpi, np.linspace(0.0, 100.0, LPI_BINS + 1), covered, is_log=False),
        size_by_hour=_boxes(data, from_ms, to_ms, spans),
    )


def _histogram(data: Columns, values: Floats, edges: Floats, covered: float | None, *, is_log: bool) -> Histogram:
    """Count each side; without events there are no edges."""
    if not len(values):
        return Histogram(covered, 0, [], is_log, [], [])
    long, short = (np.histogram(values[side], edges)[0].tolist() for side in (data.is_long, ~data.is_long))
    return Histogram(covered, len(values), edges.tolist(), is_log, long, short)


def even_edges(values: Floats) -> Floats:
    """Edges of bins of one width: as many as Freedman and Diaconis (1981) advise, 5 to 40."""
    if not len(values):
        return np.empty(0)
    low, high = float(values.min()), float(values.max())
    if low == high:  # one bin, a thousandth wide
        half = abs(low) / 2000 or 0.5
        return np.array([low - half, high + half])
    q1, q3 = np.quantile(values, [0.25, 0.75])
    width = 2.0 * float(q3 - q1) / len(values) ** (1 / 3)
    bins = MOST_BINS if width <= 0 else min(MOST_BINS, max(5, round((high - low) / width)))
    return np.linspace(low, high, bins + 1)


def log_edges(values: Floats) -> Floats:
    """Edges of bins of one ratio around positive values; zero sizes are counted in the lowest bin."""
    positive = values[values > 0]
    if not len(positive):
        return np.array([0.0, 1.0]) if len(values) else np.empty(0)
    edges: Floats = np.exp(even_edges(np.log(positive)))
    if len(edges) > 2:  # exp(log(x)) is not quite x
        edges[0], edges[-1] = values.min(), values.max()
    edges[0] = min(edges[0], values.min())
    return edges


def _boxes(data: Columns, from_ms: int, to_ms: int, spans: list[Span]) -> list[Box]:
    """Five numbers of the sizes in each hour of the day that has events."""
    hours = data.ts_ms // HOUR_MS % 24
    boxes = []
    for hour in np.unique(hours).tolist():
        size = data.size[hours == hour]
        q1, median, q3 = (float(q) for q in np.quantile(size, [0.25, 0.5, 0.75]))
        reach = 1.5 * (q3 - q1)
        inside = size[(size >= q1 - reach) & (size <= q3 + reach)]
        covered = covered_share(spans, *_hours_of_day(hour, from_ms, to_ms))
        low, high = float(inside.min()), float(inside.max())
        boxes.append(
            Box(hour, covered, len(size), low, q1, median, q3, high, len(size) - len(inside), float(size.max()))
        )
    return boxes


def _hours_of_day(hour: int, from_ms: int, to_ms: int) -> list[Interval]:
    """The parts of a window that lie in one hour of the day."""
    days = range(from_ms // (24 * HOUR_MS), to_ms // (24 * HOUR_MS) + 1)
    starts = ((day * 24 + hour) * HOUR_MS for day in days)
    parts = [(max(start, from_ms), min(start + HOUR_MS, to_ms)) for start in starts]
    return [(start, end) for start, end in parts if start < end]


def inter_arrival(data: Columns, covered: float | None) -> InterArrival:
    """Seconds between one event and the next."""
    waits = np.diff(data.ts_ms) / 1000.0
    if not len(waits):
        return InterArrival(covered, 0, None, None, None, None)
    return InterArrival(
        covered,
        len(waits),
        float(waits.mean()),
        float(np.median(waits)),
        float(np.quantile(waits, 0.9)),
        float(waits.max()),
    )


def largest(data: Columns, n: int = LARGEST) -> list[Largest]:
    """The largest events by notional; of equals the earliest first."""
    order = np.argsort(-data.notional, kind="stable")[:n]
    return [
        Largest(
            int(data.ts_ms[i]),
            "long" if data.is_long[i] else "short",
            float(data.size[i]),
            float(data.price[i]),
            float(data.notional[i]),
            None if np.isnan(data.lpi[i]) else float(data.lpi[i]),
        )
        for i in order
    ]
