"""What every store owes, as numbered cards. An engine is plugged in by its module; see `docs/add-a-store.md`.

A card takes a `Plug` (how to open the engine at one fresh location) and asserts through the reader only, so that
nothing here knows of files, tables or SQL.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from typing import Protocol, TypeAlias, TypeVar

import msgspec
import pytest
from tests.contract.store_events import (
    BOTH,
    BTC,
    ETH,
    HOUR,
    KPEPE,
    LIQUIDATIONS,
    MINUTE,
    NOON,
    TIERS,
    at,
    candle,
    contract,
    covered,
    filled,
    funding,
    gap,
    heart,
    liquidation,
    mark,
    open_interest,
    position,
    ratio,
    taker_volume,
    tick,
)

from perpscope.errors import StoreError
from perpscope.model.instrument import Instrument, InstrumentId, MarginTier
from perpscope.model.market import (
    AccountRatio,
    Alive,
    BookDelta,
    BookSnapshot,
    Candle,
    Completeness,
    Connected,
    Disconnected,
    FundingPaid,
    Interval,
    Liquidation,
    Lpi,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    PositionSide,
    PublicPosition,
    Quote,
    RatioKind,
    Side,
    Source,
    Subscribed,
    TakerVolume,
    Trade,
    Unheard,
)
from perpscope.model.stream import Channel, Stream
from perpscope.ports import Sink
from perpscope.stores.listings import InstrumentVersion, TierVersion
from perpscope.stores.status import (
    Aggregate,
    CoverageRow,
    EventCounts,
    FeedState,
    FeedStatus,
    HeartStatus,
    IntensityHour,
    StoreKind,
    Trouble,
    VenueCoverage,
)

E = TypeVar("E", bound=msgspec.Struct)


class StoreWriter(Protocol):
    """What an engine's `open_writer` returns."""

    @property
    def dropped(self) -> int: ...
    @property
    def pending_rows(self) -> int: ...
    @property
    def trouble(self) -> Trouble | None: ...
    @property
    def committed(self) -> int | None: ...
    def sink(self) -> Sink: ...
    def backfill_sink(self) -> Sink: ...
    def register(self, instruments: Iterable[Instrument], ts_from: int | None = None) -> None: ...
    def register_tiers(
        self, tiers: Mapping[InstrumentId, Sequence[MarginTier]], *, source: str, ts_from: int
    ) -> None: ...
    def report(self, feeds: Sequence[FeedStatus], heart: HeartStatus) -> None: ...
    def last_covered(self) -> dict[tuple[str, Stream], tuple[int, str]]: ...
    def check(self) -> None: ...
    def flush(self) -> None: ...
    async def aflush(self) -> None: ...
    def rebuild_aggregates(self, ts_from: int, ts_to: int) -> None: ...
    def close(self) -> None: ...


