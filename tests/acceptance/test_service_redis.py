"""One heart and its faces on a real Redis, all in processes of their own: they agree, and outlive a Redis killed."""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from perpscope.bus.redis import RedisPublisher
from perpscope.model.bulletin import Topic
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Liquidation
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import StoreKind
from tests.acceptance.facing import Heart, face, heart, replica
from tests.contract.bus_engines import RedisServer
from tests.pushing import STATUS, Follower, line

#: Real seconds for whatever a machine that is shared is waited for.
LONG_S = 60.0
#: Seconds of the market a real one; its first liquidations come a minute after its opening, and go on for two.
SPEED = "10x"
DEMO = "perpscope-demo"
CHANNELS = "status,liquidations,market"
NOWHERE = InstrumentId("BTC-USDT-PERP.NOWHERE")

Wait = Callable[..., Awaitable[None]]
#: What tells one liquidation from another.
Key = tuple[str, int, str, float, float]


class Ears(Follower):
    """One face, listened to by its stream and asked for its status; keeps each market row by its time."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        super().__init__()
        self.session, self.url = session, url
        self.market: dict[tuple[str, int], dict[str, Any]] = {}
        self.told: dict[int, dict[str, Any]] = {}  #: status bodies by the market time of the heart
        self.codes: Counter[int] = Counter()
        self.meta: dict[str, Any] = {}  #: of the newest status body
        self.begun = asyncio.Event()

    async def listen(self) -> None:
        """Take whatever the stream brings."""
        async with self.session.ws_connect(f"{self.url}/api/v1/stream?channels={CHANNELS}", max_msg_size=0) as socket:
            self.begun.set()
            async for message in socket:
                self.take(message.data)
                for row in self.state.get("market", {}).values():
                    self.market[row["instrument"], row["time_ms"]] = row

    async def ask(self) -> None:
        """Ask for the status, again and again."""
        while True:
            code, body = await self.get("/api/status")
            self.codes[code] += 1
            self.meta = body["meta"]
            if body["meta"]["heart"] == "live":
                self.told[body["heart"]["market_ms"]] = body
            await asyncio.sleep(0.2)

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Ask the face."""
        async with self.session.get(self.url + path) as answer:
            return answer.status, msgspec.json.decode(await answer.read())

    @property
    def heart(self) -> str | None:
        """As the stream says."""
        return self.state.get("status", {}).get("heart_state")

    @property
    def liquidations(self) -> list[Key]:
        """All that were heard, in their order."""
        names = ("instrument", "time_ms", "side", "size", "price")
        return [tuple(row[name] for name in names) for row in self.rows.get("liquidations", [])]


def stored(database: Path) -> list[Key]:
    """The store's own liquidations."""
    with SqliteReader.open(database) as reader:
        return [_key(event) for event in reader.liquidations(limit=1_000_000)]


def _key(event: Liquidation) -> Key:
    return event.instrument, event.ts_event // 1_000_000, event.position_side.value, event.size, event.price


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short name, as a socket's path must be short."""
    with tempfile.TemporaryDirectory(prefix="p-") as folder:
        yield Path(folder)


@pytest.fixture
def redis(place: Path) -> Iterator[RedisServer]:
    """A real server, which keeps nothing when it is killed."""
    (place / "redis").mkdir()
    server = RedisServer(place / "redis")
    yield server
    server.kill()


class Service:
    """A heart, a face on its store, and one without a store."""

    def __init__(self, running: Heart, on_store: Ears, without: Ears, database: Path) -> None:
        self.running, self.on_store, self.without, self.database = running, on_store, without, database

    @property
    def both(self) -> tuple[Ears, Ears]:
        """The faces."""
        return self.on_store, self.without


@asynccontextmanager
async def ears(*urls: str) -> AsyncIterator[list[Ears]]:
    """Ears at these faces, at work."""
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        made = [Ears(session, url) for url in urls]
        tasks = [group.create_task(work) for each in made for work in (each.listen(), each.ask())]
        await asyncio.gather(*(asyncio.wait_for(each.begun.wait(), LONG_S) for each in made))
        yield made
        assert [task for task in tasks if task.done()] == []
        for task in tasks:
            task.cancel()
    assert [wrong for each in made for wrong in each.wrong] == []


@asynccontextmanager
async def service(redis: RedisServer, place: Path) -> AsyncIterator[Service]:
    """All of it; the faces listen before the heart begins."""
    database = place / "d.db"
    SqliteStore.open(database, kind=StoreKind.DEMO).close()
    (place / "elsewhere").mkdir()
    with ExitStack() as stack:
        urls = (
            stack.enter_context(face(database, PERPSCOPE_REDIS=redis.url)),
            stack.enter_context(replica(place / "elsewhere", f"{redis.url}#{DEMO}")),
        )
        async with ears(*urls) as (on_store, without):
            words = ("--days", "0", "--speed", SPEED, "--symbols", "BTC")
            running = stack.enter_context(heart(database, *words, PERPSCOPE_REDIS=redis.url))
            yield Service(running, on_store, without, database)


async def ended(at_work: Service, eventually: Wait) -> None:
    """End the heart; both faces have heard that, and so everything before it."""
    assert await asyncio.to_thread(at_work.running.end) == 130, at_work.running.said.read_text()
    await eventually(lambda: all(each.heart == "gone" for each in at_work.both), LONG_S)


