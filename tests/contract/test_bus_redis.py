"""The bus in Redis when Redis is full, frozen, gone, wrongly set up or fed nonsense: nothing is lost, nothing twice."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.contract.bus_engines import Ear, Eventually, RedisBus, RedisServer, Scene, environment, numbered

from perpscope.bus.redis import RedisPublisher, RedisSubscriber
from perpscope.errors import ConfigError, StoreError

EVENTS = "events"
STATES = "market"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real server of this test's own, to be ill-treated; it keeps nothing on disk."""
    server = RedisServer(tmp_path_factory.mktemp("r"))
    yield server
    server.thaw()
    server.kill()


@pytest.fixture
async def scene(server: RedisServer, tmp_path: Path, eventually: Eventually) -> AsyncIterator[Scene]:
    """A bus in that server."""
    scene = Scene(RedisBus(tmp_path, server.url), eventually)
    yield scene
    await scene.close()


async def test_a_full_redis_costs_nothing(scene: Scene, server: RedisServer) -> None:
    """Out of memory, noeviction: what Redis refuses waits in the file and comes in order when there is room (H3)."""
    heart = await scene.heart()
    ear = await scene.ear(EVENTS, STATES)
    heart.publish(EVENTS, b"before")
    await scene.until(lambda: ear.payloads == [b"before"])
    server.say("CONFIG", "SET", "maxmemory", "1")
    sent = numbered(5000, size=200)
    for start in range(0, len(sent), 50):
        for payload in sent[start : start + 50]:
            heart.publish(EVENTS, payload)
        heart.publish(STATES, b"%d" % start, key="BTC")
        await asyncio.sleep(0)
    await scene.until(lambda: heart.health().spilled >= 5000)
    assert "is full" in (heart.health().why or "")
    assert ear.payloads == [b"before"]
    server.say("CONFIG", "SET", "maxmemory", "0")
    await scene.until(lambda: len(ear.events) == 5001 and ear.states == {(STATES, "BTC"): b"4950"})
    assert ear.payloads == [b"before", *sent]
    assert ear.missed == 0
    await scene.until(lambda: heart.health().is_connected and heart.health().queued == 0)
    assert heart.health().dropped == 0


