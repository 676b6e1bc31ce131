"""The event loop of hearts and faces: uvloop, with sockets that are closed once.

uvloop before 0.23 closes what a connection was being made from when that is cancelled, and lets the Python socket keep
the number of the file; the garbage collector closes that number again, and by then it can be the journal's, a
recording's or another connection's (https://github.com/MagicStack/uvloop/issues/738). ccxt 4.5 asks for exactly 0.22.1
(its package metadata), so that 0.23 cannot be asked for here.
"""

import asyncio
import os
import socket
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


class Loop(uvloop.Loop):
    """An event loop of uvloop that gives no socket back whose file it has closed."""

    async def create_connection(  # type: ignore[override]  # uvloop spells out what is passed on here
        self, *where: object, sock: socket.socket | None = None, **how: object
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        """As asyncio has it; where it fails after a socket was taken over, that socket has no file any more."""
        taken = None if sock is None else _file_of(sock)
        try:
            return await super().create_connection(*where, sock=sock, **how)  # type: ignore[call-overload,no-any-return]
        except BaseException:
            if sock is not None and _file_of(sock) != taken:
                sock.detach()
            raise


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end, as `asyncio.run` does, on such a loop."""
    return uvloop.run(main, loop_factory=Loop)


def _file_of(made: socket.socket) -> int | None:
    """Which file a socket's number stands for now; None = none at all."""
    try:
        return os.fstat(made.fileno()).st_ino
    except OSError:
        return None
