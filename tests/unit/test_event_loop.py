"""A socket that was handed to the event loop is closed once, whenever whoever wanted the connection gives it up."""

import asyncio
import gc
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohappyeyeballs
import pytest

from perpscope.feeds import event_loop, way_out


class _Nothing(BaseHTTPRequestHandler):
    """Answers whatever is asked with nothing."""

    def do_GET(self) -> None:
        """One answer."""
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """Where a server answers, in a thread of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Nothing) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield server.server_port
        server.shutdown()
        serving.join()


async def is_done_before_it_is_given_up(begun: "asyncio.Task[object]", steps: int) -> bool:
    """Let the loop go so many steps, then cancel; whether it was done by then."""
    for _ in range(steps):
        await asyncio.sleep(0)
    was_done = begun.done()
    begun.cancel()
    await asyncio.gather(begun, return_exceptions=True)
    return was_done


def test_a_connection_that_is_given_up_takes_nobody_elses_file(tmp_path: Path) -> None:
    """What is opened right after has the number that was let go of, and keeps it."""
    (tmp_path / "journal").write_bytes(b"kept")
    given_up = 0

    async def main() -> None:
        nonlocal given_up
        loop = asyncio.get_running_loop()
        for steps in range(1, 5):
            made = socket.create_connection(listening.getsockname())
            made.setblocking(False)
            begun = loop.create_task(loop.create_connection(asyncio.Protocol, sock=made))
            if await is_done_before_it_is_given_up(begun, steps):
                begun.result()[0].close()
                continue
            given_up += 1
            assert made.fileno() == -1
            opened = [os.open(tmp_path / "journal", os.O_RDONLY) for _ in range(8)]
            del made, begun
            gc.collect()
            for file in opened:
                assert os.pread(file, 4, 0) == b"kept"
                os.close(file)

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        event_loop.run(main())
    assert given_up


@pytest.mark.filterwarnings("default::ResourceWarning")
def test_a_call_that_is_given_up_leaves_no_socket(
    port: int, recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as its connection stands, through the session that every call of ours goes by."""
    connect, given_up = aiohappyeyeballs.start_connection, 0

    async def connected(**how: Any) -> socket.socket:  # noqa: ANN401 -- as aiohttp calls it
        made = await connect(**how)
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        return made

    async def call() -> int:
        session, _ = way_out.session("", 60.0)
        async with session, session.get(f"http://127.0.0.1:{port}/") as reply:
            return reply.status

    async def main() -> int:
        nonlocal given_up
        for _ in range(3):
            with monkeypatch.context() as patched:
                patched.setattr(aiohappyeyeballs, "start_connection", connected)
                begun = asyncio.get_running_loop().create_task(call())
                await asyncio.wait([begun])
            given_up += begun.cancelled()
            del begun
            gc.collect()
        return await call()

    assert event_loop.run(main()) == 204
    assert given_up == 3
    assert [str(told.message) for told in recwarn if issubclass(told.category, ResourceWarning)] == []


def test_what_cannot_be_taken_over_stays_its_owners() -> None:
    """A socket that is no connection is refused, and is still whole."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            with pytest.raises(ValueError, match="Stream Socket"):
                await loop.create_connection(asyncio.Protocol, sock=made)
            made.bind(("127.0.0.1", 0))
            assert made.getsockname()[1] > 0

    event_loop.run(main())
