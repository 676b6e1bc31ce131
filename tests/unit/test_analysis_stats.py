"""Statistics of liquidations against the same sums in plain Python."""

import math
import random
import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from tests.contract.store_events import BTC, NOON

from perpscope.analytics.liquidation_figures import SideFigures
from perpscope.analytics.liquidation_stats import (
    HOUR_MS,
    analyse,
    columns,
    even_edges,
    inter_arrival,
    largest,
    log_edges,
    step_h,
)
from perpscope.analytics.watching import watched_spans
from perpscope.model.market import Completeness, Liquidation, Lpi, PositionSide, Sampling

NOON_MS = NOON // 1_000_000
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def event(
    minute: float,
    size: float = 1.0,
    price: float = 100.0,
    side: PositionSide = LONG,
    *,
    lpi: float | None = None,
    completeness: Completeness = Completeness.SAMPLED,
) -> Liquidation:
    """A liquidation some minutes after noon."""
    ts = NOON + round(minute * 60e9)
    rank = None if lpi is None else Lpi(lpi, 1.0, price, 100)
    return Liquidation(BTC.id, ts, ts, side, size, price, None, completeness, Sampling.UNKNOWN, rank)


def session(seed: int, n: int = 400, hours: float = 30.0) -> list[Liquidation]:
    """A made-up session, in no order."""
    dice = random.Random(seed)
    return [
        event(
            dice.random() * hours * 60,
            round(math.exp(dice.gauss(0, 1.5)), 3) + 0.001,
            round(100 * math.exp(dice.gauss(0, 0.01)), 2),
            dice.choice((LONG, SHORT)),
            lpi=dice.random() * 100 if dice.random() < 0.7 else None,
        )
        for _ in range(n)
    ]


