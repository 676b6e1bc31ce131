"""What every bus promises: order, states to late comers, losses told exactly, and that nobody is held up."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.bus_engines import (
    SMALL,
    Ear,
    Eventually,
    LocalBus,
    RedisBus,
    RedisServer,
    Scene,
    numbered,
)

from perpscope.ports import Publisher

STATES = "market"
EVENTS = "events"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One real server for this module; each test is a heart of its own name in it."""
    server = RedisServer(tmp_path_factory.mktemp("r"))
    yield server
    server.kill()


def redis_bus(folder: Path, request: pytest.FixtureRequest) -> RedisBus:
    """A heart of a name of its own in the module's server."""
    server: RedisServer = request.getfixturevalue("server")
    return RedisBus(folder, server.url, f"h{time.monotonic_ns()}")


@pytest.fixture(params=["local", "redis"])
async def scene(request: pytest.FixtureRequest, tmp_path: Path, eventually: Eventually) -> AsyncIterator[Scene]:
    """A bus with nobody at it yet."""
    scene = Scene(LocalBus(tmp_path) if request.param == "local" else redis_bus(tmp_path, request), eventually)
    yield scene
    await scene.close()


def tell(heart: Publisher, payloads: list[bytes], topic: str = EVENTS) -> None:
    """Publish these, without a key."""
    for payload in payloads:
        heart.publish(topic, payload)


async def test_everything_comes_in_order_and_once(scene: Scene) -> None:
    """A face hears each message of its topics once, in the order told, with growing numbers, and no other topic's."""
    heart = await scene.heart()
    ear = await scene.ear(EVENTS, "maps")
    expected = []
    for number, payload in enumerate(numbered(3000)):
        topic = (EVENTS, "maps", "other")[number % 3]
        heart.publish(topic, payload)
        expected += [(topic, payload)] if topic != "other" else []
        if number % 500 == 0:
            await asyncio.sleep(0)
    await scene.until(lambda: len(ear.heard) == len(expected))
    assert [(message.topic, message.payload) for message in ear.heard] == expected
    numbers = [message.seq for message in ear.heard]
    assert numbers == sorted(set(numbers))
    assert len({message.run for message in ear.heard}) == 1
    assert ear.missed == 0


async def test_a_late_face_is_told_the_newest_of_each_state_first(scene: Scene) -> None:
    """Who joins late hears each state once, as it stands, and none of the messages from before."""
    heart = await scene.heart()
    early = await scene.ear(EVENTS, STATES)
    for number in range(3):
        heart.publish(STATES, b"btc %d" % number, key="BTC")
        heart.publish(STATES, b"eth %d" % number, key="ETH")
        heart.publish("status", b"up %d" % number, key="heart")
        tell(heart, [b"before"])
    await scene.until(lambda: len(early.events) == 3)
    late = await scene.ear(EVENTS, STATES)
    await scene.until(lambda: len(late.heard) == 2)
    tell(heart, [b"after"])
    await scene.until(lambda: len(late.heard) == 3)
    told = [(message.key, message.payload) for message in late.heard]
    assert told == [("BTC", b"btc 2"), ("ETH", b"eth 2"), (None, b"after")]
    assert late.missed == 0


async def test_states_coalesce_and_messages_do_not(scene: Scene) -> None:
    """Of a state told a thousand times in one go a face hears the newest, and far fewer; messages all come."""
    heart = await scene.heart()
    ear = await scene.ear(EVENTS, STATES)
    for number in range(1000):
        heart.publish(STATES, str(number).encode(), key="BTC")
        if number % 10 == 0:
            heart.publish(EVENTS, str(number).encode())
    await scene.until(lambda: len(ear.events) == 100 and ear.states.get((STATES, "BTC")) == b"999")
    assert len(ear.heard) < 110
    assert ear.payloads == [str(number).encode() for number in range(0, 1000, 10)]


async def test_a_face_that_falls_behind_is_told_exactly_what_it_missed(scene: Scene) -> None:
    """Heard and missed add up, each loss is told right before what follows it, and states are not lost."""
    heart = await scene.heart(is_small=True)
    slow, quick = await scene.ear(EVENTS, STATES), await scene.ear(EVENTS, STATES)
    tell(heart, [b"first"])
    await scene.until(lambda: len(slow.events) == len(quick.events) == 1)
    slow.pause()
    tell(heart, [b"second"])
    await scene.until(lambda: len(slow.events) == 2)
    sent = numbered(20 * SMALL, size=1000)
    for start in range(0, len(sent), 100):
        tell(heart, sent[start : start + 100])
        heart.publish(STATES, b"%d" % start, key="BTC")
        await scene.until(lambda: len(quick.events) + quick.missed >= 2 + start)  # noqa: B023 (called at once)
        await scene.until(lambda: heart.health().queued < 2 * SMALL)
    await scene.until(lambda: len(quick.events) == 2 + len(sent))
    slow.go_on()
    await scene.until(lambda: slow.payloads[-1:] == sent[-1:] and slow.states == quick.states)
    assert quick.missed == 0
    assert slow.missed > SMALL
    assert len(slow.events) + slow.missed == 2 + len(sent)
    expected = 1
    for message in slow.events[2:]:
        expected += message.missed
        assert message.payload == sent[expected - 1]
        expected += 1
    assert slow.subscriber.health().dropped == slow.missed


