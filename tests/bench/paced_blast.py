"""Canned Binance frames at a steady rate from a process of its own: `python paced_blast.py RATE CONNECTIONS`.

Prints its port. Once so many connections have subscribed, each is sent its share of RATE frames a second in bursts of
five milliseconds, framed beforehand: what the sockets can be asked for is limited by who reads them, not by a market
that has to be made first. Depth diffs are numbered anew as they go, and one quote a burst carries the time it is sent.
When standard input ends, it prints its own share of a core and how many frames it sent.
"""

import json
import random
import socket
import sys
import threading
import time
from collections.abc import Iterator

import msgspec
from blast import _framed, _shake_hands
from wire_frames import WEIGHTS, frames

_BURST_S = 0.005
_TAPE = 2_000  #: frames of a connection, over and over
_BUFFER_BYTES = 4 << 20
_KINDS = {
    "bookTicker": "bookTicker",
    "aggTrade": "aggTrade",
    "depth@100ms": "depthUpdate",
    "kline_1m": "kline",
    "markPrice@1s": "markPrice",
    "forceOrder": "forceOrder",
}


class _Share:
    """What one connection has subscribed to, and the frames it is sent."""

    def __init__(self, client: socket.socket, topics: list[str]) -> None:
        self.client = client
        self.sent = 0
        kinds = {topic: _KINDS[kind] for topic in topics if (kind := topic.partition("@")[2]) in _KINDS}
        of_kind = {kind: [topic for topic in kinds if kinds[topic] == kind] for kind in set(kinds.values())}
        #: Each topic carries its part of what its kind has of a hundred frames.
        self.weight = {kind: WEIGHTS[kind] * len(topics) for kind, topics in of_kind.items()}
        rng = random.Random(7)
        one_of_each = frames()
        self.has_quotes = "bookTicker" in of_kind
        chosen = rng.choices(list(self.weight), list(self.weight.values()), k=_TAPE)
        self._tape = [_about(one_of_each[kind], rng.choice(of_kind[kind])) for kind in chosen]
        self._number = 8_123_000_000_000
        self._next = self._bursts()

    def send(self, count: int) -> None:
        """The next so many frames."""
        parts = [next(self._next) for _ in range(count)]
        self.client.sendall(b"".join(parts))
        self.sent += count

    def _bursts(self) -> Iterator[bytes]:
        last: dict[bytes, int] = {}
        plain = [None if b"depthUpdate" in frame else _framed(frame) for frame in self._tape]
        while True:
            for frame, whole in zip(self._tape, plain, strict=True):
                if whole is not None:
                    yield whole
                    continue
                about = frame[:40]
                self._number += 10
                before = last.get(about, self._number - 10)
                last[about] = self._number
                numbered = frame.replace(b"8123456780000", b"%d" % (before + 1)).replace(
                    b"8123456779999", b"%d" % before
                )
                yield _framed(numbered.replace(b"8123456789012", b"%d" % self._number))


def _about(frame: bytes, topic: str) -> bytes:
    """The frame as told of another symbol."""
    symbol = topic.partition("@")[0]
    return frame.replace(b"btcusdt@", symbol.encode() + b"@").replace(b"BTCUSDT", symbol.upper().encode())


def _clocked() -> bytes:
    """A quote that carries the moment it is sent as its sizes: seconds, and microseconds of the second."""
    now_us = time.time_ns() // 1_000
    frame = frames()["bookTicker"].replace(b'"12.345"', b'"%d.5"' % (now_us // 1_000_000))
    return _framed(_about(frame.replace(b'"3.210"', b'"%d.5"' % (now_us % 1_000_000 + 1)), "clockusdt@bookTicker"))


def _serve(client: socket.socket, shares: list[_Share]) -> None:
    """Answer a client's subscriptions; with its last one it is ready."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    _shake_hands(client)
    topics: list[str] = []
    client.settimeout(1.0)
    while True:
        try:
            message = _message(client)
        except TimeoutError:
            break
        topics += message.params
        client.sendall(_framed(b'{"result":null,"id":%d}' % message.id))
    client.settimeout(None)
    shares.append(_Share(client, topics))


class _Asked(msgspec.Struct):
    params: list[str]
    id: int


def _message(client: socket.socket) -> _Asked:
    """What one masked text frame asks for."""
    head = _exactly(client, 2)
    size = head[1] & 127
    if size == 126:
        size = int.from_bytes(_exactly(client, 2), "big")
    mask, body = _exactly(client, 4), _exactly(client, size)
    return msgspec.json.decode(bytes(byte ^ mask[n % 4] for n, byte in enumerate(body)), type=_Asked)


def _exactly(client: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        got += client.recv(size - len(got)) or b"\0" * (size - len(got))
    return got


def _wait_for_the_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def main(rate: float, connections: int) -> None:
    """Serve until the clients have gone or standard input ends."""
    server = socket.create_server(("127.0.0.1", 0))
    print(server.getsockname()[1], flush=True)
    shares: list[_Share] = []
    for _ in range(connections):
        client, _ = server.accept()
        threading.Thread(target=_serve, args=(client, shares), daemon=True).start()
    while len(shares) < connections:
        time.sleep(0.05)
    whole = sum(weight for share in shares for weight in share.weight.values())
    busy, began, burst = time.process_time(), time.monotonic(), 0
    owed = [0.0] * connections
    ended = threading.Event()
    threading.Thread(target=_wait_for_the_end, args=(ended,), daemon=True).start()
    try:
        while not ended.is_set():
            burst += 1
            if (ahead := began + burst * _BURST_S - time.monotonic()) > 0.0:
                time.sleep(ahead)
            for at, share in enumerate(shares):
                owed[at] += rate * _BURST_S * sum(share.weight.values()) / whole
                share.send(int(owed[at]))
                owed[at] -= int(owed[at])
                if share.has_quotes and not burst % 4:
                    share.client.sendall(_clocked())
    except OSError:
        pass
    share_of_core = (time.process_time() - busy) / (time.monotonic() - began)
    print(json.dumps({"frames": sum(share.sent for share in shares), "core_share": share_of_core}), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
