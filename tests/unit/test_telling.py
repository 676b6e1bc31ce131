"""What the heart tells its faces: each thing once, soon, no more often than is useful, and never at its own cost."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from perpscope.app.connections import ConnectionLine, Links
from perpscope.app.status import FeedLine, Status
from perpscope.app.status_reading import StatusReading
from perpscope.app.telling import MARKET_EVERY_S, STATUS_EVERY_S, Telling
from perpscope.engine.engine import Engine
from perpscope.model.bulletin import BusHealth, Event, MapNews, MarketLine
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import (
    Candle,
    Completeness,
    Gap,
    Interval,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    PositionSide,
    Sampling,
    Side,
    Tick,
    Trade,
)
from perpscope.model.stream import Channel, Stream
from perpscope.settings import Settings
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import FeedState, FeedStatus, HeartStatus, StoreKind

Wait = Callable[[Callable[[], bool]], Awaitable[None]]

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
SECOND = 1_000_000_000
NOW = 1_790_757_203 * SECOND
FEEDS = [FeedStatus("binance", Channel.TRADES, FeedState.LIVE, NOW - SECOND, 7, 0)]
HEART = HeartStatus(os.getpid(), NOW, NOW, 1.0, is_running=True)


class Bus:
    """A publisher that keeps what it is given, and fails on demand."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str | None, bytes]] = []
        self.why: str | None = None
        self.is_broken = self.is_closed = False

    def publish(self, topic: str, payload: bytes, *, key: str | None = None) -> None:
        """Keep it."""
        if self.is_broken:
            raise RuntimeError("a publisher that breaks its word")
        self.told.append((topic, key, payload))

    def health(self) -> BusHealth:
        """As the test wants it."""
        return BusHealth(is_connected=self.why is None, why=self.why)

    async def aclose(self) -> None:
        """Be told."""
        self.is_closed = True
        if self.is_broken:
            await asyncio.Event().wait()

    def of(self, topic: str) -> list[bytes]:
        """Payloads of a topic."""
        return [payload for name, _, payload in self.told if name == topic]


class Clock:
    """Real seconds by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An empty store."""
    path = tmp_path / "market.db"
    SqliteStore.open(path, kind=StoreKind.DEMO).close()
    return path


class Scene:
    """A heart's voice with its engine, a bus and a clock by hand."""

    def __init__(self, store: Path) -> None:
        self.bus, self.clock = Bus(), Clock()
        self.said: list[str] = []
        self.reading = StatusReading(store, Settings(), self.clock)
        self.telling = Telling(self.bus, self.reading, self.said.append, self.clock)
        self.engine = Engine(sinks=[self.telling])

    def batch(self, *events: MarketEvent) -> None:
        """One batch through the engine."""
        for event in events:
            self.engine.process(event)
        self.telling.batch_over()

    def tick(self, after_s: float = 0.0, at: int = NOW) -> None:
        """Time passes, and a Tick comes."""
        self.clock.now += after_s
        self.telling.tick(self.engine.market, FEEDS, msgspec.structs.replace(HEART, ts_market=at))

    def events(self) -> list[list[Event]]:
        """What each message of events held."""
        return [msgspec.msgpack.decode(payload, type=list[Event]) for payload in self.bus.of("events")]

    def lines(self) -> list[MarketLine]:
        """The market's lines."""
        return [msgspec.msgpack.decode(payload, type=MarketLine) for payload in self.bus.of("market")]

    def statuses(self) -> list[Status]:
        """The statuses."""
        return [msgspec.json.decode(payload, type=Status) for payload in self.bus.of("status")]


@pytest.fixture
def scene(store: Path) -> Scene:
    """One heart's voice."""
    return Scene(store)


def liquidation(at: int = NOW) -> Liquidation:
    """A long was sold."""
    return Liquidation(BTC, at, at, PositionSide.LONG, 0.5, 80_000.0, None, Completeness.SAMPLED, Sampling.LARGEST_1S)


def candle(*, is_closed: bool, ts_open: int = NOW - NOW % (60 * SECOND)) -> Candle:
    """A minute."""
    return Candle(BTC, NOW, NOW, Interval.M1, ts_open, 1.0, 2.0, 0.5, 1.5, 9.0, None, None, None, None, is_closed)


def trade(price: float) -> Trade:
    """A purchase."""
    return Trade(BTC, NOW, NOW, int(price), price, 1.0, Side.BUY, is_aggregate=False)


