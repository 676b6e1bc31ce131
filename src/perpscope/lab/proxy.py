"""`python -m perpscope.lab.proxy 127.0.0.1:9001`: a TCP proxy on loopback that does what networks do.

In: connections, and what is to go wrong (`Line`, to be changed at any time). Out: the same bytes to and from the server
behind, late, slowly, not at all, with a bit flipped, or cut off. Prints its port in one line of JSON when it is ready.
"""

import argparse
import asyncio
import contextlib
import random
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import msgspec

_CHUNK = 16_384
_HOST = "127.0.0.1"
_RESET = struct.pack("ii", 1, 0)  # linger on, for no time: closing sends RST


class Line(msgspec.Struct):
    """What a connection is like; both directions unless a field says which."""

    latency_s: float = 0.0  #: every byte so much later
    bytes_per_s: float = 0.0  #: 0 = as fast as it goes
    is_mute_up: bool = False  #: what clients send is read and thrown away
    is_mute_down: bool = False  #: what the server sends is read and thrown away
    is_half_open: bool = False  #: nothing is read any more; TCP stays
    flips: float = 0.0  #: chance of a flipped bit per 1000 bytes of the server's
    cut_after: int | None = None  #: RST after so many bytes of the server's, counted from when this was set


class FaultProxy:
    """A listener before one server. Use it as an async context manager, or call `start` and `aclose`.

    Args:
        port: of the server behind, on loopback.
        seed: of the flipped bits.
    """

    def __init__(self, port: int, *, seed: int = 0, host: str = _HOST) -> None:
        self.line = Line()
        self.port = 0  #: where it listens, once started
        self.accepted = 0  #: connections so far
        self.swallowed = 0  #: bytes read and thrown away
        self._behind = (host, port)
        self._rng = random.Random(seed)  # noqa: S311 (repeatable chance)
        self._server: asyncio.Server | None = None
        self._joined: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self, port: int = 0) -> int:
        """Listen; returns the port.

        Raises:
            OSError: the port is taken.
        """
        self._server = await asyncio.start_server(self._arrived, _HOST, port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def aclose(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
            self.reset()
            await asyncio.gather(*self._joined, return_exceptions=True)
            await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._joined)

    def reset(self) -> None:
        """End every connection with RST."""
        for task, writer in list(self._joined.items()):
            _reset(writer)
            task.cancel()

    def _arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.get_running_loop().create_task(self._join(reader, writer))
        self._joined[task] = writer

        def ended(task: asyncio.Task[None]) -> None:
            self._joined.pop(task, None)
            writer.close()

        task.add_done_callback(ended)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back_reader, back = await asyncio.open_connection(*self._behind)
        except OSError:
            _reset(writer)
            return
        pumps = [
            asyncio.ensure_future(self._pump(reader, back, is_down=False)),
            asyncio.ensure_future(self._pump(back_reader, writer, is_down=True)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            back.close()  # before anything is awaited: this task may be cancelled once more
            writer.close()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_down: bool) -> None:
        """Hand on what is read, as the line is, until there is no more."""
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=16)
        writing = asyncio.ensure_future(self._write(late, writer))
        loop = asyncio.get_running_loop()
        try:
            while not writing.done():
                while self.line.is_half_open:
                    await asyncio.sleep(0.02)
                chunk = await reader.read(_CHUNK)
                if not chunk:
                    await late.put((loop.time() + self.line.latency_s, b""))
                    await writing
                    return
                passed = self._passed(chunk, is_down=is_down)
                if passed is None:
                    await late.put((loop.time(), chunk[: self.line.cut_after]))
                    await late.put((loop.time(), b""))
                    await writing
                    _reset(writer)
                    return
                if passed:
                    await late.put((loop.time() + self.line.latency_s, passed))
        finally:
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await writing

    def _passed(self, chunk: bytes, *, is_down: bool) -> bytes | None:
        """What becomes of some bytes; None if the connection ends within them."""
        line = self.line
        if line.is_mute_down if is_down else line.is_mute_up:
            self.swallowed += len(chunk)
            return b""
        if not is_down:
            return chunk
        if line.cut_after is not None:
            if line.cut_after < len(chunk):
                return None
            line.cut_after -= len(chunk)
        if line.flips and self._rng.random() < line.flips * len(chunk) / 1000:
            wounded = bytearray(chunk)
            wounded[self._rng.randrange(len(chunk))] ^= 1 << self._rng.randrange(8)
            return bytes(wounded)
        return chunk

    async def _write(self, late: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, chunk = await late.get()
            if (wait_s := due - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            if not chunk:
                return
            rate = self.line.bytes_per_s
            step = max(1, int(rate / 20)) if rate else len(chunk)
            for at in range(0, len(chunk), step):
                writer.write(chunk[at : at + step])
                await writer.drain()
                if rate:
                    await asyncio.sleep(step / rate)


def _reset(writer: asyncio.StreamWriter) -> None:
    end: socket.socket | None = writer.get_extra_info("socket")
    if end is not None:
        with contextlib.suppress(OSError):  # it may be gone already
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; exits with status 2 if it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m perpscope.lab.proxy", description="A bad line on loopback.")
    parser.add_argument("behind", metavar="HOST:PORT", help="the server behind")
    parser.add_argument("--port", type=int, default=0, help="where to listen (default: any free port)")
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="every byte so many seconds later")
    parser.add_argument("--rate", type=float, default=0.0, metavar="BYTES", help="bytes per second each way")
    parser.add_argument("--flips", type=float, default=0.0, metavar="P", help="chance of a flipped bit per 1000 bytes")
    parser.add_argument("--mute", choices=("up", "down"), default=None, help="throw away what goes this way")
    parser.add_argument("--cut-after", type=int, default=None, metavar="BYTES", help="RST after so many bytes down")
    parser.add_argument("--seed", type=int, default=0, help="of the flipped bits")
    return parser.parse_args(argv)


async def serve(asked: argparse.Namespace) -> None:
    """Run until told to stop.

    Raises:
        OSError: the port is taken.
        ValueError: the server behind is not named as HOST:PORT.
    """
    host, _, port = asked.behind.rpartition(":")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    proxy = FaultProxy(int(port), seed=asked.seed, host=host or _HOST)
    proxy.line = Line(
        latency_s=asked.latency,
        bytes_per_s=asked.rate,
        is_mute_up=asked.mute == "up",
        is_mute_down=asked.mute == "down",
        flips=asked.flips,
        cut_after=asked.cut_after,
    )
    await proxy.start(asked.port)
    print(msgspec.json.encode({"port": proxy.port}).decode(), flush=True)
    try:
        await stop.wait()
    finally:
        await proxy.aclose()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    try:
        asyncio.run(serve(arguments(sys.argv[1:] if argv is None else argv)))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
