"""A bare WebSocket server that sends a canned mix much faster than it can be read; a process of its own.

`python blast.py MESSAGES [bookless] [unasked]` prints its port. To each client it sends, after the client's first
message, an acknowledgement and MESSAGES frames framed beforehand in one long write, then a close: the client's cost is
all there is. The kernel's buffers are large, lest a client that reads faster than a busy machine lets us write pays
for many small reads. `bookless` leaves the books out; `unasked` waits for no message and acknowledges none, for
clients who subscribe by URL.
"""

import base64
import contextlib
import hashlib
import socket
import sys
import threading

from wire_frames import BOOKLESS, WEIGHTS, mix

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_BUFFER_BYTES = 4 << 20
_CLOSE = b"\x88\x02\x03\xe8"


def _framed(payload: bytes) -> bytes:
    """One unmasked text frame."""
    size = len(payload)
    head = bytes([0x81, size]) if size < 126 else b"\x81\x7e" + size.to_bytes(2, "big")
    return head + payload


def _shake_hands(client: socket.socket) -> None:
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += client.recv(4096)
    key = next(
        line.split(b": ", 1)[1] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest())
    client.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def _serve(client: socket.socket, tape: bytes, is_asked: bool) -> None:
    with client, contextlib.suppress(ConnectionError):  # clients end when they have what they want
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        _shake_hands(client)
        if is_asked:
            client.recv(4096)
            client.sendall(_framed(b'{"result":null,"id":1}'))
        client.sendall(tape)
        client.sendall(_CLOSE)
        while client.recv(1 << 16):
            pass


def _accept(server: socket.socket, tape: bytes, is_asked: bool) -> None:
    while True:
        client, _ = server.accept()
        threading.Thread(target=_serve, args=(client, tape, is_asked), daemon=True).start()


def main(messages: int, kinds: tuple[str, ...], *, is_asked: bool) -> None:
    """Serve until standard input ends."""
    frames = mix(kinds=kinds)
    tape = b"".join(map(_framed, frames)) * -(-messages // len(frames))
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(server, tape, is_asked), daemon=True).start()
    print(server.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    chosen = BOOKLESS if "bookless" in sys.argv else tuple(WEIGHTS)
    main(int(sys.argv[1]), chosen, is_asked="unasked" not in sys.argv)
