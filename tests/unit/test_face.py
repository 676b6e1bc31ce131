"""What a face makes of what its heart tells, and of a heart that falls silent, goes, and comes back as another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import msgspec
import pytest

from perpscope.app.face import STALE_AFTER_S, TOPICS, Heart, Live
from perpscope.app.status import Database, HeartLine, Status
from perpscope.feeds.clock import wall_ns
from perpscope.model.bulletin import BusHealth, Event, MapNews, MarketLine, Message, Topic
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import OpenInterest
from perpscope.stores.status import EventCounts, StoreKind

Wait = Callable[[Callable[[], bool]], Awaitable[None]]

BTC, ETH = InstrumentId("BTC-USDT-PERP.BINANCE"), InstrumentId("ETH-USDT-PERP.BINANCE")
NOW = 1_790_757_203_000_000_000
STATUS = Status(EventCounts(1, 1, 1, {}, {"BUY": 1, "SELL": 0}), [], Database("m.db", 1), StoreKind.OBSERVED)


class Bus:
    """A subscriber in memory: the test says what comes, when it breaks, and whether it is connected."""

    def __init__(self) -> None:
        self.coming: asyncio.Queue[list[Message] | Exception | None] = asyncio.Queue()
        self.is_connected = True
        self.is_closed = False
        self.listened = 0

    async def messages(self) -> AsyncIterator[list[Message]]:
        """What the test puts."""
        self.listened += 1
        while True:
            come = await self.coming.get()
            if come is None:
                return
            if isinstance(come, Exception):
                raise come
            yield come

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """There is no group."""

    def health(self) -> BusHealth:
        """As the test says."""
        return BusHealth(is_connected=self.is_connected)

    async def aclose(self) -> None:
        """Be told."""
        self.is_closed = True


class Face:
    """A face that listens, with a clock by hand and a count of what a follower was told."""

    def __init__(self) -> None:
        self.bus = Bus()
        self.now = 0.0
        self.live = Live(self.bus, monotonic=lambda: self.now)
        self.told: list[tuple[Topic, str | None, object, bytes]] = []
        self.live.follow(lambda *heard: self.told.append(heard))
        self._seq = 0

    def hears(self, topic: Topic, payload: object, *, key: str | None = None, run: str = "a", missed: int = 0) -> None:
        """Something comes."""
        self._seq += 1
        encode = msgspec.json.encode if topic is Topic.STATUS else msgspec.msgpack.encode
        self.bus.coming.put_nowait([Message(topic.value, encode(payload), self._seq, run, key, missed)])

    def heart(self) -> Heart:
        """How the face says that its heart is doing."""
        return self.live.heart

    async def heard(self, version: int) -> None:
        """Return when so much was heard."""
        async with asyncio.timeout(30.0):
            while self.live.version < version:
                await asyncio.sleep(0)


@pytest.fixture
async def face() -> AsyncIterator[Face]:
    """A face that listens."""
    made = Face()
    listening = asyncio.create_task(made.live.run())
    yield made
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await made.live.aclose()
    assert made.bus.is_closed


async def test_what_is_told_is_kept_and_handed_on(face: Face) -> None:
    """Each topic as what it means, with its key and its bytes; states are kept."""
    line = MarketLine(instrument=BTC, ts_market=NOW, mark=1.0)
    events: list[Event] = [OpenInterest(BTC, NOW, NOW, 5.0, None)]
    face.hears(Topic.MARKET, line, key=BTC)
    face.hears(Topic.EVENTS, events)
    face.hears(Topic.STATUS, STATUS, key="heart")
    face.hears(Topic.MAPS, MapNews("BTC", NOW), key="BTC")
    await face.heard(4)
    assert [heard[:3] for heard in face.told] == [
        (Topic.MARKET, BTC, line),
        (Topic.EVENTS, None, events),
        (Topic.STATUS, "heart", STATUS),
        (Topic.MAPS, "BTC", MapNews("BTC", NOW)),
    ]
    assert face.live.market == {BTC: line}
    assert face.live.status == face.told[2][3] == msgspec.json.encode(STATUS)
    assert face.live.told_status == STATUS
    assert set(TOPICS) == {"market", "events", "status", "maps", "signals"}


async def test_the_heart_is_named_by_what_was_heard(face: Face) -> None:
    """None before it was heard, live, stale after five silent seconds, gone when the bus has lost it, live again."""
    assert face.heart() is Heart.NONE
    assert face.live.heard_s is None
    face.bus.is_connected = False
    assert face.heart() is Heart.NONE
    face.bus.is_connected = True
    face.hears(Topic.STATUS, STATUS, key="heart")
    await face.heard(1)
    assert face.heart() is Heart.LIVE
    face.now += STALE_AFTER_S
    assert face.heart() is Heart.LIVE
    face.now += 0.1
    assert face.heart() is Heart.STALE
    face.bus.is_connected = False
    assert face.heart() is Heart.GONE
    assert face.live.told_status == STATUS, "what it told last is still there to be shown, with its age"
    face.bus.is_connected = True
    face.hears(Topic.STATUS, STATUS, key="heart", run="b")
    await face.heard(2)
    assert face.heart() is Heart.LIVE


async def test_a_heart_that_says_that_it_ends_is_gone(face: Face) -> None:
    """Whatever the bus keeps of it."""
    running = HeartLine(7, is_running=True, market_ms=NOW // 10**6, wall_ms=wall_ns() // 10**6, rate=1.0)
    for n, is_running in enumerate((True, False, True)):
        heart = msgspec.structs.replace(running, is_running=is_running)
        face.hears(Topic.STATUS, msgspec.structs.replace(STATUS, heart=heart), key="heart")
        await face.heard(n + 1)
        assert face.heart() is (Heart.LIVE if is_running else Heart.GONE)


async def test_what_a_dead_heart_left_on_the_bus_is_no_sign_of_life(face: Face) -> None:
    """A face that joins late is told an old status by Redis: stale until the heart tells another."""
    old = HeartLine(7, is_running=True, market_ms=1, wall_ms=wall_ns() // 10**6 - 3_600_000, rate=1.0)
    face.hears(Topic.STATUS, msgspec.structs.replace(STATUS, heart=old), key="heart")
    face.hears(Topic.MARKET, MarketLine(instrument=BTC, ts_market=NOW), key=BTC)
    await face.heard(2)
    assert face.heart() is Heart.STALE
    assert face.live.heard_s == pytest.approx(3600.0, abs=60.0)
    face.hears(Topic.STATUS, msgspec.structs.replace(STATUS, heart=old), key="heart")
    await face.heard(3)
    assert face.heart() is Heart.LIVE, "it speaks, whatever its clock says"


async def test_another_heart_does_not_speak_for_the_one_before(face: Face) -> None:
    """What the earlier one told of instruments that the new one does not tell of is dropped with its first status."""
    face.hears(Topic.MARKET, MarketLine(instrument=BTC, ts_market=NOW), key=BTC)
    face.hears(Topic.MARKET, MarketLine(instrument=ETH, ts_market=NOW), key=ETH)
    face.hears(Topic.STATUS, STATUS, key="heart")
    await face.heard(3)
    assert set(face.live.market) == {BTC, ETH}
    face.hears(Topic.MARKET, MarketLine(instrument=ETH, ts_market=NOW + 1), key=ETH, run="b")
    face.hears(Topic.STATUS, STATUS, key="heart", run="b")
    await face.heard(5)
    assert face.live.market == {ETH: MarketLine(instrument=ETH, ts_market=NOW + 1)}


async def test_followers_do_not_disturb_each_other(face: Face) -> None:
    """One that raises is told of the next all the same, and the others of both; one that has left of none."""
    tried: list[Topic] = []

    def failing(topic: Topic, key: str | None, payload: object, raw: bytes) -> None:
        tried.append(topic)
        raise RuntimeError(f"{key} {payload!r} {raw!r}")

    unfollow = face.live.follow(failing)
    face.hears(Topic.MAPS, MapNews("BTC", NOW), key="BTC")
    face.hears(Topic.MAPS, MapNews("ETH", NOW), key="ETH")
    await face.heard(2)
    unfollow()
    unfollow()
    face.hears(Topic.MAPS, MapNews("SOL", NOW), key="SOL")
    await face.heard(3)
    assert len(tried) == 2
    assert [heard[1] for heard in face.told] == ["BTC", "ETH", "SOL"]


async def test_what_cannot_be_read_is_counted_and_passed_over(face: Face) -> None:
    """A heart of another version costs its messages, not the face; unknown topics and losses are no harm."""
    face.hears(Topic.STATUS, {"feeds": 3}, key="heart")
    face.hears(Topic.MARKET, ["nothing"], key=BTC)
    face.bus.coming.put_nowait([Message("weather", b"\x00", 9, "a")])
    face.hears(Topic.MAPS, MapNews("BTC", NOW), key="BTC", missed=3)
    await face.heard(4)
    assert [heard[0] for heard in face.told] == [Topic.MAPS]
    assert (face.live.unreadable, face.live.missed) == (2, 3)
    assert face.heart() is Heart.LIVE


async def test_a_bus_that_fails_or_ends_is_listened_to_again(eventually: Wait) -> None:
    """Whatever happens to the bus, the face lives."""
    face = Face()
    listening = asyncio.create_task(face.live.run())
    face.bus.coming.put_nowait(RuntimeError("the bus broke"))
    await eventually(lambda: face.bus.listened == 2)
    face.bus.coming.put_nowait(None)
    await eventually(lambda: face.bus.listened == 3)
    face.hears(Topic.MAPS, MapNews("BTC", NOW), key="BTC")
    await face.heard(1)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_a_face_on_a_store_alone_has_no_heart() -> None:
    """Without a bus it says so, waits without end, and lets itself be closed."""
    live = Live(None)
    listening = asyncio.create_task(live.run())
    await asyncio.sleep(0)
    assert not listening.done()
    assert (live.heart, live.heard_s, live.bus(), live.status, live.told_status) == (Heart.NONE, None, None, None, None)
    listening.cancel()
    await live.aclose()
