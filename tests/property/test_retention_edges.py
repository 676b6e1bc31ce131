"""Retention at every edge of the calendar: exactly what is older goes, wherever the machine is."""

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from math import isclose
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from perpscope.app.upkeep import duration_ns
from perpscope.model.instrument import Instrument, instrument_id
from perpscope.model.market import (
    Candle,
    Completeness,
    Covered,
    Gap,
    Interval,
    Liquidation,
    MarkPrice,
    PositionSide,
    Sampling,
)
from perpscope.model.stream import Channel, Stream
from perpscope.stores.access import owning
from perpscope.stores.reader import SqliteReader
from perpscope.stores.retention import count_older, sweep
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

SECOND = 1_000_000_000
MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BTC = Instrument(
    id=instrument_id("binance", "BTC", "USDT"), venue="binance", symbol="BTCUSDT", base="BTC", quote="USDT"
)
LIQUIDATIONS = Stream(Channel.LIQUIDATIONS, None)
#: Ends of months, leap days (2100 has none), year's end, and nights on which clocks are put forward and back.
EDGES = [
    datetime(2023, 3, 1, tzinfo=UTC),
    datetime(2024, 2, 29, tzinfo=UTC),
    datetime(2024, 3, 1, tzinfo=UTC),
    datetime(2024, 3, 10, 7, tzinfo=UTC),
    datetime(2024, 3, 31, 1, tzinfo=UTC),
    datetime(2024, 4, 30, tzinfo=UTC),
    datetime(2024, 10, 27, 1, tzinfo=UTC),
    datetime(2025, 1, 1, tzinfo=UTC),
    datetime(2100, 3, 1, tzinfo=UTC),
]
ZONES = ["UTC0", "IST-5:30", "EST5EDT,M3.2.0,M11.1.0", "LHST-10:30LHDT-11,M10.1.0,M4.1.0", "Pacific/Apia"]

instants = st.builds(
    lambda edge, seconds, ns: ns_of(edge + timedelta(seconds=seconds)) + ns,
    st.sampled_from(EDGES),
    st.integers(-7300, 7300),
    st.sampled_from([0, 1, 999_999_999]),
)
offsets = st.one_of(st.sampled_from([-MINUTE, -1, 0, 1, MINUTE]), st.integers(-2 * HOUR, 2 * HOUR))
ages = st.sampled_from(["1h", "12h", "1d", "28d", "29d", "30d", "31d", "52w"])


def ns_of(moment: datetime) -> int:
    """A moment, ns UTC, reckoned in whole seconds."""
    return (moment - EPOCH) // timedelta(seconds=1) * SECOND


def liquidation(ts: int, number: int) -> Liquidation:
    """A liquidation that can be told from others of the same time."""
    side = PositionSide.LONG if number % 2 else PositionSide.SHORT
    size = 0.5 + number
    return Liquidation(BTC.id, ts, ts, side, size, 100.0 + number, None, Completeness.SAMPLED, Sampling.LARGEST_1S)


@contextmanager
def zone(name: str) -> Iterator[None]:
    """The machine stands somewhere else."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()


@contextmanager
def store_of(*events: Liquidation | Candle | MarkPrice | Covered | Gap) -> Iterator[Path]:
    """A store with these events."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "market.db"
        keep(path, *events)
        yield path


def keep(path: Path, *events: Liquidation | Candle | MarkPrice | Covered | Gap) -> None:
    """One run that stores these events."""
    with closing(SqliteStore.open(path, kind=StoreKind.OBSERVED)) as store:
        store.register([BTC])
        for event in events:
            store.sink().accept(event)


def swept(path: Path, cutoff: int, slice_rows: int = 5000) -> int:
    """Take out what is older; says how many rows."""
    with owning(path) as connection:
        expected = count_older(connection, cutoff)
        *_, found = sweep(connection, cutoff, slice_rows=slice_rows)
    assert found.rows["liquidation_events"] == expected.rows["liquidation_events"]
    return found.total


def sums(path: Path, table: str) -> dict[tuple[str, int], tuple[int, float]]:
    """Count and size of each period of a table of sums."""
    with owning(path) as connection:
        rows = connection.execute(f"SELECT side, ts_start, event_count, total_size FROM {table}").fetchall()
    return {(side, start): (count, size) for side, start, count, size in rows}