async def away(scene: Scene, server: RedisServer, for_s: float, per_s: int) -> None:
    """Kill Redis for so long, with a heart that goes on telling; then count."""
    heart = await scene.heart()
    ears = [await scene.ear(EVENTS, STATES) for _ in range(2)]
    sent: list[bytes] = []

    def tell(count: int) -> None:
        for payload in numbered(count, len(sent)):
            heart.publish(EVENTS, payload)
            sent.append(payload)
        heart.publish(STATES, sent[-1], key="BTC")

    for _ in range(20):
        tell(100)
        await asyncio.sleep(0.002)
    server.kill()
    until = time.monotonic() + for_s
    while time.monotonic() < until:
        tell(max(1, per_s // 50))
        await asyncio.sleep(0.02)
    assert not heart.health().is_connected
    assert heart.health().spilled > 0
    assert not ears[0].subscriber.health().is_connected
    server.start()
    tell(100)
    await scene.until(lambda: all(ear.payloads[-1:] == sent[-1:] for ear in ears))
    for ear in ears:
        assert ear.payloads == sent
        assert ear.missed == 0
        assert ear.states == {(STATES, "BTC"): sent[-1]}
    await scene.until(lambda: heart.health().queued == 0)
    assert heart.health().dropped == 0


async def test_a_killed_redis_costs_nothing(scene: Scene, server: RedisServer) -> None:
    """Redis killed while it is told to, and back empty: every face hears everything once, in order (H6)."""
    await away(scene, server, 1.0, 2000)


@pytest.mark.soak
async def test_a_redis_away_for_half_a_minute_costs_nothing(scene: Scene, server: RedisServer) -> None:
    """The same for thirty seconds at two thousand messages a second (H6)."""
    await away(scene, server, 30.0, 2000)


async def test_a_frozen_redis_holds_nobody_up(server: RedisServer, tmp_path: Path, eventually: Eventually) -> None:
    """Redis stops answering without hanging up: telling goes on at once, and all arrives, once, when it wakes."""
    heart = await RedisPublisher.open(server.url, spill=tmp_path / "spill", answer_s=0.3)
    ear = Ear(RedisSubscriber(server.url, [EVENTS]))
    await eventually(lambda: ear.subscriber.health().is_connected)
    server.freeze()
    sent = numbered(1000)
    for payload in sent:
        started = time.monotonic()
        heart.publish(EVENTS, payload)
        assert time.monotonic() - started < 1
        if payload.endswith(b"00"):
            await asyncio.sleep(0.01)
    await eventually(lambda: not heart.health().is_connected)
    assert "did not answer in time" in (heart.health().why or "")
    server.thaw()
    await eventually(lambda: len(ear.events) >= 1000)
    heart.publish(EVENTS, b"the end")
    await eventually(lambda: ear.payloads[-1] == b"the end")
    assert ear.payloads == [*sent, b"the end"]
    await ear.close()
    await heart.aclose()


async def test_two_hearts_of_one_name_lose_nothing(scene: Scene, tmp_path: Path, server: RedisServer) -> None:
    """A mistake in the settings: what both tell is heard mixed, but all of it, and once."""
    one = await scene.heart()
    other = await RedisPublisher.open(server.url, spill=tmp_path / "other", name="test")
    ear = await scene.ear(EVENTS)
    for number in range(8):
        one.publish(EVENTS, b"one %d" % number)
        other.publish(EVENTS, b"other %d" % number)
        await scene.until(lambda: len(ear.events) == 2 * number + 2)  # noqa: B023 (called at once)
    assert [payload for payload in ear.payloads if payload.startswith(b"one")] == [b"one %d" % n for n in range(8)]
    assert sorted(ear.payloads) == sorted(b"%s %d" % (who, n) for who in (b"one", b"other") for n in range(8))
    assert ear.missed == 0
    await other.aclose()


async def test_a_file_that_cannot_be_is_told(server: RedisServer, tmp_path: Path) -> None:
    """Without a place for what Redis does not take, nothing is started; the path is named."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"cannot be made: .*/file/spill") as told:
        await RedisPublisher.open(server.url, spill=tmp_path / "file" / "spill")
    assert told.value.code == "bus-file"


async def test_what_one_heart_could_not_tell_the_next_one_does(
    scene: Scene, server: RedisServer, tmp_path: Path
) -> None:
    """A heart that stops while Redis is away leaves the file to the next, which tells it first."""
    heart = await scene.heart()
    ear = await scene.ear(EVENTS)
    heart.publish(EVENTS, b"before")
    await scene.until(lambda: len(ear.events) == 1)
    server.kill()
    for payload in numbered(300):
        heart.publish(EVENTS, payload)
    await heart.aclose()
    assert (tmp_path / "spill").stat().st_size > 0
    assert (tmp_path / "spill").stat().st_mode & 0o777 == 0o600
    with (tmp_path / "spill").open("ab") as torn:
        torn.write(b"\x00\x00\x10\x00torn by a crash")
    again = await scene.heart()
    assert again.health().spilled == 300
    again.publish(EVENTS, b"after")
    server.start()
    await scene.until(lambda: ear.payloads[-1] == b"after")
    assert ear.payloads == [b"before", *numbered(300), b"after"]
    assert len({message.run for message in ear.events}) == 2
    await scene.until(lambda: (tmp_path / "spill").stat().st_size == 0)


async def test_a_heart_that_stops_while_redis_hangs_tells_nothing_twice(scene: Scene, server: RedisServer) -> None:
    """What was on its way when the heart stopped may arrive after all; the next heart's file adds only the rest."""
    heart = await scene.heart()
    ear = await scene.ear(EVENTS)
    heart.publish(EVENTS, b"before")
    await scene.until(lambda: len(ear.events) == 1)
    server.freeze()
    for payload in numbered(300):
        heart.publish(EVENTS, payload)
        await asyncio.sleep(0.001)
    await heart.aclose()
    server.thaw()
    again = await scene.heart()
    assert again.health().queued > 0
    again.publish(EVENTS, b"after")
    await scene.until(lambda: ear.payloads[-1] == b"after")
    assert ear.payloads == [b"before", *numbered(300), b"after"]
    assert ear.missed == 0
    assert server.say("XLEN", "perpscope:test:stream") != ":0\r\n"


async def test_more_than_the_file_holds_is_counted_and_told(
    server: RedisServer, tmp_path: Path, eventually: Eventually
) -> None:
    """The file is bounded: what had no room is dropped, counted, and told to faces as missed, exactly."""
    heart = await RedisPublisher.open(server.url, spill=tmp_path / "spill", spill_bytes=100_000)
    ear = Ear(RedisSubscriber(server.url, [EVENTS]))
    await eventually(lambda: ear.subscriber.health().is_connected)
    heart.publish(EVENTS, b"before")
    await eventually(lambda: len(ear.events) == 1)
    server.kill()
    for payload in numbered(2000, size=100):
        heart.publish(EVENTS, payload)
    await eventually(lambda: heart.health().dropped > 0)
    dropped = heart.health().dropped
    server.start()
    await eventually(lambda: heart.health().is_connected)
    heart.publish(EVENTS, b"after")
    await eventually(lambda: ear.payloads[-1] == b"after")
    assert heart.health().dropped == dropped == ear.missed
    assert len(ear.events) + ear.missed == 2002
    assert (tmp_path / "spill").stat().st_size <= 100_000
    await ear.close()
    await heart.aclose()


async def test_a_broken_disk_costs_only_what_memory_cannot_hold(
    server: RedisServer, tmp_path: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis away and the disk refusing: memory holds what it may; the rest is counted and told as missed, exactly."""

    def refuse(_file: int, _data: bytes, _at: int) -> int:
        raise OSError("no space left on device")

    heart = await RedisPublisher.open(server.url, spill=tmp_path / "spill")
    ear = Ear(RedisSubscriber(server.url, [EVENTS]))
    await eventually(lambda: ear.subscriber.health().is_connected)
    heart.publish(EVENTS, b"before")
    await eventually(lambda: len(ear.events) == 1)
    server.kill()
    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", refuse)
        disk.setattr("perpscope.bus.redis.publisher.MOST_WAITING_BYTES", 50_000)
        for payload in numbered(1000, size=100):
            heart.publish(EVENTS, payload)
        await eventually(lambda: not heart.health().is_connected)
        assert heart.health().spilled == 0
        assert heart.health().queued + heart.health().dropped == 1000
        assert heart.health().dropped > 500
        server.start()
        await eventually(lambda: heart.health().is_connected and heart.health().queued == 0)
    heart.publish(EVENTS, b"after")
    await eventually(lambda: ear.payloads[-1] == b"after")
    assert ear.missed == heart.health().dropped
    assert len(ear.events) + ear.missed == 1002
    await ear.close()
    await heart.aclose()


_MEMBER = """
import asyncio, sys
from perpscope.bus.redis import RedisSubscriber

async def main():
    member = RedisSubscriber(sys.argv[1], ["events"], name="test", group="work", reclaim_after_s=0.5)
    async for messages in member.messages():
        for message in messages:
            print(message.seq, flush=True)
        await member.acknowledge(messages)

asyncio.run(main())
"""


async def killed_members(scene: Scene, server: RedisServer, tmp_path: Path, count: int, kills: int) -> None:
    """Kill members in the middle of their work; whoever is left does what they held."""
    heart = await scene.heart()
    founder = await scene.ear(EVENTS, group="work")
    await founder.close()  # the group is there before the first message is
    outputs = [tmp_path / f"member{number}" for number in range(kills)]

    def heard(output: Path) -> list[int]:
        return [int(line) for line in output.read_bytes().split(b"\n")[:-1]]

    for start, output in enumerate(outputs):
        with output.open("wb") as file:
            words = [sys.executable, "-c", _MEMBER, server.url]
            member = subprocess.Popen(words, stdout=file, env=environment())
        for number in range(start * count // kills, (start + 1) * count // kills):
            heart.publish(EVENTS, str(number).encode())
        await scene.until(lambda: len(heard(output)) > 0)  # noqa: B023 (called at once)
        os.kill(member.pid, signal.SIGKILL)
        member.wait()
    last = await scene.ear(EVENTS, group="work", does_acknowledge=True)

    def times() -> Counter[int]:
        return Counter([*(seq for output in outputs for seq in heard(output)), *(m.seq for m in last.heard)])

    await scene.until(lambda: len(times()) == count)
    await scene.until(lambda: server.say("XPENDING", "perpscope:test:stream", "work").startswith("*4\r\n:0"))
    assert set(times()) == set(range(1, count + 1))
    # what was printed but not acknowledged when its member was killed comes again, and nothing else
    assert times().total() - count <= kills * 1000


async def test_a_killed_member_leaves_its_work_to_others(scene: Scene, server: RedisServer, tmp_path: Path) -> None:
    """A member killed with messages in hand: all of them are done by others, none lost (H4)."""
    await killed_members(scene, server, tmp_path, 2000, 1)


@pytest.mark.soak
async def test_members_killed_again_and_again(scene: Scene, server: RedisServer, tmp_path: Path) -> None:
    """Sixty thousand messages and six kills: none lost (H4)."""
    await killed_members(scene, server, tmp_path, 60_000, 6)


async def test_an_entry_nobody_can_read_stops_nobody(scene: Scene, server: RedisServer) -> None:
    """Nonsense in the stream: faces pass over it and count it; a group sets it aside after five deliveries (H5)."""
    heart = await scene.heart()
    ear = await scene.ear(EVENTS)
    member = await scene.ear(EVENTS, group="work", does_acknowledge=True)
    heart.publish(EVENTS, b"1")
    await scene.until(lambda: len(ear.events) == 1)
    server.say("XADD", "perpscope:test:stream", "*", "b", "no batch")
    server.say("XADD", "perpscope:test:stream", "*", "other", "no batch either")
    heart.publish(EVENTS, b"2")
    await scene.until(lambda: ear.payloads == member.payloads == [b"1", b"2"])
    assert ear.subscriber.health().dead == 2
    await scene.until(lambda: member.subscriber.health().dead == 2)
    assert server.say("XLEN", "perpscope:test:dead:work") == ":2\r\n"
    heart.publish(EVENTS, b"3")
    await scene.until(lambda: ear.payloads == member.payloads == [b"1", b"2", b"3"])


async def test_a_wrong_password_is_told_and_never_shown(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A refused login is a configuration error that names host and port; no word of ours holds the password."""
    server = RedisServer(tmp_path_factory.mktemp("r"), "--requirepass", "right-secret")
    try:
        for secret in ("wrong-secret", ""):
            url = f"redis://{':' + secret + '@' if secret else ''}127.0.0.1:{server.port}/0"
            with pytest.raises(ConfigError, match=f"127.0.0.1:{server.port} refused the user or the password") as told:
                await RedisPublisher.open(url, spill=tmp_path / "spill")
            assert told.value.code == "redis-refused"
            assert "secret" not in repr(told.value) + str(told.value.__cause__) + str(told.value.hint)
        heart = await RedisPublisher.open(
            f"redis://:right-secret@127.0.0.1:{server.port}", spill=tmp_path / "spill", name="n"
        )
        assert heart.health().is_connected
        assert "secret" not in repr(heart.health())
        await heart.aclose()
    finally:
        server.kill()


@pytest.mark.parametrize("url", ["foo://a:secret@b", "redis://a:secret@host:port", "", "localhost:6379?secret"])
def test_a_url_that_is_none_is_not_repeated(url: str) -> None:
    """What cannot be read as a URL is refused without being shown, for it may hold a password."""
    with pytest.raises(ConfigError, match="the Redis URL cannot be read") as told:
        RedisSubscriber(url, [EVENTS])
    assert "secret" not in str(told.value) + str(told.value.hint) + str(told.value.__context__)


def test_a_name_that_could_be_a_pattern_is_refused() -> None:
    """A heart's name becomes part of its keys: letters, digits, dot, dash and underscore only."""
    with pytest.raises(ConfigError, match=r"'\*' cannot name a heart"):
        RedisSubscriber("redis://localhost", [EVENTS], name="*")


async def test_a_redis_that_throws_keys_away_is_refused(scene: Scene, server: RedisServer, tmp_path: Path) -> None:
    """allkeys-* would throw away the bus when Redis is full: refused at the start, with the remedy."""
    server.say("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with pytest.raises(ConfigError, match="maxmemory-policy allkeys-lru") as told:
        await scene.heart()
    assert told.value.code == "redis-evicts"
    server.say("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
    await scene.heart()
    assert (tmp_path / "spill").stat().st_size == 0


async def test_a_redis_that_is_not_there_yet_is_awaited(
    tmp_path: Path, server: RedisServer, eventually: Eventually
) -> None:
    """A heart starts without Redis, says what it waits for, and tells everything when Redis comes."""
    server.kill()
    heart = await RedisPublisher.open(f"redis://127.0.0.1:{server.port}", spill=tmp_path / "spill")
    assert heart.health().why == f"Redis at 127.0.0.1:{server.port} cannot be reached"
    ear = Ear(RedisSubscriber(server.url, [EVENTS, STATES]))
    heart.publish(EVENTS, b"1")
    heart.publish(STATES, b"2", key="BTC")
    await eventually(lambda: heart.health().spilled == 1)
    server.start()
    await eventually(lambda: ear.payloads == [b"1"] and ear.states == {(STATES, "BTC"): b"2"})
    await ear.close()
    await heart.aclose()


async def test_the_stream_stays_bounded_by_age(server: RedisServer, tmp_path: Path, eventually: Eventually) -> None:
    """Messages older than asked for leave Redis, those of an earlier heart with them."""
    old = await RedisPublisher.open(server.url, spill=tmp_path / "spill", name="test")
    old.publish(EVENTS, b"old")
    await old.aclose()
    now = [0.0]
    heart = await RedisPublisher.open(
        server.url, spill=tmp_path / "spill", name="test", keep_s=60, monotonic=lambda: now[0]
    )
    heart.publish(EVENTS, b"1")
    await eventually(lambda: server.say("XLEN", "perpscope:test:stream") == ":2\r\n")
    await eventually(lambda: heart.health().queued == 0)  # it knows when it was written
    now[0] = 61.0
    heart.publish(EVENTS, b"2")
    await eventually(lambda: server.say("XLEN", "perpscope:test:stream") == ":1\r\n")
    await heart.aclose()


ACL = (
    *("resetkeys", "~perpscope:*", "resetchannels", "-@all"),
    *"+hello +auth +client|setinfo +client|setname +select +ping +time +info +multi +exec +exists".split(),
    *"+xadd +xtrim +xread +xrevrange +xinfo|stream +xgroup|create".split(),
    *"+xgroup|delconsumer +xreadgroup +xack +xautoclaim +xinfo|consumers".split(),
    *"+set +get +del +hset +hgetall +hincrby +hdel +expire +sadd +srem +smismember".split(),
)


async def test_a_user_with_no_more_rights_than_documented_is_enough(
    server: RedisServer, tmp_path: Path, eventually: Eventually
) -> None:
    """The ACL line of docs/bus.md lets heart, faces and groups do all they do, and nothing else (S27)."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "bus.md").read_text()
    documented = " ".join(page.split("ACL SETUSER perpscope", 1)[1].split("```", 1)[0].replace("\\\n", " ").split())
    assert documented == "on >PASSWORD " + " ".join(ACL)
    assert server.say("ACL", "SETUSER", "perpscope", "on", ">pw", *ACL) == "+OK\r\n"
    url = f"redis://perpscope:pw@127.0.0.1:{server.port}"
    heart = await RedisPublisher.open(url, spill=tmp_path / "spill")
    heart.publish(STATES, b"s", key="BTC")
    ears = [
        Ear(RedisSubscriber(url, [EVENTS, STATES])),
        Ear(RedisSubscriber(url, [EVENTS], group="g", reclaim_after_s=0.2), does_acknowledge=True),
    ]
    careless = Ear(RedisSubscriber(url, [EVENTS], group="g", reclaim_after_s=0.2))
    for ear in (*ears, careless):
        await eventually(lambda: ear.subscriber.health().is_connected)  # noqa: B023 (called at once)
    for payload in numbered(50):
        heart.publish(EVENTS, payload)
        await asyncio.sleep(0.002)
    await careless.close()
    await eventually(lambda: all(set(ear.payloads) == set(numbered(50)) for ear in ears))
    assert heart.health().is_connected
    assert all(ear.subscriber.health().is_connected for ear in ears)
    await heart.aclose()
    for ear in ears:
        await ear.close()
    for words in ("FLUSHALL", "CONFIG GET *", "KEYS *", "DEBUG SLEEP 1", "SET elsewhere 1", "EVAL x 0"):
        assert "permission" in server.say("ACL", "DRYRUN", "perpscope", *words.split())
