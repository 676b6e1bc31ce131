"""The local bus and its socket file: who may use it, who takes it over, and what a heart's death means."""

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.contract.bus_engines import Ear, Eventually, LocalBus, Scene, environment, numbered

from perpscope.bus.local import MAX_PATH, LocalPublisher, LocalSubscriber, socket_path
from perpscope.errors import StoreError

EVENTS = "events"

_HEART = """
import asyncio, sys
from pathlib import Path
from perpscope.bus.local import LocalPublisher

async def main():
    heart = await LocalPublisher.open(Path(sys.argv[1]))
    for number in range(100):
        heart.publish("events", str(number).encode())
    heart.publish("market", b"stood", key="BTC")
    print("listening", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
async def scene(tmp_path: Path, eventually: Eventually) -> AsyncIterator[Scene]:
    """A local bus with nobody at it yet."""
    scene = Scene(LocalBus(tmp_path), eventually)
    yield scene
    await scene.close()


def test_one_place_for_each_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket's path is short, the same however the database is named, and another for another database."""
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    long = tmp_path / ("x" * 200) / "market.db"
    assert len(os.fsencode(socket_path(long))) <= MAX_PATH
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.db").symlink_to(tmp_path / "market.db")
    same = {socket_path(path) for path in (tmp_path / "market.db", Path("market.db"), Path("link.db"))}
    assert len(same) == 1
    assert socket_path(long) not in same
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{tmp_path}:/elsewhere")
    assert socket_path(long).parent == tmp_path


async def test_only_this_user_may_connect(tmp_path: Path) -> None:
    """The socket is for its user alone, in a folder that is made for this user alone."""
    path = tmp_path / "run" / "heart.sock"
    heart = await LocalPublisher.open(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    await heart.aclose()
    assert not path.exists()


async def test_a_living_heart_is_not_replaced(tmp_path: Path, eventually: Eventually) -> None:
    """A second heart is refused in words, and the first one's faces notice nothing."""
    heart = await LocalPublisher.open(tmp_path / "s")
    ear = Ear(LocalSubscriber(tmp_path / "s", [EVENTS]))
    await eventually(lambda: ear.subscriber.health().is_connected)
    with pytest.raises(StoreError, match="another heart") as refused:
        await LocalPublisher.open(tmp_path / "s")
    assert refused.value.code == "bus-taken"
    assert refused.value.hint
    heart.publish(EVENTS, b"still here")
    await eventually(lambda: ear.payloads == [b"still here"])
    await ear.close()
    await heart.aclose()


async def test_a_place_where_no_socket_can_be_is_told(tmp_path: Path) -> None:
    """A path that is too long or a folder that cannot be is refused with the path and the reason."""
    with pytest.raises(StoreError, match=f"longer than {MAX_PATH} bytes"):
        await LocalPublisher.open(tmp_path / ("x" * MAX_PATH))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="no socket can be made at"):
        await LocalPublisher.open(tmp_path / "file" / "s")


async def test_a_killed_heart_is_noticed_and_its_place_taken_over(tmp_path: Path, scene: Scene) -> None:
    """After kill -9 faces say so, the stale socket file is no obstacle, and the next heart's messages all arrive."""
    path = tmp_path / "heart.sock"
    process = subprocess.Popen([sys.executable, "-c", _HEART, str(path)], stdout=subprocess.PIPE, env=environment())
    assert process.stdout is not None
    assert process.stdout.readline() == b"listening\n"
    ear = await scene.ear(EVENTS, "market")
    await scene.until(lambda: ear.states == {("market", "BTC"): b"stood"})
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    await scene.until(lambda: not ear.subscriber.health().is_connected)
    assert path.exists()
    heart = await scene.heart()
    heart.publish(EVENTS, b"lost")
    await scene.until(lambda: ear.subscriber.health().is_connected)
    for payload in numbered(10):
        heart.publish(EVENTS, payload)
    await scene.until(lambda: ear.payloads[-10:] == numbered(10))
    assert ear.missed + len(ear.events) == 11