class StoreReader(Protocol):
    """What an engine's `open_reader` returns."""

    @property
    def kind(self) -> StoreKind: ...
    @property
    def bytes(self) -> int: ...
    def counts(self, now_ns: int) -> EventCounts: ...
    def feeds(self) -> list[FeedStatus]: ...
    def heart(self) -> HeartStatus | None: ...
    def liquidations(
        self, symbol: str | None = None, since_ns: int | None = None, limit: int = 1000
    ) -> list[Liquidation]: ...
    def lpi_history(self, ts_to: int) -> Iterator[Liquidation]: ...
    def aggregates(
        self, symbol: str | None = None, since_ns: int | None = None, limit: int = 1000
    ) -> list[Aggregate]: ...
    def intensity(
        self, symbol: str | None = None, since_ns: int | None = None, limit: int = 1000
    ) -> list[IntensityHour]: ...
    def candles(
        self, instrument: InstrumentId, interval: Interval, since_ns: int | None = None, limit: int = 1000
    ) -> list[Candle]: ...
    def marks(self, instrument: InstrumentId, since_ns: int | None = None, limit: int = 1000) -> list[MarkPrice]: ...
    def open_interest(
        self,
        venue: str | None = None,
        symbol: str | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        limit: int = 1000,
    ) -> list[OpenInterest]: ...
    def long_short_ratio(
        self,
        venue: str | None = None,
        symbol: str | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        limit: int = 1000,
    ) -> list[AccountRatio]: ...
    def taker_volume(
        self,
        venue: str | None = None,
        symbol: str | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        limit: int = 1000,
    ) -> list[TakerVolume]: ...
    def public_positions(
        self, venue: str | None = None, symbol: str | None = None, limit: int = 1000
    ) -> list[PublicPosition]: ...
    def position_history(
        self, account: str, since_ns: int | None = None, until_ns: int | None = None, limit: int = 1000
    ) -> list[PublicPosition]: ...
    def instruments(self, venue: str | None = None) -> list[Instrument]: ...
    def instrument_versions(self, instrument: InstrumentId) -> list[InstrumentVersion]: ...
    def margin_tiers(self, instrument: InstrumentId) -> list[TierVersion]: ...
    def funding_rates(
        self,
        venue: str | None = None,
        symbol: str | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        limit: int = 1000,
    ) -> list[FundingPaid]: ...
    def coverage(
        self,
        venue: str | None = None,
        kind: str | None = None,
        channel: Channel | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> list[CoverageRow]: ...
    def close(self) -> None: ...


class Plug:
    """One engine at one fresh location."""

    def __init__(self, open_writer: Callable[[StoreKind], StoreWriter], open_reader: Callable[[], StoreReader]) -> None:
        self.open_writer = open_writer
        self.open_reader = open_reader

    def write(self, *events: MarketEvent, kind: StoreKind = StoreKind.OBSERVED) -> None:
        """One run: open, accept, close."""
        with closing(self.open_writer(kind)) as store:
            store.register([BTC, ETH])
            for event in events:
                store.sink().accept(event)


Card: TypeAlias = Callable[[Plug], None]


def card_01_liquidations_come_back_as_they_went_in(plug: Plug) -> None:
    """Every field survives; oldest first; filtered by symbol, time and number."""
    events = [liquidation(0), liquidation(1.5, side=PositionSide.SHORT), liquidation(2, of=ETH.id)]
    events[2] = msgspec.structs.replace(events[2], venue_id="tid|77", bankruptcy_price=None)
    plug.write(*reversed(events))
    with closing(plug.open_reader()) as reader:
        assert reader.liquidations() == events
        assert reader.liquidations("BTCUSDT") == events[:2]
        assert reader.liquidations(since_ns=at(1.5)) == events[1:]
        assert reader.liquidations(limit=1) == events[2:]


def card_02_the_same_liquidation_is_one_row(plug: Plug) -> None:
    """Twice in a run, in two runs, or received at another time: one row. Anything else that differs is another."""
    same = [liquidation(0), liquidation(0), msgspec.structs.replace(liquidation(0), ts_recv=at(9))]
    others = [liquidation(0, 2.0), liquidation(0, price=1.0), liquidation(0.001), liquidation(0, of=ETH.id)]
    others += [msgspec.structs.replace(liquidation(0), venue_id=venue_id) for venue_id in ("1", "2")]
    plug.write(*same, *others, liquidation(0, side=PositionSide.SHORT))
    plug.write(*same, *others)
    with closing(plug.open_reader()) as reader:
        assert len(reader.liquidations()) == len(others) + 2


def card_03_minutes_are_sums_of_their_events(plug: Plug) -> None:
    """Keeps S1-44. One row per venue, symbol, order side and minute; late and repeated events do no harm."""
    plug.write(liquidation(59.999, 1.0, 100.0), liquidation(60, 2.0, 100.0), tick(61), liquidation(119, 1.0, 400.0))
    plug.write(liquidation(90, 1.0, 200.0), liquidation(60, 2.0, 100.0), liquidation(3, of=ETH.id))
    with closing(plug.open_reader()) as reader:
        assert reader.aggregates("BTCUSDT") == [
            Aggregate("binance", "BTCUSDT", "SELL", NOON, 1.0, 100.0, 1, 100.0, completeness=Completeness.SAMPLED),
            Aggregate("binance", "BTCUSDT", "SELL", at(60), 4.0, 200.0, 3, 800.0, completeness=Completeness.SAMPLED),
        ]
        assert len(reader.aggregates()) == 3
        assert [row.ts_start for row in reader.aggregates(since_ns=at(60), limit=5)] == [NOON + MINUTE]


def card_04_counts(plug: Plug) -> None:
    """Keeps S1-36, S1-37, S1-38, S1-40, S1-41. Totals, last 24 h and 1 h, by symbol, by order side."""
    hours_ago = {30: BTC.id, 20: BTC.id, 2: ETH.id, 0.5: BTC.id}
    plug.write(*(liquidation(-3600 * hours, of=name) for hours, name in hours_ago.items()))
    plug.write(liquidation(-1, side=PositionSide.SHORT))
    with closing(plug.open_reader()) as reader:
        found = reader.counts(NOON)
    counted = EventCounts(5, 4, 2, {"BTCUSDT": 4, "ETHUSDT": 1}, {"BUY": 1, "SELL": 4})
    unseen = {"binance": VenueCoverage(None, None, Completeness.SAMPLED)}
    assert found == msgspec.structs.replace(counted, by_venue=unseen, has_holes_24h=True, has_holes_1h=True)
    watched = msgspec.structs.replace(liquidation(-2), completeness=Completeness.WATCHLIST, venue_id="77")
    plug.write(watched)
    with closing(plug.open_reader()) as reader:
        assert reader.counts(NOON) == msgspec.structs.replace(found, watchlist=1)


def card_05_an_empty_store_counts_nothing(plug: Plug) -> None:
    """Both sides are told even before anything is stored."""
    plug.write()
    with closing(plug.open_reader()) as reader:
        assert reader.counts(NOON) == EventCounts(0, 0, 0, {}, {"BUY": 0, "SELL": 0})
        assert (reader.feeds(), reader.heart(), reader.coverage(), reader.liquidations()) == ([], None, [], [])


def card_06_closed_candles_once_per_interval(plug: Plug) -> None:
    """Keeps S2-43, S2-44, S2-45. Forming candles are passed over, the first closed one stays."""
    for interval in Interval:
        first = candle(0, interval=interval)
        plug.write(candle(0, interval=interval, is_closed=False), first, candle(0, interval=interval, close=9.0))
        plug.write(candle(60, interval=interval), first)
        with closing(plug.open_reader()) as reader:
            assert reader.candles(BTC.id, interval) == [first, candle(60, interval=interval)]
            assert reader.candles(BTC.id, interval, since_ns=at(1), limit=9) == [candle(60, interval=interval)]
            assert reader.candles(ETH.id, interval) == []
    told = msgspec.structs.replace(candle(0), instrument=ETH.id, quote_volume=None, trades=None)
    bare = msgspec.structs.replace(told, taker_buy_volume=None, taker_buy_quote_volume=None)
    plug.write(bare)
    with closing(plug.open_reader()) as reader:
        assert reader.candles(ETH.id, Interval.M1) == [bare]  # not all venues publish all of it


def card_07_the_last_mark_price_of_a_minute_stays(plug: Plug) -> None:
    """Keeps S2-31, S2-46. One row per minute, the latest by the venue's time, in whatever order they come."""
    plug.write(mark(30, 2.0), mark(10, 1.0), mark(60, 3.0))
    plug.write(mark(20, 9.0))
    bare = MarkPrice(ETH.id, at(5), at(6), 7.0, None, None, None)
    hourly = MarkPrice(ETH.id, at(65), at(66), 7.0, None, 0.0001, None, 1.0)
    plug.write(bare, hourly)
    with closing(plug.open_reader()) as reader:
        assert reader.marks(BTC.id) == [mark(30, 2.0), mark(60, 3.0)]
        assert reader.marks(BTC.id, since_ns=at(60)) == [mark(60, 3.0)]
        assert reader.marks(ETH.id) == [bare, hourly]


def card_08_coverage_grows_and_closes(plug: Plug) -> None:
    """One row per stream and start; only its end moves, and never back."""
    plug.write(covered(0, 1, streams=BOTH), tick(1), covered(0, 3, streams=BOTH), covered(0, 2, streams=BOTH))
    plug.write(covered(5, 6, is_open=False))
    with closing(plug.open_reader()) as reader:
        rows = reader.coverage(kind="covered")
    ends = [(row.channel, row.instrument, row.ts_from, row.ts_to, row.is_open, row.cause) for row in rows]
    assert ends == [
        (Channel.CANDLES_1M, BTC.id, at(0), at(3), False, "restart"),
        (Channel.LIQUIDATIONS, None, at(0), at(3), False, "restart"),
        (Channel.LIQUIDATIONS, None, at(5), at(6), False, None),
    ]


def card_09_gaps_open_and_close(plug: Plug) -> None:
    """A gap that lasts is closed by the one that names the same streams and start; a closed one stays closed."""
    plug.write(gap(1, None, streams=BOTH), tick(2), gap(1, 4), gap(1, None), gap(7, 9, "sequence"))
    with closing(plug.open_reader()) as reader:
        rows = reader.coverage("binance", "gap")
        assert reader.coverage("okx") == []
    assert [(row.channel, row.ts_from, row.ts_to, row.is_open, row.cause) for row in rows] == [
        (Channel.CANDLES_1M, at(1), None, True, "disconnect"),
        (Channel.LIQUIDATIONS, at(1), at(4), False, "disconnect"),
        (Channel.LIQUIDATIONS, at(7), at(9), False, "sequence"),
    ]


def card_10_where_coverage_ended(plug: Plug) -> None:
    """The next run learns the end of what was seen, and whether it was cut off or stopped in good order."""
    candles = Stream(Channel.CANDLES_1M, BTC.id)
    plug.write(covered(0, 3, streams=(candles,)), covered(0, 2, is_open=False), covered(4, 5, is_open=False))
    for _ in range(2):  # a run that saw nothing changes nothing
        with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
            assert store.last_covered() == {
                ("binance", LIQUIDATIONS[0]): (at(5), "stopped"),
                ("binance", candles): (at(3), "restart"),
            }
    plug.write(covered(0, 3, streams=(candles,), is_open=False))
    with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
        assert store.last_covered()["binance", candles] == (at(3), "stopped")


def card_11_a_gap_left_open_ends_with_its_stream(plug: Plug) -> None:
    """A book's gap that outlived the process ends where the stream does; a disconnection's waits for its close."""
    book = (Stream(Channel.BOOK, BTC.id),)
    plug.write(covered(0, 9, streams=book), gap(5, None, "sequence", streams=book))
    plug.write(covered(0, 9, is_open=False), gap(9, None))
    plug.write(gap(9, 12, "restart"))
    with closing(plug.open_reader()) as reader:
        rows = reader.coverage(kind="gap")
    assert [(row.channel, row.ts_from, row.ts_to, row.is_open, row.cause) for row in rows] == [
        (Channel.BOOK, at(5), at(9), False, "sequence"),
        (Channel.LIQUIDATIONS, at(9), at(12), False, "disconnect"),
    ]


def card_12_status_of_feeds_and_heart(plug: Plug) -> None:
    """Readers see the last report; a heart that closes in good order is no longer running."""
    first = FeedStatus("binance", Channel.LIQUIDATIONS, FeedState.SILENT, None, 0, 0)
    last = FeedStatus("binance", Channel.LIQUIDATIONS, FeedState.LIVE, at(2), 5, 1)
    other = FeedStatus("binance", Channel.CANDLES_1M, FeedState.LIVE, at(1), 2, 0)
    with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
        store.report([first, other], heart(1))
        store.sink().accept(tick(1))
        store.report([last], heart(2))
        store.sink().accept(tick(2))
        store.flush()
        with closing(plug.open_reader()) as reader:
            assert reader.feeds() == [other, last]
            assert reader.heart() == heart(2)
    with closing(plug.open_reader()) as reader:
        stopped = reader.heart()
        assert stopped is not None
        assert not stopped.is_running


def card_13_kinds_are_never_mixed(plug: Plug) -> None:
    """Demo and replayed data cannot get into a store of observed data, nor the other way round."""
    plug.write(liquidation(0), kind=StoreKind.DEMO)
    for kind in (StoreKind.OBSERVED, StoreKind.REPLAY):
        with pytest.raises(StoreError, match="demo") as caught:
            plug.open_writer(kind)
        assert caught.value.code == "store-kind"
        assert caught.value.hint
    with closing(plug.open_reader()) as reader:
        assert reader.kind is StoreKind.DEMO


def card_14_one_writer(plug: Plug) -> None:
    """A second writer is refused until the first has closed; readers are welcome all the while."""
    with closing(plug.open_writer(StoreKind.OBSERVED)):
        with pytest.raises(StoreError) as caught:
            plug.open_writer(StoreKind.OBSERVED)
        assert caught.value.code == "store-locked"
        plug.open_reader().close()
    plug.open_writer(StoreKind.OBSERVED).close()


def card_15_what_no_table_keeps_is_passed_over(plug: Plug) -> None:
    """Ticks of the market and words about connections cost nothing and store nothing."""
    price = (1.0, 1.0)
    passed: list[MarketEvent] = [
        Trade(BTC.id, at(0), at(0), 1, *price, Side.BUY, True),
        Quote(BTC.id, at(0), at(0), 1, *price, *price),
        BookDelta(BTC.id, at(0), at(0), 1, 2, 0, [price], []),
        BookSnapshot(BTC.id, at(0), at(0), 2, [price], []),
        Connected("binance", "c", at(0)),
        Subscribed("binance", "c", LIQUIDATIONS, at(0)),
        Unheard("binance", "c", LIQUIDATIONS, "refused", at(0)),
        Alive("c", at(0), 1, at(0)),
        Disconnected("c", "stopped", at(0)),
    ]
    with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
        for event in passed:
            store.sink().accept(event)
        assert (store.pending_rows, store.dropped) == (0, 0)


def card_16_committed_follows_the_ticks(plug: Plug) -> None:
    """Keeps S2-49. What came before the watermark can be read by others; trouble and loss are told, here none."""
    with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
        assert _said(store) == (None, 0, None, 0)
        store.register([BTC])
        store.sink().accept(liquidation(0))
        assert store.pending_rows == 1
        store.sink().accept(tick(1))
        store.flush()
        assert _said(store) == (at(1), 0, None, 0)
        store.sink().accept(liquidation(1))
        store.flush()
        assert _said(store) == (at(1), 0, None, 0)
        store.check()
        with closing(plug.open_reader()) as reader:
            assert len(reader.liquidations()) == 2
            assert reader.bytes > 0


def _said(store: StoreWriter) -> tuple[int | None, int, Trouble | None, int]:
    return store.committed, store.pending_rows, store.trouble, store.dropped


def card_17_closing_twice_is_closing_once(plug: Plug) -> None:
    """`close` commits what was accepted, and is harmless when repeated."""
    store = plug.open_writer(StoreKind.OBSERVED)
    store.sink().accept(liquidation(0))
    store.close()
    store.close()
    with closing(plug.open_reader()) as reader:
        assert len(reader.liquidations()) == 1


def card_18_an_instrument_nobody_registered(plug: Plug) -> None:
    """A contract listed since the start is kept under our own name for it, and can be read back."""
    name = InstrumentId("NEW-USDT-PERP.BINANCE")
    with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
        store.sink().accept(liquidation(0, of=name))
        store.sink().accept(MarkPrice(name, at(0), at(0), 1.0, None, None, None))
    with closing(plug.open_reader()) as reader:
        assert [event.instrument for event in reader.liquidations("NEW-USDT-PERP")] == [name]
        assert len(reader.marks(name)) == 1


def card_19_a_session_twice_is_a_session_once(plug: Plug) -> None:
    """Keeps S2-26. A replay over what is stored, in another order, adds and changes nothing."""
    session: list[MarketEvent] = []
    for second in range(0, 180, 7):
        session += [liquidation(second, second + 1.0), mark(second), covered(0, second), tick(second)]
    session += [candle(0), candle(1), gap(180, 185), covered(0, 180, is_open=False)]
    for second in range(0, 180, 20):
        session += [
            open_interest(second, second + 1.0),
            ratio(second),
            taker_volume(second),
            position(second, 1 + second),
        ]
    session += [
        contract(40, is_trading=False),
        contract(90, is_trading=True, tiers=TIERS),
        contract(95, is_trading=True),
    ]
    plug.write(*session)
    before = _everything(plug)
    random.Random(5).shuffle(session)
    plug.write(*session)
    assert _everything(plug) == before


def card_20_lpi_is_kept_as_reckoned(plug: Plug) -> None:
    """Keeps S1-43, S1-46. Every part of it, known or not; the first of two that differ in nothing else stays."""
    parts = [None, Lpi(None, None, None, 0), Lpi(None, -2.5, 60_000.0, 99), Lpi(62.5, 12.25, 60_000.0, 100)]
    events = [liquidation(number, lpi=lpi) for number, lpi in enumerate(parts)]
    plug.write(*events)
    plug.write(liquidation(3, lpi=Lpi(1.0, 1.0, 1.0, 1)))
    with closing(plug.open_reader()) as reader:
        assert reader.liquidations() == events


def card_21_averages_of_lpi(plug: Plug) -> None:
    """Keeps S1-44, S1-45, S1-46. Weighted by dollars and plain, over those that have one, whatever comes later."""
    plug.write(liquidation(0, 1.0, 100.0), liquidation(1, 1.0, 100.0, lpi=Lpi(90.0, 1.0, 100.0, 100)))
    plug.write(liquidation(2, 3.0, 100.0, lpi=Lpi(50.0, 1.0, 100.0, 101)), liquidation(3, 9.0, lpi=Lpi(None, 1, 9, 3)))
    plug.write(liquidation(4, 4.0, 100.0, lpi=Lpi(30.0, 1.0, 100.0, 102)), liquidation(5, 1.0, 100.0))
    with closing(plug.open_reader()) as reader:
        (minute,), (hour,) = reader.aggregates(), reader.intensity()
    for row in (minute, hour):
        assert row.avg_lpi == pytest.approx((90.0 + 3 * 50.0 + 4 * 30.0) / 8)
        assert row.mean_lpi == pytest.approx((90.0 + 50.0 + 30.0) / 3)
        assert (row.lpi_count, row.event_count) == (3, 6)


def card_22_hours_and_their_rank(plug: Plug) -> None:
    """Keeps S1-45. An hour's dollars among those of 30 days before it, from 24 hours on; a late one moves others."""
    sizes = [float(hour * 7 % 10) for hour in range(26)]
    plug.write(*(liquidation(3600 * hour + 1, size, 2.0) for hour, size in enumerate(sizes) if hour))
    plug.write(liquidation(3600 * 2, 1.0, of=ETH.id), liquidation(3600 * 2, 1.0, side=PositionSide.SHORT))
    with closing(plug.open_reader()) as reader:
        found = {
            row.ts_start: (row.hours_known, row.intensity) for row in reader.intensity("BTCUSDT") if row.side == "SELL"
        }
    assert [known for known, _ in found.values()] == list(range(25))
    assert [rank for _, rank in found.values()] == [None] * 24 + [_percentile(sizes[1:25], sizes[25])]
    plug.write(liquidation(1, sizes[0], 2.0), liquidation(-720 * 3600, 99.0, 2.0))
    with closing(plug.open_reader()) as reader:
        last = reader.intensity("BTCUSDT", at(3600 * 25), 1)[0]
        assert (last.hours_known, last.intensity) == (25, _percentile(sizes[:25], sizes[25]))
        assert (last.total_size, last.total_notional_usd, last.avg_price) == (5.0, 10.0, 2.0)
        assert [row.hours_known for row in reader.intensity("ETHUSDT")] == [0]


def _percentile(before: list[float], value: float) -> float:
    return 100.0 * sum((other < value) + 0.5 * (other == value) for other in before) / len(before)


def card_23_what_later_liquidations_are_compared_with(plug: Plug) -> None:
    """The seven days before a moment, oldest first, where the reference price is known."""
    known, day = Lpi(None, 1.0, 60_000.0, 0), 86_400
    events = [liquidation(second, lpi=known) for second in (-7 * day - 1, -7 * day, -5, -1, 0)]
    plug.write(*reversed(events), liquidation(-3), liquidation(-2, lpi=Lpi(None, None, None, 0)))
    with closing(plug.open_reader()) as reader:
        assert list(reader.lpi_history(NOON)) == events[1:4]


def card_24_sums_can_be_reckoned_anew(plug: Plug) -> None:
    """What grew batch by batch is what the events say."""
    plug.write(*(liquidation(600 * number, 1.0 + number, 2.0) for number in range(40)))
    with closing(plug.open_reader()) as reader:
        before = (reader.aggregates(), reader.intensity())
    with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
        store.rebuild_aggregates(at(0), at(3600 * 7))
    with closing(plug.open_reader()) as reader:
        assert (reader.aggregates(), reader.intensity()) == before


def card_25_open_interest_once_a_minute(plug: Plug) -> None:
    """Keeps S2-47. The latest of a minute by the venue's time, in whatever order; by venue, symbol and time."""
    bare = msgspec.structs.replace(open_interest(5, of=ETH.id), open_interest_usd=None)
    plug.write(open_interest(30, 2.0), open_interest(10, 1.0), open_interest(60, 3.0), bare)
    plug.write(open_interest(20, 9.0))
    with closing(plug.open_reader()) as reader:
        assert reader.open_interest() == [open_interest(30, 2.0), bare, open_interest(60, 3.0)]
        assert reader.open_interest("binance", "BTCUSDT") == [open_interest(30, 2.0), open_interest(60, 3.0)]
        assert reader.open_interest("binance", "BTCUSDT", at(60)) == [open_interest(60, 3.0)]
        assert reader.open_interest(symbol="BTCUSDT", until_ns=at(60), limit=1) == [open_interest(30, 2.0)]
        assert reader.open_interest("okx") == []


def card_26_ratios_of_every_kind(plug: Plug) -> None:
    """Keeps S2-48. One row per kind, period and end of it; what is told again later stays, also if all are long."""
    events = [ratio(300 * number, 0.5, kind) for number, kind in enumerate(RatioKind)]
    again = msgspec.structs.replace(ratio(0, 1.0), ts_recv=at(90))
    daily = msgspec.structs.replace(ratio(0), period_s=86_400)
    plug.write(*reversed(events), again, events[0], daily)
    plug.write(events[0], again)
    with closing(plug.open_reader()) as reader:
        assert sorted(reader.long_short_ratio(until_ns=at(1)), key=lambda told: told.period_s) == [again, daily]
        assert reader.long_short_ratio("binance", "BTCUSDT", at(1)) == events[1:]
        assert reader.long_short_ratio("binance", "ETHUSDT") == []


def card_27_taker_volumes(plug: Plug) -> None:
    """Both sides of each period; what is told again later stays."""
    again = msgspec.structs.replace(taker_volume(0, 8.0), ts_recv=at(90))
    plug.write(again, taker_volume(300), taker_volume(600, of=ETH.id), taker_volume(0))
    with closing(plug.open_reader()) as reader:
        assert reader.taker_volume(symbol="BTCUSDT") == [again, taker_volume(300)]
        assert reader.taker_volume("binance", since_ns=at(300), limit=1) == [taker_volume(600, of=ETH.id)]


def card_28_public_positions_now_and_by_the_minute(plug: Plug) -> None:
    """The newest of each account and instrument, and the last of each minute, in whatever order they come."""
    other = position(5, account="0xb2", price=None)
    plug.write(position(30, 2.0), position(10, 1.0), other, position(60, 3.0), position(50, of=BTC.id))
    plug.write(position(20, 9.0))
    with closing(plug.open_reader()) as reader:
        assert reader.public_positions() == [other, position(50, of=BTC.id), position(60, 3.0)]
        assert reader.public_positions("binance", "BTCUSDT") == [position(50, of=BTC.id)]
        history = reader.position_history("0xa1")
        assert history == [position(50, of=BTC.id), position(30, 2.0), position(60, 3.0)]
        assert reader.position_history("0xa1", at(0), at(60), limit=1) == [position(30, 2.0)]
        assert reader.position_history("0xa1", at(60)) == [position(60, 3.0)]


def card_29_instruments_as_the_catalogue_has_them(plug: Plug) -> None:
    """Every term survives; told again, however the numbers are written, it is nothing new; a change is a version."""
    halted = msgspec.structs.replace(BTC, is_trading=False)
    with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
        store.register([KPEPE, BTC, ETH], at(0))
        store.register([msgspec.structs.replace(KPEPE, step_size=Decimal("10.00"), max_leverage=10)], at(1))
        store.register([halted], at(2))
        store.register([halted], at(3))
    with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
        store.register([BTC], at(4))
        store.register([halted], at(2))
    with closing(plug.open_reader()) as reader:
        assert reader.instruments() == [BTC, ETH, KPEPE]
        assert reader.instruments("hyperliquid") == [KPEPE]
        assert reader.instrument_versions(KPEPE.id) == [InstrumentVersion(at(0), KPEPE)]
        assert reader.instrument_versions(BTC.id) == [
            InstrumentVersion(at(0), BTC),
            InstrumentVersion(at(2), halted),
            InstrumentVersion(at(4), BTC),
        ]


def card_30_instruments_of_an_unknown_time(plug: Plug) -> None:
    """Without a time the first word holds since ever, and later ones correct the newest version."""
    bare, fuller = BTC, msgspec.structs.replace(BTC, max_leverage=125.0)
    for number, told in enumerate([bare, fuller, fuller]):
        with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
            store.register([told])
        with closing(plug.open_reader()) as reader:
            assert reader.instrument_versions(BTC.id) == [InstrumentVersion(0, (bare, fuller, fuller)[number])]
    with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
        store.register([bare], at(5))
        store.flush()
        store.register([fuller])
    with closing(plug.open_reader()) as reader:
        assert [version.ts_from for version in reader.instrument_versions(BTC.id)] == [0, at(5)]
        assert reader.instruments() == [fuller]


def card_31_contracts_are_halted_and_delisted(plug: Plug) -> None:
    """A word of the stream is a version too, with its tiers; one about a contract nobody knows is passed over."""
    stranger = msgspec.structs.replace(contract(1, is_trading=True), instrument=InstrumentId("NEW-USDT-PERP.BINANCE"))
    plug.write(contract(1, is_trading=True), contract(2, is_trading=False, tiers=TIERS), stranger)
    with closing(plug.open_reader()) as reader:
        halted = msgspec.structs.replace(BTC, is_trading=False)
        assert reader.instrument_versions(BTC.id) == [InstrumentVersion(0, BTC), InstrumentVersion(at(2), halted)]
        assert reader.instruments() == [halted, ETH]
        assert [(version.ts_from, version.tiers) for version in reader.margin_tiers(BTC.id)] == [(at(2), TIERS)]


def card_32_margin_tiers_version_by_version(plug: Plug) -> None:
    """A new version only where the tiers differ from those of the same source; of two of one moment the later word."""
    other = TIERS[:1]
    told = [("venue", 0, TIERS), ("table", 1, TIERS), ("venue", 2, TIERS), ("venue", 3, other), ("venue", 4, TIERS)]
    for _ in range(2):
        with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
            for source, second, tiers in told:
                store.register_tiers({BTC.id: list(tiers), ETH.id: ()}, source=source, ts_from=at(second))
    with closing(plug.open_reader()) as reader:
        assert reader.margin_tiers(BTC.id) == [
            TierVersion(BTC.id, "table", at(1), TIERS),
            TierVersion(BTC.id, "venue", at(0), TIERS),
            TierVersion(BTC.id, "venue", at(3), other),
            TierVersion(BTC.id, "venue", at(4), TIERS),
        ]
        assert reader.margin_tiers(ETH.id) == []
    with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
        store.register_tiers({BTC.id: other}, source="table", ts_from=at(1))
    with closing(plug.open_reader()) as reader:
        assert reader.margin_tiers(BTC.id)[0] == TierVersion(BTC.id, "table", at(1), other)


def card_33_funding_that_was_paid(plug: Plug) -> None:
    """One row a payment; what tells the price it was reckoned at lends it to one that does not."""
    plug.write(funding(8), funding(0), funding(8, mark_price=None))
    with closing(plug.open_reader()) as reader:
        assert reader.funding_rates() == [funding(0), funding(8)]
        assert reader.funding_rates("binance", "BTCUSDT", at(1), at(3600 * 8)) == []
        assert reader.funding_rates(since_ns=at(3600 * 8), limit=5) == [funding(8)]


def card_34_what_came_live_wins_over_what_was_asked_for(plug: Plug) -> None:
    """In whatever order they come: a candle, a count, a ratio or a volume that was streamed is never overwritten."""
    later = {"ts_recv": at(9999)}
    candles = candle(0), msgspec.structs.replace(candle(0, close=2.5), trades=None, **later)
    counts = open_interest(0, 1.0), msgspec.structs.replace(open_interest(0, 2.0), **later)
    ratios = ratio(0), msgspec.structs.replace(ratio(0, 0.7), **later)
    volumes = taker_volume(0), msgspec.structs.replace(taker_volume(0, 8.0), **later)
    paid = funding(0), msgspec.structs.replace(funding(0, 0.0002), **later)
    for is_live_first in (True, False):
        hour = 0 if is_live_first else 3600 * 24
        with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
            store.register([BTC, ETH])
            doors = [store.sink(), store.backfill_sink()]
            for n in (0, 1) if is_live_first else (1, 0):
                for told in (candles, counts, ratios, volumes, paid):
                    doors[n].accept(_moved(told[n], hour))
    with closing(plug.open_reader()) as reader:
        assert [one.close for one in reader.candles(BTC.id, Interval.M1)] == [2.0, 2.0]
        assert [one.trades for one in reader.candles(BTC.id, Interval.M1)] == [7, 7]
        assert [one.open_interest for one in reader.open_interest()] == [1.0, 1.0]
        assert [one.long_fraction for one in reader.long_short_ratio()] == [0.6, 0.6]
        assert [one.buy_volume for one in reader.taker_volume()] == [7.0, 7.0]
        assert [one.funding_rate for one in reader.funding_rates()] == [0.0001, 0.0001]


def card_35_what_was_asked_for_is_covered_beside_what_was_seen(plug: Plug) -> None:
    """Keeps B6. It has a row of its own, and says nothing of where the live stream ended."""
    plug.write(covered(0, 60, is_open=False), gap(60, 120), covered(120, 180, is_open=False))
    with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
        for event in (filled(0, 90), filled(-3600, 0), filled(500, 600)):
            store.backfill_sink().accept(event)
    with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
        assert store.last_covered() == {("binance", LIQUIDATIONS[0]): (at(180), "stopped")}
    with closing(plug.open_reader()) as reader:
        rows = reader.coverage(channel=Channel.LIQUIDATIONS)
        assert [(row.kind, row.ts_from, row.source) for row in rows] == [
            ("covered", at(-3600), Source.BACKFILL),
            ("covered", at(0), Source.BACKFILL),
            ("covered", at(0), Source.STREAM),
            ("gap", at(60), Source.STREAM),
            ("covered", at(120), Source.STREAM),
            ("covered", at(500), Source.BACKFILL),
        ]
        late = reader.coverage(since_ns=at(100), until_ns=at(400))
        assert [(row.kind, row.ts_from) for row in late] == [("gap", at(60)), ("covered", at(120))]
        assert reader.coverage(channel=Channel.TRADES) == reader.coverage(venue="okx", since_ns=0) == []


def card_36_polled_streams_are_covered_as_polled(plug: Plug) -> None:
    """Keeps B6. A stream that is asked for again and again says so; its end counts like a socket's."""
    stream = (Stream(Channel.OPEN_INTEREST, BTC.id),)
    asked = msgspec.structs.replace(
        covered(0, 60, streams=stream), connection="binance/polls/open_interest/BTC-USDT-PERP.BINANCE"
    )
    plug.write(asked, tick(60))
    with closing(plug.open_reader()) as reader:
        assert [(row.source, row.ts_to) for row in reader.coverage()] == [(Source.POLL, at(60))]
    with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
        assert store.last_covered() == {("binance", stream[0]): (at(60), "restart")}


def card_37_sums_say_what_they_are_worth(plug: Plug) -> None:
    """Keeps B6. Each minute and hour with the share of it that was seen; what was filled since counts as seen."""
    plug.write(liquidation(1), liquidation(61), liquidation(121), liquidation(7201))
    plug.write(covered(0, 30, is_open=False), gap(30, 90), covered(90, 180, is_open=False), filled(75, 90))
    with closing(plug.open_reader()) as reader:
        assert [row.coverage for row in reader.aggregates()] == [0.5, 0.75, 1.0, None]
        assert {row.completeness for row in reader.aggregates()} == {Completeness.SAMPLED}
        assert [row.coverage for row in reader.intensity()] == [pytest.approx(135 / 3600), None]
        assert reader.aggregates(since_ns=at(1e6)) == []


def card_38_counts_over_a_hole_are_flagged(plug: Plug) -> None:
    """Keeps B6. Totals of the last hours tell how much of them was seen, and are flagged until all of it is."""
    plug.write(liquidation(-60), covered(-24 * 3600, -7200, is_open=False), gap(-7200, -3600))
    plug.write(covered(-3600, 0, is_open=False))
    with closing(plug.open_reader()) as reader:
        found = reader.counts(NOON)
    assert found.by_venue == {"binance": VenueCoverage(23 / 24, 1.0, Completeness.SAMPLED)}
    assert (found.has_holes_24h, found.has_holes_1h) == (True, False)
    with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
        store.backfill_sink().accept(filled(-7200, -3600))
    with closing(plug.open_reader()) as reader:
        assert not reader.counts(NOON).has_holes_24h
        assert reader.counts(NOON + HOUR).has_holes_1h


def _moved(event: E, seconds: float) -> E:
    """The same, so much later."""
    later = {
        name: getattr(event, name) + round(seconds * 1e9)
        for name in ("ts_event", "ts_recv", "ts_open")
        if hasattr(event, name)
    }
    return msgspec.structs.replace(event, **later)


def _everything(plug: Plug) -> list[object]:
    with closing(plug.open_reader()) as reader:
        minutes = [(row.symbol, row.side, row.ts_start, row.event_count) for row in reader.aggregates()]
        candles = reader.candles(BTC.id, Interval.M1)
        return [
            *(reader.liquidations(), minutes, candles, reader.marks(BTC.id), reader.coverage(), reader.counts(HOUR)),
            *(reader.open_interest(), reader.long_short_ratio(), reader.taker_volume()),
            *(reader.public_positions(), reader.position_history("0xa1"), reader.funding_rates()),
            *(reader.instruments(), reader.instrument_versions(BTC.id), reader.margin_tiers(BTC.id)),
        ]


CARDS: list[Card] = [card for name, card in sorted(globals().items()) if name.startswith("card_")]