def agree(at_work: Service) -> None:
    """Both faces told the same, in the same order, each liquidation of the store exactly once."""
    one, other = at_work.both
    assert one.liquidations == other.liquidations
    assert Counter(one.liquidations) == Counter(stored(at_work.database))
    assert (one.seq["liquidations"], sum(one.dropped.values())) == (len(one.liquidations), 0)
    assert other.seq["liquidations"] == one.seq["liquidations"]
    shared = one.market.keys() & other.market.keys()
    assert len(shared) > 10
    assert [key for key in shared if one.market[key] != other.market[key]] == []
    moments = one.told.keys() & other.told.keys()
    assert len(moments) > 2
    for at in moments:
        for part in ("status", "feeds", "events"):
            assert one.told[at][part] == other.told[at][part], part
    assert {body["meta"]["data"] for each in at_work.both for body in each.told.values()} == {"demo"}


@pytest.mark.parametrize(
    "seconds", [4.0, pytest.param(30.0, marks=[pytest.mark.soak, pytest.mark.timeout(300)])], ids=["4s", "30s"]
)
async def test_faces_agree_and_a_redis_that_is_killed_costs_nothing(
    redis: RedisServer, place: Path, eventually: Wait, seconds: float
) -> None:
    """Two faces of a demo, one without a store, and a real store's face, on one Redis that is killed for seconds.

    The demo's tell the same; the real one never hears the demo. Meanwhile they answer on and name what is gone, the
    store has all there was, and afterwards the faces have, once.

    Keeps S0-17, S0-19, S0-44, S3-30. RELIABILITY H6.
    """
    SqliteStore.open(place / "real.db", kind=StoreKind.OBSERVED).close()
    with face(place / "real.db", PERPSCOPE_REDIS=redis.url) as at:
        async with ears(at) as (real,), service(redis, place) as demo:
            await eventually(lambda: all(each.liquidations for each in demo.both), LONG_S)
            await _is_well(demo)
            await _outlives(redis, demo, eventually, seconds)
            await _is_well(demo)
            await _hears_its_own(redis, place, real, eventually)
            await ended(demo, eventually)
            agree(demo)
            assert NOWHERE not in {instrument for each in demo.both for instrument, _ in each.market}


async def _is_well(demo: Service) -> None:
    """Both are ready, and what one has made the other has: a face without a store makes no totals itself."""
    for each in demo.both:
        code, body = await each.get("/readyz")
        assert (code, body["heart"], body["bus"]) == (200, "live", "connected")
    code, refused = await demo.without.get("/api/liquidations/24h?hours=1")
    assert (code, refused["code"]) == (503, "replica-without-answer")
    made = await demo.on_store.get("/api/liquidations/24h?hours=2")
    assert made == await demo.without.get("/api/liquidations/24h?hours=2")
    assert (made[0], made[1]["meta"]["data"]) == (200, "demo")


async def _outlives(redis: RedisServer, demo: Service, eventually: Wait, seconds: float) -> None:
    """Redis is killed while liquidations come, and started again."""
    redis.kill()
    killed_at, before = time.monotonic(), len(stored(demo.database))
    await eventually(lambda: all(each.heart == "gone" for each in demo.both), LONG_S)
    for each in demo.both:
        code, body = await each.get("/readyz")
        assert (code, body["code"]) == (503, "not-ready")
        assert {fault["pointer"] for fault in body["errors"]} == {"/heart", "/bus"}
    await eventually(lambda: all(each.meta["heart"] == "gone" for each in demo.both), LONG_S)
    for each in demo.both:
        assert each.meta["stale"]
        assert any("the heart is gone" in note for note in each.meta["notes"])
    assert (await demo.on_store.get("/api/liquidations/24h"))[0] == 200
    heard = {each.url: len(each.liquidations) for each in demo.both}
    await eventually(lambda: time.monotonic() - killed_at > seconds and len(stored(demo.database)) > before, LONG_S)
    assert {each.url: len(each.liquidations) for each in demo.both} == heard
    redis.start()
    await eventually(lambda: all(each.heart == "live" for each in demo.both), LONG_S)
    assert [each.codes.keys() for each in demo.both] == [{200}, {200}]
    await eventually(lambda: "faces are told again" in demo.running.said.read_text(), LONG_S)
    assert "faces are not told anything" in demo.running.said.read_text().partition("faces are told again")[0]
    with SqliteReader.open(demo.database) as reader:
        assert [row for row in reader.coverage() if row.kind == "gap"] == []


async def _hears_its_own(redis: RedisServer, place: Path, real: Ears, eventually: Wait) -> None:
    """The real store's face heard nothing of the demo; a heart of a real market it hears."""
    code, body = await real.get("/readyz")
    assert (code, [fault["pointer"] for fault in body["errors"]]) == (503, ["/bus"])
    assert "under the name 'perpscope'" in body["detail"]
    assert (real.heart, real.market, real.liquidations, real.told) == ("none", {}, [], {})
    observed = msgspec.structs.replace(STATUS, data=StoreKind.OBSERVED)
    publisher = await RedisPublisher.open(redis.url, spill=place / "real.unsent", name="perpscope")
    try:
        publisher.publish(Topic.STATUS.value, msgspec.json.encode(observed), key="heart")
        publisher.publish(Topic.MARKET.value, msgspec.msgpack.encode(line(1, NOWHERE)), key=NOWHERE)
        await eventually(lambda: real.heart == "live" and bool(real.market), LONG_S)
        assert list(real.state["market"]) == [NOWHERE]
        assert real.state["status"]["data"] == "observed"
    finally:
        await publisher.aclose()