def inside(events: Sequence[Liquidation], from_ms: int, to_ms: int) -> list[Liquidation]:
    """Those within a span of time."""
    return [e for e in events if from_ms <= e.ts_event // 1_000_000 < to_ms]


def of_side(events: Sequence[Liquidation], side: PositionSide) -> list[Liquidation]:
    """Those of one side."""
    return [e for e in events if e.position_side is side]


def plain(events: Sequence[Liquidation]) -> dict[str, float | int | None]:
    """The figures of some events by sums in plain Python."""
    sizes = [e.size for e in events]
    ranked = [(e.size * e.price, e.lpi.value) for e in events if e.lpi is not None and e.lpi.value is not None]
    return {
        "events": len(events),
        "size": math.fsum(sizes),
        "notional_usd": math.fsum(e.size * e.price for e in events),
        "mean_size": statistics.fmean(sizes) if sizes else None,
        "median_size": statistics.median(sizes) if sizes else None,
        "max_size": max(sizes, default=None),
        "mean_price": math.fsum(e.size * e.price for e in events) / math.fsum(sizes) if sizes else None,
        "mean_lpi": math.fsum(w * v for w, v in ranked) / math.fsum(w for w, _ in ranked) if ranked else None,
        "lpi_events": len(ranked),
    }


def assert_same(found: SideFigures, events: Sequence[Liquidation]) -> None:
    """The figures are those of these events."""
    for name, value in plain(events).items():
        assert getattr(found, name) == (None if value is None else pytest.approx(value)), name


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_trends_are_the_sums_of_each_hour(seed: int) -> None:
    """Volume, events, mean price and mean LPI of every hour, and its change of price. Keeps S1-10, S0-27."""
    events = session(seed)
    start, end = NOON_MS + 17 * 60_000, NOON_MS + 29 * HOUR_MS + 5
    found = analyse(events, start, end, watched_spans([], [], start, end)).trends
    assert found.step_h == 1
    assert [b.from_ms for b in found.buckets] == [start, *range(NOON_MS + HOUR_MS, end, HOUR_MS)]
    assert [b.to_ms for b in found.buckets] == [*(b.from_ms for b in found.buckets[1:]), end]
    price = None
    for bucket in found.buckets:
        here = inside(events, bucket.from_ms, bucket.to_ms)
        assert_same(bucket.long, of_side(here, LONG))
        assert_same(bucket.short, of_side(here, SHORT))
        whole = plain(here)
        assert bucket.mean_price == pytest.approx(whole["mean_price"])
        assert bucket.mean_lpi == pytest.approx(whole["mean_lpi"])
        if price is not None and bucket.mean_price is not None:
            assert bucket.price_change == pytest.approx(bucket.mean_price / price - 1)
        price = bucket.mean_price
    ordered = sorted(inside(events, start, end), key=lambda e: e.ts_event)
    assert found.price_change == pytest.approx(ordered[-1].price / ordered[0].price - 1)


def test_hours_without_events_have_no_price() -> None:
    """A price changes against the last hour that had one; a quiet hour has null, not zero."""
    events = [event(10, price=100.0), event(130, price=110.0)]
    end = NOON_MS + 3 * HOUR_MS
    found = analyse(events, NOON_MS, end, watched_spans([(NOON_MS, NOON_MS + HOUR_MS)], [], NOON_MS, end))
    first, quiet, last = found.trends.buckets
    assert (first.price_change, quiet.mean_price, quiet.price_change) == (None, None, None)
    assert last.price_change == pytest.approx(0.1)
    assert (first.covered, quiet.covered, last.covered) == (1.0, None, None)
    assert (quiet.long.mean_lpi, quiet.long.price_quartiles, quiet.long.max_size) == (None, None, None)


@pytest.mark.parametrize("seed", [4, 5])
def test_intensity_is_the_sum_of_each_side(seed: int) -> None:
    """Totals, counts, mean, median and largest size, mean price and LPI of longs, shorts and both. Keeps S1-11."""
    events = session(seed)
    end = NOON_MS + 30 * HOUR_MS
    found = analyse(events, NOON_MS, end, watched_spans([(NOON_MS, end)], [], NOON_MS, end)).intensity
    assert_same(found.long, of_side(events, LONG))
    assert_same(found.short, of_side(events, SHORT))
    assert_same(found.both, events)
    assert found.covered == 1.0
    prices = sorted(e.price for e in of_side(events, LONG))
    assert found.long.price_quartiles is not None
    first, third = found.long.price_quartiles
    assert [first, third] == pytest.approx(statistics.quantiles(prices, n=4, method="inclusive")[::2])


@pytest.mark.parametrize("seed", [6, 7])
def test_histograms_count_every_event_once(seed: int) -> None:
    """Each bin of size, price and LPI holds the events between its edges. Keeps S1-12."""
    events = session(seed)
    end = NOON_MS + 30 * HOUR_MS
    found = analyse(events, NOON_MS, end, watched_spans([], [], NOON_MS, end)).distribution
    values: list[tuple[str, Callable[[Liquidation], float | None]]] = [
        ("size", lambda e: e.size),
        ("price", lambda e: e.price),
        ("lpi", lambda e: None if e.lpi is None else e.lpi.value),
    ]
    for name, value in values:
        histogram = getattr(found, name)
        last = histogram.edges[-1]
        for side, counts in ((LONG, histogram.long), (SHORT, histogram.short)):
            known = [v for e in of_side(events, side) if (v := value(e)) is not None]
            bins = [sum(a <= v < b or v == b == last for v in known) for a, b in pairwise(histogram.edges)]
            assert counts == bins, name
        assert sum(histogram.long) + sum(histogram.short) == histogram.events
    assert found.lpi.edges == pytest.approx(range(0, 101, 10))
    ratios = [b / a for a, b in pairwise(found.size.edges)]
    assert ratios == pytest.approx([ratios[0]] * len(ratios))


def test_boxes_are_tukeys() -> None:
    """Quartiles, whiskers within 1.5 boxes and what lies beyond, for each hour of the day over two days."""
    sizes = [1.0, 2.0, 3.0, 4.0, 100.0]
    events = [event(5 + 24 * 60 * (i % 2), size) for i, size in enumerate(sizes)] + [event(65, 7.0)]
    end = NOON_MS + 25 * HOUR_MS
    spans = watched_spans([(NOON_MS, NOON_MS + HOUR_MS)], [(NOON_MS + HOUR_MS, end)], NOON_MS, end)
    noon, one = analyse(events, NOON_MS, end, spans).distribution.size_by_hour
    assert (noon.hour, noon.events, noon.q1, noon.median, noon.q3) == (12, 5, 2.0, 3.0, 4.0)
    assert (noon.low, noon.high, noon.outliers, noon.max_size) == (1.0, 4.0, 1, 100.0)
    assert noon.covered == 0.5
    assert (one.hour, one.low, one.median, one.high, one.outliers, one.covered) == (13, 7.0, 7.0, 7.0, 0, 0.0)


def test_waits_and_the_largest() -> None:
    """Seconds between events, and the largest by dollars, of equals the earliest first."""
    events = [event(3, 2.0, 50.0), event(0, 1.0, 100.0, SHORT, lpi=9.0), event(1, 5.0, 100.0)]
    waits = inter_arrival(columns(events), 0.5)
    assert (waits.intervals, waits.mean_s, waits.median_s, waits.max_s, waits.covered) == (2, 90.0, 90.0, 120.0, 0.5)
    assert waits.p90_s == pytest.approx(60 + 0.9 * 60)
    first, second, third = largest(columns(events))
    assert (first.notional_usd, first.side, first.lpi) == (500.0, "long", None)
    assert (second.time_ms, second.side, second.lpi) == (NOON_MS, "short", 9.0)
    assert third.time_ms == NOON_MS + 180_000
    assert len(largest(columns(session(1)))) == 10


def test_one_event_is_an_analysis() -> None:
    """A window with one event has figures, no change of price and no waits."""
    found = analyse([event(0, 2.0)], NOON_MS, NOON_MS + 1, watched_spans([], [], NOON_MS, NOON_MS + 1))
    assert (found.events, found.trends.price_change, found.inter_arrival.intervals) == (1, None, 0)
    assert (sum(found.distribution.size.long), len(found.distribution.size.edges)) == (1, 2)
    assert found.coverage.covered is None


def test_no_event_is_an_analysis_too() -> None:
    """Nothing in the window gives nulls and empty histograms, not an exception."""
    end = NOON_MS + HOUR_MS
    found = analyse([event(-5), event(60)], NOON_MS, end, watched_spans([], [], NOON_MS, end))
    assert (found.events, found.intensity.both.mean_price, found.distribution.size.edges) == (0, None, [])
    assert found.completeness is Completeness.COMPLETE
    assert (found.largest, found.distribution.size_by_hour, found.distribution.lpi.events) == ([], [], 0)


@pytest.mark.parametrize(
    ("kinds", "least"),
    [
        ((Completeness.COMPLETE,), Completeness.COMPLETE),
        ((Completeness.COMPLETE, Completeness.WATCHLIST), Completeness.WATCHLIST),
        ((Completeness.SAMPLED, Completeness.WATCHLIST), Completeness.SAMPLED),
    ],
)
def test_the_least_complete_event_decides(kinds: tuple[Completeness, ...], least: Completeness) -> None:
    """One sampled event makes every total a floor."""
    events = [event(i, completeness=kind) for i, kind in enumerate(kinds)]
    found = analyse(events, NOON_MS, NOON_MS + HOUR_MS, watched_spans([], [], NOON_MS, NOON_MS + HOUR_MS))
    assert found.completeness is least


def test_edges_of_odd_values() -> None:
    """Equal values, zeros, and more spread than quartiles show still give bins that hold them all."""
    of_size = [event(0, size) for size in (5.0, 5.0)]
    assert len(even_edges(columns(of_size).size)) == 2
    assert list(log_edges(columns([event(0, 0.0)]).size)) == [0.0, 1.0]
    edges = log_edges(columns([event(0, 0.0), event(0, 1.0), event(0, 9.0)]).size)
    assert (edges[0], edges[-1]) == (0.0, 9.0)
    flat = columns([event(0, size) for size in (1.0, *[2.0] * 9, 90.0)])
    assert len(even_edges(flat.size)) == 41
    assert len(even_edges(columns([event(0, 0.0), event(0, 0.0)]).size)) == 2


def test_long_windows_have_longer_steps() -> None:
    """A year is not drawn as 8,760 columns."""
    assert [step_h(0, hours * HOUR_MS) for hours in (1, 240, 241, 1441, 8760)] == [1, 1, 6, 24, 168]
    end = NOON_MS + 300 * HOUR_MS
    found = analyse([event(1)], NOON_MS, end, watched_spans([], [], NOON_MS, end)).trends
    assert found.step_h == 6
    assert len(found.buckets) == 50
