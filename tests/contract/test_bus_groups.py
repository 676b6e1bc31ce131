"""What every bus promises a group: each message to one member, again until it is done with, but not for ever."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from tests.contract.bus_engines import RECLAIM_S, Ear, Eventually, LocalBus, RedisBus, RedisServer, Scene, numbered

from perpscope.model.bulletin import Message
from perpscope.ports import Subscriber

EVENTS = "events"
GROUP = "alerts"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One real server for this module; each test is a heart of its own name in it."""
    server = RedisServer(tmp_path_factory.mktemp("r"))
    yield server
    server.kill()


@pytest.fixture(params=["local", "redis"])
async def scene(request: pytest.FixtureRequest, tmp_path: Path, eventually: Eventually) -> AsyncIterator[Scene]:
    """A bus with nobody at it yet."""
    bus: LocalBus | RedisBus = LocalBus(tmp_path)
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("server")
        bus = RedisBus(tmp_path, server.url, f"h{time.monotonic_ns()}")
    scene = Scene(bus, eventually)
    yield scene
    await scene.close()


class Worker:
    """A member that works on one message at a time, and dies of the poisonous one."""

    def __init__(self, subscriber: Subscriber, poison: bytes) -> None:
        self.subscriber = subscriber
        self.done: list[bytes] = []
        self.touched = 0
        self._poison = poison
        self.task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        async for messages in self.subscriber.messages():
            for message in messages:
                if message.payload == self._poison:
                    self.touched += 1
                    await self.subscriber.aclose()
                    return
                self.done.append(message.payload)
                await self.subscriber.acknowledge([message])


def payloads(ears: Sequence[Ear]) -> Counter[bytes]:
    """How often each message was heard by these together."""
    return Counter(payload for ear in ears for payload in ear.payloads)


async def test_each_message_goes_to_one_member(scene: Scene) -> None:
    """Three members share what is told, each message once; another group and a face alone hear all of it."""
    heart = await scene.heart()
    members = [await scene.ear(EVENTS, group=GROUP, does_acknowledge=True) for _ in range(3)]
    other = await scene.ear(EVENTS, group="other", does_acknowledge=True)
    alone = await scene.ear(EVENTS)
    sent = numbered(3000)
    for start in range(0, len(sent), 30):
        for payload in sent[start : start + 30]:
            heart.publish(EVENTS, payload)
        heart.publish("market", b"a state", key="BTC")
        await asyncio.sleep(0)
    everybody = [[*members], [other], [alone]]
    await scene.until(lambda: all(sum(payloads(ears).values()) >= len(sent) for ears in everybody))
    await asyncio.sleep(2 * RECLAIM_S)
    for ears in everybody:
        assert payloads(ears) == Counter(sent)
        assert all(message.key is None for ear in ears for message in ear.heard)
    assert alone.payloads == other.payloads == sent


async def test_what_a_lost_member_held_goes_to_another(scene: Scene) -> None:
    """A member that goes without being done leaves its messages to the others: nothing lost, nothing done twice."""
    heart = await scene.heart()
    careless = await scene.ear(EVENTS, group=GROUP)
    sent = numbered(250)
    for payload in sent:
        heart.publish(EVENTS, payload)
    await scene.until(lambda: len(careless.events) == 250)
    done = careless.heard[:120]
    await careless.subscriber.acknowledge(done)
    member = await scene.ear(EVENTS, group=GROUP, does_acknowledge=True)
    await careless.close()
    await scene.until(lambda: len(member.events) >= 130)
    heart.publish(EVENTS, b"and one more")
    await scene.until(lambda: b"and one more" in member.payloads)
    assert sorted(member.payloads) == sorted([*sent[120:], b"and one more"])


async def test_what_a_member_holds_too_long_goes_to_another(scene: Scene) -> None:
    """A member that lives but is never done loses its messages to one that is."""
    heart = await scene.heart()
    stuck = await scene.ear(EVENTS, group=GROUP)
    for payload in numbered(20):
        heart.publish(EVENTS, payload)
    await scene.until(lambda: len(stuck.events) == 20)
    stuck.pause()
    member = await scene.ear(EVENTS, group=GROUP, does_acknowledge=True)
    heart.publish(EVENTS, b"wake up")
    await scene.until(lambda: set(numbered(20)) <= set(member.payloads))


async def test_a_message_nobody_can_read_is_set_aside(scene: Scene) -> None:
    """Each member dies of one message: it is told five times, then set aside; all others are done once."""
    heart = await scene.heart()
    workers: list[Worker] = []
    dead = 0

    def found() -> int:
        return dead + heart.health().dead + sum(worker.subscriber.health().dead for worker in workers[-1:])

    sent = [*numbered(60), b"poison", *numbered(60, 60)]
    workers.append(Worker(scene.bus.subscriber([EVENTS], group=GROUP), b"poison"))
    await scene.until(lambda: workers[0].subscriber.health().is_connected)
    for payload in sent:
        heart.publish(EVENTS, payload)
    for _ in range(5):
        await scene.until(workers[-1].task.done)
        workers.append(Worker(scene.bus.subscriber([EVENTS], group=GROUP), b"poison"))
    last = workers[-1]
    await scene.until(lambda: found() == 1 and sum(len(worker.done) for worker in workers) == 120)
    await last.subscriber.aclose()
    await last.task
    assert sum(worker.touched for worker in workers) == 5
    assert Counter(payload for worker in workers for payload in worker.done) == Counter(numbered(120))


async def test_acknowledging_without_a_group_is_harmless(scene: Scene) -> None:
    """A face alone may acknowledge what it likes, and what is unknown; nothing changes."""
    heart = await scene.heart()
    ear = await scene.ear(EVENTS, does_acknowledge=True)
    member = await scene.ear(EVENTS, group=GROUP, does_acknowledge=True)
    unknown = Message(EVENTS, b"", 99, "another-run")
    await ear.subscriber.acknowledge([unknown])
    await member.subscriber.acknowledge([unknown])
    for payload in numbered(10):
        heart.publish(EVENTS, payload)
    await scene.until(lambda: ear.payloads == member.payloads == numbered(10))