async def test_a_broken_connection_costs_what_was_told_meanwhile_exactly(scene: Scene) -> None:
    """The same heart, another connection: nothing twice, and what was told in between is told as missed."""
    heart = await scene.heart()
    ear = await scene.ear(EVENTS, "market")
    heart.publish(EVENTS, b"1")
    heart.publish("market", b"a", key="BTC")
    await scene.until(lambda: len(ear.heard) == 2)
    assert isinstance(ear.subscriber, LocalSubscriber)
    assert isinstance(heart, LocalPublisher)
    for face in list(heart._faces):
        face.abort()
    await scene.until(lambda: not ear.subscriber.health().is_connected)
    for payload in numbered(7):
        heart.publish(EVENTS, payload)
    await scene.until(lambda: ear.subscriber.health().is_connected)
    heart.publish(EVENTS, b"2")
    await scene.until(lambda: b"2" in ear.payloads)
    assert ear.payloads == [b"1", b"2"]
    assert ear.missed == 7
    assert ear.states == {("market", "BTC"): b"a"}
    assert len(ear.heard) == 3


async def test_a_group_without_members_waits_for_one(tmp_path: Path, eventually: Eventually) -> None:
    """What comes while no member is there waits, up to the backlog; the next member is told what went."""
    heart = await LocalPublisher.open(tmp_path / "s", backlog=10)
    founder = Ear(LocalSubscriber(tmp_path / "s", [EVENTS], group="g"))
    await eventually(lambda: founder.subscriber.health().is_connected)
    await founder.close()
    for payload in numbered(25):
        heart.publish(EVENTS, payload)
    assert heart.health().queued == 10
    assert heart.health().dropped == 15
    member = Ear(LocalSubscriber(tmp_path / "s", [EVENTS], group="g"), does_acknowledge=True)
    await eventually(lambda: member.payloads == numbered(10, 15))
    assert member.missed == member.heard[0].missed == 15
    await eventually(lambda: heart.health().queued == 0)
    await member.close()
    await heart.aclose()


async def test_a_late_word_that_a_message_is_done_counts(tmp_path: Path, eventually: Eventually) -> None:
    """A message taken from a slow member is told to nobody else, if that member says in time that it is done."""
    heart = await LocalPublisher.open(tmp_path / "s", reclaim_after_s=0.2)
    slow = Ear(LocalSubscriber(tmp_path / "s", [EVENTS], group="g"))
    await eventually(lambda: slow.subscriber.health().is_connected)
    for payload in numbered(5):
        heart.publish(EVENTS, payload)
    await eventually(lambda: len(slow.events) >= 6)  # the first comes again, the others wait behind it
    await slow.subscriber.acknowledge(slow.heard)
    await eventually(lambda: heart.health().queued == 0)
    assert Counter(slow.payloads).keys() == set(numbered(5))
    await slow.close()
    await heart.aclose()


@pytest.mark.parametrize(
    "noise",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="another language"),
        pytest.param(b"\x00\x00\x00\x00", id="an empty frame"),
        pytest.param(b"\x00\x00\x00\x03j\xc1\xc1", id="no msgpack"),
        pytest.param(b"\x00\x00\x00\x02j\x01", id="no request"),
    ],
)
async def test_nonsense_ends_that_connection_only(scene: Scene, tmp_path: Path, noise: bytes) -> None:
    """Whoever says something else is cut off; faces hear everything."""
    heart = await scene.heart()
    ear = await scene.ear(EVENTS)
    reader, writer = await asyncio.open_unix_connection(tmp_path / "heart.sock")
    writer.write(noise)
    with contextlib.suppress(OSError):
        assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    heart.publish(EVENTS, b"on it goes")
    await scene.until(lambda: ear.payloads == [b"on it goes"])
