"""Both caches keep an answer for its time, never another's, and are silent when they cannot."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.contract.bus_engines import RedisServer

from perpscope.bus.memory import MemoryCache
from perpscope.bus.redis import RedisCache
from perpscope.ports import Cache


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cache]:
    """An empty cache."""
    if request.param == "memory":
        memory = MemoryCache()
        yield memory
        await memory.aclose()
        return
    server = RedisServer(tmp_path)
    shared = RedisCache(server.url)
    yield shared
    await shared.aclose()
    server.kill()


async def test_an_answer_is_kept_as_it_is(cache: Cache) -> None:
    """Any bytes come back as they were, the newest for each key, and nothing for a key without one. Keeps S0-17."""
    assert await cache.get("a") is None
    await cache.put("a", b"\x00\xff", 60)
    await cache.put("b c/ü", b"", 60)
    await cache.put("a", b"newer", 60)
    assert await cache.get("a") == b"newer"
    assert await cache.get("b c/ü") == b""
    assert await cache.get("c") is None


async def test_an_answer_does_not_outlive_its_time(cache: Cache) -> None:
    """After its time an answer is gone; one without any time is not kept at all."""
    await cache.put("none", b"1", 0)
    assert await cache.get("none") is None
    await cache.put("short", b"1", 0.05)
    deadline = time.monotonic() + 10
    while await cache.get("short") is not None:
        assert time.monotonic() < deadline


async def test_memory_is_bounded_and_the_longest_unused_goes_first() -> None:
    """The cache never holds more than its bytes; what was asked for lately stays."""
    now = [0.0]
    cache = MemoryCache(max_bytes=100, monotonic=lambda: now[0])
    await cache.put("a", b"x" * 39, 10)
    await cache.put("b", b"x" * 39, 10)
    assert await cache.get("a") is not None
    await cache.put("c", b"x" * 39, 10)
    assert await cache.get("b") is None
    assert await cache.get("a") is not None
    await cache.put("d", b"x" * 100, 10)
    assert await cache.get("d") is None
    assert cache.bytes_kept == 80
    now[0] = 10.0
    assert await cache.get("a") is None
    assert cache.bytes_kept == 40


async def test_without_redis_there_is_no_answer_and_no_waiting(tmp_path: Path) -> None:
    """A Redis that is gone or frozen costs one short wait, and then nothing until it is tried again."""
    server = RedisServer(tmp_path)
    now = [0.0]
    cache = RedisCache(server.url, monotonic=lambda: now[0])
    await cache.put("a", b"1", 60)
    assert await cache.get("a") == b"1"
    server.freeze()
    started = time.monotonic()
    for _ in range(100):
        assert await cache.get("a") is None
        await cache.put("a", b"2", 60)
    assert time.monotonic() - started < 5
    server.thaw()
    assert await cache.get("a") is None
    now[0] = 2.0
    assert await cache.get("a") == b"1"
    server.kill()
    assert await cache.get("a") is None
    await cache.aclose()


async def test_hearts_do_not_share_answers(tmp_path: Path) -> None:
    """Two hearts in one Redis keep their answers apart."""
    server = RedisServer(tmp_path)
    one, other = RedisCache(server.url, name="one"), RedisCache(server.url, name="other")
    await one.put("a", b"1", 60)
    assert await other.get("a") is None
    await one.aclose()
    await other.aclose()
    server.kill()
