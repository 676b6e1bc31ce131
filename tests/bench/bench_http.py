"""An answer over HTTP: CPU of the server for each, beside a bare starlette route of the same size and a dict."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from measure import interleaved, judge, ratio, tell

_SOCKETS = 16
_REQUESTS = 1600
_HEADERS = "host: 127.0.0.1\r\nuser-agent: bench\r\naccept: application/json\r\nconnection: keep-alive\r\n"


class _Server:
    """One server, and connections to it that stay open."""

    def __init__(self, port: int) -> None:
        self._sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(_SOCKETS)]

    def cpu_ns(self) -> int:
        return int(self._ask([self._sockets[0]], _request("/cpu"))[0].rpartition(b"\r\n\r\n")[2])

    def per_request(self, path: str, count: int = _REQUESTS, more: str = "") -> float:
        """CPU ns of the server for each of so many requests, a few at a time."""
        request = _request(path, more)
        began = self.cpu_ns()
        for _ in range(count // _SOCKETS):
            self._ask(self._sockets, request)
        return (self.cpu_ns() - began) / (count // _SOCKETS * _SOCKETS)

    def etag(self, path: str) -> str:
        head = self._ask([self._sockets[0]], _request(path))[0].lower()
        return head.partition(b"etag: ")[2].partition(b"\r\n")[0].decode()

    def size(self, path: str) -> int:
        return len(self._ask([self._sockets[0]], _request(path))[0].partition(b"\r\n\r\n")[2])

    def close(self) -> None:
        for open_ in self._sockets:
            open_.close()

    def _ask(self, sockets: list[socket.socket], request: bytes) -> list[bytes]:
        for open_ in sockets:
            open_.sendall(request)
        return [_reply(open_) for open_ in sockets]


def http() -> bool:
    """Ask each in turn."""
    with contextlib.ExitStack() as stack:
        ours, bare, plain = (stack.enter_context(_serving(name)) for name in ("ours", "bare", "dict"))
        small, large = "/bins?rows=8", "/bins?rows=1000"
        has = f"if-none-match: {ours.etag(large)}\r\n"
        print(f"\nbodies: {ours.size(small):,} and {ours.size(large):,} B ours, {bare.size('/1k'):,} and ", end="")
        print(f"{bare.size('/100k'):,} B bare, {plain.size('/100k'):,} B of a dict")
        figures = interleaved(
            {
                "bare starlette, 1 kB": lambda: bare.per_request("/1k"),
                "bare starlette, 100 kB": lambda: bare.per_request("/100k"),
                "ours, 1 kB": lambda: ours.per_request(small),
                "ours, 100 kB": lambda: ours.per_request(large),
                "ours, 304 of the 100 kB": lambda: ours.per_request(large, more=has),
                "FastAPI, 100 kB dict": lambda: plain.per_request("/100k", 64),
            }
        )
    tell("HTTP, CPU of the server per request, guard and counting included", figures)
    bare_1k, bare_100k, ours_1k, ours_100k, same, of_dict = figures.values()
    print(f"      {ratio(ours_1k, bare_1k):.2f} × bare for 1 kB")
    return all(
        [
            judge("100 kB ÷ bare starlette", ratio(ours_100k, bare_100k), 1.3),
            judge("FastAPI dict ÷ 100 kB", ratio(of_dict, ours_100k), 100.0, at_least=True),
            judge("304 ÷ 1 kB", ratio(same, ours_1k), 1.1),
        ]
    )


@contextlib.contextmanager
def _serving(name: str) -> Iterator[_Server]:
    words = [sys.executable, str(Path(__file__).with_name("http_servers.py")), name]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        server = _Server(int(process.stdout.readline()))
        try:
            yield server
        finally:
            server.close()
            process.terminate()


def _request(path: str, more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\n{_HEADERS}{more}\r\n".encode()


def _reply(open_: socket.socket) -> bytes:
    """One whole reply."""
    raw = open_.recv(262_144)
    while b"\r\n\r\n" not in raw:
        raw += open_.recv(262_144)
    head, _, _ = raw.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    whole = len(head) + 4 + int(length or 0)
    while len(raw) < whole:
        raw += open_.recv(262_144)
    return raw