async def test_what_happened_is_told_in_order_with_what_the_engine_made_of_it(scene: Scene) -> None:
    """Liquidations as ranked, closed candles, open interest and gaps; nothing else, and no forming candle."""
    gap = Gap("binance", (Stream(Channel.TRADES, BTC),), NOW, None, "sequence", NOW)
    interest = OpenInterest(BTC, NOW, NOW, 100.0, None)
    scene.batch(trade(3.0), candle(is_closed=False), liquidation(), candle(is_closed=True), gap, interest)
    scene.batch(Tick(NOW))
    (told,) = scene.events()
    assert [type(event) for event in told] == [Liquidation, Candle, Gap, OpenInterest]
    first = told[0]
    assert isinstance(first, Liquidation)
    assert first.lpi is not None


async def test_events_of_a_moment_make_one_message(scene: Scene, eventually: Wait) -> None:
    """The first is told at once; those within the next 50 ms together, without waiting for another batch."""
    for n in range(4):
        scene.batch(liquidation(NOW + n * SECOND))
    assert [len(told) for told in scene.events()] == [1]
    await eventually(lambda: len(scene.events()) == 2)
    assert [len(told) for told in scene.events()] == [1, 3]


async def test_a_flood_is_told_in_messages_of_a_bounded_length(scene: Scene) -> None:
    """No message has more than two thousand events, and none of them is lost."""
    scene.batch(*(liquidation(NOW + n * SECOND) for n in range(4_500)))
    assert [len(told) for told in scene.events()] == [2_000, 2_000, 500]


async def test_an_instrument_is_told_where_something_came_of_it(scene: Scene) -> None:
    """A line under the instrument's id with every figure that is known; none while nothing comes."""
    mark = MarkPrice(BTC, NOW, NOW, 80_001.0, 80_002.0, 1e-4, NOW + 3600 * SECOND, 8.0)
    scene.batch(mark, trade(80_000.0), OpenInterest(BTC, NOW, NOW, 5.0, 4e5), candle(is_closed=False))
    scene.tick(at=NOW + 5)
    scene.tick(after_s=MARKET_EVERY_S)
    assert [key for topic, key, _ in scene.bus.told if topic == "market"] == [BTC]
    assert scene.lines() == [
        MarketLine(
            instrument=BTC,
            ts_market=NOW + 5,
            mark=80_001.0,
            index=80_002.0,
            last=80_000.0,
            funding_rate=1e-4,
            funding_interval_h=8.0,
            ts_next_funding=NOW + 3600 * SECOND,
            open_interest=5.0,
            open_interest_usd=4e5,
            candle=candle(is_closed=False),
        )
    ]
    scene.batch(trade(80_010.0))
    scene.tick()
    assert len(scene.lines()) == 1, "it is looked at five times a second at most"
    scene.tick(after_s=MARKET_EVERY_S)
    assert scene.lines()[-1].last == 80_010.0


async def test_nothing_known_is_null(scene: Scene) -> None:
    """A figure that was not told yet is absent, not zero."""
    scene.batch(trade(1.0))
    scene.tick()
    assert scene.lines() == [MarketLine(instrument=BTC, ts_market=NOW, last=1.0)]


