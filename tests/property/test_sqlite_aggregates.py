"""Minutes of liquidations: for all events, in any order, repeated and split anyhow, the sums are those of the set."""

import math
import tempfile
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.store_events import BTC, ETH, MINUTE, liquidation, tick

from perpscope.model.market import Liquidation, PositionSide
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import StoreKind

SYMBOLS = {BTC.id: "BTCUSDT", ETH.id: "ETHUSDT"}

liquidations = st.builds(
    liquidation,
    second=st.integers(-200, 200).map(lambda half: half / 2),
    size=st.floats(1e-6, 1e6),
    price=st.floats(1e-4, 1e6),
    side=st.sampled_from(PositionSide),
    of=st.sampled_from([BTC.id, ETH.id]),
)


def expected(events: list[Liquidation]) -> dict[tuple[str, str, int], tuple[int, float, float]]:
    """Count, size and notional of each symbol, order side and minute, by exact summation."""
    groups: dict[tuple[str, str, int], set[Liquidation]] = defaultdict(set)
    for event in events:
        side = {PositionSide.LONG: "SELL", PositionSide.SHORT: "BUY"}[event.position_side]
        groups[SYMBOLS[event.instrument], side, event.ts_event // MINUTE * MINUTE].add(event)
    return {
        key: (len(group), math.fsum(e.size for e in group), math.fsum(e.size * (e.fill_price or 0) for e in group))
        for key, group in groups.items()
    }


@settings(max_examples=40, deadline=None)
@given(data=st.data(), events=st.lists(liquidations, max_size=40), batch_rows=st.integers(1, 7))
def test_minutes_do_not_depend_on_how_events_come(
    data: st.DataObject, events: list[Liquidation], batch_rows: int
) -> None:
    """Keeps S1-44. Any order, any repetition, any division into batches and runs: the same minutes."""
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
            found = {(row.symbol, row.side, row.ts_start): row for row in reader.aggregates()}
    assert set(found) == set(expected(events))
    for key, (count, size, notional) in expected(events).items():
        row = found[key]
        assert row.event_count == count
        assert math.isclose(row.total_size, size, rel_tol=1e-12)
        assert math.isclose(row.total_notional_usd, notional, rel_tol=1e-12)
        assert math.isclose(row.avg_price, notional / size, rel_tol=1e-12)
