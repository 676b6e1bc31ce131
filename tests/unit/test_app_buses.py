"""Which way heart and face speak, by the settings alone: the store's own socket, or Redis under the right name."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.contract.bus_engines import RedisServer

from perpscope.app import buses
from perpscope.app.face import TOPICS, Heart, Live
from perpscope.bus.local import LocalPublisher, LocalSubscriber, socket_path
from perpscope.bus.memory import MemoryCache
from perpscope.errors import ConfigError
from perpscope.model.bulletin import MarketLine
from perpscope.model.instrument import InstrumentId
from perpscope.settings import Redis, Settings
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

Wait = Callable[[Callable[[], bool]], Awaitable[None]]

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
URL = "redis://127.0.0.1:1/0"


def told_by(url: str) -> Settings:
    """Settings with a Redis."""
    return replace(Settings(), redis=Redis(bus=url, cache=url))


async def test_without_a_redis_a_store_has_a_socket_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The heart listens where its faces look, and a face without a store has nobody to listen to."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    database = tmp_path / "m.db"
    if len(str(socket_path(database))) > 100:
        monkeypatch.setenv("RUNTIME_DIRECTORY", "/tmp")
    heart = await buses.publisher(Settings(), database, print)
    assert isinstance(heart, LocalPublisher)
    assert socket_path(database).is_socket()
    await heart.aclose()
    assert isinstance(buses.subscriber(Settings(), database, ["status"]), LocalSubscriber)
    assert buses.subscriber(Settings(), None, ["status"]) is None
    assert isinstance(buses.cache(Settings(), database), MemoryCache)


@pytest.mark.parametrize("way", ["local", "redis"])
async def test_a_face_hears_its_heart_and_that_it_has_gone(tmp_path: Path, eventually: Wait, way: str) -> None:
    """By either way: what was told before it came, what is told now, the end of it, and the next heart."""
    with tempfile.TemporaryDirectory(prefix="p-") as short, contextlib.ExitStack() as stack:
        settings = Settings()
        if way == "redis":
            server = RedisServer(Path(short))
            stack.callback(server.kill)
            settings = told_by(server.url)
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("RUNTIME_DIRECTORY", short)
        database = tmp_path / "m.db"
        said: list[str] = []
        live = Live(buses.subscriber(settings, database, TOPICS))
        listening = asyncio.create_task(live.run())
        for at in (1, 2):
            heart = await buses.publisher(settings, database, said.append)
            line = MarketLine(instrument=BTC, ts_market=at)
            heart.publish("market", msgspec.msgpack.encode(line), key=BTC)
            await eventually(lambda told=line: live.market.get(BTC) == told)  # type: ignore[misc]  # bound now
            assert live.heart is Heart.LIVE
            assert live.bus() is not None
            await heart.aclose()
            await eventually(lambda: live.heart is Heart.GONE)
        shared = buses.cache(settings, database)
        await shared.put("answer", b"42", 60.0)
        assert await shared.get("answer") == b"42"
        if way == "redis":
            SqliteStore.open(tmp_path / "demo.db", kind=StoreKind.DEMO).close()
            other = buses.cache(settings, tmp_path / "demo.db")
            assert await other.get("answer") is None  # a generated market's answers are never a real one's
            await other.aclose()
        await shared.aclose()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await live.aclose()
        assert said == (["faces are told by Redis, as 'perpscope'"] * 2 if way == "redis" else [])


@pytest.mark.parametrize(
    ("url", "kind", "expected"),
    [
        pytest.param(URL, None, (URL, "perpscope"), id="replica"),
        pytest.param(URL, StoreKind.OBSERVED, (URL, "perpscope"), id="observed"),
        pytest.param(URL, StoreKind.DEMO, (URL, "perpscope-demo"), id="demo"),
        pytest.param(f"{URL}#desk-2", StoreKind.OBSERVED, (URL, "desk-2"), id="named"),
        pytest.param(f"{URL}#desk-2", StoreKind.DEMO, (URL, "desk-2-demo"), id="named-demo"),
    ],
)
def test_a_demo_is_never_heard_by_the_face_of_a_real_store(
    tmp_path: Path, url: str, kind: StoreKind | None, expected: tuple[str, str]
) -> None:
    """On one Redis each heart has a name, by the URL and by what kind of store it writes."""
    database = tmp_path / "m.db"
    if kind is not None:
        SqliteStore.open(database, kind=kind).close()
    assert buses._named(url, None if kind is None else database) == expected


def test_a_store_that_is_none_is_no_demo(tmp_path: Path) -> None:
    """A face may begin before its heart, or beside a file that is something else."""
    (tmp_path / "m.db").write_text("no database at all, but long enough to look like one to a careless reader")
    assert buses._named(URL, tmp_path / "m.db") == (URL, "perpscope")
    assert buses._named(URL, tmp_path / "none.db") == (URL, "perpscope")


def test_what_stands_after_the_hash_may_be_a_password(tmp_path: Path) -> None:
    """A password with a raw # in it splits the URL: the rest of it is not repeated."""
    with pytest.raises(ConfigError) as refused:
        buses.subscriber(told_by("redis://me:pa#ss:word@host/0"), tmp_path / "m.db", ["status"])
    assert refused.value.code == "redis-url"
    assert "ss:word" not in f"{refused.value.message}{refused.value.hint}"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is set and its client is not there: the hint is the command that installs it."""
    monkeypatch.delitem(sys.modules, "perpscope.bus.redis", raising=False)
    for name in [name for name in sys.modules if name.startswith("perpscope.bus.redis.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigError) as refused:
        buses.cache(told_by(URL), None)
    assert refused.value.code == "extra-missing"
    assert refused.value.hint == "pip install 'perpscope[redis]'"