def reckoned(events: list[Liquidation], period: int) -> dict[tuple[str, int], tuple[int, float]]:
    """The same from the events."""
    found: dict[tuple[str, int], tuple[int, float]] = {}
    for event in events:
        key = ("SELL" if event.position_side is PositionSide.LONG else "BUY", event.ts_event // period * period)
        count, size = found.get(key, (0, 0.0))
        found[key] = (count + 1, size + event.size)
    return found


def assert_sums(path: Path, events: list[Liquidation]) -> None:
    """Minutes and hours are those of the events, and no other."""
    for table, period in (("liquidation_aggregates", MINUTE), ("liquidation_intensity", HOUR)):
        found, expected = sums(path, table), reckoned(events, period)
        assert found.keys() == expected.keys()
        for key, (count, size) in expected.items():
            assert found[key][0] == count
            assert isclose(found[key][1], size, rel_tol=1e-9)


@settings(max_examples=15, deadline=None)
@given(
    now=instants,
    age=ages,
    around=st.lists(offsets, min_size=1, max_size=12),
    slice_rows=st.integers(1, 5),
    where=st.sampled_from(ZONES),
)
def test_exactly_what_is_older_goes(now: int, age: str, around: list[int], slice_rows: int, where: str) -> None:
    """What happened at the instant or later stays, to the nanosecond; sums follow; the machine's zone means nothing.

    A second sweep finds nothing, and what was deleted can come again without being counted twice.
    Keeps S1-07.
    """
    cutoff = now - duration_ns(age)
    events = [liquidation(cutoff + offset, number) for number, offset in enumerate(around)]
    with zone(where), store_of(*events) as path:
        swept(path, cutoff, slice_rows)
        with SqliteReader.open(path) as reader:
            found = reader.liquidations(limit=100)
        stay = [event for event in events if event.ts_event >= cutoff]
        assert sorted(found, key=repr) == sorted(stay, key=repr)
        assert_sums(path, stay)
        assert swept(path, cutoff) == 0
        keep(path, *events)
        assert_sums(path, events)


@settings(max_examples=15, deadline=None)
@given(cutoff=instants, minutes=st.lists(st.integers(-130, 130), min_size=1, max_size=8, unique=True))
def test_a_candle_stays_until_all_of_it_is_older(cutoff: int, minutes: list[int]) -> None:
    """A candle, and the mark price of a minute, go when their whole time lies before the instant."""
    events: list[Candle | MarkPrice] = []
    for interval in Interval:
        opens = {(cutoff + minute * MINUTE) // interval.ns * interval.ns for minute in minutes}
        values = (1.0, 3.0, 0.5, 2.0, 10.0, 20.0, 7, 4.0, 8.0)
        events += [Candle(BTC.id, ts + interval.ns, ts, interval, ts, *values, True) for ts in opens]
    events += [MarkPrice(BTC.id, cutoff + m * MINUTE, cutoff, 5.0, None, None, None) for m in minutes]
    with store_of(*events) as path:
        swept(path, cutoff, 2)
        with SqliteReader.open(path) as reader:
            for interval in Interval:
                found = {candle.ts_open for candle in reader.candles(BTC.id, interval)}
                opens = {event.ts_open for event in events if isinstance(event, Candle) and event.interval is interval}
                assert found == {ts for ts in opens if ts + interval.ns > cutoff}
            kept = {mark.ts_event // MINUTE for mark in reader.marks(BTC.id)}
        marked = {event.ts_event // MINUTE for event in events if isinstance(event, MarkPrice)}
        assert kept == {minute for minute in marked if (minute + 1) * MINUTE > cutoff}


spans = st.tuples(st.integers(-50, 50), st.integers(0, 30), st.booleans())


@settings(max_examples=20, deadline=None)
@given(covered=st.lists(spans, max_size=6), gaps=st.lists(spans, max_size=4), cutoff=st.integers(-40, 40))
def test_coverage_is_cut_at_the_instant(
    covered: list[tuple[int, int, bool]], gaps: list[tuple[int, int, bool]], cutoff: int
) -> None:
    """What was seen or missed at the instant or later stays so; before it nothing is vouched for; the last end stays.

    Whoever still tells of an interval from before is taken to mean the rest of it.
    """
    begin = ns_of(EDGES[1])
    told = [Covered("binance", "c", (LIQUIDATIONS,), begin + a, begin + a + n, o, 0) for a, n, o in covered]
    missed = [Gap("binance", (LIQUIDATIONS,), begin + a, None if o else begin + a + n, "x", 0) for a, n, o in gaps]
    with store_of(*told, *missed) as path:
        with closing(SqliteStore.open(path, kind=StoreKind.OBSERVED)) as store:
            ended = store.last_covered()
        before = spans_of(path)
        swept(path, begin + cutoff)
        for _ in range(2):  # and again when everything was told once more
            after = spans_of(path)
            for kind, edges in before.items():
                expected = {ts for ts in seconds_of(edges, begin) if ts >= cutoff}
                assert seconds_of(after[kind], begin) == expected
            with closing(SqliteStore.open(path, kind=StoreKind.OBSERVED)) as store:
                assert {k: ts for k, (ts, _) in store.last_covered().items()} == {k: ts for k, (ts, _) in ended.items()}
            keep(path, *[event for event in told if event.ts_to > begin + cutoff])


def spans_of(path: Path) -> dict[str, list[tuple[int, int | None]]]:
    """The store's intervals by kind."""
    with SqliteReader.open(path) as reader:
        rows = reader.coverage()
    return {kind: [(r.ts_from, r.ts_to) for r in rows if r.kind == kind] for kind in ("covered", "gap")}


def seconds_of(edges: list[tuple[int, int | None]], begin: int) -> set[int]:
    """Which of the moments after `begin` lie in an interval."""
    return {
        moment
        for moment in range(-60, 100)
        if any(a <= begin + moment and (b is None or begin + moment < b) for a, b in edges)
    }