async def test_faces_agree(scene: Scene) -> None:
    """Whoever listens hears the same messages with the same numbers in the same order."""
    heart = await scene.heart()
    ears = [await scene.ear(EVENTS, STATES) for _ in range(5)]
    for number in range(500):
        heart.publish(EVENTS, str(number).encode())
        if number % 50 == 0:
            heart.publish(STATES, str(number).encode(), key=f"K{number}")
            await asyncio.sleep(0.001)
    await scene.until(lambda: all(len(ear.heard) == 510 for ear in ears))
    first, *others = [[(m.run, m.seq, m.topic, m.key, m.payload) for m in ear.heard] for ear in ears]
    assert all(other == first for other in others)


async def test_a_new_heart_begins_anew(scene: Scene) -> None:
    """After a restart the face hears a new run from its first message on, and the old heart's states are gone."""
    heart = await scene.heart()
    ear = await scene.ear(EVENTS, STATES)
    tell(heart, numbered(10))
    heart.publish(STATES, b"old", key="OLD")
    await scene.until(lambda: len(ear.heard) == 11)
    await heart.aclose()
    await scene.until(lambda: not ear.subscriber.health().is_connected)
    again = await scene.heart()
    await scene.until(lambda: ear.subscriber.health().is_connected)
    tell(again, numbered(10, 10))
    again.publish(STATES, b"new", key="NEW")
    await scene.until(lambda: len(ear.heard) == 22)
    assert ear.payloads == numbered(20)
    assert ear.missed == 0
    runs = list(dict.fromkeys(message.run for message in ear.heard))
    assert len(runs) == 2
    assert [message.seq for message in ear.heard if message.run == runs[1]] == list(range(1, 12))
    late = await scene.ear(EVENTS, STATES)
    await scene.until(lambda: len(late.heard) == 1)
    assert late.states == {(STATES, "NEW"): b"new"}


async def test_a_face_may_be_there_before_the_heart(scene: Scene) -> None:
    """A face waits for its heart, says why it hears nothing, and hears everything from the first message on."""
    early = Ear(scene.bus.subscriber([EVENTS]))
    await scene.until(lambda: "no heart" in (early.subscriber.health().why or ""))
    heart = await scene.heart()
    await scene.until(lambda: early.subscriber.health().is_connected)
    tell(heart, numbered(5))
    await scene.until(lambda: early.payloads == numbered(5))
    assert early.missed == 0
    await early.close()


async def test_closing_is_quick_and_says_goodbye(scene: Scene) -> None:
    """Either end closes within a second, what was told before is delivered, and closing twice is harmless."""
    heart = await scene.heart()
    ear, idle = await scene.ear(EVENTS), await scene.ear(EVENTS)
    tell(heart, numbered(200))
    started = time.monotonic()
    await heart.aclose()
    await heart.aclose()
    assert time.monotonic() - started < 2
    await scene.until(lambda: ear.payloads == numbered(200))
    heart.publish(EVENTS, b"too late")
    started = time.monotonic()
    await idle.close()
    await idle.close()
    assert time.monotonic() - started < 2
    assert not heart.health().is_connected
    assert ear.payloads == numbered(200)


async def test_nothing_holds_up_the_event_loop(scene: Scene) -> None:
    """While a heart tells much and a face does not read, every other task of the heart has its turn."""
    heart = await scene.heart(is_small=True)
    ear, slow = await scene.ear(EVENTS), await scene.ear(EVENTS)
    slow.pause()
    longest = 0.0
    last = time.monotonic()
    for payload in numbered(400, size=1000):
        tell(heart, [payload] * 50)
        await asyncio.sleep(0)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    await scene.until(lambda: len(ear.events) + ear.missed == 20_000)
    assert longest < 1.0


@pytest.mark.parametrize("kind", ["local", "redis"])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    told=st.lists(
        st.tuples(st.sampled_from([EVENTS, STATES]), st.sampled_from([None, "a", "b"]), st.binary(max_size=8)),
        max_size=40,
    ),
    pauses=st.sets(st.integers(0, 40)),
)
def test_any_sequence_gives_everybody_the_same_order(
    kind: str,
    told: list[tuple[str, str | None, bytes]],
    pauses: set[int],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Whatever is told, every face hears all messages in order, and ends with the newest of each state."""
    bus = LocalBus(tmp_path) if kind == "local" else redis_bus(tmp_path, request)

    async def hear(bus: LocalBus | RedisBus) -> None:
        heart = await bus.publisher()
        ears = [Ear(bus.subscriber([EVENTS, STATES])) for _ in range(2)]
        while not all(ear.subscriber.health().is_connected for ear in ears):
            await asyncio.sleep(0.001)
        for number, (topic, key, payload) in enumerate(told):
            heart.publish(topic, payload, key=key)
            if number in pauses:
                await asyncio.sleep(0.001)
        heart.publish(EVENTS, b"the end")
        while any(ear.payloads[-1:] != [b"the end"] for ear in ears):
            await asyncio.sleep(0.001)
        for ear in ears:
            await ear.close()
        await heart.aclose()
        for ear in ears:
            numbers = [message.seq for message in ear.heard]
            assert numbers == sorted(set(numbers))
            events = [(message.topic, message.payload) for message in ear.events]
            assert events == [(topic, payload) for topic, key, payload in told if key is None] + [(EVENTS, b"the end")]
            assert ear.states == {(topic, key): payload for topic, key, payload in told if key is not None}

    asyncio.run(asyncio.wait_for(hear(bus), 30))