async def test_the_status_is_told_once_a_second(scene: Scene, eventually: Wait) -> None:
    """Feeds as judged now, over counts that were read beside the loop; the heart and the bus by name."""

    def told() -> bool:
        scene.tick()
        return bool(scene.statuses())

    await eventually(told)
    (status,) = scene.statuses()
    assert status.data is StoreKind.DEMO
    assert status.feeds == [FeedLine("binance", Channel.TRADES, FeedState.LIVE, 1000, 7, 0)]
    assert status.heart is not None
    assert (status.heart.pid, status.heart.is_running, status.heart.market_ms) == (os.getpid(), True, NOW // 10**6)
    assert status.bus == BusHealth(is_connected=True)
    assert {key for topic, key, _ in scene.bus.told if topic == "status"} == {"heart"}
    scene.tick(after_s=STATUS_EVERY_S / 2)
    assert len(scene.statuses()) == 1
    scene.tick(after_s=STATUS_EVERY_S / 2)
    assert len(scene.statuses()) == 2


async def test_how_the_heart_is_connected_is_told_with_its_status(scene: Scene, eventually: Wait) -> None:
    """Asked for only when a status is told, not at every Tick."""
    line = ConnectionLine("binance", "binance/0", [Channel.TRADES], True, 3, 0, "silent", 12, 40.0, 90.0)
    asked: list[Links] = []

    def joined() -> Links:
        asked.append(Links([line]))
        return asked[-1]

    def told() -> bool:
        scene.telling.tick(scene.engine.market, FEEDS, HEART, joined)
        return bool(scene.statuses())

    await eventually(told)
    assert scene.statuses()[0].connections == [line]
    scene.telling.tick(scene.engine.market, FEEDS, HEART, joined)
    assert len(asked) == len(scene.statuses()) == 1


async def test_a_heart_that_ends_says_so(scene: Scene, eventually: Wait) -> None:
    """The last events are told, then that it does not run any more; the bus is closed, and nothing follows."""

    def told() -> bool:
        scene.tick()
        return bool(scene.statuses())

    await eventually(told)
    scene.batch(liquidation())
    scene.batch(liquidation(NOW + SECOND))
    await scene.telling.aclose()
    assert [len(told) for told in scene.events()] == [1, 1]
    heart = scene.statuses()[-1].heart
    assert heart is not None
    assert not heart.is_running
    assert scene.bus.is_closed
    before = len(scene.bus.told)
    scene.batch(liquidation(NOW + 2 * SECOND))
    scene.tick(after_s=10.0)
    scene.telling.map_made(MapNews("BTC", NOW))
    await scene.telling.aclose()
    assert len(scene.bus.told) == before


async def test_a_map_is_told(scene: Scene) -> None:
    """By its name, which is its key."""
    scene.telling.map_made(MapNews("BTC", NOW))
    ((topic, key, payload),) = scene.bus.told
    assert (topic, key) == ("maps", "BTC")
    assert msgspec.msgpack.decode(payload, type=MapNews) == MapNews("BTC", NOW)


async def test_a_bus_that_breaks_its_word_costs_one_sentence(scene: Scene) -> None:
    """The heart goes on, people are told once, and it can be closed though the bus cannot."""
    scene.bus.is_broken = True
    for n in range(3):
        scene.clock.now += 1.0
        scene.batch(liquidation(NOW + n * SECOND), trade(float(n + 1)))
        scene.tick()
    assert scene.said == ["faces are not told anything: the bus failed, see the log"]
    await scene.telling.aclose()


async def test_a_bus_that_is_down_is_told_once_and_once_again(scene: Scene, eventually: Wait) -> None:
    """One sentence when it goes and one when it is back; meanwhile the status says it."""

    def told() -> bool:
        scene.tick()
        return bool(scene.statuses())

    await eventually(told)
    scene.bus.why = "connection refused"
    for _ in range(3):
        scene.tick(after_s=1.0)
    assert scene.said == ["faces are not told anything: connection refused"]
    assert scene.telling.health() == BusHealth(is_connected=False, why="connection refused")
    scene.bus.why = None
    scene.tick(after_s=1.0)
    assert scene.said[1:] == ["faces are told again"]


async def test_without_a_bus_nothing_is_kept(store: Path) -> None:
    """A heart that could not open one runs as before."""
    telling = Telling(None, StatusReading(store, Settings()))
    engine = Engine(sinks=[telling])
    engine.process(liquidation())
    telling.batch_over()
    telling.tick(engine.market, FEEDS, HEART)
    telling.map_made(MapNews("BTC", NOW))
    assert telling.health() == BusHealth(is_connected=False, why="there is no bus")
    await telling.aclose()


async def test_a_store_that_cannot_be_read_leaves_what_is_known(store: Path, eventually: Wait) -> None:
    """The last reading stays, and the next is tried after a second."""
    clock = Clock()
    reading = StatusReading(store, Settings(), clock)

    def looked() -> bool:
        clock.now += 60.0
        reading.look()
        return reading.latest is not None

    await eventually(looked)
    known = reading.latest
    store.rename(store.with_name("gone.db"))
    for _ in range(20):
        looked()
        await asyncio.sleep(0.005)
    assert reading.latest is known or reading.latest == known
    store.with_name("gone.db").rename(store)
    reading.latest = None
    await eventually(looked)
    reading.close()


async def test_readings_keep_their_distance(store: Path, eventually: Wait) -> None:
    """However often it is looked at, a reading is begun a second after the last at the earliest."""
    clock = Clock()
    reading = StatusReading(store, Settings(), clock)

    def looked() -> bool:
        reading.look()
        return reading.latest is not None

    await eventually(looked)
    first = reading.latest
    for _ in range(20):
        reading.look()
        await asyncio.sleep(0.002)
    assert reading.latest is first
    reading.close()
