"""The bad line: what its bytes do, over real sockets on loopback."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from perpscope.lab.proxy import FaultProxy, Line, main

Wait = Callable[[Callable[[], bool]], Awaitable[None]]
_SOURCES = Path(__file__).resolve().parents[2] / "src"


class Echo:
    """A server that says back what it hears, and keeps it."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.port = 0
        self.begun = self.ended = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.begun += 1
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                self.heard += chunk
                writer.write(chunk)
                await writer.drain()
        self.ended += 1
        writer.close()


@asynccontextmanager
async def line(**faults: object) -> AsyncIterator[tuple[FaultProxy, Echo]]:
    """A proxy before an echo, the line being like this."""
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    async with FaultProxy(echo.port, seed=3) as proxy:
        proxy.line = Line(**faults)  # type: ignore[arg-type]  # the test's own words
        yield proxy, echo
    async with asyncio.timeout(10.0):
        while echo.ended < echo.begun:
            await asyncio.sleep(0.005)
    server.close()
    await server.wait_closed()


async def said(proxy: FaultProxy, words: bytes) -> bytes:
    """What comes back, until there is as much or the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(words)
    back = bytearray()
    try:
        async with asyncio.timeout(10.0):
            while len(back) < len(words) and (chunk := await reader.read(65_536)):
                back += chunk
    finally:
        writer.close()
    return bytes(back)


async def test_a_good_line_changes_nothing() -> None:
    """Every byte arrives as it was sent, both ways, in order; several connections at once."""
    words = os.urandom(1_000_000)
    async with line() as (proxy, echo):
        first, second = await asyncio.gather(said(proxy, words), said(proxy, words))
        assert first == second == words
        assert len(echo.heard) == 2 * len(words)
        assert proxy.accepted == 2


async def test_latency_is_added_each_way() -> None:
    """A word and its echo take twice the latency, and arrive whole."""
    async with line(latency_s=0.1) as (proxy, _):
        began = time.monotonic()
        assert await said(proxy, b"words") == b"words"
        assert time.monotonic() - began >= 0.2


async def test_a_slow_line_keeps_to_its_rate() -> None:
    """20 kB at 40 kB/s there and back take at least half a second."""
    words = os.urandom(20_000)
    async with line(bytes_per_s=40_000.0) as (proxy, _):
        began = time.monotonic()
        assert await said(proxy, words) == words
        assert time.monotonic() - began >= 0.4


async def test_a_line_mute_upwards_brings_the_server_nothing(eventually: Wait) -> None:
    """What a client says is thrown away; the connection stays."""
    async with line(is_mute_up=True) as (proxy, echo):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"words")
        await eventually(lambda: proxy.swallowed == 5)
        proxy.line.is_mute_up = False
        writer.write(b"more")
        assert await reader.readexactly(4) == b"more"
        writer.close()
        assert bytes(echo.heard) == b"more"


async def test_a_line_mute_downwards_swallows_the_answers(eventually: Wait) -> None:
    """The server hears and answers; the client gets nothing until the line speaks again."""
    async with line(is_mute_down=True) as (proxy, echo):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"lost")
        await eventually(lambda: bytes(echo.heard) == b"lost")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await reader.read(1)
        proxy.line.is_mute_down = False
        writer.write(b"kept")
        assert await reader.readexactly(4) == b"kept"
        writer.close()


async def test_a_cut_ends_the_connection_within_the_bytes() -> None:
    """So many bytes arrive and no more; then RST."""
    async with line(cut_after=1000) as (proxy, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"x" * 5000)
        back = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while chunk := await reader.read(65_536):
                back += chunk
        writer.close()
        assert len(back) <= 1000


async def test_a_reset_is_an_error_to_the_client(eventually: Wait) -> None:
    """RST, not an orderly end: what a crashed peer looks like; the server's side is let go as well."""
    async with line() as (proxy, echo):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
        await eventually(lambda: echo.ended == 1 and proxy.connections == 0)


async def test_flipped_bits_are_few_and_repeatable() -> None:
    """As many bytes, some of them wrong; only on the way down."""
    words = bytes(200_000)
    async with line(flips=1.0) as (proxy, echo):
        back = await said(proxy, words)
    assert len(back) == len(words)
    assert 0 < sum(byte != 0 for byte in back) < 200
    assert bytes(echo.heard) == words


async def test_a_half_open_line_stays_connected(eventually: Wait) -> None:
    """Nothing is read, nothing ends; it goes on when the line is whole again."""
    async with line(is_half_open=True) as (proxy, echo):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"words")
        await eventually(lambda: proxy.connections == 1)
        assert bytes(echo.heard) == b""
        proxy.line.is_half_open = False
        assert await reader.readexactly(5) == b"words"
        writer.close()


async def test_nobody_behind_is_a_reset() -> None:
    """A server that is not there looks like one that hangs up."""
    async with line() as (_, echo):
        pass
    async with FaultProxy(echo.port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()


async def test_the_proxy_is_a_program_too() -> None:
    """`python -m perpscope.lab.proxy HOST:PORT` says where it listens, and ends cleanly on SIGTERM."""
    async with line() as (_, echo):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "perpscope.lab.proxy", f"127.0.0.1:{echo.port}", "--latency", "0.05"),
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(_SOURCES)},
        )
        try:
            assert process.stdout is not None
            port = json.loads(await process.stdout.readline())["port"]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"words")
            assert await reader.readexactly(5) == b"words"
            writer.close()
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()


def test_a_server_without_a_port_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """One error, exit status 2."""
    assert main(["127.0.0.1:x"]) == 2
    assert capsys.readouterr().err.startswith("error: ")


async def test_a_taken_port_is_refused() -> None:
    """The error of the machine, not a proxy that listens nowhere."""
    async with line() as (proxy, echo):
        with pytest.raises(OSError, match="in use"):
            await FaultProxy(echo.port).start(proxy.port)


def test_proxy_needs_a_server() -> None:
    """Without one it says how it is used."""
    done = subprocess.run(
        [sys.executable, "-m", "perpscope.lab.proxy"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(_SOURCES)},
    )
    assert done.returncode == 2
    assert "HOST:PORT" in done.stderr
