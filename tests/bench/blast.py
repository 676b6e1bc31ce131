"""A bare WebSocket server that sends a canned mix much faster than it can be read; a process of its own.

`python blast.py MESSAGES [bookless] [unasked]` prints its port. To each client it sends, after the client's first
message, an acknowledgement and MESSAGES frames framed beforehand in large writes, then a close: the client's cost is
all there is.
`bookless` leaves the books out; `unasked` waits for no message and acknowledges none, for clients who subscribe by URL.
"""

import asyncio
import base64
import contextlib
import hashlib
import sys

from wire_frames import BOOKLESS, WEIGHTS, mix

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_WRITE_BYTES = 1 << 16
_CLOSE = b"\x88\x02\x03\xe8"


def _framed(payload: bytes) -> bytes:
    """One unmasked text frame."""
    size = len(payload)
    head = bytes([0x81, size]) if size < 126 else b"\x81\x7e" + size.to_bytes(2, "big")
    return head + payload


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tape: bytes, is_asked: bool) -> None:
    request = await reader.readuntil(b"\r\n\r\n")
    key = next(
        line.split(b": ", 1)[1] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
    writer.write(b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    if is_asked:
        await reader.read(64)
        writer.write(_framed(b'{"result":null,"id":1}'))
    with contextlib.suppress(ConnectionError):  # clients end when they have what they want
        for start in range(0, len(tape), _WRITE_BYTES):
            writer.write(tape[start : start + _WRITE_BYTES])
            await writer.drain()
        writer.write(_CLOSE)
        await writer.drain()
        await reader.read()
    writer.close()


async def main(messages: int, kinds: tuple[str, ...], *, is_asked: bool) -> None:
    """Serve until standard input ends."""
    frames = mix(kinds=kinds)
    tape = b"".join(map(_framed, frames)) * -(-messages // len(frames))
    server = await asyncio.start_server(lambda r, w: _serve(r, w, tape, is_asked), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    chosen = BOOKLESS if "bookless" in sys.argv else tuple(WEIGHTS)
    asyncio.run(main(int(sys.argv[1]), chosen, is_asked="unasked" not in sys.argv))
