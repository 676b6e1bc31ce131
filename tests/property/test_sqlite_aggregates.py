"""Minutes of liquidations: for all events, in any order, repeated and split anyhow, the sums are those of the set."""

import math
import tempfile
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.store_events import BTC, ETH, HOUR, MINUTE, liquidation, tick

from perpscope.model.market import Liquidation, Lpi, PositionSide
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import Aggregate, IntensityHour, StoreKind

SYMBOLS = {BTC.id: "BTCUSDT", ETH.id: "ETHUSDT"}
Key: TypeAlias = tuple[str, str, int]  #: symbol, order side, start


def lpi_of(size: float, side: PositionSide) -> Lpi | None:
    """The LPI of a liquidation, the same however often it comes: none, none yet, or some value."""
    digit = int(math.frexp(size)[0] * 1000) % 10
    if digit < 3:
        return None
    return Lpi(None if digit == 3 else 10.0 * digit + (side is PositionSide.LONG), 1.0, 1.0, 30 * digit)


def spread(seconds: st.SearchStrategy[float]) -> st.SearchStrategy[Liquidation]:
    """Liquidations of both symbols and sides at such times."""
    return st.builds(
        lambda second, size, price, side, of: liquidation(
            second, size, price, side=side, of=of, lpi=lpi_of(size, side)
        ),
        second=seconds,
        size=st.floats(1e-6, 1e6),
        price=st.floats(1e-4, 1e6),
        side=st.sampled_from(PositionSide),
        of=st.sampled_from([BTC.id, ETH.id]),
    )


def grouped(events: list[Liquidation], period_ns: int) -> dict[Key, set[Liquidation]]:
    """The set of events of each symbol, order side and period."""
    groups: dict[Key, set[Liquidation]] = defaultdict(set)
    for event in events:
        side = {PositionSide.LONG: "SELL", PositionSide.SHORT: "BUY"}[event.position_side]
        groups[SYMBOLS[event.instrument], side, event.ts_event // period_ns * period_ns].add(event)
    return groups


def check_sums(found: dict[Key, Aggregate] | dict[Key, IntensityHour], groups: dict[Key, set[Liquidation]]) -> None:
    """Each row is the exact sum of its events, averages weighted as they should be."""
    assert set(found) == set(groups)
    for key, group in groups.items():
        row = found[key]
        size = math.fsum(event.size for event in group)
        notional = math.fsum(event.notional_usd for event in group)
        ranked = [(event.notional_usd, event.lpi.value) for event in group if event.lpi and event.lpi.value is not None]
        assert (row.event_count, row.lpi_count) == (len(group), len(ranked))
        assert math.isclose(row.total_size, size, rel_tol=1e-12)
        assert math.isclose(row.total_notional_usd or 0.0, notional, rel_tol=1e-12)
        assert math.isclose(row.avg_price or 0.0, notional / size, rel_tol=1e-12)
        assert (row.avg_lpi is None) == (row.mean_lpi is None) == (not ranked)
        if row.avg_lpi is not None and row.mean_lpi is not None:
            weighted = math.fsum(n * value for n, value in ranked) / math.fsum(n for n, _ in ranked)
            assert math.isclose(row.avg_lpi, weighted, rel_tol=1e-9)
            assert math.isclose(row.mean_lpi, math.fsum(value for _, value in ranked) / len(ranked), rel_tol=1e-9)


def check_ranks(found: dict[Key, IntensityHour]) -> None:
    """Each hour's percentile, counted over the hours of its symbol and side in the thirty days before."""
    for (symbol, side, ts_start), row in found.items():
        before = [
            other.total_notional_usd or 0.0
            for key, other in found.items()
            if key[:2] == (symbol, side) and ts_start - 720 * HOUR <= key[2] < ts_start
        ]
        assert row.hours_known == len(before)
        assert (row.intensity is None) == (len(before) < 24)
        if row.intensity is not None:
            own = row.total_notional_usd or 0.0
            counted = sum((other < own) + 0.5 * (other == own) for other in before)
            assert math.isclose(row.intensity, 100.0 * counted / len(before), rel_tol=1e-12, abs_tol=1e-12)


def stored(
    data: st.DataObject, events: list[Liquidation], batch_rows: int
) -> tuple[dict[Key, Aggregate], dict[Key, IntensityHour]]:
    """Minutes and hours after the events came in some order, some of them again, in some batches and two runs."""
    repeated = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events))) if events else events))
    cut = data.draw(st.integers(0, len(repeated)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "market.db"
        for run in (repeated[:cut], repeated[cut:]):
            with closing(SqliteStore.open(path, kind=StoreKind.OBSERVED, batch_rows=batch_rows)) as store:
                store.register([BTC, ETH])
                for number, event in enumerate(run):
                    store.sink().accept(event)
                    if data.draw(st.booleans()):
                        store.sink().accept(tick(number))
        with SqliteReader.open(path) as reader:
            minutes = {(row.symbol, row.side, row.ts_start): row for row in reader.aggregates()}
            return minutes, {(row.symbol, row.side, row.ts_start): row for row in reader.intensity()}


@settings(max_examples=40, deadline=None)
@given(
    data=st.data(),
    events=st.lists(spread(st.integers(-200, 200).map(lambda half: half / 2)), max_size=40),
    batch_rows=st.integers(1, 7),
)
def test_minutes_do_not_depend_on_how_events_come(
    data: st.DataObject, events: list[Liquidation], batch_rows: int
) -> None:
    """Keeps S1-44. Any order, any repetition, any division into batches and runs: the same minutes."""
    minutes, _ = stored(data, events, batch_rows)
    check_sums(minutes, grouped(events, MINUTE))


@settings(max_examples=40, deadline=None)
@given(
    data=st.data(),
    hours=st.lists(st.integers(0, 40), max_size=40),
    far=st.lists(spread(st.floats(-3e6, 6e6)), max_size=4),
    batch_rows=st.integers(1, 20),
)
def test_hours_do_not_depend_on_how_events_come(
    data: st.DataObject, hours: list[int], far: list[Liquidation], batch_rows: int
) -> None:
    """Keeps S1-45. The same of hours and of their ranks, also of those that look back on what came late."""
    sizes = data.draw(st.lists(st.integers(1, 9).map(float), min_size=70, max_size=70))
    events = [liquidation(3600.0 * hour + number, sizes[number]) for number, hour in enumerate([*range(30), *hours])]
    _, found = stored(data, [*events, *far], batch_rows)
    check_sums(found, grouped([*events, *far], HOUR))
    check_ranks(found)
